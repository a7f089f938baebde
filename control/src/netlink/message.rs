//! From netlink bytes to facts.
//!
//! A message that does not parse is not skipped, since a fact would be missing without anybody noticing: it counts as
//! lost. Of routes only the prefix is read, since the kernel is asked for the outcome anyway.

use super::facts::{Fact, Link, Neighbour, NextHop, Nud, Refusal, Route};
use datapath::wire::MacAddr;
use rtnetlink::packet_core::{NetlinkBuffer, NetlinkMessage, NetlinkPayload};
use rtnetlink::packet_route::address::{AddressAttribute, AddressMessage};
use rtnetlink::packet_route::link::{LinkAttribute, LinkFlags, LinkMessage, State as OperState};
use rtnetlink::packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourExtFlags, NeighbourFlags, NeighbourMessage, NeighbourState,
};
use rtnetlink::packet_route::route::{
    RouteAddress, RouteAttribute, RouteFlags, RouteMessage, RouteMetric, RouteType, RouteVia,
};
use rtnetlink::packet_route::{AddressFamily, RouteNetlinkMessage};
use std::net::IpAddr;

/// The facts in one datagram from the kernel.
pub(super) fn facts(mut datagram: &[u8]) -> Vec<Fact> {
    let mut facts = Vec::new();
    while !datagram.is_empty() {
        let Ok(length) = NetlinkBuffer::new_checked(datagram).map(|message| message.length() as usize) else {
            facts.push(Fact::Lost);
            break;
        };
        let Some((message, _)) = datagram.split_at_checked(length) else {
            facts.push(Fact::Lost);
            break;
        };
        facts.extend(fact(message));
        // Messages are aligned to four bytes (NLMSG_ALIGN in linux/netlink.h); the last may lack its padding.
        datagram = datagram.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    facts
}

fn fact(message: &[u8]) -> Option<Fact> {
    use RouteNetlinkMessage as M;
    // Rules and next-hop objects can change any route, and their contents do not matter.
    let kind = NetlinkBuffer::new_checked(message).ok()?.message_type();
    let is_read = kind < libc::RTM_NEWLINK
        || [
            [libc::RTM_NEWLINK, libc::RTM_DELLINK],
            [libc::RTM_NEWADDR, libc::RTM_DELADDR],
            [libc::RTM_NEWROUTE, libc::RTM_DELROUTE],
            [libc::RTM_NEWNEIGH, libc::RTM_DELNEIGH],
        ]
        .as_flattened()
        .contains(&kind);
    if !is_read {
        return Some(Fact::Routes(None));
    }
    match NetlinkMessage::<M>::deserialize(message).map(|message| message.payload) {
        Ok(NetlinkPayload::InnerMessage(M::NewLink(message))) => link(&message).map(Fact::Link),
        Ok(NetlinkPayload::InnerMessage(M::DelLink(message))) => (message.header.interface_family
            == AddressFamily::Unspec)
            .then_some(Fact::LinkGone(message.header.index)),
        Ok(NetlinkPayload::InnerMessage(M::NewAddress(message))) => {
            address(&message).map(|addr| Fact::Addr(message.header.index, addr))
        }
        Ok(NetlinkPayload::InnerMessage(M::DelAddress(message))) => {
            address(&message).map(|addr| Fact::AddrGone(message.header.index, addr))
        }
        Ok(NetlinkPayload::InnerMessage(M::NewNeighbour(message))) => {
            neighbour(&message).map(|(hop, neighbour)| Fact::Neighbour(hop, neighbour))
        }
        Ok(NetlinkPayload::InnerMessage(M::DelNeighbour(message))) => {
            neighbour(&message).map(|(hop, _)| Fact::NeighbourGone(hop))
        }
        Ok(NetlinkPayload::InnerMessage(M::NewRoute(message) | M::DelRoute(message))) => {
            changed_route(&message)
        }
        Ok(NetlinkPayload::Noop | NetlinkPayload::Done(_)) => None,
        _ => Some(Fact::Lost),
    }
}

/// A device; none for the messages of bridge ports and the like, which share the type.
pub(super) fn link(message: &LinkMessage) -> Option<Link> {
    if message.header.interface_family != AddressFamily::Unspec {
        return None;
    }
    let flags = message.header.flags;
    let (mut name, mut mac, mut mtu, mut oper) = (None, None, 0, OperState::Unknown);
    for attribute in &message.attributes {
        match attribute {
            LinkAttribute::IfName(text) => name = Some(text.clone()),
            LinkAttribute::Address(bytes) => mac = mac_address(bytes),
            LinkAttribute::Mtu(bytes) => mtu = *bytes,
            LinkAttribute::OperState(state) => oper = *state,
            _ => {}
        }
    }
    let running = matches!(oper, OperState::Up | OperState::Unknown);
    Some(Link {
        index: message.header.index,
        name: name?,
        mac,
        mtu,
        up: flags.contains(LinkFlags::Up),
        running,
    })
}

/// Our own address; of a point-to-point pair that is `Local`, `Address` is the peer's.
pub(super) fn address(message: &AddressMessage) -> Option<IpAddr> {
    let (mut addr, mut local) = (None, None);
    for attribute in &message.attributes {
        match attribute {
            AddressAttribute::Address(ip) => addr = Some(*ip),
            AddressAttribute::Local(ip) => local = Some(*ip),
            _ => {}
        }
    }
    local.or(addr)
}

/// A neighbour entry; none for bridge forwarding entries, which share the message type.
pub(super) fn neighbour(message: &NeighbourMessage) -> Option<(NextHop, Neighbour)> {
    let (mut addr, mut mac, mut managed) = (None, None, false);
    for attribute in &message.attributes {
        match attribute {
            NeighbourAttribute::Destination(NeighbourAddress::Inet(ip)) => addr = Some(IpAddr::from(*ip)),
            NeighbourAttribute::Destination(NeighbourAddress::Inet6(ip)) => addr = Some(IpAddr::from(*ip)),
            NeighbourAttribute::LinkLayerAddress(bytes) => mac = mac_address(bytes),
            NeighbourAttribute::ExtFlags(flags) => managed = flags.contains(NeighbourExtFlags::Managed),
            _ => {}
        }
    }
    let nud = match message.header.state {
        NeighbourState::Incomplete => Nud::Incomplete,
        NeighbourState::Reachable => Nud::Reachable,
        NeighbourState::Stale => Nud::Stale,
        NeighbourState::Delay => Nud::Delay,
        NeighbourState::Probe => Nud::Probe,
        NeighbourState::Failed => Nud::Failed,
        NeighbourState::Noarp => Nud::Noarp,
        NeighbourState::Permanent => Nud::Permanent,
        _ => Nud::None,
    };
    let learned = message.header.flags.contains(NeighbourFlags::ExtLearned);
    Some(((message.header.ifindex, addr?), Neighbour { mac, nud, managed, learned }))
}

/// The prefix of a route that came or went. Cached copies of routes say nothing new.
fn changed_route(message: &RouteMessage) -> Option<Fact> {
    if message.header.flags.contains(RouteFlags::Cloned) {
        return None;
    }
    let destination = message.attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Destination(addr) => ip(addr),
        _ => None,
    });
    Some(Fact::Routes(destination.map(|addr| (addr, message.header.destination_prefix_length))))
}

/// The answer to a route lookup.
pub(super) fn route(message: &RouteMessage) -> Result<Route, Refusal> {
    let kind = match message.header.kind {
        RouteType::Unicast => None,
        RouteType::Local => Some("local"),
        RouteType::Broadcast => Some("broadcast"),
        RouteType::Anycast => Some("anycast"),
        RouteType::Multicast => Some("multicast"),
        RouteType::BlackHole => Some("blackhole"),
        RouteType::Unreachable => Some("unreachable"),
        RouteType::Prohibit => Some("prohibit"),
        _ => Some("unknown"),
    };
    if let Some(kind) = kind {
        return Err(Refusal::Kind(kind));
    }
    let mut route = Route { index: 0, gateway: None, source: None, mtu: None };
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Oif(index) => route.index = *index,
            RouteAttribute::Gateway(addr) => route.gateway = ip(addr),
            RouteAttribute::Via(RouteVia::Inet(addr)) => route.gateway = Some(IpAddr::from(*addr)),
            RouteAttribute::Via(RouteVia::Inet6(addr)) => route.gateway = Some(IpAddr::from(*addr)),
            RouteAttribute::PrefSource(addr) => route.source = ip(addr),
            RouteAttribute::Metrics(metrics) => route.mtu = metrics.iter().find_map(mtu),
            RouteAttribute::Encap(_) | RouteAttribute::EncapType(_) => return Err(Refusal::Encap),
            _ => {}
        }
    }
    Ok(route)
}

fn mtu(metric: &RouteMetric) -> Option<u32> {
    match metric {
        RouteMetric::Mtu(mtu) if *mtu > 0 => Some(*mtu),
        _ => None,
    }
}

fn ip(addr: &RouteAddress) -> Option<IpAddr> {
    match addr {
        RouteAddress::Inet(addr) => Some(IpAddr::from(*addr)),
        RouteAddress::Inet6(addr) => Some(IpAddr::from(*addr)),
        _ => None,
    }
}

/// An Ethernet address; other link layers have addresses of other lengths.
pub(super) fn mac_address(bytes: &[u8]) -> Option<MacAddr> {
    <[u8; 6]>::try_from(bytes).ok().map(MacAddr::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `ip neigh`: 192.0.2.2 dev 3 lladdr 02:00:00:00:00:02 REACHABLE managed, as the kernel sends it.
    const NEIGHBOUR: [u8; 56] = [
        56, 0, 0, 0, 28, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, // nlmsghdr: length, RTM_NEWNEIGH
        2, 0, 0, 0, 3, 0, 0, 0, 2, 0, 0, 1, // ndmsg: AF_INET, device 3, NUD_REACHABLE
        8, 0, 1, 0, 192, 0, 2, 2, // NDA_DST
        10, 0, 2, 0, 2, 0, 0, 0, 0, 2, 0, 0, // NDA_LLADDR
        8, 0, 15, 0, 1, 0, 0, 0, // NDA_FLAGS_EXT: NTF_EXT_MANAGED
    ];

    fn known() -> Fact {
        let mac = Some(MacAddr::from([2, 0, 0, 0, 0, 2]));
        let entry = Neighbour { mac, nud: Nud::Reachable, managed: true, learned: false };
        Fact::Neighbour((3, IpAddr::from([192, 0, 2, 2])), entry)
    }

    #[test]
    fn a_datagram_can_hold_several_messages() {
        assert_eq!(facts(&[]), []);
        assert_eq!(facts(&NEIGHBOUR), [known()]);
        assert_eq!(facts(&[NEIGHBOUR, NEIGHBOUR].concat()), [known(), known()]);
    }

    #[test]
    fn a_gone_neighbour_is_told_from_a_new_one() {
        let mut gone = NEIGHBOUR;
        gone[4] = 29;
        assert_eq!(facts(&gone), [Fact::NeighbourGone((3, IpAddr::from([192, 0, 2, 2])))]);
    }

    #[test]
    fn entries_of_bridges_are_not_neighbours() {
        let mut bridge = NEIGHBOUR;
        bridge[16] = 7;
        assert_eq!(facts(&bridge), []);
    }

    #[test]
    fn what_is_cut_short_or_garbled_counts_as_lost_and_never_panics() {
        for length in 1..NEIGHBOUR.len() {
            assert_eq!(facts(&NEIGHBOUR[..length]), [Fact::Lost], "cut to {length}");
        }
        for at in 0..NEIGHBOUR.len() {
            for value in 0..=255 {
                let mut garbled = NEIGHBOUR;
                garbled[at] = value;
                facts(&garbled);
            }
        }
    }

    #[test]
    fn rules_and_next_hop_objects_touch_every_route() {
        for kind in [libc::RTM_NEWRULE, libc::RTM_DELRULE, 104] {
            let mut message = NEIGHBOUR;
            message[4..6].copy_from_slice(&kind.to_ne_bytes());
            assert_eq!(facts(&message), [Fact::Routes(None)]);
        }
    }

    #[test]
    fn a_route_tells_its_prefix_and_a_cached_copy_nothing() {
        let mut route = RouteMessage::default();
        route.header.address_family = AddressFamily::Inet;
        route.header.destination_prefix_length = 24;
        route.attributes.push(RouteAttribute::Destination(IpAddr::from([198, 51, 100, 0]).into()));
        assert_eq!(changed_route(&route), Some(Fact::Routes(Some((IpAddr::from([198, 51, 100, 0]), 24)))));
        route.header.flags = RouteFlags::Cloned;
        assert_eq!(changed_route(&route), None);
    }

    #[test]
    fn routes_that_need_more_than_a_next_hop_are_refused() {
        let mut message = RouteMessage::default();
        for (kind, name) in [(RouteType::Local, "local"), (RouteType::Multicast, "multicast")] {
            message.header.kind = kind;
            assert_eq!(route(&message), Err(Refusal::Kind(name)));
        }
        message.header.kind = RouteType::Unicast;
        message.attributes.push(RouteAttribute::Oif(2));
        message
            .attributes
            .push(RouteAttribute::Metrics(vec![RouteMetric::Hoplimit(64), RouteMetric::Mtu(1400)]));
        assert_eq!(route(&message), Ok(Route { index: 2, gateway: None, source: None, mtu: Some(1400) }));
        message.attributes.push(RouteAttribute::Encap(Vec::new()));
        assert_eq!(route(&message), Err(Refusal::Encap));
    }
}
