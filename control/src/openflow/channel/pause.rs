//! News of flows that a peer has no room for: it is told that they pause, what it misses is noted, flow by flow, and told when it has read what it was told before;
//! then, that they go on (`NXT_FLOW_MONITOR_PAUSED` of Open vSwitch's `nicira-ext.h`, `OFPFME_PAUSED` in OpenFlow 1.4.1 section 7.3.5.17).
//!
//! Of each flow is told what it is in the end, and that the one before it went; not what it was in between. Once a flow is noted, all its changes are, so that
//! nobody is told an old state of one that has left what he watches. What is noted is bounded by its bytes, for one connection and for all of them.

use super::tell::{FlowChange, FlowEvent};
use super::weight;
use crate::ofproto::Entry;
use datapath::pipeline::{Installed, Instructions, TableId};
use std::collections::{HashMap, VecDeque, hash_map};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// Bytes that what a connection has missed may take. Whose takes more is hung up on, and finds out how it stands when it comes again.
pub const MISSED_BYTES_MAX: usize = 16 << 20;
/// The same for all connections together: who has missed most is hung up on.
pub const MISSED_BYTES_OF_ALL_MAX: usize = 64 << 20;

/// How much room there is for news of a peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Room {
    /// Messages.
    pub messages: usize,
    /// Their bytes, as [`weight`](super::weight()) has them.
    pub bytes: usize,
    /// Whether it has taken all that it was told before.
    pub idle: bool,
}

/// What a connection has missed.
#[derive(Debug, Default)]
pub(super) struct Missed {
    flows: HashMap<Place, Became>,
    /// Those that are told now.
    leaving: hash_map::IntoIter<Place, Became>,
    /// The next of them, the first of it first.
    telling: VecDeque<FlowChange>,
    bytes: usize,
    too_much: bool,
}

/// A flow is known by its table, priority and match.
#[derive(Debug)]
struct Place {
    table: TableId,
    installed: Arc<Installed>,
}

/// What became of the flow in a place.
#[derive(Debug, Default)]
struct Became {
    /// What it did when its watcher heard of it last, if it does something else by now.
    before: Option<Arc<Instructions>>,
    /// The one that was there is gone, and why.
    gone: Option<Box<(Entry, u8)>>,
    /// This one is there, and whether it was added.
    there: Option<Box<(Entry, bool)>>,
}

impl PartialEq for Place {
    fn eq(&self, other: &Place) -> bool {
        let (one, two) = (&self.installed.rule, &other.installed.rule);
        (self.table, one.priority, &one.matching) == (other.table, two.priority, &two.matching)
    }
}

impl Eq for Place {}

impl Hash for Place {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let rule = &self.installed.rule;
        (self.table, rule.priority, &rule.matching).hash(state);
    }
}

/// A place of the map, which has up to twice as many as are taken.
const NOTE: usize = 2 * size_of::<(Place, Became)>();
/// An entry that is noted, whoever has its rule.
const NOTED: usize = weight::ALLOCATION + size_of::<(Entry, u8)>();
/// A rule that is in no table any more: it is kept for its watchers alone.
const GONE: usize = weight::ALLOCATION + size_of::<Installed>();

impl Became {
    fn bytes(&self) -> usize {
        let gone = |gone: &(Entry, u8)| {
            let rule = &gone.0.installed.rule;
            NOTED + GONE + weight::conditions(&rule.matching) + weight::instructions(&rule.instructions)
        };
        let there = self.there.as_ref().map_or(0, |_| NOTED);
        let before = self.before.as_deref().map_or(0, weight::instructions);
        NOTE + there + before + self.gone.as_deref().map_or(0, gone)
    }

    /// What is told of it.
    fn told(self, table: TableId) -> impl Iterator<Item = FlowChange> {
        let Became { before, gone, there } = self;
        let change = |(entry, event), before| FlowChange { table, entry, event, before };
        // What came behind one that went is another flow.
        let behind = before.clone().filter(|_| gone.is_none());
        let gone = gone.map(|gone| {
            let (entry, reason) = *gone;
            change((entry, FlowEvent::Deleted(reason)), before)
        });
        let there = there.map(|there| {
            let (entry, added) = *there;
            let event = if added { FlowEvent::Added } else { FlowEvent::Modified };
            change((entry, event), behind)
        });
        gone.into_iter().chain(there)
    }
}

impl Missed {
    /// Notes a change; one that is not `wanted` if it is one of a flow that is noted.
    pub(super) fn note(&mut self, change: &FlowChange, wanted: bool) {
        let FlowChange { table, entry, event, before } = change;
        if self.too_much {
            return;
        }
        let mut place = Place { table: *table, installed: entry.installed.clone() };
        // What is being told just now may be of this flow.
        let wanted = wanted || self.is_telling();
        let mut became = match self.flows.remove(&place) {
            Some(became) => {
                self.bytes -= became.bytes();
                became
            }
            None if wanted => Became { before: before.clone(), ..Became::default() },
            None => return,
        };
        match event {
            FlowEvent::Added => became.there = Some(Box::new((entry.clone(), true))),
            FlowEvent::Modified => {
                let added = became.there.as_ref().is_some_and(|there| there.1);
                became.there = Some(Box::new((entry.clone(), added)));
            }
            FlowEvent::Deleted(reason) => {
                let came = became.there.take().is_some_and(|there| there.1);
                // One that came and went meanwhile is no news (`ofmonitor_report` in Open vSwitch's `ofproto/connmgr.c`).
                if came && became.gone.is_none() && became.before.is_none() {
                    return;
                }
                became.gone.get_or_insert_with(|| Box::new((entry.clone(), *reason)));
            }
        }
        // The place is named by the newest, or by the one that went if there is none: no other entry is kept for it.
        if let (None, Some(gone)) = (&became.there, &became.gone) {
            place.installed = gone.0.installed.clone();
        }
        self.bytes += became.bytes();
        self.flows.insert(place, became);
        if self.bytes > MISSED_BYTES_MAX {
            self.give_up();
        }
    }

    /// The next changes to tell; none: it was told of all.
    pub(super) fn next(&mut self, most: usize) -> Vec<FlowChange> {
        while self.telling.len() < most {
            match self.leaving.next() {
                Some((Place { table, .. }, became)) => {
                    self.bytes -= became.bytes();
                    self.telling.extend(became.told(table));
                }
                None if self.flows.is_empty() => break,
                None => self.leaving = std::mem::take(&mut self.flows).into_iter(),
            }
        }
        let most = most.min(self.telling.len());
        self.telling.drain(..most).collect()
    }

    /// These were not told after all.
    pub(super) fn put_back(&mut self, changes: Vec<FlowChange>) {
        changes.into_iter().rev().for_each(|change| self.telling.push_front(change));
    }

    fn is_telling(&self) -> bool {
        self.leaving.len() + self.telling.len() > 0
    }

    /// The bytes that it takes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// There was more than can be noted: nothing of it will be told.
    pub(super) fn give_up(&mut self) {
        *self = Missed { too_much: true, ..Missed::default() };
    }

    /// Whether there was.
    pub(super) fn is_too_much(&self) -> bool {
        self.too_much
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ofproto::{FlowMod, Ofproto};
    use datapath::flow::{Field, OfPort, Seed};
    use datapath::pipeline::{Base, Match, Rule, RuleAction};
    use datapath::tunnel::{TunnelTable, Underlay};

    /// An entry that no switch has.
    fn entry(port: u32) -> Entry {
        let tunnels = TunnelTable::new(Vec::new(), Seed::new(7)).expect("no tunnels");
        let mut switch = Ofproto::new(Base::new([], tunnels, [].into(), Underlay::default()));
        let matching = Match::any().exact(Field::EthType, 0x800).exact(Field::NwDst, port.into());
        let rule = Rule::acting(1, matching, vec![RuleAction::Output(OfPort(port))]);
        let mut applied = switch.flow_mod(0, FlowMod::add(TableId(0), rule)).expect("added");
        applied.entries.remove(0).entry
    }

    fn note(missed: &mut Missed, entry: &Entry, event: FlowEvent) {
        let before = (event == FlowEvent::Modified).then(|| entry.installed.rule.instructions.clone());
        missed.note(&FlowChange { table: TableId(0), entry: entry.clone(), event, before }, true);
    }

    #[test]
    fn no_entry_is_kept_that_is_not_told_of() {
        let (one, other) = (entry(1), entry(1));
        let mut missed = Missed::default();
        note(&mut missed, &one, FlowEvent::Deleted(2));
        note(&mut missed, &other, FlowEvent::Added);
        note(&mut missed, &other, FlowEvent::Deleted(2));
        let [one, other] = [one, other].map(|entry| Arc::downgrade(&entry.installed));
        assert!(one.upgrade().is_some() && other.upgrade().is_none());
    }
    /// As `docs/openflow.md` says.
    #[test]
    fn there_is_room_for_so_many_flows() {
        let room = |event| {
            let mut missed = Missed::default();
            note(&mut missed, &entry(1), event);
            MISSED_BYTES_MAX / missed.bytes()
        };
        let rooms = [FlowEvent::Deleted(2), FlowEvent::Modified, FlowEvent::Added].map(room);
        for (room, said) in rooms.into_iter().zip([30_000, 50_000, 110_000]) {
            assert!(room.abs_diff(said) * 10 < said, "{room} and not {said}");
        }
    }
}
