//! Flows that frames teach, from the frame to the entry: the rules are text, frames go through the translation that workers use, and what
//! they teach is taken up as the daemon does. What is expected is what Open vSwitch's own tests say (`tests/learn.at`, 3.1).

use control::ofproto::{Applied, Command, Error, FlowMod, FlowModFailed, Ofproto, Reason, Request};
use control::text::{NoNames, format_flow, parse_flow_requests};
use datapath::action::learn::Lesson;
use datapath::flow::{FlowKey, OfPort, Seed, extract};
use datapath::pipeline::{Base, TableId, Translation, translate};
use datapath::port::PortId;
use datapath::stats::Counted;
use datapath::tunnel::{TunnelTable, Underlay};

fn switch(flows: &[&str]) -> Ofproto {
    let tunnels = TunnelTable::new(Vec::new(), Seed::new(0)).expect("no tunnels");
    let ports = (1..=3).map(|n| (OfPort(n), PortId(n as u16)));
    let mut switch = Ofproto::new(Base::new(ports, tunnels, [].into(), Underlay::default()));
    flows.iter().for_each(|flow| drop(ask(&mut switch, 0, flow)));
    switch
}

/// `add FLOW`, `delete FLOW` and so on; a flow alone is added.
fn request(text: &str) -> FlowMod {
    let requests = parse_flow_requests("flow", text, Command::Add, &NoNames).expect("a flow");
    requests.into_iter().next().expect("one").request
}

fn ask(switch: &mut Ofproto, now: u64, text: &str) -> Applied {
    switch.apply(now, Request::Flow(request(text))).expect("done")
}

/// A frame of so many bytes, from one address to another.
fn frame(source: u8, target: u8, tail: &[u8]) -> Vec<u8> {
    [&[0x50, 0x54, 0, 0, 0, target, 0x50, 0x54, 0, 0, 0, source][..], tail].concat()
}

const PLAIN: &[u8] = &[0x88, 0xb5, 0, 0];

/// TCP with these flags, from 192.168.0.2:40000 to 192.168.0.1:80.
fn tcp(flags: u8) -> Vec<u8> {
    let ip = [0x08, 0, 0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0xf9, 0x7b, 192, 168, 0, 2, 192, 168, 0, 1];
    let tcp = [0x9c, 0x40, 0, 80, 0, 0, 0, 0, 0, 0, 0, 0, 0x50, flags, 0, 0, 0, 0, 0, 0];
    frame(5, 6, &[&ip[..], &tcp].concat())
}

/// What the worker makes of a frame: the lessons that it tells, after it has counted it.
fn lessons(switch: &Ofproto, now: u64, port: u32, frame: &[u8]) -> Vec<Lesson> {
    let mut key = FlowKey::default();
    extract(frame, OfPort(port), None, &mut key).expect("a frame");
    let mut translation = Translation::default();
    translate(switch.pipeline(), &key, &mut translation);
    let counted = Counted { packets: 1, bytes: frame.len() as u64, used_ms: now };
    translation.credits().iter().for_each(|credit| switch.pipeline().ledger().add(*credit, counted));
    translation.teachings().iter().map(|teaching| teaching.of(&key)).collect()
}

/// A frame comes in, and what it teaches is taken up. How many lessons that were.
fn comes(switch: &mut Ofproto, now: u64, port: u32, frame: &[u8]) -> usize {
    let told = lessons(switch, now, port, frame);
    told.iter().for_each(|lesson| drop(switch.learn(now, lesson)));
    told.len()
}

/// The flows of a table, as text.
fn table(switch: &Ofproto, table: u8) -> Vec<String> {
    let entries = switch.sorted(Default::default());
    let of_table = entries.iter().filter(|(of, _)| *of == TableId(table));
    let mut flows: Vec<_> =
        of_table.map(|(of, entry)| format_flow(*of, &entry.installed.rule, &NoNames)).collect();
    flows.sort();
    flows
}

const STATIONS: &[&str] = &[
    "table=0 actions=learn(table=1, hard_timeout=60, NXM_OF_VLAN_TCI[0..11], NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[], \
     output:NXM_OF_IN_PORT[]), resubmit(,1)",
    "table=1 priority=0 actions=flood",
];

#[test]
fn a_table_of_stations_is_learned_and_follows_them() {
    let mut switch = switch(STATIONS);
    assert_eq!(comes(&mut switch, 0, 3, &frame(5, 0xff, PLAIN)), 1);
    let at = |mac, port| {
        format!("table=1, vlan_tci=0x0000/0x0fff,dl_dst=50:54:00:00:00:0{mac} actions=output:{port}")
    };
    let rest = "table=1, priority=0 actions=FLOOD".to_owned();
    assert_eq!(table(&switch, 1), [rest.clone(), at(5, 3)]);
    assert_eq!(comes(&mut switch, 1, 3, &frame(5, 0xff, PLAIN)), 0, "it is known");
    assert_eq!(comes(&mut switch, 2, 1, &frame(6, 5, PLAIN)), 1);
    assert_eq!(table(&switch, 1), [rest.clone(), at(5, 3), at(6, 1)]);
    assert_eq!(comes(&mut switch, 3, 2, &frame(5, 0xff, PLAIN)), 1, "it has moved");
    assert_eq!(table(&switch, 1), [rest.clone(), at(5, 2), at(6, 1)]);
    assert_eq!(comes(&mut switch, 4, 3, &frame(5, 0xff, PLAIN)), 1, "and back");
    assert_eq!((table(&switch, 1), switch.lessons()), (vec![rest, at(5, 3), at(6, 1)], 2));
}

#[test]
fn a_hard_timeout_runs_from_the_last_frame_that_taught_it() {
    let mut switch = switch(STATIONS);
    comes(&mut switch, 0, 3, &frame(5, 6, PLAIN));
    assert_eq!(comes(&mut switch, 50_000, 3, &frame(5, 6, PLAIN)), 0);
    assert!(!switch.expire(109_999).changes());
    let age = |switch: &Ofproto, now| {
        let entries = switch.sorted(Default::default());
        let (_, entry) =
            entries.iter().find(|(table, entry)| (table.0, entry.hard_timeout) == (1, 60)).unwrap();
        switch.untaught_ms(entry, now)
    };
    assert_eq!(age(&switch, 59_000), Some(9_000));
    let gone = switch.expire(110_000).removed;
    assert_eq!(gone.iter().map(|gone| gone.reason).collect::<Vec<_>>(), [Reason::HardTimeout]);
    assert_eq!((switch.lessons(), comes(&mut switch, 110_001, 3, &frame(5, 6, PLAIN))), (0, 1));
}

#[test]
fn an_idle_timeout_runs_from_the_last_frame_that_took_it() {
    let learn = "actions=learn(table=1,idle_timeout=10,NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],output:NXM_OF_IN_PORT[]),resubmit(,1)";
    let mut switch = switch(&[learn]);
    comes(&mut switch, 0, 3, &frame(5, 6, PLAIN));
    // Frames from the station teach it and do not take it.
    comes(&mut switch, 9_000, 3, &frame(5, 6, PLAIN));
    assert_eq!(switch.expire(10_000).removed.len(), 1);
    comes(&mut switch, 11_000, 3, &frame(5, 6, PLAIN));
    comes(&mut switch, 20_000, 1, &frame(9, 5, PLAIN));
    assert!(!switch.expire(29_999).changes());
    assert_eq!(table(&switch, 1).len(), 2, "a frame to it came");
}

#[test]
fn what_it_is_made_of_becomes_conditions_and_values() {
    let learn = "tcp,actions=load:3->NXM_NX_REG0[0..15],learn(table=1,priority=7,cookie=0x1234,send_flow_rem,fin_idle_timeout=5,\
                 eth_type=0x800,nw_proto=6,NXM_OF_IP_SRC[]=NXM_OF_IP_DST[],NXM_OF_TCP_DST[]=NXM_OF_TCP_SRC[],in_port=99,\
                 load:NXM_OF_IN_PORT[]->NXM_NX_REG1[16..31],load:0x5->NXM_NX_REG2[],output:NXM_NX_REG0[0..15])";
    let mut switch = switch(&[learn]);
    assert_eq!(comes(&mut switch, 0, 2, &tcp(0x10)), 1);
    let wanted = "cookie=0x1234, table=1, priority=7,tcp,in_port=99,nw_src=192.168.0.1,tp_dst=40000 \
                  actions=fin_timeout(idle_timeout=5),set_field:0x20000/0xffff0000->reg1,set_field:0x5->reg2,output:3";
    assert_eq!(table(&switch, 1), [wanted]);
    let entry = switch.sorted(Default::default()).into_iter().find(|(table, _)| table.0 == 1).unwrap().1;
    assert!(entry.flags.send_flow_rem);
}

#[test]
fn tags_and_reserved_ports_are_what_they_say() {
    let learn = "actions=learn(table=1,NXM_OF_VLAN_TCI[],load:NXM_OF_VLAN_TCI[]->NXM_OF_VLAN_TCI[],output:NXM_OF_VLAN_TCI[])";
    let mut switch = switch(&[learn]);
    comes(&mut switch, 0, 1, &frame(1, 2, PLAIN));
    // 0xfffb: FLOOD; the bit that says "there is a tag" is among them.
    comes(&mut switch, 0, 1, &frame(1, 2, &[0x81, 0, 0xef, 0xfb, 0x88, 0xb5]));
    comes(&mut switch, 0, 1, &frame(1, 2, &[0x81, 0, 0xef, 0xfd, 0x88, 0xb5]));
    assert_eq!(
        table(&switch, 1),
        [
            "table=1, dl_vlan=4091,dl_vlan_pcp=7 actions=set_field:0xfffb->vlan_tci,FLOOD",
            "table=1, dl_vlan=4093,dl_vlan_pcp=7 actions=set_field:0xfffd->vlan_tci",
            "table=1, vlan_tci=0x0000 actions=pop_vlan",
        ]
    );
}

#[test]
fn a_limit_is_kept_and_the_result_says_so() {
    let learn = "table=0,actions=learn(table=1,limit=2,cookie=0x7,result_dst=NXM_NX_REG0[0],NXM_OF_ETH_SRC[]),resubmit(,2)";
    let (yes, no) = ("table=2,reg0=1,actions=1", "table=2,reg0=0,actions=2");
    let mut switch = switch(&[learn, yes, no]);
    for mac in 1..=4 {
        comes(&mut switch, 0, 3, &frame(mac, 9, PLAIN));
    }
    assert_eq!(table(&switch, 1).len(), 2);
    let lesson = |switch: &Ofproto| lessons(switch, 1, 3, &frame(4, 9, PLAIN));
    assert!(lesson(&switch).is_empty(), "there is no room, and nobody is told");
    let took = |switch: &Ofproto, table: u8| {
        let entries = switch.sorted(Default::default());
        let of_table = entries.iter().filter(|(of, _)| of.0 == table);
        of_table.map(|(_, entry)| switch.counted(entry).packets).collect::<Vec<_>>()
    };
    // The two that there was room for, and the others; the last looked twice.
    assert_eq!(took(&switch, 2), [2, 3]);
    ask(&mut switch, 1, "delete_strict table=1,dl_src=50:54:00:00:00:01");
    let [lesson] = &lesson(&switch)[..] else { panic!("there is room again") };
    assert!(switch.learn(2, lesson).is_ok());
    // Told by a worker that did not know yet.
    let mut other = lesson.clone();
    other.values[0] = 77;
    let full = Error::FlowModFailed(FlowModFailed::TableFull(TableId(1)));
    assert_eq!(switch.learn(2, &other).err(), Some(full));
}

#[test]
fn what_was_learned_goes_with_the_last_rule_that_says_so() {
    let learn =
        |port| format!("in_port={port},actions=learn(table=1,delete_learned,cookie=0x9,NXM_OF_ETH_SRC[])");
    let mut switch = switch(&[
        &learn(1),
        &learn(2),
        "table=1,cookie=0x9,arp,actions=1",
        "table=1,cookie=0x8,ip,actions=1",
    ]);
    comes(&mut switch, 0, 1, &frame(1, 9, PLAIN));
    assert_eq!(table(&switch, 1).len(), 3);
    assert_eq!(ask(&mut switch, 0, "delete_strict in_port=1").removed.len(), 1);
    // Doing the same with another action does not delete.
    ask(&mut switch, 0, &format!("modify_strict {},3", learn(2)));
    assert_eq!(table(&switch, 1).len(), 3);
    let removed = ask(&mut switch, 0, "delete_strict in_port=2").removed;
    assert_eq!(removed.len(), 3, "the rule, what it has learned, and whatever else has the cookie there");
    assert_eq!(table(&switch, 1), ["cookie=0x8, table=1, ip actions=output:1"]);
    assert_eq!(switch.lessons(), 0);
}

/// Workers go by a rule for some time after it is deleted, and control hears what frames have taught meanwhile.
#[test]
fn what_a_deleted_rule_taught_last_is_not_taken_up() {
    let learn =
        |port| format!("in_port={port},actions=learn(table=1,delete_learned,cookie=0x9,NXM_OF_ETH_SRC[])");
    let mut switch = switch(&[&learn(1), &learn(2)]);
    let mut late = lessons(&switch, 0, 1, &frame(1, 9, PLAIN));
    late.extend(lessons(&switch, 0, 2, &frame(2, 9, PLAIN)));
    assert_eq!((late.len(), switch.is_stale(&late[0])), (2, false));
    ask(&mut switch, 1, "delete_strict in_port=1");
    assert!(!switch.is_stale(&late[0]), "another rule has the same mark");
    ask(&mut switch, 1, "delete_strict in_port=2");
    for lesson in &late {
        assert!(switch.is_stale(lesson));
        assert!(!switch.learn(2, lesson).expect("no fault").changes());
    }
    assert_eq!((table(&switch, 1).len(), switch.lessons()), (0, 0));
    // Where what was learned is to stay when its rule goes, the last of it stays too.
    let [lesson] = &{
        ask(&mut switch, 3, STATIONS[0]);
        lessons(&switch, 3, 3, &frame(5, 6, PLAIN))
    }[..] else {
        panic!("one")
    };
    ask(&mut switch, 4, "delete table=0");
    assert!(switch.learn(5, lesson).expect("no fault").changes());
    assert_eq!(table(&switch, 1).len(), 1);
}

#[test]
fn a_controller_that_changes_what_was_learned_is_overruled_by_the_next_frame() {
    let mut switch = switch(STATIONS);
    comes(&mut switch, 0, 3, &frame(5, 6, PLAIN));
    ask(&mut switch, 1, "modify table=1,dl_dst=50:54:00:00:00:05,actions=2");
    assert_eq!(switch.lessons(), 0);
    assert!(table(&switch, 1)[1].ends_with("actions=output:2"));
    assert_eq!(comes(&mut switch, 2, 3, &frame(5, 6, PLAIN)), 1);
    assert!(table(&switch, 1)[1].ends_with("actions=output:3"));
}

#[test]
fn the_end_of_a_connection_lowers_the_timeouts() {
    let rule = "tcp,idle_timeout=60,actions=fin_timeout(idle_timeout=5,hard_timeout=100),2";
    let mut switch = switch(&[rule]);
    let timeouts = |switch: &Ofproto| {
        let entries = switch.sorted(Default::default());
        entries.first().map(|(_, entry)| (entry.idle_timeout, entry.hard_timeout))
    };
    comes(&mut switch, 1000, 1, &tcp(0x10));
    switch.heed_fins();
    assert_eq!(timeouts(&switch), Some((60, 0)));
    comes(&mut switch, 2000, 1, &tcp(0x11));
    switch.heed_fins();
    assert_eq!((timeouts(&switch), switch.deadline()), (Some((5, 100)), Some(7000)));
    assert_eq!(switch.expire(7000).removed.len(), 1);
    // One that comes in its place has not ended.
    ask(&mut switch, 8000, rule);
    switch.heed_fins();
    assert_eq!(timeouts(&switch), Some((60, 0)));
    comes(&mut switch, 9000, 1, &tcp(0x04));
    switch.heed_fins();
    assert_eq!(timeouts(&switch), Some((5, 100)), "a reset ends it too");
    ask(&mut switch, 9500, rule);
    switch.heed_fins();
    assert_eq!(timeouts(&switch), Some((60, 0)), "what ended before does not count");
}

#[test]
fn a_bundle_that_is_refused_forgets_no_lesson() {
    let mut switch = switch(STATIONS);
    comes(&mut switch, 0, 3, &frame(5, 6, PLAIN));
    let requests = ["delete table=1,dl_dst=50:54:00:00:00:05", "actions=group:77"];
    let refused = switch.bundle(1, requests.map(|text| Request::Flow(request(text))));
    assert_eq!((refused.map(drop).map_err(|(at, _)| at), switch.lessons()), (Err(1), 1));
    assert_eq!(comes(&mut switch, 2, 3, &frame(5, 6, PLAIN)), 0, "it is known as before");
}
