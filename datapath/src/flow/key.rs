//! `FlowKey`: what a frame is, as far as a rule can tell. `FlowMask`: which of it matters.
//!
//! The first eight words, one cache line, hold everything of an IPv4 frame that came out of an IPv4 tunnel, so the common
//! key is extracted, hashed and compared as 64 bytes. The rest is IPv6, ARP hardware addresses, neighbour discovery, MPLS and
//! provider backbones; a key that uses any of it is *long*. A short key has only zeros there, so two keys are equal when their words are.
//! Behind them is the room for Geneve options: sixteen units of four bytes. Which of them are there is told before it, in a word of
//! long keys, so whoever has seen that there are none need not look.
//!
//! Byte order: words hold numbers, not wire bytes; a field is read with shifts on any machine.

use super::field::{Field, Slot};
use std::fmt;

/// Words in a key.
pub const WORDS: usize = 45;
/// Words that are read out of a frame; those behind them (metadata, registers) are zero until rules write them.
pub const PACKET_WORDS: usize = 34;
/// Words in front of the room for options.
pub const LONG_WORDS: usize = 26;
/// Words of a short key: one cache line.
pub const SHORT_WORDS: usize = 8;

/// OpenFlow's number of a bridge port. Not an index: see `PortId` in [`crate::port`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OfPort(pub u32);

impl OfPort {
    /// No port: of an action set without output (OpenFlow 1.5, `OFPP_UNSET`).
    pub const UNSET: OfPort = OfPort(0xffff_fff7);
}

impl fmt::Display for OfPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a frame is: the values of all fields; absent fields are zero.
#[derive(Clone)]
#[repr(C, align(64))]
pub struct FlowKey {
    words: [u64; WORDS],
    /// Whether words beyond the first line were written since the key began. If not, they are zero, and nobody has to look.
    written: bool,
}

impl PartialEq for FlowKey {
    fn eq(&self, other: &FlowKey) -> bool {
        self.words == other.words
    }
}

impl Eq for FlowKey {}

/// Which bits of a key matter. The same shape as a key.
pub type FlowMask = FlowKey;

impl Default for FlowKey {
    fn default() -> Self {
        FlowKey::empty()
    }
}

impl FlowKey {
    /// All fields absent; as a mask: no bit.
    pub const fn empty() -> FlowKey {
        FlowKey { words: [0; WORDS], written: false }
    }

    /// All words.
    #[inline]
    pub fn words(&self) -> &[u64; WORDS] {
        &self.words
    }

    /// All words, to write.
    #[inline]
    pub fn words_mut(&mut self) -> &mut [u64; WORDS] {
        self.written = true;
        &mut self.words
    }

    /// The words that every key has: the first cache line.
    #[inline]
    pub fn short(&self) -> &[u64; SHORT_WORDS] {
        self.words.first_chunk().expect("a key is longer than its first line")
    }

    /// The words of the frame that only long keys use, without those of options.
    #[inline]
    pub fn rest(&self) -> &[u64; LONG_WORDS - SHORT_WORDS] {
        self.words[SHORT_WORDS..].first_chunk().expect("a key is longer than its rest")
    }

    /// The room for options.
    #[inline]
    pub fn options(&self) -> &[u64; PACKET_WORDS - LONG_WORDS] {
        self.words[LONG_WORDS..].first_chunk().expect("a key is longer than its room")
    }

    /// Whether the key uses words beyond the first cache line.
    #[inline]
    pub fn is_long(&self) -> bool {
        self.written && self.words[SHORT_WORDS..PACKET_WORDS].iter().any(|word| *word != 0)
    }

    /// Whether words beyond the first cache line were written since the key began: if not, they are zero.
    #[inline(always)]
    pub(super) fn may_be_long(&self) -> bool {
        self.written
    }

    /// Whether the key uses the room for options.
    #[inline]
    pub fn has_options(&self) -> bool {
        self.written && self.options().iter().any(|word| *word != 0)
    }

    /// The value of a field, right-aligned.
    #[inline]
    pub fn get(&self, field: Field) -> u128 {
        let Slot { word, shift, bits } = field.slot();
        let first = self.words[word as usize];
        if bits == 128 {
            return u128::from(first) << 64 | u128::from(self.words[word as usize + 1]);
        }
        u128::from(first >> shift) & field.max()
    }

    /// Sets a field. Bits of `value` beyond the field's width are ignored.
    #[inline]
    pub fn set(&mut self, field: Field, value: u128) {
        let Slot { word, shift, bits } = field.slot();
        self.written |= usize::from(word) >= SHORT_WORDS;
        if bits == 128 {
            self.words[word as usize] = (value >> 64) as u64;
            self.words[word as usize + 1] = value as u64;
            return;
        }
        let mask = (field.max() as u64) << shift;
        let word = &mut self.words[word as usize];
        *word = *word & !mask | (value as u64) << shift & mask;
    }

    /// Sets the bits of a field that `mask` names and leaves the others.
    #[inline]
    pub fn set_masked(&mut self, field: Field, value: u128, mask: u128) {
        let kept = self.get(field) & !mask;
        self.set(field, kept | value & mask);
    }

    /// Has the key say how long the frame is, in bytes. Keys do not at first: rules that do not ask have fewer flows so.
    pub fn measure(&mut self, len: u16) {
        self.set(Field::FrameMeasured, 1);
        self.set(Field::FrameLen, len.into());
    }

    /// How long the frame is, if the key says so.
    pub fn measured(&self) -> Option<u16> {
        (self.get(Field::FrameMeasured) != 0).then(|| self.get(Field::FrameLen) as u16)
    }

    /// Keeps only the bits that `mask` names.
    pub fn masked(&self, mask: &FlowMask) -> FlowKey {
        FlowKey { words: std::array::from_fn(|i| self.words[i] & mask.words[i]), written: self.written }
    }

    /// Adds all bits of `other`: the mask of whoever looks at both.
    pub fn unite(&mut self, other: &FlowMask) {
        for (word, more) in self.words.iter_mut().zip(&other.words) {
            *word |= more;
        }
        self.written |= other.written;
    }
}

/// A masked first line of a key, where the processor likes to read it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(align(64))]
pub struct Line(pub [u64; SHORT_WORDS]);

impl FlowKey {
    /// The bits in which the first line of a key and one that was masked differ, as far as the mask has them, of all words in one.
    /// Written out, since so the compiler knows that each pair of words lies as vectors want it.
    #[inline(always)]
    pub fn differing(&self, mask: &FlowMask, have: &Line) -> u64 {
        (have.0[0] ^ self.words[0] & mask.words[0])
            | (have.0[1] ^ self.words[1] & mask.words[1])
            | (have.0[2] ^ self.words[2] & mask.words[2])
            | (have.0[3] ^ self.words[3] & mask.words[3])
            | (have.0[4] ^ self.words[4] & mask.words[4])
            | (have.0[5] ^ self.words[5] & mask.words[5])
            | (have.0[6] ^ self.words[6] & mask.words[6])
            | (have.0[7] ^ self.words[7] & mask.words[7])
    }
}

/// The first line of a key while it is put together: every field is given once, and nothing is read back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Short([u64; SHORT_WORDS]);

impl Short {
    /// Gives a field its value, which must not be wider than the field.
    #[inline(always)]
    pub(super) fn give(&mut self, field: Field, value: impl Into<u64>) {
        let (Slot { word, shift, bits }, value) = (field.slot(), value.into());
        debug_assert!(bits == 64 || value >> bits == 0, "{field:?} has {bits} bits");
        self.0[word as usize] |= value << shift;
    }

    /// A line on top of this one, in which only port and tunnel were given: so the other words are known to be zero.
    #[inline(always)]
    pub(super) fn begun(&self) -> Short {
        let [port, a, b, c, d, id, ends, rest] = self.0;
        debug_assert!([a, b, c, d] == [0; 4]);
        Short([port, 0, 0, 0, 0, id, ends, rest])
    }

    /// Gives a field that is the upper part of its word the bits that are in their place in `word`; the others are left out.
    #[inline(always)]
    pub(super) fn give_upper(&mut self, field: Field, word: u64) {
        let Slot { word: at, shift, bits } = field.slot();
        debug_assert!(shift + bits == 64, "{field:?} is the upper part of its word");
        self.0[at as usize] |= word >> shift << shift;
    }

    /// Gives two fields that lie side by side their values.
    #[inline(always)]
    pub(super) fn give_both(&mut self, upper: Field, lower: Field, values: u64) {
        let (upper, lower) = (upper.slot(), lower.slot());
        debug_assert!(upper.word == lower.word && upper.shift == lower.shift + lower.bits, "side by side");
        debug_assert!(upper.bits + lower.bits == 64 || values >> (upper.bits + lower.bits) == 0);
        self.0[lower.word as usize] |= values << lower.shift;
    }

    /// All of them.
    #[inline(always)]
    pub(super) fn words(&self) -> [u64; SHORT_WORDS] {
        self.0
    }

    /// The word that a field lies in.
    #[inline]
    pub(super) fn word(&self, field: Field) -> u64 {
        self.0[field.slot().word as usize]
    }
}

impl FlowKey {
    /// Makes this the short key of these words.
    #[inline]
    pub(super) fn begin(&mut self, short: &Short) {
        self.words[..SHORT_WORDS].copy_from_slice(&short.0);
        if self.written {
            self.words[SHORT_WORDS..].fill(0);
            self.written = false;
        }
    }
}

impl FlowKey {
    /// Adds fields that are zero so far.
    pub(super) fn add(&mut self, short: &Short) {
        for (word, more) in self.words.iter_mut().zip(&short.0) {
            *word |= more;
        }
    }
}

impl fmt::Debug for FlowKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = f.debug_map();
        for field in Field::ALL.iter().filter(|field| self.get(**field) != 0) {
            map.entry(&format_args!("{}", field.name()), &format_args!("{:#x}", self.get(*field)));
        }
        map.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_set_is_the_field_read_and_touches_no_other() {
        for field in Field::ALL.iter().copied() {
            let mut key = FlowKey::default();
            let value = 0x0123_4567_89ab_cdef_0fed_cba9_8765_4321 & field.max();
            key.set(field, value);
            assert_eq!(key.get(field), value, "{field:?}");
            let ones = key.words.iter().map(|w| w.count_ones()).sum::<u32>();
            assert_eq!(ones, value.count_ones(), "{field:?}");
        }
    }

    #[test]
    fn an_ipv4_key_is_short_and_an_ipv6_key_is_long() {
        let mut key = FlowKey::default();
        key.set(Field::NwSrc, 0x0a00_0001);
        key.set(Field::TunId, 100);
        assert!(!key.is_long());
        key.set(Field::Ipv6Dst, 1);
        assert!(key.is_long());
    }

    #[test]
    fn a_masked_set_keeps_the_other_bits() {
        let mut key = FlowKey::default();
        key.set(Field::NwDst, 0x0a0b_0c0d);
        key.set_masked(Field::NwDst, 0xff01_ffff, 0x00ff_0000);
        assert_eq!(key.get(Field::NwDst), 0x0a01_0c0d);
    }
}
