//! The daemon's part in OpenFlow: who is connected, and what they ask of the switch.
//!
//! Sockets and bytes are the affair of a task for each connection ([`peer`]); it hands on the messages that it has read, as many as there are, and
//! gets back what is to be done about them, in order. So control does a whole buffer of requests one by one, each with its own error, and
//! publishes once. Nobody waits for a peer: what it is told without having asked goes into queues of fixed size.

mod answers;
mod dial;
mod greetings;
mod hearing;
mod listen;
mod model;
mod peer;
mod places;
mod ports;
mod source;
mod standing;
mod tables;
mod telling;
mod tls;
mod waiting;
mod wire;

pub(super) use hearing::{Done, Hearing, Picture};
pub(super) use listen::Listeners;
pub(super) use ports::Faces;
pub(super) use tls::Tls;
pub(crate) use tls::fits;

use super::Daemon;
use crate::ofproto::Farewell;
use crate::openflow::channel::{Channel, ConnectionId, Heard, Kind};
use crate::openflow::{Envelope, PortDesc, Version};
use datapath::tunnel::OptionMap;
pub(super) use model::Gathering;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::{mpsc, oneshot, watch};
use waiting::{FRAMES_MAX, Waiting};

/// What Geneve options are called, now and whenever that changes: messages cannot be read or written without.
pub(super) type Options = watch::Receiver<Arc<OptionMap>>;

/// A connection that has agreed on a version.
pub(super) struct Joining {
    pub(super) kind: Kind,
    pub(super) version: Version,
    /// Who it is, as targets are written.
    pub(super) name: String,
    pub(super) frames: mpsc::Sender<Envelope>,
    pub(super) events: mpsc::Sender<Envelope>,
    /// How many of the events wait.
    pub(super) waiting: Arc<Waiting>,
}

/// What connections ask of the daemon.
pub(super) enum Ask {
    /// A connection begins.
    Join(Joining, oneshot::Sender<(ConnectionId, Options)>),
    /// Messages came, and a barrier, or a question with a long answer, is the last of them. They were read while Geneve options were called so.
    Hear(ConnectionId, Vec<Heard>, Arc<OptionMap>, oneshot::Sender<Done>),
    /// A connection has ended.
    Leave(ConnectionId),
}

/// Who is connected.
pub(super) struct Controllers {
    pub(super) channel: Channel,
    /// Where it is heard what controllers say and are told.
    pub(super) tap: wire::Tap,
    peers: BTreeMap<ConnectionId, Peer>,
    /// What Geneve options are called, as the connections were told last.
    options: watch::Sender<Arc<OptionMap>>,
    /// Entries that have gone and were not told of yet.
    pub(super) farewells: VecDeque<Farewell>,
    /// The remote ends that bundles name which are not committed yet.
    pub(super) bundled: BTreeSet<IpAddr>,
    /// The ports as they were told of last.
    ports: Vec<PortDesc>,
    /// How it stands with those that were configured.
    standing: Vec<(String, dial::Watched)>,
    /// Since when none of them is there.
    alone: Option<Instant>,
    /// The entry is there by which the switch stands alone.
    standalone: bool,
}

impl Default for Controllers {
    fn default() -> Controllers {
        Controllers {
            channel: Channel::default(),
            tap: wire::Tap::new(FRAMES_MAX),
            peers: BTreeMap::new(),
            options: watch::Sender::default(),
            farewells: VecDeque::new(),
            bundled: BTreeSet::new(),
            ports: Vec::new(),
            standing: Vec::new(),
            alone: None,
            standalone: false,
        }
    }
}

struct Peer {
    name: String,
    since: Instant,
    frames: mpsc::Sender<Envelope>,
    events: mpsc::Sender<Envelope>,
    waiting: Arc<Waiting>,
    /// What it was not told because it did not read.
    lost: u64,
}

impl Daemon {
    /// Does what a connection asks.
    pub(super) fn openflow(&mut self, ask: Ask) {
        match ask {
            Ask::Join(joining, reply) => {
                let Joining { kind, version, name, frames, events, waiting } = joining;
                let id = self.controllers.channel.join(kind, version);
                let peer = Peer { name, since: Instant::now(), frames, events, waiting, lost: 0 };
                self.controllers.peers.insert(id, peer);
                // Before the first word of it is done.
                self.stand_alone();
                self.tell_misses();
                self.tell_options();
                if reply.send((id, self.controllers.options.subscribe())).is_err() {
                    self.leave(id);
                }
            }
            Ask::Hear(id, heard, options, reply) => self.ask_heard(id, heard, options, reply),
            Ask::Leave(id) => self.leave(id),
        }
    }

    fn leave(&mut self, id: ConnectionId) {
        self.controllers.channel.leave(id);
        self.controllers.peers.remove(&id);
        self.follow_bundled();
        self.tell_misses();
    }

    /// A second has gone by for bundles that are open.
    pub(in super::super) fn bundles_wait(&mut self) {
        self.controllers.channel.second();
        self.follow_bundled();
        self.deliver();
    }
}
