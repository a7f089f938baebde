//! The map of Geneve options (`NXT_TLV_TABLE_*`, Nicira's extension).

use crate::openflow::wire::{Reader, Writer};
use crate::openflow::{Code, TlvMap, TlvTable, TlvTableMod};

fn decode_maps(reader: &mut Reader<'_>) -> Result<Vec<TlvMap>, Code> {
    let mut maps = Vec::new();
    while !reader.is_empty() {
        let (class, kind, len) = (reader.u16()?, reader.u8()?, reader.u8()?);
        let index = reader.u16()?;
        reader.skip(2)?;
        maps.push(TlvMap { class, kind, len, index });
    }
    Ok(maps)
}

fn encode_maps(maps: &[TlvMap], writer: &mut Writer) {
    for TlvMap { class, kind, len, index } in maps {
        writer.u16(*class).u8(*kind).u8(*len).u16(*index).zeros(2);
    }
}

/// Reads how the map shall change. Whether it can is the switch's affair.
///
/// # Errors
/// `NXTTMFC_BAD_COMMAND`; `OFPBRC_BAD_LEN` when the last entry is not whole.
pub(super) fn decode_mod(reader: &mut Reader<'_>) -> Result<TlvTableMod, Code> {
    let command = reader.u16()?;
    reader.skip(6)?;
    let maps = decode_maps(reader)?;
    match command {
        0 => Ok(TlvTableMod::Add(maps)),
        1 => Ok(TlvTableMod::Delete(maps)),
        2 => Ok(TlvTableMod::Clear),
        _ => Err(Code::NxTlvBadCommand),
    }
}

/// Writes how the map shall change.
pub(super) fn encode_mod(change: &TlvTableMod, writer: &mut Writer) {
    let (command, maps): (u16, &[TlvMap]) = match change {
        TlvTableMod::Add(maps) => (0, maps),
        TlvTableMod::Delete(maps) => (1, maps),
        TlvTableMod::Clear => (2, &[]),
    };
    writer.u16(command).zeros(6);
    encode_maps(maps, writer);
}

/// Reads the map.
pub(super) fn decode_table(reader: &mut Reader<'_>) -> Result<TlvTable, Code> {
    let (max_space, max_fields) = (reader.u32()?, reader.u16()?);
    reader.skip(10)?;
    Ok(TlvTable { max_space, max_fields, maps: decode_maps(reader)? })
}

/// Writes the map.
pub(super) fn encode_table(table: &TlvTable, writer: &mut Writer) {
    writer.u32(table.max_space).u16(table.max_fields).zeros(10);
    encode_maps(&table.maps, writer);
}
