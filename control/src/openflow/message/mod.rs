//! What can be said on an OpenFlow channel, whatever the version.

mod controllers;
mod packets;
mod questions;
mod stats;
mod switch;

pub use crate::ofproto::{BucketChange, BucketMod, BucketPlace};
pub use controllers::*;
pub use packets::*;
pub use questions::*;
pub use stats::*;
pub use switch::*;

use super::{Code, Version};
use crate::ofproto::{FlowMod, GroupMod, MeterMod, VacancyEvent};
use bytes::Bytes;
use datapath::flow::OfPort;
use std::sync::Arc;

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
    /// Room in a table has become scarce, or is there again.
    TableStatus(VacancyEvent, TableDesc),
    /// Which asynchronous messages do I get?
    GetAsyncRequest,
    /// The answer.
    GetAsyncReply(Async),
    /// Send me these.
    SetAsync(AsyncChange),
    /// Another controller has asked for this, and it was done (1.4): a change to groups or meters.
    RequestForward(Arc<Envelope>),
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

impl Message {
    /// Whether a version can say it at all is the face's affair; the greatest common version is the channel's.
    pub fn hello(versions: &[Version]) -> Message {
        Message::Hello(versions.iter().map(|version| *version as u8).collect())
    }
}

/// A request that is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// By us, with as much of the request as is told (64 bytes at least, or all of it).
    Ours(Code, Bytes),
    /// As read: type, code and data; for whoever reads what a switch says.
    Read(u16, u16, Bytes),
}
