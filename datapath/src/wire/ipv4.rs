//! IPv4: addresses, the protocol inside, and whether this is a fragment. Follows RFC 791, section 3.1.
//!
//! Options are stepped over. What is behind the total length is padding of a short Ethernet frame, not part of
//! the packet: `payload` is without it, `trailer` shows it. The header checksum is checked on request.

use core::net::Ipv4Addr;

use super::checksum::Sum;
use super::{Error, Fragment, Layer, be16, be32, put, read, split, write};

/// Length of the header without options.
pub const HEADER_LEN: usize = 20;

/// Offsets of the fields.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |Version|  IHL  |Type of Service|          Total Length         |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |         Identification        |Flags|      Fragment Offset    |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |  Time to Live |    Protocol   |         Header Checksum       |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                       Source Address                          |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                    Destination Address                        |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                    Options                    |    Padding    |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
pub mod at {
    /// Version and header length, 1 byte.
    pub const VERSION_IHL: usize = 0;
    /// Type of service: DSCP and ECN since RFC 2474 and RFC 3168, 1 byte.
    pub const TOS: usize = 1;
    /// Length of header and payload, 2 bytes.
    pub const TOTAL_LEN: usize = 2;
    /// Identification, 2 bytes.
    pub const IDENTIFICATION: usize = 4;
    /// Flags and fragment offset, 2 bytes.
    pub const FRAGMENT: usize = 6;
    /// Time to live, 1 byte.
    pub const TTL: usize = 8;
    /// Protocol of the payload, 1 byte.
    pub const PROTOCOL: usize = 9;
    /// Header checksum, 2 bytes.
    pub const CHECKSUM: usize = 10;
    /// Source address, 4 bytes.
    pub const SOURCE: usize = 12;
    /// Destination address, 4 bytes.
    pub const DESTINATION: usize = 16;
}

/// "Don't fragment", in the flags and fragment offset field.
const DONT_FRAGMENT: u16 = 0x4000;
/// "More fragments", in the flags and fragment offset field.
const MORE_FRAGMENTS: u16 = 0x2000;
/// The offset, in the flags and fragment offset field.
const OFFSET_MASK: u16 = 0x1fff;

/// A packet taken apart.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    fixed: &'a [u8; HEADER_LEN],
    header: &'a [u8],
    payload: &'a [u8],
    trailer: &'a [u8],
}

impl<'a> View<'a> {
    /// Takes the payload of an Ethernet frame apart: version, header length and total length agree with it.
    #[inline]
    pub fn parse(bytes: &'a [u8]) -> Result<View<'a>, Error> {
        let (fixed, _) = split::<HEADER_LEN>(bytes, Layer::Ipv4)?;
        let [version_ihl] = read::<{ at::VERSION_IHL }, 1, _>(fixed);
        if version_ihl >> 4 != 4 {
            return Err(Error::BadVersion(Layer::Ipv4));
        }
        // RFC 791, section 3.1: the length of the header is counted in 32-bit words, "the minimum value for a
        // correct header is 5".
        let header_len = usize::from(version_ihl & 0x0f) * 4;
        if header_len < HEADER_LEN {
            return Err(Error::BadHeaderLength(Layer::Ipv4));
        }
        if bytes.len() < header_len {
            return Err(Error::Truncated(Layer::Ipv4));
        }
        let total_len = usize::from(be16::<{ at::TOTAL_LEN }, _>(fixed));
        let bad_total = Error::BadTotalLength(Layer::Ipv4);
        let (packet, trailer) = bytes.split_at_checked(total_len).ok_or(bad_total)?;
        let (header, payload) = packet.split_at_checked(header_len).ok_or(bad_total)?;
        Ok(View { fixed, header, payload, trailer })
    }

    /// Differentiated services code point, 6 bits.
    #[inline]
    #[must_use]
    pub fn dscp(&self) -> u8 {
        self.tos() >> 2
    }

    /// Explicit congestion notification, 2 bits.
    #[inline]
    #[must_use]
    pub fn ecn(&self) -> u8 {
        self.tos() & 0x03
    }

    /// DSCP and ECN in one byte.
    #[inline]
    #[must_use]
    pub fn tos(&self) -> u8 {
        self.fixed[at::TOS]
    }

    /// Length of header, options and payload.
    #[inline]
    #[must_use]
    pub fn total_len(&self) -> u16 {
        be16::<{ at::TOTAL_LEN }, _>(self.fixed)
    }

    /// Length of the header with its options: 20 to 60.
    #[inline]
    #[must_use]
    pub fn header_len(&self) -> usize {
        self.header.len()
    }

    /// What the fragments of one datagram have in common.
    #[inline]
    #[must_use]
    pub fn identification(&self) -> u16 {
        be16::<{ at::IDENTIFICATION }, _>(self.fixed)
    }

    /// True if no router may fragment the packet.
    #[inline]
    #[must_use]
    pub fn dont_fragment(&self) -> bool {
        be16::<{ at::FRAGMENT }, _>(self.fixed) & DONT_FRAGMENT != 0
    }

    /// True if further fragments follow this one.
    #[inline]
    #[must_use]
    pub fn more_fragments(&self) -> bool {
        be16::<{ at::FRAGMENT }, _>(self.fixed) & MORE_FRAGMENTS != 0
    }

    /// Where in the datagram the payload belongs, in units of 8 bytes.
    #[inline]
    #[must_use]
    pub fn fragment_offset(&self) -> u16 {
        be16::<{ at::FRAGMENT }, _>(self.fixed) & OFFSET_MASK
    }

    /// Which part of its datagram this is.
    #[inline]
    #[must_use]
    pub fn fragment(&self) -> Fragment {
        Fragment::new(self.fragment_offset(), self.more_fragments())
    }

    /// Routers still to pass.
    #[inline]
    #[must_use]
    pub fn ttl(&self) -> u8 {
        self.fixed[at::TTL]
    }

    /// What the payload is.
    #[inline]
    #[must_use]
    pub fn protocol(&self) -> u8 {
        self.fixed[at::PROTOCOL]
    }

    /// The checksum field.
    #[inline]
    #[must_use]
    pub fn checksum(&self) -> u16 {
        be16::<{ at::CHECKSUM }, _>(self.fixed)
    }

    /// True if the header with its options is as it was sent.
    #[inline]
    #[must_use]
    pub fn checksum_ok(&self) -> bool {
        // Without options the length is known when compiling, and there is no loop.
        let sum = if self.header.len() == HEADER_LEN { Sum::of(self.fixed) } else { Sum::of(self.header) };
        sum.is_valid()
    }

    /// Who sent it.
    #[inline]
    #[must_use]
    pub fn source(&self) -> Ipv4Addr {
        Ipv4Addr::from_bits(be32::<{ at::SOURCE }, _>(self.fixed))
    }

    /// Who it is for.
    #[inline]
    #[must_use]
    pub fn destination(&self) -> Ipv4Addr {
        Ipv4Addr::from_bits(be32::<{ at::DESTINATION }, _>(self.fixed))
    }

    /// The packet behind the header and its options, up to the total length.
    #[inline]
    #[must_use]
    pub fn payload(&self) -> &'a [u8] {
        self.payload
    }

    /// The bytes behind the packet: padding of a short Ethernet frame.
    #[inline]
    #[must_use]
    pub fn trailer(&self) -> &'a [u8] {
        self.trailer
    }
}

/// A header without options.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Repr {
    /// Differentiated services code point; 6 bits count.
    pub dscp: u8,
    /// Explicit congestion notification; 2 bits count.
    pub ecn: u8,
    /// Length of header and payload.
    pub total_len: u16,
    /// What the fragments of one datagram have in common.
    pub identification: u16,
    /// True if no router may fragment the packet.
    pub dont_fragment: bool,
    /// True if further fragments follow.
    pub more_fragments: bool,
    /// Where in the datagram the payload belongs, in units of 8 bytes; 13 bits count.
    pub fragment_offset: u16,
    /// Routers still to pass.
    pub ttl: u8,
    /// What the payload is.
    pub protocol: u8,
    /// Who sent it.
    pub source: Ipv4Addr,
    /// Who it is for.
    pub destination: Ipv4Addr,
}

impl Repr {
    /// The header that a view shows. Options are left out, and out of the total length.
    #[inline]
    #[must_use]
    pub fn parse(view: &View<'_>) -> Repr {
        let options_len = view.header_len() - HEADER_LEN;
        Repr {
            dscp: view.dscp(),
            ecn: view.ecn(),
            total_len: view.total_len() - options_len as u16,
            identification: view.identification(),
            dont_fragment: view.dont_fragment(),
            more_fragments: view.more_fragments(),
            fragment_offset: view.fragment_offset(),
            ttl: view.ttl(),
            protocol: view.protocol(),
            source: view.source(),
            destination: view.destination(),
        }
    }

    /// The header as bytes, with its checksum.
    #[inline]
    #[must_use]
    pub fn to_bytes(&self) -> [u8; HEADER_LEN] {
        let mut fragment = self.fragment_offset & OFFSET_MASK;
        if self.dont_fragment {
            fragment |= DONT_FRAGMENT;
        }
        if self.more_fragments {
            fragment |= MORE_FRAGMENTS;
        }
        let mut header = [0; HEADER_LEN];
        header[at::VERSION_IHL] = 0x45;
        header[at::TOS] = self.dscp << 2 | (self.ecn & 0x03);
        write::<{ at::TOTAL_LEN }, _, _>(&mut header, self.total_len.to_be_bytes());
        write::<{ at::IDENTIFICATION }, _, _>(&mut header, self.identification.to_be_bytes());
        write::<{ at::FRAGMENT }, _, _>(&mut header, fragment.to_be_bytes());
        header[at::TTL] = self.ttl;
        header[at::PROTOCOL] = self.protocol;
        write::<{ at::SOURCE }, _, _>(&mut header, self.source.octets());
        write::<{ at::DESTINATION }, _, _>(&mut header, self.destination.octets());
        // RFC 791, section 3.1: "For purposes of computing the checksum, the value of the checksum field is
        // zero."
        let checksum = Sum::of(&header).checksum();
        write::<{ at::CHECKSUM }, _, _>(&mut header, checksum.to_be_bytes());
        header
    }

    /// Writes the header to the front of a buffer and returns the rest of it.
    #[inline]
    pub fn emit<'b>(&self, out: &'b mut [u8]) -> Result<&'b mut [u8], Error> {
        put(self.to_bytes(), out, Layer::Ipv4)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    // scapy: IP(src='192.0.2.1', dst='198.51.100.2', tos=0xb9, id=0x1234, flags='DF', ttl=63, proto=17)/b'payload'
    const PACKET: [u8; 27] = [
        0x45, 0xb9, 0x00, 0x1b, 0x12, 0x34, 0x40, 0x00, 0x3f, 0x11, 0x3c, 0xae, 0xc0, 0x00, 0x02, 0x01, 0xc6,
        0x33, 0x64, 0x02, 0x70, 0x61, 0x79, 0x6c, 0x6f, 0x61, 0x64,
    ];

    const REPR: Repr = Repr {
        dscp: 0x2e,
        ecn: 1,
        total_len: 27,
        identification: 0x1234,
        dont_fragment: true,
        more_fragments: false,
        fragment_offset: 0,
        ttl: 63,
        protocol: 17,
        source: Ipv4Addr::new(192, 0, 2, 1),
        destination: Ipv4Addr::new(198, 51, 100, 2),
    };

    // scapy: IP(src='192.0.2.1', dst='198.51.100.2', id=7, flags='MF', frag=185, proto=17)/b'payload!'
    const FRAGMENT: [u8; 28] = [
        0x45, 0x00, 0x00, 0x1c, 0x00, 0x07, 0x20, 0xb9, 0x40, 0x11, 0x6d, 0xda, 0xc0, 0x00, 0x02, 0x01, 0xc6,
        0x33, 0x64, 0x02, 0x70, 0x61, 0x79, 0x6c, 0x6f, 0x61, 0x64, 0x21,
    ];

    // scapy: IP(src='192.0.2.1', dst='198.51.100.2', proto=2, options=[IPOption_Router_Alert()])/b'payload'
    const WITH_OPTIONS: [u8; 31] = [
        0x46, 0x00, 0x00, 0x1f, 0x00, 0x01, 0x00, 0x00, 0x40, 0x02, 0xf9, 0xa0, 0xc0, 0x00, 0x02, 0x01, 0xc6,
        0x33, 0x64, 0x02, 0x94, 0x04, 0x00, 0x00, 0x70, 0x61, 0x79, 0x6c, 0x6f, 0x61, 0x64,
    ];

    fn edited(at: usize, value: u8) -> [u8; 27] {
        let mut packet = PACKET;
        packet[at] = value;
        packet
    }

    #[test]
    fn take_apart() {
        let view = View::parse(&PACKET).unwrap();
        assert_eq!((view.dscp(), view.ecn(), view.tos()), (0x2e, 1, 0xb9));
        assert_eq!((view.header_len(), view.total_len()), (20, 27));
        assert_eq!(view.identification(), 0x1234);
        assert!(view.dont_fragment() && !view.more_fragments());
        assert_eq!((view.fragment_offset(), view.fragment()), (0, Fragment::Whole));
        assert_eq!((view.ttl(), view.protocol()), (63, 17));
        assert_eq!(view.checksum(), 0x3cae);
        assert!(view.checksum_ok());
        assert_eq!(view.source().to_string(), "192.0.2.1");
        assert_eq!(view.destination().to_string(), "198.51.100.2");
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
        let mut out = [0xaa; 27];
        REPR.emit(&mut out).unwrap().copy_from_slice(b"payload");
        assert_eq!(out, PACKET);
        assert_eq!(REPR.emit(&mut [0; 19]), Err(Error::NoRoom(Layer::Ipv4)));
    }

    #[test]
    fn fragments_are_told_apart() {
        let view = View::parse(&FRAGMENT).unwrap();
        assert!(view.more_fragments() && view.checksum_ok());
        assert_eq!((view.fragment_offset(), view.fragment()), (185, Fragment::Later));
        assert_eq!(Repr::parse(&view).to_bytes(), FRAGMENT[..HEADER_LEN]);

        let mut first = FRAGMENT;
        first[at::FRAGMENT + 1] = 0;
        assert_eq!(View::parse(&first).unwrap().fragment(), Fragment::First);
        let mut last = FRAGMENT;
        last[at::FRAGMENT] = 0;
        assert_eq!(View::parse(&last).unwrap().fragment(), Fragment::Later);
    }

    #[test]
    fn options_are_stepped_over_and_summed() {
        let view = View::parse(&WITH_OPTIONS).unwrap();
        assert_eq!(view.header_len(), 24);
        assert_eq!(view.payload(), b"payload");
        assert!(view.checksum_ok());

        let without = Repr::parse(&view);
        assert_eq!(without.total_len, 27);
        let bytes = without.to_bytes();
        let packet = [&bytes[..], b"payload"].concat();
        assert!(View::parse(&packet).unwrap().checksum_ok());
    }

    #[test]
    fn bytes_behind_the_total_length_are_padding() {
        let padded = [&PACKET[..], &[0; 19]].concat();
        let view = View::parse(&padded).unwrap();
        assert_eq!(view.payload(), b"payload");
        assert_eq!(view.trailer(), [0; 19]);
    }

    #[test]
    fn a_packet_cut_short_is_refused() {
        for len in 0..HEADER_LEN {
            assert_eq!(View::parse(&PACKET[..len]).unwrap_err(), Error::Truncated(Layer::Ipv4));
        }
        for len in HEADER_LEN..PACKET.len() {
            assert_eq!(View::parse(&PACKET[..len]).unwrap_err(), Error::BadTotalLength(Layer::Ipv4));
        }
        assert_eq!(View::parse(&WITH_OPTIONS[..23]).unwrap_err(), Error::Truncated(Layer::Ipv4));
    }

    #[test]
    fn rfc791_s3_1_the_version_is_four() {
        assert_eq!(View::parse(&edited(0, 0x65)).unwrap_err(), Error::BadVersion(Layer::Ipv4));
    }

    #[test]
    fn rfc791_s3_1_the_header_has_at_least_five_words() {
        assert_eq!(View::parse(&edited(0, 0x44)).unwrap_err(), Error::BadHeaderLength(Layer::Ipv4));
    }

    #[test]
    fn rfc791_s3_1_the_total_length_includes_the_header() {
        let packet = edited(at::TOTAL_LEN + 1, 19);
        assert_eq!(View::parse(&packet).unwrap_err(), Error::BadTotalLength(Layer::Ipv4));
        let packet = edited(at::TOTAL_LEN + 1, 20);
        assert_eq!(View::parse(&packet).unwrap().payload(), b"");
    }

    /// RFC 1122, section 3.2.1.2: a host MUST verify the checksum of every datagram received.
    #[test]
    fn rfc1122_s3_2_1_2_a_flipped_bit_shows_in_the_checksum() {
        for bit in 8..HEADER_LEN * 8 {
            let mut packet = PACKET;
            packet[bit / 8] ^= 1 << (bit % 8);
            let ok = View::parse(&packet).is_ok_and(|view| view.checksum_ok());
            assert!(!ok, "bit {bit}");
        }
    }

    proptest! {
        #[test]
        fn what_is_parsed_is_emitted_again(mut bytes: [u8; HEADER_LEN]) {
            bytes[at::VERSION_IHL] = 0x45;
            bytes[at::TOTAL_LEN..][..2].copy_from_slice(&[0, 20]);
            bytes[at::FRAGMENT] &= 0x7f;
            bytes[at::CHECKSUM..][..2].fill(0);
            let checksum = Sum::of(&bytes).checksum();
            bytes[at::CHECKSUM..][..2].copy_from_slice(&checksum.to_be_bytes());
            prop_assert_eq!(Repr::parse(&View::parse(&bytes).unwrap()).to_bytes(), bytes);
        }
    }
}
