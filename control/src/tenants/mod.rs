//! The embedded controller: what the sections `[[tenant]]` and `[[peer]]` say, made into what a bridge has anyway: tunnel ports, tenants of ports,
//! far ends to flood to, addresses that are told, and flows ([`flows()`]) that whoever lists flows sees beside all others.
//!
//! The flows find out whose a frame is, drop what is nobody's, translate tunnel keys, and answer questions for addresses; what is left is NORMAL's, which keeps
//! tenants apart, learns, and replicates. So one table knows where stations are, whether they were told or learned, and one that moves
//! has moved for all. Pure.

mod flows;
#[cfg(test)]
mod tests;

pub use flows::{COOKIE, text};

use crate::config::{Config, StaticMac, Tunnel};
use crate::text::{Diagnostic, FlowLine, NoNames, There, parse_flow_lines};
use datapath::action::report::Station;
use datapath::flow::OfPort;
use datapath::pipeline::{Domain, FarEnd, PortSetup, VlanMode};
use datapath::tunnel::{Counter, Key, Kind, Remote, TunnelSpec};
use datapath::wire::MacAddr;
use std::net::IpAddr;

/// The number of the first tunnel port that is made where the configuration has none; one for each kind.
pub const OFPORT_FIRST: u32 = 65_270;

/// All tenants, and the hypervisors that some of them are on too.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tenants {
    /// The other hypervisors.
    pub peers: Vec<Peer>,
    /// The tenants.
    pub list: Vec<Tenant>,
}

/// Another hypervisor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its name in the configuration.
    pub name: String,
    /// Its tunnel endpoint.
    pub remote: IpAddr,
    /// How frames are wrapped that are sent there.
    pub kind: Kind,
}

/// A tenant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tenant {
    /// Its name in the configuration.
    pub name: String,
    /// Its number here; what NORMAL knows it by.
    pub id: u64,
    /// Its tunnel keys where they are not its number, by kind of tunnel.
    pub keys: Vec<(Kind, u64)>,
    /// The hypervisors that it is on too.
    pub hosts: Vec<Host>,
    /// Frames to addresses that nobody has told of go nowhere.
    pub told_only: bool,
    /// Questions for addresses that are told are asked of the one who has them, instead of being answered here.
    pub silent: bool,
    /// Its ports, and stations that are told of.
    pub members: Vec<Member>,
}

/// A hypervisor that a tenant is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Host {
    /// Its place among the peers.
    pub peer: usize,
    /// What the tenant is called there, if not what it is called in tunnels of that kind.
    pub key: Option<u64>,
}

/// A port or a station of a tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Where it is.
    pub seat: Seat,
    /// Its VLAN; 0 when it is in none.
    pub vlan: u16,
    /// Its MAC address; none: learned.
    pub mac: Option<MacAddr>,
    /// Its IP addresses.
    pub ips: Vec<IpAddr>,
}

/// Where a member is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seat {
    /// Behind a port of ours.
    Port(OfPort, String),
    /// On another hypervisor: its place among the peers.
    Peer(usize),
}

impl Tenants {
    /// The kinds of tunnels that lead to peers, each once.
    pub fn kinds(&self) -> impl Iterator<Item = Kind> {
        Kind::ALL.into_iter().filter(|kind| self.peers.iter().any(|peer| peer.kind == *kind))
    }

    /// What a tenant's frames have for a key that come from a host, or go there, in tunnels of a kind.
    pub fn key(&self, tenant: &Tenant, host: &Host, kind: Kind) -> u64 {
        let own = host.key.filter(|_| self.peers.get(host.peer).is_some_and(|peer| peer.kind == kind));
        let of_kind = || tenant.keys.iter().find(|(of, _)| *of == kind).map(|(_, key)| *key);
        own.or_else(of_kind).unwrap_or(tenant.id)
    }
}

/// The flows of the embedded controller.
///
/// # Errors
/// When there are more than a bridge can have.
pub fn flows(config: &Config) -> Result<Vec<FlowLine>, Vec<Diagnostic>> {
    parse_flow_lines("the flows of [[tenant]]", &text(config), &NoNames, There::default())
}

/// The tunnel port of a kind that serves all peers: one that leaves its remote end and its key to the flow.
pub fn tunnel_of(config: &Config, kind: Kind) -> Option<&Tunnel> {
    config.tunnels.iter().find(|tunnel| serves(tunnel, kind))
}

/// The tunnel port by which frames go to a peer: one that leads to it alone, or the one that serves all peers.
pub fn tunnel_to(config: &Config, kind: Kind, remote: IpAddr) -> Option<&Tunnel> {
    config.tunnels.iter().find(|tunnel| leads_to(tunnel, kind, remote)).or_else(|| tunnel_of(config, kind))
}

/// Whether a tunnel port leads to one remote end alone, with the frames of several tenants.
fn leads_to(tunnel: &Tunnel, kind: Kind, remote: IpAddr) -> bool {
    tunnel.spec.kind == kind && tunnel.spec.remote == Remote::Fixed(remote) && tunnel.spec.key == Key::Flow
}

/// Whether a tunnel port can serve all peers.
pub fn serves(tunnel: &Tunnel, kind: Kind) -> bool {
    tunnel.spec.kind == kind && tunnel.spec.remote == Remote::Flow && tunnel.spec.key == Key::Flow
}

/// The tunnel port that is made where the configuration has none. It takes packets of peers alone.
pub fn made_tunnel(kind: Kind, identification: &Counter) -> Tunnel {
    let number = Kind::ALL.iter().position(|other| *other == kind).unwrap_or_default();
    let ofport = OfPort(OFPORT_FIRST + number as u32);
    let spec = TunnelSpec::new(ofport, kind, Remote::Flow, Key::Flow);
    Tunnel {
        name: format!("tenants-{kind}"),
        spec: TunnelSpec { strict: true, identification: identification.clone(), ..spec },
        setup: PortSetup::default(),
        tenant: None,
        flood: Vec::new(),
        keys: Vec::new(),
    }
}

/// Has ports, tunnels and told addresses say what the tenants say.
pub fn apply(tenants: &Tenants, config: &mut Config) {
    for tenant in &tenants.list {
        for member in &tenant.members {
            if let Seat::Port(ofport, _) = &member.seat
                && let Some(port) = config.ports.iter_mut().find(|port| port.ofport == *ofport)
            {
                port.setup.domain = Domain::Tenant(tenant.id);
            }
        }
        for host in &tenant.hosts {
            let Some(peer) = tenants.peers.get(host.peer) else { continue };
            let key = tenants.key(tenant, host, peer.kind);
            let end = FarEnd { remote: peer.remote, key: (key != tenant.id).then_some(key) };
            let by = tunnel_to(config, peer.kind, peer.remote).map(|tunnel| tunnel.spec.ofport);
            if let Some(tunnel) = config.tunnels.iter_mut().find(|tunnel| Some(tunnel.spec.ofport) == by) {
                tunnel.flood.push((Some(tenant.id), end));
            }
            // A peer may send by other tunnels than those by which we send to it, and what is learned there is answered there.
            let takes = |tunnel: &&mut Tunnel| {
                let kind = tunnel.spec.kind;
                serves(tunnel, kind) || leads_to(tunnel, kind, peer.remote)
            };
            for tunnel in config.tunnels.iter_mut().filter(takes) {
                let key = tenants.key(tenant, host, tunnel.spec.kind);
                if key != tenant.id {
                    tunnel.keys.push((tenant.id, peer.remote, key));
                }
            }
        }
        let told = tenant.members.iter().filter_map(|member| told(tenants, tenant, member, config));
        let told: Vec<StaticMac> = told.collect();
        config.macs.extend(told);
    }
}

/// Where a member's MAC address is.
fn told(tenants: &Tenants, tenant: &Tenant, member: &Member, config: &Config) -> Option<StaticMac> {
    let MacAddr([a, b, c, d, e, f]) = member.mac?;
    let mac = u64::from_be_bytes([0, 0, a, b, c, d, e, f]);
    let station = Station { tenant: tenant.id, vlan: member.vlan, mac };
    let (port, remote) = match &member.seat {
        Seat::Port(_, name) => (name.clone(), None),
        Seat::Peer(peer) => {
            let peer = tenants.peers.get(*peer)?;
            let tunnel = tunnel_to(config, peer.kind, peer.remote)?;
            (tunnel.name.clone(), serves(tunnel, peer.kind).then_some(peer.remote))
        }
    };
    Some(StaticMac { station, port, remote })
}

/// The VLAN of what comes in by a port without a tag, and whether frames with one are in that of the tag.
fn vlans(setup: &PortSetup) -> (u16, bool) {
    match setup.mode {
        VlanMode::Trunk => (0, true),
        VlanMode::NativeTagged | VlanMode::NativeUntagged => (setup.tag, true),
        VlanMode::Access | VlanMode::Dot1qTunnel => (setup.tag, false),
    }
}
