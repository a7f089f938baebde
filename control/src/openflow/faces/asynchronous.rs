//! Which asynchronous messages a controller gets (OpenFlow 1.3.5 section 7.3.10, 1.4.1 section 7.3.10; Nicira's extension for 1.0).
//!
//! The reasons `OFPR_ACTION_SET`, `OFPR_GROUP` and `OFPR_PACKET_OUT` have come with 1.4. Before, all of them are `OFPR_ACTION`: its bit stands for
//! theirs.

use super::properties::{self, Property};
use crate::openflow::wire::{Reader, Writer};
use crate::openflow::{Async, AsyncChange, Code, Version};

/// `OFPR_NO_MATCH`, `OFPR_ACTION`, `OFPR_INVALID_TTL`.
const PACKET_IN_13: u32 = 0x7;
const PACKET_IN_14: u32 = 0x3f;
/// `OFPR_ACTION`.
const ACTION: u32 = 1 << 1;
/// What it has become in 1.4, beside itself.
const ACTIONS_14: u32 = 0x38;

/// The masks in the order of their properties' types: each has one as slave, and then one as master or equal.
fn masks(of: &mut AsyncChange) -> [&mut [Option<u32>; 2]; 6] {
    [
        &mut of.packet_in,
        &mut of.port_status,
        &mut of.flow_removed,
        &mut of.role_status,
        &mut of.table_status,
        &mut of.request_forward,
    ]
}

/// The bits that a mask can have.
fn allowed(version: Version, at: usize) -> u32 {
    match at {
        0 if version >= Version::V14 => PACKET_IN_14,
        0 => PACKET_IN_13,
        1 => 0x7,
        2 => 0x3f,
        3 => 0x7,
        4 => 1 << 3 | 1 << 4,
        _ => 0x3,
    }
}

fn widened(version: Version, at: usize, mask: u32) -> u32 {
    if at == 0 && version < Version::V14 && mask & ACTION != 0 { mask | ACTIONS_14 } else { mask }
}

/// Reads the masks as they were before 1.4: bits that a version does not have count for nothing, as in Open vSwitch, and what
/// cannot be said here is not told.
pub(super) fn decode_masks(version: Version, reader: &mut Reader<'_>) -> Result<AsyncChange, Code> {
    let mut change = AsyncChange::default();
    for (at, pair) in masks(&mut change).into_iter().enumerate() {
        for mask in pair {
            let bits = if at < 3 { reader.u32()? } else { 0 };
            *mask = Some(widened(version, at, bits & allowed(version, at)));
        }
    }
    Ok(change)
}

/// Reads the masks that shall change, as properties.
///
/// # Errors
/// `OFPACFC_UNSUPPORTED` for a type that is not known, `OFPACFC_INVALID` for a bit that is not.
pub(super) fn decode_properties(version: Version, reader: &mut Reader<'_>) -> Result<AsyncChange, Code> {
    let mut change = AsyncChange::default();
    while let Some((property, mut value)) = properties::next_below(reader, 0xfffe)? {
        let Property::Standard(kind) = property else { return Err(property.unknown()) };
        let (at, master) = (usize::from(kind / 2), kind % 2 == 1);
        let pair = masks(&mut change).into_iter().nth(at).ok_or(Code::AsyncUnsupported)?;
        let mask = value.u32()?;
        value.end()?;
        if mask & !allowed(version, at) != 0 {
            return Err(Code::AsyncInvalid);
        }
        pair[usize::from(!master)] = Some(widened(version, at, mask));
    }
    Ok(change)
}

/// Writes the masks as they were before 1.4.
pub(super) fn encode_masks(version: Version, change: &AsyncChange, writer: &mut Writer) {
    let mut change = *change;
    for (at, pair) in masks(&mut change).into_iter().take(3).enumerate() {
        for mask in pair {
            writer.u32(mask.unwrap_or(0) & allowed(version, at));
        }
    }
}

/// Writes the masks that are given, as properties.
pub(super) fn encode_properties(version: Version, change: &AsyncChange, writer: &mut Writer) {
    let mut change = *change;
    for (at, [master, slave]) in masks(&mut change).into_iter().enumerate() {
        for (kind, mask) in [(2 * at, slave), (2 * at + 1, master)] {
            if let Some(mask) = mask {
                properties::put(writer, kind as u16, |writer| {
                    writer.u32(*mask & allowed(version, at));
                });
            }
        }
    }
}

/// All of what is told, as a change to it.
pub(super) fn all(of: &Async) -> AsyncChange {
    let some = |pair: [u32; 2]| pair.map(Some);
    AsyncChange {
        packet_in: some(of.packet_in),
        port_status: some(of.port_status),
        flow_removed: some(of.flow_removed),
        role_status: some(of.role_status),
        table_status: some(of.table_status),
        request_forward: some(of.request_forward),
    }
}

/// What is told where a change says nothing: nothing.
pub(super) fn whole(change: &AsyncChange) -> Async {
    let nothing = Async {
        packet_in: [0; 2],
        port_status: [0; 2],
        flow_removed: [0; 2],
        role_status: [0; 2],
        table_status: [0; 2],
        request_forward: [0; 2],
    };
    change.over(nothing)
}
