//! `[[peer]]`, `[[tenant]]` and `[[tenant.member]]`: what the embedded controller is told.

use super::draft::many;
use super::section::{At, Faults, Section, number};
use super::sections::address;
use super::{Config, FAR_ENDS_MAX};
use crate::tenants::{Host, Member, Peer, Seat, Tenant, Tenants, serves, tunnel_to};
use crate::text::read_mac;
use crate::text::suggest::did_you_mean;
use datapath::flow::OfPort;
use datapath::pipeline::{Domain, VlanMode};
use datapath::tunnel::Kind;
use datapath::wire::MacAddr;
use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::ops::Range;
use toml::de::{DeTable, DeValue};

/// How many other hypervisors there may be.
pub const PEERS_MAX: usize = 1024;
/// How many tenants there may be.
pub const TENANTS_MAX: usize = 4096;
/// How many members they may have together.
pub const MEMBERS_MAX: usize = 65_536;
/// How many IP addresses a member may have.
const IPS_MAX: usize = 64;

/// Reads them all; `config` has its ports and tunnels. Also the kinds of tunnels that peers need and the configuration lacks, and where
/// they are asked for.
pub(super) fn tenants(
    root: &DeTable<'_>,
    config: &Config,
    faults: &mut Faults<'_>,
) -> (Tenants, Vec<(Kind, Range<usize>)>) {
    let mut reading = Reading { config, tenants: Tenants::default(), seen: Seen::default() };
    let mut lacking: Vec<(Kind, Range<usize>)> = Vec::new();
    for section in many("[[peer]]", "peer", root, faults) {
        let span = section.span.clone();
        if reading.tenants.peers.len() == PEERS_MAX {
            faults.at(&span, format!("too many peers: at most {PEERS_MAX}"));
            break;
        }
        let Some(peer) = reading.peer(section, faults) else { continue };
        let serving = config.tunnels.iter().filter(|tunnel| serves(tunnel, peer.kind)).count();
        match serving {
            0 if tunnel_to(config, peer.kind, peer.remote).is_some() => {}
            0 if lacking.iter().all(|(kind, _)| *kind != peer.kind) => lacking.push((peer.kind, span)),
            0 | 1 => {}
            _ => faults.at(
                &span,
                format!(
                    "there are two tunnels of type {} with remote_ip and key \"flow\": which is for peers?",
                    peer.kind
                ),
            ),
        }
        reading.tenants.peers.push(peer);
    }
    for section in many("[[tenant]]", "tenant", root, faults) {
        if reading.tenants.list.len() == TENANTS_MAX {
            faults.at(&section.span, format!("too many tenants: at most {TENANTS_MAX}"));
            break;
        }
        if let Some(tenant) = reading.tenant(section, faults) {
            reading.tenants.list.push(tenant);
        }
    }
    if reading.tenants.list.is_empty()
        && let Some(peers) = root.get("peer")
    {
        faults.at(&peers.span(), "peers are for tenants: add [[tenant]], or name remote ends in [[tunnel]]");
    }
    (reading.tenants, lacking)
}

struct Reading<'c> {
    config: &'c Config,
    tenants: Tenants,
    seen: Seen,
}

/// What must be there once.
#[derive(Default)]
struct Seen {
    names: HashSet<String>,
    remotes: HashSet<IpAddr>,
    ids: HashSet<u64>,
    ports: HashMap<OfPort, u64>,
    stations: HashSet<(u64, u16, MacAddr)>,
    ips: HashSet<(u64, u16, IpAddr)>,
    keys: HashMap<(Kind, IpAddr, u64), String>,
    members: usize,
}

impl Reading<'_> {
    fn peer(&mut self, mut section: Section<'_>, faults: &mut Faults<'_>) -> Option<Peer> {
        let name = self.name("peer", "\"hv2\"", &mut section, faults);
        let remote = section.string("remote_ip", faults);
        let remote = section.needed("remote_ip", remote, "\"192.0.2.2\"", faults);
        let remote = remote.and_then(|remote| {
            let span = remote.span.clone();
            let remote = address("remote_ip", remote, faults)?;
            if !self.seen.remotes.insert(remote) {
                faults.at(&span, format!("remote_ip {remote} is that of another peer already"));
            }
            Some(remote)
        });
        let kind = section.string("type", faults);
        let kind = section.needed("type", kind, "\"vxlan\"", faults);
        let kind = kind.and_then(|At { value, span }| kind_of(value, &span, faults));
        section.finish(&[], faults);
        Some(Peer { name: name?, remote: remote?, kind: kind? })
    }

    fn tenant(&mut self, mut section: Section<'_>, faults: &mut Faults<'_>) -> Option<Tenant> {
        let place = section.span.clone();
        let name = self.name("tenant", "\"red\"", &mut section, faults);
        let id = section.number("id", 1..=i64::MAX as u64, faults);
        let id = section.needed("id", id, "5001", faults);
        if let Some(id) = id.as_ref().filter(|id| !self.seen.ids.insert(id.value)) {
            faults.at(&id.span, format!("id {} is that of another tenant already", id.value));
        }
        let keys = keys(&mut section, faults);
        let hosts = self.hosts(&mut section, faults);
        let told_only = word("unknown", ["flood", "drop"], &mut section, faults) == Some("drop");
        let silent = word("questions", ["answer", "flood"], &mut section, faults) == Some("flood");
        section.has("member");
        let members = many("[[tenant.member]]", "member", section.table(), faults);
        section.finish(&[], faults);
        let (name, id) = (name?, id?.value);
        let mut tenant = Tenant { name, id, keys, hosts, told_only, silent, members: Vec::new() };
        for member in members {
            self.seen.members += 1;
            if self.seen.members > MEMBERS_MAX {
                faults.at(
                    &member.span,
                    format!("too many members: at most {MEMBERS_MAX} of all tenants together"),
                );
                break;
            }
            let Some(member) = self.member(&tenant, member, faults) else { continue };
            if let Seat::Peer(peer) = member.seat
                && tenant.hosts.iter().all(|host| host.peer != peer)
            {
                tenant.hosts.push(Host { peer, key: None });
            }
            tenant.members.push(member);
        }
        self.check_keys(&tenant, &place, faults);
        Some(tenant)
    }

    /// No key means two tenants where it comes from one sender in tunnels of one kind; and it fits into the header.
    fn check_keys(&mut self, tenant: &Tenant, place: &Range<usize>, faults: &mut Faults<'_>) {
        if tenant.hosts.len() > FAR_ENDS_MAX {
            faults.at(place, format!("a tenant is on at most {FAR_ENDS_MAX} other hypervisors"));
        }
        let used = |kind, host: &Host| {
            let remote = self.tenants.peers.get(host.peer).map(|peer| peer.remote);
            self.tenants.kinds().any(|used| used == kind)
                || remote.is_some_and(|remote| tunnel_to(self.config, kind, remote).is_some())
        };
        for kind in Kind::ALL {
            let hosts: Vec<_> = tenant.hosts.iter().filter(|host| used(kind, host)).collect();
            for host in hosts {
                let key = self.tenants.key(tenant, host, kind);
                if key > kind.key_max() {
                    faults.at(
                        place,
                        format!("{key} is no key of {kind}, at most {}: say another, as in keys = {{ {kind} = 5001 }}", kind.key_max()),
                    );
                    return;
                }
                // RFC 2890 section 2: the key is there or not; a packet without one is taken as one with 0.
                if key == 0 && kind == Kind::Gre {
                    faults.at(
                        place,
                        "0 is no tenant's key of gre: packets without a key would be the tenant's",
                    );
                    return;
                }
                let Some(peer) = self.tenants.peers.get(host.peer) else { continue };
                if let Some(other) = self.seen.keys.insert((kind, peer.remote, key), tenant.name.clone()) {
                    faults.at(
                        place,
                        format!(
                            "key {key} of {kind} tunnels with {} is that of tenant {other} already",
                            peer.name
                        ),
                    );
                    return;
                }
            }
        }
    }

    fn hosts(&self, section: &mut Section<'_>, faults: &mut Faults<'_>) -> Vec<Host> {
        let mut hosts: Vec<Host> = Vec::new();
        for value in section.array("peers", FAR_ENDS_MAX, faults).unwrap_or_default() {
            let host = match value.get_ref() {
                DeValue::String(name) => {
                    self.peer_named(name, &value.span(), faults).map(|peer| Host { peer, key: None })
                }
                DeValue::Table(table) => {
                    let mut host = Section::new("a peer of a tenant", table, value.span());
                    let name = host.string("name", faults);
                    let name = host.needed("name", name, "\"hv2\"", faults);
                    let key = host.number("key", 0..=u32::MAX.into(), faults).map(|key| key.value);
                    host.finish(&[], faults);
                    name.and_then(|name| self.peer_named(name.value, &name.span, faults))
                        .map(|peer| Host { peer, key })
                }
                _ => {
                    faults.at(
                        &value.span(),
                        "a peer is its name, as in \"hv2\", or a table, as in { name = \"hv2\", key = 7 }",
                    );
                    None
                }
            };
            let Some(host) = host else { continue };
            match hosts.iter().any(|known| known.peer == host.peer) {
                true => faults.at(&value.span(), "this peer is listed twice"),
                false => hosts.push(host),
            }
        }
        hosts
    }

    fn member(
        &mut self,
        tenant: &Tenant,
        mut section: Section<'_>,
        faults: &mut Faults<'_>,
    ) -> Option<Member> {
        let id = tenant.id;
        let (port, peer) = (section.string("port", faults), section.string("peer", faults));
        let (mut seat, mut native) = (None, 0);
        match (port, peer) {
            (Some(At { value, span }), None) => {
                if let Some(port) = self.config.ports.iter().find(|port| port.name == value) {
                    let own =
                        port.setup.domain != Domain::Tenant(0) && port.setup.domain != Domain::Tenant(id);
                    let other = self.seen.ports.insert(port.ofport, id).is_some_and(|other| other != id);
                    if own || other {
                        faults.at(&span, format!("port {value} is another tenant's already"));
                    }
                    if matches!(port.setup.mode, VlanMode::Access | VlanMode::Dot1qTunnel) {
                        native = port.setup.tag;
                    }
                    seat = Some(Seat::Port(port.ofport, port.name.clone()));
                } else {
                    let names = self.config.ports.iter().map(|port| port.name.as_str());
                    faults.at(&span, format!("there is no port {value:?}{}", did_you_mean(value, names)));
                }
            }
            (None, Some(At { value, span })) => {
                seat = self.peer_named(value, &span, faults).map(Seat::Peer);
            }
            _ => faults.at(
                &section.span,
                "a member is behind a port or on a peer: say port = \"g1\" or peer = \"hv2\"",
            ),
        }
        let vlan = section.number("vlan", 0..=4095, faults).map_or(native, |vlan| vlan.value as u16);
        let mac = section.string("mac", faults).and_then(|mac| self.mac(id, vlan, mac, faults));
        let given = section.has("mac");
        let mut ips = Vec::new();
        for value in section.array("ip", IPS_MAX, faults).unwrap_or_default() {
            let Some(text) = value.get_ref().as_str() else {
                faults.at(&value.span(), "an ip is an address in a string, as in \"10.0.0.1\"");
                continue;
            };
            let Some(ip) = address("an ip", At { value: text, span: value.span() }, faults) else { continue };
            if !self.seen.ips.insert((id, vlan, ip)) {
                faults.at(&value.span(), format!("{ip} is another member's already"));
            }
            ips.push(ip);
        }
        if !given && !ips.is_empty() {
            faults.at(
                &section.span,
                "ip is what is answered with the member's mac: say mac = \"02:00:00:00:00:01\"",
            );
        }
        if !given && matches!(seat, Some(Seat::Peer(_))) {
            faults.at(
                &section.span,
                "a member on a peer is told by its mac; to learn who is there, list the peer in peers",
            );
        }
        section.finish(&[], faults);
        Some(Member { seat: seat?, vlan, mac, ips })
    }

    fn mac(
        &mut self,
        id: u64,
        vlan: u16,
        At { value, span }: At<&str>,
        faults: &mut Faults<'_>,
    ) -> Option<MacAddr> {
        let message = match read_mac(value) {
            Ok(mac) => {
                let [_, _, address @ ..] = mac.to_be_bytes();
                let address = MacAddr(address);
                if address.0[0] & 1 == 0 && self.seen.stations.insert((id, vlan, address)) {
                    return Some(address);
                }
                match address.0[0] & 1 {
                    0 => format!("{value} is another member's already"),
                    _ => format!("{value} is the address of a group, not of a station"),
                }
            }
            Err(message) => message,
        };
        faults.at(&span, message);
        None
    }

    fn peer_named(&self, name: &str, span: &Range<usize>, faults: &mut Faults<'_>) -> Option<usize> {
        let found = self.tenants.peers.iter().position(|peer| peer.name == name);
        if found.is_none() {
            let near = did_you_mean(name, self.tenants.peers.iter().map(|peer| peer.name.as_str()));
            faults.at(span, format!("there is no [[peer]] with name = {name:?}{near}"));
        }
        found
    }

    /// A name that no other peer or tenant has.
    fn name(
        &mut self,
        what: &str,
        example: &str,
        section: &mut Section<'_>,
        faults: &mut Faults<'_>,
    ) -> Option<String> {
        let name = section.string("name", faults);
        let At { value, span } = section.needed("name", name, example, faults)?;
        if value.is_empty() || value.len() > 63 || value.chars().any(char::is_control) {
            faults.at(&span, "a name has 1 to 63 bytes");
            return None;
        }
        if !self.seen.names.insert(format!("{what} {value}")) {
            faults.at(&span, format!("{value:?} is the name of another {what} already"));
        }
        Some(value.into())
    }
}

fn kind_of(name: &str, span: &Range<usize>, faults: &mut Faults<'_>) -> Option<Kind> {
    let found = Kind::ALL.into_iter().find(|kind| kind.name() == name);
    if found.is_none() {
        let names = Kind::ALL.map(Kind::name);
        let near = did_you_mean(name, names);
        faults.at(span, format!("{name:?} is no type of tunnel: {}{near}", names.join(", ")));
    }
    found
}

/// Tunnel keys by kind of tunnel.
fn keys(section: &mut Section<'_>, faults: &mut Faults<'_>) -> Vec<(Kind, u64)> {
    let Some(value) = section.value("keys") else { return Vec::new() };
    let Some(table) = value.get_ref().as_table() else {
        faults.at(&value.span(), "keys are by type of tunnel, as in keys = { vxlan = 5001, gre = 7 }");
        return Vec::new();
    };
    let mut keys = Vec::new();
    for (name, value) in table {
        let Some(kind) = kind_of(name.get_ref(), &name.span(), faults) else { continue };
        if let Some(key) = number("a key", value, 0..=kind.key_max(), faults) {
            keys.push((kind, key));
        }
    }
    keys
}

fn word(
    key: &'static str,
    words: [&'static str; 2],
    section: &mut Section<'_>,
    faults: &mut Faults<'_>,
) -> Option<&'static str> {
    let At { value, span } = section.string(key, faults)?;
    let found = words.into_iter().find(|word| *word == value);
    if found.is_none() {
        let near = did_you_mean(value, words);
        faults.at(&span, format!("{key} is {}, not {value:?}{near}", words.join(" or ")));
    }
    found
}
