//! Part of a field: what actions read, write and copy.

use super::{Field, Slot};

/// Part of a field: `bits` bits from `offset` (0 is the least significant).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Part {
    /// The field.
    pub field: Field,
    /// First bit.
    pub offset: u8,
    /// How many bits.
    pub bits: u8,
}

impl Part {
    /// A field as a whole.
    pub const fn all(field: Field) -> Part {
        Part { field, offset: 0, bits: field.slot().bits }
    }

    /// Where it lies in a key, if that is within one word: the word, the lowest of its bits there, and as many bits as it has,
    /// right-aligned.
    #[inline(always)]
    pub const fn place(&self) -> Option<(usize, u8, u64)> {
        let Slot { word, shift, bits } = self.field.slot();
        if bits == 128 || self.bits == 0 || self.offset as u16 + self.bits as u16 > bits as u16 {
            return None;
        }
        Some((word as usize, shift + self.offset, u64::MAX >> (64 - self.bits)))
    }

    /// The bits, at their place in the field.
    pub const fn mask(&self) -> u128 {
        if self.bits == 128 { u128::MAX } else { ((1 << self.bits) - 1) << self.offset }
    }
}
