//! What carries frames between the guests' ports and the tunnel: the Linux kernel, or adit.

use std::fmt::Write as _;
use std::fs;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::ValueEnum;

use super::network::{Network, UNDERLAY};
use crate::lab::{Process, Stop, Vxlan};

/// What adit writes to standard error once its ports are up.
const READY: &str = "adit: ready";

/// How long it may take until then.
const PATIENCE: Duration = Duration::from_secs(20);

/// UDP destination port of VXLAN (RFC 7348).
pub(super) const VXLAN_PORT: u16 = 4789;

/// What a hypervisor switches with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Side {
    /// Bridge and VXLAN devices of the kernel
    Linux,
    /// This program
    Adit,
}

impl Side {
    /// For people.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Side::Linux => "Linux",
            Side::Adit => "adit",
        }
    }
}

/// A switch at work.
#[derive(Debug)]
pub enum Switch {
    /// The kernel's devices, which live in the hypervisor's namespace.
    Linux,
    /// The process.
    Adit(Process),
}

impl Switch {
    /// Starts the switch of one hypervisor of the network.
    pub(super) fn start(network: &Network, index: usize, stop: &Stop) -> Result<Switch> {
        match network.plan.sides[index] {
            Side::Linux => linux(network, index).context(
                "the Linux peer needs the kernel's bridge and vxlan modules; without them try `adit demo --peer adit`",
            ),
            Side::Adit => adit(network, index, stop),
        }
    }

    /// The process, if it is one.
    pub(super) fn into_process(self) -> Option<Process> {
        match self {
            Switch::Linux => None,
            Switch::Adit(process) => Some(process),
        }
    }
}

/// For each tenant a bridge with two ports: the guest and the VXLAN device.
fn linux(network: &Network, index: usize) -> Result<Switch> {
    let (here, there) = (&network.hypervisors[index], &network.hypervisors[1 - index]);
    let mtu = network.plan.guest_mtu;
    for guest in network.guests_on(index) {
        let (bridge, tunnel) = (guest.tenant.name, format!("vx-{}", guest.tenant.name));
        let vxlan = Vxlan {
            vni: guest.tenant.vni,
            underlay: UNDERLAY,
            local: here.addr,
            remote: there.addr,
            port: VXLAN_PORT,
            mtu,
        };
        here.netns.bridge(bridge, mtu)?;
        here.netns.vxlan(&tunnel, &vxlan)?;
        here.netns.enslave(&tunnel, bridge)?;
        here.netns.enslave(&guest.port, bridge)?;
    }
    Ok(Switch::Linux)
}

/// One process, one tunnel port for all tenants, two flows for each.
fn adit(network: &Network, index: usize, stop: &Stop) -> Result<Switch> {
    let here = &network.hypervisors[index];
    let config = network.file(here, "toml");
    fs::write(network.file(here, "flows"), flows(network, index)).context("cannot write the flows")?;
    fs::write(&config, configuration(network, index)).context("cannot write the configuration")?;
    let mut command = Command::new(&network.plan.program);
    command.arg("run").arg("--config").arg(&config).arg("--socket").arg(network.file(here, "sock"));
    command.stdout(std::process::Stdio::null());
    let mut process = Process::start(&here.netns, &format!("adit on {}", here.name), command)?;
    process.wait_for_line(READY, PATIENCE, stop)?;
    Ok(Switch::Adit(process))
}

fn configuration(network: &Network, index: usize) -> String {
    let (here, there) = (&network.hypervisors[index], &network.hypervisors[1 - index]);
    let mode = &network.plan.mode;
    let mut text = format!(
        r#"[bridge]
name = "br0"
flows = "{name}.flows"

[[uplink]]
device = "{UNDERLAY}"
mode = "{mode}"
endpoints = ["{local}"]

[[tunnel]]
name = "vx0"
ofport = 10
type = "vxlan"
remote_ip = "{remote}"
local_ip = "{local}"
key = "flow"
dst_port = {VXLAN_PORT}
"#,
        name = here.name,
        local = here.addr,
        remote = there.addr,
    );
    for (ofport, guest) in (1..).zip(network.guests_on(index)) {
        let port = &guest.port;
        write!(text, "\n[[port]]\nname = \"{port}\"\nofport = {ofport}\nmode = \"{mode}\"\n")
            .expect("a String takes all");
    }
    text
}

fn flows(network: &Network, index: usize) -> String {
    let mut text = String::from("# What no flow matches is dropped.\n");
    for guest in network.guests_on(index) {
        let (port, vni) = (&guest.port, guest.tenant.vni);
        write!(
            text,
            "in_port={port},actions=set_field:{vni}->tun_id,output:vx0\n\
             in_port=vx0,tun_id={vni},actions=output:{port}\n"
        )
        .expect("a String takes all");
    }
    text
}
