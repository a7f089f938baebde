//! Whether guests' longest frames fit the underlay once the outer headers are around them: said before one is dropped.

use datapath::tunnel::{Reach, Remote, TunnelSpec, Underlay};
use std::fmt;
use std::net::IpAddr;

/// A guest whose longest frames do not fit the way to a remote end. Its text is for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shortage {
    guest: String,
    guest_mtu: u32,
    remote: IpAddr,
    path_mtu: u32,
    /// What the tunnel with the longest headers adds on that way.
    overhead: u32,
}

/// The worst shortage: the guest with the largest MTU, and the way that lacks most for it.
pub(super) fn shortage<'a>(
    guests: impl IntoIterator<Item = (&'a str, u32)>,
    tunnels: &[TunnelSpec],
    underlay: &Underlay,
) -> Option<Shortage> {
    let (guest, guest_mtu) = guests.into_iter().max_by_key(|(_, mtu)| *mtu)?;
    let ways = underlay.iter().filter_map(|(remote, reach)| match reach {
        Reach::Via(path) => Some((*remote, u32::from(path.mtu))),
        Reach::NoRoute | Reach::NoNeighbour => None,
    });
    let ways = ways.map(|(remote, mtu)| (remote, mtu, overhead(remote, tunnels)));
    let (remote, path_mtu, overhead) =
        ways.min_by_key(|(remote, mtu, overhead)| (mtu.saturating_sub(*overhead), *remote))?;
    let short = Shortage { guest: guest.to_string(), guest_mtu, remote, path_mtu, overhead };
    (short.needed() > path_mtu).then_some(short)
}

/// The most bytes that a tunnel to `remote` adds: the outer headers, and the inner Ethernet header instead of the outer one.
fn overhead(remote: IpAddr, tunnels: &[TunnelSpec]) -> u32 {
    let leads = |tunnel: &&TunnelSpec| match tunnel.remote {
        Remote::Fixed(fixed) => fixed == remote,
        Remote::Flow => true,
    };
    let lens = tunnels.iter().filter(leads).map(|tunnel| tunnel.headers_len(remote.is_ipv6()) as u32);
    lens.max().unwrap_or(0)
}

impl Shortage {
    /// The MTU that the way should have.
    fn needed(&self) -> u32 {
        self.guest_mtu.saturating_add(self.overhead)
    }
}

impl fmt::Display for Shortage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Shortage { guest, guest_mtu, remote, path_mtu, overhead } = self;
        write!(
            f,
            "MTU too small: the way to {remote} carries {path_mtu} bytes, and the longest frames of {guest} (MTU {guest_mtu}) \
             need {} with the tunnel's headers; their senders will be told by ICMP, or they are fragmented (docs/mtu.md): give the underlay {0}, or the guests {}",
            self.needed(),
            path_mtu.saturating_sub(*overhead),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datapath::flow::OfPort;
    use datapath::port::PortId;
    use datapath::tunnel::{Key, Kind, Path};
    use datapath::wire::MacAddr;

    fn underlay(ways: &[(&str, &str, u16)]) -> Underlay {
        let mut underlay = Underlay::default();
        for (remote, local, mtu) in ways {
            let path = Path {
                uplink: PortId(0),
                local: local.parse().unwrap(),
                src_mac: MacAddr([2, 0, 0, 0, 0, 1]),
                dst_mac: MacAddr([2, 0, 0, 0, 0, 2]),
                mtu: *mtu,
            };
            underlay.insert(remote.parse().unwrap(), Reach::Via(path));
        }
        underlay
    }

    fn tunnel(kind: Kind, remote: Remote) -> TunnelSpec {
        TunnelSpec::new(OfPort(10), kind, remote, Key::Flow)
    }

    fn vxlan() -> [TunnelSpec; 1] {
        [tunnel(Kind::Vxlan, Remote::Flow)]
    }

    #[test]
    fn the_outer_headers_must_fit_beside_the_largest_guest() {
        let guests = [("g1", 1450), ("g2", 1500)];
        let v4 = |mtu| underlay(&[("192.0.2.2", "192.0.2.1", mtu)]);
        assert_eq!(shortage(guests, &vxlan(), &v4(1550)), None);
        let told = shortage(guests, &vxlan(), &v4(1549)).unwrap().to_string();
        assert!(
            told.contains("192.0.2.2 carries 1549 bytes") && told.contains("g2 (MTU 1500) need 1550"),
            "{told}"
        );
        assert!(told.ends_with("give the underlay 1550, or the guests 1499"), "{told}");
        assert_eq!(shortage([("g1", 1450)], &vxlan(), &v4(1500)), None);
    }

    #[test]
    fn ipv6_needs_twenty_bytes_more() {
        let ways = underlay(&[("192.0.2.2", "192.0.2.1", 1560), ("2001:db8::2", "2001:db8::1", 1569)]);
        let short = shortage([("g1", 1500)], &vxlan(), &ways).unwrap();
        assert_eq!((short.remote.is_ipv6(), short.needed()), (true, 1570));
    }

    #[test]
    fn each_kind_of_tunnel_needs_what_it_needs() {
        let way = underlay(&[("192.0.2.2", "192.0.2.1", 1542)]);
        let fixed = Remote::Fixed("192.0.2.2".parse().unwrap());
        assert_eq!(shortage([("g1", 1500)], &[tunnel(Kind::Nvgre, fixed)], &way), None);
        let both = [tunnel(Kind::Nvgre, fixed), tunnel(Kind::Geneve, fixed)];
        assert_eq!(shortage([("g1", 1500)], &both, &way).unwrap().needed(), 1550);
    }

    #[test]
    fn what_cannot_be_reached_yet_and_a_switch_without_guests_are_not_short() {
        let mut none = Underlay::default();
        none.insert("192.0.2.2".parse().unwrap(), Reach::NoNeighbour);
        assert_eq!(shortage([("g1", 9000)], &vxlan(), &none), None);
        assert_eq!(shortage([], &vxlan(), &underlay(&[("192.0.2.2", "192.0.2.1", 68)])), None);
    }
}
