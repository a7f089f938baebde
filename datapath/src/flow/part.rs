//! Part of a field: what actions read, write and copy.

use super::Field;

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

    /// The bits, at their place in the field.
    pub const fn mask(&self) -> u128 {
        if self.bits == 128 { u128::MAX } else { ((1 << self.bits) - 1) << self.offset }
    }
}
