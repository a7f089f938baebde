//! ICMP and ICMPv6: a type, a code, and four bytes that depend on them. Follows RFC 792 and RFC 4443.
//!
//! Both share one header; only the numbers differ, and what the checksum covers. Neighbor discovery, inside
//! ICMPv6, is read by [`nd`](super::nd).

use super::checksum::Sum;
use super::{Error, Layer, be16, be32, put, read, split, write};

/// Length of the header.
pub const HEADER_LEN: usize = 8;

/// Types and codes over IPv4, as assigned by IANA.
pub mod v4 {
    /// Answer to an echo request.
    pub const ECHO_REPLY: u8 = 0;
    /// The datagram did not reach its destination.
    pub const DESTINATION_UNREACHABLE: u8 = 3;
    /// Code of [`DESTINATION_UNREACHABLE`]: it did not fit and must not be fragmented.
    pub const FRAGMENTATION_NEEDED: u8 = 4;
    /// Echo request.
    pub const ECHO_REQUEST: u8 = 8;
    /// The time to live ran out.
    pub const TIME_EXCEEDED: u8 = 11;
}

/// Types over IPv6, as assigned by IANA.
pub mod v6 {
    /// The packet did not reach its destination.
    pub const DESTINATION_UNREACHABLE: u8 = 1;
    /// The packet did not fit.
    pub const PACKET_TOO_BIG: u8 = 2;
    /// The hop limit ran out.
    pub const TIME_EXCEEDED: u8 = 3;
    /// Echo request.
    pub const ECHO_REQUEST: u8 = 128;
    /// Answer to an echo request.
    pub const ECHO_REPLY: u8 = 129;
    /// Who has this address?
    pub const NEIGHBOR_SOLICITATION: u8 = 135;
    /// I have this address.
    pub const NEIGHBOR_ADVERTISEMENT: u8 = 136;
}

/// Offsets of the fields.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |     Type      |     Code      |           Checksum            |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |       Identifier (echo)       |    Sequence Number (echo)     |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
pub mod at {
    /// Type, 1 byte.
    pub const TYPE: usize = 0;
    /// Code, 1 byte.
    pub const CODE: usize = 1;
    /// Checksum, 2 bytes.
    pub const CHECKSUM: usize = 2;
    /// Four bytes that depend on the type.
    pub const REST: usize = 4;
    /// Of an echo message: identifier, 2 bytes.
    pub const IDENTIFIER: usize = 4;
    /// Of an echo message: sequence number, 2 bytes.
    pub const SEQUENCE: usize = 6;
}

/// A message taken apart.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    header: &'a [u8; HEADER_LEN],
    message: &'a [u8],
    payload: &'a [u8],
}

impl<'a> View<'a> {
    /// Takes the payload of an IP packet apart.
    #[inline]
    pub fn parse(bytes: &'a [u8]) -> Result<View<'a>, Error> {
        let (header, payload) = split(bytes, Layer::Icmp)?;
        Ok(View { header, message: bytes, payload })
    }

    /// What is said; see [`v4`] and [`v6`].
    #[inline]
    #[must_use]
    pub fn kind(&self) -> u8 {
        self.header[at::TYPE]
    }

    /// What is said, in detail.
    #[inline]
    #[must_use]
    pub fn code(&self) -> u8 {
        self.header[at::CODE]
    }

    /// The checksum field.
    #[inline]
    #[must_use]
    pub fn checksum(&self) -> u16 {
        be16::<{ at::CHECKSUM }, _>(self.header)
    }

    /// True if the message is as it was sent.
    ///
    /// Over IPv4 there is no pseudo-header: pass [`Sum::ZERO`]. Over IPv6 there is (RFC 4443, section 2.3).
    #[inline]
    #[must_use]
    pub fn checksum_ok(&self, pseudo: Sum) -> bool {
        pseudo.combine(Sum::of(self.message)).is_valid()
    }

    /// The four bytes that depend on the type.
    #[inline]
    #[must_use]
    pub fn rest(&self) -> [u8; 4] {
        read::<{ at::REST }, 4, _>(self.header)
    }

    /// Of an echo message: what its sender knows it by.
    #[inline]
    #[must_use]
    pub fn identifier(&self) -> u16 {
        be16::<{ at::IDENTIFIER }, _>(self.header)
    }

    /// Of an echo message: which one it is.
    #[inline]
    #[must_use]
    pub fn sequence(&self) -> u16 {
        be16::<{ at::SEQUENCE }, _>(self.header)
    }

    /// Of "fragmentation needed" (the low half, RFC 1191, section 4) and "packet too big": what would fit.
    #[inline]
    #[must_use]
    pub fn mtu(&self) -> u32 {
        be32::<{ at::REST }, _>(self.header)
    }

    /// Everything behind the header: echo data, or the beginning of the packet that is spoken of.
    #[inline]
    #[must_use]
    pub fn payload(&self) -> &'a [u8] {
        self.payload
    }
}

/// A header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Repr {
    /// What is said; see [`v4`] and [`v6`].
    pub kind: u8,
    /// What is said, in detail.
    pub code: u8,
    /// The checksum.
    pub checksum: u16,
    /// The four bytes that depend on the type.
    pub rest: [u8; 4],
}

impl Repr {
    /// The header that a view shows.
    #[inline]
    #[must_use]
    pub fn parse(view: &View<'_>) -> Repr {
        Repr { kind: view.kind(), code: view.code(), checksum: view.checksum(), rest: view.rest() }
    }

    /// The header as bytes.
    #[inline]
    #[must_use]
    pub const fn to_bytes(&self) -> [u8; HEADER_LEN] {
        let mut header = [0; HEADER_LEN];
        header[at::TYPE] = self.kind;
        header[at::CODE] = self.code;
        write::<{ at::CHECKSUM }, _, _>(&mut header, self.checksum.to_be_bytes());
        write::<{ at::REST }, _, _>(&mut header, self.rest);
        header
    }

    /// Writes the header to the front of a buffer and returns the rest of it.
    #[inline]
    pub fn emit<'b>(&self, out: &'b mut [u8]) -> Result<&'b mut [u8], Error> {
        put(self.to_bytes(), out, Layer::Icmp)
    }
}

#[cfg(test)]
mod tests {
    use core::net::Ipv6Addr;

    use super::super::checksum::pseudo_v6;
    use super::*;
    use proptest::prelude::*;

    // scapy: ICMP(type=8, id=0x1234, seq=7)/b'payload'
    const ECHO: [u8; 15] =
        [0x08, 0x00, 0x28, 0x95, 0x12, 0x34, 0x00, 0x07, 0x70, 0x61, 0x79, 0x6c, 0x6f, 0x61, 0x64];

    const REPR: Repr =
        Repr { kind: v4::ECHO_REQUEST, code: 0, checksum: 0x2895, rest: [0x12, 0x34, 0x00, 0x07] };

    // scapy: ICMP(type=3, code=4, nexthopmtu=1450)/b'quoted..'
    const TOO_BIG: [u8; 16] =
        [0x03, 0x04, 0x82, 0xd5, 0x00, 0x00, 0x05, 0xaa, 0x71, 0x75, 0x6f, 0x74, 0x65, 0x64, 0x2e, 0x2e];

    // scapy: bytes(IPv6(src='2001:db8::1', dst='2001:db8::2')
    //        /ICMPv6EchoRequest(id=0x1234, seq=7)/b'payload')[40:]
    const ECHO_V6: [u8; 15] =
        [0x80, 0x00, 0x54, 0xd6, 0x12, 0x34, 0x00, 0x07, 0x70, 0x61, 0x79, 0x6c, 0x6f, 0x61, 0x64];

    #[test]
    fn take_apart() {
        let view = View::parse(&ECHO).unwrap();
        assert_eq!((view.kind(), view.code(), view.checksum()), (v4::ECHO_REQUEST, 0, 0x2895));
        assert_eq!((view.identifier(), view.sequence()), (0x1234, 7));
        assert_eq!(view.rest(), [0x12, 0x34, 0x00, 0x07]);
        assert!(view.checksum_ok(Sum::ZERO));
        assert_eq!(view.payload(), b"payload");
    }

    #[test]
    fn build() {
        assert_eq!(REPR.to_bytes(), ECHO[..HEADER_LEN]);
    }

    #[test]
    fn parse() {
        assert_eq!(Repr::parse(&View::parse(&ECHO).unwrap()), REPR);
    }

    #[test]
    fn emit() {
        let mut out = [0; 15];
        REPR.emit(&mut out).unwrap().copy_from_slice(b"payload");
        assert_eq!(out, ECHO);
        assert_eq!(REPR.emit(&mut [0; 7]), Err(Error::NoRoom(Layer::Icmp)));
    }

    #[test]
    fn rfc1191_s4_the_message_says_what_would_fit() {
        let view = View::parse(&TOO_BIG).unwrap();
        assert_eq!((view.kind(), view.code()), (v4::DESTINATION_UNREACHABLE, v4::FRAGMENTATION_NEEDED));
        assert_eq!(view.mtu(), 1450);
        assert!(view.checksum_ok(Sum::ZERO));
        assert_eq!(view.payload(), b"quoted..");
    }

    #[test]
    fn rfc4443_s2_3_over_ipv6_the_checksum_covers_the_pseudo_header() {
        let source = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
        let destination = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2);
        let view = View::parse(&ECHO_V6).unwrap();
        assert_eq!((view.kind(), view.identifier(), view.sequence()), (v6::ECHO_REQUEST, 0x1234, 7));
        assert!(view.checksum_ok(pseudo_v6(source, destination, 58, ECHO_V6.len() as u32)));
        assert!(!view.checksum_ok(Sum::ZERO));
    }

    #[test]
    fn a_message_cut_short_is_refused() {
        for len in 0..HEADER_LEN {
            assert_eq!(View::parse(&ECHO[..len]).unwrap_err(), Error::Truncated(Layer::Icmp));
        }
    }

    proptest! {
        #[test]
        fn what_is_parsed_is_emitted_again(bytes: [u8; HEADER_LEN]) {
            prop_assert_eq!(Repr::parse(&View::parse(&bytes).unwrap()).to_bytes(), bytes);
        }
    }
}
