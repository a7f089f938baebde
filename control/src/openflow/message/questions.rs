//! Questions with long answers (multipart messages), and the answers about flows.

use super::{
    GroupFeatures, GroupStats, MeterFeatures, MeterStats, PortDesc, PortStats, QueueDesc, QueueStats,
    TableDesc, TableFeatures, TableStats,
};
use crate::ofproto::{Filter, FlowFlags};
use datapath::flow::OfPort;
use datapath::pipeline::{Group, GroupId, Instructions, Match, MeterId, MeterSpec, QueueId, TableId};
use std::sync::Arc;

/// A question with a long answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Question {
    /// Who made the switch.
    Desc,
    /// Flow entries.
    Flow(Filter),
    /// Sums over flow entries.
    Aggregate(Filter),
    /// Tables' counters.
    Table,
    /// A port's counters; None: all.
    PortStats(Option<OfPort>),
    /// Queues' counters; None: all.
    QueueStats(Option<OfPort>, Option<QueueId>),
    /// Groups' counters; None: all.
    GroupStats(Option<GroupId>),
    /// Groups.
    GroupDesc(Option<GroupId>),
    /// What groups can do.
    GroupFeatures,
    /// Meters' counters; None: all.
    MeterStats(Option<MeterId>),
    /// Meters.
    MeterConfig(Option<MeterId>),
    /// What meters can do.
    MeterFeatures,
    /// What tables can do; with something in it: what they shall do.
    TableFeatures(Vec<TableFeatures>),
    /// Ports; None: all.
    PortDesc(Option<OfPort>),
    /// How tables are set (1.4).
    TableDesc,
    /// Queues as they are set (1.4).
    QueueDesc(Option<OfPort>, Option<QueueId>),
    /// News of flows from now on, by several filters (Nicira; standard in 1.4).
    FlowMonitor(Vec<FlowMonitor>),
}

/// Part of the answer to a [`Question`].
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// Who made the switch.
    Desc(SwitchDesc),
    /// Flow entries.
    Flow(Vec<FlowStats>),
    /// Packets, bytes, flows.
    Aggregate(crate::ofproto::Aggregate),
    /// Tables' counters.
    Table(Vec<TableStats>),
    /// Ports' counters.
    PortStats(Vec<PortStats>),
    /// Queues' counters.
    QueueStats(Vec<QueueStats>),
    /// Groups' counters.
    GroupStats(Vec<GroupStats>),
    /// Groups.
    GroupDesc(Vec<(GroupId, Group)>),
    /// What groups can do.
    GroupFeatures(GroupFeatures),
    /// Meters' counters.
    MeterStats(Vec<MeterStats>),
    /// Meters.
    MeterConfig(Vec<(MeterId, MeterSpec)>),
    /// What meters can do.
    MeterFeatures(MeterFeatures),
    /// What tables can do.
    TableFeatures(Vec<TableFeatures>),
    /// Ports.
    PortDesc(Vec<PortDesc>),
    /// How tables are set.
    TableDesc(Vec<TableDesc>),
    /// Queues as they are set.
    QueueDesc(Vec<QueueDesc>),
    /// News of flows.
    FlowMonitor(Vec<FlowUpdate>),
}

/// Who made the switch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SwitchDesc {
    /// Who.
    pub manufacturer: String,
    /// What it runs on.
    pub hardware: String,
    /// What runs.
    pub software: String,
    /// Which one.
    pub serial: String,
    /// In people's words.
    pub datapath: String,
}

/// A flow entry and what it has counted.
#[derive(Clone, Debug, PartialEq)]
pub struct FlowStats {
    /// Its table.
    pub table: TableId,
    /// Milliseconds since it was added.
    pub duration_ms: u64,
    /// Milliseconds since a frame came.
    pub idle_ms: u64,
    /// For how many milliseconds no frame has taught it; none: none has since it was added.
    pub untaught_ms: Option<u64>,
    /// Its priority.
    pub priority: u16,
    /// Its timeouts, in seconds.
    pub idle_timeout: u16,
    /// Likewise.
    pub hard_timeout: u16,
    /// Its importance.
    pub importance: u16,
    /// Its flags.
    pub flags: FlowFlags,
    /// The controller's mark.
    pub cookie: u64,
    /// Frames.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Which frames.
    pub matching: Match,
    /// What is done with them.
    pub instructions: Arc<Instructions>,
}

/// Of which flows news are wanted.
#[derive(Clone, Debug, PartialEq)]
pub struct FlowMonitor {
    /// The number under which they come.
    pub id: u32,
    /// `NXFMF_*`: 1 initial, 2 add, 4 delete, 8 modify, 16 actions, 32 own.
    pub flags: u16,
    /// Of which.
    pub filter: Filter,
}

/// What happened to a flow of which news are told (`OFPFME_*` of OpenFlow 1.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpdateEvent {
    /// It was there when news began to be told; before 1.4 that is said as if it were new.
    Initial,
    /// It is new, or has taken another's place.
    Added,
    /// It is gone.
    Deleted,
    /// It does something else.
    Modified,
}

/// News of a flow.
#[derive(Clone, Debug, PartialEq)]
pub enum FlowUpdate {
    /// Something happened to it.
    Full {
        /// What.
        event: UpdateEvent,
        /// Why, of one that was deleted (`OFPRR_*`).
        reason: u16,
        /// The flow; its instructions only if they were asked for. Counters are zero.
        flow: Box<FlowStats>,
    },
    /// It was changed by the one who is told, by the request of this number.
    Abbreviated(u32),
    /// News are not sent for a while (1.4; before, [`FlowMonitorPaused`](super::Message::FlowMonitorPaused)).
    Paused,
    /// They are sent again.
    Resumed,
}
