//! Changes to groups (OpenFlow 1.3.5 section 7.3.4.2; of single buckets, 1.5.1 section 7.3.4.3; Nicira's NXT_GROUP_MOD for 1.0, which is 1.5's).

use super::buckets;
use super::selection;
use crate::ofproto::GroupMod;
use crate::openflow::wire::{Reader, Writer};
use crate::openflow::{BucketChange, BucketMod, BucketPlace, Code, Message, Version};
use datapath::pipeline::{Bucket, Group, GroupId, GroupKind};

/// `OFPG_MAX`, the last number that a group can have, and `OFPG_ALL`.
const MAX: u32 = 0xffff_ff00;
const ALL: u32 = 0xffff_fffc;

/// `OFPGC_*`; the last is Open vSwitch's.
mod command {
    pub(super) const ADD: u16 = 0;
    pub(super) const MODIFY: u16 = 1;
    pub(super) const DELETE: u16 = 2;
    pub(super) const INSERT_BUCKET: u16 = 3;
    pub(super) const REMOVE_BUCKET: u16 = 5;
    pub(super) const ADD_OR_MODIFY: u16 = 0x8000;
}

/// `OFPG_BUCKET_*`.
mod place {
    pub(super) const FIRST: u32 = 0xffff_fffd;
    pub(super) const LAST: u32 = 0xffff_fffe;
    pub(super) const ALL: u32 = 0xffff_ffff;
}

/// Reads a change.
///
/// # Errors
/// `OFPGMFC_*` in the order of Open vSwitch: buckets, type, command, and then what does not fit together.
pub(super) fn decode(version: Version, reader: &mut Reader<'_>) -> Result<Message, Code> {
    let (number, kind) = (reader.u16()?, reader.u8()?);
    reader.skip(1)?;
    let group = reader.u32()?;
    let (mut at, mut rest) = (place::ALL, None);
    let buckets = match buckets::numbered(version) {
        true => {
            let len = usize::from(reader.u16()?);
            reader.skip(2)?;
            at = reader.u32()?;
            let fits = match number {
                command::INSERT_BUCKET => at != place::ALL && place(at).is_some(),
                command::REMOVE_BUCKET => place(at).is_some(),
                _ => at == place::ALL,
            };
            if !fits {
                return Err(Code::BadBucket);
            }
            let mut list = reader.part(len, Code::BadBucket)?;
            let buckets = buckets::decode(version, kind, &mut list)?;
            rest = Some(reader.rest_as(Code::BadPropertyLen));
            buckets
        }
        false => buckets::decode(version, kind, &mut reader.rest_as(Code::BadBucket))?,
    };
    let kind = buckets::kind(kind)?;
    let whole = matches!(number, command::ADD | command::MODIFY | command::ADD_OR_MODIFY);
    let selection = rest.map(|mut rest| selection::decode(kind, whole, &mut rest)).transpose()?;
    check(kind, number, &buckets)?;
    // Single buckets can be meant where they have numbers.
    if !buckets::numbered(version) && matches!(number, command::INSERT_BUCKET | command::REMOVE_BUCKET) {
        return Err(Code::GroupBadCommand);
    }
    let place = place(at).ok_or(Code::BadBucket)?;
    let (all, id) = (group == ALL, GroupId(group));
    if group > MAX && number != command::DELETE {
        return Err(Code::InvalidGroup);
    }
    let buckets = Group { kind, selection: selection.unwrap_or_default(), buckets };
    let change = |change| Message::BucketMod(BucketMod { group: id, change });
    Ok(match number {
        command::ADD => Message::GroupMod(GroupMod::Add(id, buckets)),
        command::MODIFY => Message::GroupMod(GroupMod::Modify(id, buckets)),
        command::ADD_OR_MODIFY => Message::GroupMod(GroupMod::AddOrModify(id, buckets)),
        command::DELETE => Message::GroupMod(GroupMod::Delete((!all).then_some(id))),
        command::INSERT_BUCKET => change(BucketChange::Insert(place, buckets)),
        command::REMOVE_BUCKET => change(BucketChange::Remove(place)),
        _ => return Err(Code::GroupBadCommand),
    })
}

/// Where buckets are put or taken from, if it is somewhere.
fn place(number: u32) -> Option<BucketPlace> {
    match number {
        place::FIRST => Some(BucketPlace::First),
        place::LAST => Some(BucketPlace::Last),
        place::ALL => Some(BucketPlace::All),
        0..=buckets::ID_MAX => Some(BucketPlace::Id(number)),
        _ => None,
    }
}

fn place_number(place: BucketPlace) -> u32 {
    match place {
        BucketPlace::First => place::FIRST,
        BucketPlace::Last => place::LAST,
        BucketPlace::All => place::ALL,
        BucketPlace::Id(id) => id,
    }
}

fn check(kind: GroupKind, number: u16, buckets: &[Bucket]) -> Result<(), Code> {
    if kind == GroupKind::Indirect && number != command::DELETE && buckets.len() != 1 {
        return Err(Code::InvalidGroup);
    }
    match number {
        command::ADD
        | command::MODIFY
        | command::ADD_OR_MODIFY
        | command::DELETE
        | command::INSERT_BUCKET => {}
        command::REMOVE_BUCKET if buckets.is_empty() => {}
        command::REMOVE_BUCKET => return Err(Code::BadBucket),
        _ => return Err(Code::GroupBadCommand),
    }
    for bucket in buckets {
        // Section 7.3.4.2: "For other group types, this field must be set to 0."
        if bucket.weight != 0 && kind != GroupKind::Select && number != command::INSERT_BUCKET {
            return Err(Code::InvalidGroup);
        }
        let watches = bucket.watch_port.is_some() || bucket.watch_group.is_some();
        match kind {
            GroupKind::All | GroupKind::Indirect if watches => return Err(Code::WatchUnsupported),
            GroupKind::FastFailover if !watches => return Err(Code::InvalidGroup),
            _ => {}
        }
    }
    Ok(())
}

/// Writes a change to groups; false if the version has no words for it.
pub(super) fn encode(version: Version, change: &GroupMod, writer: &mut Writer) {
    let none = Group::new(GroupKind::All, Vec::new());
    let (number, id, group) = match change {
        GroupMod::Add(id, group) => (command::ADD, id.0, group),
        GroupMod::Modify(id, group) => (command::MODIFY, id.0, group),
        GroupMod::AddOrModify(id, group) => (command::ADD_OR_MODIFY, id.0, group),
        GroupMod::Delete(id) => (command::DELETE, id.map_or(ALL, |id| id.0), &none),
    };
    put(version, number, id, BucketPlace::All, group, writer);
}

/// Writes a change to buckets, for which only versions with numbered buckets have words.
pub(super) fn encode_buckets(version: Version, change: &BucketMod, writer: &mut Writer) {
    let none = Group::new(GroupKind::All, Vec::new());
    let (number, place, group) = match &change.change {
        BucketChange::Insert(place, group) => (command::INSERT_BUCKET, *place, group),
        BucketChange::Remove(place) => (command::REMOVE_BUCKET, *place, &none),
    };
    put(version, number, change.group.0, place, group, writer);
}

fn put(version: Version, number: u16, id: u32, place: BucketPlace, group: &Group, writer: &mut Writer) {
    writer.u16(number).u8(buckets::kind_number(group.kind)).zeros(1).u32(id);
    let at = writer.len();
    if buckets::numbered(version) {
        writer.u16(0).zeros(2).u32(place_number(place));
    }
    let start = writer.len();
    buckets::encode(version, group.kind, &group.buckets, writer);
    if buckets::numbered(version) {
        writer.put_len(at, start);
        selection::encode(version, &group.selection, writer);
    }
}
