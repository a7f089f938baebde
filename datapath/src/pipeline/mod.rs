//! What shall be done: tables of rules, groups, ports, tunnels and the underlay, as one immutable snapshot, and the function
//! that translates a key into actions.
//!
//! Control owns a `Pipeline` and changes it; what it publishes is a clone, which shares everything that did not change.
//! Workers adopt it between turns ([`crate::worker`]). A published one never changes, so translation needs no lock and gives the
//! same answer to the same question.

mod action_set;
mod actions;
mod base;
mod buckets;
pub mod changes;
mod commit;
mod conjunction;
mod control;
mod credit;
mod far;
pub mod group;
mod headers;
mod length;
mod lessons;
mod normal;
pub mod observer;
mod options;
mod output;
mod passed;
mod queues;
pub mod recent;
pub mod rule;
mod selection;
mod shims;
mod spread;
mod stack;
mod state;
mod stations;
mod storms;
pub mod table;
mod tags;
mod translate;
mod translation;
mod trie;
pub mod vlan;

pub use crate::action::meter::{
    BANDS_MAX, Band, BandKind, METER_ID_MAX, Meter, MeterId, MeterSpec, MeterUnit, Metered,
};
pub use crate::action::queue::{Queue, QueueAt, QueueId, QueueSpec, Queued};
pub use crate::action::storm::{Storm, StormAt, StormSpec};
pub use crate::stats::{Counted, Credit};
pub use base::{Base, Switching, Target};
pub use changes::Changes;
pub use conjunction::CLAUSES_MAX;
pub use control::{Fragments, PortConfig};
pub use credit::TableCounted;
pub use far::{FarEnd, FarEnds};
pub use group::{Bucket, Group, GroupKind, InstalledGroup};
pub use observer::Observer;
pub use passed::Passed;
pub use queues::QUEUES_MAX;
pub use rule::{Clause, GroupId, Instructions, Match, Part, Rule, RuleAction, TABLES, TableId};
pub use selection::{HASHED_MAX, HashedField, Header, Selection};
pub use spread::{Bundle, LinkChoice, MEMBERS_MAX, Multipath, PortChoice};
pub use stations::Located;
pub use table::{Installed, Note, Table};
pub use translate::{observe, translate, translate_actions};
pub use translation::{ACTIONS_MAX, Translation};
pub use vlan::{Domain, PortSetup, PriorityTags, VlanMode};

use crate::action::report::{Place, Station};
use crate::action::{Back, Means};
use crate::flow::{Field, FlowKey, OfPort};
use crate::tunnel::{Encap, EncapId};
use control::Control;
use credit::Credits;
use lessons::Lessons;
use queues::Queues;
use stations::Stations;
use std::collections::BTreeMap;
use std::sync::Arc;
use storms::Storms;

/// Everything that translation and decapsulation need to know.
#[derive(Clone, Debug)]
pub struct Pipeline {
    base: Arc<Base>,
    /// As many as are in use, from table 0 on.
    tables: Vec<Arc<Table>>,
    groups: rpds::HashTrieMapSync<u32, Arc<InstalledGroup>>,
    /// Shared with every snapshot that knows them, and so with all workers.
    meters: rpds::HashTrieMapSync<u32, Arc<Meter>>,
    stations: Stations,
    lessons: Lessons,
    /// For rules that heed the ends of connections: where these are counted.
    fins: rpds::HashTrieMapSync<Credit, Credit>,
    queues: Arc<Queues>,
    storms: Arc<Storms>,
    control: Arc<Control>,
    passed: Arc<BTreeMap<OfPort, passed::Places>>,
    changes: Changes,
    credits: Credits,
}

/// A state of a pipeline ([`Pipeline::mark`]).
#[derive(Debug)]
pub struct Mark {
    pipeline: Pipeline,
    credits: credit::Mark,
}

impl Pipeline {
    /// A pipeline without rules.
    pub fn new(base: Base) -> Pipeline {
        let mut pipeline = Pipeline {
            storms: Arc::new(Storms::default().adapted(base.setups())),
            base: Arc::new(base.clone()),
            tables: Vec::new(),
            groups: rpds::HashTrieMapSync::new_sync(),
            meters: rpds::HashTrieMapSync::new_sync(),
            stations: Stations::default(),
            lessons: Lessons::default(),
            fins: rpds::HashTrieMapSync::new_sync(),
            queues: Arc::default(),
            control: Arc::default(),
            passed: Arc::default(),
            changes: Changes::default(),
            credits: Credits::default(),
        };
        pipeline.place_tunnels(&base);
        pipeline
    }

    /// With these rules in table 0.
    pub fn with_rules(mut self, rules: impl IntoIterator<Item = Rule>) -> Pipeline {
        rules.into_iter().for_each(|rule| drop(self.insert(TableId(0), rule)));
        self
    }

    /// Adds a rule; returns the one that it takes the place of, whose counters it goes on with.
    pub fn insert(&mut self, table: TableId, rule: Rule) -> Option<Arc<Installed>> {
        self.put(table, rule, Note::default(), false).1
    }

    /// Adds a rule, which counts from zero if it is counted `anew` (OpenFlow 1.3 section 6.4, OFPFF_RESET_COUNTS), and else goes on with
    /// the counters of the one that it takes the place of. Returns it, and that one.
    pub fn put(
        &mut self,
        table: TableId,
        rule: Rule,
        note: Note,
        anew: bool,
    ) -> (Arc<Installed>, Option<Arc<Installed>>) {
        self.changes.rule(table, &rule.matching);
        let at = usize::from(table.0);
        if self.tables.len() <= at {
            self.tables.resize_with(at + 1, Arc::default);
        }
        let (credits, heeds) = (&mut self.credits, rule.heeds_fins());
        let (installed, replaced) = Arc::make_mut(&mut self.tables[at]).insert(rule, note, |replaced| {
            replaced.filter(|_| !anew).unwrap_or_else(|| credits.take(Some(table.0)))
        });
        if heeds || !self.fins.is_empty() {
            self.heed_fins(installed.credit(), heeds);
        }
        if anew && let Some(replaced) = &replaced {
            self.heed_fins(replaced.credit(), false);
            self.release(replaced.credit());
        }
        (installed, replaced)
    }

    /// Removes the rule with exactly this priority and match.
    pub fn remove(&mut self, table: TableId, priority: u16, matching: &Match) -> Option<Arc<Installed>> {
        let at = usize::from(table.0);
        let gone = Arc::make_mut(self.tables.get_mut(at)?).remove(priority, matching)?;
        self.changes.rule(table, matching);
        self.heed_fins(gone.credit(), false);
        self.release(gone.credit());
        Some(gone)
    }

    /// Adds a group or changes it. A group that was there goes on with its counters, and its buckets count from zero
    /// (OpenFlow 1.3 section 6.4, OFPGC_MODIFY).
    pub fn set_group(&mut self, id: GroupId, group: Group) {
        self.changes.everything();
        let credit = self.retire_buckets(id).unwrap_or_else(|| self.credits.take(None));
        let buckets = group.buckets.iter().map(|_| self.credits.take(None)).collect();
        self.groups.insert_mut(id.0, Arc::new(InstalledGroup { group, credit, buckets }));
    }

    /// Changes a group's buckets. Those that it has already, with the same number, go on with their counters.
    pub fn change_group(&mut self, id: GroupId, group: Group) {
        let Some(had) = self.groups.get(&id.0).cloned() else { return self.set_group(id, group) };
        self.changes.everything();
        let mut old: Vec<_> = had.group.buckets.iter().zip(&had.buckets).map(Some).collect();
        let mut place = |bucket: &Bucket| {
            let same = old.iter_mut().find(|old| old.is_some_and(|(old, _)| old == bucket));
            same.and_then(Option::take).map(|(_, credit)| *credit)
        };
        let kept: Vec<Option<Credit>> = group.buckets.iter().map(&mut place).collect();
        for (_, credit) in old.into_iter().flatten() {
            self.release(*credit);
        }
        let buckets = kept.into_iter().map(|kept| kept.unwrap_or_else(|| self.credits.take(None))).collect();
        self.groups.insert_mut(id.0, Arc::new(InstalledGroup { group, credit: had.credit, buckets }));
    }

    /// Removes a group. Rules that name it drop from now on.
    pub fn remove_group(&mut self, id: GroupId) -> bool {
        self.changes.everything();
        let credit = self.retire_buckets(id);
        credit.into_iter().for_each(|credit| self.release(credit));
        self.groups.remove_mut(&id.0)
    }

    /// Takes back the places of a group's buckets. Returns that of the group.
    fn retire_buckets(&mut self, id: GroupId) -> Option<Credit> {
        let old = self.groups.get(&id.0)?.clone();
        old.buckets.iter().for_each(|credit| self.release(*credit));
        Some(old.credit)
    }

    /// Adds a meter, or another in the place of one. No answer changes by it: rules name meters by number, and a frame meets the one
    /// that is there.
    pub fn set_meter(&mut self, id: MeterId, meter: impl Into<Arc<Meter>>) {
        self.meters.insert_mut(id.0, meter.into());
    }

    /// Removes a meter. Frames of rules that still name it pass. OpenFlow leaves no such rules: who removes a meter for it removes
    /// them, too (1.3.5 section 6.5, OFPMC_DELETE).
    pub fn remove_meter(&mut self, id: MeterId) -> bool {
        self.meters.remove_mut(&id.0)
    }

    /// The same, for frames that are not to be counted: what is done with them leaves no trace in the original, whose meters,
    /// queues and policers are not used up either.
    pub fn uncounted(&self) -> Pipeline {
        let meters = self.meters.iter().map(|(id, meter)| (*id, Arc::new(Meter::clone(meter)))).collect();
        let mut queues = (*self.queues).clone();
        queues.part();
        let mut storms = (*self.storms).clone();
        storms.part();
        let storms = Arc::new(storms);
        Pipeline { queues: Arc::new(queues), storms, credits: Credits::default(), meters, ..self.clone() }
    }

    /// Gives a port a queue, or another in the place of one. False when there are [`QUEUES_MAX`].
    pub fn set_queue(&mut self, port: OfPort, id: QueueId, queue: impl Into<Arc<Queue>>) -> bool {
        self.changes.everything();
        Arc::make_mut(&mut self.queues).set(port, id, queue.into())
    }

    /// The number of a queue that an action names.
    pub fn queue_at(&self, at: QueueAt) -> QueueId {
        self.queues.id(at)
    }

    /// All queues, port by port.
    pub fn queues(&self) -> impl Iterator<Item = (OfPort, QueueId, &Arc<Queue>)> {
        self.queues.iter()
    }

    /// This state, to go back to.
    pub fn mark(&self) -> Mark {
        Mark { pipeline: self.clone(), credits: self.credits.mark() }
    }

    /// Goes back to a state that was marked since the last snapshot: what was changed since was never there, and cost no place
    /// to count in. Does nothing when there was a snapshot since, which workers may already go by.
    pub fn roll_back(&mut self, mark: Mark) {
        let Mark {
            pipeline:
                Pipeline {
                    base,
                    tables,
                    groups,
                    meters,
                    stations,
                    lessons,
                    fins,
                    queues,
                    storms,
                    control,
                    changes,
                    ..
                },
            credits,
        } = mark;
        if changes.generation() != self.changes.generation() {
            return;
        }
        (self.base, self.tables, self.groups, self.meters) = (base, tables, groups, meters);
        (self.stations, self.lessons, self.fins) = (stations, lessons, fins);
        (self.queues, self.storms) = (queues, storms);
        (self.control, self.changes) = (control, changes);
        self.credits.roll_back(credits);
    }

    /// From now on the station is there, for NORMAL. `fixed`: also when it is seen elsewhere.
    pub fn learn(&mut self, station: Station, place: Place, fixed: bool) {
        let known = self.stations.get(&station).map(|known| known.credit);
        let credit = known.unwrap_or_else(|| self.credit());
        self.stations.insert(station, Located { place, fixed, credit }, &mut self.changes);
    }

    /// Where the station is, is not known any more. True if it was.
    pub fn unlearn(&mut self, station: &Station) -> bool {
        let gone = self.stations.remove(station, &mut self.changes);
        if let Some(Located { credit, .. }) = gone {
            self.release(credit);
        }
        gone.is_some()
    }

    /// The snapshot to publish: it has the next generation, and knows what has changed since the last ones.
    pub fn snapshot(&mut self) -> Arc<Pipeline> {
        self.changes.close();
        self.credits.used();
        Arc::new(self.clone())
    }

    /// Which snapshot this is.
    #[inline]
    pub fn generation(&self) -> u64 {
        self.changes.generation()
    }

    /// What has changed lately.
    pub fn changes(&self) -> &Changes {
        &self.changes
    }

    /// A flow table. One that never had a rule is not there.
    pub fn table(&self, table: TableId) -> Option<&Table> {
        self.tables.get(usize::from(table.0)).map(|table| &**table)
    }

    /// All tables with a number.
    pub fn tables(&self) -> impl Iterator<Item = (TableId, &Table)> {
        (0..).map(TableId).zip(self.tables.iter().map(|table| &**table))
    }

    /// A group.
    pub fn group(&self, id: GroupId) -> Option<&Group> {
        self.groups.get(&id.0).map(|installed| &installed.group)
    }

    /// A group and the places where it and its buckets are counted.
    pub fn installed_group(&self, id: GroupId) -> Option<&InstalledGroup> {
        self.groups.get(&id.0).map(|installed| &**installed)
    }

    /// A meter.
    #[inline]
    pub fn meter(&self, id: MeterId) -> Option<&Arc<Meter>> {
        self.meters.get(&id.0)
    }

    /// All meters, in no order.
    pub fn meters(&self) -> impl Iterator<Item = (MeterId, &Arc<Meter>)> {
        self.meters.iter().map(|(id, meter)| (MeterId(*id), meter))
    }

    /// Where a station is known to be.
    pub fn station(&self, station: &Station) -> Option<&Located> {
        self.stations.get(station)
    }

    /// All stations that are known, in no order.
    pub fn stations(&self) -> impl Iterator<Item = (&Station, &Located)> {
        self.stations.iter()
    }
}

impl Means for Pipeline {
    #[inline]
    fn encap(&self, id: EncapId) -> &Encap {
        Pipeline::encap(self, id)
    }

    #[inline]
    fn meter(&self, id: MeterId) -> Option<&Meter> {
        Pipeline::meter(self, id).map(|meter| &**meter)
    }

    #[inline]
    fn queue(&self, at: QueueAt) -> &Queue {
        self.queues.at(at)
    }

    #[inline]
    fn storm(&self, at: StormAt) -> &Storm {
        self.storms.at(at)
    }

    fn back(&self, key: &FlowKey) -> Option<Back<'_>> {
        match self.target(OfPort(key.get(Field::InPort) as u32))? {
            Target::Port(port) => Some(Back::Port(port)),
            Target::Tunnel(tunnel) => {
                let encap = self.way_back(tunnel, key)?;
                Some(Back::Tunnel(encap, encap.usual_marks(key.get(Field::TunId) as u32)))
            }
        }
    }
}
