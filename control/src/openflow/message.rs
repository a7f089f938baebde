//! What can be said on an OpenFlow channel, whatever the version.

pub use crate::ofproto::{BucketChange, BucketMod, BucketPlace};

use super::{Code, Version};
use crate::ofproto::{Filter, FlowFlags, FlowMod, GroupMod, MeterMod, TableConfig};
use bytes::Bytes;
use datapath::action::punt;
use datapath::flow::{FlowKey, OfPort};
use datapath::pipeline::{
    Group, GroupId, Instructions, Match, MeterId, MeterSpec, QueueId, RuleAction, TableId,
};

/// A message with its transaction number.
#[derive(Clone, Debug, PartialEq)]
pub struct Envelope {
    /// The number by which an answer finds its question.
    pub xid: u32,
    /// Whether it is said in the words of Nicira's extension where the version has words of its own too: flows with NXM in 1.0, roles in
    /// 1.3 and later. An answer is given in the words of its question.
    pub nicira: bool,
    /// What is said.
    pub message: Message,
}

impl Envelope {
    /// Something that is said in the version's own words.
    pub fn new(xid: u32, message: Message) -> Envelope {
        Envelope { xid, nicira: false, message }
    }

    /// An answer to this.
    pub fn answer(&self, message: Message) -> Envelope {
        Envelope { message, ..*self }
    }
}

/// Everything that can be said. Names and meanings are those of OpenFlow 1.3; what came later or from Open vSwitch says so.
#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    /// The versions that the other side speaks.
    Hello(Vec<u8>),
    /// A request is refused.
    Error(Refusal),
    /// To be answered with the same bytes.
    EchoRequest(Bytes),
    /// The answer.
    EchoReply(Bytes),
    /// What are you?
    FeaturesRequest,
    /// The answer.
    FeaturesReply(Features),
    /// How are you set?
    GetConfigRequest,
    /// The answer.
    GetConfigReply(SwitchConfig),
    /// Be set so.
    SetConfig(SwitchConfig),
    /// A frame is told.
    PacketIn(Box<PacketIn>),
    /// A flow entry has gone.
    FlowRemoved(FlowRemoved),
    /// A port has come, gone or changed.
    PortStatus(PortChange, PortDesc),
    /// Send this frame.
    PacketOut(PacketOut),
    /// Change flow entries. With the number of a buffered frame, of which there are none. In 1.0 the table is what the extension
    /// [`Message::FlowModTableId`] puts into the command, whether it is on or not: 0 if nothing is there.
    FlowMod(FlowMod, Option<u32>),
    /// Change groups.
    GroupMod(GroupMod),
    /// Change buckets of a group (OpenFlow 1.5).
    BucketMod(BucketMod),
    /// Change how a port behaves.
    PortMod(PortMod),
    /// Change how a table behaves.
    TableMod(TableMod),
    /// Change meters.
    MeterMod(MeterMod),
    /// Everything before this must have been done.
    BarrierRequest,
    /// It has.
    BarrierReply,
    /// A question with a long answer. The flag says that more of it follows.
    MultipartRequest(Question, bool),
    /// Part of an answer. The flag says that more of it follows.
    MultipartReply(Reply, bool),
    /// Which queues has this port (1.0 to 1.3); None: all ports.
    QueueConfigRequest(Option<OfPort>),
    /// The answer.
    QueueConfigReply(Option<OfPort>, Vec<QueueDesc>),
    /// Be my equal, master or slave; or only say what I am.
    RoleRequest(Role),
    /// The answer.
    RoleReply(Role),
    /// Another controller has become master (1.4).
    RoleStatus(Role),
    /// Which asynchronous messages do I get?
    GetAsyncRequest,
    /// The answer.
    GetAsyncReply(Async),
    /// Send me these.
    SetAsync(AsyncChange),
    /// Another controller has asked for this, and it was done (1.4): a change to groups or meters.
    RequestForward(Box<Envelope>),
    /// Open, close, commit or discard a bundle; and the answers.
    BundleControl(BundleControl),
    /// Put a message into a bundle.
    BundleAdd(BundleAdd),
    /// Nicira: whether flow-mods carry a table (1.0).
    FlowModTableId(bool),
    /// Nicira: in which format flows are told (1.0); 0 standard, 2 NXM: so are those of which nobody asked ([`Envelope::nicira`]). Flow-mods of
    /// both are taken.
    SetFlowFormat(u32),
    /// Nicira: flows are told with how long no frame has come, which they always are.
    FlowAge,
    /// Nicira: in which format frames are told.
    SetPacketInFormat(PacketInFormat),
    /// Nicira: the number by which `controller(id=N)` means me.
    SetControllerId(u16),
    /// Nicira: change the map of Geneve options.
    TlvTableMod(TlvTableMod),
    /// Nicira: how is the map?
    TlvTableRequest,
    /// The answer.
    TlvTableReply(TlvTable),
    /// Nicira: no more news of flows for this number.
    FlowMonitorCancel(u32),
    /// Nicira: news of flows are not sent for a while, since they are not read fast enough.
    FlowMonitorPaused,
    /// Nicira: they are sent again.
    FlowMonitorResumed,
}

/// A request that is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// By us, with as much of the request as is told (64 bytes at least, or all of it).
    Ours(Code, Bytes),
    /// As read: type, code and data; for whoever reads what a switch says.
    Read(u16, u16, Bytes),
}

/// What the switch is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Features {
    /// Its number.
    pub datapath_id: u64,
    /// Frames that can be buffered.
    pub n_buffers: u32,
    /// Tables.
    pub n_tables: u8,
    /// 0: this is the main connection.
    pub auxiliary_id: u8,
    /// `OFPC_*` of OpenFlow 1.4, and `OFPC_ARP_MATCH_IP` of 1.0: each version is told what it has bits for.
    pub capabilities: u32,
    /// Kinds of actions that can be done, as bits by `OFPAT_*` of 1.0, which asks for them here.
    pub actions: u32,
    /// Ports, where the version tells them here (1.0).
    pub ports: Vec<PortDesc>,
}

/// How the switch is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SwitchConfig {
    /// `OFPC_FRAG_*`: 0 normal, 1 drop, 2 reassemble, 3 Open vSwitch's nx-match.
    pub fragments: u16,
    /// Bytes of a frame that are told where nothing else is asked.
    pub miss_send_len: u16,
    /// Whether the controller is told of frames whose time to live is over; None where the version does not say it here (1.3 and later).
    pub invalid_ttl: Option<bool>,
}

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

/// What happened to a port (`OFPPR_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortChange {
    /// It is new.
    Add,
    /// It has gone.
    Delete,
    /// Something about it is different.
    Modify,
}

/// A port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortDesc {
    /// Its number.
    pub number: OfPort,
    /// Its MAC address.
    pub mac: [u8; 6],
    /// Its name, cut to 15 bytes on the wire.
    pub name: String,
    /// How it is set: `OFPPC_*` of OpenFlow 1.3 and, of 1.0, NO_STP (1 << 1), NO_RECV_STP (1 << 3), NO_FLOOD (1 << 4).
    pub config: u32,
    /// `OFPPS_*` of OpenFlow 1.3.
    pub state: u32,
    /// `OFPPF_*` of OpenFlow 1.3: now.
    pub current: u32,
    /// What is told to the other side.
    pub advertised: u32,
    /// What it can do.
    pub supported: u32,
    /// What the other side can do.
    pub peer: u32,
    /// In kbit/s.
    pub current_speed: u32,
    /// In kbit/s.
    pub max_speed: u32,
}

/// How a port shall behave from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortMod {
    /// Which.
    pub port: OfPort,
    /// Its MAC address, as a proof that it is meant.
    pub mac: [u8; 6],
    /// The bits of [`PortDesc::config`].
    pub config: u32,
    /// Which of them to set.
    pub mask: u32,
    /// What to advertise; 0: no change.
    pub advertise: u32,
}

/// How a table shall behave from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableMod {
    /// None: all of them.
    pub table: Option<TableId>,
    /// Open vSwitch's extension of 1.1: what happens to frames that no entry takes; 0: nothing said. 1.3 has one bit pattern, 3, that it ignores.
    pub miss: u32,
    /// Whether entries give way (1.4); None: not said.
    pub eviction: Option<bool>,
    /// Whether the controller is told of scarcity (1.4), and at how many percent.
    pub vacancy: Option<(bool, u8, u8)>,
}

/// What a controller is to the switch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Role {
    /// What.
    pub role: RoleKind,
    /// The number of the election, for master and slave.
    pub generation: Option<u64>,
    /// Why it changed (`OFPCRR_*`, 1.4): 0 another's request, 1 configuration, 2 experimenter.
    pub reason: u8,
}

/// `OFPCR_ROLE_*`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RoleKind {
    /// Do not change it; only asked for.
    NoChange,
    /// Everybody's equal.
    #[default]
    Equal,
    /// The only one who may change things.
    Master,
    /// May look.
    Slave,
}

/// Which asynchronous messages a controller gets: bits by reason, as master or equal, and as slave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Async {
    /// By `OFPR_*` of OpenFlow 1.4 (bit 0 table miss, 1 apply action, 2 invalid ttl, 3 action set, 4 group, 5 packet out).
    pub packet_in: [u32; 2],
    /// By `OFPPR_*`.
    pub port_status: [u32; 2],
    /// By `OFPRR_*`.
    pub flow_removed: [u32; 2],
    /// By `OFPCRR_*` (1.4).
    pub role_status: [u32; 2],
    /// By `OFPTR_*` (1.4).
    pub table_status: [u32; 2],
    /// By `OFPRFR_*` (1.4).
    pub request_forward: [u32; 2],
}

/// What about [`Async`] shall be different: None leaves it as it is, which versions before 1.4 cannot say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "they are those of Async")]
pub struct AsyncChange {
    pub packet_in: [Option<u32>; 2],
    pub port_status: [Option<u32>; 2],
    pub flow_removed: [Option<u32>; 2],
    pub role_status: [Option<u32>; 2],
    pub table_status: [Option<u32>; 2],
    pub request_forward: [Option<u32>; 2],
}

impl AsyncChange {
    /// What it was, changed.
    pub fn over(&self, was: Async) -> Async {
        let either =
            |new: [Option<u32>; 2], was: [u32; 2]| [new[0].unwrap_or(was[0]), new[1].unwrap_or(was[1])];
        Async {
            packet_in: either(self.packet_in, was.packet_in),
            port_status: either(self.port_status, was.port_status),
            flow_removed: either(self.flow_removed, was.flow_removed),
            role_status: either(self.role_status, was.role_status),
            table_status: either(self.table_status, was.table_status),
            request_forward: either(self.request_forward, was.request_forward),
        }
    }
}

/// A step of a bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BundleControl {
    /// Its number.
    pub bundle: u32,
    /// `OFPBCT_*`: 0 open request, 1 open reply, 2 close request, 3 close reply, 4 commit request, 5 commit reply, 6 discard request, 7 discard reply.
    pub kind: u16,
    /// `OFPBF_*`: 1 atomic, 2 ordered.
    pub flags: u16,
}

/// A message that waits in a bundle.
#[derive(Clone, Debug, PartialEq)]
pub struct BundleAdd {
    /// The number of the bundle.
    pub bundle: u32,
    /// `OFPBF_*`.
    pub flags: u16,
    /// The message as it came, for errors; and what it says. Boxed: a message in a message.
    pub inner: Box<Envelope>,
    /// Its bytes, with its header.
    pub raw: Bytes,
}

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
    TableDesc(Vec<(TableId, TableConfig)>),
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
    pub instructions: Instructions,
}

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
    /// News are not sent for a while (1.4; before, [`Message::FlowMonitorPaused`]).
    Paused,
    /// They are sent again.
    Resumed,
}

/// How the map of Geneve options shall change (`NXTTMC_*`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TlvTableMod {
    /// Map these too.
    Add(Vec<TlvMap>),
    /// No longer map these.
    Delete(Vec<TlvMap>),
    /// Map nothing.
    Clear,
}

/// A Geneve option and the field of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TlvMap {
    /// The option's class.
    pub class: u16,
    /// Its type.
    pub kind: u8,
    /// Bytes of its data: a multiple of 4 up to 124.
    pub len: u8,
    /// The number N of `tun_metadataN`.
    pub index: u16,
}

/// The map of Geneve options.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlvTable {
    /// Bytes that all mapped options can have together.
    pub max_space: u32,
    /// Fields that there are.
    pub max_fields: u16,
    /// What is mapped.
    pub maps: Vec<TlvMap>,
}

impl Message {
    /// Whether a version can say it at all is the face's affair; the greatest common version is the channel's.
    pub fn hello(versions: &[Version]) -> Message {
        Message::Hello(versions.iter().map(|version| *version as u8).collect())
    }
}
