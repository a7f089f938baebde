//! Two workers on two cores, next to each of them alone: what they share (rules, the ledger's pages, the memory of the
//! machine) must not cost anything.
//!
//! Both go by one pipeline, as the daemon's do. Slices come in turn: the first alone, both, the second alone, both. A rate
//! is packets for each nanosecond that the thread had its core; the ratio is that of the two together to the mean of the two
//! alone, in the same round.

use af_xdp::Umem;
use anyhow::{Result, anyhow, ensure};
use benches::sample::{Samples, used};
use benches::{Scenario, place, switch};
use datapath::pipeline::Pipeline;
use datapath::worker::Worker;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

const CORES: [usize; 2] = [place::GENERATOR, place::MEASURED];
const SLICE: Duration = Duration::from_millis(25);
const ROUNDS: usize = 40;
const FLOWS: u32 = 10_000;
/// Who runs in which slice of a round.
const SLICES: [[bool; 2]; 4] = [[true, false], [true, true], [false, true], [true, true]];

fn main() -> Result<()> {
    ensure!(core_affinity::get_core_ids().is_some_and(|cores| cores.len() >= 2), "needs two cores");
    println!("| packets | flows each | one alone, Mpps | the other alone | both | together, times as fast |");
    println!("|---|--:|--:|--:|--:|--:|");
    Scenario::ALL.into_iter().try_for_each(row)
}

fn row(scenario: Scenario) -> Result<()> {
    let pipeline = Arc::new(switch::pipeline(scenario));
    let umems = [switch::umem()?, switch::umem()?];
    let barrier = Barrier::new(CORES.len());
    let [first, second] = thread::scope(|scope| {
        let mut who = 0..;
        let runs = umems.map(|umem| {
            let (pipeline, barrier, who) = (pipeline.clone(), &barrier, who.next().unwrap_or_default());
            scope.spawn(move || rates(scenario, &umem, pipeline, who, barrier))
        });
        runs.map(|run| run.join().map_err(|_| anyhow!("a worker panicked")))
    });
    let mut columns = [(); 4].map(|()| Samples::default());
    for (first, second) in first?.iter().zip(&second?) {
        let both = (first[1] + second[1] + first[3] + second[3]) / 2.0;
        let round = [first[0], second[2], both, both * 2.0 / (first[0] + second[2])];
        columns.iter_mut().zip(round).for_each(|(column, sample)| column.add(sample));
    }
    let [one, other, both, ratio] = columns;
    println!("| {scenario} | {FLOWS} | {one:.1} | {other:.1} | {both:.1} | {ratio:.2} |");
    Ok(())
}

/// What one of them did in each slice of each round, in packets a microsecond; zero where it did not run.
fn rates(
    scenario: Scenario,
    umem: &Umem,
    pipeline: Arc<Pipeline>,
    who: usize,
    barrier: &Barrier,
) -> Vec<[f64; 4]> {
    place::take(CORES[who]);
    let ports = switch::ports(scenario, FLOWS);
    let (mut worker, _) = switch::with_pipeline(umem, pipeline, ports, switch::REMEMBERED);
    let start = Instant::now();
    for _ in 0..(2 * FLOWS as usize).div_ceil(switch::BURST) {
        worker.turn(start.elapsed().as_nanos() as u64);
    }
    let mut round = || {
        SLICES.map(|runs| {
            barrier.wait();
            if runs[who] { slice(&mut worker, start) } else { 0.0 }
        })
    };
    (0..ROUNDS).map(|_| round()).collect()
}

fn slice(worker: &mut Worker<'_>, start: Instant) -> f64 {
    let (before, sent) = (used(), switch::sent(worker));
    let end = Instant::now() + SLICE;
    while Instant::now() < end {
        for _ in 0..8 {
            worker.turn(start.elapsed().as_nanos() as u64);
        }
    }
    (switch::sent(worker) - sent) as f64 * 1000.0 / (used().cpu_ns - before.cpu_ns) as f64
}
