//! NXAST_LEARN and NXAST_LEARN2: a flow that is made of what frames say (`lib/ofp-actions.c` of Open vSwitch 3.1, struct nx_action_learn;
//! `lib/learn.c`, learn_check).
//!
//! As there, all parts are taken apart before any of them is judged: that decides which error an action with several faults gets.

use super::parts::{Named, NamedPart, read_field};
use super::{Reading, is_zero};
use crate::ofproto::context::{Context, Needs};
use crate::ofproto::lesson::{NoSpec, Specs};
use crate::openflow::Code;
use crate::openflow::fields::{EXPERIMENTER, Form};
use crate::openflow::wire::Reader;
use datapath::action::learn::{Learn, SPECS_MAX, Source, Spec};
use datapath::flow::Field;
use datapath::pipeline::{Part, RuleAction, TABLES};

/// Flags of the action (`NX_LEARN_F_*`).
pub(super) const SEND_FLOW_REM: u16 = 1;
pub(super) const DELETE_LEARNED: u16 = 1 << 1;
pub(super) const WRITE_RESULT: u16 = 1 << 2;

/// What the first two bytes of a part say (`NX_LEARN_*`): how many bits, whether they are a constant, what becomes of them.
const BITS: u16 = 0x3ff;
pub(super) const CONSTANT: u16 = 1 << 13;
pub(super) const TO_LOAD: u16 = 1 << 11;
pub(super) const TO_OUTPUT: u16 = 2 << 11;
const TO: u16 = 3 << 11;

/// A part as it is on the wire.
#[derive(Clone, Copy, Debug)]
struct Raw {
    bits: u16,
    from: From,
    to: To,
}

#[derive(Clone, Copy, Debug)]
enum From {
    /// The lowest 128 bits of it, and whether there are others.
    Constant(u128, bool),
    Field(Named, u16),
}

#[derive(Clone, Copy, Debug)]
enum To {
    Match(Named, u16),
    Load(Named, u16),
    Output,
}

impl Reading {
    /// One of the two, behind its number; the second has a limit and a bit for the result.
    pub(super) fn learn(&mut self, mut body: Reader<'_>, second: bool) -> Result<(), Code> {
        self.not_in_a_set()?;
        let (idle_timeout, hard_timeout) = (body.u16()?, body.u16()?);
        let (priority, cookie) = (body.u16()?, body.u64()?);
        let (flags, table, pad) = (body.u16()?, body.u8()?, body.u8()?);
        let (fin_idle_timeout, fin_hard_timeout) = (body.u16()?, body.u16()?);
        let mut known = SEND_FLOW_REM | DELETE_LEARNED;
        let (mut limit, mut offset) = (0, 0);
        if second {
            known |= WRITE_RESULT;
            (limit, offset) = (body.u32()?, body.u16()?);
            if body.u16()? != 0 {
                return Err(Code::NxActionMustBeZero);
            }
        }
        if pad != 0 || usize::from(table) >= TABLES || flags & !known != 0 {
            return Err(Code::BadArgument);
        }
        let result = match flags & WRITE_RESULT {
            0 if offset != 0 => return Err(Code::BadArgument),
            0 => None,
            _ => Some(NamedPart { named: read_field(&mut body)?, offset, bits: 1 }),
        };
        let raw = take_apart(&mut body)?;
        let result = match result {
            None => None,
            Some(NamedPart { named, offset, bits }) => {
                Some(self.target(NamedPart::new(named, offset, bits)?, body.options())?)
            }
        };
        let mut specs = Specs::default();
        for raw in raw {
            let spec = self.spec(&raw, &specs.context(), &body)?;
            specs.push(spec).map_err(|error| match error {
                NoSpec::TooMany => Code::ActionTooMany,
                NoSpec::Twice | NoSpec::TooWide => Code::BadArgument,
            })?;
        }
        self.push(RuleAction::Learn(
            Learn {
                table,
                priority,
                cookie,
                idle_timeout,
                hard_timeout,
                fin_idle_timeout,
                fin_hard_timeout,
                send_flow_rem: flags & SEND_FLOW_REM != 0,
                delete_learned: flags & DELETE_LEARNED != 0,
                limit,
                result,
                specs: specs.finish(),
            }
            .into(),
        ));
        Ok(())
    }

    /// A part, in frames of which `context` is known when the flow is made that far.
    fn spec(&self, raw: &Raw, context: &Context, body: &Reader<'_>) -> Result<Spec, Code> {
        let Raw { bits, from, to } = *raw;
        let from = match from {
            From::Constant(value, more) => {
                let inside = bits >= 128 || value >> bits == 0;
                if more || !inside {
                    return Err(Code::BadArgument);
                }
                Source::Value(value)
            }
            From::Field(named, offset) => {
                let part = NamedPart::new(named, offset, bits)?;
                Source::Field(self.source(part, body.options())?)
            }
        };
        let target = |named: Named, offset| -> Result<(NamedPart, Part), Code> {
            let part = NamedPart::new(named, offset, bits)?;
            if let Named::Row(row) = named
                && !context.meets(if row.form == Form::TagId { tag_of(to) } else { row.needs })
            {
                return Err(Code::MatchInconsistent);
            }
            Ok((part, part.cut(body.options())?))
        };
        match to {
            To::Match(named, offset) => {
                let (part, to) = target(named, offset)?;
                match named {
                    // Bits of it cannot be asked for alone, and those of an option only with that it is there.
                    Named::Row(row) if !row.maskable && !part.is_whole() => return Err(Code::BadArgument),
                    Named::Row(row) if row.form == Form::Tos => return service(from),
                    Named::Option(_) => return Err(Code::BadArgument),
                    Named::Row(_) => {}
                }
                let unlike = matches!(from, Source::Field(from) if from.bits > to.bits);
                if unlike { Err(Code::BadSetLen) } else { Ok(Spec::Match { to, from }) }
            }
            To::Load(named, offset) => {
                if let Named::Row(row) = named
                    && (!row.settable || row.form == Form::Tos)
                {
                    return Err(Code::BadSetArgument);
                }
                let (_, to) = target(named, offset)?;
                let unlike = matches!(from, Source::Field(from) if from.bits > to.bits);
                if unlike { Err(Code::BadSetLen) } else { Ok(Spec::Load { to, from }) }
            }
            To::Output => match from {
                Source::Field(part) => Ok(Spec::Output(part)),
                Source::Value(_) => Err(Code::BadArgument),
            },
        }
    }
}

/// What a VLAN identifier needs: to be asked for, nothing; to be set, a tag.
fn tag_of(to: To) -> Needs {
    if matches!(to, To::Load(..)) { Needs::Tag } else { Needs::Nothing }
}

/// The upper six bits of a type of service are what is known of it under that name.
fn service(from: Source) -> Result<Spec, Code> {
    let to = Part::all(Field::IpDscp);
    match from {
        Source::Value(value) if value & 3 == 0 => Ok(Spec::Match { to, from: Source::Value(value >> 2) }),
        Source::Field(from) if from == Part::all(Field::NwTos) => {
            Ok(Spec::Match { to, from: Source::Field(to) })
        }
        _ => Err(Code::BadArgument),
    }
}

/// The parts up to the end, or up to zeros.
fn take_apart(body: &mut Reader<'_>) -> Result<Vec<Raw>, Code> {
    let mut all = Vec::new();
    while !body.is_empty() {
        let header = body.u16()?;
        if header == 0 {
            break;
        }
        let bits = header & BITS;
        let to = header & TO;
        let constant = header & CONSTANT != 0;
        if to == TO || to == TO_OUTPUT && constant {
            return Err(Code::BadArgument);
        }
        let source_len = if constant { usize::from(bits.div_ceil(16)) * 2 } else { FIELD };
        let target_len = if to == TO_OUTPUT { 0 } else { FIELD };
        if body.len() < source_len + target_len {
            return Err(Code::BadActionLen);
        }
        let from = if constant {
            let bytes = body.take(source_len)?;
            let (high, low) = bytes.split_at(bytes.len().saturating_sub(16));
            let value = low.iter().fold(0, |value, byte| value << 8 | u128::from(*byte));
            From::Constant(value, high.iter().any(|byte| *byte != 0))
        } else {
            let (named, offset) = read_place(body)?;
            From::Field(named, offset)
        };
        let to = match to {
            TO_OUTPUT => To::Output,
            to => {
                let (named, offset) = read_place(body)?;
                if to == TO_LOAD { To::Load(named, offset) } else { To::Match(named, offset) }
            }
        };
        // Nothing is kept of what is refused anyway.
        if all.len() > SPECS_MAX {
            return Err(Code::ActionTooMany);
        }
        all.push(Raw { bits, from, to });
    }
    if is_zero(body) { Ok(all) } else { Err(Code::BadArgument) }
}

/// Bytes of a field's header and the first bit.
const FIELD: usize = 6;

/// A field by a header of four bytes, and the first bit.
fn read_place(body: &mut Reader<'_>) -> Result<(Named, u16), Code> {
    let mut header = body.part(4, Code::BadSetType)?;
    let class = header.rest().first_chunk().map(|class| u16::from_be_bytes(*class));
    if class == Some(EXPERIMENTER) {
        return Err(Code::BadSetType);
    }
    // Of another length it is another field (`lib/nx-match.c`, nxm_field_by_header).
    let named = read_field(&mut header).map_err(|error| match error {
        Code::BadSetLen => Code::BadSetType,
        error => error,
    })?;
    Ok((named, body.u16()?))
}
