//! Geneve: a packet inside UDP, with the number of the network it belongs to and any number of options.
//! Follows RFC 8926, sections 3.4 and 3.5.
//!
//! Reserved bits are ignored when read and zero when written. A view checks that the options lie inside the datagram;
//! whether they add up, and whether one of them is critical, [`Options`] tells on the way through them.

use super::{Error, Layer, Vni, be16, put, read, split, write};

/// Length of the header without options.
pub const HEADER_LEN: usize = 8;
/// Most bytes of options: six bits that count words.
pub const OPTIONS_LEN_MAX: usize = 252;
/// Most bytes of an option's data: five bits that count words.
pub const OPTION_DATA_MAX: usize = 124;
/// Length of what is in front of an option's data.
pub const OPTION_HEADER_LEN: usize = 4;

/// The destination port assigned by IANA (RFC 8926, section 3.3).
pub const PORT: u16 = 6081;

/// Protocol type of an Ethernet frame.
pub const ETHERNET: u16 = 0x6558;

/// The O flag: a message to the endpoint itself.
pub const FLAG_CONTROL: u8 = 0x80;
/// The C flag: an option is critical.
pub const FLAG_CRITICAL: u8 = 0x40;
/// The bit of an option's type that says that it is critical.
pub const OPTION_CRITICAL: u8 = 0x80;

/// Offsets of the fields.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |Ver|  Opt Len  |O|C|    Rsvd.  |          Protocol Type        |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |        Virtual Network Identifier (VNI)       |    Reserved   |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ~                    Variable-Length Options                    ~
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
pub mod at {
    /// Version and length of the options in words, 1 byte.
    pub const OPTIONS_LEN: usize = 0;
    /// Flags, 1 byte.
    pub const FLAGS: usize = 1;
    /// Type of what is inside, 2 bytes.
    pub const PROTOCOL: usize = 2;
    /// Network identifier, 3 bytes, followed by a reserved one.
    pub const VNI: usize = 4;
}

/// A Geneve datagram taken apart.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    header: &'a [u8; HEADER_LEN],
    options: &'a [u8],
    payload: &'a [u8],
}

impl<'a> View<'a> {
    /// Takes apart the payload of a UDP datagram.
    #[inline]
    pub fn parse(bytes: &'a [u8]) -> Result<View<'a>, Error> {
        let (header, rest) = split::<HEADER_LEN>(bytes, Layer::Geneve)?;
        let [first] = read::<{ at::OPTIONS_LEN }, 1, _>(header);
        // RFC 8926, section 3.4: "Packets received by a tunnel endpoint with an unknown version MUST be dropped."
        if first >> 6 != 0 {
            return Err(Error::BadVersion(Layer::Geneve));
        }
        let len = usize::from(first & 0x3f) * 4;
        let (options, payload) = rest.split_at_checked(len).ok_or(Error::Truncated(Layer::Geneve))?;
        Ok(View { header, options, payload })
    }

    fn flags(&self) -> u8 {
        let [flags] = read::<{ at::FLAGS }, 1, _>(self.header);
        flags
    }

    /// Whether this is a message to the endpoint, whose payload must not be forwarded.
    #[inline]
    #[must_use]
    pub fn is_control(&self) -> bool {
        self.flags() & FLAG_CONTROL != 0
    }

    /// Whether the header says that an option is critical.
    #[inline]
    #[must_use]
    pub fn has_critical(&self) -> bool {
        self.flags() & FLAG_CRITICAL != 0
    }

    /// The EtherType of what is inside; [`ETHERNET`] for a frame.
    #[inline]
    #[must_use]
    pub fn protocol(&self) -> u16 {
        be16::<{ at::PROTOCOL }, _>(self.header)
    }

    /// The network the frame belongs to.
    #[inline]
    #[must_use]
    pub fn vni(&self) -> Vni {
        Vni::from_bytes(read::<{ at::VNI }, 3, _>(self.header))
    }

    /// Whether there are options.
    #[inline]
    #[must_use]
    pub fn has_options(&self) -> bool {
        !self.options.is_empty()
    }

    /// The options, one after another.
    #[inline]
    #[must_use]
    pub fn options(&self) -> Options<'a> {
        Options { rest: self.options }
    }

    /// What is inside.
    #[inline]
    #[must_use]
    pub fn payload(&self) -> &'a [u8] {
        self.payload
    }
}

/// One option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GeneveOption<'a> {
    /// Who has defined its type.
    pub class: u16,
    /// Its type, with the bit that says that it is critical.
    pub kind: u8,
    /// Its data: 0 to 124 bytes, a multiple of 4.
    pub data: &'a [u8],
}

impl GeneveOption<'_> {
    /// Whether a packet must be dropped by whoever does not know the option.
    #[inline]
    #[must_use]
    pub fn is_critical(&self) -> bool {
        self.kind & OPTION_CRITICAL != 0
    }
}

/// The way through the options; ends with an error where they do not add up. At most 63 steps.
#[derive(Debug, Clone)]
pub struct Options<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Options<'a> {
    type Item = Result<GeneveOption<'a>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = std::mem::take(&mut self.rest);
        if rest.is_empty() {
            return None;
        }
        // RFC 8926, section 3.5: "Packets in which the total length of all options is not equal to the 'Opt Len' in the base
        // header are invalid and MUST be silently dropped".
        let bad = Error::BadOption(Layer::Geneve);
        let Some((&[a, b, kind, len], behind)) = rest.split_first_chunk::<OPTION_HEADER_LEN>() else {
            return Some(Err(bad));
        };
        let Some((data, behind)) = behind.split_at_checked(usize::from(len & 0x1f) * 4) else {
            return Some(Err(bad));
        };
        self.rest = behind;
        Some(Ok(GeneveOption { class: u16::from_be_bytes([a, b]), kind, data }))
    }
}

/// A Geneve header without options.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Repr {
    /// The network the frame belongs to.
    pub vni: Vni,
    /// The EtherType of what is inside.
    pub protocol: u16,
    /// A message to the endpoint itself.
    pub control: bool,
}

impl Repr {
    /// The header that a view shows, but for its options.
    #[inline]
    #[must_use]
    pub fn parse(view: &View<'_>) -> Repr {
        Repr { vni: view.vni(), protocol: view.protocol(), control: view.is_control() }
    }

    /// The header as bytes.
    #[inline]
    #[must_use]
    pub const fn to_bytes(&self) -> [u8; HEADER_LEN] {
        let mut header = [0; HEADER_LEN];
        write::<{ at::FLAGS }, _, _>(&mut header, [if self.control { FLAG_CONTROL } else { 0 }]);
        write::<{ at::PROTOCOL }, _, _>(&mut header, self.protocol.to_be_bytes());
        write::<{ at::VNI }, _, _>(&mut header, self.vni.to_bytes());
        header
    }

    /// Writes the header to the front of a buffer and returns the rest of it.
    #[inline]
    pub fn emit<'b>(&self, out: &'b mut [u8]) -> Result<&'b mut [u8], Error> {
        put(self.to_bytes(), out, Layer::Geneve)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    // By hand, after the figures of RFC 8926: options 0x0102/0x80 with 4 bytes and 0xffff/0x01 with none, VNI 0x123456.
    const DATAGRAM: [u8; 27] = [
        0x03, 0x40, 0x65, 0x58, 0x12, 0x34, 0x56, 0x00, 0x01, 0x02, 0x80, 0x01, 0xde, 0xad, 0xbe, 0xef, 0xff,
        0xff, 0x01, 0x00, 0x70, 0x61, 0x79, 0x6c, 0x6f, 0x61, 0x64,
    ];
    const REPR: Repr = Repr { vni: Vni::from_bytes([0x12, 0x34, 0x56]), protocol: ETHERNET, control: false };

    #[test]
    fn take_apart() {
        let view = View::parse(&DATAGRAM).unwrap();
        assert_eq!((view.vni().number(), view.protocol()), (0x0012_3456, ETHERNET));
        assert!(view.has_critical() && !view.is_control());
        let options: Vec<_> = view.options().map(Result::unwrap).collect();
        let first = GeneveOption { class: 0x102, kind: 0x80, data: &[0xde, 0xad, 0xbe, 0xef] };
        assert_eq!(options, [first, GeneveOption { class: 0xffff, kind: 1, data: &[] }]);
        assert!(options[0].is_critical() && !options[1].is_critical());
        assert_eq!(view.payload(), b"payload");
    }

    #[test]
    fn build() {
        assert_eq!(REPR.to_bytes(), [0, 0, 0x65, 0x58, 0x12, 0x34, 0x56, 0]);
        assert_eq!(Repr { control: true, ..REPR }.to_bytes()[1], 0x80);
    }

    #[test]
    fn parse() {
        assert_eq!(Repr::parse(&View::parse(&DATAGRAM).unwrap()), REPR);
    }

    #[test]
    fn emit() {
        let mut out = [0xaa; 15];
        REPR.emit(&mut out).unwrap().copy_from_slice(b"payload");
        let view = View::parse(&out).unwrap();
        assert_eq!((Repr::parse(&view), view.payload()), (REPR, &b"payload"[..]));
        assert_eq!(REPR.emit(&mut [0; 7]), Err(Error::NoRoom(Layer::Geneve)));
    }

    #[test]
    fn a_header_cut_short_is_refused() {
        for len in 0..HEADER_LEN + 12 {
            assert_eq!(View::parse(&DATAGRAM[..len]).unwrap_err(), Error::Truncated(Layer::Geneve));
        }
    }

    #[test]
    fn rfc8926_s3_4_an_unknown_version_must_be_dropped() {
        for version in 1..4 {
            let mut datagram = DATAGRAM;
            datagram[0] |= version << 6;
            assert_eq!(View::parse(&datagram).unwrap_err(), Error::BadVersion(Layer::Geneve));
        }
    }

    #[test]
    fn rfc8926_s3_4_reserved_bits_are_ignored_on_receipt() {
        let mut datagram = DATAGRAM;
        datagram[1] |= 0x3f;
        datagram[7] = 0xff;
        datagram[11] |= 0xe0;
        let view = View::parse(&datagram).unwrap();
        assert_eq!(Repr::parse(&view), REPR);
        assert_eq!(view.options().next().unwrap().unwrap().data.len(), 4);
    }

    #[test]
    fn rfc8926_s3_5_options_that_do_not_add_up_are_invalid() {
        for (at, value) in [(11, 0x03), (11, 0x00), (19, 0x01)] {
            let mut datagram = DATAGRAM;
            datagram[at] = value;
            let options = View::parse(&datagram).unwrap().options();
            let all: Result<Vec<_>, _> = options.collect();
            // A shorter first option turns its data into the header of another, which is too long.
            assert_eq!(all.unwrap_err(), Error::BadOption(Layer::Geneve), "{at}: {value}");
        }
    }

    proptest! {
        #[test]
        fn what_is_emitted_is_parsed_again(vni: [u8; 3], protocol: u16, control: bool) {
            let repr = Repr { vni: Vni::from_bytes(vni), protocol, control };
            prop_assert_eq!(Repr::parse(&View::parse(&repr.to_bytes()).unwrap()), repr);
        }

        #[test]
        fn the_way_through_options_ends(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(view) = View::parse(&bytes) {
                prop_assert!(view.options().count() <= 63);
            }
        }
    }
}
