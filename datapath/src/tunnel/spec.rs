//! A tunnel port as the operator writes it: the vocabulary of ovs-vsctl (`type`, `remote_ip`, `local_ip`, `key`,
//! `dst_port`), after parsing.

use crate::flow::OfPort;
use std::fmt;
use std::net::IpAddr;

/// The IANA port of VXLAN (RFC 7348 section 5).
pub const VXLAN_PORT: u16 = 4789;
/// The time to live that Open vSwitch and Linux give to outer headers unless told otherwise.
pub const TTL_DEFAULT: u8 = 64;

/// How frames are wrapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// RFC 7348.
    Vxlan,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Vxlan => "vxlan",
        })
    }
}

/// Who is at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Remote {
    /// This address only.
    Fixed(IpAddr),
    /// Whoever the flow names in `tun_dst`; frames from anybody.
    Flow,
}

/// Which tunnel key a port carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Key {
    /// This key only.
    Fixed(u64),
    /// Whichever the flow names in `tun_id`; frames with any.
    Flow,
}

/// A tunnel port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TunnelSpec {
    /// Its number on the bridge.
    pub ofport: OfPort,
    /// How frames are wrapped.
    pub kind: Kind,
    /// Our end. None: any of our endpoints.
    pub local: Option<IpAddr>,
    /// The other end.
    pub remote: Remote,
    /// The tunnel key.
    pub key: Key,
    /// UDP destination port.
    pub dst_port: u16,
    /// Outer type of service.
    pub tos: u8,
    /// Outer time to live.
    pub ttl: u8,
}
