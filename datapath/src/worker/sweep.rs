//! The sweep: what flows have counted goes into the ledger, and flows that nobody uses any more go.
//!
//! A worker sweeps all its flows about once a second, and at once when control asks for it, a bounded number of flows in each
//! turn. That a sweep is done it tells in its [`SharedStats`](crate::stats::SharedStats): which one that was asked for, and
//! from which generation on.

use super::Worker;

/// How often a sweep begins, at most, in nanoseconds of the turns' clock.
const EVERY_NS: u64 = 1_000_000_000;
/// A sweep that nobody waits for does so many flows in so many nanoseconds: 64 Ki flows in a second.
const STEP: usize = 64;
const STEP_NS: u64 = 1_000_000;
/// Most flows in a turn of a worker that has more to do than a turn can. 256 of them cost about as much as a batch.
const LOADED_MAX: usize = 256;
/// Most flows in any other turn: about 20 microseconds.
const IDLE_MAX: usize = 4096;

/// Where the sweep is. The flows know how far it has come.
#[derive(Debug, Default)]
pub(super) struct Sweep {
    /// The one asked for that it answers when it is done.
    asked: u64,
    /// Of the pipeline, when it began.
    generation: u64,
    /// It has begun and is not at its end.
    under_way: bool,
    /// Somebody waits for it.
    urgent: bool,
    began_ns: u64,
    /// When to go on with it, or begin the next.
    next_ns: u64,
}

impl Worker<'_> {
    /// Whether control waits for a sweep that is not done: then there is work though no frame comes.
    pub fn is_sweeping(&self) -> bool {
        self.sweep.urgent
    }

    /// Writes into the ledger all that was counted, now. For a worker that ends.
    pub fn settle(&mut self) {
        self.begin_sweep();
        self.megaflows.flush_all(self.pipeline.ledger());
        self.shared.sweep_ended(self.sweep.asked, self.sweep.generation);
    }

    fn begin_sweep(&mut self) {
        self.sweep.asked = self.shared.asked();
        self.sweep.generation = self.pipeline.generation();
        self.sweep.began_ns = self.now_ns;
        self.sweep.under_way = true;
        self.megaflows.begin_sweep();
    }

    /// A turn's share of it.
    #[inline]
    pub(super) fn sweep(&mut self) {
        // One that is asked for meanwhile comes after it: else whoever asks often enough keeps it from ending.
        if !self.sweep.urgent && self.shared.asked() != self.sweep.asked {
            self.begin_sweep();
            self.sweep.urgent = true;
        }
        if self.sweep.urgent || self.now_ns >= self.sweep.next_ns {
            self.sweep_some();
        }
    }

    #[cold]
    fn sweep_some(&mut self) {
        if !self.sweep.under_way {
            self.begin_sweep();
        }
        let most = if self.loaded { LOADED_MAX } else { IDLE_MAX };
        let late = self.now_ns.saturating_sub(self.sweep.next_ns) / STEP_NS;
        let due = usize::try_from(late).unwrap_or(most).saturating_add(1).saturating_mul(STEP);
        let places = if self.sweep.urgent { most } else { due.min(most) };
        self.sweep.next_ns = self.now_ns + STEP_NS;
        if self.megaflows.sweep(places, self.pipeline.ledger()) {
            self.shared.sweep_ended(self.sweep.asked, self.sweep.generation);
            (self.sweep.urgent, self.sweep.under_way) = (false, false);
            self.sweep.next_ns = self.sweep.next_ns.max(self.sweep.began_ns + EVERY_NS);
        }
    }
}
