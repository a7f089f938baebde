//! Whether the other side is still there: who says nothing for a while is asked, and who does not answer is gone (`lib/rconn.c` of
//! Open vSwitch). Time is the caller's, in milliseconds.

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pulse {
    /// Nothing before this time.
    Quiet(u64),
    /// Ask whether it is there.
    Probe,
    /// It is not.
    Dead,
}

/// When the other side was heard last.
#[derive(Clone, Copy, Debug)]
pub struct Liveness {
    /// 0: it is never asked.
    interval_ms: u64,
    heard: u64,
    probed: bool,
}

impl Liveness {
    /// Asks after so many milliseconds of silence.
    pub fn new(interval_ms: u64, now: u64) -> Liveness {
        Liveness { interval_ms, heard: now, probed: false }
    }

    /// Something came.
    pub fn heard(&mut self, now: u64) {
        (self.heard, self.probed) = (now, false);
    }

    /// What to do now.
    pub fn pulse(&mut self, now: u64) -> Pulse {
        if self.interval_ms == 0 {
            return Pulse::Quiet(u64::MAX);
        }
        let due = self.heard.saturating_add(self.interval_ms);
        match (now < due, self.probed) {
            (true, _) => Pulse::Quiet(due),
            (false, true) => Pulse::Dead,
            (false, false) => {
                // An answer has as long again.
                (self.heard, self.probed) = (now, true);
                Pulse::Probe
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_silent_is_asked_once_and_then_given_up() {
        let mut peer = Liveness::new(5000, 100);
        assert_eq!(peer.pulse(100), Pulse::Quiet(5100));
        assert_eq!(peer.pulse(5100), Pulse::Probe);
        assert_eq!(peer.pulse(5101), Pulse::Quiet(10_100));
        peer.heard(6000);
        assert_eq!(peer.pulse(6000), Pulse::Quiet(11_000));
        assert_eq!(peer.pulse(11_000), Pulse::Probe);
        assert_eq!(peer.pulse(16_000), Pulse::Dead);
        assert_eq!(Liveness::new(0, 0).pulse(u64::MAX), Pulse::Quiet(u64::MAX));
    }
}
