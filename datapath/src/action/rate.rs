//! A rate that all workers keep together, exactly and without a lock: the generic cell rate algorithm (ITU-T I.371, annex A)
//! in one atomic word.
//!
//! The word is the *theoretical arrival time*: when all that was let through so far would have been through at the rate. It
//! runs ahead of the clock by what of the burst is used up. Whoever takes from the rate moves it on by one compare-and-swap, so
//! however many workers take, together they take no more than burst + rate x time.
//!
//! The clock is the turn's, the same for all workers. Its word wraps after 208 days; a word that no clock of ours could have
//! written (older than half of that, or further ahead than the rate allows: the clock was set back) begins anew.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Steps of a nanosecond, so that what a short frame costs at 100 Gbit/s is right to a part in thousands.
const STEPS: u64 = 1 << 10;
const SECOND: u64 = 1_000_000_000 * STEPS;
/// How far apart the clocks of two turns can be: a worker may be held up in the middle of one.
const APART_MAX: u64 = 60 * SECOND;
const MILLISECOND: u64 = SECOND / 1000;
/// The longest burst, in steps: 13 days.
const BURST_MAX: u64 = 1 << 60;
/// The most that may be asked for at once: more than the bits of any frame.
const LARGEST_MAX: u64 = 1 << 20;

/// A rate and what of it is used up. What is counted (packets, bits) is up to who made it.
#[derive(Debug)]
pub struct Rate {
    per_second: u64,
    /// How far the word may run ahead of the clock, in steps.
    burst: u64,
    /// The most that is taken at once.
    largest: u64,
    /// How far ahead of the clock a word can be that was written by it.
    ahead_max: u64,
    word: AtomicU64,
}

impl Rate {
    /// So many a second, and `burst` at once after a pause; none of it is used up. A rate of 0 is taken for 1. At once, at most
    /// `largest` are taken.
    ///
    /// A burst is at least what the rate allows in a millisecond: frames of one batch share one time.
    pub fn new(per_second: u64, burst: u64, largest: u64) -> Rate {
        let per_second = per_second.max(1);
        let steps = u128::from(burst) * u128::from(SECOND) / u128::from(per_second);
        let burst = steps.clamp(MILLISECOND.into(), BURST_MAX.into()) as u64;
        let largest = largest.min(LARGEST_MAX);
        let rate = Rate { per_second, burst, largest, ahead_max: 0, word: AtomicU64::new(0) };
        Rate { ahead_max: burst.max(rate.cost(largest)) + APART_MAX, ..rate }
    }

    /// Takes `amount`, if the rate allows it now. Where the burst is not touched, any amount may be taken once: a frame that is
    /// longer than the burst gets through, and what follows waits the longer.
    #[inline]
    pub fn take(&self, amount: u64, now_ns: u64) -> bool {
        let cost = self.cost(amount);
        let now = now_ns.wrapping_mul(STEPS);
        let mut word = self.word.load(Relaxed);
        loop {
            let ahead = self.ahead(word, now);
            if !self.holds(ahead, cost) {
                return false;
            }
            match self.word.compare_exchange_weak(word, now.wrapping_add(ahead + cost), Relaxed, Relaxed) {
                Ok(_) => return true,
                Err(other) => word = other,
            }
        }
    }

    /// Whether the rate would allow `amount` now. Nothing is taken.
    #[inline]
    pub fn has(&self, amount: u64, now_ns: u64) -> bool {
        let ahead = self.ahead(self.word.load(Relaxed), now_ns.wrapping_mul(STEPS));
        self.holds(ahead, self.cost(amount))
    }

    #[inline]
    fn holds(&self, ahead: u64, cost: u64) -> bool {
        ahead == 0 || ahead + cost <= self.burst
    }

    /// How far the word is ahead of the clock.
    #[inline]
    fn ahead(&self, word: u64, now: u64) -> u64 {
        let ahead = word.wrapping_sub(now);
        if ahead <= self.ahead_max { ahead } else { 0 }
    }

    /// What an amount costs, in steps, rounded down: what is asked for when the rate has just brought it is there, and a burst
    /// of three is three.
    #[inline]
    fn cost(&self, amount: u64) -> u64 {
        amount.min(self.largest) * SECOND / self.per_second
    }
}

impl Clone for Rate {
    /// A rate of its own, used up as far as this one is now.
    fn clone(&self) -> Rate {
        Rate { word: AtomicU64::new(self.word.load(Relaxed)), ..*self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    #[test]
    fn a_burst_and_then_the_rate() {
        let rate = Rate::new(1000, 10, 100);
        let taken = |now: u64, tries: usize| (0..tries).filter(|_| rate.take(1, now)).count();
        assert_eq!(taken(5 * MS, 50), 10, "the burst");
        assert_eq!(taken(5 * MS + MS / 2, 5), 0);
        assert_eq!((6..16).map(|ms| taken(ms * MS, 5)).collect::<Vec<_>>(), [1; 10]);
        assert_eq!(taken(1000 * MS, 50), 10, "a pause fills it up and no further");
    }

    #[test]
    fn what_no_step_divides_is_not_short_by_one() {
        let rate = Rate::new(7, 3, 1);
        for second in 1..100 {
            let taken = |ms: u64, tries: usize| {
                (0..tries).filter(|_| rate.take(1, (second * 1000 + ms) * MS)).count()
            };
            assert_eq!((taken(0, 9), taken(142, 9), taken(143, 9)), (3, 0, 1));
        }
    }

    #[test]
    fn more_than_the_burst_gets_through_once_and_is_paid_for() {
        let rate = Rate::new(1000, 10, 100);
        assert!(rate.take(100, MS));
        assert!(!rate.take(1, 91 * MS), "ten of a hundred are still owed");
        assert!(rate.take(1, 92 * MS));
    }

    #[test]
    fn a_fast_rate_takes_whole_batches() {
        let rate = Rate::new(1_000_000, 1, 1);
        assert_eq!((0..2000).filter(|_| rate.take(1, 7)).count(), 1000, "a millisecond's worth");
    }

    #[test]
    fn a_clock_that_was_set_back_begins_anew() {
        let rate = Rate::new(10, 1, 1);
        assert!(rate.take(1, 1_000_000 * MS));
        assert!(!rate.take(1, 1_000_001 * MS));
        assert!(rate.take(1, MS));
        assert!(!rate.take(1, 2 * MS));
    }

    #[test]
    fn times_of_captures_are_as_good_as_those_of_a_start() {
        let rate = Rate::new(1000, 1, 1);
        let since_1970 = 1_800_000_000_000 * MS;
        for ms in 0..10_000 {
            assert!(rate.take(1, since_1970 + ms * MS));
            assert!(!rate.take(1, since_1970 + ms * MS + MS / 2));
        }
    }

    /// At the ends of what can be asked for: no overflow, and long-term within one in a thousand of the rate.
    #[test]
    fn the_slowest_and_the_fastest() {
        for (per_second, amount) in [(1, 1), (1000, 12_000), (u64::from(u32::MAX) * 1000, 512), (3, 524_288)]
        {
            let rate = Rate::new(per_second, 0, amount);
            let gap = amount * 1_000_000_000 / per_second / 8 + 1;
            let (mut now, mut taken) = (1u64 << 60, 0u64);
            for _ in 0..80_000 {
                now += gap;
                taken += u64::from(rate.take(amount, now));
            }
            let allowed = 80_000 / 8;
            let spare = 2 + per_second / 1000 / amount;
            let few = if gap > 1000 { allowed / 1000 } else { allowed };
            assert!(taken + few >= allowed && taken <= allowed * 9 + spare, "{per_second}: {taken}");
        }
        assert!(Rate::new(0, u64::MAX, u64::MAX).take(u64::MAX, u64::MAX));
    }

    /// Several threads take at times of their own from one rate: together never more than it allows.
    #[test]
    fn threads_share_one_rate_exactly() {
        const THREADS: u64 = 4;
        const LAST_MS: u64 = 2000;
        let rate = Rate::new(10_000, 50, 1);
        let taken: u64 = std::thread::scope(|scope| {
            let take = |_| {
                scope.spawn(|| {
                    let tries = (1..=LAST_MS).flat_map(|ms| (0..20).map(move |_| ms * MS));
                    tries.filter(|now| rate.take(1, *now)).count() as u64
                })
            };
            let threads: Vec<_> = (0..THREADS).map(take).collect();
            threads.into_iter().map(|thread| thread.join().expect("a count")).sum()
        });
        // Of 160,000 tries. A thread that is behind gives nothing back, so less is possible, and more is not.
        assert!(taken <= 50 + 10 * LAST_MS, "{taken}");
        assert!(taken > 10 * LAST_MS / 2, "{taken}");
    }
}
