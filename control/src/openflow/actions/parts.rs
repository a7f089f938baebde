//! Parts of fields in actions: a header, the first bit and how many bits.

use super::Reading;
use crate::ofproto::context::Needs;
use crate::openflow::fields::{Form, WireField, read_header};
use crate::openflow::wire::Reader;
use crate::openflow::{Code, options};
use datapath::pipeline::Part;
use datapath::tunnel::{Mapping, OptionMap};

/// A field by its number.
#[derive(Clone, Copy, Debug)]
pub(super) enum Named {
    /// One that always lies in the same place.
    Row(&'static WireField),
    /// A Geneve option.
    Option(Mapping),
}

impl Named {
    /// How many bits it has.
    fn bits(&self) -> u16 {
        match self {
            Named::Row(row) => row.bits.into(),
            Named::Option(mapping) => u16::from(mapping.len) * 8,
        }
    }
}

/// Bits of a field under one of its names.
#[derive(Clone, Copy, Debug)]
pub(super) struct NamedPart {
    pub(super) named: Named,
    /// The first bit.
    pub(super) offset: u16,
    /// How many.
    pub(super) bits: u16,
}

impl NamedPart {
    /// Bits of a field, of which it must have that many.
    pub(super) fn new(named: Named, offset: u16, bits: u16) -> Result<NamedPart, Code> {
        if bits == 0 || u32::from(offset) + u32::from(bits) > u32::from(named.bits()) {
            return Err(Code::BadSetLen);
        }
        Ok(NamedPart { named, offset, bits })
    }

    /// The bits in a key; an error where they do not lie there together: beyond what a key has of `arp_op`, in two pieces of an option.
    pub(super) fn part(&self, options: &OptionMap) -> Result<Part, Code> {
        let row = match self.named {
            Named::Option(mapping) => {
                return options::part(mapping, self.offset, self.bits, options).ok_or(Code::BadSetLen);
            }
            Named::Row(row) => row,
        };
        let fits = self.offset + self.bits <= u16::from(row.field.slot().bits);
        let part = Part { field: row.field, offset: self.offset as u8, bits: self.bits as u8 };
        if fits { Ok(part) } else { Err(Code::BadSetLen) }
    }

    /// The bits in a key, without those that are always zero there.
    pub(super) fn cut(&self, options: &OptionMap) -> Result<Part, Code> {
        let Named::Row(row) = self.named else { return self.part(options) };
        let there = u16::from(row.field.slot().bits).saturating_sub(self.offset);
        match self.bits.min(there) {
            0 => Err(Code::BadSetLen),
            bits => NamedPart { bits, ..*self }.part(options),
        }
    }

    /// Whether it is all of the field.
    pub(super) fn is_whole(&self) -> bool {
        self.offset == 0 && self.bits == self.named.bits()
    }
}

/// A field by its header alone, of four or eight bytes.
pub(super) fn read_field(reader: &mut Reader<'_>) -> Result<Named, Code> {
    let claimed = read_header(reader)?;
    if let Some(index) = claimed.option {
        return options::mapped(index, reader.options()).map(Named::Option);
    }
    let error = if claimed.known { Code::BadSetLen } else { Code::BadSetType };
    claimed.row.map(Named::Row).ok_or(error)
}

/// The first bit and the number of bits, as Nicira's older actions have them in two bytes.
pub(super) fn read_range(range: u16) -> (u16, u16) {
    (range >> 6, (range & 0x3f) + 1)
}

/// Two bytes for the first bit and the number of bits.
pub(super) fn range(offset: u16, bits: u8) -> u16 {
    offset << 6 | u16::from(bits).saturating_sub(1) & 0x3f
}

impl Reading {
    /// Whether every frame of this flow has a field, so that actions can read it.
    pub(super) fn has(&self, row: &WireField) -> Result<(), Code> {
        let needs = if row.form == Form::TagId { Needs::Tag } else { row.needs };
        if self.context.meets(needs) { Ok(()) } else { Err(Code::MatchInconsistent) }
    }

    /// Whether actions can write a field in the frames of this flow.
    pub(super) fn can_set(&self, row: &WireField) -> Result<(), Code> {
        if !row.settable {
            return Err(Code::BadSetArgument);
        }
        self.has(row)
    }

    /// Part of a field that actions can read in the frames of this flow.
    pub(super) fn source(&self, part: NamedPart, options: &OptionMap) -> Result<Part, Code> {
        if let Named::Row(row) = part.named {
            self.has(row)?;
        }
        part.cut(options)
    }

    /// Part of a field that actions can write in the frames of this flow.
    pub(super) fn target(&self, part: NamedPart, options: &OptionMap) -> Result<Part, Code> {
        if let Named::Row(row) = part.named {
            self.can_set(row)?;
        }
        part.cut(options)
    }
}
