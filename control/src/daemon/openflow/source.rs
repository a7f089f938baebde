//! Who comes, as far as he cannot choose it: what is shared out among strangers is shared out by this.

use std::net::{IpAddr, Ipv6Addr};

/// An address of IPv4, or the first 64 bits of one of IPv6: a host has all addresses of its link (RFC 4291 section 2.5.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Source(IpAddr);

impl Source {
    /// Of whom comes from there.
    pub(super) fn of(from: IpAddr) -> Source {
        Source(match from.to_canonical() {
            IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64).into(),
            v4 => v4,
        })
    }
}
