//! Changes that name remote ends for the first time: they are done when the ways there are found, so that a flow which moves traffic to
//! another remote end loses none of it. Only who asked for such a change waits, and not for long: the switch, its workers and all
//! other clients go on meanwhile.

use super::Daemon;
use super::calls::Reply;
use crate::ofproto::{Request, remotes_named};
use datapath::tunnel::{Reach, Underlay};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// How long a change waits for the ways to remote ends that it names first.
const WAYS_WAIT: Duration = Duration::from_secs(1);
/// How many changes wait at a time. One more is done at once.
const AWAITED_MAX: usize = 64;

/// A change that waits.
struct Change {
    requests: Vec<Request>,
    remotes: BTreeSet<IpAddr>,
    until: Instant,
    reply: Reply,
}

/// Those that wait, in the order in which they were asked for.
#[derive(Default)]
pub(super) struct Awaited(Vec<Change>);

impl Awaited {
    /// The remote ends whose ways are looked for.
    pub(super) fn remotes(&self) -> impl Iterator<Item = IpAddr> {
        self.0.iter().flat_map(|change| change.remotes.iter().copied())
    }

    /// The first change whose ways are found, or that has waited long enough.
    fn next(&mut self, underlay: &Underlay, now: Instant) -> Option<Change> {
        // An end that nothing is said of was not asked for yet.
        let found = |remote: &IpAddr| {
            underlay.iter().any(|(known, reach)| known == remote && *reach != Reach::NoNeighbour)
        };
        let ready = |change: &Change| change.until <= now || change.remotes.iter().all(found);
        let at = self.0.iter().position(ready)?;
        Some(self.0.remove(at))
    }

    /// Until one of them has waited long enough.
    pub(super) async fn waited(until: Option<Instant>) {
        match until {
            Some(until) => sleep_until(until).await,
            None => std::future::pending().await,
        }
    }

    pub(super) fn until(&self) -> Option<Instant> {
        self.0.iter().map(|change| change.until).min()
    }
}

impl Daemon {
    /// Does what is asked, at once or when the ways are found that it needs.
    pub(super) fn ask_change(&mut self, requests: Vec<Request>, reply: Reply) {
        let known = |remote: &IpAddr| self.published.iter().any(|(known, _)| known == remote);
        let mut remotes = remotes_named(&requests);
        remotes.retain(|remote| !known(remote));
        if remotes.is_empty() || self.awaited.0.len() == AWAITED_MAX {
            return drop(reply.send(self.change(requests)));
        }
        self.awaited.0.push(Change { requests, remotes, until: Instant::now() + WAYS_WAIT, reply });
        self.watcher.set_remotes(self.remotes());
    }

    /// Does the changes that need not wait any longer. That nobody waits for the answer any more is no fault.
    pub(super) fn do_awaited(&mut self) {
        while let Some(change) = self.awaited.next(self.watcher.current(), Instant::now()) {
            let Change { requests, reply, .. } = change;
            let changed = self.change(requests);
            // Of one that is refused, they need not be followed.
            self.watcher.set_remotes(self.remotes());
            let _ = reply.send(changed);
        }
    }
}
