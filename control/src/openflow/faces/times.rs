//! Times: seconds and nanoseconds on the wire, milliseconds here.

use crate::openflow::Code;
use crate::openflow::wire::{Reader, Writer};

/// Reads how long something has lasted, in milliseconds. What is smaller is lost.
pub(super) fn decode(reader: &mut Reader<'_>) -> Result<u64, Code> {
    let (seconds, nanoseconds) = (u64::from(reader.u32()?), u64::from(reader.u32()?));
    Ok(seconds * 1000 + nanoseconds / 1_000_000)
}

/// Writes how long something has lasted; 136 years at the most.
pub(super) fn encode(milliseconds: u64, writer: &mut Writer) {
    let seconds = u32::try_from(milliseconds / 1000).unwrap_or(u32::MAX);
    writer.u32(seconds).u32((milliseconds % 1000) as u32 * 1_000_000);
}
