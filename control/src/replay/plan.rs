//! What is replayed over what: ports, rules, tunnels and underlay, out of the arguments and the configuration.

use super::files::CONTROLLER;
use super::{Args, PortArg, underlay};
use crate::compile::Bridge;
use crate::config::{self, Config, Learning, Rules, read_rules};
use crate::text::suggest::did_you_mean;
use crate::text::{Diagnostic, Names};
use anyhow::{Result, anyhow, bail, ensure};
use datapath::flow::{OfPort, Seed};
use datapath::pipeline::{Pipeline, PortSetup};
use datapath::port::PortId;
use datapath::worker::{PuntRate, Role};
use std::fmt;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

/// The secret of every hash: none, so that runs repeat.
pub(crate) const SEED: Seed = Seed::new(0);

/// A port of the replay. Its place in the list is its `PortId`.
#[derive(Clone, Debug)]
pub(crate) struct PlannedPort {
    pub(crate) name: String,
    pub(crate) role: Role,
    pub(super) input: Option<PathBuf>,
}

/// Everything about a replay but its frames.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// Guests in their order, then uplinks in theirs.
    pub(crate) ports: Vec<PlannedPort>,
    pub(crate) pipeline: Pipeline,
    /// What NORMAL remembers, where something in the rules learns anything at all.
    pub(super) learning: Option<Learning>,
    /// How many frames the controller is told; none when nothing in the rules tells it.
    pub(super) controller: Option<PuntRate>,
    /// The names of the bridge's ports.
    pub(crate) names: Names,
    /// The secret of its hashes.
    pub(crate) seed: Seed,
    /// The line of the first flow that does not stay for ever.
    pub(super) passing: Option<u32>,
}

/// What is wrong with a text of the operator's.
#[derive(Debug)]
pub(crate) struct Faults(Vec<Diagnostic>);

impl Faults {
    /// Shows faults with their places, a line or more each; any other error is passed on.
    pub(crate) fn show(error: anyhow::Error) -> Result<ExitCode> {
        let faults = error.downcast::<Faults>()?;
        let _ = writeln!(io::stderr(), "{faults}");
        Ok(ExitCode::FAILURE)
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = self.0.iter().map(ToString::to_string).collect::<Vec<_>>();
        f.write_str(&lines.join("\n"))
    }
}

impl std::error::Error for Faults {}

impl PlannedPort {
    /// A port without a capture.
    pub(crate) fn of(name: &str, role: Role) -> PlannedPort {
        PlannedPort { name: name.into(), role, input: None }
    }
}

impl Plan {
    /// A switch that is there already.
    pub(crate) fn live(ports: Vec<PlannedPort>, pipeline: Pipeline, names: Names, seed: Seed) -> Plan {
        Plan { ports, pipeline, learning: None, controller: None, names, seed, passing: None }
    }

    pub(crate) fn new(args: &Args) -> Result<Plan> {
        for (i, port) in args.ports.iter().enumerate() {
            let first = args.ports[..i].iter().all(|before| before.name != port.name);
            ensure!(first, "--port {} is given twice; merge its captures with mergecap", port.name);
        }
        let config = args.config.as_deref().map(config::read).transpose().map_err(Faults)?;
        let config = match config {
            Some(config) => config,
            None => of_arguments(&args.ports)?,
        };
        let ports = ports(&config, &args.ports)?;
        let rules = rules(args, &config)?;
        let passing = rules.passing().map(|flow| flow.line);
        let Compiled { pipeline, learns, tells } = pipeline(&config, &ports, rules)?;
        ensure!(
            !tells || ports.iter().all(|port| port.name != CONTROLLER),
            "a port is named {CONTROLLER}, and what the flows tell the controller is written to {CONTROLLER}.pcap; rename it"
        );
        Ok(Plan {
            pipeline,
            learning: learns.then_some(config.bridge.learning),
            controller: tells.then_some(config.bridge.controller),
            names: config.port_names(),
            ports,
            seed: SEED,
            passing,
        })
    }
}

/// The configuration that arguments stand for: every port a guest, numbered in order.
fn of_arguments(ports: &[PortArg]) -> Result<Config> {
    let numbers = 1..=crate::text::OFPORT_MAX;
    ensure!(ports.len() <= config::PORTS_MAX, "too many ports: at most {}", config::PORTS_MAX);
    let guest = |(port, number): (&PortArg, u32)| config::Port {
        name: port.name.clone(),
        device: port.name.clone(),
        ofport: OfPort(number),
        mode: config::Mode::Auto,
        setup: PortSetup::default(),
        queues: Vec::new(),
    };
    Ok(Config { ports: ports.iter().zip(numbers).map(guest).collect(), ..Config::default() })
}

/// The ports of the configuration, each with its input.
fn ports(config: &Config, args: &[PortArg]) -> Result<Vec<PlannedPort>> {
    let guests = config.ports.iter().map(|port| (&port.name, Role::Guest(port.ofport)));
    let uplinks = config.uplinks.iter().map(|uplink| (&uplink.device, Role::Uplink));
    let mut ports: Vec<PlannedPort> = Vec::new();
    for (name, role) in guests.chain(uplinks) {
        check_name(name)?;
        if ports.iter().any(|port| port.name == *name) {
            bail!("{name} is the name of two ports, and both would be written to {name}.pcap; rename one");
        }
        ports.push(PlannedPort { name: name.clone(), role, input: None });
    }
    for arg in args {
        if let Some(tunnel) = config.tunnels.iter().find(|tunnel| tunnel.name == arg.name) {
            bail!(
                "{} is a tunnel: its packets come in by an uplink, so give the uplink's capture",
                tunnel.name
            );
        }
        let known = ports.iter().map(|port| port.name.as_str());
        let message = || {
            let near = did_you_mean(&arg.name, known.clone());
            anyhow!("--port {}: the configuration has no port and no uplink of that name{near}", arg.name)
        };
        let place = known.clone().position(|name| name == arg.name).ok_or_else(message)?;
        ports[place].input = arg.input.clone();
    }
    Ok(ports)
}

/// A name becomes the name of a file.
fn check_name(name: &str) -> Result<()> {
    let fits = !matches!(name, "" | "." | "..") && !name.contains(['/', '\0']) && name.len() <= 200;
    ensure!(fits, "{name:?} cannot be the name of a port: NAME.pcap could not be written");
    Ok(())
}

fn rules(args: &Args, config: &Config) -> Result<Rules> {
    let flows = args.flows.as_deref().or(config.bridge.flows.as_deref());
    // Flows that are given take the place of all that the configuration says.
    let of_tenants = match &args.flows {
        None => config.tenant_flows().map_err(Faults)?,
        Some(_) => Vec::new(),
    };
    if flows.is_none() && of_tenants.is_empty() {
        bail!("there are no flows: give --flows, or name them in [bridge]");
    }
    let groups = args.groups.as_deref().or(config.bridge.groups.as_deref());
    let meters = args.meters.as_deref().or(config.bridge.meters.as_deref());
    let rules = read_rules(flows, groups, meters, &config.port_names()).map_err(Faults)?;
    Ok(rules.behind(of_tenants))
}

/// A pipeline, and whether something in it learns and something tells the controller.
struct Compiled {
    pipeline: Pipeline,
    learns: bool,
    tells: bool,
}

fn pipeline(config: &Config, ports: &[PlannedPort], rules: Rules) -> Result<Compiled> {
    let ids = ports.iter().zip(0..).map(|(port, id)| (port, PortId(id)));
    let guests = ids.clone().filter_map(|(port, id)| match port.role {
        Role::Guest(ofport) => Some((ofport, id)),
        Role::Uplink => None,
    });
    let uplinks: Vec<_> = ids.filter(|(port, _)| port.role == Role::Uplink).map(|(_, id)| id).collect();
    let bridge = Bridge {
        rules: rules.plain(),
        groups: rules.groups,
        meters: rules.meters,
        queues: config.queues(),
        guests: guests.collect(),
        tunnels: config.tunnel_specs(),
        endpoints: underlay::endpoints(config)?,
        switching: config.switching(),
        stations: config.stations(),
        options: config.bridge.options.clone(),
    };
    let underlay = underlay::underlay(config, &bridge, &uplinks)?;
    let pipeline = bridge.compile(underlay, SEED)?;
    Ok(Compiled { pipeline, learns: bridge.learns(), tells: bridge.tells() })
}
