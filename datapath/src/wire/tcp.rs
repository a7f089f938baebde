//! TCP: two ports, flags, and where the payload begins. Follows RFC 9293, section 3.1.
//!
//! A switch reads TCP to tell flows apart; it keeps no state of connections. Options are stepped over. The
//! checksum needs addresses of the layer below, so it is checked on request, with their [`Sum`].

use super::checksum::Sum;
use super::{Error, Layer, be16, be32, put, split, write};

/// Length of the header without options.
pub const HEADER_LEN: usize = 20;

/// Offsets of the fields.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |          Source Port          |       Destination Port        |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                        Sequence Number                        |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                    Acknowledgment Number                      |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |  Data |       |C|E|U|A|P|R|S|F|                               |
/// | Offset| Rsrvd |W|C|R|C|S|S|Y|I|            Window             |
/// |       |       |R|E|G|K|H|T|N|N|                               |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |           Checksum            |         Urgent Pointer        |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                           [Options]                           |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
pub mod at {
    /// Source port, 2 bytes.
    pub const SOURCE_PORT: usize = 0;
    /// Destination port, 2 bytes.
    pub const DESTINATION_PORT: usize = 2;
    /// Sequence number, 4 bytes.
    pub const SEQUENCE: usize = 4;
    /// Acknowledgment number, 4 bytes.
    pub const ACKNOWLEDGMENT: usize = 8;
    /// Data offset, reserved bits and flags, 2 bytes.
    pub const OFFSET_FLAGS: usize = 12;
    /// Window, 2 bytes.
    pub const WINDOW: usize = 14;
    /// Checksum, 2 bytes.
    pub const CHECKSUM: usize = 16;
    /// Urgent pointer, 2 bytes.
    pub const URGENT: usize = 18;
}

/// The control bits, as [`View::flags`] returns them.
pub mod flags {
    /// No more data from the sender.
    pub const FIN: u16 = 0x001;
    /// Synchronise sequence numbers.
    pub const SYN: u16 = 0x002;
    /// Reset the connection.
    pub const RST: u16 = 0x004;
    /// Push function.
    pub const PSH: u16 = 0x008;
    /// The acknowledgment number counts.
    pub const ACK: u16 = 0x010;
    /// The urgent pointer counts.
    pub const URG: u16 = 0x020;
    /// Congestion was experienced on the way here (RFC 3168).
    pub const ECE: u16 = 0x040;
    /// The congestion window was reduced (RFC 3168).
    pub const CWR: u16 = 0x080;
    /// All of these; the four bits above are reserved.
    pub const ALL: u16 = 0x0ff;
}

/// Control bits and reserved bits, in the field they share with the data offset.
const FLAGS_AND_RESERVED: u16 = 0x0fff;

/// A segment taken apart.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    fixed: &'a [u8; HEADER_LEN],
    segment: &'a [u8],
    options: &'a [u8],
    payload: &'a [u8],
}

impl<'a> View<'a> {
    /// Takes the payload of an IP packet apart. In a first fragment the payload is only the first part.
    #[inline]
    pub fn parse(bytes: &'a [u8]) -> Result<View<'a>, Error> {
        let (fixed, rest) = split::<HEADER_LEN>(bytes, Layer::Tcp)?;
        // RFC 9293, section 3.1, data offset: "The number of 32-bit words in the TCP header."
        let header_len = usize::from(be16::<{ at::OFFSET_FLAGS }, _>(fixed) >> 12) * 4;
        let options_len = header_len.checked_sub(HEADER_LEN).ok_or(Error::BadHeaderLength(Layer::Tcp))?;
        let (options, payload) = rest.split_at_checked(options_len).ok_or(Error::Truncated(Layer::Tcp))?;
        Ok(View { fixed, segment: bytes, options, payload })
    }

    /// Port of the sender.
    #[inline]
    #[must_use]
    pub fn source_port(&self) -> u16 {
        be16::<{ at::SOURCE_PORT }, _>(self.fixed)
    }

    /// Port of the receiver.
    #[inline]
    #[must_use]
    pub fn destination_port(&self) -> u16 {
        be16::<{ at::DESTINATION_PORT }, _>(self.fixed)
    }

    /// Number of the first byte of the payload.
    #[inline]
    #[must_use]
    pub fn sequence(&self) -> u32 {
        be32::<{ at::SEQUENCE }, _>(self.fixed)
    }

    /// Number of the byte that the sender waits for.
    #[inline]
    #[must_use]
    pub fn acknowledgment(&self) -> u32 {
        be32::<{ at::ACKNOWLEDGMENT }, _>(self.fixed)
    }

    /// The [control bits](flags) and, above them, the four reserved ones: the 12 bits that OpenFlow matches.
    #[inline]
    #[must_use]
    pub fn flags(&self) -> u16 {
        be16::<{ at::OFFSET_FLAGS }, _>(self.fixed) & FLAGS_AND_RESERVED
    }

    /// How much the sender can take.
    #[inline]
    #[must_use]
    pub fn window(&self) -> u16 {
        be16::<{ at::WINDOW }, _>(self.fixed)
    }

    /// The checksum field.
    #[inline]
    #[must_use]
    pub fn checksum(&self) -> u16 {
        be16::<{ at::CHECKSUM }, _>(self.fixed)
    }

    /// True if the segment is as it was sent; `pseudo` is made from the addresses and the segment's length.
    #[inline]
    #[must_use]
    pub fn checksum_ok(&self, pseudo: Sum) -> bool {
        pseudo.combine(Sum::of(self.segment)).is_valid()
    }

    /// Where the urgent data ends.
    #[inline]
    #[must_use]
    pub fn urgent(&self) -> u16 {
        be16::<{ at::URGENT }, _>(self.fixed)
    }

    /// Length of the header with its options: 20 to 60.
    #[inline]
    #[must_use]
    pub fn header_len(&self) -> usize {
        HEADER_LEN + self.options.len()
    }

    /// The options, not taken apart.
    #[inline]
    #[must_use]
    pub fn options(&self) -> &'a [u8] {
        self.options
    }

    /// What the segment carries.
    #[inline]
    #[must_use]
    pub fn payload(&self) -> &'a [u8] {
        self.payload
    }
}

/// A header without options.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Repr {
    /// Port of the sender.
    pub source_port: u16,
    /// Port of the receiver.
    pub destination_port: u16,
    /// Number of the first byte of the payload.
    pub sequence: u32,
    /// Number of the byte that the sender waits for.
    pub acknowledgment: u32,
    /// The [control bits](flags); reserved bits do not count.
    pub flags: u16,
    /// How much the sender can take.
    pub window: u16,
    /// The checksum.
    pub checksum: u16,
    /// Where the urgent data ends.
    pub urgent: u16,
}

impl Repr {
    /// The header that a view shows. Options are left out.
    #[inline]
    #[must_use]
    pub fn parse(view: &View<'_>) -> Repr {
        Repr {
            source_port: view.source_port(),
            destination_port: view.destination_port(),
            sequence: view.sequence(),
            acknowledgment: view.acknowledgment(),
            // RFC 9293, section 3.1, reserved bits: "Must be zero in generated segments and must be ignored in
            // received segments".
            flags: view.flags() & flags::ALL,
            window: view.window(),
            checksum: view.checksum(),
            urgent: view.urgent(),
        }
    }

    /// The header as bytes.
    #[inline]
    #[must_use]
    pub const fn to_bytes(&self) -> [u8; HEADER_LEN] {
        let words = (HEADER_LEN / 4) as u16;
        let offset_flags = words << 12 | (self.flags & flags::ALL);
        let mut header = [0; HEADER_LEN];
        write::<{ at::SOURCE_PORT }, _, _>(&mut header, self.source_port.to_be_bytes());
        write::<{ at::DESTINATION_PORT }, _, _>(&mut header, self.destination_port.to_be_bytes());
        write::<{ at::SEQUENCE }, _, _>(&mut header, self.sequence.to_be_bytes());
        write::<{ at::ACKNOWLEDGMENT }, _, _>(&mut header, self.acknowledgment.to_be_bytes());
        write::<{ at::OFFSET_FLAGS }, _, _>(&mut header, offset_flags.to_be_bytes());
        write::<{ at::WINDOW }, _, _>(&mut header, self.window.to_be_bytes());
        write::<{ at::CHECKSUM }, _, _>(&mut header, self.checksum.to_be_bytes());
        write::<{ at::URGENT }, _, _>(&mut header, self.urgent.to_be_bytes());
        header
    }

    /// Writes the header to the front of a buffer and returns the rest of it.
    #[inline]
    pub fn emit<'b>(&self, out: &'b mut [u8]) -> Result<&'b mut [u8], Error> {
        put(self.to_bytes(), out, Layer::Tcp)
    }
}

#[cfg(test)]
mod tests {
    use core::net::Ipv4Addr;

    use super::super::checksum::pseudo_v4;
    use super::*;
    use proptest::prelude::*;

    // scapy: bytes(IP(src='192.0.2.1', dst='198.51.100.2')/TCP(sport=51000, dport=443, seq=0x01020304,
    //        ack=0x05060708, flags='PA', window=0x1000, urgptr=9)/b'payload')[20:]
    const SEGMENT: [u8; 27] = [
        0xc7, 0x38, 0x01, 0xbb, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x50, 0x18, 0x10, 0x00, 0x1d,
        0x4e, 0x00, 0x09, 0x70, 0x61, 0x79, 0x6c, 0x6f, 0x61, 0x64,
    ];

    const REPR: Repr = Repr {
        source_port: 51000,
        destination_port: 443,
        sequence: 0x0102_0304,
        acknowledgment: 0x0506_0708,
        flags: flags::PSH | flags::ACK,
        window: 0x1000,
        checksum: 0x1d4e,
        urgent: 9,
    };

    // scapy: bytes(IP(src='192.0.2.1', dst='198.51.100.2')/TCP(sport=51000, dport=443, seq=1, flags='S',
    //        options=[('MSS', 1460), ('SAckOK', b''), ('Timestamp', (1, 0)), ('NOP', None), ('WScale', 7)]))[20:]
    const SYN: [u8; 40] = [
        0xc7, 0x38, 0x01, 0xbb, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0xa0, 0x02, 0x20, 0x00, 0x72,
        0xd3, 0x00, 0x00, 0x02, 0x04, 0x05, 0xb4, 0x04, 0x02, 0x08, 0x0a, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00,
        0x00, 0x00, 0x01, 0x03, 0x03, 0x07,
    ];

    fn pseudo(len: usize) -> Sum {
        pseudo_v4(Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(198, 51, 100, 2), 6, len as u16)
    }

    #[test]
    fn take_apart() {
        let view = View::parse(&SEGMENT).unwrap();
        assert_eq!((view.source_port(), view.destination_port()), (51000, 443));
        assert_eq!((view.sequence(), view.acknowledgment()), (0x0102_0304, 0x0506_0708));
        assert_eq!(view.flags(), flags::PSH | flags::ACK);
        assert_eq!((view.window(), view.checksum(), view.urgent()), (0x1000, 0x1d4e, 9));
        assert!(view.checksum_ok(pseudo(SEGMENT.len())));
        assert_eq!((view.header_len(), view.options()), (20, &[][..]));
        assert_eq!(view.payload(), b"payload");
    }

    #[test]
    fn build() {
        assert_eq!(REPR.to_bytes(), SEGMENT[..HEADER_LEN]);
    }

    #[test]
    fn parse() {
        assert_eq!(Repr::parse(&View::parse(&SEGMENT).unwrap()), REPR);
    }

    #[test]
    fn emit() {
        let mut out = [0xaa; 27];
        REPR.emit(&mut out).unwrap().copy_from_slice(b"payload");
        assert_eq!(out, SEGMENT);
        assert_eq!(REPR.emit(&mut [0; 19]), Err(Error::NoRoom(Layer::Tcp)));
    }

    #[test]
    fn options_are_stepped_over_and_summed() {
        let view = View::parse(&SYN).unwrap();
        assert_eq!(view.flags(), flags::SYN);
        assert_eq!((view.header_len(), view.options()), (40, &SYN[20..]));
        assert_eq!(view.payload(), b"");
        assert!(view.checksum_ok(pseudo(SYN.len())));
    }

    #[test]
    fn a_segment_cut_short_is_refused() {
        for len in 0..SYN.len() {
            assert_eq!(View::parse(&SYN[..len]).unwrap_err(), Error::Truncated(Layer::Tcp));
        }
    }

    #[test]
    fn rfc9293_s3_1_the_header_has_at_least_five_words() {
        for words in 0..5 {
            let mut segment = SEGMENT;
            segment[at::OFFSET_FLAGS] = words << 4;
            assert_eq!(View::parse(&segment).unwrap_err(), Error::BadHeaderLength(Layer::Tcp));
        }
    }

    #[test]
    fn rfc9293_s3_1_reserved_bits_must_be_ignored_in_received_segments() {
        let mut segment = SEGMENT;
        segment[at::OFFSET_FLAGS] |= 0x0f;
        let view = View::parse(&segment).unwrap();
        assert_eq!(view.flags(), 0x0f18, "what is there is shown");
        assert_eq!(Repr::parse(&view), REPR);
    }

    #[test]
    fn rfc9293_s3_1_reserved_bits_must_be_zero_in_generated_segments() {
        let header = Repr { flags: 0xffff, ..REPR }.to_bytes();
        assert_eq!(header[at::OFFSET_FLAGS..][..2], [0x50, 0xff]);
    }

    #[test]
    fn a_flipped_bit_shows_in_the_checksum() {
        for bit in 0..SEGMENT.len() * 8 {
            let mut segment = SEGMENT;
            segment[bit / 8] ^= 1 << (bit % 8);
            let ok = View::parse(&segment).is_ok_and(|view| view.checksum_ok(pseudo(SEGMENT.len())));
            assert!(!ok, "bit {bit}");
        }
    }

    proptest! {
        #[test]
        fn what_is_parsed_is_emitted_again(mut bytes: [u8; HEADER_LEN]) {
            bytes[at::OFFSET_FLAGS] = 0x50;
            prop_assert_eq!(Repr::parse(&View::parse(&bytes).unwrap()).to_bytes(), bytes);
        }
    }
}
