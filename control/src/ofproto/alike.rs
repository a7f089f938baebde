//! Instructions that are equal are kept once: most rules of a table do one of few things.
//!
//! The last few hundred are remembered, each where its hash says; two that want one place take it from each other. So memory is bounded,
//! and what was forgotten is kept twice.

use datapath::pipeline::Instructions;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

/// How many are remembered.
const KEPT: usize = 512;

/// What rules did that were added last.
#[derive(Debug, Default)]
pub(super) struct Alike {
    hasher: RandomState,
    kept: Vec<Option<Arc<Instructions>>>,
    /// Of the rule before: very often that of the next.
    last: Option<Arc<Instructions>>,
}

/// A copy of the switch has rules of its own to come.
impl Clone for Alike {
    fn clone(&self) -> Alike {
        Alike::default()
    }
}

impl Alike {
    /// These instructions, or those that are equal.
    pub(super) fn share(&mut self, instructions: Arc<Instructions>) -> Arc<Instructions> {
        if let Some(last) = self.last.as_ref().filter(|last| **last == instructions) {
            return last.clone();
        }
        let at = self.hasher.hash_one(&instructions) as usize % KEPT;
        self.kept.resize(KEPT, None);
        let shared = match &self.kept[at] {
            Some(known) if *known == instructions => known.clone(),
            _ => instructions,
        };
        self.kept[at] = Some(shared.clone());
        self.last = Some(shared.clone());
        shared
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datapath::flow::OfPort;
    use datapath::pipeline::RuleAction;

    #[test]
    fn equal_instructions_are_one_and_others_are_not() {
        let mut alike = Alike::default();
        let to = |port: u32| Arc::new(Instructions::apply(vec![RuleAction::Output(OfPort(port))]));
        let first: Vec<_> = (0..3).map(|port| alike.share(to(port))).collect();
        for (port, first) in (0..3).zip(&first) {
            assert_eq!(*first, to(port));
            assert!(Arc::ptr_eq(&alike.share(to(port)), first));
        }
        (0..10_000).for_each(|port| assert_eq!(alike.share(to(port)), to(port)));
    }
}
