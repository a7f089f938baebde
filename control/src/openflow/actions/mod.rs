//! Lists of actions on the wire, in each version's own numbers and in Nicira's (OpenFlow 1.0.1 section 5.2.4, 1.3.5 section 7.2.5, 1.5.1
//! section 7.2.6; `lib/ofp-actions.c` of Open vSwitch 3.1 for the extensions and for errors).
//!
//! An action that this switch cannot do is refused as one that it does not know. Each action is checked against the match and the actions
//! before it, as in flows that are text ([`Context`]): a header is set only where every frame of the flow has it. Groups and packet-outs
//! know nothing of their frames, and are not asked.

mod encode;
mod encode_field;
mod encode_learn;
mod learn;
mod nicira;
mod parts;
mod set;
mod spread;
mod standard;

pub use encode::{encode, encode_for};
pub(crate) use encode::{encode_each, write_metadata, write_meter};
pub(crate) use standard::meter_id;

use super::wire::Reader;
use super::{Code, Version};
use crate::ofproto::ACTIONS_MAX;
use crate::ofproto::context::{Context, Needs};
use datapath::pipeline::{MeterId, RuleAction};

/// The type of an action of an experimenter (`OFPAT_EXPERIMENTER`).
const EXPERIMENTER: u16 = 0xffff;
/// Type and length.
const HEADER: usize = 4;
/// Actions are as long as a multiple of this.
const UNIT: usize = 8;
/// How deep clones may be nested.
const NESTED_MAX: usize = 16;

/// Numbers of Nicira's actions (`NXAST_*`).
mod nxast {
    pub(super) const RESUBMIT: u16 = 1;
    pub(super) const SET_TUNNEL: u16 = 2;
    pub(super) const SET_QUEUE: u16 = 4;
    pub(super) const POP_QUEUE: u16 = 5;
    pub(super) const REG_MOVE: u16 = 6;
    pub(super) const REG_LOAD: u16 = 7;
    pub(super) const NOTE: u16 = 8;
    pub(super) const SET_TUNNEL64: u16 = 9;
    pub(super) const RESUBMIT_TABLE: u16 = 14;
    pub(super) const MULTIPATH: u16 = 10;
    pub(super) const BUNDLE: u16 = 12;
    pub(super) const BUNDLE_LOAD: u16 = 13;
    pub(super) const OUTPUT_REG: u16 = 15;
    pub(super) const LEARN: u16 = 16;
    pub(super) const EXIT: u16 = 17;
    pub(super) const DEC_TTL: u16 = 18;
    pub(super) const FIN_TIMEOUT: u16 = 19;
    pub(super) const CONTROLLER: u16 = 20;
    pub(super) const DEC_TTL_CNT_IDS: u16 = 21;
    pub(super) const WRITE_METADATA: u16 = 22;
    pub(super) const PUSH_MPLS: u16 = 23;
    pub(super) const POP_MPLS: u16 = 24;
    pub(super) const SET_MPLS_TTL: u16 = 25;
    pub(super) const DEC_MPLS_TTL: u16 = 26;
    pub(super) const STACK_PUSH: u16 = 27;
    pub(super) const STACK_POP: u16 = 28;
    pub(super) const SET_MPLS_LABEL: u16 = 30;
    pub(super) const SET_MPLS_TC: u16 = 31;
    pub(super) const OUTPUT_REG2: u16 = 32;
    pub(super) const REG_LOAD2: u16 = 33;
    pub(super) const CONJUNCTION: u16 = 34;
    pub(super) const CONTROLLER2: u16 = 37;
    pub(super) const OUTPUT_TRUNC: u16 = 39;
    pub(super) const GROUP: u16 = 40;
    pub(super) const CLONE: u16 = 42;
    pub(super) const CHECK_PKT_LARGER: u16 = 49;
    pub(super) const LEARN2: u16 = 45;
    pub(super) const DELETE_FIELD: u16 = 50;
}

/// ONF's extension for OpenFlow 1.3 and 1.4 that copies fields (`ONFACT_RAW13_COPY_FIELD` in Open vSwitch).
const ONF_COPY_FIELD: u16 = 3200;

/// Where actions stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// They are done when the flow is found.
    Flow,
    /// In the action set.
    ActionSet,
    /// In the bucket of a group, which is an action set too.
    Bucket,
    /// They are done with a frame that comes with them.
    PacketOut,
}

/// Reads the actions of a bucket: all that the reader has.
///
/// # Errors
/// `OFPBAC_*`, or of a field in an action `OFPBMC_*`.
pub fn decode(version: Version, reader: &mut Reader<'_>) -> Result<Vec<RuleAction>, Code> {
    let mut reading = Reading::new(version, Place::Bucket, Context::of_group());
    reading.list(reader)?;
    reading.finish()
}

/// Reads the actions of a packet-out: all that the reader has.
///
/// # Errors
/// As [`decode`].
pub fn decode_packet_out(version: Version, reader: &mut Reader<'_>) -> Result<Vec<RuleAction>, Code> {
    let mut reading = Reading::new(version, Place::PacketOut, Context::of_group());
    reading.list(reader)?;
    reading.finish()
}

/// Actions as they are read, one after the other.
#[derive(Debug)]
pub(crate) struct Reading {
    version: Version,
    place: Place,
    context: Context,
    /// How many clones this is inside of.
    depth: usize,
    /// How many actions were read, those inside of others too.
    count: usize,
    /// A meter, which OpenFlow 1.5 has among the actions.
    pub(crate) meter: Option<MeterId>,
    /// Metadata, which Nicira's extension of 1.0 writes last of all.
    pub(crate) metadata: Option<(u64, u64)>,
    actions: Vec<RuleAction>,
}

impl Reading {
    pub(crate) fn of_flow(version: Version, context: Context) -> Reading {
        Reading::new(version, Place::Flow, context)
    }

    fn new(version: Version, place: Place, context: Context) -> Reading {
        let (actions, depth, count) = (Vec::new(), 0, 0);
        Reading { version, place, context, depth, count, meter: None, metadata: None, actions }
    }

    /// Actions that stand elsewhere in the same flow, after these.
    pub(crate) fn inside(&self, place: Place) -> Reading {
        let new = Reading::new(self.version, place, self.context);
        Reading { depth: self.depth, count: self.count, ..new }
    }

    /// Reads all that there is.
    pub(crate) fn list(&mut self, reader: &mut Reader<'_>) -> Result<(), Code> {
        if !reader.len().is_multiple_of(UNIT) {
            return Err(Code::BadLen);
        }
        while !reader.is_empty() {
            self.count += 1;
            if self.count > ACTIONS_MAX {
                return Err(Code::ActionTooMany);
            }
            if self.metadata.is_some() {
                return Err(Code::UnsupportedOrder);
            }
            self.action(reader)?;
        }
        Ok(())
    }

    /// The actions, when there are no more.
    pub(crate) fn finish(self) -> Result<Vec<RuleAction>, Code> {
        let is_clause = |action: &RuleAction| matches!(action, RuleAction::Conjunction(_));
        let beside = |action: &RuleAction| is_clause(action) || matches!(action, RuleAction::Note(_));
        if self.actions.iter().any(is_clause) && !self.actions.iter().all(beside) {
            return Err(Code::NxBadConjunction);
        }
        Ok(self.actions)
    }

    fn action(&mut self, reader: &mut Reader<'_>) -> Result<(), Code> {
        let mut header = reader.ahead(Code::BadActionLen);
        let kind = header.u16()?;
        let len = usize::from(header.u16()?);
        let sender = if kind == EXPERIMENTER { header.u32()? } else { 0 };
        let whole = match len {
            0 => return Err(Code::BadActionLen),
            len if !len.is_multiple_of(UNIT) => return Err(Code::BadActionLen),
            len => reader.ahead(Code::BadActionLen).part(len, Code::BadActionLen)?,
        };
        reader.skip(len)?;
        let mut body = whole;
        body.skip(HEADER)?;
        match kind {
            EXPERIMENTER => {
                body.skip(4)?;
                self.experimenters(sender, body)
            }
            kind if self.version == Version::V10 => self.standard_v10(kind, body),
            kind => self.standard(kind, body),
        }
    }

    fn push(&mut self, action: RuleAction) {
        self.context.after(&action);
        self.actions.push(action);
    }

    fn push_where(&mut self, needs: Needs, action: RuleAction) -> Result<(), Code> {
        if !self.is_v10() && !self.context.meets(needs) {
            return Err(Code::MatchInconsistent);
        }
        self.push(action);
        Ok(())
    }

    /// Refuses what neither an action set nor a bucket has.
    fn not_in_a_set(&self) -> Result<(), Code> {
        match self.place {
            Place::Flow | Place::PacketOut => Ok(()),
            Place::ActionSet | Place::Bucket => Err(Code::BadActionType),
        }
    }
}

/// That an action has no bytes left but so many of padding.
fn padding(body: &mut Reader<'_>, len: usize) -> Result<(), Code> {
    body.skip(len)?;
    body.end()
}

/// Whether all that is left is zero.
fn is_zero(body: &Reader<'_>) -> bool {
    body.rest().iter().all(|byte| *byte == 0)
}
