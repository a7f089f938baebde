//! What routers of the underlay say about packets that did not fit becomes the MTU of the ways.

use super::Daemon;
use crate::causes::in_one_line;
use crate::pmtu::{Known, Lesson, Listener, Report};
use anyhow::Result;
use datapath::tunnel::Underlay;
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

    /// Takes in what was heard.
    pub(super) async fn hear(&mut self, report: &Report) -> Result<()> {
        let known = Known {
            endpoints: &self.ports.endpoints,
            tunnels: &self.bridge.tunnels,
            underlay: self.watcher.current(),
        };
        if let Lesson::Lowered(remote, mtu) = self.learned.take(report, &known, Instant::now()) {
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
