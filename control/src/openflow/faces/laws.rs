//! Laws of messages: whatever bytes come, nothing panics; what is written is read back the same, in every version.

use super::{decode, encode, parts};
use crate::ofproto::{Aggregate, Command, Filter, FlowFlags, FlowMod, GroupMod, MeterMod, VacancyEvent};
use crate::openflow::laws::a_flow;
use crate::openflow::*;
use bytes::Bytes;
use datapath::action::punt::{NO_COOKIE, Reason};
use datapath::flow::{Field, FlowKey, OfPort};
use datapath::pipeline::{
    Band, BandKind, Bucket, Group, GroupId, GroupKind, HashedField, Header, Match, MeterId, MeterSpec,
    MeterUnit, QueueId, RuleAction, Selection, TableId,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{Index, select};

type Case = (Version, Envelope);

fn a_port() -> impl Strategy<Value = OfPort> {
    prop_oneof![1..0xff00u32, Just(0xfffe)].prop_map(OfPort)
}

fn a_name(len: usize) -> impl Strategy<Value = String> {
    vec(proptest::char::range('a', 'z'), 0..len).prop_map(|name| name.into_iter().collect())
}

fn some_bytes() -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..80).prop_map(Bytes::from)
}

/// Milliseconds that a wire has room for.
fn a_time() -> impl Strategy<Value = u64> {
    any::<u32>().prop_map(u64::from)
}

fn a_desc(version: Version) -> impl Strategy<Value = PortDesc> {
    let v10 = version == Version::V10;
    let features = move |bits: u32| if v10 { bits & 0xf87f } else { bits };
    (a_port(), any::<[u8; 6]>(), a_name(15), any::<[u32; 8]>()).prop_map(move |(number, mac, name, n)| {
        let mut desc = PortDesc {
            number,
            mac,
            name,
            config: n[0] & if v10 { 0x7f } else { 0x65 },
            state: n[1] & if v10 { 0x301 } else { 7 },
            current: features(n[2]),
            advertised: features(n[3]),
            supported: features(n[4]),
            peer: features(n[5]),
            current_speed: n[6],
            max_speed: n[7],
        };
        if v10 {
            // What 1.0 does not say follows from what it says.
            (desc.current, desc.supported) = (1 << 6, 0);
            (desc.current_speed, desc.max_speed) = (10_000_000, 0);
        }
        desc
    })
}

fn a_bucket_action() -> impl Strategy<Value = RuleAction> {
    prop_oneof![
        a_port().prop_map(RuleAction::Output),
        (0..0xffff_ff00u32).prop_map(|group| RuleAction::Group(GroupId(group))),
        any::<u32>().prop_map(|queue| RuleAction::SetQueue(QueueId(queue))),
    ]
}

fn a_selection() -> impl Strategy<Value = Selection> {
    let whole = |field: Field, of| HashedField { field, mask: field.max(), of };
    let fields = [
        whole(Field::EthDst, Header::Any),
        whole(Field::VlanPcp, Header::Tag),
        whole(Field::NwDst, Header::Arp),
        whole(Field::NwDst, Header::Ip4),
        whole(Field::TpDst, Header::Tcp),
        // The code, which is shorter than a port.
        HashedField { field: Field::TpDst, mask: 0xff, of: Header::Icmp6 },
        whole(Field::Metadata, Header::Any),
    ];
    let fields = proptest::sample::subsequence(fields.to_vec(), 0..=fields.len());
    prop_oneof![
        Just(Selection::Unsaid),
        any::<u64>().prop_map(Selection::Datapath),
        (any::<u64>(), fields).prop_map(|(param, fields)| Selection::Hash(param, fields.into())),
    ]
}

fn a_group(version: Version) -> impl Strategy<Value = Group> {
    let kind = select(&[GroupKind::All, GroupKind::Select, GroupKind::Indirect, GroupKind::FastFailover][..]);
    let bucket =
        (any::<u16>(), option::of(a_port()), option::of(0..0xffff_ff00u32), vec(a_bucket_action(), 0..3));
    (kind, vec(bucket, 1..4), a_selection()).prop_map(move |(kind, buckets, selection)| {
        let mut group = Group::new(kind, Vec::new());
        if kind == GroupKind::Select && matches!(version, Version::V10 | Version::V15) {
            group.selection = selection;
        }
        for (id, (weight, watch_port, watch_group, actions)) in (0..).zip(buckets) {
            if kind == GroupKind::Indirect && id > 0 {
                break;
            }
            let watches = matches!(kind, GroupKind::Select | GroupKind::FastFailover);
            let port =
                if kind == GroupKind::FastFailover { watch_port.or(Some(OfPort(1))) } else { watch_port };
            group.buckets.push(Bucket {
                id,
                weight: if kind == GroupKind::Select { weight } else { 0 },
                watch_port: port.filter(|_| watches),
                watch_group: watch_group.map(GroupId).filter(|_| watches),
                actions,
            });
        }
        group
    })
}

fn a_meter() -> impl Strategy<Value = MeterSpec> {
    let band = (any::<bool>(), any::<u8>(), any::<u32>(), any::<u32>()).prop_map(
        |(drop, prec_level, rate, burst_size)| {
            let kind = if drop { BandKind::Drop } else { BandKind::DscpRemark { prec_level } };
            Band { kind, rate, burst_size }
        },
    );
    (any::<[bool; 3]>(), vec(band, 0..4)).prop_map(|([packets, burst, stats], bands)| MeterSpec {
        unit: if packets { MeterUnit::Pktps } else { MeterUnit::Kbps },
        burst,
        stats,
        bands,
    })
}

/// Messages about ports, groups, meters, tables, queues and the connection itself.
fn a_plain_message(version: Version) -> BoxedStrategy<(bool, Message)> {
    let v10 = version == Version::V10;
    let v14 = version >= Version::V14;
    let own = |message: Message| (false, message);
    let role = (0..4u8, any::<u64>(), any::<bool>()).prop_map(move |(role, generation, asks)| {
        let role =
            [RoleKind::NoChange, RoleKind::Equal, RoleKind::Master, RoleKind::Slave][usize::from(role)];
        let elected = matches!(role, RoleKind::Master | RoleKind::Slave) && !v10;
        let generation = Some(generation / 2).filter(|_| elected);
        let role = if v10 && role == RoleKind::NoChange { RoleKind::Equal } else { role };
        let role = Role { role, generation, reason: 0 };
        (false, if asks { Message::RoleRequest(role) } else { Message::RoleReply(role) })
    });
    let asynchronous = any::<[[u32; 2]; 6]>().prop_map(move |mut masks| {
        let allowed: [u32; 6] = if v14 { [0x3f, 7, 0x3f, 7, 0x18, 3] } else { [7, 7, 0x3f, 0, 0, 0] };
        for (pair, allowed) in masks.iter_mut().zip(allowed) {
            pair.iter_mut().for_each(|mask| *mask &= allowed);
        }
        if !v14 {
            masks[0].iter_mut().for_each(|mask| *mask |= if *mask & 2 != 0 { 0x38 } else { 0 });
        }
        let some = |at: usize| masks[at].map(Some);
        (
            false,
            Message::SetAsync(AsyncChange {
                packet_in: some(0),
                port_status: some(1),
                flow_removed: some(2),
                role_status: some(3),
                table_status: some(4),
                request_forward: some(5),
            }),
        )
    });
    let features = (any::<u64>(), any::<[u32; 3]>(), any::<[u8; 2]>(), vec(a_desc(version), 0..3)).prop_map(
        move |(datapath_id, [n_buffers, capabilities, actions], [n_tables, auxiliary_id], ports)| {
            let known = match version {
                Version::V10 => 0xe7,
                Version::V13 => 0x16f,
                _ => 0x76f,
            };
            (
                false,
                Message::FeaturesReply(Features {
                    datapath_id,
                    n_buffers,
                    n_tables,
                    auxiliary_id: if v10 { 0 } else { auxiliary_id },
                    capabilities: capabilities & known,
                    actions: if v10 { actions } else { 0 },
                    ports: if v10 { ports } else { Vec::new() },
                }),
            )
        },
    );
    let config = (0..4u16, any::<u16>(), any::<bool>()).prop_map(move |(fragments, miss_send_len, ttl)| {
        (
            false,
            Message::SetConfig(SwitchConfig { fragments, miss_send_len, invalid_ttl: v10.then_some(ttl) }),
        )
    });
    let port_mod = (a_port(), any::<[u8; 6]>(), any::<[u32; 3]>()).prop_map(
        move |(port, mac, [config, mask, advertise])| {
            let mask = mask & if v10 { 0x7f } else { 0x65 };
            let advertise = if v10 { advertise & 0xf87f } else { advertise };
            (false, Message::PortMod(PortMod { port, mac, config: config & mask, mask, advertise }))
        },
    );
    let change = select(&[PortChange::Add, PortChange::Delete, PortChange::Modify][..]);
    let group_mod = (0..4u8, 0..0xffff_ff00u32, a_group(version)).prop_map(move |(kind, id, group)| {
        let id = GroupId(id);
        (
            false,
            Message::GroupMod(match kind {
                0 => GroupMod::Add(id, group),
                1 => GroupMod::Modify(id, group),
                2 => GroupMod::AddOrModify(id, group),
                _ => GroupMod::Delete(id.0.is_multiple_of(2).then_some(id)),
            }),
        )
    });
    let maps = vec((any::<u16>(), any::<u8>(), any::<u8>(), any::<u16>()), 0..4).prop_map(|maps| {
        let map = |(class, kind, len, index)| TlvMap { class, kind, len, index };
        maps.into_iter().map(map).collect::<Vec<_>>()
    });
    let tlv = (0..4u8, maps, any::<u32>(), any::<u16>()).prop_map(|(kind, maps, max_space, max_fields)| {
        (
            false,
            match kind {
                0 => Message::TlvTableMod(TlvTableMod::Add(maps)),
                1 => Message::TlvTableMod(TlvTableMod::Delete(maps)),
                2 => Message::TlvTableMod(TlvTableMod::Clear),
                _ => Message::TlvTableReply(TlvTable { max_space, max_fields, maps }),
            },
        )
    });
    let simple = select(vec![
        Message::FeaturesRequest,
        Message::GetConfigRequest,
        Message::BarrierRequest,
        Message::BarrierReply,
        Message::FlowAge,
        Message::TlvTableRequest,
        Message::FlowMonitorPaused,
        Message::FlowMonitorResumed,
        Message::FlowModTableId(true),
        Message::SetPacketInFormat(PacketInFormat::Nxt2),
        Message::MultipartRequest(Question::Desc, false),
        Message::MultipartRequest(Question::Table, false),
        Message::MultipartRequest(Question::GroupFeatures, false),
    ]);
    let mut all: Vec<BoxedStrategy<(bool, Message)>> = vec![
        role.boxed(),
        asynchronous.boxed(),
        features.boxed(),
        config.boxed(),
        port_mod.boxed(),
        (change, a_desc(version))
            .prop_map(move |(change, port)| own(Message::PortStatus(change, port)))
            .boxed(),
        group_mod.boxed(),
        tlv.boxed(),
        simple.prop_map(own).boxed(),
        some_bytes().prop_map(move |bytes| own(Message::EchoRequest(bytes))).boxed(),
        any::<u16>().prop_map(move |id| own(Message::SetControllerId(id))).boxed(),
        any::<u32>().prop_map(move |id| own(Message::FlowMonitorCancel(id))).boxed(),
        a_question(version),
        a_reply(version),
    ];
    if !v10 {
        let meter_mod = (0..3u8, any::<u32>(), a_meter()).prop_map(|(kind, id, spec)| {
            (
                false,
                Message::MeterMod(match kind {
                    0 => MeterMod::Add(MeterId(id), spec),
                    1 => MeterMod::Modify(MeterId(id), spec),
                    _ => MeterMod::Delete((id != u32::MAX).then_some(MeterId(id))),
                }),
            )
        });
        let control = (any::<u32>(), any::<u16>(), any::<u16>()).prop_map(|(bundle, kind, flags)| {
            (false, Message::BundleControl(BundleControl { bundle, kind, flags }))
        });
        let table_mod = (0..254u8, any::<bool>(), 0..4u32).prop_map(move |(table, eviction, miss)| {
            (
                false,
                Message::TableMod(TableMod {
                    table: Some(TableId(table)),
                    miss,
                    eviction: v14.then_some(eviction),
                    vacancy: v14.then_some((false, 0, 0)),
                }),
            )
        });
        all.extend([meter_mod.boxed(), control.boxed(), table_mod.boxed()]);
        if v14 {
            let event = select(&[VacancyEvent::Down, VacancyEvent::Up][..]);
            let status =
                (event, a_table_desc()).prop_map(|(event, desc)| (false, Message::TableStatus(event, desc)));
            all.push(status.boxed());
        }
    }
    if version <= Version::V13 {
        let queue = (any::<u32>(), option::of(0..=1000u16), option::of(0..=1000u16));
        let queues = (a_port(), vec(queue, 0..4)).prop_map(|(port, queues)| {
            let desc =
                |(queue, min_rate, max_rate)| QueueDesc { port, queue: QueueId(queue), min_rate, max_rate };
            (false, Message::QueueConfigReply(Some(port), queues.into_iter().map(desc).collect()))
        });
        all.push(queues.boxed());
    }
    proptest::strategy::Union::new(all).boxed()
}

fn a_question(version: Version) -> BoxedStrategy<(bool, Message)> {
    let later = version != Version::V10;
    let port = option::of(a_port());
    let of = (port, option::of(0..0xffff_ff00u32), option::of(0..u32::MAX), 0..9u8);
    of.prop_map(move |(port, group, queue, kind)| {
        let (group, queue, meter) = (group.map(GroupId), queue.map(QueueId), queue.map(MeterId));
        let told = matches!(version, Version::V10 | Version::V15);
        let question = match kind {
            0 => Question::PortStats(port),
            1 => Question::QueueStats(port, queue),
            2 => Question::GroupStats(group),
            3 => Question::GroupDesc(group.filter(|_| told)),
            4 if later => Question::MeterStats(meter),
            5 if later => Question::MeterConfig(meter),
            6 if later => Question::MeterFeatures,
            7 if version >= Version::V14 => Question::QueueDesc(port, queue),
            8 if version >= Version::V14 => Question::TableDesc,
            _ => Question::PortDesc(port.filter(|_| version == Version::V15)),
        };
        (false, Message::MultipartRequest(question, kind % 2 == 0))
    })
    .boxed()
}

fn a_reply(version: Version) -> BoxedStrategy<(bool, Message)> {
    let (v10, v14) = (version == Version::V10, version >= Version::V14);
    let desc = (a_name(20), a_name(20), a_name(20), a_name(20), a_name(20)).prop_map(
        |(manufacturer, hardware, software, serial, datapath)| {
            Reply::Desc(SwitchDesc { manufacturer, hardware, software, serial, datapath })
        },
    );
    let table = (0..254u8, a_name(31), any::<[u32; 2]>(), any::<[u64; 2]>()).prop_map(
        move |(table, name, [max_entries, active], [lookups, matched])| TableStats {
            table: TableId(table),
            name: if v10 { name } else { String::new() },
            max_entries: if v10 { max_entries } else { 0 },
            active,
            lookups,
            matched,
        },
    );
    let port = (a_port(), any::<[u64; 12]>(), a_time()).prop_map(move |(port, n, duration_ms)| PortStats {
        port,
        rx_packets: n[0],
        tx_packets: n[1],
        rx_bytes: n[2],
        tx_bytes: n[3],
        rx_dropped: n[4],
        tx_dropped: n[5],
        rx_errors: n[6],
        tx_errors: n[7],
        rx_frame_err: n[8],
        rx_over_err: n[9],
        rx_crc_err: n[10],
        collisions: n[11],
        duration_ms: if v10 { 0 } else { duration_ms },
    });
    let queue = (a_port(), any::<u32>(), any::<[u64; 3]>(), a_time()).prop_map(
        move |(port, queue, [tx_bytes, tx_packets, tx_errors], duration_ms)| QueueStats {
            port,
            queue: QueueId(queue),
            tx_bytes,
            tx_packets,
            tx_errors,
            duration_ms: if v10 { 0 } else { duration_ms },
        },
    );
    let counted = vec(any::<(u64, u64)>(), 0..4);
    let group = (any::<[u32; 2]>(), any::<(u64, u64)>(), counted.clone(), a_time()).prop_map(
        |([group, users], counted, buckets, duration_ms)| {
            let group = GroupId(group);
            GroupStats { group, users, counted, buckets, duration_ms }
        },
    );
    let groups = vec((any::<u32>(), a_group(version)), 0..3)
        .prop_map(|all| Reply::GroupDesc(all.into_iter().map(|(id, group)| (GroupId(id), group)).collect()));
    let group_features = any::<[u32; 10]>().prop_map(|n| {
        Reply::GroupFeatures(GroupFeatures {
            types: n[0],
            capabilities: n[1],
            max_groups: [n[2], n[3], n[4], n[5]],
            actions: [n[6], n[7], n[8], n[9]],
        })
    });
    let sums = (any::<u64>(), any::<u64>(), any::<u32>()).prop_map(|(packets, bytes, flows)| {
        Reply::Aggregate(Aggregate { packets, bytes, flows: flows.into() })
    });
    let mut all: Vec<BoxedStrategy<Reply>> = vec![
        desc.boxed(),
        vec(table, 0..4).prop_map(Reply::Table).boxed(),
        vec(port, 0..4).prop_map(Reply::PortStats).boxed(),
        vec(queue, 0..4).prop_map(Reply::QueueStats).boxed(),
        vec(group, 0..4).prop_map(Reply::GroupStats).boxed(),
        groups.boxed(),
        group_features.boxed(),
        sums.boxed(),
        vec(a_desc(version), 0..4).prop_map(Reply::PortDesc).boxed(),
    ];
    if !v10 {
        let meter = (any::<[u32; 2]>(), any::<(u64, u64)>(), counted, a_time()).prop_map(
            |([meter, users], seen, bands, duration_ms)| {
                let meter = MeterId(meter);
                MeterStats { meter, users, seen, duration_ms, bands }
            },
        );
        let configs = vec((any::<u32>(), a_meter()), 0..4).prop_map(|all| {
            Reply::MeterConfig(all.into_iter().map(|(id, spec)| (MeterId(id), spec)).collect())
        });
        let features = (any::<[u32; 3]>(), any::<[u8; 2]>()).prop_map(
            |([max_meters, band_types, capabilities], [max_bands, max_color])| {
                Reply::MeterFeatures(MeterFeatures {
                    max_meters,
                    band_types,
                    capabilities,
                    max_bands,
                    max_color,
                })
            },
        );
        all.extend([vec(meter, 0..4).prop_map(Reply::MeterStats).boxed(), configs.boxed(), features.boxed()]);
        all.push(vec(a_table(), 0..3).prop_map(Reply::TableFeatures).boxed());
    }
    if v14 {
        let descs = vec(a_table_desc(), 0..4).prop_map(Reply::TableDesc);
        let queue = (a_port(), any::<u32>(), option::of(0..=1000u16), option::of(0..=1000u16)).prop_map(
            |(port, queue, min_rate, max_rate)| QueueDesc { port, queue: QueueId(queue), min_rate, max_rate },
        );
        all.extend([descs.boxed(), vec(queue, 0..4).prop_map(Reply::QueueDesc).boxed()]);
    }
    let all = proptest::strategy::Union::new(all);
    (all, any::<bool>()).prop_map(|(reply, more)| (false, Message::MultipartReply(reply, more))).boxed()
}

fn a_table_desc() -> impl Strategy<Value = TableDesc> {
    let vacancy = option::of(any::<(u8, u8, u8)>());
    (0..254u8, any::<bool>(), vacancy).prop_map(|(table, eviction, vacancy)| TableDesc {
        table: TableId(table),
        eviction,
        vacancy,
    })
}

fn a_table() -> impl Strategy<Value = TableFeatures> {
    let kinds = || vec(0..200u16, 0..5);
    let fields = || vec(any::<u32>(), 0..5);
    let properties = (
        any::<bool>(),
        kinds(),
        vec(0..254u8, 0..5),
        kinds(),
        kinds(),
        [fields(), fields(), fields(), fields()],
    );
    (0..254u8, a_name(31), any::<[u64; 2]>(), any::<[u32; 2]>(), properties).prop_map(
        |(table, name, [metadata_match, metadata_write], [config, max_entries], properties)| {
            let (miss, instructions, next, write, apply, [matched, wild, set, applied]) = properties;
            let next = next.into_iter().map(TableId).collect();
            let properties = vec![
                TableProperty::Instructions(miss, instructions),
                TableProperty::NextTables(miss, next),
                TableProperty::WriteActions(miss, write),
                TableProperty::ApplyActions(miss, apply),
                TableProperty::Match(matched),
                TableProperty::Wildcards(wild),
                TableProperty::WriteSetField(miss, set),
                TableProperty::ApplySetField(miss, applied),
            ];
            let table = TableId(table);
            TableFeatures { table, name, metadata_match, metadata_write, config, max_entries, properties }
        },
    )
}

/// Messages about flow entries, in Nicira's words in 1.0.
fn a_flow_message() -> impl Strategy<Value = Case> {
    let command = select(
        &[Command::Add, Command::Modify, Command::ModifyStrict, Command::Delete, Command::DeleteStrict][..],
    );
    let numbers = (any::<[u64; 4]>(), any::<[u16; 4]>(), any::<[bool; 5]>(), 0..254u8, option::of(a_port()));
    let told = (a_time(), any::<u32>(), 0..6u8, 0..6u8);
    (a_flow(), command, numbers, told, any::<u32>()).prop_map(
        |((version, matching, instructions), command, (wide, short, flags, table, out_port), told, xid)| {
            let (duration_ms, id, reason, kind) = told;
            let (v10, v14) = (version == Version::V10, version >= Version::V14);
            let deletes = matches!(command, Command::Delete | Command::DeleteStrict);
            let table = TableId(table);
            let flags = FlowFlags {
                send_flow_rem: flags[0],
                check_overlap: flags[1],
                reset_counts: if v10 { command == Command::Add } else { flags[2] },
                no_packet_counts: flags[3] && !v10,
                no_byte_counts: flags[4] && !v10,
            };
            let filter = Filter {
                table: Some(table).filter(|_| short[0] % 2 == 0),
                matching: matching.clone(),
                cookie: wide[0] & wide[1],
                cookie_mask: wide[1],
                out_port,
                out_group: None,
            };
            let flow = FlowStats {
                table,
                duration_ms,
                idle_ms: if v10 { u64::from(id % 60_000) * 1000 } else { 0 },
                untaught_ms: (v10 && id % 3 == 0).then(|| u64::from(id / 7 % 60_000) * 1000),
                priority: short[0],
                idle_timeout: short[1],
                hard_timeout: short[2],
                importance: if v14 { short[3] } else { 0 },
                flags: if v10 { FlowFlags::default() } else { flags },
                cookie: wide[0],
                packets: wide[2] / 2,
                bytes: wide[3] / 2,
                matching: matching.clone(),
                instructions: instructions.clone().into(),
            };
            let message = match kind {
                0 => Message::MultipartRequest(Question::Flow(filter), false),
                1 => Message::MultipartReply(Reply::Flow(vec![flow.clone(), flow]), true),
                2 => Message::FlowRemoved(FlowRemoved {
                    cookie: wide[0],
                    priority: short[0],
                    reason: if v14 || reason != 4 { reason } else { 2 },
                    table,
                    duration_ms,
                    idle_timeout: short[1],
                    hard_timeout: if v10 { 0 } else { short[2] },
                    packets: wide[2] / 2,
                    bytes: wide[3] / 2,
                    matching,
                }),
                3 => {
                    let event = [UpdateEvent::Added, UpdateEvent::Deleted, UpdateEvent::Modified]
                        [usize::from(reason % 3)];
                    let flow = FlowStats {
                        duration_ms: 0,
                        idle_ms: 0,
                        untaught_ms: None,
                        importance: 0,
                        flags: FlowFlags::default(),
                        packets: 0,
                        bytes: 0,
                        ..flow
                    };
                    let full = FlowUpdate::Full { event, reason: reason.into(), flow: Box::new(flow) };
                    Message::MultipartReply(
                        Reply::FlowMonitor(vec![FlowUpdate::Abbreviated(id), full]),
                        false,
                    )
                }
                4 => {
                    let filter = Filter { cookie: 0, cookie_mask: 0, ..filter };
                    let flags = short[3] & 0x3f | 2;
                    let monitor = FlowMonitor { id, flags, filter };
                    Message::MultipartRequest(Question::FlowMonitor(vec![monitor.clone(), monitor]), false)
                }
                _ => Message::FlowMod(
                    FlowMod {
                        command,
                        table: Some(table).filter(|_| !deletes || short[0] % 2 == 0),
                        matching,
                        priority: short[0],
                        cookie: if command == Command::Add || !v10 { wide[0] } else { wide[0] & wide[1] },
                        cookie_mask: if command == Command::Add { 0 } else { wide[1] },
                        new_cookie: Some(wide[2] / 2).filter(|_| v10 && !deletes && command != Command::Add),
                        out_port,
                        out_group: Some(GroupId(id / 2)).filter(|_| deletes && !v10),
                        idle_timeout: short[1],
                        hard_timeout: short[2],
                        importance: if v14 && command == Command::Add { short[3] } else { 0 },
                        flags,
                        instructions: instructions.into(),
                    },
                    Some(id / 2).filter(|id| !deletes && id % 2 == 0),
                ),
            };
            let words = matches!(kind, 0..=2 | 5);
            (version, Envelope { xid, nicira: v10 && words, message })
        },
    )
}

fn a_frame() -> impl Strategy<Value = Case> {
    let known = (a_port(), any::<u64>(), any::<u32>());
    let format = select(&[PacketInFormat::Standard, PacketInFormat::Nxt, PacketInFormat::Nxt2][..]);
    let numbers = (select(&Version::ALL[..]), any::<u64>(), 0..254u8, select(&Reason::ALL[..]), 0..1000u16);
    let actions = vec(a_bucket_action(), 0..3);
    (numbers, format, known, some_bytes(), some_bytes(), actions, any::<bool>()).prop_map(
        |(
            (version, cookie, table, reason, more),
            format,
            (port, metadata, reg),
            userdata,
            data,
            actions,
            out,
        )| {
            let mut says = FlowKey::default();
            says.set(Field::InPort, port.0.into());
            if out {
                let says = Match::any().exact(Field::InPort, port.0.into());
                let packet = PacketOut { buffer_id: None, says, actions, data };
                return (version, Envelope::new(1, Message::PacketOut(packet)));
            }
            let data = if data.is_empty() { Bytes::from_static(b"x") } else { data };
            let v10 = version == Version::V10 && format == PacketInFormat::Standard;
            if !v10 {
                says.set(Field::Metadata, metadata.into());
                says.set(Field::Reg3, reg.into());
            }
            let reason = match reason {
                Reason::ActionSet | Reason::Group | Reason::PacketOut if version < Version::V14 => {
                    Reason::Action
                }
                reason => reason,
            };
            let packet = PacketIn {
                format,
                total_len: data.len() as u16 + more,
                reason,
                table: TableId(if v10 { 0 } else { table }),
                cookie: if v10 { NO_COOKIE } else { cookie },
                says,
                userdata: if format == PacketInFormat::Nxt2 { userdata } else { Bytes::new() },
                data,
            };
            (version, Envelope::new(0, Message::PacketIn(Box::new(packet))))
        },
    )
}

fn a_case() -> impl Strategy<Value = Case> {
    let plain = select(&Version::ALL[..]).prop_flat_map(|version| {
        (a_plain_message(version), any::<u32>())
            .prop_map(move |((nicira, message), xid)| (version, Envelope { xid, nicira, message }))
    });
    prop_oneof![2 => plain, 1 => a_flow_message(), 1 => a_frame()]
}

proptest! {
    #[test]
    fn a_message_comes_back((version, envelope) in a_case()) {
        let bytes = encode(version, &envelope).expect("the version has words for it");
        prop_assert_eq!(usize::from(u16::from_be_bytes([bytes[2], bytes[3]])), bytes.len());
        prop_assert_eq!(decode(version, &bytes), Ok(envelope.clone()));
        prop_assert_eq!(parts(version, &envelope), [bytes]);
    }

    #[test]
    fn no_change_to_a_message_makes_it_panic(
        (version, envelope) in a_case(),
        changes in vec((any::<Index>(), any::<u8>()), 0..6),
        cut in any::<Index>(),
    ) {
        let mut bytes = encode(version, &envelope).expect("the version has words for it").to_vec();
        let len = cut.index(bytes.len() + 1).max(HEADER);
        if changes.len() % 2 == 0 {
            bytes.truncate(len);
        }
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        let len = bytes.len() as u16;
        bytes[2..4].copy_from_slice(&len.to_be_bytes());
        every_version(bytes.into());
    }

    #[test]
    fn no_bytes_make_it_panic(
        head in (select(&Version::ALL[..]), 0..36u8, any::<u32>()),
        who in select(&[NICIRA, ONF, 0x0010_0000, 7][..]),
        number in prop_oneof![0..33u32, 1870..1873u32, select(&[132u32, 1911, 2300, 2301, 2350][..])],
        body in vec(any::<u8>(), 0..200),
    ) {
        let mut writer = wire::Writer::new();
        writer.u8(head.0 as u8).u8(head.1).u16(0).u32(head.2);
        if body.len() % 2 == 0 {
            writer.u32(who).u32(number);
        }
        writer.bytes(&body);
        writer.put_len(2, 0);
        every_version(writer.into_bytes().into());
    }

    /// As long as it gets: an answer in several messages says the same as one.
    #[test]
    fn an_answer_in_parts_says_it_all(count in 0..3000usize, version in select(&Version::ALL[..])) {
        let stats = |at: usize| TableStats { table: TableId(at as u8), active: at as u32, ..TableStats::default() };
        let all: Vec<TableStats> = (0..count).map(stats).collect();
        let envelope = Envelope::new(5, Message::MultipartReply(Reply::Table(all.clone()), false));
        let parts = parts(version, &envelope);
        let mut found = Vec::new();
        for (at, part) in parts.iter().enumerate() {
            prop_assert!(part.len() <= 0xffff);
            let read = decode(version, part).expect("it is a message");
            let Message::MultipartReply(Reply::Table(some), more) = read.message else { panic!("another reply") };
            prop_assert_eq!((read.xid, more), (5, at + 1 < parts.len()));
            found.extend(some);
        }
        prop_assert_eq!(found, all);
    }
}

/// Reads bytes in every version. What is read is written again, which must not panic either.
fn every_version(bytes: Bytes) {
    for version in Version::ALL {
        if let Ok(envelope) = decode(version, &bytes) {
            for other in Version::ALL {
                let _ = encode(other, &envelope);
                let _ = parts(other, &envelope);
            }
        }
    }
}

#[test]
fn a_message_of_another_message_comes_back() {
    for version in [Version::V13, Version::V14, Version::V15] {
        let change = FlowMod { table: Some(TableId(1)), ..FlowMod::default() };
        let inner = Envelope::new(9, Message::FlowMod(change, None));
        let raw = encode(version, &inner).expect("a flow-mod");
        let add = BundleAdd { bundle: 3, flags: 1, inner: Box::new(inner), raw };
        let outer = Envelope::new(9, Message::BundleAdd(add));
        assert_eq!(decode(version, &encode(version, &outer).expect("a bundle")), Ok(outer));
        let forwarded = Envelope::new(7, Message::MeterMod(MeterMod::Delete(None)));
        let outer = Envelope::new(0, Message::RequestForward(forwarded.into()));
        assert_eq!(decode(version, &encode(version, &outer).expect("a request")), Ok(outer));
    }
}
