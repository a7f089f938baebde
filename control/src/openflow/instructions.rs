//! Instructions on the wire (OpenFlow 1.3.5 section 7.2.4): one of a kind, in any order. OpenFlow 1.0 has actions alone.

use super::actions::{Place, Reading, encode_each, meter_id, write_meter};
use super::wire::{Reader, Writer};
use super::{Code, Version};
use crate::ofproto::context::Context;
use datapath::pipeline::{Instructions, Match, RuleAction, TABLES, TableId};

/// `OFPIT_*`.
const GOTO_TABLE: u16 = 1;
const WRITE_METADATA: u16 = 2;
const WRITE_ACTIONS: u16 = 3;
const APPLY_ACTIONS: u16 = 4;
const CLEAR_ACTIONS: u16 = 5;
const METER: u16 = 6;
const EXPERIMENTER: u16 = 0xffff;
/// How many kinds there are, and none of number 0.
const KINDS: usize = 7;
/// Type and length.
const HEADER: usize = 4;

/// Reads what a flow with this match does: all that the reader has.
///
/// # Errors
/// `OFPBIC_*`, `OFPBAC_*`, or of a field in an action `OFPBMC_*`.
pub fn decode(version: Version, reader: &mut Reader<'_>, matching: &Match) -> Result<Instructions, Code> {
    decode_in_context(version, reader, Context::of(matching))
}

/// As [`decode`], of a flow whose match says this about frames.
///
/// # Errors
/// As [`decode`].
pub(super) fn decode_in_context(
    version: Version,
    reader: &mut Reader<'_>,
    context: Context,
) -> Result<Instructions, Code> {
    if version == Version::V10 {
        let mut apply = Reading::of_flow(version, context);
        apply.list(reader)?;
        let metadata = apply.metadata;
        return Ok(Instructions { metadata, ..Instructions::apply(apply.finish()?) });
    }
    let found = gather(version, reader)?;
    let mut out = Instructions::default();
    if let Some(mut body) = found[usize::from(METER)] {
        out.meter = Some(meter_id(body.u32()?)?);
    }
    let mut apply = Reading::of_flow(version, context);
    if let Some(mut body) = found[usize::from(APPLY_ACTIONS)] {
        body.skip(4)?;
        apply.list(&mut body)?;
    }
    out.clear = found[usize::from(CLEAR_ACTIONS)].is_some();
    if let Some(mut body) = found[usize::from(WRITE_ACTIONS)] {
        body.skip(4)?;
        let mut write = apply.inside(Place::ActionSet);
        write.list(&mut body)?;
        out.write = write.finish()?;
    }
    out.meter = out.meter.or(apply.meter);
    out.metadata = apply.metadata;
    out.apply = apply.finish()?;
    if let Some(mut body) = found[usize::from(WRITE_METADATA)] {
        body.skip(4)?;
        let (value, mask) = (body.u64()?, body.u64()?);
        // Bits of the value that the mask leaves out are not written (OpenFlow 1.3.5 section 5.9).
        out.metadata = Some((value & mask, mask));
    }
    if let Some(mut body) = found[usize::from(GOTO_TABLE)] {
        let table = body.u8()?;
        if usize::from(table) >= TABLES {
            return Err(Code::BadInstTableId);
        }
        out.goto = Some(TableId(table));
    }
    Ok(out)
}

/// The bodies of the instructions by their type, each as long as its kind wants it.
fn gather<'a>(version: Version, reader: &mut Reader<'a>) -> Result<[Option<Reader<'a>>; KINDS], Code> {
    let mut rest = reader.rest_as(Code::BadInstLen);
    let mut found = [None; KINDS];
    while !rest.is_empty() {
        let (kind, len) = (rest.u16()?, usize::from(rest.u16()?));
        if len % 8 != 0 {
            return Err(Code::BadInstLen);
        }
        let body = rest.part(len.checked_sub(HEADER).ok_or(Code::BadInstLen)?, Code::BadInstLen)?;
        let fits = match kind {
            EXPERIMENTER => return Err(Code::BadInstExperimenter),
            // In OpenFlow 1.5 it is an action.
            METER if version >= Version::V15 => return Err(Code::UnknownInst),
            GOTO_TABLE | CLEAR_ACTIONS | METER => body.len() == 4,
            WRITE_METADATA => body.len() == 20,
            WRITE_ACTIONS | APPLY_ACTIONS => body.len() >= 4,
            _ => return Err(Code::UnknownInst),
        };
        if !fits {
            return Err(Code::BadInstLen);
        }
        match found.get_mut(usize::from(kind)) {
            Some(place @ None) => *place = Some(body),
            _ => return Err(Code::DupInst),
        }
    }
    Ok(found)
}

/// Writes what a flow with this match does, in the order in which it is done.
pub fn encode(version: Version, instructions: &Instructions, matching: &Match, writer: &mut Writer) {
    let Instructions { meter, apply, clear, write, metadata, goto } = instructions;
    let mut context = Context::of(matching);
    if version == Version::V10 {
        encode_each(version, apply, &mut context, writer);
        if let Some((value, mask)) = metadata {
            super::actions::write_metadata(*value, *mask, writer);
        }
        // The nearest that there is, as in Open vSwitch; for the other instructions there is nothing.
        let to = goto.map(|table| RuleAction::Resubmit { port: None, table: Some(table) });
        encode_each(version, to.as_slice(), &mut context, writer);
        return;
    }
    let as_action = meter.filter(|_| version >= Version::V15);
    if let Some(meter) = meter.filter(|_| version < Version::V15) {
        writer.u16(METER).u16(8).u32(meter.0);
    }
    if !apply.is_empty() || as_action.is_some() {
        let start = begin(APPLY_ACTIONS, writer);
        as_action.into_iter().for_each(|meter| write_meter(meter, writer));
        encode_each(version, apply, &mut context, writer);
        writer.put_len(start + 2, start);
    }
    if *clear {
        writer.u16(CLEAR_ACTIONS).u16(8).zeros(4);
    }
    if !write.is_empty() {
        let start = begin(WRITE_ACTIONS, writer);
        encode_each(version, write, &mut context, writer);
        writer.put_len(start + 2, start);
    }
    if let Some((value, mask)) = metadata {
        writer.u16(WRITE_METADATA).u16(24).zeros(4).u64(*value).u64(*mask);
    }
    if let Some(table) = goto {
        writer.u16(GOTO_TABLE).u16(8).u8(table.0).zeros(3);
    }
}

/// Begins an instruction that has actions; its length is not known yet.
fn begin(kind: u16, writer: &mut Writer) -> usize {
    let start = writer.len();
    writer.u16(kind).u16(0).zeros(4);
    start
}
