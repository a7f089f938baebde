//! The underlay as the kernel knows it: for each remote endpoint the uplink, the addresses and the MTU that lead there.
//!
//! Control reads it over netlink and publishes it with the pipeline; the datapath invents nothing.

use crate::port::PortId;
use crate::wire::MacAddr;
use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

/// The way to a remote endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Path {
    /// The port that leads there.
    pub uplink: PortId,
    /// The source address that the kernel prefers for this destination.
    pub local: IpAddr,
    /// MAC address of the uplink.
    pub src_mac: MacAddr,
    /// MAC address of the next hop.
    pub dst_mac: MacAddr,
    /// Largest IP packet that the way carries, in bytes.
    pub mtu: u16,
}

/// What is known about a remote endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reach {
    /// It can be reached.
    Via(Path),
    /// The kernel has no route to it, or the route leaves by no uplink of ours.
    NoRoute,
    /// There is a route, and the next hop's MAC address is not known (yet); the kernel is asking.
    NoNeighbour,
}

/// All remote endpoints.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Underlay {
    reach: HashMap<IpAddr, Reach>,
    met: HashSet<IpAddr>,
}

impl Underlay {
    /// States what is known about `remote`.
    pub fn insert(&mut self, remote: IpAddr, reach: Reach) {
        self.reach.insert(remote, reach);
    }

    /// Nobody has named `remote`: a frame has come from there, and that is all. It is sent to, and is no peer.
    pub fn meet(&mut self, remote: IpAddr) {
        self.met.insert(remote);
    }

    /// The remote endpoints that somebody has named.
    pub fn peers(&self) -> impl Iterator<Item = IpAddr> {
        self.reach.keys().filter(|remote| !self.met.contains(remote)).copied()
    }

    /// What is known about `remote`; nothing at all counts as no route.
    pub fn reach(&self, remote: IpAddr) -> Reach {
        self.reach.get(&remote).copied().unwrap_or(Reach::NoRoute)
    }

    /// Every remote endpoint and what is known about it.
    pub fn iter(&self) -> impl Iterator<Item = (&IpAddr, &Reach)> {
        self.reach.iter()
    }
}
