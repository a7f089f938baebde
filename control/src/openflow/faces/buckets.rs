//! Buckets of groups: as they were from 1.1 to 1.4, and as they are since 1.5, with numbers and properties. Nicira's group messages for 1.0
//! have those of 1.5 (OpenFlow 1.3.5 section 7.3.4.2, 1.5.1 section 7.3.4.3; `lib/ofp-group.c` of Open vSwitch).

use super::properties::{self, Property};
use crate::ofproto::reserved;
use crate::openflow::wire::{Reader, Writer};
use crate::openflow::{Code, Version, actions, ports};
use datapath::flow::OfPort;
use datapath::pipeline::{Bucket, GroupId, GroupKind};

/// `OFPG_BUCKET_MAX`: the last number that a bucket can have.
pub(super) const ID_MAX: u32 = 0xffff_ff00;
/// `OFPG_ANY`.
const ANY_GROUP: u32 = u32::MAX;

/// Whether the version's buckets have numbers and properties.
pub(super) fn numbered(version: Version) -> bool {
    matches!(version, Version::V10 | Version::V15)
}

/// The type of a group, `OFPGT_*`.
///
/// # Errors
/// `OFPGMFC_BAD_TYPE`.
pub(super) fn kind(number: u8) -> Result<GroupKind, Code> {
    match number {
        0 => Ok(GroupKind::All),
        1 => Ok(GroupKind::Select),
        2 => Ok(GroupKind::Indirect),
        3 => Ok(GroupKind::FastFailover),
        _ => Err(Code::GroupBadType),
    }
}

/// The number of a type.
pub(super) fn kind_number(kind: GroupKind) -> u8 {
    match kind {
        GroupKind::All => 0,
        GroupKind::Select => 1,
        GroupKind::Indirect => 2,
        GroupKind::FastFailover => 3,
    }
}

fn watched_port(number: u32) -> Result<Option<OfPort>, Code> {
    let port = ports::from_wide(number).map_err(|_| Code::BadWatch)?;
    Ok(Some(port).filter(|port| *port != reserved::ANY))
}

fn watched_group(number: u32) -> Option<GroupId> {
    (number != ANY_GROUP).then_some(GroupId(number))
}

/// Reads all buckets that there are, of a group of this type.
///
/// # Errors
/// `OFPGMFC_BAD_BUCKET`, `OFPGMFC_BAD_WATCH`, and what is wrong with actions or properties.
pub(super) fn decode(version: Version, kind: u8, reader: &mut Reader<'_>) -> Result<Vec<Bucket>, Code> {
    let mut buckets: Vec<Bucket> = Vec::new();
    while !reader.is_empty() {
        let mut head = reader.ahead(Code::BadBucket);
        let len = usize::from(head.u16()?);
        let mut bucket = head.part(len.checked_sub(2).ok_or(Code::BadBucket)?, Code::BadBucket)?;
        reader.take(len)?;
        buckets.push(match numbered(version) {
            true => decode_numbered(version, kind, &mut bucket)?,
            false => decode_plain(version, buckets.len() as u32, &mut bucket)?,
        });
    }
    let mut ids: Vec<u32> = buckets.iter().map(|bucket| bucket.id).collect();
    ids.sort_unstable();
    match ids.windows(2).any(|pair| pair[0] == pair[1]) {
        true => Err(Code::BadBucket),
        false => Ok(buckets),
    }
}

fn decode_plain(version: Version, id: u32, reader: &mut Reader<'_>) -> Result<Bucket, Code> {
    let (weight, watch_port, watch_group) = (reader.u16()?, reader.u32()?, reader.u32()?);
    reader.skip(4)?;
    let mut list = reader.rest_as(Code::BadActionLen);
    let actions = actions::decode(version, &mut list)?;
    let (watch_port, watch_group) = (watched_port(watch_port)?, watched_group(watch_group));
    Ok(Bucket { id, weight, watch_port, watch_group, actions })
}

fn decode_numbered(version: Version, kind: u8, reader: &mut Reader<'_>) -> Result<Bucket, Code> {
    let (actions_len, id) = (usize::from(reader.u16()?), reader.u32()?);
    let mut list = reader.part(actions_len, Code::BadActionLen)?;
    let actions = actions::decode(version, &mut list)?;
    // Of a group that selects, a bucket has a weight of one unless it says another.
    let weight = u16::from(kind == kind_number(GroupKind::Select));
    let mut bucket = Bucket { id, weight, watch_port: None, watch_group: None, actions };
    while let Some((property, mut value)) = properties::next(reader)? {
        match property {
            Property::Standard(0) => {
                // Padded to four bytes in the specification, and not at all in Open vSwitch.
                bucket.weight = value.u16()?;
                value.take_rest();
            }
            Property::Standard(1) => bucket.watch_port = watched_port(value.u32()?)?,
            Property::Standard(2) => bucket.watch_group = watched_group(value.u32()?),
            other => return Err(other.unknown()),
        }
        value.end()?;
    }
    if id > ID_MAX { Err(Code::BadBucket) } else { Ok(bucket) }
}

/// Writes buckets of a group of this type.
pub(super) fn encode(version: Version, kind: GroupKind, buckets: &[Bucket], writer: &mut Writer) {
    for bucket in buckets {
        let start = writer.len();
        match numbered(version) {
            true => encode_numbered(version, kind, bucket, writer),
            false => {
                let port = bucket.watch_port.unwrap_or(reserved::ANY);
                let group = bucket.watch_group.map_or(ANY_GROUP, |group| group.0);
                writer.u16(0).u16(bucket.weight).u32(ports::to_wide(port)).u32(group).zeros(4);
                actions::encode(version, &bucket.actions, writer);
            }
        }
        writer.put_len(start, start);
    }
}

fn encode_numbered(version: Version, kind: GroupKind, bucket: &Bucket, writer: &mut Writer) {
    let at = writer.len();
    writer.u16(0).u16(0).u32(bucket.id);
    let start = writer.len();
    actions::encode(version, &bucket.actions, writer);
    writer.put_len(at + 2, start);
    if kind == GroupKind::Select || bucket.weight != 0 {
        properties::put(writer, 0, |writer| {
            writer.u16(bucket.weight);
        });
    }
    if let Some(port) = bucket.watch_port {
        properties::put(writer, 1, |writer| {
            writer.u32(ports::to_wide(port));
        });
    }
    if let Some(group) = bucket.watch_group {
        properties::put(writer, 2, |writer| {
            writer.u32(group.0);
        });
    }
}
