//! Rules with one mask, by their values: a trie over the hashes of the values, of which a copy is a reference.
//!
//! **What.** A node branches by four bits of the hash and has places only for the branches that are taken (Bagwell, "Ideal Hash Trees",
//! 2001), for 2, 4, 8 or 16: so places lie where the node is, and a step down is one look at memory. A rule stands in the first place that no
//! other rule comes to; it has its values itself, so no key is kept beside it.
//!
//! **Sharing.** To clone a trie is to copy one reference. A change copies those nodes on the way to a rule that others hold too, with as
//! many references as they have branches, and changes all others in place: so a snapshot for every single change is cheap, and many
//! changes between two snapshots are cheaper.

use super::rule::Rule;
use super::table::Installed;
use std::cmp::Ordering;
use std::mem::{replace, take};
use std::sync::Arc;
use std::{array, slice};

/// Bits of the hash that a node branches by.
const BITS: u32 = 4;

/// Where a rule can stand. A node says which of its branches are taken; their places come first, in order, and the others are empty.
#[derive(Clone, Debug, Default)]
enum Place {
    #[default]
    Empty,
    /// A rule, and the upper half of its hash: others need not be looked at.
    Rule(u32, Arc<Installed>),
    /// Rules with one hash, in the order of [`order`]: nearly always those of several priorities with the same values.
    Rules(u32, Arc<Vec<Arc<Installed>>>),
    Two(u16, Arc<[Place; 2]>),
    Four(u16, Arc<[Place; 4]>),
    Eight(u16, Arc<[Place; 8]>),
    Sixteen(u16, Arc<[Place; 16]>),
}

const _: () = assert!(size_of::<Place>() == 16, "four places are a cache line");

/// Rules by the hashes of their values, and by their values.
#[derive(Clone, Debug, Default)]
pub(super) struct Trie {
    root: Place,
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

/// What the nodes that are so deep and deeper branch by.
fn rest(hash: u64, depth: u32) -> u64 {
    hash.checked_shr(depth * BITS).unwrap_or(0)
}

impl Trie {
    /// The rules with these values and this hash, highest priority first.
    #[inline]
    pub(super) fn get(&self, hash: u64, values: &[u64]) -> &[Arc<Installed>] {
        let (mut place, mut rest) = (&self.root, hash);
        while let Some((taken, places)) = place.node() {
            let (bit, at) = branch(taken, rest);
            match places.get(at) {
                Some(below) if taken & bit != 0 => (place, rest) = (below, rest >> BITS),
                _ => return &[],
            }
        }
        match place {
            Place::Rule(tag, rule) if *tag == half(hash) && rule.values() == values => slice::from_ref(rule),
            Place::Rules(tag, rules) if *tag == half(hash) => with_values(rules, values),
            _ => &[],
        }
    }

    /// Puts a rule in, as `make` makes it of the one with the same values and priority, which gives way to it. The new one, and that. `hash`
    /// says what the hash of values is.
    pub(super) fn put(
        &mut self,
        rule: Rule,
        hash: &impl Fn(&[u64]) -> u64,
        make: impl FnOnce(Rule, Option<&Installed>) -> Arc<Installed>,
    ) -> (Arc<Installed>, Option<Arc<Installed>>) {
        let of_rule = hash(rule.matching.values());
        self.root.put(0, of_rule, rule, hash, make)
    }

    /// Takes the rule with this hash, these values and this priority out, if it is there.
    pub(super) fn remove(&mut self, hash: u64, values: &[u64], priority: u16) -> Option<Arc<Installed>> {
        let is_there = self.get(hash, values).iter().any(|rule| rule.rule.priority == priority);
        is_there.then(|| self.root.remove(hash, values, priority)).flatten()
    }

    /// All rules, in no order.
    pub(super) fn iter(&self) -> Iter<'_> {
        Iter { nodes: vec![slice::from_ref(&self.root).iter()], rules: [].iter() }
    }
}

/// Those of rules with one hash that have these values.
#[cold]
fn with_values<'t>(rules: &'t [Arc<Installed>], values: &[u64]) -> &'t [Arc<Installed>] {
    let begin = rules.partition_point(|rule| rule.values() < values);
    let end = rules.partition_point(|rule| rule.values() <= values);
    rules.get(begin..end).unwrap_or_default()
}

/// The same places in a node of another size.
fn resized<const FROM: usize, const TO: usize>(node: Arc<[Place; FROM]>) -> Arc<[Place; TO]> {
    let mut places = Arc::unwrap_or_clone(node).into_iter();
    Arc::new(array::from_fn(|_| places.next().unwrap_or_default()))
}

impl Place {
    /// Which branches of a node are taken, and its places.
    #[inline]
    fn node(&self) -> Option<(u16, &[Place])> {
        match self {
            Place::Empty | Place::Rule(..) | Place::Rules(..) => None,
            Place::Two(taken, places) => Some((*taken, &places[..])),
            Place::Four(taken, places) => Some((*taken, &places[..])),
            Place::Eight(taken, places) => Some((*taken, &places[..])),
            Place::Sixteen(taken, places) => Some((*taken, &places[..])),
        }
    }

    /// The same, to be changed: what others hold as well is copied.
    fn node_mut(&mut self) -> Option<(&mut u16, &mut [Place])> {
        match self {
            Place::Empty | Place::Rule(..) | Place::Rules(..) => None,
            Place::Two(taken, places) => Some((taken, &mut Arc::make_mut(places)[..])),
            Place::Four(taken, places) => Some((taken, &mut Arc::make_mut(places)[..])),
            Place::Eight(taken, places) => Some((taken, &mut Arc::make_mut(places)[..])),
            Place::Sixteen(taken, places) => Some((taken, &mut Arc::make_mut(places)[..])),
        }
    }

    /// A node of twice as many places.
    fn grown(self) -> Place {
        match self {
            Place::Two(taken, places) => Place::Four(taken, resized(places)),
            Place::Four(taken, places) => Place::Eight(taken, resized(places)),
            Place::Eight(taken, places) => Place::Sixteen(taken, resized(places)),
            other => other,
        }
    }

    /// A node of half as many.
    fn shrunk(self) -> Place {
        match self {
            Place::Four(taken, places) => Place::Two(taken, resized(places)),
            Place::Eight(taken, places) => Place::Four(taken, resized(places)),
            Place::Sixteen(taken, places) => Place::Eight(taken, resized(places)),
            other => other,
        }
    }

    /// Takes a branch of a node.
    fn insert(&mut self, bit: u16, at: usize, new: Place) {
        if self.node().is_some_and(|(taken, places)| taken.count_ones() as usize == places.len()) {
            *self = take(self).grown();
        }
        if let Some((taken, places)) = self.node_mut() {
            *taken |= bit;
            places[at..].rotate_right(1);
            places[at] = new;
        }
    }

    /// A branch of a node is not taken any more.
    fn clear(&mut self, bit: u16, at: usize) {
        let Some((taken, places)) = self.node_mut() else { return };
        *taken &= !bit;
        places[at] = Place::Empty;
        places[at..].rotate_left(1);
        if places.len() > 2 && taken.count_ones() as usize <= places.len() / 4 {
            *self = take(self).shrunk();
        }
    }

    fn put(
        &mut self,
        depth: u32,
        of_rule: u64,
        rule: Rule,
        hash: &impl Fn(&[u64]) -> u64,
        make: impl FnOnce(Rule, Option<&Installed>) -> Arc<Installed>,
    ) -> (Arc<Installed>, Option<Arc<Installed>>) {
        if let Some((taken, places)) = self.node_mut() {
            let (bit, at) = branch(*taken, rest(of_rule, depth));
            if *taken & bit != 0
                && let Some(below) = places.get_mut(at)
            {
                return below.put(depth + 1, of_rule, rule, hash, make);
            }
            let new = make(rule, None);
            self.insert(bit, at, Place::Rule(half(of_rule), new.clone()));
            return (new, None);
        }
        let is_of = |other: &Installed| order(other, rule.matching.values(), rule.priority);
        let one_hash = |tag: u32, other: &Installed| tag == half(of_rule) && hash(other.values()) == of_rule;
        let first = match self {
            Place::Rule(tag, other) if one_hash(*tag, other) => {
                let order = is_of(other);
                let new = make(rule, Some(&**other).filter(|_| order.is_eq()));
                if order.is_eq() {
                    return (new.clone(), Some(replace(other, new)));
                }
                let mut rules = vec![other.clone(), new.clone()];
                if order.is_gt() {
                    rules.swap(0, 1);
                }
                *self = Place::Rules(*tag, Arc::new(rules));
                return (new, None);
            }
            Place::Rules(tag, rules) if rules.first().is_some_and(|other| one_hash(*tag, other)) => {
                let rules = Arc::make_mut(rules);
                return match rules.binary_search_by(|other| is_of(other)) {
                    Ok(at) => {
                        let new = make(rule, Some(&rules[at]));
                        (new.clone(), Some(replace(&mut rules[at], new)))
                    }
                    Err(at) => {
                        let new = make(rule, None);
                        rules.insert(at, new.clone());
                        (new, None)
                    }
                };
            }
            Place::Rule(_, other) => hash(other.values()),
            Place::Rules(_, rules) => rules.first().map_or(0, |other| hash(other.values())),
            _ => {
                let new = make(rule, None);
                *self = Place::Rule(half(of_rule), new.clone());
                return (new, None);
            }
        };
        // Two hashes, which part here or further down: at their last bits at the latest.
        let (bit, _) = branch(0, rest(first, depth));
        *self = Place::Two(bit, Arc::new([take(self), Place::Empty]));
        self.put(depth, of_rule, rule, hash, make)
    }

    fn remove(&mut self, rest: u64, values: &[u64], priority: u16) -> Option<Arc<Installed>> {
        match self {
            Place::Empty => None,
            Place::Rule(..) => match take(self) {
                Place::Rule(_, gone) => Some(gone),
                _ => None,
            },
            Place::Rules(tag, rules) => {
                let found = rules.binary_search_by(|rule| order(rule, values, priority)).ok()?;
                let rules = Arc::make_mut(rules);
                let gone = rules.remove(found);
                if let [only] = &rules[..] {
                    *self = Place::Rule(*tag, only.clone());
                }
                Some(gone)
            }
            node => {
                let (taken, places) = node.node_mut()?;
                let (bit, at) = branch(*taken, rest);
                let below = places.get_mut(at)?;
                let gone = below.remove(rest >> BITS, values, priority)?;
                if matches!(below, Place::Empty) {
                    node.clear(bit, at);
                }
                // A rule stands as high as it can.
                let (taken, places) = node.node_mut()?;
                if taken.is_power_of_two() && places[0].node().is_none() {
                    *node = take(&mut places[0]);
                }
                Some(gone)
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
                Some(Place::Empty) => {}
                Some(Place::Rule(_, rule)) => return Some(rule),
                Some(Place::Rules(_, rules)) => self.rules = rules.iter(),
                Some(node) => self.nodes.extend(node.node().map(|(_, places)| places.iter())),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::Field;
    use crate::pipeline::rule::{Match, Rule};
    use crate::pipeline::table::Note;
    use crate::stats::Credit;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn rule(value: u64, priority: u16, mark: u64) -> Rule {
        let matching = Match::any().exact(Field::Metadata, value.into());
        Rule { cookie: mark, ..Rule::acting(priority, matching, vec![]) }
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
                        let mark = at as u64;
                        let mut told = None;
                        let (new, replaced) = trie.put(rule(value, priority, mark), &hash, |rule, replaced| {
                            told = replaced.map(|replaced| replaced.rule.cookie);
                            Installed::new(rule, mark, Credit::FIRST, Note::default())
                        });
                        let had = naive.insert(key, mark);
                        prop_assert_eq!((new.rule.cookie, told), (mark, had));
                        prop_assert_eq!(replaced.map(|replaced| replaced.rule.cookie), had);
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
