//! `adit run`: claims the devices, starts the workers, follows the kernel's underlay, answers on a socket, and leaves the
//! host as it was.
//!
//! Control runs on the main thread and touches no packet. When it dies the workers die with it, the kernel takes the XDP
//! programs off the devices, and what they claimed goes to the kernel again.

mod mtu;
mod ports;
mod socket;
mod worker;

pub use socket::ask;

use crate::compile::Bridge;
use crate::config::{self, Config, Rules};
use crate::netlink::{Remote, Uplink, Watcher};
use crate::status::{
    BridgeStatus, DropStatus, PortStatus, RemoteStatus, SCHEMA, Status, TunnelStatus, WorkerStatus, XdpStatus,
};
use crate::text::Diagnostic;
use anyhow::{Context, Result, anyhow, bail};
use datapath::flow::Seed;
use datapath::pipeline::Pipeline;
use datapath::port::PortId;
use datapath::stats::{DropReason, SharedStats};
use datapath::tunnel::{Key, Reach, Remote as TunnelRemote, Underlay};
use datapath::worker::{Publisher, Role, channel};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::resource::{Resource, setrlimit};
use ports::Ports;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::signal::unix::{SignalKind, signal};

/// How long a worker may take to open its sockets; the kernel holds on to a queue for a while after its last user.
const PATIENCE: Duration = Duration::from_secs(20);

/// Runs until a signal says stop.
///
/// # Errors
/// When the configuration is faulty or something that it names cannot be had.
pub fn run(config: &Path, socket: &Path) -> Result<ExitCode> {
    let (config, rules) = match load(config) {
        Ok(loaded) => loaded,
        Err(faults) => {
            faults.iter().for_each(|fault| eprintln!("{fault}"));
            bail!("{} fault(s): see above; `adit check` tells them without starting anything", faults.len());
        }
    };
    // Sockets pin their memory; root may, others are told by the kernel when they may not.
    let _ = setrlimit(Resource::RLIMIT_MEMLOCK, u64::MAX, u64::MAX);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the control thread's event loop")?;
    runtime.block_on(async {
        let mut daemon = Daemon::start(config, rules, socket).await?;
        let outcome = daemon.serve().await;
        daemon.stop().await;
        outcome
    })
}

/// The configuration, and the flows and groups that it names.
fn load(path: &Path) -> Result<(Config, Rules), Vec<Diagnostic>> {
    let config = config::read(path)?;
    let rules = config.rules()?;
    Ok((config, rules))
}

struct WorkerHandle {
    core: Option<usize>,
    publisher: Publisher,
    shared: Arc<SharedStats>,
    wake: Arc<EventFd>,
    thread: JoinHandle<()>,
}

struct Daemon {
    config: Config,
    bridge: Bridge,
    ports: Ports,
    workers: Vec<WorkerHandle>,
    watcher: Watcher,
    listener: socket::Listener,
    stop: Arc<AtomicBool>,
    seed: Seed,
    pipeline: Pipeline,
    since: Instant,
    /// The shortage that was told last.
    shortage: Option<mtu::Shortage>,
}

impl Daemon {
    async fn start(config: Config, rules: Rules, socket: &Path) -> Result<Daemon> {
        let listener = socket::Listener::bind(socket)?;
        let cores = cores(&config)?;
        let count = cores.len() as u32;
        let mut ports = Ports::claim(&config, count).await?;
        let bridge = Bridge {
            rules: rules.flows,
            groups: rules.groups,
            guests: ports.guests(),
            tunnels: config.tunnel_specs(),
            endpoints: ports.endpoints.clone(),
        };
        let remotes = bridge.remotes().into_iter().map(|(addr, local)| Remote { addr, local });
        let watcher = Watcher::start(&uplinks(&config), remotes).await?;
        let seed = Seed::new(RandomState::new().build_hasher().finish());
        let stop = Arc::new(AtomicBool::new(false));
        let mut pipeline = bridge.compile(watcher.current().clone(), seed)?;
        let first = pipeline.snapshot();

        let (ready, started) = mpsc::channel();
        let mut workers = Vec::new();
        for (index, core) in cores.into_iter().enumerate() {
            let (publisher, inbox) = channel();
            let shared = Arc::new(SharedStats::new(ports.list.len()));
            let wake = EventFd::from_flags(EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC);
            let wake = Arc::new(wake.context("out of file descriptors")?);
            let spec = worker::Spec {
                index,
                core,
                devices: ports.share(index as u32, count),
                chunk: ports.chunk,
                pipeline: first.clone(),
                inbox,
                shared: shared.clone(),
                seed,
                wake: wake.clone(),
                stop: stop.clone(),
            };
            let ready = ready.clone();
            let thread = std::thread::Builder::new()
                .name(format!("worker-{index}"))
                .spawn(move || worker::run(spec, &ready))
                .context("cannot start a thread")?;
            workers.push(WorkerHandle { core: core.map(|core| core.id), publisher, shared, wake, thread });
        }
        for _ in &workers {
            let bound = started.recv_timeout(PATIENCE).map_err(|_| anyhow!("a worker did not start"))??;
            ports.bind(&bound)?;
        }
        let since = Instant::now();
        Ok(Daemon {
            config,
            bridge,
            ports,
            workers,
            watcher,
            listener,
            stop,
            seed,
            pipeline,
            since,
            shortage: None,
        })
    }

    async fn serve(&mut self) -> Result<ExitCode> {
        let mut terminate = signal(SignalKind::terminate()).context("cannot wait for signals")?;
        let mut interrupt = signal(SignalKind::interrupt()).context("cannot wait for signals")?;
        self.announce();
        loop {
            tokio::select! {
                _ = terminate.recv() => return Ok(ExitCode::SUCCESS),
                _ = interrupt.recv() => return Ok(ExitCode::SUCCESS),
                underlay = self.watcher.next() => match underlay {
                    Ok(underlay) => self.publish(underlay)?,
                    Err(error) => {
                        eprintln!("adit: the kernel's routes cannot be read, trying again: {error:#}");
                        tokio::time::sleep(Duration::from_secs(1)).await;
                    }
                },
                client = self.listener.accept() => {
                    if let Ok(client) = client {
                        let status = serde_json::to_string(&self.status()).unwrap_or_default();
                        tokio::spawn(socket::serve(client, status));
                    }
                }
            }
        }
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
        eprintln!(
            "adit: ready: bridge {}, {} flows, ports {}",
            self.config.bridge.name,
            self.bridge.rules.len(),
            ports.join(", ")
        );
    }

    /// Says when guests' longest frames do not fit the underlay. The same is not said twice in a row: ways come and go.
    fn warn_of_mtu(&mut self) {
        let guests = self.ports.list.iter().filter(|port| port.role != Role::Uplink);
        let guests = guests.map(|port| (port.name.as_str(), port.mtu));
        let shortage = mtu::shortage(guests, self.watcher.current());
        if let Some(short) = &shortage
            && self.shortage != shortage
        {
            eprintln!("adit: {short}");
            self.shortage = shortage;
        }
    }

    fn publish(&mut self, underlay: Underlay) -> Result<()> {
        self.pipeline.set_base(self.bridge.base(underlay, self.seed)?);
        let pipeline = self.pipeline.snapshot();
        for worker in &self.workers {
            worker.publisher.publish(pipeline.clone());
            // A full counter means that the worker has not even seen the last one: it will wake.
            let _ = worker.wake.write(1);
        }
        self.warn_of_mtu();
        Ok(())
    }

    async fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        for worker in self.workers {
            let _ = worker.wake.write(1);
            let _ = worker.thread.join();
        }
        self.watcher.close().await;
    }

    fn status(&self) -> Status {
        let readings: Vec<_> = self.workers.iter().map(|worker| worker.shared.read()).collect();
        let ports = self.ports.list.iter().enumerate().map(|(i, port)| {
            let sum = |field: fn(&datapath::stats::PortCounters) -> u64| {
                readings.iter().map(|reading| field(&reading.ports[i])).sum()
            };
            let verdicts = port.attachment.as_ref().and_then(|attachment| attachment.verdicts().ok());
            PortStatus {
                name: port.name.clone(),
                role: if port.role == Role::Uplink { "uplink" } else { "guest" }.to_string(),
                ofport: match port.role {
                    Role::Guest(ofport) => Some(ofport.0),
                    Role::Uplink => None,
                },
                device: port.device.clone(),
                mode: port.mode.clone(),
                queues: port.queues,
                rx_packets: sum(|c| c.rx_packets),
                rx_bytes: sum(|c| c.rx_bytes),
                rx_missed: sum(|c| c.rx_missed),
                tx_packets: sum(|c| c.tx_packets),
                tx_bytes: sum(|c| c.tx_bytes),
                tx_errors: sum(|c| c.tx_errors),
                drops: sum(|c| c.drops),
                xdp: verdicts.map(|v| XdpStatus { claimed: v.claimed, unbound: v.unbound, passed: v.passed }),
            }
        });
        let workers =
            readings.iter().zip(&self.workers).enumerate().map(|(i, (reading, worker))| WorkerStatus {
                worker: i,
                core: worker.core,
                generation: reading.generation,
                turns: reading.worker.turns,
                idle_turns: reading.worker.idle_turns,
                hits: reading.worker.hits,
                masked_hits: reading.worker.masked_hits,
                misses: reading.worker.misses,
                flows: reading.worker.flows,
                masks: reading.worker.masks,
            });
        let drops = DropReason::ALL.iter().filter_map(|reason| {
            let count = readings.iter().map(|reading| reading.drops.get(*reason)).sum();
            let drop = DropStatus { reason: reason.name().into(), count, sentence: reason.sentence().into() };
            (count > 0).then_some(drop)
        });
        let mut underlay: Vec<_> = self
            .watcher
            .current()
            .iter()
            .map(|(remote, reach)| RemoteStatus {
                remote_ip: remote.to_string(),
                reachable: matches!(reach, Reach::Via(_)),
                explanation: self.watcher.explain(*remote),
            })
            .collect();
        underlay.sort_by(|a, b| a.remote_ip.cmp(&b.remote_ip));
        Status {
            schema: SCHEMA,
            version: env!("CARGO_PKG_VERSION").into(),
            pid: std::process::id(),
            uptime_s: self.since.elapsed().as_secs(),
            bridge: BridgeStatus {
                name: self.config.bridge.name.clone(),
                flows: self.bridge.rules.len(),
                generation: self.pipeline.generation(),
            },
            ports: ports.collect(),
            tunnels: tunnels(&self.config),
            underlay,
            workers: workers.collect(),
            drops: drops.collect(),
        }
    }
}

fn tunnels(config: &Config) -> Vec<TunnelStatus> {
    let status = |tunnel: &config::Tunnel| TunnelStatus {
        name: tunnel.name.clone(),
        ofport: tunnel.spec.ofport.0,
        kind: tunnel.spec.kind.to_string(),
        remote_ip: match tunnel.spec.remote {
            TunnelRemote::Fixed(remote) => remote.to_string(),
            TunnelRemote::Flow => "flow".into(),
        },
        local_ip: tunnel.spec.local.map(|local| local.to_string()),
        key: match tunnel.spec.key {
            Key::Fixed(key) => key.to_string(),
            Key::Flow => "flow".into(),
        },
        dst_port: tunnel.spec.dst_port,
    };
    config.tunnels.iter().map(status).collect()
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
