//! Writing header fields where they lie, with checksums kept right incrementally (RFC 1624).
//!
//! A checksum that the sender left unfilled holds the sum of the pseudo-header, not complemented; it is kept right as
//! that: addresses move it, ports do not, since whoever fills it in will sum them.

use crate::flow::Field;
use crate::mem::Frame;
use crate::wire::checksum::{Sum, update};
use crate::wire::{Fragment, arp, ethernet, ethertype, ipv4, ipv6, protocol, udp, vlan};

/// Where the headers of a frame start.
#[derive(Clone, Copy, Debug)]
struct Layers {
    network: usize,
    /// What lies there. Zero when that is cut short or contradicts itself, and so has no fields.
    ether_type: u16,
    transport: Option<Transport>,
}

/// Tags that are looked behind: the two that a key knows, and those that a rule may add.
const TAGS_MAX: usize = 8;

#[derive(Clone, Copy, Debug)]
struct Transport {
    at: usize,
    protocol: u8,
    /// Offset of the checksum, when there is one that covers the header (a UDP checksum of zero is none).
    checksum: Option<usize>,
}

/// Writes `value` (right-aligned, network byte order) into `field`. A frame without that header is left alone.
pub fn edit(frame: &mut Frame<'_>, field: Field, value: &[u8; 16]) {
    let unfilled = frame.checksum_request().is_some();
    let bytes = frame.bytes_mut();
    let Some(layers) = layers(bytes) else { return };
    let [.., h, i, j, k, l, m] = *value;
    let network = layers.network;
    match (field, layers.ether_type) {
        (Field::EthDst, _) => write(bytes, 0, &[h, i, j, k, l, m]),
        (Field::EthSrc, _) => write(bytes, 6, &[h, i, j, k, l, m]),
        (Field::VlanTci, _) if network > ethernet::HEADER_LEN => write(bytes, ethernet::HEADER_LEN, &[l, m]),
        (Field::NwSrc, ethertype::ARP) => write(bytes, network + arp::at::SENDER_IP, &[j, k, l, m]),
        (Field::NwDst, ethertype::ARP) => write(bytes, network + arp::at::TARGET_IP, &[j, k, l, m]),
        (Field::ArpSha, ethertype::ARP) => write(bytes, network + arp::at::SENDER_MAC, &[h, i, j, k, l, m]),
        (Field::ArpTha, ethertype::ARP) => write(bytes, network + arp::at::TARGET_MAC, &[h, i, j, k, l, m]),
        (Field::NwProto, ethertype::ARP) => write(bytes, network + arp::at::OPERATION, &[0, m]),
        (Field::NwTos, ethertype::IPV4) => ipv4_byte(bytes, network, ipv4::at::TOS, m),
        (Field::NwTtl, ethertype::IPV4) => ipv4_byte(bytes, network, ipv4::at::TTL, m),
        (Field::NwSrc, ethertype::IPV4) => {
            ipv4_address(bytes, layers, ipv4::at::SOURCE, [j, k, l, m], unfilled);
        }
        (Field::NwDst, ethertype::IPV4) => {
            ipv4_address(bytes, layers, ipv4::at::DESTINATION, [j, k, l, m], unfilled);
        }
        (Field::NwTos, ethertype::IPV6) => {
            let [first, second] = [bytes[network], bytes[network + 1]];
            write(bytes, network, &[first & 0xf0 | m >> 4, second & 0x0f | m << 4]);
        }
        (Field::NwTtl, ethertype::IPV6) => write(bytes, network + ipv6::at::HOP_LIMIT, &[m]),
        (Field::Ipv6Label, ethertype::IPV6) => {
            let kept = bytes[network + 1] & 0xf0;
            write(bytes, network + 1, &[kept | k & 0x0f, l, m]);
        }
        (Field::Ipv6Src, ethertype::IPV6) => {
            pseudo_field(bytes, layers, network + ipv6::at::SOURCE, value, unfilled);
        }
        (Field::Ipv6Dst, ethertype::IPV6) => {
            pseudo_field(bytes, layers, network + ipv6::at::DESTINATION, value, unfilled);
        }
        (Field::TpSrc, _) => transport_field(bytes, layers, false, [l, m], unfilled),
        (Field::TpDst, _) => transport_field(bytes, layers, true, [l, m], unfilled),
        _ => {}
    }
}

/// Puts a tag behind the addresses. False when the frame has no room in front.
pub fn push_vlan(frame: &mut Frame<'_>, tpid: u16, tci: u16) -> bool {
    const ADDRESSES: usize = 12;
    if frame.len() < ethernet::HEADER_LEN || frame.push(vlan::HEADER_LEN).is_none() {
        return false;
    }
    let bytes = frame.bytes_mut();
    bytes.copy_within(vlan::HEADER_LEN..vlan::HEADER_LEN + ADDRESSES, 0);
    write(bytes, ADDRESSES, &tpid.to_be_bytes());
    write(bytes, ADDRESSES + 2, &tci.to_be_bytes());
    true
}

/// Takes the outermost tag away, if there is one.
pub fn pop_vlan(frame: &mut Frame<'_>) {
    let tagged = ethernet::View::parse(frame.bytes())
        .is_ok_and(|view| vlan::is_tag(view.ethertype()) && vlan::View::parse(view.payload()).is_ok());
    if tagged {
        frame.bytes_mut().copy_within(0..12, vlan::HEADER_LEN);
        let _ = frame.pull(vlan::HEADER_LEN);
    }
}

fn layers(bytes: &[u8]) -> Option<Layers> {
    let view = ethernet::View::parse(bytes).ok()?;
    let (mut ether_type, mut rest) = (view.ethertype(), view.payload());
    for _ in 0..TAGS_MAX {
        if !vlan::is_tag(ether_type) {
            break;
        }
        let Ok(tag) = vlan::View::parse(rest) else { break };
        (ether_type, rest) = (tag.ethertype(), tag.payload());
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
        Ok(transport) => Layers { network, ether_type, transport },
        Err(_) => Layers { network, ether_type: 0, transport: None },
    })
}

fn transport(at: usize, protocol: u8, fragment: Fragment, payload: &[u8]) -> Option<Transport> {
    let (shortest, checksum) = match protocol {
        protocol::TCP => (20, 16),
        protocol::UDP => (udp::HEADER_LEN, udp::at::CHECKSUM),
        protocol::ICMP | protocol::ICMPV6 => (4, 2),
        _ => return None,
    };
    if fragment == Fragment::Later || payload.len() < shortest {
        return None;
    }
    let none = protocol == protocol::UDP && payload[checksum..checksum + 2] == [0, 0];
    Some(Transport { at, protocol, checksum: (!none).then_some(at + checksum) })
}

fn write(bytes: &mut [u8], at: usize, value: &[u8]) {
    bytes[at..at + value.len()].copy_from_slice(value);
}

fn word(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

/// Writes `value` at `at` and keeps the checksum at `checksum` right. `at` is even in the sum's words.
fn write_summed(bytes: &mut [u8], at: usize, value: &[u8], checksum: usize) {
    let old = Sum::of(&bytes[at..at + value.len()]);
    let field = update(word(bytes, checksum), old, Sum::of(value));
    write(bytes, at, value);
    write(bytes, checksum, &field.to_be_bytes());
}

/// One byte of the IPv4 header, under the header checksum.
fn ipv4_byte(bytes: &mut [u8], network: usize, at: usize, value: u8) {
    let even = network + (at & !1);
    let mut pair = [bytes[even], bytes[even + 1]];
    pair[at & 1] = value;
    write_summed(bytes, even, &pair, network + ipv4::at::CHECKSUM);
}

fn ipv4_address(bytes: &mut [u8], layers: Layers, at: usize, address: [u8; 4], unfilled: bool) {
    let at = layers.network + at;
    let old = Sum::of(&bytes[at..at + 4]);
    let checksum = layers.network + ipv4::at::CHECKSUM;
    let field = update(word(bytes, checksum), old, Sum::of(&address));
    write(bytes, checksum, &field.to_be_bytes());
    pseudo_field(bytes, layers, at, &address, unfilled);
}

/// Writes a field of the pseudo-header, under the transport checksum.
fn pseudo_field(bytes: &mut [u8], layers: Layers, at: usize, value: &[u8], unfilled: bool) {
    let covered = layers.transport.filter(|transport| transport.protocol != protocol::ICMP);
    match covered.and_then(|transport| transport.checksum) {
        None => write(bytes, at, value),
        // An unfilled field is the sum itself: the complement of what `update` keeps right.
        Some(checksum) if unfilled => {
            let field = !word(bytes, checksum);
            write(bytes, checksum, &field.to_be_bytes());
            write_summed(bytes, at, value, checksum);
            let field = !word(bytes, checksum);
            write(bytes, checksum, &field.to_be_bytes());
        }
        Some(checksum) => {
            write_summed(bytes, at, value, checksum);
            nonzero_udp(bytes, layers);
        }
    }
}

/// Ports of TCP and UDP; type and code of ICMP.
fn transport_field(bytes: &mut [u8], layers: Layers, second: bool, value: [u8; 2], unfilled: bool) {
    let Some(transport) = layers.transport else { return };
    let (at, value) = match transport.protocol {
        protocol::ICMP | protocol::ICMPV6 => {
            let mut pair = [bytes[transport.at], bytes[transport.at + 1]];
            pair[usize::from(second)] = value[1];
            (transport.at, pair)
        }
        _ => (transport.at + 2 * usize::from(second), value),
    };
    match transport.checksum {
        Some(checksum) if !unfilled => {
            write_summed(bytes, at, &value, checksum);
            nonzero_udp(bytes, layers);
        }
        _ => write(bytes, at, &value),
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
