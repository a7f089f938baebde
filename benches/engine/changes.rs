//! Rules that come and go while packets are forwarded: the controller on one core, the worker on the other.

use super::flows::{Bench, Ip, conversation, forward, frame, guarded};
use benches::sample::{Samples, used};
use benches::{place, switch};
use datapath::pipeline::{Pipeline, Rule, TableId};
use datapath::stats::SharedStats;
use datapath::worker::Publisher;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const SLICE: Duration = Duration::from_millis(50);
const SLICES: usize = 12;
/// Rules that come and go.
const RULES: u32 = 4096;
/// How many of them are there at a time.
const THERE: usize = 1000;
/// How long the worker may take to go by the last rules.
const PATIENCE: Duration = Duration::from_millis(100);

/// What the two say to each other.
#[derive(Default)]
struct Signals {
    go: AtomicBool,
    end: AtomicBool,
    idle: AtomicBool,
    generation: AtomicU64,
}

pub(super) fn table() -> anyhow::Result<()> {
    println!(
        "| flows | flow-mods a snapshot | flow-mods/s | ns/packet alone | meanwhile | rate | new (%) | lost | last one visible |"
    );
    println!("|--:|--:|--:|--:|--:|--:|--:|--:|---|");
    for flows in [1000, 100_000] {
        for at_once in [1, 100] {
            row(flows, at_once)?;
        }
    }
    Ok(())
}

fn row(flows: u32, at_once: usize) -> anyhow::Result<()> {
    let mut pipeline = guarded(Ip::V4);
    let frames = (0..flows).map(|flow| frame(Ip::V4, flow)).collect();
    let umem = switch::umem()?;
    let first = pipeline.snapshot();
    let mut bench = Bench::new(&umem, first, frames, 1 << 18);
    let shared = bench.shared();
    let (publisher, _) = datapath::worker::channel();
    let publisher = std::mem::replace(&mut bench.publisher, publisher);
    let signals = Signals::default();
    let start = Instant::now();
    for _ in 0..(2 * flows as usize).div_ceil(switch::BURST) {
        bench.worker.turn(start.elapsed().as_nanos() as u64);
    }
    let (mut alone, mut meanwhile, mut new) = (Samples::default(), Samples::default(), Samples::default());
    let mut visible = true;
    let rate = thread::scope(|scope| {
        // A thread begins on the core of whoever started it; this one would never let it move away.
        place::take(place::GENERATOR);
        let controller = scope.spawn(|| control(&publisher, &shared, pipeline, flows, at_once, &signals));
        place::take(place::MEASURED);
        for _ in 0..SLICES {
            for (changing, samples) in [(false, &mut alone), (true, &mut meanwhile)] {
                signals.go.store(changing, Ordering::Release);
                let misses = bench.counted().worker.misses;
                let (ns, packets) = forwarded(&mut bench, start, SLICE);
                samples.add(ns);
                if changing {
                    new.add((bench.counted().worker.misses - misses) as f64 / packets as f64 * 100.0);
                }
            }
            signals.go.store(false, Ordering::Release);
            visible &= settled(&mut bench, start, &signals, || shared.generation());
            // What the last rules leave to be looked into is not the next slice's.
            (0..(2 * flows as usize).div_ceil(switch::BURST)).for_each(|_| {
                bench.worker.turn(start.elapsed().as_nanos() as u64);
            });
        }
        signals.end.store(true, Ordering::Release);
        controller.join().expect("the controller does not panic")
    });
    println!(
        "| {flows} | {at_once} | {:.0} | {:.1} | {:.1} | {:.2} | {:.1} | {} | {} |",
        rate,
        alone,
        meanwhile,
        alone.median() / meanwhile.median(),
        new.median(),
        bench.lost(),
        if visible { "yes" } else { "no" },
    );
    Ok(())
}

/// Nanoseconds a packet, and packets.
fn forwarded(bench: &mut Bench<'_>, start: Instant, time: Duration) -> (f64, u64) {
    let (before, sent) = (used(), switch::sent(&bench.worker));
    let end = Instant::now() + time;
    while Instant::now() < end {
        for _ in 0..8 {
            bench.worker.turn(start.elapsed().as_nanos() as u64);
        }
    }
    let packets = switch::sent(&bench.worker) - sent;
    ((used().cpu_ns - before.cpu_ns) as f64 / packets as f64, packets)
}

/// Whether the worker goes by the last rules soon after the controller has stopped.
fn settled(bench: &mut Bench<'_>, start: Instant, signals: &Signals, adopted: impl Fn() -> u64) -> bool {
    let end = Instant::now() + PATIENCE;
    while Instant::now() < end {
        bench.worker.turn(start.elapsed().as_nanos() as u64);
        if signals.idle.load(Ordering::Acquire) && adopted() == signals.generation.load(Ordering::Acquire) {
            return true;
        }
    }
    false
}

/// Puts rules in and takes them out, and publishes after every so many. Returns how many a second of its own time.
///
/// One rule in eight is about a conversation under way. It does what is done anyway, so that a packet that does not come out
/// is lost by mistake.
fn control(
    publisher: &Publisher,
    shared: &SharedStats,
    mut pipeline: Pipeline,
    flows: u32,
    at_once: usize,
    signals: &Signals,
) -> f64 {
    let about = |n: u32| if n.is_multiple_of(8) { n % flows } else { 0x00e0_0000 + n };
    let rules: Vec<_> =
        (0..RULES).map(|n| Rule::acting(20, conversation(Ip::V4, about(n)), forward())).collect();
    let (mut changed, mut ns, mut next) = (0, 0, 0);
    while !signals.end.load(Ordering::Acquire) {
        if !signals.go.load(Ordering::Acquire) {
            signals.generation.store(pipeline.generation(), Ordering::Release);
            signals.idle.store(true, Ordering::Release);
            thread::sleep(Duration::from_micros(200));
            continue;
        }
        signals.idle.store(false, Ordering::Release);
        let before = used().cpu_ns;
        for _ in 0..1000 / at_once {
            for _ in 0..at_once {
                let (way, rule) = (next % 2, &rules[next / 2 % rules.len()]);
                let old = &rules[(next / 2 + rules.len() - THERE) % rules.len()];
                match way {
                    0 => drop(pipeline.insert(TableId(0), rule.clone())),
                    _ => drop(pipeline.remove(TableId(0), old.priority, &old.matching)),
                }
                next += 1;
            }
            pipeline.settled(shared.settled());
            let snapshot: Arc<Pipeline> = pipeline.snapshot();
            publisher.publish(snapshot);
            changed += at_once;
        }
        ns += used().cpu_ns - before;
    }
    changed as f64 / ns as f64 * 1e9
}
