//! UDP: two ports, a length, and a checksum that may be absent. Follows RFC 768.
//!
//! The length field decides what the payload is; bytes behind it are not part of the datagram. The checksum
//! needs addresses of the layer below, so it is checked on request, with their [`Sum`].

use super::checksum::Sum;
use super::{Error, Layer, be16, put, split, write};

/// Length of the header.
pub const HEADER_LEN: usize = 8;

/// Offsets of the fields.
///
/// ```text
///  0      7 8     15 16    23 24    31
/// +--------+--------+--------+--------+
/// |     Source      |   Destination   |
/// |      Port       |      Port       |
/// +--------+--------+--------+--------+
/// |                 |                 |
/// |     Length      |    Checksum     |
/// +--------+--------+--------+--------+
/// ```
pub mod at {
    /// Source port, 2 bytes.
    pub const SOURCE_PORT: usize = 0;
    /// Destination port, 2 bytes.
    pub const DESTINATION_PORT: usize = 2;
    /// Length of header and payload, 2 bytes.
    pub const LENGTH: usize = 4;
    /// Checksum, or zero for none, 2 bytes.
    pub const CHECKSUM: usize = 6;
}

/// A datagram taken apart.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    header: &'a [u8; HEADER_LEN],
    datagram: &'a [u8],
    payload: &'a [u8],
}

impl<'a> View<'a> {
    /// Takes the payload of a whole IP packet apart. For a first fragment, see [`ports`](super::ports).
    #[inline]
    pub fn parse(bytes: &'a [u8]) -> Result<View<'a>, Error> {
        let (header, _) = split(bytes, Layer::Udp)?;
        // RFC 768: the length includes the header, so "the minimum value of the length is eight". A length of
        // zero is for IPv6 jumbograms only (RFC 2675), which do not occur on the links served here.
        let length = usize::from(be16::<{ at::LENGTH }, _>(header));
        let bad_length = Error::BadTotalLength(Layer::Udp);
        let datagram = bytes.get(..length).ok_or(bad_length)?;
        let payload = datagram.get(HEADER_LEN..).ok_or(bad_length)?;
        Ok(View { header, datagram, payload })
    }

    /// Port of the sender.
    #[inline]
    #[must_use]
    pub fn source_port(&self) -> u16 {
        be16::<{ at::SOURCE_PORT }, _>(self.header)
    }

    /// Port of the receiver.
    #[inline]
    #[must_use]
    pub fn destination_port(&self) -> u16 {
        be16::<{ at::DESTINATION_PORT }, _>(self.header)
    }

    /// Length of header and payload.
    #[inline]
    #[must_use]
    pub fn length(&self) -> u16 {
        be16::<{ at::LENGTH }, _>(self.header)
    }

    /// The checksum field: zero if the sender made none.
    #[inline]
    #[must_use]
    pub fn checksum(&self) -> u16 {
        be16::<{ at::CHECKSUM }, _>(self.header)
    }

    /// True if the datagram is as it was sent, or nobody can say because there is no checksum.
    ///
    /// `pseudo` is made from [`length`](View::length) and the addresses. Over IPv6 a checksum must be there
    /// (RFC 8200, section 8.1), tunnels excepted (RFC 6935): the caller knows and asks
    /// [`checksum`](View::checksum).
    #[inline]
    #[must_use]
    pub fn checksum_ok(&self, pseudo: Sum) -> bool {
        // RFC 768: "An all zero transmitted checksum value means that the transmitter generated no checksum".
        self.checksum() == 0 || pseudo.combine(Sum::of(self.datagram)).is_valid()
    }

    /// The sum over header and payload.
    #[inline]
    #[must_use]
    pub fn summed(&self) -> Sum {
        Sum::of(self.datagram)
    }

    /// What the datagram carries.
    #[inline]
    #[must_use]
    pub fn payload(&self) -> &'a [u8] {
        self.payload
    }
}

/// A UDP header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Repr {
    /// Port of the sender.
    pub source_port: u16,
    /// Port of the receiver.
    pub destination_port: u16,
    /// Length of header and payload.
    pub length: u16,
    /// The checksum, zero for none; see [`Sum::udp_checksum`].
    pub checksum: u16,
}

impl Repr {
    /// The header that a view shows.
    #[inline]
    #[must_use]
    pub fn parse(view: &View<'_>) -> Repr {
        Repr {
            source_port: view.source_port(),
            destination_port: view.destination_port(),
            length: view.length(),
            checksum: view.checksum(),
        }
    }

    /// The header as bytes.
    #[inline]
    #[must_use]
    pub const fn to_bytes(&self) -> [u8; HEADER_LEN] {
        let mut header = [0; HEADER_LEN];
        write::<{ at::SOURCE_PORT }, _, _>(&mut header, self.source_port.to_be_bytes());
        write::<{ at::DESTINATION_PORT }, _, _>(&mut header, self.destination_port.to_be_bytes());
        write::<{ at::LENGTH }, _, _>(&mut header, self.length.to_be_bytes());
        write::<{ at::CHECKSUM }, _, _>(&mut header, self.checksum.to_be_bytes());
        header
    }

    /// Writes the header to the front of a buffer and returns the rest of it.
    #[inline]
    pub fn emit<'b>(&self, out: &'b mut [u8]) -> Result<&'b mut [u8], Error> {
        put(self.to_bytes(), out, Layer::Udp)
    }
}

#[cfg(test)]
mod tests {
    use core::net::Ipv4Addr;

    use super::super::checksum::pseudo_v4;
    use super::*;
    use proptest::prelude::*;

    // scapy: bytes(IP(src='192.0.2.1', dst='198.51.100.2')/UDP(sport=49152, dport=4789)/b'payload')[20:]
    const DATAGRAM: [u8; 15] =
        [0xc0, 0x00, 0x12, 0xb5, 0x00, 0x0f, 0x83, 0xb3, 0x70, 0x61, 0x79, 0x6c, 0x6f, 0x61, 0x64];

    const REPR: Repr = Repr { source_port: 49152, destination_port: 4789, length: 15, checksum: 0x83b3 };

    fn pseudo() -> Sum {
        pseudo_v4(Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(198, 51, 100, 2), 17, 15)
    }

    fn with_length(length: u8) -> [u8; 15] {
        let mut datagram = DATAGRAM;
        datagram[at::LENGTH + 1] = length;
        datagram
    }

    #[test]
    fn take_apart() {
        let view = View::parse(&DATAGRAM).unwrap();
        assert_eq!((view.source_port(), view.destination_port()), (49152, 4789));
        assert_eq!((view.length(), view.checksum()), (15, 0x83b3));
        assert!(view.checksum_ok(pseudo()));
        assert_eq!(view.payload(), b"payload");
    }

    #[test]
    fn build() {
        assert_eq!(REPR.to_bytes(), DATAGRAM[..HEADER_LEN]);
    }

    #[test]
    fn parse() {
        assert_eq!(Repr::parse(&View::parse(&DATAGRAM).unwrap()), REPR);
    }

    #[test]
    fn emit() {
        let mut out = [0; 15];
        REPR.emit(&mut out).unwrap().copy_from_slice(b"payload");
        assert_eq!(out, DATAGRAM);
        assert_eq!(REPR.emit(&mut [0; 7]), Err(Error::NoRoom(Layer::Udp)));
    }

    #[test]
    fn a_datagram_cut_short_is_refused() {
        for len in 0..HEADER_LEN {
            assert_eq!(View::parse(&DATAGRAM[..len]).unwrap_err(), Error::Truncated(Layer::Udp));
        }
        for len in HEADER_LEN..DATAGRAM.len() {
            assert_eq!(View::parse(&DATAGRAM[..len]).unwrap_err(), Error::BadTotalLength(Layer::Udp));
        }
    }

    #[test]
    fn rfc768_the_minimum_length_is_eight() {
        for length in 0..8 {
            let datagram = with_length(length);
            assert_eq!(View::parse(&datagram).unwrap_err(), Error::BadTotalLength(Layer::Udp));
        }
        assert_eq!(View::parse(&with_length(8)).unwrap().payload(), b"");
    }

    #[test]
    fn bytes_behind_the_length_are_not_payload() {
        assert_eq!(View::parse(&with_length(11)).unwrap().payload(), b"pay");
        assert_eq!(View::parse(&with_length(16)).unwrap_err(), Error::BadTotalLength(Layer::Udp));
    }

    #[test]
    fn rfc768_a_checksum_of_zero_means_none() {
        let mut datagram = DATAGRAM;
        datagram[at::CHECKSUM..][..2].fill(0);
        assert!(View::parse(&datagram).unwrap().checksum_ok(pseudo()));
    }

    #[test]
    fn a_flipped_bit_shows_in_the_checksum() {
        for bit in 0..DATAGRAM.len() * 8 {
            let mut datagram = DATAGRAM;
            datagram[bit / 8] ^= 1 << (bit % 8);
            let ok = View::parse(&datagram).is_ok_and(|view| view.checksum_ok(pseudo()));
            assert!(!ok, "bit {bit}");
        }
    }

    proptest! {
        #[test]
        fn what_is_parsed_is_emitted_again(mut bytes: [u8; HEADER_LEN]) {
            bytes[at::LENGTH..][..2].copy_from_slice(&[0, 8]);
            prop_assert_eq!(Repr::parse(&View::parse(&bytes).unwrap()).to_bytes(), bytes);
        }
    }
}
