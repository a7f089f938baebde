//! What the kernel has told us, and what follows from it: a mirror of links, addresses, neighbours and route answers,
//! and a pure function from there to the [`Underlay`].
//!
//! No socket and no clock in here: [`State::learn`] takes facts, [`State::answer`] takes route answers,
//! [`State::stale`] says which routes to ask for again, [`State::find`] says how a remote is reached, and why not.

use super::facts::{Fact, Link, Neighbour, NextHop, Nud, Refusal, Route};
use super::finding::Finding;
use super::{Presence, Remote, Uplink, can_be_endpoint};
use datapath::port::PortId;
use datapath::tunnel::{Path, Underlay};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::net::IpAddr;

/// What came of a fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// Nothing new.
    None,
    /// The answers may be different now.
    Changed,
    /// As `Changed`, and the kernel says this before it has finished with its routes: ask once more a little later.
    ChangedEarly,
}

/// The mirror.
#[derive(Debug, Default)]
pub(super) struct State {
    uplinks: Vec<Uplink>,
    /// Devices whose presence is told of.
    followed: BTreeSet<String>,
    links: HashMap<u32, Link>,
    addrs: HashSet<(u32, IpAddr)>,
    neighbours: HashMap<NextHop, Neighbour>,
    routes: BTreeMap<IpAddr, (Remote, Option<Result<Route, Refusal>>)>,
    stale: BTreeSet<IpAddr>,
    lost: bool,
}

impl State {
    /// Knows nothing yet, and says so ([`State::lost`]).
    pub(super) fn new(uplinks: &[Uplink]) -> State {
        State { uplinks: uplinks.to_vec(), lost: true, ..State::default() }
    }

    /// From now on exactly these remotes; what is known about those that stay is kept. True when that is a change.
    ///
    /// Of several with the same address the first counts.
    pub(super) fn set_remotes(&mut self, remotes: impl IntoIterator<Item = Remote>) -> bool {
        let mut wanted = BTreeMap::new();
        for remote in remotes {
            wanted.entry(remote.addr).or_insert(remote);
        }
        let changed = wanted.values().ne(self.routes.values().map(|(remote, _)| remote));
        self.routes.retain(|addr, (remote, _)| wanted.get(addr) == Some(remote));
        for (addr, remote) in wanted {
            self.routes.entry(addr).or_insert_with(|| {
                self.stale.insert(addr);
                (remote, None)
            });
        }
        self.stale.retain(|addr| self.routes.contains_key(addr));
        changed
    }

    /// From now on tells of the presence of these devices.
    pub(super) fn follow(&mut self, devices: BTreeSet<String>) {
        self.followed = devices;
    }

    /// Those of the followed devices that exist.
    pub(super) fn present(&self) -> BTreeMap<String, Presence> {
        let links = self.links.values().filter(|link| self.followed.contains(&link.name));
        let mut present: BTreeMap<String, Presence> = links
            .map(|link| {
                let &Link { index, up, running, mac, mtu, .. } = link;
                (
                    link.name.clone(),
                    Presence { index, up, running: up && running, mac, mtu, ..Presence::default() },
                )
            })
            .collect();
        for (index, addr) in self.addrs.iter().filter(|(_, addr)| can_be_endpoint(*addr)) {
            let name = self.links.get(index).map(|link| &link.name);
            if let Some(device) = name.and_then(|name| present.get_mut(name)) {
                device.endpoints.insert(*addr);
            }
        }
        present
    }

    /// Whether a device with this number exists, whatever its name.
    pub(super) fn exists(&self, index: u32) -> bool {
        self.links.contains_key(&index)
    }

    /// Takes a fact in.
    pub(super) fn learn(&mut self, fact: Fact) -> Effect {
        match fact {
            Fact::Link(link) => self.learn_link(link),
            Fact::LinkGone(index) => {
                self.neighbours.retain(|(at, _), _| *at != index);
                self.addrs.retain(|(at, _)| *at != index);
                let known = self.links.remove(&index).is_some();
                self.distrust_all_if(known)
            }
            Fact::Addr(index, addr) => {
                self.addrs.insert((index, addr));
                self.distrust_all_if(true)
            }
            Fact::AddrGone(index, addr) => {
                let known = self.addrs.remove(&(index, addr));
                self.distrust_all_if(known)
            }
            Fact::Neighbour(hop, neighbour) => {
                let is_new = self.uplink_at(hop.0).is_some()
                    && self.neighbours.insert(hop, neighbour) != Some(neighbour);
                if is_new { Effect::Changed } else { Effect::None }
            }
            Fact::NeighbourGone(hop) => match self.neighbours.remove(&hop) {
                Some(_) => Effect::Changed,
                None => Effect::None,
            },
            Fact::Routes(Some((prefix, length))) => {
                let before = self.stale.len();
                let covered = self.routes.keys().filter(|addr| covers(prefix, length, **addr));
                self.stale.extend(covered.copied());
                if self.stale.len() == before { Effect::None } else { Effect::Changed }
            }
            Fact::Routes(None) => {
                self.distrust_routes();
                Effect::Changed
            }
            Fact::Lost => {
                self.lost = true;
                Effect::Changed
            }
        }
    }

    fn learn_link(&mut self, link: Link) -> Effect {
        let (index, was_uplink) = (link.index, self.uplink_at(link.index).is_some());
        if self.links.get(&index) == Some(&link) {
            return Effect::None;
        }
        self.links.insert(index, link);
        // The neighbours of other devices are not kept: a device that becomes an uplink brings unknown ones along.
        self.lost |= !was_uplink && self.uplink_at(index).is_some();
        self.distrust_all_if(true)
    }

    fn distrust_all_if(&mut self, changed: bool) -> Effect {
        if !changed {
            return Effect::None;
        }
        self.distrust_routes();
        Effect::ChangedEarly
    }

    /// Every route has to be asked for again.
    pub(super) fn distrust_routes(&mut self) {
        self.stale.extend(self.routes.keys());
    }

    /// True when everything has to be read again.
    pub(super) fn lost(&self) -> bool {
        self.lost
    }

    /// Starts over with what was just read: all links, addresses and neighbours, as facts.
    pub(super) fn replace(&mut self, facts: impl IntoIterator<Item = Fact>) {
        self.links.clear();
        self.addrs.clear();
        self.neighbours.clear();
        for fact in facts {
            self.learn(fact);
        }
        self.distrust_routes();
        self.lost = false;
    }

    /// The next remote whose route has to be asked for.
    pub(super) fn stale(&self) -> Option<Remote> {
        let addr = self.stale.first()?;
        self.routes.get(addr).map(|(remote, _)| *remote)
    }

    /// Takes the answer to a route lookup in.
    pub(super) fn answer(&mut self, remote: Remote, answer: Result<Route, Refusal>) {
        self.stale.remove(&remote.addr);
        if let Some((_, route)) = self.routes.get_mut(&remote.addr) {
            *route = Some(answer);
        }
    }

    /// What the datapath wants to know.
    pub(super) fn underlay(&self) -> Underlay {
        let mut underlay = Underlay::default();
        for &addr in self.routes.keys() {
            underlay.insert(addr, self.find(addr).reach());
        }
        underlay
    }

    /// How `addr` is reached.
    pub(super) fn find(&self, addr: IpAddr) -> Finding<'_> {
        let Some((remote, answer)) = self.routes.get(&addr) else { return Finding::Unwatched };
        let route = match answer {
            None => return Finding::Unasked,
            Some(Err(refusal)) => return self.refused(*remote, refusal),
            Some(Ok(route)) => route,
        };
        let link = self.links.get(&route.index);
        let Some((link, port)) = link.and_then(|link| Some((link, self.port(link)?))) else {
            return Finding::NoUplink { device: link.map(|link| link.name.as_str()), uplinks: &self.uplinks };
        };
        let device = link.name.as_str();
        if !link.up || !link.running {
            return Finding::Down { device, up: link.up };
        }
        let Some(src_mac) = link.mac else { return Finding::NoMac { device } };
        let Some(local) = remote.local.or(route.source) else { return Finding::NoSource { device } };
        let hop = (link.index, route.gateway.unwrap_or(addr));
        let neighbour = self.neighbours.get(&hop);
        let Some(dst_mac) = neighbour.and_then(Neighbour::usable) else {
            return Finding::Waiting { device, hop, nud: neighbour.map(|n| n.nud) };
        };
        let mtu = route.mtu.map_or(link.mtu, |mtu| mtu.min(link.mtu));
        let mtu = u16::try_from(mtu).unwrap_or(u16::MAX);
        let path = Path { uplink: port, local, src_mac, dst_mac, mtu };
        Finding::Via { path, device, hop, nud: neighbour.map_or(Nud::None, |n| n.nud) }
    }

    /// A local address that is gone explains the refusal of a lookup better than the kernel's errno does.
    fn refused<'a>(&'a self, remote: Remote, refusal: &'a Refusal) -> Finding<'a> {
        match remote.local.filter(|local| !self.has_addr(*local)) {
            Some(local) => Finding::NoSuchSource { refusal, local },
            None => Finding::Refused(refusal),
        }
    }

    fn has_addr(&self, addr: IpAddr) -> bool {
        self.addrs.iter().any(|(_, known)| *known == addr)
    }

    /// Every next hop that a remote needs, and whether the kernel has to be asked to resolve it.
    pub(super) fn next_hops(&self) -> BTreeMap<NextHop, bool> {
        let hops = self.routes.keys().filter_map(|&addr| self.find(addr).next_hop());
        hops.map(|hop| (hop, self.neighbours.get(&hop).is_none_or(Neighbour::needs_asking))).collect()
    }

    /// The neighbour entry of a next hop.
    pub(super) fn neighbour(&self, hop: NextHop) -> Option<Neighbour> {
        self.neighbours.get(&hop).copied()
    }

    fn uplink_at(&self, index: u32) -> Option<PortId> {
        self.port(self.links.get(&index)?)
    }

    fn port(&self, link: &Link) -> Option<PortId> {
        self.uplinks.iter().find(|uplink| uplink.device == link.name).map(|uplink| uplink.port)
    }
}

/// True when `addr` lies in `prefix`/`length`.
fn covers(prefix: IpAddr, length: u8, addr: IpAddr) -> bool {
    match (prefix, addr) {
        (IpAddr::V4(prefix), IpAddr::V4(addr)) => {
            let differing = prefix.to_bits() ^ addr.to_bits();
            differing.leading_zeros() >= u32::from(length)
        }
        (IpAddr::V6(prefix), IpAddr::V6(addr)) => {
            let differing = prefix.to_bits() ^ addr.to_bits();
            differing.leading_zeros() >= u32::from(length)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests;
