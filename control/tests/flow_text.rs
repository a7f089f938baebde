//! The flow syntax, seen from outside: what is accepted, what is refused and how that is said.

use control::text::{
    BUCKETS_MAX, FAULTS_MAX, NoNames, PortNames, There, format_rule, parse_flow, parse_flow_lines,
    parse_flows, parse_groups, parse_table_flow,
};
use datapath::flow::{Field, OfPort};
use datapath::pipeline::{
    Bucket, Group, GroupId, GroupKind, Instructions, Match, MeterId, Rule, RuleAction, TableId,
};
use std::collections::BTreeMap;

fn ports() -> BTreeMap<String, OfPort> {
    [("g1", 1), ("g2", 2), ("vx0", 10)].map(|(name, port)| (name.to_string(), OfPort(port))).into()
}

fn refusal(text: &str) -> String {
    match parse_flow("flow", text, &ports()) {
        Err(fault) => fault.message,
        Ok(rule) => panic!("{text} was accepted: {rule:?}"),
    }
}

#[test]
fn a_flow_is_a_rule() {
    let text =
        "cookie=0x7, priority=5,ip,in_port=g1,nw_dst=10.0.0.0/8 actions=set_field:100->tun_id,vx0,IN_PORT";
    let rule = parse_flow("flow", text, &ports()).unwrap();
    let matching = Match::any().exact(Field::EthType, 0x0800).exact(Field::InPort, 1).with(
        Field::NwDst,
        0x0a00_0000,
        0xff00_0000,
    );
    let set = RuleAction::SetField { field: Field::TunId, value: 100, mask: Field::TunId.max() };
    let actions = vec![set, RuleAction::Output(OfPort(10)), RuleAction::InPort];
    assert_eq!(rule, Rule { cookie: 7, ..Rule::acting(5, matching, actions) });
    let canonical = text.replace("set_field:100", "set_field:0x64").replace(",vx0", ",output:vx0");
    assert_eq!(format_rule(&rule, &ports()), canonical);
}

#[test]
fn a_file_has_comments_blank_lines_and_what_dump_flows_writes() {
    let text = "# two flows\n\n  in_port=1,actions=2 # there\n\
                cookie=0x0, duration=4.2s, table=0, n_packets=3, n_bytes=180, idle_age=1, arp actions=drop\n";
    let flows = parse_flow_lines("f", text, &NoNames, There::default()).unwrap();
    assert_eq!(flows.iter().map(|flow| flow.line).collect::<Vec<_>>(), [3, 4]);
    assert!(flows[1].rule.instructions.apply.is_empty());
    assert!(parse_flows("f", "", &NoNames).unwrap().is_empty());
}

#[test]
fn every_faulty_line_is_reported_with_its_place() {
    let text = "in_port=1,actions=2\nip,nw_scr=10.0.0.1,actions=2\narp,actions=g3\n";
    let faults = parse_flows("flows.txt", text, &ports()).unwrap_err();
    let shown: Vec<_> = faults.iter().map(ToString::to_string).collect();
    let first = "flows.txt:2:4: \"nw_scr\" is no field and no protocol; did you mean nw_src?\n    \
                 ip,nw_scr=10.0.0.1,actions=2\n       ^~~~~~";
    let second = "flows.txt:3:13: \"g3\" is no action and no port; did you mean g1?\n    \
                  arp,actions=g3\n                ^~";
    assert_eq!(shown, [first, second]);
}

#[test]
fn faults_are_bounded() {
    let text = "colour=red,actions=1\n".repeat(1000);
    assert_eq!(parse_flows("f", &text, &NoNames).unwrap_err().len(), FAULTS_MAX);
    assert!(refusal(&format!("actions={}", "1,".repeat(300))).contains("too many actions"));
    assert!(refusal(&format!("{}actions=1", " ".repeat(100_000))).contains("longer than"));
}

#[test]
fn a_missing_header_is_named() {
    for (text, missing) in [
        ("nw_dst=10.0.0.1,actions=1", "add ip"),
        ("ip,tp_dst=80,actions=1", "add tcp, udp"),
        ("tcp,udp_dst=80,actions=1", "add udp"),
        ("ipv6,icmpv6_type=135,actions=1", "add icmp6"),
        ("icmp6,nd_target=::1,actions=1", "icmp_type=135"),
        ("actions=set_field:10.0.0.1->ip_dst", "add ip"),
        ("actions=mod_nw_dst:10.0.0.1", "add ip"),
        ("ip,actions=mod_tp_dst:80", "add tcp"),
        ("actions=set_field:0x1005->vlan_vid", "push_vlan first"),
        ("tcp,ip_frag=later,tp_dst=80,actions=1", "later fragments"),
    ] {
        assert!(refusal(text).contains(missing), "{text}: {}", refusal(text));
    }
}

#[test]
fn what_there_is_not_yet_is_refused_by_name() {
    for word in ["allow_hidden_fields", "dp_hash=1", "ct_state=+trk", "tun_gtpu_flags=1"] {
        let name = word.split('=').next().unwrap();
        let message = refusal(&format!("{word},actions=1"));
        assert!(message.contains(name) && message.contains("not supported yet"), "{message}");
    }
    for action in ["controller(pause)", "ct(commit)", "sample(probability=1)", "output_reg(1)"] {
        assert!(refusal(&format!("actions={action}")).contains("not supported yet"), "{action}");
    }
    assert_eq!(refusal("table=254,actions=1"), "there is no table 254: they are 0 to 253");
    assert!(refusal("delete actions=1").contains("lists the flows"));
}

#[test]
fn a_flow_says_one_thing() {
    assert!(refusal("tcp,udp,actions=1").contains("already given"));
    assert!(refusal("ip,nw_src=10.0.0.0/8,nw_src=10.0.0.1,actions=1").contains("already given"));
    assert!(refusal("dl_vlan=5,dl_vlan=6,actions=1").contains("already given"));
    assert!(refusal("priority=1,priority=2,actions=1").contains("given twice"));
    assert!(refusal("actions=1,drop").contains("stands alone"));
    assert!(refusal("priority=5").contains("actions="));
    let twice = parse_flows("f", "ip,actions=1\nip,actions=2\n", &NoNames).unwrap_err();
    assert!(twice[0].message.contains("line 1 has the same priority and match"));
    for fine in
        ["ip,tcp,actions=1", "tcp,ip,actions=1", "dl_vlan=5,dl_vlan_pcp=3,actions=1", "ip,nw_src=*,actions=1"]
    {
        parse_flow("flow", fine, &NoNames).unwrap();
    }
}

#[test]
fn tables_have_rules_of_their_own_and_instructions_their_order() {
    let flows = parse_flows("f", "table=3,ip,actions=1\nip,actions=1\n", &NoNames).unwrap();
    assert_eq!(flows.iter().map(|(table, _)| table.0).collect::<Vec<_>>(), [3, 0]);
    let text = "table=3,metadata=1,actions=meter:9,load:7->NXM_NX_REG0[0..15],clear_actions,\
                write_actions(output:2),write_metadata:0x10/0xf0,goto_table:4";
    let (table, rule) = parse_table_flow("flow", text, &NoNames).unwrap();
    let load = RuleAction::SetField { field: Field::Reg0, value: 7, mask: 0xffff };
    let expected = Instructions {
        meter: Some(MeterId(9)),
        apply: vec![load],
        clear: true,
        write: vec![RuleAction::Output(OfPort(2))],
        metadata: Some((0x10, 0xf0)),
        goto: Some(TableId(4)),
    };
    assert_eq!((table, (*rule.instructions).clone()), (TableId(3), expected));
    assert!(refusal("table=4,actions=goto_table:4").contains("later table: above 4"));
    assert!(refusal("actions=goto_table:1,g1").contains("g1 stands in front of goto_table"));
    for late in ["actions=1,meter:1", "actions=meter:1,meter:1", "actions=clear_actions,meter:1"] {
        assert!(refusal(late).contains("in front of everything else"), "{late}");
    }
    for inside in ["actions=clone(meter:1)", "actions=write_actions(meter:1)"] {
        assert!(refusal(inside).contains("not inside of anything"), "{inside}");
    }
    for number in ["0", "65537", "0xffff0000"] {
        assert!(refusal(&format!("actions=meter:{number}")).contains("from 1 to 65536"), "{number}");
    }
    assert!(refusal("actions=meter:controller").contains("not supported yet"));
    assert!(refusal("actions=meter:1,drop").contains("drop stands alone"));
    assert!(refusal("actions=clone(goto_table:1)").contains("not inside of anything"));
    assert!(refusal("actions=write_actions(resubmit(,1))").contains("has no resubmit"));
}

#[test]
fn a_meter_that_is_not_there_is_named_with_its_place() {
    let meters = [MeterId(1)].into();
    let text = "in_port=1,actions=meter:1\nin_port=2,actions=meter:7,2\n";
    let faults =
        parse_flow_lines("f", text, &NoNames, There { groups: None, meters: Some(&meters) }).unwrap_err();
    assert_eq!((faults.len(), faults[0].line, faults[0].column), (1, 2, 25), "{}", faults[0]);
    assert!(faults[0].message.contains("there is no meter 7"));
}

#[test]
fn a_group_that_is_not_there_is_named_with_its_place() {
    let groups = [GroupId(1)].into();
    let text = "in_port=1,actions=group:1\nin_port=2,actions=clone(2,group:7)\n";
    let faults =
        parse_flow_lines("f", text, &NoNames, There { groups: Some(&groups), meters: None }).unwrap_err();
    assert_eq!(faults.len(), 1);
    assert_eq!((faults[0].line, faults[0].column), (2, 33), "{}", faults[0]);
    assert!(faults[0].message.contains("there is no group 7"));
    assert!(parse_flows("f", text, &NoNames).is_ok(), "which groups there are is not asked");
}

#[test]
fn groups_may_name_later_ones_and_never_themselves() {
    let fine =
        "# two\ngroup_id=1,type=all,bucket=group:2,bucket=g1\n\ngroup_id=2,type=ff,bucket=watch_port=g2,g2\n";
    let groups = parse_groups("groups", fine, &ports()).unwrap();
    assert_eq!(groups.iter().map(|(id, _)| id.0).collect::<Vec<_>>(), [1, 2]);
    let bucket = Bucket {
        id: 0,
        weight: 0,
        watch_port: Some(OfPort(2)),
        watch_group: None,
        actions: vec![RuleAction::Output(OfPort(2))],
    };
    assert_eq!(groups[1].1, Group::new(GroupKind::FastFailover, vec![bucket]));
    let faults = |text: &str| {
        let faults = parse_groups("groups", text, &ports()).unwrap_err();
        faults.iter().map(|fault| format!("{}: {}", fault.line, fault.message)).collect::<Vec<_>>()
    };
    let circle = "group_id=1,type=all,bucket=group:2\ngroup_id=2,type=all,bucket=group:1\n";
    assert_eq!(faults(circle), ["1: group 1 leads back to itself", "2: group 2 leads back to itself"]);
    assert!(faults("group_id=1,type=all,bucket=group:3")[0].starts_with("1: there is no group 3"));
    assert!(faults("group_id=1,type=all,bucket=g3")[0].contains("did you mean g1?"));
    let twice = "group_id=1,type=all,bucket=1\n".repeat(2);
    assert_eq!(faults(&twice), ["2: line 1 has the same group_id"]);
    assert!(
        faults(&format!("group_id=1,type=all{}", ",bucket=1".repeat(BUCKETS_MAX + 1)))[0]
            .contains("too many")
    );
}

#[test]
fn clones_are_not_nested_without_end() {
    assert!(refusal(&format!("actions={}1{}", "clone(".repeat(5_000), ")".repeat(5_000))).contains("deeper"));
    assert!(refusal(&format!("actions=clone({})", "1,".repeat(300))).contains("too many actions"));
}

#[test]
fn the_tag_that_a_flow_may_lack_is_added_where_it_is_missing() {
    let actions = |text: &str| parse_flow("flow", text, &NoNames).unwrap().instructions.apply.clone();
    let tci = |value, mask| RuleAction::SetField { field: Field::VlanTci, value, mask };
    let vid = RuleAction::SetField { field: Field::VlanVid, value: 0x1007, mask: 0x1fff };
    assert_eq!(actions("actions=mod_vlan_vid:7"), [tci(0x1007, 0x1fff)]);
    assert_eq!(actions("actions=mod_vlan_pcp:3"), [tci(0x7000, 0xf000)]);
    let pushed = [RuleAction::PushVlan { tpid: 0x8100 }, vid];
    assert_eq!(actions("dl_vlan=5,actions=mod_vlan_vid:7"), pushed[1..]);
    assert_eq!(actions("vlan_tci=0,actions=mod_vlan_vid:7"), pushed);
}

#[test]
fn names_of_ports_may_be_quoted_and_numbers_are_always_accepted() {
    for text in ["in_port=g1,actions=output:g2", "in_port=\"g1\",actions=\"g2\"", "in_port=1,actions=2"] {
        let rule = parse_flow("flow", text, &ports()).unwrap();
        assert_eq!(format_rule(&rule, &ports()), "in_port=g1 actions=output:g2");
        assert_eq!(format_rule(&rule, &NoNames), "in_port=1 actions=output:2");
    }
    assert_eq!(ports().name(OfPort(3)), None);
}

#[test]
fn no_text_makes_the_parser_panic() {
    for text in [
        "=",
        "(",
        "actions",
        "actions=(",
        "ip(,actions=1",
        "ä=ö,actions=ü",
        "tcp_flags=+,actions=1",
        "tcp,tcp_flags=+ä-ö,actions=1",
        "dl_src=::::::,actions=1",
        "actions=set_field:->",
        "actions=set_field:1/->tun_id",
        "in_port=\",actions=\"",
        "ip,nw_src=1.2.3.4/,actions=1",
        "ip,nw_src=/8,actions=1",
        "actions=output:",
        "actions=set_field:1/0->tun_id",
    ] {
        let _ = parse_flow("flow", text, &ports()).map_err(|fault| fault.to_string());
    }
}
