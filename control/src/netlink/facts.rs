//! The words of this module: what the kernel reports, and what it answers. Plain values, no netlink in them.

use datapath::wire::MacAddr;
use std::fmt;
use std::net::IpAddr;

/// A device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) index: u32,
    pub(super) name: String,
    /// Absent when the device has no Ethernet address.
    pub(super) mac: Option<MacAddr>,
    pub(super) mtu: u32,
    /// Administratively up.
    pub(super) up: bool,
    /// Ready to carry packets (operstate up, or unknown for drivers that do not tell).
    pub(super) running: bool,
}

/// State of a neighbour entry; the names of `ip neighbour`, from linux/neighbour.h.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Nud {
    None,
    Incomplete,
    Reachable,
    Stale,
    Delay,
    Probe,
    Failed,
    Noarp,
    Permanent,
}

impl fmt::Display for Nud {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Nud::None => "none",
            Nud::Incomplete => "incomplete",
            Nud::Reachable => "reachable",
            Nud::Stale => "stale",
            Nud::Delay => "delay",
            Nud::Probe => "probe",
            Nud::Failed => "failed",
            Nud::Noarp => "noarp",
            Nud::Permanent => "permanent",
        })
    }
}

/// A neighbour entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Neighbour {
    pub(super) mac: Option<MacAddr>,
    pub(super) nud: Nud,
    /// The kernel keeps it resolved by itself (`NTF_EXT_MANAGED`).
    pub(super) managed: bool,
    /// A routing daemon put it there and looks after it (`NTF_EXT_LEARNED`).
    pub(super) learned: bool,
}

impl Neighbour {
    /// The address to send to, while the entry is good for sending.
    pub(super) fn usable(&self) -> Option<MacAddr> {
        use Nud::{Delay, Noarp, Permanent, Probe, Reachable, Stale};
        matches!(self.nud, Reachable | Stale | Delay | Probe | Noarp | Permanent)
            .then_some(self.mac)
            .flatten()
    }

    /// Packets that bypass the kernel do not refresh the entry, so a stale one stays stale for ever, with whatever
    /// address the peer had. It has to be asked for, unless somebody else takes care.
    pub(super) fn needs_asking(&self) -> bool {
        match self.nud {
            Nud::None | Nud::Failed => true,
            Nud::Stale => !self.managed && !self.learned,
            _ => false,
        }
    }
}

/// Where a neighbour lives: device index and address.
pub(super) type NextHop = (u32, IpAddr);

/// The kernel's answer to a route lookup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Route {
    pub(super) index: u32,
    /// The router; absent when the remote is on the link.
    pub(super) gateway: Option<IpAddr>,
    pub(super) source: Option<IpAddr>,
    /// MTU of the route or of the discovered path.
    pub(super) mtu: Option<u32>,
}

/// Why there is no route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The kernel refused the lookup, with this errno.
    Errno(i32),
    /// There is a route, and it delivers to nobody else: local, multicast, blackhole and so on.
    Kind(&'static str),
    /// The route adds headers of its own.
    Encap,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Errno(libc::ENETUNREACH) => f.write_str("the kernel has no route to it"),
            Refusal::Errno(libc::EHOSTUNREACH) => f.write_str("an unreachable route covers it"),
            Refusal::Errno(libc::EACCES) => f.write_str("a prohibit route covers it"),
            Refusal::Errno(libc::EINVAL) => f.write_str("a blackhole route covers it"),
            Refusal::Errno(errno) => {
                write!(f, "the kernel refused the lookup: {}", std::io::Error::from_raw_os_error(*errno))
            }
            Refusal::Kind("local") => f.write_str("it is an address of this host"),
            Refusal::Kind(kind) => write!(f, "the kernel's route to it is of type {kind}"),
            Refusal::Encap => f.write_str("its route adds an encapsulation of its own"),
        }
    }
}

/// Something the kernel reported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fact {
    Link(Link),
    LinkGone(u32),
    Addr(u32, IpAddr),
    AddrGone(u32, IpAddr),
    Neighbour(NextHop, Neighbour),
    NeighbourGone(NextHop),
    /// A route to this prefix came, went or changed; without prefix it can be any.
    Routes(Option<(IpAddr, u8)>),
    /// Reports were lost or not understood: only reading everything again helps.
    Lost,
}
