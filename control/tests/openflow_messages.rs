//! The second opinion on messages: what `ovs-ofctl ofp-print` reads in those that we write, in every version; and under which names it knows
//! the numbers of our errors.

use bytes::Bytes;
use control::ofproto::{
    Aggregate, Command, Filter, FlowFlags, FlowMod, GroupMod, MeterMod, VacancyEvent, reserved,
};
use control::openflow::*;
use control::text::{NoNames, parse_groups, parse_meters, parse_table_flow};
use datapath::action::punt::Reason;
use datapath::flow::{Field, FlowKey, OfPort};
use datapath::pipeline::{Group, GroupId, Match, MeterId, MeterSpec, QueueId, RuleAction, TableId};

use Version::{V10, V13, V14, V15};

/// Whether the program is there; a test without it says so, or fails where no test may be skipped.
fn installed() -> bool {
    let there = std::process::Command::new("ovs-ofctl").arg("--version").output().is_ok();
    let message = "skipped: needs ovs-ofctl (the second opinion on messages)";
    assert!(there || std::env::var_os("ADIT_TESTS_NO_SKIP").is_none(), "{message}");
    if !there {
        eprintln!("{message}");
    }
    there
}

fn ovs_ofctl(arguments: &[&str]) -> String {
    let output = std::process::Command::new("ovs-ofctl").args(arguments).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// What it says, without the version and the number, and with single spaces.
fn said(version: Version, message: Message, nicira: bool) -> String {
    let envelope = Envelope { nicira, ..Envelope::new(0x77, message) };
    let bytes =
        encode(version, &envelope).unwrap_or_else(|| panic!("{version:?} has no words for {envelope:?}"));
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let text = ovs_ofctl(&["ofp-print", &digits]);
    let (head, rest) = text.split_once(" (xid=0x77)").unwrap_or((&text, ""));
    let head = head.split(" (OF").next().unwrap_or_default();
    format!("{head}{rest}").split_whitespace().collect::<Vec<_>>().join(" ")
}

#[track_caller]
fn is(version: Version, message: Message, expected: &str) {
    assert_eq!(said(version, message, false), expected, "{version:?}");
}

#[track_caller]
fn is_in(versions: &[Version], message: &Message, expected: &str) {
    versions.iter().for_each(|version| is(*version, message.clone(), expected));
}

const ALL: &[Version] = &[V10, V13, V14, V15];
const LATER: &[Version] = &[V13, V14, V15];

fn flow_mod(text: &str) -> FlowMod {
    let (table, rule) = parse_table_flow("test", text, &NoNames).unwrap();
    FlowMod::add(table, rule)
}

fn a_group(text: &str) -> (GroupId, Group) {
    parse_groups("test", text, &NoNames).unwrap().into_iter().next().unwrap()
}

fn a_meter(text: &str) -> (MeterId, MeterSpec) {
    parse_meters("test", text).unwrap().into_iter().next().unwrap()
}

#[test]
fn the_connection_itself() {
    if !installed() {
        return;
    }
    is(V13, Message::hello(&Version::ALL), "OFPT_HELLO: version bitmap: 0x01, 0x04, 0x05, 0x06");
    is_in(
        ALL,
        &Message::EchoRequest(Bytes::from_static(b"abc")),
        "OFPT_ECHO_REQUEST: 3 bytes of payload 00000000 61 62 63 |abc |",
    );
    is(V10, Message::BarrierReply, "OFPT_BARRIER_REPLY:");
    is_in(LATER, &Message::BarrierRequest, "OFPT_BARRIER_REQUEST:");
    let config = SwitchConfig { fragments: 3, miss_send_len: 128, invalid_ttl: Some(true) };
    let expected = "OFPT_SET_CONFIG: frags=nx-match invalid_ttl_to_controller miss_send_len=128";
    is(V10, Message::SetConfig(config), expected);
    is_in(LATER, &Message::GetConfigReply(config), "OFPT_GET_CONFIG_REPLY: frags=nx-match miss_send_len=128");
    let features = Features { datapath_id: 0xabc, n_tables: 254, capabilities: 0x7ff, ..Features::default() };
    let of = |rest| {
        format!("OFPT_FEATURES_REPLY: dpid:0000000000000abc n_tables:254, n_buffers:0 capabilities: {rest}")
    };
    let common = "FLOW_STATS TABLE_STATS PORT_STATS";
    let v10 = Features { actions: 1 | 1 << 11, ..features.clone() };
    let expected = of(format!("{common} QUEUE_STATS ARP_MATCH_IP actions: output enqueue"));
    is(V10, Message::FeaturesReply(Features { capabilities: 0x7ff & !(1 << 5), ..v10 }), &expected);
    let later = Features { capabilities: 0x7ff & !(1 << 5), ..features };
    is(
        V13,
        Message::FeaturesReply(later.clone()),
        &of(format!("{common} GROUP_STATS QUEUE_STATS PORT_BLOCKED")),
    );
    let expected = of(format!("{common} GROUP_STATS QUEUE_STATS PORT_BLOCKED BUNDLES FLOW_MONITORING"));
    is(V14, Message::FeaturesReply(later), &expected);
}

#[test]
fn roles_and_asynchronous_messages() {
    if !installed() {
        return;
    }
    let master = Role { role: RoleKind::Master, generation: Some(17), reason: 0 };
    is_in(LATER, &Message::RoleRequest(master), "OFPT_ROLE_REQUEST: role=primary generation_id=17");
    is(V10, Message::RoleReply(master), "NXT_ROLE_REPLY: role=primary");
    assert_eq!(said(V13, Message::RoleReply(master), true), "NXT_ROLE_REPLY: role=primary");
    let none = Role { generation: None, ..master };
    is_in(LATER, &Message::RoleReply(none), "OFPT_ROLE_REPLY: role=primary");
    let expected = "OFPT_ROLE_STATUS: role=primary generation_id=17 reason=primary_request";
    is(V14, Message::RoleStatus(master), expected);
    is(V13, Message::RoleStatus(master), &expected.replace("OFPT", "ONFT"));
    let masks = Async {
        packet_in: [0x3f, 0],
        port_status: [7, 7],
        flow_removed: [0x3f, 0],
        role_status: [1, 0],
        table_status: [0, 0],
        request_forward: [3, 0],
    };
    let text = said(V14, Message::GetAsyncReply(masks), false);
    assert!(text.contains("PACKET_IN: no_match action invalid_ttl action_set group packet_out"), "{text}");
    assert!(text.contains("REQUESTFORWARD: group_mod_request meter_mod_request"), "{text}");
    let text = said(V13, Message::GetAsyncReply(masks), false);
    assert!(
        text.contains("primary: PACKET_IN: no_match action invalid_ttl PORT_STATUS: add delete modify"),
        "{text}"
    );
}

#[test]
fn flow_mods() {
    if !installed() {
        return;
    }
    let flags = FlowFlags { send_flow_rem: true, check_overlap: true, ..FlowFlags::default() };
    let add = flow_mod("table=3,priority=7,cookie=0x9,tcp,tp_dst=80,actions=2");
    let add = FlowMod { idle_timeout: 5, hard_timeout: 6, flags, ..add };
    let expected = "OFPT_FLOW_MOD: ADD table:3 priority=7,tcp,tp_dst=80 cookie:0x9 idle:5 hard:6 send_flow_rem check_overlap actions=output:2";
    is_in(LATER, &Message::FlowMod(add.clone(), None), expected);
    let first = FlowMod { table: Some(TableId(0)), ..add };
    let nicira = said(V10, Message::FlowMod(first.clone(), None), true);
    assert!(
        nicira.starts_with("NXT_FLOW_MOD: ADD priority=7,tcp,tp_dst=80 cookie:0x9 idle:5 hard:6"),
        "{nicira}"
    );
    let own = said(V10, Message::FlowMod(first, None), false);
    assert!(own.starts_with("OFPT_FLOW_MOD: ADD priority=7,tcp,tp_dst=80 cookie:0x9 idle:5 hard:6"), "{own}");
    let delete = FlowMod {
        command: Command::DeleteStrict,
        table: None,
        cookie: 4,
        cookie_mask: 0xf,
        out_port: Some(OfPort(3)),
        out_group: Some(GroupId(8)),
        ..flow_mod("priority=7,arp,actions=drop")
    };
    let expected =
        "OFPT_FLOW_MOD: DEL_STRICT table:255 priority=7,arp cookie:0x4/0xf out_port:3 actions=drop";
    is_in(LATER, &Message::FlowMod(delete, None), expected);
    let important = FlowMod { importance: 9, ..flow_mod("priority=1,actions=meter:3,goto_table:1") };
    let expected = "OFPT_FLOW_MOD: ADD priority=1 importance:9 actions=meter:3,goto_table:1";
    is_in(&[V14, V15], &Message::FlowMod(important, None), expected);
}

#[test]
fn groups_and_meters() {
    if !installed() {
        return;
    }
    let (id, group) = a_group("group_id=4,type=select,bucket=weight:10,actions=1,bucket=weight:20,actions=2");
    let add = Message::GroupMod(GroupMod::Add(id, group.clone()));
    let expected = "ADD group_id=4,type=select,bucket=bucket_id:0,weight:10,actions=output:1,bucket=bucket_id:1,weight:20,actions=output:2";
    is_in(&[V15], &add, &format!("OFPT_GROUP_MOD: {expected}"));
    is(V10, add.clone(), &format!("NXT_GROUP_MOD: {expected}"));
    let expected = expected.replace("bucket_id:0,", "").replace("bucket_id:1,", "");
    is_in(&[V13, V14], &add, &format!("OFPT_GROUP_MOD: {expected}"));
    let all = Message::GroupMod(GroupMod::Delete(None));
    is_in(&[V13, V14], &all, "OFPT_GROUP_MOD: DEL group_id=4294967292,type=all");
    let remove = BucketMod { group: id, change: BucketChange::Remove(BucketPlace::Id(1)) };
    let expected = "OFPT_GROUP_MOD: REMOVE_BUCKET command_bucket_id:1,group_id=4";
    is(V15, Message::BucketMod(remove), expected);
    let desc = Message::MultipartReply(Reply::GroupDesc(vec![(id, group)]), false);
    let expected = "OFPST_GROUP_DESC reply: group_id=4,type=select,bucket=weight:10,actions=output:1,bucket=weight:20,actions=output:2";
    is_in(&[V13, V14], &desc, expected);

    let (id, spec) = a_meter(
        "meter=5,pktps,burst,stats,bands=type=drop,rate=10,burst_size=20,type=dscp_remark,rate=30,burst_size=40,prec_level=2",
    );
    let bands = "meter=5 pktps burst stats bands= type=drop rate=10 burst_size=20 type=dscp_remark rate=30 burst_size=40 prec_level=2";
    let add = Message::MeterMod(MeterMod::Add(id, spec.clone()));
    is_in(LATER, &add, &format!("OFPT_METER_MOD: ADD {bands}"));
    let config = Message::MultipartReply(Reply::MeterConfig(vec![(id, spec)]), false);
    is_in(LATER, &config, &format!("OFPST_METER_CONFIG reply: {bands}"));
    let stats = MeterStats { meter: id, users: 2, seen: (3, 4), duration_ms: 5006, bands: vec![(7, 8)] };
    let expected = "OFPST_METER reply: meter:5 flow_count:2 packet_in_count:3 byte_in_count:4 duration:5.006s bands: 0: packet_count:7 byte_count:8";
    is_in(LATER, &Message::MultipartReply(Reply::MeterStats(vec![stats]), false), expected);
    let features =
        MeterFeatures { max_meters: 9, band_types: 6, capabilities: 15, max_bands: 16, max_color: 0 };
    let expected = "OFPST_METER_FEATURES reply: max_meter:9 max_bands:16 max_color:0 band_types: drop dscp_remark capabilities: kbps pktps burst stats";
    is_in(LATER, &Message::MultipartReply(Reply::MeterFeatures(features), false), expected);
}

#[test]
fn frames_that_are_told_and_sent() {
    if !installed() {
        return;
    }
    let frame = Bytes::from_static(b"\x02\0\0\0\0\x01\x02\0\0\0\0\x02\x88\xcc");
    let mut says = FlowKey::default();
    says.set(Field::InPort, 3);
    says.set(Field::TunId, 0x1234);
    says.set(Field::Reg1, 7);
    let mut packet = PacketIn {
        format: PacketInFormat::Standard,
        total_len: 60,
        reason: Reason::ActionSet,
        table: TableId(4),
        cookie: 0x55,
        says,
        userdata: Bytes::new(),
        data: frame.clone(),
    };
    let told = |packet: &PacketIn, version| said(version, Message::PacketIn(Box::new(packet.clone())), false);
    let rest = "in_port=3 (via action) data_len=14 (unbuffered)";
    assert!(told(&packet, V10).starts_with(&format!("OFPT_PACKET_IN: total_len=60 {rest}")));
    let known = "table_id=4 cookie=0x55 total_len=60 reg1=0x7,tun_id=0x1234,";
    assert!(
        told(&packet, V13).starts_with(&format!("OFPT_PACKET_IN: {known}{rest}")),
        "{}",
        told(&packet, V13)
    );
    assert!(told(&packet, V14).contains("(via action_set)"));
    packet.format = PacketInFormat::Nxt;
    assert!(told(&packet, V10).starts_with(&format!("NXT_PACKET_IN: {known}{rest}")));
    packet.format = PacketInFormat::Nxt2;
    packet.userdata = Bytes::from_static(&[1, 2]);
    for version in ALL {
        let text = told(&packet, *version);
        assert!(text.starts_with(&format!("NXT_PACKET_IN2: {known}in_port=3 (via action")), "{text}");
        assert!(text.contains("userdata=01.02"), "{text}");
    }

    let says = Match::any().exact(Field::InPort, reserved::CONTROLLER.0.into());
    let actions =
        [RuleAction::SetField { field: Field::NwTtl, value: 9, mask: 0xff }, RuleAction::Output(OfPort(2))];
    let out = PacketOut { buffer_id: None, says, actions: actions[1..].to_vec(), data: frame };
    for version in ALL {
        let text = said(*version, Message::PacketOut(out.clone()), false);
        let expected = "OFPT_PACKET_OUT: in_port=CONTROLLER actions=output:2 data_len=14";
        assert!(text.starts_with(expected), "{version:?}: {text}");
    }
}

#[test]
fn ports_tables_and_queues() {
    if !installed() {
        return;
    }
    let port = PortDesc {
        number: OfPort(2),
        mac: [2, 0, 0, 0, 0, 9],
        name: "tap0".to_string(),
        config: 1,
        state: 1,
        current: 1 << 6,
        advertised: 0,
        supported: 0,
        peer: 0,
        current_speed: 10_000_000,
        max_speed: 0,
    };
    let text = "2(tap0): addr:02:00:00:00:00:09 config: PORT_DOWN state: LINK_DOWN current: 10GB-FD speed: 10000 Mbps now, 0 Mbps max";
    is_in(
        ALL,
        &Message::PortStatus(PortChange::Delete, port.clone()),
        &format!("OFPT_PORT_STATUS: DEL: {text}"),
    );
    is_in(
        ALL,
        &Message::MultipartReply(Reply::PortDesc(vec![port.clone()]), false),
        &format!("OFPST_PORT_DESC reply: {text}"),
    );
    let change = PortMod { port: OfPort(2), mac: port.mac, config: 0, mask: 1, advertise: 1 << 6 };
    let expected =
        "OFPT_PORT_MOD: port: 2: addr:02:00:00:00:00:09 config: 0 mask: PORT_DOWN advertise: 10GB-FD";
    is_in(ALL, &Message::PortMod(change), expected);
    let stats = PortStats {
        port: OfPort(2),
        rx_packets: 1,
        tx_packets: 2,
        rx_bytes: 3,
        tx_bytes: 4,
        rx_dropped: 5,
        tx_dropped: 6,
        rx_errors: 7,
        tx_errors: 8,
        rx_frame_err: u64::MAX,
        rx_over_err: 9,
        rx_crc_err: 10,
        collisions: 11,
        duration_ms: 12_013,
    };
    let counters = "port 2: rx pkts=1, bytes=3, drop=5, errs=7, frame=?, over=9, crc=10 tx pkts=2, bytes=4, drop=6, errs=8, coll=11";
    let reply = Message::MultipartReply(Reply::PortStats(vec![stats]), false);
    is(V10, reply.clone(), &format!("OFPST_PORT reply: 1 ports {counters}"));
    is_in(LATER, &reply, &format!("OFPST_PORT reply: 1 ports {counters} duration=12.013s"));

    let table = TableStats {
        table: TableId(0),
        name: "first".to_string(),
        max_entries: 9,
        active: 1,
        lookups: 2,
        matched: 3,
    };
    let text = said(V13, Message::MultipartReply(Reply::Table(vec![table.clone()]), false), false);
    assert!(text.contains("table 0: active=1, lookup=2, matched=3"), "{text}");
    let text = said(V10, Message::MultipartReply(Reply::Table(vec![table]), false), false);
    assert!(text.contains("active=1, lookup=2, matched=3") && text.contains("max_entries=9"), "{text}");
    let change =
        TableMod { table: Some(TableId(3)), miss: 0, eviction: Some(true), vacancy: Some((false, 0, 0)) };
    is_in(&[V14, V15], &Message::TableMod(change), "OFPT_TABLE_MOD: table_id=3, eviction=on, vacancy=off");

    let change = TableMod { vacancy: Some((true, 20, 80)), eviction: Some(false), ..change };
    let expected = "OFPT_TABLE_MOD: table_id=3, eviction=off, vacancy=on vacancy:20,80";
    is_in(&[V14, V15], &Message::TableMod(change), expected);
    let desc = TableDesc { table: TableId(3), eviction: true, vacancy: Some((20, 80, 19)) };
    let told = |text: &str| {
        text.contains("eviction=on eviction_flags=OTHER|IMPORTANCE")
            && text.contains("vacancy=on vacancy_down=20% vacancy_up=80% vacancy=19%")
    };
    let text = self::said(V14, Message::MultipartReply(Reply::TableDesc(vec![desc]), false), false);
    assert!(text.contains("table 3:") && told(&text), "{text}");
    for (event, reason) in [(VacancyEvent::Down, "VACANCY_DOWN"), (VacancyEvent::Up, "VACANCY_UP")] {
        let text = self::said(V15, Message::TableStatus(event, desc), false);
        assert!(text.contains("OFPT_TABLE_STATUS") && text.contains(&format!("reason={reason}")), "{text}");
        assert!(told(&text), "{text}");
    }

    let queue = QueueDesc { port: OfPort(2), queue: QueueId(5), min_rate: Some(250), max_rate: Some(500) };
    let text = "port=2 queue 5: min_rate:25.0% max_rate:50.0%";
    let config = Message::QueueConfigReply(Some(OfPort(2)), vec![queue]);
    is_in(&[V10, V13], &config, &format!("OFPT_QUEUE_GET_CONFIG_REPLY: {text}"));
    is_in(
        &[V14, V15],
        &Message::MultipartReply(Reply::QueueDesc(vec![queue]), false),
        &format!("OFPST_QUEUE_DESC reply: {text}"),
    );
}

#[test]
fn flow_entries_that_are_told() {
    if !installed() {
        return;
    }
    let FlowMod { table, matching, priority, cookie, instructions, .. } =
        flow_mod("table=2,priority=9,cookie=0x3,udp,in_port=1,actions=3");
    let flow = FlowStats {
        table: table.unwrap(),
        duration_ms: 1_500,
        idle_ms: 1_000,
        untaught_ms: None,
        priority,
        idle_timeout: 7,
        hard_timeout: 8,
        importance: 0,
        flags: FlowFlags { send_flow_rem: true, ..FlowFlags::default() },
        cookie,
        packets: 10,
        bytes: 20,
        matching,
        instructions,
    };
    let reply = Message::MultipartReply(Reply::Flow(vec![flow.clone()]), false);
    let head = "reply: cookie=0x3, duration=1.500s, table=2, n_packets=10, n_bytes=20, idle_timeout=7, hard_timeout=8,";
    let tail = "priority=9,udp,in_port=1 actions=output:3";
    is(V10, reply.clone(), &format!("OFPST_FLOW {head} {tail}"));
    assert_eq!(said(V10, reply.clone(), true), format!("NXST_FLOW {head} idle_age=1, {tail}"));
    let removes = |text: &str| text.replace("hard_timeout=8,", "hard_timeout=8, send_flow_rem");
    is_in(&[V13, V14], &reply, &removes(&format!("OFPST_FLOW {head} {tail}")));
    is(V15, reply, &format!("OFPST_FLOW {head} send_flow_rem idle_age=1, {tail}"));
    let sums = Message::MultipartReply(Reply::Aggregate(Aggregate { packets: 1, bytes: 2, flows: 3 }), false);
    is_in(ALL, &sums, "OFPST_AGGREGATE reply: packet_count=1 byte_count=2 flow_count=3");
    let removed = FlowRemoved {
        cookie,
        priority,
        reason: 4,
        table: flow.table,
        duration_ms: 1_500,
        idle_timeout: 7,
        hard_timeout: 8,
        packets: 10,
        bytes: 20,
        matching: flow.matching.clone(),
    };
    let counted = "pkts10 bytes20";
    let text = |reason, hard| {
        format!(
            "OFPT_FLOW_REMOVED: priority=9,udp,in_port=1 reason={reason} table_id=2 cookie:0x3 duration1.500s idle7 {hard}{counted}"
        )
    };
    is(V13, Message::FlowRemoved(removed.clone()), &text("delete", "hard8 "));
    is_in(&[V14, V15], &Message::FlowRemoved(removed.clone()), &text("meter_delete", "hard8 "));
    let nicira = said(V10, Message::FlowRemoved(removed), true);
    assert_eq!(nicira, text("delete", "").replace("OFPT", "NXT"));

    let full = FlowUpdate::Full { event: UpdateEvent::Modified, reason: 0, flow: Box::new(flow.clone()) };
    let news = Message::MultipartReply(Reply::FlowMonitor(vec![full, FlowUpdate::Abbreviated(5)]), false);
    let text = "reply: event=MODIFIED table=2 idle_timeout=7 hard_timeout=8 cookie=0x3 udp,in_port=1 actions=output:3 event=ABBREV xid=0x5";
    is(V10, news.clone(), &format!("NXST_FLOW_MONITOR {text}"));
    is(V13, news.clone(), &format!("ONFST_FLOW_MONITOR {text}"));
    is_in(&[V14, V15], &news, &format!("OFPST_FLOW_MONITOR {text}"));
    let filter = Filter { table: Some(TableId(2)), matching: flow.matching, ..Filter::default() };
    let wanted = Message::MultipartRequest(
        Question::FlowMonitor(vec![FlowMonitor { id: 1, flags: 0x1e, filter }]),
        false,
    );
    let text = "request: id=1 flags=add,delete,modify,actions table=2 udp,in_port=1";
    is(V10, wanted.clone(), &format!("NXST_FLOW_MONITOR {text}"));
    is(V13, wanted.clone(), &format!("ONFST_FLOW_MONITOR {text}"));
    is_in(&[V14, V15], &wanted, &format!("OFPST_FLOW_MONITOR {text}"));
}

#[test]
fn bundles_and_the_map_of_options() {
    if !installed() {
        return;
    }
    let commit = BundleControl { bundle: 6, kind: 4, flags: 3 };
    let text = "BUNDLE_CONTROL: bundle_id=0x6 type=COMMIT_REQUEST flags=atomic ordered";
    is(V13, Message::BundleControl(commit), &format!("ONFT_{text}"));
    is_in(&[V14, V15], &Message::BundleControl(commit), &format!("OFPT_{text}"));
    for version in LATER {
        let inner = Envelope::new(0x77, Message::FlowMod(flow_mod("priority=1,actions=2"), None));
        let raw = encode(*version, &inner).unwrap();
        let add = BundleAdd { bundle: 6, flags: 3, inner: Box::new(inner), raw };
        let text = said(*version, Message::BundleAdd(add), false);
        assert!(
            text.contains("BUNDLE_ADD_MESSAGE: bundle_id=0x6 flags=atomic ordered OFPT_FLOW_MOD"),
            "{text}"
        );
        assert!(text.ends_with("ADD priority=1 actions=output:2"), "{text}");
    }
    let map = TlvMap { class: 0xffff, kind: 0, len: 4, index: 1 };
    let text = said(V13, Message::TlvTableMod(TlvTableMod::Add(vec![map])), false);
    assert!(text.starts_with("NXT_TLV_TABLE_MOD: ADD mapping table:"), "{text}");
    assert!(text.ends_with("0xffff 0 4 tun_metadata1"), "{text}");
}

/// Our names of errors, and Open vSwitch's (`include/openvswitch/ofp-errors.h`).
const NAMES: &[(Code, &str)] = &[
    (Code::HelloIncompatible, "OFPHFC_INCOMPATIBLE"),
    (Code::BadVersion, "OFPBRC_BAD_VERSION"),
    (Code::BadType, "OFPBRC_BAD_TYPE"),
    (Code::BadMultipart, "OFPBRC_BAD_STAT"),
    (Code::BadExperimenter, "OFPBRC_BAD_VENDOR"),
    (Code::BadExperimenterType, "OFPBRC_BAD_SUBTYPE"),
    (Code::Eperm, "OFPBRC_EPERM"),
    (Code::BadLen, "OFPBRC_BAD_LEN"),
    (Code::BufferUnknown, "OFPBRC_BUFFER_UNKNOWN"),
    (Code::BadTableId, "OFPBRC_BAD_TABLE_ID"),
    (Code::IsSlave, "OFPBRC_IS_SECONDARY"),
    (Code::BadPort, "OFPBRC_BAD_PORT"),
    (Code::BadPacket, "OFPBRC_BAD_PACKET"),
    (Code::MultipartBufferOverflow, "OFPBRC_MULTIPART_BUFFER_OVERFLOW"),
    (Code::MultipartRequestTimeout, "OFPBRC_MULTIPART_REQUEST_TIMEOUT"),
    (Code::PipelineFieldsOnly, "OFPBRC_PIPELINE_FIELDS_ONLY"),
    (Code::BadActionType, "OFPBAC_BAD_TYPE"),
    (Code::BadActionLen, "OFPBAC_BAD_LEN"),
    (Code::BadActionExperimenter, "OFPBAC_BAD_VENDOR"),
    (Code::BadActionExperimenterType, "OFPBAC_BAD_VENDOR_TYPE"),
    (Code::BadOutPort, "OFPBAC_BAD_OUT_PORT"),
    (Code::BadArgument, "OFPBAC_BAD_ARGUMENT"),
    (Code::ActionTooMany, "OFPBAC_TOO_MANY"),
    (Code::BadQueue, "OFPBAC_BAD_QUEUE"),
    (Code::BadOutGroup, "OFPBAC_BAD_OUT_GROUP"),
    (Code::BadTag, "OFPBAC_BAD_TAG"),
    (Code::BadSetType, "OFPBAC_BAD_SET_TYPE"),
    (Code::BadSetLen, "OFPBAC_BAD_SET_LEN"),
    (Code::BadSetArgument, "OFPBAC_BAD_SET_ARGUMENT"),
    (Code::BadSetMask, "OFPBAC_BAD_SET_MASK"),
    (Code::UnsupportedOrder, "OFPBAC_UNSUPPORTED_ORDER"),
    (Code::MatchInconsistent, "OFPBAC_MATCH_INCONSISTENT"),
    (Code::BadMeterAction, "OFPBAC_BAD_METER"),
    (Code::UnknownInst, "OFPBIC_UNKNOWN_INST"),
    (Code::UnsupInst, "OFPBIC_UNSUP_INST"),
    (Code::BadInstTableId, "OFPBIC_BAD_TABLE_ID"),
    (Code::UnsupMetadata, "OFPBIC_UNSUP_METADATA"),
    (Code::UnsupMetadataMask, "OFPBIC_UNSUP_METADATA_MASK"),
    (Code::BadInstExperimenter, "OFPBIC_BAD_EXPERIMENTER"),
    (Code::BadInstExperimenterType, "OFPBIC_BAD_EXP_TYPE"),
    (Code::BadInstLen, "OFPBIC_BAD_LEN"),
    (Code::DupInst, "OFPBIC_DUP_INST"),
    (Code::BadMatchType, "OFPBMC_BAD_TYPE"),
    (Code::BadMatchLen, "OFPBMC_BAD_LEN"),
    (Code::BadWildcards, "OFPBMC_BAD_WILDCARDS"),
    (Code::BadField, "OFPBMC_BAD_FIELD"),
    (Code::BadValue, "OFPBMC_BAD_VALUE"),
    (Code::BadMask, "OFPBMC_BAD_MASK"),
    (Code::BadPrereq, "OFPBMC_BAD_PREREQ"),
    (Code::DupField, "OFPBMC_DUP_FIELD"),
    (Code::TableFull, "OFPFMFC_TABLE_FULL"),
    (Code::FlowModBadTableId, "OFPFMFC_BAD_TABLE_ID"),
    (Code::Overlap, "OFPFMFC_OVERLAP"),
    (Code::BadTimeout, "OFPFMFC_BAD_TIMEOUT"),
    (Code::BadEmergTimeout, "OFPFMFC_BAD_EMERG_TIMEOUT"),
    (Code::BadCommand, "OFPFMFC_BAD_COMMAND"),
    (Code::BadFlags, "OFPFMFC_BAD_FLAGS"),
    (Code::GroupExists, "OFPGMFC_GROUP_EXISTS"),
    (Code::InvalidGroup, "OFPGMFC_INVALID_GROUP"),
    (Code::OutOfGroups, "OFPGMFC_OUT_OF_GROUPS"),
    (Code::OutOfBuckets, "OFPGMFC_OUT_OF_BUCKETS"),
    (Code::Loop, "OFPGMFC_LOOP"),
    (Code::UnknownGroup, "OFPGMFC_UNKNOWN_GROUP"),
    (Code::ChainedGroup, "OFPGMFC_CHAINED_GROUP"),
    (Code::BadWatch, "OFPGMFC_BAD_WATCH"),
    (Code::WatchUnsupported, "OFPGMFC_WATCH_UNSUPPORTED"),
    (Code::GroupBadType, "OFPGMFC_BAD_TYPE"),
    (Code::GroupBadCommand, "OFPGMFC_BAD_COMMAND"),
    (Code::BadBucket, "OFPGMFC_BAD_BUCKET"),
    (Code::UnknownBucket, "OFPGMFC_UNKNOWN_BUCKET"),
    (Code::BucketExists, "OFPGMFC_BUCKET_EXISTS"),
    (Code::BadPortNumber, "OFPPMFC_BAD_PORT"),
    (Code::BadHwAddr, "OFPPMFC_BAD_HW_ADDR"),
    (Code::BadConfig, "OFPPMFC_BAD_CONFIG"),
    (Code::BadAdvertise, "OFPPMFC_BAD_ADVERTISE"),
    (Code::TableModBadTable, "OFPTMFC_BAD_TABLE"),
    (Code::TableModBadConfig, "OFPTMFC_BAD_CONFIG"),
    (Code::QueueBadPort, "OFPQOFC_BAD_PORT"),
    (Code::QueueBadQueue, "OFPQOFC_BAD_QUEUE"),
    (Code::SwitchBadFlags, "OFPSCFC_BAD_FLAGS"),
    (Code::SwitchBadLen, "OFPSCFC_BAD_LEN"),
    (Code::Stale, "OFPRRFC_STALE"),
    (Code::Unsup, "OFPRRFC_UNSUP"),
    (Code::BadRole, "OFPRRFC_BAD_ROLE"),
    (Code::InvalidMeter, "OFPMMFC_INVALID_METER"),
    (Code::MeterExists, "OFPMMFC_METER_EXISTS"),
    (Code::UnknownMeter, "OFPMMFC_UNKNOWN_METER"),
    (Code::MeterBadCommand, "OFPMMFC_BAD_COMMAND"),
    (Code::MeterBadFlags, "OFPMMFC_BAD_FLAGS"),
    (Code::OutOfMeters, "OFPMMFC_OUT_OF_METERS"),
    (Code::OutOfBands, "OFPMMFC_OUT_OF_BANDS"),
    (Code::BadRate, "OFPMMFC_BAD_RATE"),
    (Code::BadBurst, "OFPMMFC_BAD_BURST"),
    (Code::BadBand, "OFPMMFC_BAD_BAND"),
    (Code::BadBandValue, "OFPMMFC_BAD_BAND_VALUE"),
    (Code::TableFeaturesBadTable, "OFPTFFC_BAD_TABLE"),
    (Code::TableFeaturesBadMetadata, "OFPTFFC_BAD_METADATA"),
    (Code::TableFeaturesEperm, "OFPTFFC_EPERM"),
    (Code::BadPropertyType, "OFPBPC_BAD_TYPE"),
    (Code::BadPropertyLen, "OFPBPC_BAD_LEN"),
    (Code::BadPropertyValue, "OFPBPC_BAD_VALUE"),
    (Code::DupProperty, "OFPBPC_DUP_TYPE"),
    (Code::BadPropertyExperimenter, "OFPBPC_BAD_EXPERIMENTER"),
    (Code::BadPropertyExperimenterType, "OFPBPC_BAD_EXP_TYPE"),
    (Code::AsyncInvalid, "OFPACFC_INVALID"),
    (Code::AsyncUnsupported, "OFPACFC_UNSUPPORTED"),
    (Code::BundleUnknown, "OFPBFC_UNKNOWN"),
    (Code::BundleBadId, "OFPBFC_BAD_ID"),
    (Code::BundleExist, "OFPBFC_BUNDLE_EXIST"),
    (Code::BundleClosed, "OFPBFC_BUNDLE_CLOSED"),
    (Code::BundleOutOfBundles, "OFPBFC_OUT_OF_BUNDLES"),
    (Code::BundleBadType, "OFPBFC_BAD_TYPE"),
    (Code::BundleBadFlags, "OFPBFC_BAD_FLAGS"),
    (Code::BundleMsgBadLen, "OFPBFC_MSG_BAD_LEN"),
    (Code::BundleMsgBadXid, "OFPBFC_MSG_BAD_XID"),
    (Code::BundleMsgUnsup, "OFPBFC_MSG_UNSUP"),
    (Code::BundleMsgConflict, "OFPBFC_MSG_CONFLICT"),
    (Code::BundleMsgTooMany, "OFPBFC_MSG_TOO_MANY"),
    (Code::BundleMsgFailed, "OFPBFC_MSG_FAILED"),
    (Code::BundleTimeout, "OFPBFC_TIMEOUT"),
    (Code::BundleInProgress, "OFPBFC_BUNDLE_IN_PROGRESS"),
    (Code::BundleBadVersion, "OFPBFC_BAD_VERSION"),
    (Code::MonitorExists, "OFPMOFC_MONITOR_EXISTS"),
    (Code::MonitorInvalid, "OFPMOFC_INVALID_MONITOR"),
    (Code::MonitorUnknown, "OFPMOFC_UNKNOWN_MONITOR"),
    (Code::MonitorBadCommand, "OFPMOFC_BAD_COMMAND"),
    (Code::MonitorBadFlags, "OFPMOFC_BAD_FLAGS"),
    (Code::MonitorBadTable, "OFPMOFC_BAD_TABLE_ID"),
    (Code::MonitorBadOut, "OFPMOFC_BAD_OUT"),
    (Code::NxMustBeZero, "NXBRC_MUST_BE_ZERO"),
    (Code::NxNxmInvalid, "NXBRC_NXM_INVALID"),
    (Code::NxBadReason, "NXBRC_BAD_REASON"),
    (Code::NxBadEvent, "NXBRC_FM_BAD_EVENT"),
    (Code::NxUnencodable, "NXBRC_UNENCODABLE_ERROR"),
    (Code::NxActionMustBeZero, "NXBAC_MUST_BE_ZERO"),
    (Code::NxBadConjunction, "NXBAC_BAD_CONJUNCTION"),
    (Code::NxBadFlowModTableId, "NXFMFC_BAD_TABLE_ID"),
    (Code::NxInvalidTlvField, "NXFMFC_INVALID_TLV_FIELD"),
    (Code::NxDupTable, "NXTFFC_DUP_TABLE"),
    (Code::NxTlvBadCommand, "NXTTMFC_BAD_COMMAND"),
    (Code::NxTlvBadOptLen, "NXTTMFC_BAD_OPT_LEN"),
    (Code::NxTlvBadIndex, "NXTTMFC_BAD_FIELD_IDX"),
    (Code::NxTlvTableFull, "NXTTMFC_TABLE_FULL"),
    (Code::NxTlvAlreadyMapped, "NXTTMFC_ALREADY_MAPPED"),
    (Code::NxTlvDupEntry, "NXTTMFC_DUP_ENTRY"),
    (Code::NxTlvInUse, "NXTTMFC_INVALID_TLV_DEL"),
    (Code::NxResumeNotSupported, "NXR_NOT_SUPPORTED"),
    (Code::NxNotConfigured, "NXST_NOT_CONFIGURED"),
    (Code::TableFeaturesBadCommand, "OFPTFFC_BAD_COMMAND"),
];

#[test]
fn the_numbers_of_errors_are_known_under_their_names() {
    if !installed() {
        return;
    }
    for version in Version::ALL {
        let refusal = |code: Code| Message::Error(Refusal::Ours(code, Bytes::from_static(&[0; 8])));
        let messages: Vec<Bytes> = NAMES
            .iter()
            .map(|(code, _)| encode(version, &Envelope::new(1, refusal(*code))).unwrap())
            .collect();
        let file = std::env::temp_dir().join(format!("adit-errors-{}", std::process::id()));
        std::fs::write(&file, messages.concat()).unwrap();
        let text = ovs_ofctl(&["ofp-parse", file.to_str().unwrap()]);
        std::fs::remove_file(&file).unwrap();
        let said = text.lines().filter_map(|line| line.strip_prefix("OFPT_ERROR")?.split("): ").nth(1));
        let said: Vec<&str> = said.collect();
        assert_eq!(said.len(), NAMES.len());
        let unsayable = Code::NxUnencodable.numbers(version);
        for ((code, name), said) in NAMES.iter().zip(said) {
            let expected = match code {
                // 1.0 has one error for both.
                Code::IsSlave if version == V10 => "OFPBRC_EPERM",
                code if code.numbers(version) == unsayable => "NXBRC_UNENCODABLE_ERROR",
                _ => name,
            };
            assert_eq!(said, expected, "{code:?} in {version:?}");
        }
    }
}
