//! How often something may be done: so many times a second, and so many at once after a pause.

use std::time::Instant;

/// What is left of it.
#[derive(Debug)]
pub struct Allowance {
    per_second: u32,
    burst: u32,
    left: u32,
    /// Since when; None: it was never asked.
    since: Option<Instant>,
}

impl Allowance {
    /// All of it is left.
    pub const fn new(per_second: u32, burst: u32) -> Allowance {
        Allowance { per_second, burst, left: 0, since: None }
    }

    /// Takes one, if there is one.
    pub fn take(&mut self, now: Instant) -> bool {
        let fresh = match self.since {
            None => self.burst,
            Some(since) => {
                let ms = now.saturating_duration_since(since).as_millis() * u128::from(self.per_second);
                u32::try_from(ms / 1000).unwrap_or(self.burst)
            }
        };
        if fresh > 0 {
            (self.left, self.since) = (self.burst.min(self.left.saturating_add(fresh)), Some(now));
        }
        let may = self.left > 0;
        self.left -= u32::from(may);
        may
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn what_was_not_taken_comes_back_at_the_rate() {
        let (mut allowance, start) = (Allowance::new(10, 100), Instant::now());
        let mut taken = |ms| (0..1000).filter(|_| allowance.take(start + Duration::from_millis(ms))).count();
        assert_eq!([0, 50, 100, 1100, 1_000_000].map(&mut taken), [100, 0, 1, 10, 100]);
    }
}
