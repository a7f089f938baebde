//! Flow entries and groups as OpenFlow 1.3.5 sections 5.2, 5.5, 6.4 and 6.5 mean them: each sentence of the specification that says
//! "must" is a test here, by its name.

use control::ofproto::{
    Aggregate, BadAction, BadInstruction, BucketChange, BucketMod, BucketPlace, Command, Entry, Error,
    Filter, FlowFlags, FlowMod, FlowModFailed, GroupMod, GroupModFailed, MeterMod, MeterModFailed, Ofproto,
    PortModFailed, PortRequest, Reason, Request, TableConfig,
};
use control::text::{NoNames, parse_groups, parse_meters, parse_table_flow};
use datapath::flow::{OfPort, Seed};
use datapath::pipeline::{
    Base, Group, GroupId, Instructions, Match, MeterId, MeterSpec, RuleAction, TableId,
};
use datapath::stats::Counted;
use datapath::tunnel::{TunnelTable, Underlay};
use std::sync::Arc;
use std::time::{Duration, Instant};

fn switch() -> Ofproto {
    let tunnels = TunnelTable::new(Vec::new(), Seed::new(0)).expect("no tunnels");
    Ofproto::new(Base::new([], tunnels, [].into(), Underlay::default()))
}

/// An entry to add.
fn add(text: &str) -> FlowMod {
    let (table, rule) = parse_table_flow("test", text, &NoNames).expect("a flow");
    FlowMod::add(table, rule)
}

/// A request with another command, of all cookies, in the flow's table.
fn request(command: Command, text: &str) -> FlowMod {
    FlowMod { command, cookie_mask: 0, ..add(text) }
}

fn delete(matching: &str) -> FlowMod {
    request(Command::Delete, &format!("{matching},actions=drop"))
}

fn with(flows: &[&str]) -> Ofproto {
    let mut switch = switch();
    for flow in flows {
        switch.flow_mod(0, add(flow)).expect("added");
    }
    switch
}

fn groups(text: &str) -> Vec<(GroupId, Group)> {
    parse_groups("test", text, &NoNames).expect("groups")
}

fn group(text: &str) -> (GroupId, Group) {
    // Alone: what it leads to is for the switch to check.
    let (id, bucket) = text.split_once(' ').expect("an id and a type");
    let (kind, actions) = bucket.split_once(' ').expect("a type and actions");
    let dummy = format!("group_id={id},type={kind},bucket=watch_port:1,actions=output:1");
    let dummy = if matches!(kind, "ff" | "select") { dummy } else { dummy.replace("watch_port:1,", "") };
    let (id, mut group) = groups(&dummy).remove(0);
    let (_, rule) = parse_table_flow("test", &format!("actions={actions}"), &NoNames).expect("actions");
    group.buckets[0].actions = rule.instructions.apply.clone();
    (id, group)
}

fn all(switch: &Ofproto) -> Vec<(TableId, Entry)> {
    switch.sorted(Filter::default())
}

fn flow(switch: &Ofproto, nth: usize) -> Entry {
    all(switch)[nth].1.clone()
}

fn refused(switch: &mut Ofproto, request: FlowMod) -> Error {
    let before = format!("{:?}", all(switch));
    let error = switch.flow_mod(0, request).expect_err("refused");
    assert_eq!(before, format!("{:?}", all(switch)), "what is refused changes nothing");
    error
}

#[test]
fn an_added_entry_is_in_the_pipeline_of_the_workers() {
    let switch = with(&["table=3,priority=7,in_port=1,actions=2"]);
    let table = switch.pipeline().table(TableId(3)).expect("a table");
    assert_eq!((table.len(), switch.len()), (1, 1));
}

#[test]
fn an_identical_entry_gives_way_with_its_duration_and_flags_and_no_word_about_it() {
    let mut switch = with(&["priority=5,ip,actions=1"]);
    let applied = switch.flow_mod(9_000, FlowMod { idle_timeout: 60, ..add("priority=5,ip,actions=2") });
    assert!(applied.expect("added").removed.is_empty(), "no flow-removed message for an add");
    let entry = flow(&switch, 0);
    assert_eq!((switch.len(), entry.created, entry.idle_timeout), (1, 9_000, 60));
    assert_eq!(entry.installed.rule, add_rule("priority=5,ip,actions=2"));
}

fn add_rule(text: &str) -> datapath::pipeline::Rule {
    parse_table_flow("test", text, &NoNames).expect("a flow").1
}

/// Each is held against those of other masks, not against all.
#[test]
fn twenty_thousand_flows_that_may_not_overlap_are_added_in_seconds() {
    let mut switch = switch();
    let flags = FlowFlags { check_overlap: true, ..FlowFlags::default() };
    let began = std::time::Instant::now();
    for n in 0..20_000_u32 {
        let [_, _, high, low] = n.to_be_bytes();
        let flow = add(&format!("priority=5,ip,nw_dst=10.0.{high}.{low},actions=2"));
        switch.flow_mod(0, FlowMod { flags, ..flow }).expect("added");
    }
    assert!(began.elapsed() < std::time::Duration::from_secs(20), "{:?}", began.elapsed());
    let wider = FlowMod { flags, ..add("priority=5,ip,nw_dst=10.0.7.0/24,actions=2") };
    let error = switch.flow_mod(0, wider).expect_err("refused");
    assert_eq!(error, FlowModFailed::Overlap.into());
}

#[test]
fn with_check_overlap_an_add_that_overlaps_at_the_same_priority_is_refused() {
    let mut switch = with(&["priority=5,ip,nw_src=10.0.0.0/8,actions=1"]);
    let flags = FlowFlags { check_overlap: true, ..FlowFlags::default() };
    let overlapping = FlowMod { flags, ..add("priority=5,ip,nw_dst=10.0.0.1,actions=2") };
    assert_eq!(refused(&mut switch, overlapping.clone()), FlowModFailed::Overlap.into());
    switch.flow_mod(0, FlowMod { priority: 6, ..overlapping.clone() }).expect("another priority");
    switch.flow_mod(0, FlowMod { table: Some(TableId(1)), ..overlapping.clone() }).expect("another table");
    let apart = FlowMod { flags, ..add("priority=5,ip,nw_src=11.0.0.0/8,actions=2") };
    switch.flow_mod(0, apart).expect("no frame fits both");
    let same = FlowMod { flags, ..add("priority=5,ip,nw_src=10.0.0.0/8,actions=2") };
    switch.flow_mod(0, same).expect("the same match is no overlap (OpenFlow 1.4)");
}

#[test]
fn modify_changes_instructions_and_leaves_cookie_timeouts_flags_and_duration() {
    let mut switch = switch();
    let flags = FlowFlags { send_flow_rem: true, ..FlowFlags::default() };
    let first =
        FlowMod { idle_timeout: 10, hard_timeout: 20, flags, ..add("cookie=7,priority=5,ip,actions=1") };
    switch.flow_mod(1_000, first).expect("added");
    let change = FlowMod { idle_timeout: 99, cookie: 7, ..request(Command::Modify, "ip,actions=2") };
    assert_eq!(switch.flow_mod(5_000, change).expect("modified").modified, 1);
    let entry = flow(&switch, 0);
    assert_eq!((entry.created, entry.idle_timeout, entry.hard_timeout, entry.flags), (1_000, 10, 20, flags));
    assert_eq!(entry.installed.rule, add_rule("cookie=7,priority=5,ip,actions=2"));
}

#[test]
fn modify_that_finds_nothing_is_no_error_and_adds_nothing() {
    let mut switch = with(&["ip,actions=1"]);
    let applied = switch.flow_mod(0, request(Command::Modify, "arp,actions=2")).expect("no error");
    assert!(!applied.changes());
    assert_eq!(switch.len(), 1);
}

#[test]
fn a_loose_command_means_all_that_is_within_its_match_whatever_the_priority() {
    let flows = [
        "priority=1,ip,nw_src=10.1.0.0/16,actions=1",
        "priority=2,ip,nw_src=10.0.0.0/8,actions=1",
        "priority=3,ip,actions=1",
        "priority=4,tcp,nw_src=10.9.9.9,tp_dst=80,actions=1",
    ];
    let mut switch = with(&flows);
    let within = request(Command::Modify, "ip,nw_src=10.0.0.0/8,actions=2");
    assert_eq!(switch.flow_mod(0, within).expect("modified").modified, 3);
    let gone = switch.flow_mod(0, delete("ip,nw_src=10.0.0.0/8")).expect("deleted").removed;
    assert_eq!(gone.len(), 3);
    assert_eq!(flow(&switch, 0).installed.rule.priority, 3);
}

#[test]
fn a_strict_command_means_the_entry_with_just_this_match_and_priority() {
    let mut switch =
        with(&["priority=5,ip,actions=1", "priority=6,ip,actions=1", "priority=5,tcp,actions=1"]);
    let change = request(Command::ModifyStrict, "priority=5,ip,actions=2");
    assert_eq!(switch.flow_mod(0, change).expect("modified").modified, 1);
    let gone = request(Command::DeleteStrict, "priority=6,ip,actions=drop");
    assert_eq!(switch.flow_mod(0, gone).expect("deleted").removed.len(), 1);
    let rules: Vec<_> = all(&switch).iter().map(|(_, entry)| entry.installed.rule.clone()).collect();
    assert_eq!(rules, [add_rule("priority=5,ip,actions=2"), add_rule("priority=5,tcp,actions=1")]);
}

#[test]
fn a_cookie_mask_restricts_modify_and_delete_and_not_add() {
    let flows = [
        "cookie=0x11,priority=1,actions=1",
        "cookie=0x12,priority=2,actions=1",
        "cookie=0x21,priority=3,actions=1",
    ];
    let mut switch = with(&flows);
    let of_ten = |command| FlowMod { command, cookie: 0x10, cookie_mask: 0xf0, ..add("actions=2") };
    assert_eq!(switch.flow_mod(0, of_ten(Command::Modify)).expect("modified").modified, 2);
    assert_eq!(switch.flow_mod(0, of_ten(Command::Delete)).expect("deleted").removed.len(), 2);
    let left = flow(&switch, 0);
    assert_eq!(left.installed.rule.cookie, 0x21);
    switch.flow_mod(0, FlowMod { cookie: 5, cookie_mask: u64::MAX, ..add("actions=3") }).expect("added");
}

#[test]
fn out_port_and_out_group_restrict_deletes_and_nothing_else() {
    let mut switch = switch();
    let (id, one) = group("1 all output:9");
    switch.group_mod(0, GroupMod::Add(id, one)).expect("added");
    for flow in [
        "priority=1,actions=1,2",
        "priority=2,actions=clone(2)",
        "priority=3,actions=3",
        "priority=4,actions=write_actions(output:2)",
        "priority=5,actions=group:1",
    ] {
        switch.flow_mod(0, add(flow)).expect("added");
    }
    let to_two = |command| FlowMod { command, out_port: Some(OfPort(2)), ..add("actions=2") };
    let counted =
        switch.flow_mod(0, FlowMod { cookie_mask: 0, ..to_two(Command::Modify) }).expect("modified");
    assert_eq!(counted.modified, 5, "modify ignores out_port");
    let mut switch = with(&[
        "priority=1,actions=1,2",
        "priority=2,actions=clone(2)",
        "priority=3,actions=3",
        "priority=4,actions=write_actions(output:2)",
    ]);
    assert_eq!(switch.flow_mod(0, to_two(Command::Delete)).expect("deleted").removed.len(), 3);
    assert_eq!(flow(&switch, 0).installed.rule.priority, 3);
}

#[test]
fn out_group_means_entries_that_lead_to_the_group_itself() {
    let mut switch = switch();
    for (id, one) in ["1 all output:9", "2 all group:1"].map(group) {
        switch.group_mod(0, GroupMod::Add(id, one)).expect("added");
    }
    switch.flow_mod(0, add("priority=1,actions=group:1")).expect("added");
    switch.flow_mod(0, add("priority=2,actions=group:2")).expect("added");
    let to_one = FlowMod { command: Command::Delete, out_group: Some(GroupId(1)), ..add("actions=drop") };
    assert_eq!(switch.flow_mod(0, to_one).expect("deleted").removed.len(), 1);
    assert_eq!(flow(&switch, 0).installed.rule.priority, 2);
}

#[test]
fn a_delete_may_mean_all_tables_and_an_add_may_not() {
    let mut switch = with(&["table=0,actions=1", "table=1,actions=1", "table=253,ip,actions=1"]);
    let everywhere = |command| FlowMod { command, table: None, ..add("ip,actions=drop") };
    assert_eq!(switch.flow_mod(0, everywhere(Command::Delete)).expect("deleted").removed.len(), 1);
    assert_eq!(refused(&mut switch, everywhere(Command::Add)), FlowModFailed::BadTableId.into());
    let strict = FlowMod { command: Command::DeleteStrict, table: None, ..add("actions=drop") };
    assert_eq!(switch.flow_mod(0, strict).expect("deleted").removed.len(), 2);
    assert!(switch.is_empty());
}

#[test]
fn a_modify_that_changes_nothing_is_no_news() {
    let mut switch = with(&["cookie=1,ip,actions=1", "cookie=2,tcp,actions=2"]);
    let modify = request(Command::Modify, "ip,actions=1");
    let mut news = |request| {
        let applied = switch.flow_mod(0, request).expect("done");
        (applied.modified, applied.entries.len())
    };
    assert_eq!(news(modify.clone()), (2, 1));
    assert_eq!(news(modify.clone()), (2, 0));
    assert_eq!(news(FlowMod { new_cookie: Some(2), ..modify }), (2, 1), "another mark is news");
    assert_eq!(news(add("ip,actions=1")), (0, 1), "one that takes another's place is new");
}

#[test]
fn a_modify_of_openflow_1_0_marks_what_it_changes_and_adds_where_there_is_nothing() {
    let mut switch = with(&["table=0,cookie=1,ip,actions=1", "table=3,cookie=2,ip,actions=1"]);
    let modify = |flow| FlowMod { table: None, new_cookie: Some(9), ..request(Command::Modify, flow) };
    assert_eq!(switch.flow_mod(0, modify("ip,actions=2")).expect("modified").modified, 2);
    assert!(switch.sorted(Filter::default()).iter().all(|(_, entry)| entry.installed.rule.cookie == 9));
    let elsewhere = modify("arp,actions=2");
    let cautious = FlowMod { cookie_mask: u64::MAX, ..elsewhere.clone() };
    assert!(!switch.flow_mod(0, cautious).expect("nothing to do").changes());
    assert_eq!(switch.flow_mod(0, elsewhere).expect("added").added, 1);
    let cookies: Vec<_> = switch
        .sorted(Filter::default())
        .iter()
        .map(|(table, e)| (table.0, e.installed.rule.cookie))
        .collect();
    assert_eq!(cookies, [(0, 9), (0, 9), (3, 9)]);
    let goes_nowhere = FlowMod { table: None, ..request(Command::Modify, "ip,actions=goto_table:2") };
    assert_eq!(refused(&mut switch, goes_nowhere), BadInstruction::BadTableId(TableId(2)).into());
}

#[test]
fn deleted_entries_are_told_with_reason_and_duration() {
    let mut switch = switch();
    let flags = FlowFlags { send_flow_rem: true, ..FlowFlags::default() };
    switch.flow_mod(1_500, FlowMod { flags, ..add("cookie=9,ip,actions=1") }).expect("added");
    let removed = switch.flow_mod(4_000, delete("ip")).expect("deleted").removed;
    assert_eq!(removed.len(), 1);
    assert_eq!((removed[0].reason, removed[0].duration), (Reason::Delete, 2_500));
    assert!(removed[0].is_told());
    assert_eq!(removed[0].entry.installed.rule.cookie, 9);
}

#[test]
fn a_table_miss_entry_is_an_entry_like_others() {
    let mut switch = with(&["priority=0,actions=1"]);
    assert!(flow(&switch, 0).installed.rule.is_table_miss());
    switch.flow_mod(0, FlowMod { idle_timeout: 1, ..add("priority=0,actions=1") }).expect("replaced");
    assert_eq!(switch.expire(1_000).removed.len(), 1, "it expires like others");
    let mut switch = with(&["priority=0,actions=1"]);
    assert_eq!(switch.flow_mod(0, delete("")).expect("deleted").removed.len(), 1);
}

#[test]
fn a_hard_timeout_ends_exactly_then_and_says_so() {
    let mut switch = switch();
    switch.flow_mod(500, FlowMod { hard_timeout: 3, ..add("actions=1") }).expect("added");
    assert_eq!(switch.deadline(), Some(3_500));
    assert!(switch.expire(3_499).removed.is_empty());
    let removed = switch.expire(3_500).removed;
    assert_eq!((removed[0].reason, removed[0].duration), (Reason::HardTimeout, 3_000));
    assert_eq!((switch.deadline(), switch.is_empty()), (None, true));
}

#[test]
fn an_idle_timeout_ends_when_nothing_came() {
    let mut switch = switch();
    switch.flow_mod(0, FlowMod { idle_timeout: 2, hard_timeout: 60, ..add("actions=1") }).expect("added");
    assert_eq!(switch.deadline(), Some(2_000));
    assert_eq!(switch.expire(2_000).removed[0].reason, Reason::IdleTimeout);
}

#[test]
fn what_was_deleted_or_replaced_does_not_expire() {
    let mut switch = switch();
    switch.flow_mod(0, FlowMod { hard_timeout: 1, ..add("ip,actions=1") }).expect("added");
    switch.flow_mod(0, add("ip,actions=1")).expect("replaced");
    switch.flow_mod(0, FlowMod { hard_timeout: 1, ..add("arp,actions=1") }).expect("added");
    switch.flow_mod(0, delete("arp")).expect("deleted");
    assert_eq!(switch.deadline(), None);
    assert!(switch.expire(u64::MAX).removed.is_empty());
    assert_eq!(switch.len(), 1);
}

#[test]
fn modify_does_not_restart_a_timeout() {
    let mut switch = switch();
    switch.flow_mod(0, FlowMod { hard_timeout: 2, ..add("ip,actions=1") }).expect("added");
    switch.flow_mod(1_500, request(Command::Modify, "ip,actions=2")).expect("modified");
    assert_eq!(switch.deadline(), Some(2_000));
}

/// What a worker would write: frames that the `nth` entry took.
fn took(switch: &Ofproto, nth: usize, packets: u64, used_ms: u64) {
    let counted = Counted { packets, bytes: 100 * packets, used_ms };
    switch.pipeline().ledger().add(flow(switch, nth).installed.credit(), counted);
}

#[test]
fn frames_put_an_idle_timeout_off_and_not_a_hard_one() {
    let mut switch = switch();
    switch.flow_mod(0, FlowMod { idle_timeout: 2, hard_timeout: 5, ..add("actions=1") }).expect("added");
    took(&switch, 0, 1, 1_700);
    assert!(switch.expire(2_000).removed.is_empty());
    assert_eq!(switch.deadline(), Some(3_700));
    took(&switch, 0, 1, 3_600);
    assert!(switch.expire(3_700).removed.is_empty());
    assert_eq!(switch.deadline(), Some(5_000), "the hard one is sooner by now");
    assert_eq!(switch.expire(5_000).removed[0].reason, Reason::HardTimeout);
}

#[test]
fn counters_stay_unless_reset_counts_is_set() {
    let reset = FlowFlags { reset_counts: true, ..FlowFlags::default() };
    let mut switch = with(&["actions=1"]);
    let packets = |switch: &Ofproto| switch.counted(&flow(switch, 0)).packets;
    took(&switch, 0, 7, 1);
    switch.flow_mod(0, add("actions=2")).expect("replaced");
    assert_eq!(packets(&switch), 7, "copied from the replaced entry");
    switch.flow_mod(0, request(Command::Modify, "actions=3")).expect("modified");
    assert_eq!(packets(&switch), 7, "left unchanged");
    switch.flow_mod(0, FlowMod { flags: reset, ..request(Command::Modify, "actions=4") }).expect("modified");
    assert_eq!(packets(&switch), 0);
    took(&switch, 0, 5, 1);
    switch.flow_mod(0, FlowMod { flags: reset, ..add("actions=5") }).expect("replaced");
    assert_eq!(packets(&switch), 0);
    let total = switch.table_stats()[0];
    assert_eq!((total.active, total.matched), (1, 12), "the table has counted all the same");
}

#[test]
fn sums_are_over_the_entries_that_are_meant() {
    let switch = with(&[
        "cookie=1,priority=3,ip,actions=1",
        "cookie=2,priority=2,ip,actions=1",
        "priority=1,arp,actions=1",
    ]);
    (0..3).for_each(|nth| took(&switch, nth, 10 + nth as u64, 1));
    let ip = Filter { matching: add("ip,actions=1").matching, ..Filter::default() };
    assert_eq!(switch.aggregate(ip.clone()), Aggregate { packets: 21, bytes: 2_100, flows: 2 });
    let marked = Filter { cookie: 2, cookie_mask: u64::MAX, ..ip };
    assert_eq!(switch.aggregate(marked).flows, 1);
}

#[test]
fn a_bundle_that_is_refused_leaves_counters_and_costs_no_place_to_count_in() {
    let mut switch = with(&["priority=1,actions=1"]);
    took(&switch, 0, 7, 1);
    let reset = FlowFlags { reset_counts: true, ..FlowFlags::default() };
    let wrong = || {
        let anew = FlowMod { flags: reset, ..add("priority=1,actions=2") };
        let more = (0..100).map(|n| add(&format!("priority=5,reg0={n},actions=1")));
        let requests = std::iter::once(anew).chain(more).chain([add("actions=group:5")]);
        requests.map(Request::Flow).collect::<Vec<_>>()
    };
    for _ in 0..50 {
        switch.bundle(0, wrong()).expect_err("refused");
    }
    assert_eq!((switch.counted(&flow(&switch, 0)).packets, switch.len()), (7, 1));
    let before = format!("{:?}", flow(&switch, 0).installed.credit());
    switch.flow_mod(0, add("priority=2,actions=1")).expect("added");
    let number = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>().parse::<u32>();
    let after = format!("{:?}", flow(&switch, 0).installed.credit());
    let (Ok(before), Ok(after)) = (number(&before), number(&after)) else { panic!("{before} {after}") };
    assert!(after <= before + 101, "{before} {after}");
}

#[test]
fn a_full_table_refuses() {
    let mut switch = switch();
    let config = TableConfig { max_entries: 1, eviction: false };
    switch.set_table_config(TableId(2), config).expect("a table");
    switch.flow_mod(0, add("table=2,ip,actions=1")).expect("added");
    let more = add("table=2,arp,actions=1");
    assert_eq!(refused(&mut switch, more), FlowModFailed::TableFull(TableId(2)).into());
    switch.flow_mod(0, add("table=2,ip,actions=2")).expect("one that takes another's place has room");
    switch.flow_mod(0, add("table=1,arp,actions=1")).expect("another table has room");
}

#[test]
fn with_eviction_the_least_important_gives_way_and_never_to_a_lesser() {
    let mut switch = switch();
    let important = |importance, flow| FlowMod { importance, ..add(flow) };
    switch.flow_mod(0, important(5, "priority=1,actions=1")).expect("added");
    switch.flow_mod(0, important(3, "priority=2,actions=1")).expect("added");
    switch.flow_mod(0, important(3, "priority=3,actions=1")).expect("added");
    switch.set_table_config(TableId(0), TableConfig { max_entries: 3, eviction: true }).expect("a table");
    let removed = switch.flow_mod(7, important(4, "priority=4,actions=1")).expect("added").removed;
    assert_eq!((removed.len(), removed[0].reason), (1, Reason::Eviction));
    assert_eq!(removed[0].entry.installed.rule.priority, 2, "the older of the two");
    let lesser = important(2, "priority=5,actions=1");
    assert_eq!(refused(&mut switch, lesser), FlowModFailed::TableFull(TableId(0)).into());
    assert_eq!(switch.len(), 3);
}

#[test]
fn instructions_that_make_no_sense_are_refused_under_their_names() {
    let mut switch = switch();
    let with = |change: fn(&mut Instructions)| {
        let mut request = add("table=3,actions=goto_table:4");
        change(Arc::make_mut(&mut request.instructions));
        request
    };
    let back = with(|does| does.goto = Some(TableId(3)));
    assert_eq!(refused(&mut switch, back), BadInstruction::BadTableId(TableId(3)).into());
    let metadata = with(|does| does.metadata = Some((0xff, 0x0f)));
    assert_eq!(refused(&mut switch, metadata), BadInstruction::UnsupMetadataMask.into());
    assert_eq!(refused(&mut switch, add("actions=group:4")), BadAction::BadOutGroup(GroupId(4)).into());
    let table = FlowMod { table: Some(TableId(254)), ..add("actions=drop") };
    assert_eq!(refused(&mut switch, table), FlowModFailed::BadTableId.into());
    let many = with(|does| does.apply = vec![RuleAction::All; 257]);
    assert_eq!(refused(&mut switch, many), BadAction::TooMany.into());
}

#[test]
fn a_group_that_is_there_cannot_be_added_and_one_that_is_not_cannot_be_modified() {
    let mut switch = switch();
    let (id, one) = group("1 all output:9");
    let missing = switch.group_mod(0, GroupMod::Modify(id, one.clone())).expect_err("not there");
    assert_eq!(missing, GroupModFailed::UnknownGroup(id).into());
    switch.group_mod(0, GroupMod::Add(id, one.clone())).expect("added");
    let twice = switch.group_mod(0, GroupMod::Add(id, one.clone())).expect_err("there");
    assert_eq!(twice, GroupModFailed::GroupExists(id).into());
    switch.group_mod(0, GroupMod::Modify(id, one.clone())).expect("modified");
    switch.group_mod(0, GroupMod::AddOrModify(GroupId(2), one)).expect("added");
    assert_eq!(switch.groups().count(), 2);
}

#[test]
fn a_group_that_goes_takes_the_entries_along_that_lead_to_it() {
    let mut switch = switch();
    let (id, one) = group("1 all output:9");
    switch.group_mod(0, GroupMod::Add(id, one)).expect("added");
    switch.flow_mod(0, add("priority=1,actions=group:1")).expect("added");
    switch.flow_mod(0, add("priority=2,actions=write_actions(group:1)")).expect("added");
    switch.flow_mod(0, add("priority=3,actions=1")).expect("added");
    assert_eq!(switch.group_users(id), 2);
    let removed = switch.group_mod(0, GroupMod::Delete(Some(id))).expect("deleted").removed;
    assert!(removed.iter().all(|removed| removed.reason == Reason::GroupDelete));
    assert_eq!((removed.len(), switch.len()), (2, 1));
    let again = switch.group_mod(0, GroupMod::Delete(Some(id))).expect("no error for one that is not there");
    assert!(!again.changes());
}

#[test]
fn a_group_cannot_lead_back_to_itself() {
    let mut switch = switch();
    for (id, one) in ["1 all output:9", "2 all group:1"].map(group) {
        switch.group_mod(0, GroupMod::Add(id, one)).expect("added");
    }
    let refused = |switch: &mut Ofproto, text| {
        let (id, one) = group(text);
        switch.group_mod(0, GroupMod::AddOrModify(id, one)).expect_err("refused")
    };
    assert_eq!(refused(&mut switch, "1 all group:2"), GroupModFailed::Loop(GroupId(1)).into());
    assert_eq!(refused(&mut switch, "3 all group:3"), GroupModFailed::Loop(GroupId(3)).into());
    let chained = switch.group_mod(0, GroupMod::Delete(Some(GroupId(1)))).expect_err("in use by a group");
    assert_eq!(chained, GroupModFailed::ChainedGroup { group: GroupId(1), by: GroupId(2) }.into());
    switch.group_mod(0, GroupMod::Delete(None)).expect("all at once");
    assert_eq!(switch.groups().count(), 0);
}

#[test]
fn a_group_may_lead_to_one_that_comes_later() {
    let mut switch = switch();
    let put = |switch: &mut Ofproto, text| {
        let (id, one) = group(text);
        switch.group_mod(0, GroupMod::Add(id, one))
    };
    put(&mut switch, "1 all group:2").expect("the other may come");
    let circle = put(&mut switch, "2 all group:1").expect_err("back to itself");
    assert_eq!(circle, GroupModFailed::Loop(GroupId(2)).into());
    put(&mut switch, "2 all output:9").expect("there it is");
    let chained = switch.group_mod(0, GroupMod::Delete(Some(GroupId(2)))).expect_err("in use by a group");
    assert_eq!(chained, GroupModFailed::ChainedGroup { group: GroupId(2), by: GroupId(1) }.into());
}

#[test]
fn buckets_fit_the_type_of_their_group() {
    let mut switch = switch();
    let (id, mut two) = group("1 indirect output:1");
    two.buckets.push(two.buckets[0].clone());
    let error = switch.group_mod(0, GroupMod::Add(id, two)).expect_err("two buckets");
    assert_eq!(error, GroupModFailed::InvalidGroup.into());
    let (id, mut blind) = group("1 ff output:1");
    blind.buckets[0].watch_port = None;
    let error = switch.group_mod(0, GroupMod::Add(id, blind)).expect_err("watches nothing");
    assert_eq!(error, GroupModFailed::BadWatch.into());
}

fn meter(text: &str) -> (MeterId, MeterSpec) {
    parse_meters("test", text).expect("a meter").remove(0)
}

#[test]
fn a_meter_that_is_there_cannot_be_added_and_one_that_is_not_cannot_be_modified_nor_named() {
    let mut switch = switch();
    let (id, one) = meter("meter=1 pktps bands=type=drop rate=5");
    let missing = switch.meter_mod(0, MeterMod::Modify(id, one.clone())).expect_err("not there");
    assert_eq!(missing, MeterModFailed::UnknownMeter(id).into());
    assert_eq!(refused(&mut switch, add("actions=meter:1,2")), MeterModFailed::InvalidMeter(id).into());
    switch.meter_mod(7, MeterMod::Add(id, one.clone())).expect("added");
    let twice = switch.meter_mod(0, MeterMod::Add(id, one.clone())).expect_err("there");
    assert_eq!(twice, MeterModFailed::MeterExists(id).into());
    let mut wrong = one.clone();
    wrong.bands[0].rate = 0;
    let error = switch.meter_mod(0, MeterMod::Modify(id, wrong)).expect_err("no rate");
    assert_eq!(error, MeterModFailed::BadRate.into());
    switch.flow_mod(0, add("actions=meter:1,2")).expect("added");
    let (_, other) = meter("meter=1 kbps bands=type=drop rate=9");
    switch.meter_mod(9, MeterMod::Modify(id, other.clone())).expect("modified");
    let known: Vec<_> = switch.meters().collect();
    assert_eq!((known.len(), &known[0].spec, known[0].created, known[0].users), (1, &other, 7, 1));
}

#[test]
fn a_meter_that_goes_takes_the_entries_along_that_name_it() {
    let mut switch = switch();
    let (id, one) = meter("meter=1 pktps bands=type=drop rate=5");
    switch.meter_mod(0, MeterMod::Add(id, one.clone())).expect("added");
    switch.flow_mod(0, add("priority=1,actions=meter:1,2")).expect("added");
    switch.flow_mod(0, add("priority=2,actions=2")).expect("added");
    let applied = switch.meter_mod(0, MeterMod::Delete(Some(id))).expect("deleted");
    assert_eq!((applied.removed.len(), applied.removed[0].reason), (1, Reason::MeterDelete));
    assert_eq!((switch.len(), switch.meters().count()), (1, 0));
    assert!(switch.pipeline().meter(id).is_none());
    let again = switch.meter_mod(0, MeterMod::Delete(Some(id))).expect("no error for one that is not there");
    assert!(!again.changes());
    switch.meter_mod(0, MeterMod::Add(id, one)).expect("added");
    let wrong = [Request::Meter(MeterMod::Delete(None)), Request::Flow(add("actions=group:9"))];
    switch.bundle(0, wrong).expect_err("refused");
    assert!(switch.pipeline().meter(id).is_some() && switch.has_meter(id), "as if nothing had been asked");
}

#[test]
fn a_bundle_is_done_whole_and_in_order_or_not_at_all() {
    let mut switch = with(&["priority=1,actions=1"]);
    let before = format!("{:?}", all(&switch));
    let good = |flow| Request::Flow(add(flow));
    let wrong = [good("priority=2,actions=1"), Request::Flow(delete("")), good("actions=group:5")];
    let (at, error) = switch.bundle(0, wrong).expect_err("the third is refused");
    assert_eq!((at, error), (2, BadAction::BadOutGroup(GroupId(5)).into()));
    assert_eq!(before, format!("{:?}", all(&switch)));
    assert_eq!(switch.pipeline().table(TableId(0)).map(|table| table.len()), Some(1));
    let (id, five) = group("5 all output:1");
    let right = [Request::Flow(delete("")), Request::Group(GroupMod::Add(id, five)), good("actions=group:5")];
    let applied = switch.bundle(0, right).expect("done");
    assert_eq!((applied.added, applied.removed.len(), switch.len()), (2, 1, 1));
}

#[test]
fn nothing_of_a_bundle_is_done_when_a_frame_in_it_is_refused() {
    let mut switch = with(&["priority=1,actions=1"]);
    let before = format!("{:?}", all(&switch));
    let frame = |group| (Match::default(), vec![RuleAction::Group(GroupId(group))], vec![0; 60]);
    let (id, five) = group("5 all output:1");
    let requests = [Request::Flow(delete("")), Request::Group(GroupMod::Add(id, five))];
    let wrong = switch.bundle_and_send(0, requests.clone(), [frame(5), frame(6)]).map(drop);
    assert_eq!(wrong, Err((3, BadAction::BadOutGroup(GroupId(6)).into())));
    assert_eq!(before, format!("{:?}", all(&switch)));
    assert!(switch.group(id).is_none());
    let (applied, packets) = switch.bundle_and_send(0, requests, [frame(5)]).expect("done");
    assert_eq!((applied.added, packets.len(), switch.len()), (1, 1, 0), "by the group that came with it");
}

#[test]
fn remote_ends_follow_the_entries_that_set_them() {
    let mut switch = switch();
    let tunnelled = "set_field:192.0.2.9->tun_dst,output:10";
    switch.flow_mod(0, add(&format!("priority=1,actions={tunnelled}"))).expect("added");
    let first = switch.remotes_changed();
    switch.flow_mod(0, add(&format!("priority=2,actions={tunnelled}"))).expect("added");
    assert_eq!(switch.remotes_changed(), first, "known already");
    switch.flow_mod(0, delete("")).expect("deleted");
    assert_eq!(switch.remotes().count(), 0);
    assert!(switch.remotes_changed() > first);
}

fn ports() -> Ofproto {
    let tunnels = TunnelTable::new(Vec::new(), Seed::new(0)).expect("no tunnels");
    let guests = (1..=2).map(|n| (OfPort(n), datapath::port::PortId(n as u16)));
    Ofproto::new(Base::new(guests, tunnels, [].into(), Underlay::default()))
}

/// Section 7.3.4.4: the mask says which bits are meant.
#[test]
fn a_port_is_what_was_asked_for_in_the_bits_of_the_mask() {
    let mut switch = ports();
    let ask = |port, config, mask| PortRequest { port: OfPort(port), config, mask };
    let applied = switch.port_mod(ask(1, 0b111_1101, 0b010_0101)).expect("done");
    assert_eq!((applied.modified, switch.port_bits(OfPort(1))), (1, 0b010_0101));
    assert!(switch.pipeline().port_config(OfPort(1)).down && !switch.pipeline().is_port_live(OfPort(1)));
    assert!(!switch.port_mod(ask(1, 0b010_0101, u32::MAX)).expect("nothing to do").changes());
    switch.port_mod(ask(1, 1 << 4, 1 << 4 | 1)).expect("done");
    assert_eq!(switch.port_bits(OfPort(1)), 0b011_0100, "up again, and not flooded to");
    assert_eq!(switch.port_bits(OfPort(2)), 0);
    let refused = |failed: PortModFailed| Err(Error::from(failed));
    assert_eq!(switch.port_mod(ask(9, 1, 1)).map(drop), refused(PortModFailed::BadPort(OfPort(9))));
    assert_eq!(switch.port_mod(ask(1, 2, 2)).map(drop), refused(PortModFailed::BadConfig), "OFPPC_NO_STP");
    let wrong = [Request::Port(ask(2, 1, 1)), Request::Port(ask(9, 1, 1))];
    assert_eq!(switch.bundle(0, wrong).map(drop).expect_err("the second is refused").0, 1);
    assert_eq!(switch.port_bits(OfPort(2)), 0, "nothing of a bundle that is refused");
}

/// OpenFlow 1.5 section 7.3.4.3.
#[test]
fn buckets_come_and_go_one_by_one() {
    use BucketPlace::{All, First, Id, Last};
    let text = "group_id=1,type=select,bucket=bucket_id:5,actions=1,bucket=bucket_id:9,actions=2";
    let (id, group) = groups(text).remove(0);
    let mut switch = ports();
    switch.group_mod(0, GroupMod::Add(id, group)).expect("added");
    let places = |switch: &Ofproto| switch.pipeline().installed_group(id).expect("there").buckets.to_vec();
    let ids = |switch: &Ofproto| {
        switch.group(id).expect("there").group.buckets.iter().map(|bucket| bucket.id).collect::<Vec<_>>()
    };
    let counting = places(&switch);
    let insert = |place, number: u32| {
        let text = format!("group_id=1,type=all,bucket=bucket_id:{number},actions=3");
        BucketMod { group: id, change: BucketChange::Insert(place, groups(&text).remove(0).1) }
    };
    for (place, number) in [(First, 1), (Last, 2), (Id(5), 3), (Id(2), 4)] {
        switch.bucket_mod(insert(place, number)).expect("done");
    }
    assert_eq!(ids(&switch), [1, 5, 3, 9, 2, 4]);
    let mut silent = groups("group_id=1,type=all,bucket=bucket_id:6,actions=3").remove(0).1;
    silent.buckets[0].weight = 0;
    let silent = BucketMod { group: id, change: BucketChange::Insert(Last, silent) };
    switch.bucket_mod(silent).expect("done");
    assert_eq!(switch.group(id).expect("there").group.buckets.last().map(|b| (b.id, b.weight)), Some((6, 1)));
    switch.bucket_mod(BucketMod { group: id, change: BucketChange::Remove(Last) }).expect("done");
    assert_eq!([places(&switch)[1], places(&switch)[3]], counting[..], "they count where they counted");
    let refused = |failed: GroupModFailed| Err(Error::from(failed));
    let asked = |switch: &mut Ofproto, request| switch.bucket_mod(request).map(drop);
    assert_eq!(asked(&mut switch, insert(Last, 9)), refused(GroupModFailed::BucketExists(9)));
    assert_eq!(asked(&mut switch, insert(Id(77), 8)), refused(GroupModFailed::UnknownBucket(77)));
    assert_eq!(asked(&mut switch, insert(All, 8)), refused(GroupModFailed::BadBucket));
    let remove = |place| BucketMod { group: id, change: BucketChange::Remove(place) };
    for place in [First, Last, Id(3)] {
        switch.bucket_mod(remove(place)).expect("done");
    }
    assert_eq!(ids(&switch), [5, 9, 2]);
    assert_eq!(places(&switch)[..2], counting[..]);
    assert_eq!(asked(&mut switch, remove(Id(3))), refused(GroupModFailed::UnknownBucket(3)));
    for _ in 0..2 {
        switch.bucket_mod(remove(All)).expect("also of none");
        switch.bucket_mod(remove(First)).expect("also of none");
    }
    assert_eq!(ids(&switch), [0; 0]);
    let other = BucketMod { group: GroupId(2), change: BucketChange::Remove(All) };
    assert_eq!(asked(&mut switch, other), refused(GroupModFailed::UnknownGroup(GroupId(2))));
}

#[test]
fn entries_give_way_in_the_tables_that_are_told_so() {
    let mut switch = switch();
    switch.set_eviction(Some(TableId(3)), true).expect("a table");
    assert!(switch.table_config(TableId(3)).eviction && !switch.table_config(TableId(4)).eviction);
    switch.set_eviction(None, true).expect("all tables");
    assert!((0..254).all(|table| switch.table_config(TableId(table)).eviction));
    assert!(switch.set_eviction(Some(TableId(254)), true).is_err());
}

/// What workers count for an entry after it has gone is told with it, and told when none of them can count for it any more.
#[test]
fn an_entry_that_goes_is_told_of_with_all_that_it_counted() {
    let mut switch = switch();
    let told = FlowFlags { send_flow_rem: true, ..FlowFlags::default() };
    switch.flow_mod(0, FlowMod { flags: told, ..add("priority=1,cookie=7,actions=1") }).expect("added");
    switch.flow_mod(0, add("priority=2,cookie=8,actions=1")).expect("added");
    let before = switch.snapshot().generation();
    let credit = all(&switch)[1].1.installed.credit();
    let counts = |switch: &Ofproto| {
        let counted = Counted { packets: 2, bytes: 100, used_ms: 5 };
        switch.pipeline().ledger().add(credit, counted);
    };
    counts(&switch);
    let wrong = [Request::Flow(delete("")), Request::Flow(add("actions=group:9"))];
    switch.bundle(10, wrong).map(drop).expect_err("refused as a whole");
    assert!(!switch.has_leaving(), "nothing has gone");
    switch.flow_mod(10, delete("")).expect("deleted");
    assert!(switch.has_leaving() && !switch.clone().has_leaving());
    let after = switch.snapshot().generation();
    counts(&switch);
    switch.settled(before);
    assert!(switch.farewells().is_empty(), "a worker may go by it still");
    switch.settled(after);
    let farewells = switch.farewells();
    let said: Vec<_> = farewells.iter().map(|f| (f.removed.entry.installed.rule.cookie, f.counted)).collect();
    assert_eq!(said, [(7, Counted { packets: 4, bytes: 200, used_ms: 5 })], "the one that was to be told of");
    assert!(!switch.has_leaving() && switch.farewells().is_empty());
    assert_eq!(switch.counted(&farewells[0].removed.entry), Counted::default(), "its place is free");
}

#[test]
fn a_clone_is_a_snapshot() {
    let mut switch = with(&["priority=1,actions=1"]);
    let snapshot = switch.clone();
    switch.flow_mod(0, delete("")).expect("deleted");
    assert_eq!((snapshot.len(), switch.len()), (1, 0));
}

/// What names one entry costs a search and no look at the others: a hundred thousand adds take well under a second of an
/// optimised build; this one may not be optimised.
#[test]
fn adding_and_deleting_one_entry_does_not_look_at_the_others() {
    let mut switch = switch();
    let template = add("priority=5,ip,nw_dst=10.0.0.0,actions=1");
    let flow = |n: u32| {
        let matching = Match::any().exact(datapath::flow::Field::NwDst, n.into());
        FlowMod { matching, ..template.clone() }
    };
    let timed = |what: &mut dyn FnMut()| {
        let start = Instant::now();
        what();
        start.elapsed()
    };
    let first = timed(&mut || (0..2_000).for_each(|n| drop(switch.flow_mod(0, flow(n)))));
    (2_000..60_000).for_each(|n| drop(switch.flow_mod(0, flow(n))));
    let last = timed(&mut || (60_000..62_000).for_each(|n| drop(switch.flow_mod(0, flow(n)))));
    let strict = |n| FlowMod { command: Command::DeleteStrict, ..flow(n) };
    let gone = timed(&mut || (0..2_000).for_each(|n| drop(switch.flow_mod(0, strict(n)))));
    assert_eq!(switch.len(), 60_000);
    let bound = first * 10 + Duration::from_millis(100);
    assert!(
        last < bound && gone < bound,
        "2,000 adds to an empty table {first:?}, to a full one {last:?}, deletes {gone:?}"
    );
}

#[test]
fn a_table_tells_once_that_room_is_scarce_and_once_that_it_is_there_again() {
    use control::ofproto::{Vacancy, VacancyEvent::*};
    let mut switch = switch();
    let table = TableId(2);
    switch.set_table_config(table, TableConfig { max_entries: 10, eviction: false }).expect("a table");
    switch.set_vacancy(Some(table), Some(Vacancy { down: 20, up: 50 })).expect("a table");
    let mut told = Vec::new();
    let flow = |priority: usize| format!("table=2,priority={priority},actions=drop");
    for priority in 0..10 {
        switch.flow_mod(0, add(&flow(priority))).expect("added");
        told.extend(switch.vacancy_events().into_iter().map(|(_, event)| (priority, event)));
    }
    assert_eq!(told, [(8, Down)], "nine of ten leave less than a fifth");
    assert_eq!(switch.vacancy(table), 0);
    told.clear();
    for priority in 0..10 {
        switch.flow_mod(0, request(Command::DeleteStrict, &flow(priority))).expect("deleted");
        told.extend(switch.vacancy_events().into_iter().map(|(_, event)| (priority, event)));
    }
    assert_eq!(told, [(5, Up)], "four of ten leave more than a half");
    assert_eq!((switch.vacancy(table), switch.vacancy_told(TableId(1))), (100, None));

    switch.set_vacancy(Some(table), None).expect("a table");
    for priority in 0..10 {
        switch.flow_mod(0, add(&flow(priority))).expect("added");
    }
    assert!(switch.vacancy_events().is_empty(), "nobody asked");
    // A table that is nearly full when it is asked tells of room first.
    switch.set_vacancy(None, Some(Vacancy { down: 20, up: 50 })).expect("all tables");
    assert!(switch.vacancy_events().is_empty());
    switch.flow_mod(0, delete("table=2")).expect("deleted");
    assert_eq!(switch.vacancy_events(), [(table, Up)]);
    assert!(switch.set_vacancy(Some(TableId(254)), None).is_err());
}
