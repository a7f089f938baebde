//! Properties: type, length and a value, padded to eight bytes (OpenFlow 1.4.1 section 7.2.1; since 1.3 for tables' features).

use crate::openflow::Code;
use crate::openflow::wire::{Reader, Writer};

/// Types from here on are those of experimenters.
const EXPERIMENTER: u16 = 0xffff;

/// What a property is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Property {
    /// One of the specification, by its type.
    Standard(u16),
    /// An experimenter's, by who defines it and by its type there.
    Experimenter(u32, u32),
}

impl Property {
    /// The error for one that nobody knows here, as in Open vSwitch (`lib/ofp-prop.c`).
    pub(super) fn unknown(self) -> Code {
        match self {
            Property::Standard(_) => Code::BadPropertyType,
            Property::Experimenter(..) => Code::BadPropertyExperimenterType,
        }
    }
}

/// The next property and its value without padding, unless all have been read.
pub(super) fn next<'a>(reader: &mut Reader<'a>) -> Result<Option<(Property, Reader<'a>)>, Code> {
    next_below(reader, EXPERIMENTER)
}

/// As [`next`], where types from `experimenter` on are those of experimenters.
pub(super) fn next_below<'a>(
    reader: &mut Reader<'a>,
    experimenter: u16,
) -> Result<Option<(Property, Reader<'a>)>, Code> {
    if reader.is_empty() {
        return Ok(None);
    }
    let mut head = reader.ahead(Code::BadPropertyLen);
    let (kind, len) = (head.u16()?, usize::from(head.u16()?));
    if len < 4 {
        return Err(Code::BadPropertyLen);
    }
    let mut all = reader.ahead(Code::BadPropertyLen);
    let mut value = all.part(len, Code::BadPropertyLen)?;
    // The padding may be missing from nowhere but the end of the message.
    all.skip(len.next_multiple_of(8) - len)?;
    reader.skip(len.next_multiple_of(8))?;
    value.skip(4)?;
    if kind < experimenter {
        return Ok(Some((Property::Standard(kind), value)));
    }
    match (value.u32()?, value.u32()?) {
        (0, _) => Err(Code::BadPropertyExperimenter),
        (who, kind) => Ok(Some((Property::Experimenter(who, kind), value))),
    }
}

/// Writes a property of the specification: what is in it is written by `value`.
pub(super) fn put(writer: &mut Writer, kind: u16, value: impl FnOnce(&mut Writer)) {
    let start = writer.len();
    writer.u16(kind).u16(0);
    value(writer);
    writer.put_len(start + 2, start);
    writer.pad(start, 8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_property_is_as_long_as_it_says_and_padded() {
        let mut writer = Writer::new();
        put(&mut writer, 7, |writer| {
            writer.u8(1);
        });
        put(&mut writer, 8, |writer| {
            writer.u32(2);
        });
        assert_eq!(writer.as_slice(), [0, 7, 0, 5, 1, 0, 0, 0, 0, 8, 0, 8, 0, 0, 0, 2]);
        let mut reader = Reader::new(writer.as_slice(), Code::BadLen);
        let (first, mut value) = next(&mut reader).unwrap().unwrap();
        assert_eq!((first, value.u8(), value.end()), (Property::Standard(7), Ok(1), Ok(())));
        let (second, mut value) = next(&mut reader).unwrap().unwrap();
        assert_eq!(
            (second, value.u32(), value.u8()),
            (Property::Standard(8), Ok(2), Err(Code::BadPropertyLen))
        );
        assert!(next(&mut reader).unwrap().is_none());
    }

    #[test]
    fn a_length_that_is_not_there_is_refused() {
        let read = |bytes: &[u8]| next(&mut Reader::new(bytes, Code::BadLen)).map(|found| found.is_some());
        assert_eq!(read(&[0, 1, 0]), Err(Code::BadPropertyLen));
        assert_eq!(read(&[0, 1, 0, 3, 0, 0, 0, 0]), Err(Code::BadPropertyLen));
        assert_eq!(read(&[0, 1, 0, 9, 0, 0, 0, 0]), Err(Code::BadPropertyLen));
        assert_eq!(read(&[0, 1, 0, 5, 0]), Err(Code::BadPropertyLen));
        assert_eq!(read(&[0xff, 0xff, 0, 8, 0, 0, 0, 0]), Err(Code::BadPropertyLen));
        assert_eq!(
            read(&[0xff, 0xff, 0, 12, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0]),
            Err(Code::BadPropertyExperimenter)
        );
    }
}
