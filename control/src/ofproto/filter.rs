//! Which entries are meant: by table, match, cookie, and where they send to. Loose deletes and modifies ask so, and so do statistics
//! (OpenFlow 1.3 sections 6.4 and A.3.5.2).

use super::Ofproto;
use super::entry::Entry;
use super::names::{leads_to, sends_to};
use datapath::flow::OfPort;
use datapath::pipeline::{GroupId, Instructions, Match, Rule, TableId};
use std::cmp::Reverse;

/// Which entries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// In this table; None: in all.
    pub table: Option<TableId>,
    /// All whose frames fit this match.
    pub matching: Match,
    /// Their cookie, in the bits of the mask.
    pub cookie: u64,
    /// Which bits matter.
    pub cookie_mask: u64,
    /// They send to this port.
    pub out_port: Option<OfPort>,
    /// They lead to this group.
    pub out_group: Option<GroupId>,
}

impl Filter {
    /// Whether a rule is meant, if its table is.
    pub fn takes(&self, rule: &Rule) -> bool {
        self.takes_doing(rule, &rule.instructions)
    }

    /// Whether a rule would be meant if it did this.
    pub fn takes_doing(&self, rule: &Rule, does: &Instructions) -> bool {
        (rule.cookie ^ self.cookie) & self.cookie_mask == 0
            && rule.matching.is_within(&self.matching)
            && self.out_port.is_none_or(|port| sends_to(does, port))
            && self.out_group.is_none_or(|group| leads_to(does, group))
    }
}

/// Sums over entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Aggregate {
    /// Frames.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Entries.
    pub flows: u64,
}

impl Ofproto {
    /// The entries that a filter means, in no order.
    pub fn entries(&self, filter: Filter) -> impl Iterator<Item = (TableId, Entry)> {
        let only = filter.table;
        let tables = self.pipeline.tables().filter(move |(table, _)| only.is_none_or(|only| only == *table));
        let rules = tables.flat_map(|(table, rules)| rules.iter().map(move |installed| (table, installed)));
        let meant = rules.filter(move |(_, installed)| filter.takes(&installed.rule));
        meant.map(|(table, installed)| (table, self.entry_of(installed)))
    }

    /// The same in order: by table, the highest priority first, the oldest first among equals.
    pub fn sorted(&self, filter: Filter) -> Vec<(TableId, Entry)> {
        let mut entries: Vec<_> = self.entries(filter).collect();
        let age = |entry: &Entry| (Reverse(entry.installed.rule.priority), entry.installed.age());
        entries.sort_by_key(|(table, entry)| (*table, age(entry)));
        entries
    }

    /// Sums over the entries that a filter means.
    pub fn aggregate(&self, filter: Filter) -> Aggregate {
        self.entries(filter).fold(Aggregate::default(), |sum, (_, entry)| {
            let counted = self.counted(&entry);
            Aggregate {
                packets: sum.packets + counted.packets,
                bytes: sum.bytes + counted.bytes,
                flows: sum.flows + 1,
            }
        })
    }
}
