//! Flows that are known, and flows that are not.

use super::flows::{Bench, Ip, forwarding, frame, guarded};
use benches::allocations;
use benches::sample::{Samples, used};
use benches::switch;
use datapath::mem::Umem;
use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

const SLICE: Duration = Duration::from_millis(20);
const SLICES: usize = 30;
const MILLION: u32 = 1 << 20;

struct Plan {
    what: &'static str,
    ip: Ip,
    /// Whether the rules look at whole conversations.
    guarded: bool,
    flows: u32,
    places: usize,
}

const PLANS: &[Plan] = &[
    Plan { what: "known", ip: Ip::V4, guarded: true, flows: 1, places: MILLION as usize },
    Plan { what: "known", ip: Ip::V4, guarded: true, flows: 1000, places: MILLION as usize },
    Plan { what: "known", ip: Ip::V4, guarded: true, flows: 100_000, places: MILLION as usize },
    Plan { what: "known", ip: Ip::V4, guarded: true, flows: MILLION, places: MILLION as usize },
    Plan { what: "known", ip: Ip::V6, guarded: true, flows: MILLION, places: MILLION as usize },
    Plan { what: "one for all", ip: Ip::V4, guarded: false, flows: MILLION, places: switch::REMEMBERED },
    Plan { what: "new", ip: Ip::V4, guarded: true, flows: MILLION, places: switch::REMEMBERED },
    Plan { what: "new", ip: Ip::V6, guarded: true, flows: MILLION, places: switch::REMEMBERED },
];

struct Case<'u> {
    plan: &'static Plan,
    bench: Bench<'u>,
    bytes: f64,
    ns: Samples,
    allocations: u64,
    /// Hits of the exact cache, of the megaflows, and misses, when the slices began.
    before: [u64; 3],
}

pub(super) fn table() -> anyhow::Result<()> {
    let umems = PLANS.iter().map(|_| switch::umem()).collect::<Result<Vec<_>, _>>()?;
    let start = Instant::now();
    let mut cases = umems
        .iter()
        .zip(PLANS)
        .map(|(umem, plan)| Case::new(umem, plan, start))
        .collect::<anyhow::Result<Vec<_>>>()?;
    for _ in 0..SLICES {
        cases.iter_mut().for_each(|case| case.slice(start));
    }
    println!(
        "| flows | IP | different | places | ns/packet, median [quartiles] | Mpps | found exactly, by mask, new (%) | bytes/flow | allocations |"
    );
    println!("|---|---|--:|--:|--:|--:|--:|--:|--:|");
    cases.iter_mut().for_each(Case::print);
    anyhow::ensure!(cases.iter().all(|case| case.allocations == 0), "a worker allocates after its start");
    Ok(())
}

impl<'u> Case<'u> {
    fn new(umem: &'u Umem, plan: &'static Plan, start: Instant) -> anyhow::Result<Case<'u>> {
        let frames = (0..plan.flows).map(|flow| frame(plan.ip, flow)).collect();
        let pipeline = if plan.guarded { guarded(plan.ip) } else { forwarding() };
        let before = resident()?;
        let mut bench = Bench::new(umem, Arc::new(pipeline), frames, plan.places);
        for _ in 0..(2 * plan.flows as usize).div_ceil(switch::BURST) {
            bench.worker.turn(start.elapsed().as_nanos() as u64);
        }
        let bytes = (resident()? - before) / bench.counted().worker.flows as f64;
        let before = found(&mut bench);
        Ok(Case { plan, bench, bytes, ns: Samples::default(), allocations: 0, before })
    }

    fn slice(&mut self, start: Instant) {
        let worker = &mut self.bench.worker;
        let (before, sent, allocated) = (used(), switch::sent(worker), allocations::calls());
        let end = Instant::now() + SLICE;
        while Instant::now() < end {
            for _ in 0..8 {
                worker.turn(start.elapsed().as_nanos() as u64);
            }
        }
        let packets = switch::sent(worker) - sent;
        self.allocations += allocations::calls() - allocated;
        self.ns.add((used().cpu_ns - before.cpu_ns) as f64 / packets as f64);
    }

    fn print(&mut self) {
        let Plan { what, ip, flows, places, .. } = self.plan;
        let after = found(&mut self.bench);
        let counts: [u64; 3] = std::array::from_fn(|i| after[i] - self.before[i]);
        let all = counts.iter().sum::<u64>() as f64;
        let [exact, masked, new] = counts.map(|count| count as f64 / all * 100.0);
        // With few flows, what the worker has anyway is more than what they take.
        let bytes = if *flows == MILLION && self.plan.guarded && *what == "known" {
            format!("{:.0}", self.bytes)
        } else {
            "–".to_owned()
        };
        println!(
            "| {what} | {ip:?} | {flows} | {places} | {:.1} | {:.1} | {exact:.0}, {masked:.0}, {new:.0} | {bytes} | {} |",
            self.ns,
            1000.0 / self.ns.median(),
            self.allocations,
        );
    }
}

fn found(bench: &mut Bench<'_>) -> [u64; 3] {
    let counters = bench.counted().worker;
    [counters.hits, counters.masked_hits, counters.misses]
}

/// Bytes of memory that this process has.
fn resident() -> anyhow::Result<f64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    Ok(1024.0 * kilobytes.ok_or_else(|| anyhow::anyhow!("no VmRSS in /proc/self/status"))?)
}
