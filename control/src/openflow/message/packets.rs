//! Frames that controllers are told of and that they send, and flow entries that have gone.

use bytes::Bytes;
use datapath::action::punt;
use datapath::flow::FlowKey;
use datapath::pipeline::{Match, RuleAction, TableId};

/// The formats in which frames are told (`NXPIF_*`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PacketInFormat {
    /// The version's own.
    #[default]
    Standard,
    /// NXT_PACKET_IN.
    Nxt,
    /// NXT_PACKET_IN2.
    Nxt2,
}

/// A frame that is told.
#[derive(Clone, Debug, PartialEq)]
pub struct PacketIn {
    /// In which format.
    pub format: PacketInFormat,
    /// How long the frame was.
    pub total_len: u16,
    /// Why.
    pub reason: punt::Reason,
    /// The table that told it.
    pub table: TableId,
    /// The mark of the entry that told it.
    pub cookie: u64,
    /// What is known of the frame beside its bytes: the port, the tunnel, metadata, registers.
    pub says: FlowKey,
    /// What the rule wanted to be told (NXT_PACKET_IN2).
    pub userdata: Bytes,
    /// Its first bytes.
    pub data: Bytes,
}

/// A frame to be sent.
#[derive(Clone, Debug, PartialEq)]
pub struct PacketOut {
    /// The number of a buffered frame, of which there are none.
    pub buffer_id: Option<u32>,
    /// Where it is said to have come in; `reserved::CONTROLLER` when nowhere. Of tunnel metadata and registers what 1.5 gives.
    pub says: Match,
    /// What to do with it.
    pub actions: Vec<RuleAction>,
    /// The frame.
    pub data: Bytes,
}

/// A flow entry that has gone.
#[derive(Clone, Debug, PartialEq)]
pub struct FlowRemoved {
    /// The controller's mark.
    pub cookie: u64,
    /// Its priority.
    pub priority: u16,
    /// `OFPRR_*` of OpenFlow 1.4: 0 idle, 1 hard, 2 delete, 3 group delete, 4 meter delete, 5 eviction.
    pub reason: u8,
    /// Its table.
    pub table: TableId,
    /// How long it was there, in milliseconds.
    pub duration_ms: u64,
    /// Its timeouts, in seconds.
    pub idle_timeout: u16,
    /// Likewise.
    pub hard_timeout: u16,
    /// Frames that it took.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Which frames it took.
    pub matching: Match,
}
