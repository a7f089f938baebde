//! Answers about tables, ports, queues, groups and meters.

use datapath::flow::OfPort;
use datapath::pipeline::{GroupId, MeterId, QueueId, TableId};

/// A table's counters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableStats {
    /// Which.
    pub table: TableId,
    /// Its name.
    pub name: String,
    /// Entries that fit.
    pub max_entries: u32,
    /// Entries that are there.
    pub active: u32,
    /// Frames that were looked up.
    pub lookups: u64,
    /// Frames that an entry took.
    pub matched: u64,
}

/// A port's counters. Those that are not kept are `u64::MAX`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the specification's")]
pub struct PortStats {
    pub port: OfPort,
    pub rx_packets: u64,
    pub tx_packets: u64,
    pub rx_bytes: u64,
    pub tx_bytes: u64,
    pub rx_dropped: u64,
    pub tx_dropped: u64,
    pub rx_errors: u64,
    pub tx_errors: u64,
    pub rx_frame_err: u64,
    pub rx_over_err: u64,
    pub rx_crc_err: u64,
    pub collisions: u64,
    pub duration_ms: u64,
}

/// A queue's counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the specification's")]
pub struct QueueStats {
    pub port: OfPort,
    pub queue: QueueId,
    pub tx_bytes: u64,
    pub tx_packets: u64,
    pub tx_errors: u64,
    pub duration_ms: u64,
}

/// A queue as it is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueDesc {
    /// Of which port.
    pub port: OfPort,
    /// Which.
    pub queue: QueueId,
    /// Guaranteed, in tenths of a percent; None: nothing.
    pub min_rate: Option<u16>,
    /// Not exceeded, in tenths of a percent; None: nothing.
    pub max_rate: Option<u16>,
}

/// A group's counters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupStats {
    /// Which.
    pub group: GroupId,
    /// Entries and groups that lead to it.
    pub users: u32,
    /// Frames and bytes.
    pub counted: (u64, u64),
    /// Likewise for each bucket.
    pub buckets: Vec<(u64, u64)>,
    /// Milliseconds since it was added.
    pub duration_ms: u64,
}

/// What groups can do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GroupFeatures {
    /// Bits by `OFPGT_*`.
    pub types: u32,
    /// `OFPGFC_*`.
    pub capabilities: u32,
    /// For each type.
    pub max_groups: [u32; 4],
    /// For each type, bits by `OFPAT_*` of OpenFlow 1.3.
    pub actions: [u32; 4],
}

/// A meter's counters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MeterStats {
    /// Which.
    pub meter: MeterId,
    /// Entries that name it.
    pub users: u32,
    /// Frames and bytes that went in.
    pub seen: (u64, u64),
    /// Milliseconds since it was added.
    pub duration_ms: u64,
    /// Frames and bytes that each band was applied to.
    pub bands: Vec<(u64, u64)>,
}

/// What meters can do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MeterFeatures {
    /// How many there can be.
    pub max_meters: u32,
    /// Bits by `OFPMBT_*`.
    pub band_types: u32,
    /// `OFPMF_*`.
    pub capabilities: u32,
    /// Bands of a meter.
    pub max_bands: u8,
    /// Colours.
    pub max_color: u8,
}

/// What a table can do. Kinds of instructions and actions, and fields, by number as they stand on OpenFlow 1.3's wire.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableFeatures {
    /// Which.
    pub table: TableId,
    /// Its name.
    pub name: String,
    /// Bits of metadata that can be matched.
    pub metadata_match: u64,
    /// Bits of metadata that can be written.
    pub metadata_write: u64,
    /// `OFPTC_*`.
    pub config: u32,
    /// Entries that fit.
    pub max_entries: u32,
    /// Its properties.
    pub properties: Vec<TableProperty>,
}

/// A property of a table, and whether it is the one for the table-miss entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TableProperty {
    /// Kinds of instructions.
    Instructions(bool, Vec<u16>),
    /// Tables that can come next.
    NextTables(bool, Vec<TableId>),
    /// Kinds of actions in write_actions.
    WriteActions(bool, Vec<u16>),
    /// Kinds of actions in apply_actions.
    ApplyActions(bool, Vec<u16>),
    /// Fields that can be matched, as OXM headers.
    Match(Vec<u32>),
    /// Fields that can be left out.
    Wildcards(Vec<u32>),
    /// Fields that write_actions can set.
    WriteSetField(bool, Vec<u32>),
    /// Fields that apply_actions can set.
    ApplySetField(bool, Vec<u32>),
}
