//! What dumps consist of, and the lines that show it: those of `ovs-ofctl dump-flows`, `dump-groups` and `dump-group-stats`
//! (lib/ofp-flow.c and lib/ofp-group.c of Open vSwitch).

use crate::text::PRIORITY_DEFAULT;
use serde::{Deserialize, Serialize};
use std::fmt::Write;

/// A flow.
#[derive(Clone, Debug, Default, Serialize, Deserialize, PartialEq, Eq)]
pub struct FlowRow {
    /// Its table.
    pub table: u8,
    /// Its priority.
    pub priority: u16,
    /// Its cookie.
    pub cookie: u64,
    /// How long it has been there, in milliseconds.
    pub duration_ms: u64,
    /// Frames that it took; none when nobody wanted to know.
    pub n_packets: Option<u64>,
    /// Their bytes; likewise.
    pub n_bytes: Option<u64>,
    /// Seconds without a frame after which it goes; 0: never.
    pub idle_timeout: u16,
    /// Seconds after which it goes; 0: never.
    pub hard_timeout: u16,
    /// How important it is in a full table.
    pub importance: u16,
    /// Seconds since it took a frame, or since it was added when it took none.
    pub idle_age: u64,
    /// Its flags.
    pub flags: Vec<String>,
    /// Its match, without the priority.
    #[serde(rename = "match")]
    pub matching: String,
    /// What it does.
    pub actions: String,
}

impl FlowRow {
    /// The line of `ovs-ofctl dump-flows`; without what was counted, that of its `--no-stats`.
    pub fn line(&self, stats: bool) -> String {
        let mut line = String::from(" ");
        if stats || self.cookie != 0 {
            let _ = write!(line, "cookie={:#x}, ", self.cookie);
        }
        if stats {
            let _ = write!(line, "duration={}, ", duration(self.duration_ms));
        }
        if stats || self.table != 0 {
            let _ = write!(line, "table={}, ", self.table);
        }
        let counts = [("n_packets", self.n_packets), ("n_bytes", self.n_bytes)];
        for (name, count) in counts.into_iter().filter(|_| stats) {
            if let Some(count) = count {
                let _ = write!(line, "{name}={count}, ");
            }
        }
        for (name, timeout) in [("idle_timeout", self.idle_timeout), ("hard_timeout", self.hard_timeout)] {
            if timeout > 0 {
                let _ = write!(line, "{name}={timeout}, ");
            }
        }
        for flag in &self.flags {
            let _ = write!(line, "{flag} ");
        }
        if self.importance > 0 {
            let _ = write!(line, "importance={}, ", self.importance);
        }
        if stats {
            let _ = write!(line, "idle_age={}, ", self.idle_age);
        }
        let priority = (self.priority != PRIORITY_DEFAULT).then(|| format!("priority={}", self.priority));
        let conditions: Vec<&str> = priority
            .as_deref()
            .into_iter()
            .chain([self.matching.as_str()])
            .filter(|c| !c.is_empty())
            .collect();
        if !conditions.is_empty() {
            let _ = write!(line, "{} ", conditions.join(","));
        }
        let _ = write!(line, "actions={}", self.actions);
        line
    }
}

/// As Open vSwitch writes it: no decimals when there are none.
fn duration(ms: u64) -> String {
    match ms % 1000 {
        0 => format!("{}s", ms / 1000),
        rest => format!("{}.{rest:03}s", ms / 1000),
    }
}

/// What a bucket of a group, or a band of a meter, has counted.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, PartialEq, Eq)]
pub struct BucketRow {
    /// Frames.
    pub packet_count: u64,
    /// Their bytes.
    pub byte_count: u64,
}

/// A group.
#[derive(Clone, Debug, Default, Serialize, Deserialize, PartialEq, Eq)]
pub struct GroupRow {
    /// Its number.
    pub group_id: u32,
    /// The group as text.
    pub group: String,
    /// How long it has been there, in milliseconds.
    pub duration_ms: u64,
    /// How many flows lead to it.
    pub ref_count: u32,
    /// Frames that it handled.
    pub packet_count: u64,
    /// Their bytes.
    pub byte_count: u64,
    /// The same for its buckets, in their order.
    pub buckets: Vec<BucketRow>,
}

impl GroupRow {
    /// The line of `ovs-ofctl dump-groups`, or of `dump-group-stats`.
    pub fn line(&self, stats: bool) -> String {
        if !stats {
            return format!(" {}", self.group);
        }
        let mut line = format!(
            " group_id={},duration={},ref_count={},packet_count={},byte_count={}",
            self.group_id,
            duration(self.duration_ms),
            self.ref_count,
            self.packet_count,
            self.byte_count
        );
        for (at, bucket) in self.buckets.iter().enumerate() {
            let BucketRow { packet_count, byte_count } = bucket;
            let _ = write!(line, ",bucket{at}:packet_count={packet_count},byte_count={byte_count}");
        }
        line
    }
}

/// A meter.
#[derive(Clone, Debug, Default, Serialize, Deserialize, PartialEq, Eq)]
pub struct MeterRow {
    /// Its number.
    pub meter_id: u32,
    /// The meter as text.
    pub meter: String,
    /// How long it has been there, in milliseconds.
    pub duration_ms: u64,
    /// How many flows name it.
    pub flow_count: u32,
    /// Frames that went in.
    pub packet_in_count: u64,
    /// Their bytes.
    pub byte_in_count: u64,
    /// What its bands were applied to, in their order.
    pub bands: Vec<BucketRow>,
}

impl MeterRow {
    /// As `ovs-ofctl dump-meters` shows it, in one line; or as `meter-stats` does.
    pub fn line(&self, stats: bool) -> String {
        if !stats {
            return format!(" {}", self.meter);
        }
        let mut line = format!(
            " meter:{} flow_count:{} packet_in_count:{} byte_in_count:{} duration:{} bands:",
            self.meter_id,
            self.flow_count,
            self.packet_in_count,
            self.byte_in_count,
            duration(self.duration_ms)
        );
        for (at, BucketRow { packet_count, byte_count }) in self.bands.iter().enumerate() {
            let _ = write!(line, " {at}: packet_count:{packet_count} byte_count:{byte_count}");
        }
        line
    }
}

/// A Geneve option that is a field.
#[derive(Clone, Debug, Default, Serialize, Deserialize, PartialEq, Eq)]
pub struct TlvRow {
    /// Its class.
    pub class: u16,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: u8,
    /// Bytes of its data.
    pub len: u8,
    /// The field.
    pub field: String,
}

impl TlvRow {
    /// The words of `ovs-ofctl add-tlv-map`, which `adit flows tlv-map add` takes again.
    pub fn line(&self) -> String {
        let TlvRow { class, kind, len, field } = self;
        format!("{{class={class:#x},type={kind:#x},len={len}}}->{field}")
    }
}

/// A table.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, PartialEq, Eq)]
pub struct TableRow {
    /// Its number.
    pub table: u8,
    /// Flows in it.
    pub active: usize,
    /// How many it takes.
    pub max_entries: usize,
    /// Frames that were looked up in it.
    pub lookup: u64,
    /// Frames that a flow took.
    pub matched: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines are those that ovs-ofctl 3.1 printed for such flows.
    #[test]
    fn a_flow_is_shown_as_ovs_ofctl_shows_it() {
        let mut row = FlowRow {
            priority: PRIORITY_DEFAULT,
            duration_ms: 2_000,
            n_packets: Some(0),
            n_bytes: Some(0),
            actions: "drop".into(),
            ..FlowRow::default()
        };
        assert_eq!(
            row.line(true),
            " cookie=0x0, duration=2s, table=0, n_packets=0, n_bytes=0, idle_age=0, actions=drop"
        );
        assert_eq!(row.line(false), " actions=drop");
        row = FlowRow {
            table: 3,
            priority: 7,
            cookie: 0x1f,
            duration_ms: 12_034,
            idle_timeout: 10,
            hard_timeout: 60,
            importance: 5,
            idle_age: 3,
            flags: vec!["send_flow_rem".into(), "reset_counts".into()],
            matching: "ip,in_port=1".into(),
            actions: "output:2".into(),
            ..row
        };
        assert_eq!(
            row.line(true),
            " cookie=0x1f, duration=12.034s, table=3, n_packets=0, n_bytes=0, idle_timeout=10, hard_timeout=60, \
             send_flow_rem reset_counts importance=5, idle_age=3, priority=7,ip,in_port=1 actions=output:2"
        );
    }
}
