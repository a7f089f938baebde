//! The map of Geneve options: which option (class and type) is which field `tun_metadataN`, and where in a key it lies.
//!
//! A key has room for [`SPACE`] bytes of options in sixteen units of four bytes. An option of the map has a few units in a row, which
//! hold its data as a number in network order; presence is told by the bit of its first unit. An option of more than one unit ends
//! where a word of the key ends, so that it consists of at most five pieces that are fields of their own ([`OptionMap::pieces`]): what
//! rules look at, set and copy.
//!
//! What the map does not name has no place in a key. Open vSwitch has the same table with 256 bytes (`lib/tun-metadata.c`).

use crate::flow::{Field, FlowKey};
use crate::wire::geneve::{self, GeneveOption, OPTION_DATA_MAX, OPTION_HEADER_LEN};
use std::fmt;

/// Bytes of data that all options of a map may have together.
pub const SPACE: usize = 64;
/// How many fields `tun_metadataN` there are.
pub const FIELDS: u16 = 64;
/// The most bytes that options take in a header: as many as there can be, of four bytes each.
pub const OPTIONS_MAX: usize = SPACE + UNITS * OPTION_HEADER_LEN;

const UNIT: usize = 4;
const UNITS: usize = SPACE / UNIT;

/// Fields of one unit.
const SINGLE: [Field; UNITS] = [
    Field::Option0,
    Field::Option1,
    Field::Option2,
    Field::Option3,
    Field::Option4,
    Field::Option5,
    Field::Option6,
    Field::Option7,
    Field::Option8,
    Field::Option9,
    Field::Option10,
    Field::Option11,
    Field::Option12,
    Field::Option13,
    Field::Option14,
    Field::Option15,
];
/// Fields of two units, from an even one on.
const PAIR: [Field; UNITS / 2] = [
    Field::OptionPair0,
    Field::OptionPair1,
    Field::OptionPair2,
    Field::OptionPair3,
    Field::OptionPair4,
    Field::OptionPair5,
    Field::OptionPair6,
    Field::OptionPair7,
];
/// Fields of four units, from an even one on.
const QUAD: [Field; UNITS / 2 - 1] = [
    Field::OptionQuad0,
    Field::OptionQuad1,
    Field::OptionQuad2,
    Field::OptionQuad3,
    Field::OptionQuad4,
    Field::OptionQuad5,
    Field::OptionQuad6,
];

/// An option, and the field that it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Mapping {
    /// Who has defined the option's type.
    pub class: u16,
    /// Its type, with the bit that says that it is critical.
    pub kind: u8,
    /// Bytes of its data.
    pub len: u8,
    /// The number N of `tun_metadataN`.
    pub index: u16,
}

impl Mapping {
    /// Whether a packet must be dropped by whoever does not know the option.
    pub fn is_critical(&self) -> bool {
        self.kind & geneve::OPTION_CRITICAL != 0
    }
}

/// As ovs-ofctl(8) writes it.
impl fmt::Display for Mapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Mapping { class, kind, len, index } = self;
        write!(f, "{{class={class:#x},type={kind:#x},len={len}}}->tun_metadata{index}")
    }
}

/// Why an option is not mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unmapped {
    /// Its length is no multiple of four from 4 to 124.
    BadLength,
    /// There is no such field.
    BadIndex,
    /// There is no room, or none in one piece.
    Full,
    /// The field is another option's.
    Taken,
    /// The option is another field.
    Duplicate,
}

impl fmt::Display for Unmapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unmapped::BadLength => f.write_str("an option is 4 to 124 bytes long, a multiple of 4"),
            Unmapped::BadIndex => write!(f, "the fields are tun_metadata0 to tun_metadata{}", FIELDS - 1),
            Unmapped::Full => write!(f, "the options need more room than there is: {SPACE} bytes in all"),
            Unmapped::Taken => f.write_str("the field is mapped already"),
            Unmapped::Duplicate => f.write_str("the option is mapped to another field"),
        }
    }
}

impl std::error::Error for Unmapped {}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    mapping: Mapping,
    /// Its first unit.
    at: u8,
}

impl Entry {
    fn units(&self) -> std::ops::Range<usize> {
        let at = usize::from(self.at);
        at..at + usize::from(self.mapping.len) / UNIT
    }

    fn presence(&self) -> u16 {
        1 << self.at
    }
}

/// The map. At most sixteen options, by the numbers of their fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OptionMap {
    entries: Vec<Entry>,
}

impl OptionMap {
    /// No option.
    pub const EMPTY: &'static OptionMap = &OptionMap { entries: Vec::new() };

    /// Maps an option.
    ///
    /// # Errors
    /// Why not; the map is as it was then.
    pub fn add(&mut self, mapping: Mapping) -> Result<(), Unmapped> {
        let Mapping { class, kind, len, index } = mapping;
        if index >= FIELDS {
            return Err(Unmapped::BadIndex);
        }
        if len == 0 || !usize::from(len).is_multiple_of(UNIT) || usize::from(len) > OPTION_DATA_MAX {
            return Err(Unmapped::BadLength);
        }
        if self.entry(index).is_some() {
            return Err(Unmapped::Taken);
        }
        if self.entries.iter().any(|e| (e.mapping.class, e.mapping.kind) == (class, kind)) {
            return Err(Unmapped::Duplicate);
        }
        let at = self.room_for(usize::from(len) / UNIT).ok_or(Unmapped::Full)?;
        let place = self.entries.partition_point(|entry| entry.mapping.index < index);
        self.entries.insert(place, Entry { mapping, at });
        Ok(())
    }

    /// Maps nothing to a field any more; None when nothing was.
    pub fn remove(&mut self, index: u16) -> Option<Mapping> {
        let at = self.entries.iter().position(|entry| entry.mapping.index == index)?;
        Some(self.entries.remove(at).mapping)
    }

    /// What is mapped, by the numbers of the fields.
    pub fn iter(&self) -> impl Iterator<Item = Mapping> {
        self.entries.iter().map(|entry| entry.mapping)
    }

    /// Whether nothing is mapped.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// What is mapped to a field.
    pub fn get(&self, index: u16) -> Option<Mapping> {
        self.entry(index).map(|entry| entry.mapping)
    }

    /// The bit of `option_presence` for a field; None when nothing is mapped to it.
    pub fn presence(&self, index: u16) -> Option<u16> {
        self.entry(index).map(Entry::presence)
    }

    /// The pieces of a field, the most significant first, which are fields of 4, 8 or 16 bytes; none when nothing is mapped to it.
    pub fn pieces(&self, index: u16) -> impl Iterator<Item = Field> + use<> {
        let mut units = self.entry(index).map_or(0..0, Entry::units);
        std::iter::from_fn(move || {
            let (at, left) = (units.start, units.len());
            // What does not fill up fields of four units comes first; a field of two or four begins at an even unit.
            let (field, len) = match left % 4 {
                _ if left == 0 => return None,
                0 => (QUAD.get(at / 2), 4),
                2 => (PAIR.get(at / 2), 2),
                _ => (SINGLE.get(at), 1),
            };
            units.start += len;
            field.copied()
        })
    }

    /// The number of the field that a piece is part of, and at which of its bits the piece begins.
    pub fn owner(&self, piece: Field) -> Option<(u16, u32)> {
        let owner = self.owner_of(piece)?;
        let end = first_unit(piece) + usize::from(piece.slot().bits) / (8 * UNIT);
        Some((owner.mapping.index, ((owner.units().end - end) * 8 * UNIT) as u32))
    }

    /// Bits of `option_presence` for the field that a piece is part of; zero when it is part of none.
    pub(crate) fn presence_of(&self, piece: Field) -> u16 {
        self.owner_of(piece).map_or(0, Entry::presence)
    }

    fn owner_of(&self, piece: Field) -> Option<&Entry> {
        if !piece.is_option() {
            return None;
        }
        let at = first_unit(piece);
        self.entries.iter().find(|entry| entry.units().contains(&at))
    }

    /// The most bytes that options make a packet longer by.
    pub fn len_max(&self) -> usize {
        self.entries.iter().map(|entry| OPTION_HEADER_LEN + usize::from(entry.mapping.len)).sum()
    }

    fn entry(&self, index: u16) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.mapping.index == index)
    }

    /// Where there are so many units in a row: one alone rather beside one that is taken.
    fn room_for(&self, units: usize) -> Option<u8> {
        let taken: u32 = self.entries.iter().flat_map(Entry::units).map(|unit| 1 << unit).sum();
        let is_free = |unit: usize| unit < UNITS && taken & 1 << unit == 0;
        if units == 1 {
            let single = (0..UNITS).filter(|unit| is_free(*unit));
            return single.min_by_key(|unit| (is_free(unit ^ 1), *unit)).map(|at| at as u8);
        }
        let start = |end: usize| end.checked_sub(units);
        let fits = |end: &usize| start(*end).is_some_and(|start| (start..*end).all(is_free));
        (0..=UNITS).step_by(2).find(fits).and_then(start).map(|at| at as u8)
    }

    /// The option with its data where it lies in a key, if it is mapped and as long as the map says; false when it is longer or
    /// shorter. None: it is not mapped.
    fn take(&self, option: &GeneveOption<'_>, known: &mut Options) -> Option<bool> {
        let same = |entry: &&Entry| (entry.mapping.class, entry.mapping.kind) == (option.class, option.kind);
        let entry = self.entries.iter().find(same)?;
        if option.data.len() != usize::from(entry.mapping.len) {
            return Some(false);
        }
        for (unit, data) in entry.units().zip(option.data.chunks_exact(UNIT)) {
            let Ok(data) = data.try_into().map(u32::from_be_bytes) else { continue };
            let (word, shift) = (unit / 2, if unit % 2 == 0 { 32 } else { 0 });
            known.words[word] = known.words[word] & !(0xffff_ffff << shift) | u64::from(data) << shift;
        }
        known.present |= entry.presence();
        Some(true)
    }

    /// The options of a header.
    ///
    /// # Errors
    /// When they do not add up, when one of them is critical and not mapped, and when one is not as long as the map says.
    pub(super) fn read(&self, options: geneve::Options<'_>, known: &mut Options) -> Result<(), Unread> {
        *known = Options::default();
        let mut end = Ok(());
        for option in options {
            let option = option.map_err(|_| Unread::Malformed)?;
            match self.take(&option, known) {
                Some(false) => end = end.and(Err(Unread::Length)),
                None if option.is_critical() => end = end.and(Err(Unread::Critical)),
                Some(true) | None => {}
            }
        }
        end
    }
}

fn first_unit(piece: Field) -> usize {
    let slot = piece.slot();
    let unit = (usize::from(slot.word) - crate::flow::key::LONG_WORDS) * 2;
    unit + usize::from(slot.bits == 32 && slot.shift == 0)
}

/// Some bytes of options as they are in a header: of all but the last piece, as many as there is room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Piece([u8; Piece::LEN]);

impl Piece {
    /// Bytes that there is room for.
    pub const LEN: usize = 16;

    /// These bytes; those beyond [`Piece::LEN`] are left out.
    pub fn of(bytes: &[u8]) -> Piece {
        let mut piece = [0; Piece::LEN];
        piece.iter_mut().zip(bytes).for_each(|(to, byte)| *to = *byte);
        Piece(piece)
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8; Piece::LEN] {
        &self.0
    }
}

const _: () = assert!(OPTIONS_MAX.is_multiple_of(Piece::LEN) && OPTIONS_MAX <= geneve::OPTIONS_LEN_MAX);

/// What is wrong with options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unread {
    Malformed,
    Critical,
    Length,
}

/// Options as they lie in a key.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Options {
    words: [u64; SPACE / 8],
    pub(super) present: u16,
}

impl Options {
    /// Writes them into a key that has none.
    pub(super) fn put(&self, key: &mut FlowKey) {
        use crate::flow::key::{LONG_WORDS, PACKET_WORDS};
        key.set(Field::OptionPresence, self.present.into());
        key.words_mut()[LONG_WORDS..PACKET_WORDS].copy_from_slice(&self.words);
    }
}

#[cfg(test)]
mod tests;
