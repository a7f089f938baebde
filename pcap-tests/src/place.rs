//! What lies at a byte of a packet, for whoever reads a failure: etherparse takes the packet apart.

use etherparse::{LaxLinkExtSlice, LaxNetSlice, LaxSlicedPacket, TransportSlice};

/// RFC 7348 section 5.
const VXLAN_PORT: u16 = 4789;
const VXLAN_LEN: usize = 8;

/// The header that byte `at` is in, and which byte of it.
pub(crate) fn place(packet: &[u8], at: usize) -> String {
    let headers = headers(packet, 0, "");
    let header = headers.iter().rev().find(|(start, _)| *start <= at);
    header.map_or_else(String::new, |(start, name)| format!("byte {} of {name}", at - start))
}

/// The starts and names of headers, in order. `base` is where `frame` starts in the packet.
fn headers(frame: &[u8], base: usize, whose: &str) -> Vec<(usize, String)> {
    let mut headers = vec![(base, format!("{whose}Ethernet"))];
    let Ok(sliced) = LaxSlicedPacket::from_ethernet(frame) else { return headers };
    let at = |slice: &[u8]| base + (slice.as_ptr().addr() - frame.as_ptr().addr());
    let mut add = |slice: &[u8], name: &str| headers.push((at(slice), format!("{whose}{name}")));
    for extension in &sliced.link_exts {
        if let LaxLinkExtSlice::Vlan(vlan) = extension {
            add(vlan.slice(), "VLAN tag");
        }
    }
    match &sliced.net {
        Some(LaxNetSlice::Ipv4(ip)) => add(ip.header().slice(), "IPv4"),
        Some(LaxNetSlice::Ipv6(ip)) => add(ip.header().slice(), "IPv6"),
        Some(LaxNetSlice::Arp(arp)) => add(arp.slice(), "ARP"),
        None => {}
    }
    match &sliced.transport {
        Some(TransportSlice::Tcp(tcp)) => add(tcp.slice(), "TCP"),
        Some(TransportSlice::Icmpv4(icmp)) => add(icmp.slice(), "ICMP"),
        Some(TransportSlice::Icmpv6(icmp)) => add(icmp.slice(), "ICMPv6"),
        Some(TransportSlice::Udp(udp)) => {
            add(udp.slice(), "UDP");
            if whose.is_empty() && udp.destination_port() == VXLAN_PORT && udp.payload().len() >= VXLAN_LEN {
                add(udp.payload(), "VXLAN");
                let inner = &udp.payload()[VXLAN_LEN..];
                let start = at(inner);
                headers.extend(self::headers(inner, start, "the inner "));
            } else {
                add(udp.payload(), "the payload of UDP");
            }
        }
        _ => {}
    }
    headers
}
