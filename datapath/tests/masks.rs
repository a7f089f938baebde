//! How many masks the flows have is bounded by the rules, whatever is sent (CVE-2019-25076).

mod common;

use common::*;
use datapath::flow::Field;
use datapath::flow::OfPort;
use datapath::pipeline::{Match, Rule, RuleAction, TableId};
use etherparse::PacketBuilder;

const ADDRESS: u32 = 0x0a00_0001;
const PORTS: [u16; 2] = [12_345, 80];

fn acl() -> Vec<Rule> {
    let udp = || Match::any().exact(Field::EthType, 0x0800).exact(Field::NwProto, 17);
    let allow = |matching| Rule::acting(10, matching, vec![RuleAction::Output(OfPort(2))]);
    vec![
        allow(udp().exact(Field::TpDst, PORTS[1].into())),
        allow(udp().exact(Field::TpSrc, PORTS[0].into())),
        allow(Match::any().exact(Field::EthType, 0x0800).exact(Field::NwSrc, ADDRESS.into())),
        Rule::acting(1, Match::any(), vec![]),
    ]
}

/// A frame that differs from each of the three rules in another one of its bits.
fn crafted([address, source, destination]: [u32; 3]) -> Vec<u8> {
    let mut frame = Vec::new();
    PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2])
        .ipv4((ADDRESS ^ 1 << address).to_be_bytes(), [10, 0, 0, 2], 64)
        .udp(PORTS[0] ^ 1 << source, PORTS[1] ^ 1 << destination)
        .write(&mut frame, b"x")
        .expect("a frame");
    frame
}

#[test]
fn crafted_packets_add_flows_and_no_masks() {
    let umem = umem();
    let pipeline = pipeline(1, acl(), 2);
    let bound = pipeline.table(TableId(0)).expect("it has rules").masks();
    let mut switch = Switch::new(&umem, pipeline, 2);
    let bits = (0..32).flat_map(|a| (0..16).flat_map(move |s| (0..16).map(move |d| [a, s, d])));
    let mut sent = 0;
    for bits in bits {
        switch.put(1, &crafted(bits));
        sent += 1;
        assert!(switch.worker.masks() <= bound, "{} masks, {bound} in the rules", switch.worker.masks());
    }
    assert_eq!((sent, bound), (8192, 4));
    let counted = switch.shared.read().worker;
    assert_eq!((counted.flows, counted.masks), (1024, 1), "as many flows as there is room for, of one mask");
}

#[test]
fn one_flow_is_enough_for_what_one_rule_decides() {
    let umem = umem();
    let to_web = Match::any().exact(Field::EthType, 0x0800).exact(Field::TpDst, PORTS[1].into());
    let rules = vec![Rule::acting(10, to_web, vec![RuleAction::Output(OfPort(2))])];
    let mut switch = Switch::new(&umem, pipeline(1, rules, 2), 2);
    for n in 0..32 * 16 {
        let mut frame = crafted([n % 32, n / 32, 0]);
        frame[36..38].copy_from_slice(&PORTS[1].to_be_bytes());
        switch.put(1, &frame);
    }
    assert_eq!(switch.out(2).len(), 256, "no more than the wire holds");
    assert_eq!((switch.worker.flows(), switch.worker.masks()), (1, 1));
}

/// Bits that rules write do not depend on the bits beside them: one flow and one program, whatever those are.
#[test]
fn part_of_a_field_set_costs_one_flow_for_all_values_of_the_rest() {
    let umem = umem();
    let set = |field, value, mask| RuleAction::SetField { field, value, mask };
    let actions = vec![
        set(Field::NwDst, 0x0000_0300, 0x0000_ff00),
        set(Field::TpSrc, 0x8000, 0x8000),
        set(Field::IpDscp, 46, 0x3f),
        set(Field::EthSrc, 0x06, 0xff),
        RuleAction::Output(OfPort(2)),
    ];
    let mut switch = Switch::new(&umem, pipeline(1, vec![Rule::acting(1, Match::any(), actions)], 2), 2);
    const TURNS: u32 = 1600;
    const EACH: u32 = 64;
    for turn in 0..TURNS {
        for n in turn * EACH..(turn + 1) * EACH {
            switch.wires[1].send(numbered(n)).expect("room in the queue");
        }
        switch.turn();
        for (n, frame) in (turn * EACH..).zip(switch.out(2)) {
            let mut wanted = numbered(n);
            wanted[11] = 0x06;
            wanted[15] = wanted[15] & 3 | 46 << 2;
            wanted[32] = 3;
            wanted[34] |= 0x80;
            assert_eq!(frame[..24], wanted[..24]);
            assert_eq!(frame[26..40], wanted[26..40]);
        }
    }
    let counted = switch.shared.read().worker;
    assert_eq!((counted.misses, counted.flows, counted.masks), (1, 1, 1));
}

/// Each number another frame: in every field that the rules of the test above set part of.
fn numbered(n: u32) -> Vec<u8> {
    let [a, b, c, d] = n.to_be_bytes();
    let mut frame = Vec::new();
    PacketBuilder::ethernet2([2, 0, a, b, c, d], [2, 0, 0, 0, 0, 2])
        .ipv4([10, 1, a, b], [10, c, d, c], 64)
        .udp(u16::from_be_bytes([c, d]), 80)
        .write(&mut frame, b"x")
        .expect("a frame");
    frame[15] = d;
    frame
}
