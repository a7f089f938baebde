//! Labels, as Open vSwitch handles them: matched, set, counted down, pushed and popped, and what is behind them looked at afterwards. The same rules and frames
//! give the same frames out of the same ports, byte for byte.
//!
//! Where the two differ on purpose (docs/differences.md), the rules here do not go: a label that is pushed on a frame without one is set as a whole, and
//! there are three at most.

mod common;
mod ovs;
mod pipelines;

use common::*;
use datapath::flow::{Field, OfPort};
use datapath::pipeline::{Instructions, Match, Rule, RuleAction, TableId};
use ovs::{Ovs, text};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use std::collections::BTreeMap;

const SETS: usize = 80;
const FRAMES: usize = 25;
/// The last table only sends.
const LAST: u8 = 2;

const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
const MPLS: u16 = 0x8847;
const MULTICAST: u16 = 0x8848;

/// A label says what is behind it where it is the last one: no other rule may pop it, since nobody else could know. Labels that are set on others say
/// nothing.
const LABELS: [(u32, u16); 6] = [(0, IPV4), (1, IPV4), (2, IPV6), (3, IPV6), (4, IPV4), (5, IPV6)];
const UNTOLD: u128 = 6;

fn set(field: Field, value: u128) -> RuleAction {
    RuleAction::SetField { field, value, mask: field.max() }
}

fn output() -> impl Strategy<Value = RuleAction> {
    (1..=3u32).prop_map(|port| RuleAction::Output(OfPort(port)))
}

fn on(ether_type: u16) -> Match {
    Match::any().exact(Field::EthType, ether_type.into())
}

/// What is done with the outermost label.
fn with_label() -> impl Strategy<Value = RuleAction> {
    prop_oneof![
        2 => Just(set(Field::MplsLabel, UNTOLD)),
        2 => (0..8u128).prop_map(|tc| set(Field::MplsTc, tc)),
        1 => select(vec![0u128, 1, 2, 64]).prop_map(|ttl| set(Field::MplsTtl, ttl)),
        3 => Just(RuleAction::DecMplsTtl),
        2 => output(),
    ]
}

fn with_ip(ether_type: u16) -> impl Strategy<Value = RuleAction> {
    let address =
        if ether_type == IPV4 { (Field::NwDst, 0x0a00_0001) } else { (Field::Ipv6Dst, 0xfd << 120 | 1) };
    prop_oneof![
        2 => Just(RuleAction::DecTtl),
        1 => Just(set(address.0, address.1)),
        1 => Just(set(Field::EthDst, 0x0200_0000_0001)),
        2 => output(),
    ]
}

/// On to another table, or out.
fn end(table: u8) -> BoxedStrategy<Vec<RuleAction>> {
    let out = output().prop_map(|out| vec![out]);
    if table == LAST {
        return out.boxed();
    }
    let next =
        (table + 1..=LAST).prop_map(|table| RuleAction::Resubmit { port: None, table: Some(TableId(table)) });
    let both = (next.clone(), output()).prop_map(|(next, out)| vec![next, out]);
    prop_oneof![1 => out, 3 => next.prop_map(|next| vec![next]), 1 => both].boxed()
}

/// More that a rule for labels may ask.
fn asked() -> impl Strategy<Value = Match> {
    let one = prop_oneof![
        (0..4u128).prop_map(|label| (Field::MplsLabel, label)),
        (0..4u128).prop_map(|tc| (Field::MplsTc, tc)),
        (0..2u128).prop_map(|bos| (Field::MplsBos, bos)),
        select(vec![1u128, 2, 64]).prop_map(|ttl| (Field::MplsTtl, ttl)),
        (1..=3u128).prop_map(|port| (Field::InPort, port)),
    ];
    (option::weighted(0.6, one), select(vec![MPLS, MPLS, MULTICAST])).prop_map(|(one, kind)| match one {
        Some((field, value)) => on(kind).exact(field, value),
        None => on(kind),
    })
}

type Acting = (Match, Vec<RuleAction>);

/// Labels stay as many as they are.
fn labelled(table: u8) -> impl Strategy<Value = Acting> {
    (asked(), vec(with_label(), 0..4), end(table))
        .prop_map(|(asked, actions, end)| (asked, [actions, end].concat()))
}

/// The outermost of several goes, or the only one.
fn popped(table: u8) -> BoxedStrategy<Acting> {
    let several = (vec(with_label(), 0..3), end(table)).prop_map(|(after, end)| {
        let pop = RuleAction::PopMpls { ether_type: MPLS };
        (on(MPLS).exact(Field::MplsBos, 0), [vec![pop], after, end].concat())
    });
    let only = select(LABELS.to_vec()).prop_flat_map(move |(label, inside)| {
        (vec(with_ip(inside), 0..3), end(table)).prop_map(move |(after, end)| {
            let pop = RuleAction::PopMpls { ether_type: inside };
            let asked = on(MPLS).exact(Field::MplsBos, 1).exact(Field::MplsLabel, label.into());
            (asked, [vec![pop], after, end].concat())
        })
    });
    prop_oneof![several, only].boxed()
}

/// One more label: on others, where it begins as a copy of the outermost, or the first one.
fn pushed() -> BoxedStrategy<Acting> {
    let kind = || select(vec![MPLS, MPLS, MPLS, MULTICAST]);
    let more = (kind(), vec(with_label(), 0..3), end(0)).prop_map(|(ether_type, after, end)| {
        (on(MPLS), [vec![RuleAction::PushMpls { ether_type }], after, end].concat())
    });
    let first = (select(vec![(IPV4, 4u128), (IPV6, 5)]), kind(), 0..8u128, 1..65u128, end(0)).prop_map(
        |((inside, label), ether_type, tc, ttl, end)| {
            let push = vec![
                RuleAction::PushMpls { ether_type },
                set(Field::MplsLabel, label),
                set(Field::MplsTc, tc),
                set(Field::MplsTtl, ttl),
            ];
            (on(inside).with(Field::VlanTci, 0, 0x1000), [push, end].concat())
        },
    );
    prop_oneof![more, first].boxed()
}

fn plain(table: u8) -> impl Strategy<Value = Acting> {
    select(vec![IPV4, IPV6]).prop_flat_map(move |kind| {
        (vec(with_ip(kind), 0..3), end(table))
            .prop_map(move |(actions, end)| (on(kind), [actions, end].concat()))
    })
}

/// Labels are pushed by the first table alone, so that there are no more than three.
fn rules() -> impl Strategy<Value = Vec<(TableId, Rule)>> {
    let first = prop_oneof![2 => labelled(0).boxed(), 2 => popped(0), 3 => pushed(), 1 => plain(0).boxed()];
    let later = prop_oneof![2 => labelled(1).boxed(), 3 => popped(1), 2 => plain(1).boxed()];
    let last = prop_oneof![1 => labelled(2).boxed(), 1 => plain(2).boxed()];
    (vec(first, 2..7), vec(later, 2..6), vec(last, 1..4)).prop_map(|(first, later, last)| {
        let tables = (0..).zip([first, later, last]);
        let all = tables.flat_map(|(table, rules)| rules.into_iter().map(move |rule| (TableId(table), rule)));
        let rule = |(priority, (table, (matching, apply))): (u16, (TableId, Acting))| {
            let instructions = Instructions { apply, ..Instructions::default() };
            (table, Rule { cookie: u64::from(priority), ..Rule::new(priority, matching, instructions) })
        };
        (1..).zip(all).map(rule).collect()
    })
}

/// IPv4 or IPv6 behind up to two labels, the last of which says which it is.
fn frames() -> impl Strategy<Value = (u16, Vec<u8>)> {
    let entry = || (0..8u32, select(vec![0u32, 1, 2, 64]));
    let labels = vec((0..2u32, entry()), 0..=2);
    let frame = pipelines::frames_without_shims().prop_filter("no tags and no fragments", |(_, frame)| {
        let mut key = datapath::flow::FlowKey::default();
        let read = datapath::flow::extract(frame, OfPort(1), None, &mut key);
        read.is_ok() && matches!(kind_of(frame), IPV4 | IPV6) && key.get(Field::NwFrag) == 0
    });
    (frame, labels).prop_map(|((port, mut frame), labels)| {
        let inside = if kind_of(&frame) == IPV4 { 0 } else { 2 };
        let bottom = labels.len().saturating_sub(1);
        let entries = labels.iter().enumerate().flat_map(|(at, (label, (tc, ttl)))| {
            ((inside + label) << 12 | tc << 9 | u32::from(at == bottom) << 8 | ttl).to_be_bytes()
        });
        let entries: Vec<u8> = entries.collect();
        if !labels.is_empty() {
            frame.splice(12..14, [&MPLS.to_be_bytes()[..], &entries].concat());
        }
        (port, frame)
    })
}

fn kind_of(frame: &[u8]) -> u16 {
    frame.get(12..14).map_or(0, |kind| u16::from_be_bytes([kind[0], kind[1]]))
}

/// What came out, by port and by the number at the end of the frame.
type Out = BTreeMap<(u16, u32), Vec<Vec<u8>>>;

fn sorted(frames: impl Iterator<Item = (u16, Vec<u8>)>) -> Out {
    let mut out = Out::new();
    for (port, frame) in frames {
        let number = frame.last_chunk().map_or(0, |number| u32::from_be_bytes(*number));
        out.entry((port, number)).or_default().push(frame);
    }
    out
}

fn ours(rules: &[(TableId, Rule)], frames: &[(u16, Vec<u8>)]) -> Out {
    let mut pipeline = pipeline(1, vec![], 3);
    rules.iter().for_each(|(table, rule)| drop(pipeline.insert(*table, rule.clone())));
    let umem = umem();
    let mut switch = Switch::new(&umem, pipeline, 3);
    let mut out = Vec::new();
    for (port, frame) in frames {
        switch.put(*port, frame);
        (1..=3).for_each(|port| out.extend(switch.out(port).into_iter().map(|frame| (port, frame))));
    }
    sorted(out.into_iter())
}

#[test]
fn labels_are_handled_as_open_vswitch_does() {
    let Some(mut ovs) = Ovs::start(3) else { return };
    // What it remembers writes the whole label of the first frame into later ones, where rules set a part of it (docs/differences.md).
    ovs.cache_nothing();
    let mut runner = TestRunner::deterministic();
    let (mut number, mut sent, mut fewer, mut more) = (0u32, 0, 0, 0);
    for _ in 0..SETS {
        let (rules, mut frames) =
            (rules(), vec(frames(), FRAMES)).new_tree(&mut runner).expect("rules").current();
        let flows: Vec<String> = rules.iter().map(|(table, rule)| text::rule(*table, rule)).collect();
        ovs.program(&flows, &[]);
        for (_, frame) in &mut frames {
            number += 1;
            frame.extend(number.to_be_bytes());
        }
        let (our, their) = (ours(&rules, &frames), sorted(ovs.send(&frames).into_iter()));
        for at in our.keys().chain(their.keys()) {
            let (_, frame) =
                frames.iter().find(|(_, frame)| frame.ends_with(&at.1.to_be_bytes())).expect("sent");
            assert_eq!(
                our.get(at),
                their.get(at),
                "ours and theirs out of port {} differ\n{}\nframe {frame:02x?}",
                at.0,
                flows.join("\n"),
            );
            let out = our.get(at).into_iter().flatten();
            out.for_each(|out| {
                sent += 1;
                fewer += usize::from(out.len() < frame.len());
                more += usize::from(out.len() > frame.len());
            });
        }
    }
    eprintln!("{sent} frames sent by both, {fewer} with fewer labels than before, {more} with more");
    assert!(sent > 1000 && fewer > 200 && more > 200, "{sent} {fewer} {more}");
}
