//! Changes that name remote ends for the first time: they are done when the ways there are found, so that a flow which moves traffic to
//! another remote end loses none of it. Only who asked for such a change waits, and not for long: the switch, its workers and all
//! other clients go on meanwhile.

use super::Daemon;
use super::calls::Reply;
use super::openflow::{Done, Hearing};
use crate::ofproto::{Request, remotes_named};
use crate::openflow::Message;
use crate::openflow::channel::{ConnectionId, Heard};
use datapath::tunnel::{OptionMap, Reach, Underlay};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// How long a change waits for the ways to remote ends that it names first.
const WAYS_WAIT: Duration = Duration::from_secs(1);
/// How many changes wait at a time. One more is done at once.
const AWAITED_MAX: usize = 64;

/// A change that waits.
struct Change {
    what: What,
    remotes: BTreeSet<IpAddr>,
    until: Instant,
}

/// What is to be done, and where what comes of it is told.
enum What {
    /// All of it or nothing.
    Requests(Vec<Request>, Reply),
    /// What messages of a connection ask for.
    Messages(ConnectionId, Vec<Heard>, Arc<OptionMap>, oneshot::Sender<Done>),
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

    /// When one of them has waited long enough.
    pub(super) fn until(&self) -> Option<Instant> {
        self.0.iter().map(|change| change.until).min()
    }
}

impl Daemon {
    /// Does what is asked, at once or when the ways are found that it needs.
    pub(super) fn ask_change(&mut self, requests: Vec<Request>, reply: Reply) {
        let remotes = remotes_named(&requests);
        self.when_found(remotes, What::Requests(requests, reply));
    }

    /// Does what some messages of a connection ask for, at once or when the ways are found that it needs.
    pub(super) fn ask_heard(
        &mut self,
        id: ConnectionId,
        heard: Vec<Heard>,
        options: Arc<OptionMap>,
        reply: oneshot::Sender<Done>,
    ) {
        let of = |heard: &Heard| match &heard.said {
            Ok(said) => named(&said.message),
            Err(_) => BTreeSet::new(),
        };
        let remotes = heard.iter().flat_map(of).collect();
        self.when_found(remotes, What::Messages(id, heard, options, reply));
    }

    fn when_found(&mut self, mut remotes: BTreeSet<IpAddr>, what: What) {
        let known = |remote: &IpAddr| self.published.iter().any(|(known, _)| known == remote);
        remotes.retain(|remote| !known(remote));
        if remotes.is_empty() || self.awaited.0.len() == AWAITED_MAX {
            return self.do_now(what);
        }
        self.awaited.0.push(Change { what, remotes, until: Instant::now() + WAYS_WAIT });
        self.watcher.set_remotes(self.remotes());
    }

    fn do_now(&mut self, what: What) {
        match what {
            What::Requests(requests, reply) => drop(reply.send(self.change(requests))),
            What::Messages(id, heard, options, reply) => {
                self.hear_messages(Hearing::new(id, heard, options, reply));
            }
        }
    }

    /// Does the changes that need not wait any longer. That nobody waits for the answer any more is no fault.
    pub(super) fn do_awaited(&mut self) {
        while let Some(change) = self.awaited.next(self.watcher.current(), Instant::now()) {
            self.do_now(change.what);
            // Of one that is refused, they need not be followed.
            self.watcher.set_remotes(self.remotes());
        }
    }
}

/// The remote ends that a message names, and those that one in a bundle does: their ways are looked for before it is committed.
fn named(message: &Message) -> BTreeSet<IpAddr> {
    match message {
        Message::FlowMod(flow, _) => flow.remotes_named(),
        Message::GroupMod(group) => group.remotes_named(),
        Message::BucketMod(buckets) => buckets.remotes_named(),
        Message::BundleAdd(add) => match &add.inner.message {
            Message::FlowMod(flow, _) => flow.remotes_named(),
            Message::GroupMod(group) => group.remotes_named(),
            Message::BucketMod(buckets) => buckets.remotes_named(),
            _ => BTreeSet::new(),
        },
        _ => BTreeSet::new(),
    }
}
