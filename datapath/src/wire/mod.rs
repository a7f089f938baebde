//! Views over bytes, one per header.
//!
//! Every codec here is built the same way; whoever has read [`vxlan`] has read them all:
//!
//! - `View::parse(bytes)` does every length check once. After it no accessor can fail, and
//!   [`payload()`](ethernet::View::payload) is exactly what the next codec wants.
//! - A view knows offsets and judges nothing. Checksums are checked when somebody asks.
//! - `Repr` holds the states that make sense: parsed from a view, emitted into a buffer.
//!   `emit` returns the rest of the buffer, so headers are written one after another.
//! - `at` names the offset of each field, for code that edits a header where it lies.
//!
//! Nothing here allocates, nothing is unsafe, and no sequence of bytes makes it panic.
//! Numbers are in host order on this side and in network order in the bytes.

#![forbid(unsafe_code)]

pub mod arp;
pub mod checksum;
pub mod ethernet;
pub mod extension;
pub mod exthdr;
pub mod geneve;
pub mod gre;
pub mod icmp;
pub mod ipv4;
pub mod ipv6;
#[cfg(test)]
mod laws;
mod mac;
pub mod mpls;
pub mod nd;
pub mod nvgre;
pub mod pbb;
pub mod sctp;
pub mod tcp;
pub mod udp;
pub mod vlan;
mod vni;
pub mod vxlan;

pub use mac::{MacAddr, NotAMacAddr};
pub use vni::{NotAVni, Vni};

/// The header that a refusal is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Layer {
    /// Ethernet II.
    Ethernet,
    /// IEEE 802.1Q tag.
    Vlan,
    /// Service instance tag of provider backbone bridges.
    Pbb,
    /// MPLS label stack.
    Mpls,
    /// Address resolution for IPv4.
    Arp,
    /// IPv4.
    Ipv4,
    /// IPv6 and its extension headers.
    Ipv6,
    /// UDP.
    Udp,
    /// TCP.
    Tcp,
    /// ICMP and ICMPv6.
    Icmp,
    /// Neighbor discovery, inside ICMPv6.
    Nd,
    /// VXLAN.
    Vxlan,
    /// GRE.
    Gre,
    /// NVGRE.
    Nvgre,
    /// Geneve and its options.
    Geneve,
}

impl Layer {
    /// The name used in counters and messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Layer::Ethernet => "ethernet",
            Layer::Vlan => "vlan",
            Layer::Pbb => "pbb",
            Layer::Mpls => "mpls",
            Layer::Arp => "arp",
            Layer::Ipv4 => "ipv4",
            Layer::Ipv6 => "ipv6",
            Layer::Udp => "udp",
            Layer::Tcp => "tcp",
            Layer::Icmp => "icmp",
            Layer::Nd => "nd",
            Layer::Vxlan => "vxlan",
            Layer::Gre => "gre",
            Layer::Nvgre => "nvgre",
            Layer::Geneve => "geneve",
        }
    }
}

impl core::fmt::Display for Layer {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.name())
    }
}

/// Why bytes are not the header they were said to be. Small and comparable: it can be a counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, thiserror::Error)]
pub enum Error {
    /// The bytes end before the header does.
    #[error("{0}: the bytes end before the header does")]
    Truncated(Layer),
    /// The version field names another protocol.
    #[error("{0}: the version field names another protocol")]
    BadVersion(Layer),
    /// The header length field is below the fixed part of the header.
    #[error("{0}: the header length is below the minimum")]
    BadHeaderLength(Layer),
    /// The length of the whole is below that of the header, or above what there is.
    #[error("{0}: the total length does not agree with the bytes there are")]
    BadTotalLength(Layer),
    /// A flag that must be set is not.
    #[error("{0}: a flag that must be set is not")]
    BadFlags(Layer),
    /// The address types are not the ones this codec is for.
    #[error("{0}: not for the address types handled here")]
    BadAddressType(Layer),
    /// The message type is not the one this codec is for.
    #[error("{0}: another type of message")]
    BadMessageType(Layer),
    /// An option has a length of zero or reaches past the end.
    #[error("{0}: an option has an impossible length")]
    BadOption(Layer),
    /// The chain of extension headers is longer than the bound.
    #[error("{0}: more extension headers than the bound allows")]
    TooManyHeaders(Layer),
    /// The buffer to emit into is shorter than the header.
    #[error("{0}: no room to write the header")]
    NoRoom(Layer),
}

impl Error {
    /// The header that the refusal is about.
    #[must_use]
    pub const fn layer(self) -> Layer {
        match self {
            Error::Truncated(layer)
            | Error::BadVersion(layer)
            | Error::BadHeaderLength(layer)
            | Error::BadTotalLength(layer)
            | Error::BadFlags(layer)
            | Error::BadAddressType(layer)
            | Error::BadMessageType(layer)
            | Error::BadOption(layer)
            | Error::TooManyHeaders(layer)
            | Error::NoRoom(layer) => layer,
        }
    }
}

/// EtherType values, as assigned by IEEE.
pub mod ethertype {
    /// IPv4.
    pub const IPV4: u16 = 0x0800;
    /// ARP.
    pub const ARP: u16 = 0x0806;
    /// IEEE 802.1Q customer tag.
    pub const VLAN: u16 = 0x8100;
    /// IPv6.
    pub const IPV6: u16 = 0x86dd;
    /// MPLS, unicast (RFC 5332).
    pub const MPLS: u16 = 0x8847;
    /// MPLS, multicast, or with a label that upstream has assigned (RFC 5332).
    pub const MPLS_MULTICAST: u16 = 0x8848;
    /// IEEE 802.1ad service tag.
    pub const SERVICE_VLAN: u16 = 0x88a8;
    /// Service instance tag of provider backbone bridges (IEEE 802.1ah).
    pub const PBB: u16 = 0x88e7;
}

/// IP protocol numbers and IPv6 next-header values, as assigned by IANA.
pub mod protocol {
    /// IPv6 hop-by-hop options.
    pub const HOP_BY_HOP: u8 = 0;
    /// ICMP for IPv4.
    pub const ICMP: u8 = 1;
    /// IPv4 in IP (RFC 2003).
    pub const IPV4: u8 = 4;
    /// TCP.
    pub const TCP: u8 = 6;
    /// UDP.
    pub const UDP: u8 = 17;
    /// GRE.
    pub const GRE: u8 = 47;
    /// IPv6 in IP (RFC 2473).
    pub const IPV6: u8 = 41;
    /// IPv6 routing header.
    pub const ROUTING: u8 = 43;
    /// IPv6 fragment header.
    pub const FRAGMENT: u8 = 44;
    /// IP encapsulating security payload.
    pub const ESP: u8 = 50;
    /// IP authentication header.
    pub const AH: u8 = 51;
    /// ICMP for IPv6.
    pub const ICMPV6: u8 = 58;
    /// No next header (IPv6).
    pub const NONE: u8 = 59;
    /// IPv6 destination options.
    pub const DESTINATION_OPTIONS: u8 = 60;
    /// SCTP.
    pub const SCTP: u8 = 132;
}

/// Which part of a datagram an IP packet carries; the further down, the less of the transport header is here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Fragment {
    /// All of it.
    Whole,
    /// The first part: the transport header is here, its lengths and checksum speak of more than is here.
    First,
    /// A later part: there is no transport header.
    Later,
}

impl Fragment {
    /// From the two fields that both versions of IP have.
    #[inline]
    const fn new(offset: u16, more: bool) -> Fragment {
        match (offset, more) {
            (0, false) => Fragment::Whole,
            (0, true) => Fragment::First,
            _ => Fragment::Later,
        }
    }
}

/// Source and destination port of TCP, UDP or SCTP, which all begin with them.
///
/// For the first fragment of a datagram, where the length fields rightly speak of more than is there.
#[inline]
#[must_use]
pub fn ports(transport: &[u8]) -> Option<(u16, u16)> {
    let ports = transport.first_chunk::<4>()?;
    Some((be16::<0, 4>(ports), be16::<2, 4>(ports)))
}

/// Of an IP packet that carries an IP packet (RFC 2003, RFC 2473): the version of the inner one, its time to live, and how many
/// bytes behind the start of the outer one it begins.
#[must_use]
pub fn ip_in_ip(outer: &[u8]) -> Option<(u8, u8, usize)> {
    let (protocol, payload, fragment, at) = if outer.first()? >> 4 == 4 {
        let ip = ipv4::View::parse(outer).ok()?;
        (ip.protocol(), ip.payload(), ip.fragment(), ip.header_len())
    } else {
        let ip = ipv6::View::parse(outer).ok()?;
        (ip.protocol(), ip.payload(), ip.fragment(), ip.payload_offset())
    };
    if fragment == Fragment::Later {
        return None;
    }
    match protocol {
        protocol::IPV4 => ipv4::View::parse(payload).ok().map(|inner| (4, inner.ttl(), at)),
        protocol::IPV6 => ipv6::View::parse(payload).ok().map(|inner| (6, inner.hop_limit(), at)),
        _ => None,
    }
}

/// The fixed part of a header and what follows it.
#[inline]
fn split<const LEN: usize>(bytes: &[u8], layer: Layer) -> Result<(&[u8; LEN], &[u8]), Error> {
    bytes.split_first_chunk().ok_or(Error::Truncated(layer))
}

/// Writes a header to the front of a buffer and returns the rest of it.
#[inline]
fn put<const LEN: usize>(header: [u8; LEN], out: &mut [u8], layer: Layer) -> Result<&mut [u8], Error> {
    let (room, rest) = out.split_first_chunk_mut().ok_or(Error::NoRoom(layer))?;
    *room = header;
    Ok(rest)
}

/// The field of `N` bytes at offset `AT`. That it lies inside the header is checked when compiling.
#[inline]
const fn read<const AT: usize, const N: usize, const LEN: usize>(header: &[u8; LEN]) -> [u8; N] {
    const { assert!(AT + N <= LEN, "the field lies outside of the header") };
    let mut field = [0; N];
    let mut i = 0;
    while i < N {
        field[i] = header[AT + i];
        i += 1;
    }
    field
}

/// The 16-bit field at offset `AT`.
#[inline]
const fn be16<const AT: usize, const LEN: usize>(header: &[u8; LEN]) -> u16 {
    u16::from_be_bytes(read::<AT, 2, LEN>(header))
}

/// The 32-bit field at offset `AT`.
#[inline]
const fn be32<const AT: usize, const LEN: usize>(header: &[u8; LEN]) -> u32 {
    u32::from_be_bytes(read::<AT, 4, LEN>(header))
}

/// Writes a field of `N` bytes at offset `AT`, checked when compiling as in [`read`].
#[inline]
const fn write<const AT: usize, const N: usize, const LEN: usize>(header: &mut [u8; LEN], field: [u8; N]) {
    const { assert!(AT + N <= LEN, "the field lies outside of the header") };
    let mut i = 0;
    while i < N {
        header[AT + i] = field[i];
        i += 1;
    }
}
