//! The chain of IPv6 extension headers: what is behind it, and whether it says that this is a fragment.
//! Follows RFC 8200, section 4.
//!
//! Walked are hop-by-hop and destination options, routing, fragment (RFC 8200) and authentication (RFC 4302),
//! in any order and not further than [`EXTENSIONS_MAX`]. Anything else is the protocol of the payload.

use super::exthdr::Met;
use super::{Error, Fragment, Layer, be16, protocol, read};

/// Extension headers walked at most. A sender following RFC 8200, section 4.1, needs six.
pub const EXTENSIONS_MAX: usize = 8;

/// Where a chain ends.
#[derive(Debug, Clone, Copy)]
pub(super) struct Chain<'a> {
    /// What the payload is.
    pub(super) protocol: u8,
    /// Which part of its datagram the payload is.
    pub(super) fragment: Fragment,
    /// Everything behind the chain.
    pub(super) payload: &'a [u8],
    met: Met,
}

/// Follows next-header values until one is not an extension header, or a later fragment hides the rest.
#[inline]
pub(super) fn walk(next_header: u8, body: &[u8]) -> Result<Chain<'_>, Error> {
    if is_one(next_header) { walk_on(next_header, body) } else { Ok(Chain::at(next_header, body)) }
}

/// True for the next-header values that are walked over.
#[inline]
pub(super) const fn is_one(next_header: u8) -> bool {
    matches!(
        next_header,
        protocol::HOP_BY_HOP
            | protocol::ROUTING
            | protocol::FRAGMENT
            | protocol::AH
            | protocol::DESTINATION_OPTIONS
    )
}

/// Nearly every packet comes without extension headers; this is for the others.
#[cold]
fn walk_on(next_header: u8, body: &[u8]) -> Result<Chain<'_>, Error> {
    let mut chain = Chain::at(next_header, body);
    for _ in 0..EXTENSIONS_MAX {
        chain = chain.step()?;
        if !is_one(chain.protocol) || chain.fragment == Fragment::Later {
            return Ok(chain);
        }
    }
    Err(Error::TooManyHeaders(Layer::Ipv6))
}

impl<'a> Chain<'a> {
    fn at(next_header: u8, body: &'a [u8]) -> Chain<'a> {
        Chain { protocol: next_header, fragment: Fragment::Whole, payload: body, met: Met::default() }
    }

    /// Which headers there are, and what about their order is unexpected: bits of [`super::exthdr`]. What begins the
    /// fragmentable part is not in a later fragment, and does not count there.
    #[inline]
    pub(super) fn headers(&self) -> u16 {
        match self.fragment {
            Fragment::Later => self.met.bits(),
            _ => self.met.end(self.protocol),
        }
    }

    /// Steps over one extension header.
    ///
    /// ```text
    /// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
    /// |  Next Header  |  Hdr Ext Len  |                               |
    /// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+                               +
    /// |                                                               |
    /// ```
    fn step(self) -> Result<Chain<'a>, Error> {
        let truncated = Error::Truncated(Layer::Ipv6);
        // All of them begin with the next header and have at least 8 bytes.
        let header = self.payload.first_chunk::<8>().ok_or(truncated)?;
        let [next_header, ext_len] = read::<0, 2, _>(header);
        let (len, fragment) = match self.protocol {
            protocol::FRAGMENT => (8, fragment(header)),
            // RFC 4302, section 2.2: "the length of AH in 32-bit words (4-byte units), minus "2"".
            protocol::AH => ((usize::from(ext_len) + 2) * 4, Fragment::Whole),
            // RFC 8200, sections 4.3, 4.4 and 4.6: the length "in 8-octet units, not including the first 8
            // octets".
            _ => ((usize::from(ext_len) + 1) * 8, Fragment::Whole),
        };
        let payload = self.payload.get(len..).ok_or(truncated)?;
        let met = self.met.with(self.protocol);
        Ok(Chain { protocol: next_header, fragment: self.fragment.max(fragment), payload, met })
    }
}

/// What a fragment header says.
///
/// ```text
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |  Next Header  |   Reserved    |      Fragment Offset    |Res|M|
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                         Identification                        |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
///
/// One that says offset 0 and no more fragments is an atomic fragment: the whole datagram (RFC 6946).
fn fragment(header: &[u8; 8]) -> Fragment {
    let offset_and_more = be16::<2, _>(header);
    Fragment::new(offset_and_more >> 3, offset_and_more & 1 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Destination options, a fragment header with this offset and flag field, and a payload.
    fn options_and_fragment(offset_and_more: u16) -> Vec<u8> {
        let [high, low] = offset_and_more.to_be_bytes();
        let options = [protocol::FRAGMENT, 0, 1, 4, 0, 0, 0, 0];
        let fragment = [protocol::UDP, 0, high, low, 0xde, 0xad, 0xbe, 0xef];
        [&options[..], &fragment, b"payload"].concat()
    }

    fn fragment_of(offset_and_more: u16) -> Fragment {
        let body = options_and_fragment(offset_and_more);
        let chain = walk(protocol::DESTINATION_OPTIONS, &body).unwrap();
        assert_eq!((chain.protocol, chain.payload), (protocol::UDP, &b"payload"[..]));
        chain.fragment
    }

    #[test]
    fn fragments_are_told_apart() {
        assert_eq!(fragment_of(0x0001), Fragment::First);
        assert_eq!(fragment_of(0x05c9), Fragment::Later);
        assert_eq!(fragment_of(0x05c8), Fragment::Later, "the last one");
    }

    #[test]
    fn rfc6946_an_atomic_fragment_is_whole() {
        assert_eq!(fragment_of(0x0000), Fragment::Whole);
    }

    #[test]
    fn rfc8200_s4_5_reserved_bits_of_a_fragment_header_are_ignored() {
        assert_eq!(fragment_of(0x0006), Fragment::Whole);
        let mut body = options_and_fragment(0);
        body[9] = 0xff;
        assert_eq!(walk(protocol::DESTINATION_OPTIONS, &body).unwrap().payload, b"payload");
    }

    /// The payload of a later fragment looks like an extension header, but is the middle of one that was cut.
    #[test]
    fn a_later_fragment_ends_the_chain() {
        let mut body = options_and_fragment(0x05c8);
        body[8] = protocol::DESTINATION_OPTIONS;
        let chain = walk(protocol::DESTINATION_OPTIONS, &body).unwrap();
        assert_eq!((chain.protocol, chain.payload), (protocol::DESTINATION_OPTIONS, &b"payload"[..]));
    }

    #[test]
    fn a_second_fragment_header_does_not_undo_the_first() {
        let first = [protocol::FRAGMENT, 0, 0, 1, 0, 0, 0, 0];
        let atomic = [protocol::UDP, 0, 0, 0, 0, 0, 0, 0];
        let body = [first, atomic].concat();
        assert_eq!(walk(protocol::FRAGMENT, &body).unwrap().fragment, Fragment::First);
    }

    #[test]
    fn rfc4302_s2_2_the_length_of_ah_is_in_words_minus_two() {
        let body = [&[protocol::TCP, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1][..], b"payload"].concat();
        let chain = walk(protocol::AH, &body).unwrap();
        assert_eq!((chain.protocol, chain.payload), (protocol::TCP, &b"payload"[..]));
    }

    #[test]
    fn rfc8200_s4_3_the_length_does_not_include_the_first_eight_octets() {
        let mut options = [0; 23];
        (options[0], options[1]) = (protocol::TCP, 1);
        let chain = walk(protocol::HOP_BY_HOP, &options).unwrap();
        assert_eq!((chain.protocol, chain.payload), (protocol::TCP, &[0; 7][..]));
    }

    #[test]
    fn rfc8200_s4_7_no_next_header_is_the_end_of_the_chain() {
        let chain = walk(protocol::NONE, b"ignored").unwrap();
        assert_eq!((chain.protocol, chain.payload), (protocol::NONE, &b"ignored"[..]));
    }

    #[test]
    fn the_chain_is_walked_up_to_its_bound() {
        let more = [protocol::DESTINATION_OPTIONS, 0, 1, 4, 0, 0, 0, 0];
        let last = [protocol::UDP, 0, 1, 4, 0, 0, 0, 0];
        let walk_over = |count| {
            let body = [vec![more; count - 1], vec![last]].concat().concat();
            walk(protocol::DESTINATION_OPTIONS, &body).map(|chain| chain.protocol)
        };
        assert_eq!(walk_over(EXTENSIONS_MAX), Ok(protocol::UDP));
        assert_eq!(walk_over(EXTENSIONS_MAX + 1), Err(Error::TooManyHeaders(Layer::Ipv6)));
    }

    #[test]
    fn a_header_past_the_end_is_refused() {
        let truncated = Error::Truncated(Layer::Ipv6);
        for kind in [protocol::HOP_BY_HOP, protocol::ROUTING, protocol::FRAGMENT, protocol::AH] {
            assert_eq!(walk(kind, &[0; 7]).unwrap_err(), truncated, "shorter than any");
        }
        let says_sixteen = [protocol::UDP, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(walk(protocol::ROUTING, &says_sixteen).unwrap_err(), truncated);
    }
}
