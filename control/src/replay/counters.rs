//! `counters.json`: what a replay counted. Keys stand in a fixed order, so equal runs give equal bytes.
//!
//! ```json
//! {
//!   "ports": {
//!     "g1": { "rx_packets": 2, "rx_bytes": 120, "tx_packets": 0, "tx_bytes": 0, "drops": 1 }
//!   },
//!   "total": { "rx_packets": 2, "rx_bytes": 120, "tx_packets": 0, "tx_bytes": 0, "drops": 1 },
//!   "drops": { "table_miss": { "packets": 1, "sentence": "No rule of the table matches." } },
//!   "flow_cache": { "hits": 0, "misses": 2 },
//!   "too_long": { "told": 0, "limited": 0, "untold": 0, "fragmented": 0, "fragments": 0, "clamped": 0 }
//! }
//! ```
//!
//! `ports` holds every port and uplink in the order of the configuration or command line. Bytes are those of Ethernet
//! frames without FCS. `drops` of a port counts frames that came in by it, and copies of them, that did not come out;
//! `drops` of the whole names each reason that occurred, as in [`DropReason`]. `flow_cache` counts the frames that got as
//! far as a flow lookup: `misses` were translated by the rules, `hits` did what an earlier frame of their flow did. `too_long` counts what was
//! done about frames that are too long for a tunnel's way: senders told by ICMP, not told because too many were, not told because
//! they may not be; packets sent in fragments, and the fragments; TCP segment sizes lowered.

use crate::status::TooLongStatus;
use datapath::stats::{DropReason, PortCounters, Snapshot};
use serde::ser::{Serialize, SerializeMap, Serializer};

/// What a replay counted.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Counters {
    /// Every port and uplink by name.
    #[serde(serialize_with = "in_order")]
    pub ports: Vec<(String, PortTotals)>,
    /// The sums over all ports.
    pub total: PortTotals,
    /// The reasons that occurred, by name, in the order of [`DropReason::ALL`].
    #[serde(serialize_with = "in_order")]
    pub drops: Vec<(DropReasonName, Dropped)>,
    /// Flow lookups.
    pub flow_cache: FlowCache,
    /// What was done about frames that are too long for a tunnel's way.
    pub too_long: TooLongStatus,
}

type DropReasonName = &'static str;

/// What went through a port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct PortTotals {
    /// Frames that came in.
    pub rx_packets: u64,
    /// Their bytes; a frame that no buffer could hold counts as a packet and has none.
    pub rx_bytes: u64,
    /// Frames that went out.
    pub tx_packets: u64,
    /// Their bytes.
    pub tx_bytes: u64,
    /// Frames that came in here, and copies of them, that did not come out.
    pub drops: u64,
}

/// What died of one reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Dropped {
    /// How many frames, or copies of frames.
    pub packets: u64,
    /// The reason, for people.
    pub sentence: &'static str,
}

/// What became of flow lookups.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct FlowCache {
    /// Frames of known flows.
    pub hits: u64,
    /// Frames that the rules were asked about.
    pub misses: u64,
}

impl Counters {
    /// What a worker published, with the names of its ports.
    pub(super) fn new<'a>(names: impl IntoIterator<Item = &'a str>, seen: &Snapshot) -> Counters {
        let ports: Vec<_> =
            names.into_iter().map(String::from).zip(seen.ports.iter().map(PortTotals::from)).collect();
        let occurred = seen.drops.iter().filter(|(_, packets)| *packets > 0);
        Counters {
            total: ports.iter().fold(PortTotals::default(), |sum, (_, port)| sum.plus(port)),
            ports,
            drops: occurred.map(|(reason, packets)| named(reason, packets)).collect(),
            flow_cache: FlowCache {
                hits: seen.worker.hits + seen.worker.masked_hits,
                misses: seen.worker.misses,
            },
            too_long: seen.worker.too_long.into(),
        }
    }

    /// The contents of `counters.json`.
    pub fn to_json(&self) -> String {
        // Strings, numbers and maps with string keys: there is nothing in it that JSON could refuse.
        serde_json::to_string_pretty(self).unwrap_or_default()
    }
}

fn named(reason: DropReason, packets: u64) -> (DropReasonName, Dropped) {
    (reason.name(), Dropped { packets, sentence: reason.sentence() })
}

impl From<&PortCounters> for PortTotals {
    fn from(port: &PortCounters) -> PortTotals {
        // The others count what only devices do.
        let PortCounters { rx_packets, rx_bytes, tx_packets, tx_bytes, drops, .. } = *port;
        PortTotals { rx_packets, rx_bytes, tx_packets, tx_bytes, drops }
    }
}

impl PortTotals {
    fn plus(self, other: &PortTotals) -> PortTotals {
        PortTotals {
            rx_packets: self.rx_packets + other.rx_packets,
            rx_bytes: self.rx_bytes + other.rx_bytes,
            tx_packets: self.tx_packets + other.tx_packets,
            tx_bytes: self.tx_bytes + other.tx_bytes,
            drops: self.drops + other.drops,
        }
    }
}

/// A list of pairs as a JSON object, in its own order.
fn in_order<K: AsRef<str>, V: Serialize, S: Serializer>(
    pairs: &[(K, V)],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(pairs.len()))?;
    for (key, value) in pairs {
        map.serialize_entry(key.as_ref(), value)?;
    }
    map.end()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_stand_in_their_own_order_and_only_reasons_that_occurred_are_named() {
        let mut seen = Snapshot::default();
        let port = |rx_packets| PortCounters { rx_packets, rx_bytes: 60 * rx_packets, ..Default::default() };
        seen.ports = vec![port(2), port(1)];
        let counters = Counters::new(["z9", "a1"], &seen);
        assert_eq!(counters.total.rx_bytes, 180);
        let json = counters.to_json();
        assert!(json.find("z9") < json.find("a1"), "{json}");
        assert!(json.contains("\"drops\": {}"), "{json}");
    }
}
