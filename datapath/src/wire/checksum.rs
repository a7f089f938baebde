//! The Internet checksum: ones' complement sums of 16-bit words. Follows RFC 1071 and RFC 1624.
//!
//! A [`Sum`] is what has been added up so far; its complement is what goes into a checksum field. Sums of
//! neighbouring pieces combine, so a pseudo-header, a header and a payload are summed apart and joined.
//! After an edit the field is updated from the old and the new value; the rest is not read again.
//!
//! Field values are numbers in host order, as the accessors of the views return them.

use core::net::{Ipv4Addr, Ipv6Addr};

/// A ones' complement sum of 16-bit words, carries folded in. Zero only if every byte summed was zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sum(u16);

impl Sum {
    /// Of nothing.
    pub const ZERO: Sum = Sum(0);

    /// Of some bytes, the first being the high half of a word. An odd last byte counts as if a zero followed.
    #[inline]
    #[must_use]
    pub fn of(bytes: &[u8]) -> Sum {
        // RFC 1071, section 2: the sum does not depend on byte order, so words are added as they lie in memory
        // and the result is swapped; and wider words may be added and folded at the end. The compiler turns
        // this loop into vector instructions. 2^32 words fit into the total, a frame has a few thousand.
        let (words, rest) = bytes.as_chunks::<4>();
        let last = match *rest {
            [a] => [a, 0, 0, 0],
            [a, b] => [a, b, 0, 0],
            [a, b, c] => [a, b, c, 0],
            _ => [0; 4],
        };
        let total = words.iter().map(|word| u64::from(u32::from_ne_bytes(*word))).sum::<u64>();
        Sum(u16::from_be(fold(total + u64::from(u32::from_ne_bytes(last)))))
    }

    /// Of this piece followed by another. This piece has an even number of bytes.
    #[inline]
    #[must_use]
    pub const fn combine(self, next: Sum) -> Sum {
        let (sum, carry) = self.0.overflowing_add(next.0);
        Sum(sum + carry as u16)
    }

    /// The sum itself, as a number.
    #[inline]
    #[must_use]
    pub const fn folded(self) -> u16 {
        self.0
    }

    /// The value for the checksum field, if the field was zero when it was summed.
    #[inline]
    #[must_use]
    pub const fn checksum(self) -> u16 {
        // RFC 1071, section 1: the 1's complement of the sum is placed in the checksum field.
        !self.0
    }

    /// The value for the checksum field of UDP, where zero means that there is none.
    #[inline]
    #[must_use]
    pub const fn udp_checksum(self) -> u16 {
        // RFC 768: "If the computed checksum is zero, it is transmitted as all ones".
        match self.checksum() {
            0 => 0xffff,
            checksum => checksum,
        }
    }

    /// True if this is the sum of something whose checksum field, summed along, is right.
    #[inline]
    #[must_use]
    pub const fn is_valid(self) -> bool {
        // RFC 1071, section 1: "If the result is all 1 bits (-0 in 1's complement arithmetic), the check
        // succeeds."
        self.0 == 0xffff
    }

    /// The negative: adding it takes away what this sum is of.
    #[inline]
    const fn negated(self) -> Sum {
        Sum(!self.0)
    }
}

impl From<u16> for Sum {
    /// Of one word.
    #[inline]
    fn from(word: u16) -> Sum {
        Sum(word)
    }
}

impl From<u32> for Sum {
    /// Of two words.
    #[inline]
    fn from(words: u32) -> Sum {
        Sum(fold(u64::from(words)))
    }
}

impl From<u128> for Sum {
    /// Of eight words.
    #[inline]
    fn from(words: u128) -> Sum {
        let (high, low) = ((words >> 64) as u64, words as u64);
        Sum(fold(high)).combine(Sum(fold(low)))
    }
}

/// Adds the 16-bit words of a number with end-around carry.
#[inline]
const fn fold(words: u64) -> u16 {
    let sum = (words & 0xffff_ffff) + (words >> 32);
    let sum = (sum & 0xffff) + ((sum >> 16) & 0xffff) + (sum >> 32);
    let sum = (sum & 0xffff) + (sum >> 16);
    ((sum & 0xffff) + (sum >> 16)) as u16
}

/// Sum of the pseudo-header that TCP and UDP over IPv4 prepend. RFC 768 and RFC 9293, section 3.1.
///
/// `len` counts the transport header and its payload.
#[inline]
#[must_use]
pub fn pseudo_v4(source: Ipv4Addr, destination: Ipv4Addr, protocol: u8, len: u16) -> Sum {
    let addresses = u64::from(source.to_bits()) + u64::from(destination.to_bits());
    Sum(fold(addresses + u64::from(protocol) + u64::from(len)))
}

/// Sum of the pseudo-header that everything over IPv6 prepends. RFC 8200, section 8.1.
///
/// `protocol` is the one behind the extension headers; `len` counts the transport header and its payload.
#[inline]
#[must_use]
pub fn pseudo_v6(source: Ipv6Addr, destination: Ipv6Addr, protocol: u8, len: u32) -> Sum {
    let addresses = Sum::from(source.to_bits()).combine(Sum::from(destination.to_bits()));
    addresses.combine(Sum(fold(u64::from(protocol) + u64::from(len))))
}

/// A checksum field after the words under `old` have become `new`.
///
/// A UDP field of zero means that there is no checksum: it stays zero and must not come here.
#[inline]
#[must_use]
pub const fn update(field: u16, old: Sum, new: Sum) -> u16 {
    // RFC 1624, section 3, equation 3: HC' = ~(~HC + ~m + m').
    Sum(!field).combine(old.negated()).combine(new).checksum()
}

/// [`update`] for one 16-bit word, such as a port.
#[inline]
#[must_use]
pub fn update16(field: u16, old: u16, new: u16) -> u16 {
    update(field, Sum::from(old), Sum::from(new))
}

/// [`update`] for 32 bits, such as an IPv4 address.
#[inline]
#[must_use]
pub fn update32(field: u16, old: u32, new: u32) -> u16 {
    update(field, Sum::from(old), Sum::from(new))
}

/// [`update`] for 128 bits, such as an IPv6 address.
#[inline]
#[must_use]
pub fn update128(field: u16, old: u128, new: u128) -> u16 {
    update(field, Sum::from(old), Sum::from(new))
}

/// True if a TCP or UDP checksum field holds only the sum of the pseudo-header, not complemented.
///
/// So a local Linux sender leaves it for the device to finish (`CHECKSUM_PARTIAL` in the kernel's
/// `include/linux/skbuff.h`); a frame that goes to a real wire must be summed first. A finished checksum can
/// look the same, once in 65,536 times; summing it again yields the value that is there already.
#[inline]
#[must_use]
pub const fn partial(pseudo: Sum, field: u16) -> bool {
    pseudo.folded() == field
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    // RFC 1071, section 3: the example that is added up in four ways.
    const RFC1071: [u8; 8] = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];

    // scapy: bytes(IP(src='192.0.2.1', dst='198.51.100.2')/UDP(sport=49152, dport=4789)/b'payload')[20:]
    const UDP_V4: [u8; 15] =
        [0xc0, 0x00, 0x12, 0xb5, 0x00, 0x0f, 0x83, 0xb3, 0x70, 0x61, 0x79, 0x6c, 0x6f, 0x61, 0x64];
    const SOURCE_V4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
    const DESTINATION_V4: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 2);

    // scapy: bytes(IPv6(src='2001:db8::1', dst='2001:db8::2')/UDP(sport=49152, dport=4789)/b'payload')[40:]
    const UDP_V6: [u8; 15] =
        [0xc0, 0x00, 0x12, 0xb5, 0x00, 0x0f, 0x14, 0x76, 0x70, 0x61, 0x79, 0x6c, 0x6f, 0x61, 0x64];
    const SOURCE_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
    const DESTINATION_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2);

    /// RFC 1071, section 4.1, word by word: slow and plainly right.
    fn reference(bytes: &[u8]) -> u16 {
        let mut sum = 0u64;
        for pair in bytes.chunks(2) {
            sum += u64::from(pair[0]) << 8 | u64::from(pair.get(1).copied().unwrap_or(0));
        }
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        sum as u16
    }

    #[test]
    fn rfc1071_s3_the_numerical_example() {
        assert_eq!(Sum::of(&RFC1071).folded(), 0xddf2);
        assert_eq!(Sum::of(&RFC1071).checksum(), 0x220d);
    }

    #[test]
    fn rfc1624_s4_the_numerical_example() {
        assert_eq!(update16(0xdd2f, 0x5555, 0x3285), 0x0000);
    }

    #[test]
    fn rfc768_a_computed_zero_is_sent_as_ones() {
        assert_eq!(Sum::from(0xffff_u16).udp_checksum(), 0xffff);
        assert_eq!(Sum::from(0xfffe_u16).udp_checksum(), 0x0001);
    }

    #[test]
    fn udp_over_ipv4_as_scapy_sums_it() {
        let pseudo = pseudo_v4(SOURCE_V4, DESTINATION_V4, 17, UDP_V4.len() as u16);
        assert!(pseudo.combine(Sum::of(&UDP_V4)).is_valid());
        assert!(!pseudo.combine(Sum::of(&UDP_V4[..14])).is_valid());
    }

    #[test]
    fn udp_over_ipv6_as_scapy_sums_it() {
        let pseudo = pseudo_v6(SOURCE_V6, DESTINATION_V6, 17, UDP_V6.len() as u32);
        assert!(pseudo.combine(Sum::of(&UDP_V6)).is_valid());
    }

    #[test]
    fn a_field_left_for_the_device_is_recognised_and_finished() {
        let pseudo = pseudo_v4(SOURCE_V4, DESTINATION_V4, 17, UDP_V4.len() as u16);
        assert!(!partial(pseudo, 0x83b3));
        let mut unfinished = UDP_V4;
        unfinished[6..8].copy_from_slice(&pseudo.folded().to_be_bytes());
        assert!(partial(pseudo, pseudo.folded()));
        // What a device does: it sums from the transport header on, the pseudo-header is in the field already.
        assert_eq!(Sum::of(&unfinished).checksum(), 0x83b3);
    }

    #[test]
    fn nothing_sums_to_zero() {
        assert_eq!(Sum::of(&[]), Sum::ZERO);
        assert_eq!(Sum::of(&[0; 33]), Sum::ZERO);
        assert!(!Sum::ZERO.is_valid());
    }

    #[test]
    fn the_largest_numbers_fold() {
        assert_eq!(fold(u64::MAX), 0xffff);
        assert_eq!(Sum::from(u128::MAX).folded(), 0xffff);
        assert_eq!(Sum::of(&[0xff; 65_535]).folded(), reference(&[0xff; 65_535]));
    }

    proptest! {
        #[test]
        fn any_bytes_sum_as_word_by_word(bytes in proptest::collection::vec(any::<u8>(), 0..1600)) {
            prop_assert_eq!(Sum::of(&bytes).folded(), reference(&bytes));
        }

        #[test]
        fn pieces_cut_at_an_even_place_combine(bytes in proptest::collection::vec(any::<u8>(), 0..200), cut: usize) {
            let (front, back) = bytes.split_at((cut % (bytes.len() + 1)) & !1);
            prop_assert_eq!(Sum::of(front).combine(Sum::of(back)), Sum::of(&bytes));
        }

        #[test]
        fn numbers_sum_as_their_bytes(a: u16, b: u32, c: u128) {
            prop_assert_eq!(Sum::from(a), Sum::of(&a.to_be_bytes()));
            prop_assert_eq!(Sum::from(b), Sum::of(&b.to_be_bytes()));
            prop_assert_eq!(Sum::from(c), Sum::of(&c.to_be_bytes()));
        }

        #[test]
        fn pseudo_headers_sum_as_their_bytes(
            a: u32, b: u32, c: u128, d: u128, protocol: u8, short: u16, long: u32,
        ) {
            let v4 = [&a.to_be_bytes()[..], &b.to_be_bytes(), &[0, protocol], &short.to_be_bytes()].concat();
            prop_assert_eq!(pseudo_v4(a.into(), b.into(), protocol, short), Sum::of(&v4));
            let v6 = [
                &c.to_be_bytes()[..], &d.to_be_bytes(), &long.to_be_bytes(), &[0, 0, 0, protocol],
            ].concat();
            prop_assert_eq!(pseudo_v6(c.into(), d.into(), protocol, long), Sum::of(&v6));
        }

        /// The law of RFC 1624: updating equals summing again. A header always has a byte that is not zero.
        #[test]
        fn an_updated_checksum_is_that_of_the_new_bytes(
            mut bytes: [u8; 40], a: u16, b: u32, c: u128, at in 0usize..12,
        ) {
            bytes[39] |= 1;
            let field = Sum::of(&bytes).checksum();
            let (word, double, wide) = (at * 2, at, at * 2);

            let mut edited = bytes;
            let old = u16::from_be_bytes([bytes[word], bytes[word + 1]]);
            edited[word..word + 2].copy_from_slice(&a.to_be_bytes());
            prop_assert_eq!(update16(field, old, a), Sum::of(&edited).checksum());

            let mut edited = bytes;
            let double = double & !1;
            let old = u32::from_be_bytes(bytes[double..double + 4].try_into().unwrap());
            edited[double..double + 4].copy_from_slice(&b.to_be_bytes());
            prop_assert_eq!(update32(field, old, b), Sum::of(&edited).checksum());

            let mut edited = bytes;
            let old = u128::from_be_bytes(bytes[wide..wide + 16].try_into().unwrap());
            edited[wide..wide + 16].copy_from_slice(&c.to_be_bytes());
            prop_assert_eq!(update128(field, old, c), Sum::of(&edited).checksum());
        }
    }
}
