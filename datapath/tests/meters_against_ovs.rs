//! The second opinion on meters: Open vSwitch, whose clock stands still and is moved by hand, is given the same meters, frames and
//! times. The same frames pass, and the same is counted. Where the two differ on purpose (docs/differences.md), both are shown.

mod common;
mod ovs;

use common::*;
use datapath::flow::{Field, OfPort};
use datapath::pipeline::{
    Band, BandKind, Instructions, Match, Meter, MeterId, MeterSpec, MeterUnit, Rule, RuleAction, TableId,
};
use ovs::{Ovs, text};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

const STEPS: usize = 40;

/// So many milliseconds later, frames of these lengths come at once.
type Step = (u64, Vec<usize>);

/// The numbers of the frames that passed, and what the meter counted: in all, and for each band.
type Seen = (Vec<u32>, Vec<(u64, u64)>);

fn spec(unit: MeterUnit, burst: bool, bands: &[(u32, u32)]) -> MeterSpec {
    let bands =
        bands.iter().map(|(rate, size)| Band { kind: BandKind::Drop, rate: *rate, burst_size: *size });
    MeterSpec { unit, burst, stats: true, bands: bands.collect() }
}

fn rule() -> Rule {
    let through =
        Instructions { meter: Some(MeterId(1)), ..Instructions::apply(vec![RuleAction::Output(OfPort(2))]) };
    Rule::new(1, Match::any().exact(Field::InPort, 1), through)
}

/// A frame that ends in its number.
fn frame(len: usize, number: u32) -> Vec<u8> {
    let mut frame = [&[2; 12][..], &[0x88, 0xb5], &vec![0; len]].concat();
    frame.truncate(len - 4);
    frame.extend(number.to_be_bytes());
    frame
}

fn number(frame: &[u8]) -> u32 {
    frame.last_chunk().map_or(0, |number| u32::from_be_bytes(*number))
}

/// The frames of all steps, numbered, with the milliseconds before them.
fn numbered(steps: &[Step]) -> Vec<(u64, Vec<Vec<u8>>)> {
    let mut next = 0..;
    let mut numbered = |len: &usize| frame(*len, next.next().unwrap_or(0));
    steps.iter().map(|(ms, lens)| (*ms, lens.iter().map(&mut numbered).collect())).collect()
}

fn ours(spec: &MeterSpec, steps: &[Step]) -> Seen {
    let mut pipeline = pipeline(1, vec![rule()], 2);
    pipeline.set_meter(MeterId(1), Meter::new(spec.clone()));
    let meter = pipeline.meter(MeterId(1)).expect("it was set").clone();
    let umem = umem();
    let mut switch = Switch::new(&umem, pipeline, 2);
    switch.now_ns = 1_000_000_000;
    let mut passed = Vec::new();
    for (ms, frames) in numbered(steps) {
        switch.now_ns += ms * 1_000_000;
        frames.into_iter().for_each(|frame| switch.wires[1].send(frame).expect("room"));
        switch.worker.turn(switch.now_ns);
        passed.extend(switch.out(2).iter().map(|frame| number(frame)));
    }
    let counted = [meter.seen()].into_iter().chain(meter.exceeded());
    (passed, counted.map(|counted| (counted.packets, counted.bytes)).collect())
}

fn theirs(ovs: &mut Ovs, spec: &MeterSpec, steps: &[Step]) -> Seen {
    ovs.meter(&text::meter(1, spec));
    ovs.program(&[text::rule(TableId(0), &rule())], &[]);
    // What its datapath remembers of the rules before would otherwise decide about the first frames.
    ovs.purge();
    let mut passed = Vec::new();
    for (ms, frames) in numbered(steps) {
        ovs.warp(ms);
        let frames: Vec<_> = frames.into_iter().map(|frame| (1, frame)).collect();
        passed.extend(ovs.send(&frames).iter().map(|(_, frame)| number(frame)));
    }
    (passed, ovs.meter_counts())
}

/// Frames at odd times, more than any rate here allows.
fn steps(lens: std::ops::Range<usize>) -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![3 => 1..40u64, 2 => 40..400u64, 1 => Just(1000u64), 1 => Just(0u64)];
    vec((step, vec(lens, 1..12)), STEPS)
}

#[test]
fn open_vswitch_lets_the_same_frames_pass() {
    let Some(mut ovs) = Ovs::start(3) else { return };
    ovs.stop_time();
    let mut runner = TestRunner::deterministic();
    use MeterUnit::{Kbps, Pktps};
    let (short, long) = (60..100, 60..1500);
    let sets = [
        (spec(Pktps, true, &[(7, 14)]), short.clone()),
        (spec(Pktps, false, &[(20, 0)]), short.clone()),
        (spec(Pktps, true, &[(250, 9)]), short.clone()),
        (spec(Pktps, true, &[(30, 12), (50, 5)]), short),
        (spec(Kbps, true, &[(100, 13)]), long.clone()),
        (spec(Kbps, false, &[(64, 0)]), long.clone()),
        (spec(Kbps, true, &[(800, 24), (100, 60)]), long),
    ];
    for (spec, lens) in sets {
        let steps = steps(lens).new_tree(&mut runner).expect("steps").current();
        let (our, their) = (ours(&spec, &steps), theirs(&mut ovs, &spec, &steps));
        assert_eq!(our, their, "ours and theirs, {spec:?}, {steps:?}");
        let all: usize = steps.iter().map(|(_, lens)| lens.len()).sum();
        assert!(our.0.len() > 10 && our.0.len() + 10 < all, "{} of {all}: {spec:?}", our.0.len());
        eprintln!("{:?} {:?}: {} of {all} frames pass", spec.unit, spec.bands, our.0.len());
    }
    a_frame_longer_than_the_burst_passes_here(&mut ovs);
    a_fast_meter_with_a_small_burst_keeps_its_rate_here(&mut ovs);
    a_burst_is_whole_after_a_pause_here(&mut ovs);
    ovs.needs_its_meter(&text::rule(TableId(0), &rule()));
}

fn a_frame_longer_than_the_burst_passes_here(ovs: &mut Ovs) {
    let spec = spec(MeterUnit::Kbps, true, &[(100, 1)]);
    let steps = vec![(1000, vec![200]); 3];
    assert_eq!(ours(&spec, &steps).0, [0, 1, 2]);
    assert_eq!(theirs(ovs, &spec, &steps).0, []);
}

/// Open vSwitch counts whole milliseconds, and none after which the burst is full: nothing comes any more.
fn a_fast_meter_with_a_small_burst_keeps_its_rate_here(ovs: &mut Ovs) {
    let spec = spec(MeterUnit::Pktps, true, &[(5000, 1)]);
    let steps = vec![(1, vec![60; 8]); 20];
    assert_eq!(ours(&spec, &steps).0.len(), 20 * 5);
    assert_eq!(theirs(ovs, &spec, &steps).0, [0]);
}

/// Where the burst does not fill up in whole milliseconds: Open vSwitch counts 428 of them at most, in which 2996 thousandths come.
fn a_burst_is_whole_after_a_pause_here(ovs: &mut Ovs) {
    let spec = spec(MeterUnit::Pktps, true, &[(7, 3)]);
    let steps = vec![(1000, vec![60; 5]); 2];
    assert_eq!(ours(&spec, &steps).0, [0, 1, 2, 5, 6, 7]);
    assert_eq!(theirs(ovs, &spec, &steps).0, [0, 1, 2, 5, 6]);
}
