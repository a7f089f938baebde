//! Buckets that are put into a group or taken out of it, one by one (OpenFlow 1.5 section 7.3.4.3; Open vSwitch takes it in 1.5 and as an extension
//! of versions before). The others stay as they are, and go on with their counters.

use super::error::{Error, GroupModFailed};
use super::{Applied, GroupEntry, Ofproto};
use datapath::pipeline::{Group, GroupId, GroupKind};
use std::sync::Arc;

/// Greatest number of a bucket (`OFPG_BUCKET_MAX`).
pub const BUCKET_ID_MAX: u32 = 0xffff_ff00;

/// Buckets to put into a group or take out of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketMod {
    /// The group.
    pub group: GroupId,
    /// What to do.
    pub change: BucketChange,
}

/// See [`BucketMod`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BucketChange {
    /// Put these in: in front of all, after all, or after the one of this number. What kind of group they come as does not matter.
    Insert(BucketPlace, Group),
    /// Take these out.
    Remove(BucketPlace),
}

/// Which buckets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BucketPlace {
    /// `OFPG_BUCKET_FIRST`.
    First,
    /// `OFPG_BUCKET_LAST`.
    Last,
    /// `OFPG_BUCKET_ALL`.
    All,
    /// The one of this number.
    Id(u32),
}

impl Ofproto {
    /// Does what is asked, or nothing.
    ///
    /// # Errors
    /// Why nothing is done.
    pub fn bucket_mod(&mut self, request: BucketMod) -> Result<Applied, Error> {
        let BucketMod { group: id, change } = request;
        let Some(had) = self.groups.get(&id).cloned() else {
            return Err(GroupModFailed::UnknownGroup(id).into());
        };
        let mut group = had.group.clone();
        match change {
            BucketChange::Insert(place, mut more) => {
                // Who puts buckets into a group need not know what kind it is, and what comes as another kind has no weight.
                if group.kind == GroupKind::Select && more.kind != GroupKind::Select {
                    let silent = more.buckets.iter_mut().filter(|bucket| bucket.weight == 0);
                    silent.for_each(|bucket| bucket.weight = 1);
                }
                if group.kind != GroupKind::Select && more.kind == GroupKind::Select {
                    more.buckets.iter_mut().for_each(|bucket| bucket.weight = 0);
                }
                let at = match place {
                    BucketPlace::First => 0,
                    BucketPlace::Last => group.buckets.len(),
                    BucketPlace::Id(bucket) => position(&group, bucket)? + 1,
                    BucketPlace::All => return Err(GroupModFailed::BadBucket.into()),
                };
                group.buckets.splice(at..at, more.buckets);
            }
            BucketChange::Remove(BucketPlace::All) => group.buckets.clear(),
            BucketChange::Remove(BucketPlace::First) => {
                drop(group.buckets.drain(..1.min(group.buckets.len())))
            }
            BucketChange::Remove(BucketPlace::Last) => drop(group.buckets.pop()),
            BucketChange::Remove(BucketPlace::Id(bucket)) => {
                let at = position(&group, bucket)?;
                group.buckets.remove(at);
            }
        }
        self.check_group(id, &group)?;
        self.names.remove_group(&had.group);
        self.names.add_group(&group);
        self.pipeline.change_group(id, group.clone());
        self.groups.insert_mut(id, Arc::new(GroupEntry { group, ..(*had).clone() }));
        Ok(Applied { modified: 1, ..Applied::default() })
    }
}

fn position(group: &Group, id: u32) -> Result<usize, Error> {
    let found = group.buckets.iter().position(|bucket| bucket.id == id);
    found.ok_or(GroupModFailed::UnknownBucket(id).into())
}
