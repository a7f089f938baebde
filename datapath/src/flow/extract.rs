//! Reads a frame's key out of its bytes.
//!
//! A frame shorter than an Ethernet header has no key. Everything behind that header may be cut short or nonsense: a
//! switch forwards by what it understands, so a header that contradicts itself just leaves its fields, and those behind
//! it, zero (Open vSwitch, `lib/flow.c`, does the same). Reading never fails later and never panics.
//!
//! On the way it learns whether the transport checksum still has to be filled in: local Linux stacks leave that to the
//! device (`CHECKSUM_PARTIAL`), and for what they send we are the device.

use super::field::Field;
use super::hash::Seed;
use super::key::{FlowKey, OfPort, Short};
use super::scope::Scope;
use super::{plain, shim};
use crate::stats::DropReason;
use crate::wire::{self, Fragment, arp, ethernet, ethertype, icmp, ipv4, ipv6, nd, protocol, udp, vlan};
use std::net::IpAddr;

/// What the outer headers said of a frame that came out of a tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tunnelled {
    /// The endpoint that sent it.
    pub remote: IpAddr,
    /// Our endpoint.
    pub local: IpAddr,
    /// Tunnel key.
    pub id: u64,
    /// Outer type of service.
    pub tos: u8,
    /// Outer time to live.
    pub ttl: u8,
    /// Flags: bit 0 for a control message.
    pub flags: u16,
    /// Which options there were, as it lies in the key; their data follow apart.
    pub options: u16,
    /// Group policy: identifier in the upper half, flags above the lowest byte, as they lie in the key.
    pub policy: u32,
}

impl Tunnelled {
    /// A group policy as [`Tunnelled::policy`] holds it.
    #[inline]
    pub const fn policy_of(id: u16, flags: u8) -> u32 {
        (id as u32) << 16 | (flags as u32) << 8
    }
}

/// A transport checksum that the sender left to the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unfilled {
    /// Where the transport header starts, in bytes from the start of the frame.
    pub start: usize,
    /// Where its checksum field is, in bytes from `start`.
    pub field: usize,
    /// Where the payload ends, in bytes from the start of the frame; padding may follow.
    pub end: usize,
}

impl Unfilled {
    #[inline]
    fn of(start: usize, field: usize, transport: &[u8]) -> Unfilled {
        Unfilled { start, field, end: start + transport.len() }
    }
}

/// What frames that come from one place have in common: the port that they came in by, or the tunnel and what its outer headers
/// said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    short: Short,
    hash: u64,
    /// The outer addresses, remote and local, if they are of IPv6.
    ipv6: Option<(IpAddr, IpAddr)>,
}

impl Origin {
    /// A port.
    #[inline]
    pub fn port(in_port: OfPort, scope: &Scope) -> Origin {
        let mut short = Short::default();
        short.give(Field::InPort, in_port.0);
        Origin { hash: scope.origin_hash(&short.words()), short, ipv6: None }
    }

    /// A tunnel port.
    pub fn tunnel(in_port: OfPort, tunnelled: &Tunnelled, scope: &Scope) -> Origin {
        let mut short = Short::default();
        short.give(Field::InPort, in_port.0);
        from_tunnel(tunnelled, &mut short);
        let Tunnelled { remote, local, .. } = *tunnelled;
        let ipv6 = (remote.is_ipv6() || local.is_ipv6()).then_some((remote, local));
        Origin { hash: scope.origin_hash(&short.words()), short, ipv6 }
    }

    /// What [`Scope::hash_each`] has to know of it.
    #[inline(always)]
    pub fn hash(&self) -> u64 {
        self.hash
    }
}

/// Writes the key of a frame that is plain into `key`, and tells whether its checksum may be [`unfilled`]. None, and nothing is written,
/// for frames that only [`read_any`] reads.
#[inline(always)]
pub fn read_plain(frame: &[u8], origin: &Origin, key: &mut FlowKey) -> Option<bool> {
    if origin.ipv6.is_some() {
        return None;
    }
    let (short, suspect) = plain::read(frame, &origin.short)?;
    key.begin(&short);
    Some(suspect)
}

/// Of a plain frame for which [`read_plain`] said so.
pub fn unfilled(frame: &[u8]) -> Option<Unfilled> {
    plain::unfilled(frame)
}

/// Writes the key of any frame into `key`.
pub fn read_any(frame: &[u8], origin: &Origin, key: &mut FlowKey) -> Result<Option<Unfilled>, DropReason> {
    let unfilled = any(frame, origin.short, key)?;
    if let Some((remote, local)) = origin.ipv6 {
        from_tunnel_v6(remote, local, key);
    }
    Ok(unfilled)
}

/// Writes the key of the frame into `key`.
pub fn extract(
    frame: &[u8],
    in_port: OfPort,
    tunnelled: Option<&Tunnelled>,
    key: &mut FlowKey,
) -> Result<Option<Unfilled>, DropReason> {
    // Nobody asks for the hashes.
    static NOTHING: Scope = Scope::nothing(Seed::new(0));
    let origin = match tunnelled {
        Some(tunnelled) => Origin::tunnel(in_port, tunnelled, &NOTHING),
        None => Origin::port(in_port, &NOTHING),
    };
    match read_plain(frame, &origin, key) {
        Some(suspect) => Ok(if suspect { unfilled(frame) } else { None }),
        None => read_any(frame, &origin, key),
    }
}

/// The general way: any frame that has a key at all.
pub(super) fn any(frame: &[u8], mut short: Short, key: &mut FlowKey) -> Result<Option<Unfilled>, DropReason> {
    let ethernet = ethernet::View::parse(frame).map_err(|_| DropReason::FrameTooShort)?;
    short.give(Field::EthDst, mac(ethernet.destination()));
    short.give(Field::EthSrc, mac(ethernet.source()));
    let (ether_type, network) = behind_tags(&ethernet, &mut short);
    short.give(Field::EthType, ether_type);
    let start = frame.len() - network.len();
    let unfilled = if ether_type == ethertype::IPV4 { from_ipv4(network, start, &mut short) } else { None };
    key.begin(&short);
    Ok(match ether_type {
        ethertype::IPV4 => {
            shim::from_ip_in_ip(network, key);
            unfilled
        }
        ethertype::IPV6 => {
            let unfilled = from_ipv6(network, start, key);
            shim::from_ip_in_ip(network, key);
            unfilled
        }
        ethertype::ARP => from_arp(network, key),
        ethertype::MPLS | ethertype::MPLS_MULTICAST => shim::from_mpls(network, start, key),
        ethertype::PBB => shim::from_pbb(network, start, key),
        _ => None,
    })
}

/// What lies behind a shim that is no network header itself, as if it were the frame's own.
pub(super) fn network(ether_type: u16, network: &[u8], start: usize, key: &mut FlowKey) -> Option<Unfilled> {
    match ether_type {
        ethertype::IPV4 => {
            let mut short = Short::default();
            let unfilled = from_ipv4(network, start, &mut short);
            key.add(&short);
            shim::from_ip_in_ip(network, key);
            unfilled
        }
        ethertype::IPV6 => {
            let unfilled = from_ipv6(network, start, key);
            shim::from_ip_in_ip(network, key);
            unfilled
        }
        ethertype::ARP => from_arp(network, key),
        _ => None,
    }
}

#[inline]
pub(super) fn mac(address: wire::MacAddr) -> u64 {
    let [a, b, c, d, e, f] = address.0;
    u64::from(u32::from_be_bytes([a, b, c, d])) << 16 | u64::from(u16::from_be_bytes([e, f]))
}

#[inline]
fn from_tunnel(tunnelled: &Tunnelled, short: &mut Short) {
    short.give(Field::TunId, tunnelled.id);
    short.give(Field::TunTos, tunnelled.tos);
    short.give(Field::TunTtl, tunnelled.ttl);
    short.give(Field::TunFlags, tunnelled.flags);
    short.give(Field::TunGbpId, (tunnelled.policy >> 16) as u16);
    short.give(Field::TunGbpFlags, (tunnelled.policy >> 8) as u8);
    if let (IpAddr::V4(remote), IpAddr::V4(local)) = (tunnelled.remote, tunnelled.local) {
        short.give(Field::TunSrc, remote.to_bits());
        short.give(Field::TunDst, local.to_bits());
    }
}

fn from_tunnel_v6(remote: IpAddr, local: IpAddr, key: &mut FlowKey) {
    let v6 = |address: IpAddr| match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
        IpAddr::V6(v6) => v6.to_bits(),
    };
    key.set(Field::TunIpv6Src, v6(remote));
    key.set(Field::TunIpv6Dst, v6(local));
}

/// Notes up to two VLAN tags; the EtherType behind them and what it announces.
#[inline]
pub(super) fn behind_tags<'a>(ethernet: &ethernet::View<'a>, short: &mut Short) -> (u16, &'a [u8]) {
    const PRESENT: u16 = 0x1000;
    let mut ether_type = ethernet.ethertype();
    let mut rest = ethernet.payload();
    for field in [Field::VlanTci, Field::InnerVlanTci] {
        if !vlan::is_tag(ether_type) {
            break;
        }
        let Ok(tag) = vlan::View::parse(rest) else { break };
        short.give(field, tag.tci().0 | PRESENT);
        (ether_type, rest) = (tag.ethertype(), tag.payload());
    }
    // Below 0x0600 it is a length (IEEE 802.3); OpenFlow calls such frames 0x05ff (OFP_DL_TYPE_NOT_ETH_TYPE).
    (if ether_type < ethernet::ETHERTYPE_MIN { 0x05ff } else { ether_type }, rest)
}

#[inline]
fn fragment_bits(fragment: Fragment) -> u8 {
    match fragment {
        Fragment::Whole => 0,
        Fragment::First => 1,
        Fragment::Later => 3,
    }
}

#[inline(always)]
fn from_ipv4(network: &[u8], start: usize, short: &mut Short) -> Option<Unfilled> {
    let ip = ipv4::View::parse(network).ok()?;
    short.give(Field::NwSrc, ip.source().to_bits());
    short.give(Field::NwDst, ip.destination().to_bits());
    short.give(Field::NwProto, ip.protocol());
    short.give(Field::NwTos, ip.tos());
    short.give(Field::NwTtl, ip.ttl());
    let fragment = ip.fragment();
    short.give(Field::NwFrag, fragment_bits(fragment));
    if fragment == Fragment::Later {
        return None;
    }
    let transport = Transport::of(ip.protocol(), ip.payload())?;
    short.give(Field::TpSrc, transport.source);
    short.give(Field::TpDst, transport.destination);
    short.give(Field::TcpFlags, transport.flags);
    let field = transport.checksum?;
    let pseudo = |len| wire::checksum::pseudo_v4(ip.source(), ip.destination(), ip.protocol(), len as u16);
    (fragment == Fragment::Whole && is_unfilled(ip.payload(), field, pseudo)).then_some(Unfilled::of(
        start + ip.header_len(),
        field,
        ip.payload(),
    ))
}

fn from_ipv6(network: &[u8], start: usize, key: &mut FlowKey) -> Option<Unfilled> {
    let ip = ipv6::View::parse(network).ok()?;
    key.set(Field::Ipv6Src, ip.source().to_bits());
    key.set(Field::Ipv6Dst, ip.destination().to_bits());
    key.set(Field::Ipv6Label, ip.flow_label().into());
    key.set(Field::Ipv6Exthdr, ip.extension_headers().into());
    key.set(Field::NwTos, ip.traffic_class().into());
    key.set(Field::NwTtl, ip.hop_limit().into());
    key.set(Field::NwProto, ip.protocol().into());
    let fragment = ip.fragment();
    key.set(Field::NwFrag, fragment_bits(fragment).into());
    if fragment == Fragment::Later {
        return None;
    }
    if ip.protocol() == protocol::ICMPV6 {
        from_icmpv6(ip.payload(), key);
        return None;
    }
    let transport = Transport::of(ip.protocol(), ip.payload())?;
    key.set(Field::TpSrc, transport.source.into());
    key.set(Field::TpDst, transport.destination.into());
    key.set(Field::TcpFlags, transport.flags.into());
    let field = transport.checksum?;
    let pseudo = |len| wire::checksum::pseudo_v6(ip.source(), ip.destination(), ip.protocol(), len as u32);
    (fragment == Fragment::Whole && is_unfilled(ip.payload(), field, pseudo)).then_some(Unfilled::of(
        start + ip.payload_offset(),
        field,
        ip.payload(),
    ))
}

/// What the key says of a transport header.
#[derive(Clone, Copy, Debug, Default)]
struct Transport {
    /// Source port, or ICMP type.
    source: u16,
    /// Destination port, or ICMP code.
    destination: u16,
    /// Of TCP.
    flags: u16,
    /// Where the checksum of TCP or UDP is.
    checksum: Option<usize>,
}

impl Transport {
    /// None where there is no header that is understood, or not all of it.
    #[inline]
    fn of(proto: u8, bytes: &[u8]) -> Option<Transport> {
        /// Shortest header of each, as far as it is needed here.
        const TCP: usize = 20;
        const SCTP: usize = 12;
        const ICMP: usize = 8;
        let needed = match proto {
            protocol::TCP => TCP,
            protocol::UDP => udp::HEADER_LEN,
            protocol::SCTP => SCTP,
            protocol::ICMP => ICMP,
            _ => return None,
        };
        if bytes.len() < needed {
            return None;
        }
        if proto == protocol::ICMP {
            let (source, destination) = (bytes[0].into(), bytes[1].into());
            return Some(Transport { source, destination, ..Transport::default() });
        }
        let (source, destination) = wire::ports(bytes)?;
        let (flags, checksum) = match proto {
            protocol::TCP => (u16::from_be_bytes([bytes[12], bytes[13]]) & 0x0fff, Some(16)),
            protocol::UDP => (0, Some(udp::at::CHECKSUM)),
            _ => (0, None),
        };
        Some(Transport { source, destination, flags, checksum })
    }
}

/// Whether the checksum field holds only the sum of the pseudo-header. A UDP field of zero says that there is no checksum,
/// and a datagram shorter than its packet was made by no stack that leaves the rest to us.
#[inline(always)]
fn is_unfilled(transport: &[u8], field: usize, pseudo: impl Fn(usize) -> wire::checksum::Sum) -> bool {
    let word = |at: usize| transport.get(at..at + 2).map_or(0, |word| u16::from_be_bytes([word[0], word[1]]));
    let whole = field != udp::at::CHECKSUM || usize::from(word(udp::at::LENGTH)) == transport.len();
    let have = word(field);
    have != 0 && whole && wire::checksum::partial(pseudo(transport.len()), have)
}

fn from_arp(network: &[u8], key: &mut FlowKey) -> Option<Unfilled> {
    let arp = arp::View::parse(network).ok()?;
    // OpenFlow knows only operations that fit a byte; others are unmatchable, as in Open vSwitch.
    key.set(Field::NwProto, u8::try_from(arp.operation()).unwrap_or(0).into());
    key.set(Field::NwSrc, arp.sender_ip().to_bits().into());
    key.set(Field::NwDst, arp.target_ip().to_bits().into());
    key.set(Field::ArpSha, mac(arp.sender_mac()).into());
    key.set(Field::ArpTha, mac(arp.target_mac()).into());
    None
}

fn from_icmpv6(transport: &[u8], key: &mut FlowKey) {
    let Ok(message) = icmp::View::parse(transport) else { return };
    key.set(Field::TpSrc, message.kind().into());
    key.set(Field::TpDst, message.code().into());
    let Ok(neighbour) = nd::View::parse(transport) else { return };
    key.set(Field::NdTarget, neighbour.target().to_bits());
    key.set(Field::NdReserved, neighbour.flags().into());
    key.set(Field::NdOptionsType, neighbour.link_option().unwrap_or(0).into());
    if let Some(address) = neighbour.source_mac() {
        key.set(Field::NdSll, mac(address).into());
    }
    if let Some(address) = neighbour.target_mac() {
        key.set(Field::NdTll, mac(address).into());
    }
}
