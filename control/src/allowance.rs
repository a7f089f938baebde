//! How often something may be done: so many times a second, and so many at once after a pause. The idea is that of `datapath::action::Rate` (the generic
//! cell rate algorithm, ITU-T I.371 annex A), for one owner and in milliseconds of his clock, so that thousands can be kept.

/// How often.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limit {
    /// Times a second; 0 is taken for 1.
    pub(crate) per_second: u64,
    /// Times at once, after a pause.
    pub(crate) burst: u64,
}

/// What of a limit is used up; nothing, as it begins.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Allowance {
    /// When all of it is free again.
    free_at: u64,
    /// What was left over when times were turned into milliseconds.
    rest: u64,
}

impl Allowance {
    /// Takes one, if the limit allows it at that time, in milliseconds.
    pub(crate) fn take(&mut self, limit: Limit, now: u64) -> bool {
        let per_second = limit.per_second.max(1);
        let (free_at, rest) = if self.free_at < now { (now, 0) } else { (self.free_at, self.rest) };
        let rest = rest + 1000;
        let free_at = free_at + rest / per_second;
        let may = free_at - now <= limit.burst.saturating_mul(1000) / per_second;
        if may {
            *self = Allowance { free_at, rest: rest % per_second };
        }
        may
    }

    /// Whether nothing of it is used up at that time.
    pub(crate) fn is_whole(&self, now: u64) -> bool {
        self.free_at <= now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_taken_comes_back_at_the_rate() {
        let (mut allowance, limit) = (Allowance::default(), Limit { per_second: 10, burst: 100 });
        let mut taken = |now| (0..1000).filter(|_| allowance.take(limit, now)).count();
        assert_eq!([5, 50, 105, 1105, 1_000_000].map(&mut taken), [100, 0, 1, 10, 100]);
        assert!(!allowance.is_whole(1_009_999) && allowance.is_whole(1_010_000));
    }

    #[test]
    fn rates_that_are_no_whole_milliseconds_are_kept_in_the_long_run() {
        for per_second in [3, 7, 999, 1001, 7000] {
            let (mut allowance, limit) = (Allowance::default(), Limit { per_second, burst: per_second });
            let taken = (0..100_000).map(|now| (0..10).filter(|_| allowance.take(limit, now)).count());
            let (taken, wanted) = (taken.sum::<usize>() as u64, per_second * 101);
            assert!(taken.abs_diff(wanted) <= 1 + per_second / 1000, "{per_second}: {taken}, not {wanted}");
        }
    }

    #[test]
    fn no_limit_makes_it_panic() {
        let mut allowance = Allowance::default();
        for limit in [Limit { per_second: 0, burst: 0 }, Limit { per_second: u64::MAX, burst: u64::MAX }] {
            allowance.take(limit, 0);
            allowance.take(limit, u64::MAX / 2);
        }
    }
}
