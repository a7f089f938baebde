//! Frames and rules at random, small enough in their values that they meet.
#![allow(dead_code, reason = "each test file uses its part")]

use crate::common::*;
use datapath::flow::{Field, OfPort};
use datapath::pipeline::{Match, Rule, RuleAction};
use etherparse::PacketBuilder;
use proptest::prelude::*;
use proptest::sample::{Index, select};

pub(crate) fn output(port: u32) -> RuleAction {
    RuleAction::Output(OfPort(port))
}

pub(crate) fn set(field: Field, value: u128) -> RuleAction {
    RuleAction::SetField { field, value, mask: field.max() }
}

pub(crate) fn rule(matching: Match, actions: Vec<RuleAction>) -> Rule {
    Rule::acting(1, matching, actions)
}

pub(crate) fn from_port(port: u32) -> Match {
    Match::any().exact(Field::InPort, port.into())
}

/// Frames that mean something, or did before some of their bytes were changed or cut off.
pub(crate) fn frames() -> impl Strategy<Value = Vec<u8>> {
    let bytes = proptest::collection::vec(any::<u8>(), 0..80);
    let changes = proptest::collection::vec((any::<Index>(), any::<u8>()), 0..4);
    let sensible = (any::<[u8; 4]>(), 0..6u8, bytes.clone()).prop_map(|(pick, kind, payload)| {
        let mut frame = Vec::new();
        let mac = |n: u8| [2, 0, 0, 0, 0, n & 3];
        let ethernet = PacketBuilder::ethernet2(mac(pick[0]), mac(pick[1]));
        let (four, six) =
            (|n: u8| [10, 0, 0, n & 3], |n: u8| [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, n & 3]);
        let port = u16::from(pick[2]);
        match kind {
            0 => ethernet.ipv4(four(pick[0]), four(pick[1]), 64).udp(port, 53).write(&mut frame, &payload),
            1 => {
                ethernet.ipv4(four(pick[0]), four(pick[1]), 9).tcp(port, 80, 1, 2).write(&mut frame, &payload)
            }
            2 => ethernet.ipv6(six(pick[0]), six(pick[1]), 64).udp(port, 53).write(&mut frame, &payload),
            3 => ethernet.ipv6(six(pick[0]), six(pick[1]), 9).tcp(port, 80, 1, 2).write(&mut frame, &payload),
            4 => ethernet
                .single_vlan(etherparse::VlanId::try_new(port & 3).expect("twelve bits"))
                .ipv4(four(pick[0]), four(pick[1]), 64)
                .icmpv4_echo_request(port, 1)
                .write(&mut frame, &payload),
            _ => ethernet
                .ipv6(six(pick[0]), six(pick[1]), 64)
                .icmpv6_echo_request(port, 1)
                .write(&mut frame, &payload),
        }
        .expect("a frame");
        frame
    });
    let cut = prop_oneof![4 => Just(None), 1 => any::<Index>().prop_map(Some)];
    let mutated = (sensible, changes, cut).prop_map(|(mut frame, changes, cut)| {
        for (at, value) in changes {
            let at = at.index(frame.len());
            frame[at] = value;
        }
        if let Some(cut) = cut {
            frame.truncate(cut.index(frame.len()));
        }
        frame
    });
    prop_oneof![1 => bytes, 9 => mutated]
}

/// What comes in by the uplink: anything, or a frame in a tunnel, or one that was before it was changed.
pub(crate) fn underlay() -> impl Strategy<Value = Vec<u8>> {
    let changes = proptest::collection::vec((0..50usize, any::<u8>()), 0..3);
    let tunnelled = (frames(), select(vec![100u8, 200, 7]), changes).prop_map(|(inner, vni, changes)| {
        let mut packet = tunnelled(vni.into(), &inner);
        for (at, value) in changes {
            packet[at] = value;
        }
        packet
    });
    prop_oneof![1 => frames(), 9 => tunnelled]
}

fn tunnelled(vni: u32, inner: &[u8]) -> Vec<u8> {
    let [_, a, b, c] = vni.to_be_bytes();
    let mut packet = Vec::new();
    PacketBuilder::ethernet2(NEXT_HOP_MAC.0, UPLINK_MAC.0)
        .ipv4([192, 0, 2, 2], [192, 0, 2, 1], 64)
        .udp(50_000, 4789)
        .write(&mut packet, &[&[8, 0, 0, 0, a, b, c, 0], inner].concat())
        .expect("a packet");
    packet
}

/// A frame and the port that it comes in by.
pub(crate) fn arrivals() -> impl Strategy<Value = (u16, Vec<u8>)> {
    prop_oneof![underlay().prop_map(|packet| (0, packet)), (1..=2u16, frames()),]
}

/// Fields with small values, so that matches and frames meet.
fn conditions() -> impl Strategy<Value = (Field, u128, u128)> {
    let field = select(vec![
        (Field::InPort, 0..3u128),
        (Field::EthDst, 0x0200_0000_0000..0x0200_0000_0004),
        (Field::EthType, 0x0800..0x0801),
        (Field::EthType, 0x86dd..0x86de),
        (Field::NwSrc, 0x0a00_0000..0x0a00_0004),
        (Field::NwProto, 6..7),
        (Field::TpSrc, 0..4),
        (Field::TunId, 100..101),
        (Field::VlanTci, 0..2),
        (Field::NwTtl, 9..10),
        (
            Field::Ipv6Dst,
            0xfd00_0000_0000_0000_0000_0000_0000_0000..0xfd00_0000_0000_0000_0000_0000_0000_0004,
        ),
    ]);
    (field, any::<bool>()).prop_flat_map(|((field, values), whole)| {
        let mask = if whole { field.max() } else { field.max() & !1 };
        (Just(field), values, Just(mask))
    })
}

pub(crate) fn actions() -> impl Strategy<Value = RuleAction> {
    let fields = select(vec![
        Field::EthSrc,
        Field::EthDst,
        Field::NwSrc,
        Field::NwDst,
        Field::NwTtl,
        Field::NwTos,
        Field::IpDscp,
        Field::TpSrc,
        Field::TpDst,
        Field::Ipv6Src,
        Field::Ipv6Dst,
        Field::Ipv6Label,
        Field::ArpSha,
        Field::TunId,
        Field::VlanVid,
        Field::VlanPcp,
        Field::VlanTci,
    ]);
    prop_oneof![
        3 => select(vec![1, 2, TUNNEL, 77]).prop_map(output),
        1 => Just(RuleAction::InPort),
        4 => (fields, any::<u128>(), any::<bool>()).prop_map(|(field, value, whole)| {
            let mask = if whole { field.max() } else { field.max() & 0x5555_5555_5555 };
            RuleAction::SetField { field, value: value & field.max(), mask }
        }),
        1 => select(vec![0x8100, 0x88a8]).prop_map(|tpid| RuleAction::PushVlan { tpid }),
        1 => Just(RuleAction::PopVlan),
    ]
}

pub(crate) fn rules() -> impl Strategy<Value = Vec<Rule>> {
    let rule =
        (0..4u16, proptest::collection::vec(conditions(), 0..3), proptest::collection::vec(actions(), 0..7))
            .prop_map(|(priority, conditions, actions)| {
                let matching =
                    conditions.into_iter().fold(Match::any(), |m, (f, v, mask)| m.with(f, v, mask));
                Rule::acting(priority, matching, actions)
            });
    proptest::collection::vec(rule, 0..8)
}
