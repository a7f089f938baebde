//! The exact cache has room for what rules tell apart: conversations that nobody looks into share places in it.

mod common;

use common::*;
use datapath::flow::{Field, IDLE_MS, OfPort};
use datapath::pipeline::{Match, Rule, RuleAction, TableId};
use datapath::stats::WorkerCounters;
use etherparse::PacketBuilder;

/// As many as a worker here has places.
const PLACES: usize = 64;

fn frame(port: u16) -> Vec<u8> {
    let mut frame = Vec::new();
    PacketBuilder::ethernet2([2, 0, 0, 0, 1, 1], [2, 0, 0, 0, 1, 2])
        .ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64)
        .udp(port, 9)
        .write(&mut frame, b"x")
        .expect("a frame");
    frame
}

fn to(priority: u16, matching: Match, port: u32) -> Rule {
    Rule::acting(priority, matching, vec![RuleAction::Output(OfPort(port))])
}

fn from(port: u32) -> Match {
    Match::any().exact(Field::InPort, port.into())
}

/// Sends a frame of each of these conversations by port 1; what that added to the counters. All come out by the port that `way` says.
fn send(switch: &mut Switch<'_>, ports: std::ops::Range<u16>, way: impl Fn(u16) -> u16) -> WorkerCounters {
    let before = switch.shared.read().worker;
    for port in ports {
        switch.put(1, &frame(port));
        assert_eq!(switch.out(way(port)), [frame(port)], "conversation {port}");
    }
    let mut after = switch.shared.read().worker;
    after.hits -= before.hits;
    after.masked_hits -= before.masked_hits;
    after.misses -= before.misses;
    after
}

#[test]
fn conversations_share_a_place_until_a_rule_tells_them_apart() {
    let umem = umem();
    let mut rules = pipeline(1, vec![to(1, from(1), 2)], 3);
    let mut switch = Switch::with_flows(&umem, rules.snapshot().as_ref().clone(), 3, PLACES);
    send(&mut switch, 0..2, |_| 2);
    let many = send(&mut switch, 0..1000, |_| 2);
    assert_eq!((many.hits, many.masked_hits, many.misses), (1000, 0, 0), "{many:?}");

    // A rule that looks at ports: what is remembered of one conversation says nothing of another.
    let port = from(1).exact(Field::EthType, 0x0800).exact(Field::NwProto, 17).exact(Field::TpSrc, 7);
    rules.insert(TableId(0), to(2, port.clone(), 3));
    switch.publisher.publish(rules.snapshot());
    let way = |port| if port == 7 { 3 } else { 2 };
    send(&mut switch, 0..20, way);
    // The first of them came when the rule had not been met yet.
    let few = send(&mut switch, 0..20, way);
    assert_eq!((few.hits, few.masked_hits, few.misses), (19, 1, 0), "{few:?}");

    // Nobody asks for ports any more, and what was known by them is forgotten when it was not used for a while.
    rules.remove(TableId(0), 2, &port);
    switch.publisher.publish(rules.snapshot());
    for _ in 0..4 {
        switch.now_ns += IDLE_MS * 1_000_000;
        switch.turn();
    }
    assert_eq!(switch.worker.masks(), 0);
    send(&mut switch, 0..2, |_| 2);
    let many = send(&mut switch, 0..1000, |_| 2);
    assert_eq!((many.hits, many.masked_hits, many.misses), (1000, 0, 0), "{many:?}");
}
