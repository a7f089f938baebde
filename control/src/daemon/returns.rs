//! Devices that came back and could not be used: each is left alone for a while before it is tried again, for longer each time. To try it
//! can mean to end the workers and start them again, which interrupts all ports, and what the kernel has to tell of its devices can come
//! often.

use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;

/// How long it is left alone after the first time; twice that after the second, and so on.
const FIRST: Duration = Duration::from_secs(1);
/// The longest that it is.
const LONGEST: Duration = Duration::from_secs(64);

/// What became of one device.
#[derive(Debug)]
struct Failed {
    /// Its number: with another one it is another device.
    index: u32,
    pause: Duration,
    until: Instant,
}

/// Those that failed, by name.
#[derive(Debug, Default)]
pub(super) struct Returns(BTreeMap<String, Failed>);

impl Returns {
    /// Whether it may be tried now.
    pub(super) fn may_try(&self, device: &str, index: u32, now: Instant) -> bool {
        self.0.get(device).is_none_or(|failed| failed.index != index || failed.until <= now)
    }

    /// It could not be used. Returns how long it is left alone.
    pub(super) fn failed(&mut self, device: &str, index: u32, now: Instant) -> Duration {
        let before = self.0.get(device).filter(|failed| failed.index == index);
        let pause = before.map_or(FIRST, |failed| LONGEST.min(failed.pause * 2));
        self.0.insert(device.to_string(), Failed { index, pause, until: now + pause });
        pause
    }

    /// Keeps those that are still there to be tried.
    pub(super) fn keep(&mut self, waits: impl Fn(&str, u32) -> bool) {
        self.0.retain(|device, failed| waits(device, failed.index));
    }

    /// When the next one is tried.
    pub(super) fn until(&self) -> Option<Instant> {
        self.0.values().map(|failed| failed.until).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_time_it_is_left_alone_for_longer_and_another_of_its_name_is_not() {
        let (mut returns, start) = (Returns::default(), Instant::now());
        assert!(returns.may_try("g1", 5, start));
        let mut now = start;
        let mut pauses = Vec::new();
        for _ in 0..9 {
            let pause = returns.failed("g1", 5, now);
            assert!(!returns.may_try("g1", 5, now) && returns.until() == Some(now + pause));
            now += pause;
            assert!(returns.may_try("g1", 5, now));
            pauses.push(pause.as_secs());
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 64, 64]);
        returns.failed("g1", 5, now);
        assert!(returns.may_try("g1", 6, now) && returns.may_try("g2", 5, now));
        assert_eq!(returns.failed("g1", 6, now), FIRST);
        returns.keep(|device, index| (device, index) != ("g1", 6));
        assert!(returns.until().is_none() && returns.may_try("g1", 6, now));
    }
}
