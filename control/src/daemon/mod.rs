//! `adit run`: claims the devices, starts the workers, follows the kernel's underlay, answers on a socket, and leaves the
//! host as it was.
//!
//! Control runs on the main thread and touches no packet. When it dies the workers die with it, the kernel takes the XDP
//! programs off the devices, and what they claimed goes to the kernel again.

mod awaited;
mod buffers;
mod calls;
mod doubts;
mod farewell;
mod filter;
mod follow;
mod inject;
mod learn;
mod local;
mod monitors;
mod mtu;
mod nap;
mod openflow;
mod patience;
mod pmtu;
mod ports;
mod reload;
mod report;
mod returns;
mod rows;
mod serving;
mod silence;
mod socket;
mod start;
mod sweep;
mod texts;
mod worker;
mod workers;

pub(crate) use openflow::fits;
pub(crate) use socket::no_socket;
pub use start::run;

use crate::causes::in_one_line;
use crate::compile::Bridge;
use crate::config::{self, Config};
use crate::learning::Learner;
use crate::netlink::Watcher;
use crate::ofproto::Ofproto;
use crate::pmtu::{Learned, Listener, Sent};
use crate::status::LearnedStatus;
use crate::text::Names;
use anyhow::{Context, Result, bail};
use awaited::Awaited;
use calls::Call;
use datapath::flow::Seed;
use datapath::pipeline::Pipeline;
use datapath::tunnel::{Reach, Underlay};
use datapath::worker::Role;
use doubts::Doubts;
use inject::Injected;
use local::Local;
use monitors::Monitors;
use openflow::{Controllers, Gathering, Hearing, Listeners, Tls};
use ports::Ports;
use returns::Returns;
use silence::Silence;
use std::collections::VecDeque;
use std::path::PathBuf;
use std::pin::pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::UnixDatagram;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::sleep_until;
use workers::Workers;

/// How many questions of clients wait at a time.
const CALLS_MAX: usize = 16;
/// Flows whose time is over are looked for so often at the most, and at the least.
const EXPIRY_MS: u64 = 50;
/// How long nobody asks the kernel for its routes after it could not be read.
const ROUTES_AGAIN: Duration = Duration::from_secs(1);
const REVIEW: Duration = Duration::from_secs(3600);

struct Daemon {
    /// Where the configuration was read.
    file: PathBuf,
    config: Config,
    bridge: Bridge,
    ports: Ports,
    workers: Workers,
    watcher: Watcher,
    listener: socket::Listener,
    seed: Seed,
    switch: Ofproto,
    /// Changes that wait for the ways that they need.
    awaited: Awaited,
    /// Of which its remote ends are followed ([`Ofproto::remotes_changed`]).
    remotes_known: u64,
    /// The same of those that stations were seen behind.
    remotes_met: u64,
    /// When it was last looked for flows whose time is over, by the workers' clock.
    looked_ms: u64,
    /// The names of the bridge's ports and options.
    names: Arc<Names>,
    /// What the underlay has said of packets that did not fit, and who hears it.
    learned: Learned,
    sent: Sent,
    doubts: Doubts,
    routers: Option<Listener>,
    /// The underlay that it knows.
    published: Underlay,
    since: Instant,
    /// What the processor's counter of cycles showed then.
    counter: Option<u64>,
    /// The shortage that was told last.
    shortage: Option<mtu::Shortage>,
    silence: Silence,
    /// Devices that came back and could not be used.
    returns: Returns,
    learner: Learner,
    /// What became of the lessons of frames, since the start.
    lessons: LearnedStatus,
    monitors: Monitors,
    /// Who speaks OpenFlow with us.
    controllers: Controllers,
    datapath_id: u64,
    /// When to look next whether entries that have gone can be told of; None: there are none.
    farewells_at: Option<tokio::time::Instant>,
    /// When something was due last.
    reviewed: tokio::time::Instant,
    /// Requests of theirs that take long.
    unfinished: VecDeque<Hearing>,
    /// When to publish what they have changed; None: they have changed nothing since.
    gathering: Option<Gathering>,
    /// Those that were published last, and when.
    gathered: Option<(Gathering, tokio::time::Instant)>,
    doors: Option<Listeners>,
    tls: Option<Tls>,
    /// What became of frames that controllers sent.
    injected: Injected,
    /// Becomes readable when a worker has told something.
    news: UnixDatagram,
    /// The host's own port, which goes with the switch.
    _local: Option<Local>,
}

impl Daemon {
    async fn serve(&mut self, mut hangup: Signal) -> Result<ExitCode> {
        let mut terminate = signal(SignalKind::terminate()).context("cannot wait for signals")?;
        let mut interrupt = signal(SignalKind::interrupt()).context("cannot wait for signals")?;
        self.announce();
        // What happened while we were starting.
        self.follow().await?;
        let (calls, mut called) = mpsc::channel::<Call>(CALLS_MAX);
        let clients = Arc::new(Semaphore::new(serving::CLIENTS_MAX));
        if let Some(doors) = self.doors.take() {
            doors.serve(&self.config.openflow.protocols, &calls, &self.controllers.tap);
        }
        self.go_to_controllers(&calls);
        let mut rung = [0];
        let mut aging = tokio::time::interval(learn::AGING);
        let mut read_routes = tokio::time::Instant::now();
        let mut alarm = pin!(sleep_until(tokio::time::Instant::now()));
        loop {
            let until = self.next_due();
            if alarm.deadline() != until {
                alarm.as_mut().reset(until);
            }
            tokio::select! {
                _ = terminate.recv() => return Ok(ExitCode::SUCCESS),
                _ = interrupt.recv() => return Ok(ExitCode::SUCCESS),
                _ = hangup.recv() => self.reload()?,
                // Once a second it is looked here in any case.
                underlay = self.watcher.next(), if read_routes <= tokio::time::Instant::now() => match underlay {
                    Ok(_) => {
                        self.follow().await?;
                        self.do_awaited();
                    }
                    Err(error) => {
                        eprintln!("adit: the kernel's routes cannot be read, trying again: {}", in_one_line(&error));
                        read_routes = tokio::time::Instant::now() + ROUTES_AGAIN;
                    }
                },
                report = pmtu::heard(&mut self.routers) => self.hear(&report).await?,
                Some(call) = called.recv() => self.take(call),
                () = tokio::task::yield_now(), if !self.unfinished.is_empty() => self.go_on(),
                () = &mut alarm => self.do_due().await?,
                // What a worker tells from here on rings again.
                _ = self.news.recv(&mut rung) => {
                    self.workers.look_again();
                    // Now, while nobody may be waiting, and not when somebody has the next rules published.
                    self.workers.take_back();
                    if self.tell() | self.learn() | self.take_up_lessons() {
                        // The rest comes when all others had their turn.
                        self.workers.ring();
                    }
                }
                _ = aging.tick() => {
                    if let Some(worker) = self.workers.lost() {
                        bail!("worker {worker} has ended by itself: no frames go any more; see above for what it said last");
                    }
                    self.switch.settled(self.workers.settled());
                    self.age();
                    self.note_sent();
                    self.stand_alone();
                    self.bundles_wait();
                }
                client = self.listener.next() => {
                    // One too many is turned away: its connection ends here.
                    if let Ok(place) = clients.clone().try_acquire_owned() {
                        let calls = calls.clone();
                        tokio::spawn(async move {
                            serving::serve(client, calls).await;
                            drop(place);
                        });
                    }
                }
            }
        }
    }

    /// When there is something to do though nobody asks for it. The same as long as nothing changes.
    fn next_due(&mut self) -> tokio::time::Instant {
        if self.has_farewells() && self.farewells_at.is_none() {
            self.farewells_at = Some(tokio::time::Instant::now() + farewell::PAUSE);
        }
        let review = self.reviewed + REVIEW;
        let publish_by = self.gathering.map(|gathering| gathering.until);
        let some = [
            self.learned_until(),
            self.awaited.until(),
            publish_by,
            self.next_expiry(),
            self.farewells_at,
            self.try_again_at(),
            self.doubts.until(),
        ];
        some.into_iter().flatten().fold(review, tokio::time::Instant::min)
    }

    /// Does what is due by now.
    async fn do_due(&mut self) -> Result<()> {
        let now = tokio::time::Instant::now();
        let is_due = |at: Option<tokio::time::Instant>| at.is_some_and(|at| at <= now);
        self.reviewed = now;
        if is_due(self.gathering.map(|gathering| gathering.until)) {
            self.publish();
        }
        if is_due(self.awaited.until()) {
            self.do_awaited();
        }
        if is_due(self.farewells_at) {
            self.farewells_at = None;
            self.say_farewells();
        }
        if is_due(self.next_expiry()) {
            self.expire().await;
        }
        if is_due(self.doubts.until()) {
            self.hear_doubted().await?;
        }
        if is_due(self.learned_until()) || is_due(self.try_again_at()) {
            self.follow().await?;
        }
        Ok(())
    }

    /// When to look for flows whose time is over.
    fn next_expiry(&self) -> Option<tokio::time::Instant> {
        // Counted from the last look and not from now: however often something else happens, the time comes.
        let due = self.switch.deadline()?.max(self.looked_ms + EXPIRY_MS);
        Some((self.workers.start_of_clock() + Duration::from_millis(due)).into())
    }

    fn announce(&mut self) {
        let ports: Vec<String> =
            self.ports.list.iter().map(|port| format!("{} ({})", port.name, port.mode)).collect();
        for (remote, reach) in self.watcher.current().iter() {
            if !matches!(reach, Reach::Via(_)) {
                eprintln!("adit: not reachable yet: {}", self.watcher.explain(*remote));
            }
        }
        self.warn_of_mtu();
        self.config.warnings().iter().for_each(|warning| eprintln!("adit: {warning}"));
        if self.switch.is_empty() {
            eprintln!("adit: {}", config::NO_FLOWS);
        }
        eprintln!(
            "adit: ready: bridge {}, {} flows, ports {}",
            self.config.bridge.name,
            self.switch.len(),
            ports.join(", ")
        );
    }

    /// Says when guests' longest frames do not fit the underlay. The same is not said twice in a row: ways come and go.
    fn warn_of_mtu(&mut self) {
        let guests = self.ports.list.iter().filter(|port| port.role != Role::Uplink);
        let guests = guests.map(|port| (port.name.as_str(), port.mtu));
        let shortage = mtu::shortage(guests, &self.bridge.tunnels, &self.underlay());
        if let Some(short) = &shortage
            && self.shortage != shortage
        {
            eprintln!("adit: {short}");
            self.shortage = shortage;
        }
    }

    /// The newest snapshot, made of what is known now.
    fn compile(&mut self) -> Result<Arc<Pipeline>> {
        self.published = self.underlay();
        self.switch.settled(self.workers.settled());
        self.switch.set_base(self.bridge.base(self.published.clone(), self.seed)?);
        Ok(self.switch.snapshot())
    }

    async fn stop(mut self) {
        self.workers.stop();
        self.watcher.close().await;
    }
}
