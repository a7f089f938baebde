//! A flow table: rules grouped by what they look at.
//!
//! **What.** Rules with the same mask are a *subtable*: a trie over the hashes of the masked values, in which the rules that have
//! them stand ([`super::trie`]). Subtables stand in the order of their highest priority.
//!
//! **How.** A lookup asks the subtables in that order and stops when none that is left can win. It depends on the masks that
//! it asked for and on nothing else, so the different dependencies that one table can give are as many as it has
//! subtables: the masks of cached flows are bounded by the rules, not by the packets (CVE-2019-25076 is what happens
//! otherwise).
//!
//! **Sharing.** A table is cloned in O(number of masks) and shares all rules with the original. Adding or removing a rule
//! copies what is shared of the path to it in one trie.

use super::conjunction::Soft;
use super::rule::{Cells, Match, Rule};
use super::trie::Trie;
use crate::flow::key::WORDS;
use crate::flow::{FlowKey, Seed};
use crate::stats::Credit;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;

/// What whoever adds a rule wants to have back with it. Nothing here heeds it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Note(pub [u16; 5]);

/// A rule in a table.
#[derive(Debug, PartialEq, Eq)]
pub struct Installed {
    /// The rule.
    pub rule: Rule,
    /// Among rules of one priority that a frame fits, the smallest of these decides: the oldest rule.
    order: u64,
    credit: Credit,
    note: Note,
    /// Whether it only stands for clauses of conjunctions.
    soft: bool,
}

const _: () = assert!(
    size_of::<Installed>() <= 88,
    "with its counters of references it is 104 bytes, and with the allocator's word 112"
);

impl Installed {
    /// Where its frames are counted.
    pub fn credit(&self) -> Credit {
        self.credit
    }

    /// What was said to be noted with it.
    pub fn note(&self) -> Note {
        self.note
    }

    /// Less than that of all rules of its table that were added later. One that took another's place has that one's.
    pub fn age(&self) -> u64 {
        self.order
    }

    pub(super) fn new(rule: Rule, order: u64, credit: Credit, note: Note) -> Arc<Installed> {
        let soft = rule.clauses().next().is_some();
        Arc::new(Installed { rule, order, credit, note, soft })
    }

    /// What the words that matter to it must be, in order.
    #[inline]
    pub(super) fn values(&self) -> &[u64] {
        self.rule.matching.values()
    }

    pub(super) fn is_soft(&self) -> bool {
        self.soft
    }
}

#[derive(Clone, Debug)]
pub(super) struct Subtable {
    /// The words that its rules look at, and which bits of them.
    cells: Arc<Cells>,
    /// At least the highest priority of its rules.
    pub(super) priority: u16,
    rules: Trie,
    len: usize,
    seed: Seed,
}

impl Subtable {
    /// The rules whose values the key has, highest priority first. `values` is room to work in.
    #[inline]
    pub(super) fn fitting(
        &self,
        key: &FlowKey,
        values: &mut [u64; WORDS],
        look: &mut impl FnMut(usize, u64),
    ) -> &[Arc<Installed>] {
        for ((word, bits), value) in self.cells.iter().zip(&mut *values) {
            look(usize::from(*word), *bits);
            *value = key.words()[usize::from(*word)] & bits;
        }
        self.with(&values[..self.cells.len()])
    }

    /// The rules with these values, highest priority first.
    #[inline]
    fn with(&self, values: &[u64]) -> &[Arc<Installed>] {
        self.rules.get(hash(&self.seed, values), values)
    }

    fn get(&self, priority: u16, matching: &Match) -> Option<&Arc<Installed>> {
        self.with(matching.values()).iter().find(|installed| installed.rule.priority == priority)
    }
}

#[inline]
fn hash(seed: &Seed, values: &[u64]) -> u64 {
    values.iter().fold(0, |hash, value| seed.pair(hash, *value))
}

/// Rules, highest priority first; among equals the one added first.
#[derive(Clone, Debug)]
pub struct Table {
    pub(super) subtables: Vec<Arc<Subtable>>,
    len: usize,
    /// How many of the rules are soft ([`super::conjunction`]).
    soft: usize,
    added: u64,
    /// Nobody shall choose values with hashes that begin alike.
    seed: Seed,
}

impl Default for Table {
    fn default() -> Table {
        let seed = Seed::new(RandomState::new().build_hasher().finish());
        Table { subtables: Vec::new(), len: 0, soft: 0, added: 0, seed }
    }
}

impl Table {
    /// Adds a rule. One with the same priority and match gives way to it, as OpenFlow 1.3 section 6.4 has it, and is returned
    /// beside the new one; the new one takes its age, too. `credit` is told where that one was counted, and says where the new one is.
    pub(super) fn insert(
        &mut self,
        mut rule: Rule,
        note: Note,
        credit: impl FnOnce(Option<Credit>) -> Credit,
    ) -> (Arc<Installed>, Option<Arc<Installed>>) {
        let at = self.subtable_for(rule.matching.cells());
        let subtable = Arc::make_mut(&mut self.subtables[at]);
        rule.matching.share(&subtable.cells);
        self.added += 1;
        let (priority, added, seed) = (rule.priority, self.added, subtable.seed);
        let (installed, replaced) =
            subtable.rules.put(rule, &|values| hash(&seed, values), |rule, replaced| {
                let order = replaced.map_or(added, |replaced| replaced.order);
                Installed::new(rule, order, credit(replaced.map(|replaced| replaced.credit)), note)
            });
        self.soft += usize::from(installed.soft);
        match &replaced {
            None => (subtable.len, self.len) = (subtable.len + 1, self.len + 1),
            Some(replaced) => self.soft -= usize::from(replaced.soft),
        }
        if priority > subtable.priority {
            subtable.priority = priority;
            self.sort();
        }
        (installed, replaced)
    }

    /// Whether another rule of this priority takes some of the frames that `matching` takes. Among rules with the same mask there is none;
    /// among those that look at no other bits it is looked up; only of others each is looked at.
    pub fn overlaps(&self, priority: u16, matching: &Match) -> bool {
        let (cells, key, mask) = (matching.cells(), matching.key(), matching.mask());
        let others = self.subtables.iter().filter(|subtable| subtable.priority >= priority);
        let mut others = others.filter(|subtable| subtable.cells != *cells);
        others.any(|subtable| {
            let words = || subtable.cells.iter().map(|(word, bits)| (usize::from(*word), *bits));
            let of_priority = |installed: &Arc<Installed>| installed.rule.priority == priority;
            if words().all(|(word, bits)| bits & !mask.words()[word] == 0) {
                let values: Box<[u64]> = words().map(|(word, bits)| key.words()[word] & bits).collect();
                return subtable.with(&values).iter().any(of_priority);
            }
            let agree = |values: &[u64]| {
                words()
                    .zip(values)
                    .all(|((word, bits), value)| (key.words()[word] ^ value) & mask.words()[word] & bits == 0)
            };
            subtable.rules.iter().any(|installed| of_priority(installed) && agree(installed.values()))
        })
    }

    /// Removes the rule with exactly this priority and match.
    pub fn remove(&mut self, priority: u16, matching: &Match) -> Option<Arc<Installed>> {
        let at = self.subtables.iter().position(|subtable| subtable.cells == *matching.cells())?;
        let gone = self.subtables[at].get(priority, matching)?.clone();
        self.len -= 1;
        self.soft -= usize::from(gone.soft);
        if self.subtables[at].len == 1 {
            self.subtables.remove(at);
            return Some(gone);
        }
        let subtable = Arc::make_mut(&mut self.subtables[at]);
        subtable.len -= 1;
        subtable.rules.remove(hash(&subtable.seed, matching.values()), matching.values(), priority);
        Some(gone)
    }

    /// The rule with exactly this priority and match.
    pub fn get(&self, priority: u16, matching: &Match) -> Option<&Arc<Installed>> {
        let mut subtables = self.subtables.iter();
        subtables.find(|subtable| subtable.cells == *matching.cells())?.get(priority, matching)
    }

    /// The rule that decides about a frame with this key. `look` is told every word and the bits of it that were looked at.
    pub fn find(&self, key: &FlowKey, mut look: impl FnMut(usize, u64)) -> Option<&Installed> {
        match self.is_conjunctive() {
            false => self.find_plain(key, &mut look),
            true => self.find_conjunctive(key, &mut look, &mut Soft::with_room(), &mut ()),
        }
    }

    /// [`Table::find`], where no rule is soft.
    #[inline]
    pub(super) fn find_plain(&self, key: &FlowKey, look: &mut impl FnMut(usize, u64)) -> Option<&Installed> {
        let mut best: Option<&Installed> = None;
        let mut values = [0; WORDS];
        for subtable in &self.subtables {
            if best.is_some_and(|best| best.rule.priority > subtable.priority) {
                break;
            }
            let Some(first) = subtable.fitting(key, &mut values, look).first() else { continue };
            if better(first, best) {
                best = Some(first);
            }
        }
        best
    }

    /// Whether some of the rules only stand for clauses of conjunctions.
    #[inline]
    pub(super) fn is_conjunctive(&self) -> bool {
        self.soft > 0
    }

    /// How many rules there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many masks the rules have: the most different dependencies that a lookup here can have.
    pub fn masks(&self) -> usize {
        self.subtables.len()
    }

    /// All rules, highest priority first, the older first among equals.
    pub fn rules(&self) -> Vec<&Rule> {
        self.installed().into_iter().map(|installed| &installed.rule).collect()
    }

    /// All rules and where they are counted, in the order of [`Table::rules`].
    pub fn installed(&self) -> Vec<&Arc<Installed>> {
        let mut all: Vec<&Arc<Installed>> = self.iter().collect();
        all.sort_by_key(|installed| (std::cmp::Reverse(installed.rule.priority), installed.order));
        all
    }

    /// All rules, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Installed>> {
        self.subtables.iter().flat_map(|subtable| subtable.rules.iter())
    }

    fn subtable_for(&mut self, cells: &Arc<Cells>) -> usize {
        if let Some(at) = self.subtables.iter().position(|subtable| subtable.cells == *cells) {
            return at;
        }
        let (rules, seed) = (Trie::default(), self.seed);
        self.subtables.push(Arc::new(Subtable { cells: cells.clone(), priority: 0, rules, len: 0, seed }));
        self.subtables.len() - 1
    }

    fn sort(&mut self) {
        self.subtables.sort_by_key(|subtable| std::cmp::Reverse(subtable.priority));
    }
}

/// Whether a rule goes before the best one so far.
#[inline]
pub(super) fn better(this: &Installed, best: Option<&Installed>) -> bool {
    let rank = |installed: &Installed| (installed.rule.priority, std::cmp::Reverse(installed.order));
    best.is_none_or(|best| rank(this) > rank(best))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::{Field, OfPort};
    use crate::pipeline::RuleAction;

    fn rule(priority: u16, matching: Match, output: u32) -> Rule {
        Rule::acting(priority, matching, vec![RuleAction::Output(OfPort(output))])
    }

    fn port(port: u128) -> Match {
        Match::any().exact(Field::InPort, port)
    }

    fn insert(table: &mut Table, rule: Rule) -> Option<Arc<Installed>> {
        table.insert(rule, Note::default(), |old| old.unwrap_or(Credit::FIRST)).1
    }

    fn table(rules: impl IntoIterator<Item = Rule>) -> Table {
        let mut table = Table::default();
        rules.into_iter().for_each(|rule| drop(insert(&mut table, rule)));
        table
    }

    fn find(table: &Table, key: &FlowKey) -> Option<u16> {
        table.find(key, |_, _| ()).map(|installed| installed.rule.priority)
    }

    #[test]
    fn the_highest_priority_that_fits_decides() {
        let table = table([rule(1, Match::any(), 9), rule(100, port(1), 2)]);
        let mut key = FlowKey::default();
        assert_eq!(find(&table, &key), Some(1));
        key.set(Field::InPort, 1);
        assert_eq!(find(&table, &key), Some(100));
    }

    #[test]
    fn the_same_match_at_the_same_priority_replaces() {
        let mut table = table([rule(5, Match::any(), 1)]);
        assert_eq!(
            insert(&mut table, rule(5, Match::any(), 2)).map(|old| old.rule.clone()),
            Some(rule(5, Match::any(), 1))
        );
        assert_eq!(table.rules(), [&rule(5, Match::any(), 2)]);
        assert_eq!(table.len(), 1);
    }

    #[test]
    fn among_equals_the_older_decides() {
        let dst = Match::any().exact(Field::NwDst, 7);
        let mut key = FlowKey::default();
        key.set(Field::InPort, 1);
        key.set(Field::NwDst, 7);
        let found = |table: &Table| table.find(&key, |_, _| ()).map(|i| i.rule.instructions.clone());
        let one = table([rule(5, port(1), 1), rule(5, dst.clone(), 2)]);
        assert_eq!(found(&one), Some(rule(5, port(1), 1).instructions));
        let other = table([rule(5, dst.clone(), 2), rule(5, port(1), 1)]);
        assert_eq!(found(&other), Some(rule(5, dst, 2).instructions));
    }

    #[test]
    fn a_removed_rule_is_gone_and_a_clone_keeps_it() {
        let mut table = table([rule(1, port(1), 1), rule(2, port(1), 2), rule(3, port(2), 3)]);
        let before = table.clone();
        assert!(table.remove(2, &port(1)).is_some());
        assert!(table.remove(2, &port(1)).is_none());
        let mut key = FlowKey::default();
        key.set(Field::InPort, 1);
        assert_eq!((find(&table, &key), find(&before, &key)), (Some(1), Some(2)));
        assert_eq!((table.len(), before.len()), (2, 3));
    }

    /// As looking at every rule says.
    #[test]
    fn overlaps_are_found_whatever_the_masks() {
        let masks = [0, 0xff, 0xff00, 0xffff, 0xf0f0];
        let field = |field: Field, n: usize| {
            let (mask, value) = (masks[n % 5], [0x0101, 0x0102, 0x1101][n / 5 % 3]);
            move |matching: Match| matching.with(field, value & mask, mask)
        };
        let matches: Vec<Match> = (0..15 * 15)
            .map(|n| field(Field::TpDst, n % 15)(field(Field::NwDst, n / 15)(Match::any())))
            .collect();
        let rules: Vec<Rule> =
            matches.iter().step_by(7).zip(0..).map(|(m, n)| rule(5 + n % 2, m.clone(), 1)).collect();
        for size in [0, 1, 5, rules.len()] {
            let table = table(rules[..size].iter().cloned());
            for matching in &matches {
                let other = |rule: &Rule| rule.matching != *matching && rule.matching.overlaps(matching);
                for priority in 4..8 {
                    let naive = rules[..size].iter().any(|rule| rule.priority == priority && other(rule));
                    assert_eq!(table.overlaps(priority, matching), naive, "{priority}, {matching:?}");
                }
            }
        }
    }

    #[test]
    fn a_lookup_depends_on_the_masks_that_it_asked() {
        let table = table([rule(9, port(1), 1), rule(5, Match::any().exact(Field::NwDst, 7), 2)]);
        let mut key = FlowKey::default();
        key.set(Field::InPort, 1);
        let mut looked = Vec::new();
        table.find(&key, |word, _| looked.push(word));
        assert_eq!(looked, [usize::from(Field::InPort.slot().word)], "the second cannot win any more");
    }
}
