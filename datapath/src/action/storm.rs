//! What a port may have sent to everybody: broadcasts, multicasts, and frames to stations that nobody has seen yet cost every port and
//! every far end a copy, so each port has a rate of them. Above it a frame goes to nobody that it would have been flooded to.
//!
//! As a meter, it is one for all workers and snapshots, and together they keep its rate.

use super::meter::FRAME_BITS_MAX;
use super::rate::Rate;

/// Where a policer stands in the list of all policers of a pipeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StormAt(pub u16);

/// How much a port may have flooded. A tenth of a second's worth may come at once after a pause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct StormSpec {
    /// Frames a second. None: as many as come.
    pub pps: Option<u32>,
    /// Kilobits (1000 bits) a second, of Ethernet frames without FCS, each counted once however many copies it makes. None: as many
    /// as come.
    pub kbps: Option<u32>,
}

impl StormSpec {
    /// Whether it limits nothing.
    pub fn is_open(&self) -> bool {
        self.pps.is_none() && self.kbps.is_none()
    }
}

/// A policer with what of its rates is used up.
#[derive(Clone, Debug)]
pub struct Storm {
    spec: StormSpec,
    packets: Option<Rate>,
    bits: Option<Rate>,
}

impl Storm {
    /// A policer that nothing went through yet.
    pub fn new(spec: StormSpec) -> Storm {
        let rate = |per_second: u64, largest| Rate::new(per_second, (per_second / 10).max(1), largest);
        Storm {
            spec,
            packets: spec.pps.map(|pps| rate(pps.into(), 1)),
            bits: spec.kbps.map(|kbps| rate(u64::from(kbps) * 1000, FRAME_BITS_MAX)),
        }
    }

    /// What was asked for.
    pub fn spec(&self) -> StormSpec {
        self.spec
    }

    /// Whether a frame of so many bytes is within the rates at this time; then it is taken from them. One that either refuses
    /// takes nothing from the other, but for what another worker took between the two looks.
    #[inline]
    pub(super) fn admits(&self, bytes: usize, now_ns: u64) -> bool {
        self.packets.as_ref().is_none_or(|rate| rate.has(1, now_ns))
            && self.bits.as_ref().is_none_or(|rate| rate.take(bytes as u64 * 8, now_ns))
            && self.packets.as_ref().is_none_or(|rate| rate.take(1, now_ns))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    #[test]
    fn both_rates_hold() {
        let storm = Storm::new(StormSpec { pps: Some(100), kbps: Some(8) });
        let passed = |ms: u64, bytes| (0..50).filter(|_| storm.admits(bytes, ms * MS)).count();
        assert_eq!(passed(5, 10), 10, "a tenth of a hundred frames, and of a thousand bytes");
        assert_eq!(passed(2005, 100), 1, "the bits are used up");
        let storm = Storm::new(StormSpec { pps: Some(10), kbps: Some(80) });
        assert!(storm.admits(1250, MS), "longer than the burst of the bits: an eighth of a second's worth");
        assert!(!storm.admits(1250, 102 * MS), "the bits refuse");
        assert!(storm.admits(100, 103 * MS), "and took no frame's place");
        assert!(Storm::new(StormSpec::default()).admits(1500, 0) && StormSpec::default().is_open());
    }
}
