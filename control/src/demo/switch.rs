//! What carries frames between the guests' ports and the tunnel: the Linux kernel, or adit.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use clap::ValueEnum;

use super::network::{Network, UNDERLAY};
use super::settings::Settings;
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

/// One process, with its files in the demo's folder.
fn adit(network: &Network, index: usize, stop: &Stop) -> Result<Switch> {
    let (here, there) = (&network.hypervisors[index], &network.hypervisors[1 - index]);
    let settings = Settings {
        name: here.name,
        mode: &network.plan.mode,
        local: here.addr,
        remote: there.addr,
        guests: network.guests_on(index).map(|guest| (guest.port.as_str(), guest.tenant.vni)).collect(),
    };
    let config = network.file(here, "toml");
    fs::write(network.file(here, "flows"), settings.flows()).context("cannot write the flows")?;
    fs::write(&config, settings.configuration()).context("cannot write the configuration")?;
    let mut command = Command::new(&network.plan.program);
    command.arg("run").arg("--config").arg(&config).arg("--socket").arg(network.file(here, "sock"));
    command.stdout(Stdio::null());
    let mut process = Process::start(&here.netns, &format!("adit on {}", here.name), command)?;
    process.wait_for_line(READY, PATIENCE, stop)?;
    Ok(Switch::Adit(process))
}
