//! Texts that ask for changes of flows, or for some of them: what each word does, and where it does not belong.

use control::ofproto::{Command, FlowFlags, FlowMod, reserved};
use control::text::{NoNames, parse_filter, parse_flow_requests};
use datapath::flow::OfPort;
use datapath::pipeline::{GroupId, TableId};

fn read(command: Command, text: &str) -> FlowMod {
    let mut requests = parse_flow_requests("test", text, command, &NoNames).expect(text);
    assert_eq!(requests.len(), 1, "{text}");
    requests.remove(0).request
}

fn refusal(command: Command, text: &str) -> String {
    parse_flow_requests("test", text, command, &NoNames).expect_err(text)[0].message.clone()
}

#[test]
fn a_flow_to_add_has_timeouts_importance_and_flags() {
    let text = "cookie=0x1f,idle_timeout=5,hard_timeout=60,importance=7,send_flow_rem,check_overlap,reset_counts,\
                no_packet_counts,no_byte_counts,table=3,priority=9,ip,actions=2";
    let flow = read(Command::Add, text);
    assert_eq!((flow.idle_timeout, flow.hard_timeout, flow.importance), (5, 60, 7));
    let all = FlowFlags {
        send_flow_rem: true,
        check_overlap: true,
        reset_counts: true,
        no_packet_counts: true,
        no_byte_counts: true,
    };
    assert_eq!((flow.flags, flow.cookie, flow.cookie_mask), (all, 0x1f, 0));
    assert_eq!((flow.table, flow.priority), (Some(TableId(3)), 9));
}

#[test]
fn a_delete_needs_no_actions_and_means_all_tables() {
    let flow = read(Command::Delete, "ip,cookie=0x10/0xf0,out_port=2,out_group=3");
    assert_eq!((flow.table, flow.cookie, flow.cookie_mask), (None, 0x10, 0xf0));
    assert_eq!((flow.out_port, flow.out_group), (Some(OfPort(2)), Some(GroupId(3))));
    assert_eq!(read(Command::Delete, "table=4,cookie=7").cookie_mask, u64::MAX, "all bits");
    assert_eq!(read(Command::Delete, "cookie=7/-1").cookie_mask, u64::MAX);
    assert_eq!(read(Command::DeleteStrict, "priority=5,ip").priority, 5);
    assert_eq!(read(Command::Delete, "out_port=IN_PORT").out_port, Some(reserved::IN_PORT));
}

#[test]
fn a_line_may_say_its_command() {
    let text = "add ip,actions=1\nmodify ip,actions=2\n modify_strict priority=3,ip,actions=2 # so\n\ndelete\ndelete_strict arp\nip,actions=3";
    let requests = parse_flow_requests("test", text, Command::Add, &NoNames).expect("requests");
    let commands: Vec<_> = requests.iter().map(|request| (request.request.command, request.line)).collect();
    let expected = [
        (Command::Add, 1),
        (Command::Modify, 2),
        (Command::ModifyStrict, 3),
        (Command::Delete, 5),
        (Command::DeleteStrict, 6),
        (Command::Add, 7),
    ];
    assert_eq!(commands, expected);
}

#[test]
fn a_word_that_would_do_nothing_is_refused_and_told_where_it_belongs() {
    for (command, text, advice) in [
        (Command::Add, "cookie=1/1,actions=1", "cookie mask selects"),
        (Command::Add, "out_port=1,actions=1", "selects flows to delete"),
        (Command::Add, "ip", "ends with actions"),
        (Command::Modify, "priority=5,ip,actions=1", "--strict"),
        (Command::Modify, "cookie=1,ip,actions=1", "keep their cookies"),
        (Command::Modify, "idle_timeout=5,ip,actions=1", "keep their timeouts"),
        (Command::ModifyStrict, "send_flow_rem,ip,actions=1", "keep their timeouts"),
        (Command::ModifyStrict, "out_group=1,ip,actions=1", "selects flows to delete"),
        (Command::Delete, "ip,actions=1", "selected by their match"),
        (Command::Delete, "priority=5,ip", "--strict"),
        (Command::Delete, "idle_timeout=5", "by which none are selected"),
        (Command::Delete, "reset_counts", "by which none are selected"),
        (Command::Add, "idle_timeout=5,idle_timeout=6,actions=1", "given twice"),
        (Command::Add, "idle_timeout=65536,actions=1", "65535"),
        (Command::Add, "check_overlap=1,actions=1", "takes no value"),
        (Command::Delete, "cookie=1/", ""),
        (Command::Delete, "out_port=nowhere", "nowhere"),
    ] {
        let message = refusal(command, text);
        assert!(message.contains(advice), "{command:?} {text}: {message}");
    }
    let faults = parse_flow_requests("test", "ip,actions=1\nip,actions=?\nx", Command::Add, &NoNames);
    let lines: Vec<u32> = faults.expect_err("faults").iter().map(|fault| fault.line).collect();
    assert_eq!(lines, [2, 3]);
}

#[test]
fn reset_counts_is_for_modify_too() {
    assert!(read(Command::Modify, "reset_counts,cookie=1/3,ip,actions=1").flags.reset_counts);
}

#[test]
fn what_to_show_is_said_by_match_table_cookie_and_way_out() {
    let filter = parse_filter("test", "table=1,tcp,cookie=5,out_group=2", &NoNames).expect("a filter");
    assert_eq!((filter.table, filter.cookie, filter.cookie_mask), (Some(TableId(1)), 5, u64::MAX));
    assert_eq!(filter.out_group, Some(GroupId(2)));
    assert!(parse_filter("test", "", &NoNames).expect("all").table.is_none());
    assert!(parse_filter("test", "priority=5", &NoNames).is_err());
    assert!(parse_filter("test", "send_flow_rem", &NoNames).is_err());
}
