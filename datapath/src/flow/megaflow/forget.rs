//! Flows that are forgotten: those that are out of date, those that nobody uses, and, where there is no room, those that were not used for
//! longest.

use super::{EXACT_WITH_OPTIONS, FREE, Flow, FlowId, Megaflows, hash_of};
use crate::mem::prefetch;
use crate::stats::{Counted, Credit, Ledger, Tally};

/// Flows looked at to find the one to give up.
const CANDIDATES: usize = 8;
/// Flows given up at a time at the most, and of how many there are one is.
const EVICTED_MAX: usize = 16;
const EVICTED_OF: usize = 1024;

impl Megaflows {
    /// Forgets a flow.
    pub fn remove(&mut self, flow: FlowId, ledger: &Ledger) {
        if self.flows[flow.0 as usize].state != FREE {
            self.unlink(flow.0);
            self.release(flow.0, |credit, counted| ledger.add(credit, counted));
        }
    }

    /// Forgets everything.
    pub fn clear(&mut self, ledger: &Ledger) {
        self.flush_all(ledger);
        self.index.clear();
        self.free.clear();
        self.free.extend((0..self.flows.len() as u32).rev());
        self.flows[..self.high].iter_mut().for_each(Flow::free);
        self.lists.clear();
        self.masks.truncate(EXACT_WITH_OPTIONS + 1);
        self.masks.iter_mut().for_each(|mask| mask.flows = 0);
        (self.high, self.sweep_end) = (0, 0);
        self.look_over();
    }

    /// Gives up the flow unused for longest among the next few, and among the few after them, and so on; only called when all places are
    /// taken. What is known of such flows is far away. So several go at a time, step by step, and each step asks for what the next
    /// one looks at; the last, for what the next time begins with.
    pub(super) fn evict(&mut self, ledger: &Ledger) {
        let (mut victims, mut hashes) = ([0; EVICTED_MAX], [0; EVICTED_MAX]);
        let many = (self.flows.len() / EVICTED_OF).clamp(1, EVICTED_MAX);
        let (victims, hashes) = (&mut victims[..many], &mut hashes[..many]);
        for victim in victims.iter_mut() {
            *victim = self.candidates().max_by_key(|flow| self.idle_ms(*flow)).unwrap_or(0) as u32;
            self.next_candidates();
            prefetch(&self.flows[*victim as usize].key);
        }
        for (victim, hash) in victims.iter().zip(hashes.iter_mut()) {
            *hash = hash_of(*victim, &self.flows, (&self.rests, &self.rooms), &self.masks, &self.seed);
            self.index.prefetch(*hash);
        }
        victims.iter().zip(hashes.iter()).for_each(|(victim, hash)| self.index.remove(*hash, *victim));
        let mut tally = Tally::new(ledger);
        victims.iter().for_each(|victim| self.release(*victim, |credit, counted| tally.add(credit, counted)));
        let next = (0..many * CANDIDATES).map(|i| (self.hand + i) % self.flows.len());
        next.for_each(|flow| prefetch(&self.flows[flow].used_ms));
    }

    /// The next few places.
    pub(super) fn candidates(&self) -> impl Iterator<Item = usize> + use<> {
        let (hand, size) = (self.hand, self.flows.len());
        (0..CANDIDATES).map(move |i| (hand + i) % size)
    }

    pub(super) fn next_candidates(&mut self) {
        self.hand = (self.hand + CANDIDATES) % self.flows.len();
    }

    /// Nobody finds the flow any more.
    fn unlink(&mut self, flow: u32) {
        let hash = hash_of(flow, &self.flows, (&self.rests, &self.rooms), &self.masks, &self.seed);
        self.index.remove(hash, flow);
    }

    /// Gives up the place of a flow that nobody finds any more.
    fn release(&mut self, flow: u32, count: impl FnMut(Credit, Counted)) {
        self.empty(flow, count);
        let have = &mut self.flows[flow as usize];
        have.free();
        self.masks[usize::from(have.mask)].flows -= 1;
        self.free.push(flow);
    }

    /// Flushes a flow, which counts for nobody then.
    pub(super) fn empty(&mut self, flow: u32, count: impl FnMut(Credit, Counted)) {
        self.flush(flow, count);
        let have = &mut self.flows[flow as usize];
        let list = have.list();
        have.state = FREE + 1;
        list.into_iter().for_each(|list| self.lists.remove(list));
    }
}
