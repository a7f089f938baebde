//! Adding, modifying and deleting groups, as OpenFlow 1.3.5 section 6.5 says.

use super::bucket_mod::BUCKET_ID_MAX;
use super::entry::Reason;
use super::error::{Error, GroupModFailed};
use super::filter::Filter;
use super::names::groups_behind;
use super::{Applied, Ofproto, check};
use datapath::pipeline::{Bucket, Group, GroupId, GroupKind};
use std::collections::BTreeSet;
use std::sync::Arc;

/// How many groups there may be.
pub const GROUPS_MAX: usize = 10_000;
/// How many buckets a group may have.
pub const BUCKETS_MAX: usize = 256;

/// A request to change groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupMod {
    /// Add a group that is not there yet.
    Add(GroupId, Group),
    /// Change a group that is there.
    Modify(GroupId, Group),
    /// Change a group, or add it (an extension of Open vSwitch).
    AddOrModify(GroupId, Group),
    /// Delete a group and the entries that lead to it; None: all groups. That it is not there is no error.
    Delete(Option<GroupId>),
}

/// A group that is there.
#[derive(Clone, Debug)]
pub struct GroupEntry {
    /// What it does.
    pub group: Group,
    /// When it was added, in milliseconds of the caller's clock.
    pub created: u64,
}

impl Ofproto {
    /// Does what is asked, or nothing.
    ///
    /// # Errors
    /// Why nothing is done.
    pub fn group_mod(&mut self, now: u64, request: GroupMod) -> Result<Applied, Error> {
        match request {
            GroupMod::Add(id, _) if self.group(id).is_some() => Err(GroupModFailed::GroupExists(id).into()),
            GroupMod::Modify(id, _) if self.group(id).is_none() => {
                Err(GroupModFailed::UnknownGroup(id).into())
            }
            GroupMod::Add(id, group) | GroupMod::Modify(id, group) | GroupMod::AddOrModify(id, group) => {
                self.put_group(now, id, group)
            }
            GroupMod::Delete(Some(id)) => self.delete_group(now, id),
            GroupMod::Delete(None) => Ok(self.delete_groups(now)),
        }
    }

    fn put_group(&mut self, now: u64, id: GroupId, group: Group) -> Result<Applied, Error> {
        let had = self.groups.get(&id).cloned();
        if had.is_none() && self.groups.size() >= GROUPS_MAX {
            return Err(GroupModFailed::OutOfGroups.into());
        }
        self.check_group(id, &group)?;
        if let Some(had) = &had {
            self.names.remove_group(&had.group);
        }
        self.names.add_group(&group);
        self.pipeline.set_group(id, group.clone());
        let created = had.as_ref().map_or(now, |had| had.created);
        self.groups.insert_mut(id, Arc::new(GroupEntry { group, created }));
        let modified = had.is_some() as usize;
        Ok(Applied { added: 1 - modified, modified, ..Applied::default() })
    }

    pub(super) fn check_group(&self, id: GroupId, group: &Group) -> Result<(), Error> {
        if group.buckets.len() > BUCKETS_MAX {
            return Err(GroupModFailed::OutOfBuckets.into());
        }
        if group.kind == GroupKind::Indirect && group.buckets.len() != 1 {
            return Err(GroupModFailed::InvalidGroup.into());
        }
        let mut ids = BTreeSet::new();
        for Bucket { id, .. } in &group.buckets {
            if *id > BUCKET_ID_MAX {
                return Err(GroupModFailed::BadBucket.into());
            }
            if !ids.insert(*id) {
                return Err(GroupModFailed::BucketExists(*id).into());
            }
        }
        let knows = |group: GroupId| group == id || self.group(group).is_some();
        // A bucket may lead to a group that comes later, as Open vSwitch has it: controllers send chains from either end. Until then it
        // leads nowhere; section 6.4 asks of flows alone that their groups are there.
        let may_come = |_| true;
        for bucket in &group.buckets {
            check::actions(&bucket.actions, &may_come, 0, &mut 0)?;
            let watches = bucket.watch_port.is_some() || bucket.watch_group.is_some();
            let blind = group.kind == GroupKind::FastFailover && !watches;
            if blind || bucket.watch_group.is_some_and(|watched| !knows(watched)) {
                return Err(GroupModFailed::BadWatch.into());
            }
        }
        if self.returns_to(id, group) {
            return Err(GroupModFailed::Loop(id).into());
        }
        Ok(())
    }

    /// Whether a group would lead back to where it began.
    fn returns_to(&self, id: GroupId, group: &Group) -> bool {
        let mut seen = BTreeSet::new();
        let mut next: Vec<GroupId> = groups_behind(group).into_iter().collect();
        while let Some(at) = next.pop() {
            if at == id {
                return true;
            }
            if let (true, Some(entry)) = (seen.insert(at), self.groups.get(&at)) {
                next.extend(groups_behind(&entry.group));
            }
        }
        false
    }

    fn delete_group(&mut self, now: u64, id: GroupId) -> Result<Applied, Error> {
        let Some(entry) = self.groups.get(&id).cloned() else { return Ok(Applied::default()) };
        let others = self.groups.iter().filter(|(other, _)| **other != id);
        let mut by = others.filter(|(_, other)| groups_behind(&other.group).contains(&id));
        if let Some((by, _)) = by.next() {
            return Err(GroupModFailed::ChainedGroup { group: id, by: *by }.into());
        }
        Ok(self.drop_group(now, id, &entry))
    }

    fn delete_groups(&mut self, now: u64) -> Applied {
        let all: Vec<_> = self.groups.iter().map(|(id, entry)| (*id, entry.clone())).collect();
        let mut applied = Applied::default();
        all.iter().for_each(|(id, entry)| applied.extend(self.drop_group(now, *id, entry)));
        applied
    }

    /// Removes a group, and the entries that lead to it (section 6.5: without a word about their timeouts or flags, but
    /// `send_flow_rem`, with the reason).
    fn drop_group(&mut self, now: u64, id: GroupId, entry: &GroupEntry) -> Applied {
        let mut applied = Applied { others_removed: 1, ..Applied::default() };
        if self.names.users(id) > 0 {
            let users = Filter { out_group: Some(id), ..Filter::default() };
            let users: Vec<_> = self.entries(users).map(|(table, entry)| (table, entry.clone())).collect();
            let gone = users.iter().filter_map(|(table, e)| self.take(now, *table, e, Reason::GroupDelete));
            applied.removed.extend(gone);
        }
        self.names.remove_group(&entry.group);
        self.groups.remove_mut(&id);
        self.pipeline.remove_group(id);
        applied
    }

    /// A group.
    pub fn group(&self, id: GroupId) -> Option<&GroupEntry> {
        self.groups.get(&id).map(|entry| &**entry)
    }

    /// All groups, in the order of their numbers.
    pub fn groups(&self) -> impl Iterator<Item = (GroupId, &GroupEntry)> {
        self.groups.iter().map(|(id, entry)| (*id, &**entry))
    }

    /// How many entries lead to a group.
    pub fn group_users(&self, id: GroupId) -> u32 {
        self.names.users(id)
    }
}
