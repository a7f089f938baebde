//! A field's header, value and mask, as they stand in a match and in actions that set fields.

use crate::openflow::Code;
use crate::openflow::fields::{Claimed, Form, WireField, read_header};
use crate::openflow::wire::Reader;
use crate::openflow::{options, ports};
use crate::text::options::Wide;
use datapath::flow::Field;
use datapath::tunnel::Mapping;

/// A value as it was on the wire.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Value {
    pub(crate) row: &'static WireField,
    pub(crate) value: u128,
    /// All bits of the field's bytes where there was no mask.
    pub(crate) mask: u128,
    /// Whether there was a mask.
    pub(crate) masked: bool,
}

/// Reads a Geneve option with its value, if one comes next.
pub(crate) fn read_option(reader: &mut Reader<'_>) -> Result<Option<(Mapping, Wide)>, Code> {
    let mut inner = *reader;
    let claimed = read_header(&mut inner)?;
    let Some(index) = claimed.option else { return Ok(None) };
    let mapping = options::mapped(index, reader.options())?;
    let wide = options::read(&mut inner, mapping, claimed)?;
    *reader = inner;
    Ok(Some((mapping, wide)))
}

/// Reads a field with its value. That the field is not known is `unknown`, that it has another length `other_len`.
pub(crate) fn read_value(reader: &mut Reader<'_>, unknown: Code, other_len: Code) -> Result<Value, Code> {
    let claimed = read_header(reader)?;
    read_claimed(claimed, reader, unknown, other_len)
}

/// As [`read_value`], behind the header.
pub(crate) fn read_claimed(
    claimed: Claimed,
    reader: &mut Reader<'_>,
    unknown: Code,
    other_len: Code,
) -> Result<Value, Code> {
    let error = if claimed.known { other_len } else { unknown };
    // In an action that comes first, in a match whether the bytes are there (`lib/nx-match.c`).
    if claimed.row.is_none() && error != Code::BadField {
        return Err(error);
    }
    let mut payload = reader.ahead(Code::BadMatchLen).part(claimed.len, Code::BadMatchLen)?;
    reader.skip(claimed.len)?;
    let row = claimed.row.ok_or(error)?;
    let bytes = usize::from(row.bytes);
    let value = number(payload.take(bytes)?);
    let mask = if claimed.masked { number(payload.take(bytes)?) } else { row.ones() };
    if value & !mask != 0 {
        return Err(Code::BadWildcards);
    }
    Ok(Value { row, value, mask, masked: claimed.masked })
}

/// Up to 16 bytes as a number.
pub(super) fn number(bytes: &[u8]) -> u128 {
    bytes.iter().fold(0, |number, byte| number << 8 | u128::from(*byte))
}

impl Value {
    /// Whether the value is one that the field can have, and its mask too (`lib/meta-flow.c` of Open vSwitch).
    ///
    /// # Errors
    /// `OFPBMC_BAD_MASK`, `OFPBMC_BAD_VALUE`.
    pub(crate) fn check(&self) -> Result<(), Code> {
        if !self.row.maskable && self.mask != 0 && self.mask != self.row.ones() {
            return Err(Code::BadMask);
        }
        let fits = match self.row.form {
            Form::TagId => self.value <= 0x1fff,
            Form::Tos => self.value & 3 == 0,
            Form::Port => ports::from_wide(self.value as u32).is_ok(),
            _ => self.value & !self.row.max() == 0 && self.value & !self.row.field.max() == 0,
        };
        if fits { Ok(()) } else { Err(Code::BadValue) }
    }

    /// The bits of the key that it stands for, as those of one field.
    pub(crate) fn bits(&self) -> (Field, u128, u128) {
        let Value { row, value, mask, .. } = *self;
        let all = |value| (row.field, value, if mask == 0 { 0 } else { row.field.max() });
        match row.form {
            Form::ShortPort => all(ports::from_short(value as u16).0.into()),
            Form::Port => all(ports::from_wide(value as u32).map_or(value, |port| port.0.into())),
            Form::Tos => (Field::IpDscp, value >> 2, if mask == 0 { 0 } else { Field::IpDscp.max() }),
            _ if !row.maskable => all(value),
            Form::TagId => (row.field, value & mask, mask & row.field.max()),
            _ => (row.field, value & mask, mask & row.max()),
        }
    }
}
