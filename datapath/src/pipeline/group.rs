//! Groups: things to do that several rules share (OpenFlow 1.3 section 5.6).

use super::Pipeline;
use super::rule::{GroupId, RuleAction};
use super::selection::Selection;
use super::translate::LOOKUPS_MAX;
use crate::flow::OfPort;
use crate::stats::Credit;
use std::cell::Cell;

/// How far a bucket that watches a group, whose buckets watch groups, is followed. Beyond that it is not alive.
const WATCH_DEPTH_MAX: u32 = 4;
/// How many buckets of watched groups are looked at for one frame: as many as groups and buckets that it may come by. Those beyond are
/// not alive.
const LOOKS_MAX: u32 = LOOKUPS_MAX;

/// What a group does with its buckets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GroupKind {
    /// All of them, each on a copy.
    All,
    /// One, chosen by a hash of the conversation, in proportion to the weights.
    Select,
    /// The only one.
    Indirect,
    /// The first that is alive.
    FastFailover,
}

impl GroupKind {
    /// The weight of a bucket that does not say it.
    pub fn weight(self) -> u16 {
        u16::from(self == GroupKind::Select)
    }
}

/// One way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Bucket {
    /// Its number within the group.
    pub id: u32,
    /// Share of the conversations, for `Select`.
    pub weight: u16,
    /// Alive while this port is; always alive without.
    pub watch_port: Option<OfPort>,
    /// Alive while this group is; always alive without.
    pub watch_group: Option<GroupId>,
    /// What to do, as an action set.
    pub actions: Vec<RuleAction>,
}

/// A group.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Group {
    /// What it does.
    pub kind: GroupKind,
    /// How one is chosen, for `Select`.
    pub selection: Selection,
    /// With what.
    pub buckets: Vec<Bucket>,
}

impl Group {
    /// A group that says nothing of how one of its buckets is chosen.
    pub fn new(kind: GroupKind, buckets: Vec<Bucket>) -> Group {
        Group { kind, selection: Selection::Unsaid, buckets }
    }
}

/// A group of a pipeline.
#[derive(Debug)]
pub struct InstalledGroup {
    /// The group.
    pub group: Group,
    /// Where frames are counted that went into buckets of it; not those for which no bucket was alive.
    pub credit: Credit,
    /// Where frames that went into each of its buckets are counted, in the order of the buckets.
    pub buckets: Box<[Credit]>,
}

/// How many buckets of watched groups may still be looked at for a frame. Groups that watch many others, which do the same, would
/// otherwise cost as many looks as there are ways through them.
#[derive(Debug)]
pub(super) struct Looks(Cell<u32>);

impl Looks {
    pub(super) fn new() -> Looks {
        Looks(Cell::new(LOOKS_MAX))
    }

    fn take(&self) -> bool {
        let left = self.0.get();
        self.0.set(left.saturating_sub(1));
        left > 0
    }
}

impl Pipeline {
    /// Whether the port or the group that the bucket watches is alive (OpenFlow 1.3 section 6.5: one of them is enough). A
    /// bucket that watches nothing is always alive.
    pub(super) fn is_live(&self, bucket: &Bucket, looks: &Looks) -> bool {
        self.is_live_within(bucket, WATCH_DEPTH_MAX, looks)
    }

    fn is_live_within(&self, bucket: &Bucket, depth: u32, looks: &Looks) -> bool {
        let bucket_is_live = |bucket| looks.take() && self.is_live_within(bucket, depth - 1, looks);
        let group_is_live = |group: GroupId| {
            depth > 0 && self.group(group).is_some_and(|group| group.buckets.iter().any(bucket_is_live))
        };
        match (bucket.watch_port, bucket.watch_group) {
            (None, None) => true,
            (port, group) => {
                port.is_some_and(|port| self.is_port_live(port)) || group.is_some_and(group_is_live)
            }
        }
    }
}
