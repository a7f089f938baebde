//! Neighbor discovery: who has this IPv6 address, and who says so. Follows RFC 4861, sections 4.3, 4.4 and 4.6.
//!
//! Solicitations and advertisements only, the two that OpenFlow matches. Of their options the source and the
//! target link-layer address are read, in the form that Ethernet has (RFC 2464, section 6); others are stepped
//! over.

use core::net::Ipv6Addr;

use super::checksum::{Sum, pseudo_v6};
use super::icmp::{self, v6};
use super::{Error, Layer, MacAddr, be16, protocol, read, split, write};

/// Length of the message without options.
pub const HEADER_LEN: usize = 24;

/// Offsets of the fields.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |     Type      |     Code      |          Checksum             |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |R|S|O|                     Reserved                            |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                                                               |
/// +                                                               +
/// |                                                               |
/// +                       Target Address                          +
/// |                                                               |
/// +                                                               +
/// |                                                               |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |   Options ...
/// +-+-+-+-+-+-+-+-+-+-+-+-
/// ```
///
/// R, S and O are in advertisements only. An option is a type, a length in units of 8 bytes, and its value.
pub mod at {
    /// Flags of an advertisement, 1 byte, followed by 3 reserved ones.
    pub const FLAGS: usize = 4;
    /// Target address, 16 bytes.
    pub const TARGET: usize = 8;
}

/// Option: link-layer address of the sender of a solicitation.
pub const SOURCE_LINK_ADDRESS: u8 = 1;
/// Option: link-layer address of the target of an advertisement.
pub const TARGET_LINK_ADDRESS: u8 = 2;
/// Length of either option with an Ethernet address.
pub const OPTION_LEN: usize = 8;

/// Flag of an advertisement: the sender is a router.
const ROUTER: u8 = 0x80;
/// Flag of an advertisement: it answers a solicitation.
const SOLICITED: u8 = 0x40;
/// Flag of an advertisement: it replaces what is known.
const OVERRIDE: u8 = 0x20;

/// A solicitation or advertisement taken apart.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    header: &'a [u8; HEADER_LEN],
    options: &'a [u8],
    source_mac: Option<MacAddr>,
    target_mac: Option<MacAddr>,
    link_option: Option<u8>,
}

impl<'a> View<'a> {
    /// Takes an ICMPv6 message apart, its ICMPv6 header included. Every option lies inside.
    pub fn parse(bytes: &'a [u8]) -> Result<View<'a>, Error> {
        let kind = icmp::View::parse(bytes)?;
        // RFC 4861, sections 7.1.1 and 7.1.2: "ICMP Code is 0."
        let known = matches!(kind.kind(), v6::NEIGHBOR_SOLICITATION | v6::NEIGHBOR_ADVERTISEMENT);
        if !known || kind.code() != 0 {
            return Err(Error::BadMessageType(Layer::Nd));
        }
        // "ICMP length (derived from the IP length) is 24 or more octets."
        let (header, options) = split(bytes, Layer::Nd)?;
        let mut view = View { header, options, source_mac: None, target_mac: None, link_option: None };
        // "Target Address is not a multicast address."
        if view.target().is_multicast() {
            return Err(Error::BadAddressType(Layer::Nd));
        }
        let mut rest = options;
        while !rest.is_empty() {
            rest = view.read_option(rest)?;
        }
        Ok(view)
    }

    /// Takes note of the first option and returns the bytes behind it.
    fn read_option(&mut self, options: &'a [u8]) -> Result<&'a [u8], Error> {
        let [kind, units] = *options.first_chunk::<2>().ok_or(Error::BadOption(Layer::Nd))?;
        // RFC 4861, section 4.6: "The value 0 is invalid. Nodes MUST silently discard an ND packet that
        // contains an option with length zero."
        if units == 0 {
            return Err(Error::BadOption(Layer::Nd));
        }
        let len = usize::from(units) * 8;
        let (option, rest) = options.split_at_checked(len).ok_or(Error::BadOption(Layer::Nd))?;
        // "Receivers MUST silently ignore any options they do not recognize": also other lengths than
        // Ethernet's, and repetitions.
        if let Ok(option) = <&[u8; OPTION_LEN]>::try_from(option) {
            let mac = MacAddr(read::<2, 6, _>(option));
            if matches!(kind, SOURCE_LINK_ADDRESS | TARGET_LINK_ADDRESS) {
                self.link_option = self.link_option.or(Some(kind));
            }
            match kind {
                SOURCE_LINK_ADDRESS => self.source_mac = self.source_mac.or(Some(mac)),
                TARGET_LINK_ADDRESS => self.target_mac = self.target_mac.or(Some(mac)),
                _ => {}
            }
        }
        Ok(rest)
    }

    /// The flags and the reserved bits behind them, as one number.
    #[inline]
    #[must_use]
    pub fn flags(&self) -> u32 {
        u32::from_be_bytes(read::<{ at::FLAGS }, 4, _>(self.header))
    }

    /// Of which of the two kinds the first option with a link-layer address is.
    #[inline]
    #[must_use]
    pub fn link_option(&self) -> Option<u8> {
        self.link_option
    }

    /// True for an advertisement, false for a solicitation.
    #[inline]
    #[must_use]
    pub fn is_advertisement(&self) -> bool {
        self.header[icmp::at::TYPE] == v6::NEIGHBOR_ADVERTISEMENT
    }

    /// The checksum field.
    #[inline]
    #[must_use]
    pub fn checksum(&self) -> u16 {
        be16::<{ icmp::at::CHECKSUM }, _>(self.header)
    }

    /// The address that is asked for, or that the sender says it has.
    #[inline]
    #[must_use]
    pub fn target(&self) -> Ipv6Addr {
        Ipv6Addr::from(read::<{ at::TARGET }, 16, _>(self.header))
    }

    /// Of an advertisement: the sender is a router.
    #[inline]
    #[must_use]
    pub fn from_router(&self) -> bool {
        self.header[at::FLAGS] & ROUTER != 0
    }

    /// Of an advertisement: it answers a solicitation.
    #[inline]
    #[must_use]
    pub fn solicited(&self) -> bool {
        self.header[at::FLAGS] & SOLICITED != 0
    }

    /// Of an advertisement: it replaces what is known.
    #[inline]
    #[must_use]
    pub fn overrides(&self) -> bool {
        self.header[at::FLAGS] & OVERRIDE != 0
    }

    /// The source link-layer address, if the option is there.
    #[inline]
    #[must_use]
    pub fn source_mac(&self) -> Option<MacAddr> {
        self.source_mac
    }

    /// The target link-layer address, if the option is there.
    #[inline]
    #[must_use]
    pub fn target_mac(&self) -> Option<MacAddr> {
        self.target_mac
    }

    /// The options, as they are in the message.
    #[inline]
    #[must_use]
    pub fn payload(&self) -> &'a [u8] {
        self.options
    }
}

/// Whether an ICMPv6 message is a solicitation or an advertisement, whole but for its options.
#[must_use]
pub fn is_neighbour(message: &[u8]) -> bool {
    let known = |kind: &[u8; HEADER_LEN]| {
        matches!(kind[icmp::at::TYPE], v6::NEIGHBOR_SOLICITATION | v6::NEIGHBOR_ADVERTISEMENT)
    };
    message.first_chunk::<HEADER_LEN>().is_some_and(|header| known(header) && header[icmp::at::CODE] == 0)
}

/// Where the first option with an Ethernet address begins, from the start of the message; nowhere when an option contradicts the length
/// of the message.
#[must_use]
pub fn link_option_at(message: &[u8]) -> Option<usize> {
    let first = |kind| link_address_at(message, kind).map(|at| at - 2);
    match (first(SOURCE_LINK_ADDRESS), first(TARGET_LINK_ADDRESS)) {
        (Some(source), Some(target)) => Some(source.min(target)),
        (source, target) => source.or(target),
    }
}

/// Where the first Ethernet address in an option of this kind is, from the start of the message; nowhere when an option
/// contradicts the length of the message.
#[must_use]
pub fn link_address_at(message: &[u8], kind: u8) -> Option<usize> {
    let (mut at, mut found) = (HEADER_LEN, None);
    while at < message.len() {
        let [of, units] = *message[at..].first_chunk::<2>()?;
        let next = at + usize::from(units) * OPTION_LEN;
        if units == 0 || next > message.len() {
            return None;
        }
        if of == kind && units == 1 {
            found = found.or(Some(at + 2));
        }
        at = next;
    }
    found
}

/// A question or an answer, with the one option that belongs to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repr {
    /// Who has this address?
    Solicitation {
        /// The address asked for.
        target: Ipv6Addr,
        /// Who asks.
        source_mac: Option<MacAddr>,
    },
    /// I have this address.
    Advertisement {
        /// The address the sender has.
        target: Ipv6Addr,
        /// Where it can be reached.
        target_mac: Option<MacAddr>,
        /// The sender is a router.
        from_router: bool,
        /// This answers a solicitation.
        solicited: bool,
        /// This replaces what is known.
        overrides: bool,
    },
}

impl Repr {
    /// The message that a view shows.
    #[must_use]
    pub fn parse(view: &View<'_>) -> Repr {
        let target = view.target();
        if view.is_advertisement() {
            Repr::Advertisement {
                target,
                target_mac: view.target_mac(),
                from_router: view.from_router(),
                solicited: view.solicited(),
                overrides: view.overrides(),
            }
        } else {
            Repr::Solicitation { target, source_mac: view.source_mac() }
        }
    }

    /// Writes the message, its checksum included, to the front of a buffer and returns the rest of it.
    ///
    /// The addresses are those of the IPv6 header in front of it.
    pub fn emit<'b>(
        &self,
        source: Ipv6Addr,
        destination: Ipv6Addr,
        out: &'b mut [u8],
    ) -> Result<&'b mut [u8], Error> {
        let (header, option) = match *self {
            Repr::Solicitation { target, source_mac } => {
                // RFC 4861, section 4.3, the source link-layer address: "MUST NOT be included when the source
                // IP address is the unspecified address."
                let source_mac = source_mac.filter(|_| !source.is_unspecified());
                let option = source_mac.map(|mac| link_address(SOURCE_LINK_ADDRESS, mac));
                (header(v6::NEIGHBOR_SOLICITATION, 0, target), option)
            }
            Repr::Advertisement { target, target_mac, from_router, solicited, overrides } => {
                let set = |flag, when| if when { flag } else { 0 };
                let flags = set(ROUTER, from_router) | set(SOLICITED, solicited) | set(OVERRIDE, overrides);
                let option = target_mac.map(|mac| link_address(TARGET_LINK_ADDRESS, mac));
                (header(v6::NEIGHBOR_ADVERTISEMENT, flags, target), option)
            }
        };
        let option: &[u8] = option.as_ref().map_or(&[], |option| option.as_slice());
        let no_room = Error::NoRoom(Layer::Nd);
        let (message, rest) = out.split_at_mut_checked(HEADER_LEN + option.len()).ok_or(no_room)?;
        let (front, back) = message.split_first_chunk_mut::<HEADER_LEN>().ok_or(no_room)?;
        *front = header;
        back.copy_from_slice(option);

        let len = (HEADER_LEN + option.len()) as u32;
        let pseudo = pseudo_v6(source, destination, protocol::ICMPV6, len);
        let checksum = pseudo.combine(Sum::of(front)).combine(Sum::of(back)).checksum();
        write::<{ icmp::at::CHECKSUM }, _, _>(front, checksum.to_be_bytes());
        Ok(rest)
    }
}

/// The message without options, its checksum zero.
fn header(kind: u8, flags: u8, target: Ipv6Addr) -> [u8; HEADER_LEN] {
    let mut header = [0; HEADER_LEN];
    header[icmp::at::TYPE] = kind;
    header[at::FLAGS] = flags;
    write::<{ at::TARGET }, _, _>(&mut header, target.octets());
    header
}

/// An option with an Ethernet address.
fn link_address(kind: u8, mac: MacAddr) -> [u8; OPTION_LEN] {
    let mut option = [0; OPTION_LEN];
    option[0] = kind;
    option[1] = 1;
    write::<2, _, _>(&mut option, mac.0);
    option
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    // scapy: bytes(IPv6(src='2001:db8::1', dst='ff02::1:ff00:2')/ICMPv6ND_NS(tgt='2001:db8::2')
    //        /ICMPv6NDOptSrcLLAddr(lladdr='52:54:00:00:00:01'))[40:]
    const SOLICITATION: [u8; 32] = [
        0x87, 0x00, 0xcb, 0xd2, 0x00, 0x00, 0x00, 0x00, 0x20, 0x01, 0x0d, 0xb8, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x01, 0x01, 0x52, 0x54, 0x00, 0x00, 0x00, 0x01,
    ];

    // scapy: bytes(IPv6(src='2001:db8::2', dst='2001:db8::1')/ICMPv6ND_NA(R=0, S=1, O=1, tgt='2001:db8::2')
    //        /ICMPv6NDOptDstLLAddr(lladdr='52:54:00:00:00:02'))[40:]
    const ADVERTISEMENT: [u8; 32] = [
        0x88, 0x00, 0x3a, 0x1d, 0x60, 0x00, 0x00, 0x00, 0x20, 0x01, 0x0d, 0xb8, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x02, 0x01, 0x52, 0x54, 0x00, 0x00, 0x00, 0x02,
    ];

    const ASKER: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
    const TARGET: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2);
    const SOLICITED_NODE: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00, 2);

    const QUESTION: Repr =
        Repr::Solicitation { target: TARGET, source_mac: Some(MacAddr([0x52, 0x54, 0, 0, 0, 1])) };
    const ANSWER: Repr = Repr::Advertisement {
        target: TARGET,
        target_mac: Some(MacAddr([0x52, 0x54, 0, 0, 0, 2])),
        from_router: false,
        solicited: true,
        overrides: true,
    };

    fn edited(at: usize, value: u8) -> [u8; 32] {
        let mut message = SOLICITATION;
        message[at] = value;
        message
    }

    #[test]
    fn a_link_address_is_where_its_option_is() {
        assert!(is_neighbour(&SOLICITATION) && is_neighbour(&ADVERTISEMENT));
        assert!(!is_neighbour(&SOLICITATION[..HEADER_LEN - 1]));
        assert_eq!(link_address_at(&SOLICITATION, SOURCE_LINK_ADDRESS), Some(26));
        assert_eq!(link_address_at(&SOLICITATION, TARGET_LINK_ADDRESS), None);
        let two = [&SOLICITATION[..], &ADVERTISEMENT[24..]].concat();
        assert_eq!(link_address_at(&two, TARGET_LINK_ADDRESS), Some(34));
        for cut in HEADER_LEN + 1..two.len() {
            let whole = cut == SOLICITATION.len();
            assert_eq!(link_address_at(&two[..cut], SOURCE_LINK_ADDRESS).is_some(), whole, "{cut}");
        }
    }

    #[test]
    fn take_apart() {
        let view = View::parse(&SOLICITATION).unwrap();
        assert!(!view.is_advertisement());
        assert_eq!(view.checksum(), 0xcbd2);
        assert_eq!(view.target(), TARGET);
        assert_eq!(view.source_mac().unwrap().to_string(), "52:54:00:00:00:01");
        assert_eq!(view.target_mac(), None);
        assert_eq!(view.payload(), &SOLICITATION[24..]);

        let view = View::parse(&ADVERTISEMENT).unwrap();
        assert!(view.is_advertisement());
        assert!(!view.from_router() && view.solicited() && view.overrides());
        assert_eq!(view.source_mac(), None);
        assert_eq!(view.target_mac().unwrap().to_string(), "52:54:00:00:00:02");
    }

    #[test]
    fn parse() {
        assert_eq!(Repr::parse(&View::parse(&SOLICITATION).unwrap()), QUESTION);
        assert_eq!(Repr::parse(&View::parse(&ADVERTISEMENT).unwrap()), ANSWER);
    }

    #[test]
    fn build_and_emit() {
        let mut out = [0xaa; 33];
        assert_eq!(QUESTION.emit(ASKER, SOLICITED_NODE, &mut out), Ok(&mut [0xaa][..]));
        assert_eq!(out[..32], SOLICITATION);
        assert_eq!(ANSWER.emit(TARGET, ASKER, &mut out), Ok(&mut [0xaa][..]));
        assert_eq!(out[..32], ADVERTISEMENT);
        let too_short = &mut [0; 31];
        assert_eq!(ANSWER.emit(TARGET, ASKER, too_short), Err(Error::NoRoom(Layer::Nd)));
    }

    #[test]
    fn a_message_cut_short_is_refused() {
        for len in 0..icmp::HEADER_LEN {
            assert_eq!(View::parse(&SOLICITATION[..len]).unwrap_err(), Error::Truncated(Layer::Icmp));
        }
        for len in icmp::HEADER_LEN..HEADER_LEN {
            assert_eq!(View::parse(&SOLICITATION[..len]).unwrap_err(), Error::Truncated(Layer::Nd));
        }
        assert_eq!(View::parse(&SOLICITATION[..HEADER_LEN]).unwrap().source_mac(), None);
        for len in HEADER_LEN + 1..SOLICITATION.len() {
            assert_eq!(View::parse(&SOLICITATION[..len]).unwrap_err(), Error::BadOption(Layer::Nd));
        }
    }

    #[test]
    fn other_messages_are_refused() {
        let message = edited(icmp::at::TYPE, v6::ECHO_REQUEST);
        assert_eq!(View::parse(&message).unwrap_err(), Error::BadMessageType(Layer::Nd));
    }

    #[test]
    fn rfc4861_s7_1_the_code_is_zero() {
        let message = edited(icmp::at::CODE, 1);
        assert_eq!(View::parse(&message).unwrap_err(), Error::BadMessageType(Layer::Nd));
    }

    #[test]
    fn rfc4861_s7_1_the_target_is_not_multicast() {
        let message = edited(at::TARGET, 0xff);
        assert_eq!(View::parse(&message).unwrap_err(), Error::BadAddressType(Layer::Nd));
    }

    #[test]
    fn rfc4861_s4_3_and_s4_4_reserved_bits_must_be_ignored_and_sent_as_zero() {
        let mut message = ADVERTISEMENT;
        message[at::FLAGS] |= 0x1f;
        message[at::FLAGS + 1..at::TARGET].fill(0xff);
        assert_eq!(Repr::parse(&View::parse(&message).unwrap()), ANSWER);

        let mut message = SOLICITATION;
        message[at::FLAGS..at::TARGET].fill(0xff);
        assert_eq!(Repr::parse(&View::parse(&message).unwrap()), QUESTION);
    }

    #[test]
    fn rfc4861_s4_3_no_source_option_from_the_unspecified_address() {
        let mut out = [0; 32];
        let rest = QUESTION.emit(Ipv6Addr::UNSPECIFIED, SOLICITED_NODE, &mut out).unwrap();
        assert_eq!(rest.len(), OPTION_LEN);
        assert_eq!(View::parse(&out[..HEADER_LEN]).unwrap().source_mac(), None);
    }

    #[test]
    fn rfc4861_s4_6_an_option_of_length_zero_must_discard_the_message() {
        assert_eq!(View::parse(&edited(25, 0)).unwrap_err(), Error::BadOption(Layer::Nd));
    }

    #[test]
    fn rfc4861_s4_6_unknown_options_must_be_ignored() {
        let unknown = [14, 2, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0];
        let message = [&SOLICITATION[..24], &unknown, &SOLICITATION[24..]].concat();
        assert_eq!(Repr::parse(&View::parse(&message).unwrap()), QUESTION);
    }

    #[test]
    fn of_repeated_options_the_first_counts() {
        let message = [&SOLICITATION[..], &[1, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]].concat();
        assert_eq!(Repr::parse(&View::parse(&message).unwrap()), QUESTION);
    }

    proptest! {
        #[test]
        fn what_is_emitted_is_parsed_again(
            mut target: [u8; 16], mac: [u8; 6], has_mac: bool, flags: [bool; 3], advertisement: bool,
        ) {
            target[0] &= 0x7f;
            let (target, mac) = (Ipv6Addr::from(target), has_mac.then_some(MacAddr(mac)));
            let [from_router, solicited, overrides] = flags;
            let repr = if advertisement {
                Repr::Advertisement { target, target_mac: mac, from_router, solicited, overrides }
            } else {
                Repr::Solicitation { target, source_mac: mac }
            };
            let mut out = [0; 32];
            let rest = repr.emit(ASKER, TARGET, &mut out).unwrap().len();
            let message = &out[..32 - rest];
            prop_assert_eq!(Repr::parse(&View::parse(message).unwrap()), repr);
            let pseudo = pseudo_v6(ASKER, TARGET, 58, message.len() as u32);
            prop_assert!(icmp::View::parse(message).unwrap().checksum_ok(pseudo));
        }
    }
}
