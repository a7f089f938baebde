//! The loop: facts in, questions to the kernel, a new [`Underlay`] out when it differs.

use super::asking::Asking;
use super::events::Events;
use super::facts::{Fact, NextHop};
use super::finding::Finding;
use super::kernel::Kernel;
use super::links::Devices;
use super::state::{Effect, State};
use super::{Presence, Remote, Uplink};
use anyhow::Context;
use datapath::tunnel::Underlay;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// A burst of reports is over when none has come for this long.
const QUIET: Duration = Duration::from_millis(5);
/// A burst that does not end is interrupted after this long.
const BURST: Duration = Duration::from_millis(100);
/// The kernel reports a link or an address before it has adapted its routes: ask again after this long.
const AFTERTHOUGHT: Duration = Duration::from_millis(250);
/// Discovered path MTUs change without any report: ask for all routes again this often.
const REVIEW: Duration = Duration::from_secs(30);

/// Follows the kernel's routes, links and neighbours, for a set of remotes.
///
/// Reads only; the single thing it asks of the kernel is to resolve the neighbours that lead to the remotes, and to
/// keep them resolved. Needs `CAP_NET_ADMIN` for that. Works only while [`Watcher::next`] is being awaited: there is no
/// task of its own that could fall behind unnoticed.
pub struct Watcher {
    events: Events,
    kernel: Kernel,
    state: State,
    asking: Asking,
    /// Neighbours that the kernel keeps resolved because we asked.
    kept: BTreeSet<NextHop>,
    burst: Option<Burst>,
    /// When to ask for all routes again.
    review: Instant,
    /// When to ask for neighbours again.
    ask: Option<Instant>,
    current: Underlay,
    present: BTreeMap<String, Presence>,
    losses: u64,
}

/// Reports are coming in: when to stop waiting for more.
#[derive(Clone, Copy)]
struct Burst {
    quiet: Instant,
    end: Instant,
}

impl Watcher {
    /// Reads the state of affairs and starts to follow it, in the network namespace of the calling thread.
    ///
    /// Must be called within a tokio runtime that has I/O and time enabled.
    ///
    /// # Errors
    /// When netlink cannot be used, or an uplink does not exist.
    pub async fn start(
        uplinks: &[Uplink],
        remotes: impl IntoIterator<Item = impl Into<Remote>>,
    ) -> anyhow::Result<Watcher> {
        let events = Events::open().context("cannot subscribe to the kernel's netlink reports")?;
        let kernel = Kernel::open()?;
        let devices = Devices::read_from(&kernel).await?;
        for uplink in uplinks {
            devices.named(&uplink.device).context("cannot use it as uplink")?;
        }
        let mut state = State::new(uplinks);
        state.set_remotes(remotes.into_iter().map(Into::into));
        let mut watcher = Watcher {
            events,
            kernel,
            state,
            asking: Asking::default(),
            kept: BTreeSet::new(),
            burst: None,
            review: Instant::now() + REVIEW,
            ask: None,
            current: Underlay::default(),
            present: BTreeMap::new(),
            losses: 0,
        };
        watcher.catch_up().await?;
        watcher.current = watcher.state.underlay();
        Ok(watcher)
    }

    /// From now on, follows these remotes. [`Watcher::next`] brings the answers.
    pub fn set_remotes(&mut self, remotes: impl IntoIterator<Item = impl Into<Remote>>) {
        if self.state.set_remotes(remotes.into_iter().map(Into::into)) {
            let now = Instant::now();
            self.burst = Some(Burst { quiet: now, end: now });
        }
    }

    /// From now on, follows these devices as well. [`Watcher::present`] knows them at once.
    pub fn follow(&mut self, devices: impl IntoIterator<Item = impl Into<String>>) {
        self.state.follow(devices.into_iter().map(Into::into).collect());
        self.present = self.state.present();
    }

    /// Waits until the underlay differs from [`Watcher::current`], or the devices from [`Watcher::present`]; makes both the
    /// current ones and returns the underlay.
    ///
    /// Cancel-safe: a dropped future loses no report, and the next call goes on where it stopped.
    ///
    /// # Errors
    /// When netlink fails; calling again is allowed and may help.
    pub async fn next(&mut self) -> anyhow::Result<Underlay> {
        loop {
            self.gather().await?;
            self.catch_up().await?;
            self.burst = None;
            let fresh = self.state.underlay();
            let present = self.state.present();
            if fresh != self.current || present != self.present {
                self.current = fresh.clone();
                self.present = present;
                return Ok(fresh);
            }
        }
    }

    /// The underlay as returned last.
    #[must_use]
    pub fn current(&self) -> &Underlay {
        &self.current
    }

    /// Those of the followed devices that exist, as of the last return.
    #[must_use]
    pub fn present(&self) -> &BTreeMap<String, Presence> {
        &self.present
    }

    /// Whether a device with this number exists, whatever its name is by now.
    #[must_use]
    pub fn exists(&self, index: u32) -> bool {
        self.state.exists(index)
    }

    /// How a remote is reached or why it is not, for people.
    #[must_use]
    pub fn explain(&self, remote: IpAddr) -> String {
        let finding = self.state.find(remote);
        let refusal = finding.next_hop().and_then(|hop| self.asking.refusal(hop));
        match (&finding, refusal) {
            (_, Some(refusal)) => format!("{remote}: {finding}; the kernel refuses to ask: {refusal}"),
            (Finding::Waiting { .. }, None) => format!("{remote}: {finding}; the kernel is asking"),
            _ => format!("{remote}: {finding}"),
        }
    }

    /// How often reports were lost, so that everything was read again.
    #[must_use]
    pub fn losses(&self) -> u64 {
        self.losses
    }

    /// Stops, and lets the neighbours age again that the kernel kept resolved for us.
    pub async fn close(mut self) {
        self.release(&BTreeSet::new()).await;
    }

    /// Waits for something to do: the end of a burst of reports, or a time that has come.
    async fn gather(&mut self) -> anyhow::Result<()> {
        loop {
            let now = Instant::now();
            let until = match self.burst {
                Some(burst) if now >= burst.end => return Ok(()),
                Some(burst) => burst.quiet.min(burst.end),
                None => self.ask.map_or(self.review, |ask| ask.min(self.review)),
            };
            let Ok(facts) = timeout_at(until, self.events.next()).await else { return Ok(()) };
            for fact in facts.context("cannot read the kernel's netlink reports")? {
                self.losses += u64::from(fact == Fact::Lost);
                let effect = self.state.learn(fact);
                self.take(effect);
            }
        }
    }

    /// Notes what a fact calls for.
    fn take(&mut self, effect: Effect) {
        if effect == Effect::None {
            return;
        }
        let now = Instant::now();
        let end = self.burst.map_or(now + BURST, |burst| burst.end);
        self.burst = Some(Burst { quiet: now + QUIET, end });
        if effect == Effect::ChangedEarly {
            self.review = self.review.min(now + AFTERTHOUGHT);
        }
    }

    /// Asks the kernel for all that is not known or no longer certain. What was not finished is done by the next call.
    async fn catch_up(&mut self) -> anyhow::Result<()> {
        let now = Instant::now();
        if self.state.lost() {
            let everything = self.kernel.everything().await?;
            self.state.replace(everything);
        }
        if now >= self.review {
            self.state.distrust_routes();
            self.review = now + REVIEW;
        }
        while let Some(remote) = self.state.stale() {
            let answer = self.kernel.route(remote).await?;
            self.state.answer(remote, answer);
        }
        let hops = self.state.next_hops();
        let (due, again) = self.asking.due(now.into_std(), &hops);
        self.ask = again.map(Instant::from_std);
        for hop in due {
            self.kept.insert(hop);
            if let Err(reason) = self.kernel.resolve(hop, self.state.neighbour(hop)).await {
                self.asking.refused(hop, reason);
            }
        }
        self.release(&hops.into_keys().collect()).await;
        Ok(())
    }

    /// Gives up the neighbours that are kept for us and are not `needed`.
    async fn release(&mut self, needed: &BTreeSet<NextHop>) {
        while let Some(&hop) = self.kept.difference(needed).next() {
            if let Some(neighbour) = self.state.neighbour(hop).filter(|neighbour| neighbour.managed) {
                self.kernel.release(hop, neighbour).await;
            }
            self.kept.remove(&hop);
        }
    }
}
