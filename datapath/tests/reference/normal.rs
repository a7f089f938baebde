//! NORMAL by the letter: IEEE 802.1Q's filtering database as a map, and the Port table of ovs-vswitchd.conf.db(5) read
//! aloud. VLANs as plain numbers, tags as a list.

use super::Run;
use super::frame::PRESENT;
use datapath::flow::Field;
use datapath::pipeline::{Domain, PortSetup, PriorityTags, VlanMode};

const PRESENT_TAG: u16 = PRESENT as u16;

impl super::Reference {
    pub(super) fn setup(&self, port: u32) -> PortSetup {
        self.setups.get(&port).cloned().unwrap_or_default()
    }
}

fn vid(tag: Option<&u16>) -> u16 {
    tag.map_or(0, |tag| tag & 0xfff)
}

fn among(list: &[u16], vid: u16) -> bool {
    list.is_empty() || list.contains(&vid)
}

/// The trunks of a port that has a native VLAN always have it; and never VLAN 0, whose frames would be in it.
fn on_trunk(setup: &PortSetup, vid: u16) -> bool {
    let native = matches!(setup.mode, VlanMode::NativeTagged | VlanMode::NativeUntagged);
    if native && [0, setup.tag].contains(&vid) {
        return vid == setup.tag;
    }
    among(&setup.trunks, vid)
}

/// What the frame's tags would be on a trunk, when it is let in.
fn inside(setup: &PortSetup, tags: &[u16]) -> Option<Vec<u16>> {
    let outer = vid(tags.first());
    let priority = tags.first().map_or(0, |tag| tag & 0xe000);
    let own = PRESENT_TAG | setup.tag | priority;
    match setup.mode {
        VlanMode::Access => (outer == 0).then(|| vec![own]),
        VlanMode::Dot1qTunnel => {
            among(&setup.cvlans, outer).then(|| [&[PRESENT_TAG | setup.tag], tags].concat())
        }
        VlanMode::Trunk => on_trunk(setup, outer).then(|| tags.to_vec()),
        _ if outer == 0 => Some([&[own], tags.get(1..).unwrap_or_default()].concat()),
        _ => on_trunk(setup, outer).then(|| tags.to_vec()),
    }
}

fn may_leave(setup: &PortSetup, tags: &[u16]) -> bool {
    let (outer, inner) = (vid(tags.first()), vid(tags.get(1)));
    match setup.mode {
        VlanMode::Access => outer == setup.tag && inner == 0,
        VlanMode::Dot1qTunnel => outer == setup.tag && among(&setup.cvlans, inner),
        _ => on_trunk(setup, outer),
    }
}

fn outside(setup: &PortSetup, tags: &[u16], priority: u16) -> Vec<u16> {
    let without = tags.get(1..).unwrap_or_default().to_vec();
    let mut tags = match setup.mode {
        VlanMode::Access => vec![],
        VlanMode::Dot1qTunnel => without,
        VlanMode::NativeUntagged if vid(tags.first()) == setup.tag => without,
        _ => tags.to_vec(),
    };
    if setup.priority_tags != PriorityTags::Never {
        match tags.first_mut() {
            Some(first) => *first = PRESENT_TAG | vid(Some(&*first)) | priority,
            None => tags = vec![PRESENT_TAG | priority],
        }
    }
    if tags == [PRESENT_TAG] && setup.priority_tags != PriorityTags::Always {
        tags = vec![];
    }
    tags
}

impl Run<'_> {
    /// To each of those at the other end who have the tenant.
    pub(super) fn send_to_far_ends(&mut self, port: u32, tenant: u64) {
        let of = self.of;
        for (_, _, remote, key) in of.far.iter().filter(|(at, of, ..)| (*at, *of) == (port, tenant)) {
            self.on_a_copy(|run| {
                run.frame.says.set(Field::TunDst, u32::from(*remote).into());
                run.frame.says.set(Field::TunIpv6Dst, 0);
                run.frame.says.set(Field::TunId, (*key).into());
                run.send(port);
            });
        }
    }

    pub(super) fn normal(&mut self) {
        let (of, port) = (self.of, self.in_port());
        let field = |field| self.frame.says.get(field) as u64;
        let (source, target, ether_type) =
            (field(Field::EthSrc), field(Field::EthDst), field(Field::EthType));
        if !of.ports.contains(&port) || target >> 4 == 0x0018_0c20_0000 {
            return;
        }
        let setup = of.setup(port);
        let tenant = match (setup.domain, field(Field::TunId)) {
            (Domain::Tenant(tenant), 0) => tenant,
            (Domain::TenantKey, 0) => return,
            // What came by a tunnel is of the port that rules say it came by, unless they say otherwise.
            (Domain::Tenant(tenant), _) if self.frame.key_is_its_own => tenant,
            (_, told) => told,
        };
        // A key knows of two tags; those behind them are payload.
        let tags = self.frame.tags();
        let (tags, payload) = tags.split_at(tags.len().min(2));
        let (tags, payload) = (tags.to_vec(), payload.to_vec());
        if tags.is_empty() && matches!(ether_type, 0x8100 | 0x88a8) {
            return;
        }
        let Some(inside) = inside(&setup, &tags) else { return };
        let vlan = vid(inside.first());
        let is_group = |mac: u64| mac >> 40 & 1 == 1;
        if !self.frame.dead && !is_group(source) && of.stations.get(&(tenant, vlan, source)) != Some(&port) {
            self.ran.met.insert((tenant, vlan, source), port);
        }
        if target == source && !is_group(target) {
            return;
        }
        let key_there = |other: u32| {
            let end = of.far.iter().find(|(at, whose, ..)| (*at, *whose) == (other, tenant));
            end.map(|(.., key)| *key)
        };
        let known = of.stations.get(&(tenant, vlan, target)).filter(|_| !is_group(target));
        let apart = |other: u32| {
            of.tunnels.contains(&port) && of.tunnels.contains(&other)
                || setup.protected && of.setup(other).protected
        };
        let ports: Vec<u32> = match known {
            Some(known) => [*known].into_iter().filter(|other| *other != port && !apart(*other)).collect(),
            None => {
                let fits = |other: &u32| {
                    let setup = of.setup(*other);
                    let theirs = match setup.domain {
                        Domain::TunnelKey => true,
                        Domain::TenantKey => tenant != 0,
                        Domain::Tenant(theirs) => theirs == tenant,
                    };
                    let listed = !of.limited.contains(other) || key_there(*other).is_some();
                    *other != port
                        && listed
                        && theirs
                        && of.floods(*other)
                        && may_leave(&setup, &inside)
                        && !apart(*other)
                };
                of.ports.iter().copied().filter(fits).collect()
            }
        };
        let exits = ports.iter().any(|other| !of.open.contains(other) || key_there(*other).is_some());
        if known.is_none() && exits && !self.may_flood(port) {
            return;
        }
        let priority = tags.first().map_or(0, |tag| tag & 0xe000);
        for other in ports {
            self.on_a_copy(|run| {
                run.frame.set_tags(&[outside(&of.setup(other), &inside, priority), payload.clone()].concat());
                let key = key_there(other).filter(|_| of.limited.contains(&other));
                run.frame.says.set(Field::TunId, key.unwrap_or(tenant).into());
                match of.open.contains(&other) {
                    true => run.send_to_far_ends(other, tenant),
                    false => run.send(other),
                }
            });
        }
    }
}
