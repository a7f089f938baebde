//! What can be done about a frame that is longer than its way carries, once the headers of the tunnel are around it.
//!
//! A tunnel is to its sender a link with a smaller MTU, and what a router does in front of such a link is done here: the sender
//! is told (RFC 1191, RFC 8201), or the packet is fragmented (RFC 791 section 2.3). This file decides; [`answer`](super::answer)
//! and [`fragment`](super::fragment) do it.

use super::fragment::Cuts;
use crate::wire::{ethernet, ethertype, ipv4, ipv6, vlan};

/// The smallest MTU of IPv4: "every internet module must be able to forward a datagram of 68 octets without further
/// fragmentation" (RFC 791 section 3.2).
pub const IPV4_MTU_MIN: usize = 68;
/// The smallest MTU of IPv6 (RFC 8200 section 5).
pub const IPV6_MTU_MIN: usize = 1280;

/// What is done with IPv4 packets that are too long and may be fragmented.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Fragmenting {
    /// They are fragmented before they get the tunnel's headers; the receiver puts them together.
    #[default]
    Inner,
    /// They are dropped.
    Drop,
}

/// What can be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// What makes the frame too long is padding behind the packet: cut to this length it fits.
    Trim(usize),
    /// The packet is sent in pieces.
    Fragment(Cuts),
    /// The sender is told that packets of so many bytes fit.
    Tell(u16),
    /// Nothing: it is no IP packet, or none that could be shorter.
    Nothing,
}

impl Remedy {
    /// For `frame` on a way that carries frames of at most `frame_max` bytes, both without the tunnel's headers.
    pub fn of(frame: &[u8], frame_max: usize, fragmenting: Fragmenting) -> Remedy {
        let Some((at, packet)) = Packet::of(frame) else { return Remedy::Nothing };
        let Some(room) = frame_max.checked_sub(at) else { return Remedy::Nothing };
        match packet {
            Packet::V4(ip) => v4(&ip, at, room, fragmenting),
            Packet::V6(ip) => v6(&ip, at, room),
        }
    }
}

fn v4(ip: &ipv4::View<'_>, at: usize, room: usize, fragmenting: Fragmenting) -> Remedy {
    let len = usize::from(ip.total_len());
    if len <= room {
        return Remedy::Trim(at + len);
    }
    match (ip.dont_fragment(), fragmenting) {
        // A sender that is told of less does not believe it.
        _ if room < IPV4_MTU_MIN => Remedy::Nothing,
        (true, _) => Remedy::Tell(room as u16),
        (false, Fragmenting::Inner) => Cuts::of(ip, at, room).map_or(Remedy::Nothing, Remedy::Fragment),
        (false, Fragmenting::Drop) => Remedy::Nothing,
    }
}

fn v6(ip: &ipv6::View<'_>, at: usize, room: usize) -> Remedy {
    let len = ipv6::HEADER_LEN + usize::from(ip.payload_len());
    match len {
        // A length of zero is no packet, or one beyond 64 KiB (RFC 2675).
        ipv6::HEADER_LEN => Remedy::Nothing,
        _ if len <= room => Remedy::Trim(at + len),
        // RFC 8200 section 5: no sender goes below, and only the sender may fragment (section 4.5).
        _ if len <= IPV6_MTU_MIN => Remedy::Nothing,
        // RFC 2473 section 7.1 (a): "the larger of 1280 octets and the tunnel MTU".
        _ => Remedy::Tell(room.max(IPV6_MTU_MIN) as u16),
    }
}

/// The IP packet in a frame.
pub(super) enum Packet<'a> {
    V4(ipv4::View<'a>),
    V6(ipv6::View<'a>),
}

impl<'a> Packet<'a> {
    /// With where it starts; behind however many tags.
    pub(super) fn of(frame: &'a [u8]) -> Option<(usize, Packet<'a>)> {
        let view = ethernet::View::parse(frame).ok()?;
        let (mut ether_type, mut rest) = (view.ethertype(), view.payload());
        while vlan::is_tag(ether_type) {
            let tag = vlan::View::parse(rest).ok()?;
            (ether_type, rest) = (tag.ethertype(), tag.payload());
        }
        let packet = match ether_type {
            ethertype::IPV4 => Packet::V4(ipv4::View::parse(rest).ok()?),
            ethertype::IPV6 => Packet::V6(ipv6::View::parse(rest).ok()?),
            _ => return None,
        };
        Some((frame.len() - rest.len(), packet))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use etherparse::{IpFragOffset, IpNumber, Ipv4Header, Ipv6Header, PacketBuilder};

    const LINK: usize = ethernet::HEADER_LEN;

    fn frame_v4(dont_fragment: bool, payload: usize) -> Vec<u8> {
        let mut ip = Ipv4Header::new(0, 64, IpNumber::UDP, [10, 0, 0, 1], [10, 0, 0, 2]).unwrap();
        (ip.dont_fragment, ip.fragment_offset) = (dont_fragment, IpFragOffset::ZERO);
        let builder =
            PacketBuilder::ethernet2([2; 6], [4; 6]).ip(etherparse::IpHeaders::Ipv4(ip, Default::default()));
        written(builder.udp(1, 2), payload)
    }

    fn frame_v6(payload: usize) -> Vec<u8> {
        let ip = Ipv6Header { hop_limit: 64, source: [1; 16], destination: [2; 16], ..Default::default() };
        let builder =
            PacketBuilder::ethernet2([2; 6], [4; 6]).ip(etherparse::IpHeaders::Ipv6(ip, Default::default()));
        written(builder.udp(1, 2), payload)
    }

    fn written(builder: etherparse::PacketBuilderStep<etherparse::UdpHeader>, payload: usize) -> Vec<u8> {
        let mut frame = Vec::new();
        builder.write(&mut frame, &vec![7; payload]).unwrap();
        frame
    }

    #[test]
    fn rfc1191_s3_the_sender_of_a_packet_that_must_not_be_fragmented_is_told_what_fits() {
        let frame = frame_v4(true, 1472);
        assert_eq!(frame.len(), LINK + 1500);
        for fragmenting in [Fragmenting::Inner, Fragmenting::Drop] {
            assert_eq!(Remedy::of(&frame, LINK + 1450, fragmenting), Remedy::Tell(1450));
            assert_eq!(Remedy::of(&frame, LINK + 68, fragmenting), Remedy::Tell(68));
            assert_eq!(
                Remedy::of(&frame, LINK + 67, fragmenting),
                Remedy::Nothing,
                "RFC 791: none is below 68"
            );
        }
    }

    #[test]
    fn rfc791_s2_3_a_packet_that_may_be_fragmented_is_unless_told_otherwise() {
        let frame = frame_v4(false, 1472);
        assert!(matches!(Remedy::of(&frame, LINK + 1450, Fragmenting::Inner), Remedy::Fragment(_)));
        assert_eq!(Remedy::of(&frame, LINK + 1450, Fragmenting::Drop), Remedy::Nothing);
    }

    #[test]
    fn rfc2473_s7_1_the_sender_of_ipv6_is_never_told_less_than_1280() {
        let frame = frame_v6(1452);
        assert_eq!(frame.len(), LINK + 1500);
        assert_eq!(Remedy::of(&frame, LINK + 1430, Fragmenting::Inner), Remedy::Tell(1430));
        assert_eq!(Remedy::of(&frame, LINK + 1200, Fragmenting::Inner), Remedy::Tell(1280));
        assert_eq!(Remedy::of(&frame_v6(1232), LINK + 1200, Fragmenting::Inner), Remedy::Nothing);
    }

    #[test]
    fn padding_behind_a_packet_that_fits_is_cut_off() {
        for (mut frame, len) in [(frame_v4(true, 100), 128), (frame_v6(100), 148)] {
            frame.resize(LINK + 1500, 0);
            assert_eq!(Remedy::of(&frame, LINK + 1450, Fragmenting::Inner), Remedy::Trim(LINK + len));
        }
    }

    #[test]
    fn tags_are_looked_behind_and_count() {
        let frame = frame_v4(true, 1472);
        let mut tagged = frame[..12].to_vec();
        tagged.extend([0x88, 0xa8, 0, 5, 0x81, 0, 0, 6]);
        tagged.extend(&frame[12..]);
        assert_eq!(Remedy::of(&tagged, LINK + 1450, Fragmenting::Inner), Remedy::Tell(1442));
    }

    #[test]
    fn a_frame_cut_short_at_any_length_or_of_another_kind_has_no_remedy() {
        for frame in [frame_v4(true, 1472), frame_v4(false, 1472), frame_v6(1452)] {
            for len in 0..frame.len() {
                assert_eq!(
                    Remedy::of(&frame[..len], len.saturating_sub(1), Fragmenting::Inner),
                    Remedy::Nothing
                );
            }
        }
        let mut arp = frame_v4(true, 1472);
        arp[12..14].copy_from_slice(&ethertype::ARP.to_be_bytes());
        assert_eq!(Remedy::of(&arp, 100, Fragmenting::Inner), Remedy::Nothing);
        let mut jumbo = frame_v6(1452);
        jumbo[LINK + 4..LINK + 6].fill(0);
        assert_eq!(Remedy::of(&jumbo, 1400, Fragmenting::Inner), Remedy::Nothing, "RFC 2675");
    }
}
