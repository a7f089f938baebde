//! The number of a virtual network: 24 bits, never more. Follows RFC 7348, section 5.
//!
//! A `Vni` is not a `u32`: one that exists fits its field.

use core::{fmt, str::FromStr};

/// A VXLAN network identifier.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
#[repr(transparent)]
pub struct Vni(u32);

impl Vni {
    /// Network 0: a network like the others, and what a tunnel without a key uses.
    pub const ZERO: Vni = Vni(0);
    /// The largest.
    pub const MAX: Vni = Vni(0x00ff_ffff);

    /// `None` if the number needs more than 24 bits.
    #[inline]
    #[must_use]
    pub const fn new(number: u32) -> Option<Vni> {
        if number <= Vni::MAX.0 { Some(Vni(number)) } else { None }
    }

    /// From the three bytes on the wire: every value is a network.
    #[inline]
    #[must_use]
    pub const fn from_bytes([a, b, c]: [u8; 3]) -> Vni {
        Vni(u32::from_be_bytes([0, a, b, c]))
    }

    /// The three bytes for the wire.
    #[inline]
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 3] {
        let [_, a, b, c] = self.0.to_be_bytes();
        [a, b, c]
    }

    /// The number.
    #[inline]
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0
    }
}

impl From<Vni> for u32 {
    #[inline]
    fn from(vni: Vni) -> u32 {
        vni.0
    }
}

/// The number or the text is not a network identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a VXLAN network identifier: write a number from 0 to 16777215")]
pub struct NotAVni;

impl TryFrom<u32> for Vni {
    type Error = NotAVni;

    #[inline]
    fn try_from(number: u32) -> Result<Vni, NotAVni> {
        Vni::new(number).ok_or(NotAVni)
    }
}

impl FromStr for Vni {
    type Err = NotAVni;

    /// A decimal number, or a hexadecimal one after `0x`.
    fn from_str(text: &str) -> Result<Vni, NotAVni> {
        let (digits, radix) = match text.strip_prefix("0x") {
            Some(digits) => (digits, 16),
            None => (text, 10),
        };
        if digits.starts_with('+') {
            return Err(NotAVni);
        }
        u32::from_str_radix(digits, radix).ok().and_then(Vni::new).ok_or(NotAVni)
    }
}

impl fmt::Display for Vni {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Vni {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Vni({})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn has_twenty_four_bits() {
        assert_eq!(Vni::new(0), Some(Vni::ZERO));
        assert_eq!(Vni::new(16_777_215), Some(Vni::MAX));
        assert_eq!(Vni::new(16_777_216), None);
        assert_eq!(Vni::try_from(u32::MAX), Err(NotAVni));
    }

    #[test]
    fn is_in_network_order_on_the_wire() {
        assert_eq!(Vni::from_bytes([0x12, 0x34, 0x56]).number(), 0x0012_3456);
        assert_eq!(Vni::MAX.to_bytes(), [0xff; 3]);
    }

    #[test]
    fn is_read_as_decimal_or_hex() {
        assert_eq!("100".parse(), Ok(Vni(100)));
        assert_eq!("0x64".parse(), Ok(Vni(100)));
        for text in ["", "0x", "-1", "+1", "0x+1", "16777216", "4294967296", "1 ", "ten"] {
            assert_eq!(text.parse::<Vni>(), Err(NotAVni), "{text}");
        }
    }

    proptest! {
        #[test]
        fn bytes_and_text_both_come_back(bytes: [u8; 3]) {
            let vni = Vni::from_bytes(bytes);
            prop_assert_eq!(vni.to_bytes(), bytes);
            prop_assert_eq!(vni.to_string().parse(), Ok(vni));
            prop_assert_eq!(Vni::try_from(u32::from(vni)), Ok(vni));
        }
    }
}
