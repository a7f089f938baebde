//! Which tunnel port takes a packet: the lookup of outer addresses and tunnel key.
//!
//! A port names its local end, its remote end and its key, each either fixed or open. The most specific port wins, in the
//! order of Open vSwitch (`lib/netdev-vport.rst`, "tunnel matching"): a fixed key before an open one, then a fixed remote
//! end, then a fixed local end. Which of the eight combinations exist at all is known when the table is built, and only
//! those are looked up: usually one.
//!
//! A key that is absent is the key 0, in a port and in a packet, as in Open vSwitch.

use super::options::OptionMap;
use super::spec::{Key, Kind, Remote, TunnelSpec};
use crate::flow::{OfPort, Seed};
use crate::wire::protocol;
use hashbrown::HashTable;
use std::net::{IpAddr, Ipv6Addr};

/// Index of a tunnel port in its table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TunnelId(pub u16);

/// The address as 128 bits: IPv4 as an IPv4-mapped IPv6 address (RFC 4291 section 2.5.5.2). A packet of IPv6 may claim to come
/// from such an address, so who compares these compares the version too.
#[inline]
pub(super) fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

/// What a tunnel packet says of itself. Open parts of a port are zero here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Wanted {
    kind: Kind,
    dst_port: u16,
    local: u128,
    remote: u128,
    /// Of the two ends; false where both are open.
    ipv6: bool,
    key: u64,
    shape: u8,
}

const KEY_OPEN: u8 = 4;
const REMOTE_OPEN: u8 = 2;
const LOCAL_OPEN: u8 = 1;
const ENDS_OPEN: u8 = REMOTE_OPEN | LOCAL_OPEN;
const SHAPES: u8 = 8;

impl Wanted {
    /// The same packet, seen by a port that leaves the parts named in `shape` open.
    #[inline]
    fn opened(mut self, shape: u8) -> Wanted {
        if shape & KEY_OPEN != 0 {
            self.key = 0;
        }
        if shape & REMOTE_OPEN != 0 {
            self.remote = 0;
        }
        if shape & LOCAL_OPEN != 0 {
            self.local = 0;
        }
        if shape & ENDS_OPEN == ENDS_OPEN {
            self.ipv6 = false;
        }
        self.shape = shape;
        self
    }

    #[inline]
    fn hash(&self, seed: &Seed) -> u64 {
        let addresses = seed.pair(
            self.local as u64 ^ (self.local >> 64) as u64,
            (self.remote as u64 ^ (self.remote >> 64) as u64).rotate_left(32),
        );
        seed.pair(addresses ^ u64::from(self.dst_port) << 8 ^ u64::from(self.shape), self.key)
    }
}

/// Two ports that would take the same packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "tunnel ports {first} and {second} have the same type, local_ip, remote_ip, key and dst_port, or the same dst_port and \
     different types"
)]
pub struct Conflict {
    /// The one that was there.
    pub first: OfPort,
    /// The one that cannot be added.
    pub second: OfPort,
}

/// All tunnel ports of a bridge.
#[derive(Clone, Debug)]
pub struct TunnelTable {
    specs: Vec<TunnelSpec>,
    index: HashTable<(Wanted, TunnelId)>,
    /// The shapes that exist, most specific first.
    shapes: Vec<u8>,
    /// The UDP ports that some port listens on, and for what.
    listening: Vec<(u16, Kind)>,
    /// Whether some port takes GRE, NVGRE included.
    takes_gre: bool,
    /// Known remote ends, in order.
    peers: Box<[IpAddr]>,
    /// What Geneve options are called.
    options: OptionMap,
    seed: Seed,
}

impl TunnelTable {
    /// A table of these ports.
    pub fn new(specs: Vec<TunnelSpec>, seed: Seed) -> Result<TunnelTable, Conflict> {
        let takes_gre = specs.iter().any(|spec| spec.kind.protocol() == protocol::GRE);
        let mut table = TunnelTable {
            specs,
            index: HashTable::new(),
            shapes: Vec::new(),
            listening: Vec::new(),
            takes_gre,
            peers: Box::default(),
            options: OptionMap::default(),
            seed,
        };
        for (i, spec) in table.specs.iter().enumerate() {
            if spec.kind.port().is_some() {
                let same =
                    |other: &&TunnelSpec| other.kind.port().is_some() && other.dst_port == spec.dst_port;
                if let Some(first) =
                    table.specs[..i].iter().filter(same).find(|other| other.kind != spec.kind)
                {
                    return Err(Conflict { first: first.ofport, second: spec.ofport });
                }
                if !table.listening.contains(&(spec.dst_port, spec.kind)) {
                    table.listening.push((spec.dst_port, spec.kind));
                }
            }
            let wanted = ports_wish(spec);
            let hash = wanted.hash(&table.seed);
            if let Some((_, first)) = table.index.find(hash, |(have, _)| *have == wanted) {
                let first = table.specs[first.0 as usize].ofport;
                return Err(Conflict { first, second: spec.ofport });
            }
            let seed = table.seed;
            table.index.insert_unique(hash, (wanted, TunnelId(i as u16)), |(w, _)| w.hash(&seed));
        }
        table.shapes = (0..SHAPES)
            .filter(|shape| table.specs.iter().any(|spec| ports_wish(spec).shape == *shape))
            .collect();
        Ok(table)
    }

    /// The port that takes a packet from `remote` to `local` with this key.
    #[inline(always)]
    pub fn find(
        &self,
        kind: Kind,
        dst_port: u16,
        local: IpAddr,
        remote: IpAddr,
        key: u64,
    ) -> Option<TunnelId> {
        let (local, remote, ipv6) = (bits(local), bits(remote), remote.is_ipv6());
        let packet = Wanted { kind, dst_port, local, remote, ipv6, key, shape: 0 };
        self.shapes.iter().find_map(|shape| {
            let wanted = packet.opened(*shape);
            self.index.find(wanted.hash(&self.seed), |(have, _)| *have == wanted).map(|(_, id)| *id)
        })
    }

    /// The port itself.
    #[inline]
    pub fn spec(&self, id: TunnelId) -> &TunnelSpec {
        &self.specs[id.0 as usize]
    }

    /// Every port with its index.
    pub fn iter(&self) -> impl Iterator<Item = (TunnelId, &TunnelSpec)> {
        self.specs.iter().enumerate().map(|(i, spec)| (TunnelId(i as u16), spec))
    }

    /// For what some port listens on this UDP port.
    #[inline]
    pub fn listens(&self, dst_port: u16) -> Option<Kind> {
        self.listening.iter().find(|(port, _)| *port == dst_port).map(|(_, kind)| *kind)
    }

    /// Whether some port takes GRE, NVGRE included.
    #[inline]
    pub fn takes_gre(&self) -> bool {
        self.takes_gre
    }

    /// From now on these are the known remote ends.
    pub fn set_peers(&mut self, peers: impl IntoIterator<Item = IpAddr>) {
        self.peers = peers.into_iter().collect();
        self.peers.sort_unstable();
    }

    /// From now on Geneve options are called so.
    pub fn set_options(&mut self, options: OptionMap) {
        self.options = options;
    }

    /// What Geneve options are called.
    #[inline]
    pub fn options(&self) -> &OptionMap {
        &self.options
    }

    /// Whether a remote end is known.
    #[inline]
    pub fn is_peer(&self, remote: IpAddr) -> bool {
        self.peers.binary_search(&remote).is_ok()
    }
}

fn ports_wish(spec: &TunnelSpec) -> Wanted {
    let (key, key_open) = match spec.key {
        Key::Absent => (0, 0),
        Key::Fixed(key) => (key, 0),
        Key::Flow => (0, KEY_OPEN),
    };
    let (remote, remote_open) = match spec.remote {
        Remote::Fixed(remote) => (remote, 0),
        Remote::Flow => (Ipv6Addr::UNSPECIFIED.into(), REMOTE_OPEN),
    };
    let (local, local_open) = match spec.local {
        Some(local) => (local, 0),
        None => (Ipv6Addr::UNSPECIFIED.into(), LOCAL_OPEN),
    };
    Wanted {
        kind: spec.kind,
        dst_port: spec.dst_port,
        local: bits(local),
        remote: bits(remote),
        ipv6: match (spec.remote, spec.local) {
            (Remote::Fixed(end), _) | (Remote::Flow, Some(end)) => end.is_ipv6(),
            (Remote::Flow, None) => false,
        },
        key,
        shape: key_open | remote_open | local_open,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::vxlan;

    fn spec(ofport: u32, local: Option<&str>, remote: Option<&str>, key: Option<u64>) -> TunnelSpec {
        let remote = remote.map_or(Remote::Flow, |r| Remote::Fixed(ip(r)));
        let spec = TunnelSpec::new(OfPort(ofport), Kind::Vxlan, remote, key.map_or(Key::Flow, Key::Fixed));
        TunnelSpec { local: local.map(ip), ..spec }
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn found(table: &TunnelTable, local: &str, remote: &str, key: u64) -> Option<u32> {
        let id = table.find(Kind::Vxlan, vxlan::PORT, ip(local), ip(remote), key)?;
        Some(table.spec(id).ofport.0)
    }

    #[test]
    fn the_most_specific_port_takes_the_packet() {
        let table = TunnelTable::new(
            vec![
                spec(1, None, None, None),
                spec(2, None, Some("192.0.2.2"), None),
                spec(3, None, None, Some(7)),
                spec(4, Some("192.0.2.1"), Some("192.0.2.2"), Some(7)),
            ],
            Seed::new(1),
        )
        .unwrap();
        assert_eq!(found(&table, "192.0.2.1", "192.0.2.2", 7), Some(4));
        assert_eq!(found(&table, "192.0.2.9", "192.0.2.2", 7), Some(3), "a fixed key before a fixed remote");
        assert_eq!(found(&table, "192.0.2.1", "192.0.2.2", 8), Some(2));
        assert_eq!(found(&table, "192.0.2.1", "192.0.2.3", 8), Some(1));
    }

    #[test]
    fn a_packet_that_no_port_takes_is_found_nowhere() {
        let table = TunnelTable::new(vec![spec(1, None, Some("192.0.2.2"), Some(7))], Seed::new(1)).unwrap();
        assert_eq!(found(&table, "192.0.2.1", "192.0.2.2", 8), None);
        assert_eq!(found(&table, "192.0.2.1", "192.0.2.3", 7), None);
    }

    #[test]
    fn ipv6_ends_are_found_too() {
        let table =
            TunnelTable::new(vec![spec(1, None, Some("2001:db8::2"), Some(7))], Seed::new(1)).unwrap();
        assert_eq!(found(&table, "2001:db8::1", "2001:db8::2", 7), Some(1));
    }

    #[test]
    fn an_ipv6_packet_from_an_ipv4_mapped_address_is_not_from_that_ipv4_address() {
        let fixed =
            vec![spec(1, None, Some("192.0.2.2"), Some(7)), spec(2, Some("192.0.2.1"), None, Some(7))];
        let table = TunnelTable::new(fixed, Seed::new(1)).unwrap();
        assert_eq!(found(&table, "192.0.2.1", "192.0.2.2", 7), Some(1));
        for local in ["::ffff:192.0.2.1", "2001:db8::1"] {
            assert_eq!(found(&table, local, "::ffff:192.0.2.2", 7), None);
        }
        let open = TunnelTable::new(vec![spec(3, None, None, Some(7))], Seed::new(1)).unwrap();
        assert_eq!(found(&open, "2001:db8::1", "2001:db8::2", 7), Some(3));
        assert_eq!(found(&open, "192.0.2.1", "192.0.2.2", 7), Some(3));
    }

    #[test]
    fn two_kinds_cannot_listen_on_one_udp_port() {
        let geneve = TunnelSpec { kind: Kind::Geneve, ..spec(2, None, None, Some(7)) };
        let conflict = TunnelTable::new(vec![spec(1, None, None, Some(7)), geneve.clone()], Seed::new(1));
        assert_eq!(conflict.unwrap_err(), Conflict { first: OfPort(1), second: OfPort(2) });
        let gre = TunnelSpec { kind: Kind::Gre, dst_port: 0, ..geneve };
        let table = TunnelTable::new(vec![spec(1, None, None, Some(7)), gre], Seed::new(1)).unwrap();
        assert_eq!((table.listens(vxlan::PORT), table.listens(0)), (Some(Kind::Vxlan), None));
        assert!(table.takes_gre());
    }

    #[test]
    fn peers_are_known_by_address_and_version() {
        let mut table = TunnelTable::new(vec![], Seed::new(1)).unwrap();
        table.set_peers([ip("2001:db8::2"), ip("192.0.2.2")]);
        assert!(table.is_peer(ip("192.0.2.2")) && table.is_peer(ip("2001:db8::2")));
        assert!(!table.is_peer(ip("192.0.2.3")) && !table.is_peer(ip("::ffff:192.0.2.2")));
    }

    #[test]
    fn two_ports_for_the_same_packets_are_refused() {
        let twice = vec![spec(1, None, None, Some(7)), spec(2, None, None, Some(7))];
        let conflict = TunnelTable::new(twice, Seed::new(1)).unwrap_err();
        assert_eq!(conflict, Conflict { first: OfPort(1), second: OfPort(2) });
    }
}
