//! What changes when the operator or the kernel says so, and not with the rules: ports, tunnels and the way out.
//!
//! All snapshots share one [`Base`] until there is another.

use super::{FarEnds, Pipeline, PortSetup};
use crate::flow::{Field, FlowKey, OfPort};
use crate::port::PortId;
use crate::stats::DropReason;
use crate::tunnel::{Encap, EncapId, Kind, OptionMap, Reach, Remote, TunnelId, TunnelTable, Underlay};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::mem::discriminant;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

/// What an OpenFlow port number stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// A port of the worker.
    Port(PortId),
    /// A tunnel.
    Tunnel(TunnelId),
}

/// Ports, tunnels and the way out: what changes when the operator or the kernel says so, not with the rules.
#[derive(Clone, Debug)]
pub struct Base {
    targets: BTreeMap<OfPort, Target>,
    tunnels: TunnelTable,
    /// In order.
    endpoints: Box<[IpAddr]>,
    encaps: Vec<Encap>,
    ways: HashMap<(TunnelId, IpAddr), EncapId>,
    underlay: Underlay,
    switching: Switching,
}

/// What the operator says about learning and flooding.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Switching {
    /// Ports that are not as [`PortSetup::default`] says.
    pub ports: BTreeMap<OfPort, PortSetup>,
    /// NORMAL forwards frames to the addresses of network control too (`forward-bpdu` of ovs-vswitchd.conf.db(5)).
    pub forward_bpdu: bool,
    /// What all other ports are.
    pub others: PortSetup,
    /// Who is behind tunnel ports that leave their remote end to the flow.
    pub far: FarEnds,
}

impl Base {
    /// `guests` are the bridge ports that are no tunnels; `endpoints` our own tunnel addresses.
    pub fn new(
        guests: impl IntoIterator<Item = (OfPort, PortId)>,
        mut tunnels: TunnelTable,
        endpoints: HashSet<IpAddr>,
        underlay: Underlay,
    ) -> Base {
        let mut targets: BTreeMap<_, _> =
            guests.into_iter().map(|(ofport, port)| (ofport, Target::Port(port))).collect();
        targets.extend(tunnels.iter().map(|(id, spec)| (spec.ofport, Target::Tunnel(id))));

        tunnels.set_peers(underlay.peers());
        let mut encaps = Vec::new();
        let mut ways = HashMap::new();
        for (id, spec) in tunnels.iter() {
            for (remote, reach) in underlay.iter() {
                let wanted = match spec.remote {
                    Remote::Fixed(fixed) => fixed == *remote,
                    Remote::Flow => true,
                };
                if let (true, Reach::Via(path)) = (wanted, reach)
                    && let Some(encap) = Encap::new(spec, *remote, path)
                {
                    ways.insert((id, *remote), EncapId(encaps.len() as u32));
                    encaps.push(encap);
                }
            }
        }
        let mut endpoints: Box<[IpAddr]> = endpoints.into_iter().collect();
        endpoints.sort_unstable();
        Base { targets, tunnels, endpoints, encaps, ways, underlay, switching: Switching::default() }
    }

    /// With ports that NORMAL and FLOOD know more about.
    pub fn with_switching(self, switching: Switching) -> Base {
        Base { switching, ..self }
    }

    /// Whether every answer of the other holds with this one: what differs at most is read frame by frame, as the MTU of a way and the
    /// addresses of its next hop.
    fn decides_like(&self, other: &Base) -> bool {
        let reaches = |base: &Base| -> Vec<_> {
            base.underlay.iter().map(|(remote, reach)| (*remote, discriminant(reach))).collect()
        };
        self.targets == other.targets
            && self.ways == other.ways
            && self.endpoints == other.endpoints
            && self.switching == other.switching
            && self.tunnels.iter().eq(other.tunnels.iter())
            && reaches(self) == reaches(other)
    }

    pub(super) fn tunnel_ports(&self) -> impl Iterator<Item = OfPort> {
        self.tunnels.iter().map(|(_, spec)| spec.ofport)
    }

    pub(super) fn setups(&self) -> &BTreeMap<OfPort, PortSetup> {
        &self.switching.ports
    }
}

impl Pipeline {
    /// Puts other ports, tunnels or ways under the same rules; Geneve options are called as before. Ways that are there as before, with
    /// another MTU or next hop, leave all cached answers as they are.
    pub fn set_base(&mut self, mut base: Base) {
        if !base.decides_like(&self.base) {
            self.changes.everything();
        }
        self.storms = Arc::new(self.storms.adapted(base.setups()));
        self.place_tunnels(&base);
        base.tunnels.set_options(self.base.tunnels.options().clone());
        self.base = Arc::new(base);
    }

    /// What NORMAL and FLOOD know about the ports, from now on.
    pub fn set_switching(&mut self, switching: Switching) {
        self.changes.everything();
        self.storms = Arc::new(self.storms.adapted(&switching.ports));
        Arc::make_mut(&mut self.base).switching = switching;
    }

    /// What Geneve options are called, from now on.
    pub fn set_options(&mut self, options: OptionMap) {
        self.changes.everything();
        Arc::make_mut(&mut self.base).tunnels.set_options(options);
    }

    /// Whether frames that come in by a port may have options that rules can see.
    pub(super) fn has_options(&self, port: OfPort) -> bool {
        let tunnels = self.tunnels();
        !tunnels.options().is_empty()
            && matches!(self.target(port), Some(Target::Tunnel(id)) if tunnels.spec(id).kind == Kind::Geneve)
    }

    /// The tunnel ports.
    pub fn tunnels(&self) -> &TunnelTable {
        &self.base.tunnels
    }

    /// Whether ports, tunnels and ways are the very same as those of `other`, from which this one was made, or which was made from it.
    pub fn has_base_of(&self, other: &Pipeline) -> bool {
        Arc::ptr_eq(&self.base, &other.base)
    }

    /// Whether `address` is one of our tunnel endpoints.
    #[inline]
    pub fn is_endpoint(&self, address: IpAddr) -> bool {
        self.base.endpoints.binary_search(&address).is_ok()
    }

    /// The headers to put in front.
    #[inline]
    pub fn encap(&self, id: EncapId) -> &Encap {
        &self.base.encaps[id.0 as usize]
    }

    /// The numbers of all bridge ports, in order.
    pub fn ports(&self) -> impl Iterator<Item = OfPort> {
        self.base.targets.keys().copied()
    }

    /// What a bridge port is to NORMAL.
    pub fn setup(&self, port: OfPort) -> &PortSetup {
        self.base.switching.ports.get(&port).unwrap_or(&self.base.switching.others)
    }

    /// Who is behind tunnel ports that leave their remote end to the flow.
    pub fn far_ends(&self) -> &FarEnds {
        &self.base.switching.far
    }

    pub(super) fn forwards_reserved(&self) -> bool {
        self.base.switching.forward_bpdu
    }

    /// Whether it is a tunnel port that leaves its remote end to the flow.
    pub(super) fn is_open(&self, port: OfPort) -> bool {
        matches!(self.target(port), Some(Target::Tunnel(tunnel)) if self.tunnels().spec(tunnel).remote == Remote::Flow)
    }

    /// The remote end of a tunnel port that does not leave it to the flow.
    pub(super) fn fixed_remote(&self, port: OfPort) -> Option<IpAddr> {
        match self.target(port) {
            Some(Target::Tunnel(tunnel)) => match self.tunnels().spec(tunnel).remote {
                Remote::Fixed(remote) => Some(remote),
                Remote::Flow => None,
            },
            _ => None,
        }
    }

    /// What a bridge port's number stands for.
    pub fn target(&self, port: OfPort) -> Option<Target> {
        self.base.targets.get(&port).copied()
    }

    /// The headers that lead to where a frame came from by a tunnel port.
    pub fn way_back(&self, tunnel: TunnelId, key: &FlowKey) -> Option<&Encap> {
        let remote = match (key.get(Field::TunSrc) as u32, key.get(Field::TunIpv6Src)) {
            (0, v6) => IpAddr::from(Ipv6Addr::from_bits(v6)),
            (v4, _) => IpAddr::from(Ipv4Addr::from_bits(v4)),
        };
        Some(self.encap(self.way(tunnel, remote).ok()?))
    }

    /// The headers that lead from a tunnel port to a remote endpoint.
    pub(super) fn way(&self, tunnel: TunnelId, remote: IpAddr) -> Result<EncapId, DropReason> {
        match self.base.ways.get(&(tunnel, remote)) {
            Some(way) => Ok(*way),
            None => Err(match self.base.underlay.reach(remote) {
                Reach::NoNeighbour => DropReason::NoNeighbour,
                Reach::NoRoute | Reach::Via(_) => DropReason::NoRoute,
            }),
        }
    }
}
