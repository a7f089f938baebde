//! Flow entries that have gone (OpenFlow 1.3.5 section 7.4.2).

use super::oxs::{self, Counters};
use super::{flow_mod, matches, times};
use crate::openflow::matching::{decode_nxm, decode_oxm, decode_v10, encode_oxm, encode_v10};
use crate::openflow::wire::{Reader, Writer};
use crate::openflow::{Code, FlowRemoved, Version};
use datapath::pipeline::TableId;

/// `OFPRR_DELETE`, and `OFPRR_METER_DELETE`, which has come with 1.4.
const DELETE: u8 = 2;
const METER_DELETE: u8 = 4;

/// What the version calls the reason.
fn reason(version: Version, reason: u8) -> u8 {
    if reason == METER_DELETE && version < Version::V14 { DELETE } else { reason }
}

/// Reads it. Where a struct is filled from the reader, its fields stand in the order of the wire.
pub(super) fn decode(version: Version, reader: &mut Reader<'_>) -> Result<FlowRemoved, Code> {
    Ok(match version {
        Version::V10 => {
            let matching = decode_v10(reader)?;
            let (cookie, priority, reason) = (reader.u64()?, reader.u16()?, reader.u8()?);
            reader.skip(1)?;
            let (duration_ms, idle_timeout) = (times::decode(reader)?, reader.u16()?);
            reader.skip(2)?;
            let (packets, bytes) = (reader.u64()?, reader.u64()?);
            // 1.0 says neither the table nor the other timeout.
            let (table, hard_timeout) = (TableId(flow_mod::ALL_TABLES), 0);
            FlowRemoved {
                matching,
                cookie,
                priority,
                reason,
                table,
                duration_ms,
                idle_timeout,
                hard_timeout,
                packets,
                bytes,
            }
        }
        Version::V13 | Version::V14 => FlowRemoved {
            cookie: reader.u64()?,
            priority: reader.u16()?,
            reason: reader.u8()?,
            table: TableId(reader.u8()?),
            duration_ms: times::decode(reader)?,
            idle_timeout: reader.u16()?,
            hard_timeout: reader.u16()?,
            packets: reader.u64()?,
            bytes: reader.u64()?,
            matching: decode_oxm(reader)?,
        },
        Version::V15 => {
            let mut removed = FlowRemoved {
                table: TableId(reader.u8()?),
                reason: reader.u8()?,
                priority: reader.u16()?,
                idle_timeout: reader.u16()?,
                hard_timeout: reader.u16()?,
                cookie: reader.u64()?,
                matching: decode_oxm(reader)?,
                duration_ms: 0,
                packets: 0,
                bytes: 0,
            };
            let counters = oxs::decode(reader)?;
            removed.duration_ms = counters.duration_ms.unwrap_or(0);
            removed.packets = counters.packets.unwrap_or(u64::MAX);
            removed.bytes = counters.bytes.unwrap_or(u64::MAX);
            removed
        }
    })
}

/// Reads it in Nicira's words.
pub(super) fn decode_nicira(reader: &mut Reader<'_>) -> Result<FlowRemoved, Code> {
    let (cookie, priority, reason) = (reader.u64()?, reader.u16()?, reader.u8()?);
    // One more than the table, so that older switches, which wrote zero here, say nothing.
    let table = TableId(reader.u8()?.wrapping_sub(1));
    let (duration_ms, idle_timeout, match_len) = (times::decode(reader)?, reader.u16()?, reader.u16()?);
    let (packets, bytes) = (reader.u64()?, reader.u64()?);
    let matching = decode_nxm(&mut matches::fields(reader, match_len)?)?;
    Ok(FlowRemoved {
        cookie,
        priority,
        reason,
        table,
        duration_ms,
        idle_timeout,
        hard_timeout: 0,
        packets,
        bytes,
        matching,
    })
}

/// Writes it.
pub(super) fn encode(version: Version, removed: &FlowRemoved, writer: &mut Writer) {
    let reason = reason(version, removed.reason);
    match version {
        Version::V10 => {
            encode_v10(&removed.matching, writer);
            writer.u64(removed.cookie).u16(removed.priority).u8(reason).zeros(1);
            times::encode(removed.duration_ms, writer);
            writer.u16(removed.idle_timeout).zeros(2).u64(removed.packets).u64(removed.bytes);
        }
        Version::V13 | Version::V14 => {
            writer.u64(removed.cookie).u16(removed.priority).u8(reason).u8(removed.table.0);
            times::encode(removed.duration_ms, writer);
            writer.u16(removed.idle_timeout).u16(removed.hard_timeout);
            writer.u64(removed.packets).u64(removed.bytes);
            encode_oxm(&removed.matching, writer, version);
        }
        Version::V15 => {
            writer.u8(removed.table.0).u8(reason).u16(removed.priority);
            writer.u16(removed.idle_timeout).u16(removed.hard_timeout).u64(removed.cookie);
            encode_oxm(&removed.matching, writer, version);
            let kept = |count: u64| Some(count).filter(|count| *count != u64::MAX);
            let counters = Counters {
                duration_ms: Some(removed.duration_ms),
                packets: kept(removed.packets),
                bytes: kept(removed.bytes),
                ..Counters::default()
            };
            oxs::encode(&counters, writer);
        }
    }
}

/// Writes it in Nicira's words.
pub(super) fn encode_nicira(version: Version, removed: &FlowRemoved, writer: &mut Writer) {
    writer.u64(removed.cookie).u16(removed.priority).u8(reason(version, removed.reason));
    writer.u8(removed.table.0.wrapping_add(1));
    times::encode(removed.duration_ms, writer);
    writer.u16(removed.idle_timeout);
    let at = writer.len();
    writer.u16(0).u64(removed.packets).u64(removed.bytes);
    let len = matches::put(&removed.matching, writer);
    writer.put_u16(at, len);
}
