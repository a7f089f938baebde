//! Matches as lists of fields (OpenFlow 1.3.5 section 7.2.3; `lib/nx-match.c` of Open vSwitch for the order in which they are told, and for
//! errors).

use super::familiar;
use super::values::read_claimed;
use crate::ofproto::context::{Context, Needs, TAG_PRESENT};
use crate::openflow::fields::{FIELDS, Form, Numbering, WireField, read_header, write_header};
use crate::openflow::wire::{Reader, Writer};
use crate::openflow::{Code, Version, options, ports};
use datapath::flow::{Field, FlowKey, FlowMask, OfPort};
use datapath::pipeline::Match;

/// `OFPMT_OXM`.
const OXM: u16 = 1;
/// Type and length of a match.
const HEADER: usize = 4;
/// What tells a frame without a tag in a key.
const NO_TAG: (u128, u128) = (0, 0x1fff);
/// The bits of a tag that tell its priority, and its identifier with the bit that says that there is one.
const PRIORITY: u128 = 0xe000;
const IDENTIFIER: u128 = 0x1fff;
/// The marker of Nicira's field for a flow's cookie: class 1, number 30, 8 bytes (`NXM_NX_COOKIE` of `nicira-ext.h`).
const COOKIE: u32 = 0x0001_3c08;
const COOKIE_MASKED: u32 = 0x0001_3d10;

/// Reads a match of OpenFlow 1.2 or later with the padding behind it, and what it says about frames.
///
/// # Errors
/// `OFPBMC_*`.
pub(crate) fn decode_oxm_in_context(reader: &mut Reader<'_>) -> Result<(Match, Context), Code> {
    let mut inner = reader.ahead(Code::BadMatchLen);
    let kind = inner.u16()?;
    let len = usize::from(inner.u16()?);
    let fields = len.checked_sub(HEADER).ok_or(Code::BadMatchLen)?;
    if kind != OXM {
        return Err(Code::BadMatchType);
    }
    let fields = inner.part(fields, Code::BadMatchLen)?;
    inner.skip(len.next_multiple_of(8) - len)?;
    let used = reader.len() - inner.len();
    reader.skip(used)?;
    if let Some(familiar) = familiar::read(fields.rest()) {
        return Ok(familiar);
    }
    let (matching, context) = read_fields(fields, None)?;
    familiar::remember(fields.rest(), &matching, context);
    Ok((matching, context))
}

/// Reads a match of OpenFlow 1.2 or later with the padding behind it.
///
/// # Errors
/// `OFPBMC_*`.
pub fn decode_oxm(reader: &mut Reader<'_>) -> Result<Match, Code> {
    decode_oxm_in_context(reader).map(|(matching, _)| matching)
}

/// Reads the fields of a match of Nicira's, without padding: all that the reader has.
///
/// # Errors
/// `OFPBMC_*`.
pub fn decode_nxm(fields: &mut Reader<'_>) -> Result<Match, Code> {
    read_fields(fields.rest_as(Code::BadMatchLen), None).map(|(matching, _)| matching)
}

/// As [`decode_nxm`], of a message in which a flow's cookie and its mask can be among the fields; both zero when they are not.
///
/// # Errors
/// `OFPBMC_*`.
pub fn decode_nxm_with_cookie(fields: &mut Reader<'_>) -> Result<(Match, u64, u64), Code> {
    let mut cookie = (0, 0);
    let (matching, _) = read_fields(fields.rest_as(Code::BadMatchLen), Some(&mut cookie))?;
    Ok((matching, cookie.0, cookie.1))
}

/// The match, and what it says about frames.
pub(super) fn read_fields(
    mut reader: Reader<'_>,
    mut cookie: Option<&mut (u64, u64)>,
) -> Result<(Match, Context), Code> {
    let (mut key, mut mask) = (FlowKey::default(), FlowMask::default());
    let (mut context, mut needs) = (Context::ANY, 0u32);
    while !reader.is_empty() {
        if let Some(cookie) = &mut cookie
            && let Some(found) = read_cookie(&mut reader)?
        {
            if cookie.1 != 0 {
                return Err(Code::DupField);
            }
            **cookie = found;
            continue;
        }
        let claimed = read_header(&mut reader)?;
        if let Some(index) = claimed.option {
            let mapping = options::mapped(index, reader.options())?;
            let wide = options::read(&mut reader, mapping, claimed)?;
            let bits = options::conditions(mapping, &wide, reader.options());
            if bits.iter().any(|(field, _, care)| mask.get(*field) & care != 0) {
                return Err(Code::DupField);
            }
            for (field, value, care) in bits {
                key.set_masked(field, value, care);
                mask.set_masked(field, care, care);
            }
            continue;
        }
        let value = read_claimed(claimed, &mut reader, Code::BadField, Code::BadField)?;
        value.check()?;
        if !context.meets(value.row.needs) {
            return Err(Code::BadPrereq);
        }
        let (field, bits, care) = in_key(value.bits());
        let (had_in, had) = match value.row.form {
            Form::TagId => (Field::VlanTci, IDENTIFIER),
            Form::TagPriority => (Field::VlanTci, PRIORITY),
            _ => (field, field.max()),
        };
        if mask.get(had_in) & had != 0 {
            return Err(Code::DupField);
        }
        key.set_masked(field, bits, care);
        mask.set_masked(field, care, care);
        // A tag has two fields.
        let said = if field == Field::VlanTci { (key.get(field), mask.get(field)) } else { (bits, care) };
        context.note(field, said.0, said.1);
        needs |= 1 << value.row.needs as u32;
    }
    let context = context.without_ports();
    debug_assert_eq!(context, Context::of_key(&key, &mask));
    // What comes later can take a header away again: later fragments have none behind that of IP.
    while needs > 0 {
        let one = Needs::ALL.get(needs.trailing_zeros() as usize);
        if one.is_some_and(|one| !context.meets(*one)) {
            return Err(Code::BadPrereq);
        }
        needs &= needs - 1;
    }
    Ok((Match::of(&key, &mask), context))
}

/// The cookie, if it comes next.
fn read_cookie(reader: &mut Reader<'_>) -> Result<Option<(u64, u64)>, Code> {
    let mut inner = *reader;
    let header = inner.u32()?;
    if header != COOKIE && header != COOKIE_MASKED {
        return Ok(None);
    }
    let value = inner.u64()?;
    let mask = if header == COOKIE_MASKED { inner.u64()? } else { u64::MAX };
    if value & !mask != 0 {
        return Err(Code::BadWildcards);
    }
    *reader = inner;
    Ok(Some((value, mask)))
}

/// A condition as rules have it: on a tag as a whole, and "no tag" in one way only.
fn in_key((field, value, mask): (Field, u128, u128)) -> (Field, u128, u128) {
    match field {
        Field::VlanVid | Field::VlanTci if value == 0 && mask == field.max() => {
            (Field::VlanTci, NO_TAG.0, NO_TAG.1)
        }
        Field::VlanVid => (Field::VlanTci, value, mask),
        Field::VlanPcp => (Field::VlanTci, value << 13 | TAG_PRESENT, (mask << 13) & PRIORITY | TAG_PRESENT),
        _ => (field, value, mask),
    }
}

/// Writes a match with its padding.
pub fn encode_oxm(matching: &Match, writer: &mut Writer, version: Version) {
    let start = writer.len();
    writer.u16(OXM).u16(0);
    write_fields(matching, writer, Numbering::Oxm(version));
    writer.put_len(start + 2, start);
    writer.pad(start, 8);
}

/// Writes the fields of a match in Nicira's numbers, without padding, and how long they are.
pub fn encode_nxm(matching: &Match, writer: &mut Writer) -> usize {
    let start = writer.len();
    write_fields(matching, writer, Numbering::Nxm);
    writer.len() - start
}

fn write_fields(matching: &Match, writer: &mut Writer, numbers: Numbering) {
    let (key, mask) = (matching.key(), matching.mask());
    let context = Context::of(matching);
    let wide_registers = numbers == Numbering::Oxm(Version::V15);
    for row in FIELDS {
        if !context.meets(row.needs) {
            continue;
        }
        let (value, care) = (key.get(row.field), mask.get(row.field));
        let said = match row.form {
            Form::WholeTag => {
                write_tag(writer, numbers, value, care);
                continue;
            }
            Form::TagId | Form::TagPriority => continue,
            Form::ShortPort => numbers == Numbering::Nxm,
            Form::Port => numbers != Numbering::Nxm || row.field != Field::InPort,
            Form::Tos => {
                let dscp = care & 0xfc == 0xfc && numbers == Numbering::Nxm;
                if dscp {
                    write_field(writer, row, numbers, value & 0xfc, row.ones());
                }
                continue;
            }
            Form::Plain => match row.field {
                Field::IpDscp => numbers != Numbering::Nxm,
                field if field >= Field::Xxreg0 => false,
                field if field >= Field::Xreg0 => wide_registers,
                field if field >= Field::Reg0 => !wide_registers,
                _ => true,
            },
        };
        if said && care != 0 {
            write_field(writer, row, numbers, value, care);
        }
        if row.field == Field::TunGbpFlags {
            options::write_conditions(writer, &key, &mask);
        }
    }
}

/// Writes the condition on a tag: OpenFlow has two fields for it, Nicira one, in which everything can be said.
fn write_tag(writer: &mut Writer, numbers: Numbering, value: u128, mask: u128) {
    if mask == 0 {
        return;
    }
    let mut write = |form, value, mask| {
        let row = FIELDS.iter().find(|row| row.form == form);
        row.into_iter().for_each(|row| write_field(writer, row, numbers, value, mask));
    };
    let tagged = value & mask & TAG_PRESENT != 0;
    let two_fields_say_it = mask & PRIORITY == 0 || mask & PRIORITY == PRIORITY && tagged;
    if numbers != Numbering::Nxm && two_fields_say_it {
        write(Form::TagId, value & IDENTIFIER, mask & IDENTIFIER);
        if mask & PRIORITY != 0 {
            write(Form::TagPriority, value >> 13, Field::VlanPcp.max());
        }
    } else if (value, mask) == NO_TAG {
        write(Form::WholeTag, 0, Field::VlanTci.max());
    } else {
        write(Form::WholeTag, value, mask);
    }
}

/// Writes a field with a value of a key, and with its mask unless that is all of the field.
pub(crate) fn write_field(writer: &mut Writer, row: &WireField, numbers: Numbering, value: u128, mask: u128) {
    let masked = mask & row.kept() != row.kept();
    write_header(writer, row.number(numbers), masked, row.bytes);
    let value = match row.form {
        Form::ShortPort => ports::to_short(OfPort(value as u32)).into(),
        Form::Port => ports::to_wide(OfPort(value as u32)).into(),
        _ => value,
    };
    write_number(writer, value, row.bytes);
    if masked {
        write_number(writer, mask, row.bytes);
    }
}

fn write_number(writer: &mut Writer, number: u128, bytes: u8) {
    let all = number.to_be_bytes();
    writer.bytes(&all[all.len() - usize::from(bytes)..]);
}
