//! Writing header fields where they lie, with checksums kept right incrementally (RFC 1624).
//!
//! A checksum that the sender left unfilled holds the sum of the pseudo-header, not complemented; it is kept right as
//! that: addresses move it, ports do not, since whoever fills it in will sum them.

use super::headers;
use super::meter::remarked;
use crate::flow::Field;
use crate::flow::shim::payload_type;
use crate::mem::Frame;
use crate::wire::checksum::{Sum, update};
use crate::wire::{
    Fragment, arp, ethernet, ethertype, ip_in_ip, ipv4, ipv6, mpls, nd, pbb, protocol, sctp, udp,
};
use std::fmt;

/// Where the headers of a frame start.
#[derive(Clone, Copy, Debug)]
struct Layers {
    /// What the Ethernet type speaks of: behind it and all tags.
    behind: usize,
    /// Whether that is a label stack.
    shims: bool,
    /// The network header, below labels too.
    network: usize,
    /// What lies there. Zero when that is cut short or contradicts itself, and so has no fields.
    ether_type: u16,
    transport: Option<Transport>,
}

#[derive(Clone, Copy, Debug)]
struct Transport {
    at: usize,
    /// Where its payload ends.
    end: usize,
    protocol: u8,
    /// Offset of the checksum, when there is one that is a sum (RFC 1071) and covers the header (a UDP checksum of zero is none).
    checksum: Option<usize>,
}

/// Bits of a header field and what they shall be: up to 64 of them, of a wider field its upper or its lower half.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Edit {
    field: Field,
    upper: bool,
    /// Right-aligned, in network byte order, as `mask`: bytes, so that an action needs no alignment.
    value: [u8; 8],
    mask: [u8; 8],
}

impl Edit {
    /// The edits that set the bits of `field` under `mask` to those of `value`: one, or two where the field is wider than
    /// 64 bits, or none where the mask is empty.
    pub fn of(field: Field, value: u128, mask: u128) -> impl Iterator<Item = Edit> {
        let mask = mask & field.max();
        let half = move |upper: bool| {
            let part = |bits: u128| ((if upper { bits >> 64 } else { bits }) as u64).to_be_bytes();
            Edit { field, upper, value: part(value & mask), mask: part(mask) }
        };
        [half(true), half(false)].into_iter().filter(|edit| edit.mask != [0; 8])
    }

    /// The field.
    pub fn field(&self) -> Field {
        self.field
    }

    /// What the bits shall be, right-aligned in the field; zero where they are left alone.
    pub fn value(&self) -> u128 {
        u128::from(u64::from_be_bytes(self.value)) << self.shift()
    }

    /// Which bits, right-aligned in the field.
    pub fn mask(&self) -> u128 {
        u128::from(u64::from_be_bytes(self.mask)) << self.shift()
    }

    fn shift(&self) -> u32 {
        if self.upper { 64 } else { 0 }
    }

    /// These bits of a field whose lowest bit is the one above the last `below` of the bytes that it lies in.
    fn bits(&self, below: u32) -> Bits {
        Bits { value: u64::from_be_bytes(self.value) << below, mask: u64::from_be_bytes(self.mask) << below }
    }
}

impl fmt::Debug for Edit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={:#x}/{:#x}", self.field.name(), self.value(), self.mask())
    }
}

/// Bits to be written into a few bytes, as numbers in network byte order, right-aligned.
#[derive(Clone, Copy, Debug)]
struct Bits {
    value: u64,
    mask: u64,
}

impl Bits {
    /// Writes them into the `N` bytes at `at`. The sums of those bytes before and after.
    fn write<const N: usize>(self, bytes: &mut [u8], at: usize) -> (Sum, Sum) {
        let place = &mut bytes[at..at + N];
        let mut old = [0; 8];
        old[8 - N..].copy_from_slice(place);
        let new = (u64::from_be_bytes(old) & !self.mask | self.value & self.mask).to_be_bytes();
        place.copy_from_slice(&new[8 - N..]);
        (Sum::of(&old[8 - N..]), Sum::of(&new[8 - N..]))
    }
}

/// Writes bits of a header field. A frame without that header is left alone.
pub fn edit(frame: &mut Frame<'_>, edit: &Edit) {
    let unfilled = frame.checksum_request().is_some();
    let bytes = frame.bytes_mut();
    let Some(layers) = layers(bytes) else { return };
    let Layers { behind, shims, network, .. } = layers;
    let half = if edit.upper { 0 } else { 8 };
    match (edit.field, layers.ether_type) {
        (Field::EthDst, _) => plain::<6>(bytes, 0, edit),
        (Field::EthSrc, _) => plain::<6>(bytes, 6, edit),
        (Field::EthType, _) => plain::<2>(bytes, behind - 2, edit),
        (Field::VlanTci, _) if behind > ethernet::HEADER_LEN => {
            plain::<2>(bytes, ethernet::HEADER_LEN, edit);
        }
        (Field::MplsLse, _) if shims => plain::<4>(bytes, behind, edit),
        (Field::InnerMplsLse, _) if network - behind >= 2 * mpls::HEADER_LEN => {
            plain::<4>(bytes, behind + mpls::HEADER_LEN, edit);
        }
        (Field::PbbTci, _) if has_service_tag(bytes, behind) => plain::<4>(bytes, behind, edit),
        (Field::InnerTtl, ethertype::IPV4 | ethertype::IPV6) => inner_ttl(bytes, layers, edit),
        (Field::NwSrc, ethertype::ARP) => plain::<4>(bytes, network + arp::at::SENDER_IP, edit),
        (Field::NwDst, ethertype::ARP) => plain::<4>(bytes, network + arp::at::TARGET_IP, edit),
        (Field::ArpSha, ethertype::ARP) => plain::<6>(bytes, network + arp::at::SENDER_MAC, edit),
        (Field::ArpTha, ethertype::ARP) => plain::<6>(bytes, network + arp::at::TARGET_MAC, edit),
        (Field::NwProto, ethertype::ARP) => {
            let operation = network + arp::at::OPERATION;
            // An operation that does not fit a byte is seen as zero.
            if bytes[operation] != 0 {
                write(bytes, operation, &[0, 0]);
            }
            plain::<2>(bytes, operation, edit);
        }
        (Field::NwProto, ethertype::IPV4) => {
            ipv4_pair(bytes, network, ipv4::at::PROTOCOL, edit);
            pseudo_header(bytes, layers, protocol_sums(layers, edit), unfilled);
        }
        (Field::NwProto, ethertype::IPV6) => {
            if let Some(at) = last_next_header(&bytes[network..]) {
                plain::<1>(bytes, network + at, edit);
                pseudo_header(bytes, layers, protocol_sums(layers, edit), unfilled);
            }
        }
        (Field::NwTos, ethertype::IPV4) => ipv4_pair(bytes, network, ipv4::at::TOS, edit),
        (Field::NwTtl, ethertype::IPV4) => ipv4_pair(bytes, network, ipv4::at::TTL, edit),
        (Field::NwSrc, ethertype::IPV4) => ipv4_address(bytes, layers, ipv4::at::SOURCE, edit, unfilled),
        (Field::NwDst, ethertype::IPV4) => ipv4_address(bytes, layers, ipv4::at::DESTINATION, edit, unfilled),
        // Four bits of version in front, four of the flow label behind.
        (Field::NwTos, ethertype::IPV6) => {
            edit.bits(4).write::<2>(bytes, network);
        }
        (Field::NwTtl, ethertype::IPV6) => plain::<1>(bytes, network + ipv6::at::HOP_LIMIT, edit),
        (Field::Ipv6Label, ethertype::IPV6) => plain::<3>(bytes, network + 1, edit),
        (Field::Ipv6Src, ethertype::IPV6) => {
            let sums = edit.bits(0).write::<8>(bytes, network + ipv6::at::SOURCE + half);
            pseudo_header(bytes, layers, sums, unfilled);
        }
        (Field::Ipv6Dst, ethertype::IPV6) => {
            let sums = edit.bits(0).write::<8>(bytes, network + ipv6::at::DESTINATION + half);
            pseudo_header(bytes, layers, sums, unfilled);
        }
        (Field::TpSrc, _) => transport_field(bytes, layers, false, edit, unfilled),
        (Field::TpDst, _) => transport_field(bytes, layers, true, edit, unfilled),
        (Field::NdTarget, ethertype::IPV6) => neighbour(
            bytes,
            layers,
            |_| Some(nd::at::TARGET + half),
            |place, at| edit.bits(0).write::<8>(place, at),
        ),
        (Field::NdReserved, ethertype::IPV6) => {
            neighbour(bytes, layers, |_| Some(nd::at::FLAGS), |place, at| edit.bits(0).write::<4>(place, at));
        }
        // The type is the upper one of two bytes that a checksum sees together.
        (Field::NdOptionsType, ethertype::IPV6) => {
            neighbour(bytes, layers, nd::link_option_at, |place, at| edit.bits(8).write::<2>(place, at));
        }
        (Field::NdSll | Field::NdTll, ethertype::IPV6) => {
            let kind =
                if edit.field == Field::NdSll { nd::SOURCE_LINK_ADDRESS } else { nd::TARGET_LINK_ADDRESS };
            neighbour(
                bytes,
                layers,
                |message| nd::link_address_at(message, kind),
                |place, at| edit.bits(0).write::<6>(place, at),
            );
        }
        _ => {}
    }
}

/// Raises the drop precedence of an IP packet by so many levels, if it is of a class that has any. What it says of congestion
/// stays.
pub fn remark(frame: &mut Frame<'_>, levels: u8) {
    let Some(Layers { network, ether_type, shims: false, .. }) = layers(frame.bytes()) else { return };
    let bytes = frame.bytes();
    let tos = match ether_type {
        ethertype::IPV4 => bytes[network + ipv4::at::TOS],
        ethertype::IPV6 => bytes[network] << 4 | bytes[network + 1] >> 4,
        _ => return,
    };
    let new = remarked(tos >> 2, levels) << 2 | tos & 3;
    if new != tos {
        Edit::of(Field::NwTos, new.into(), Field::IpDscp.max() << 2).for_each(|step| edit(frame, &step));
    }
}

fn layers(bytes: &[u8]) -> Option<Layers> {
    let (behind, mut ether_type) = headers::behind_tags(bytes)?;
    let (mut rest, mut shims) = (&bytes[behind..], false);
    while mpls::is_stack(ether_type) {
        let Ok(view) = mpls::View::parse(rest) else { break };
        (rest, shims) = (view.payload(), true);
        if view.entry().is_bottom() {
            ether_type = payload_type(rest);
        }
    }
    let network = bytes.len() - rest.len();
    let transport = match ether_type {
        ethertype::IPV4 => ipv4::View::parse(rest)
            .map(|ip| transport(network + ip.header_len(), ip.protocol(), ip.fragment(), ip.payload())),
        ethertype::IPV6 => ipv6::View::parse(rest)
            .map(|ip| transport(network + ip.payload_offset(), ip.protocol(), ip.fragment(), ip.payload())),
        ethertype::ARP => arp::View::parse(rest).map(|_| None),
        _ => Ok(None),
    };
    Some(match transport {
        Ok(transport) => Layers { behind, shims, network, ether_type, transport },
        Err(_) => Layers { behind, shims, network, ether_type: 0, transport: None },
    })
}

fn has_service_tag(bytes: &[u8], behind: usize) -> bool {
    word(bytes, behind - 2) == ethertype::PBB && bytes.len() >= behind + pbb::HEADER_LEN
}

fn transport(at: usize, protocol: u8, fragment: Fragment, payload: &[u8]) -> Option<Transport> {
    let (shortest, checksum) = match protocol {
        protocol::TCP => (20, 16),
        protocol::UDP => (udp::HEADER_LEN, udp::at::CHECKSUM),
        protocol::ICMP | protocol::ICMPV6 => (4, 2),
        protocol::SCTP => (sctp::HEADER_LEN, sctp::at::CHECKSUM),
        _ => return None,
    };
    // How far a change in the first fragment moves SCTP's checksum depends on how long the others are.
    let out_of_reach = protocol == protocol::SCTP && fragment == Fragment::First;
    if fragment == Fragment::Later || out_of_reach || payload.len() < shortest {
        return None;
    }
    let none = match protocol {
        protocol::UDP => payload[checksum..checksum + 2] == [0, 0],
        other => other == protocol::SCTP,
    };
    let end = at + payload.len();
    Some(Transport { at, end, protocol, checksum: (!none).then_some(at + checksum) })
}

fn write(bytes: &mut [u8], at: usize, value: &[u8]) {
    bytes[at..at + value.len()].copy_from_slice(value);
}

fn word(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

/// Bits that no checksum covers.
fn plain<const N: usize>(bytes: &mut [u8], at: usize, edit: &Edit) {
    edit.bits(0).write::<N>(bytes, at);
}

/// Keeps a checksum right (RFC 1624).
fn resum(bytes: &mut [u8], checksum: usize, (old, new): (Sum, Sum)) {
    let field = update(word(bytes, checksum), old, new);
    write(bytes, checksum, &field.to_be_bytes());
}

/// One byte of the IPv4 header, under the header checksum: summed with the byte beside it.
fn ipv4_pair(bytes: &mut [u8], network: usize, at: usize, edit: &Edit) {
    let below = if at & 1 == 0 { 8 } else { 0 };
    let sums = edit.bits(below).write::<2>(bytes, network + (at & !1));
    resum(bytes, network + ipv4::at::CHECKSUM, sums);
}

fn ipv4_address(bytes: &mut [u8], layers: Layers, at: usize, edit: &Edit, unfilled: bool) {
    let sums = edit.bits(0).write::<4>(bytes, layers.network + at);
    resum(bytes, layers.network + ipv4::at::CHECKSUM, sums);
    pseudo_header(bytes, layers, sums, unfilled);
}

/// Something of the pseudo-header was written: the transport checksum follows.
fn pseudo_header(bytes: &mut [u8], layers: Layers, sums: (Sum, Sum), unfilled: bool) {
    let covered = layers.transport.filter(|transport| transport.protocol != protocol::ICMP);
    let Some(checksum) = covered.and_then(|transport| transport.checksum) else { return };
    if unfilled {
        // The field is the sum itself: the complement of what `update` keeps right.
        let field = !update(!word(bytes, checksum), sums.0, sums.1);
        write(bytes, checksum, &field.to_be_bytes());
    } else {
        resum(bytes, checksum, sums);
        nonzero_udp(bytes, layers);
    }
}

/// What the protocol is in the pseudo-header, before and after.
fn protocol_sums(layers: Layers, edit: &Edit) -> (Sum, Sum) {
    let old = layers.transport.map_or(0, |transport| u16::from(transport.protocol));
    let Bits { value, mask } = edit.bits(0);
    (Sum::from(old), Sum::from(old & !mask as u16 | value as u16 & mask as u16))
}

/// Where an IPv6 packet says what the protocol of its payload is: in its header, or in the last of its extension headers.
fn last_next_header(packet: &[u8]) -> Option<usize> {
    let payload = ipv6::View::parse(packet).ok()?.payload_offset();
    let (mut said, mut next) = (ipv6::at::NEXT_HEADER, ipv6::HEADER_LEN);
    while next < payload {
        let units = usize::from(*packet.get(next + 1)?);
        let len = match packet[said] {
            protocol::FRAGMENT => 8,
            protocol::AH => (units + 2) * 4,
            _ => (units + 1) * 8,
        };
        (said, next) = (next, next + len);
    }
    Some(said)
}

/// The time to live of an IP packet inside of an IP packet, which lies in nothing that the outer one sums.
fn inner_ttl(bytes: &mut [u8], layers: Layers, edit: &Edit) {
    match ip_in_ip(&bytes[layers.network..]) {
        Some((4, _, at)) => ipv4_pair(bytes, layers.network + at, ipv4::at::TTL, edit),
        Some((_, _, at)) => plain::<1>(bytes, layers.network + at + ipv6::at::HOP_LIMIT, edit),
        None => {}
    }
}

/// Ports of TCP, UDP and SCTP; type and code of ICMP.
fn transport_field(bytes: &mut [u8], layers: Layers, second: bool, edit: &Edit, unfilled: bool) {
    let Some(transport) = layers.transport else { return };
    if transport.protocol == protocol::SCTP {
        let packet = &mut bytes[transport.at..transport.end];
        return sctp::keeping_checksum(packet, |packet| plain::<2>(packet, 2 * usize::from(second), edit));
    }
    let sums = match transport.protocol {
        // A byte each: bits that do not fit are not written.
        protocol::ICMP | protocol::ICMPV6 => {
            let Bits { value, mask } = edit.bits(0);
            let below = if second { 0 } else { 8 };
            Bits { value: (value & 0xff) << below, mask: (mask & 0xff) << below }
                .write::<2>(bytes, transport.at)
        }
        _ => edit.bits(0).write::<2>(bytes, transport.at + 2 * usize::from(second)),
    };
    if let Some(checksum) = transport.checksum
        && !unfilled
    {
        resum(bytes, checksum, sums);
        nonzero_udp(bytes, layers);
    }
}

/// Something of a neighbour solicitation or advertisement, at a place that the message itself tells.
fn neighbour(
    bytes: &mut [u8],
    layers: Layers,
    place: impl FnOnce(&[u8]) -> Option<usize>,
    write: impl FnOnce(&mut [u8], usize) -> (Sum, Sum),
) {
    let Some(Transport { at, end, protocol: protocol::ICMPV6, checksum: Some(checksum) }) = layers.transport
    else {
        return;
    };
    let message = &bytes[at..end];
    if let Some(place) = nd::is_neighbour(message).then(|| place(message)).flatten() {
        let sums = write(bytes, at + place);
        resum(bytes, checksum, sums);
    }
}

/// RFC 768: a computed checksum of zero is transmitted as all ones, since zero says that there is none.
fn nonzero_udp(bytes: &mut [u8], layers: Layers) {
    if let Some(Transport { protocol: protocol::UDP, checksum: Some(checksum), .. }) = layers.transport
        && word(bytes, checksum) == 0
    {
        write(bytes, checksum, &[0xff, 0xff]);
    }
}
