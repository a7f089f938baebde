//! NORMAL: what a switch does that learns where addresses are (OpenFlow 1.3 section 4.5, `OFPP_NORMAL`).
//!
//! A station is a MAC address in a VLAN of a tenant. A frame goes to where its destination was seen, and to all other ports
//! of its tenant and VLAN when that is not known; its source is learned when it is new or has moved. Which VLAN a frame is in
//! and with which tags it leaves is for [`super::vlan`] to say; what is known is read in [`super::stations`]. As Open
//! vSwitch does it (`xlate_normal` in `ofproto/ofproto-dpif-xlate.c`), but for three things: tenants; the split horizon:
//! what came by a tunnel is never sent into another, for whoever sent it has sent it there himself; and head-end replication:
//! into a tunnel that leaves its remote end open goes one copy to each of the tenant's far ends, and into one that is limited to
//! tenants none of others ([`super::far`]).

use super::observer::Observer;
use super::stations::STATIONS;
use super::translate::Walk;
use super::vlan::{Domain, PRESENT, Tags};
use super::{FarEnd, Located, Pipeline, Target};
use crate::action::report::{Learning, Place, Station, sender};
use crate::action::{Action, Edit};
use crate::flow::{Field, FlowMask, OfPort};
use crate::stats::DropReason;
use crate::wire::{MacAddr, ethertype};
use std::fmt;
use std::net::IpAddr;

/// The bit of a MAC address that says it is one of a group.
const GROUP: u64 = 1 << 40;
/// Different tags that one frame can leave with: as it is inside, without the outermost, and each with its priority.
const SHAPES_MAX: usize = 9;

/// A frame that NORMAL has taken.
struct Taken {
    port: OfPort,
    /// It came out of a tunnel.
    tunnelled: bool,
    /// By a protected port.
    protected: bool,
    /// Of tags that are put in front.
    tpid: u16,
    tenant: u64,
    /// The tenant is the tunnel key that the frame came with.
    keyed: bool,
    came: Tags,
    inside: Tags,
}

/// A port that it shall leave by.
#[derive(Clone, Copy)]
struct Exit {
    port: OfPort,
    /// For a tunnel that leaves its remote end open.
    remote: Option<IpAddr>,
    /// What the tenant is called there, for a tunnel that leaves its key open.
    key: u64,
    tags: Tags,
}

impl<O: Observer> Walk<'_, O> {
    /// Does it.
    pub(super) fn normal(&mut self) {
        if !self.may_go_on() {
            return;
        }
        // What it does about tags and tunnels it does to the frame as it is now, and forgets afterwards.
        self.state.commit(self.out);
        let state = self.state.clone();
        if let Err(reason) = self.forward() {
            self.note(reason);
        }
        self.state = state;
    }

    fn forward(&mut self) -> Result<(), DropReason> {
        let taken = self.take()?;
        let source = self.state.get(Field::EthSrc, self.out) as u64;
        let target = self.state.get(Field::EthDst, self.out) as u64;
        if is_reserved(target) && !self.pipeline.forwards_reserved() {
            return Err(DropReason::ReservedAddress);
        }
        self.out.asked(STATIONS.0);
        let station = |mac| Station { tenant: taken.tenant, vlan: taken.inside.vlan(), mac };
        self.learn(&taken, station(source));
        let located = match target {
            _ if target & GROUP != 0 => None,
            // It is learned now, whatever was known.
            _ if target == source => return Err(DropReason::BehindInput),
            _ => self.pipeline.station(&station(target)).copied(),
        };
        match located {
            Some(Located { place, .. }) if self.pipeline.target(place.port).is_some() => {
                self.observer.remark(format_args!("{} is behind port {}", Mac(target), place.port));
                self.send_to_one(&taken, place)
            }
            _ => {
                self.observer.remark(format_args!("{} is not known: to all ports", Mac(target)));
                self.send_to_all(&taken)
            }
        }
    }

    /// Whose frame it is, and in which VLAN.
    fn take(&mut self) -> Result<Taken, DropReason> {
        let port = self.in_port();
        let pipeline = self.pipeline;
        let target = pipeline.target(port).ok_or(DropReason::NoSuchPort)?;
        let setup = pipeline.setup(port);
        let tenant = match setup.domain {
            Domain::Tenant(tenant) if !self.state.is_written(Field::TunId) => tenant,
            Domain::Tenant(tenant) => match self.state.get(Field::TunId, self.out) as u64 {
                0 => tenant,
                told => told,
            },
            Domain::TunnelKey => self.state.get(Field::TunId, self.out) as u64,
            Domain::TenantKey => match self.state.get(Field::TunId, self.out) as u64 {
                0 => return Err(DropReason::NoTenant),
                told => told,
            },
        };
        let [outer, inner] =
            [Field::VlanTci, Field::InnerVlanTci].map(|field| self.state.get(field, self.out));
        let came = Tags::of(outer as u16, inner as u16);
        let ether_type = self.state.get(Field::EthType, self.out) as u16;
        // A tag that is cut short is none, and the frame is in no VLAN.
        let cut = came.all().is_empty() && matches!(ether_type, ethertype::VLAN | ethertype::SERVICE_VLAN);
        let inside = if cut { None } else { setup.enter(came) }.ok_or(DropReason::VlanRefused)?;
        self.observer.remark(format_args!("in tenant {tenant}, VLAN {}", inside.vlan()));
        let tunnelled = matches!(target, Target::Tunnel(_));
        let keyed = setup.domain == Domain::TunnelKey;
        let (protected, tpid) = (setup.protected, setup.tpid());
        Ok(Taken { port, tunnelled, protected, tpid, tenant, keyed, came, inside })
    }

    fn learn(&mut self, taken: &Taken, station: Station) {
        if station.mac & GROUP != 0 {
            return;
        }
        let remote = self.pipeline.is_open(taken.port);
        let place = Place { port: taken.port, remote: if remote { self.sender() } else { None } };
        match self.pipeline.station(&station) {
            Some(known) if known.fixed || known.place == place => self.out.count(known.credit),
            known => {
                let moved = if known.is_some() { "has moved" } else { "is new" };
                self.observer.remark(format_args!(
                    "{} {moved}: learned at port {}",
                    Mac(station.mac),
                    taken.port
                ));
                // What each frame says for itself need not be said of all of them.
                let Station { tenant, vlan, mac } = station;
                let said = |field, value| !self.state.is_written(field) && value;
                let own_tenant = said(Field::TunId, taken.keyed);
                let own_vlan = said(Field::VlanTci, vlan == taken.came.vlan());
                let mac = self.state.is_written(Field::EthSrc).then_some(mac);
                let (tenant, vlan) = ((!own_tenant).then_some(tenant), (!own_vlan).then_some(vlan));
                self.out.learn(Learning { tenant, vlan, port: taken.port, remote, mac });
            }
        }
    }

    /// The tunnel endpoint that the frame came from, whatever rules have made of it.
    fn sender(&mut self) -> Option<IpAddr> {
        for field in [Field::TunSrc, Field::TunIpv6Src] {
            let mut bits = FlowMask::default();
            bits.set(field, field.max());
            bits.words().iter().enumerate().for_each(|(word, bits)| self.out.depend(word, *bits));
        }
        sender(self.origin)
    }

    fn send_to_one(&mut self, taken: &Taken, place: Place) -> Result<(), DropReason> {
        if place.port == taken.port {
            return Err(DropReason::BehindInput);
        }
        let setup = self.pipeline.setup(place.port);
        if taken.is_kept_from(place.port, self.pipeline) {
            return Err(DropReason::NoOtherPort);
        }
        let tags = setup.leave(taken.inside, taken.came);
        let remote = place.remote.or_else(|| self.pipeline.fixed_remote(place.port));
        let key = match remote {
            Some(remote) => self.pipeline.far_ends().key(place.port, taken.tenant, remote),
            None => taken.tenant,
        };
        let exit = Exit { port: place.port, remote: place.remote, key, tags };
        self.leave(taken, tags, [exit].into_iter());
        Ok(())
    }

    fn send_to_all(&mut self, taken: &Taken) -> Result<(), DropReason> {
        let pipeline = self.pipeline;
        let exits = || pipeline.ports().flat_map(|port| taken.exits(port, pipeline));
        let mut shapes = [None; SHAPES_MAX];
        for exit in exits() {
            if let Some(place) = shapes.iter_mut().find(|shape| shape.is_none_or(|tags| tags == exit.tags)) {
                *place = Some(exit.tags);
            }
        }
        if shapes[0].is_some() {
            self.policed(taken.port, |walk| {
                for tags in shapes.into_iter().flatten() {
                    walk.leave(taken, tags, exits().filter(|exit| exit.tags == tags));
                }
            });
        }
        match shapes[0] {
            Some(_) => Ok(()),
            // A tunnel that leaves its remote end open has nobody to send to.
            None if pipeline.ports().any(|port| taken.tags_at(port, pipeline).is_some()) => {
                Err(DropReason::NoTunnelRemote)
            }
            None => Err(DropReason::NoOtherPort),
        }
    }

    /// Sends it by all of these, with these tags.
    fn leave(&mut self, taken: &Taken, tags: Tags, exits: impl Iterator<Item = Exit>) {
        let send = |walk: &mut Self| {
            for exit in exits {
                walk.state.address_tunnel(exit.key, exit.remote);
                walk.send(exit.port);
            }
        };
        if tags == taken.came {
            return send(self);
        }
        self.cloned("other tags", |walk| {
            walk.retag(taken, tags);
            send(walk);
        });
    }

    /// Takes tags off and puts others on. What stays behind them is not touched; of one that changes its type stays.
    fn retag(&mut self, taken: &Taken, tags: Tags) {
        let (from, to) = (taken.came.all(), tags.all());
        let same = from.iter().rev().zip(to.iter().rev()).take_while(|(a, b)| a == b).count();
        let (off, mut on) = (from.len() - same, to[..to.len() - same].iter().rev().map(|tci| tci & !PRESENT));
        let change = if off > 0 { on.next() } else { None };
        for _ in usize::from(change.is_some())..off {
            self.out.push(Action::PopVlan);
        }
        if let Some(tci) = change {
            let bits = u128::from(!PRESENT);
            Edit::of(Field::VlanTci, tci.into(), bits).for_each(|edit| self.out.push(Action::Edit(edit)));
        }
        for tci in on {
            self.out.push(Action::PushVlan { tpid: taken.tpid, tci });
        }
    }
}

impl Taken {
    /// The ways out by a port: one, or one to each far end.
    fn exits<'p>(&self, port: OfPort, pipeline: &'p Pipeline) -> impl Iterator<Item = Exit> + use<'p> {
        let (tags, tenant) = (self.tags_at(port, pipeline), self.tenant);
        let open = pipeline.is_open(port);
        let listed = open || pipeline.far_ends().is_limited(port);
        let far = if listed && tags.is_some() { pipeline.far_ends().of(port, tenant) } else { &[] };
        let plain = tags.filter(|_| !listed).map(|tags| Exit { port, remote: None, key: tenant, tags });
        let far = far.iter().zip(std::iter::repeat(tags.unwrap_or_default()));
        let exit = move |(end, tags): (&FarEnd, Tags)| Exit {
            port,
            remote: open.then_some(end.remote),
            key: pipeline.far_ends().key_at(port, tenant, end),
            tags,
        };
        plain.into_iter().chain(far.map(exit))
    }

    /// The tags that it leaves with by a port, if it may.
    fn tags_at(&self, port: OfPort, pipeline: &Pipeline) -> Option<Tags> {
        let (setup, far) = (pipeline.setup(port), pipeline.far_ends());
        let tenant_fits = match setup.domain {
            Domain::Tenant(tenant) => tenant == self.tenant,
            Domain::TunnelKey => true,
            Domain::TenantKey => self.tenant != 0,
        };
        let may = port != self.port
            && tenant_fits
            && !(far.is_limited(port) && far.of(port, self.tenant).is_empty())
            && pipeline.floods(port)
            && pipeline.is_open_for_sending(port)
            && setup.lets_out(&self.inside)
            && !self.is_kept_from(port, pipeline);
        may.then(|| setup.leave(self.inside, self.came))
    }

    /// Split horizon, and ports that are protected from each other.
    fn is_kept_from(&self, port: OfPort, pipeline: &Pipeline) -> bool {
        let tunnel = matches!(pipeline.target(port), Some(Target::Tunnel(_)));
        self.tunnelled && tunnel || self.protected && pipeline.setup(port).protected
    }
}

/// Addresses of network control, which no bridge forwards unless told to: the table of `forward-bpdu` in
/// ovs-vswitchd.conf.db(5).
fn is_reserved(mac: u64) -> bool {
    let among = |first: u64, bits: u32| mac >> bits == first >> bits;
    among(0x0180_c200_0000, 4)
        || among(0x0100_0ccc_ccc0, 4)
        || matches!(mac, 0x00e0_2b00_0000 | 0x00e0_2b00_0004 | 0x00e0_2b00_0006)
        || matches!(mac, 0x0100_0ccd_cdcd | 0x0100_0c00_0000)
}

/// For those who watch.
struct Mac(u64);

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [_, _, address @ ..] = self.0.to_be_bytes();
        MacAddr(address).fmt(f)
    }
}
