//! Conjunctions: `x in {a, b, c} and y in {d, e}` with five rules in the place of six (ovs-fields(7), "Conjunctive match
//! fields"; the idea is that of Open vSwitch, `lib/classifier.c`).
//!
//! A rule of a clause says `conjunction(id, k/n)` and decides about no frame by itself: it is a *soft* match. A frame that
//! fits soft rules of one priority for every clause of an id fits the conjunction; then the table is asked again with
//! `conj_id` = id, for a rule that is not soft, and that one decides. If there is none, the search goes on below, as if the
//! soft rules were not there. At each priority:
//!
//! - A rule that is not soft decides before any conjunction of its priority.
//! - Of several conjunctions the one with the smallest id decides (Open vSwitch promises nothing then).
//! - At least as many soft rules fit as there are clauses, be they of other conjunctions: as in Open vSwitch, one rule for
//!   two clauses is not enough by itself.
//! - Asking again, a rule under a soft one of the same match is not seen, as in Open vSwitch.
//!
//! Both questions ask the subtables in their order and stop when what is not soft cannot be beaten, so what an answer
//! depends on is still one of as many unions as the table has masks. A table without soft rules never comes here.

use super::observer::Observer;
use super::rule::Clause;
use super::table::{Installed, Table, better};
use crate::flow::key::WORDS;
use crate::flow::{Field, FlowKey};
use std::sync::Arc;

/// Clauses of one conjunction at most.
pub const CLAUSES_MAX: u8 = 64;

/// Subtables that are remembered because a soft rule of theirs fits; those after them are asked again for each priority.
const PLACES: usize = 128;
/// Clauses that are looked at together: more than one conjunction can have (numbers of 8 bits), so the first of them is there
/// whole. With more, the rules of the priority are gone through again.
const CLAUSES: usize = 512;

/// Room to think, of a fixed size: tables with more masks, and frames that fit more clauses, cost time and no memory.
#[derive(Clone, Debug, Default)]
pub(super) struct Soft {
    /// Subtables whose first rule is soft and fits.
    places: Vec<u32>,
    /// All subtables from here on to `end` may have soft rules, too.
    rest: usize,
    end: usize,
    /// The first clauses of one priority that are fulfilled, in order.
    clauses: Vec<Clause>,
    /// There are more than these.
    more: bool,
    /// Conjunctions up to this one have been judged.
    judged: Option<(u32, u8)>,
    /// How many rules fulfil the clauses of this priority.
    rules: usize,
}

impl Table {
    /// [`Table::find`], where some rules are soft.
    #[cold]
    pub(super) fn find_conjunctive<'t>(
        &'t self,
        key: &FlowKey,
        look: &mut impl FnMut(usize, u64),
        soft: &mut Soft,
        observer: &mut impl Observer,
    ) -> Option<&'t Installed> {
        let mut hard = self.find_first(key, look, soft);
        let mut below = u32::from(u16::MAX) + 1;
        while let Some(priority) = self.next_soft(below, key, soft, &mut hard) {
            soft.judged = None;
            loop {
                self.gather(priority, key, soft, observer);
                while let Some(id) = soft.next_fulfilled(observer) {
                    let mut again = key.clone();
                    again.set(Field::ConjId, id.into());
                    if let Some(found) = self.find_hard(&again, look) {
                        return Some(found);
                    }
                }
                if !soft.more {
                    break;
                }
            }
            below = priority.into();
        }
        hard
    }

    /// The best rule that lies under no soft one, and which subtables have soft ones.
    fn find_first(
        &self,
        key: &FlowKey,
        look: &mut impl FnMut(usize, u64),
        soft: &mut Soft,
    ) -> Option<&Installed> {
        soft.places.clear();
        (soft.rest, soft.end) = (self.subtables.len(), self.subtables.len());
        let mut hard: Option<&Installed> = None;
        let mut values = [0; WORDS];
        for (at, subtable) in self.subtables.iter().enumerate() {
            if hard.is_some_and(|hard| hard.rule.priority > subtable.priority) {
                soft.end = at;
                break;
            }
            match subtable.fitting(key, &mut values, look).first() {
                Some(first) if first.is_soft() && soft.places.len() < PLACES => soft.places.push(at as u32),
                Some(first) if first.is_soft() => soft.rest = soft.rest.min(at),
                Some(first) if better(first, hard) => hard = Some(first),
                _ => {}
            }
        }
        hard
    }

    /// The highest priority below this one at which soft rules fit, if it is above that of the best hard one; what is not soft
    /// and comes to light on the way down counts as such.
    fn next_soft<'t>(
        &'t self,
        below: u32,
        key: &FlowKey,
        soft: &Soft,
        hard: &mut Option<&'t Installed>,
    ) -> Option<u16> {
        let mut highest = None;
        let mut values = [0; WORDS];
        for at in soft.places() {
            let bucket = self.subtables[at].fitting(key, &mut values, &mut |_, _| ());
            match bucket.iter().find(|installed| u32::from(installed.rule.priority) < below) {
                Some(next) if next.is_soft() => highest = highest.max(Some(next.rule.priority)),
                Some(next) if better(next, *hard) => *hard = Some(next),
                _ => {}
            }
        }
        highest.filter(|highest| hard.is_none_or(|hard| *highest > hard.rule.priority))
    }

    /// The rule that decides when soft ones do not count.
    fn find_hard(&self, key: &FlowKey, look: &mut impl FnMut(usize, u64)) -> Option<&Installed> {
        let mut best: Option<&Installed> = None;
        let mut values = [0; WORDS];
        for subtable in &self.subtables {
            if best.is_some_and(|best| best.rule.priority > subtable.priority) {
                break;
            }
            let first = subtable.fitting(key, &mut values, look).first();
            if let Some(first) = first.filter(|first| !first.is_soft() && better(first, best)) {
                best = Some(first);
            }
        }
        best
    }

    /// Collects the clauses of all soft rules of this priority, sorted: the first that have not been judged.
    fn gather(&self, priority: u16, key: &FlowKey, soft: &mut Soft, observer: &mut impl Observer) {
        soft.clauses.clear();
        (soft.rules, soft.more) = (0, false);
        let mut values = [0; WORDS];
        for place in 0..soft.count() {
            let subtable = &self.subtables[soft.place(place)];
            let bucket = subtable.fitting(key, &mut values, &mut |_, _| ());
            let fits = |installed: &&Arc<Installed>| installed.rule.priority == priority;
            let Some(installed) = bucket.iter().find(fits).filter(|installed| installed.is_soft()) else {
                continue;
            };
            if soft.judged.is_none() {
                observer.clauses(&installed.rule);
            }
            soft.rules += 1;
            installed.rule.clauses().for_each(|clause| soft.add(clause));
        }
    }
}

impl Soft {
    pub(super) fn with_room() -> Soft {
        Soft {
            places: Vec::with_capacity(PLACES),
            rest: 0,
            end: 0,
            clauses: Vec::with_capacity(CLAUSES),
            more: false,
            judged: None,
            rules: 0,
        }
    }

    /// The subtables whose soft rules may fit.
    fn places(&self) -> impl Iterator<Item = usize> {
        (0..self.count()).map(|n| self.place(n))
    }

    fn count(&self) -> usize {
        self.places.len() + self.end.saturating_sub(self.rest)
    }

    fn place(&self, n: usize) -> usize {
        self.places.get(n).map_or_else(|| self.rest + n - self.places.len(), |at| *at as usize)
    }

    /// Keeps a clause, if it is among the first of those that have not been judged.
    fn add(&mut self, clause: Clause) {
        if self.judged.is_some_and(|judged| (clause.id, clause.of) <= judged) {
            return;
        }
        let Err(at) = self.clauses.binary_search(&clause) else { return };
        if self.clauses.len() == CLAUSES {
            self.more = true;
            if at == CLAUSES {
                return;
            }
            self.clauses.pop();
        }
        self.clauses.insert(at, clause);
    }

    /// Judges one conjunction after the other: the smallest id all of whose clauses are there.
    fn next_fulfilled(&mut self, observer: &mut impl Observer) -> Option<u32> {
        while let Some(Clause { id, of, .. }) = self.clauses.first().copied() {
            let same = self.clauses.iter().take_while(|clause| (clause.id, clause.of) == (id, of)).count();
            if self.more && same == self.clauses.len() {
                // The last of them may not be whole.
                return None;
            }
            self.judged = Some((id, of));
            let fulfilled = same == usize::from(of) && self.rules >= same;
            observer.conjunction(&self.clauses[..same], fulfilled);
            self.clauses.drain(..same);
            if fulfilled {
                return Some(id);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::OfPort;
    use crate::pipeline::table::Note;
    use crate::pipeline::{Match, Rule, RuleAction};
    use crate::stats::Credit;

    fn insert(table: &mut Table, rule: Rule) {
        table.insert(rule, Note::default(), |old| old.unwrap_or(Credit::FIRST));
    }

    fn table(rules: impl IntoIterator<Item = Rule>) -> Table {
        let mut table = Table::default();
        rules.into_iter().for_each(|rule| insert(&mut table, rule));
        table
    }

    fn clause(priority: u16, matching: Match, id: u32, number: u8, of: u8) -> Rule {
        Rule::acting(priority, matching, vec![RuleAction::Conjunction(Clause { id, of, number })])
    }

    fn rule(priority: u16, matching: Match) -> Rule {
        Rule::acting(priority, matching, vec![RuleAction::Output(OfPort(1))])
    }

    fn port(port: u128) -> Match {
        Match::any().exact(Field::InPort, port)
    }

    fn to(address: u128) -> Match {
        Match::any().exact(Field::NwDst, address)
    }

    fn id(id: u128) -> Match {
        Match::any().exact(Field::ConjId, id)
    }

    fn found(table: &Table, in_port: u128, destination: u128) -> Option<u16> {
        let mut key = FlowKey::default();
        key.set(Field::InPort, in_port);
        key.set(Field::NwDst, destination);
        table.find(&key, |_, _| ()).map(|installed| installed.rule.priority)
    }

    #[test]
    fn a_rule_of_every_clause_finds_the_rule_of_the_conjunction() {
        let clauses = [clause(9, port(1), 7, 1, 2), clause(9, port(2), 7, 1, 2), clause(9, to(5), 7, 2, 2)];
        let all = table(clauses.into_iter().chain([rule(3, id(7)), rule(0, Match::any())]));
        assert_eq!(found(&all, 1, 5), Some(3));
        assert_eq!(found(&all, 2, 5), Some(3));
        assert_eq!(found(&all, 3, 5), Some(0));
        assert_eq!(found(&all, 1, 6), Some(0), "a soft rule decides nothing by itself");
    }

    #[test]
    fn a_rule_that_is_not_soft_goes_before_a_conjunction_of_its_priority() {
        let clauses = || [clause(9, port(1), 7, 1, 2), clause(9, to(5), 7, 2, 2), rule(3, id(7))];
        let both = port(1).exact(Field::NwDst, 5);
        let with = |priority| table(clauses().into_iter().chain([rule(priority, both.clone())]));
        assert_eq!(found(&with(9), 1, 5), Some(9));
        assert_eq!(found(&with(8), 1, 5), Some(8), "asked again, it is above the rule for the id");
        assert_eq!(found(&with(2), 1, 5), Some(3));
    }

    #[test]
    fn clauses_of_different_priorities_are_no_conjunction() {
        let all = table([clause(9, port(1), 7, 1, 2), clause(8, to(5), 7, 2, 2), rule(3, id(7))]);
        assert_eq!(found(&all, 1, 5), None);
    }

    #[test]
    fn without_a_rule_for_its_id_a_conjunction_has_not_matched() {
        let upper = [clause(9, port(1), 7, 1, 2), clause(9, to(5), 7, 2, 2)];
        let lower = [clause(5, port(1), 8, 1, 2), clause(5, to(5), 8, 2, 2), rule(1, id(8))];
        let all = table(upper.into_iter().chain(lower));
        assert_eq!(found(&all, 1, 5), Some(1));
    }

    #[test]
    fn what_lies_under_a_soft_rule_is_found_below() {
        let all = table([clause(9, port(1), 7, 1, 2), rule(4, port(1)), rule(2, Match::any())]);
        assert_eq!(found(&all, 1, 5), Some(4));
    }

    /// More masks and more clauses than there is room to remember, in the order of a naive search.
    #[test]
    fn many_masks_and_many_clauses_need_no_more_room() {
        const IDS: u32 = 1000;
        let bits = |n: u32| Match::any().with(Field::Metadata, 0, 1 << n).with(Field::NwDst, 5, 5);
        let masks =
            (0..64).flat_map(|n| [bits(n), bits(n).exact(Field::InPort, 1), bits(n).exact(Field::TpSrc, 0)]);
        let masks: Vec<Match> = masks.collect();
        assert!(masks.len() > PLACES && IDS as usize * 2 > CLAUSES);
        // Of each conjunction but the last, a clause is missing.
        let soft = |(n, matching): (usize, Match)| {
            let clause = |id: u32| {
                let number = if id == IDS { n % 2 + 1 } else { 1 };
                RuleAction::Conjunction(Clause { id, of: 2, number: number as u8 })
            };
            let ids = (1..=IDS).filter(|id| *id as usize % 64 == n % 64 || *id == IDS);
            Rule::acting(9 + (n / 64) as u16 % 2, matching, ids.map(clause).collect())
        };
        let all = table((0..).zip(masks).map(soft).chain([rule(3, id(IDS.into())), rule(0, Match::any())]));
        assert_eq!(found(&all, 1, 5), Some(3));
        assert_eq!(found(&all, 1, 0), Some(0));
        let mut room = Soft::with_room();
        let mut key = FlowKey::default();
        key.set(Field::InPort, 1);
        key.set(Field::NwDst, 5);
        let before = (room.places.capacity(), room.clauses.capacity());
        let answer = all.find_conjunctive(&key, &mut |_, _| (), &mut room, &mut ());
        assert_eq!(answer.map(|installed| installed.rule.priority), Some(3));
        assert_eq!((room.places.capacity(), room.clauses.capacity()), before);
        assert!(room.count() > PLACES);
    }

    #[test]
    fn a_table_whose_soft_rules_went_is_a_plain_one_again() {
        let mut all = table([clause(9, port(1), 7, 1, 2), clause(9, to(5), 7, 2, 2), rule(3, id(7))]);
        assert!(all.is_conjunctive());
        all.remove(9, &port(1));
        insert(&mut all, rule(9, to(5)));
        assert!(!all.is_conjunctive());
        assert_eq!(found(&all, 1, 5), Some(9));
    }
}
