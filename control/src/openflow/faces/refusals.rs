//! Errors (OpenFlow 1.3.5 section 7.5.4).

use crate::openflow::wire::{Reader, Writer};
use crate::openflow::{Code, Refusal, Version};
use bytes::Bytes;

/// What a message's length leaves for the header and the numbers.
const DATA_MAX: usize = 0xffff - 32;

/// Reads an error: its numbers are those of whoever says it.
pub(super) fn decode(reader: &mut Reader<'_>, whole: &Bytes) -> Result<Refusal, Code> {
    let (kind, code) = (reader.u16()?, reader.u16()?);
    Ok(Refusal::Read(kind, code, whole.slice_ref(reader.take_rest())))
}

/// Writes an error. What of its data does not fit a message is cut.
pub(super) fn encode(version: Version, refusal: &Refusal, writer: &mut Writer) {
    let data = match refusal {
        Refusal::Ours(code, data) => {
            let (kind, code, own) = code.numbers(version).on_wire(version);
            writer.u16(kind).u16(code).bytes(&own);
            data
        }
        Refusal::Read(kind, code, data) => {
            writer.u16(*kind).u16(*code);
            data
        }
    };
    writer.bytes(&data[..data.len().min(DATA_MAX)]);
}
