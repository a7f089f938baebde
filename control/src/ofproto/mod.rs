//! The switch as controllers see it: flow entries, groups and meters, and what may be done with them, as OpenFlow 1.3 means it.
//!
//! It owns the [`Pipeline`] and what OpenFlow says about flow entries that the datapath does not need: timeouts, importance,
//! flags, when they were added. Pure: no socket, no clock, no text and no wire format. Time comes in as milliseconds of the
//! caller's clock, the one that the workers are told of too; errors have OpenFlow's names.
//!
//! Everything in here is persistent: a clone shares all that does not change afterwards. So a bundle of requests is
//! done whole or leaves everything as it was ([`Ofproto::bundle`]), and a clone is a snapshot to read from at leisure.

mod alike;
mod applied;
mod bucket_mod;
mod check;
pub(crate) mod context;
mod entry;
mod error;
mod expiry;
mod farewell;
mod filter;
mod flow_mod;
mod group_mod;
mod learned;
pub(crate) mod lesson;
mod limits;
mod meter_mod;
mod names;
mod options;
mod packet_out;
mod port_mod;
mod shelf;
mod stats;
mod vacancy;

pub use applied::{Applied, Changed, Event};
pub use bucket_mod::{BUCKET_ID_MAX, BucketChange, BucketMod, BucketPlace};
pub use check::ACTIONS_MAX;
pub use entry::{Entry, FlowFlags, Reason, Removed};
pub use error::{
    BadAction, BadInstruction, BadRequest, Error, FlowModFailed, GroupModFailed, MeterModFailed,
    PortModFailed,
};
pub use farewell::Farewell;
pub use filter::{Aggregate, Filter};
pub use flow_mod::{Command, FlowMod};
pub use group_mod::{BUCKETS_MAX, GROUPS_MAX, GroupEntry, GroupMod};
pub use learned::LESSONS_MAX;
pub use limits::{ENTRIES_MAX, TableConfig};
pub use meter_mod::{MeterMod, MeterStats};
pub use names::{groups_behind, remotes_named, reserved};
pub use options::{OptionMod, OptionModFailed};
pub use port_mod::PortRequest;
pub use stats::TableStats;
pub use vacancy::{Vacancy, VacancyEvent};

use alike::Alike;
use datapath::pipeline::{Base, GroupId, Installed, Match, MeterId, Pipeline, RuleAction, TableId};
use datapath::worker::PacketOut;
use entry::Beside;
use farewell::Leaving;
use learned::Teachers;
use names::Names;
use rpds::RedBlackTreeMapSync;
use shelf::Shelf;
use std::net::IpAddr;
use std::num::NonZeroU64;
use std::sync::Arc;

/// A request of any kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// About flow entries.
    Flow(FlowMod),
    /// About groups.
    Group(GroupMod),
    /// About meters.
    Meter(MeterMod),
    /// About a group's buckets.
    Buckets(BucketMod),
    /// About a port.
    Port(PortRequest),
}

/// What is said of the entries of one table.
#[derive(Clone, Debug, Default)]
struct Flows {
    config: TableConfig,
    /// Least important first, then oldest; kept only where entries give way.
    by_importance: RedBlackTreeMapSync<(u16, u64), Arc<Installed>>,
}

impl Flows {
    fn rank(entry: &Entry) -> (u16, u64) {
        (entry.importance, entry.installed.age())
    }
}

/// The switch.
#[derive(Clone, Debug)]
pub struct Ofproto {
    pipeline: Pipeline,
    /// As many as are in use, from table 0 on.
    tables: Vec<Flows>,
    /// What is kept beside the rules of some entries of all tables, by where they are counted.
    beside: Shelf<Beside>,
    alike: Alike,
    groups: RedBlackTreeMapSync<GroupId, Arc<GroupEntry>>,
    /// When they were added.
    meters: RedBlackTreeMapSync<MeterId, u64>,
    /// Entries with timeouts, by when they can end at the earliest and by number.
    timers: RedBlackTreeMapSync<(u64, u32), (TableId, Arc<Installed>)>,
    names: Names,
    teachers: Teachers,
    /// Tables that tell how much room there is.
    vacancies: RedBlackTreeMapSync<TableId, vacancy::Watched>,
    leaving: Leaving,
}

impl Ofproto {
    /// A switch over these ports, without any entry.
    pub fn new(base: Base) -> Ofproto {
        Ofproto::of(Pipeline::new(base))
    }

    /// Without entries for the rules of the pipeline.
    fn of(pipeline: Pipeline) -> Ofproto {
        Ofproto {
            pipeline,
            tables: Vec::new(),
            beside: Shelf::default(),
            alike: Alike::default(),
            groups: RedBlackTreeMapSync::default(),
            meters: RedBlackTreeMapSync::default(),
            timers: RedBlackTreeMapSync::default(),
            names: Names::default(),
            teachers: Teachers::default(),
            vacancies: RedBlackTreeMapSync::default(),
            leaving: Leaving::default(),
        }
    }

    /// A switch that does what a pipeline does, as far as its rules say: each is an entry that was there at the beginning and stays.
    pub fn over(pipeline: Pipeline) -> Ofproto {
        let rules = pipeline.tables().flat_map(|(table, of)| {
            of.installed().into_iter().map(move |installed| (table, installed.clone())).collect::<Vec<_>>()
        });
        let rules: Vec<_> = rules.collect();
        let mut switch = Ofproto::of(pipeline);
        for (table, installed) in rules {
            switch.remember(table, Entry::of(&installed, None));
        }
        switch
    }

    /// Does all requests in order, or none.
    ///
    /// # Errors
    /// Which of them, counted from 0, is refused, and why.
    pub fn bundle(
        &mut self,
        now: u64,
        requests: impl IntoIterator<Item = Request>,
    ) -> Result<Applied, (usize, Error)> {
        self.bundle_and_send(now, requests, []).map(|(applied, _)| applied)
    }

    /// The same with frames, by what the switch is after all requests: where one of them is refused, nothing is done either. They are
    /// as [`Ofproto::packet_out`] gives and takes them; nothing is published yet, so the caller says by which generation they go.
    ///
    /// # Errors
    /// The number of the request that was refused, and why; frames are numbered on after the requests.
    pub fn bundle_and_send(
        &mut self,
        now: u64,
        requests: impl IntoIterator<Item = Request>,
        frames: impl IntoIterator<Item = (Match, Vec<RuleAction>, Vec<u8>)>,
    ) -> Result<(Applied, Vec<PacketOut>), (usize, Error)> {
        let (before, mark, leaving) = (self.clone(), self.pipeline.mark(), self.leaving.len());
        let done = self.try_bundle(now, requests, frames);
        if done.is_err() {
            self.pipeline.roll_back(mark);
            let Ofproto { tables, beside, groups, meters, timers, names, teachers, vacancies, .. } = before;
            (self.tables, self.beside, self.groups) = (tables, beside, groups);
            (self.meters, self.timers, self.names) = (meters, timers, names);
            (self.teachers, self.vacancies) = (teachers, vacancies);
            self.leaving.truncate(leaving);
        }
        done
    }

    fn try_bundle(
        &mut self,
        now: u64,
        requests: impl IntoIterator<Item = Request>,
        frames: impl IntoIterator<Item = (Match, Vec<RuleAction>, Vec<u8>)>,
    ) -> Result<(Applied, Vec<PacketOut>), (usize, Error)> {
        let (mut applied, mut packets, mut at) = (Applied::default(), Vec::new(), 0);
        for request in requests {
            self.apply_too(now, request, &mut applied).map_err(|error| (at, error))?;
            at += 1;
        }
        for (says, actions, data) in frames {
            packets.push(self.packet_out(says, actions, data).map_err(|error| (at, error))?);
            at += 1;
        }
        Ok((applied, packets))
    }

    /// Does what is asked, or nothing.
    ///
    /// # Errors
    /// Why nothing is done.
    pub fn apply(&mut self, now: u64, request: Request) -> Result<Applied, Error> {
        let mut applied = Applied::default();
        self.apply_too(now, request, &mut applied)?;
        Ok(applied)
    }

    /// The same; what came of it is put behind what came of others.
    ///
    /// # Errors
    /// Why nothing is done.
    pub fn apply_too(&mut self, now: u64, request: Request, applied: &mut Applied) -> Result<(), Error> {
        match request {
            Request::Flow(request) => self.flow_mod_too(now, request, applied)?,
            Request::Group(request) => applied.extend(self.group_mod(now, request)?),
            Request::Meter(request) => applied.extend(self.meter_mod(now, request)?),
            Request::Buckets(request) => applied.extend(self.bucket_mod(request)?),
            Request::Port(request) => applied.extend(self.port_mod(request)?),
        }
        self.delete_learned(now, applied);
        Ok(())
    }

    /// What the datapath does by now.
    pub fn pipeline(&self) -> &Pipeline {
        &self.pipeline
    }

    /// To change what entries and groups do not say, as where stations are. Entries in it are changed by requests alone.
    pub fn pipeline_mut(&mut self) -> &mut Pipeline {
        &mut self.pipeline
    }

    /// The same to publish, with the next generation.
    pub fn snapshot(&mut self) -> Arc<Pipeline> {
        self.pipeline.snapshot()
    }

    /// Puts other ports, tunnels or ways under the same entries.
    pub fn set_base(&mut self, base: Base) {
        self.pipeline.set_base(base);
    }

    /// How many entries there are, in all tables.
    pub fn len(&self) -> usize {
        self.pipeline.tables().map(|(_, table)| table.len()).sum()
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The remote tunnel endpoints that entries and groups set, in order.
    pub fn remotes(&self) -> impl Iterator<Item = IpAddr> {
        self.names.remotes()
    }

    /// A number that grows when [`Ofproto::remotes`] changes.
    pub fn remotes_changed(&self) -> u64 {
        self.names.remotes_changed
    }

    fn entry(&self, table: TableId, priority: u16, matching: &Match) -> Option<Entry> {
        Some(self.entry_of(self.pipeline.table(table)?.get(priority, matching)?))
    }

    /// The entry of a rule.
    fn entry_of(&self, installed: &Arc<Installed>) -> Entry {
        Entry::of(installed, self.beside.get(installed.credit().number()).map(|beside| &**beside))
    }

    fn table_mut(&mut self, table: TableId) -> &mut Flows {
        let at = usize::from(table.0);
        if self.tables.len() <= at {
            self.tables.resize_with(at + 1, Flows::default);
        }
        &mut self.tables[at]
    }

    /// Notes an entry whose rule is in the pipeline.
    fn remember(&mut self, table: TableId, mut entry: Entry) -> Entry {
        self.names.add_rule(&entry.installed.rule.instructions);
        entry.timer = self.next_look(&entry);
        self.keep(table, &entry);
        self.note_learning(table, &entry);
        entry
    }

    /// Keeps what there is beside an entry's rule, and where it is found.
    fn keep(&mut self, table: TableId, entry: &Entry) {
        if let Some(timer) = entry.timer {
            self.timers.insert_mut((timer.get(), entry.number()), (table, entry.installed.clone()));
        }
        let flows = self.table_mut(table);
        if flows.config.eviction {
            flows.by_importance.insert_mut(Flows::rank(entry), entry.installed.clone());
        }
        match entry.beside() {
            Some(beside) => self.beside.put(entry.number(), Arc::new(beside)),
            None => self.beside.clear(entry.number()),
        }
    }

    /// Forgets what is noted of an entry.
    fn forget(&mut self, table: TableId, entry: &Entry) {
        self.names.remove_rule(&entry.installed.rule.instructions);
        if let Some(timer) = entry.timer {
            self.timers.remove_mut(&(timer.get(), entry.number()));
        }
        let flows = self.table_mut(table);
        if flows.config.eviction {
            flows.by_importance.remove_mut(&Flows::rank(entry));
        }
        self.beside.clear(entry.number());
        self.forget_learning(table, entry);
    }

    /// When its time is over at the earliest.
    fn next_look(&self, entry: &Entry) -> Option<NonZeroU64> {
        entry.deadline(self.used(entry), self.taught(entry)).and_then(NonZeroU64::new)
    }

    /// Looks at an entry again later: frames came, or its timeouts are others.
    fn put_back(&mut self, table: TableId, entry: &Entry) {
        if let Some(timer) = entry.timer {
            self.timers.remove_mut(&(timer.get(), entry.number()));
        }
        let timer = self.next_look(entry);
        self.keep(table, &Entry { timer, ..entry.clone() });
    }
}
