//! Queues of a port: what a flow puts into one leaves by the port no faster than the queue's rate.
//!
//! There is no scheduler and nothing waits: a frame above the rate is dropped at the port. As a meter, a queue is shared by all
//! workers and snapshots, and together they keep its rate.

use super::meter::FRAME_BITS_MAX;
use super::rate::Rate;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Number of a queue of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct QueueId(pub u32);

/// Where a queue stands in the list of all queues of a pipeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct QueueAt(pub u16);

/// A queue as it was asked for, in the words of Open vSwitch's linux-htb.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct QueueSpec {
    /// Most bits a second, of Ethernet frames without FCS. None: as many as come.
    pub max_rate: Option<u64>,
    /// What may leave at once after a pause, in bits. None: what the rate brings in a tenth of a second.
    pub burst: Option<u64>,
}

/// What went through a queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Queued {
    /// Frames that were handed to the port.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Frames that were above the rate, or that the port did not take.
    pub errors: u64,
}

/// A queue with what of its rate is used up.
#[derive(Debug)]
pub struct Queue {
    spec: QueueSpec,
    rate: Option<Rate>,
    packets: AtomicU64,
    bytes: AtomicU64,
    errors: AtomicU64,
}

impl Queue {
    /// A queue that nothing went through yet.
    pub fn new(spec: QueueSpec) -> Queue {
        let rate = |max: u64| Rate::new(max, spec.burst.unwrap_or(max / 10), FRAME_BITS_MAX);
        let zero = || AtomicU64::new(0);
        Queue { spec, rate: spec.max_rate.map(rate), packets: zero(), bytes: zero(), errors: zero() }
    }

    /// What was asked for.
    pub fn spec(&self) -> &QueueSpec {
        &self.spec
    }

    /// What went through.
    pub fn seen(&self) -> Queued {
        Queued {
            packets: self.packets.load(Relaxed),
            bytes: self.bytes.load(Relaxed),
            errors: self.errors.load(Relaxed),
        }
    }

    /// Whether a frame of so many bytes is within the rate at this time; then it is taken from it.
    #[inline]
    pub(super) fn admits(&self, bytes: usize, now_ns: u64) -> bool {
        self.rate.as_ref().is_none_or(|rate| rate.take(bytes as u64 * 8, now_ns))
    }

    /// Counts what has become of frames.
    pub(super) fn count(&self, Queued { packets, bytes, errors }: Queued) {
        self.packets.fetch_add(packets, Relaxed);
        self.bytes.fetch_add(bytes, Relaxed);
        self.errors.fetch_add(errors, Relaxed);
    }
}

impl Clone for Queue {
    /// A queue of its own, in the state that this one is in.
    fn clone(&self) -> Queue {
        let Queued { packets, bytes, errors } = self.seen();
        Queue {
            spec: self.spec,
            rate: self.rate.clone(),
            packets: packets.into(),
            bytes: bytes.into(),
            errors: errors.into(),
        }
    }
}
