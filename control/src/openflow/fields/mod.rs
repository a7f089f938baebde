//! Fields on the wire: which number, width and mask each has, in OpenFlow's classes and in those of Open vSwitch, and what must be known of a
//! frame before it has the field. One table ([`table::FIELDS`]) for matches, actions and what tables say about themselves.
//!
//! Sources: OpenFlow 1.3.5 section 7.2.3 (class 0x8000, ONF's experimenter), OpenFlow 1.5.1 section 7.2.3.7 (packet registers, TCP flags),
//! ovs-fields(7) (Nicira's classes 0 and 1).

mod hashed;
mod header;
mod table;

pub(crate) use hashed::of_hashed;
pub(crate) use header::{Claimed, option_number, read_header, write_header};
pub(crate) use table::FIELDS;

use super::Version;
use crate::ofproto::context::{Context, Needs};
use datapath::flow::Field;
use std::collections::HashMap;
use std::sync::LazyLock;

/// A field under one of its names: `tcp_src` and `udp_src` are two names for the same bits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WireField {
    /// Its name in flows.
    pub(crate) name: &'static str,
    /// Where it lies in a key.
    pub(crate) field: Field,
    /// How its value is understood.
    pub(crate) form: Form,
    /// How many bytes it has on the wire.
    pub(crate) bytes: u8,
    /// How many of their bits it uses, and actions can speak of.
    pub(crate) bits: u8,
    /// Whether any bits of it can be matched without the others.
    pub(crate) maskable: bool,
    /// What must be known of a frame.
    pub(crate) needs: Needs,
    /// Whether actions can write it.
    pub(crate) settable: bool,
    /// Its numbers, the oldest first.
    pub(crate) headers: &'static [Number],
}

/// How a value on the wire becomes one of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// As it is.
    Plain,
    /// A port's number in 16 bits.
    ShortPort,
    /// A port's number in 32 bits.
    Port,
    /// A whole VLAN tag, with bit 12 set when there is one.
    WholeTag,
    /// A VLAN identifier, with bit 12 set when there is a tag.
    TagId,
    /// A VLAN priority.
    TagPriority,
    /// A type of service, of which only the upper six bits count.
    Tos,
}

/// The number of a field in one class, and since which version of OpenFlow it is there (0: independent of versions, as NXM).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Number {
    pub(crate) class: u16,
    pub(crate) field: u8,
    /// Whose number it is, in the class of experimenters; else 0.
    pub(crate) experimenter: u32,
    pub(crate) since: u8,
}

/// The class of OpenFlow's own fields (`OFPXMC_OPENFLOW_BASIC`).
pub(crate) const BASIC: u16 = 0x8000;
/// The class of packet registers (OpenFlow 1.5.1, `OFPXMC_PACKET_REGS`).
pub(crate) const PACKET_REGISTERS: u16 = 0x8001;
/// The class in which an experimenter's number follows (`OFPXMC_EXPERIMENTER`).
pub(crate) const EXPERIMENTER: u16 = 0xffff;
/// Which numbers are wanted: those of NXM, or those that a version of OpenFlow has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Numbering {
    /// Nicira's, as far as there are any (in OpenFlow 1.0, and in Nicira's actions).
    Nxm,
    /// The newest that the version has.
    Oxm(Version),
}

impl Numbering {
    fn version(self) -> u8 {
        match self {
            Numbering::Nxm => 0,
            Numbering::Oxm(version) => version as u8,
        }
    }
}

impl WireField {
    /// Its number: the newest that is old enough, and the oldest of all where none is.
    pub(crate) fn number(&self, numbers: Numbering) -> Number {
        let old_enough = |number: &&Number| number.since <= numbers.version();
        let found = self.headers.iter().rev().find(old_enough).or(self.headers.first());
        *found.expect("every field has a number, or it would not be in the table")
    }

    /// Its number in four bytes, for places that have no room for an experimenter's: Nicira's, or the newest that OpenFlow has.
    pub(crate) fn short_number(&self) -> Option<Number> {
        let all = [self.number(Numbering::Nxm), self.number(Numbering::Oxm(Version::V15))];
        all.into_iter().find(|number| number.class != EXPERIMENTER)
    }

    /// All bits of its bytes.
    pub(crate) fn ones(&self) -> u128 {
        ones(u32::from(self.bytes) * 8)
    }

    /// The largest value.
    pub(crate) fn max(&self) -> u128 {
        ones(self.bits.into())
    }

    /// All bits of it that a key has: of `arp_op`, 8 of 16; of a VLAN identifier, the bit that says that there is a tag as well.
    pub(crate) fn kept(&self) -> u128 {
        if self.form == Form::TagId { self.field.max() } else { self.max() & self.field.max() }
    }
}

/// A number of so many ones.
pub(crate) fn ones(bits: u32) -> u128 {
    u128::MAX.checked_shr(128 - bits.min(128)).unwrap_or(0)
}

/// The field of that number.
pub(crate) fn by_number(class: u16, field: u8, experimenter: u32) -> Option<&'static WireField> {
    type Row = &'static WireField;
    /// Numbers in a class.
    const NUMBERS: usize = 128;
    /// Nearly all fields have a number in one of these, where their place is known.
    fn place(class: u16, field: u8) -> Option<usize> {
        let class = [BASIC, 0, 1, PACKET_REGISTERS].iter().position(|of| *of == class)?;
        (usize::from(field) < NUMBERS).then_some(class * NUMBERS + usize::from(field))
    }
    static PLACED: LazyLock<Box<[Option<Row>]>> = LazyLock::new(|| {
        let mut placed = vec![None; 4 * NUMBERS];
        for (number, row) in FIELDS.iter().flat_map(|row| row.headers.iter().map(move |number| (number, row)))
        {
            place(number.class, number.field).into_iter().for_each(|at| placed[at] = Some(row));
        }
        placed.into()
    });
    static OTHERS: LazyLock<HashMap<(u16, u8, u32), Row>> = LazyLock::new(|| {
        let key = |number: &Number| (number.class, number.field, number.experimenter);
        let numbers = |row: Row| row.headers.iter().map(move |number| (key(number), row));
        FIELDS
            .iter()
            .flat_map(numbers)
            .filter(|((class, field, _), _)| place(*class, *field).is_none())
            .collect()
    });
    match place(class, field) {
        Some(at) => PLACED.get(at).copied().flatten(),
        None => OTHERS.get(&(class, field, experimenter)).copied(),
    }
}

/// The name that a field has in frames of which this is known; its first, where none fits.
pub(crate) fn name_in(field: Field, context: &Context) -> Option<&'static WireField> {
    let of_field = || FIELDS.iter().filter(|row| row.field == field);
    of_field().find(|row| context.meets(row.needs)).or_else(|| of_field().next())
}
