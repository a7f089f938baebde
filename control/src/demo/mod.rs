//! `adit demo`: two hypervisors, two tenants with the same addresses and one tunnel, on one machine, checked and torn down.
//!
//! It shows what the product is for and that it keeps its word here, with this kernel. Nothing of the machine is touched:
//! everything is built in nameless namespaces of its own ([`crate::lab`]) that vanish with the process.

mod checks;
mod iperf;
mod isolation;
mod network;
mod offload;
mod report;
mod settings;
mod switch;

use std::env;
use std::fs;
use std::panic;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::ValueEnum;
use nix::errno::Errno;

pub use isolation::{Leak, Verdict, prove};
pub use network::{Guest, Hypervisor, Network, Plan, TENANTS, Tenant};
pub use switch::Side;

use crate::lab::{Interrupted, Scratch, Stop};
use report::{Report, say};

/// Outer Ethernet is not part of an MTU: inner Ethernet 14, VXLAN 8, UDP 8, IPv4 20.
const OVERHEAD: u32 = 50;

const EXAMPLES: &str = "\
Examples:
  adit demo                              both peers, one after the other
  adit demo --peer linux --json          for a script
  adit demo --underlay-mtu 1500          guests get 1450: the tunnel headers need 50
  adit demo --underlay-mtu 1500 --guest-mtu 1500
                                         what fails when nobody thinks of the headers
  adit demo --peer adit --hold           look around inside, until Ctrl-C

Needs root, to make network namespaces; touches nothing outside of them and leaves nothing behind.
The exit code is 0 if every check passed, 1 if one failed, 2 if the demo could not run.";

/// Builds two hypervisors and two tenants with the same addresses on this machine, and checks what adit promises
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Who stands on the other side of the tunnel
    #[arg(long, value_enum, default_value_t = Peer::Both)]
    pub peer: Peer,

    /// How adit attaches to devices
    #[arg(long, value_enum, default_value_t = Mode::Auto)]
    pub mode: Mode,

    /// Largest IP packet between the hypervisors
    #[arg(long, value_name = "BYTES", default_value_t = 1600, value_parser = clap::value_parser!(u32).range(1330..=9000))]
    pub underlay_mtu: u32,

    /// Largest IP packet of the guests [default: what the underlay has room for, at most 1500]
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u32).range(1280..=9000))]
    pub guest_mtu: Option<u32>,

    /// How long to send in each measurement, each way
    #[arg(long, value_name = "SECONDS", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=600))]
    pub seconds: u16,

    /// Keep the last network after its checks until Ctrl-C, and say how to look inside
    #[arg(long)]
    pub hold: bool,

    /// Print one JSON object instead of a table
    #[arg(long, conflicts_with = "hold")]
    pub json: bool,

    /// What runs on the first hypervisor
    #[arg(long, value_enum, default_value_t = Side::Adit, hide = true)]
    pub here: Side,
}

/// Who stands on the other side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Peer {
    /// The Linux kernel: a bridge and a VXLAN device for each tenant
    Linux,
    /// A second adit
    Adit,
    /// First Linux, then adit
    Both,
}

/// How adit attaches to devices: the `mode` of its configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// Native, then generic
    Auto,
    /// XDP in the driver
    Native,
    /// XDP in the network stack
    Generic,
    /// No XDP: AF_PACKET
    Packet,
}

/// Runs the demo and prints its table. The exit code is 0 if every check passed, 1 if one failed, 2 if it could not run.
///
/// To be called while the process has one thread: signals are redirected to a thread of their own.
///
/// # Errors
/// When the network cannot be built or adit does not start.
pub fn run(args: &Args) -> Result<ExitCode> {
    let stop = Stop::on_signals()?;
    let mut report = Report::new(args.json);
    let done = run_all(args, &mut report, &stop);
    match done {
        Ok(()) => Ok(report.finish()),
        Err(error) if error.is::<Interrupted>() => {
            eprintln!("adit demo: {Interrupted}; everything is taken down");
            Ok(ExitCode::from(130))
        }
        Err(error) if error.root_cause().downcast_ref() == Some(&Errno::EPERM) => {
            eprintln!(
                "adit demo: needs root (network namespaces); without root, see `adit replay --help` and pcap-tests/cases"
            );
            Ok(ExitCode::from(2))
        }
        Err(error) => {
            eprintln!("adit demo: {error:#}");
            Ok(ExitCode::from(2))
        }
    }
}

fn run_all(args: &Args, report: &mut Report, stop: &Stop) -> Result<()> {
    let parent = env::temp_dir();
    for path in Scratch::sweep(&parent, PREFIX)? {
        eprintln!("adit demo: removed {}, left by a demo that was killed", path.display());
    }
    let scratch = Scratch::new(&parent, PREFIX)?;
    remove_on_panic(&scratch);
    let peers: &[Side] = match args.peer {
        Peer::Linux => &[Side::Linux],
        Peer::Adit => &[Side::Adit],
        Peer::Both => &[Side::Linux, Side::Adit],
    };
    for (turn, &peer) in (1..).zip(peers) {
        let plan = plan(args, [args.here, peer], &scratch)?;
        let mut network = Network::build(plan)?;
        report.start(&network);
        network.start(stop)?;
        checks::all(&mut network, report, Duration::from_secs(args.seconds.into()), stop)?;
        if args.hold && turn == peers.len() {
            hold(&mut network, stop)?;
        }
    }
    Ok(())
}

/// The folders of demos begin with this.
const PREFIX: &str = "adit-demo";

fn plan(args: &Args, sides: [Side; 2], scratch: &Scratch) -> Result<Plan> {
    let guest_mtu = args.guest_mtu.unwrap_or_else(|| (args.underlay_mtu - OVERHEAD).min(1500));
    let program = env::current_exe().context("cannot find the program that runs this")?;
    let mode = args.mode.to_possible_value().context("a mode without a name")?;
    Ok(Plan {
        sides,
        program,
        folder: scratch.path().to_owned(),
        mode: mode.get_name().to_owned(),
        underlay_mtu: args.underlay_mtu,
        guest_mtu,
    })
}

/// Where a panic aborts the process no destructor runs; this still does.
fn remove_on_panic(scratch: &Scratch) {
    let folder = scratch.path().to_owned();
    let hook = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        // The panic is what matters; what is left is swept by the next demo.
        let _ = fs::remove_dir_all(&folder);
        hook(info);
    }));
}

fn hold(network: &mut Network, stop: &Stop) -> Result<()> {
    network.restart_ended(stop)?;
    say!("\n  The network stays until Ctrl-C. Look inside from another terminal, as root:\n");
    for (name, netns) in network.places() {
        say!("  {name:<13} {} ip addr", netns.enter_command());
    }
    if network.plan.sides.contains(&Side::Adit) {
        say!("\n  What adit was told, and its socket for `adit show`: {}", network.plan.folder.display());
    }
    while stop.sleep(Duration::from_secs(3600)).is_ok() {}
    say!();
    Ok(())
}
