//! Who has which place of the ledger. Control's side: workers only count in the places that a snapshot's rules name.
//!
//! **When a place is used again.** A worker may hold counts for a rule that is gone: in flows that were answered by it and not
//! yet written into the ledger. So the place of a rule that went between two snapshots rests, until every worker has adopted
//! the later one and has then written the counts of all its flows ([`Credits::settled`]). After that nothing counts there: a
//! flow that was answered by the rule may still be remembered, but before a frame is counted for it, it is found out that the
//! flow is out of date ([`super::changes`]), and it is translated anew.
//!
//! **Copies.** None of this is in a snapshot: to copy it costs nothing. If somebody changes a copy, its places come from pages of
//! its own, so it never takes one that the original gives to another.

use super::Pipeline;
use crate::stats::{Counted, Credit, Ledger};
use std::collections::VecDeque;

/// Places, given and taken back.
#[derive(Debug)]
pub(super) struct Credits {
    ledger: Ledger,
    /// Taken back, and nobody counts there any more.
    free: Vec<Credit>,
    /// Taken back in these generations, in order.
    resting: VecDeque<(u64, Credit)>,
    /// The first that was never given.
    next: Credit,
    /// Given since the last snapshot.
    taken: Vec<Credit>,
}

/// Which places were given and taken back at some moment since the last snapshot.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    taken: usize,
    resting: usize,
}

impl Default for Credits {
    fn default() -> Self {
        Credits {
            ledger: Ledger::default(),
            free: Vec::new(),
            resting: VecDeque::new(),
            next: Credit::FIRST,
            taken: Vec::new(),
        }
    }
}

impl Clone for Credits {
    fn clone(&self) -> Self {
        Credits {
            ledger: self.ledger.clone(),
            free: Vec::new(),
            resting: VecDeque::new(),
            next: Credit::of(self.ledger.len()),
            taken: Vec::new(),
        }
    }
}

impl Credits {
    /// A place where nothing was counted yet: for a rule of a table, or for something else.
    pub(super) fn take(&mut self, table: Option<u8>) -> Credit {
        let credit = self.free.pop().unwrap_or_else(|| {
            if self.next.number() == self.ledger.len() {
                self.ledger.grow();
            }
            let next = self.next;
            self.next = Credit::of(next.number() + 1);
            next
        });
        self.ledger.belongs(credit, table);
        self.taken.push(credit);
        credit
    }

    /// There is a snapshot: what was given before is used.
    pub(super) fn used(&mut self) {
        self.taken.clear();
    }

    /// This moment, to go back to before there is another snapshot and before workers have settled.
    pub(super) fn mark(&self) -> Mark {
        Mark { taken: self.taken.len(), resting: self.resting.len() }
    }

    /// As if nothing had been given or taken back since.
    pub(super) fn roll_back(&mut self, mark: Mark) {
        self.free.extend(self.taken.drain(mark.taken.min(self.taken.len())..));
        self.resting.truncate(mark.resting);
    }

    /// Takes a place back that snapshots before `generation` name. What was counted there can be read until the workers have
    /// settled.
    pub(super) fn give(&mut self, credit: Credit, generation: u64) {
        self.resting.push_back((generation, credit));
    }

    /// Every worker goes by this generation or a later one and has since written all it had counted before.
    pub(super) fn settled(&mut self, generation: u64) {
        while let Some((_, credit)) = self.resting.pop_front_if(|(since, _)| *since <= generation) {
            self.ledger.reset(credit);
            self.free.push(credit);
        }
    }

    pub(super) fn ledger(&self) -> &Ledger {
        &self.ledger
    }
}

/// What was counted of a table (OpenFlow 1.3 section 5.8).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TableCounted {
    /// Frames that a rule took, also one that is gone since.
    pub matched: u64,
    /// Frames that none took.
    pub missed: u64,
}

impl TableCounted {
    /// Frames that were looked up.
    pub fn looked_up(&self) -> u64 {
        self.matched + self.missed
    }
}

/// For each number of a table.
pub(super) fn tables(ledger: &Ledger) -> Vec<TableCounted> {
    let missed = |table| ledger.read(Credit::missed(table)).packets;
    let matched = ledger.matched();
    (0..=u8::MAX)
        .zip(matched.iter().map(|Counted { packets, .. }| *packets))
        .map(|(table, matched)| TableCounted { matched, missed: missed(table) })
        .collect()
}

impl Pipeline {
    /// A place to count for something that is neither rule nor group, as a meter or a learned address. Whoever takes it
    /// gives it back with [`Pipeline::release`].
    pub fn credit(&mut self) -> Credit {
        self.credits.take(None)
    }

    /// Gives back a place that no snapshot from the next one on names. It can be read until [`Pipeline::settled`] frees it.
    pub fn release(&mut self, credit: Credit) {
        self.credits.give(credit, self.generation() + 1);
    }

    /// Tells that every worker goes by this generation or a later one and has written all that it had counted before
    /// ([`SharedStats::settled`](crate::stats::SharedStats::settled); the least of all workers). Places given back by then
    /// are used again, for others.
    pub fn settled(&mut self, generation: u64) {
        self.credits.settled(generation);
    }

    /// What was counted in a place, as far as workers have written it. To have it exact to the packet, ask each worker for a
    /// sweep first ([`SharedStats::ask_sweep`](crate::stats::SharedStats::ask_sweep)).
    pub fn counted(&self, credit: Credit) -> Counted {
        self.ledger().read(credit)
    }

    /// What was counted of every table, by its number. One pass over all places.
    pub fn tables_counted(&self) -> Vec<TableCounted> {
        tables(self.ledger())
    }

    /// Where the workers that go by this pipeline count.
    #[inline]
    pub fn ledger(&self) -> &Ledger {
        self.credits.ledger()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_rests_until_the_workers_have_settled() {
        let mut credits = Credits::default();
        let first = credits.take(Some(0));
        credits.ledger.add(first, Counted { packets: 3, bytes: 3, used_ms: 3 });
        credits.give(first, 5);
        let second = credits.take(Some(0));
        credits.settled(4);
        let third = credits.take(Some(0));
        assert!(first != second && first != third && second != third);
        assert_eq!(credits.ledger.read(first).packets, 3, "can still be read");
        credits.settled(5);
        assert_eq!((credits.take(Some(1)), credits.ledger.read(first)), (first, Counted::default()));
        assert_eq!(tables(&credits.ledger)[0].matched, 3);
    }

    #[test]
    fn what_is_rolled_back_was_never_given_nor_taken_back() {
        let mut credits = Credits::default();
        let kept = credits.take(None);
        let mark = credits.mark();
        let (one, two) = (credits.take(None), credits.take(None));
        credits.give(kept, 1);
        credits.roll_back(mark);
        credits.settled(1);
        let mut again = [credits.take(None), credits.take(None)];
        again.sort();
        assert_eq!(again, [one, two]);
        assert_ne!(credits.take(None), kept);
    }

    #[test]
    fn a_copy_takes_places_of_its_own() {
        let mut credits = Credits::default();
        credits.take(None);
        let mut copy = credits.clone();
        let (here, there) = (credits.take(None), copy.take(None));
        assert_ne!(here, there);
        assert!(credits.ledger.is(&copy.ledger));
    }

    #[test]
    fn places_are_given_beyond_a_page() {
        let mut credits = Credits::default();
        let given: std::collections::HashSet<_> = (0..5000).map(|_| credits.take(None)).collect();
        assert_eq!(given.len(), 5000);
        assert!(given.iter().all(|credit| credit.number() < credits.ledger.len()));
    }
}
