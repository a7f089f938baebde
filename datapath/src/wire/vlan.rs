//! The IEEE 802.1Q tag: which network, how urgent. Follows IEEE 802.1Q, section 9.6.
//!
//! The tag type (0x8100 or 0x88a8) sits in the EtherType field before it and belongs to that header. What is
//! read here begins behind it: the tag control information, then the EtherType of what follows. So tags stack
//! without a special case, and removing one is removing [`HEADER_LEN`] bytes from offset 12 of the frame.

use super::{Error, Layer, be16, ethertype, put, split, write};

/// Length of the tag, counted from behind the tag type: control information and the next EtherType.
pub const HEADER_LEN: usize = 4;

/// True if a frame of this EtherType goes on with a tag.
#[inline]
#[must_use]
pub const fn is_tag(ethertype: u16) -> bool {
    matches!(ethertype, ethertype::VLAN | ethertype::SERVICE_VLAN)
}

/// Offsets of the fields.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// | PCP |D|          VID          |           EtherType           |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
pub mod at {
    /// Tag control information, 2 bytes.
    pub const TCI: usize = 0;
    /// EtherType of what follows the tag, 2 bytes.
    pub const ETHERTYPE: usize = 2;
}

/// Tag control information: priority, drop eligibility and network in 16 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[repr(transparent)]
pub struct Tci(pub u16);

impl Tci {
    /// The bits of the network number.
    pub const VID_MASK: u16 = 0x0fff;

    /// From its parts; bits that do not fit their field are cut off.
    #[inline]
    #[must_use]
    pub const fn new(priority: u8, drop_eligible: bool, vid: u16) -> Tci {
        Tci(((priority as u16 & 7) << 13) | ((drop_eligible as u16) << 12) | (vid & Tci::VID_MASK))
    }

    /// Priority code point, 0 to 7.
    #[inline]
    #[must_use]
    pub const fn priority(self) -> u8 {
        (self.0 >> 13) as u8
    }

    /// True if the frame may be dropped first.
    #[inline]
    #[must_use]
    pub const fn drop_eligible(self) -> bool {
        self.0 & 0x1000 != 0
    }

    /// Network number, 0 to 4095. 0 means that only the priority counts.
    #[inline]
    #[must_use]
    pub const fn vid(self) -> u16 {
        self.0 & Tci::VID_MASK
    }
}

/// A tag taken apart.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    header: &'a [u8; HEADER_LEN],
    payload: &'a [u8],
}

impl<'a> View<'a> {
    /// Takes apart what follows a tag type.
    #[inline]
    pub fn parse(bytes: &'a [u8]) -> Result<View<'a>, Error> {
        let (header, payload) = split(bytes, Layer::Vlan)?;
        Ok(View { header, payload })
    }

    /// Priority, drop eligibility and network.
    #[inline]
    #[must_use]
    pub fn tci(&self) -> Tci {
        Tci(be16::<{ at::TCI }, _>(self.header))
    }

    /// What the payload is; it may be another tag.
    #[inline]
    #[must_use]
    pub fn ethertype(&self) -> u16 {
        be16::<{ at::ETHERTYPE }, _>(self.header)
    }

    /// Everything behind the tag.
    #[inline]
    #[must_use]
    pub fn payload(&self) -> &'a [u8] {
        self.payload
    }
}

/// A tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Repr {
    /// Priority, drop eligibility and network.
    pub tci: Tci,
    /// What the payload is.
    pub ethertype: u16,
}

impl Repr {
    /// The tag that a view shows.
    #[inline]
    #[must_use]
    pub fn parse(view: &View<'_>) -> Repr {
        Repr { tci: view.tci(), ethertype: view.ethertype() }
    }

    /// The tag as bytes.
    #[inline]
    #[must_use]
    pub const fn to_bytes(&self) -> [u8; HEADER_LEN] {
        let mut header = [0; HEADER_LEN];
        write::<{ at::TCI }, _, _>(&mut header, self.tci.0.to_be_bytes());
        write::<{ at::ETHERTYPE }, _, _>(&mut header, self.ethertype.to_be_bytes());
        header
    }

    /// Writes the tag to the front of a buffer and returns the rest of it.
    #[inline]
    pub fn emit<'b>(&self, out: &'b mut [u8]) -> Result<&'b mut [u8], Error> {
        put(self.to_bytes(), out, Layer::Vlan)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    // scapy: Dot1Q(prio=5, id=1, vlan=100, type=0x86dd)/b'payload'
    const TAGGED: [u8; 11] = [0xb0, 0x64, 0x86, 0xdd, 0x70, 0x61, 0x79, 0x6c, 0x6f, 0x61, 0x64];

    const REPR: Repr = Repr { tci: Tci::new(5, true, 100), ethertype: ethertype::IPV6 };

    #[test]
    fn take_apart() {
        let view = View::parse(&TAGGED).unwrap();
        assert_eq!(view.tci().priority(), 5);
        assert!(view.tci().drop_eligible());
        assert_eq!(view.tci().vid(), 100);
        assert_eq!(view.ethertype(), 0x86dd);
        assert_eq!(view.payload(), b"payload");
    }

    #[test]
    fn build() {
        assert_eq!(REPR.to_bytes(), TAGGED[..HEADER_LEN]);
    }

    #[test]
    fn parse() {
        assert_eq!(Repr::parse(&View::parse(&TAGGED).unwrap()), REPR);
    }

    #[test]
    fn emit() {
        let mut out = [0; 11];
        REPR.emit(&mut out).unwrap().copy_from_slice(b"payload");
        assert_eq!(out, TAGGED);
        assert_eq!(REPR.emit(&mut [0; 3]), Err(Error::NoRoom(Layer::Vlan)));
    }

    #[test]
    fn a_tag_cut_short_is_refused() {
        for len in 0..HEADER_LEN {
            assert_eq!(View::parse(&TAGGED[..len]).unwrap_err(), Error::Truncated(Layer::Vlan));
        }
    }

    #[test]
    fn both_tag_types_are_known() {
        assert!(is_tag(0x8100) && is_tag(0x88a8));
        assert!(!is_tag(ethertype::IPV4));
    }

    #[test]
    fn parts_too_large_for_their_field_are_cut_off() {
        assert_eq!(Tci::new(8, false, 0x1001), Tci(1));
    }

    proptest! {
        #[test]
        fn what_is_parsed_is_emitted_again(bytes: [u8; HEADER_LEN]) {
            let repr = Repr::parse(&View::parse(&bytes).unwrap());
            prop_assert_eq!(repr.to_bytes(), bytes);
            let tci = repr.tci;
            prop_assert_eq!(Tci::new(tci.priority(), tci.drop_eligible(), tci.vid()), tci);
        }
    }
}
