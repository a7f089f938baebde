//! GRE: a packet inside IP, of whatever type its header says. Follows RFC 2784, and RFC 2890 for key and sequence number.
//!
//! Each of checksum, key and sequence number is there when a flag says so, in this order. Reserved bits 6 to 12 are ignored
//! when read; the others mean a header of RFC 1701, with source routes, and are refused.

use super::checksum::Sum;
use super::{Error, Layer, be16, split};

/// Length of the part that is always there.
pub const HEADER_LEN: usize = 4;
/// Length with everything.
pub const HEADER_LEN_MAX: usize = 16;

/// Protocol type of an Ethernet frame: Transparent Ethernet Bridging.
pub const ETHERNET: u16 = 0x6558;

/// The C flag: a checksum is there.
pub const FLAG_CHECKSUM: u16 = 0x8000;
/// The K flag: a key is there.
pub const FLAG_KEY: u16 = 0x2000;
/// The S flag: a sequence number is there.
pub const FLAG_SEQUENCE: u16 = 0x1000;
/// Bits 1, 4 and 5, which only RFC 1701 gives a meaning.
const ROUTING: u16 = 0x4c00;
const VERSION: u16 = 0x0007;

/// Offsets of the fields.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |C| |K|S| Reserved0       | Ver |         Protocol Type         |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |      Checksum (optional)      |       Reserved1 (Optional)    |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                         Key (optional)                        |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                 Sequence Number (Optional)                    |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
pub mod at {
    /// Flags and version, 2 bytes.
    pub const FLAGS: usize = 0;
    /// Type of what is inside, 2 bytes.
    pub const PROTOCOL: usize = 2;
    /// Checksum, 2 bytes, where there is one; followed by 2 reserved ones.
    pub const CHECKSUM: usize = 4;
}

/// A GRE packet taken apart.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    packet: &'a [u8],
    flags: u16,
    protocol: u16,
    key: Option<u32>,
    sequence: Option<u32>,
    payload: &'a [u8],
}

impl<'a> View<'a> {
    /// Takes apart the payload of an IP packet.
    #[inline]
    pub fn parse(bytes: &'a [u8]) -> Result<View<'a>, Error> {
        let (header, mut rest) = split::<HEADER_LEN>(bytes, Layer::Gre)?;
        let flags = be16::<{ at::FLAGS }, _>(header);
        // RFC 2784, section 2.3.1: "The Version Number field MUST contain the value zero."
        if flags & VERSION != 0 {
            return Err(Error::BadVersion(Layer::Gre));
        }
        // RFC 2784, section 2.3: "A receiver MUST discard a packet where any of bits 1-5 are non-zero, unless that
        // receiver implements RFC 1701"; RFC 2890 has taken bits 2 and 3 out of these.
        if flags & ROUTING != 0 {
            return Err(Error::BadFlags(Layer::Gre));
        }
        let mut word = |flag| -> Result<Option<u32>, Error> {
            if flags & flag == 0 {
                return Ok(None);
            }
            let (word, behind) = split::<4>(rest, Layer::Gre)?;
            rest = behind;
            Ok(Some(u32::from_be_bytes(*word)))
        };
        word(FLAG_CHECKSUM)?;
        let (key, sequence) = (word(FLAG_KEY)?, word(FLAG_SEQUENCE)?);
        let protocol = be16::<{ at::PROTOCOL }, _>(header);
        Ok(View { packet: bytes, flags, protocol, key, sequence, payload: rest })
    }

    /// The EtherType of what is inside; [`ETHERNET`] for a frame.
    #[inline]
    #[must_use]
    pub fn protocol(&self) -> u16 {
        self.protocol
    }

    /// The key, where there is one.
    #[inline]
    #[must_use]
    pub fn key(&self) -> Option<u32> {
        self.key
    }

    /// The sequence number, where there is one.
    #[inline]
    #[must_use]
    pub fn sequence(&self) -> Option<u32> {
        self.sequence
    }

    /// The sum over header and payload, where there is a checksum: valid when nothing was damaged.
    #[inline]
    #[must_use]
    pub fn summed(&self) -> Option<Sum> {
        // RFC 2784, section 2.5: the checksum is that of "the GRE header and the payload packet".
        (self.flags & FLAG_CHECKSUM != 0).then(|| Sum::of(self.packet))
    }

    /// What is inside.
    #[inline]
    #[must_use]
    pub fn payload(&self) -> &'a [u8] {
        self.payload
    }
}

/// A GRE header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Repr {
    /// The EtherType of what is inside.
    pub protocol: u16,
    /// Whether there is a checksum; it is emitted as zero, see [`fill_checksum`].
    pub checksum: bool,
    /// The key, where there is one.
    pub key: Option<u32>,
    /// The sequence number, where there is one.
    pub sequence: Option<u32>,
}

impl Repr {
    /// The header that a view shows.
    #[inline]
    #[must_use]
    pub fn parse(view: &View<'_>) -> Repr {
        let checksum = view.flags & FLAG_CHECKSUM != 0;
        Repr { protocol: view.protocol, checksum, key: view.key, sequence: view.sequence }
    }

    /// How many bytes the header has.
    #[inline]
    #[must_use]
    pub const fn header_len(&self) -> usize {
        let optional =
            self.checksum as usize + self.key.is_some() as usize + self.sequence.is_some() as usize;
        HEADER_LEN + 4 * optional
    }

    /// Where the key is, if there is one.
    #[inline]
    #[must_use]
    pub const fn key_at(&self) -> usize {
        HEADER_LEN + 4 * self.checksum as usize
    }

    /// Where the sequence number is, if there is one.
    #[inline]
    #[must_use]
    pub const fn sequence_at(&self) -> usize {
        self.key_at() + 4 * self.key.is_some() as usize
    }

    /// Writes the header to the front of a buffer and returns the rest of it.
    #[inline]
    pub fn emit<'b>(&self, out: &'b mut [u8]) -> Result<&'b mut [u8], Error> {
        // RFC 2784, section 2.3: reserved bits and Reserved1 are transmitted as zero.
        let flag = |there: bool, flag: u16| if there { flag } else { 0 };
        let flags = flag(self.checksum, FLAG_CHECKSUM)
            | flag(self.key.is_some(), FLAG_KEY)
            | flag(self.sequence.is_some(), FLAG_SEQUENCE);
        let first = u32::from(flags) << 16 | u32::from(self.protocol);
        let words = [Some(first), self.checksum.then_some(0), self.key, self.sequence];
        let (header, rest) = out.split_at_mut_checked(self.header_len()).ok_or(Error::NoRoom(Layer::Gre))?;
        for (room, word) in header.chunks_exact_mut(4).zip(words.into_iter().flatten()) {
            room.copy_from_slice(&word.to_be_bytes());
        }
        Ok(rest)
    }
}

/// Writes the checksum of a packet whose header has room for one. Nothing happens to bytes that are no such packet.
#[inline]
pub fn fill_checksum(packet: &mut [u8]) {
    let field = at::CHECKSUM..at::CHECKSUM + 2;
    if packet.len() < HEADER_LEN + 4 {
        return;
    }
    packet[field.clone()].fill(0);
    let checksum = Sum::of(packet).checksum();
    packet[field].copy_from_slice(&checksum.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    // scapy: GRE(chksum_present=1, key_present=1, seqnum_present=1, proto=0x6558, key=0x12345678, seqence_number=7)/b'payload'
    const PACKET: [u8; 23] = [
        0xb0, 0x00, 0x65, 0x58, 0xc4, 0xc3, 0x00, 0x00, 0x12, 0x34, 0x56, 0x78, 0x00, 0x00, 0x00, 0x07, 0x70,
        0x61, 0x79, 0x6c, 0x6f, 0x61, 0x64,
    ];
    const REPR: Repr = Repr { protocol: ETHERNET, checksum: true, key: Some(0x1234_5678), sequence: Some(7) };

    #[test]
    fn take_apart() {
        let view = View::parse(&PACKET).unwrap();
        assert_eq!((view.protocol(), view.key(), view.sequence()), (0x6558, Some(0x1234_5678), Some(7)));
        assert!(view.summed().unwrap().is_valid());
        assert_eq!(view.payload(), b"payload");
    }

    #[test]
    fn build() {
        let mut header = [0xaa; HEADER_LEN_MAX];
        assert!(REPR.emit(&mut header).unwrap().is_empty());
        assert_eq!(header[..4], PACKET[..4]);
        assert_eq!(header[4..8], [0; 4]);
        assert_eq!(header[8..], PACKET[8..16]);
    }

    #[test]
    fn parse() {
        assert_eq!(Repr::parse(&View::parse(&PACKET).unwrap()), REPR);
    }

    #[test]
    fn emit() {
        let mut out = [0xaa; 23];
        REPR.emit(&mut out).unwrap().copy_from_slice(b"payload");
        fill_checksum(&mut out);
        assert_eq!(out, PACKET);
        assert_eq!(REPR.emit(&mut [0; 15]), Err(Error::NoRoom(Layer::Gre)));
    }

    #[test]
    fn a_header_cut_short_is_refused() {
        for len in 0..HEADER_LEN_MAX {
            assert_eq!(View::parse(&PACKET[..len]).unwrap_err(), Error::Truncated(Layer::Gre));
        }
    }

    #[test]
    fn rfc2784_s2_3_bits_1_4_and_5_must_be_zero() {
        for bit in [1, 4, 5] {
            let flags = (0x8000_u16 >> bit).to_be_bytes();
            let refused = View::parse(&[flags[0], flags[1], 0x65, 0x58]).unwrap_err();
            assert_eq!(refused, Error::BadFlags(Layer::Gre), "bit {bit}");
        }
    }

    #[test]
    fn rfc2784_s2_3_bits_6_to_12_must_be_ignored_on_receipt() {
        let view = View::parse(&[0x03, 0xf8, 0x65, 0x58]).unwrap();
        assert_eq!((view.key(), view.sequence(), view.summed()), (None, None, None));
    }

    #[test]
    fn rfc2784_s2_3_1_the_version_must_be_zero() {
        for version in 1..8 {
            let refused = View::parse(&[0, version, 0x65, 0x58]).unwrap_err();
            assert_eq!(refused, Error::BadVersion(Layer::Gre));
        }
    }

    #[test]
    fn rfc2784_s2_5_damage_shows_in_the_checksum() {
        let mut packet = PACKET;
        packet[20] ^= 1;
        assert!(!View::parse(&packet).unwrap().summed().unwrap().is_valid());
    }

    #[test]
    fn rfc2890_s2_each_field_is_where_those_before_it_end() {
        for (checksum, key, sequence) in
            [(false, None, Some(3)), (true, None, Some(3)), (false, Some(9), None)]
        {
            let repr = Repr { protocol: ETHERNET, checksum, key, sequence };
            let mut out = [0; HEADER_LEN_MAX];
            let left = repr.emit(&mut out).unwrap().len();
            assert_eq!(HEADER_LEN_MAX - left, repr.header_len());
            let word = |at: usize| u32::from_be_bytes([out[at], out[at + 1], out[at + 2], out[at + 3]]);
            assert!(key.is_none_or(|key| word(repr.key_at()) == key));
            assert!(sequence.is_none_or(|sequence| word(repr.sequence_at()) == sequence));
        }
    }

    proptest! {
        #[test]
        fn what_is_emitted_is_parsed_again(
            protocol: u16, checksum: bool, key: Option<u32>, sequence: Option<u32>, payload in prop::collection::vec(any::<u8>(), 0..9),
        ) {
            let repr = Repr { protocol, checksum, key, sequence };
            let mut packet = vec![0xaa; repr.header_len()];
            repr.emit(&mut packet).unwrap();
            packet.extend(&payload);
            if checksum {
                fill_checksum(&mut packet);
            }
            let view = View::parse(&packet).unwrap();
            prop_assert_eq!(Repr::parse(&view), repr);
            prop_assert_eq!(view.payload(), payload);
            prop_assert!(view.summed().is_none_or(|sum| sum.is_valid()));
        }
    }
}
