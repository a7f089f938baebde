//! What changed between snapshots, so that a cached answer is asked for again only where the change can matter.
//!
//! Each snapshot carries the changes of the last [`KEPT`] generations, grouped by table and mask. A cached flow of an older
//! generation compares itself with the changes since: a rule that was added or removed in a table that its frames never
//! reached, or whose values differ from the flow's in bits that the flow is known by, changes nothing for it. What is in
//! doubt counts as a change.

use super::rule::{Match, TableId};
use crate::flow::{FlowKey, FlowMask};
use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

/// Generations whose changes are known. An answer that is older is asked for again.
pub const KEPT: usize = 64;
/// Most masks in one generation's changes; with more, everything counts as changed.
const MASKS_MAX: usize = 32;

/// Rules of one table with one mask that came or went.
#[derive(Clone, Debug)]
struct Changed {
    table: TableId,
    shape: Box<[(u8, u64)]>,
    values: HashSet<Box<[u64]>>,
}

#[derive(Clone, Debug, Default)]
struct Step {
    everything: bool,
    rules: Vec<Changed>,
}

/// The changes that led to a snapshot.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    generation: u64,
    /// The last steps, the newest at the back; the newest led to `generation`.
    steps: VecDeque<Arc<Step>>,
    /// Since the last snapshot.
    open: Step,
}

/// What a cached answer is known by.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// The values of its bits.
    pub key: &'a FlowKey,
    /// Its bits.
    pub mask: &'a FlowMask,
    /// The tables that were asked: bit n modulo 64.
    pub tables: u64,
    /// The words of the key that rules changed on the way.
    pub rewritten: u64,
}

impl Changes {
    /// Which snapshot this is.
    #[inline]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Whether an answer of an older generation may differ from today's.
    pub fn matter(&self, since: u64, known: Known<'_>) -> bool {
        let behind = self.generation.saturating_sub(since) as usize;
        if behind > self.steps.len() {
            return true;
        }
        self.steps.iter().rev().take(behind).any(|step| step.matters(known))
    }

    pub(super) fn rule(&mut self, table: TableId, matching: &Match) {
        if self.open.everything {
            return;
        }
        let (shape, values) = (matching.shape(), matching.values());
        let rules = &mut self.open.rules;
        match rules.iter().position(|changed| changed.table == table && changed.shape == shape) {
            Some(at) => drop(rules[at].values.insert(values)),
            None if rules.len() < MASKS_MAX => {
                rules.push(Changed { table, shape, values: HashSet::from([values]) });
            }
            None => self.everything(),
        }
    }

    pub(super) fn everything(&mut self) {
        self.open = Step { everything: true, rules: Vec::new() };
    }

    /// Ends the open step: the next generation.
    pub(super) fn close(&mut self) {
        self.generation += 1;
        if self.steps.len() == KEPT {
            self.steps.pop_front();
        }
        self.steps.push_back(Arc::new(std::mem::take(&mut self.open)));
    }
}

impl Step {
    fn matters(&self, known: Known<'_>) -> bool {
        self.everything || self.rules.iter().any(|changed| changed.matters(known))
    }
}

impl Changed {
    fn matters(&self, known: Known<'_>) -> bool {
        if known.tables & 1 << (self.table.0 % 64) == 0 {
            return false;
        }
        let mut values = [0; crate::flow::key::WORDS];
        for ((word, bits), value) in self.shape.iter().zip(&mut values) {
            let word = usize::from(*word);
            // Bits that the flow leaves open, or that rules changed before this table was asked, can be anything.
            if known.mask.words()[word] & bits != *bits || known.rewritten & 1 << word != 0 {
                return true;
            }
            *value = known.key.words()[word] & bits;
        }
        self.values.contains(&values[..self.shape.len()])
    }
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

    #[test]
    fn a_change_matters_to_those_whom_it_can_touch() {
        let mut changes = Changes::default();
        changes.close();
        changes.rule(TableId(0), &port(1));
        changes.close();
        let (one, mask) = (port(1).key(), port(1).mask());
        let two = port(2).key();
        assert!(changes.matter(1, known(&one, &mask)));
        assert!(!changes.matter(1, known(&two, &mask)), "another port");
        assert!(!changes.matter(2, known(&one, &mask)), "asked after the change");
        assert!(changes.matter(1, known(&two, &FlowMask::default())), "the port is left open");
        assert!(!changes.matter(1, Known { tables: 2, ..known(&one, &mask) }), "another table");
        assert!(changes.matter(1, Known { rewritten: 1, ..known(&two, &mask) }), "the port was rewritten");
    }

    #[test]
    fn what_is_too_old_to_tell_counts_as_changed() {
        let mut changes = Changes::default();
        (0..=KEPT + 1).for_each(|_| changes.close());
        let (key, mask) = (port(1).key(), port(1).mask());
        assert!(changes.matter(0, known(&key, &mask)));
        assert!(!changes.matter(changes.generation() - KEPT as u64, known(&key, &mask)));
    }
}
