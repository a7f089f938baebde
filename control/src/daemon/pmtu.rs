//! What routers of the underlay say about packets that did not fit becomes the MTU of the ways.

use super::Daemon;
use crate::causes::in_one_line;
use crate::pmtu::{Known, Lesson, Listener, Report};
use anyhow::Result;
use datapath::tunnel::{TunnelSpec, Underlay};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Instant;

/// Somebody who listens; without, the kernel's MTUs are all that is known, which is said.
pub(super) fn listen() -> Option<Listener> {
    match Listener::open() {
        Ok(listener) => Some(listener),
        Err(error) => {
            eprintln!("adit: path MTUs are not learned: {}", in_one_line(&error));
            None
        }
    }
}

/// The next that is heard. Dropping the future loses nothing.
pub(super) async fn heard(listener: &mut Option<Listener>) -> Report {
    if let Some(routers) = listener {
        match routers.next().await {
            Ok(report) => return report,
            Err(error) => {
                eprintln!("adit: path MTUs are not learned any more: {error}");
                *listener = None;
            }
        }
    }
    std::future::pending().await
}

impl Daemon {
    /// The ways as the kernel knows them, no wider than what was learned. Ends that nobody has named, but somebody was seen behind,
    /// are no peers.
    pub(super) fn underlay(&self) -> Underlay {
        let mut underlay = self.learned.applied(self.watcher.current());
        if self.learner.remotes().next().is_some() {
            let of_ports = self.bridge.remotes().into_iter().map(|(remote, _)| remote);
            let named: BTreeSet<IpAddr> = of_ports.chain(self.switch.remotes()).collect();
            self.learner.remotes().filter(|met| !named.contains(met)).for_each(|met| underlay.meet(met));
        }
        underlay
    }

    /// Takes in what was heard, or asks the workers first.
    pub(super) async fn hear(&mut self, report: &Report) -> Result<()> {
        let lesson = self.judge(report);
        if lesson == Lesson::Unsent {
            if !self.doubts.add(*report, self.workers.sweeper(), tokio::time::Instant::now()) {
                self.learned.refuse();
            }
            return Ok(());
        }
        self.take_in(lesson).await
    }

    /// Takes in what was heard before, and for which the workers have said now what they sent.
    pub(super) async fn hear_doubted(&mut self) -> Result<()> {
        let answered = self.doubts.answered(tokio::time::Instant::now());
        if !answered.is_empty() {
            self.note_sent();
        }
        for report in answered {
            match self.judge(&report) {
                Lesson::Unsent => self.learned.refuse(),
                lesson => self.take_in(lesson).await?,
            }
        }
        Ok(())
    }

    /// Notes what went into the tunnels, as far as workers have told.
    pub(super) fn note_sent(&mut self) {
        let pipeline = self.switch.pipeline();
        let went = |tunnel: &TunnelSpec| Some((tunnel.ofport, pipeline.passed(tunnel.ofport)?.went.packets));
        self.sent.note(self.bridge.tunnels.iter().filter_map(went), Instant::now());
    }

    fn judge(&mut self, report: &Report) -> Lesson {
        let known = Known {
            endpoints: &self.ports.endpoints,
            tunnels: &self.bridge.tunnels,
            underlay: self.watcher.current(),
            sent: &self.sent,
        };
        self.learned.take(report, &known, Instant::now())
    }

    async fn take_in(&mut self, lesson: Lesson) -> Result<()> {
        if let Lesson::Lowered(remote, mtu) = lesson {
            eprintln!("adit: the path to {remote} carries {mtu} bytes, says the underlay");
            self.follow().await?;
        }
        Ok(())
    }

    /// When something that was learned is to be forgotten.
    pub(super) fn learned_until(&self) -> Option<tokio::time::Instant> {
        self.learned.next_end().map(Into::into)
    }

    /// How a remote end is reached or why it is not, for people.
    pub(super) fn explain(&self, remote: IpAddr) -> String {
        let mut explanation = self.watcher.explain(remote);
        if let Some((mtu, left)) = self.learned.of(remote, Instant::now()) {
            explanation
                .push_str(&format!("; the underlay says {mtu}, believed for {} s more", left.as_secs()));
        }
        explanation
    }
}
