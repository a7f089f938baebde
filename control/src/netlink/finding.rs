//! How a remote is reached, or why it is not, in terms for the datapath and in words for people.

use super::Uplink;
use super::facts::{NextHop, Nud, Refusal};
use datapath::tunnel::{Path, Reach};
use std::fmt;
use std::net::IpAddr;

/// How a remote is reached. Its text is for people.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Finding<'a> {
    Via { path: Path, device: &'a str, hop: NextHop, nud: Nud },
    Waiting { device: &'a str, hop: NextHop, nud: Option<Nud> },
    Unwatched,
    Unasked,
    Refused(&'a Refusal),
    NoSuchSource { refusal: &'a Refusal, local: IpAddr },
    NoUplink { device: Option<&'a str>, uplinks: &'a [Uplink] },
    Down { device: &'a str, up: bool },
    NoMac { device: &'a str },
    NoSource { device: &'a str },
}

impl Finding<'_> {
    /// The part that the datapath wants to know.
    pub(super) fn reach(&self) -> Reach {
        match self {
            Finding::Via { path, .. } => Reach::Via(*path),
            Finding::Waiting { .. } => Reach::NoNeighbour,
            _ => Reach::NoRoute,
        }
    }

    /// The neighbour that has to be known, when there is a way at all.
    pub(super) fn next_hop(&self) -> Option<NextHop> {
        match self {
            Finding::Via { hop, .. } | Finding::Waiting { hop, .. } => Some(*hop),
            _ => None,
        }
    }
}

impl fmt::Display for Finding<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Finding::Via { path, device, hop: (_, hop), nud } => {
                let Path { uplink, local, dst_mac, mtu, .. } = path;
                write!(
                    f,
                    "via {device} (port {uplink}) from {local}, next hop {hop} at {dst_mac} ({nud}), MTU {mtu}"
                )
            }
            Finding::Waiting { device, hop: (_, hop), nud } => {
                write!(f, "no neighbour: the MAC address of next hop {hop} on {device} is not known")?;
                match nud {
                    Some(nud) => write!(f, " ({nud})"),
                    None => Ok(()),
                }
            }
            Finding::Unwatched => f.write_str("no route: it is no remote of any tunnel here"),
            Finding::Unasked => f.write_str("no route yet: the kernel has not been asked"),
            Finding::Refused(refusal) => write!(f, "no route: {refusal}"),
            Finding::NoSuchSource { refusal, local } => {
                write!(f, "no route: {refusal}; our end, {local}, is no address of this host")
            }
            Finding::NoUplink { device, uplinks } => {
                let uplinks: Vec<&str> = uplinks.iter().map(|uplink| uplink.device.as_str()).collect();
                let (device, uplinks) = (device.unwrap_or("a device that is gone"), uplinks.join(", "));
                write!(f, "no route: its route leaves by {device}, which is no uplink (uplinks: {uplinks})")
            }
            Finding::Down { device, up: false } => {
                write!(f, "no route: its uplink {device} is down (ip link set {device} up)")
            }
            Finding::Down { device, up: true } => write!(f, "no route: its uplink {device} has no carrier"),
            Finding::NoMac { device } => write!(f, "no route: its uplink {device} is no Ethernet device"),
            Finding::NoSource { device } => {
                write!(f, "no route: its uplink {device} has no address of its family to send from")
            }
        }
    }
}
