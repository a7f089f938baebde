//! `adit trace`: what the rules do with one packet, and why.
//!
//! The packet is given as a flow in the syntax of ovs-ofctl, as bytes, or as one of a capture. The translation that is shown is the
//! switch's own, watched; bytes that come out are those that a worker put out.

mod bytes;
pub mod report;
pub mod walk;

use crate::api::{Answer, Client, Packet, Request};
use crate::cli::SOCKET_DEFAULT;
use crate::replay::{self, Plan, PortArg};
use crate::text::{PortNames, format_match, parse_filter};
use anyhow::{Context, Result, anyhow, bail};
use datapath::flow::{Field, FlowKey};
use datapath::pipeline::{Match, Pipeline, Translation, observe};
use report::{Reason, Report, Way};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use walk::Walk;

const EXAMPLES: &str = "\
Examples:
  adit trace in_port=vm1,tcp,nw_src=10.0.0.1,nw_dst=10.0.0.2,tcp_dst=80
                                        what does the running switch do with it, by its rules as they are now?
  adit trace --in-port vm1 --pcap capture.pcap --packet 3
  adit trace --config adit.toml in_port=vm1,tcp,nw_src=10.0.0.1,nw_dst=10.0.0.2,tcp_dst=80
  adit trace --config adit.toml --in-port vm1 --pcap capture.pcap --packet 3
  adit trace --config adit.toml --in-port eth1 --hex 020000000001...
  adit trace --flows flows.txt --port g1 --port g2 in_port=g1,ip --json

Nothing is sent and nothing is counted. With --config or --flows no switch is asked either: configuration
and flows are read from the files. Fields that a flow does not name are zero. Of a tunnel packet (--in-port names an uplink) the outer headers are
checked and cut off first, as the switch does.
The exit code is 0 when the packet goes somewhere, 1 when it is dropped.";

/// Says what the rules do with one packet: table by table, which rule, which actions, and why it is dropped
#[derive(Clone, Debug, Default, clap::Args)]
#[command(after_help = EXAMPLES)]
#[command(group = clap::ArgGroup::new("files").args(["config", "flows"]).multiple(true))]
pub struct Args {
    /// The packet, as a flow in the syntax of ovs-ofctl(8)
    #[arg(value_name = "FLOW", required_unless_present_any = ["hex", "pcap"], conflicts_with_all = ["hex", "pcap", "in_port"])]
    pub flow: Option<String>,

    /// A configuration (TOML) with ports, uplinks and tunnels
    #[arg(long, short, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub config: Option<PathBuf>,

    /// The flows [default: those that the configuration names]
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub flows: Option<PathBuf>,

    /// The groups [default: those that the configuration names]
    #[arg(long, value_name = "FILE", requires = "files", value_hint = clap::ValueHint::FilePath)]
    pub groups: Option<PathBuf>,

    /// The meters [default: those that the configuration names]
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub meters: Option<PathBuf>,

    /// Without a configuration: the ports, numbered from 1 in this order
    #[arg(long = "port", value_name = "NAME", conflicts_with = "config", requires = "flows")]
    pub ports: Vec<String>,

    /// The packet, as hexadecimal digits
    #[arg(long, value_name = "BYTES", requires = "in_port", conflicts_with = "pcap")]
    pub hex: Option<String>,

    /// A capture (pcap or pcapng) that holds the packet
    #[arg(long, value_name = "FILE", requires_all = ["in_port", "packet"], value_hint = clap::ValueHint::FilePath)]
    pub pcap: Option<PathBuf>,

    /// Which packet of the capture, from 1
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub packet: Option<u64>,

    /// The port or uplink that the bytes come in by
    #[arg(long, value_name = "NAME")]
    pub in_port: Option<String>,

    /// Where the running switch answers
    #[arg(long, value_name = "PATH", default_value = SOCKET_DEFAULT, conflicts_with = "files", value_hint = clap::ValueHint::FilePath)]
    pub socket: PathBuf,

    /// Answer as JSON
    #[arg(long)]
    pub json: bool,
}

/// Traces and prints the walk.
///
/// # Errors
/// When files or the packet cannot be read or understood.
pub fn run(args: &Args) -> Result<ExitCode> {
    let report = match trace(args) {
        Ok(report) => report,
        Err(error) => return replay::Faults::show(error),
    };
    let dropped = report.sent.is_empty();
    match args.json {
        true => writeln!(io::stdout(), "{}", serde_json::to_string_pretty(&report)?)?,
        false => write!(anstream::stdout(), "{report}")?,
    }
    Ok(if dropped { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Traces: over the files that are named, or else in the running switch.
///
/// # Errors
/// As for [`run`].
pub fn trace(args: &Args) -> Result<Report> {
    let packet = match &args.flow {
        Some(flow) => Packet::Flow(flow.clone()),
        None => Packet::Bytes {
            in_port: args.in_port.clone().unwrap_or_default(),
            hex: bytes::read(args)?.iter().map(|byte| format!("{byte:02x}")).collect(),
        },
    };
    if args.config.is_none() && args.flows.is_none() {
        return ask(&args.socket, packet);
    }
    let plan = replay::Plan::new(&replay::Args {
        flows: args.flows.clone(),
        groups: args.groups.clone(),
        meters: args.meters.clone(),
        config: args.config.clone(),
        ports: args.ports.iter().map(|name| PortArg { name: name.clone(), input: None }).collect(),
        ..replay::Args::default()
    })?;
    live(&plan, &packet)
}

/// How long a frame is of which only its fields are said: as short as can be, without FCS.
const FRAME_LEN: u16 = 60;

/// Has the running switch trace.
fn ask(socket: &Path, packet: Packet) -> Result<Report> {
    let mut found = None;
    Client::connect(socket)?.ask(&Request::Trace(packet), |answer| {
        if let Answer::Traced(report) = answer {
            found = Some(*report);
        }
        Ok(())
    })?;
    found.context("the daemon's answer has no trace: is it of another version?")
}

/// Traces a packet through what is there.
pub(crate) fn live(plan: &Plan, packet: &Packet) -> Result<Report> {
    match packet {
        Packet::Flow(flow) => {
            let filter = parse_filter("FLOW", flow, &plan.names)
                .map_err(|fault| anyhow!("{flow:?}: {}", fault.message))?;
            let mut key = filter.matching.key();
            key.measure(FRAME_LEN);
            Ok(walk_of(&plan.pipeline, &key, &plan.names, None))
        }
        Packet::Bytes { in_port, hex } => through(plan, in_port, &bytes::from_hex(hex)?),
    }
}

fn through(plan: &Plan, name: &str, bytes: &[u8]) -> Result<Report> {
    let Some(port) = plan.ports.iter().position(|port| port.name == name) else {
        bail!("--in-port {name}: there is no port and no uplink of that name")
    };
    Ok(match bytes::key(plan, port, bytes)? {
        Ok(key) => {
            let mut report = walk_of(&plan.pipeline, &key, &plan.names, Some(bytes.len()));
            report.packets = bytes::through(plan, port, bytes)?;
            report
        }
        Err(reason) => Report::refused(name, bytes.len(), reason),
    })
}

fn walk_of(pipeline: &Pipeline, key: &FlowKey, names: &dyn PortNames, bytes: Option<usize>) -> Report {
    let mut walk = Walk::new(pipeline, names);
    let mut translation = Translation::default();
    observe(pipeline, key, &mut translation, &mut walk);
    let all = whole(key);
    let mask = Match::of(key, translation.mask());
    let (mut sent, mut dropped) = (Vec::new(), Vec::new());
    for action in translation.actions() {
        match Way::of(action, &translation, pipeline, names) {
            Some(Way::Sent(to)) => sent.push(to),
            Some(Way::Dropped(reason)) => {
                dropped.push(Reason { place: walk.place_of(reason), ..reason.into() });
            }
            None => {}
        }
    }
    Report {
        flow: format_match(&all, names),
        bytes,
        steps: walk.steps,
        megaflow: format_match(&mask, names),
        actions: {
            let words = |action| report::words(action, &translation, pipeline, names);
            translation.actions().iter().map(words).collect()
        },
        sent,
        dropped,
        packets: Vec::new(),
    }
}

/// The match of just this key: every field that it has.
pub(crate) fn whole(key: &FlowKey) -> Match {
    let mut matching = Match::any();
    // Those behind are registers again, several as one.
    let single = Field::ALL.iter().copied().filter(|field| *field < Field::Xreg0);
    for field in single.filter(|field| key.get(*field) != 0) {
        matching.require(field, key.get(field), field.max());
    }
    matching
}
