//! News of flows that a peer has no room for: it is told that they pause, what it misses is noted, flow by flow, and told when it has read what it was told before;
//! then, that they go on (`NXT_FLOW_MONITOR_PAUSED` of Open vSwitch's `nicira-ext.h`, `OFPFME_PAUSED` in OpenFlow 1.4.1 section 7.3.5.17).
//!
//! Of each flow is told what it is in the end, and that the one before it went; not what it was in between.

use super::tell::{FlowChange, FlowEvent};
use crate::ofproto::Entry;
use datapath::pipeline::TableId;
use std::collections::{HashMap, VecDeque};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// Flows of which changes can be noted. Who misses more is hung up on, and finds out how it stands when it comes again.
pub const MISSED_MAX: usize = 1 << 18;

/// How much room there is for news of a peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Room {
    /// Messages.
    pub messages: usize,
    /// Their bytes, as [`weight`](super::weight) has them.
    pub bytes: usize,
    /// Whether it has taken all that it was told before.
    pub idle: bool,
}

/// What a connection has missed.
#[derive(Debug, Default)]
pub(super) struct Missed {
    flows: HashMap<Place, Became>,
    /// What is told now, the first of it first.
    pub(super) telling: VecDeque<FlowChange>,
    /// There was more than can be noted.
    pub(super) too_much: bool,
}

/// A flow is known by its table, priority and match.
#[derive(Debug)]
struct Place {
    table: TableId,
    entry: Arc<Entry>,
}

/// What became of the flow in a place.
#[derive(Debug, Default)]
struct Became {
    /// The one that was there is gone, and why.
    gone: Option<(Arc<Entry>, u8)>,
    /// This one is there, and whether it was added.
    there: Option<(Arc<Entry>, bool)>,
}

impl PartialEq for Place {
    fn eq(&self, other: &Place) -> bool {
        let (one, two) = (&self.entry.installed.rule, &other.entry.installed.rule);
        (self.table, one.priority, &one.matching) == (other.table, two.priority, &two.matching)
    }
}

impl Eq for Place {}

impl Hash for Place {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let rule = &self.entry.installed.rule;
        (self.table, rule.priority, &rule.matching).hash(state);
    }
}

impl Missed {
    /// Notes a change.
    pub(super) fn note(&mut self, change: &FlowChange) {
        let FlowChange { table, entry, event } = change;
        if self.flows.len() + self.telling.len() >= MISSED_MAX {
            // Nothing of it will be told.
            (self.flows, self.telling, self.too_much) = Default::default();
            self.too_much = true;
        }
        if self.too_much {
            return;
        }
        let became = self.flows.entry(Place { table: *table, entry: entry.clone() }).or_default();
        match event {
            FlowEvent::Added => became.there = Some((entry.clone(), true)),
            FlowEvent::Modified => {
                let added = became.there.as_ref().is_some_and(|(_, added)| *added);
                became.there = Some((entry.clone(), added));
            }
            FlowEvent::Deleted(reason) => {
                became.there = None;
                became.gone.get_or_insert((entry.clone(), *reason));
            }
        }
    }

    /// The next changes to tell; none: it was told of all.
    pub(super) fn next(&mut self, most: usize) -> Vec<FlowChange> {
        if self.telling.is_empty() {
            for (Place { table, .. }, Became { gone, there }) in std::mem::take(&mut self.flows) {
                let gone = gone.map(|(entry, reason)| (entry, FlowEvent::Deleted(reason)));
                let there = there.map(|(entry, added)| match added {
                    true => (entry, FlowEvent::Added),
                    false => (entry, FlowEvent::Modified),
                });
                let told = gone.into_iter().chain(there);
                self.telling.extend(told.map(|(entry, event)| FlowChange { table, entry, event }));
            }
        }
        let most = most.min(self.telling.len());
        self.telling.drain(..most).collect()
    }

    /// These were not told after all.
    pub(super) fn put_back(&mut self, changes: Vec<FlowChange>) {
        changes.into_iter().rev().for_each(|change| self.telling.push_front(change));
    }
}
