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
mod sweep;
mod texts;
mod worker;
mod workers;

pub(crate) use openflow::fits;
pub(crate) use socket::no_socket;

use crate::causes::in_one_line;
use crate::compile::Bridge;
use crate::config::{self, Config, Rules};
use crate::learning::Learner;
use crate::netlink::{Remote, Uplink, Watcher};
use crate::ofproto::Ofproto;
use crate::pmtu::{Learned, Listener, Sent};
use crate::status::LearnedStatus;
use crate::text::{Diagnostic, Names};
use anyhow::{Context, Result, anyhow, bail};
use awaited::Awaited;
use calls::Call;
use datapath::flow::Seed;
use datapath::pipeline::Pipeline;
use datapath::port::PortId;
use datapath::stats::cycles;
use datapath::tunnel::{Reach, Underlay};
use datapath::worker::Role;
use doubts::Doubts;
use inject::Injected;
use local::Local;
use monitors::Monitors;
use nix::sys::resource::{Resource, setrlimit};
use openflow::{Controllers, Gathering, Hearing, Listeners, Tls};
use ports::Ports;
use returns::Returns;
use silence::Silence;
use std::collections::VecDeque;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::{Path, PathBuf};
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

/// Runs until a signal says stop.
///
/// # Errors
/// When the configuration is faulty or something that it names cannot be had.
pub fn run(file: &Path, socket: &Path) -> Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the control thread's event loop")?;
    // Before anything is read: unheard it would end us, and whoever changes the configuration while we start says so by it.
    let hangup = {
        let _inside = runtime.enter();
        signal(SignalKind::hangup()).context("cannot wait for signals")?
    };
    let (config, rules) = match load(file) {
        Ok(loaded) => loaded,
        Err(faults) => {
            faults.iter().for_each(|fault| eprintln!("{fault}"));
            bail!("{} fault(s): see above; `adit check` tells them without starting anything", faults.len());
        }
    };
    // Sockets pin their memory; root may, others are told by the kernel when they may not.
    let _ = setrlimit(Resource::RLIMIT_MEMLOCK, u64::MAX, u64::MAX);
    runtime.block_on(async {
        let mut daemon = Daemon::start(file.to_owned(), config, rules, socket).await?;
        // A task like those that ask it: the runtime looks for news of the kernel before it goes back to what is not one, every time.
        let serving = tokio::spawn(async move {
            let outcome = daemon.serve(hangup).await;
            daemon.stop().await;
            outcome
        });
        serving.await?
    })
}

/// The configuration, and the flows, groups and meters that it names.
fn load(path: &Path) -> Result<(Config, Rules), Vec<Diagnostic>> {
    let config = config::read(path)?;
    let rules = config.rules()?;
    Ok((config, rules))
}

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
    async fn start(file: PathBuf, config: Config, rules: Rules, socket: &Path) -> Result<Daemon> {
        let listener = socket::Listener::bind(socket)?;
        let rundir = socket.parent().unwrap_or(Path::new(""));
        let rundir = config.openflow.rundir.as_deref().unwrap_or(rundir);
        let tls = config.openflow.ssl.as_ref().map(Tls::new).transpose()?;
        let doors = Listeners::open(&config, rundir, tls.as_ref()).await?;
        let seed = Seed::new(RandomState::new().build_hasher().finish());
        let (news, bell) = learn::bell().context("out of file descriptors")?;
        let mut workers = Workers::new(cores(&config)?, seed, bell, config.bridge.controller);
        let local = match config.bridge.local {
            true => Some(Local::make(&config.bridge.name, workers.count()).await?),
            false => None,
        };
        let mut ports = Ports::claim(&config, workers.count()).await?;
        let (tunnels, endpoints) = (config.tunnel_specs(), ports.endpoints.clone());
        let (switching, stations) = (config.switching(), config.stations());
        let guests = ports.guests();
        let queues = config.queues();
        let bridge = Bridge { guests, queues, tunnels, endpoints, switching, stations, ..Bridge::default() };
        let mut switch = Ofproto::new(bridge.base(Underlay::default(), seed)?);
        switch.pipeline_mut().set_options(config.bridge.options.clone());
        bridge.install_queues(switch.pipeline_mut());
        bridge
            .stations
            .iter()
            .for_each(|(station, place)| switch.pipeline_mut().learn(*station, *place, true));
        rules.install(&mut switch, workers.now_ms())?;
        let of_flows = switch.remotes().map(|remote| (remote, None));
        let remotes = bridge.remotes().into_iter().chain(of_flows);
        let remotes = remotes.map(|(addr, local)| Remote { addr, local });
        let mut watcher = Watcher::start(&uplinks(&config), remotes).await?;
        watcher.follow(ports.list.iter().map(|port| &port.device));
        let published = watcher.current().clone();
        switch.set_base(bridge.base(published.clone(), seed)?);
        let mut silence = Silence::default();
        silence.keep(ports.exposed());
        workers.start(&mut ports, &switch.snapshot())?;
        let (since, counter) = (Instant::now(), cycles::now());
        Ok(Daemon {
            file,
            names: Arc::new(config.port_names()),
            remotes_known: switch.remotes_changed(),
            remotes_met: 0,
            looked_ms: 0,
            switch,
            awaited: Awaited::default(),
            learner: Learner::new(config.bridge.learning),
            lessons: LearnedStatus::default(),
            monitors: Monitors::default(),
            controllers: Controllers::default(),
            datapath_id: datapath_id(&config),
            unfinished: VecDeque::new(),
            farewells_at: None,
            reviewed: tokio::time::Instant::now(),
            gathering: None,
            doors: Some(doors),
            tls,
            injected: Injected::default(),
            news,
            _local: local,
            config,
            bridge,
            ports,
            workers,
            watcher,
            listener,
            seed,
            learned: Learned::default(),
            sent: Sent::default(),
            doubts: Doubts::default(),
            routers: pmtu::listen(),
            published,
            since,
            counter,
            shortage: None,
            silence,
            returns: Returns::default(),
        })
    }

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
                    if self.tell() | self.learn() | self.take_up_lessons() {
                        // The rest comes when all others had their turn.
                        self.workers.ring();
                    }
                }
                _ = aging.tick() => {
                    if let Some(worker) = self.workers.lost() {
                        bail!("worker {worker} has ended by itself: no frames go any more; see above for what it said last");
                    }
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

/// The number of the switch: the one that is configured, or one of the machine and the bridge, which is the same when it is started again.
fn datapath_id(config: &Config) -> u64 {
    if let Some(id) = config.openflow.datapath_id {
        return id;
    }
    // FNV-1a, which says the same in every version of adit.
    let hash = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
    let machine = std::fs::read("/etc/machine-id").unwrap_or_default();
    let hash = machine.iter().chain(config.bridge.name.as_bytes()).fold(0xcbf2_9ce4_8422_2325, hash);
    // As a MAC address that its owner has made up.
    (hash & 0xfeff_ffff_ffff) | 1 << 41
}

fn uplinks(config: &Config) -> Vec<Uplink> {
    let uplink =
        |(uplink, id): (&config::Uplink, u16)| Uplink { device: uplink.device.clone(), port: PortId(id) };
    config.uplinks.iter().zip(0..).map(uplink).collect()
}

/// One core a worker; one worker without a core of its own when none is named.
fn cores(config: &Config) -> Result<Vec<Option<core_affinity::CoreId>>> {
    if config.worker.cores.is_empty() {
        return Ok(vec![None]);
    }
    let here = core_affinity::get_core_ids().unwrap_or_default();
    let core = |wanted: &u16| {
        let found = here.iter().find(|core| core.id == usize::from(*wanted)).copied();
        found.map(Some).ok_or_else(|| {
            let ids: Vec<String> = here.iter().map(|core| core.id.to_string()).collect();
            anyhow!("[worker] cores asks for core {wanted}; this process may use {}", ids.join(", "))
        })
    };
    config.worker.cores.iter().map(core).collect()
}
