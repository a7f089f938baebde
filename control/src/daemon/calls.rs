//! What tasks that serve clients ask of the daemon, which alone changes the switch.

use super::Daemon;
use super::monitors::Listening;
use super::openflow::Ask;
use super::sweep::Sweeper;
use crate::api::Done;
use crate::netlink::Remote;
use crate::ofproto::{Applied, Error, Ofproto, OptionMod, Request};
use crate::replay::{Plan, PlannedPort};
use crate::status::Status;
use crate::text::Names;
use datapath::flow::Seed;
use std::net::IpAddr;
use std::sync::Arc;
use tokio::sync::oneshot;

/// What came of a change, and how to wait for the workers.
pub(super) type Changed = Result<(Done, Sweeper), (usize, Error)>;
/// Where it is told.
pub(super) type Reply = oneshot::Sender<Changed>;

/// A question to the daemon, and where its answer goes.
pub(super) enum Call {
    /// Everything that `adit show` tells.
    Status(oneshot::Sender<Status>),
    /// The switch as it is.
    View(oneshot::Sender<View>),
    /// What the controller is told from now on; None when too many listen.
    Monitor(oneshot::Sender<Option<Listening>>),
    /// Do all of this, or nothing.
    Change(Vec<Request>, Reply),
    /// Change what Geneve options are called.
    Options(OptionMod, oneshot::Sender<Result<(Done, Sweeper), Error>>),
    /// Whether the frames that were to be sent have left, up to the one of this number.
    HasInjected(u64, oneshot::Sender<bool>),
    /// What somebody asks who speaks OpenFlow.
    OpenFlow(Ask),
}

/// The switch at one moment. Counters are not of that moment: they are read when they are asked for.
pub(super) struct View {
    pub(super) switch: Ofproto,
    pub(super) names: Arc<Names>,
    /// Names of options alone.
    pub(super) numbers: Names,
    pub(super) sweeper: Sweeper,
    /// In milliseconds of the workers' clock.
    pub(super) now: u64,
    ports: Vec<PlannedPort>,
    seed: Seed,
}

impl View {
    /// What a packet is traced through.
    pub(super) fn plan(&self) -> Plan {
        Plan::live(self.ports.clone(), self.switch.pipeline().uncounted(), (*self.names).clone(), self.seed)
    }
}

impl Daemon {
    /// Answers. That nobody waits for the answer any more is no fault.
    pub(super) fn take(&mut self, call: Call) {
        match call {
            Call::Status(reply) => drop(reply.send(self.status())),
            Call::Monitor(reply) => drop(reply.send(self.monitors.join())),
            Call::View(reply) => {
                // Who looks sees what workers go by.
                self.publish_gathered();
                drop(reply.send(self.view()));
            }
            Call::Change(requests, reply) => self.ask_change(requests, reply),
            Call::Options(change, reply) => drop(reply.send(self.name_options(change))),
            Call::HasInjected(number, reply) => drop(reply.send(self.workers.has_injected(number))),
            Call::OpenFlow(ask) => self.openflow(ask),
        }
    }

    pub(super) fn view(&self) -> View {
        View {
            switch: self.switch.clone(),
            numbers: Names { options: self.names.options.clone(), ..Names::default() },
            names: self.names.clone(),
            sweeper: self.workers.sweeper(),
            now: self.workers.now_ms(),
            ports: self.ports.list.iter().map(|port| PlannedPort::of(&port.name, port.role)).collect(),
            seed: self.seed,
        }
    }

    /// Does all of this now, or nothing.
    pub(super) fn change(&mut self, requests: Vec<Request>) -> Changed {
        let applied = self.switch.bundle(self.workers.now_ms(), requests)?;
        let generation = self.publish_if_changed(&applied);
        let Applied { added, modified, others_removed, removed, .. } = applied;
        let removed = others_removed + removed.len();
        Ok((Done { added, modified, removed, generation }, self.workers.sweeper()))
    }

    /// Removes the flows whose time is over.
    pub(super) async fn expire(&mut self) {
        let sweeper = self.workers.sweeper();
        sweeper.settle().await;
        self.looked_ms = self.workers.now_ms();
        let applied = self.switch.expire(self.looked_ms);
        self.publish_if_changed(&applied);
    }

    /// Hands the workers what has changed; returns its generation.
    fn publish_if_changed(&mut self, applied: &Applied) -> u64 {
        if !applied.changes() {
            return 0;
        }
        self.flows_went(applied);
        self.publish()
    }

    /// Hands the workers what waits for more to come with it.
    fn publish_gathered(&mut self) {
        if self.gathering.is_some() {
            self.publish();
        }
    }

    /// Hands the workers the switch as it is; returns its generation.
    pub(super) fn publish(&mut self) -> u64 {
        if let Some(gathering) = self.gathering.take() {
            self.gathered = Some((gathering, tokio::time::Instant::now()));
        }
        if self.remotes_known != self.switch.remotes_changed() {
            self.remotes_known = self.switch.remotes_changed();
            self.watcher.set_remotes(self.remotes());
        }
        self.switch.settled(self.workers.settled());
        let pipeline = self.switch.snapshot();
        self.workers.publish(&pipeline);
        pipeline.generation()
    }

    /// Changes what Geneve options are called; workers are to be told when it is another than before.
    pub(super) fn change_options(&mut self, change: OptionMod) -> Result<bool, Error> {
        let changed = self.switch.option_mod(change)?;
        if changed {
            let options = self.switch.options().clone();
            self.names = Arc::new(Names { options, ..(*self.names).clone() });
            self.tell_options();
        }
        Ok(changed)
    }

    /// The same, and hands it to the workers.
    fn name_options(&mut self, change: OptionMod) -> Result<(Done, Sweeper), Error> {
        let changed = self.change_options(change)?;
        let generation = if changed { self.publish() } else { 0 };
        Ok((Done { modified: changed.into(), generation, ..Done::default() }, self.workers.sweeper()))
    }

    /// Every remote end that frames can be sent to: those of the tunnel ports, those that flows set or wait to set, and those that
    /// stations were seen behind. The address of ours that a port is bound to goes first.
    pub(super) fn remotes(&self) -> Vec<Remote> {
        let of_ports = self.bridge.remotes().into_iter();
        let bundled = self.controllers.bundled.iter().copied();
        let of_flows = self.switch.remotes().chain(self.awaited.remotes()).chain(bundled);
        let others = of_flows.chain(self.learner.remotes()).map(|remote: IpAddr| (remote, None));
        of_ports.chain(others).map(|(addr, local)| Remote { addr, local }).collect()
    }
}
