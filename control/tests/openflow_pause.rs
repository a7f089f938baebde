//! News of flows for a controller that does not read: they pause, and what it has missed is told when it reads again. Whatever changes meanwhile, it ends up
//! with the flows that there are.

mod channel_switch;
mod switch;

use bytes::Bytes;
use channel_switch::{Bare, Lab};
use control::ofproto::{Applied, Command as FlowCommand, Event, Filter, FlowMod, Ofproto, Request};
use control::openflow::channel::{
    Channel, ConnectionId, FlowChange, FlowEvent, Heard, Kind, MISSED_BYTES_MAX, MISSED_BYTES_OF_ALL_MAX,
    Room,
};
use control::openflow::{
    Envelope, FlowMonitor, FlowUpdate, Message, Question, Reply, UpdateEvent, Version, decode, encode,
};
use control::text::{NoNames, parse_table_flow};
use datapath::flow::{Field, OfPort};
use datapath::pipeline::{Match, Rule};
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::time::Duration;
use switch::{Host, has_ovs_ofctl, soon, two_guests};

fn changes(applied: &Applied) -> Vec<FlowChange> {
    let change = |event| match event {
        Event::Removed(removed) => FlowChange {
            table: removed.table,
            entry: removed.entry.clone(),
            event: FlowEvent::Deleted(2),
            before: None,
        },
        Event::Changed(changed) => FlowChange {
            table: changed.table,
            entry: changed.entry.clone(),
            event: if changed.added { FlowEvent::Added } else { FlowEvent::Modified },
            before: changed.before.clone(),
        },
    };
    applied.events().map(change).collect()
}

/// A flow-mod of one of a few flows.
fn flow_mod() -> impl Strategy<Value = FlowMod> {
    let command = prop::sample::select(vec![
        FlowCommand::Add,
        FlowCommand::Add,
        FlowCommand::Modify,
        FlowCommand::ModifyStrict,
        FlowCommand::Delete,
        FlowCommand::DeleteStrict,
    ]);
    (command, 0..2u8, 0..3u16, 0..3u8, 1..4u32).prop_map(|(command, table, priority, matching, port)| {
        let matching = ["", "arp,", "in_port=1,"][usize::from(matching)];
        let text = format!("table={table},priority={priority},{matching}actions={port}");
        let (table, rule) = parse_table_flow("test", &text, &NoNames).expect("a flow");
        FlowMod { command, ..FlowMod::add(table, rule) }
    })
}

/// A request, or a bundle of some.
fn bundle() -> impl Strategy<Value = Vec<Request>> {
    vec(flow_mod().prop_map(Request::Flow), 1..4)
}

type Flows = BTreeMap<String, String>;

fn place(table: u8, priority: u16, matching: &impl std::fmt::Debug) -> String {
    format!("{table} {priority} {matching:?}")
}

/// What a controller knows that is told these.
#[derive(Default)]
struct Listener {
    flows: Flows,
    paused: bool,
    pauses: usize,
    /// How many news it has heard.
    news: usize,
}

impl Listener {
    fn hear(&mut self, told: Vec<(ConnectionId, Envelope)>) {
        for (_, envelope) in told {
            match envelope.message {
                Message::FlowMonitorPaused => {
                    assert!(!std::mem::replace(&mut self.paused, true), "paused twice");
                    self.pauses += 1;
                }
                Message::FlowMonitorResumed => assert!(std::mem::take(&mut self.paused), "not paused"),
                Message::MultipartReply(Reply::FlowMonitor(updates), false) => {
                    updates.into_iter().for_each(|update| self.update(update));
                }
                other => panic!("{other:?}"),
            }
        }
    }

    fn update(&mut self, update: FlowUpdate) {
        let FlowUpdate::Full { event, flow, .. } = update else { panic!("{update:?}") };
        let place = place(flow.table.0, flow.priority, &flow.matching);
        self.news += 1;
        match event {
            UpdateEvent::Deleted => drop(self.flows.remove(&place)),
            _ => drop(self.flows.insert(place, format!("{:?}", flow.instructions))),
        }
    }
}

fn there(switch: &Ofproto) -> Flows {
    let flow = |(table, entry): (datapath::pipeline::TableId, control::ofproto::Entry)| {
        let rule = &entry.installed.rule;
        (place(table.0, rule.priority, &rule.matching), format!("{:?}", rule.instructions))
    };
    switch.entries(Filter::default()).map(flow).collect()
}

/// Asks for the news of these, one's own too.
fn watch(id: u32, filter: Filter) -> Vec<u8> {
    let monitor = FlowMonitor { id, flags: 0x3e, filter };
    let wanted = Message::MultipartRequest(Question::FlowMonitor(vec![monitor]), false);
    encode(Version::V14, &Envelope::new(1, wanted)).expect("words for it").to_vec()
}

/// A switch and a channel on which one connection wants the news of these, its own too.
fn watched(filter: Filter) -> (Lab, ConnectionId) {
    let mut lab = Lab::new();
    lab.hear(2, watch(1, filter));
    let (id, version) = lab.connections[2];
    assert_eq!(version, Version::V14);
    (lab, id)
}

/// Those that send to port 1.
fn to_one(flows: &Flows) -> Flows {
    let sends = |(_, does): &(&String, &String)| does.contains("Output(OfPort(1))");
    flows.iter().filter(sends).map(|(place, does)| (place.clone(), does.clone())).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn after_a_pause_a_controller_knows_what_there_is(
        said in vec((bundle(), 0..3usize, 0..4u8), 1..60),
    ) {
        let (lab, id) = watched(Filter::default());
        let Lab { mut channel, switch: Bare(mut switch), .. } = lab;
        let mut listener = Listener::default();
        for (change, messages, taken) in said {
            let Ok(applied) = switch.bundle(0, change) else { continue };
            let room = Room { messages, bytes: 1 << 20, idle: taken == 0 };
            let by = (taken % 2 == 0).then_some((id, 7));
            channel.flows_changed(by, changes(&applied).into_iter(), 0, &|_| room);
            prop_assert_eq!(channel.resume(0, &|_| room), []);
            listener.hear(channel.told());
            if !listener.paused {
                prop_assert_eq!(&listener.flows, &there(&switch), "nothing is missed");
            }
        }
        let room = Room { messages: 100, bytes: 1 << 20, idle: true };
        channel.resume(0, &|_| room);
        listener.hear(channel.told());
        prop_assert!(!listener.paused);
        prop_assert_eq!(listener.flows, there(&switch));
    }

    /// Who watches what goes to a port knows what does, and takes nothing for it that no longer does, however often it paused.
    #[test]
    fn who_watches_a_port_knows_what_goes_there(
        said in vec((bundle(), 0..3usize, any::<bool>()), 1..60),
    ) {
        let (lab, _) = watched(Filter { out_port: Some(OfPort(1)), ..Filter::default() });
        let Lab { mut channel, switch: Bare(mut switch), .. } = lab;
        let mut listener = Listener::default();
        for (change, messages, idle) in said {
            let Ok(applied) = switch.bundle(0, change) else { continue };
            let room = Room { messages, bytes: 1 << 20, idle };
            channel.flows_changed(None, changes(&applied).into_iter(), 0, &|_| room);
            prop_assert_eq!(channel.resume(0, &|_| room), []);
            listener.hear(channel.told());
            if !listener.paused {
                prop_assert_eq!(to_one(&listener.flows), to_one(&there(&switch)));
            }
        }
        let room = Room { messages: 100, bytes: 1 << 20, idle: true };
        channel.resume(0, &|_| room);
        listener.hear(channel.told());
        prop_assert!(!listener.paused);
        prop_assert_eq!(to_one(&listener.flows), to_one(&there(&switch)));
    }
}

/// A switch that is asked to add, modify or delete by text, and who watches what goes to port 1 there.
struct Watched {
    channel: Channel,
    id: ConnectionId,
    switch: Ofproto,
    listener: Listener,
}

impl Watched {
    fn new() -> Watched {
        let (lab, id) = watched(Filter { out_port: Some(OfPort(1)), ..Filter::default() });
        let Lab { channel, switch: Bare(switch), .. } = lab;
        Watched { channel, id, switch, listener: Listener::default() }
    }

    fn apply(&mut self, command: FlowCommand, text: &str, room: Room) {
        self.commit(&[(command, text)], room);
    }

    fn commit(&mut self, bundle: &[(FlowCommand, &str)], room: Room) {
        let request = |(command, text): &(FlowCommand, &str)| {
            let (table, rule) = parse_table_flow("test", text, &NoNames).expect("a flow");
            Request::Flow(FlowMod { command: *command, ..FlowMod::add(table, rule) })
        };
        let applied = self.switch.bundle(0, bundle.iter().map(request)).expect("done");
        self.channel.flows_changed(None, changes(&applied).into_iter(), 0, &|_| room);
        self.listener.hear(self.channel.told());
    }

    fn say(&mut self, message: Message) {
        let heard = Heard { raw: Bytes::new(), said: Ok(Envelope::new(3, message)) };
        self.channel.hear(self.id, heard, &mut Bare::new());
        self.listener.hear(self.channel.told());
    }

    /// Who is to be hung up on.
    fn resume(&mut self, room: Room) -> Vec<ConnectionId> {
        let lost = self.channel.resume(0, &|_| room);
        self.listener.hear(self.channel.told());
        lost
    }

    fn knows(&self) -> Vec<&str> {
        self.listener.flows.values().map(String::as_str).collect()
    }
}

const FULL: Room = Room { messages: 0, bytes: 0, idle: false };
const FREE: Room = Room { messages: 100, bytes: 1 << 20, idle: true };

#[test]
fn nobody_is_told_an_old_state_of_a_flow_that_has_left_what_he_watches() {
    let mut watched = Watched::new();
    watched.apply(FlowCommand::Add, "actions=1", FREE);
    watched.apply(FlowCommand::Modify, "actions=set_field:1->reg0,1", FULL);
    watched.apply(FlowCommand::Modify, "actions=2", FULL);
    assert!(watched.listener.paused);
    assert_eq!(watched.resume(FREE), []);
    assert!(!watched.listener.paused);
    assert!(watched.knows()[0].contains("Output(OfPort(2))"), "{:?}", watched.knows());
    // One that came and went is no news.
    watched.apply(FlowCommand::Add, "arp,actions=1", FULL);
    watched.apply(FlowCommand::Modify, "arp,actions=2", FULL);
    watched.resume(FREE);
    assert_eq!((watched.knows().len(), watched.listener.paused), (1, false));
}

#[test]
fn a_flow_that_came_and_went_while_news_paused_is_not_told_of() {
    let mut watched = Watched::new();
    watched.apply(FlowCommand::Add, "actions=1", FREE);
    for _ in 0..2 {
        watched.apply(FlowCommand::Add, "arp,actions=1", FULL);
        watched.apply(FlowCommand::Delete, "arp,actions=drop", FULL);
    }
    watched.resume(FREE);
    assert_eq!((watched.listener.news, watched.listener.pauses), (1, 1), "only that news paused");
    // Of one that was there before is told that it went, whatever came behind it.
    watched.apply(FlowCommand::Delete, "actions=drop", FULL);
    watched.apply(FlowCommand::Add, "actions=1,2", FULL);
    watched.apply(FlowCommand::Delete, "actions=drop", FULL);
    watched.resume(FREE);
    assert_eq!((watched.listener.news, watched.knows().len()), (2, 0));
    // And of one whose place another took.
    watched.apply(FlowCommand::Add, "actions=1", FREE);
    watched.apply(FlowCommand::Add, "actions=1,2", FULL);
    watched.apply(FlowCommand::Delete, "actions=drop", FULL);
    watched.resume(FREE);
    assert_eq!((watched.listener.news, watched.knows().len()), (4, 0));
}

#[test]
fn a_bundle_is_told_in_the_order_in_which_it_was_done() {
    let (add, delete) = (FlowCommand::Add, FlowCommand::Delete);
    for room in [FREE, FULL] {
        let mut watched = Watched::new();
        watched.commit(&[(add, "actions=1"), (delete, "actions=drop")], room);
        watched.resume(FREE);
        assert!(watched.knows().is_empty(), "it came and went");
        watched.commit(&[(add, "actions=1"), (delete, "actions=drop"), (add, "actions=1,2")], room);
        watched.resume(FREE);
        assert!(watched.knows()[0].contains("Output(OfPort(2))"), "{:?}", watched.knows());
        watched.commit(
            &[(FlowCommand::Modify, "actions=1,3"), (delete, "actions=drop"), (add, "arp,actions=1")],
            room,
        );
        watched.resume(FREE);
        assert_eq!(watched.listener.flows, there(&watched.switch));
    }
}

#[test]
fn one_that_leaves_what_is_watched_is_told_as_open_vswitch_does() {
    let mut watched = Watched::new();
    watched.apply(FlowCommand::Add, "actions=1", FREE);
    watched.apply(FlowCommand::Modify, "actions=2", FREE);
    assert!(watched.knows()[0].contains("Output(OfPort(2))"), "{:?}", watched.knows());
    watched.apply(FlowCommand::Modify, "actions=3", FREE);
    assert!(watched.knows()[0].contains("Output(OfPort(2))"), "it was none of his any more");
    // A flow with all its actions that is longer than the room is told alone.
    let long = format!("arp,actions={}", vec!["1"; 250].join(","));
    watched.apply(FlowCommand::Add, &long, Room { bytes: 1000, ..FREE });
    assert_eq!((watched.knows().len(), watched.listener.paused), (2, false));
}

#[test]
fn who_watches_anew_hears_nothing_of_what_was_missed_before() {
    let mut watched = Watched::new();
    watched.apply(FlowCommand::Add, "actions=1", FREE);
    watched.apply(FlowCommand::Modify, "actions=1,2", FULL);
    watched.apply(FlowCommand::Add, "arp,actions=1", FULL);
    assert!(watched.listener.paused);
    watched.say(Message::FlowMonitorCancel(1));
    assert!(!watched.listener.paused, "nothing is watched, and nothing waits");
    // Nobody notes what becomes of the flow that was missed, until it is watched again.
    watched.apply(FlowCommand::Delete, "arp,actions=drop", FULL);
    let monitor = FlowMonitor { id: 2, flags: 0x3e, filter: Filter::default() };
    watched.say(Message::MultipartRequest(Question::FlowMonitor(vec![monitor]), false));
    assert_eq!(watched.resume(FREE), []);
    assert_eq!(watched.listener.news, 1, "one flow was added, before it all");
    watched.apply(FlowCommand::Add, "arp,actions=2", FREE);
    assert_eq!(watched.listener.news, 2);
}

#[test]
fn what_is_missed_is_bounded_by_its_bytes() {
    let mut watched = Watched::new();
    let flow = |number: usize| format!("ip,nw_dst=10.{}.{}.1,actions=1", number / 256, number % 256);
    (0..40_000).for_each(|number| watched.apply(FlowCommand::Add, &flow(number), FREE));
    let missed = (0..40_000).find(|number| {
        watched.apply(FlowCommand::DeleteStrict, &flow(*number), FULL);
        !watched.resume(FULL).is_empty()
    });
    let missed = missed.expect("there is a bound");
    assert!(missed > 20_000, "deleted flows that are kept: {missed}");
    // It is told no more, and costs nothing.
    assert_eq!(watched.resume(FREE).len(), 1);
}

#[test]
fn what_is_missed_is_weighed_with_all_that_its_actions_hold() {
    let mut watched = Watched::new();
    let note = format!("note:{}", vec!["aa"; 4000].join("."));
    let most = MISSED_BYTES_MAX / (5 * 4000);
    let flow = |number: usize| format!("ip,nw_dst=10.0.{}.{}", number / 256, number % 256);
    let long = format!("actions=1{}", format!(",{note}").repeat(5));
    for number in 0..=most {
        watched.apply(FlowCommand::Add, &format!("{},{long}", flow(number)), FREE);
    }
    let missed = (0..=most).find(|number| {
        watched.apply(FlowCommand::DeleteStrict, &format!("{},actions=drop", flow(*number)), FULL);
        !watched.resume(FULL).is_empty()
    });
    let missed = missed.expect("there is a bound");
    assert!((most / 2..=most).contains(&missed), "{missed} of {most}");
}

#[test]
fn who_has_missed_most_is_hung_up_on_when_all_have_missed_too_much_together() {
    let (mut channel, mut switch) = (Channel::default(), Bare::new());
    let watchers: [_; 5] = std::array::from_fn(|_| channel.join(Kind::Controller, Version::V14));
    for id in watchers {
        let raw = Bytes::from(watch(1, Filter::default()));
        let said = decode(Version::V14, &raw);
        channel.hear(id, Heard { raw, said }, &mut switch);
    }
    let note = format!("note:{}", vec!["aa"; 4000].join("."));
    let text = format!("actions=1{}", format!(",{note}").repeat(5));
    let (table, long) = parse_table_flow("test", &text, &NoNames).expect("a flow");
    let most = MISSED_BYTES_OF_ALL_MAX / watchers.len() / (5 * 4000);
    let flow = |number| {
        let matching = Match::any().exact(Field::NwDst, number as u128);
        FlowMod::add(table, Rule::new(1, matching, long.instructions.clone()))
    };
    let flows: Vec<_> = (0..most).map(flow).collect();
    let mut change = |channel: &mut Channel, change, room: &dyn Fn(ConnectionId) -> Room| {
        let applied = switch.0.flow_mod(0, change).expect("done");
        channel.flows_changed(None, changes(&applied).into_iter(), 0, room);
        channel.told();
    };
    flows.iter().for_each(|flow| change(&mut channel, flow.clone(), &|_| FREE));
    // One more than the others is missed by one of them.
    let worst = watchers[2];
    let lost = (0..).zip(flows).find_map(|(missed, flow)| {
        let room = |id| if missed > 0 || id == worst { FULL } else { FREE };
        change(&mut channel, FlowMod { command: FlowCommand::DeleteStrict, ..flow }, &room);
        let lost = channel.resume(0, &|_| FULL);
        (!lost.is_empty()).then_some((missed, lost))
    });
    let (missed, lost) = lost.expect("there is a bound");
    assert_eq!(lost, [worst]);
    assert!((most * 4 / 5..most).contains(&missed), "{missed} of {most}");
    channel.leave(worst);
    let mut resumed = 0;
    for _ in 0..most {
        assert_eq!(channel.resume(0, &|_| FREE), [], "the others stay");
        let told = channel.told().into_iter();
        resumed += told.filter(|(_, said)| said.message == Message::FlowMonitorResumed).count();
    }
    assert_eq!(resumed, 4, "and are told of all that they have missed");
}

/// `ovs-ofctl` is stopped while 30,000 flows are added and some of them go again, and then goes on.
#[test]
fn who_did_not_read_hears_what_was_missed() {
    if !has_ovs_ofctl() {
        return;
    }
    let Some(host) = Host::new() else { return };
    let _guests = [host.guest(1), host.guest(2)];
    let adit = host.adit(&two_guests("auto"), "");
    let ofctl = |arguments: &[&str]| {
        let mut command = Command::new("ovs-ofctl");
        command.args(arguments).env("OVS_RUNDIR", host.file(".")).stdin(Stdio::null());
        command
    };
    let done = |arguments: &[&str]| {
        let mut command = ofctl(arguments);
        let output = host.netns.run(move || command.output().expect("ovs-ofctl")).expect("a namespace");
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let text = host.file("news.txt");
    let news = || std::fs::read_to_string(&text).expect("text");
    let mut command = ofctl(&["monitor", "br0", "watch:"]);
    let out = std::fs::File::create(&text).expect("a file");
    command.stdout(out.try_clone().expect("a file")).stderr(out);
    let mut monitor = host.netns.run(move || command.spawn().expect("ovs-ofctl")).expect("a namespace");
    // It is told of as one that is new, or that was there when the monitor began; what comes while ovs-ofctl waits for another answer, it does not show.
    let begun = || {
        done(&["add-flow", "br0", "table=3,priority=7,actions=drop"]);
        news().contains(" table=3")
    };
    assert!(soon(begun), "{}", news());

    let signal = |name: &str| {
        let sent = Command::new("kill").args([name, &monitor.id().to_string()]).status();
        assert!(sent.expect("kill").success());
    };
    signal("-STOP");
    let flow =
        |number: u32| format!("ip,nw_dst=10.{}.{}.0/24,actions=output:1\n", number / 256, number % 256);
    let many: String = (0..30_000).map(flow).collect();
    std::fs::write(host.file("many.txt"), many).expect("written");
    let file = host.file("many.txt");
    done(&["add-flows", "br0", file.to_str().expect("text")]);
    done(&["del-flows", "br0", "ip,nw_dst=10.100.0.0/16"]);
    done(&["del-flows", "br0", "table=3"]);
    done(&["mod-flows", "br0", "ip,nw_dst=10.101.0.0/24,actions=output:2"]);
    signal("-CONT");
    let over = || {
        std::thread::sleep(Duration::from_millis(200));
        news().contains("FLOW_MONITOR_RESUMED")
    };
    assert!((0..100).any(|_| over()), "it is told that news go on");
    let (mut flows, mut paused) = (BTreeMap::new(), 0);
    for line in news().lines() {
        paused += usize::from(line.contains("FLOW_MONITOR_PAUSED"));
        let Some(told) = line.trim().strip_prefix("event=") else { continue };
        let (event, flow) = told.split_once(" table=").expect("a table");
        let (flow, actions) = flow.split_once(" actions=").unwrap_or((flow, "drop"));
        match event.starts_with("DELETED") {
            true => drop(flows.remove(flow)),
            false => drop(flows.insert(flow.to_string(), actions.to_string())),
        }
    }
    let dump = done(&["--no-stats", "dump-flows", "br0"]);
    let there = dump.lines().filter(|line| line.contains("actions=")).count();
    assert_eq!((paused, flows.len()), (1, there), "as many as there are");
    assert_eq!(there, 30_000 - 256);
    assert!(!flows.keys().any(|flow| flow.starts_with('3')), "the one that went");
    let other: Vec<_> = flows.iter().filter(|(_, actions)| *actions == "output:2").collect();
    assert_eq!(other.len(), 1, "{other:?}");
    assert!(other[0].0.contains("10.101.0.0/24"), "{other:?}");
    monitor.kill().expect("ended");
    monitor.wait().expect("ended");
    assert!(adit.end().expect("ended").success());
}
