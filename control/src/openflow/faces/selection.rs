//! How a group chooses: the property `NTRT_SELECTION_METHOD` of Netronome's, in OpenFlow 1.5 and in Nicira's group messages for 1.0
//! (`include/openflow/netronome-ext.h` and `lib/ofp-group.c` of Open vSwitch). The versions between have no properties of groups, and do not tell it.

use super::properties::{self, Property};
use crate::openflow::fields::{Numbering, of_hashed, write_header};
use crate::openflow::matching::read_value;
use crate::openflow::wire::{Reader, Writer};
use crate::openflow::{Code, Version};
use datapath::pipeline::{GroupKind, HASHED_MAX, HashedField, Selection};

/// `NTR_VENDOR_ID`, and what Open vSwitch 2.4 wrote for it (`NTR_COMPAT_VENDOR_ID`).
const NETRONOME: u32 = 0x154d;
const NETRONOME_ONCE: u32 = 0x1540;
/// `NTRT_SELECTION_METHOD`.
const METHOD: u32 = 1;
/// Bytes of a method's name, the zero at its end among them.
const NAME: usize = 16;
/// `OFPGPT_EXPERIMENTER`.
const EXPERIMENTER: u16 = 0xffff;

/// Reads the properties of a group: all that the reader has.
///
/// # Errors
/// `OFPBPC_*`: as in Open vSwitch the method stands with groups of type `select` alone, and where a group is made or changed as a whole (`whole`).
/// `OFPBMC_*` for the fields.
pub(super) fn decode(kind: GroupKind, whole: bool, reader: &mut Reader<'_>) -> Result<Selection, Code> {
    let mut selection = Selection::Unsaid;
    while let Some((property, value)) = properties::next(reader)? {
        selection = match property {
            Property::Experimenter(NETRONOME | NETRONOME_ONCE, METHOD) => method(kind, whole, value)?,
            other => return Err(other.unknown()),
        };
    }
    Ok(selection)
}

fn method(kind: GroupKind, whole: bool, mut value: Reader<'_>) -> Result<Selection, Code> {
    if kind != GroupKind::Select || !whole {
        return Err(Code::BadPropertyValue);
    }
    value.skip(4)?;
    let (name, param): ([u8; NAME], u64) = (value.array()?, value.u64()?);
    let end = name.iter().position(|byte| *byte == 0).ok_or(Code::BadPropertyValue)?;
    match &name[..end] {
        b"hash" => Ok(Selection::Hash(param, fields(&mut value)?)),
        b"dp_hash" if value.is_empty() => Ok(Selection::Datapath(param)),
        _ => Err(Code::BadPropertyValue),
    }
}

/// Fields as in a match without masks, whose values are the masks.
fn fields(reader: &mut Reader<'_>) -> Result<Box<[HashedField]>, Code> {
    let mut fields: Vec<HashedField> = Vec::new();
    while !reader.is_empty() {
        let said = read_value(reader, Code::BadField, Code::BadField)?;
        let (row, mask) = (said.row, said.value);
        if said.masked {
            return Err(Code::BadMask);
        }
        let hashed = row.hashed(mask);
        if fields.iter().any(|had| (had.field, had.of) == (hashed.field, hashed.of)) {
            return Err(Code::DupField);
        }
        if !row.maskable && mask != 0 && mask != row.ones() {
            return Err(Code::BadMask);
        }
        if fields.len() == HASHED_MAX {
            return Err(Code::BadPropertyValue);
        }
        fields.push(hashed);
    }
    Ok(fields.into())
}

/// Writes the property, if there is something to say.
pub(super) fn encode(version: Version, selection: &Selection, writer: &mut Writer) {
    let (name, fields): (&str, &[HashedField]) = match selection {
        Selection::Unsaid => return,
        Selection::Hash(_, fields) => ("hash", fields),
        Selection::Datapath(_) => ("dp_hash", &[]),
    };
    let numbers = if version == Version::V10 { Numbering::Nxm } else { Numbering::Oxm(version) };
    properties::put(writer, EXPERIMENTER, |writer| {
        writer.u32(NETRONOME).u32(METHOD).zeros(4).name(name, NAME).u64(selection.param());
        for hashed in fields {
            let Some(row) = of_hashed(hashed) else { continue };
            write_header(writer, row.number(numbers), false, row.bytes);
            let mask = row.hashed_mask(hashed).to_be_bytes();
            writer.bytes(&mask[mask.len() - usize::from(row.bytes)..]);
        }
    });
}
