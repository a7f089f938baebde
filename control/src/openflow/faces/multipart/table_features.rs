//! What tables can do, or shall do (OpenFlow 1.3.5 section 7.3.5.5).

use super::super::properties::{self, Property};
use crate::openflow::wire::{Reader, Writer};
use crate::openflow::{Code, TableFeatures, TableProperty, Version};
use datapath::pipeline::TableId;

/// Bytes of a table's name.
const NAME_LEN: usize = 32;
/// Bytes of what stands before the properties.
const HEADER: usize = 64;
/// `OFPTFPT_EXPERIMENTER`, and for the table-miss entry.
const EXPERIMENTER: u16 = 0xfffe;
/// The properties that each must be there (`OFPTFPT_*` without `_MISS`).
const REQUIRED: u32 = 1 << 0 | 1 << 2 | 1 << 4 | 1 << 6 | 1 << 8 | 1 << 10 | 1 << 12 | 1 << 14;

/// Reads what a table can do, of an answer; or what it shall do, of a request, in which nothing may be unknown.
///
/// # Errors
/// `OFPTFFC_BAD_TABLE`, and for properties `OFPTFFC_BAD_TYPE`, `_BAD_LEN`, `_BAD_ARGUMENT`, which have become `OFPBPC_*` in 1.4.
pub(super) fn decode(
    version: Version,
    request: bool,
    reader: &mut Reader<'_>,
) -> Result<TableFeatures, Code> {
    let len = usize::from(reader.ahead(Code::BadPropertyLen).u16()?);
    if len < HEADER || !len.is_multiple_of(8) || len > reader.len() {
        return Err(Code::BadPropertyLen);
    }
    let mut rest = reader.part(len, Code::BadPropertyLen)?;
    rest.skip(2)?;
    let (table, command) = (rest.u8()?, rest.u8()?);
    rest.skip(4)?;
    // 1.5 can change, enable and disable tables by themselves; here all are replaced, as before it.
    if request && version == Version::V15 && command != 0 {
        return Err(Code::TableFeaturesBadCommand);
    }
    if table == 0xff {
        return Err(Code::TableFeaturesBadTable);
    }
    let mut features = TableFeatures {
        table: TableId(table),
        name: rest.name::<NAME_LEN>()?,
        metadata_match: rest.u64()?,
        metadata_write: rest.u64()?,
        config: rest.u32()?,
        max_entries: rest.u32()?,
        properties: Vec::new(),
    };
    let mut seen = 0u32;
    while let Some((property, mut value)) = properties::next_below(&mut rest, EXPERIMENTER)? {
        let Property::Standard(kind) = property else {
            if request {
                return Err(property.unknown());
            }
            continue;
        };
        let bit = 1u32.checked_shl(kind.into()).unwrap_or(0);
        if seen & bit != 0 {
            return Err(Code::BadPropertyValue);
        }
        seen |= bit;
        match decode_property(kind, &mut value)? {
            Some(property) => features.properties.push(property),
            None if request => return Err(Code::BadPropertyType),
            None => {}
        }
    }
    // 1.5 lets all of them be left out, together.
    let needed = version < Version::V15 || !features.properties.is_empty();
    if request && needed && seen & REQUIRED != REQUIRED {
        return Err(Code::BadPropertyValue);
    }
    Ok(features)
}

fn decode_property(kind: u16, value: &mut Reader<'_>) -> Result<Option<TableProperty>, Code> {
    let miss = kind % 2 == 1;
    Ok(Some(match kind {
        0 | 1 => TableProperty::Instructions(miss, kinds(value)?),
        2 | 3 => {
            let tables = value.take_rest();
            if tables.contains(&0xff) {
                return Err(Code::BadPropertyValue);
            }
            TableProperty::NextTables(miss, tables.iter().copied().map(TableId).collect())
        }
        4 | 5 => TableProperty::WriteActions(miss, kinds(value)?),
        6 | 7 => TableProperty::ApplyActions(miss, kinds(value)?),
        8 => TableProperty::Match(fields(value)?),
        10 => TableProperty::Wildcards(fields(value)?),
        12 | 13 => TableProperty::WriteSetField(miss, fields(value)?),
        14 | 15 => TableProperty::ApplySetField(miss, fields(value)?),
        _ => return Ok(None),
    }))
}

/// Kinds of instructions or actions: their headers, one behind the other. Those of experimenters are passed over.
fn kinds(value: &mut Reader<'_>) -> Result<Vec<u16>, Code> {
    let mut kinds = Vec::new();
    while !value.is_empty() {
        let (kind, len) = (value.u16()?, usize::from(value.u16()?));
        value.skip(len.checked_sub(4).ok_or(Code::BadPropertyLen)?)?;
        if kind != 0xffff {
            kinds.push(kind);
        }
    }
    Ok(kinds)
}

/// Headers of fields. Those of experimenters take two words, and stand here as two.
fn fields(value: &mut Reader<'_>) -> Result<Vec<u32>, Code> {
    let mut fields = Vec::new();
    while !value.is_empty() {
        fields.push(value.u32()?);
    }
    Ok(fields)
}

/// Writes what a table can do, or shall do.
pub(super) fn encode(features: &TableFeatures, writer: &mut Writer) {
    let start = writer.len();
    writer.u16(0).u8(features.table.0).zeros(5).name(&features.name, NAME_LEN);
    writer.u64(features.metadata_match).u64(features.metadata_write);
    writer.u32(features.config).u32(features.max_entries);
    for property in &features.properties {
        encode_property(property, writer);
    }
    writer.put_len(start, start);
}

fn encode_property(property: &TableProperty, writer: &mut Writer) {
    let (kind, kinds, tables, fields): (u16, &[u16], &[TableId], &[u32]) = match property {
        TableProperty::Instructions(miss, kinds) => (u16::from(*miss), kinds, &[], &[]),
        TableProperty::NextTables(miss, tables) => (2 + u16::from(*miss), &[], tables, &[]),
        TableProperty::WriteActions(miss, kinds) => (4 + u16::from(*miss), kinds, &[], &[]),
        TableProperty::ApplyActions(miss, kinds) => (6 + u16::from(*miss), kinds, &[], &[]),
        TableProperty::Match(fields) => (8, &[], &[], fields),
        TableProperty::Wildcards(fields) => (10, &[], &[], fields),
        TableProperty::WriteSetField(miss, fields) => (12 + u16::from(*miss), &[], &[], fields),
        TableProperty::ApplySetField(miss, fields) => (14 + u16::from(*miss), &[], &[], fields),
    };
    properties::put(writer, kind, |writer| {
        for kind in kinds {
            writer.u16(*kind).u16(4);
        }
        for table in tables {
            writer.u8(table.0);
        }
        for field in fields {
            writer.u32(*field);
        }
    });
}
