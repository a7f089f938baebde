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

use super::rule::Clause;
use super::table::{Installed, Table, better};
use crate::flow::key::WORDS;
use crate::flow::{Field, FlowKey};

/// Clauses of one conjunction at most.
pub const CLAUSES_MAX: u8 = 64;

/// Room to think, used again and again: it grows to what the rules need, and then no more.
#[derive(Clone, Debug, Default)]
pub(super) struct Soft {
    /// Subtables whose rule of this priority is soft and fits.
    fits: Vec<(usize, u16)>,
    /// The clauses of one priority that are fulfilled, and by how many rules.
    clauses: Vec<Clause>,
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
    ) -> Option<&'t Installed> {
        soft.fits.clear();
        let mut hard: Option<&Installed> = None;
        let mut values = [0; WORDS];
        for (at, subtable) in self.subtables.iter().enumerate() {
            if hard.is_some_and(|hard| hard.rule.priority > subtable.priority) {
                break;
            }
            match subtable.fitting(key, &mut values, look).first() {
                Some(first) if first.is_soft() => soft.fits.push((at, first.rule.priority)),
                Some(first) if better(first, hard) => hard = Some(first),
                _ => {}
            }
        }
        while let Some(priority) = soft.highest_above(hard) {
            self.gather(priority, key, soft);
            while let Some(id) = soft.next_fulfilled() {
                let mut again = key.clone();
                again.set(Field::ConjId, id.into());
                if let Some(found) = self.find_hard(&again, look) {
                    return Some(found);
                }
            }
            hard = self.descend(priority, key, soft, hard);
        }
        hard
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

    /// Collects the clauses of all soft rules of this priority, sorted.
    fn gather(&self, priority: u16, key: &FlowKey, soft: &mut Soft) {
        let Soft { fits, clauses, rules } = soft;
        clauses.clear();
        *rules = 0;
        let mut values = [0; WORDS];
        for (at, _) in fits.iter().filter(|(_, of)| *of == priority) {
            let bucket = self.subtables[*at].fitting(key, &mut values, &mut |_, _| ());
            let rule = bucket.iter().find(|installed| installed.rule.priority == priority);
            *rules += 1;
            clauses.extend(rule.into_iter().flat_map(|installed| installed.rule.clauses()));
        }
        clauses.sort_unstable();
        clauses.dedup();
    }

    /// In the place of the soft rules of this priority come those below them with the same match.
    fn descend<'t>(
        &'t self,
        priority: u16,
        key: &FlowKey,
        soft: &mut Soft,
        mut hard: Option<&'t Installed>,
    ) -> Option<&'t Installed> {
        let mut values = [0; WORDS];
        soft.fits.retain_mut(|(at, of)| {
            if *of != priority {
                return true;
            }
            let bucket = self.subtables[*at].fitting(key, &mut values, &mut |_, _| ());
            match bucket.iter().find(|installed| installed.rule.priority < priority) {
                Some(next) if next.is_soft() => {
                    *of = next.rule.priority;
                    return true;
                }
                Some(next) if better(next, hard) => hard = Some(next),
                _ => {}
            }
            false
        });
        hard
    }
}

impl Soft {
    /// Room enough for most tables.
    pub(super) fn with_room() -> Soft {
        Soft { fits: Vec::with_capacity(64), clauses: Vec::with_capacity(256), rules: 0 }
    }

    /// The highest priority of a soft rule, if it is above that of the best hard one.
    fn highest_above(&self, hard: Option<&Installed>) -> Option<u16> {
        let highest = self.fits.iter().map(|(_, priority)| *priority).max()?;
        hard.is_none_or(|hard| highest > hard.rule.priority).then_some(highest)
    }

    /// Takes the smallest id all of whose clauses are there.
    fn next_fulfilled(&mut self) -> Option<u32> {
        while let Some(Clause { id, of, .. }) = self.clauses.first().copied() {
            let same = self.clauses.iter().take_while(|clause| (clause.id, clause.of) == (id, of)).count();
            self.clauses.drain(..same);
            if same == usize::from(of) && self.rules >= same {
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
    use crate::pipeline::{Match, Rule, RuleAction};
    use crate::stats::Credit;

    fn insert(table: &mut Table, rule: Rule) {
        table.insert(rule, |old| old.unwrap_or(Credit::FIRST));
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
