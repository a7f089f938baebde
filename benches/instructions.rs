//! Instructions per packet, counted by callgrind: the same on every run and every day, so a change shows at once.
//!
//! The program runs itself twice under valgrind, with different numbers of turns, and takes the difference: what is set
//! up, and the first sight of every flow, is in both.

use anyhow::{Context, Result, bail, ensure};
use benches::{Scenario, switch};
use std::env;
use std::process::Command;

const FEW: usize = 500;
const MANY: usize = 2500;

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match &arguments[..] {
        [] => table(),
        [scenario, flows, turns] => {
            work(scenario.parse().map_err(anyhow::Error::msg)?, flows.parse()?, turns.parse()?)
        }
        _ => bail!("no arguments: a table; SCENARIO FLOWS TURNS: just that, to be run under a profiler"),
    }
}

/// So many turns, after every flow was seen.
fn work(scenario: Scenario, flows: u32, turns: usize) -> Result<()> {
    let umem = switch::umem()?;
    let mut worker = switch::worker(&umem, scenario, flows, 1 << 18);
    for n in 0..(2 * flows as usize).div_ceil(switch::BURST) + turns {
        worker.turn(n as u64);
    }
    Ok(())
}

fn table() -> Result<()> {
    println!("| packets | flows | instructions/packet |");
    println!("|---|--:|--:|");
    for scenario in Scenario::ALL {
        for flows in [1, 10_000, 100_000] {
            let difference = counted(scenario, flows, MANY)?.checked_sub(counted(scenario, flows, FEW)?);
            let difference = difference.context("more turns took fewer instructions")?;
            let packets = ((MANY - FEW) * switch::BURST) as f64;
            println!("| {scenario} | {flows} | {:.1} |", difference as f64 / packets);
        }
    }
    Ok(())
}

fn counted(scenario: Scenario, flows: u32, turns: usize) -> Result<u64> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(env::current_exe()?)
        .args([scenario.to_string(), flows.to_string(), turns.to_string()])
        .output()
        .context("cannot run valgrind: is it installed?")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{scenario}, {flows} flows, under valgrind: {said}");
    let collected = said.lines().find_map(|line| line.split_once("Collected : ")).context("no count")?.1;
    Ok(collected.trim().parse()?)
}
