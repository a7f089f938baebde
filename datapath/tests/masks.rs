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
