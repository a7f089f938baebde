//! The frames of the tables, built by `etherparse` wherever it knows the header.

use etherparse::{
    ArpHardwareId, ArpOperation, ArpPacket, EtherType, IpFragOffset, IpHeaders, IpNumber, Ipv4Extensions,
    Ipv4Header, Ipv6Extensions, Ipv6FragmentHeader, Ipv6Header, Ipv6RawExtHeader, PacketBuilder,
    PacketBuilderStep, VlanId,
};
use std::net::{Ipv4Addr, Ipv6Addr};

pub(crate) const US: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
pub(crate) const PEER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
pub(crate) const OTHER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 3);
pub(crate) const US6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
pub(crate) const PEER6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2);
pub(crate) const OTHER6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 3);

pub(crate) const VXLAN: u16 = 4789;
pub(crate) const GENEVE: u16 = 6081;

pub(crate) const ETHERNET: usize = 14;
/// A GRE header without options, in front of an Ethernet frame.
pub(crate) const TEB: [u8; 4] = [0, 0, 0x65, 0x58];

/// Stands for the tunnel's own header and the tenant's frame, which the program never reads.
const PAYLOAD: [u8; 64] = [0x5a; 64];

// Whole frames.

pub(crate) fn udp(ip: IpHeaders, port: u16) -> Vec<u8> {
    written(|out| ethernet().ip(ip).udp(50_000, port).write(out, &PAYLOAD))
}

pub(crate) fn gre(ip: IpHeaders, header: &[u8]) -> Vec<u8> {
    written(|out| ethernet().ip(ip).write(out, IpNumber::GRE, &[header, &PAYLOAD].concat()))
}

pub(crate) fn tcp(to: Ipv4Addr, port: u16) -> Vec<u8> {
    written(|out| ethernet().ip(v4(to)).tcp(50_000, port, 1, 1024).write(out, &PAYLOAD))
}

pub(crate) fn ping(to: Ipv4Addr) -> Vec<u8> {
    written(|out| ethernet().ip(v4(to)).icmpv4_echo_request(1, 1).write(out, &PAYLOAD))
}

pub(crate) fn arp(whose: Ipv4Addr) -> Vec<u8> {
    let (mac, nobody) = ([2, 0, 0, 0, 0, 2], [0; 6]);
    let request = ArpPacket::new(
        ArpHardwareId::ETHERNET,
        EtherType::IPV4,
        ArpOperation::REQUEST,
        &mac,
        &PEER.octets(),
        &nobody,
        &whose.octets(),
    );
    written(|out| ethernet().arp(request.expect("the lengths fit")).write(out))
}

/// A UDP packet behind one or two VLAN tags.
pub(crate) fn tagged(tags: u8, ip: IpHeaders, port: u16) -> Vec<u8> {
    let (outer, inner) = (VlanId::try_new(7).expect("12 bits"), VlanId::try_new(8).expect("12 bits"));
    let tagged = match tags {
        1 => ethernet().single_vlan(outer),
        _ => ethernet().double_vlan(outer, inner),
    };
    written(|out| tagged.ip(ip).udp(50_000, port).write(out, &PAYLOAD))
}

/// The frame with one byte changed.
pub(crate) fn with(mut frame: Vec<u8>, at: usize, byte: u8) -> Vec<u8> {
    frame[at] = byte;
    frame
}

/// The frame with zeros at its end.
pub(crate) fn padded(mut frame: Vec<u8>, len: usize) -> Vec<u8> {
    frame.resize(len, 0);
    frame
}

fn ethernet() -> PacketBuilderStep<etherparse::Ethernet2Header> {
    PacketBuilder::ethernet2([2, 0, 0, 0, 0, 2], [2, 0, 0, 0, 0, 1])
}

fn written<E: std::fmt::Debug>(write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut out).expect("the frame can be written");
    out
}

// IP headers; lengths, protocols and checksums are filled in when the frame is written.

pub(crate) fn v4(to: Ipv4Addr) -> IpHeaders {
    v4_from(PEER, to)
}

pub(crate) fn v4_from(from: Ipv4Addr, to: Ipv4Addr) -> IpHeaders {
    ip4(|header| (header.source, header.destination) = (from.octets(), to.octets()))
}

pub(crate) fn v4_options(to: Ipv4Addr, len: usize) -> IpHeaders {
    let no_operation = [1; 40];
    ip4(|header| {
        header.destination = to.octets();
        header.options = no_operation[..len].try_into().expect("up to 40 bytes, whole words");
    })
}

/// A fragment at `offset` times 8 bytes.
pub(crate) fn v4_fragment(to: Ipv4Addr, offset: u16, more: bool) -> IpHeaders {
    ip4(|header| {
        header.destination = to.octets();
        header.dont_fragment = false;
        header.fragment_offset = IpFragOffset::try_new(offset).expect("13 bits");
        header.more_fragments = more;
    })
}

pub(crate) fn v6(to: Ipv6Addr) -> IpHeaders {
    ip6(to, Ipv6Extensions::default())
}

pub(crate) fn v6_hop_by_hop(to: Ipv6Addr) -> IpHeaders {
    let padding = [1, 4, 0, 0, 0, 0];
    let options = Ipv6RawExtHeader::new_raw(IpNumber::UDP, &padding).expect("8 bytes with its own two");
    ip6(to, Ipv6Extensions { hop_by_hop_options: Some(options), ..Ipv6Extensions::default() })
}

pub(crate) fn v6_fragment(to: Ipv6Addr) -> IpHeaders {
    let first = Ipv6FragmentHeader::new(IpNumber::UDP, IpFragOffset::ZERO, true, 1);
    ip6(to, Ipv6Extensions { fragment: Some(first), ..Ipv6Extensions::default() })
}

/// An IPv6 address whose first bytes are those of an IPv4 address and whose last are zero, as the program's keys hold
/// IPv4 addresses.
pub(crate) fn v6_like(addr: Ipv4Addr) -> Ipv6Addr {
    let mut octets = [0; 16];
    octets[..4].copy_from_slice(&addr.octets());
    octets.into()
}

fn ip4(change: impl FnOnce(&mut Ipv4Header)) -> IpHeaders {
    let mut header =
        Ipv4Header { source: PEER.octets(), time_to_live: 64, dont_fragment: true, ..Ipv4Header::default() };
    change(&mut header);
    IpHeaders::Ipv4(header, Ipv4Extensions::default())
}

fn ip6(to: Ipv6Addr, extensions: Ipv6Extensions) -> IpHeaders {
    let header = Ipv6Header {
        source: PEER6.octets(),
        destination: to.octets(),
        hop_limit: 64,
        ..Ipv6Header::default()
    };
    IpHeaders::Ipv6(header, extensions)
}
