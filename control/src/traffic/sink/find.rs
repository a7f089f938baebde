//! From the bytes of a frame to the mark in it, through VLAN tags and tunnels.
//!
//! Everything comes from a wire: what does not parse has no mark, and that is all.

use crate::traffic::mark::Mark;
use datapath::wire::checksum::{Sum, pseudo_v4, pseudo_v6};
use datapath::wire::{ethernet, ethertype, geneve, gre, ipv4, ipv6, protocol, udp, vlan, vxlan};

/// How many tunnels may lie in one another.
const DEPTH: usize = 3;
/// How many tags in a row.
const TAGS: usize = 2;

/// A frame of a generator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) mark: Mark,
    /// The checksums of UDP and IPv4 around it are right.
    pub(super) intact: bool,
}

/// The mark of a frame, if it has one. `vxlan_port` is where VXLAN is expected, besides its own port.
///
/// Where `whole` is false more of the frame lies elsewhere, and its checksums are taken on trust.
pub(super) fn find(mut frame: &[u8], whole: bool, vxlan_port: Option<u16>) -> Option<Found> {
    for _ in 0..DEPTH {
        match layer(frame, whole, vxlan_port)? {
            Layer::Found(found) => return Some(found),
            Layer::Tunnel(inner) => frame = inner,
        }
    }
    None
}

/// How long a frame is of which this is the first piece: as its outer header says.
pub(super) fn whole_len(piece: &[u8]) -> usize {
    let word = |at: usize| {
        piece.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |word| u16::from_be_bytes(*word).into())
    };
    let tag = if vlan::is_tag(word(ethernet::at::ETHERTYPE) as u16) { vlan::HEADER_LEN } else { 0 };
    let ip = ethernet::HEADER_LEN + tag;
    let len = if word(ip - 2) == usize::from(ethertype::IPV4) {
        word(ip + ipv4::at::TOTAL_LEN)
    } else {
        ipv6::HEADER_LEN + word(ip + ipv6::at::PAYLOAD_LEN)
    };
    (ip + len).max(piece.len())
}

enum Layer<'a> {
    Found(Found),
    Tunnel(&'a [u8]),
}

/// One Ethernet frame, up to its payload or the frame that it carries.
fn layer(frame: &[u8], whole: bool, vxlan_port: Option<u16>) -> Option<Layer<'_>> {
    let link = ethernet::View::parse(frame).ok()?;
    let (mut kind, mut rest) = (link.ethertype(), link.payload());
    for _ in 0..TAGS {
        if !vlan::is_tag(kind) {
            break;
        }
        let tag = vlan::View::parse(rest).ok()?;
        (kind, rest) = (tag.ethertype(), tag.payload());
    }
    match kind {
        ethertype::IPV4 => {
            let packet = Packet::ipv4(rest, whole)?;
            packet.open(vxlan_port)
        }
        ethertype::IPV6 => {
            let packet = Packet::ipv6(rest, whole)?;
            packet.open(vxlan_port)
        }
        _ => None,
    }
}

/// An IP packet.
struct Packet<'a> {
    protocol: u8,
    payload: &'a [u8],
    pseudo: Sum,
    /// All of it is there, and its header is right.
    whole: bool,
    intact: bool,
}

impl<'a> Packet<'a> {
    fn ipv4(bytes: &'a [u8], whole: bool) -> Option<Packet<'a>> {
        if whole {
            let ip = ipv4::View::parse(bytes).ok()?;
            if ip.more_fragments() || ip.fragment_offset() != 0 {
                return None;
            }
            let payload = ip.payload();
            let pseudo = pseudo_v4(ip.source(), ip.destination(), ip.protocol(), payload.len() as u16);
            return Some(Packet {
                protocol: ip.protocol(),
                payload,
                pseudo,
                whole,
                intact: ip.checksum_ok(),
            });
        }
        // The view wants all that the length field promises.
        let header: &[u8; ipv4::HEADER_LEN] = bytes.first_chunk()?;
        let header_len = usize::from(header[ipv4::at::VERSION_IHL] & 0x0f) * 4;
        let protocol = header[ipv4::at::PROTOCOL];
        let fragment = header[ipv4::at::FRAGMENT] & 0x3f | header[ipv4::at::FRAGMENT + 1];
        let payload = bytes.get(header_len.max(ipv4::HEADER_LEN)..)?;
        (fragment == 0).then_some(Packet { protocol, payload, pseudo: Sum::ZERO, whole, intact: true })
    }

    fn ipv6(bytes: &'a [u8], whole: bool) -> Option<Packet<'a>> {
        if whole {
            let ip = ipv6::View::parse(bytes).ok()?;
            let payload = ip.payload();
            let pseudo = pseudo_v6(ip.source(), ip.destination(), ip.protocol(), payload.len() as u32);
            return Some(Packet { protocol: ip.protocol(), payload, pseudo, whole, intact: true });
        }
        let (header, payload) = bytes.split_first_chunk::<{ ipv6::HEADER_LEN }>()?;
        let protocol = header[ipv6::at::NEXT_HEADER];
        Some(Packet { protocol, payload, pseudo: Sum::ZERO, whole, intact: true })
    }

    fn open(&self, vxlan_port: Option<u16>) -> Option<Layer<'a>> {
        match self.protocol {
            protocol::UDP => self.udp(vxlan_port),
            protocol::GRE => {
                let gre = gre::View::parse(self.payload).ok()?;
                (gre.protocol() == gre::ETHERNET).then(|| Layer::Tunnel(gre.payload()))
            }
            _ => None,
        }
    }

    fn udp(&self, vxlan_port: Option<u16>) -> Option<Layer<'a>> {
        let (header, payload) = self.payload.split_first_chunk::<{ udp::HEADER_LEN }>()?;
        let port = u16::from_be_bytes([header[2], header[3]]);
        if let Some(mark) = Mark::parse(payload) {
            let intact = self.intact && (!self.whole || self.checksum_ok());
            return Some(Layer::Found(Found { mark, intact }));
        }
        if port == vxlan::PORT || Some(port) == vxlan_port {
            let vxlan = vxlan::View::parse(payload).ok()?;
            return Some(Layer::Tunnel(vxlan.payload()));
        }
        if port == geneve::PORT {
            let geneve = geneve::View::parse(payload).ok()?;
            return (geneve.protocol() == geneve::ETHERNET).then(|| Layer::Tunnel(geneve.payload()));
        }
        None
    }

    fn checksum_ok(&self) -> bool {
        udp::View::parse(self.payload)
            .is_ok_and(|udp| usize::from(udp.length()) == self.payload.len() && udp.checksum_ok(self.pseudo))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_bytes_are_read_without_fault(bytes in proptest::collection::vec(any::<u8>(), 0..200), whole: bool) {
            let _ = find(&bytes, whole, Some(8472));
        }

        /// Headers that nearly fit, cut off anywhere and with a byte changed.
        #[test]
        fn broken_frames_are_read_without_fault(cut in 0_usize..220, at in 0_usize..200, value: u8, whole: bool) {
            let mut frame = crate::traffic::generate::example();
            if let Some(byte) = frame.get_mut(at) {
                *byte = value;
            }
            let _ = find(frame.get(..cut).unwrap_or(&frame), whole, None);
        }
    }

    #[test]
    fn a_mark_is_found_and_a_flipped_bit_seen() {
        let frame = crate::traffic::generate::example();
        assert!(find(&frame, true, None).is_some_and(|found| found.intact));
        assert!(find(&frame[..170], false, None).is_some());
        let mut broken = frame;
        *broken.last_mut().unwrap() ^= 1;
        assert!(find(&broken, true, None).is_some_and(|found| !found.intact));
    }
}
