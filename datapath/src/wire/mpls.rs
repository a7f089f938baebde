//! An entry of an MPLS label stack. Follows RFC 3032, section 2.1, and RFC 5462, which names the traffic class.
//!
//! Entries follow each other until one says that it is the bottom of the stack. None says what lies behind the bottom: that is
//! known by the label, to those who gave it out.

use super::{Error, Layer, be32, ethertype, put, split};

/// Length of an entry.
pub const HEADER_LEN: usize = 4;

/// True if a frame of this EtherType goes on with a label stack.
#[inline]
#[must_use]
pub const fn is_stack(ethertype: u16) -> bool {
    matches!(ethertype, ethertype::MPLS | ethertype::MPLS_MULTICAST)
}

/// An entry, as the number that it is.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                Label                  | TC  |S|      TTL      |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[repr(transparent)]
pub struct Entry(pub u32);

impl Entry {
    /// From its parts; bits that do not fit their field are cut off.
    #[inline]
    #[must_use]
    pub const fn new(label: u32, traffic_class: u8, bottom: bool, ttl: u8) -> Entry {
        Entry(label << 12 | (traffic_class as u32 & 7) << 9 | (bottom as u32) << 8 | ttl as u32)
    }

    /// Label, 20 bits.
    #[inline]
    #[must_use]
    pub const fn label(self) -> u32 {
        self.0 >> 12
    }

    /// Traffic class, 3 bits.
    #[inline]
    #[must_use]
    pub const fn traffic_class(self) -> u8 {
        (self.0 >> 9) as u8 & 7
    }

    /// True if no entry follows.
    #[inline]
    #[must_use]
    pub const fn is_bottom(self) -> bool {
        self.0 & 0x100 != 0
    }

    /// Time to live.
    #[inline]
    #[must_use]
    pub const fn ttl(self) -> u8 {
        self.0 as u8
    }

    /// As bytes.
    #[inline]
    #[must_use]
    pub const fn to_bytes(self) -> [u8; HEADER_LEN] {
        self.0.to_be_bytes()
    }

    /// Writes the entry to the front of a buffer and returns the rest of it.
    #[inline]
    pub fn emit(self, out: &mut [u8]) -> Result<&mut [u8], Error> {
        put(self.to_bytes(), out, Layer::Mpls)
    }
}

/// An entry taken off the stack.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    header: &'a [u8; HEADER_LEN],
    payload: &'a [u8],
}

impl<'a> View<'a> {
    /// Takes the outermost entry off.
    #[inline]
    pub fn parse(bytes: &'a [u8]) -> Result<View<'a>, Error> {
        let (header, payload) = split(bytes, Layer::Mpls)?;
        Ok(View { header, payload })
    }

    /// The entry.
    #[inline]
    #[must_use]
    pub fn entry(&self) -> Entry {
        Entry(be32::<0, _>(self.header))
    }

    /// Everything behind the entry: the next one, or what the stack is for.
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

    // scapy: MPLS(label=100, cos=3, s=0, ttl=64)/MPLS(label=0xabcde, cos=5, s=1, ttl=7)/b'payload'
    const STACK: [u8; 15] =
        [0x00, 0x06, 0x46, 0x40, 0xab, 0xcd, 0xeb, 0x07, 0x70, 0x61, 0x79, 0x6c, 0x6f, 0x61, 0x64];

    #[test]
    fn take_apart() {
        let outer = View::parse(&STACK).unwrap();
        let entry = outer.entry();
        assert_eq!(
            (entry.label(), entry.traffic_class(), entry.is_bottom(), entry.ttl()),
            (100, 3, false, 64)
        );
        let inner = View::parse(outer.payload()).unwrap();
        let entry = inner.entry();
        assert_eq!(
            (entry.label(), entry.traffic_class(), entry.is_bottom(), entry.ttl()),
            (0xabcde, 5, true, 7)
        );
        assert_eq!(inner.payload(), b"payload");
    }

    #[test]
    fn build() {
        assert_eq!(Entry::new(100, 3, false, 64).to_bytes(), STACK[..4]);
        assert_eq!(Entry::new(0xabcde, 5, true, 7).to_bytes(), STACK[4..8]);
    }

    #[test]
    fn emit() {
        let mut out = [0; 15];
        let rest = Entry::new(100, 3, false, 64).emit(&mut out).unwrap();
        Entry::new(0xabcde, 5, true, 7).emit(rest).unwrap().copy_from_slice(b"payload");
        assert_eq!(out, STACK);
        assert_eq!(Entry(0).emit(&mut [0; 3]), Err(Error::NoRoom(Layer::Mpls)));
    }

    #[test]
    fn an_entry_cut_short_is_refused() {
        for len in 0..HEADER_LEN {
            assert_eq!(View::parse(&STACK[..len]).unwrap_err(), Error::Truncated(Layer::Mpls));
        }
    }

    #[test]
    fn both_types_are_known() {
        assert!(is_stack(0x8847) && is_stack(0x8848));
        assert!(!is_stack(ethertype::IPV4));
    }

    proptest! {
        #[test]
        fn what_is_parsed_is_emitted_again(bytes: [u8; HEADER_LEN]) {
            let entry = View::parse(&bytes).unwrap().entry();
            prop_assert_eq!(entry.to_bytes(), bytes);
            let again = Entry::new(entry.label(), entry.traffic_class(), entry.is_bottom(), entry.ttl());
            prop_assert_eq!(again, entry);
        }
    }
}
