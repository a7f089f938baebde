//! Meters: what is above a rate is dropped or marked (OpenFlow 1.3 section 5.7).
//!
//! Each band keeps a rate of its own; a frame that a band's rate does not allow exceeds it, and of the exceeded bands the one of
//! the highest rate applies, as in Open vSwitch (`lib/dpif-netdev.c`). A meter is shared by all workers and all snapshots: its
//! numbers are atomics, and the workers together keep its rates.

use super::rate::Rate;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Number of a meter: 1 to [`METER_ID_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MeterId(pub u32);

/// The largest number that a meter can have. OpenFlow would allow more (OFPM_MAX, 0xffff0000).
pub const METER_ID_MAX: u32 = 65_536;
/// More than the bits of any frame.
pub(super) const FRAME_BITS_MAX: u64 = 8 << 16;
/// How many bands a meter can have.
pub const BANDS_MAX: usize = 16;

/// What rates and bursts count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MeterUnit {
    /// Kilobits (1000 bits) a second, of Ethernet frames without FCS.
    Kbps,
    /// Packets a second.
    Pktps,
}

/// What a band does with what is above its rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BandKind {
    /// Drop it.
    Drop,
    /// Raise the drop precedence of its class (RFC 2597) by so many levels.
    DscpRemark {
        /// At least 1.
        prec_level: u8,
    },
}

/// A band.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Band {
    /// What it does.
    pub kind: BandKind,
    /// Above so many of the meter's units a second; at least 1.
    pub rate: u32,
    /// What may come at once after a pause: kilobits or packets. 0: as much as the rate allows in a second.
    pub burst_size: u32,
}

/// A meter as it was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MeterSpec {
    /// What is counted.
    pub unit: MeterUnit,
    /// Whether bands have a burst size (OFPMF_BURST).
    pub burst: bool,
    /// Whether numbers were asked for (OFPMF_STATS). They are kept in any case.
    pub stats: bool,
    /// Its bands.
    pub bands: Vec<Band>,
}

/// What a meter, or one of its bands, has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Metered {
    /// Frames.
    pub packets: u64,
    /// Their bytes: Ethernet frames without FCS.
    pub bytes: u64,
}

/// A meter with what of it is used up.
#[derive(Debug)]
pub struct Meter {
    spec: MeterSpec,
    rates: Box<[Rate]>,
    seen: Arc<Tally>,
    exceeded: Box<[Tally]>,
}

#[derive(Debug, Default)]
struct Tally {
    packets: AtomicU64,
    bytes: AtomicU64,
}

impl Tally {
    fn add(&self, packets: u64, bytes: u64) {
        self.packets.fetch_add(packets, Relaxed);
        self.bytes.fetch_add(bytes, Relaxed);
    }

    fn read(&self) -> Metered {
        Metered { packets: self.packets.load(Relaxed), bytes: self.bytes.load(Relaxed) }
    }
}

impl Clone for Tally {
    fn clone(&self) -> Tally {
        let Metered { packets, bytes } = self.read();
        Tally { packets: packets.into(), bytes: bytes.into() }
    }
}

impl Clone for Meter {
    /// A meter of its own, in the state that this one is in.
    fn clone(&self) -> Meter {
        let Meter { spec, rates, seen, exceeded } = self;
        let seen = Arc::new(Tally::clone(seen));
        Meter { spec: spec.clone(), rates: rates.clone(), seen, exceeded: exceeded.clone() }
    }
}

impl Meter {
    /// A meter that nothing went through yet.
    pub fn new(spec: MeterSpec) -> Meter {
        let (scale, largest) = match spec.unit {
            MeterUnit::Kbps => (1000, FRAME_BITS_MAX),
            MeterUnit::Pktps => (1, 1),
        };
        let rate = |band: &Band| {
            let burst = if band.burst_size == 0 { band.rate } else { band.burst_size };
            Rate::new(u64::from(band.rate) * scale, u64::from(burst) * scale, largest)
        };
        let rates = spec.bands.iter().map(rate).collect();
        let exceeded = spec.bands.iter().map(|_| Tally::default()).collect();
        Meter { spec, rates, seen: Arc::default(), exceeded }
    }

    /// Another in the place of this one: what went in goes on to be counted, what bands were applied to does not (OpenFlow 1.3.5
    /// section 6.5, OFPMC_MODIFY).
    pub fn renewed(&self, spec: MeterSpec) -> Meter {
        Meter { seen: self.seen.clone(), ..Meter::new(spec) }
    }

    /// What was asked for.
    pub fn spec(&self) -> &MeterSpec {
        &self.spec
    }

    /// All that went into it.
    pub fn seen(&self) -> Metered {
        self.seen.read()
    }

    /// What each band was applied to, in the order of the bands.
    pub fn exceeded(&self) -> impl Iterator<Item = Metered> {
        self.exceeded.iter().map(Tally::read)
    }

    /// Counts frames that went in.
    #[inline]
    pub(super) fn count(&self, packets: u64, bytes: u64) {
        self.seen.add(packets, bytes);
    }

    /// What is done with a frame of so many bytes at this time; None: it is within all rates.
    #[inline]
    pub(super) fn judge(&self, bytes: usize, now_ns: u64) -> Option<BandKind> {
        let amount = match self.spec.unit {
            MeterUnit::Kbps => bytes as u64 * 8,
            MeterUnit::Pktps => 1,
        };
        let mut applies: Option<(usize, &Band)> = None;
        for (at, (rate, band)) in self.rates.iter().zip(&self.spec.bands).enumerate() {
            if !rate.take(amount, now_ns) && applies.is_none_or(|(_, other)| band.rate > other.rate) {
                applies = Some((at, band));
            }
        }
        let (at, band) = applies?;
        self.exceeded[at].add(1, bytes as u64);
        Some(band.kind)
    }
}

/// The code point after its drop precedence was raised: AF11 -> AF12 -> AF13 and so on, no further; any other stays as it is.
pub(super) fn remarked(dscp: u8, levels: u8) -> u8 {
    // RFC 2597 section 6: three bits of class, 1 to 4; two bits of drop precedence, 1 to 3; a zero.
    let (class, precedence) = (dscp >> 3, dscp >> 1 & 3);
    match (class, precedence, dscp & 1) {
        (1..=4, 1..=3, 0) => class << 3 | precedence.saturating_add(levels).min(3) << 1,
        _ => dscp,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_assured_forwarding_is_remarked() {
        // The table of RFC 2597 section 6: AF11 AF12 AF13 = 10 12 14, AF21 ... = 18 20 22, 26 28 30, 34 36 38.
        for first in [10, 18, 26, 34] {
            assert_eq!(
                [1, 2, 3, 255].map(|levels| remarked(first, levels)),
                [first + 2, first + 4, first + 4, first + 4]
            );
            assert_eq!(remarked(first + 2, 1), first + 4);
            assert_eq!(remarked(first + 4, 1), first + 4);
        }
        let known = [10, 12, 14, 18, 20, 22, 26, 28, 30, 34, 36, 38];
        for other in (0..64).filter(|dscp| !known.contains(dscp)) {
            assert_eq!(remarked(other, 1), other);
        }
    }

    #[test]
    fn the_exceeded_band_of_the_highest_rate_applies() {
        let band = |kind, rate| Band { kind, rate, burst_size: 1 };
        let remark = BandKind::DscpRemark { prec_level: 1 };
        let meter = Meter::new(MeterSpec {
            unit: MeterUnit::Pktps,
            burst: true,
            stats: true,
            bands: vec![band(BandKind::Drop, 200), band(remark, 100)],
        });
        let at = |ms: u64| meter.judge(100, ms * 1_000_000);
        assert_eq!(
            (at(1000), at(1005), at(1005), at(1010)),
            (None, Some(remark), Some(BandKind::Drop), None)
        );
        assert_eq!(meter.exceeded().map(|band| band.packets).collect::<Vec<_>>(), [1, 1]);
    }
}
