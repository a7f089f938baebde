//! Flow entries: which are asked for, and what is said of them (OpenFlow 1.3.5 sections 7.3.5.2 and 7.3.5.3, 1.5.1 section 7.3.5.2).

use super::super::flow_mod::{self, ALL_TABLES, flag_bits, flags, group, group_number, table, table_number};
use super::super::oxs::{self, Counters};
use super::super::{matches, port, times};
use crate::ofproto::{Aggregate, Filter, FlowFlags, reserved};
use crate::openflow::matching::{
    decode_nxm, decode_nxm_with_cookie, decode_oxm, decode_v10, encode_oxm, encode_v10,
};
use crate::openflow::wire::{Reader, Writer};
use crate::openflow::{Code, FlowStats, Version, instructions};
use datapath::pipeline::{Instructions, Match, TableId};

/// Reads which entries are asked for.
pub(super) fn decode_filter(version: Version, nicira: bool, reader: &mut Reader<'_>) -> Result<Filter, Code> {
    if nicira {
        let (out_port, match_len) = (port::number_or_all(version, reader, Code::BadOutPort)?, reader.u16()?);
        let table = table(reader.u8()?);
        reader.skip(3)?;
        let (matching, cookie, cookie_mask) =
            decode_nxm_with_cookie(&mut matches::fields(reader, match_len)?)?;
        return Ok(Filter { table, matching, cookie, cookie_mask, out_port, out_group: None });
    }
    if version == Version::V10 {
        let matching = decode_v10(reader)?;
        let table = table(reader.u8()?);
        reader.skip(1)?;
        let out_port = port::number_or_all(version, reader, Code::BadOutPort)?;
        return Ok(Filter { table, matching, out_port, ..Filter::default() });
    }
    let table = table(reader.u8()?);
    reader.skip(3)?;
    let out_port = flow_mod::out_port(version, reader)?;
    let out_group = group(reader.u32()?);
    reader.skip(4)?;
    let (cookie, cookie_mask) = (reader.u64()?, reader.u64()?);
    let matching = decode_oxm(reader)?;
    if version == Version::V15 {
        // Which counters are asked for: all that there are, are told.
        reader.take_rest();
    }
    Ok(Filter { table, matching, cookie, cookie_mask, out_port, out_group })
}

/// Writes which entries are asked for.
pub(super) fn encode_filter(version: Version, nicira: bool, filter: &Filter, writer: &mut Writer) {
    let out_port = filter.out_port.unwrap_or(reserved::ANY);
    if nicira {
        port::put_number(version, out_port, writer);
        let at = writer.len();
        writer.u16(0).u8(table_number(filter.table)).zeros(3);
        let len = matches::put_with_cookie(&filter.matching, filter.cookie, filter.cookie_mask, writer);
        writer.put_u16(at, len);
    } else if version == Version::V10 {
        encode_v10(&filter.matching, writer);
        writer.u8(table_number(filter.table)).zeros(1);
        port::put_number(version, out_port, writer);
    } else {
        writer.u8(table_number(filter.table)).zeros(3);
        port::put_number(version, out_port, writer);
        writer.u32(group_number(filter.out_group)).zeros(4).u64(filter.cookie).u64(filter.cookie_mask);
        encode_oxm(&filter.matching, writer, version);
    }
}

/// Reads sums over entries.
pub(super) fn decode_aggregate(version: Version, reader: &mut Reader<'_>) -> Result<Aggregate, Code> {
    if version == Version::V15 {
        let counters = oxs::decode(reader)?;
        return Ok(Aggregate {
            packets: counters.packets.unwrap_or(0),
            bytes: counters.bytes.unwrap_or(0),
            flows: counters.flows.unwrap_or(0).into(),
        });
    }
    let sums = Aggregate { packets: reader.u64()?, bytes: reader.u64()?, flows: reader.u32()?.into() };
    reader.skip(4)?;
    Ok(sums)
}

/// Writes sums over entries.
pub(super) fn encode_aggregate(version: Version, sums: &Aggregate, writer: &mut Writer) {
    let flows = u32::try_from(sums.flows).unwrap_or(u32::MAX);
    if version == Version::V15 {
        let counters = Counters {
            packets: Some(sums.packets),
            bytes: Some(sums.bytes),
            flows: Some(flows),
            ..Counters::default()
        };
        return oxs::encode(&counters, writer);
    }
    writer.u64(sums.packets).u64(sums.bytes).u32(flows).zeros(4);
}

/// A flow entry of which nothing is known yet.
pub(super) fn unknown(matching: Match, instructions: Instructions) -> FlowStats {
    FlowStats {
        table: TableId(ALL_TABLES),
        duration_ms: 0,
        idle_ms: 0,
        untaught_ms: None,
        priority: 0,
        idle_timeout: 0,
        hard_timeout: 0,
        importance: 0,
        flags: FlowFlags::default(),
        cookie: 0,
        packets: 0,
        bytes: 0,
        matching,
        instructions: instructions.into(),
    }
}

/// Reads a flow entry.
pub(super) fn decode(version: Version, nicira: bool, reader: &mut Reader<'_>) -> Result<FlowStats, Code> {
    let len = usize::from(reader.u16()?);
    let mut rest = reader.part(len.checked_sub(2).ok_or(Code::BadLen)?, Code::BadLen)?;
    match version {
        _ if nicira => decode_nicira(&mut rest),
        Version::V10 => decode_10(&mut rest),
        Version::V13 | Version::V14 => decode_13(version, &mut rest),
        Version::V15 => decode_15(&mut rest),
    }
}

fn decode_nicira(reader: &mut Reader<'_>) -> Result<FlowStats, Code> {
    let mut flow = unknown(Match::any(), Instructions::default());
    flow.table = TableId(reader.u8()?);
    reader.skip(1)?;
    flow.duration_ms = times::decode(reader)?;
    (flow.priority, flow.idle_timeout, flow.hard_timeout) = (reader.u16()?, reader.u16()?, reader.u16()?);
    let (match_len, idle) = (reader.u16()?, reader.u16()?);
    // Seconds and one more; zero says nothing.
    flow.idle_ms = u64::from(idle.saturating_sub(1)) * 1000;
    flow.untaught_ms = reader.u16()?.checked_sub(1).map(|seconds| u64::from(seconds) * 1000);
    (flow.cookie, flow.packets, flow.bytes) = (reader.u64()?, reader.u64()?, reader.u64()?);
    flow.matching = decode_nxm(&mut matches::fields(reader, match_len)?)?;
    flow.instructions = instructions::decode(Version::V10, reader, &flow.matching)?.into();
    Ok(flow)
}

fn decode_10(reader: &mut Reader<'_>) -> Result<FlowStats, Code> {
    let mut flow = unknown(Match::any(), Instructions::default());
    flow.table = TableId(reader.u8()?);
    reader.skip(1)?;
    flow.matching = decode_v10(reader)?;
    flow.duration_ms = times::decode(reader)?;
    (flow.priority, flow.idle_timeout, flow.hard_timeout) = (reader.u16()?, reader.u16()?, reader.u16()?);
    reader.skip(6)?;
    (flow.cookie, flow.packets, flow.bytes) = (reader.u64()?, reader.u64()?, reader.u64()?);
    flow.instructions = instructions::decode(Version::V10, reader, &flow.matching)?.into();
    Ok(flow)
}

fn decode_13(version: Version, reader: &mut Reader<'_>) -> Result<FlowStats, Code> {
    let mut flow = unknown(Match::any(), Instructions::default());
    flow.table = TableId(reader.u8()?);
    reader.skip(1)?;
    flow.duration_ms = times::decode(reader)?;
    (flow.priority, flow.idle_timeout, flow.hard_timeout) = (reader.u16()?, reader.u16()?, reader.u16()?);
    let (bits, importance) = (reader.u16()?, reader.u16()?);
    flow.flags = flags(bits)?;
    flow.importance = if version >= Version::V14 { importance } else { 0 };
    reader.skip(2)?;
    (flow.cookie, flow.packets, flow.bytes) = (reader.u64()?, reader.u64()?, reader.u64()?);
    flow.matching = decode_oxm(reader)?;
    flow.instructions = instructions::decode(version, reader, &flow.matching)?.into();
    Ok(flow)
}

fn decode_15(reader: &mut Reader<'_>) -> Result<FlowStats, Code> {
    let mut flow = unknown(Match::any(), Instructions::default());
    reader.skip(2)?;
    flow.table = TableId(reader.u8()?);
    reader.skip(1)?;
    (flow.priority, flow.idle_timeout, flow.hard_timeout) = (reader.u16()?, reader.u16()?, reader.u16()?);
    flow.flags = flags(reader.u16()?)?;
    (flow.importance, flow.cookie) = (reader.u16()?, reader.u64()?);
    flow.matching = decode_oxm(reader)?;
    let counters = oxs::decode(reader)?;
    flow.duration_ms = counters.duration_ms.unwrap_or(0);
    flow.idle_ms = counters.idle_ms.unwrap_or(0);
    flow.packets = counters.packets.unwrap_or(u64::MAX);
    flow.bytes = counters.bytes.unwrap_or(u64::MAX);
    flow.instructions = instructions::decode(Version::V15, reader, &flow.matching)?.into();
    Ok(flow)
}

/// Writes a flow entry.
pub(super) fn encode(version: Version, nicira: bool, flow: &FlowStats, writer: &mut Writer) {
    let start = writer.len();
    match version {
        _ if nicira => encode_nicira(flow, writer),
        Version::V10 => encode_10(flow, writer),
        Version::V13 | Version::V14 => encode_13(version, flow, writer),
        Version::V15 => encode_15(flow, writer),
    }
    instructions::encode(version, &flow.instructions, &flow.matching, writer);
    writer.put_len(start, start);
}

fn encode_nicira(flow: &FlowStats, writer: &mut Writer) {
    writer.u16(0).u8(flow.table.0).zeros(1);
    times::encode(flow.duration_ms, writer);
    writer.u16(flow.priority).u16(flow.idle_timeout).u16(flow.hard_timeout);
    let at = writer.len();
    let idle = u16::try_from(flow.idle_ms / 1000 + 1).unwrap_or(u16::MAX);
    // Open vSwitch says it of all entries, and `ovs-ofctl` shows it where it is not the age of the entry.
    let untaught = flow.untaught_ms.map_or(0, |ms| u16::try_from(ms / 1000 + 1).unwrap_or(u16::MAX));
    writer.u16(0).u16(idle).u16(untaught).u64(flow.cookie).u64(flow.packets).u64(flow.bytes);
    let len = matches::put(&flow.matching, writer);
    writer.put_u16(at, len);
}

fn encode_10(flow: &FlowStats, writer: &mut Writer) {
    writer.u16(0).u8(flow.table.0).zeros(1);
    encode_v10(&flow.matching, writer);
    times::encode(flow.duration_ms, writer);
    writer.u16(flow.priority).u16(flow.idle_timeout).u16(flow.hard_timeout).zeros(6);
    writer.u64(flow.cookie).u64(flow.packets).u64(flow.bytes);
}

fn encode_13(version: Version, flow: &FlowStats, writer: &mut Writer) {
    writer.u16(0).u8(flow.table.0).zeros(1);
    times::encode(flow.duration_ms, writer);
    writer.u16(flow.priority).u16(flow.idle_timeout).u16(flow.hard_timeout).u16(flag_bits(flow.flags));
    writer.u16(if version >= Version::V14 { flow.importance } else { 0 }).zeros(2);
    writer.u64(flow.cookie).u64(flow.packets).u64(flow.bytes);
    encode_oxm(&flow.matching, writer, version);
}

fn encode_15(flow: &FlowStats, writer: &mut Writer) {
    writer.u16(0).zeros(2).u8(flow.table.0).zeros(1);
    writer.u16(flow.priority).u16(flow.idle_timeout).u16(flow.hard_timeout).u16(flag_bits(flow.flags));
    writer.u16(flow.importance).u64(flow.cookie);
    encode_oxm(&flow.matching, writer, Version::V15);
    let kept = |count: u64| Some(count).filter(|count| *count != u64::MAX);
    let counters = Counters {
        duration_ms: Some(flow.duration_ms),
        idle_ms: Some(flow.idle_ms),
        packets: kept(flow.packets),
        bytes: kept(flow.bytes),
        flows: None,
    };
    oxs::encode(&counters, writer);
}
