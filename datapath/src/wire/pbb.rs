//! The service instance tag of provider backbone bridges (I-TAG). Follows IEEE 802.1Q, section 9.7 (IEEE 802.1ah).
//!
//! The tag type (0x88e7) sits in the EtherType field before it and belongs to the backbone's header, as with a VLAN tag. What is
//! read here begins behind it: the tag control information, then the customer's frame, whole, from its addresses on. So removing
//! the backbone's header is removing all bytes up to there.

use super::{Error, Layer, be32, put, split};

/// Length of the tag, counted from behind the tag type: control information alone.
pub const HEADER_LEN: usize = 4;

/// Tag control information.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |I-PCP|D|U| Res |                     I-SID                     |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[repr(transparent)]
pub struct Tci(pub u32);

impl Tci {
    /// The bits of the service.
    pub const SERVICE_MASK: u32 = 0x00ff_ffff;

    /// From its parts; bits that do not fit their field are cut off. The reserved bits are zero.
    #[inline]
    #[must_use]
    pub const fn new(priority: u8, drop_eligible: bool, customer_addresses: bool, service: u32) -> Tci {
        let flags = (drop_eligible as u32) << 28 | (customer_addresses as u32) << 27;
        Tci((priority as u32 & 7) << 29 | flags | service & Tci::SERVICE_MASK)
    }

    /// Priority code point, 0 to 7.
    #[inline]
    #[must_use]
    pub const fn priority(self) -> u8 {
        (self.0 >> 29) as u8
    }

    /// True if the frame may be dropped first.
    #[inline]
    #[must_use]
    pub const fn drop_eligible(self) -> bool {
        self.0 & 0x1000_0000 != 0
    }

    /// "Use customer addresses": true if the addresses behind the tag are of no customer frame (connectivity fault management).
    #[inline]
    #[must_use]
    pub const fn customer_addresses(self) -> bool {
        self.0 & 0x0800_0000 != 0
    }

    /// Service instance, 24 bits.
    #[inline]
    #[must_use]
    pub const fn service(self) -> u32 {
        self.0 & Tci::SERVICE_MASK
    }

    /// As bytes.
    #[inline]
    #[must_use]
    pub const fn to_bytes(self) -> [u8; HEADER_LEN] {
        self.0.to_be_bytes()
    }

    /// Writes the tag to the front of a buffer and returns the rest of it.
    #[inline]
    pub fn emit(self, out: &mut [u8]) -> Result<&mut [u8], Error> {
        put(self.to_bytes(), out, Layer::Pbb)
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
        let (header, payload) = split(bytes, Layer::Pbb)?;
        Ok(View { header, payload })
    }

    /// Tag control information.
    #[inline]
    #[must_use]
    pub fn tci(&self) -> Tci {
        Tci(be32::<0, _>(self.header))
    }

    /// The customer's frame.
    #[inline]
    #[must_use]
    pub fn payload(&self) -> &'a [u8] {
        self.payload
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    // By hand after IEEE 802.1Q, figure 9-3: priority 5, drop eligible, customer addresses used, service 0x123456; then
    // scapy: Ether(dst='02:00:00:00:00:02', src='02:00:00:00:00:01', type=0x800)
    const TAGGED: [u8; 18] = [
        0xb8, 0x12, 0x34, 0x56, 0x02, 0x00, 0x00, 0x00, 0x00, 0x02, 0x02, 0x00, 0x00, 0x00, 0x00, 0x01, 0x08,
        0x00,
    ];

    const TCI: Tci = Tci::new(5, true, true, 0x12_3456);

    #[test]
    fn take_apart() {
        let view = View::parse(&TAGGED).unwrap();
        let tci = view.tci();
        assert_eq!((tci.priority(), tci.service()), (5, 0x12_3456));
        assert!(tci.drop_eligible() && tci.customer_addresses());
        assert_eq!(view.payload(), &TAGGED[4..]);
    }

    #[test]
    fn build() {
        assert_eq!(TCI.to_bytes(), TAGGED[..HEADER_LEN]);
        assert_eq!(Tci::new(8, false, false, 0x100_0001), Tci(1), "what does not fit is cut off");
    }

    #[test]
    fn emit() {
        let mut out = [0; 18];
        TCI.emit(&mut out).unwrap().copy_from_slice(&TAGGED[4..]);
        assert_eq!(out, TAGGED);
        assert_eq!(TCI.emit(&mut [0; 3]), Err(Error::NoRoom(Layer::Pbb)));
    }

    #[test]
    fn a_tag_cut_short_is_refused() {
        for len in 0..HEADER_LEN {
            assert_eq!(View::parse(&TAGGED[..len]).unwrap_err(), Error::Truncated(Layer::Pbb));
        }
    }

    proptest! {
        #[test]
        fn what_is_parsed_is_emitted_again(bytes: [u8; HEADER_LEN]) {
            prop_assert_eq!(View::parse(&bytes).unwrap().tci().to_bytes(), bytes);
        }
    }
}
