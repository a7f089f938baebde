//! Times: seconds and nanoseconds on the wire, milliseconds here.

use crate::openflow::Code;
use crate::openflow::wire::{Reader, Writer};

/// Reads how long something has lasted, in milliseconds. What is smaller is lost. That it is not known is `u64::MAX`.
pub(super) fn decode(reader: &mut Reader<'_>) -> Result<u64, Code> {
    let (seconds, nanoseconds) = (reader.u32()?, u64::from(reader.u32()?));
    match seconds {
        u32::MAX => Ok(u64::MAX),
        _ => Ok(u64::from(seconds) * 1000 + nanoseconds / 1_000_000),
    }
}

/// Writes how long something has lasted. What 32 bits of seconds have no room for is not known.
pub(super) fn encode(milliseconds: u64, writer: &mut Writer) {
    match u32::try_from(milliseconds / 1000) {
        Ok(seconds) if seconds < u32::MAX => {
            writer.u32(seconds).u32((milliseconds % 1000) as u32 * 1_000_000)
        }
        _ => writer.u64(u64::MAX),
    };
}
