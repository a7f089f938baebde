//! What rules and groups lead to: groups, meters, and remote tunnel endpoints. Counted, so that a change costs what it names and not what
//! there is.

use super::{BucketChange, BucketMod, Command, FlowMod, GroupMod, Request};
use datapath::flow::{Field, OfPort};
use datapath::pipeline::{Group, GroupId, Instructions, MeterId, RuleAction};
use rpds::RedBlackTreeMapSync;
use std::collections::BTreeSet;
use std::net::IpAddr;

/// Reserved ports under their numbers in OpenFlow 1.3 section A.2.1.
pub mod reserved {
    use datapath::flow::OfPort;
    /// `OFPP_IN_PORT`.
    pub const IN_PORT: OfPort = OfPort(0xffff_fff8);
    /// `OFPP_TABLE`.
    pub const TABLE: OfPort = OfPort(0xffff_fff9);
    /// `OFPP_NORMAL`.
    pub const NORMAL: OfPort = OfPort(0xffff_fffa);
    /// `OFPP_FLOOD`.
    pub const FLOOD: OfPort = OfPort(0xffff_fffb);
    /// `OFPP_ALL`.
    pub const ALL: OfPort = OfPort(0xffff_fffc);
    /// `OFPP_CONTROLLER`.
    pub const CONTROLLER: OfPort = OfPort(0xffff_fffd);
    /// `OFPP_LOCAL`.
    pub const LOCAL: OfPort = OfPort(0xffff_fffe);
    /// `OFPP_ANY`, which was `OFPP_NONE` in 1.0.
    pub const ANY: OfPort = OfPort(0xffff_ffff);
    /// `OFPP_MAX`: ports have smaller numbers.
    pub const MAX: OfPort = OfPort(0xffff_ff00);
}

/// How many rules lead to a group or a meter, and how many rules and groups set a remote end.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    groups: RedBlackTreeMapSync<GroupId, u32>,
    meters: RedBlackTreeMapSync<MeterId, u32>,
    remotes: RedBlackTreeMapSync<IpAddr, u32>,
    /// Grows when the remote ends are others.
    pub(super) remotes_changed: u64,
}

impl Names {
    pub(super) fn add_rule(&mut self, instructions: &Instructions) {
        self.rule(instructions, true);
    }

    pub(super) fn remove_rule(&mut self, instructions: &Instructions) {
        self.rule(instructions, false);
    }

    pub(super) fn add_group(&mut self, group: &Group) {
        remotes_of(group.buckets.iter().map(|bucket| &bucket.actions[..]))
            .into_iter()
            .for_each(|remote| self.remote(remote, true));
    }

    pub(super) fn remove_group(&mut self, group: &Group) {
        remotes_of(group.buckets.iter().map(|bucket| &bucket.actions[..]))
            .into_iter()
            .for_each(|remote| self.remote(remote, false));
    }

    /// How many rules lead to a group.
    pub(super) fn users(&self, group: GroupId) -> u32 {
        self.groups.get(&group).copied().unwrap_or(0)
    }

    /// How many rules name a meter.
    pub(super) fn meter_users(&self, meter: MeterId) -> u32 {
        self.meters.get(&meter).copied().unwrap_or(0)
    }

    /// The remote ends, in order.
    pub(super) fn remotes(&self) -> impl Iterator<Item = IpAddr> {
        self.remotes.keys().copied()
    }

    fn rule(&mut self, instructions: &Instructions, more: bool) {
        let lists = [&instructions.apply[..], &instructions.write[..]];
        // As nearly all do.
        if instructions.meter.is_none() && !lists.iter().any(|actions| actions.iter().any(may_name)) {
            return;
        }
        let mut groups = BTreeSet::new();
        lists.iter().for_each(|actions| groups_of(actions, &mut groups));
        if let Some(meter) = instructions.meter {
            count(&mut self.meters, meter, more);
        }
        for group in groups {
            count(&mut self.groups, group, more);
        }
        remotes_of(lists.into_iter()).into_iter().for_each(|remote| self.remote(remote, more));
    }

    fn remote(&mut self, remote: IpAddr, more: bool) {
        self.remotes_changed += u64::from(count(&mut self.remotes, remote, more));
    }
}

/// Whether a group or a remote end can be named in it.
fn may_name(action: &RuleAction) -> bool {
    matches!(action, RuleAction::Group(_) | RuleAction::SetField { .. } | RuleAction::Clone(_))
}

/// Counts up or down; true when the key came or went.
fn count<K: Ord + Clone>(counts: &mut RedBlackTreeMapSync<K, u32>, key: K, more: bool) -> bool {
    let had = counts.get(&key).copied().unwrap_or(0);
    match if more { had + 1 } else { had.saturating_sub(1) } {
        0 => counts.remove_mut(&key),
        now => {
            counts.insert_mut(key, now);
            had == 0
        }
    }
}

/// Whether some action sends to `port` itself (not by way of a group).
pub(super) fn sends_to(instructions: &Instructions, port: OfPort) -> bool {
    fn any(actions: &[RuleAction], port: OfPort) -> bool {
        actions.iter().any(|action| match action {
            RuleAction::Output(to) | RuleAction::OutputCut { port: to, .. } => *to == port,
            RuleAction::InPort => port == reserved::IN_PORT,
            RuleAction::All => port == reserved::ALL,
            RuleAction::Flood => port == reserved::FLOOD,
            RuleAction::Normal => port == reserved::NORMAL,
            RuleAction::Controller { .. } => port == reserved::CONTROLLER,
            RuleAction::Clone(actions) => any(actions, port),
            _ => false,
        })
    }
    any(&instructions.apply, port) || any(&instructions.write, port)
}

/// Whether some action leads to `group` itself (not by way of another).
pub(super) fn leads_to(instructions: &Instructions, group: GroupId) -> bool {
    let mut groups = BTreeSet::new();
    groups_of(&instructions.apply, &mut groups);
    groups_of(&instructions.write, &mut groups);
    groups.contains(&group)
}

/// The groups that actions lead to.
pub(super) fn groups_of(actions: &[RuleAction], groups: &mut BTreeSet<GroupId>) {
    for action in actions {
        match action {
            RuleAction::Group(group) => drop(groups.insert(*group)),
            RuleAction::Clone(actions) => groups_of(actions, groups),
            _ => {}
        }
    }
}

/// The groups that a group's buckets lead to or watch.
pub fn groups_behind(group: &Group) -> BTreeSet<GroupId> {
    let mut groups: BTreeSet<GroupId> =
        group.buckets.iter().filter_map(|bucket| bucket.watch_group).collect();
    group.buckets.iter().for_each(|bucket| groups_of(&bucket.actions, &mut groups));
    groups
}

/// The remote ends that requests name: those that what they add or change will send to.
pub fn remotes_named(requests: &[Request]) -> BTreeSet<IpAddr> {
    let of = |request: &Request| match request {
        Request::Flow(flow) => flow.remotes_named(),
        Request::Group(group) => group.remotes_named(),
        Request::Buckets(buckets) => buckets.remotes_named(),
        Request::Meter(_) | Request::Port(_) => BTreeSet::new(),
    };
    requests.iter().flat_map(of).collect()
}

impl FlowMod {
    /// The remote ends that what it adds or changes will send to.
    pub fn remotes_named(&self) -> BTreeSet<IpAddr> {
        match self.command {
            Command::Add | Command::Modify | Command::ModifyStrict => {
                let Instructions { apply, write, .. } = &*self.instructions;
                remotes_of([&apply[..], &write[..]].into_iter())
            }
            Command::Delete | Command::DeleteStrict => BTreeSet::new(),
        }
    }
}

impl BucketMod {
    /// The remote ends that buckets which it puts in will send to.
    pub fn remotes_named(&self) -> BTreeSet<IpAddr> {
        match &self.change {
            BucketChange::Insert(_, group) => {
                remotes_of(group.buckets.iter().map(|bucket| &bucket.actions[..]))
            }
            BucketChange::Remove(_) => BTreeSet::new(),
        }
    }
}

impl GroupMod {
    /// The remote ends that what it adds or changes will send to.
    pub fn remotes_named(&self) -> BTreeSet<IpAddr> {
        match self {
            GroupMod::Add(_, group) | GroupMod::Modify(_, group) | GroupMod::AddOrModify(_, group) => {
                remotes_of(group.buckets.iter().map(|bucket| &bucket.actions[..]))
            }
            GroupMod::Delete(_) => BTreeSet::new(),
        }
    }
}

/// The remote ends that actions set, each once.
fn remotes_of<'a>(lists: impl Iterator<Item = &'a [RuleAction]>) -> BTreeSet<IpAddr> {
    fn add(actions: &[RuleAction], remotes: &mut BTreeSet<IpAddr>) {
        for action in actions {
            match action {
                RuleAction::SetField { field: Field::TunDst, value, .. } => {
                    remotes.insert(IpAddr::V4((*value as u32).into()));
                }
                RuleAction::SetField { field: Field::TunIpv6Dst, value, .. } => {
                    remotes.insert(IpAddr::V6((*value).into()));
                }
                RuleAction::Clone(actions) => add(actions, remotes),
                _ => {}
            }
        }
    }
    let mut remotes = BTreeSet::new();
    lists.for_each(|actions| add(actions, &mut remotes));
    remotes
}
