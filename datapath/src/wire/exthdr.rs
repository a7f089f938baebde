//! Which extension headers an IPv6 packet has, and whether in the order that RFC 8200, section 4.1, recommends: the bits of
//! OpenFlow's pseudo-field IPV6_EXTHDR (OpenFlow 1.3.5 section 7.2.3.8, `ofp_ipv6exthdr_flags`).

use super::protocol;

/// "No next header": nothing follows.
pub const NONEXT: u16 = 1;
/// Encapsulating security payload; nobody sees what is behind.
pub const ESP: u16 = 1 << 1;
/// Authentication header.
pub const AUTH: u16 = 1 << 2;
/// Destination options, once or twice.
pub const DEST: u16 = 1 << 3;
/// Fragment header.
pub const FRAG: u16 = 1 << 4;
/// Routing header.
pub const ROUTER: u16 = 1 << 5;
/// Hop-by-hop options, in front of all others.
pub const HOP: u16 = 1 << 6;
/// A header comes again that is not expected twice.
pub const UNREP: u16 = 1 << 7;
/// A header comes behind one that it is expected in front of.
pub const UNSEQ: u16 = 1 << 8;

/// Places in the recommended order.
mod place {
    pub(super) const HOP: u8 = 1;
    /// Destination options that every node of the routing header reads.
    pub(super) const FIRST_DEST: u8 = 2;
    pub(super) const ROUTER: u8 = 3;
    pub(super) const FRAG: u8 = 4;
    pub(super) const AUTH: u8 = 5;
    pub(super) const ESP: u8 = 6;
    /// Destination options that only the last node reads.
    pub(super) const LAST_DEST: u8 = 7;
}

/// What was met while a chain is walked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Met {
    bits: u16,
    /// The furthest place of a header so far; zero before the first.
    furthest: u8,
    destinations: u8,
}

impl Met {
    /// This header is next.
    pub(super) fn with(self, kind: u8) -> Met {
        let Met { bits, furthest, destinations } = self;
        let (bit, place) = match kind {
            // "As the first extension header in the packet": elsewhere only its order is told of.
            protocol::HOP_BY_HOP if furthest > place::HOP => (0, place::HOP),
            protocol::HOP_BY_HOP => (HOP, place::HOP),
            protocol::DESTINATION_OPTIONS if furthest < place::FIRST_DEST => (DEST, place::FIRST_DEST),
            protocol::DESTINATION_OPTIONS => (DEST, place::LAST_DEST),
            protocol::ROUTING => (ROUTER, place::ROUTER),
            protocol::FRAGMENT => (FRAG, place::FRAG),
            protocol::AH => (AUTH, place::AUTH),
            protocol::ESP => (ESP, place::ESP),
            _ => return self,
        };
        let destinations = destinations.saturating_add(u8::from(bit == DEST));
        let again = if bit == DEST { destinations > 2 } else { bits & bit != 0 };
        let repeated = if again { UNREP } else { 0 };
        let out_of_order = if place < furthest { UNSEQ } else { 0 };
        Met { bits: bits | bit | repeated | out_of_order, furthest: furthest.max(place), destinations }
    }

    /// All bits, when this is what the chain ends with.
    #[inline]
    pub(super) fn end(self, protocol: u8) -> u16 {
        match protocol {
            protocol::ESP => self.with(protocol).bits,
            protocol::NONE => self.bits | NONEXT,
            _ => self.bits,
        }
    }

    /// All bits, when a later fragment hides the end.
    pub(super) fn bits(self) -> u16 {
        self.bits
    }
}

#[cfg(test)]
mod tests {
    use super::super::protocol::{
        AH, DESTINATION_OPTIONS as DST, ESP as SEC, FRAGMENT as FRG, HOP_BY_HOP as HBH, NONE, ROUTING as RTG,
        TCP,
    };
    use super::*;

    fn bits(headers: &[u8], end: u8) -> u16 {
        headers.iter().fold(Met::default(), |met, header| met.with(*header)).end(end)
    }

    #[test]
    fn each_header_has_its_bit() {
        assert_eq!(bits(&[], TCP), 0);
        assert_eq!(bits(&[HBH], TCP), HOP);
        assert_eq!(bits(&[RTG], TCP), ROUTER);
        assert_eq!(bits(&[FRG], TCP), FRAG);
        assert_eq!(bits(&[DST], TCP), DEST);
        assert_eq!(bits(&[HBH, AH], TCP), 68, "as in the conformance tests");
        assert_eq!(bits(&[], SEC), ESP);
        assert_eq!(bits(&[HBH], NONE), HOP | NONEXT);
    }

    #[test]
    fn rfc8200_s4_1_the_recommended_order_is_no_surprise() {
        let all = HOP | DEST | ROUTER | FRAG | AUTH;
        assert_eq!(bits(&[HBH, DST, RTG, FRG, AH, DST], TCP), all);
        assert_eq!(bits(&[HBH, DST, RTG, FRG, AH], SEC), all | ESP);
        assert_eq!(bits(&[DST, DST], TCP), DEST);
        assert_eq!(bits(&[RTG, DST], TCP), ROUTER | DEST);
        assert_eq!(bits(&[DST, FRG], TCP), DEST | FRAG);
    }

    #[test]
    fn another_order_is_told_of() {
        assert_eq!(bits(&[FRG, RTG], TCP), FRAG | ROUTER | UNSEQ);
        assert_eq!(bits(&[RTG, DST, FRG], TCP), ROUTER | DEST | FRAG | UNSEQ);
        assert_eq!(bits(&[DST, DST, RTG], TCP), DEST | ROUTER | UNSEQ);
        assert_eq!(bits(&[RTG, HBH], TCP), ROUTER | UNSEQ, "not the first: only its order is told of");
    }

    #[test]
    fn headers_are_expected_once_and_destination_options_twice() {
        assert_eq!(bits(&[FRG, FRG], TCP), FRAG | UNREP);
        assert_eq!(bits(&[HBH, HBH], TCP), HOP | UNREP);
        assert_eq!(bits(&[DST, RTG, DST, DST], TCP), DEST | ROUTER | UNREP);
        assert_eq!(bits(&[RTG, FRG, RTG], TCP), ROUTER | FRAG | UNREP | UNSEQ);
    }
}
