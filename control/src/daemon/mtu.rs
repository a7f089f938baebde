//! Whether guests' longest frames fit the underlay once the outer headers are around them: said before one is dropped.

use datapath::tunnel::{Reach, Underlay};
use std::fmt;
use std::net::IpAddr;

/// VXLAN over IPv4: the inner Ethernet header 14, VXLAN 8, UDP 8, IPv4 20 (RFC 7348 section 5).
const OVERHEAD_V4: u32 = 50;
/// Over IPv6 the outer IP header is 20 bytes longer.
const OVERHEAD_V6: u32 = 70;

/// A guest whose longest frames do not fit the way to a remote end. Its text is for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shortage {
    guest: String,
    guest_mtu: u32,
    remote: IpAddr,
    path_mtu: u32,
}

/// The worst shortage: the guest with the largest MTU, and the way that lacks most for it.
pub(super) fn shortage<'a>(
    guests: impl IntoIterator<Item = (&'a str, u32)>,
    underlay: &Underlay,
) -> Option<Shortage> {
    let (guest, guest_mtu) = guests.into_iter().max_by_key(|(_, mtu)| *mtu)?;
    let ways = underlay.iter().filter_map(|(remote, reach)| match reach {
        Reach::Via(path) => Some((*remote, u32::from(path.mtu))),
        Reach::NoRoute | Reach::NoNeighbour => None,
    });
    let (remote, path_mtu) =
        ways.min_by_key(|(remote, mtu)| (mtu.saturating_sub(overhead(*remote)), *remote))?;
    let short = Shortage { guest: guest.to_string(), guest_mtu, remote, path_mtu };
    (short.needed() > path_mtu).then_some(short)
}

fn overhead(remote: IpAddr) -> u32 {
    if remote.is_ipv4() { OVERHEAD_V4 } else { OVERHEAD_V6 }
}

impl Shortage {
    /// The MTU that the way should have.
    fn needed(&self) -> u32 {
        self.guest_mtu.saturating_add(overhead(self.remote))
    }
}

impl fmt::Display for Shortage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Shortage { guest, guest_mtu, remote, path_mtu } = self;
        write!(
            f,
            "MTU too small: the way to {remote} carries {path_mtu} bytes, and the longest frames of {guest} (MTU {guest_mtu}) \
             need {} with the tunnel's headers; they will be dropped (exceeds_mtu): give the underlay {0}, or the guests {}",
            self.needed(),
            path_mtu.saturating_sub(overhead(*remote)),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datapath::port::PortId;
    use datapath::tunnel::Path;
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

    #[test]
    fn the_outer_headers_must_fit_beside_the_largest_guest() {
        let guests = [("g1", 1450), ("g2", 1500)];
        let v4 = |mtu| underlay(&[("192.0.2.2", "192.0.2.1", mtu)]);
        assert_eq!(shortage(guests, &v4(1550)), None);
        let told = shortage(guests, &v4(1549)).unwrap().to_string();
        assert!(
            told.contains("192.0.2.2 carries 1549 bytes") && told.contains("g2 (MTU 1500) need 1550"),
            "{told}"
        );
        assert!(told.ends_with("give the underlay 1550, or the guests 1499"), "{told}");
        assert_eq!(shortage([("g1", 1450)], &v4(1500)), None);
    }

    #[test]
    fn ipv6_needs_twenty_bytes_more() {
        let ways = underlay(&[("192.0.2.2", "192.0.2.1", 1560), ("2001:db8::2", "2001:db8::1", 1569)]);
        let short = shortage([("g1", 1500)], &ways).unwrap();
        assert_eq!((short.remote.is_ipv6(), short.needed()), (true, 1570));
    }

    #[test]
    fn what_cannot_be_reached_yet_and_a_switch_without_guests_are_not_short() {
        let mut none = Underlay::default();
        none.insert("192.0.2.2".parse().unwrap(), Reach::NoNeighbour);
        assert_eq!(shortage([("g1", 9000)], &none), None);
        assert_eq!(shortage([], &underlay(&[("192.0.2.2", "192.0.2.1", 68)])), None);
    }
}
