//! What flows count, and how it reaches the rules that they stand for.
//!
//! A hit adds to two numbers in a line of the flow that it writes anyway. They are *flushed*, added to each place of the
//! [`Ledger`] that the flow's answer names, when the flow goes, when it gets another answer, and by the sweep, which visits all
//! flows now and then, a few at a time. So nothing is counted twice and nothing is lost.

use super::{FREE, Flow, FlowId, INLINE, LINKED, Megaflows};
use crate::mem::prefetch;
use crate::stats::{Counted, Credit, Ledger, Tally};

/// A flow that was not used for this long goes when the sweep finds it, as in Open vSwitch (`ofproto/ofproto-provider.h`,
/// OFPROTO_MAX_IDLE_DEFAULT): so that masks which nobody uses any more cost nobody a probe.
pub const IDLE_MS: u64 = 10_000;

/// What it costs to remove a flow, in places looked at.
const REMOVAL: usize = 8;
/// How far ahead of the flow that the sweep looks at the next ones are asked for.
const AHEAD: usize = 4;

impl Flow {
    #[inline(always)]
    pub(super) fn count(&mut self, bytes: u16, now_ms: u64) {
        self.packets += 1;
        self.bytes += u64::from(bytes);
        self.used_ms = now_ms as u32;
    }
}

impl Megaflows {
    /// What time it is from now on, in milliseconds.
    #[inline]
    pub fn set_now(&mut self, now_ms: u64) {
        self.now_ms = now_ms;
    }

    /// A frame of the flow came, so many bytes long.
    #[inline]
    pub fn count(&mut self, flow: FlowId, bytes: u16) {
        self.flows[flow.0 as usize].count(bytes, self.now_ms);
    }

    /// How long a flow was not used. Right for less than 49 days, and the sweep comes earlier.
    #[inline]
    pub(super) fn idle_ms(&self, flow: usize) -> u32 {
        (self.now_ms as u32).wrapping_sub(self.flows[flow].used_ms)
    }

    /// Has what a flow has counted be added to each place.
    pub(super) fn flush(&mut self, flow: u32, mut count: impl FnMut(Credit, Counted)) {
        let used_ms = self.now_ms.saturating_sub(self.idle_ms(flow as usize).into());
        let have = &mut self.flows[flow as usize];
        if have.packets == 0 {
            return;
        }
        let (packets, bytes) = (std::mem::take(&mut have.packets), std::mem::take(&mut have.bytes));
        let mut add = |credit| count(credit, Counted { packets, bytes, used_ms });
        have.inline().iter().for_each(|number| add(Credit::of(*number)));
        have.list().into_iter().for_each(|list| self.lists.each(list).for_each(&mut add));
    }

    /// Lets a flow, which has no credits now, count for these. There is room.
    pub(super) fn set_credits(&mut self, flow: u32, credits: &[Credit]) {
        let have = &mut self.flows[flow as usize];
        let inline = if credits.len() <= INLINE { credits.len() } else { INLINE - 1 };
        have.credits.iter_mut().zip(&credits[..inline]).for_each(|(to, credit)| *to = credit.number());
        have.state = FREE + 1 + inline as u8;
        if inline < credits.len() {
            have.credits[INLINE - 1] = self.lists.insert(&credits[inline..]);
            have.state = LINKED;
        }
    }

    /// Gives up flows with long lists until there is room for another list of so many.
    pub(super) fn make_room(&mut self, credits: usize, ledger: &Ledger) {
        while credits > INLINE && !self.lists.fits(credits) {
            let idle = |flow: &usize| self.idle_ms(*flow);
            let long = |flow: &usize| self.flows[*flow].state == LINKED;
            let victim = self.candidates().filter(long).max_by_key(idle);
            self.next_candidates();
            victim.into_iter().for_each(|flow| self.remove(FlowId(flow as u32), ledger));
        }
    }

    /// Flushes all flows.
    pub fn flush_all(&mut self, ledger: &Ledger) {
        let mut tally = Tally::new(ledger);
        (0..self.high as u32).for_each(|flow| self.flush(flow, |credit, counted| tally.add(credit, counted)));
    }

    /// Begins a sweep over all flows that there are now.
    pub fn begin_sweep(&mut self) {
        (self.swept, self.sweep_end) = (0, self.high);
    }

    /// Goes on with the sweep: flushes flows and removes those that were not used for [`IDLE_MS`]. Looks at so many places
    /// at most. Returns whether the sweep is at its end.
    pub fn sweep(&mut self, places: usize, ledger: &Ledger) -> bool {
        let mut left = places;
        let mut tally = Tally::new(ledger);
        while left > 0 && self.swept < self.sweep_end {
            let flow = self.swept;
            if let Some(next) = self.flows.get(flow + AHEAD) {
                prefetch(&next.generation);
            }
            self.swept += 1;
            left -= 1;
            if self.flows[flow].state == FREE {
                continue;
            }
            if u64::from(self.idle_ms(flow)) >= IDLE_MS {
                self.remove(FlowId(flow as u32), ledger);
                left = left.saturating_sub(REMOVAL);
            } else {
                self.flush(flow as u32, |credit, counted| tally.add(credit, counted));
            }
        }
        if self.is_empty() {
            self.high = 0;
        }
        let ended = self.swept >= self.sweep_end;
        if ended {
            self.look_over();
        }
        ended
    }
}
