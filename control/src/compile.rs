//! From what the operator wants to what the datapath uses: the only place that knows both. Pure.

use datapath::action::report::{Place, Station};
use datapath::flow::{OfPort, Seed};
use datapath::pipeline::{
    Base, Group, GroupId, Meter, MeterId, MeterSpec, Pipeline, Queue, QueueId, QueueSpec, Rule, RuleAction,
    Switching, TableId,
};
use datapath::port::PortId;
use datapath::tunnel::{Conflict, OptionMap, Remote, TunnelSpec, TunnelTable, Underlay};
use std::net::IpAddr;

/// What a bridge shall be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bridge {
    /// Its rules, each with its table.
    pub rules: Vec<(TableId, Rule)>,
    /// Its groups.
    pub groups: Vec<(GroupId, Group)>,
    /// Its meters.
    pub meters: Vec<(MeterId, MeterSpec)>,
    /// The queues of its ports.
    pub queues: Vec<(OfPort, QueueId, QueueSpec)>,
    /// Its guest ports.
    pub guests: Vec<(OfPort, PortId)>,
    /// Its tunnel ports.
    pub tunnels: Vec<TunnelSpec>,
    /// The addresses of ours at which tunnels end.
    pub endpoints: Vec<IpAddr>,
    /// What its ports are to NORMAL.
    pub switching: Switching,
    /// Where stations are that need not be learned.
    pub stations: Vec<(Station, Place)>,
    /// Which Geneve options are fields.
    pub options: OptionMap,
}

impl Bridge {
    /// Every remote endpoint that the bridge can send to, and the address of ours that it is sent from, if that is fixed: those
    /// of the tunnel ports, those that are listed to be flooded to, those that stations are behind, and those that rules set for ports
    /// that leave the remote end open.
    pub fn remotes(&self) -> Vec<(IpAddr, Option<IpAddr>)> {
        let fixed = self.tunnels.iter().filter_map(|tunnel| match tunnel.remote {
            Remote::Fixed(remote) => Some((remote, tunnel.local)),
            Remote::Flow => None,
        });
        let stations = self.stations.iter().filter_map(|(_, place)| place.remote);
        let open = self.switching.far.remotes().chain(stations).chain(self.set_by_rules());
        let mut remotes: Vec<_> = fixed.chain(open.map(|remote| (remote, None))).collect();
        remotes.sort();
        remotes.dedup_by_key(|(remote, _)| *remote);
        remotes
    }

    fn set_by_rules(&self) -> impl Iterator<Item = IpAddr> {
        let mut remotes = Vec::new();
        self.lists().for_each(|actions| set_by(actions, &mut remotes));
        remotes.into_iter()
    }

    /// Whether what it does depends on what it has seen: where stations are, what flows frames have taught, which connections have ended.
    pub fn learns(&self) -> bool {
        fn learns(actions: &[RuleAction]) -> bool {
            actions.iter().any(|action| match action {
                RuleAction::Normal | RuleAction::Learn(_) | RuleAction::FinTimeout { .. } => true,
                RuleAction::Clone(actions) => learns(actions),
                _ => false,
            })
        }
        self.lists().any(learns)
    }

    /// Whether something in it tells the controller.
    pub fn tells(&self) -> bool {
        fn tells(actions: &[RuleAction]) -> bool {
            actions.iter().any(|action| match action {
                RuleAction::Controller { .. } | RuleAction::DecTtlOrTell(_) => true,
                RuleAction::Clone(actions) => tells(actions),
                _ => false,
            })
        }
        self.lists().any(tells)
    }

    /// All lists of actions in rules and groups.
    fn lists(&self) -> impl Iterator<Item = &[RuleAction]> {
        let rules = self.rules.iter().map(|(_, rule)| &rule.instructions);
        let lists = rules.flat_map(|instructions| [&instructions.apply[..], &instructions.write[..]]);
        let buckets = self.groups.iter().flat_map(|(_, group)| &group.buckets);
        lists.chain(buckets.map(|bucket| &bucket.actions[..]))
    }

    /// Its ports, over the underlay as it is.
    ///
    /// # Errors
    /// When two tunnel ports would take the same packets.
    pub fn base(&self, underlay: Underlay, seed: Seed) -> Result<Base, Conflict> {
        let tunnels = TunnelTable::new(self.tunnels.clone(), seed)?;
        let (guests, endpoints) = (self.guests.iter().copied(), self.endpoints.iter().copied());
        let base = Base::new(guests, tunnels, endpoints.collect(), underlay);
        Ok(base.with_switching(self.switching.clone()))
    }

    /// Gives the ports their queues.
    pub fn install_queues(&self, pipeline: &mut Pipeline) {
        for (port, id, queue) in &self.queues {
            // There is room: a configuration has at most 16 for each of 1,024 ports.
            pipeline.set_queue(*port, *id, Queue::new(*queue));
        }
    }

    /// What workers begin with.
    ///
    /// # Errors
    /// When two tunnel ports would take the same packets.
    pub fn compile(&self, underlay: Underlay, seed: Seed) -> Result<Pipeline, Conflict> {
        let mut pipeline = Pipeline::new(self.base(underlay, seed)?);
        pipeline.set_options(self.options.clone());
        self.rules.iter().for_each(|(table, rule)| drop(pipeline.insert(*table, rule.clone())));
        self.groups.iter().for_each(|(id, group)| pipeline.set_group(*id, group.clone()));
        self.install_queues(&mut pipeline);
        self.meters.iter().for_each(|(id, meter)| pipeline.set_meter(*id, Meter::new(meter.clone())));
        self.stations.iter().for_each(|(station, place)| pipeline.learn(*station, *place, true));
        Ok(pipeline)
    }
}

/// The remote ends that actions name.
fn set_by(actions: &[RuleAction], remotes: &mut Vec<IpAddr>) {
    use datapath::flow::Field::{TunDst, TunIpv6Dst};
    for action in actions {
        match action {
            RuleAction::SetField { field: TunDst, value, .. } => {
                remotes.push(IpAddr::V4((*value as u32).into()))
            }
            RuleAction::SetField { field: TunIpv6Dst, value, .. } => {
                remotes.push(IpAddr::V6((*value).into()))
            }
            RuleAction::Clone(actions) => set_by(actions, remotes),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::{NoNames, parse_flows, parse_groups};
    use datapath::tunnel::{Key, Kind};

    #[test]
    fn remotes_are_those_of_ports_and_those_of_rules() {
        let flows = "in_port=1,actions=set_field:192.0.2.9->tun_dst,output:10\n\
                     table=3,actions=clone(load:0xc000020a->NXM_NX_TUN_IPV4_DST[],10)\n\
                     in_port=2,actions=write_actions(set_field:192.0.2.11->tun_dst,group:1)\n";
        let groups = "group_id=1,type=indirect,bucket=set_field:2001:db8::9->tun_ipv6_dst,10";
        let bridge = Bridge {
            rules: parse_flows("flows", flows, &NoNames).unwrap(),
            groups: parse_groups("groups", groups, &NoNames).unwrap(),
            tunnels: vec![TunnelSpec::new(
                OfPort(10),
                Kind::Vxlan,
                Remote::Fixed("192.0.2.2".parse().unwrap()),
                Key::Flow,
            )],
            ..Bridge::default()
        };
        let remotes: Vec<String> = bridge.remotes().iter().map(|(remote, _)| remote.to_string()).collect();
        assert_eq!(remotes, ["192.0.2.2", "192.0.2.9", "192.0.2.10", "192.0.2.11", "2001:db8::9"]);
    }
}
