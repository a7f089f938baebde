//! What shall be done: tables of rules, groups, ports, tunnels and the underlay, as one immutable snapshot, and the function
//! that translates a key into actions.
//!
//! Control owns a `Pipeline` and changes it; what it publishes is a clone, which shares everything that did not change.
//! Workers adopt it between turns ([`crate::worker`]). A published one never changes, so translation needs no lock and gives the
//! same answer to the same question.

mod action_set;
pub mod changes;
mod conjunction;
mod credit;
pub mod group;
mod normal;
pub mod observer;
mod queues;
pub mod recent;
pub mod rule;
mod shims;
mod stack;
mod state;
mod stations;
pub mod table;
mod tags;
mod translate;
mod translation;
pub mod vlan;

pub use crate::action::meter::{
    BANDS_MAX, Band, BandKind, METER_ID_MAX, Meter, MeterId, MeterSpec, MeterUnit, Metered,
};
pub use crate::action::queue::{Queue, QueueAt, QueueId, QueueSpec, Queued};
pub use crate::stats::{Counted, Credit};
pub use changes::Changes;
pub use conjunction::CLAUSES_MAX;
pub use credit::TableCounted;
pub use group::{Bucket, Group, GroupKind, InstalledGroup};
pub use observer::Observer;
pub use queues::QUEUES_MAX;
pub use rule::{Clause, GroupId, Instructions, Match, Part, Rule, RuleAction, TABLES, TableId};
pub use stations::Located;
pub use table::{Installed, Table};
pub use translate::{observe, translate};
pub use translation::{ACTIONS_MAX, Translation};
pub use vlan::{Domain, PortSetup, PriorityTags, VlanMode};

use crate::action::report::{Place, Station};
use crate::action::{Back, Means};
use crate::flow::{Field, FlowKey, OfPort};
use crate::port::PortId;
use crate::stats::{DropReason, Ledger};
use crate::tunnel::{Encap, EncapId, Reach, Remote, TunnelId, TunnelTable, Underlay};
use credit::Credits;
use queues::Queues;
use stations::Stations;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

/// How far a bucket that watches a group, whose buckets watch groups, is followed. Beyond that it is not alive.
const WATCH_DEPTH_MAX: u32 = 4;

/// What an OpenFlow port number stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// A port of the worker.
    Port(PortId),
    /// A tunnel.
    Tunnel(TunnelId),
}

/// Ports, tunnels and the way out: what changes when the operator or the kernel says so, not with the rules.
#[derive(Clone, Debug)]
pub struct Base {
    targets: BTreeMap<OfPort, Target>,
    tunnels: TunnelTable,
    /// In order.
    endpoints: Box<[IpAddr]>,
    encaps: Vec<Encap>,
    ways: HashMap<(TunnelId, IpAddr), EncapId>,
    underlay: Underlay,
    switching: Switching,
}

/// What the operator says about learning and flooding.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Switching {
    /// Ports that are not as [`PortSetup::default`] says.
    pub ports: BTreeMap<OfPort, PortSetup>,
    /// NORMAL forwards frames to the addresses of network control too (`forward-bpdu` of ovs-vswitchd.conf.db(5)).
    pub forward_bpdu: bool,
    /// What all other ports are.
    pub others: PortSetup,
}

impl Base {
    /// `guests` are the bridge ports that are no tunnels; `endpoints` our own tunnel addresses.
    pub fn new(
        guests: impl IntoIterator<Item = (OfPort, PortId)>,
        mut tunnels: TunnelTable,
        endpoints: HashSet<IpAddr>,
        underlay: Underlay,
    ) -> Base {
        let mut targets: BTreeMap<_, _> =
            guests.into_iter().map(|(ofport, port)| (ofport, Target::Port(port))).collect();
        targets.extend(tunnels.iter().map(|(id, spec)| (spec.ofport, Target::Tunnel(id))));

        tunnels.set_peers(underlay.iter().map(|(remote, _)| *remote));
        let mut encaps = Vec::new();
        let mut ways = HashMap::new();
        for (id, spec) in tunnels.iter() {
            for (remote, reach) in underlay.iter() {
                let wanted = match spec.remote {
                    Remote::Fixed(fixed) => fixed == *remote,
                    Remote::Flow => true,
                };
                if let (true, Reach::Via(path)) = (wanted, reach)
                    && let Some(encap) = Encap::new(spec, *remote, path)
                {
                    ways.insert((id, *remote), EncapId(encaps.len() as u32));
                    encaps.push(encap);
                }
            }
        }
        let mut endpoints: Box<[IpAddr]> = endpoints.into_iter().collect();
        endpoints.sort_unstable();
        Base { targets, tunnels, endpoints, encaps, ways, underlay, switching: Switching::default() }
    }

    /// With ports that NORMAL and FLOOD know more about.
    pub fn with_switching(self, switching: Switching) -> Base {
        Base { switching, ..self }
    }
}

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
    queues: Arc<Queues>,
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
        Pipeline {
            base: Arc::new(base),
            tables: Vec::new(),
            groups: rpds::HashTrieMapSync::new_sync(),
            meters: rpds::HashTrieMapSync::new_sync(),
            stations: Stations::default(),
            queues: Arc::default(),
            changes: Changes::default(),
            credits: Credits::default(),
        }
    }

    /// With these rules in table 0.
    pub fn with_rules(mut self, rules: impl IntoIterator<Item = Rule>) -> Pipeline {
        rules.into_iter().for_each(|rule| drop(self.insert(TableId(0), rule)));
        self
    }

    /// Adds a rule; returns the one that it takes the place of, whose counters it goes on with.
    pub fn insert(&mut self, table: TableId, rule: Rule) -> Option<Arc<Installed>> {
        self.put(table, rule, true)
    }

    /// Adds a rule that counts from zero; returns the one that it takes the place of (OpenFlow 1.3 section 6.4,
    /// OFPFF_RESET_COUNTS).
    pub fn insert_anew(&mut self, table: TableId, rule: Rule) -> Option<Arc<Installed>> {
        let replaced = self.put(table, rule, false)?;
        self.release(replaced.credit());
        Some(replaced)
    }

    fn put(&mut self, table: TableId, rule: Rule, goes_on: bool) -> Option<Arc<Installed>> {
        self.changes.rule(table, &rule.matching);
        let at = usize::from(table.0);
        if self.tables.len() <= at {
            self.tables.resize_with(at + 1, Arc::default);
        }
        let credits = &mut self.credits;
        Arc::make_mut(&mut self.tables[at]).insert(rule, |replaced| {
            replaced.filter(|_| goes_on).unwrap_or_else(|| credits.take(Some(table.0)))
        })
    }

    /// Removes the rule with exactly this priority and match.
    pub fn remove(&mut self, table: TableId, priority: u16, matching: &Match) -> Option<Arc<Installed>> {
        let at = usize::from(table.0);
        let gone = Arc::make_mut(self.tables.get_mut(at)?).remove(priority, matching)?;
        self.changes.rule(table, matching);
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

    /// A place to count for something that is neither rule nor group, as a meter or a learned address. Whoever takes it
    /// gives it back with [`Pipeline::release`].
    pub fn credit(&mut self) -> Credit {
        self.credits.take(None)
    }

    /// Gives back a place that no snapshot from the next one on names. It can be read until [`Pipeline::settled`] frees it.
    pub fn release(&mut self, credit: Credit) {
        self.credits.give(credit, self.generation() + 1);
    }

    /// Tells that every worker goes by this generation or a later one and has written all that it had counted before
    /// ([`SharedStats::settled`](crate::stats::SharedStats::settled); the least of all workers). Places given back by then
    /// are used again, for others.
    pub fn settled(&mut self, generation: u64) {
        self.credits.settled(generation);
    }

    /// What was counted in a place, as far as workers have written it. To have it exact to the packet, ask each worker for a
    /// sweep first ([`SharedStats::ask_sweep`](crate::stats::SharedStats::ask_sweep)).
    pub fn counted(&self, credit: Credit) -> Counted {
        self.ledger().read(credit)
    }

    /// What was counted of every table, by its number. One pass over all places.
    pub fn tables_counted(&self) -> Vec<TableCounted> {
        credit::tables(self.ledger())
    }

    /// Where the workers that go by this pipeline count.
    #[inline]
    pub fn ledger(&self) -> &Ledger {
        self.credits.ledger()
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

    /// The same, for frames that are not to be counted: what is done with them leaves no trace in the original, whose meters and
    /// queues are not used up either.
    pub fn uncounted(&self) -> Pipeline {
        let meters = self.meters.iter().map(|(id, meter)| (*id, Arc::new(Meter::clone(meter)))).collect();
        let mut queues = (*self.queues).clone();
        queues.part();
        Pipeline { queues: Arc::new(queues), credits: Credits::default(), meters, ..self.clone() }
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
            pipeline: Pipeline { base, tables, groups, meters, stations, queues, changes, .. },
            credits,
        } = mark;
        if changes.generation() != self.changes.generation() {
            return;
        }
        (self.base, self.tables, self.groups, self.meters) = (base, tables, groups, meters);
        (self.stations, self.queues, self.changes) = (stations, queues, changes);
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

    /// Puts other ports, tunnels or ways under the same rules.
    pub fn set_base(&mut self, base: Base) {
        self.changes.everything();
        self.base = Arc::new(base);
    }

    /// What NORMAL and FLOOD know about the ports, from now on.
    pub fn set_switching(&mut self, switching: Switching) {
        self.changes.everything();
        Arc::make_mut(&mut self.base).switching = switching;
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

    /// The tunnel ports.
    pub fn tunnels(&self) -> &TunnelTable {
        &self.base.tunnels
    }

    /// Whether `address` is one of our tunnel endpoints.
    #[inline]
    pub fn is_endpoint(&self, address: IpAddr) -> bool {
        self.base.endpoints.binary_search(&address).is_ok()
    }

    /// The headers to put in front.
    #[inline]
    pub fn encap(&self, id: EncapId) -> &Encap {
        &self.base.encaps[id.0 as usize]
    }

    /// The numbers of all bridge ports, in order.
    pub fn ports(&self) -> impl Iterator<Item = OfPort> {
        self.base.targets.keys().copied()
    }

    /// Where a station is known to be.
    pub fn station(&self, station: &Station) -> Option<&Located> {
        self.stations.get(station)
    }

    /// All stations that are known, in no order.
    pub fn stations(&self) -> impl Iterator<Item = (&Station, &Located)> {
        self.stations.iter()
    }

    /// What a bridge port is to NORMAL.
    pub fn setup(&self, port: OfPort) -> &PortSetup {
        self.base.switching.ports.get(&port).unwrap_or(&self.base.switching.others)
    }

    fn forwards_reserved(&self) -> bool {
        self.base.switching.forward_bpdu
    }

    /// Whether it is a tunnel port that leaves its remote end to the flow.
    fn is_open(&self, port: OfPort) -> bool {
        matches!(self.target(port), Some(Target::Tunnel(tunnel)) if self.tunnels().spec(tunnel).remote == Remote::Flow)
    }

    /// What a bridge port's number stands for.
    pub fn target(&self, port: OfPort) -> Option<Target> {
        self.base.targets.get(&port).copied()
    }

    /// Whether the port or the group that the bucket watches is there (OpenFlow 1.3 section 6.5: one of them is enough). A
    /// bucket that watches nothing is always alive.
    fn is_live(&self, bucket: &Bucket) -> bool {
        self.is_live_within(bucket, WATCH_DEPTH_MAX)
    }

    fn is_live_within(&self, bucket: &Bucket, depth: u32) -> bool {
        let group_is_live = |group: GroupId| {
            depth > 0
                && self
                    .group(group)
                    .is_some_and(|group| group.buckets.iter().any(|b| self.is_live_within(b, depth - 1)))
        };
        match (bucket.watch_port, bucket.watch_group) {
            (None, None) => true,
            (port, group) => {
                port.is_some_and(|port| self.target(port).is_some()) || group.is_some_and(group_is_live)
            }
        }
    }

    /// The headers that lead to where a frame came from by a tunnel port.
    pub fn way_back(&self, tunnel: TunnelId, key: &FlowKey) -> Option<&Encap> {
        let remote = match (key.get(Field::TunSrc) as u32, key.get(Field::TunIpv6Src)) {
            (0, v6) => IpAddr::from(Ipv6Addr::from_bits(v6)),
            (v4, _) => IpAddr::from(Ipv4Addr::from_bits(v4)),
        };
        Some(self.encap(self.way(tunnel, remote).ok()?))
    }

    /// The headers that lead from a tunnel port to a remote endpoint.
    fn way(&self, tunnel: TunnelId, remote: IpAddr) -> Result<EncapId, DropReason> {
        match self.base.ways.get(&(tunnel, remote)) {
            Some(way) => Ok(*way),
            None => Err(match self.base.underlay.reach(remote) {
                Reach::NoNeighbour => DropReason::NoNeighbour,
                Reach::NoRoute | Reach::Via(_) => DropReason::NoRoute,
            }),
        }
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
