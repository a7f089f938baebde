//! What tasks that serve clients ask of the daemon, which alone changes the switch.

use super::Daemon;
use super::monitors::Listening;
use super::sweep::Sweeper;
use crate::api::Done;
use crate::netlink::Remote;
use crate::ofproto::{Applied, Error, Ofproto, Request};
use crate::replay::{Plan, PlannedPort};
use crate::status::Status;
use datapath::flow::{OfPort, Seed};
use datapath::tunnel::{Reach, Underlay};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

/// How long a change waits for the ways to remote ends that it names first.
const WAYS_WAIT: Duration = Duration::from_secs(1);

/// What came of a change, and how to wait for the workers.
pub(super) type Changed = Result<(Done, Sweeper), (usize, Error)>;

/// A question to the daemon, and where its answer goes.
pub(super) enum Call {
    /// Everything that `adit show` tells.
    Status(oneshot::Sender<Status>),
    /// The switch as it is.
    View(oneshot::Sender<View>),
    /// What the controller is told from now on; None when too many listen.
    Monitor(oneshot::Sender<Option<Listening>>),
    /// Do all of this, or nothing.
    Change(Vec<Request>, oneshot::Sender<Changed>),
}

/// The switch at one moment. Counters are not of that moment: they are read when they are asked for.
pub(super) struct View {
    pub(super) switch: Ofproto,
    pub(super) names: Arc<BTreeMap<String, OfPort>>,
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
    pub(super) async fn take(&mut self, call: Call) -> anyhow::Result<()> {
        match call {
            Call::Status(reply) => drop(reply.send(self.status())),
            Call::Monitor(reply) => drop(reply.send(self.monitors.join())),
            Call::View(reply) => drop(reply.send(self.view())),
            Call::Change(requests, reply) => drop(reply.send(self.change(requests).await?)),
        }
        Ok(())
    }

    fn view(&self) -> View {
        View {
            switch: self.switch.clone(),
            names: self.names.clone(),
            sweeper: self.workers.sweeper(),
            now: self.workers.now_ms(),
            ports: self.ports.list.iter().map(|port| PlannedPort::of(&port.name, port.role)).collect(),
            seed: self.seed,
        }
    }

    async fn change(&mut self, requests: Vec<Request>) -> anyhow::Result<Changed> {
        let applied = match self.switch.bundle(self.workers.now_ms(), requests) {
            Ok(applied) => applied,
            Err(refused) => return Ok(Err(refused)),
        };
        self.find_ways().await?;
        let generation = self.publish_if_changed(&applied);
        let Applied { added, modified, others_removed, removed } = applied;
        let removed = others_removed + removed.len();
        Ok(Ok((Done { added, modified, removed, generation }, self.workers.sweeper())))
    }

    /// Remote ends that flows name for the first time: the ways there are found before the flows are handed to the workers, which go on
    /// with what they have until then. So a flow that moves traffic to another remote end loses none of it. One that cannot be
    /// reached is not waited for for long.
    async fn find_ways(&mut self) -> anyhow::Result<()> {
        if self.remotes_known == self.switch.remotes_changed() {
            return Ok(());
        }
        self.remotes_known = self.switch.remotes_changed();
        let remotes = self.remotes();
        let new = |remote: &&Remote| !self.published.iter().any(|(known, _)| *known == remote.addr);
        let new: Vec<IpAddr> = remotes.iter().filter(new).map(|remote| remote.addr).collect();
        self.watcher.set_remotes(remotes);
        if new.is_empty() {
            return Ok(());
        }
        let end = Instant::now() + WAYS_WAIT;
        let mut asked = false;
        let found =
            |underlay: &Underlay| new.iter().all(|remote| underlay.reach(*remote) != Reach::NoNeighbour);
        while !(asked && found(self.watcher.current())) {
            match timeout_at(end, self.watcher.next()).await {
                Ok(Ok(_)) => asked = true,
                // The next one who asks is told; the flows are as they shall be.
                Ok(Err(_)) | Err(_) => break,
            }
        }
        self.follow().await
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
        if self.remotes_known != self.switch.remotes_changed() {
            // Fewer than before.
            self.remotes_known = self.switch.remotes_changed();
            self.watcher.set_remotes(self.remotes());
        }
        self.switch.settled(self.workers.settled());
        let pipeline = self.switch.snapshot();
        self.workers.publish(&pipeline);
        pipeline.generation()
    }

    /// Every remote end that frames can be sent to: those of the tunnel ports, and those that flows set. The address of ours that
    /// a port is bound to goes first.
    pub(super) fn remotes(&self) -> Vec<Remote> {
        let of_ports = self.bridge.remotes().into_iter();
        let of_flows = self.switch.remotes().map(|remote: IpAddr| (remote, None));
        of_ports.chain(of_flows).map(|(addr, local)| Remote { addr, local }).collect()
    }
}
