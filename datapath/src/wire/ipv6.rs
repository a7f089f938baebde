//! IPv6: addresses, the protocol behind the extension headers, and whether this is a fragment.
//! Follows RFC 8200, section 3; the chain of extension headers is walked by [`extension`].
//!
//! What is behind the payload length is padding of a short Ethernet frame: `payload` is without it, `trailer`
//! shows it. Jumbograms (RFC 2675) do not occur on the links served here and are refused.

use core::net::Ipv6Addr;

use super::extension::{self, Chain};
use super::{Error, Fragment, Layer, be16, be32, put, read, split, write};

/// Length of the header without extension headers.
pub const HEADER_LEN: usize = 40;

/// Offsets of the fields.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |Version| Traffic Class |           Flow Label                  |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |         Payload Length        |  Next Header  |   Hop Limit   |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                                                               |
/// +                                                               +
/// |                                                               |
/// +                         Source Address                        +
/// |                                                               |
/// +                                                               +
/// |                                                               |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                                                               |
/// +                                                               +
/// |                                                               |
/// +                      Destination Address                      +
/// |                                                               |
/// +                                                               +
/// |                                                               |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
pub mod at {
    /// Version, traffic class and flow label, 4 bytes.
    pub const VERSION_CLASS_LABEL: usize = 0;
    /// Length of everything behind this header, 2 bytes.
    pub const PAYLOAD_LEN: usize = 4;
    /// What follows this header, 1 byte.
    pub const NEXT_HEADER: usize = 6;
    /// Hop limit, 1 byte.
    pub const HOP_LIMIT: usize = 7;
    /// Source address, 16 bytes.
    pub const SOURCE: usize = 8;
    /// Destination address, 16 bytes.
    pub const DESTINATION: usize = 24;
}

/// The bits of the flow label.
const FLOW_LABEL_MASK: u32 = 0x000f_ffff;

/// A packet taken apart.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    header: &'a [u8; HEADER_LEN],
    chain: Chain<'a>,
    payload_offset: usize,
    trailer: &'a [u8],
}

impl<'a> View<'a> {
    /// Takes the payload of an Ethernet frame apart: version, length and the chain of headers agree with it.
    #[inline]
    pub fn parse(bytes: &'a [u8]) -> Result<View<'a>, Error> {
        let (header, rest) = split::<HEADER_LEN>(bytes, Layer::Ipv6)?;
        if header[at::VERSION_CLASS_LABEL] >> 4 != 6 {
            return Err(Error::BadVersion(Layer::Ipv6));
        }
        let payload_len = usize::from(be16::<{ at::PAYLOAD_LEN }, _>(header));
        let bad_length = Error::BadTotalLength(Layer::Ipv6);
        let (body, trailer) = rest.split_at_checked(payload_len).ok_or(bad_length)?;
        let chain = extension::walk(header[at::NEXT_HEADER], body)?;
        let payload_offset = HEADER_LEN + (body.len() - chain.payload.len());
        Ok(View { header, chain, payload_offset, trailer })
    }

    /// Differentiated services code point, 6 bits.
    #[inline]
    #[must_use]
    pub fn dscp(&self) -> u8 {
        self.traffic_class() >> 2
    }

    /// Explicit congestion notification, 2 bits.
    #[inline]
    #[must_use]
    pub fn ecn(&self) -> u8 {
        self.traffic_class() & 0x03
    }

    /// DSCP and ECN in one byte.
    #[inline]
    #[must_use]
    pub fn traffic_class(&self) -> u8 {
        (be32::<{ at::VERSION_CLASS_LABEL }, _>(self.header) >> 20) as u8
    }

    /// What the packets of one flow have in common, 20 bits; zero if the sender does not say.
    #[inline]
    #[must_use]
    pub fn flow_label(&self) -> u32 {
        be32::<{ at::VERSION_CLASS_LABEL }, _>(self.header) & FLOW_LABEL_MASK
    }

    /// Length of extension headers and payload.
    #[inline]
    #[must_use]
    pub fn payload_len(&self) -> u16 {
        be16::<{ at::PAYLOAD_LEN }, _>(self.header)
    }

    /// What follows the fixed header: the first extension header or the payload.
    #[inline]
    #[must_use]
    pub fn next_header(&self) -> u8 {
        self.header[at::NEXT_HEADER]
    }

    /// Routers still to pass.
    #[inline]
    #[must_use]
    pub fn hop_limit(&self) -> u8 {
        self.header[at::HOP_LIMIT]
    }

    /// Who sent it.
    #[inline]
    #[must_use]
    pub fn source(&self) -> Ipv6Addr {
        Ipv6Addr::from(read::<{ at::SOURCE }, 16, _>(self.header))
    }

    /// Who it is for. With a routing header that has segments left, only the next stop on the way.
    #[inline]
    #[must_use]
    pub fn destination(&self) -> Ipv6Addr {
        Ipv6Addr::from(read::<{ at::DESTINATION }, 16, _>(self.header))
    }

    /// What the payload is, behind all extension headers.
    ///
    /// In a later fragment: what begins the part of the datagram that was cut into fragments. It may be an
    /// extension header, and it is in the first fragment, not here.
    #[inline]
    #[must_use]
    pub fn protocol(&self) -> u8 {
        self.chain.protocol
    }

    /// Which extension headers there are, and whether their order is unexpected: bits of [`super::exthdr`].
    #[inline]
    #[must_use]
    pub fn extension_headers(&self) -> u16 {
        self.chain.headers()
    }

    /// Which part of its datagram this is.
    #[inline]
    #[must_use]
    pub fn fragment(&self) -> Fragment {
        self.chain.fragment
    }

    /// Where the payload begins: behind the header and all extension headers.
    #[inline]
    #[must_use]
    pub fn payload_offset(&self) -> usize {
        self.payload_offset
    }

    /// The packet behind all extension headers, up to its length.
    #[inline]
    #[must_use]
    pub fn payload(&self) -> &'a [u8] {
        self.chain.payload
    }

    /// The bytes behind the packet: padding of a short Ethernet frame.
    #[inline]
    #[must_use]
    pub fn trailer(&self) -> &'a [u8] {
        self.trailer
    }
}

/// A header without extension headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Repr {
    /// Differentiated services code point; 6 bits count.
    pub dscp: u8,
    /// Explicit congestion notification; 2 bits count.
    pub ecn: u8,
    /// What the packets of one flow have in common; 20 bits count.
    pub flow_label: u32,
    /// Length of everything behind the header.
    pub payload_len: u16,
    /// What follows the header.
    pub next_header: u8,
    /// Routers still to pass.
    pub hop_limit: u8,
    /// Who sent it.
    pub source: Ipv6Addr,
    /// Who it is for.
    pub destination: Ipv6Addr,
}

impl Repr {
    /// The fixed header that a view shows; extension headers count as what follows.
    #[inline]
    #[must_use]
    pub fn parse(view: &View<'_>) -> Repr {
        Repr {
            dscp: view.dscp(),
            ecn: view.ecn(),
            flow_label: view.flow_label(),
            payload_len: view.payload_len(),
            next_header: view.next_header(),
            hop_limit: view.hop_limit(),
            source: view.source(),
            destination: view.destination(),
        }
    }

    /// The header as bytes.
    #[inline]
    #[must_use]
    pub const fn to_bytes(&self) -> [u8; HEADER_LEN] {
        let traffic_class = (self.dscp << 2 | (self.ecn & 0x03)) as u32;
        let first = 6 << 28 | traffic_class << 20 | (self.flow_label & FLOW_LABEL_MASK);
        let mut header = [0; HEADER_LEN];
        write::<{ at::VERSION_CLASS_LABEL }, _, _>(&mut header, first.to_be_bytes());
        write::<{ at::PAYLOAD_LEN }, _, _>(&mut header, self.payload_len.to_be_bytes());
        header[at::NEXT_HEADER] = self.next_header;
        header[at::HOP_LIMIT] = self.hop_limit;
        write::<{ at::SOURCE }, _, _>(&mut header, self.source.octets());
        write::<{ at::DESTINATION }, _, _>(&mut header, self.destination.octets());
        header
    }

    /// Writes the header to the front of a buffer and returns the rest of it.
    #[inline]
    pub fn emit<'b>(&self, out: &'b mut [u8]) -> Result<&'b mut [u8], Error> {
        put(self.to_bytes(), out, Layer::Ipv6)
    }
}

#[cfg(test)]
mod tests {
    use super::super::protocol;
    use super::*;
    use proptest::prelude::*;

    // scapy: IPv6(src='2001:db8::1', dst='2001:db8::2', tc=0xb9, fl=0xbeef5, hlim=63, nh=17)/b'payload'
    const PACKET: [u8; 47] = [
        0x6b, 0x9b, 0xee, 0xf5, 0x00, 0x07, 0x11, 0x3f, 0x20, 0x01, 0x0d, 0xb8, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x20, 0x01, 0x0d, 0xb8, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x70, 0x61, 0x79, 0x6c, 0x6f, 0x61, 0x64,
    ];

    const REPR: Repr = Repr {
        dscp: 0x2e,
        ecn: 1,
        flow_label: 0xbeef5,
        payload_len: 7,
        next_header: 17,
        hop_limit: 63,
        source: Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1),
        destination: Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2),
    };

    // scapy: IPv6(src='2001:db8::1', dst='2001:db8::2')/IPv6ExtHdrHopByHop(options=[RouterAlert()])
    //        /IPv6ExtHdrRouting(addresses=['2001:db8::3'])/IPv6ExtHdrDestOpt()
    //        /IPv6ExtHdrFragment(m=1, id=0xdeadbeef)/AH(nh=17, payloadlen=4, spi=1, seq=1, icv=bytes(12))
    //        /UDP(sport=1, dport=2)
    const ALL_EXTENSIONS: [u8; 120] = [
        0x60, 0x00, 0x00, 0x00, 0x00, 0x50, 0x00, 0x40, 0x20, 0x01, 0x0d, 0xb8, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x20, 0x01, 0x0d, 0xb8, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x2b, 0x00, 0x05, 0x02, 0x00, 0x00, 0x01, 0x00, 0x3c, 0x02, 0x00,
        0x01, 0x00, 0x00, 0x00, 0x00, 0x20, 0x01, 0x0d, 0xb8, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x03, 0x2c, 0x00, 0x01, 0x04, 0x00, 0x00, 0x00, 0x00, 0x33, 0x00, 0x00, 0x01, 0xde,
        0xad, 0xbe, 0xef, 0x11, 0x04, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x00, 0x02, 0x00, 0x08, 0x00,
        0x00,
    ];

    #[test]
    fn take_apart() {
        let view = View::parse(&PACKET).unwrap();
        assert_eq!((view.dscp(), view.ecn(), view.traffic_class()), (0x2e, 1, 0xb9));
        assert_eq!(view.flow_label(), 0xbeef5);
        assert_eq!((view.payload_len(), view.payload_offset()), (7, 40));
        assert_eq!((view.next_header(), view.protocol()), (17, 17));
        assert_eq!(view.fragment(), Fragment::Whole);
        assert_eq!(view.hop_limit(), 63);
        assert_eq!(view.source().to_string(), "2001:db8::1");
        assert_eq!(view.destination().to_string(), "2001:db8::2");
        assert_eq!(view.payload(), b"payload");
        assert_eq!(view.trailer(), b"");
    }

    #[test]
    fn build() {
        assert_eq!(REPR.to_bytes(), PACKET[..HEADER_LEN]);
    }

    #[test]
    fn parse() {
        assert_eq!(Repr::parse(&View::parse(&PACKET).unwrap()), REPR);
    }

    #[test]
    fn emit() {
        let mut out = [0xaa; 47];
        REPR.emit(&mut out).unwrap().copy_from_slice(b"payload");
        assert_eq!(out, PACKET);
        assert_eq!(REPR.emit(&mut [0; 39]), Err(Error::NoRoom(Layer::Ipv6)));
    }

    #[test]
    fn every_kind_of_extension_header_is_stepped_over() {
        let view = View::parse(&ALL_EXTENSIONS).unwrap();
        assert_eq!((view.next_header(), view.protocol()), (protocol::HOP_BY_HOP, protocol::UDP));
        assert_eq!(view.fragment(), Fragment::First);
        assert_eq!(view.payload_offset(), 112);
        assert_eq!(view.payload(), [0x00, 0x01, 0x00, 0x02, 0x00, 0x08, 0x00, 0x00]);
        assert_eq!(Repr::parse(&view).to_bytes(), ALL_EXTENSIONS[..HEADER_LEN]);
    }

    #[test]
    fn rfc2675_a_jumbogram_is_refused() {
        let mut packet = ALL_EXTENSIONS;
        packet[at::PAYLOAD_LEN..][..2].fill(0);
        assert_eq!(View::parse(&packet).unwrap_err(), Error::Truncated(Layer::Ipv6));
    }

    #[test]
    fn bytes_behind_the_payload_length_are_padding() {
        let padded = [&PACKET[..], &[0; 5]].concat();
        let view = View::parse(&padded).unwrap();
        assert_eq!(view.payload(), b"payload");
        assert_eq!(view.trailer(), [0; 5]);
    }

    #[test]
    fn a_packet_cut_short_is_refused() {
        for len in 0..HEADER_LEN {
            assert_eq!(View::parse(&PACKET[..len]).unwrap_err(), Error::Truncated(Layer::Ipv6));
        }
        for len in HEADER_LEN..PACKET.len() {
            assert_eq!(View::parse(&PACKET[..len]).unwrap_err(), Error::BadTotalLength(Layer::Ipv6));
        }
    }

    #[test]
    fn rfc8200_s3_the_version_is_six() {
        let mut packet = PACKET;
        packet[0] = 0x45;
        assert_eq!(View::parse(&packet).unwrap_err(), Error::BadVersion(Layer::Ipv6));
    }

    proptest! {
        #[test]
        fn what_is_parsed_is_emitted_again(mut bytes: [u8; HEADER_LEN]) {
            bytes[0] = 0x60 | (bytes[0] & 0x0f);
            bytes[at::PAYLOAD_LEN..][..2].fill(0);
            prop_assume!(!extension::is_one(bytes[at::NEXT_HEADER]));
            prop_assert_eq!(Repr::parse(&View::parse(&bytes).unwrap()).to_bytes(), bytes);
        }
    }
}
