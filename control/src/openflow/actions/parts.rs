//! Parts of fields in actions: a header, the first bit and how many bits.

use super::Reading;
use crate::ofproto::context::Needs;
use crate::openflow::Code;
use crate::openflow::fields::{Form, WireField, read_header};
use crate::openflow::wire::Reader;
use datapath::pipeline::Part;

/// Bits of a field under one of its names.
#[derive(Clone, Copy, Debug)]
pub(super) struct NamedPart {
    pub(super) row: &'static WireField,
    /// The first bit.
    pub(super) offset: u16,
    /// How many.
    pub(super) bits: u16,
}

impl NamedPart {
    /// Bits of a field, of which it must have that many.
    pub(super) fn new(row: &'static WireField, offset: u16, bits: u16) -> Result<NamedPart, Code> {
        if bits == 0 || u32::from(offset) + u32::from(bits) > u32::from(row.bits) {
            return Err(Code::BadSetLen);
        }
        Ok(NamedPart { row, offset, bits })
    }

    /// The bits in a key; `None` where the field has more bits on the wire than there (`arp_op`), and these are among them.
    pub(super) fn part(&self) -> Option<Part> {
        let (offset, bits) = (self.offset as u8, self.bits as u8);
        let fits = self.offset + self.bits <= u16::from(self.row.field.slot().bits);
        fits.then_some(Part { field: self.row.field, offset, bits })
    }

    /// The bits in a key, without those that are always zero there.
    pub(super) fn cut(&self) -> Result<Part, Code> {
        let there = u16::from(self.row.field.slot().bits);
        let bits = self.bits.min(there.saturating_sub(self.offset));
        NamedPart { bits, ..*self }.part().filter(|part| part.bits > 0).ok_or(Code::BadSetLen)
    }

    /// Whether it is all of the field.
    pub(super) fn is_whole(&self) -> bool {
        self.offset == 0 && self.bits == u16::from(self.row.bits)
    }
}

/// A field by its header alone, of four or eight bytes.
pub(super) fn read_field(reader: &mut Reader<'_>) -> Result<&'static WireField, Code> {
    let claimed = read_header(reader)?;
    claimed.row.ok_or(if claimed.known { Code::BadSetLen } else { Code::BadSetType })
}

/// The first bit and the number of bits, as Nicira's older actions have them in two bytes.
pub(super) fn read_range(range: u16) -> (u16, u16) {
    (range >> 6, (range & 0x3f) + 1)
}

/// Two bytes for the first bit and the number of bits.
pub(super) fn range(offset: u8, bits: u8) -> u16 {
    u16::from(offset) << 6 | u16::from(bits).saturating_sub(1) & 0x3f
}

impl Reading {
    /// What must be known of a frame so that actions can read or write a field.
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
}
