//! What entries that have gone counted to the end (OpenFlow 1.3.5 section 6.4, flow removed messages).
//!
//! When an entry goes, workers still go by it for a while, and hold counts that they have not written down. So who wants to be told of
//! it is told when every worker goes by rules without it and has written what it had counted: [`Ofproto::settled`] says when.
//! Until then the entry's place in the ledger is nobody else's.

use super::{Ofproto, Removed};
use datapath::stats::Counted;
use std::collections::VecDeque;

/// An entry that has gone, and what it counted to the last frame.
#[derive(Clone, Debug)]
pub struct Farewell {
    /// What went, and why.
    pub removed: Removed,
    /// All that it took.
    pub counted: Counted,
}

/// Those that went: no part of a copy of the switch, which tells nobody.
#[derive(Debug, Default)]
pub(super) struct Leaving {
    /// With the first generation that is without them, in order.
    waiting: VecDeque<(u64, Removed)>,
    ready: Vec<Farewell>,
}

impl Clone for Leaving {
    fn clone(&self) -> Leaving {
        Leaving::default()
    }
}

impl Leaving {
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// As if those since had not gone.
    pub(super) fn truncate(&mut self, len: usize) {
        self.waiting.truncate(len);
    }
}

impl Ofproto {
    /// An entry has gone; if a controller wants to hear of it, it will.
    pub(super) fn goes(&mut self, removed: &Removed) {
        if removed.is_told() {
            self.leaving.waiting.push_back((self.pipeline.generation() + 1, removed.clone()));
        }
    }

    /// Whether there are some that nobody was told of yet. Workers may hold counts of them: ask for a sweep, tell [`Ofproto::settled`]
    /// afterwards, and take those that are ready ([`Ofproto::farewells`]).
    pub fn has_leaving(&self) -> bool {
        !self.leaving.waiting.is_empty() || !self.leaving.ready.is_empty()
    }

    /// Those who are to be told of now, in the order in which they went, with all that they counted.
    pub fn farewells(&mut self) -> Vec<Farewell> {
        std::mem::take(&mut self.leaving.ready)
    }

    /// Tells that every worker goes by this generation or a later one and has written all that it had counted before.
    pub fn settled(&mut self, generation: u64) {
        while let Some((_, removed)) = self.leaving.waiting.pop_front_if(|(since, _)| *since <= generation) {
            let counted = self.counted(&removed.entry);
            self.leaving.ready.push(Farewell { removed, counted });
        }
        self.pipeline.settled(generation);
    }
}
