//! What forwarding costs over veth, in copy mode: adit next to a bare loop over the same kind of rings, in one process,
//! slice by slice in turn. Needs root.
//!
//! A slice gives the thread's time on its core, the part of it spent in calls into the kernel, and the packets that came
//! out at the far end by that device's own count. User time is what is left: rings, lookup, headers. A slice in which
//! somebody else was given the core is thrown away and taken again, since the calls are timed by the clock on the wall.
//!
//! `--long SECONDS` takes one long slice of each instead and asks the kernel how it would split the time (`getrusage`,
//! by what the timer tick finds): a check of the one method by the other.

mod calls;
mod contender;
mod generator;
mod network;

use anyhow::{Context, Result, bail, ensure};
use benches::bpf::Maker;
use benches::sample::{Samples, used};
use benches::{Scenario, frames, place};
use contender::{Adit, Bare, Contender, egress, ingress};
use generator::Generator;
use network::Network;
use nix::sys::resource::{Usage, UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use std::env;
use std::thread;
use std::time::{Duration, Instant};

const SLICE: Duration = Duration::from_millis(40);
const SETTLING: Duration = Duration::from_millis(10);
const SLICES: usize = 40;
/// How long the generator may take to begin, or to fill the rings again.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often a slice may be taken again, all in all.
const AGAIN: usize = 4 * SLICES;

/// What a contender did in one slice.
struct Slice {
    packets: f64,
    wall_ns: f64,
    cpu_ns: f64,
    kernel_ns: f64,
    calls: f64,
    idle_turns: f64,
    displaced: bool,
    /// Of the time, what the kernel counts as its own.
    system_part: f64,
}

#[derive(Default)]
struct Column {
    user: Samples,
    kernel: Samples,
    total: Samples,
    mpps: Samples,
    packets_a_call: Samples,
    idle: f64,
}

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let long = match &arguments[..] {
        [] => None,
        [long, seconds] if long == "--long" => Some(Duration::from_secs(seconds.parse()?)),
        _ => bail!("no arguments, or --long SECONDS"),
    };
    ensure!(nix::unistd::geteuid().is_root(), "needs root: it makes namespaces, devices and sockets");
    place::take(place::MEASURED);
    match long {
        None => {
            println!(
                "| packets | flows | who | user ns/packet | kernel ns/packet | all ns/packet | Mpps | packets/call |"
            );
            println!("|---|--:|---|--:|--:|--:|--:|--:|");
        }
        Some(_) => println!(
            "| packets | flows | who | kernel's part, by the calls | by the tick |\n|---|--:|---|--:|--:|"
        ),
    }
    for (scenario, flows) in
        [(Scenario::Encap, 1), (Scenario::Encap, 10_000), (Scenario::Decap, 1), (Scenario::Decap, 10_000)]
    {
        round(scenario, flows, long).with_context(|| format!("{scenario}, {flows} flows"))?;
    }
    Ok(())
}

fn round(scenario: Scenario, flows: u32, long: Option<Duration>) -> Result<()> {
    let network = Network::new(2)?;
    let umems = [Network::umem()?, Network::umem()?];
    let (mut adit, _programs) = Adit::new(&umems[0], network.sockets(&umems[0], 0)?, scenario);
    let (mut bare, _more_programs) = Bare::new(&umems[1], network.sockets(&umems[1], 1)?, scenario);
    let contenders: [(&str, &mut dyn Contender); 2] = [("adit", &mut adit), ("bare loop", &mut bare)];
    let (packet, ports) = match scenario {
        Scenario::Forward | Scenario::Encap => (frames::plain(0), frames::PORTS),
        Scenario::Decap => (frames::tunnelled(0), frames::HEADERS + frames::PORTS),
    };
    let maker = Maker::new(flows, ports as u16).context("cannot load the program that makes packets")?;
    thread::scope(|scope| {
        let generator = Generator::start(scope, &network.far, &maker, &packet)?;
        let measured = match long {
            None => compare(&network, &maker, scenario, flows, contenders),
            Some(time) => check(&network, &maker, scenario, flows, contenders, time),
        };
        generator.stop()?;
        measured
    })
}

fn compare(
    network: &Network,
    maker: &Maker,
    scenario: Scenario,
    flows: u32,
    mut contenders: [(&str, &mut dyn Contender); 2],
) -> Result<()> {
    let mut columns = [Column::default(), Column::default()];
    let mut again = 0;
    while columns.iter().any(|column| column.user.len() < SLICES) {
        for (n, (_, contender)) in contenders.iter_mut().enumerate() {
            let slice = slice(network, maker, scenario, n, *contender, SLICE)?;
            if slice.disturbed() && again < AGAIN {
                again += 1;
            } else {
                columns[n].add(&slice);
            }
        }
    }
    for ((who, _), column) in contenders.iter().zip(&columns) {
        let Column { user, kernel, total, mpps, packets_a_call, idle } = column;
        println!(
            "| {scenario} | {flows} | {who} | {user:.0} | {kernel:.0} | {total:.0} | {mpps:.2} | {packets_a_call:.0} |"
        );
        if *idle > 0.0 {
            eprintln!("{who}: {idle} turns found no packet: the generator is too slow");
        }
    }
    eprintln!("{scenario}, {flows} flows: {SLICES} slices each, {again} more thrown away");
    Ok(())
}

/// The kernel's part of one long slice, found in two ways.
fn check(
    network: &Network,
    maker: &Maker,
    scenario: Scenario,
    flows: u32,
    contenders: [(&str, &mut dyn Contender); 2],
    time: Duration,
) -> Result<()> {
    for (n, (who, contender)) in contenders.into_iter().enumerate() {
        let slice = slice(network, maker, scenario, n, contender, time)?;
        // Both on the wall: a long slice is shared with others, in the calls as well as between them.
        let by_calls = slice.kernel_ns / slice.wall_ns * 100.0;
        println!("| {scenario} | {flows} | {who} | {by_calls:.1} % | {:.1} % |", slice.system_part * 100.0);
    }
    Ok(())
}

fn slice(
    network: &Network,
    maker: &Maker,
    scenario: Scenario,
    n: usize,
    contender: &mut dyn Contender,
    time: Duration,
) -> Result<Slice> {
    network.aim(maker, ingress(scenario), n)?;
    let run = |contender: &mut dyn Contender, time| {
        let (start, mut idle) = (Instant::now(), 0);
        while start.elapsed() < time {
            idle += (0..16).filter(|_| contender.turn() == 0).count();
        }
        (start.elapsed(), idle)
    };
    let first = Instant::now();
    while run(contender, SETTLING).1 > 0 && first.elapsed() < PATIENCE {}
    let out = network.came_out(egress(scenario), n)?;
    let (before, usage, calls) = (used(), getrusage(UsageWho::RUSAGE_THREAD)?, calls::made());
    let (wall, idle) = run(contender, time);
    let (calls_after, usage_after, after) = (calls::made(), getrusage(UsageWho::RUSAGE_THREAD)?, used());
    let packets = network.came_out(egress(scenario), n)? - out;
    ensure!(packets > 0, "no packet came out: {}", if idle > 0 { "none came in" } else { "they got lost" });
    let [user, system] = [Usage::user_time, Usage::system_time]
        .map(|of| (of(&usage_after) - of(&usage)).num_microseconds() as f64);
    Ok(Slice {
        packets: packets as f64,
        wall_ns: wall.as_nanos() as f64,
        cpu_ns: (after.cpu_ns - before.cpu_ns) as f64,
        kernel_ns: (calls_after.ns - calls.ns) as f64,
        calls: (calls_after.count - calls.count) as f64,
        idle_turns: idle as f64,
        displaced: after.displaced != before.displaced,
        system_part: system / (user + system),
    })
}

impl Slice {
    fn disturbed(&self) -> bool {
        self.displaced || self.idle_turns > 0.0
    }
}

impl Column {
    fn add(&mut self, slice: &Slice) {
        let packets = slice.packets;
        self.user.add((slice.cpu_ns - slice.kernel_ns) / packets);
        self.kernel.add(slice.kernel_ns / packets);
        self.total.add(slice.cpu_ns / packets);
        self.mpps.add(packets * 1000.0 / slice.wall_ns);
        self.packets_a_call.add(packets / slice.calls);
        self.idle += slice.idle_turns;
    }
}
