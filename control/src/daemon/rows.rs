//! The rows of dumps, out of a snapshot.

use super::calls::View;
use crate::api::{Answer, BucketRow, FlowRow, GroupRow, MeterRow, TableRow, TlvRow};
use crate::ofproto::{Entry, Filter, FlowFlags, MeterStats};
use crate::text::{PortNames, format_group, format_instructions, format_match, format_meter};
use datapath::pipeline::{Metered, TableId};
use datapath::stats::Counted;
use datapath::tunnel::Mapping;

/// Rows in one answer.
const CHUNK: usize = 256;

/// Where rows go; false when nobody wants more.
pub(super) type Out<'a> = &'a mut dyn FnMut(Answer) -> bool;

/// The flows that a filter means, in order.
pub(super) fn flows(view: &View, filter: Filter, names: bool, out: Out<'_>) {
    let names = names_of(view, names);
    let entries = view.switch.sorted(filter);
    for chunk in entries.chunks(CHUNK) {
        let rows = chunk.iter().map(|(table, entry)| flow(view, *table, entry, names));
        if !out(Answer::Flows(rows.collect())) {
            return;
        }
    }
}

fn names_of(view: &View, names: bool) -> &dyn PortNames {
    if names { &*view.names } else { &view.numbers }
}

fn flow(view: &View, table: TableId, entry: &Entry, names: &dyn PortNames) -> FlowRow {
    let rule = &entry.installed.rule;
    let Counted { packets, bytes, .. } = view.switch.counted(entry);
    FlowRow {
        table: table.0,
        priority: rule.priority,
        cookie: rule.cookie,
        duration_ms: view.now.saturating_sub(entry.created),
        n_packets: (!entry.flags.no_packet_counts).then_some(packets),
        n_bytes: (!entry.flags.no_byte_counts).then_some(bytes),
        idle_timeout: entry.idle_timeout,
        hard_timeout: entry.hard_timeout,
        importance: entry.importance,
        idle_age: view.switch.idle_ms(entry, view.now) / 1000,
        flags: flags(entry.flags),
        matching: format_match(&rule.matching, names),
        actions: format_instructions(&rule.instructions, &rule.matching, names),
    }
}

fn flags(flags: FlowFlags) -> Vec<String> {
    let FlowFlags { send_flow_rem, check_overlap, reset_counts, no_packet_counts, no_byte_counts } = flags;
    let words = [
        ("send_flow_rem", send_flow_rem),
        ("check_overlap", check_overlap),
        ("reset_counts", reset_counts),
        ("no_packet_counts", no_packet_counts),
        ("no_byte_counts", no_byte_counts),
    ];
    words.into_iter().filter(|(_, set)| *set).map(|(word, _)| word.to_string()).collect()
}

/// All groups, in the order of their numbers.
pub(super) fn groups(view: &View, names: bool, out: Out<'_>) {
    let names = names_of(view, names);
    let groups: Vec<_> = view.switch.groups().collect();
    for chunk in groups.chunks(CHUNK) {
        let rows = chunk.iter().map(|(id, entry)| {
            let (total, buckets) = view.switch.group_counted(*id).unwrap_or_default();
            let bucket =
                |counted: &Counted| BucketRow { packet_count: counted.packets, byte_count: counted.bytes };
            GroupRow {
                group_id: id.0,
                group: format_group(*id, &entry.group, names),
                duration_ms: view.now.saturating_sub(entry.created),
                ref_count: view.switch.group_users(*id),
                packet_count: total.packets,
                byte_count: total.bytes,
                buckets: buckets.iter().map(bucket).collect(),
            }
        });
        if !out(Answer::Groups(rows.collect())) {
            return;
        }
    }
}

/// All meters, in the order of their numbers.
pub(super) fn meters(view: &View, out: Out<'_>) {
    let band = |seen: &Metered| BucketRow { packet_count: seen.packets, byte_count: seen.bytes };
    let row = |meter: MeterStats| MeterRow {
        meter_id: meter.id.0,
        meter: format_meter(meter.id, &meter.spec),
        duration_ms: view.now.saturating_sub(meter.created),
        flow_count: meter.users,
        packet_in_count: meter.seen.packets,
        byte_in_count: meter.seen.bytes,
        bands: meter.bands.iter().map(band).collect(),
    };
    let rows: Vec<MeterRow> = view.switch.meters().map(row).collect();
    for chunk in rows.chunks(CHUNK) {
        if !out(Answer::Meters(chunk.to_vec())) {
            return;
        }
    }
}

/// The tables that have flows or had frames.
pub(super) fn tables(view: &View, out: Out<'_>) {
    let row = |stats: crate::ofproto::TableStats| TableRow {
        table: stats.table.0,
        active: stats.active,
        max_entries: view.switch.table_config(stats.table).max_entries,
        lookup: stats.looked_up,
        matched: stats.matched,
    };
    out(Answer::Tables(view.switch.table_stats().into_iter().map(row).collect()));
}

/// Which Geneve options are fields, by the numbers of the fields.
pub(super) fn tlv_map(view: &View) -> Vec<TlvRow> {
    let row = |Mapping { class, kind, len, index }| TlvRow {
        class,
        kind,
        len,
        field: format!("tun_metadata{index}"),
    };
    view.switch.options().iter().map(row).collect()
}
