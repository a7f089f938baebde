//! Frames that control sends through a worker: in order, after the rules that were there before them, and counted when they come to
//! nothing. What their actions do is the law of `engine.rs`.

mod common;

use common::*;
use datapath::flow::{Field, OfPort};
use datapath::pipeline::{Instructions, Match, Rule, RuleAction, TableId};
use datapath::stats::DropReason;
use datapath::worker::{PACKETS_MAX, PacketOut};
use etherparse::PacketBuilder;

/// `OFPP_CONTROLLER`.
const CONTROLLER: u128 = 0xffff_fffd;

fn frame(number: u8) -> Vec<u8> {
    let builder = PacketBuilder::ethernet2([2, 0, 0, 0, 1, 1], [2, 0, 0, 0, 1, 2])
        .ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64)
        .udp(4000, 5000);
    let mut frame = Vec::new();
    builder.write(&mut frame, &[number; 20]).expect("a frame");
    frame
}

fn packet(port: u128, actions: Vec<RuleAction>, data: Vec<u8>) -> PacketOut {
    PacketOut { says: Match::any().exact(Field::InPort, port), actions, data, generation: 0 }
}

fn output(port: u32) -> RuleAction {
    RuleAction::Output(OfPort(port))
}

fn through_the_tables() -> RuleAction {
    RuleAction::Resubmit { port: None, table: Some(TableId(0)) }
}

#[test]
fn it_leaves_by_ports_and_tunnels_as_if_it_had_come_in() {
    let umem = umem();
    let mut switch = Switch::new(&umem, pipeline(1, vec![], 2), 2);
    let key = RuleAction::SetField { field: Field::TunId, value: 5, mask: u64::MAX.into() };
    let cases = [
        (CONTROLLER, vec![RuleAction::Flood], [1, 1, 1]),
        (1, vec![RuleAction::All], [1, 0, 1]),
        (1, vec![output(1), output(2)], [0, 0, 1]),
        (1, vec![RuleAction::InPort], [0, 1, 0]),
        (CONTROLLER, vec![key, output(TUNNEL), output(1)], [1, 1, 0]),
    ];
    for (port, actions, wanted) in cases {
        switch.injector.send(packet(port, actions.clone(), frame(1))).expect("room");
        switch.turn();
        let out: Vec<usize> = (0..3).map(|port| switch.out(port).len()).collect();
        assert_eq!(out, wanted, "{actions:?} by {port}");
    }
    assert_eq!(switch.drops(), []);
}

#[test]
fn the_tables_take_it_and_count_it() {
    let rules =
        vec![Rule::new(1, Match::any().exact(Field::InPort, 1), Instructions::apply(vec![output(2)]))];
    let pipeline = pipeline(1, rules, 2);
    let umem = umem();
    let mut switch = Switch::new(&umem, pipeline.clone(), 2);
    for port in [1, CONTROLLER] {
        switch.injector.send(packet(port, vec![through_the_tables()], frame(1))).expect("room");
    }
    switch.turn();
    assert_eq!(switch.out(2), [frame(1)]);
    assert_eq!(switch.drops(), [(DropReason::TableMiss, 1)]);
    let counted = pipeline.tables_counted()[0];
    assert_eq!((counted.matched, counted.missed), (1, 1));
}

/// However busy the worker is: newer rules wait at the door of one that has more to do than a turn can.
#[test]
fn it_is_done_by_the_rules_that_it_names() {
    let umem = umem();
    let mut pipeline = pipeline(1, vec![], 2);
    let mut switch = Switch::new(&umem, pipeline.clone(), 2);
    for number in 0..100 {
        for _ in 0..64 {
            let _ = switch.wires[1].send(frame(0));
        }
        pipeline
            .insert(TableId(0), Rule::acting(number, Match::any(), vec![output(1 + u32::from(number) % 2)]));
        let newest = pipeline.snapshot();
        let generation = newest.generation();
        switch.publisher.publish(newest);
        let last =
            PacketOut { generation, ..packet(CONTROLLER, vec![through_the_tables()], frame(number as u8)) };
        switch.injector.send(last).expect("room");
        // In the same instant for the turns' clock.
        switch.worker.turn(1);
        let out = switch.out(1 + number % 2);
        assert!(out.contains(&frame(number as u8)), "packet-out {number}");
        (1..3).for_each(|port| drop(switch.out(port)));
    }
}

#[test]
fn those_of_one_sender_keep_their_order_and_no_more_wait_than_may() {
    let umem = umem();
    let mut switch = Switch::new(&umem, pipeline(1, vec![], 2), 2);
    let mut numbers = (0..=u8::MAX).cycle();
    for _ in 0..PACKETS_MAX {
        let number = numbers.next().expect("without end");
        switch.injector.send(packet(CONTROLLER, vec![output(1)], frame(number))).expect("room");
    }
    let one_more = packet(CONTROLLER, vec![output(1)], frame(0));
    assert_eq!(switch.injector.send(one_more.clone()), Err(one_more.clone()), "handed back");
    let mut out = Vec::new();
    while switch.injector.under_way() > 0 {
        let before = out.len();
        switch.turn();
        out.extend(switch.out(1));
        assert!(out.len() - before <= 32, "a turn has a bound");
    }
    let wanted: Vec<_> = (0..=u8::MAX).map(frame).collect();
    assert_eq!(out, wanted);
    assert!(switch.injector.send(one_more).is_ok(), "there is room again");
}

#[test]
fn what_comes_to_nothing_is_counted() {
    let umem = umem();
    let mut switch = Switch::new(&umem, pipeline(1, vec![], 2), 2);
    let cases = [
        (vec![output(1)], vec![0; 13], DropReason::FrameTooShort),
        (vec![output(1)], vec![0; 5000], DropReason::FrameTooLong),
        (vec![], frame(1), DropReason::RuleDrop),
        (vec![output(77)], frame(1), DropReason::NoSuchPort),
        (vec![RuleAction::Group(datapath::pipeline::GroupId(9))], frame(1), DropReason::NoSuchGroup),
    ];
    let free = switch.worker.free_frames();
    for (at, (actions, data, reason)) in cases.into_iter().enumerate() {
        for port in [CONTROLLER, 1, 66] {
            switch.injector.send(packet(port, actions.clone(), data.clone())).expect("room");
        }
        switch.turn();
        let dropped = switch.drops().iter().find(|(had, _)| *had == reason).map(|(_, count)| *count);
        assert_eq!((dropped, switch.drops().len()), (Some(3), at + 1), "{reason}");
    }
    assert_eq!(switch.worker.free_frames(), free);
    assert_eq!(switch.shared.read().ports[1].drops, 5, "those that are said to have come in by the port");
}
