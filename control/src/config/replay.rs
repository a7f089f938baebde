//! `[[replay.neighbour]]`: what `adit replay` takes for the kernel's answer about a remote end of a tunnel. A running
//! switch asks the kernel and looks at none of it.

use super::section::{At, Faults, Section};
use super::sections;
use datapath::wire::MacAddr;
use std::net::IpAddr;

/// A remote end and how it is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Neighbour {
    /// The remote end.
    pub remote: IpAddr,
    /// How it is reached.
    pub answer: Answer,
}

/// What the kernel would say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It can be reached.
    Via(Way),
    /// There is no route.
    NoRoute,
    /// There is a route, and the next hop's MAC address is not known.
    NoNeighbour,
}

/// A way; what is not given has a default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Way {
    /// The device of an uplink.
    pub uplink: Option<String>,
    /// Our address.
    pub local: Option<IpAddr>,
    /// MAC address of the uplink.
    pub src_mac: Option<MacAddr>,
    /// MAC address of the next hop.
    pub dst_mac: Option<MacAddr>,
    /// Largest IP packet of the way.
    pub mtu: Option<u16>,
}

impl Neighbour {
    /// A remote end of which nothing special is known.
    pub fn of(remote: IpAddr) -> Neighbour {
        Neighbour { remote, answer: Answer::Via(Way::default()) }
    }
}

const REACH: [&str; 3] = ["via", "no_route", "no_neighbour"];

/// The smallest MTU of IPv4 (RFC 791 section 3.2).
const MTU_MIN: u64 = 68;

pub(super) fn neighbour(mut section: Section<'_>, faults: &mut Faults<'_>) -> Option<Neighbour> {
    let remote = section.string("remote_ip", faults);
    let remote = section.needed("remote_ip", remote, "\"192.0.2.2\"", faults);
    let remote = remote.and_then(|remote| sections::address("remote_ip", remote, faults));
    let reach = section.string("reach", faults);
    let uplink = section.string("uplink", faults).map(|uplink| uplink.value.to_string());
    let local = section.string("local_ip", faults);
    let local = local.and_then(|local| sections::address("local_ip", local, faults));
    let src_mac = mac("src_mac", &mut section, faults);
    let dst_mac = mac("dst_mac", &mut section, faults);
    let mtu = section.number("mtu", MTU_MIN..=u16::MAX.into(), faults).map(|mtu| mtu.value as u16);
    let way = Way { uplink, local, src_mac, dst_mac, mtu };
    let answer = match reach.as_ref().map(|reach| reach.value) {
        None | Some("via") => Answer::Via(way),
        Some(_) if way != Way::default() => {
            faults
                .at(&section.span, "what cannot be reached has no uplink, addresses or mtu: leave them out");
            Answer::NoRoute
        }
        Some("no_route") => Answer::NoRoute,
        Some("no_neighbour") => Answer::NoNeighbour,
        Some(other) => {
            let span = reach.map_or(0..0, |reach| reach.span);
            faults.at(&span, format!("reach is one of {}, not {other:?}", REACH.join(", ")));
            Answer::NoRoute
        }
    };
    section.finish(&[], faults);
    Some(Neighbour { remote: remote?, answer })
}

fn mac(key: &'static str, section: &mut Section<'_>, faults: &mut Faults<'_>) -> Option<MacAddr> {
    let At { value, span } = section.string(key, faults)?;
    match value.parse() {
        Ok(mac) => Some(mac),
        Err(error) => {
            faults.at(&span, format!("{key} {value:?}: {error}"));
            None
        }
    }
}
