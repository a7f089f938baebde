//! A worker whose memory for answers is full. Whoever fills it has slow frames himself; what others have is kept for some seconds at
//! least, and nobody loses a frame or a count.

mod common;

use common::*;
use datapath::flow::{Field, OfPort};
use datapath::pipeline::{Domain, Match, Part, Pipeline, PortSetup, Rule, RuleAction, Switching};
use datapath::stats::DropReason;
use etherparse::PacketBuilder;

fn from(port: u32, actions: Vec<RuleAction>) -> Rule {
    Rule::acting(1, Match::any().exact(Field::InPort, port.into()), actions)
}

fn output(port: u32) -> RuleAction {
    RuleAction::Output(OfPort(port))
}

fn tell() -> RuleAction {
    let reason = datapath::action::punt::Reason::Action;
    RuleAction::Controller { max_len: u16::MAX, reason, controller: 0, userdata: [].into() }
}

/// A frame of a sender and an address of its own.
fn frame(n: u32) -> Vec<u8> {
    let mut frame = Vec::new();
    PacketBuilder::ethernet2([2, 0, 0, 0, 1, 1], [2, 0, 0, 0, 1, 2])
        .ipv4((0x0a00_0000 + n).to_be_bytes(), [10, 0, 0, 2], 64)
        .udp(1, 2)
        .write(&mut frame, b"x")
        .expect("a frame");
    frame
}

fn tunnelled(source: [u8; 4], key: u32) -> Vec<u8> {
    let [_, a, b, c] = key.to_be_bytes();
    let mut packet = Vec::new();
    PacketBuilder::ethernet2(NEXT_HOP_MAC.0, UPLINK_MAC.0)
        .ipv4(source, [192, 0, 2, 1], 64)
        .udp(50_000, 4789)
        .write(&mut packet, &[&[8, 0, 0, 0, a, b, c, 0], &frame(1)[..]].concat())
        .expect("a packet");
    packet
}

fn misses(switch: &Switch<'_>) -> u64 {
    switch.shared.read().worker.misses
}

/// Guest 1 sends `hostile` frames, as many as can be in a second; guest 2 sends one flow. How often that was asked about.
fn asked_for_the_other(pipeline: Pipeline, port: u16, count: u32, hostile: impl Fn(u32) -> Vec<u8>) -> u64 {
    let umem = umem();
    let mut switch = Switch::with_flows(&umem, pipeline, 3, 1 << 16);
    // The clock of a switch that runs for a while.
    switch.now_ns = 60_000_000_000;
    let mut asked = 0;
    for n in 0..count / 50 {
        for k in 0..50 {
            switch.wires[usize::from(port)].send(hostile(n * 50 + k)).expect("room");
        }
        switch.turn();
        let before = misses(&switch);
        switch.put(2, &frame(7));
        asked += misses(&switch) - before;
        for port in 0..=3 {
            switch.out(port);
        }
        while switch.reports.punted().is_some() {}
        while switch.reports.sighting().is_some() {}
    }
    asked
}

#[test]
fn programs_of_one_guest_do_not_make_others_be_forgotten() {
    let reflect = RuleAction::Move { from: Part::all(Field::NwSrc), to: Part::all(Field::NwDst) };
    let rules = vec![from(1, vec![reflect, output(3)]), from(2, vec![output(3)])];
    assert!(asked_for_the_other(pipeline(1, rules, 3), 1, 50_000, frame) <= 2);
}

#[test]
fn tunnel_keys_that_nobody_has_do_not_make_others_be_forgotten() {
    let rules = vec![from(TUNNEL, vec![RuleAction::Normal]), from(2, vec![output(3)])];
    let mut pipeline = pipeline(1, rules, 3);
    let setup = PortSetup { domain: Domain::TunnelKey, ..PortSetup::default() };
    pipeline.set_switching(Switching { ports: [(OfPort(TUNNEL), setup)].into(), ..Switching::default() });
    assert!(asked_for_the_other(pipeline, 0, 50_000, |n| tunnelled([192, 0, 2, 2], n)) <= 2);
}

#[test]
fn vlans_do_not_make_others_be_forgotten() {
    let rules = vec![from(1, vec![RuleAction::Normal]), from(2, vec![output(3)])];
    let tagged = |n: u32| {
        let mut frame = frame(n);
        let [.., high, low] = (n % 4096).to_be_bytes();
        frame.splice(12..12, [0x81, 0, high, low]);
        frame
    };
    assert!(asked_for_the_other(pipeline(1, rules, 3), 1, 50_000, tagged) <= 2);
}

#[test]
fn outer_addresses_of_frames_for_the_controller_do_not_make_others_be_forgotten() {
    let mut spec = tunnel(THERE);
    spec.remote = datapath::tunnel::Remote::Flow;
    let rules = vec![from(TUNNEL, vec![tell()]), from(2, vec![output(3)])];
    let pipeline = pipeline_over(1, rules, 3, vec![spec], Default::default(), &[HERE]);
    assert!(
        asked_for_the_other(pipeline, 0, 50_000, |n| tunnelled((0xc612_0000 + n).to_be_bytes(), 100)) <= 1,
        "they are one flow"
    );
}

#[test]
fn who_listens_is_woken_also_when_no_buffer_is_free() {
    let umem = umem();
    let mut switch = Switch::new(&umem, pipeline(1, vec![from(1, vec![tell()])], 3), 3);
    for n in 0..300 {
        switch.put(1, &frame(n));
        assert!(switch.worker.has_reported(), "frame {n}");
    }
    assert_eq!(switch.drops(), [(DropReason::PuntFull, 300 - 256)]);
    switch.turn();
    assert!(!switch.worker.has_reported());
}
