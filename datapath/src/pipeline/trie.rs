//! Rules with one mask, by their values: a trie over the hashes of the values, of which a copy is a reference.
//!
//! **What.** A node branches by four bits of the hash and has places only for the branches that are taken (Bagwell, "Ideal Hash Trees",
//! 2001). A rule stands in the first node that no other rule comes to; it has its values itself, so no key is kept beside it.
//!
//! **Sharing.** To clone a trie is to copy one reference. A change copies those nodes on the way to a rule that others hold too, with as
//! many references as they have branches, and changes all others in place: so a snapshot for every single change is cheap, and many
//! changes between two snapshots are cheaper.

use super::table::Installed;
use std::cmp::Ordering;
use std::slice;
use std::sync::Arc;

/// Bits of the hash that a node branches by.
const BITS: u32 = 4;

type Node = Arc<Vec<Place>>;

/// What is at one branch of a node.
#[derive(Clone, Debug)]
enum Place {
    /// A rule, and the upper half of its hash: others need not be looked at.
    Rule(u32, Arc<Installed>),
    /// Rules with one hash, in the order of [`order`]: nearly always those of several priorities with the same values.
    Rules(u32, Arc<Vec<Arc<Installed>>>),
    /// A node, and which of its branches are taken.
    Branch(u16, Node),
}

const _: () = assert!(size_of::<Place>() == 16, "four places are a cache line");

/// Rules by the hashes of their values, and by their values.
#[derive(Clone, Debug, Default)]
pub(super) struct Trie {
    taken: u16,
    root: Node,
}

/// By values; the highest priority first.
fn order(rule: &Installed, values: &[u64], priority: u16) -> Ordering {
    let same = || priority.cmp(&rule.rule.priority);
    rule.values().cmp(values).then_with(same)
}

/// The upper half of a hash.
#[inline]
fn half(hash: u64) -> u32 {
    (hash >> u32::BITS) as u32
}

/// The branch of a node to go by, as a bit, and its place if it is taken. What is left of the hash begins with this node's bits.
#[inline]
fn branch(taken: u16, rest: u64) -> (u16, usize) {
    let bit = 1 << (rest & ((1 << BITS) - 1));
    (bit, (taken & (bit - 1)).count_ones() as usize)
}

impl Trie {
    /// The rules with these values and this hash, highest priority first.
    #[inline]
    pub(super) fn get(&self, hash: u64, values: &[u64]) -> &[Arc<Installed>] {
        let (mut taken, mut node, mut rest) = (self.taken, &self.root, hash);
        loop {
            let (bit, at) = branch(taken, rest);
            if taken & bit == 0 {
                return &[];
            }
            match node.get(at) {
                Some(Place::Branch(inner, below)) => (taken, node, rest) = (*inner, below, rest >> BITS),
                Some(Place::Rule(tag, rule)) if *tag == half(hash) && rule.values() == values => {
                    return slice::from_ref(rule);
                }
                Some(Place::Rules(tag, rules)) if *tag == half(hash) => return with_values(rules, values),
                _ => return &[],
            }
        }
    }

    /// Puts a rule in; one with the same values and priority gives way. `hash` says what the hash of a rule is.
    pub(super) fn put(&mut self, rule: Arc<Installed>, hash: &impl Fn(&[u64]) -> u64) {
        let of_rule = hash(rule.values());
        put(&mut self.taken, &mut self.root, 0, of_rule, rule, hash);
    }

    /// Takes the rule with this hash, these values and this priority out, if it is there.
    pub(super) fn remove(&mut self, hash: u64, values: &[u64], priority: u16) -> Option<Arc<Installed>> {
        let is_there = self.get(hash, values).iter().any(|rule| rule.rule.priority == priority);
        is_there.then(|| remove(&mut self.taken, &mut self.root, hash, values, priority)).flatten()
    }

    /// All rules, in no order.
    pub(super) fn iter(&self) -> Iter<'_> {
        Iter { nodes: vec![self.root.iter()], rules: [].iter() }
    }
}

/// Those of rules with one hash that have these values.
#[cold]
fn with_values<'t>(rules: &'t [Arc<Installed>], values: &[u64]) -> &'t [Arc<Installed>] {
    let begin = rules.partition_point(|rule| rule.values() < values);
    let end = rules.partition_point(|rule| rule.values() <= values);
    rules.get(begin..end).unwrap_or_default()
}

fn put(
    taken: &mut u16,
    node: &mut Node,
    depth: u32,
    of_rule: u64,
    rule: Arc<Installed>,
    hash: &impl Fn(&[u64]) -> u64,
) {
    let (bit, at) = branch(*taken, of_rule.checked_shr(depth * BITS).unwrap_or(0));
    let node = Arc::make_mut(node);
    if *taken & bit == 0 {
        *taken |= bit;
        // Places for two: rules come, and are rarely all of them.
        if node.len() == node.capacity() {
            node.reserve_exact(2);
        }
        return node.insert(at, Place::Rule(half(of_rule), rule));
    }
    let Some(place) = node.get_mut(at) else { return };
    let one_hash = |tag: u32, other: &Installed| tag == half(of_rule) && hash(other.values()) == of_rule;
    let (tag, first) = match place {
        Place::Branch(inner, below) => return put(inner, below, depth + 1, of_rule, rule, hash),
        Place::Rule(tag, other) if one_hash(*tag, other) => {
            match order(other, rule.values(), rule.rule.priority) {
                Ordering::Equal => *other = rule,
                Ordering::Less => *place = Place::Rules(*tag, Arc::new(vec![other.clone(), rule])),
                Ordering::Greater => *place = Place::Rules(*tag, Arc::new(vec![rule, other.clone()])),
            }
            return;
        }
        Place::Rules(tag, rules) if rules.first().is_some_and(|other| one_hash(*tag, other)) => {
            let rules = Arc::make_mut(rules);
            match rules.binary_search_by(|other| order(other, rule.values(), rule.rule.priority)) {
                Ok(at) => rules[at] = rule,
                Err(at) => rules.insert(at, rule),
            }
            return;
        }
        Place::Rule(tag, other) => (*tag, hash(other.values())),
        Place::Rules(tag, rules) => (*tag, rules.first().map_or(0, |other| hash(other.values()))),
    };
    debug_assert_eq!(tag, half(first), "a rule stands under its own hash");
    // Two hashes, which part further down: at their last bits at the latest.
    let (bit, _) = branch(0, first >> ((depth + 1) * BITS));
    let (mut inner, mut below) = (bit, Arc::new(vec![place.clone()]));
    put(&mut inner, &mut below, depth + 1, of_rule, rule, hash);
    *place = Place::Branch(inner, below);
}

fn remove(
    taken: &mut u16,
    node: &mut Node,
    rest: u64,
    values: &[u64],
    priority: u16,
) -> Option<Arc<Installed>> {
    let (bit, at) = branch(*taken, rest);
    let node = Arc::make_mut(node);
    let place = node.get_mut(at)?;
    match place {
        Place::Branch(inner, below) => {
            let gone = remove(inner, below, rest >> BITS, values, priority)?;
            // A rule stands as high as it can.
            if let [only @ (Place::Rule(..) | Place::Rules(..))] = &below[..] {
                *place = only.clone();
            }
            Some(gone)
        }
        Place::Rules(tag, rules) => {
            let found = rules.binary_search_by(|rule| order(rule, values, priority)).ok()?;
            let rules = Arc::make_mut(rules);
            let gone = rules.remove(found);
            if let [only] = &rules[..] {
                *place = Place::Rule(*tag, only.clone());
            }
            Some(gone)
        }
        Place::Rule(..) => {
            *taken &= !bit;
            match node.remove(at) {
                Place::Rule(_, gone) => Some(gone),
                _ => None,
            }
        }
    }
}

/// All rules of a [`Trie`].
pub(super) struct Iter<'t> {
    nodes: Vec<slice::Iter<'t, Place>>,
    rules: slice::Iter<'t, Arc<Installed>>,
}

impl<'t> Iterator for Iter<'t> {
    type Item = &'t Arc<Installed>;

    fn next(&mut self) -> Option<&'t Arc<Installed>> {
        loop {
            if let Some(rule) = self.rules.next() {
                return Some(rule);
            }
            match self.nodes.last_mut()?.next() {
                None => drop(self.nodes.pop()),
                Some(Place::Rule(_, rule)) => return Some(rule),
                Some(Place::Rules(_, rules)) => self.rules = rules.iter(),
                Some(Place::Branch(_, below)) => self.nodes.push(below.iter()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::Field;
    use crate::pipeline::rule::{Match, Rule};
    use crate::stats::Credit;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn rule(value: u64, priority: u16, mark: u64) -> Arc<Installed> {
        let matching = Match::any().exact(Field::Metadata, value.into());
        Installed::new(Rule { cookie: mark, ..Rule::acting(priority, matching, vec![]) }, mark, Credit::FIRST)
    }

    /// Many rules with one hash, and many whose hashes begin or end alike.
    fn hashes() -> [fn(&[u64]) -> u64; 4] {
        [
            |v| v[0],
            |v| v[0] << 58,
            |v| v[0] % 3 * 0x1111_1111_1111_1111,
            |v| v[0].wrapping_mul(0x9e37_79b9_7f4a_7c15),
        ]
    }

    type Naive = BTreeMap<(u64, std::cmp::Reverse<u16>), u64>;

    fn seen(trie: &Trie) -> Naive {
        let rules = trie.iter();
        let all: Vec<_> =
            rules.map(|i| ((i.values()[0], std::cmp::Reverse(i.rule.priority)), i.rule.cookie)).collect();
        let naive: Naive = all.iter().copied().collect();
        assert_eq!(naive.len(), all.len(), "each once");
        naive
    }

    proptest! {
        #[test]
        fn a_trie_is_a_map_and_a_clone_stays_as_it_was(
            changes in prop::collection::vec((any::<bool>(), 0u64..40, 0u16..3), 1..200),
            which in 0..4usize,
            cloned_at in 0..200usize,
        ) {
            let hash = hashes()[which];
            let (mut trie, mut naive) = (Trie::default(), Naive::new());
            let mut kept = (trie.clone(), naive.clone());
            for (at, (puts, value, priority)) in changes.into_iter().enumerate() {
                let key = (value, std::cmp::Reverse(priority));
                match puts {
                    true => {
                        trie.put(rule(value, priority, at as u64), &hash);
                        naive.insert(key, at as u64);
                    }
                    false => {
                        let gone = trie.remove(hash(&[value]), &[value], priority);
                        prop_assert_eq!(gone.map(|gone| gone.rule.cookie), naive.remove(&key));
                    }
                }
                if at == cloned_at {
                    kept = (trie.clone(), naive.clone());
                }
                let found: Vec<u64> =
                    trie.get(hash(&[value]), &[value]).iter().map(|rule| rule.rule.cookie).collect();
                let all = naive.range((value, std::cmp::Reverse(u16::MAX))..=(value, std::cmp::Reverse(0)));
                prop_assert_eq!(found, all.map(|(_, mark)| *mark).collect::<Vec<_>>());
            }
            prop_assert_eq!(seen(&trie), naive);
            prop_assert_eq!(seen(&kept.0), kept.1);
        }
    }
}
