//! Telling the sender of a packet that it is too long: "fragmentation needed" (RFC 1191 section 4) or "packet too big" (RFC 4443
//! section 3.2), made of the frame itself.
//!
//! A switch has no address that a guest knows. The message comes from the one that the guest wrote to: that one it accepts, even
//! where it has no route, and where filters ask for a known conversation. Linux does the same for its tunnels (`net/ipv4/ip_tunnel_core.c`,
//! `skb_tunnel_check_pmtu`). What is quoted is what the sender sent: where rules have changed addresses, ports or tags since,
//! they are put back out of the key, or the sender would not know its own packet.
//!
//! The headers are built by etherparse.

use super::too_long::Packet;
use crate::flow::{Field, FlowKey};
use crate::mem::Frame;
use crate::port::finish_checksum;
use crate::wire::checksum::{Sum, update};
use crate::wire::{MacAddr, ethernet, ethertype, icmp, ipv4, ipv6, protocol, tcp, udp, vlan};
use etherparse::icmpv4::DestUnreachableHeader::FragmentationNeeded;
use etherparse::{
    Icmpv4Header, Icmpv4Type, Icmpv6Header, Icmpv6Type, IpDscp, IpNumber, Ipv4Header, Ipv6Header,
};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::Range;

/// The longest message over IPv4 (RFC 1812 section 4.3.2.3).
const V4_MAX: usize = 576;
/// The longest message over IPv6: its minimum MTU (RFC 4443 section 2.4 (c)).
const V6_MAX: usize = 1280;
/// Of a new packet (RFC 1700, "Internet protocol numbers").
const TTL: u8 = 64;
/// Internetwork control: RFC 1812 section 4.3.2.5 wants precedence 6 or 7.
const CONTROL: u8 = 48;
/// The most tags that a key knows.
const TAGS_MAX: usize = 2;
const LINK_MAX: usize = ethernet::HEADER_LEN + TAGS_MAX * vlan::HEADER_LEN;
/// In a key: there is a tag.
const TAG_PRESENT: u16 = 0x1000;

/// Whether the sender of a frame may be told of an error. `key` is the frame's as it came in.
pub fn may_be_told(key: &FlowKey) -> bool {
    let mac = |field| MacAddr::from(tail::<6>(key.get(field)));
    // RFC 1122 section 3.2.2: never in answer to what came by a link-layer broadcast.
    if !(mac(Field::EthSrc).is_unicast() && mac(Field::EthDst).is_unicast()) {
        return false;
    }
    let protocol = key.get(Field::NwProto) as u8;
    let kind = key.get(Field::TpSrc) as u8;
    match key.get(Field::EthType) as u16 {
        ethertype::IPV4 => {
            let address = |field| Ipv4Addr::from_bits(key.get(field) as u32);
            // RFC 1122 section 3.2.2: nor to an ICMP error, nor to a fragment but the first, nor to what is not from and for a
            // single host.
            let later = key.get(Field::NwFrag) == 3;
            let about_error = protocol == protocol::ICMP && !matches!(kind, 0 | 8..=10 | 13..=18);
            !(later || about_error) && is_host_v4(address(Field::NwSrc)) && is_host_v4(address(Field::NwDst))
        }
        ethertype::IPV6 => {
            let address = |field| Ipv6Addr::from_bits(key.get(field));
            // RFC 4443 section 2.4 (e): nor to an ICMPv6 error or a redirect. That it might tell the sender of a multicast packet
            // is of no use here: there is no address to send from.
            let about_error = protocol == protocol::ICMPV6 && (kind < 128 || kind == 137);
            !about_error && is_host_v6(address(Field::Ipv6Src)) && is_host_v6(address(Field::Ipv6Dst))
        }
        _ => false,
    }
}

fn is_host_v4(address: Ipv4Addr) -> bool {
    // "A datagram whose source address does not define a single host": zero, loopback, multicast, class E with broadcast.
    !matches!(address.octets()[0], 0 | 127 | 224..)
}

fn is_host_v6(address: Ipv6Addr) -> bool {
    !(address.is_unspecified() || address.is_loopback() || address.is_multicast())
}

/// Makes `frame` the message that tells its sender of `mtu`: at most `frame_max` bytes, to be sent back the way it came. `key` is the
/// frame's as it came in. None: it is no longer the packet that came in, or there is no room; the frame is of no use then.
pub fn answer(frame: &mut Frame<'_>, key: &FlowKey, mtu: u16, frame_max: usize) -> Option<()> {
    // No part of it may be left to a device: it is quoted.
    finish_checksum(frame);
    let (at, packet) = Packet::of(frame.bytes())?;
    let (ether_type, header_len) = match &packet {
        Packet::V4(ip) => (ethertype::IPV4, ip.header_len()),
        Packet::V6(ip) => (ethertype::IPV6, ip.payload_offset()),
    };
    if (key.get(Field::EthType), protocol_of(&packet)) != (ether_type.into(), key.get(Field::NwProto) as u8) {
        return None;
    }
    let (link, link_len) = link(frame.bytes(), at, ether_type, key);
    frame.pull(at)?;
    let room = frame_max.checked_sub(link_len)?;
    if ether_type == ethertype::IPV4 {
        restore_v4(frame.bytes_mut(), header_len, key);
        tell_v4(frame, mtu, room)?;
    } else {
        restore_v6(frame.bytes_mut(), header_len, key);
        tell_v6(frame, mtu, room)?;
    }
    frame.push(link_len)?.copy_from_slice(link.get(..link_len)?);
    Some(())
}

fn protocol_of(packet: &Packet<'_>) -> u8 {
    match packet {
        Packet::V4(ip) => ip.protocol(),
        Packet::V6(ip) => ip.protocol(),
    }
}

/// `frame` is the packet to quote.
fn tell_v4(frame: &mut Frame<'_>, mtu: u16, room: usize) -> Option<()> {
    let (source, destination) =
        (octets(frame.bytes(), ipv4::at::SOURCE)?, octets(frame.bytes(), ipv4::at::DESTINATION)?);
    let around = ipv4::HEADER_LEN + icmp::HEADER_LEN;
    frame.truncate(room.min(V4_MAX).checked_sub(around)?);
    let kind = Icmpv4Type::DestinationUnreachable(FragmentationNeeded { next_hop_mtu: mtu });
    let message = Icmpv4Header::with_checksum(kind, frame.bytes());
    let mut ip = Ipv4Header {
        dscp: IpDscp::try_new(CONTROL).ok()?,
        total_len: (around + frame.len()) as u16,
        dont_fragment: true,
        time_to_live: TTL,
        protocol: IpNumber::ICMP,
        source: destination,
        destination: source,
        ..Ipv4Header::default()
    };
    ip.header_checksum = ip.calc_header_checksum();
    frame.push(icmp::HEADER_LEN)?.copy_from_slice(&message.to_bytes());
    frame.push(ipv4::HEADER_LEN)?.copy_from_slice(&ip.to_bytes());
    Some(())
}

/// `frame` is the packet to quote.
fn tell_v6(frame: &mut Frame<'_>, mtu: u16, room: usize) -> Option<()> {
    let (source, destination) =
        (octets(frame.bytes(), ipv6::at::SOURCE)?, octets(frame.bytes(), ipv6::at::DESTINATION)?);
    let around = ipv6::HEADER_LEN + icmp::HEADER_LEN;
    frame.truncate(room.min(V6_MAX).checked_sub(around)?);
    let kind = Icmpv6Type::PacketTooBig { mtu: mtu.into() };
    let message = Icmpv6Header::with_checksum(kind, destination, source, frame.bytes()).ok()?;
    let ip = Ipv6Header {
        payload_length: (icmp::HEADER_LEN + frame.len()) as u16,
        next_header: IpNumber::IPV6_ICMP,
        hop_limit: TTL,
        source: destination,
        destination: source,
        ..Ipv6Header::default()
    };
    frame.push(icmp::HEADER_LEN)?.copy_from_slice(&message.to_bytes());
    frame.push(ipv6::HEADER_LEN)?.copy_from_slice(&ip.to_bytes());
    Some(())
}

/// Addresses and tags of the answer: those of the question, turned round. `at` is where the packet starts now.
fn link(frame: &[u8], at: usize, ether_type: u16, key: &FlowKey) -> ([u8; LINK_MAX], usize) {
    const SERVICE: [u8; 2] = ethertype::SERVICE_VLAN.to_be_bytes();
    const CUSTOMER: [u8; 2] = ethertype::VLAN.to_be_bytes();
    let mut link = [0; LINK_MAX];
    link[..6].copy_from_slice(&tail::<6>(key.get(Field::EthSrc)));
    link[6..12].copy_from_slice(&tail::<6>(key.get(Field::EthDst)));
    let tags = [Field::VlanTci, Field::InnerVlanTci].map(|field| key.get(field) as u16);
    let count = tags.iter().take_while(|tci| **tci & TAG_PRESENT != 0).count();
    // A key does not say of which type a tag was: those that are still there do, of others the usual is taken.
    let still_there = at == ethernet::HEADER_LEN + count * vlan::HEADER_LEN;
    let mut len = 12;
    for (i, tci) in tags.iter().take(count).enumerate() {
        let tpid = match frame.get(len..len + 2) {
            Some(tpid) if still_there => [tpid[0], tpid[1]],
            _ if i + 1 < count => SERVICE,
            _ => CUSTOMER,
        };
        link[len..len + 2].copy_from_slice(&tpid);
        link[len + 2..len + 4].copy_from_slice(&(tci & !TAG_PRESENT).to_be_bytes());
        len += vlan::HEADER_LEN;
    }
    link[len..len + 2].copy_from_slice(&ether_type.to_be_bytes());
    (link, len + 2)
}

/// Puts back what rules may have changed in `packet`.
fn restore_v4(packet: &mut [u8], header_len: usize, key: &FlowKey) {
    let before = covered(packet, ipv4::at::SOURCE..ipv4::HEADER_LEN, header_len, key);
    packet[ipv4::at::TOS] = key.get(Field::NwTos) as u8;
    packet[ipv4::at::TTL] = key.get(Field::NwTtl) as u8;
    put(packet, ipv4::at::SOURCE, &tail::<4>(key.get(Field::NwSrc)));
    put(packet, ipv4::at::DESTINATION, &tail::<4>(key.get(Field::NwDst)));
    put(packet, ipv4::at::CHECKSUM, &[0, 0]);
    let checksum = packet.get(..header_len).map_or(0, |header| Sum::of(header).checksum());
    put(packet, ipv4::at::CHECKSUM, &checksum.to_be_bytes());
    restore_ports(packet, header_len, key);
    let after = covered(packet, ipv4::at::SOURCE..ipv4::HEADER_LEN, header_len, key);
    restore_checksum(packet, header_len, key, before, after);
}

fn restore_v6(packet: &mut [u8], payload_at: usize, key: &FlowKey) {
    let before = covered(packet, ipv6::at::SOURCE..ipv6::HEADER_LEN, payload_at, key);
    let class = key.get(Field::NwTos) as u8;
    packet[0] = packet[0] & 0xf0 | class >> 4;
    packet[1] = packet[1] & 0x0f | class << 4;
    packet[ipv6::at::HOP_LIMIT] = key.get(Field::NwTtl) as u8;
    put(packet, ipv6::at::SOURCE, &tail::<16>(key.get(Field::Ipv6Src)));
    put(packet, ipv6::at::DESTINATION, &tail::<16>(key.get(Field::Ipv6Dst)));
    restore_ports(packet, payload_at, key);
    let after = covered(packet, ipv6::at::SOURCE..ipv6::HEADER_LEN, payload_at, key);
    restore_checksum(packet, payload_at, key, before, after);
}

/// Whether there are ports: neither a later fragment nor a header cut short has any, in the key or in the packet.
fn has_ports(key: &FlowKey) -> bool {
    let of_ports = matches!(key.get(Field::NwProto) as u8, protocol::TCP | protocol::UDP | protocol::SCTP);
    of_ports && key.get(Field::TpSrc) | key.get(Field::TpDst) != 0
}

/// The sum of what a transport checksum covers and rules may change: addresses and ports.
fn covered(packet: &[u8], addresses: Range<usize>, transport: usize, key: &FlowKey) -> Sum {
    let sum = |range: Range<usize>| packet.get(range).map_or(Sum::ZERO, Sum::of);
    let ports = if has_ports(key) { sum(transport..transport + 4) } else { Sum::ZERO };
    sum(addresses).combine(ports)
}

/// Lets the transport checksum follow, where there is one.
fn restore_checksum(packet: &mut [u8], transport: usize, key: &FlowKey, before: Sum, after: Sum) {
    let at = match key.get(Field::NwProto) as u8 {
        protocol::TCP if has_ports(key) => transport + tcp::at::CHECKSUM,
        protocol::UDP if has_ports(key) => transport + udp::at::CHECKSUM,
        _ => return,
    };
    let Some(field) = octets(packet, at).map(u16::from_be_bytes) else { return };
    // RFC 768: zero is no checksum.
    if field != 0 {
        put(packet, at, &update(field, before, after).to_be_bytes());
    }
}

fn restore_ports(packet: &mut [u8], at: usize, key: &FlowKey) {
    if has_ports(key) {
        put(packet, at, &tail::<2>(key.get(Field::TpSrc)));
        put(packet, at + 2, &tail::<2>(key.get(Field::TpDst)));
    }
}

fn put(packet: &mut [u8], at: usize, value: &[u8]) {
    if let Some(place) = packet.get_mut(at..at + value.len()) {
        place.copy_from_slice(value);
    }
}

fn octets<const N: usize>(packet: &[u8], at: usize) -> Option<[u8; N]> {
    packet.get(at..)?.first_chunk().copied()
}

/// The lowest `N` bytes of a number, in network order.
fn tail<const N: usize>(value: u128) -> [u8; N] {
    value.to_be_bytes().last_chunk().copied().unwrap_or([0; N])
}
