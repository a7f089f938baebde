//! From a configuration to a switch that runs: what is read, claimed and started, in the order in which each needs the one before.

use super::awaited::Awaited;
use super::doubts::Doubts;
use super::inject::Injected;
use super::local::Local;
use super::monitors::Monitors;
use super::openflow::{Controllers, Listeners, Tls};
use super::ports::Ports;
use super::returns::Returns;
use super::silence::Silence;
use super::workers::Workers;
use super::{Daemon, learn, pmtu, socket};
use crate::compile::Bridge;
use crate::config::{self, Config, Rules};
use crate::learning::Learner;
use crate::netlink::{Remote, Uplink, Watcher};
use crate::ofproto::Ofproto;
use crate::pmtu::{Learned, Sent};
use crate::status::LearnedStatus;
use crate::text::Diagnostic;
use anyhow::{Context, Result, anyhow, bail};
use datapath::flow::Seed;
use datapath::port::PortId;
use datapath::stats::cycles;
use datapath::tunnel::Underlay;
use nix::sys::resource::{Resource, setrlimit};
use std::collections::VecDeque;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;
use tokio::signal::unix::{SignalKind, signal};

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
            gathered: None,
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
