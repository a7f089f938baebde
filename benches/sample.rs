//! Samples of something that neighbours disturb: many short slices, and of these the median and the quartiles.

use nix::sys::resource::{UsageWho, getrusage};
use nix::time::{ClockId, clock_gettime};
use std::fmt;

/// What the calling thread has used of its core.
#[derive(Clone, Copy, Debug, Default)]
pub struct Used {
    /// Time on the core, in nanoseconds.
    pub cpu_ns: u64,
    /// How often somebody else was given the core.
    pub displaced: u64,
}

/// What the calling thread has used so far.
pub fn used() -> Used {
    let time = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("every thread has such a clock");
    let usage = getrusage(UsageWho::RUSAGE_THREAD).expect("every thread may ask for its own usage");
    Used {
        cpu_ns: time.tv_sec() as u64 * 1_000_000_000 + time.tv_nsec() as u64,
        displaced: usage.involuntary_context_switches() as u64,
    }
}

/// Many samples of one thing.
#[derive(Clone, Debug, Default)]
pub struct Samples(Vec<f64>);

impl Samples {
    /// One more.
    pub fn add(&mut self, sample: f64) {
        self.0.push(sample);
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value below which `part` of all samples lie.
    pub fn quantile(&self, part: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let at = part * (sorted.len().saturating_sub(1)) as f64;
        let (low, high) = (sorted.get(at.floor() as usize), sorted.get(at.ceil() as usize));
        low.zip(high).map_or(f64::NAN, |(low, high)| low + (high - low) * at.fract())
    }

    /// The one in the middle.
    pub fn median(&self) -> f64 {
        self.quantile(0.5)
    }
}

impl fmt::Display for Samples {
    /// `median [lower quartile–upper quartile]`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = f.precision().unwrap_or(1);
        let (low, high) = (self.quantile(0.25), self.quantile(0.75));
        write!(f, "{:.digits$} [{low:.digits$}–{high:.digits$}]", self.median())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_lies_between_two_samples_when_they_are_even() {
        let mut samples = Samples::default();
        for sample in [4.0, 1.0, 3.0, 2.0] {
            samples.add(sample);
        }
        assert_eq!(samples.median(), 2.5);
        assert_eq!(format!("{samples:.2}"), "2.50 [1.75–3.25]");
    }
}
