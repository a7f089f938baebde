//! The four or eight bytes in front of a field's value (OpenFlow 1.3.5 section 7.2.3.2): class, number, whether a mask follows, length.

use super::{EXPERIMENTER, Number, WireField, by_number};
use crate::openflow::Code;
use crate::openflow::wire::{Reader, Writer};
use datapath::tunnel::options::FIELDS as OPTION_FIELDS;

/// Nicira's second class, and the first of the numbers in it that Geneve options have (`NXM_NX_TUN_METADATA0`).
const NICIRA_MORE: u16 = 1;
const OPTIONS: u16 = 40;

/// The number of the field that a Geneve option is.
pub(crate) fn option_number(index: u16) -> Number {
    Number { class: NICIRA_MORE, field: (OPTIONS + index) as u8, experimenter: 0, since: 0 }
}

/// What a header says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Claimed {
    /// The field, unless it is not known here, or not of that length.
    pub(crate) row: Option<&'static WireField>,
    /// The number N of `tun_metadataN`, if it is one of these.
    pub(crate) option: Option<u16>,
    /// Whether the number is known, whatever the length.
    pub(crate) known: bool,
    /// Whether a mask follows the value.
    pub(crate) masked: bool,
    /// How many bytes follow.
    pub(crate) len: usize,
}

/// Reads a header. That it is cut off, or shorter than what it must have, is `OFPBMC_BAD_LEN`, as in Open vSwitch, in actions too.
pub(crate) fn read_header(reader: &mut Reader<'_>) -> Result<Claimed, Code> {
    let mut inner = reader.ahead(Code::BadMatchLen);
    let header = inner.u32()?;
    let class = (header >> 16) as u16;
    let (field, masked) = ((header >> 9 & 0x7f) as u8, header >> 8 & 1 != 0);
    let mut len = (header & 0xff) as usize;
    let mut experimenter = 0;
    if class == EXPERIMENTER {
        experimenter = inner.u32()?;
        len = len.checked_sub(4).ok_or(Code::BadMatchLen)?;
    }
    let used = reader.len() - inner.len();
    reader.skip(used)?;
    let found = by_number(class, field, experimenter);
    let fits = |row: &&WireField| len == usize::from(row.bytes) * if masked { 2 } else { 1 };
    let option = (class == NICIRA_MORE).then(|| u16::from(field).checked_sub(OPTIONS)).flatten();
    let option = option.filter(|index| *index < OPTION_FIELDS);
    Ok(Claimed { row: found.filter(fits), option, known: found.is_some(), masked, len })
}

/// Writes the header of a field of so many bytes.
pub(crate) fn write_header(writer: &mut Writer, number: Number, masked: bool, bytes: u8) {
    let mut len = u32::from(bytes) * if masked { 2 } else { 1 };
    if number.class == EXPERIMENTER {
        len += 4;
    }
    let start = u32::from(number.class) << 16 | u32::from(number.field) << 9;
    writer.u32(start | u32::from(masked) << 8 | len);
    if number.class == EXPERIMENTER {
        writer.u32(number.experimenter);
    }
}
