//! A worker: owns a core, its memory, its ports, its caches. Everything it touches while it handles a packet, it owns.
//!
//! [`turn`] is the whole of it; [`stage`] has the stages, [`publish`] how new pipelines arrive, [`sweep`] how counts go to the rules,
//! [`wide`] makes the most of the processor. It takes no lock and reads no clock (but, to tell what turns cost, the counter of cycles in
//! one turn of 64: [`laps`]), and after it was made it allocates nothing (`tests/no_alloc.rs`).

mod inject;
mod laps;
mod programs;
pub mod publish;
mod stage;
mod sweep;
mod turn;
mod wide;

pub use crate::action::punt::{PuntRate, Punted};
pub use crate::action::report::{Reporter, Reports, reports, reports_of_long_frames};
pub use inject::{Injections, Injector, PACKETS_MAX, PacketOut, injections};
pub use publish::{Inbox, Publisher, channel};

use crate::action::TooLong;
use crate::flow::{Megaflows, OfPort, Scope, Seed, SignatureCache};
use crate::mem::{BATCH, FramePool};
use crate::pipeline::recent::Recent;
use crate::pipeline::{Pipeline, Translation};
use crate::port::Slot;
use crate::stats::{Drops, SharedStats, Stage, WorkerCounters};
use crate::tunnel::{Familiar, Order};
use laps::Laps;
use programs::Programs;
use stage::Batch;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use sweep::Sweep;

/// What a port is to the switch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A bridge port: frames belong to the tenant behind it.
    Guest(OfPort),
    /// A way into the underlay: frames are tunnel packets.
    Uplink,
}

/// What a worker is made of.
#[derive(Debug)]
pub struct Parts<'u> {
    /// All its frames.
    pub pool: FramePool<'u>,
    /// Its ports and what they are; a `PortId` is a place in this list.
    pub ports: Vec<(Slot<'u>, Role)>,
    /// What to do, to begin with.
    pub pipeline: Arc<Pipeline>,
    /// Where newer pipelines arrive.
    pub inbox: Inbox,
    /// Where it publishes its counters.
    pub shared: Arc<SharedStats>,
    /// How many flows it remembers.
    pub flows: usize,
    /// The secret of its hashes.
    pub seed: Seed,
}

/// How long a fully loaded worker leaves newer rules at the door after it has adopted others, in nanoseconds of the turns'
/// clock: each adoption makes every flow be looked into again.
const ADOPT_NS: u64 = 100_000;
/// How long all answers are kept at the least when there is no room for others, in nanoseconds of the turns' clock. Asking for
/// all 65,536 flows again takes about 50 ms.
const FORGET_NS: u64 = 4_000_000_000;
/// How often counters are published, in nanoseconds of the turns' clock.
const PUBLISH_NS: u64 = 100_000_000;

/// A worker.
#[derive(Debug)]
pub struct Worker<'u> {
    slots: Vec<Slot<'u>>,
    roles: Vec<Role>,
    pool: FramePool<'u>,
    batch: Batch<'u>,
    signatures: SignatureCache,
    megaflows: Megaflows,
    programs: Programs,
    /// The last batch had answers that found no room.
    full: bool,
    /// Not before then all is forgotten to make room.
    forget_ns: u64,
    translation: Translation,
    pipeline: Arc<Pipeline>,
    recent: Recent,
    inbox: Inbox,
    seed: Seed,
    /// What of a key is hashed: what some megaflow is known by.
    scope: Scope,
    now_ns: u64,
    adopted_ns: u64,
    /// Whether there is more to do than a turn can: the last one was full.
    loaded: bool,
    sweep: Sweep,
    laps: Laps,
    published_ns: u64,
    counters: WorkerCounters,
    drops: Drops,
    too_long: TooLong,
    /// With a batch while it is classified.
    order: Option<Order>,
    familiar: Familiar,
    report: Reporter,
    injections: Injections,
    shared: Arc<SharedStats>,
}

impl<'u> Worker<'u> {
    /// A worker of these parts.
    pub fn new(parts: Parts<'u>) -> Worker<'u> {
        let (slots, roles): (Vec<_>, Vec<_>) = parts.ports.into_iter().unzip();
        let too_long = TooLong::new(slots.len());
        parts.shared.adopted(parts.pipeline.generation());
        Worker {
            slots,
            roles,
            pool: parts.pool,
            batch: Batch::new(),
            signatures: SignatureCache::new(parts.flows),
            megaflows: Megaflows::new(parts.flows, parts.seed),
            programs: Programs::new(parts.seed),
            full: false,
            forget_ns: 0,
            translation: Translation::default(),
            recent: Recent::new(parts.pipeline.generation()),
            pipeline: parts.pipeline,
            inbox: parts.inbox,
            seed: parts.seed,
            scope: Scope::nothing(parts.seed),
            now_ns: 0,
            adopted_ns: 0,
            loaded: false,
            sweep: Sweep::default(),
            laps: Laps::default(),
            published_ns: 0,
            counters: WorkerCounters::default(),
            drops: Drops::default(),
            too_long,
            order: Some(Order::new(parts.seed)),
            familiar: Familiar::new(parts.seed),
            report: reports().0,
            injections: injections().1,
            shared: parts.shared,
        }
    }

    /// With somebody who listens to what it finds out.
    pub fn reporting(self, report: Reporter) -> Worker<'u> {
        Worker { report, ..self }
    }

    /// With somebody who sends frames of his own.
    pub fn injected_by(self, injections: Injections) -> Worker<'u> {
        Worker { injections, ..self }
    }

    /// With a memory for no more than so many different programs.
    pub fn keeping(mut self, programs: usize) -> Worker<'u> {
        self.programs.limit(programs);
        self
    }

    /// Whether the last turn told something to whoever listens.
    pub fn has_reported(&self) -> bool {
        self.report.said()
    }

    /// The ports, to look at.
    pub fn slots(&self) -> &[Slot<'u>] {
        &self.slots
    }

    /// The ports, to finish with.
    pub fn slots_mut(&mut self) -> &mut [Slot<'u>] {
        &mut self.slots
    }

    /// How many frames are free: all of them when nothing is under way.
    pub fn free_frames(&self) -> usize {
        self.pool.len()
    }

    /// How many [long](crate::mem::long_frames) frames are free: all of them between turns, but for packets that have come in
    /// in part.
    pub fn free_long_frames(&self) -> usize {
        self.pool.long()
    }

    /// How many megaflows there are.
    pub fn flows(&self) -> usize {
        self.megaflows.len()
    }

    /// How many different masks they have.
    pub fn masks(&self) -> usize {
        self.megaflows.masks()
    }

    /// The descriptors that become readable when there is work.
    pub fn fds(&self) -> Vec<BorrowedFd<'_>> {
        self.slots.iter().flat_map(|slot| slot.port.fds()).collect()
    }

    /// Publishes the counters now.
    pub fn publish(&mut self) {
        self.published_ns = self.now_ns;
        (self.counters.flows, self.counters.masks) = (self.flows() as u64, self.masks() as u64);
        self.counters.too_long = self.too_long.counters;
        self.shared.publish(&self.counters, &self.drops);
        for (i, slot) in self.slots.iter_mut().enumerate() {
            self.shared.publish_port(i, slot.counted());
        }
    }

    /// Whether newer rules wait to be taken up.
    pub fn has_mail(&self) -> bool {
        self.inbox.has_mail()
    }

    fn begin(&mut self, now_ns: u64) {
        self.laps.begin();
        self.now_ns = now_ns;
        self.megaflows.set_now(now_ns / 1_000_000);
        self.report.begin();
        if let Some(order) = &mut self.order {
            order.set_now(now_ns);
        }
        let busy = self.loaded && now_ns.saturating_sub(self.adopted_ns) < ADOPT_NS;
        if !busy && let Some(newest) = self.inbox.take() {
            self.adopt(newest);
        }
        self.laps.end_of(Stage::Adopt);
    }

    fn adopt(&mut self, newest: Arc<Pipeline>) {
        self.adopted_ns = self.now_ns;
        self.counters.adoptions += 1;
        let (before, now) = (self.pipeline.generation(), newest.generation());
        // Answers of older generations are looked into when they are needed next. A pipeline that is not newer, or one of
        // others, is not a successor: nothing that was answered says anything of it, and nothing counts there.
        if now > before && newest.ledger().is(self.pipeline.ledger()) {
            self.recent.learn(newest.changes(), before);
        } else {
            self.forget();
            self.recent.restart(now);
        }
        if !newest.has_base_of(&self.pipeline) {
            self.familiar.forget();
        }
        let old = std::mem::replace(&mut self.pipeline, newest);
        self.inbox.give(old);
        self.shared.adopted(now);
    }

    fn end(&mut self, handled: usize) {
        self.loaded = handled >= BATCH;
        self.counters.turns += 1;
        self.counters.idle_turns += u64::from(handled == 0);
        self.sweep();
        self.laps.end_of(Stage::Sweep);
        self.laps.end(handled, &mut self.counters.perf);
        if self.now_ns.saturating_sub(self.published_ns) >= PUBLISH_NS {
            self.publish();
        }
    }
}
