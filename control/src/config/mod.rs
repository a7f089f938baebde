//! The configuration of a switch: a TOML file in the vocabulary of ovs-vsctl(8).
//!
//! A file is accepted whole or refused with every fault in it, each with its line. Unknown keys are faults: nothing that
//! somebody wrote is passed over. What Open vSwitch has and this version does not is refused by name.
//!
//! [`read`] and [`parse`] give a [`Config`] that is consistent in itself. Whether the devices exist is another question,
//! asked when the switch starts.

mod draft;
mod flood;
mod gre;
mod laws;
mod openflow;
mod options;
mod queues;
mod replay;
mod rules;
mod section;
mod sections;
mod switching;
mod tenants;
mod tunnels;

pub use draft::Draft;
pub use flood::FAR_ENDS_MAX;
pub use openflow::{CONTROLLERS_MAX, Controller, FailMode, OpenFlow, Ssl, Target};
pub use replay::{Answer, Neighbour, Way};
pub(crate) use rules::in_order;
pub use rules::{Rules, read_rules};
pub use switching::StaticMac;
pub use tenants::{MEMBERS_MAX, PEERS_MAX, TENANTS_MAX};

use crate::tenants::Tenants;
use crate::text::{Diagnostic, FlowLine, Names};
use datapath::action::report::{Place, Station};
use datapath::flow::OfPort;
use datapath::pipeline::{Domain, FarEnd, FarEnds, PortSetup, QueueId, QueueSpec, Switching};
use datapath::tunnel::{Key, OptionMap, Remote, TunnelSpec};
use datapath::worker::PuntRate;
use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// How many ports and tunnels a bridge may have, together.
pub const PORTS_MAX: usize = 1024;
/// What the name of the switch's end of the host's own port has behind the bridge's name.
pub const LOCAL_SUFFIX: &str = "-l";
/// How many uplinks there may be.
pub const UPLINKS_MAX: usize = 16;
/// How many workers there may be.
pub const CORES_MAX: usize = 256;
/// How many bytes a configuration may have.
pub const CONFIG_BYTES_MAX: u64 = 1 << 20;
/// How many bytes a file of flows, of groups, or of meters, may have.
pub const FLOWS_BYTES_MAX: u64 = 64 << 20;

/// What is said of a bridge without flows.
pub const NO_FLOWS: &str = "there are no flows: every frame will be dropped (table_miss); [bridge] flows = \"FILE\" names a file of them";

/// A switch, as its operator wants it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// `[bridge]`.
    pub bridge: Bridge,
    /// `[worker]`.
    pub worker: Worker,
    /// `[[uplink]]`: devices of the host that tunnel packets come in by.
    pub uplinks: Vec<Uplink>,
    /// `[[port]]`: guests.
    pub ports: Vec<Port>,
    /// `[[tunnel]]`.
    pub tunnels: Vec<Tunnel>,
    /// Who may change the switch.
    pub openflow: OpenFlow,
    /// `[[mac]]`: addresses that need not be learned.
    pub macs: Vec<StaticMac>,
    /// `[[tenant]]` and `[[peer]]`: what the embedded controller is told.
    pub tenants: Tenants,
    /// `[[replay.neighbour]]`: for `adit replay` alone.
    pub neighbours: Vec<Neighbour>,
}

/// The bridge.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bridge {
    /// Its name.
    pub name: String,
    /// The file of its flows. None: no flows, so that every frame is dropped.
    pub flows: Option<PathBuf>,
    /// The file of its groups.
    pub groups: Option<PathBuf>,
    /// The file of its meters.
    pub meters: Option<PathBuf>,
    /// What NORMAL remembers.
    pub learning: Learning,
    /// How many frames a worker tells the controller.
    pub controller: PuntRate,
    /// Whether the host itself is on the bridge, by a device of the bridge's name.
    pub local: bool,
    /// Whether NORMAL forwards what is addressed to network control.
    pub forward_bpdu: bool,
    /// Which Geneve options are fields.
    pub options: OptionMap,
}

/// What NORMAL remembers of the addresses that it has seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Learning {
    /// Seconds after which one that was not seen any more is forgotten.
    pub aging_s: u32,
    /// How many there may be.
    pub entries: usize,
    /// How many a tenant has learned for it in a second.
    pub per_second: u32,
}

impl Default for Learning {
    /// As Open vSwitch has it (`lib/mac-learning.h`), which has no rate.
    fn default() -> Self {
        Learning { aging_s: 300, entries: 8192, per_second: 1000 }
    }
}

/// The workers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Worker {
    /// One worker on each of these cores. Empty: one worker on whichever core.
    pub cores: Vec<u16>,
}

/// How frames are taken from a device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Mode {
    /// The first that works of native, generic and packet.
    #[default]
    Auto,
    /// XDP in the driver.
    Native,
    /// XDP in the kernel's generic receive path.
    Generic,
    /// AF_PACKET, without XDP.
    Packet,
}

impl Mode {
    /// Every mode.
    pub const ALL: [Mode; 4] = [Mode::Auto, Mode::Native, Mode::Generic, Mode::Packet];

    /// Its name in a configuration.
    pub fn name(self) -> &'static str {
        match self {
            Mode::Auto => "auto",
            Mode::Native => "native",
            Mode::Generic => "generic",
            Mode::Packet => "packet",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A device of the host that leads to other hypervisors. Not a port of the bridge: it stays the host's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uplink {
    /// The device.
    pub device: String,
    /// How frames are taken from it.
    pub mode: Mode,
    /// Our tunnel endpoints on it. None: every address of the device.
    pub endpoints: Option<Vec<IpAddr>>,
}

/// A port of the bridge that a guest is on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// Its name in flows.
    pub name: String,
    /// The device.
    pub device: String,
    /// Its number.
    pub ofport: OfPort,
    /// How frames are taken from it.
    pub mode: Mode,
    /// What it is to NORMAL and FLOOD.
    pub setup: PortSetup,
    /// Its queues.
    pub queues: Vec<(QueueId, QueueSpec)>,
}

/// A port of the bridge that leads into a tunnel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tunnel {
    /// Its name in flows.
    pub name: String,
    /// What the datapath needs to know of it.
    pub spec: TunnelSpec,
    /// What it is to NORMAL and FLOOD, but for the tenant.
    pub setup: PortSetup,
    /// The tenant that it says it belongs to.
    pub tenant: Option<u64>,
    /// Who is at its other ends, when it leaves them to the flow: for a tenant, or for all.
    pub flood: Vec<(Option<u64>, FarEnd)>,
    /// What tenants are called at its other ends, where that is not their number: tenant, who is there, and the key.
    pub keys: Vec<(u64, IpAddr, u64)>,
}

impl Config {
    /// The tunnels as the datapath takes them, in the order of the file.
    pub fn tunnel_specs(&self) -> Vec<TunnelSpec> {
        self.tunnels.iter().map(|tunnel| tunnel.spec.clone()).collect()
    }

    /// What NORMAL and FLOOD know of the ports. A tunnel that leaves its key to the flow carries every tenant's frames, and where
    /// there are tenants nobody else's; another
    /// those of the tenant that it names, or else, where ports have tenants, of the one that its key names.
    pub fn switching(&self) -> Switching {
        let is_tenant = |port: &Port| port.setup.domain != Domain::Tenant(0);
        let tenants = self.ports.iter().any(is_tenant) || self.tunnels.iter().any(|t| t.tenant.is_some());
        let domain = |tunnel: &Tunnel| match (tunnel.spec.key, tunnel.tenant) {
            (Key::Flow, _) if tenants => Domain::TenantKey,
            (Key::Flow, _) => Domain::TunnelKey,
            (_, Some(tenant)) => Domain::Tenant(tenant),
            (Key::Absent, None) => Domain::Tenant(0),
            (Key::Fixed(key), None) => Domain::Tenant(if tenants { key } else { 0 }),
        };
        let tunnel = |tunnel: &Tunnel| {
            (tunnel.spec.ofport, PortSetup { domain: domain(tunnel), ..tunnel.setup.clone() })
        };
        let ports = self.ports.iter().map(|port| (port.ofport, port.setup.clone()));
        Switching {
            ports: ports.chain(self.tunnels.iter().map(tunnel)).collect(),
            forward_bpdu: self.bridge.forward_bpdu,
            others: PortSetup::default(),
            far: self.far_ends(),
        }
    }

    /// Who is at the other ends of tunnels, and what tenants are called there.
    fn far_ends(&self) -> FarEnds {
        let mut far = FarEnds::default();
        for tunnel in &self.tunnels {
            // Where tenants are told of, nobody is at the other end but those that are told to be.
            if !self.tenants.list.is_empty()
                && tunnel.spec.remote != Remote::Flow
                && tunnel.spec.key == Key::Flow
            {
                far.limit(tunnel.spec.ofport);
            }
            tunnel.flood.iter().for_each(|(tenant, end)| far.add(tunnel.spec.ofport, *tenant, *end));
            for (tenant, remote, key) in &tunnel.keys {
                far.call(tunnel.spec.ofport, *tenant, *remote, *key);
            }
        }
        far
    }

    /// The addresses that need not be learned, and where they are.
    pub fn stations(&self) -> Vec<(Station, Place)> {
        let names = self.port_names();
        let place =
            |mac: &StaticMac| Some((mac.station, Place { port: *names.get(&mac.port)?, remote: mac.remote }));
        self.macs.iter().filter_map(place).collect()
    }

    /// The queues of all ports.
    pub fn queues(&self) -> Vec<(OfPort, QueueId, QueueSpec)> {
        let of = |port: &Port| {
            let ofport = port.ofport;
            port.queues.iter().map(move |(id, spec)| (ofport, *id, *spec)).collect::<Vec<_>>()
        };
        self.ports.iter().flat_map(of).collect()
    }

    /// What is allowed and hardly meant.
    pub fn warnings(&self) -> Vec<String> {
        self.look_alikes()
    }

    /// The flows of the embedded controller.
    ///
    /// # Errors
    /// When there are more than a bridge can have.
    pub fn tenant_flows(&self) -> Result<Vec<FlowLine>, Vec<Diagnostic>> {
        crate::tenants::flows(self)
    }

    /// The flows of the embedded controller, and the flows, groups and meters in the files that it names, which go before those.
    ///
    /// # Errors
    /// Every fault in them.
    pub fn rules(&self) -> Result<Rules, Vec<Diagnostic>> {
        let Bridge { flows, groups, meters, .. } = &self.bridge;
        let told = read_rules(flows.as_deref(), groups.as_deref(), meters.as_deref(), &self.port_names())?;
        Ok(told.behind(self.tenant_flows()?))
    }

    /// The names of all ports of the bridge, guests and tunnels, and of Geneve options.
    pub fn port_names(&self) -> Names {
        let ports = self.ports.iter().map(|port| (port.name.clone(), port.ofport));
        let tunnels = self.tunnels.iter().map(|tunnel| (tunnel.name.clone(), tunnel.spec.ofport));
        Names { ports: ports.chain(tunnels).collect(), options: self.bridge.options.clone() }
    }
}

/// Reads a configuration from a file. Paths in it are relative to the file.
///
/// # Errors
/// Every fault in it, or why it cannot be read.
pub fn read(path: &Path) -> Result<Config, Vec<Diagnostic>> {
    Draft::read(path).finish()
}

/// Reads a configuration. `source` names it in faults; paths in it are relative to `directory`.
///
/// # Errors
/// Every fault in it.
pub fn parse(source: &str, directory: &Path, text: &str) -> Result<Config, Vec<Diagnostic>> {
    Draft::parse(source, directory, text).finish()
}

/// The text of a file that a key of `[bridge]` or an option of that name names.
fn read_named(path: &Path, key: &str) -> Result<String, Diagnostic> {
    read_text(path, FLOWS_BYTES_MAX).map_err(|mut fault| {
        fault.message.push_str(&format!(" (what {key} in [bridge] names is relative to the configuration)"));
        fault
    })
}

/// The text of a file that an operator named.
///
/// # Errors
/// Why it cannot be read; it is not read beyond `bytes_max`.
pub fn read_text(path: &Path, bytes_max: u64) -> Result<String, Diagnostic> {
    use std::io::Read;
    let source = path.display().to_string();
    let whole = |message: String| Diagnostic::whole(&source, message);
    let file = std::fs::File::open(path).map_err(|error| whole(format!("cannot be opened: {error}")))?;
    let mut bytes = Vec::new();
    file.take(bytes_max + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| whole(format!("cannot be read: {error}")))?;
    if bytes.len() as u64 > bytes_max {
        return Err(whole(format!("is larger than {bytes_max} bytes")));
    }
    String::from_utf8(bytes).map_err(|error| {
        let line =
            1 + error.as_bytes()[..error.utf8_error().valid_up_to()].iter().filter(|b| **b == b'\n').count();
        whole(format!("is no UTF-8 text: see line {line}"))
    })
}
