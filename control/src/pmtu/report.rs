//! "Fragmentation needed" (RFC 792, RFC 1191 section 4) and "packet too big" (RFC 4443 section 3.2), taken apart: who says it is of no
//! interest, of which packet it is said decides whether it is believed.

use datapath::wire::{gre, icmp, ipv4, ipv6, ports, protocol, udp, vxlan};
use std::net::IpAddr;

/// What was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// Source of the packet that did not fit.
    pub local: IpAddr,
    /// Its destination.
    pub remote: IpAddr,
    /// Its length, in bytes, IP header included.
    pub len: u32,
    /// What it carried.
    pub carried: Carried,
    /// What would fit; 0 from routers that do not say (RFC 1191 section 5).
    pub mtu: u32,
}

/// What the packet that did not fit carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carried {
    /// UDP, with its ports.
    Udp {
        /// Source.
        source: u16,
        /// Destination.
        destination: u16,
        /// The network identifier of VXLAN or Geneve behind it, which are in the same place; none: too little is quoted.
        vni: Option<u32>,
    },
    /// GRE with Ethernet in it.
    Gre {
        /// Its key, if it has one; none: too little is quoted.
        key: Option<Option<u32>>,
    },
}

impl Report {
    /// Of an IPv4 packet, as a raw socket hands it out. None: it says nothing of the kind, or is damaged.
    pub fn from_ipv4(packet: &[u8]) -> Option<Report> {
        let ip = ipv4::View::parse(packet).ok().filter(|ip| ip.protocol() == protocol::ICMP)?;
        let message = icmp::View::parse(ip.payload()).ok()?;
        // A raw socket gets the message before the kernel has looked at its checksum (net/ipv4/ip_input.c).
        let whole = message.checksum_ok(datapath::wire::checksum::Sum::ZERO);
        let said = (message.kind(), message.code())
            == (icmp::v4::DESTINATION_UNREACHABLE, icmp::v4::FRAGMENTATION_NEEDED);
        if !(whole && said) {
            return None;
        }
        let quoted = message.payload();
        let header: &[u8; ipv4::HEADER_LEN] = quoted.first_chunk()?;
        let header_len = usize::from(header[ipv4::at::VERSION_IHL] & 0x0f) * 4;
        let offset =
            u16::from_be_bytes([header[ipv4::at::FRAGMENT], header[ipv4::at::FRAGMENT + 1]]) & 0x1fff;
        // Tunnel packets of ours have no options and are no fragments; those that may be fragmented are not answered.
        let must_be_whole = header[ipv4::at::FRAGMENT] & 0x40 != 0;
        let plain = header[ipv4::at::VERSION_IHL] >> 4 == 4 && header_len == ipv4::HEADER_LEN;
        if !plain || offset != 0 || !must_be_whole {
            return None;
        }
        let len = u16::from_be_bytes([header[ipv4::at::TOTAL_LEN], header[ipv4::at::TOTAL_LEN + 1]]);
        let payload_len = len.checked_sub(ipv4::HEADER_LEN as u16)?;
        let address = |at: usize| Some(IpAddr::from(*quoted.get(at..)?.first_chunk::<4>()?));
        Some(Report {
            local: address(ipv4::at::SOURCE)?,
            remote: address(ipv4::at::DESTINATION)?,
            len: len.into(),
            carried: Carried::of(header[ipv4::at::PROTOCOL], payload_len, &quoted[header_len..])?,
            // RFC 1191 section 4: the upper half is unused.
            mtu: message.mtu() & 0xffff,
        })
    }

    /// Of an ICMPv6 message, as a raw socket hands it out; the kernel has verified its checksum (RFC 3542 section 3.1).
    pub fn from_icmpv6(message: &[u8]) -> Option<Report> {
        let message = icmp::View::parse(message).ok().filter(|m| m.kind() == icmp::v6::PACKET_TOO_BIG)?;
        let quoted = message.payload();
        let header: &[u8; ipv6::HEADER_LEN] = quoted.first_chunk()?;
        if header[0] >> 4 != 6 {
            return None;
        }
        let address = |at: usize| Some(IpAddr::from(*quoted.get(at..)?.first_chunk::<16>()?));
        let len = u16::from_be_bytes([header[ipv6::at::PAYLOAD_LEN], header[ipv6::at::PAYLOAD_LEN + 1]]);
        Some(Report {
            local: address(ipv6::at::SOURCE)?,
            remote: address(ipv6::at::DESTINATION)?,
            len: u32::from(len) + ipv6::HEADER_LEN as u32,
            carried: Carried::of(header[ipv6::at::NEXT_HEADER], len, &quoted[ipv6::HEADER_LEN..])?,
            mtu: message.mtu(),
        })
    }
}

impl Carried {
    /// Of `len` bytes; at least eight of them are quoted (RFC 792).
    fn of(protocol: u8, len: u16, quoted: &[u8]) -> Option<Carried> {
        let word = |at: usize| Some(u32::from_be_bytes(*quoted.get(at..)?.first_chunk()?));
        match protocol {
            protocol::UDP => {
                let (source, destination) = ports(quoted)?;
                let said = word(udp::at::LENGTH)? >> 16;
                let vni = word(udp::HEADER_LEN + vxlan::at::VNI).map(|word| word >> 8);
                (said == u32::from(len)).then_some(Carried::Udp { source, destination, vni })
            }
            protocol::GRE => {
                let (flags, ethernet) = (word(0)? >> 16, word(0)? & 0xffff == u32::from(gre::ETHERNET));
                let at = if flags & CHECKSUM != 0 { 8 } else { 4 };
                let key = if flags & KEY != 0 { word(at).map(Some) } else { Some(None) };
                ethernet.then_some(Carried::Gre { key })
            }
            _ => None,
        }
    }
}

/// Flags of GRE (RFC 2890 section 2), in its first two bytes.
const CHECKSUM: u32 = 0x8000;
const KEY: u32 = 0x2000;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// scapy: bytes(IP(src="198.51.100.1", dst="192.0.2.1")/ICMP(type=3, code=4, nexthopmtu=1400)/
    ///     bytes(IP(src="192.0.2.1", dst="192.0.2.2", flags="DF", id=0, len=1500)/UDP(sport=50000, dport=4789, len=1480, chksum=0))[:28])
    const NEEDED: [u8; 56] = [
        0x45, 0x00, 0x00, 0x38, 0x00, 0x01, 0x00, 0x00, 0x40, 0x01, 0x8d, 0xc0, 0xc6, 0x33, 0x64, 0x01, 0xc0,
        0x00, 0x02, 0x01, 0x03, 0x04, 0x00, 0x00, 0x00, 0x00, 0x05, 0x78, 0x45, 0x00, 0x05, 0xdc, 0x00, 0x00,
        0x40, 0x00, 0x40, 0x11, 0xb1, 0x0e, 0xc0, 0x00, 0x02, 0x01, 0xc0, 0x00, 0x02, 0x02, 0xc3, 0x50, 0x12,
        0xb5, 0x05, 0xc8, 0x00, 0x00,
    ];
    /// scapy: bytes(ICMPv6PacketTooBig(mtu=1400)/bytes(IPv6(src="2001:db8::1", dst="2001:db8::2", nh=47, plen=1460)/
    ///     GRE(proto=0x6558, key_present=1, key=7)))
    const TOO_BIG: [u8; 56] = [
        0x02, 0x00, 0x00, 0x00, 0x00, 0x00, 0x05, 0x78, 0x60, 0x00, 0x00, 0x00, 0x05, 0xb4, 0x2f, 0x40, 0x20,
        0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0,
        0, 0, 0, 2, 0x20, 0x00, 0x65, 0x58, 0x00, 0x00, 0x00, 0x07,
    ];

    #[test]
    fn rfc1191_s4_fragmentation_needed_is_read() {
        let report = Report {
            local: "192.0.2.1".parse().unwrap(),
            remote: "192.0.2.2".parse().unwrap(),
            len: 1500,
            carried: Carried::Udp { source: 50_000, destination: 4789, vni: None },
            mtu: 1400,
        };
        assert_eq!(Report::from_ipv4(&summed(NEEDED)), Some(report));
        let mut damaged = summed(NEEDED);
        damaged[27] ^= 1;
        assert_eq!(Report::from_ipv4(&damaged), None);
        for (at, value) in [(20, 11), (21, 1), (28, 0x46), (28, 0x65), (34, 0), (35, 1), (37, 6), (52, 4)] {
            let mut other = NEEDED;
            other[at] = value;
            assert_eq!(Report::from_ipv4(&summed(other)), None, "byte {at} is {value}");
        }
    }

    /// With a right checksum of the message, which scapy had left out above.
    fn summed(mut packet: [u8; 56]) -> [u8; 56] {
        packet[22..24].fill(0);
        let sum = crate::lab::checksum(&packet[20..]);
        packet[22..24].copy_from_slice(&sum.to_be_bytes());
        packet
    }

    #[test]
    fn rfc4443_s3_2_packet_too_big_is_read() {
        let report = Report {
            local: "2001:db8::1".parse().unwrap(),
            remote: "2001:db8::2".parse().unwrap(),
            len: 1500,
            carried: Carried::Gre { key: Some(Some(7)) },
            mtu: 1400,
        };
        assert_eq!(Report::from_icmpv6(&TOO_BIG), Some(report));
        let mut other = TOO_BIG;
        other[0] = 1;
        assert_eq!(Report::from_icmpv6(&other), None);
    }

    #[test]
    fn what_is_quoted_of_a_tunnel_header_is_read() {
        let udp = [0xc3, 0x50, 0x12, 0xb5, 0x05, 0xc8, 0, 0, 8, 0, 0, 0, 0, 0x13, 0x89, 0];
        let vni = |quoted: &[u8]| match Carried::of(protocol::UDP, 1480, quoted) {
            Some(Carried::Udp { vni, .. }) => vni,
            other => panic!("{other:?}"),
        };
        assert_eq!((vni(&udp), vni(&udp[..15])), (Some(5001), None));
        assert_eq!(Carried::of(protocol::UDP, 1479, &udp), None);
        let gre = |quoted: &[u8]| Carried::of(protocol::GRE, 1480, quoted);
        let key = |key| Some(Carried::Gre { key });
        assert_eq!(gre(&[0, 0, 0x65, 0x58]), key(Some(None)));
        assert_eq!(gre(&[0x20, 0, 0x65, 0x58, 0, 0, 0, 7]), key(Some(Some(7))));
        assert_eq!(gre(&[0xa0, 0, 0x65, 0x58, 1, 2, 0, 0, 0, 0, 0, 7]), key(Some(Some(7))));
        assert_eq!(gre(&[0xa0, 0, 0x65, 0x58, 1, 2, 0, 0]), key(None));
        assert_eq!(gre(&[0x20, 0, 0x08, 0x00, 0, 0, 0, 7]), None);
    }

    #[test]
    fn a_message_cut_short_at_any_length_says_nothing() {
        for len in 0..NEEDED.len() {
            assert_eq!(Report::from_ipv4(&summed(NEEDED)[..len]), None);
        }
        for len in 0..52 {
            assert_eq!(Report::from_icmpv6(&TOO_BIG[..len]), None);
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = (Report::from_ipv4(&bytes), Report::from_icmpv6(&bytes));
        }
    }
}
