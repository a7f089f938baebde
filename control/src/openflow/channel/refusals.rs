//! Errors: the switch's own by their names on the channel, and the message that tells them.

use crate::ofproto::{BadAction, BadInstruction, Error, FlowModFailed, GroupModFailed, MeterModFailed};
use crate::openflow::{Code, Envelope, Message, Refusal};
use bytes::Bytes;

/// Bytes of a request that an error quotes: 64 at least (OpenFlow 1.3.5 section 7.4.4), and as `lib/ofp-errors.c` of Open vSwitch no more.
const QUOTED: usize = 64;

/// The message that refuses a request.
pub fn refusal(xid: u32, code: Code, request: &Bytes) -> Envelope {
    let quoted = request.slice(..request.len().min(QUOTED));
    Envelope { xid, message: Message::Error(Refusal::Ours(code, quoted)) }
}

impl From<Error> for Code {
    fn from(error: Error) -> Code {
        match error {
            Error::BadInstruction(BadInstruction::BadTableId(_)) => Code::BadInstTableId,
            Error::BadInstruction(BadInstruction::UnsupMetadataMask) => Code::UnsupMetadata,
            Error::BadAction(BadAction::BadOutPort) => Code::BadOutPort,
            Error::BadAction(BadAction::BadOutGroup(_)) => Code::BadOutGroup,
            Error::BadAction(BadAction::BadArgument) => Code::BadArgument,
            Error::BadAction(BadAction::TooMany) => Code::ActionTooMany,
            Error::BadAction(BadAction::UnsupportedOrder) => Code::BadArgument,
            Error::FlowModFailed(FlowModFailed::TableFull(_)) => Code::TableFull,
            Error::FlowModFailed(FlowModFailed::BadTableId) => Code::FlowModBadTableId,
            Error::FlowModFailed(FlowModFailed::Overlap) => Code::Overlap,
            Error::GroupModFailed(failed) => match failed {
                GroupModFailed::GroupExists(_) => Code::GroupExists,
                GroupModFailed::InvalidGroup => Code::InvalidGroup,
                GroupModFailed::OutOfGroups => Code::OutOfGroups,
                GroupModFailed::OutOfBuckets => Code::OutOfBuckets,
                GroupModFailed::Loop(_) => Code::Loop,
                GroupModFailed::UnknownGroup(_) => Code::UnknownGroup,
                GroupModFailed::ChainedGroup { .. } => Code::ChainedGroup,
                GroupModFailed::BadWatch => Code::BadWatch,
            },
            Error::MeterModFailed(failed) => match failed {
                MeterModFailed::MeterExists(_) => Code::MeterExists,
                MeterModFailed::InvalidMeter(_) => Code::InvalidMeter,
                MeterModFailed::UnknownMeter(_) => Code::UnknownMeter,
                MeterModFailed::OutOfBands => Code::OutOfBands,
                MeterModFailed::BadRate => Code::BadRate,
                MeterModFailed::BadBandValue => Code::BadBandValue,
            },
        }
    }
}
