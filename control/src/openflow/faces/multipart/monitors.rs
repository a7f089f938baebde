//! News of flow entries: which are wanted, and what they say. Nicira's for 1.0, the Open Networking Foundation's for 1.3 (EXT-187), and of
//! the specification since 1.4 (1.4.1 section 7.3.5.17). As in Open vSwitch (`lib/ofp-monitor.c`), whose `ovs-ofctl monitor watch:` sets `OFPFMF_ONLY_OWN`
//! of 1.4 where it means that one's own changes are told in full.

use super::super::flow_mod::{self, group, group_number, table, table_number};
use super::super::{matches, port};
use super::flows::unknown;
use crate::ofproto::{Filter, reserved};
use crate::openflow::matching::{decode_nxm, decode_oxm, encode_oxm};
use crate::openflow::wire::{Reader, Writer};
use crate::openflow::{Code, FlowMonitor, FlowUpdate, UpdateEvent, Version, instructions, ports};
use datapath::pipeline::{Instructions, Match, TableId};

/// `NXFMF_ADD`, `NXFMF_DELETE`, `NXFMF_MODIFY`: one of them at least.
const CHANGES: u16 = 0xe;
/// All of `NXFMF_*`.
const KNOWN: u16 = 0x3f;
/// `NXFMF_OWN`; in 1.4 `OFPFMF_NO_ABBREV`, and what Open vSwitch takes for it, `OFPFMF_ONLY_OWN`.
const OWN: u16 = 1 << 5;
const OWN_14: u16 = 1 << 6;
/// `OFPFMC_ADD` and `OFPFMC_DELETE`.
const ADD: u8 = 0;
const DELETE: u8 = 2;

/// Something about a monitor.
pub(super) enum Wanted {
    /// News of these flows.
    News(FlowMonitor),
    /// None any more for this number.
    Cancel(u32),
}

fn flags(bits: u16) -> Result<u16, Code> {
    if bits & CHANGES == 0 || bits & !KNOWN != 0 { Err(Code::MonitorBadFlags) } else { Ok(bits) }
}

/// Reads which news are wanted.
///
/// # Errors
/// `OFPMOFC_BAD_FLAGS`, `OFPMOFC_BAD_COMMAND`, `NXBRC_MUST_BE_ZERO`, `OFPBMC_*`.
pub(super) fn decode(version: Version, reader: &mut Reader<'_>) -> Result<Wanted, Code> {
    let id = reader.u32()?;
    if version >= Version::V14 {
        return decode_14(version, id, reader);
    }
    let bits = reader.u16()?;
    let (out_port, matching, table_id);
    if version == Version::V10 {
        let port = port::number_or_all(version, reader, Code::BadOutPort);
        let match_len = reader.u16()?;
        table_id = reader.u8()?;
        let zeros: [u8; 5] = reader.array()?;
        check(bits, &zeros)?;
        out_port = port?;
        matching = decode_nxm(&mut matches::fields(reader, match_len)?)?;
    } else {
        reader.skip(2)?;
        let port = reader.u32()?;
        table_id = reader.u8()?;
        let zeros: [u8; 3] = reader.array()?;
        check(bits, &zeros)?;
        out_port = Some(ports::from_wide(port)?).filter(|port| *port != reserved::ANY);
        matching = decode_oxm(reader)?;
    }
    let filter = Filter { table: table(table_id), matching, out_port, ..Filter::default() };
    Ok(Wanted::News(FlowMonitor { id, flags: bits, filter }))
}

fn check(bits: u16, zeros: &[u8]) -> Result<(), Code> {
    flags(bits)?;
    if zeros.iter().any(|byte| *byte != 0) { Err(Code::NxMustBeZero) } else { Ok(()) }
}

fn decode_14(version: Version, id: u32, reader: &mut Reader<'_>) -> Result<Wanted, Code> {
    let (port, out_group, bits) = (reader.u32()?, group(reader.u32()?), reader.u16()?);
    let (table_id, command) = (reader.u8()?, reader.u8()?);
    match command {
        ADD => {
            // Bit 6 stands for bit 5, see above.
            let own = if bits & (OWN | OWN_14) != 0 { OWN } else { 0 };
            let flags = flags(bits & !(OWN | OWN_14) | own)?;
            let out_port = Some(ports::from_wide(port)?).filter(|port| *port != reserved::ANY);
            let matching = decode_oxm(reader)?;
            let filter =
                Filter { table: table(table_id), matching, out_port, out_group, ..Filter::default() };
            Ok(Wanted::News(FlowMonitor { id, flags, filter }))
        }
        DELETE => {
            // Open vSwitch leaves the match out, which the specification has here too.
            if !reader.is_empty() {
                decode_oxm(reader)?;
            }
            Ok(Wanted::Cancel(id))
        }
        _ if version >= Version::V14 => Err(Code::MonitorBadCommand),
        _ => Err(Code::BadLen),
    }
}

/// Writes which news are wanted.
pub(super) fn encode(version: Version, monitor: &FlowMonitor, writer: &mut Writer) {
    let FlowMonitor { id, flags, filter } = monitor;
    let out_port = filter.out_port.unwrap_or(reserved::ANY);
    writer.u32(*id);
    match version {
        Version::V10 => {
            writer.u16(*flags);
            port::put_number(version, out_port, writer);
            let at = writer.len();
            writer.u16(0).u8(table_number(filter.table)).zeros(5);
            let len = matches::put(&filter.matching, writer);
            writer.put_u16(at, len);
        }
        Version::V13 => {
            writer.u16(*flags);
            let at = writer.len();
            writer.u16(0).u32(ports::to_wide(out_port)).u8(table_number(filter.table)).zeros(3);
            let start = writer.len();
            encode_oxm(&filter.matching, writer, version);
            writer.put_len(at, start);
        }
        Version::V14 | Version::V15 => {
            let own = if flags & OWN != 0 { OWN_14 } else { 0 };
            writer.u32(ports::to_wide(out_port)).u32(group_number(filter.out_group));
            writer.u16(flags & !OWN | own).u8(table_number(filter.table)).u8(ADD);
            encode_oxm(&filter.matching, writer, version);
        }
    }
}

/// Writes that none are wanted any more for a number, since 1.4.
pub(super) fn encode_cancel(version: Version, id: u32, writer: &mut Writer) {
    writer.u32(id).u32(ports::to_wide(reserved::ANY)).u32(group_number(None));
    writer.u16(0).u8(table_number(None)).u8(DELETE);
    encode_oxm(&Match::any(), writer, version);
}

/// `NXFME_*`, and `OFPFME_*` of 1.4.
fn event(version: Version, number: u16) -> Option<UpdateEvent> {
    let number = if version >= Version::V14 { number } else { number.checked_add(1)? };
    match number {
        0 => Some(UpdateEvent::Initial),
        1 => Some(UpdateEvent::Added),
        2 => Some(UpdateEvent::Deleted),
        3 => Some(UpdateEvent::Modified),
        _ => None,
    }
}

/// Before 1.4 entries that were there are told as if they were new.
fn event_number(version: Version, event: UpdateEvent) -> u16 {
    match event {
        UpdateEvent::Initial => 0,
        UpdateEvent::Added if version < Version::V14 => 0,
        UpdateEvent::Added => 1,
        UpdateEvent::Deleted => {
            if version < Version::V14 {
                1
            } else {
                2
            }
        }
        UpdateEvent::Modified => {
            if version < Version::V14 {
                2
            } else {
                3
            }
        }
    }
}

/// `NXFME_ABBREV` and `OFPFME_ABBREV`.
fn abbreviated(version: Version) -> u16 {
    if version >= Version::V14 { 4 } else { 3 }
}

/// `OFPFME_PAUSED` and `OFPFME_RESUMED`, which are messages of their own before 1.4.
const PAUSED: u16 = 5;
const RESUMED: u16 = 6;

/// Reads a piece of news.
///
/// # Errors
/// `NXBRC_FM_BAD_EVENT`.
pub(super) fn decode_update(version: Version, reader: &mut Reader<'_>) -> Result<FlowUpdate, Code> {
    let len = usize::from(reader.u16()?);
    let mut rest = reader.part(len.checked_sub(2).ok_or(Code::BadLen)?, Code::BadLen)?;
    let number = rest.u16()?;
    let update = match number {
        number if number == abbreviated(version) => FlowUpdate::Abbreviated(rest.u32()?),
        PAUSED if version >= Version::V14 => {
            rest.skip(4)?;
            FlowUpdate::Paused
        }
        RESUMED if version >= Version::V14 => {
            rest.skip(4)?;
            FlowUpdate::Resumed
        }
        number => {
            let event = event(version, number).ok_or(Code::NxBadEvent)?;
            let mut flow = unknown(Match::any(), Instructions::default());
            let reason;
            if version >= Version::V14 {
                (flow.table, reason) = (TableId(rest.u8()?), u16::from(rest.u8()?));
                (flow.idle_timeout, flow.hard_timeout, flow.priority) =
                    (rest.u16()?, rest.u16()?, rest.u16()?);
                rest.skip(4)?;
                flow.cookie = rest.u64()?;
                flow.matching = decode_oxm(&mut rest)?;
            } else {
                (reason, flow.priority) = (rest.u16()?, rest.u16()?);
                (flow.idle_timeout, flow.hard_timeout) = (rest.u16()?, rest.u16()?);
                let match_len = rest.u16()?;
                flow.table = TableId(rest.u8()?);
                rest.skip(1)?;
                flow.cookie = rest.u64()?;
                flow.matching = match version {
                    Version::V10 => decode_nxm(&mut matches::fields(&mut rest, match_len)?)?,
                    _ => decode_oxm(&mut rest)?,
                };
            }
            flow.instructions = flow_mod::doings(version, &mut rest, &flow.matching)?.into();
            FlowUpdate::Full { event, reason, flow: Box::new(flow) }
        }
    };
    rest.end()?;
    Ok(update)
}

/// Writes a piece of news. That they pause is a message of its own before 1.4.
pub(super) fn encode_update(version: Version, update: &FlowUpdate, writer: &mut Writer) {
    let start = writer.len();
    match update {
        FlowUpdate::Abbreviated(xid) => {
            writer.u16(0).u16(abbreviated(version)).u32(*xid);
        }
        FlowUpdate::Paused => {
            writer.u16(0).u16(PAUSED).zeros(4);
        }
        FlowUpdate::Resumed => {
            writer.u16(0).u16(RESUMED).zeros(4);
        }
        FlowUpdate::Full { event, reason, flow } => {
            writer.u16(0).u16(event_number(version, *event));
            if version >= Version::V14 {
                // Reasons fit: there are six.
                writer.u8(flow.table.0).u8(*reason as u8).u16(flow.idle_timeout).u16(flow.hard_timeout);
                writer.u16(flow.priority).zeros(4).u64(flow.cookie);
                encode_oxm(&flow.matching, writer, version);
            } else {
                writer.u16(*reason).u16(flow.priority).u16(flow.idle_timeout).u16(flow.hard_timeout);
                let at = writer.len();
                writer.u16(0).u8(flow.table.0).zeros(1).u64(flow.cookie);
                let match_start = writer.len();
                if version == Version::V10 {
                    let len = matches::put(&flow.matching, writer);
                    writer.put_u16(at, len);
                } else {
                    encode_oxm(&flow.matching, writer, version);
                    writer.put_len(at, match_start);
                }
            }
            instructions::encode(version, &flow.instructions, &flow.matching, writer);
        }
    }
    writer.put_len(start, start);
}
