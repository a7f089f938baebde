//! Meters by the letter: a bucket of tokens a band, in whole numbers, filled by the time that has gone by.

use datapath::pipeline::{Band, BandKind, MeterSpec, MeterUnit};

const NANOS: u128 = 1_000_000_000;

/// A meter as a list of buckets. Tokens are billionths of a packet or bit, so nothing is ever rounded.
#[derive(Clone, Debug)]
pub(crate) struct Meter {
    unit: MeterUnit,
    bands: Vec<Bucket>,
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
}

#[derive(Clone, Debug)]
pub(crate) struct Bucket {
    kind: BandKind,
    rate: u32,
    per_second: u128,
    tokens: u128,
    full: u128,
    filled_ns: u64,
    /// What a frame that is longer than the bucket still owes.
    debt: u128,
}

impl Meter {
    pub(crate) fn new(spec: &MeterSpec) -> Meter {
        let scale = if spec.unit == MeterUnit::Kbps { 1000 } else { 1 };
        let bucket = |band: &Band| {
            let size = if band.burst_size == 0 { band.rate } else { band.burst_size };
            let per_second = u128::from(band.rate) * scale;
            // A millisecond's worth at least.
            let full = (u128::from(size) * scale * NANOS).max(per_second * NANOS / 1000);
            Bucket { kind: band.kind, rate: band.rate, per_second, tokens: full, full, filled_ns: 0, debt: 0 }
        };
        Meter { unit: spec.unit, bands: spec.bands.iter().map(bucket).collect(), packets: 0, bytes: 0 }
    }

    /// The band that applies, of those that have too few tokens.
    pub(crate) fn apply(&mut self, bytes: usize, now_ns: u64) -> Option<BandKind> {
        self.packets += 1;
        self.bytes += bytes as u64;
        let wanted = match self.unit {
            MeterUnit::Kbps => bytes as u128 * 8 * NANOS,
            MeterUnit::Pktps => NANOS,
        };
        let mut applies: Option<(u32, BandKind)> = None;
        for bucket in &mut self.bands {
            if !bucket.take(wanted, now_ns) && applies.is_none_or(|(rate, _)| bucket.rate > rate) {
                applies = Some((bucket.rate, bucket.kind));
            }
        }
        applies.map(|(_, kind)| kind)
    }
}

impl Bucket {
    /// Of a queue: bits a second, and bits at once.
    pub(crate) fn of_queue(per_second: u64, burst: u64) -> Bucket {
        let per_second = u128::from(per_second);
        let full = (u128::from(burst) * NANOS).max(per_second * NANOS / 1000);
        Bucket { kind: BandKind::Drop, rate: 0, per_second, tokens: full, full, filled_ns: 0, debt: 0 }
    }

    /// Whether there are tokens for so many bits; they are gone then.
    pub(crate) fn passes(&mut self, bytes: usize, now_ns: u64) -> bool {
        self.takes(bytes as u128 * 8, now_ns)
    }

    /// The same for so many of whatever it counts.
    pub(crate) fn takes(&mut self, amount: u128, now_ns: u64) -> bool {
        self.take(amount * NANOS, now_ns)
    }

    fn take(&mut self, wanted: u128, now_ns: u64) -> bool {
        let gained = u128::from(now_ns - self.filled_ns) * self.per_second;
        self.filled_ns = now_ns;
        let paid = gained.min(self.debt);
        self.debt -= paid;
        self.tokens = (self.tokens + gained - paid).min(self.full);
        let full = self.tokens == self.full && self.debt == 0;
        if self.debt == 0 && self.tokens >= wanted {
            self.tokens -= wanted;
        } else if full {
            self.debt = wanted - self.tokens;
            self.tokens = 0;
        } else {
            return false;
        }
        true
    }
}
