//! Changes to flow entries (OpenFlow 1.0.1 section 5.3.3, 1.3.5 section 7.3.4.1, Nicira's NXT_FLOW_MOD). What is refused, and in which order
//! that is found out, is as in Open vSwitch (`lib/ofp-flow.c`).

use super::{matches, port};
use crate::ofproto::context::Context;
use crate::ofproto::{Command, FlowFlags, FlowMod, reserved};
use crate::openflow::matching::{
    decode_nxm_with_cookie, decode_oxm_in_context, decode_v10, encode_oxm, encode_v10,
};
use crate::openflow::wire::{Reader, Writer};
use crate::openflow::{Code, Version, instructions, ports, recall};
use datapath::flow::OfPort;
use datapath::pipeline::{GroupId, Instructions, Match, TableId};

/// `OFP_NO_BUFFER`.
const NO_BUFFER: u32 = u32::MAX;
/// `OFPTT_ALL`.
pub(super) const ALL_TABLES: u8 = 0xff;
/// `OFPG_ANY`.
pub(super) const ANY_GROUP: u32 = u32::MAX;
/// A cookie that changes none, in 1.0 with Nicira's extension.
const KEEP_COOKIE: u64 = u64::MAX;
/// `OFPFW_ALL`: the wildcards of 1.0.
const WILDCARDS_10: u32 = (1 << 22) - 1;

/// `OFPFF_*`. Bit 2 was something else in 1.0.
mod flag {
    pub(super) const SEND_FLOW_REM: u16 = 1;
    pub(super) const CHECK_OVERLAP: u16 = 1 << 1;
    pub(super) const EMERGENCY_10: u16 = 1 << 2;
    pub(super) const RESET_COUNTS: u16 = 1 << 2;
    pub(super) const NO_PACKET_COUNTS: u16 = 1 << 3;
    pub(super) const NO_BYTE_COUNTS: u16 = 1 << 4;
}

/// A table, or None for all of them.
pub(super) fn table(number: u8) -> Option<TableId> {
    (number != ALL_TABLES).then_some(TableId(number))
}

/// A table's number, or that for all of them.
pub(super) fn table_number(table: Option<TableId>) -> u8 {
    table.map_or(ALL_TABLES, |table| table.0)
}

/// A group, or None for any.
pub(super) fn group(number: u32) -> Option<GroupId> {
    (number != ANY_GROUP).then_some(GroupId(number))
}

/// A group's number, or that for any.
pub(super) fn group_number(group: Option<GroupId>) -> u32 {
    group.map_or(ANY_GROUP, |group| group.0)
}

fn command(number: u16) -> Result<Command, Code> {
    match number {
        0 => Ok(Command::Add),
        1 => Ok(Command::Modify),
        2 => Ok(Command::ModifyStrict),
        3 => Ok(Command::Delete),
        4 => Ok(Command::DeleteStrict),
        _ => Err(Code::BadCommand),
    }
}

fn command_number(command: Command) -> u8 {
    match command {
        Command::Add => 0,
        Command::Modify => 1,
        Command::ModifyStrict => 2,
        Command::Delete => 3,
        Command::DeleteStrict => 4,
    }
}

fn deletes(command: Command) -> bool {
    matches!(command, Command::Delete | Command::DeleteStrict)
}

/// The flags of a flow entry since 1.1.
///
/// # Errors
/// `OFPFMFC_BAD_FLAGS` for bits that are none.
pub(super) fn flags(bits: u16) -> Result<FlowFlags, Code> {
    if bits >> 5 != 0 {
        return Err(Code::BadFlags);
    }
    Ok(FlowFlags {
        send_flow_rem: bits & flag::SEND_FLOW_REM != 0,
        check_overlap: bits & flag::CHECK_OVERLAP != 0,
        reset_counts: bits & flag::RESET_COUNTS != 0,
        no_packet_counts: bits & flag::NO_PACKET_COUNTS != 0,
        no_byte_counts: bits & flag::NO_BYTE_COUNTS != 0,
    })
}

/// The bits of flags since 1.1.
pub(super) fn flag_bits(flags: FlowFlags) -> u16 {
    let bits = [
        (flags.send_flow_rem, flag::SEND_FLOW_REM),
        (flags.check_overlap, flag::CHECK_OVERLAP),
        (flags.reset_counts, flag::RESET_COUNTS),
        (flags.no_packet_counts, flag::NO_PACKET_COUNTS),
        (flags.no_byte_counts, flag::NO_BYTE_COUNTS),
    ];
    bits.iter().filter(|(set, _)| *set).fold(0, |all, (_, bit)| all | bit)
}

/// Flags in 1.0. There, an add always counts from zero, and a modify never.
fn flags_10(bits: u16, command: Command, timeouts: [u16; 2]) -> Result<FlowFlags, Code> {
    if bits >> 3 != 0 {
        return Err(Code::BadFlags);
    }
    if bits & flag::EMERGENCY_10 != 0 {
        // There is no emergency table. 1.0 has an error for entries of it with timeouts, and none for this.
        return Err(if timeouts == [0; 2] { Code::TableFull } else { Code::BadEmergTimeout });
    }
    Ok(FlowFlags { reset_counts: command == Command::Add, ..flags(bits)? })
}

/// Reads a change, and the number of a buffered frame, which deletes have no use for.
///
/// # Errors
/// `OFPBMC_*`, `OFPFMFC_*`, `OFPBIC_*`, `OFPBAC_*`.
pub(super) fn decode(version: Version, reader: &mut Reader<'_>) -> Result<(FlowMod, Option<u32>), Code> {
    if version == Version::V10 {
        return decode_10(reader);
    }
    let (cookie, cookie_mask) = (reader.u64()?, reader.u64()?);
    let (table_id, number) = (reader.u8()?, reader.u8()?);
    let (idle_timeout, hard_timeout, priority) = (reader.u16()?, reader.u16()?, reader.u16()?);
    let (buffer, out_port, out_group) = (reader.u32()?, reader.u32()?, reader.u32()?);
    let (bits, importance) = (reader.u16()?, reader.u16()?);
    let (matching, context) = decode_oxm_in_context(reader)?;
    let all = table_id == ALL_TABLES && !matches!(number, 3 | 4);
    if all {
        return Err(Code::FlowModBadTableId);
    }
    let out_port = ports::from_wide(out_port)?;
    let command = command(number.into())?;
    let instructions = recall::decode(version, reader, context)?;
    let flags = flags(bits)?;
    let adds = command == Command::Add;
    let change = FlowMod {
        command,
        table: table(table_id),
        matching,
        priority,
        cookie,
        // An add looks for no cookie.
        cookie_mask: if adds { 0 } else { cookie_mask },
        new_cookie: None,
        out_port: Some(out_port).filter(|port| *port != reserved::ANY),
        out_group: group(out_group).filter(|_| deletes(command)),
        idle_timeout,
        hard_timeout,
        importance: if adds && version >= Version::V14 { importance } else { 0 },
        flags,
        instructions,
    };
    Ok((change, buffered(buffer, command)))
}

fn buffered(buffer: u32, command: Command) -> Option<u32> {
    Some(buffer).filter(|buffer| *buffer != NO_BUFFER && !deletes(command))
}

fn decode_10(reader: &mut Reader<'_>) -> Result<(FlowMod, Option<u32>), Code> {
    let wildcards = reader.ahead(Code::BadLen).u32()?;
    let matching = decode_v10(reader)?;
    let cookie = reader.u64()?;
    let mut rest = Rest10::decode(reader)?;
    let (buffer, out_port, bits) = (reader.u32()?, reader.u16()?, reader.u16()?);
    if wildcards & WILDCARDS_10 == 0 {
        // Section 3.4: an entry without wildcards comes before all that have any.
        rest.priority = u16::MAX;
    }
    rest.change(reader, (cookie, 0, 0), matching, [buffer, out_port.into(), bits.into()])
}

/// Reads a change in Nicira's words.
///
/// # Errors
/// As [`decode`]; `NXBRC_NXM_INVALID` for an add that looks for a cookie.
pub(super) fn decode_nicira(
    version: Version,
    reader: &mut Reader<'_>,
) -> Result<(FlowMod, Option<u32>), Code> {
    let cookie = reader.u64()?;
    let rest = Rest10::decode(reader)?;
    let (buffer, out_port, bits) = (reader.u32()?, reader.u16()?, reader.u16()?);
    let match_len = reader.u16()?;
    reader.skip(6)?;
    let (matching, looked_for, mask) = decode_nxm_with_cookie(&mut matches::fields(reader, match_len)?)?;
    if rest.command & 0xff == 0 && mask != 0 {
        return Err(Code::NxNxmInvalid);
    }
    if version != Version::V10 {
        // Nobody says it in a version that has words of its own.
        return Err(Code::BadExperimenterType);
    }
    rest.change(reader, (cookie, looked_for, mask), matching, [buffer, out_port.into(), bits.into()])
}

/// What both messages of 1.0 have in the same order.
struct Rest10 {
    command: u16,
    idle_timeout: u16,
    hard_timeout: u16,
    priority: u16,
}

impl Rest10 {
    fn decode(reader: &mut Reader<'_>) -> Result<Rest10, Code> {
        Ok(Rest10 {
            command: reader.u16()?,
            idle_timeout: reader.u16()?,
            hard_timeout: reader.u16()?,
            priority: reader.u16()?,
        })
    }

    fn change(
        self,
        reader: &mut Reader<'_>,
        (new_cookie, cookie, cookie_mask): (u64, u64, u64),
        matching: Match,
        [buffer, out_port, bits]: [u32; 3],
    ) -> Result<(FlowMod, Option<u32>), Code> {
        let [number, table_id] = [self.command & 0xff, self.command >> 8];
        let command = command(number)?;
        let instructions = recall::decode(Version::V10, reader, Context::of(&matching))?;
        let flags = flags_10(bits as u16, command, [self.idle_timeout, self.hard_timeout])?;
        let modifies = matches!(command, Command::Modify | Command::ModifyStrict);
        let (cookie, new_cookie) = match command {
            Command::Add => (new_cookie, None),
            _ => (cookie, Some(new_cookie).filter(|cookie| modifies && *cookie != KEEP_COOKIE)),
        };
        let change = FlowMod {
            command,
            table: table(table_id as u8),
            matching,
            priority: self.priority,
            cookie,
            cookie_mask,
            new_cookie,
            out_port: Some(ports::from_short(out_port as u16)).filter(|port| *port != reserved::ANY),
            out_group: None,
            idle_timeout: self.idle_timeout,
            hard_timeout: self.hard_timeout,
            importance: 0,
            flags,
            instructions,
        };
        Ok((change, buffered(buffer, command)))
    }
}

/// Writes a change.
pub(super) fn encode(version: Version, change: &FlowMod, buffer: Option<u32>, writer: &mut Writer) {
    if version == Version::V10 {
        encode_v10(&change.matching, writer);
        writer.u64(written_cookie(change));
        encode_rest_10(change, buffer, writer);
        instructions::encode(version, &change.instructions, &change.matching, writer);
        return;
    }
    writer.u64(change.cookie).u64(change.cookie_mask);
    writer.u8(table_number(change.table)).u8(command_number(change.command));
    writer.u16(change.idle_timeout).u16(change.hard_timeout).u16(change.priority);
    writer.u32(buffer.unwrap_or(NO_BUFFER));
    port::put_number(version, change.out_port.unwrap_or(reserved::ANY), writer);
    writer.u32(group_number(change.out_group)).u16(flag_bits(change.flags));
    writer.u16(if version >= Version::V14 { change.importance } else { 0 });
    encode_oxm(&change.matching, writer, version);
    instructions::encode(version, &change.instructions, &change.matching, writer);
}

fn written_cookie(change: &FlowMod) -> u64 {
    match change.command {
        Command::Add => change.cookie,
        _ => change.new_cookie.unwrap_or(KEEP_COOKIE),
    }
}

fn encode_rest_10(change: &FlowMod, buffer: Option<u32>, writer: &mut Writer) {
    writer.u8(table_number(change.table)).u8(command_number(change.command));
    writer.u16(change.idle_timeout).u16(change.hard_timeout).u16(change.priority);
    writer.u32(buffer.unwrap_or(NO_BUFFER));
    writer.u16(ports::to_short(change.out_port.unwrap_or(reserved::ANY)));
    writer.u16(flag_bits(FlowFlags {
        send_flow_rem: change.flags.send_flow_rem,
        check_overlap: change.flags.check_overlap,
        ..FlowFlags::default()
    }));
}

/// Writes a change in Nicira's words.
pub(super) fn encode_nicira(change: &FlowMod, buffer: Option<u32>, writer: &mut Writer) {
    writer.u64(written_cookie(change));
    encode_rest_10(change, buffer, writer);
    let at = writer.len();
    writer.u16(0).zeros(6);
    let len = matches::put_with_cookie(&change.matching, looked_for(change).0, looked_for(change).1, writer);
    writer.put_u16(at, len);
    instructions::encode(Version::V10, &change.instructions, &change.matching, writer);
}

fn looked_for(change: &FlowMod) -> (u64, u64) {
    match change.command {
        Command::Add => (0, 0),
        _ => (change.cookie, change.cookie_mask),
    }
}

/// A port that entries shall send to, or None for any.
pub(super) fn out_port(version: Version, reader: &mut Reader<'_>) -> Result<Option<OfPort>, Code> {
    port::number_or_all(version, reader, Code::BadOutPort)
}

/// What an entry does, which may stand for nothing.
pub(super) fn doings(
    version: Version,
    reader: &mut Reader<'_>,
    matching: &Match,
) -> Result<Instructions, Code> {
    instructions::decode(version, reader, matching)
}
