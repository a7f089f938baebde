//! A frame in a group: which buckets are done, and how (OpenFlow 1.3 section 5.6.1).

use super::GroupId;
use super::action_set::ActionSet;
use super::group::{Bucket, Group, GroupKind};
use super::observer::Observer;
use super::translate::{ToldBy, Walk};
use crate::action::punt::{NO_COOKIE, Reason};
use crate::flow::hash::entropy;
use crate::flow::{Field, Seed};
use crate::stats::DropReason;

/// What the hash of a conversation reads.
const CONVERSATION: &[Field] = &[
    Field::EthSrc,
    Field::EthDst,
    Field::VlanTci,
    Field::InnerVlanTci,
    Field::EthType,
    Field::NwProto,
    Field::NwFrag,
    Field::NwSrc,
    Field::NwDst,
    Field::Ipv6Src,
    Field::Ipv6Dst,
    Field::TpSrc,
    Field::TpDst,
];

/// What the hash of a select group is salted with: the same on every host and at every start, so that a conversation
/// stays where it is.
const SELECT: Seed = Seed::new(0x5e1e_c7ed);

impl<'a, O: Observer> Walk<'a, O> {
    pub(super) fn group(&mut self, id: GroupId) {
        let pipeline = self.pipeline;
        let Some(installed) = pipeline.installed_group(id) else { return self.fail(DropReason::NoSuchGroup) };
        if !self.may_go_on() {
            return;
        }
        let buckets = &installed.group.buckets;
        let chosen = match installed.group.kind {
            GroupKind::All | GroupKind::Indirect => Some(0..buckets.len()),
            GroupKind::Select => self.selected(&installed.group).map(|at| at..at + 1),
            GroupKind::FastFailover => {
                buckets.iter().position(|b| pipeline.is_live(b, &self.looks)).map(|at| at..at + 1)
            }
        };
        let Some(chosen) = chosen else {
            self.tell_dead(buckets);
            return self.fail(DropReason::NoLiveBucket);
        };
        self.out.count(installed.credit);
        for (bucket, credit) in buckets[chosen.clone()].iter().zip(&installed.buckets[chosen]) {
            if !self.may_go_on() {
                return;
            }
            self.out.count(*credit);
            self.bucket(bucket);
        }
    }

    /// What the bucket does to the frame is its own affair (OpenFlow 1.3 section 5.6.1: a copy for each).
    fn bucket(&mut self, bucket: &'a Bucket) {
        self.cloned("bucket", |walk| {
            let mut set = ActionSet::default();
            bucket.actions.iter().for_each(|action| set.write(action));
            walk.told_by = ToldBy { cookie: NO_COOKIE, reason: Reason::Group, ..walk.told_by };
            walk.action_set(&set);
            walk.exited = false;
        });
    }

    /// For those who watch: why none is done.
    #[cold]
    fn tell_dead(&mut self, buckets: &[Bucket]) {
        for bucket in buckets {
            let Bucket { id, watch_port, watch_group, .. } = bucket;
            match (watch_port, watch_group) {
                _ if self.pipeline.is_live(bucket, &self.looks) => {
                    self.observer.remark(format_args!("bucket {id} has weight 0"));
                }
                (Some(port), _) => {
                    self.observer.remark(format_args!("bucket {id} is not alive: there is no port {port}"));
                }
                (None, group) => {
                    let group = group.map_or(0, |group| group.0);
                    self.observer.remark(format_args!("bucket {id} is not alive: group {group} is not"));
                }
            }
        }
    }

    /// By a hash of the conversation, so that its frames stay in order: the largest weighted draw wins (rendezvous hashing),
    /// and a bucket that goes takes only its own conversations with it.
    fn selected(&mut self, group: &Group) -> Option<usize> {
        let buckets = &group.buckets;
        let hash = match group.selection.hash(&self.state, self.out) {
            Some(hash) => hash,
            None => self.conversation(group.selection.param()),
        };
        let draw = |bucket: &Bucket| {
            let uniform = (SELECT.pair(hash, bucket.id.into()) >> 11) as f64 / (1u64 << 53) as f64;
            // The minimum of exponential draws with rates w is of bucket i in the share w_i of cases.
            -(1.0 - uniform).ln() / f64::from(bucket.weight)
        };
        let is_live = |bucket: &Bucket| bucket.weight > 0 && self.pipeline.is_live(bucket, &self.looks);
        let live = (0..buckets.len()).filter(|at| is_live(&buckets[*at]));
        live.min_by(|a, b| draw(&buckets[*a]).total_cmp(&draw(&buckets[*b])))
    }

    /// The hash of addresses, tags, types and ports; another for each number but 0.
    fn conversation(&mut self, basis: u64) -> u64 {
        for field in CONVERSATION.iter().copied() {
            self.state.look_at(field, field.max(), self.out);
        }
        let hash = entropy(self.state.key(), &SELECT);
        if basis == 0 { hash } else { SELECT.pair(hash, basis) }
    }
}
