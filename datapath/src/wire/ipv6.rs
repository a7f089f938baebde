//! IPv6: addresses, the protocol behind the extension headers, and whether this is a fragment.
//! Follows RFC 8200, sections 3 and 4.
//!
//! The chain of extension headers is walked once, and not further than [`EXTENSIONS_MAX`]: hop-by-hop and
//! destination options, routing, fragment (RFC 8200) and authentication (RFC 4302). Anything else is the
//! protocol of the payload. Jumbograms (RFC 2675) do not occur on the links served here and are refused.

use core::net::Ipv6Addr;

use super::{Error, Fragment, Layer, be16, be32, protocol, put, read, split, write};

/// Length of the header without extension headers.
pub const HEADER_LEN: usize = 40;

/// Extension headers walked at most. A sender following RFC 8200, section 4.1, needs six of these kinds.
pub const EXTENSIONS_MAX: usize = 8;

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

/// Where the chain of extension headers ends.
#[derive(Debug, Clone, Copy)]
struct Chain<'a> {
    protocol: u8,
    fragment: Fragment,
    payload: &'a [u8],
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
        let chain = Chain::walk(header[at::NEXT_HEADER], body)?;
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

impl<'a> Chain<'a> {
    /// Follows next-header values until one is not an extension header, or a later fragment hides the rest.
    #[inline]
    fn walk(next_header: u8, body: &'a [u8]) -> Result<Chain<'a>, Error> {
        let mut chain = Chain { protocol: next_header, fragment: Fragment::Whole, payload: body };
        for _ in 0..EXTENSIONS_MAX {
            if !is_extension(chain.protocol) || chain.fragment == Fragment::Later {
                return Ok(chain);
            }
            chain = chain.step()?;
        }
        if is_extension(chain.protocol) && chain.fragment != Fragment::Later {
            return Err(Error::TooManyHeaders(Layer::Ipv6));
        }
        Ok(chain)
    }

    /// Steps over one extension header.
    fn step(self) -> Result<Chain<'a>, Error> {
        let truncated = Error::Truncated(Layer::Ipv6);
        // All of them begin with the next header and have at least 8 bytes.
        let extension = self.payload.first_chunk::<8>().ok_or(truncated)?;
        let [next_header, ext_len] = read::<0, 2, _>(extension);
        let len = match self.protocol {
            protocol::FRAGMENT => 8,
            // RFC 4302, section 2.2: "the length of AH in 32-bit words (4-byte units), minus "2"".
            protocol::AH => (usize::from(ext_len) + 2) * 4,
            // RFC 8200, sections 4.3, 4.4 and 4.6: the length "in 8-octet units, not including the first 8
            // octets".
            _ => (usize::from(ext_len) + 1) * 8,
        };
        let fragment = match self.protocol {
            protocol::FRAGMENT => fragment_state(extension),
            _ => Fragment::Whole,
        };
        let payload = self.payload.get(len..).ok_or(truncated)?;
        Ok(Chain { protocol: next_header, fragment: self.fragment.max(fragment), payload })
    }
}

/// True for the next-header values that are walked over.
#[inline]
const fn is_extension(next_header: u8) -> bool {
    matches!(
        next_header,
        protocol::HOP_BY_HOP
            | protocol::ROUTING
            | protocol::FRAGMENT
            | protocol::AH
            | protocol::DESTINATION_OPTIONS
    )
}

/// What a fragment header says.
///
/// ```text
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |  Next Header  |   Reserved    |      Fragment Offset    |Res|M|
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                         Identification                        |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
///
/// A header that says offset 0 and no more is an atomic fragment: the whole datagram (RFC 6946).
fn fragment_state(extension: &[u8; 8]) -> Fragment {
    let offset_and_more = be16::<2, _>(extension);
    Fragment::new(offset_and_more >> 3, offset_and_more & 1 != 0)
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

    // scapy: IPv6(src='2001:db8::1', dst='2001:db8::2')
    //        /IPv6ExtHdrFragment(nh=17, offset=185, m=0, id=0xdeadbeef)/b'payload'
    const LAST_FRAGMENT: [u8; 55] = [
        0x60, 0x00, 0x00, 0x00, 0x00, 0x0f, 0x2c, 0x40, 0x20, 0x01, 0x0d, 0xb8, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x20, 0x01, 0x0d, 0xb8, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x11, 0x00, 0x05, 0xc8, 0xde, 0xad, 0xbe, 0xef, 0x70, 0x61, 0x79,
        0x6c, 0x6f, 0x61, 0x64,
    ];
    /// Where the fragment header of `LAST_FRAGMENT` has offset and flag.
    const FRAGMENT_OFFSET: usize = HEADER_LEN + 2;

    /// A packet with these extension headers, each 8 bytes and empty, and `b"payload"` as protocol 253.
    fn packet_with(extensions: &[u8]) -> Vec<u8> {
        let types = extensions.iter().copied().chain([253]).collect::<Vec<_>>();
        let payload_len = (extensions.len() * 8 + 7) as u16;
        let mut packet = Repr { payload_len, next_header: types[0], ..REPR }.to_bytes().to_vec();
        for next_header in &types[1..] {
            packet.extend([*next_header, 0, 0, 0, 0, 0, 0, 0]);
        }
        packet.extend(b"payload");
        packet
    }

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
    fn a_later_fragment_ends_the_chain() {
        let view = View::parse(&LAST_FRAGMENT).unwrap();
        assert_eq!((view.fragment(), view.protocol()), (Fragment::Later, protocol::UDP));
        assert_eq!(view.payload(), b"payload");

        // Its payload looks like an extension header here, but is the middle of one that was cut.
        let mut packet = LAST_FRAGMENT;
        packet[HEADER_LEN] = protocol::DESTINATION_OPTIONS;
        let view = View::parse(&packet).unwrap();
        assert_eq!((view.protocol(), view.payload_offset()), (protocol::DESTINATION_OPTIONS, 48));
    }

    #[test]
    fn rfc8200_s4_5_reserved_bits_of_a_fragment_header_are_ignored() {
        let mut packet = LAST_FRAGMENT;
        packet[HEADER_LEN + 1] = 0xff;
        packet[FRAGMENT_OFFSET..][..2].copy_from_slice(&0x0006_u16.to_be_bytes());
        assert_eq!(View::parse(&packet).unwrap().fragment(), Fragment::Whole);
    }

    #[test]
    fn rfc6946_an_atomic_fragment_is_whole() {
        let mut packet = LAST_FRAGMENT;
        packet[FRAGMENT_OFFSET..][..2].fill(0);
        let view = View::parse(&packet).unwrap();
        assert_eq!((view.fragment(), view.protocol()), (Fragment::Whole, protocol::UDP));
        packet[FRAGMENT_OFFSET + 1] = 1;
        assert_eq!(View::parse(&packet).unwrap().fragment(), Fragment::First);
    }

    #[test]
    fn the_chain_is_walked_up_to_its_bound() {
        let view_of = |count| {
            let packet = packet_with(&vec![protocol::DESTINATION_OPTIONS; count]);
            View::parse(&packet).map(|view| (view.protocol(), view.payload().to_vec()))
        };
        assert_eq!(view_of(EXTENSIONS_MAX), Ok((253, b"payload".to_vec())));
        assert_eq!(view_of(EXTENSIONS_MAX + 1), Err(Error::TooManyHeaders(Layer::Ipv6)));
    }

    #[test]
    fn no_next_header_is_the_end_of_the_chain() {
        let mut packet = PACKET;
        packet[at::NEXT_HEADER] = protocol::NONE;
        assert_eq!(View::parse(&packet).unwrap().protocol(), protocol::NONE);
    }

    #[test]
    fn an_extension_header_past_the_end_is_refused() {
        let truncated = Error::Truncated(Layer::Ipv6);
        let mut packet = packet_with(&[protocol::DESTINATION_OPTIONS]);
        packet[HEADER_LEN + 1] = 1;
        assert_eq!(View::parse(&packet).unwrap_err(), truncated);
        let mut packet = PACKET;
        packet[at::NEXT_HEADER] = protocol::ROUTING;
        assert_eq!(View::parse(&packet).unwrap_err(), truncated, "seven bytes are less than any header has");
    }

    #[test]
    fn rfc2675_a_jumbogram_is_refused() {
        let mut packet = packet_with(&[protocol::HOP_BY_HOP]);
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
            prop_assume!(!is_extension(bytes[at::NEXT_HEADER]));
            prop_assert_eq!(Repr::parse(&View::parse(&bytes).unwrap()).to_bytes(), bytes);
        }
    }
}
