//! What is said on a running switch's socket: requests and answers, each a JSON document in one line.
//!
//! Whoever connects may ask again and again. To every request come any number of answers with content, and then one that ends
//! it: [`Answer::Done`] or [`Answer::Refused`]. Flows, groups, meters and matches are text in the syntax of ovs-ofctl(8); a text of many
//! flows is one request, and is done whole or not at all.

mod client;
mod packet_in;
mod rows;

pub use client::{Client, Refusal};
pub use packet_in::PacketIn;
pub use rows::{BucketRow, FlowRow, GroupRow, MeterRow, TableRow, TlvRow};

use crate::ofproto;
use crate::status::Status;
use crate::trace::report::Report;
use serde::{Deserialize, Serialize};

/// Longest request, in bytes.
pub const REQUEST_BYTES_MAX: usize = 64 << 20;
/// Longest answer, in bytes.
pub const ANSWER_BYTES_MAX: usize = 64 << 20;

/// What is asked.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// What the switch does: [`Answer::Status`].
    Show,
    /// The flows that are within a match: [`Answer::Flows`].
    DumpFlows {
        /// Which, as for `ovs-ofctl dump-flows`; empty: all.
        filter: String,
        /// Ports are written by name.
        names: bool,
    },
    /// Change flows.
    ChangeFlows {
        /// How, where a line does not say it.
        command: FlowCommand,
        /// What the text is called in faults.
        source: String,
        /// The flows, one a line.
        text: String,
    },
    /// Make the flows those of a text: [`Answer::Done`] tells how many differed.
    ReplaceFlows {
        /// What the text is called in faults.
        source: String,
        /// The flows, one a line.
        text: String,
    },
    /// The groups: [`Answer::Groups`].
    DumpGroups {
        /// Ports are written by name.
        names: bool,
    },
    /// Change groups.
    ChangeGroups {
        /// How.
        command: GroupCommand,
        /// What the text is called in faults.
        source: String,
        /// The groups, one a line.
        text: String,
    },
    /// Put buckets into groups, or take them out.
    ChangeBuckets {
        /// Put in; else taken out.
        insert: bool,
        /// What the text is called in faults.
        source: String,
        /// A group and its buckets, one a line.
        text: String,
    },
    /// Delete groups, and the flows that lead to them.
    DeleteGroups {
        /// Which; none: all.
        groups: Vec<u32>,
    },
    /// The meters: [`Answer::Meters`].
    DumpMeters,
    /// Change meters.
    ChangeMeters {
        /// How.
        command: MeterCommand,
        /// What the text is called in faults.
        source: String,
        /// The meters, one a line.
        text: String,
    },
    /// Delete meters, and the flows that name them.
    DeleteMeters {
        /// Which; none: all.
        meters: Vec<u32>,
    },
    /// What tables have and did: [`Answer::Tables`].
    DumpTables,
    /// Which Geneve options are fields: [`Answer::TlvMap`].
    DumpTlvMap,
    /// Change which Geneve options are fields: all of it or nothing.
    ChangeTlvMap {
        /// Map these too; else map nothing to these fields any more.
        add: bool,
        /// `{class=C,type=T,len=L}->tun_metadataN`, or the field alone where nothing is to be mapped; none then: nothing to any field.
        maps: Vec<String>,
    },
    /// What would be done with a packet: [`Answer::Traced`].
    Trace(Packet),
    /// What the controller is told from now on: [`Answer::PacketIn`] as they come, until the client says something or goes.
    Monitor,
}

/// A packet to trace.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Packet {
    /// By its fields, in the syntax of ovs-ofctl(8).
    Flow(String),
    /// By its bytes.
    Bytes {
        /// The port or uplink that it comes in by.
        in_port: String,
        /// Hexadecimal digits.
        hex: String,
    },
}

/// How flows are changed.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "they are those of OpenFlow")]
pub enum FlowCommand {
    Add,
    Modify,
    ModifyStrict,
    Delete,
    DeleteStrict,
}

impl From<FlowCommand> for ofproto::Command {
    fn from(command: FlowCommand) -> ofproto::Command {
        match command {
            FlowCommand::Add => ofproto::Command::Add,
            FlowCommand::Modify => ofproto::Command::Modify,
            FlowCommand::ModifyStrict => ofproto::Command::ModifyStrict,
            FlowCommand::Delete => ofproto::Command::Delete,
            FlowCommand::DeleteStrict => ofproto::Command::DeleteStrict,
        }
    }
}

/// How groups are changed.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum GroupCommand {
    /// They must not be there yet.
    Add,
    /// They must be there.
    Modify,
    /// Either.
    AddOrModify,
}

/// How meters are changed.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum MeterCommand {
    /// They must not be there yet.
    Add,
    /// They must be there.
    Modify,
}

/// What is answered.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// Everything about the switch.
    Status(Box<Status>),
    /// Some flows.
    Flows(Vec<FlowRow>),
    /// Some groups.
    Groups(Vec<GroupRow>),
    /// All meters.
    Meters(Vec<MeterRow>),
    /// Tables.
    Tables(Vec<TableRow>),
    /// Which Geneve options are fields.
    TlvMap(Vec<TlvRow>),
    /// The walk of a packet.
    Traced(Box<Report>),
    /// A frame that the controller is told of.
    PacketIn(Box<PacketIn>),
    /// That was all.
    Done(Done),
    /// Nothing was done, for these reasons, each a line or more.
    Refused(Vec<String>),
}

/// What came of a request.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, PartialEq, Eq)]
pub struct Done {
    /// Flows or groups that were added.
    pub added: usize,
    /// Those that were modified.
    pub modified: usize,
    /// Those that were removed.
    pub removed: usize,
    /// The snapshot that all workers go by now; 0 when nothing changed.
    pub generation: u64,
}
