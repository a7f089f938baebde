//! Groups: which are asked for, what they are, and their counters (OpenFlow 1.3.5 sections 7.3.5.8 to 7.3.5.10).

use super::super::{buckets, selection, times};
use crate::openflow::wire::{Reader, Writer};
use crate::openflow::{Code, GroupFeatures, GroupStats, Version};
use datapath::pipeline::{Group, GroupId};

/// `OFPG_ALL`.
const ALL: u32 = 0xffff_fffc;

/// Reads which group is asked for; None: all.
pub(super) fn decode_request(reader: &mut Reader<'_>) -> Result<Option<GroupId>, Code> {
    let id = reader.u32()?;
    reader.skip(4)?;
    Ok((id != ALL).then_some(GroupId(id)))
}

/// Writes which group is asked for.
pub(super) fn encode_request(group: Option<GroupId>, writer: &mut Writer) {
    writer.u32(group.map_or(ALL, |group| group.0)).zeros(4);
}

/// Reads a group's counters.
pub(super) fn decode_stats(reader: &mut Reader<'_>) -> Result<GroupStats, Code> {
    let len = usize::from(reader.u16()?);
    let mut rest = reader.part(len.checked_sub(2).ok_or(Code::BadLen)?, Code::BadLen)?;
    rest.skip(2)?;
    let (group, users) = (GroupId(rest.u32()?), rest.u32()?);
    rest.skip(4)?;
    let counted = (rest.u64()?, rest.u64()?);
    let duration_ms = times::decode(&mut rest)?;
    let mut buckets = Vec::new();
    while !rest.is_empty() {
        buckets.push((rest.u64()?, rest.u64()?));
    }
    Ok(GroupStats { group, users, counted, buckets, duration_ms })
}

/// Writes a group's counters.
pub(super) fn encode_stats(stats: &GroupStats, writer: &mut Writer) {
    let start = writer.len();
    writer.u16(0).zeros(2).u32(stats.group.0).u32(stats.users).zeros(4);
    writer.u64(stats.counted.0).u64(stats.counted.1);
    times::encode(stats.duration_ms, writer);
    for (packets, bytes) in &stats.buckets {
        writer.u64(*packets).u64(*bytes);
    }
    writer.put_len(start, start);
}

/// Reads what a group is.
pub(super) fn decode_desc(version: Version, reader: &mut Reader<'_>) -> Result<(GroupId, Group), Code> {
    let len = usize::from(reader.u16()?);
    let mut rest = reader.part(len.checked_sub(2).ok_or(Code::BadLen)?, Code::BadLen)?;
    let kind = rest.u8()?;
    rest.skip(1)?;
    let id = GroupId(rest.u32()?);
    if !buckets::numbered(version) {
        let buckets = buckets::decode(version, kind, &mut rest)?;
        return Ok((id, Group::new(buckets::kind(kind)?, buckets)));
    }
    let len = usize::from(rest.u16()?);
    rest.skip(6)?;
    let buckets = buckets::decode(version, kind, &mut rest.part(len, Code::BadLen)?)?;
    let kind = buckets::kind(kind)?;
    let selection = selection::decode(kind, true, &mut rest)?;
    Ok((id, Group { kind, selection, buckets }))
}

/// Writes what a group is.
pub(super) fn encode_desc(version: Version, id: GroupId, group: &Group, writer: &mut Writer) {
    let start = writer.len();
    writer.u16(0).u8(buckets::kind_number(group.kind)).zeros(1).u32(id.0);
    let at = writer.len();
    if buckets::numbered(version) {
        writer.u16(0).zeros(6);
    }
    let list = writer.len();
    buckets::encode(version, group.kind, &group.buckets, writer);
    if buckets::numbered(version) {
        writer.put_len(at, list);
        selection::encode(version, &group.selection, writer);
    }
    writer.put_len(start, start);
}

/// Reads what groups can do.
pub(super) fn decode_features(reader: &mut Reader<'_>) -> Result<GroupFeatures, Code> {
    let mut features =
        GroupFeatures { types: reader.u32()?, capabilities: reader.u32()?, ..Default::default() };
    for max in &mut features.max_groups {
        *max = reader.u32()?;
    }
    for actions in &mut features.actions {
        *actions = reader.u32()?;
    }
    Ok(features)
}

/// Writes what groups can do.
pub(super) fn encode_features(features: &GroupFeatures, writer: &mut Writer) {
    writer.u32(features.types).u32(features.capabilities);
    for number in features.max_groups.iter().chain(&features.actions) {
        writer.u32(*number);
    }
}
