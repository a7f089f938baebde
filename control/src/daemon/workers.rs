//! The workers' threads, and what they have counted: also those that were ended because a device came back.

use super::learn::Bell;
use super::nap::Nap;
use super::ports::Ports;
use super::sweep::{Awaited, Sweeper};
use super::worker;
use anyhow::{Context, Result, anyhow};
use core_affinity::CoreId;
use datapath::action::learn::Lesson;
use datapath::action::report::Sighting;
use datapath::flow::Seed;
use datapath::pipeline::Pipeline;
use datapath::stats::{DropReason, PortCounters, SharedStats, Snapshot, WorkerCounters};
use datapath::worker::{
    Injector, PacketOut, Publisher, PuntRate, Punted, Reports, channel, injections, reports,
    reports_of_long_frames,
};
use nix::sys::eventfd::{EfdFlags, EventFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// How long a worker may take to open its sockets; the kernel holds on to a queue for a while after its last user.
const PATIENCE: Duration = Duration::from_secs(20);

/// All workers.
pub(super) struct Workers {
    cores: Vec<Option<CoreId>>,
    seed: Seed,
    /// When the clock of the workers' turns began. It goes on when they are started again: rates remember its times.
    start: Instant,
    /// Rung when a worker has told something.
    bell: Arc<Bell>,
    /// Who waits for workers to adopt something.
    adoptions: Arc<Notify>,
    /// How many frames each tells the controller.
    controller: PuntRate,
    running: Vec<Running>,
    /// How many frames were sent by workers that have ended ([`Workers::injected`]).
    injected_before: u64,
    /// What ended workers counted, in the order of the cores.
    past: Vec<Tally>,
}

struct Running {
    publisher: Publisher,
    reports: Reports,
    injector: Injector,
    shared: Arc<SharedStats>,
    wake: Arc<EventFd>,
    stop: Arc<AtomicBool>,
    nap: Nap,
    thread: JoinHandle<()>,
}

/// What was counted on one core since the switch started.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    pub(super) core: Option<usize>,
    pub(super) generation: u64,
    pub(super) worker: WorkerCounters,
    pub(super) ports: Vec<PortCounters>,
    drops: Vec<u64>,
}

impl Workers {
    /// One worker a core; none runs yet.
    pub(super) fn new(
        cores: Vec<Option<CoreId>>,
        seed: Seed,
        bell: Arc<Bell>,
        controller: PuntRate,
    ) -> Workers {
        let past = cores.iter().map(|core| Tally { core: core.map(|core| core.id), ..Tally::default() });
        let (past, start) = (past.collect(), Instant::now());
        let (adoptions, running) = (Arc::new(Notify::new()), Vec::new());
        Workers { past, cores, seed, start, bell, adoptions, controller, running, injected_before: 0 }
    }

    /// How many there shall be.
    pub(super) fn count(&self) -> u32 {
        self.cores.len() as u32
    }

    /// Starts them and leads the ports' frames to their sockets.
    ///
    /// # Errors
    /// When one of them has not all it needs; then none runs.
    pub(super) fn start(&mut self, ports: &mut Ports, pipeline: &Arc<Pipeline>) -> Result<()> {
        let started = self.try_start(ports, pipeline);
        if started.is_err() {
            self.stop();
        }
        started
    }

    fn try_start(&mut self, ports: &mut Ports, pipeline: &Arc<Pipeline>) -> Result<()> {
        let (ready, started) = mpsc::channel();
        let buffers = ports.buffers();
        ports.warn_of_length();
        for (index, core) in self.cores.iter().enumerate() {
            let (publisher, inbox) = channel();
            let (reporter, reports) = if buffers.long { reports_of_long_frames() } else { reports() };
            let (injector, injections) = injections();
            let shared = Arc::new(SharedStats::new(ports.list.len()));
            let wake = EventFd::from_flags(EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC);
            let wake = Arc::new(wake.context("out of file descriptors")?);
            let stop = Arc::new(AtomicBool::new(false));
            let nap = Nap::default();
            let spec = worker::Spec {
                index,
                core: *core,
                devices: ports.share(index as u32, self.count()),
                buffers,
                pipeline: pipeline.clone(),
                inbox,
                reporter: reporter.limited(self.controller, self.seed),
                injections,
                bell: self.bell.clone(),
                shared: shared.clone(),
                seed: self.seed,
                start: self.start,
                wake: wake.clone(),
                stop: stop.clone(),
                nap: nap.clone(),
            };
            let ready = ready.clone();
            let thread = std::thread::Builder::new()
                .name(format!("worker-{index}"))
                .spawn(move || worker::run(spec, &ready))
                .context("cannot start a thread")?;
            self.running.push(Running { publisher, reports, injector, shared, wake, stop, nap, thread });
        }
        for _ in &self.running {
            let bound = started.recv_timeout(PATIENCE).map_err(|_| anyhow!("a worker did not start"))??;
            ports.bind(&bound)?;
        }
        Ok(())
    }

    /// When their clock began.
    pub(super) fn start_of_clock(&self) -> Instant {
        self.start
    }

    /// What their clock shows, in milliseconds.
    pub(super) fn now_ms(&self) -> u64 {
        self.start.elapsed().as_millis() as u64
    }

    /// What they have seen and nobody has taken up yet.
    pub(super) fn sightings(&self) -> impl Iterator<Item = Sighting> {
        self.running.iter().flat_map(|worker| std::iter::from_fn(|| worker.reports.sighting()))
    }

    /// What frames have taught and nobody has taken up yet.
    pub(super) fn lessons(&self) -> impl Iterator<Item = Lesson> {
        self.running.iter().flat_map(|worker| std::iter::from_fn(|| worker.reports.lesson()))
    }

    /// How often they had no room to tell that; since they were started last.
    pub(super) fn untaught(&self) -> u64 {
        self.running.iter().map(|worker| worker.reports.untaught()).sum()
    }

    /// What they tell the controller and nobody has taken up yet.
    pub(super) fn punted(&self) -> impl Iterator<Item = Punted> {
        self.running.iter().flat_map(|worker| std::iter::from_fn(|| worker.reports.punted()))
    }

    /// Has a frame of control's sent: always by the same worker, so that their order stays. False when too many are under way.
    pub(super) fn inject(&mut self, packet: PacketOut) -> bool {
        let Some(worker) = self.running.first_mut() else { return false };
        let sent = worker.injector.send(packet).is_ok();
        let _ = worker.wake.write(1);
        sent
    }

    /// How many were to be sent so far: the number of the last.
    pub(super) fn injected(&self) -> u64 {
        self.injected_before + self.running.first().map_or(0, |worker| worker.injector.sent())
    }

    /// Whether all up to the one of this number have left. Those of a worker that has ended have left, or are lost.
    pub(super) fn has_injected(&mut self, number: u64) -> bool {
        let of_running = number.saturating_sub(self.injected_before);
        self.running.first_mut().is_none_or(|worker| worker.injector.has_done(of_running))
    }

    /// Wakes control as if one of them had told something.
    pub(super) fn ring(&self) {
        self.bell.ring();
    }

    /// How often they had no room to tell what they have seen; since they were started last.
    pub(super) fn unsaid(&self) -> u64 {
        self.running.iter().map(|worker| worker.reports.unsaid()).sum()
    }

    /// Workers have told something: those who wait for them look again.
    pub(super) fn look_again(&self) {
        self.adoptions.notify_waiters();
    }

    /// To wait for those that run now.
    pub(super) fn sweeper(&self) -> Sweeper {
        let awaited = |worker: &Running| Awaited {
            shared: worker.shared.clone(),
            wake: worker.wake.clone(),
            stop: worker.stop.clone(),
            nap: worker.nap.clone(),
        };
        Sweeper::new(self.running.iter().map(awaited).collect(), self.adoptions.clone())
    }

    /// Hands them a new pipeline.
    pub(super) fn publish(&self, pipeline: &Arc<Pipeline>) {
        // Nobody is woken: one that is awake comes by, and one that sleeps at the latest before it handles a frame ([`Nap`]).
        self.running.iter().for_each(|worker| worker.publisher.publish(pipeline.clone()));
    }

    /// Frees the pipelines that they do not go by any more.
    pub(super) fn take_back(&self) {
        self.running.iter().for_each(|worker| worker.publisher.take_back());
    }

    /// Every worker goes by this generation of the pipeline or a later one, and has since written what it had counted before: for
    /// [`Pipeline::settled`].
    pub(super) fn settled(&self) -> u64 {
        self.running.iter().map(|worker| worker.shared.settled()).min().unwrap_or(0)
    }

    /// One that is not there any more though nobody has ended it: it has panicked, where that does not end the whole process.
    pub(super) fn lost(&self) -> Option<usize> {
        self.running.iter().position(|worker| worker.thread.is_finished())
    }

    /// Ends them, and keeps what they counted.
    pub(super) fn stop(&mut self) {
        self.injected_before = self.injected();
        for worker in &self.running {
            worker.stop.store(true, Ordering::Relaxed);
            let _ = worker.wake.write(1);
        }
        for (worker, past) in self.running.drain(..).zip(&mut self.past) {
            let _ = worker.thread.join();
            past.add(&worker.shared.read());
        }
    }

    /// What was counted so far, one entry a worker.
    pub(super) fn tallies(&self) -> Vec<Tally> {
        let mut tallies = self.past.clone();
        for (tally, worker) in tallies.iter_mut().zip(&self.running) {
            tally.add(&worker.shared.read());
        }
        tallies
    }
}

impl Tally {
    /// How many frames died of a reason.
    pub(super) fn drops(&self, reason: DropReason) -> u64 {
        self.drops.get(reason as usize).copied().unwrap_or(0)
    }

    /// The counters of a port.
    pub(super) fn port(&self, index: usize) -> PortCounters {
        self.ports.get(index).copied().unwrap_or_default()
    }

    fn add(&mut self, more: &Snapshot) {
        self.generation = more.generation;
        let WorkerCounters {
            turns,
            idle_turns,
            hits,
            masked_hits,
            misses,
            unkept,
            adoptions,
            flows,
            masks,
            too_long,
            perf,
        } = more.worker;
        self.worker.turns += turns;
        self.worker.idle_turns += idle_turns;
        self.worker.hits += hits;
        self.worker.masked_hits += masked_hits;
        self.worker.misses += misses;
        self.worker.unkept += unkept;
        self.worker.adoptions += adoptions;
        (self.worker.flows, self.worker.masks) = (flows, masks);
        self.worker.too_long = self.worker.too_long.plus(&too_long);
        self.worker.perf = self.worker.perf.plus(&perf);
        self.ports.resize(more.ports.len().max(self.ports.len()), PortCounters::default());
        for (sum, port) in self.ports.iter_mut().zip(&more.ports) {
            let PortCounters { rx_packets, rx_bytes, rx_missed, tx_packets, tx_bytes, tx_errors, drops } =
                *port;
            sum.rx_packets += rx_packets;
            sum.rx_bytes += rx_bytes;
            sum.rx_missed += rx_missed;
            sum.tx_packets += tx_packets;
            sum.tx_bytes += tx_bytes;
            sum.tx_errors += tx_errors;
            sum.drops += drops;
        }
        self.drops.resize(DropReason::ALL.len(), 0);
        for (reason, count) in more.drops.iter() {
            self.drops[reason as usize] += count;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::learn::bell;
    use super::*;

    #[tokio::test]
    async fn a_worker_that_panics_is_missed() {
        let (_news, bell) = bell().expect("a bell");
        let mut workers = Workers::new(vec![None], Seed::new(1), bell, PuntRate::default());
        assert_eq!(workers.lost(), None);
        let (publisher, reports, injector) = (channel().0, reports().1, injections().0);
        let (shared, wake) = (Arc::new(SharedStats::new(0)), Arc::new(EventFd::new().expect("a descriptor")));
        let (go, wait) = mpsc::channel::<()>();
        let thread = std::thread::spawn(move || wait.recv().expect("somebody who says go"));
        let stop = Arc::default();
        let nap = Nap::default();
        workers.running.push(Running { publisher, reports, injector, shared, wake, stop, nap, thread });
        assert_eq!(workers.lost(), None);
        drop(go);
        while workers.lost().is_none() {
            std::thread::yield_now();
        }
        workers.stop();
        assert_eq!(workers.lost(), None);
    }
}
