//! An Ethernet address: six bytes, written `52:54:00:12:34:56`. Follows IEEE 802, section 8.2.

use core::{fmt, str::FromStr};

/// An Ethernet (MAC) address.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
#[repr(transparent)]
pub struct MacAddr(pub [u8; 6]);

impl MacAddr {
    /// Everybody on the segment.
    pub const BROADCAST: MacAddr = MacAddr([0xff; 6]);
    /// Nobody: the address that is never on the wire as a source.
    pub const ZERO: MacAddr = MacAddr([0; 6]);

    /// The six bytes, in the order they are sent.
    #[inline]
    #[must_use]
    pub const fn octets(self) -> [u8; 6] {
        self.0
    }

    /// True for a group address, broadcast included: the lowest bit of the first byte is set.
    #[inline]
    #[must_use]
    pub const fn is_multicast(self) -> bool {
        self.0[0] & 0x01 != 0
    }

    /// True for `ff:ff:ff:ff:ff:ff`.
    #[inline]
    #[must_use]
    pub fn is_broadcast(self) -> bool {
        self == MacAddr::BROADCAST
    }

    /// True for an address that one station can have: neither a group nor zero.
    #[inline]
    #[must_use]
    pub fn is_unicast(self) -> bool {
        !self.is_multicast() && self != MacAddr::ZERO
    }
}

impl From<[u8; 6]> for MacAddr {
    #[inline]
    fn from(octets: [u8; 6]) -> MacAddr {
        MacAddr(octets)
    }
}

impl fmt::Display for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is not an Ethernet address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an Ethernet address: write six bytes in hex, as in 52:54:00:12:34:56")]
pub struct NotAMacAddr;

impl FromStr for MacAddr {
    type Err = NotAMacAddr;

    /// Six groups of one or two hex digits, separated by `:` throughout or by `-` throughout.
    fn from_str(text: &str) -> Result<MacAddr, NotAMacAddr> {
        let separator = if text.contains('-') { '-' } else { ':' };
        let mut groups = text.split(separator);
        let mut octets = [0; 6];
        for octet in &mut octets {
            *octet = groups.next().and_then(hex_octet).ok_or(NotAMacAddr)?;
        }
        if groups.next().is_some() {
            return Err(NotAMacAddr);
        }
        Ok(MacAddr(octets))
    }
}

/// One or two hex digits and nothing else: the parser of the standard library would take a sign.
fn hex_octet(group: &str) -> Option<u8> {
    let digits_only = group.bytes().all(|b| b.is_ascii_hexdigit());
    if group.len() > 2 || !digits_only {
        return None;
    }
    u8::from_str_radix(group, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const GUEST: MacAddr = MacAddr([0x52, 0x54, 0x00, 0x12, 0x34, 0x56]);

    #[test]
    fn is_written_in_lower_case_with_colons() {
        assert_eq!(GUEST.to_string(), "52:54:00:12:34:56");
        assert_eq!(format!("{:?}", MacAddr::BROADCAST), "ff:ff:ff:ff:ff:ff");
    }

    #[test]
    fn is_read_in_the_usual_spellings() {
        for text in ["52:54:00:12:34:56", "52:54:0:12:34:56", "52-54-00-12-34-56"] {
            assert_eq!(text.parse(), Ok(GUEST), "{text}");
        }
        assert_eq!("FF:ff:Ff:fF:ff:FF".parse(), Ok(MacAddr::BROADCAST));
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            ":",
            "52:54:00:12:34",
            "52:54:00:12:34:56:78",
            "52:54:00:12:34:5g",
            "52:54:00:12:34:",
            "52:54:00:12:34:056",
            "+2:54:00:12:34:56",
            "52:54-00:12:34:56",
            "525400123456",
            "52:54:00:12:34:5é",
        ] {
            assert_eq!(text.parse::<MacAddr>(), Err(NotAMacAddr), "{text}");
        }
    }

    #[test]
    fn knows_groups_from_stations() {
        let group = MacAddr([0x01, 0x00, 0x5e, 0, 0, 1]);
        assert!(group.is_multicast() && !group.is_broadcast() && !group.is_unicast());
        assert!(MacAddr::BROADCAST.is_multicast() && MacAddr::BROADCAST.is_broadcast());
        assert!(GUEST.is_unicast() && !GUEST.is_multicast());
        assert!(!MacAddr::ZERO.is_unicast());
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(octets: [u8; 6]) {
            prop_assert_eq!(MacAddr(octets).to_string().parse(), Ok(MacAddr(octets)));
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".{0,24}") {
            let _ = text.parse::<MacAddr>();
        }
    }
}
