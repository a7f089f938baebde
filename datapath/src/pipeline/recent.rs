//! What a worker knows about the changes that led to the snapshot it uses: which cached answers are in doubt.
//!
//! A small cache of hashes: for the last changes of every table and mask, by hash of their values, the generation that they
//! came with. A cached flow asks there with its own values. What the cache had no room for counts as changed for
//! everybody who asks in the same line; a hash of 32 bits that two values share, as a change of both: that costs a
//! translation, and nothing else.
//!
//! The cost of a question is that of the line's way into the core. So it is asked in two steps: [`Recent::look`] finds the line
//! and asks for it, [`Recent::go_on`] reads it, some frames later.

use super::changes::{Changes, SHAPES_MAX, finish, mix};
use crate::flow::{FlowKey, FlowMask};
use crate::mem::prefetch;

/// Changes in a line, and one more place for all that there was no room for.
const WAYS: usize = 7;
/// How far ahead of the change that is noted the lines of the next are asked for.
const AHEAD: usize = 8;
/// Lines: 512 kB for each worker, which are the last 57 thousand changes or more.
const LINES: usize = 1 << 13;

/// What a cached answer is known by.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// The values of its bits; others do not matter.
    pub key: &'a FlowKey,
    /// Its bits.
    pub mask: &'a FlowMask,
    /// The tables that were asked: bit n modulo 64.
    pub tables: u64,
    /// The words of the key that rules changed on the way.
    pub rewritten: u64,
}

/// Changes whose hashes lead here. Generations are those since `Recent::base`; 0 is a way that is free. The last way has no tag: it
/// is the last change that there was no room for.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C, align(64))]
struct Line {
    tags: [u32; WAYS + 1],
    generations: [i32; WAYS + 1],
}

const _: () = assert!(size_of::<Line>() == 64, "a question touches one cache line");

impl Line {
    fn note(&mut self, tag: u32, generation: i32) {
        let known = self.generations[..WAYS].iter().zip(&self.tags);
        let same = known.clone().position(|(have, t)| *t == tag && *have > 0);
        let way = same.unwrap_or_else(|| {
            let oldest = (0..WAYS).min_by_key(|way| self.generations[*way]).unwrap_or(0);
            self.generations[WAYS] = self.generations[WAYS].max(self.generations[oldest].min(generation));
            oldest
        });
        if generation > self.generations[way] {
            (self.tags[way], self.generations[way]) = (tag, generation);
        }
    }

    /// Whether something with this tag may have changed since.
    #[inline]
    fn changed(&self, tag: u32, since: i32) -> bool {
        // All ways at once: this is a handful of vector instructions.
        let later = |way: usize| (self.tags[way] == tag || way == WAYS) & (self.generations[way] > since);
        std::array::from_fn::<bool, { WAYS + 1 }, _>(later).iter().fold(false, |any, later| any | later)
    }
}

/// How far the question has come whether an answer is still good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outlook {
    /// It is.
    Holds,
    /// It may differ.
    InDoubt,
    /// Rules of this shape have changed; those with this hash would matter.
    Ask {
        /// In the order of the last changes.
        rank: u8,
        /// Of the answer's values.
        hash: u64,
    },
}

/// What a worker knows about the changes that led to the snapshot it uses.
#[derive(Debug)]
pub struct Recent {
    /// Answers of older generations are in doubt.
    certain: u64,
    /// Generations are counted from here.
    base: u64,
    /// The generation that changed a rule of each shape last.
    latest: [u64; SHAPES_MAX],
    /// The shapes, those that changed last before the others.
    order: [u8; SHAPES_MAX],
    lines: Box<[Line]>,
}

const _: () = assert!(SHAPES_MAX <= 1 << u8::BITS);

impl Recent {
    /// For a worker that begins with this generation.
    pub fn new(generation: u64) -> Recent {
        Recent {
            certain: generation,
            base: generation,
            latest: [0; SHAPES_MAX],
            order: std::array::from_fn(|shape| shape as u8),
            lines: vec![Line::default(); LINES].into_boxed_slice(),
        }
    }

    /// Begins anew: answers of older generations than this one are in doubt.
    pub fn restart(&mut self, generation: u64) {
        (self.certain, self.base) = (generation, generation);
        self.latest.fill(0);
        self.lines.fill(Line::default());
    }

    /// Learns what led from the snapshot of generation `from` to this one.
    pub fn learn(&mut self, changes: &Changes, from: u64) {
        // Generations have 31 bits here. Once in two thousand million of them everything is in doubt.
        if changes.generation() - self.base > i32::MAX as u64 {
            return self.restart(changes.generation());
        }
        let new = || changes.latest().take_while(|change| change.generation > from);
        let mut ahead = new().skip(AHEAD);
        let mut sorted = true;
        for change in new() {
            if let Some(later) = ahead.next() {
                prefetch(&self.lines[line(later.hash)]);
            }
            let Some(shape) = change.shape else {
                // What was before does not matter any more, and has other numbers.
                self.certain = self.certain.max(change.generation);
                return self.sort();
            };
            let latest = &mut self.latest[shape];
            *latest = (*latest).max(change.generation);
            sorted &= usize::from(self.order[0]) == shape;
            self.lines[line(change.hash)].note(tag(change.hash), (change.generation - self.base) as i32);
        }
        if from < changes.since() {
            self.certain = changes.generation();
        }
        if !sorted {
            self.sort();
        }
    }

    fn sort(&mut self) {
        let latest = &self.latest;
        self.order.sort_unstable_by_key(|shape| std::cmp::Reverse(latest[usize::from(*shape)]));
    }

    /// Whether an answer of an older generation may differ from that of the snapshot learnt last.
    pub fn matters(&self, changes: &Changes, since: u64, known: Known<'_>) -> bool {
        self.go_on(self.look(changes, since, known), changes, since, known)
    }

    /// The first step of [`Recent::matters`]: brings near what the second looks at.
    #[inline]
    pub fn look(&self, changes: &Changes, since: u64, known: Known<'_>) -> Outlook {
        if since < self.certain {
            return Outlook::InDoubt;
        }
        let outlook = self.next(0, changes, since, known);
        if let Outlook::Ask { hash, .. } = outlook {
            prefetch(&self.lines[line(hash)]);
        }
        outlook
    }

    /// The second step.
    #[inline]
    pub fn go_on(&self, outlook: Outlook, changes: &Changes, since: u64, known: Known<'_>) -> bool {
        let mut outlook = outlook;
        while let Outlook::Ask { rank, hash } = outlook {
            if self.lines[line(hash)].changed(tag(hash), (since - self.base) as i32) {
                return true;
            }
            outlook = self.next(usize::from(rank) + 1, changes, since, known);
        }
        outlook == Outlook::InDoubt
    }

    /// The next shape that has changed since, in a table that was asked.
    #[inline]
    fn next(&self, rank: usize, changes: &Changes, since: u64, known: Known<'_>) -> Outlook {
        let (have, mask) = (known.key.words(), known.mask.words());
        for (rank, shape) in self.order.iter().enumerate().skip(rank) {
            let at = usize::from(*shape);
            if self.latest[at] <= since {
                break;
            }
            let Some(shape) = changes.shapes().get(at) else { continue };
            if known.tables & 1 << (shape.table.0 % 64) == 0 {
                continue;
            }
            let (mut open, mut mixed) = (0, 0);
            for (i, (word, bits)) in shape.cells.iter().enumerate() {
                let word = usize::from(*word);
                open |= bits & !mask[word];
                mixed ^= mix(have[word] & bits, i);
            }
            // Bits that the flow leaves open, or that rules changed before the table was asked, can be anything.
            if open != 0 || known.rewritten & shape.words != 0 {
                return Outlook::InDoubt;
            }
            return Outlook::Ask { rank: rank as u8, hash: finish(mixed, at) };
        }
        Outlook::Holds
    }
}

#[inline]
fn line(hash: u64) -> usize {
    hash as usize % LINES
}

#[inline]
fn tag(hash: u64) -> u32 {
    (hash >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::super::changes::KEPT;
    use super::*;
    use crate::flow::Field;
    use crate::pipeline::{Match, TableId};

    fn port(port: u128) -> Match {
        Match::any().exact(Field::InPort, port)
    }

    fn known<'a>(key: &'a FlowKey, mask: &'a FlowMask) -> Known<'a> {
        Known { key, mask, tables: 1, rewritten: 0 }
    }

    /// A rule for port 1 changes from generation 1 to 2.
    fn changed() -> (Changes, Recent) {
        let mut changes = Changes::default();
        changes.close();
        let mut recent = Recent::new(1);
        changes.rule(TableId(0), &port(1));
        changes.close();
        recent.learn(&changes, 1);
        (changes, recent)
    }

    #[test]
    fn a_change_matters_to_those_whom_it_can_touch() {
        let (changes, recent) = changed();
        let (one, mask) = (port(1).key(), port(1).mask());
        let (two, open) = (port(2).key(), FlowMask::default());
        let matters = |since, known| recent.matters(&changes, since, known);
        assert!(matters(1, known(&one, &mask)));
        assert!(!matters(1, known(&two, &mask)), "another port");
        assert!(!matters(2, known(&one, &mask)), "asked after the change");
        assert!(matters(1, known(&two, &open)), "the port is left open");
        assert!(!matters(1, Known { tables: 2, ..known(&one, &mask) }), "another table");
        assert!(matters(1, Known { rewritten: 1, ..known(&two, &mask) }), "the port was rewritten");
    }

    #[test]
    fn an_answer_from_long_ago_is_as_good_as_long_as_nothing_touched_it() {
        let (mut changes, mut recent) = changed();
        for generation in 2..3 * KEPT as u64 {
            changes.rule(TableId(0), &port(3));
            changes.close();
            recent.learn(&changes, generation);
        }
        let (one, two, mask) = (port(1).key(), port(2).key(), port(1).mask());
        assert!(!recent.matters(&changes, 1, known(&two, &mask)));
        assert!(recent.matters(&changes, 1, known(&one, &mask)));
        assert!(!recent.matters(&changes, 2, known(&one, &mask)));
    }

    #[test]
    fn whoever_is_too_far_behind_takes_everything_as_changed() {
        let (mut changes, mut recent) = changed();
        for _ in 0..2 * KEPT {
            changes.rule(TableId(0), &port(3));
            changes.close();
        }
        recent.learn(&changes, 2);
        let (two, mask) = (port(2).key(), port(2).mask());
        assert!(recent.matters(&changes, 2, known(&two, &mask)));
        assert!(!recent.matters(&changes, changes.generation(), known(&two, &mask)));
    }

    #[test]
    fn too_many_masks_count_as_everything() {
        let (mut changes, mut recent) = changed();
        for n in 0..=SHAPES_MAX as u128 {
            changes.rule(TableId(0), &Match::any().with(Field::NwSrc, 0, n + 1));
        }
        changes.close();
        recent.learn(&changes, 2);
        let (two, mask) = (port(2).key(), port(2).mask());
        assert!(recent.matters(&changes, 2, known(&two, &mask)));
        assert!(!recent.matters(&changes, 3, known(&two, &mask)));
    }

    #[test]
    fn what_a_line_has_no_room_for_is_changed_for_all() {
        let mut line = Line::default();
        for n in 1..=WAYS as u32 {
            line.note(n, 10 * n as i32);
        }
        assert!(line.changed(1, 9) && !line.changed(1, 10) && !line.changed(99, 0));
        line.note(1, 75);
        assert!(line.changed(1, 70) && !line.changed(99, 0), "it had a place");
        line.note(50, 80);
        assert!(line.changed(50, 79) && line.changed(99, 19) && !line.changed(99, 20));
        line.note(51, 5);
        assert!(!line.changed(51, 20) && line.changed(51, 4), "older than all that is there");
    }

    #[test]
    fn generations_beyond_what_a_line_can_say_put_everything_in_doubt() {
        let (mut changes, mut recent) = changed();
        changes.generation = 1 << 33;
        recent.learn(&changes, 2);
        let (two, mask) = (port(2).key(), port(2).mask());
        assert!(recent.matters(&changes, 2, known(&two, &mask)));
        assert!(!recent.matters(&changes, 1 << 33, known(&two, &mask)));
    }
}
