//! Counters, and the reason of every drop.
//!
//! A worker counts in plain integers that nobody else touches and publishes copies of them now and then
//! ([`shared`]); reading a counter never slows a packet down. What is counted for rules and groups goes to a [`ledger`] that
//! all workers add to.

pub mod cycles;
pub mod ledger;
pub mod perf;
pub mod reason;
pub mod shared;
mod tally;

pub use ledger::{Counted, Credit, Ledger};
pub use perf::{PerfCounters, Stage};
pub use reason::{DropReason, Drops};
pub use shared::{SharedStats, Snapshot};
pub use tally::Tally;

/// Packets and bytes, both ways, of one port of one worker. Bytes are those of the Ethernet frame without FCS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PortCounters {
    /// Frames that came in.
    pub rx_packets: u64,
    /// Their bytes.
    pub rx_bytes: u64,
    /// Frames that the kernel had for us and could not hand over: no free buffer, a full ring, too long for a buffer.
    pub rx_missed: u64,
    /// Frames that were handed to the device.
    pub tx_packets: u64,
    /// Their bytes.
    pub tx_bytes: u64,
    /// Frames that were queued and that the device refused afterwards; they are among the sent ones.
    pub tx_errors: u64,
    /// Frames that came in by this port and did not come out by any.
    pub drops: u64,
}

/// What was done about frames that are too long for a tunnel's way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TooLongCounters {
    /// Senders that were told by ICMP what fits.
    pub told: u64,
    /// Senders that were not, because too many were told of late.
    pub limited: u64,
    /// Senders that may not be told (RFC 1122 section 3.2.2, RFC 4443 section 2.4), or to whom no way leads back.
    pub untold: u64,
    /// Packets that were sent in fragments.
    pub fragmented: u64,
    /// The fragments.
    pub fragments: u64,
    /// SYNs of TCP whose maximum segment size was lowered.
    pub clamped: u64,
}

impl TooLongCounters {
    /// The names of the counters, in their order.
    pub const NAMES: [&'static str; 6] = ["told", "limited", "untold", "fragmented", "fragments", "clamped"];

    /// The counters in their order.
    pub fn values(&self) -> [u64; 6] {
        let TooLongCounters { told, limited, untold, fragmented, fragments, clamped } = *self;
        [told, limited, untold, fragmented, fragments, clamped]
    }

    /// Counters of these values.
    pub fn of(values: [u64; 6]) -> TooLongCounters {
        let [told, limited, untold, fragmented, fragments, clamped] = values;
        TooLongCounters { told, limited, untold, fragmented, fragments, clamped }
    }

    /// The sum with others.
    pub fn plus(&self, other: &TooLongCounters) -> TooLongCounters {
        let (ours, theirs) = (self.values(), other.values());
        TooLongCounters::of(std::array::from_fn(|i| ours[i] + theirs[i]))
    }
}

/// What a worker did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WorkerCounters {
    /// Turns taken.
    pub turns: u64,
    /// Turns in which no frame came in.
    pub idle_turns: u64,
    /// Frames whose flow was in the exact cache.
    pub hits: u64,
    /// Frames whose flow was found among the megaflows.
    pub masked_hits: u64,
    /// Frames that were translated by the rules.
    pub misses: u64,
    /// Those of them whose answer found no room and was not remembered.
    pub unkept: u64,
    /// Pipelines adopted.
    pub adoptions: u64,
    /// Megaflows that it has now.
    pub flows: u64,
    /// Different masks that they have now: the most probes that a lookup takes.
    pub masks: u64,
    /// What it did about frames that are too long.
    pub too_long: TooLongCounters,
    /// What its turns cost.
    pub perf: PerfCounters,
}
