//! `adit replay`: captured frames through the switch, without root, without devices, without a clock.
//!
//! It is the worker of a running switch with capture files for ports. A frame comes in when its time stamp says so, and
//! what is sent carries the time of the turn that sent it; the hashes have a fixed seed. So the same captures, flows and
//! configuration give the same bytes and the same counters, on any machine, however often.
//!
//! What the kernel would say about the underlay comes from the configuration (`[[replay.neighbour]]`) or from defaults
//! ([`underlay`]). Captures are streamed: memory does not grow with them.
//!
//! Written are `NAME.pcap` for every port and uplink, also for those that nothing came out of, `controller.pcap` where flows tell
//! the controller, and last `counters.json`
//! ([`Counters`]): if that is there, the others are whole. No input is ever overwritten.

mod counters;
mod drive;
mod files;
mod learn;
mod plan;
mod progress;
mod table;
pub mod underlay;

pub use counters::{Counters, Dropped, FlowCache, PortTotals};
pub(crate) use table::grouped;

pub(crate) use plan::{Faults, Plan, PlannedPort};

use anyhow::{Context, Result, bail};
use drive::Outcome;
use files::Captures;
use progress::Progress;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;

const EXAMPLES: &str = "\
Examples:
  adit replay --flows flows.txt --port g1=in.pcap --port g2 --out out/
      frames of in.pcap come in by g1 (port 1); what leaves by g2 (port 2) is in out/g2.pcap
  adit replay --config adit.toml --port eth1=underlay.pcapng --out out/
      tunnel packets come in by the uplink eth1; ports, tunnels and flows are those of adit.toml
  adit replay --config adit.toml --port g1=in.pcap --out out/ --json | jq .drops

Without --config every --port is a guest, numbered from 1 in the order given. With it the
ports, uplinks and tunnels are those of the configuration, and --port says which of them have
frames coming in.

The kernel is not asked how to reach a tunnel's remote end. The configuration may say it:
  [[replay.neighbour]]
  remote_ip = \"192.0.2.2\"
  uplink = \"eth1\"                  # default: the first uplink
  local_ip = \"192.0.2.1\"           # default: the first endpoint of the uplink
  src_mac = \"02:00:00:00:00:01\"    # default: this
  dst_mac = \"02:00:00:00:00:02\"    # default: this
  mtu = 1600                       # default: 1500
or reach = \"no_route\" or \"no_neighbour\" for one that cannot be reached.

The exit code is 0 when all frames were replayed, also when some were dropped; 1 when that
was not possible; 2 when the command line was not understood.";

/// Sends captured frames through the switch and writes what comes out, without root or devices
#[derive(Clone, Debug, Default, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The flows, in the syntax of ovs-ofctl(8) [default: those that the configuration names]
    #[arg(long, value_name = "FILE", required_unless_present = "config", value_hint = clap::ValueHint::FilePath)]
    pub flows: Option<PathBuf>,

    /// The groups, in the syntax of ovs-ofctl(8) [default: those that the configuration names]
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub groups: Option<PathBuf>,

    /// The meters, in the syntax of ovs-ofctl(8) [default: those that the configuration names]
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub meters: Option<PathBuf>,

    /// A configuration (TOML) with ports, uplinks and tunnels
    #[arg(long, short, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub config: Option<PathBuf>,

    /// A port or uplink and the capture (pcap or pcapng) of what comes in by it; once for each
    #[arg(long = "port", value_name = "NAME[=IN.pcap]", required = true)]
    pub ports: Vec<PortArg>,

    /// The directory for NAME.pcap of every port and for counters.json; made if it is not there
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    pub out: PathBuf,

    /// Print counters.json instead of a table
    #[arg(long, conflicts_with = "quiet")]
    pub json: bool,

    /// Print nothing but errors
    #[arg(long, short)]
    pub quiet: bool,
}

/// A port of a replay, and what comes in by it: `NAME=IN.pcap`, or `NAME` alone for nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortArg {
    /// Name of a port, or device of an uplink.
    pub name: String,
    /// The capture.
    pub input: Option<PathBuf>,
}

impl FromStr for PortArg {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<PortArg, &'static str> {
        let (name, input) = match text.split_once('=') {
            Some((name, input)) => (name, Some(input)),
            None => (text, None),
        };
        match (name, input) {
            ("", _) | (_, Some("")) => Err("a port is written NAME=FILE, as in g1=in.pcap"),
            _ => Ok(PortArg { name: name.into(), input: input.map(PathBuf::from) }),
        }
    }
}

/// Replays and prints a table, or the counters as JSON.
///
/// # Errors
/// Which file cannot be read, understood or written, and what to do about it.
pub fn run(args: &Args) -> Result<ExitCode> {
    let show = !args.quiet && io::stderr().is_terminal();
    let Outcome { counters, notes } = match replay_shown(args, show) {
        Ok(outcome) => outcome,
        Err(error) => return plan::Faults::show(error),
    };
    for note in notes.iter().filter(|_| !args.quiet) {
        let _ = writeln!(io::stderr(), "adit: note: {note}");
    }
    if args.json {
        writeln!(io::stdout(), "{}", counters.to_json())?;
    } else if !args.quiet {
        let mut out = anstream::stdout();
        write!(out, "{}", table::Table(&counters))?;
        writeln!(out, "\nThe captures and counters.json are in {}.", args.out.display())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Replays, writes the captures and `counters.json`, and returns the counters.
///
/// # Errors
/// See [`run`].
pub fn replay(args: &Args) -> Result<Counters> {
    Ok(replay_shown(args, false)?.counters)
}

fn replay_shown(args: &Args, show: bool) -> Result<Outcome> {
    let plan = Plan::new(args)?;
    if let Some(line) = plan.passing {
        bail!("line {line} of the flows has a timeout: in a replay every flow stays; take the timeout away");
    }
    let captures = Captures::open(args, &plan)?;
    let progress = show.then(|| Progress::new(captures.meter()));
    let outcome = drive::drive(&plan, captures, progress)?;
    let path = args.out.join(files::COUNTERS);
    std::fs::write(&path, outcome.counters.to_json() + "\n")
        .with_context(|| format!("{}: cannot be written", path.display()))?;
    Ok(outcome)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_has_a_name_and_perhaps_a_file() {
        let port = |text: &str| text.parse::<PortArg>().map(|port| (port.name, port.input));
        assert_eq!(port("g1=a=b.pcap"), Ok(("g1".into(), Some("a=b.pcap".into()))));
        assert_eq!(port("g1"), Ok(("g1".into(), None)));
        for text in ["", "=x", "g1="] {
            assert!(port(text).is_err(), "{text:?}");
        }
    }
}
