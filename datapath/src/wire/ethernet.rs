//! Ethernet II: who it is for, who it is from, what it carries. Follows IEEE 802.3, section 3.
//!
//! VLAN tags are not part of this header: an EtherType of [`ethertype::VLAN`](super::ethertype::VLAN) says
//! that the payload begins with one, and [`vlan`](super::vlan) reads it. The view does not trim padding:
//! only the layer above knows how long it is.

use super::{Error, Layer, MacAddr, be16, put, read, split, write};

/// Length of the header.
pub const HEADER_LEN: usize = 14;

/// From this value on, the field is an EtherType; below, it is an IEEE 802.3 length.
pub const ETHERTYPE_MIN: u16 = 0x0600;

/// Offsets of the fields.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                       Destination address                     |
/// +                               +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                               |                               |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+                               +
/// |                         Source address                        |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |           EtherType           |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
pub mod at {
    /// Destination address, 6 bytes.
    pub const DESTINATION: usize = 0;
    /// Source address, 6 bytes.
    pub const SOURCE: usize = 6;
    /// EtherType, or the length of an IEEE 802.3 frame, 2 bytes.
    pub const ETHERTYPE: usize = 12;
}

/// A frame taken apart.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    header: &'a [u8; HEADER_LEN],
    payload: &'a [u8],
}

impl<'a> View<'a> {
    /// Takes a frame apart; it has at least the 14 bytes of the header.
    #[inline]
    pub fn parse(bytes: &'a [u8]) -> Result<View<'a>, Error> {
        let (header, payload) = split(bytes, Layer::Ethernet)?;
        Ok(View { header, payload })
    }

    /// Who it is for.
    #[inline]
    #[must_use]
    pub fn destination(&self) -> MacAddr {
        MacAddr(read::<{ at::DESTINATION }, 6, _>(self.header))
    }

    /// Who it is from.
    #[inline]
    #[must_use]
    pub fn source(&self) -> MacAddr {
        MacAddr(read::<{ at::SOURCE }, 6, _>(self.header))
    }

    /// What the payload is. Below [`ETHERTYPE_MIN`] it is the length of an IEEE 802.3 frame instead.
    #[inline]
    #[must_use]
    pub fn ethertype(&self) -> u16 {
        be16::<{ at::ETHERTYPE }, _>(self.header)
    }

    /// Everything behind the header, padding included.
    #[inline]
    #[must_use]
    pub fn payload(&self) -> &'a [u8] {
        self.payload
    }
}

/// An Ethernet header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Repr {
    /// Who it is for.
    pub destination: MacAddr,
    /// Who it is from.
    pub source: MacAddr,
    /// What the payload is.
    pub ethertype: u16,
}

impl Repr {
    /// The header that a view shows.
    #[inline]
    #[must_use]
    pub fn parse(view: &View<'_>) -> Repr {
        Repr { destination: view.destination(), source: view.source(), ethertype: view.ethertype() }
    }

    /// The header as bytes.
    #[inline]
    #[must_use]
    pub const fn to_bytes(&self) -> [u8; HEADER_LEN] {
        let mut header = [0; HEADER_LEN];
        write::<{ at::DESTINATION }, _, _>(&mut header, self.destination.0);
        write::<{ at::SOURCE }, _, _>(&mut header, self.source.0);
        write::<{ at::ETHERTYPE }, _, _>(&mut header, self.ethertype.to_be_bytes());
        header
    }

    /// Writes the header to the front of a buffer and returns the rest of it.
    #[inline]
    pub fn emit<'b>(&self, out: &'b mut [u8]) -> Result<&'b mut [u8], Error> {
        put(self.to_bytes(), out, Layer::Ethernet)
    }
}

#[cfg(test)]
mod tests {
    use super::super::ethertype;
    use super::*;
    use proptest::prelude::*;

    // scapy: Ether(dst='52:54:00:00:00:02', src='52:54:00:00:00:01', type=0x0800)/b'payload'
    const FRAME: [u8; 21] = [
        0x52, 0x54, 0x00, 0x00, 0x00, 0x02, 0x52, 0x54, 0x00, 0x00, 0x00, 0x01, 0x08, 0x00, 0x70, 0x61, 0x79,
        0x6c, 0x6f, 0x61, 0x64,
    ];

    const REPR: Repr = Repr {
        destination: MacAddr([0x52, 0x54, 0, 0, 0, 2]),
        source: MacAddr([0x52, 0x54, 0, 0, 0, 1]),
        ethertype: ethertype::IPV4,
    };

    #[test]
    fn take_apart() {
        let view = View::parse(&FRAME).unwrap();
        assert_eq!(view.destination().to_string(), "52:54:00:00:00:02");
        assert_eq!(view.source().to_string(), "52:54:00:00:00:01");
        assert_eq!(view.ethertype(), 0x0800);
        assert_eq!(view.payload(), b"payload");
    }

    #[test]
    fn build() {
        assert_eq!(REPR.to_bytes(), FRAME[..HEADER_LEN]);
    }

    #[test]
    fn parse() {
        assert_eq!(Repr::parse(&View::parse(&FRAME).unwrap()), REPR);
    }

    #[test]
    fn emit() {
        let mut out = [0; 21];
        REPR.emit(&mut out).unwrap().copy_from_slice(b"payload");
        assert_eq!(out, FRAME);
        assert_eq!(REPR.emit(&mut [0; 13]), Err(Error::NoRoom(Layer::Ethernet)));
    }

    #[test]
    fn a_frame_shorter_than_its_header_is_refused() {
        for len in 0..HEADER_LEN {
            assert_eq!(View::parse(&FRAME[..len]).unwrap_err(), Error::Truncated(Layer::Ethernet));
        }
        assert_eq!(View::parse(&FRAME[..HEADER_LEN]).unwrap().payload(), b"");
    }

    proptest! {
        #[test]
        fn what_is_parsed_is_emitted_again(bytes: [u8; HEADER_LEN]) {
            prop_assert_eq!(Repr::parse(&View::parse(&bytes).unwrap()).to_bytes(), bytes);
        }
    }
}
