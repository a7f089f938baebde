//! What tables can do: all of them the same, but that each leads only to later ones (OpenFlow 1.3.5 section 7.3.5.5).

use crate::ofproto::{ENTRIES_MAX, Ofproto};
use crate::openflow::fields::{EXPERIMENTER, FIELDS, Numbering, WireField};
use crate::openflow::{TableDesc, TableFeatures, TableProperty, Version};
use datapath::pipeline::TableId;

/// `OFPIT_*`: goto, metadata, write, apply and clear actions, meter.
const INSTRUCTIONS: [u16; 6] = [1, 2, 3, 4, 5, 6];
/// `OFPAT_*`: output; TTL in and out; MPLS TTL; VLAN; MPLS; queue; group; IP TTL; set-field; PBB.
pub(super) const ACTIONS: [u16; 16] = [0, 11, 12, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27];
/// `OFPXMT`: the bit that says that a mask follows.
const MASKED: u32 = 1 << 8;

/// What has come with 1.5: copy-field, and the meter, which was an instruction before.
const ACTIONS_1_5: [u16; 2] = [28, 29];
const METER_INSTRUCTION: u16 = 6;

/// `OFPTC_EVICTION` and `OFPTC_VACANCY_EVENTS` among what tables can do, since 1.4.
const EVICTION_AND_VACANCY: u32 = 1 << 2 | 1 << 3;

/// How a table behaves.
pub(super) fn desc(switch: &Ofproto, table: TableId) -> TableDesc {
    let told = switch.vacancy_told(table);
    TableDesc {
        table,
        eviction: switch.table_config(table).eviction,
        vacancy: told.map(|told| (told.down, told.up, switch.vacancy(table))),
    }
}

/// All tables, in the numbers of this version.
pub(super) fn all(tables: u8, version: Version) -> Vec<TableFeatures> {
    let (matched, bare) = (matched(version), fields(version, |_| true));
    let set = fields(version, |row| row.settable);
    let (mut instructions, mut actions) = (INSTRUCTIONS.to_vec(), ACTIONS.to_vec());
    if version >= Version::V15 {
        instructions.retain(|kind| *kind != METER_INSTRUCTION);
        actions.extend(ACTIONS_1_5);
    }
    let of = |table: u8| {
        let later: Vec<TableId> = (table + 1..tables).map(TableId).collect();
        let mut properties = Vec::new();
        for miss in [false, true] {
            properties.extend([
                TableProperty::Instructions(miss, instructions.clone()),
                TableProperty::NextTables(miss, later.clone()),
                TableProperty::WriteActions(miss, actions.clone()),
                TableProperty::ApplyActions(miss, actions.clone()),
                TableProperty::WriteSetField(miss, set.clone()),
                TableProperty::ApplySetField(miss, set.clone()),
            ]);
        }
        properties.extend([TableProperty::Match(matched.clone()), TableProperty::Wildcards(bare.clone())]);
        TableFeatures {
            table: TableId(table),
            name: String::new(),
            metadata_match: u64::MAX,
            metadata_write: u64::MAX,
            config: if version >= Version::V14 { EVICTION_AND_VACANCY } else { 0 },
            max_entries: ENTRIES_MAX as u32,
            properties,
        }
    };
    (0..tables).map(of).collect()
}

/// The fields that can be matched, each with the mask that it may have.
fn matched(version: Version) -> Vec<u32> {
    let header = |row: &WireField| {
        let plain = header(row, version)?;
        Some(if row.maskable { (plain | MASKED) + u32::from(row.bytes) } else { plain })
    };
    FIELDS.iter().filter_map(header).collect()
}

fn fields(version: Version, which: impl Fn(&WireField) -> bool) -> Vec<u32> {
    FIELDS.iter().filter(|row| which(row)).filter_map(|row| header(row, version)).collect()
}

/// The header of a field; none for those of experimenters, which need more than four bytes.
fn header(row: &WireField, version: Version) -> Option<u32> {
    let number = row.number(Numbering::Oxm(version));
    let header = u32::from(number.class) << 16 | u32::from(number.field) << 9 | u32::from(row.bytes);
    (number.class != EXPERIMENTER).then_some(header)
}
