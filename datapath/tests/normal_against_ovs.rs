//! The second opinion on NORMAL: Open vSwitch is given the same ports and the same frames, in the same order, and learns from
//! each. What comes out of each port is the same, byte for byte.
//!
//! Here the test learns what the worker tells, before the next frame comes. Where the two differ on purpose
//! (docs/differences.md), the frames here do not go: [`differs`].

mod common;
mod ovs;

use common::*;
use datapath::flow::OfPort;
use datapath::pipeline::{
    Match, Pipeline, PortSetup, PriorityTags, Rule, RuleAction, Switching, TableId, VlanMode,
};
use ovs::{Ovs, text};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use std::collections::BTreeMap;

const PORTS: u16 = 4;
const SETS: usize = 100;
const FRAMES: usize = 40;
/// VLANs in use, and one more that no port is in by name.
const VLANS: [u16; 3] = [1, 2, 3];

type Setups = BTreeMap<OfPort, PortSetup>;
/// What came out of each port, in the order of the frames.
type Out = BTreeMap<(u16, u32), Vec<Vec<u8>>>;

/// A frame that is still to be numbered.
#[derive(Clone, Debug)]
struct Sent {
    port: u16,
    tags: Vec<(u16, u16)>,
    bytes: Vec<u8>,
}

fn setup() -> impl Strategy<Value = PortSetup> {
    use VlanMode::*;
    let mode = select(vec![Trunk, Access, Access, NativeTagged, NativeUntagged, Dot1qTunnel]);
    let some = || prop_oneof![1 => Just(vec![]), 1 => subsequence(VLANS.to_vec(), 1..=2)];
    let priority_tags = {
        use PriorityTags::*;
        select(vec![Never, Never, Never, IfNonzero])
    };
    let tpid = select(vec![0x8100u16, 0x88a8]);
    let seldom = || prop::bool::weighted(0.2);
    (mode, select(VLANS.to_vec()), some(), some(), priority_tags, tpid, seldom(), seldom()).prop_map(
        |(mode, tag, trunks, cvlans, priority_tags, service_tpid, no_flood, protected)| PortSetup {
            mode,
            tag: if mode == Trunk { 0 } else { tag },
            trunks,
            cvlans: if mode == Dot1qTunnel { cvlans } else { vec![] },
            service_tpid,
            priority_tags,
            no_flood,
            protected,
            ..PortSetup::default()
        },
    )
}

/// Frames of four stations to each other, to groups, and to addresses of network control.
fn frame() -> impl Strategy<Value = Sent> {
    let mac = |n: u8| [2, 0, 0, 0, 0, n];
    let groups =
        vec![[0xff; 6], [1, 0, 0x5e, 0, 0, 9], [0x33, 0x33, 0, 0, 0, 1], [1, 0x80, 0xc2, 0, 0, 0x0e]];
    let target = prop_oneof![4 => (0..5u8).prop_map(mac), 1 => select(groups)];
    let tag = (
        select(vec![0x8100u16, 0x8100, 0x88a8]),
        select(vec![0u16, 0, 1, 2, 3]),
        select(vec![0u16, 0x2000, 0xe000]),
    )
        .prop_map(|(tpid, vid, priority)| (tpid, priority | vid));
    let tags = prop_oneof![3 => Just(vec![]), 4 => vec(tag.clone(), 1), 1 => vec(tag, 2)];
    (1..=PORTS, target, (0..4u8).prop_map(mac), tags).prop_map(|(port, target, source, tags)| {
        let tagged = tags.iter().flat_map(|(tpid, tci)| [tpid.to_be_bytes(), tci.to_be_bytes()].concat());
        let bytes =
            [&target[..], &source].concat().into_iter().chain(tagged).chain([0x12, 0x34]).chain([9; 46]);
        Sent { port, bytes: bytes.collect(), tags }
    })
}

/// Where docs/differences.md says that the two do not agree.
fn differs(sent: &Sent, setups: &Setups) -> bool {
    let two = sent.tags.len() == 2;
    let priority_tag = sent.tags.first().is_some_and(|(_, tci)| tci & 0xfff == 0);
    let mode = setups[&OfPort(sent.port.into())].mode;
    let service_tag = sent.tags.first().is_some_and(|(tpid, _)| *tpid == 0x88a8);
    let priority_tags = setups.values().any(|setup| setup.priority_tags != PriorityTags::Never);
    let empty = sent.tags.last().is_some_and(|(_, tci)| *tci == 0);
    two && (priority_tag || empty)
        || mode == VlanMode::Dot1qTunnel && (two || empty)
        || service_tag && priority_tags
}

/// Out of the ports of a switch that learns at once.
fn ours(setups: &Setups, rule: &Rule, frames: &[(u16, Vec<u8>)]) -> Out {
    let mut pipeline: Pipeline = pipeline(1, vec![rule.clone()], PORTS);
    pipeline.set_switching(Switching { ports: setups.clone(), ..Switching::default() });
    let umem = umem();
    let mut switch = Switch::new(&umem, pipeline.snapshot().as_ref().clone(), PORTS);
    let mut out = Vec::new();
    for (port, frame) in frames {
        switch.put(*port, frame);
        while let Some(sighting) = switch.reports.sighting() {
            pipeline.learn(sighting.station, sighting.place, false);
        }
        switch.publisher.publish(pipeline.snapshot());
        out.extend((1..=PORTS).flat_map(|port| switch.out(port).into_iter().map(move |frame| (port, frame))));
    }
    sorted(out)
}

fn sorted(frames: Vec<(u16, Vec<u8>)>) -> Out {
    let mut out = Out::new();
    for (port, frame) in frames {
        let number = frame.last_chunk().map_or(0, |number| u32::from_be_bytes(*number));
        out.entry((port, number)).or_default().push(frame);
    }
    out
}

#[test]
fn open_vswitch_switches_the_same() {
    let Some(mut ovs) = Ovs::start(PORTS) else { return };
    let rule = Rule::acting(1, Match::any(), vec![RuleAction::Normal]);
    ovs.program(&[text::rule(TableId(0), &rule)], &[]);
    ovs.cache_nothing();
    let mut runner = TestRunner::deterministic();
    let (mut sent, mut known, mut again, mut number) = (0, 0, 0, 0u32);
    for _ in 0..SETS {
        let strategy = (vec(setup(), usize::from(PORTS)), vec(frame(), FRAMES));
        let (setups, mut all) = strategy.new_tree(&mut runner).expect("a switch").current();
        let setups: Setups = (1..).map(OfPort).zip(setups).collect();
        all.retain(|frame| !differs(frame, &setups));
        ovs.set_up(&setups);
        // A switch under load may lose a frame; a difference is one that is there each time.
        for attempt in 1..=3 {
            let mut frames = Vec::new();
            for Sent { port, bytes, .. } in &all {
                number += 1;
                frames.push((*port, [&bytes[..], &number.to_be_bytes()].concat()));
            }
            let first = number + 1 - frames.len() as u32;
            let mut theirs = sorted(ovs.send(&frames));
            theirs.retain(|(_, number), _| *number >= first);
            let ours = ours(&setups, &rule, &frames);
            if ours == theirs {
                sent += ours.values().map(Vec::len).sum::<usize>();
                known += frames.len();
                break;
            }
            again += 1;
            ovs.forget();
            if attempt < 3 {
                continue;
            }
            for (at, frame) in (first..).zip(&frames) {
                for port in 1..=PORTS {
                    let (our, their) = (ours.get(&(port, at)), theirs.get(&(port, at)));
                    assert_eq!(
                        our,
                        their,
                        "ours and theirs out of port {port} differ\n{frame:02x?}\nafter {:02x?}\n{setups:?}",
                        &frames[..(at - first) as usize]
                    );
                }
            }
        }
    }
    assert!(known >= 1000 && sent >= 1000, "{known} frames, {sent} sent by both");
    eprintln!("{known} frames, {sent} sent by both, {again} times put in again");
}
