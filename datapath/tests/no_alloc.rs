//! After it was made, a worker allocates nothing: not for a hit, not for a miss, not for a copy, not for a drop, and not when
//! it adopts new rules. Counted by an allocator that stands in front of the system's, thread by thread.
#![expect(unsafe_code, reason = "GlobalAlloc is an unsafe trait")]

mod common;

use common::*;
use datapath::action::learn::{Learn, Source, Spec};
use datapath::action::punt::Reason;
use datapath::flow::{Field, OfPort, Seed};
use datapath::mem::{FramePool, long_frames};
use datapath::pipeline::{
    Band, BandKind, Clause, Instructions, Match, Meter, MeterId, MeterSpec, MeterUnit, Part, Pipeline, Queue,
    QueueId, QueueSpec, Rule, RuleAction, TableId,
};
use datapath::port::{Null, Port, Slot};
use datapath::stats::{DropReason, SharedStats, Snapshot, TooLongCounters};
use datapath::tunnel::{Key, Kind, Remote, TunnelSpec, Underlay};
use datapath::worker::{
    Injector, PacketOut, Parts, Publisher, Reports, Role, Worker, channel, injections, reports,
};
use etherparse::{IpHeaders, IpNumber, Ipv4Header, Ipv6Header, PacketBuilder};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;

thread_local! {
    static CALLS: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

fn count() {
    // Not there any more while a thread ends; nobody asks then.
    let _ = CALLS.try_with(|calls| calls.set(calls.get() + 1));
}

// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller keeps the rules of `alloc`, which are the same there.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count();
        // SAFETY: the pointer came from `System` above, with this layout.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: the pointer came from `System` above, with this layout.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How often `work` allocated or freed.
fn allocations(work: impl FnOnce()) -> u64 {
    let before = CALLS.get();
    work();
    CALLS.get() - before
}

#[test]
fn the_counter_counts() {
    assert_eq!(allocations(|| drop(std::hint::black_box(vec![1, 2, 3]))), 2);
}

/// An uplink and two guests without devices; these frames come in by that port.
fn with_worker(
    port: u16,
    frames: Vec<Vec<u8>>,
    pipeline: Pipeline,
    flows: usize,
    check: impl FnOnce(&mut Worker<'_>, &Publisher, &Reports),
) -> Snapshot {
    with_injector(port, frames, pipeline, flows, |worker, publisher, reports, _| {
        check(worker, publisher, reports);
    })
}

fn with_injector(
    port: u16,
    frames: Vec<Vec<u8>>,
    pipeline: Pipeline,
    flows: usize,
    check: impl FnOnce(&mut Worker<'_>, &Publisher, &Reports, &mut Injector),
) -> Snapshot {
    let (umem, long) = (umem(), long_frames().expect("memory"));
    let mut frames = Some(frames);
    let ports = (0..3u16).map(|n| {
        let null = match frames.take_if(|_| n == port) {
            Some(frames) => Null::source(frames, 64),
            None => Null::sink(),
        };
        let role = if n == 0 { Role::Uplink } else { Role::Guest(OfPort(n.into())) };
        (Slot::new(Port::Null(null)), role)
    });
    let (publisher, inbox) = channel();
    let (reporter, reports) = reports();
    let (mut injector, injections) = injections();
    let shared = Arc::new(SharedStats::new(3));
    let mut worker = Worker::new(Parts {
        pool: FramePool::new(umem.take_frames()).with_long(long.take_frames()),
        ports: ports.collect(),
        pipeline: Arc::new(pipeline),
        inbox,
        shared: shared.clone(),
        flows,
        seed: Seed::new(1),
    })
    .reporting(reporter)
    .injected_by(injections);
    check(&mut worker, &publisher, &reports, &mut injector);
    worker.publish();
    shared.read()
}

/// Turns whose times are far enough apart that counters are published in each.
fn turns(worker: &mut Worker<'_>, from: u64, count: u64) {
    for n in from..from + count {
        worker.turn(n * 200_000_000);
    }
}

fn rule(port: u32, actions: Vec<RuleAction>) -> Rule {
    Rule::acting(1, Match::any().exact(Field::InPort, port.into()), actions)
}

fn output(port: u32) -> RuleAction {
    RuleAction::Output(OfPort(port))
}

fn set(field: Field, value: u128) -> RuleAction {
    RuleAction::SetField { field, value, mask: field.max() }
}

fn frame(flow: u16) -> Vec<u8> {
    let mut frame = Vec::new();
    PacketBuilder::ethernet2([2, 0, 0, 0, 1, 1], [2, 0, 0, 0, 1, 2])
        .ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64)
        .udp(flow, 5000)
        .write(&mut frame, b"payload")
        .expect("a frame");
    frame
}

fn tunnelled(flow: u16) -> Vec<u8> {
    let mut packet = Vec::new();
    PacketBuilder::ethernet2(NEXT_HOP_MAC.0, UPLINK_MAC.0)
        .ipv4([192, 0, 2, 2], [192, 0, 2, 1], 64)
        .udp(50_000, 4789)
        .write(&mut packet, &[&[8, 0, 0, 0, 0, 0, 100, 0], &frame(flow)[..]].concat())
        .expect("a packet");
    packet
}

fn to_tunnel() -> Vec<Rule> {
    vec![rule(1, vec![set(Field::TunId, 100), output(TUNNEL)]), rule(TUNNEL, vec![output(1)])]
}

/// So many frames went through and none of the turns allocated.
fn nothing_allocated(port: u16, frames: Vec<Vec<u8>>, rules: Vec<Rule>, flows: usize) -> Snapshot {
    nothing_allocated_by(port, frames, pipeline(1, rules, 2), flows)
}

fn nothing_allocated_by(port: u16, frames: Vec<Vec<u8>>, pipeline: Pipeline, flows: usize) -> Snapshot {
    with_worker(port, frames, pipeline, flows, |worker, _, _| {
        turns(worker, 1, 4);
        assert_eq!(allocations(|| turns(worker, 5, 1000)), 0);
    })
}

#[test]
fn encapsulating_known_flows_allocates_nothing() {
    let seen = nothing_allocated(1, (0..100).map(frame).collect(), to_tunnel(), 1024);
    assert_eq!((seen.worker.misses, seen.ports[0].tx_packets), (1, 1004 * 64));
}

/// Changed, copied, and into a tunnel whose way they are too long for: each goes there in six fragments.
#[test]
fn frames_longer_than_a_chunk_allocate_nothing() {
    let ip = Ipv4Header::new(0, 64, IpNumber::UDP, [10, 0, 0, 1], [10, 0, 0, 2]).expect("a header");
    let ip = IpHeaders::Ipv4(Ipv4Header { dont_fragment: false, ..ip }, Default::default());
    let (link, mut long) = (PacketBuilder::ethernet2([2, 0, 0, 0, 1, 1], [2, 0, 0, 0, 1, 2]), Vec::new());
    link.ip(ip).udp(1, 2).write(&mut long, &[7; 8900]).expect("a frame");
    let copies = vec![rule(1, vec![set(Field::NwDst, 0x0a00_0063), output(2), output(TUNNEL), output(2)])];
    let seen = with_worker(1, vec![long], pipeline(1, copies, 2), 1024, |worker, _, _| {
        turns(worker, 1, 4);
        assert_eq!(allocations(|| turns(worker, 5, 50)), 0);
        assert_eq!(worker.free_long_frames(), 256);
    });
    let sent: Vec<_> = seen.ports.iter().map(|port| port.tx_packets).collect();
    assert_eq!((sent, seen.drops.total()), (vec![6 * 54 * 64, 0, 2 * 54 * 64], 0));
}

#[test]
fn decapsulating_known_flows_allocates_nothing() {
    let seen = nothing_allocated(0, (0..100).map(tunnelled).collect(), to_tunnel(), 1024);
    assert_eq!((seen.worker.misses, seen.ports[1].tx_packets), (1, 1004 * 64));
}

/// Of many keys each comes again and again with the same number: late, but for once in ten seconds.
#[test]
fn keeping_gre_packets_in_order_allocates_nothing() {
    let packet = |key: u32| {
        let gre = [&[0x30, 0, 0x65, 0x58][..], &key.to_be_bytes(), &7u32.to_be_bytes(), &frame(1)].concat();
        let mut packet = Vec::new();
        let there = PacketBuilder::ethernet2(NEXT_HOP_MAC.0, UPLINK_MAC.0);
        let there = there.ipv4([192, 0, 2, 2], [192, 0, 2, 1], 64);
        there.write(&mut packet, IpNumber::GRE, &gre).expect("a packet");
        packet
    };
    let gre = TunnelSpec::new(OfPort(TUNNEL), Kind::Gre, Remote::Fixed(ip(THERE)), Key::Flow);
    let mut underlay = Underlay::default();
    underlay.insert(ip(THERE), reach());
    let in_order = TunnelSpec { in_order: true, ..gre };
    let pipeline = pipeline_over(1, to_tunnel(), 2, vec![in_order], underlay, &[HERE]);
    let seen = nothing_allocated_by(0, (0..100).map(packet).collect(), pipeline, 1024);
    let (sent, late) = (seen.ports[1].tx_packets, seen.drops.get(DropReason::OutOfSequence));
    assert_eq!(sent + late, 1004 * 64);
    assert!(sent >= 100 && late > sent, "{sent} {late}");
}

#[test]
fn copies_and_edits_allocate_nothing() {
    let actions = vec![
        output(2),
        set(Field::NwDst, 0x0a00_0063),
        RuleAction::PushVlan { tpid: 0x8100 },
        output(TUNNEL),
        RuleAction::PopVlan,
        RuleAction::InPort,
    ];
    let seen = nothing_allocated(1, (0..100).map(frame).collect(), vec![rule(1, actions)], 1024);
    let sent: Vec<_> = seen.ports.iter().map(|port| port.tx_packets).collect();
    assert_eq!(sent, [1004 * 64; 3]);
}

/// Every frame another flow, more of them than the cache has places, each with a program of its own: the cache forgets
/// and the store of programs starts anew, again and again.
#[test]
fn misses_allocate_nothing() {
    let copy = RuleAction::Move { from: Part::all(Field::TpSrc), to: Part::all(Field::TpDst) };
    let rules = vec![rule(1, vec![copy, set(Field::NwTtl, 9), output(2)])];
    let seen = nothing_allocated(1, (0..50_000).map(frame).collect(), rules, 64);
    assert!(seen.worker.misses > 1000 * 60, "{seen:?}");
}

/// The same within a second: it is soon full, and may not forget yet.
#[test]
fn answers_that_find_no_room_allocate_nothing() {
    let copy = RuleAction::Move { from: Part::all(Field::TpSrc), to: Part::all(Field::TpDst) };
    let rules = pipeline(1, vec![rule(1, vec![copy, RuleAction::Normal, output(2)])], 2);
    let frames = (0..50_000).map(frame).collect();
    let seen = with_worker(1, frames, rules, 64, |worker, _, _| {
        let mut turns = |from: u64, to| {
            for n in from..to {
                worker.turn(n * 1000);
            }
        };
        turns(1, 5);
        assert_eq!(allocations(|| turns(5, 2000)), 0);
    });
    assert!(seen.worker.unkept > 1000 * 64, "{seen:?}");
}

#[test]
fn action_sets_allocate_nothing() {
    let write = vec![
        set(Field::Reg0, 1),
        set(Field::NwTtl, 9),
        set(Field::EthDst, 1),
        RuleAction::Move { from: Part::all(Field::TpSrc), to: Part::all(Field::TpDst) },
        RuleAction::PushVlan { tpid: 0x8100 },
        output(2),
    ];
    let rules = vec![Rule::new(1, Match::any(), Instructions { write, ..Instructions::default() })];
    let seen = nothing_allocated(1, (0..50_000).map(frame).collect(), rules, 64);
    assert!(seen.worker.misses > 1000 * 60, "{seen:?}");
    assert_eq!(seen.ports[2].tx_packets, 1004 * 64);
}

#[test]
fn drops_allocate_nothing() {
    let broken = |at: usize| {
        let mut packet = tunnelled(1);
        packet[at] ^= 0xff;
        packet
    };
    let packets = (0..50).map(broken).chain([vec![], vec![0; 13], tunnelled(1)[..60].to_vec()]).collect();
    let seen = nothing_allocated(0, packets, vec![], 1024);
    assert_eq!((seen.drops.total(), seen.ports[0].rx_packets), (1004 * 64, 1004 * 64));
}

/// Told, fragmented, and told over IPv6.
#[test]
fn what_is_too_long_allocates_nothing() {
    let link = || PacketBuilder::ethernet2([2, 0, 0, 0, 1, 1], [2, 0, 0, 0, 1, 2]);
    let ipv4 = |dont_fragment| {
        let ip = Ipv4Header::new(0, 64, IpNumber::UDP, [10, 0, 0, 1], [10, 0, 0, 2]).expect("a header");
        IpHeaders::Ipv4(Ipv4Header { dont_fragment, ..ip }, Default::default())
    };
    let ipv6 =
        Ipv6Header { hop_limit: 64, source: [0xfd; 16], destination: [0xfc; 16], ..Default::default() };
    let frames = [ipv4(true), ipv4(false), IpHeaders::Ipv6(ipv6, Default::default())].map(|ip| {
        let mut frame = Vec::new();
        link().ip(ip).udp(1, 2).write(&mut frame, &[7; MTU as usize]).expect("a frame");
        frame
    });
    let seen = nothing_allocated(1, frames.to_vec(), to_tunnel(), 1024);
    let TooLongCounters { told, limited, fragmented, fragments, .. } = seen.worker.too_long;
    assert!(told > 10_000 && limited > 10_000 && fragmented > 20_000, "{:?}", seen.worker);
    assert_eq!((fragments, seen.ports[0].tx_packets), (2 * fragmented, 2 * fragmented));
    assert_eq!(seen.ports[1].tx_packets, told);
}

#[test]
fn adopting_new_rules_allocates_nothing() {
    let frames = (0..100).map(frame).collect();
    let seen = with_worker(1, frames, pipeline(1, to_tunnel(), 2), 1024, |worker, publisher, _| {
        turns(worker, 1, 4);
        for generation in 2..50 {
            let new: Arc<Pipeline> = pipeline(generation, to_tunnel(), 2).into();
            publisher.publish(new);
            assert_eq!(allocations(|| turns(worker, generation * 10, 4)), 0);
        }
    });
    assert_eq!((seen.worker.adoptions, seen.generation), (48, 49));
}

/// Long ways through the tables, whose counters need lists; new rules that follow on the last; sweeps that are asked for.
#[test]
fn counting_for_rules_allocates_nothing() {
    const TABLES: u8 = 40;
    let frames = (0..2000).map(frame).collect();
    with_worker(1, frames, pipeline(1, vec![], 2), 64, |worker, publisher, _| {
        turns(worker, 1, 4);
        let mut pipeline = pipeline(2, vec![], 2);
        for table in 0..TABLES {
            let goto = (table + 1 < TABLES).then_some(TableId(table + 1));
            let matching = Match::any().exact(Field::InPort, 1).with(Field::TpSrc, 0, 0x8000);
            let output = if goto.is_none() { vec![output(2)] } else { vec![] };
            let instructions = Instructions { goto, ..Instructions::apply(output) };
            pipeline.insert(TableId(table), Rule::new(1, matching, instructions));
        }
        publisher.publish(pipeline.snapshot());
        turns(worker, 5, 4);
        for n in 0..50u32 {
            let matching = Match::any().exact(Field::TpSrc, u128::from(n)).exact(Field::InPort, 1);
            pipeline.insert(TableId(0), Rule::new(2, matching, Instructions::default()));
            publisher.publish(pipeline.snapshot());
            let from = 10 + 10 * u64::from(n);
            assert_eq!(allocations(|| turns(worker, from, 8)), 0);
        }
        assert_eq!(allocations(|| worker.settle()), 0);
        let all: u64 = pipeline.tables_counted().iter().map(|table| table.matched).sum();
        assert!(all > 50 * 8 * 64 * 20, "{all}");
    });
}

/// Known flows and new ones, most of them above the rate.
fn metered(kind: BandKind) -> Snapshot {
    let instructions = Instructions {
        meter: Some(MeterId(1)),
        ..Instructions::apply(vec![set(Field::NwTtl, 9), output(2)])
    };
    let by_port = Match::any().with(Field::TpSrc, 0, 0xfff);
    let wide = Rule::new(1, Match::any(), instructions.clone());
    let mut pipeline = pipeline(1, vec![wide, Rule::new(2, by_port, instructions)], 2);
    let bands = vec![Band { kind, rate: 100, burst_size: 0 }];
    let spec = MeterSpec { unit: MeterUnit::Pktps, burst: false, stats: true, bands };
    pipeline.set_meter(MeterId(1), Meter::new(spec));
    nothing_allocated_by(1, (0..50_000).map(marked).collect(), pipeline, 64)
}

/// In the class AF21.
fn marked(flow: u16) -> Vec<u8> {
    let mut frame = frame(flow);
    frame[15] = 18 << 2;
    frame
}

#[test]
fn frames_above_a_meters_rate_allocate_nothing() {
    let seen = metered(BandKind::Drop);
    let dropped = seen.drops.get(DropReason::MeterDrop);
    assert_eq!(seen.ports[2].tx_packets + dropped, 1004 * 64);
    assert!(seen.worker.misses > 1000 * 60 && dropped > 1004 * 40, "{seen:?}");
}

#[test]
fn frames_that_a_meter_marks_allocate_nothing() {
    let seen = metered(BandKind::DscpRemark { prec_level: 1 });
    assert_eq!(seen.ports[2].tx_packets, 1004 * 64);
}

#[test]
fn queues_allocate_nothing() {
    let actions = vec![RuleAction::SetQueue(QueueId(3)), output(2), RuleAction::PopQueue, output(TUNNEL)];
    let mut pipeline = pipeline(1, vec![rule(1, actions)], 2);
    // A frame is of 49 bytes; in a fifth of a second twenty of them leave.
    let spec = QueueSpec { max_rate: Some(49 * 8 * 100), burst: Some(49 * 8 * 20) };
    assert!(pipeline.set_queue(OfPort(2), QueueId(3), Queue::new(spec)));
    let seen = nothing_allocated_by(1, (0..100).map(frame).collect(), pipeline, 1024);
    let dropped = seen.drops.get(DropReason::QueueOverRate);
    assert_eq!((seen.ports[2].tx_packets, dropped), (1004 * 20, 1004 * 44));
    assert_eq!(seen.ports[0].tx_packets, 1004 * 64);
}

/// Every frame another flow, of two conjunctions: one that fits, and of more masks and with more clauses than are remembered.
#[test]
fn conjunctions_allocate_nothing() {
    const WIDE: u32 = 900;
    let clause = |id, number| RuleAction::Conjunction(Clause { id, of: 2, number });
    let soft = |priority, matching: Match, clauses| Rule::acting(priority, matching, clauses);
    let wide = (0..48u32).flat_map(|bit| {
        let matching = Match::any().with(Field::Metadata, 0, 1 << bit);
        let of = move |matching: Match, n: u32| {
            let ids = (0..WIDE).filter(move |id| id % 48 == bit).map(move |id| clause(10 + id * 4 + n, 1));
            soft(9, matching, ids.collect())
        };
        [
            of(matching.clone(), 0),
            of(matching.clone().exact(Field::InPort, 1), 1),
            of(matching.clone().with(Field::Reg0, 0, 1), 2),
            of(matching.with(Field::Reg1, 0, 1), 3),
        ]
    });
    let fits = [
        soft(8, Match::any().exact(Field::InPort, 1), vec![clause(1, 1)]),
        soft(8, Match::any().with(Field::TpSrc, 0, 0x8000), vec![clause(1, 2)]),
        Rule::acting(1, Match::any().exact(Field::ConjId, 1).exact(Field::InPort, 1), vec![output(2)]),
    ];
    let pipeline = pipeline(1, wide.chain(fits).collect(), 2);
    let frames = (0..32_000).map(frame).collect();
    let seen = with_worker(1, frames, pipeline, 64, |worker, _, _| {
        assert_eq!(allocations(|| turns(worker, 1, 6)), 0);
    });
    assert_eq!(seen.ports[2].tx_packets, 6 * 64);
}

/// Addresses that are new to the switch, more than there is room to tell of; then told of, and known.
#[test]
fn learning_allocates_nothing() {
    let stranger = |n: u16| {
        let mut frame = frame(n);
        frame[9] = 9;
        frame[10..12].copy_from_slice(&n.to_be_bytes());
        frame
    };
    let rules = vec![rule(1, vec![RuleAction::Normal])];
    let frames = (0..20_000).map(stranger).collect();
    let seen = with_worker(1, frames, pipeline(1, rules.clone(), 2), 64, |worker, publisher, reports| {
        let mut pipeline = pipeline(2, rules, 2);
        assert_eq!(allocations(|| turns(worker, 1, 100)), 0);
        assert!(reports.unsaid() > 0);
        for n in 0..20 {
            while let Some(sighting) = reports.sighting() {
                pipeline.learn(sighting.station, sighting.place, false);
            }
            publisher.publish(pipeline.snapshot());
            assert_eq!(allocations(|| turns(worker, 101 + 20 * n, 20)), 0);
        }
        assert!(pipeline.stations().count() > 10_000);
    });
    assert_eq!(seen.ports[2].tx_packets, 500 * 64);
}

/// Frames that teach flows, more than there is room to tell of; then taken up, and known.
#[test]
fn teaching_flows_allocates_nothing() {
    let stranger = |n: u16| {
        let mut frame = frame(n);
        frame[9] = 9;
        frame[10..12].copy_from_slice(&n.to_be_bytes());
        frame
    };
    let to = Part::all(Field::EthDst);
    let spec = Spec::Match { to, from: Source::Field(Part::all(Field::EthSrc)) };
    let learn = Learn { table: 1, specs: [spec].into(), ..Learn::default() };
    let rules = vec![rule(1, vec![RuleAction::Learn(learn.into()), output(2)])];
    let frames = (0..5_000).map(stranger).collect();
    let seen = with_worker(1, frames, pipeline(1, rules.clone(), 2), 64, |worker, publisher, reports| {
        let mut pipeline = pipeline(2, rules, 2);
        assert_eq!(allocations(|| turns(worker, 1, 100)), 0);
        assert!(reports.untaught() > 0);
        let mut known = 0;
        for n in 0..20 {
            while let Some(lesson) = reports.lesson() {
                known += usize::from(pipeline.lesson(&lesson).is_none());
                pipeline.take_up(&lesson);
            }
            publisher.publish(pipeline.snapshot());
            assert_eq!(allocations(|| turns(worker, 101 + 20 * n, 20)), 0);
        }
        assert!(known > 4_000, "{known}");
    });
    assert_eq!(seen.ports[2].tx_packets, 500 * 64, "frames go on");
}

/// Frames for the controller: more than there are buffers for; then taken by control, and told again.
#[test]
fn telling_the_controller_allocates_nothing() {
    let told = RuleAction::Controller {
        max_len: 40,
        reason: Reason::Action,
        controller: 1,
        userdata: [1, 2, 3].into(),
    };
    let rules = vec![rule(1, vec![told, output(2)])];
    let frames = (0..300).map(frame).collect();
    let seen = with_worker(1, frames, pipeline(1, rules, 2), 64, |worker, _, reports| {
        let mut taken = 0;
        for n in 0..20 {
            assert_eq!(allocations(|| turns(worker, 1 + 10 * n, 10)), 0);
            while let Some(punted) = reports.punted() {
                assert_eq!((punted.data.len(), &*punted.punt.userdata), (40, &[1, 2, 3][..]));
                taken += 1;
            }
        }
        assert_eq!(taken, 20 * 256, "all buffers, each time");
    });
    assert_eq!(seen.ports[2].tx_packets, 200 * 64, "frames go on");
    assert_eq!(seen.drops.get(DropReason::PuntFull), 200 * 64 - 20 * 256);
}

/// What a controller sends, with ever other lists of actions, and told back to it; among frames of guests.
#[test]
fn frames_of_controllers_allocate_nothing() {
    let told = |n: u64| RuleAction::Controller {
        max_len: n as u16,
        reason: Reason::Action,
        controller: 1,
        userdata: [n as u8].into(),
    };
    let frames = (0..100).map(frame).collect();
    let seen = with_injector(1, frames, pipeline(1, to_tunnel(), 2), 64, |worker, _, reports, injector| {
        turns(worker, 1, 4);
        for n in 0..200 {
            for m in 0..32 {
                let actions = vec![
                    set(Field::NwTtl, m + 1),
                    output(2),
                    told(n * 32 + m as u64),
                    RuleAction::Resubmit { port: None, table: Some(TableId(0)) },
                ];
                let says = Match::any().exact(Field::InPort, 1);
                let packet = PacketOut { says, actions, data: frame(7), generation: 0 };
                injector.send(packet).expect("room");
            }
            assert_eq!(allocations(|| turns(worker, 5 + n, 1)), 0);
            assert_eq!(injector.under_way(), 0);
            while reports.punted().is_some() {}
        }
    });
    assert_eq!(seen.ports[2].tx_packets, 200 * 32);
    assert_eq!(seen.ports[0].tx_packets, 204 * 64 + 200 * 32);
}
