//! Whole turns over ports without devices: a frame is copied out of a list, goes through the switch, and is forgotten.
//!
//! Every case gets its slices in turn with the others, so that a phase of the machine hits all of them. Time is that of
//! the thread on its core.

use benches::allocations::{self, Counting};
use benches::sample::{Samples, used};
use benches::{Scenario, place, switch};
use datapath::worker::Worker;
use std::time::{Duration, Instant};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const SLICE: Duration = Duration::from_millis(10);
const SLICES: usize = 60;

struct Case<'u> {
    scenario: Scenario,
    flows: u32,
    remembered: usize,
    worker: Worker<'u>,
    ns: Samples,
    allocations: u64,
}

fn main() -> anyhow::Result<()> {
    place::take(place::MEASURED);
    let cases: Vec<_> = Scenario::ALL
        .into_iter()
        .flat_map(|scenario| [1, 10_000, 100_000].map(|flows| (scenario, flows, 1 << 18)))
        // More flows than the cache has places, in an order that always asks for the one just forgotten.
        .chain([(Scenario::Encap, 1_000_000, switch::REMEMBERED)])
        .collect();
    let umems = cases.iter().map(|_| switch::umem()).collect::<Result<Vec<_>, _>>()?;
    let mut cases: Vec<_> = umems
        .iter()
        .zip(cases)
        .map(|(umem, (scenario, flows, remembered))| Case {
            scenario,
            flows,
            remembered,
            worker: switch::worker(umem, scenario, flows, remembered),
            ns: Samples::default(),
            allocations: 0,
        })
        .collect();
    let start = Instant::now();
    for case in &mut cases {
        for _ in 0..(2 * case.flows as usize).div_ceil(switch::BURST) {
            case.worker.turn(start.elapsed().as_nanos() as u64);
        }
    }
    for _ in 0..SLICES {
        cases.iter_mut().for_each(|case| slice(case, start));
    }
    print(&cases);
    anyhow::ensure!(cases.iter().all(|case| case.allocations == 0), "a worker allocates after its start");
    Ok(())
}

fn slice(case: &mut Case<'_>, start: Instant) {
    let worker = &mut case.worker;
    let (before, sent, allocated) = (used(), switch::sent(worker), allocations::calls());
    let end = Instant::now() + SLICE;
    while Instant::now() < end {
        for _ in 0..8 {
            // The clock is read for every turn, as the daemon does.
            worker.turn(start.elapsed().as_nanos() as u64);
        }
    }
    let packets = switch::sent(worker) - sent;
    case.allocations += allocations::calls() - allocated;
    case.ns.add((used().cpu_ns - before.cpu_ns) as f64 / packets as f64);
}

fn print(cases: &[Case<'_>]) {
    println!("| packets | flows | places | ns/packet, median [quartiles] | Mpps | allocations |");
    println!("|---|--:|--:|--:|--:|--:|");
    for Case { scenario, flows, remembered, ns, allocations, .. } in cases {
        let rate = 1000.0 / ns.median();
        println!("| {scenario} | {flows} | {remembered} | {ns:.1} | {rate:.1} | {allocations} |");
    }
}
