//! Instructions per packet, counted by callgrind: the same on every run and every day, so a change shows at once.
//!
//! The program runs itself twice under valgrind, with different numbers of turns, and takes the difference: what is set
//! up, and the first sight of every flow, is in both.
//!
//! With `--bound` it holds the table of RESULTS.md against what is counted now: what costs more than it says, and what costs
//! less and does not say so, fails.

use anyhow::{Context, Result, bail, ensure};
use benches::{Scenario, switch};
use std::env;
use std::fmt;
use std::fs;
use std::process::Command;

const FEW: usize = 500;
const MANY: usize = 2500;
/// So many tenants, each with a rule and a tunnel key of its own, next to one.
const TENANTS: [u32; 2] = [1, 1000];
/// Places of the exact cache: more than flows.
const REMEMBERED: usize = 1 << 18;
/// How many flows the bound is about, and how far a count may be from the table, in parts of it.
const BOUND_FLOWS: u32 = 10_000;
const BOUND: f64 = 0.02;

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match &arguments[..] {
        [] => table(),
        [bound, results] if bound == "--bound" => {
            hold(&fs::read_to_string(results).context(results.clone())?)
        }
        [scenario, tenants, flows, turns] => {
            let scenario = scenario.parse().map_err(anyhow::Error::msg)?;
            work(Case { scenario, tenants: tenants.parse()?, flows: flows.parse()? }, turns.parse()?)
        }
        _ => bail!(
            "no arguments: a table; --bound RESULTS.md: holds that table against what is counted; \
             SCENARIO TENANTS FLOWS TURNS: just that, to be run under a profiler"
        ),
    }
}

/// What a row of the table is about.
#[derive(Clone, Copy)]
struct Case {
    scenario: Scenario,
    tenants: u32,
    flows: u32,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Case { scenario, tenants, flows } = self;
        write!(f, "| {scenario} | {tenants} | {flows} |")
    }
}

/// So many turns, after every flow was seen.
fn work(Case { scenario, tenants, flows }: Case, turns: usize) -> Result<()> {
    let umem = switch::umem()?;
    let mut worker = match tenants {
        1 => switch::worker(&umem, scenario, flows, REMEMBERED),
        _ => switch::worker_of_tenants(&umem, scenario, tenants, flows, REMEMBERED),
    };
    for n in 0..(2 * flows as usize).div_ceil(switch::BURST) + turns {
        worker.turn(n as u64);
    }
    Ok(())
}

fn table() -> Result<()> {
    println!("| packets | tenants | flows | instructions/packet |");
    println!("|---|--:|--:|--:|");
    for scenario in Scenario::ALL {
        for tenants in TENANTS {
            for flows in [1, 10_000, 100_000].into_iter().filter(|flows| *flows >= tenants) {
                let case = Case { scenario, tenants, flows };
                println!("{case} {:.1} |", per_packet(case)?);
            }
        }
    }
    Ok(())
}

fn per_packet(case: Case) -> Result<f64> {
    let difference = counted(case, MANY)?.checked_sub(counted(case, FEW)?);
    let difference = difference.context("more turns took fewer instructions")?;
    Ok(difference as f64 / ((MANY - FEW) * switch::BURST) as f64)
}

/// Holds the rows of `results` against what is counted now.
fn hold(results: &str) -> Result<()> {
    let mut off = 0;
    let cases = Scenario::ALL
        .into_iter()
        .flat_map(|scenario| TENANTS.map(|tenants| Case { scenario, tenants, flows: BOUND_FLOWS }));
    for case in cases {
        let row = format!("{case} ");
        let written =
            results.lines().find_map(|line| line.strip_prefix(&row)?.strip_suffix(" |")?.parse::<f64>().ok());
        let written =
            written.with_context(|| format!("RESULTS.md has no row \"{row}...\" of instructions"))?;
        let now = per_packet(case)?;
        let change = now / written - 1.0;
        let verdict = match change.abs() <= BOUND {
            true => "as written",
            false => "NOT as written",
        };
        println!(
            "{}, tenants {}: {now:.1} instructions/packet, {written:.1} in RESULTS.md: {:+.1} %, {verdict}",
            case.scenario,
            case.tenants,
            change * 100.0
        );
        off += usize::from(change.abs() > BOUND);
    }
    ensure!(
        off == 0,
        "{off} figures are further than {:.0} % from RESULTS.md: if that is meant, `scripts/bench instructions` renews them, \
         and the commit says why",
        BOUND * 100.0
    );
    Ok(())
}

fn counted(case: Case, turns: usize) -> Result<u64> {
    let Case { scenario, tenants, flows } = case;
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(env::current_exe()?)
        .args([scenario.to_string(), tenants.to_string(), flows.to_string(), turns.to_string()])
        .output()
        .context("cannot run valgrind: is it installed?")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{case} under valgrind: {said}");
    let collected = said.lines().find_map(|line| line.split_once("Collected : ")).context("no count")?.1;
    Ok(collected.trim().parse()?)
}
