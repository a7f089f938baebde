//! What changed between snapshots, so that a cached answer is asked for again only where the change can matter.
//!
//! **What.** A rule that was added or removed in a table that a flow's frames never reached, or whose values differ from the
//! flow's in bits that the flow is known by, changes nothing for it. What is in doubt counts as a change.
//!
//! **How.** Each snapshot carries a chain of its last changes ([`Changes`]): table and mask by number, values by hash. A
//! worker follows the chain when it adopts a snapshot and notes, by hash, which generation changed what last ([`Recent`]); a
//! cached flow asks there with its own values. So a flow that was not used for long costs no more to look into than another,
//! and a worker allocates nothing. Two changes that share a hash's place are taken for one: that costs a translation.

use super::rule::{Match, TableId};
use crate::flow::{FlowKey, FlowMask, Seed};
use std::sync::Arc;

/// Changes that a snapshot carries, at least. A worker that is further behind takes everything as changed.
pub const KEPT: usize = 8192;
/// Most different masks, of all tables together, among the changes since everything changed last.
const SHAPES_MAX: usize = 128;
/// Places for hashes. At eight bytes, 1 MB for each worker.
const PLACES: usize = 1 << 17;

/// Nobody gains from aiming at a place: the worst is that own packets are translated again.
const SEED: Seed = Seed::new(0x00c4_a69e);

/// The golden ratio in 64 bits: every bit of a factor reaches the middle of the product.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// A table, and bits of words that rules in it look at.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Shape {
    table: TableId,
    cells: Box<[(u8, u64)]>,
}

/// A rule with this shape and these values came or went.
#[derive(Clone, Copy, Debug)]
struct Change {
    shape: usize,
    hash: u64,
}

#[derive(Clone, Debug, Default)]
struct Step {
    everything: bool,
    rules: Vec<Change>,
}

/// The step that led to a generation, and those before.
#[derive(Debug)]
struct Link {
    generation: u64,
    step: Step,
    before: Option<Arc<Link>>,
}

impl Drop for Link {
    /// One after the other: a long chain must not go down the stack.
    fn drop(&mut self) {
        let mut next = self.before.take();
        while let Some(mut link) = next.and_then(Arc::into_inner) {
            next = link.before.take();
        }
    }
}

/// The changes that led to a snapshot.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    generation: u64,
    shapes: Arc<Vec<Shape>>,
    /// The last steps, and the older ones: a chain that is long enough takes the place of the older one.
    last: Option<Arc<Link>>,
    older: Option<Arc<Link>>,
    /// Steps and changes in `last`.
    len: usize,
    /// Since the last snapshot.
    open: Step,
}

impl Changes {
    /// Which snapshot this is.
    #[inline]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    pub(super) fn rule(&mut self, table: TableId, matching: &Match) {
        if self.open.everything {
            return;
        }
        let cells = matching.shape();
        let known = self.shapes.iter().position(|shape| shape.table == table && shape.cells == cells);
        let full = known.is_none() && self.shapes.len() == SHAPES_MAX;
        if full || self.open.rules.len() == KEPT {
            return self.everything();
        }
        let shape = known.unwrap_or_else(|| {
            Arc::make_mut(&mut self.shapes).push(Shape { table, cells });
            self.shapes.len() - 1
        });
        self.open.rules.push(Change { shape, hash: hash(shape, matching.values().iter().copied()) });
    }

    pub(super) fn everything(&mut self) {
        self.open = Step { everything: true, rules: Vec::new() };
        // Nobody asks for what was before any more, so numbers may begin anew.
        self.shapes = Arc::default();
    }

    /// Ends the open step: the next generation.
    pub(super) fn close(&mut self) {
        self.generation += 1;
        if self.len >= KEPT {
            (self.older, self.len) = (self.last.take(), 0);
        }
        let step = std::mem::take(&mut self.open);
        self.len += 1 + step.rules.len();
        let before = self.last.take();
        self.last = Some(Arc::new(Link { generation: self.generation, step, before }));
    }

    /// The steps that led here, the newest first.
    fn steps(&self) -> impl Iterator<Item = &Link> {
        fn chain(newest: Option<&Arc<Link>>) -> impl Iterator<Item = &Link> {
            std::iter::successors(newest.map(|link| &**link), |link| link.before.as_deref())
        }
        chain(self.last.as_ref()).chain(chain(self.older.as_ref()))
    }
}

/// The words are mixed each on its own, so that they need not wait for each other.
fn hash(shape: usize, values: impl Iterator<Item = u64>) -> u64 {
    let mixed = values.zip(1..).fold(0, |all, (value, at)| {
        let product = u128::from(value ^ SPREAD.wrapping_mul(at)) * u128::from(SPREAD);
        all ^ product as u64 ^ (product >> 64) as u64
    });
    SEED.pair(mixed, shape as u64)
}

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

/// What a worker knows about the changes that led to the snapshot it uses.
#[derive(Debug)]
pub struct Recent {
    /// Answers of older generations are in doubt.
    certain: u64,
    /// The generation that changed a rule of each shape last.
    shapes: [u64; SHAPES_MAX],
    /// The generation that changed a rule with such a hash last.
    places: Box<[u64]>,
}

impl Recent {
    /// For a worker that begins with this generation.
    pub fn new(generation: u64) -> Recent {
        Recent { certain: generation, shapes: [0; SHAPES_MAX], places: vec![0; PLACES].into_boxed_slice() }
    }

    /// Begins anew, with a snapshot that does not come after the one before.
    pub fn restart(&mut self, generation: u64) {
        self.certain = generation;
        self.shapes.fill(0);
        self.places.fill(0);
    }

    /// Learns what led from the snapshot of generation `from` to this one.
    pub fn learn(&mut self, changes: &Changes, from: u64) {
        let mut reached = changes.generation + 1;
        for link in changes.steps().take_while(|link| link.generation > from) {
            reached = link.generation;
            if link.step.everything {
                self.certain = self.certain.max(link.generation);
                return;
            }
            for change in &link.step.rules {
                let (shape, place) = (&mut self.shapes[change.shape], &mut self.places[place(change.hash)]);
                (*shape, *place) = ((*shape).max(link.generation), (*place).max(link.generation));
            }
        }
        if reached != from + 1 {
            self.certain = changes.generation;
        }
    }

    /// Whether an answer of an older generation may differ from that of the snapshot learnt last.
    pub fn matter(&self, changes: &Changes, since: u64, known: Known<'_>) -> bool {
        let asked = |shape: &Shape| known.tables & 1 << (shape.table.0 % 64) != 0;
        since < self.certain
            || changes.shapes.iter().zip(&self.shapes).enumerate().any(|(at, (shape, latest))| {
                *latest > since && asked(shape) && self.touches(at, shape, since, known)
            })
    }

    fn touches(&self, at: usize, shape: &Shape, since: u64, known: Known<'_>) -> bool {
        let (have, mask) = (known.key.words(), known.mask.words());
        // Bits that the flow leaves open, or that rules changed before the table was asked, can be anything.
        let open = |(word, bits): &(u8, u64)| {
            mask[usize::from(*word)] & bits != *bits || known.rewritten & 1 << word != 0
        };
        let values = shape.cells.iter().map(|(word, bits)| have[usize::from(*word)] & bits);
        shape.cells.iter().any(open) || self.places[place(hash(at, values))] > since
    }
}

fn place(hash: u64) -> usize {
    hash as usize % PLACES
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::Field;

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
        let matter = |since, known| recent.matter(&changes, since, known);
        assert!(matter(1, known(&one, &mask)));
        assert!(!matter(1, known(&two, &mask)), "another port");
        assert!(!matter(2, known(&one, &mask)), "asked after the change");
        assert!(matter(1, known(&two, &open)), "the port is left open");
        assert!(!matter(1, Known { tables: 2, ..known(&one, &mask) }), "another table");
        assert!(matter(1, Known { rewritten: 1, ..known(&two, &mask) }), "the port was rewritten");
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
        assert!(!recent.matter(&changes, 1, known(&two, &mask)));
        assert!(recent.matter(&changes, 1, known(&one, &mask)));
        assert!(!recent.matter(&changes, 2, known(&one, &mask)));
        assert!(changes.steps().count() <= 2 * KEPT, "what snapshots carry is bounded");
    }

    #[test]
    fn whoever_is_too_far_behind_takes_everything_as_changed() {
        let (mut changes, mut recent) = changed();
        (0..2 * KEPT).for_each(|_| changes.close());
        recent.learn(&changes, 2);
        let (two, mask) = (port(2).key(), port(2).mask());
        assert!(recent.matter(&changes, 2, known(&two, &mask)));
        assert!(!recent.matter(&changes, changes.generation(), known(&two, &mask)));
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
        assert!(recent.matter(&changes, 2, known(&two, &mask)));
        assert!(!recent.matter(&changes, 3, known(&two, &mask)));
    }

    #[test]
    fn a_chain_goes_without_going_down_the_stack() {
        let mut changes = Changes::default();
        for _ in 0..200_000 {
            changes.len = 0;
            changes.close();
        }
        drop(changes);
    }
}
