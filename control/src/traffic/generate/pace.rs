//! How fast: a token bucket that is asked for batches. It is the one of the program over live frames (`ebpf/src/generate.rs`)
//! once more, where there is no such program.

use ebpf::traffic::FRACTION_BITS;

/// A rate as the time from frame to frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rate {
    /// In `2^-FRACTION_BITS` nanoseconds; 0: no limit.
    pub(super) interval: u64,
    /// How much of lost time is made up for, in the same unit.
    pub(super) patience: u64,
}

impl Rate {
    pub(super) const UNLIMITED: Rate = Rate { interval: 0, patience: 0 };

    /// So many frames a second, of which `burst` may leave at once after the generator was held up.
    pub(super) fn new(per_second: u64, burst: u32) -> Rate {
        let interval = ((1_000_000_000_u64 << FRACTION_BITS) / per_second.max(1)).max(1);
        Rate { interval, patience: interval.saturating_mul(burst.into()) }
    }
}

/// The bucket.
#[derive(Debug)]
pub(super) struct Pace {
    rate: Rate,
    /// When the next frame is due, after the start.
    due: u64,
}

impl Pace {
    pub(super) fn new(rate: Rate) -> Pace {
        Pace { rate, due: 0 }
    }

    /// How many frames may leave now, `elapsed_ns` after the start, `most` at the most.
    #[inline]
    pub(super) fn take(&mut self, elapsed_ns: u64, most: u64) -> u64 {
        let Rate { interval, patience } = self.rate;
        if interval == 0 {
            return most;
        }
        let elapsed = elapsed_ns << FRACTION_BITS;
        if elapsed < self.due {
            return 0;
        }
        self.due = self.due.max(elapsed.saturating_sub(patience));
        let due = ((elapsed - self.due) / interval + 1).min(most);
        self.due += due * interval;
        due
    }

    /// Gives back frames that were taken and not sent.
    #[inline]
    pub(super) fn give_back(&mut self, frames: u64) {
        self.due = self.due.saturating_sub(frames * self.rate.interval);
    }

    /// In how many nanoseconds the next frame is due.
    pub(super) fn wait_ns(&self, elapsed_ns: u64) -> u64 {
        (self.due >> FRACTION_BITS).saturating_sub(elapsed_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_has_as_many_frames_as_were_asked_for() {
        for rate in [1, 7, 1000, 333_333, 1_000_000, 14_880_952] {
            let mut pace = Pace::new(Rate::new(rate, 256));
            let (mut sent, mut now) = (0, 0);
            while now < 1_000_000_000 {
                sent += pace.take(now, 64);
                now += 1500;
            }
            let off = sent.abs_diff(rate);
            assert!(off <= 1 + rate / 50_000, "{sent} of {rate}");
        }
    }

    #[test]
    fn lost_time_is_made_up_for_as_far_as_asked() {
        let mut pace = Pace::new(Rate::new(1_000_000, 100));
        assert_eq!(pace.take(0, 64), 1);
        // Ten milliseconds late: of ten thousand frames, a hundred and the one that is due.
        assert_eq!(pace.take(10_000_000, 1000), 101);
        assert_eq!(pace.take(10_000_000, 1000), 0);
        assert_eq!(pace.wait_ns(10_000_000), 1000);
        pace.give_back(2);
        assert_eq!(pace.take(10_000_000, 1000), 2);
    }

    #[test]
    fn without_a_limit_there_is_none() {
        assert_eq!(Pace::new(Rate::UNLIMITED).take(0, 64), 64);
    }
}
