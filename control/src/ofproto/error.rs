//! Why a request is refused: the errors of OpenFlow 1.3 section 7.4.4 under their names there, so that a wire format has only numbers
//! to add.

use super::options::OptionModFailed;
use datapath::flow::OfPort;
use datapath::pipeline::{GroupId, MeterId, TableId};
use std::fmt;

/// Why a request is refused. Nothing of it has been done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// `OFPET_BAD_REQUEST`.
    BadRequest(BadRequest),
    /// `OFPET_BAD_INSTRUCTION`.
    BadInstruction(BadInstruction),
    /// `OFPET_BAD_ACTION`.
    BadAction(BadAction),
    /// `OFPET_FLOW_MOD_FAILED`.
    FlowModFailed(FlowModFailed),
    /// `OFPET_GROUP_MOD_FAILED`.
    GroupModFailed(GroupModFailed),
    /// `OFPET_METER_MOD_FAILED`.
    MeterModFailed(MeterModFailed),
    /// `OFPET_PORT_MOD_FAILED`.
    PortModFailed(PortModFailed),
    /// `NXTTMFC_*`: the map of Geneve options.
    OptionModFailed(OptionModFailed),
}

/// `OFPBRC_*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadRequest {
    /// A port that no frame comes in by.
    BadPort(OfPort),
    /// It is no frame: shorter than an Ethernet header.
    BadPacket,
    /// What is said of a frame beside its bytes is something that its bytes say (OpenFlow 1.5 section 7.3.6).
    PipelineFieldsOnly,
}

/// `OFPBIC_*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadInstruction {
    /// `goto_table` leads to a table that is not a later one.
    BadTableId(TableId),
    /// Metadata is written in bits that its mask leaves out.
    UnsupMetadataMask,
}

/// `OFPBAC_*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadAction {
    /// A port that can never be there.
    BadOutPort,
    /// A group that is not there.
    BadOutGroup(GroupId),
    /// An argument that makes no sense: a value outside of its mask, bits outside of the field.
    BadArgument,
    /// More actions than a rule may have.
    TooMany,
    /// An action set cannot have this action.
    UnsupportedOrder,
}

/// `OFPFMFC_*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlowModFailed {
    /// The table has no room.
    TableFull(TableId),
    /// The table does not exist, or all tables were named where one is meant.
    BadTableId,
    /// Another entry of the same priority takes some of the same frames.
    Overlap,
}

/// `OFPGMFC_*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupModFailed {
    /// A group to add is there already.
    GroupExists(GroupId),
    /// Buckets and type do not fit together.
    InvalidGroup,
    /// There are as many groups as there can be.
    OutOfGroups,
    /// There are more buckets than a group can have.
    OutOfBuckets,
    /// The group would lead back to itself.
    Loop(GroupId),
    /// A group to change is not there.
    UnknownGroup(GroupId),
    /// Another group leads to the one to delete.
    ChainedGroup {
        /// The one to delete.
        group: GroupId,
        /// The other.
        by: GroupId,
    },
    /// A bucket that must watch something does not, or watches what is not there.
    BadWatch,
    /// A bucket has a number that none can have, or a place that none can be put at.
    BadBucket,
    /// Two buckets of a group would have this number (1.5).
    BucketExists(u32),
    /// The group has no bucket of this number (1.5).
    UnknownBucket(u32),
}

/// `OFPPMFC_*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortModFailed {
    /// There is no such port.
    BadPort(OfPort),
    /// Something that no port can be made here.
    BadConfig,
}

/// `OFPMMFC_*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MeterModFailed {
    /// A meter to add is there already.
    MeterExists(MeterId),
    /// A number that no meter can have, or, in a flow entry, that none has.
    InvalidMeter(MeterId),
    /// A meter to change is not there.
    UnknownMeter(MeterId),
    /// More bands than a meter can have.
    OutOfBands,
    /// A band with a rate of zero.
    BadRate,
    /// A band that does nothing.
    BadBandValue,
}

impl From<OptionModFailed> for Error {
    fn from(error: OptionModFailed) -> Error {
        Error::OptionModFailed(error)
    }
}

impl From<MeterModFailed> for Error {
    fn from(error: MeterModFailed) -> Error {
        Error::MeterModFailed(error)
    }
}

impl From<BadRequest> for Error {
    fn from(error: BadRequest) -> Error {
        Error::BadRequest(error)
    }
}

impl From<BadInstruction> for Error {
    fn from(error: BadInstruction) -> Error {
        Error::BadInstruction(error)
    }
}

impl From<BadAction> for Error {
    fn from(error: BadAction) -> Error {
        Error::BadAction(error)
    }
}

impl From<PortModFailed> for Error {
    fn from(error: PortModFailed) -> Error {
        Error::PortModFailed(error)
    }
}

impl From<FlowModFailed> for Error {
    fn from(error: FlowModFailed) -> Error {
        Error::FlowModFailed(error)
    }
}

impl From<GroupModFailed> for Error {
    fn from(error: GroupModFailed) -> Error {
        Error::GroupModFailed(error)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::BadRequest(BadRequest::BadPort(port)) => write!(f, "no frame comes in by port {port}"),
            Error::BadRequest(BadRequest::BadPacket) => {
                f.write_str("the frame is shorter than an Ethernet header")
            }
            Error::BadRequest(BadRequest::PipelineFieldsOnly) => {
                f.write_str("what is said of the frame is something that its bytes say")
            }
            Error::BadInstruction(BadInstruction::BadTableId(to)) => {
                write!(f, "goto_table:{} does not lead to a later table", to.0)
            }
            Error::BadInstruction(BadInstruction::UnsupMetadataMask) => {
                f.write_str("write_metadata has a value in bits that its mask leaves out")
            }
            Error::BadAction(BadAction::BadOutPort) => f.write_str("there can be no port of that number"),
            Error::BadAction(BadAction::BadOutGroup(group)) => write!(f, "there is no group {}", group.0),
            Error::BadAction(BadAction::BadArgument) => {
                f.write_str("an action has a value that does not fit its field or its mask")
            }
            Error::BadAction(BadAction::TooMany) => f.write_str("there are too many actions"),
            Error::BadAction(BadAction::UnsupportedOrder) => {
                f.write_str("an action set cannot have one of the actions")
            }
            Error::FlowModFailed(FlowModFailed::TableFull(table)) => {
                write!(f, "table {} is full", table.0)
            }
            Error::FlowModFailed(FlowModFailed::BadTableId) => f.write_str("there is no such table"),
            Error::FlowModFailed(FlowModFailed::Overlap) => {
                f.write_str("another flow of the same priority takes some of the same frames (check_overlap)")
            }
            Error::GroupModFailed(failed) => failed.fmt(f),
            Error::MeterModFailed(failed) => failed.fmt(f),
            Error::OptionModFailed(failed) => failed.fmt(f),
            Error::PortModFailed(PortModFailed::BadPort(port)) => write!(f, "there is no port {port}"),
            Error::PortModFailed(PortModFailed::BadConfig) => {
                f.write_str("a port can be down, no_recv, no_recv_stp, no_flood, no_fwd and no_packet_in")
            }
        }
    }
}

impl fmt::Display for GroupModFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            GroupModFailed::GroupExists(group) => write!(f, "group {} is there already", group.0),
            GroupModFailed::InvalidGroup => f.write_str("a group of type indirect has one bucket"),
            GroupModFailed::OutOfGroups => f.write_str("there are as many groups as there can be"),
            GroupModFailed::OutOfBuckets => f.write_str("the group has too many buckets"),
            GroupModFailed::Loop(group) => write!(f, "group {} would lead back to itself", group.0),
            GroupModFailed::UnknownGroup(group) => write!(f, "there is no group {}", group.0),
            GroupModFailed::ChainedGroup { group, by } => {
                write!(f, "group {} cannot go: group {} leads to it", group.0, by.0)
            }
            GroupModFailed::BadWatch => {
                f.write_str("a bucket watches a group that is not there, or nothing where it must")
            }
            GroupModFailed::BadBucket => f.write_str("a bucket has a number or a place that none can have"),
            GroupModFailed::BucketExists(id) => write!(f, "two buckets have the number {id}"),
            GroupModFailed::UnknownBucket(id) => write!(f, "the group has no bucket {id}"),
        }
    }
}

impl fmt::Display for MeterModFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MeterModFailed::MeterExists(meter) => write!(f, "meter {} is there already", meter.0),
            MeterModFailed::InvalidMeter(meter) | MeterModFailed::UnknownMeter(meter) => {
                write!(f, "there is no meter {}", meter.0)
            }
            MeterModFailed::OutOfBands => f.write_str("the meter has too many bands"),
            MeterModFailed::BadRate => f.write_str("a band has no rate"),
            MeterModFailed::BadBandValue => f.write_str("a band of type dscp_remark has no prec_level"),
        }
    }
}

impl std::error::Error for Error {}
