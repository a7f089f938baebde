//! How tables behave (OpenFlow 1.3.5 section 7.3.3; since 1.4 eviction and vacancy, 1.4.1 section 7.3.4.1), and their counters.

use super::flow_mod::{table, table_number};
use super::properties::{self, Property};
use crate::ofproto::VacancyEvent;
use crate::openflow::wire::{Reader, Writer};
use crate::openflow::{Code, TableDesc, TableMod, TableStats, Version};
use datapath::pipeline::TableId;

/// `OFPTC_DEPRECATED_MASK`: what 1.1 and 1.2 said of frames that no entry takes. Not looked at since (1.3.5 section 7.3.3).
const DEPRECATED: u32 = 3;
/// `OFPTC_EVICTION` and `OFPTC_VACANCY_EVENTS` (1.4).
const EVICTION: u32 = 1 << 2;
const VACANCY: u32 = 1 << 3;

/// `OFPTMPT_EVICTION` and `OFPTMPT_VACANCY`.
const EVICTION_PROPERTY: u16 = 2;
const VACANCY_PROPERTY: u16 = 3;
/// `OFPTMPEF_OTHER` and `OFPTMPEF_IMPORTANCE`: here the least important entry gives way, and of several the oldest.
const EVICTION_BY: u32 = 1 << 0 | 1 << 1;

/// Reads how a table shall behave.
///
/// # Errors
/// `OFPTMFC_BAD_CONFIG` for bits that the version does not have and for kinds of eviction that are not done; `OFPBPC_*` for properties.
pub(super) fn decode_mod(version: Version, reader: &mut Reader<'_>) -> Result<TableMod, Code> {
    let table = table(reader.u8()?);
    reader.skip(3)?;
    let config = reader.u32()?;
    let v14 = version >= Version::V14;
    let known = if v14 { DEPRECATED | EVICTION | VACANCY } else { DEPRECATED };
    if config & !known != 0 {
        return Err(Code::TableModBadConfig);
    }
    let mut change = TableMod { table, miss: config & DEPRECATED, eviction: None, vacancy: None };
    if v14 {
        change.eviction = Some(config & EVICTION != 0);
        change.vacancy = Some((config & VACANCY != 0, 0, 0));
        while let Some((property, mut value)) = properties::next(reader)? {
            match property {
                Property::Standard(EVICTION_PROPERTY) => {
                    if value.u32()? & !EVICTION_BY != 0 {
                        return Err(Code::TableModBadConfig);
                    }
                }
                Property::Standard(VACANCY_PROPERTY) => {
                    let (down, up, now) = (value.u8()?, value.u8()?, value.u8()?);
                    value.skip(1)?;
                    if down > up || up > 100 || now != 0 {
                        return Err(Code::BadPropertyValue);
                    }
                    change.vacancy = Some((config & VACANCY != 0, down, up));
                }
                // As in Open vSwitch (`lib/ofp-table.c`).
                _ => return Err(Code::BadType),
            }
            value.end()?;
        }
    }
    Ok(change)
}

/// Writes how a table shall behave.
pub(super) fn encode_mod(version: Version, change: &TableMod, writer: &mut Writer) {
    let (vacancy, down, up) = change.vacancy.unwrap_or((false, 0, 0));
    let mut config = change.miss & DEPRECATED;
    if version >= Version::V14 {
        config |= if change.eviction == Some(true) { EVICTION } else { 0 };
        config |= if vacancy { VACANCY } else { 0 };
    }
    writer.u8(table_number(change.table)).zeros(3).u32(config);
    if version >= Version::V14 && (down, up) != (0, 0) {
        properties::put(writer, VACANCY_PROPERTY, |writer| {
            writer.u8(down).u8(up).zeros(2);
        });
    }
}

/// Reads how a table is set (1.4). How many entries it takes is not said here.
pub(super) fn decode_desc(reader: &mut Reader<'_>) -> Result<TableDesc, Code> {
    let len = usize::from(reader.u16()?);
    let mut rest = reader.part(len.checked_sub(2).ok_or(Code::BadLen)?, Code::BadLen)?;
    let table = TableId(rest.u8()?);
    rest.skip(1)?;
    let config = rest.u32()?;
    let mut desc = TableDesc { table, eviction: config & EVICTION != 0, vacancy: None };
    while let Some((property, mut value)) = properties::next(&mut rest)? {
        if property == Property::Standard(VACANCY_PROPERTY) && config & VACANCY != 0 {
            desc.vacancy = Some((value.u8()?, value.u8()?, value.u8()?));
        }
    }
    Ok(desc)
}

/// Writes how a table is set (1.4).
pub(super) fn encode_desc(desc: &TableDesc, writer: &mut Writer) {
    let start = writer.len();
    let config = if desc.eviction { EVICTION } else { 0 } | if desc.vacancy.is_some() { VACANCY } else { 0 };
    writer.u16(0).u8(desc.table.0).zeros(1).u32(config);
    properties::put(writer, EVICTION_PROPERTY, |writer| {
        writer.u32(EVICTION_BY);
    });
    if let Some((down, up, now)) = desc.vacancy {
        properties::put(writer, VACANCY_PROPERTY, |writer| {
            writer.u8(down).u8(up).u8(now).zeros(1);
        });
    }
    writer.put_len(start, start);
}

/// Reads what a table tells (1.4.1 section 7.4.5).
pub(super) fn decode_status(reader: &mut Reader<'_>) -> Result<(VacancyEvent, TableDesc), Code> {
    let number = reader.u8()?;
    let event = [VacancyEvent::Down, VacancyEvent::Up].into_iter().find(|event| event.number() == number);
    let event = event.ok_or(Code::BadPropertyValue)?;
    reader.skip(7)?;
    Ok((event, decode_desc(reader)?))
}

/// Writes what a table tells.
pub(super) fn encode_status(event: VacancyEvent, desc: &TableDesc, writer: &mut Writer) {
    writer.u8(event.number()).zeros(7);
    encode_desc(desc, writer);
}

/// Bytes of a table's name.
const NAME_LEN: usize = 32;
/// `OFPFW_ALL`: every wildcard of 1.0 can be used.
const WILDCARDS_10: u32 = (1 << 22) - 1;

/// Reads a table's counters.
pub(super) fn decode_stats(version: Version, reader: &mut Reader<'_>) -> Result<TableStats, Code> {
    let table = TableId(reader.u8()?);
    reader.skip(3)?;
    let (mut name, mut max_entries) = (String::new(), 0);
    if version == Version::V10 {
        name = reader.name::<NAME_LEN>()?;
        reader.skip(4)?;
        max_entries = reader.u32()?;
    }
    let (active, lookups, matched) = (reader.u32()?, reader.u64()?, reader.u64()?);
    Ok(TableStats { table, name, max_entries, active, lookups, matched })
}

/// Writes a table's counters.
pub(super) fn encode_stats(version: Version, stats: &TableStats, writer: &mut Writer) {
    writer.u8(stats.table.0).zeros(3);
    if version == Version::V10 {
        writer.name(&stats.name, NAME_LEN).u32(WILDCARDS_10).u32(stats.max_entries);
    }
    writer.u32(stats.active).u64(stats.lookups).u64(stats.matched);
}
