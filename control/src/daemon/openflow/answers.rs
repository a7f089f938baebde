//! Long answers, out of a snapshot: in parts, each no longer than a message.

use super::Picture;
use crate::ofproto::{Entry, Filter, GROUPS_MAX};
use crate::openflow::channel::{Asked, refusal};
use crate::openflow::{
    Code, Envelope, FlowMonitor, FlowStats, FlowUpdate, GroupFeatures, GroupStats, Message, MeterFeatures,
    MeterStats, Question, QueueDesc, QueueStats, Reply, SwitchDesc, TableDesc, TableStats, UpdateEvent,
};
use bytes::Bytes;
use datapath::flow::OfPort;
use datapath::pipeline::{BANDS_MAX, GroupId, METER_ID_MAX, Metered, QueueId, Queued, TableId};
use datapath::stats::Counted;

/// Where parts go; false when nobody wants more.
pub(super) type Out<'a> = &'a mut dyn FnMut(Envelope) -> bool;

/// Entries of a part. Whoever writes it makes several messages of it if it is too long for one.
const PART: usize = 400;

/// Whether counters must be exact for this answer.
pub(super) fn counts(question: &Question) -> bool {
    matches!(
        question,
        Question::Flow(_)
            | Question::Aggregate(_)
            | Question::Table
            | Question::GroupStats(_)
            | Question::MeterStats(_)
    )
}

/// Says the answer to a question that came as `request`.
pub(super) fn answer(picture: &Picture, asked: Asked, question: Question, request: &Bytes, out: Out<'_>) {
    if let Err(code) = try_answer(picture, asked, question, out) {
        out(refusal(asked.xid, code, request));
    }
}

fn try_answer(picture: &Picture, asked: Asked, question: Question, out: Out<'_>) -> Result<(), Code> {
    let switch = &picture.view.switch;
    let one = |reply: Reply| asked.answer(Message::MultipartReply(reply, false));
    let said = match question {
        Question::Desc => one(Reply::Desc(description(picture))),
        Question::Flow(filter) => {
            let entries = switch.sorted(filter);
            let flow = |(table, entry): &(TableId, Entry)| flow(picture, *table, entry);
            return parts(asked, &entries, PART, |part| Reply::Flow(part.iter().map(flow).collect()), out);
        }
        Question::Aggregate(filter) => one(Reply::Aggregate(switch.aggregate(filter))),
        Question::Table => {
            let tables = tables(picture);
            return parts(asked, &tables, PART, |part| Reply::Table(part.to_vec()), out);
        }
        Question::PortStats(port) => {
            known_port(picture, port, Code::BadPort)?;
            let stats = picture.faces.stats(port);
            return parts(asked, &stats, PART, |part| Reply::PortStats(part.to_vec()), out);
        }
        Question::PortDesc(port) => {
            known_port(picture, port, Code::BadPort)?;
            let descs = picture.faces.descs(port);
            return parts(asked, &descs, PART, |part| Reply::PortDesc(part.to_vec()), out);
        }
        Question::QueueStats(port, queue) => {
            known_port(picture, port, Code::QueueBadPort)?;
            let stats = queues(picture, port, queue)?;
            return parts(asked, &stats, PART, |part| Reply::QueueStats(part.to_vec()), out);
        }
        Question::GroupStats(group) => {
            let stats = groups(picture, group);
            return parts(asked, &stats, PART, |part| Reply::GroupStats(part.to_vec()), out);
        }
        Question::GroupDesc(group) => {
            let all = switch.groups().filter(|(id, _)| group.is_none_or(|group| group == *id));
            let all: Vec<_> = all.map(|(id, entry)| (id, entry.group.clone())).collect();
            return parts(asked, &all, PART, |part| Reply::GroupDesc(part.to_vec()), out);
        }
        Question::GroupFeatures => one(Reply::GroupFeatures(GroupFeatures {
            // All, select, indirect, fast failover; weights, liveness, chaining (with its check for loops).
            types: 0xf,
            capabilities: 0xf,
            max_groups: [GROUPS_MAX as u32; 4],
            actions: [super::tables::ACTIONS.iter().fold(0, |bits, action| bits | 1 << action); 4],
        })),
        Question::MeterStats(meter) => {
            let all = switch.meters().filter(|stats| meter.is_none_or(|meter| meter == stats.id));
            let stats: Vec<_> = all.map(|stats| meter_stats(picture, &stats)).collect();
            if stats.is_empty()
                && let Some(meter) = meter
            {
                return Err(
                    crate::ofproto::Error::from(crate::ofproto::MeterModFailed::UnknownMeter(meter)).into()
                );
            }
            return parts(asked, &stats, PART, |part| Reply::MeterStats(part.to_vec()), out);
        }
        Question::MeterConfig(meter) => {
            let all = switch.meters().filter(|stats| meter.is_none_or(|meter| meter == stats.id));
            let all: Vec<_> = all.map(|stats| (stats.id, stats.spec)).collect();
            if all.is_empty() && meter.is_some() {
                return Err(Code::UnknownMeter);
            }
            return parts(asked, &all, PART, |part| Reply::MeterConfig(part.to_vec()), out);
        }
        Question::MeterFeatures => one(Reply::MeterFeatures(MeterFeatures {
            max_meters: METER_ID_MAX,
            // Drop and DSCP remark; kb/s, packets, bursts, statistics.
            band_types: 1 << 1 | 1 << 2,
            capabilities: 0xf,
            max_bands: u8::try_from(BANDS_MAX).unwrap_or(u8::MAX),
            max_color: 0,
        })),
        Question::TableFeatures(_) => {
            let features = super::tables::all(picture.tables, picture.version);
            return parts(asked, &features, 16, |part| Reply::TableFeatures(part.to_vec()), out);
        }
        Question::TableDesc => {
            let descs: Vec<TableDesc> =
                (0..picture.tables).map(|table| super::tables::desc(switch, TableId(table))).collect();
            return parts(asked, &descs, PART, |part| Reply::TableDesc(part.to_vec()), out);
        }
        Question::QueueDesc(port, queue) => {
            known_port(picture, port, Code::QueueBadPort)?;
            let fits = |of: &&QueueDesc| {
                port.is_none_or(|port| port == of.port) && queue.is_none_or(|queue| queue == of.queue)
            };
            let queues: Vec<QueueDesc> = picture.queues.iter().filter(fits).copied().collect();
            return parts(asked, &queues, PART, |part| Reply::QueueDesc(part.to_vec()), out);
        }
        Question::FlowMonitor(monitors) => {
            let initial = initial(picture, &monitors);
            return parts(asked, &initial, PART, |part| Reply::FlowMonitor(part.to_vec()), out);
        }
    };
    out(said);
    Ok(())
}

/// Says all of it in parts; one part without anything if there is nothing.
fn parts<T>(
    asked: Asked,
    all: &[T],
    size: usize,
    reply: impl Fn(&[T]) -> Reply,
    out: Out<'_>,
) -> Result<(), Code> {
    let mut rest = all;
    loop {
        let (part, more) = rest.split_at(size.min(rest.len()));
        let said = asked.answer(Message::MultipartReply(reply(part), !more.is_empty()));
        if !out(said) || more.is_empty() {
            return Ok(());
        }
        rest = more;
    }
}

fn known_port(picture: &Picture, port: Option<OfPort>, code: Code) -> Result<(), Code> {
    match port {
        Some(port) if picture.faces.port(port).is_none() => Err(code),
        _ => Ok(()),
    }
}

fn description(picture: &Picture) -> SwitchDesc {
    SwitchDesc {
        manufacturer: "adit".into(),
        hardware: "AF_XDP".into(),
        software: env!("CARGO_PKG_VERSION").into(),
        serial: "None".into(),
        datapath: picture.bridge.clone(),
    }
}

fn flow(picture: &Picture, table: TableId, entry: &Entry) -> FlowStats {
    let Counted { packets, bytes, .. } = picture.view.switch.counted(entry);
    FlowStats {
        idle_ms: picture.view.switch.idle_ms(entry, picture.view.now),
        untaught_ms: picture.view.switch.untaught_ms(entry, picture.view.now),
        packets,
        bytes,
        ..crate::openflow::channel::news(table, entry, true, picture.view.now)
    }
}

fn tables(picture: &Picture) -> Vec<TableStats> {
    let switch = &picture.view.switch;
    let mut tables: Vec<TableStats> = (0..picture.tables)
        .map(|table| TableStats {
            table: TableId(table),
            max_entries: u32::try_from(switch.table_config(TableId(table)).max_entries).unwrap_or(u32::MAX),
            ..TableStats::default()
        })
        .collect();
    for stats in switch.table_stats() {
        if let Some(table) = tables.get_mut(usize::from(stats.table.0)) {
            table.active = stats.active as u32;
            table.lookups = stats.looked_up;
            table.matched = stats.matched;
        }
    }
    tables
}

fn queues(picture: &Picture, port: Option<OfPort>, queue: Option<QueueId>) -> Result<Vec<QueueStats>, Code> {
    let all = picture.view.switch.pipeline().queues();
    let asked = all
        .filter(|(of, id, _)| port.is_none_or(|port| port == *of) && queue.is_none_or(|queue| queue == *id));
    let duration_ms = picture.uptime_ms;
    let mut stats: Vec<QueueStats> = asked
        .map(|(port, queue, seen)| {
            let Queued { packets, bytes, errors } = seen.seen();
            QueueStats { port, queue, tx_bytes: bytes, tx_packets: packets, tx_errors: errors, duration_ms }
        })
        .collect();
    if stats.is_empty() && queue.is_some() {
        return Err(Code::QueueBadQueue);
    }
    stats.sort_by_key(|stats| (stats.port, stats.queue.0));
    Ok(stats)
}

fn groups(picture: &Picture, group: Option<GroupId>) -> Vec<GroupStats> {
    let switch = &picture.view.switch;
    let all = switch.groups().filter(|(id, _)| group.is_none_or(|group| group == *id));
    all.map(|(id, entry)| {
        let (total, buckets) = switch.group_counted(id).unwrap_or_default();
        GroupStats {
            group: id,
            users: switch.group_users(id),
            counted: (total.packets, total.bytes),
            buckets: buckets.iter().map(|counted| (counted.packets, counted.bytes)).collect(),
            duration_ms: picture.view.now.saturating_sub(entry.created),
        }
    })
    .collect()
}

fn meter_stats(picture: &Picture, stats: &crate::ofproto::MeterStats) -> MeterStats {
    let pair = |seen: &Metered| (seen.packets, seen.bytes);
    MeterStats {
        meter: stats.id,
        users: stats.users,
        seen: pair(&stats.seen),
        duration_ms: picture.view.now.saturating_sub(stats.created),
        bands: stats.bands.iter().map(pair).collect(),
    }
}

/// What a monitor begins with: the flows that are there, if they are wanted (`NXFMF_INITIAL`).
fn initial(picture: &Picture, monitors: &[FlowMonitor]) -> Vec<FlowUpdate> {
    const INITIAL: u16 = 1;
    const ACTIONS: u16 = 16;
    let wanted: Vec<&FlowMonitor> = monitors.iter().filter(|monitor| monitor.flags & INITIAL != 0).collect();
    if wanted.is_empty() {
        return Vec::new();
    }
    let mut updates = Vec::new();
    for (table, entry) in picture.view.switch.sorted(Filter::default()) {
        let rule = &entry.installed.rule;
        let fits = |monitor: &&&FlowMonitor| {
            monitor.filter.table.is_none_or(|of| of == table) && monitor.filter.takes(rule)
        };
        let flags = wanted.iter().filter(fits).map(|monitor| monitor.flags).reduce(|a, b| a | b);
        if let Some(flags) = flags {
            let flow = crate::openflow::channel::news(table, &entry, flags & ACTIONS != 0, picture.view.now);
            updates.push(FlowUpdate::Full { event: UpdateEvent::Initial, reason: 0, flow: Box::new(flow) });
        }
    }
    updates
}
