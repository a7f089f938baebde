//! Where frames go: out of ports, into tunnels, to many at once. What rules have written by then is written out before
//! ([`super::state::State::commit`]).

use super::Target;
use super::control::PortConfig;
use super::observer::Observer;
use super::passed::Places;
use super::translate::Walk;
use crate::action::Action;
use crate::flow::{Field, OfPort, Tunnelled};
use crate::stats::DropReason;
use crate::tunnel::spec::TTL_DEFAULT;
use crate::tunnel::{EncapId, Key, Kind, Marks, Outer, Remote, TunnelId, TunnelSpec};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// `OFPP_IN_PORT`.
const IN_PORT: OfPort = OfPort(0xffff_fff8);

impl<O: Observer> Walk<'_, O> {
    /// OpenFlow 1.3 section 4.5: never back to where it came from, unless asked for by name.
    pub(super) fn output(&mut self, port: OfPort) {
        match port == self.in_port() {
            true => self.note(DropReason::OutputToInput),
            false => self.send(port),
        }
    }

    /// A copy that is cut, as Open vSwitch has it (`output(port=N,max_len=N)` in ovs-actions(7)).
    pub(super) fn output_cut(&mut self, port: OfPort, max_len: u32) {
        self.cloned("cut", |walk| {
            walk.out.push(Action::Truncate(max_len));
            match port {
                IN_PORT => walk.send(walk.in_port()),
                port => walk.output(port),
            }
        });
    }

    /// To all ports, or to those of them that take part in flooding.
    pub(super) fn flood(&mut self, all: bool) {
        let (pipeline, in_port) = (self.pipeline, self.in_port());
        let takes_part = |port: &OfPort| {
            *port != in_port && (all || pipeline.floods(*port)) && pipeline.is_open_for_sending(*port)
        };
        self.policed(in_port, |walk| {
            for port in pipeline.ports().filter(takes_part) {
                let listed = match pipeline.is_open(port) {
                    true => walk.remote_of_flow().is_none(),
                    false => pipeline.far_ends().is_limited(port),
                };
                match listed {
                    true => walk.replicate(port),
                    false => walk.send(port),
                }
            }
        });
    }

    /// To several, as far as the port allows it: on a copy, so that what follows is done with the frame in any case.
    pub(super) fn policed(&mut self, port: OfPort, work: impl FnOnce(&mut Self)) {
        match self.pipeline.storms.of(port) {
            None => work(self),
            Some(storm) => self.cloned("policer", |walk| {
                walk.out.push(Action::Storm(storm));
                work(walk);
            }),
        }
    }

    /// One copy to each far end of a tunnel port that leaves it open, where the flow names none, or by one that is limited to tenants.
    /// Never from tunnel to tunnel.
    fn replicate(&mut self, port: OfPort) {
        let pipeline = self.pipeline;
        if matches!(pipeline.target(self.in_port()), Some(Target::Tunnel(_))) {
            return;
        }
        let tenant = self.state.get(Field::TunId, self.out) as u64;
        let ends = pipeline.far_ends().of(port, tenant);
        let open = pipeline.is_open(port);
        if ends.is_empty() {
            if open {
                self.fail(DropReason::NoTunnelRemote);
            }
            return;
        }
        self.state.commit(self.out);
        let state = self.state.clone();
        for end in ends {
            let remote = open.then_some(end.remote);
            self.state.address_tunnel(pipeline.far_ends().key_at(port, tenant, end), remote);
            self.send(port);
        }
        self.state = state;
    }

    pub(super) fn send(&mut self, port: OfPort) {
        let PortConfig { down, no_fwd, .. } = self.pipeline.port_config(port);
        match self.pipeline.target(port) {
            None => self.fail(DropReason::NoSuchPort),
            Some(_) if down => self.fail(DropReason::PortDown),
            Some(_) if no_fwd => self.fail(DropReason::NoForward),
            Some(Target::Port(id)) => {
                let step = match self.queue.and_then(|queue| self.pipeline.queues.place(port, queue)) {
                    None => Action::Output(id),
                    Some(queue) => Action::Enqueue { port: id, queue },
                };
                self.state.commit(self.out);
                self.out.push(step);
            }
            Some(Target::Tunnel(tunnel)) => match self.way(tunnel) {
                Ok((encap, marks)) => {
                    self.state.commit(self.out);
                    let options = self.pipeline.encap(encap).kind() == Kind::Geneve;
                    let options = if options { self.state.write_options(self.out) } else { 0 };
                    self.out.push(Action::Encap { encap, marks: marks.with_options(options) });
                    if let Some(Places { went, .. }) = self.pipeline.places(port) {
                        self.out.count_sent(went);
                    }
                }
                Err(reason) => self.fail(reason),
            },
        }
    }

    /// The outer headers for a tunnel port and what they say, as its configuration and the flow have it.
    fn way(&mut self, tunnel: TunnelId) -> Result<(EncapId, Marks), DropReason> {
        let spec = self.pipeline.tunnels().spec(tunnel);
        let remote = match spec.remote {
            Remote::Fixed(remote) => remote,
            Remote::Flow => self.remote_of_flow().ok_or(DropReason::NoTunnelRemote)?,
        };
        let marks = self.marks(spec);
        Ok((self.pipeline.way(tunnel, remote)?, marks))
    }

    fn marks(&mut self, spec: &TunnelSpec) -> Marks {
        let key = match spec.key {
            Key::Absent => 0,
            Key::Fixed(key) => key,
            Key::Flow => self.state.get(Field::TunId, self.out) as u64,
        };
        let ip = matches!(self.state.get(Field::EthType, self.out), 0x0800 | 0x86dd);
        let dscp = match spec.tos {
            Outer::Fixed(tos) => tos & !3,
            Outer::Inherit if ip => (self.state.get(Field::IpDscp, self.out) as u8) << 2,
            Outer::Inherit => 0,
        };
        // RFC 6040 section 4.1, normal mode: the outer header says what the inner one does.
        let ecn = if ip { self.state.get(Field::NwEcn, self.out) as u8 } else { 0 };
        let ttl = match spec.ttl {
            Outer::Fixed(ttl) => ttl,
            // RFC 1122 section 3.2.1.7: no host sends a datagram with a time to live of zero.
            Outer::Inherit if ip => (self.state.get(Field::NwTtl, self.out) as u8).max(1),
            Outer::Inherit => TTL_DEFAULT,
        };
        let policy = if spec.group_policy {
            let id = self.state.get(Field::TunGbpId, self.out) as u16;
            Tunnelled::policy_of(id, self.state.get(Field::TunGbpFlags, self.out) as u8)
        } else {
            0
        };
        let control = spec.kind == Kind::Geneve && self.state.get(Field::TunFlags, self.out) & 1 != 0;
        let geneve = if control { Marks::CONTROL } else { 0 };
        Marks { key: key as u32, policy, tos: dscp | ecn, ttl, geneve }
    }

    fn remote_of_flow(&mut self) -> Option<IpAddr> {
        let v4 = self.state.get(Field::TunDst, self.out) as u32;
        let v6 = self.state.get(Field::TunIpv6Dst, self.out);
        match (v4, v6) {
            (0, 0) => None,
            (0, v6) => Some(Ipv6Addr::from_bits(v6).into()),
            (v4, _) => Some(Ipv4Addr::from_bits(v4).into()),
        }
    }
}
