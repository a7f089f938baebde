//! Meters as a tester sees them: at twice the rate half goes through, whatever the unit, the worker, or the snapshot.

mod common;

use common::*;
use datapath::flow::{Field, OfPort};
use datapath::pipeline::{
    Band, BandKind, Instructions, Match, Meter, MeterId, MeterSpec, MeterUnit, Pipeline, Rule, RuleAction,
};
use datapath::stats::DropReason;
use etherparse::PacketBuilder;
use std::sync::Arc;

const SECOND: u64 = 1_000_000_000;
const REMARK: BandKind = BandKind::DscpRemark { prec_level: 1 };
/// AF21 and AF22, with a bit of congestion.
const AF21: u8 = 18 << 2 | 1;
const AF22: u8 = 20 << 2 | 1;

fn spec(unit: MeterUnit, kind: BandKind, rate: u32) -> MeterSpec {
    MeterSpec { unit, burst: false, stats: true, bands: vec![Band { kind, rate, burst_size: 0 }] }
}

/// What comes in by port 1 goes through meter 1 to port 2.
fn metered(spec: MeterSpec) -> Pipeline {
    let instructions =
        Instructions { meter: Some(MeterId(1)), ..Instructions::apply(vec![RuleAction::Output(OfPort(2))]) };
    let rule = Rule::new(1, Match::any().exact(Field::InPort, 1), instructions);
    let mut pipeline = pipeline(1, vec![rule], 2);
    pipeline.set_meter(MeterId(1), Meter::new(spec));
    pipeline
}

/// TCP of 1500 bytes, as the testers' packets.
fn frame(six: bool) -> Vec<u8> {
    let mut frame = Vec::new();
    let ethernet = PacketBuilder::ethernet2([0x12, 0x11, 0x11, 0x11, 0x11, 0x11], [0x22; 6]);
    match six {
        false => {
            ethernet.ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64).tcp(1, 2, 3, 4).write(&mut frame, &[0x11; 1446])
        }
        true => ethernet.ipv6([1; 16], [2; 16], 64).tcp(1, 2, 3, 4).write(&mut frame, &[0x11; 1426]),
    }
    .expect("a frame");
    if six {
        (frame[14], frame[15]) = (0x60 | AF21 >> 4, AF21 << 4);
    } else {
        frame[15] = AF21;
        frame[24..26].fill(0);
        let sum = datapath::wire::checksum::Sum::of(&frame[14..34]).checksum();
        frame[24..26].copy_from_slice(&sum.to_be_bytes());
    }
    frame
}

fn tos(frame: &[u8]) -> u8 {
    match frame[12..14] {
        [8, 0] => frame[15],
        _ => frame[14] << 4 | frame[15] >> 4,
    }
}

/// Frames for so many seconds, so many a second; returns those that came out.
fn offer(switch: &mut Switch<'_>, frame: &[u8], per_second: u64, seconds: u64) -> Vec<Vec<u8>> {
    let start = switch.now_ns;
    let mut out = Vec::new();
    for n in 0..per_second * seconds {
        switch.wires[1].send(frame.to_vec()).expect("room in the queue");
        switch.now_ns = start + n * SECOND / per_second;
        switch.worker.turn(switch.now_ns);
        out.extend(switch.out(2));
    }
    switch.worker.publish();
    out
}

/// The cases of Ryu's switch tester for meters: twice the rate for 30 seconds, and a tenth more or less is allowed. At the
/// higher rates shorter, since packets are what costs.
#[test]
fn twice_the_rate_is_halved() {
    let cases = [
        (MeterUnit::Kbps, 1000, 175, 30),
        (MeterUnit::Kbps, 10_000, 1750, 30),
        (MeterUnit::Kbps, 100_000, 17_500, 3),
        (MeterUnit::Pktps, 100, 200, 30),
        (MeterUnit::Pktps, 1000, 2000, 30),
        (MeterUnit::Pktps, 10_000, 20_000, 3),
    ];
    for (unit, rate, per_second, seconds) in cases {
        for (six, kind) in [(false, BandKind::Drop), (true, BandKind::Drop), (false, REMARK), (true, REMARK)]
        {
            let umem = umem();
            let mut switch = Switch::new(&umem, metered(spec(unit, kind, rate)), 2);
            let frame = frame(six);
            let out = offer(&mut switch, &frame, per_second, seconds);
            let offered = per_second * seconds;
            let unit_bits = if unit == MeterUnit::Kbps { frame.len() as u64 * 8 } else { 1 };
            let scale = if unit == MeterUnit::Kbps { 1000 } else { 1 };
            // A burst of a second, since none was asked for.
            let within = (seconds + 1) * u64::from(rate) * scale / unit_bits;
            let kept = out.iter().filter(|frame| tos(frame) == AF21).count() as u64;
            let marked = out.iter().filter(|frame| tos(frame) == AF22).count() as u64;
            assert!(
                kept.abs_diff(within) <= within / 1000 + 1,
                "{unit:?} {rate} {kind:?}: {kept} for {within}"
            );
            match kind {
                BandKind::Drop => {
                    assert_eq!(marked, 0);
                    assert_eq!(switch.drops(), [(DropReason::MeterDrop, offered - kept)]);
                }
                BandKind::DscpRemark { .. } => {
                    assert_eq!((marked, switch.drops().len()), (offered - kept, 0))
                }
            }
        }
    }
}

#[test]
fn a_remarked_packet_differs_in_two_bits_and_its_checksum() {
    for six in [false, true] {
        let umem = umem();
        let mut switch = Switch::new(&umem, metered(spec(MeterUnit::Pktps, REMARK, 1)), 2);
        let before = frame(six);
        let out = offer(&mut switch, &before, 2, 1);
        let mut wanted = before.clone();
        if six {
            wanted[15] = AF22 << 4;
            wanted[14] = 0x60 | AF22 >> 4;
        } else {
            wanted[15] = AF22;
            wanted[24..26].fill(0);
            let sum = datapath::wire::checksum::Sum::of(&wanted[14..34]).checksum();
            wanted[24..26].copy_from_slice(&sum.to_be_bytes());
        }
        assert_eq!(out, [before, wanted]);
    }
}

#[test]
fn what_is_not_ip_passes_a_remarking_meter_as_it_is() {
    let umem = umem();
    let mut switch = Switch::new(&umem, metered(spec(MeterUnit::Pktps, REMARK, 1)), 2);
    let arp = [&[2; 12][..], &[8, 6, 0, 1, 8, 0, 6, 4, 0, 1], &[9; 20]].concat();
    assert_eq!(offer(&mut switch, &arp, 10, 1), vec![arp; 10]);
}

#[test]
fn a_batch_of_one_moment_is_judged_frame_by_frame() {
    let umem = umem();
    let mut switch = Switch::new(&umem, metered(spec(MeterUnit::Pktps, BandKind::Drop, 20)), 2);
    for turn in 1..=3 {
        (0..64).for_each(|_| switch.wires[1].send(frame(false)).expect("room"));
        switch.worker.turn(turn * SECOND);
        assert_eq!(switch.out(2).len(), 20);
    }
}

#[test]
fn other_snapshots_keep_what_is_used_up_and_another_meter_does_not() {
    let umem = umem();
    let spec = spec(MeterUnit::Pktps, BandKind::Drop, 5);
    let mut pipeline = metered(spec.clone());
    let mut switch = Switch::new(&umem, (*pipeline.snapshot()).clone(), 2);
    let mut burst = |pipeline: &mut Pipeline| {
        switch.publisher.publish(pipeline.snapshot());
        (0..10).for_each(|_| switch.wires[1].send(frame(false)).expect("room"));
        switch.worker.turn(SECOND);
        switch.out(2).len()
    };
    assert_eq!(burst(&mut pipeline), 5);
    let rule = Rule::acting(9, Match::any().exact(Field::InPort, 2), vec![]);
    pipeline.insert(Default::default(), rule);
    assert_eq!(burst(&mut pipeline), 0, "the same meter in another snapshot");
    pipeline.set_meter(MeterId(1), Meter::new(spec));
    assert_eq!(burst(&mut pipeline), 5, "a new meter");
    assert!(pipeline.remove_meter(MeterId(1)));
    assert_eq!(burst(&mut pipeline), 10, "no meter");
    assert!(!pipeline.remove_meter(MeterId(1)));
}

#[test]
fn a_meter_counts_what_went_in_and_what_its_bands_took() {
    let umem = umem();
    let band = |kind, rate, burst_size| Band { kind, rate, burst_size };
    let bands = vec![band(BandKind::Drop, 20, 8), band(REMARK, 10, 4)];
    let pipeline = metered(MeterSpec { unit: MeterUnit::Pktps, burst: true, stats: true, bands });
    let meter = pipeline.meter(MeterId(1)).expect("it was set").clone();
    let mut switch = Switch::new(&umem, pipeline, 2);
    (0..10).for_each(|_| switch.wires[1].send(frame(false)).expect("room"));
    switch.worker.turn(SECOND);
    let dscp: Vec<u8> = switch.out(2).iter().map(|frame| tos(frame)).collect();
    assert_eq!(dscp, [AF21, AF21, AF21, AF21, AF22, AF22, AF22, AF22]);
    assert_eq!((meter.seen().packets, meter.seen().bytes), (10, 15_000));
    let exceeded: Vec<_> = meter.exceeded().map(|band| (band.packets, band.bytes)).collect();
    assert_eq!(exceeded, [(2, 3000), (4, 6000)]);
}

/// A rule that sends nowhere: its frames are counted by the meter all the same.
#[test]
fn frames_that_go_nowhere_are_metered_too() {
    let umem = umem();
    let instructions = Instructions { meter: Some(MeterId(1)), ..Instructions::default() };
    let mut pipeline = pipeline(1, vec![Rule::new(1, Match::any(), instructions)], 2);
    let meter = Arc::new(Meter::new(spec(MeterUnit::Pktps, BandKind::Drop, 2)));
    pipeline.set_meter(MeterId(1), meter.clone());
    let mut switch = Switch::new(&umem, pipeline, 2);
    (0..5).for_each(|_| switch.put(1, &frame(false)));
    assert_eq!(meter.seen().packets, 5);
    assert_eq!(switch.drops(), [(DropReason::RuleDrop, 2), (DropReason::MeterDrop, 3)]);
}

/// Two workers, each in a thread of its own, over one snapshot.
#[test]
fn workers_keep_one_rate_together() {
    const TURNS: u64 = 500;
    let mut pipeline = metered(spec(MeterUnit::Pktps, BandKind::Drop, 1000));
    let snapshot = pipeline.snapshot();
    let out: u64 = std::thread::scope(|scope| {
        let worker = |_| {
            let pipeline = (*snapshot).clone();
            scope.spawn(move || {
                let umem = umem();
                let mut switch = Switch::new(&umem, pipeline, 2);
                let frame = frame(false);
                let mut out = 0;
                for turn in 1..=TURNS {
                    (0..64).for_each(|_| switch.wires[1].send(frame.clone()).expect("room"));
                    switch.worker.turn(turn * SECOND / 100);
                    out += switch.out(2).len() as u64;
                }
                out
            })
        };
        let threads: Vec<_> = (0..2).map(worker).collect();
        threads.into_iter().map(|thread| thread.join().expect("a count")).sum()
    });
    // Five seconds and the burst of the first; what is offered is twelve times that.
    assert!(out <= 6000, "{out}");
    assert!(out >= 5900, "whoever is behind in time loses at most what the other took before: {out}");
}
