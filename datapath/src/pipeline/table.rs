//! A flow table: rules in the order in which they are asked.

use super::rule::Rule;
use crate::flow::FlowKey;

/// Rules, highest priority first; among equals the one added first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    rules: Vec<Rule>,
}

impl Table {
    /// A table of these rules. A rule with the priority and match of an earlier one takes its place, as an added flow
    /// does in OpenFlow 1.3 (section 6.4).
    pub fn new(rules: impl IntoIterator<Item = Rule>) -> Table {
        let mut table: Vec<Rule> = Vec::new();
        let mut places = std::collections::HashMap::new();
        for rule in rules {
            let identity = (rule.priority, *rule.matching.key().words(), *rule.matching.mask().words());
            match places.get(&identity) {
                Some(place) => table[*place] = rule,
                None => {
                    places.insert(identity, table.len());
                    table.push(rule);
                }
            }
        }
        table.sort_by_key(|rule| std::cmp::Reverse(rule.priority));
        Table { rules: table }
    }

    /// The rule that decides about a frame with this key.
    pub fn find(&self, key: &FlowKey) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.matching.fits(key))
    }

    /// All rules, in order.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::{Field, OfPort};
    use crate::pipeline::{Match, RuleAction};

    fn rule(priority: u16, matching: Match, output: u32) -> Rule {
        Rule { priority, cookie: 0, matching, actions: vec![RuleAction::Output(OfPort(output))] }
    }

    #[test]
    fn the_highest_priority_that_fits_decides() {
        let port_1 = Match::any().exact(Field::InPort, 1);
        let table = Table::new([rule(1, Match::any(), 9), rule(100, port_1, 2)]);
        let mut key = FlowKey::default();
        assert_eq!(table.find(&key).unwrap().priority, 1);
        key.set(Field::InPort, 1);
        assert_eq!(table.find(&key).unwrap().priority, 100);
    }

    #[test]
    fn the_same_match_at_the_same_priority_replaces() {
        let table = Table::new([rule(5, Match::any(), 1), rule(5, Match::any(), 2)]);
        assert_eq!(table.rules(), [rule(5, Match::any(), 2)]);
    }
}
