//! The daemon's part in OpenFlow: who is connected, and what they ask of the switch.
//!
//! Sockets and bytes are the affair of a task for each connection ([`peer`]); it hands on the messages that it has read, as many as there are, and
//! gets back what is to be done about them, in order. So control does a whole buffer of requests one by one, each with its own error, and
//! publishes once. Nobody waits for a peer: what it is told without having asked goes into queues of fixed size.

mod answers;
mod dial;
mod greetings;
mod listen;
mod model;
mod peer;
mod places;
mod ports;
mod source;
mod standing;
mod tables;
mod tls;
mod waiting;

pub(super) use listen::Listeners;
pub(super) use ports::Faces;
pub(super) use tls::Tls;
pub(crate) use tls::fits;

use super::Daemon;
use super::calls::View;
use super::sweep::Sweeper;
use crate::ofproto::{Applied, Farewell, Reason, Removed, VacancyEvent};
use crate::openflow::channel::{
    Channel, ConnectionId, FlowChange, FlowEvent, Heard, Kind, Room, Step, Switch,
};
use crate::openflow::{
    BundleControl, Envelope, FlowRemoved, Message, PacketIn, PortDesc, QueueDesc, TableDesc, Version,
    decode_knowing,
};
use bytes::Bytes;
use datapath::action::punt::Punt;
use datapath::tunnel::OptionMap;
use datapath::worker::Punted;
pub(super) use model::Gathering;
use model::Model;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot, watch};
use waiting::{FRAMES_MAX, Waiting};

/// How long messages of one connection are done before others have their turn.
const SLICE: Duration = Duration::from_millis(5);

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

/// What is to be done about some messages.
pub(super) struct Done {
    /// In order.
    pub(super) steps: Vec<Step>,
    /// The switch after all of them, if there is a question.
    pub(super) picture: Option<Box<Picture>>,
    /// Workers go by all of them when they have adopted this generation.
    pub(super) generation: u64,
    pub(super) sweeper: Sweeper,
    /// Of the frames that were to be sent until now the number of the last, if not all have left: later ones are not waited for.
    pub(super) injecting: Option<u64>,
}

/// Messages of a connection that are being done.
pub(super) struct Hearing {
    id: ConnectionId,
    heard: std::vec::IntoIter<Heard>,
    /// What Geneve options were called when they were read.
    options: Arc<OptionMap>,
    steps: Vec<Step>,
    reply: oneshot::Sender<Done>,
}

impl Hearing {
    pub(super) fn new(
        id: ConnectionId,
        heard: Vec<Heard>,
        options: Arc<OptionMap>,
        reply: oneshot::Sender<Done>,
    ) -> Hearing {
        Hearing { id, heard: heard.into_iter(), options, steps: Vec::new(), reply }
    }
}

/// The switch at one moment, and its ports.
pub(super) struct Picture {
    pub(super) view: View,
    pub(super) faces: Faces,
    pub(super) tables: u8,
    pub(super) bridge: String,
    pub(super) queues: Vec<QueueDesc>,
    pub(super) uptime_ms: u64,
    /// The version that it is told in.
    pub(super) version: Version,
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
    pub(super) tap: peer::Tap,
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
            tap: peer::Tap::new(FRAMES_MAX),
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

/// `OFPBCT_COMMIT_REPLY` (OpenFlow 1.4.1 section 7.3.9.2).
const BUNDLE_COMMITTED: u16 = 5;

/// Whether somebody will take it from this that what was asked for is done.
fn is_awaited(step: &Step) -> bool {
    match step {
        Step::Barrier(_) | Step::Answer(..) => true,
        Step::Say(said) => {
            matches!(said.message, Message::BundleControl(BundleControl { kind: BUNDLE_COMMITTED, .. }))
        }
    }
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

    /// Tells the connections what Geneve options are called, if it is not what they were told last.
    pub(super) fn tell_options(&self) {
        let options = self.switch.options();
        self.controllers.options.send_if_modified(|told| {
            let differs = **told != *options;
            if differs {
                *told = Arc::new(options.clone());
            }
            differs
        });
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

    /// Has tables tell of what no entry takes while somebody hears it who expects them to.
    /// The generation in which they do, if that is news.
    fn tell_misses(&mut self) -> Option<u64> {
        let tells = self.controllers.channel.hears_misses();
        (tells != self.switch.pipeline().tells_misses()).then(|| {
            self.switch.pipeline_mut().set_tells_misses(tells);
            self.publish()
        })
    }

    /// Does what some messages of a connection ask for, in order. What takes long is gone on with when all others had their turn.
    pub(super) fn hear_messages(&mut self, mut hearing: Hearing) {
        match self.hear_some(&mut hearing) {
            None => self.unfinished.push_back(hearing),
            // That nobody waits for the answer any more is no fault.
            Some(done) => drop(hearing.reply.send(done)),
        }
    }

    /// Goes on with messages that took long, those first that wait longest.
    pub(super) fn go_on(&mut self) {
        if let Some(hearing) = self.unfinished.pop_front() {
            self.hear_messages(hearing);
        }
    }

    /// The next messages; what came of all of them when there are no more.
    fn hear_some(&mut self, hearing: &mut Hearing) -> Option<Done> {
        let Hearing { id, heard, options, steps, .. } = hearing;
        let id = *id;
        let (now, end) = (self.workers.now_ms(), Instant::now() + SLICE);
        let mut channel = std::mem::take(&mut self.controllers.channel);
        let watched = channel.watches_flows();
        let mut model = Model::new(self);
        for mut heard in heard.by_ref() {
            if !Arc::ptr_eq(options, &model.options()) {
                read_again(&mut heard, channel.face(id).map(|face| face.version), &model.options());
            }
            let xid = heard.xid();
            steps.extend(channel.hear(id, heard, &mut model));
            if watched {
                let room = |id| model.room(id);
                channel.flows_changed(Some((id, xid)), changes(model.applied()), now, &room);
            }
            if model.applied().changes() {
                model.vacancies().into_iter().for_each(|(event, desc)| channel.table_status(event, desc));
            }
            model.next();
            if Instant::now() > end {
                break;
            }
        }
        let is_done = heard.as_slice().is_empty();
        let awaited = steps.iter().any(is_awaited);
        let generation = if awaited { model.publish() } else { model.publish_soon() };
        let ports_changed = model.ports_changed;
        self.controllers.channel = channel;
        self.follow_bundled();
        let generation = self.tell_misses().unwrap_or(generation);
        match ports_changed {
            true => self.tell_ports(),
            false => self.deliver(),
        }
        if !is_done {
            return None;
        }
        let steps = std::mem::take(steps);
        let asks = steps.iter().any(|step| matches!(step, Step::Answer(..)));
        let version = self.controllers.channel.face(id).map_or(Version::V13, |face| face.version);
        let picture = asks.then(|| Box::new(self.picture(version)));
        let injecting = self.injecting();
        Some(Done { steps, picture, generation, sweeper: self.workers.sweeper(), injecting })
    }

    /// Ways are followed to remote ends that bundles name: they shall be there when it is committed.
    fn follow_bundled(&mut self) {
        if let Some(bundled) = self.controllers.channel.bundled_remotes_changed()
            && bundled != self.controllers.bundled
        {
            self.controllers.bundled = bundled;
            self.watcher.set_remotes(self.remotes());
        }
    }

    fn picture(&self, version: Version) -> Picture {
        Picture {
            version,
            view: self.view(),
            faces: self.faces(),
            tables: model::TABLES,
            bridge: self.config.bridge.name.clone(),
            queues: ports::queues(&self.config, None, None),
            uptime_ms: self.since.elapsed().as_millis() as u64,
        }
    }

    /// Hands on what the channel wants others to hear.
    pub(super) fn deliver(&mut self) {
        let now = self.workers.now_ms();
        let Controllers { channel, peers, .. } = &mut self.controllers;
        // Whose queues are gone is hung up on.
        for lost in channel.resume(now, &|id| room(peers, id)) {
            channel.leave(lost);
            peers.remove(&lost);
        }
        for (to, envelope) in channel.told() {
            let Some(peer) = peers.get_mut(&to) else { continue };
            // A queue that is closed is one of a connection that has ended.
            if !peer.waiting.put(&envelope) || peer.events.try_send(envelope).is_err() {
                peer.lost += 1;
            }
        }
    }

    /// Tells connections of a frame. Whether somebody was told.
    pub(super) fn tell_controllers(&mut self, punted: &Punted) -> bool {
        let Controllers { channel, peers, .. } = &mut self.controllers;
        let Punt { reason, controller, .. } = &punted.punt;
        let mut heard = false;
        for (id, format) in channel.listeners(*controller, *reason) {
            let Some(peer) = peers.get_mut(&id) else { continue };
            heard = true;
            match peer.frames.try_reserve() {
                Err(_) => peer.lost += 1,
                Ok(place) => {
                    let mut packet = packet_in(punted);
                    packet.format = format;
                    place.send(Envelope::new(0, Message::PacketIn(Box::new(packet))));
                }
            }
        }
        heard
    }

    /// Notes entries that have gone: by a request of nobody who speaks OpenFlow, or because their time was over.
    pub(super) fn flows_went(&mut self, applied: &Applied) {
        let Controllers { channel, peers, .. } = &mut self.controllers;
        if channel.watches_flows() {
            let now = self.workers.now_ms();
            channel.flows_changed(None, changes(applied), now, &|id| room(peers, id));
        }
        for (event, desc) in self.vacancies() {
            self.controllers.channel.table_status(event, desc);
        }
        self.deliver();
    }

    /// What tables have to tell of how much room there is.
    fn vacancies(&mut self) -> Vec<(VacancyEvent, TableDesc)> {
        let events = self.switch.vacancy_events().into_iter();
        events.map(|(table, event)| (event, tables::desc(&self.switch, table))).collect()
    }

    /// Tells of an entry that has gone.
    pub(super) fn tell_farewell(&mut self, farewell: &Farewell) {
        let Farewell { removed, counted } = farewell;
        self.controllers.channel.flow_removed(&flow_removed(removed, counted.packets, counted.bytes));
    }
}

/// Reads a message once more, if it was understood at all: fields are meant by their numbers, and options are called otherwise by now.
fn read_again(heard: &mut Heard, version: Option<Version>, options: &OptionMap) {
    if let Some(version) = version.filter(|version| heard.raw.first() == Some(&(*version as u8))) {
        heard.said = decode_knowing(version, options, &heard.raw);
    }
}

/// How much room there is for news of flows.
fn room(peers: &BTreeMap<ConnectionId, Peer>, id: ConnectionId) -> Room {
    peers.get(&id).map_or_else(Room::default, |peer| peer.waiting.room())
}

/// `OFPRR_*`.
fn reason(reason: Reason) -> u8 {
    match reason {
        Reason::IdleTimeout => 0,
        Reason::HardTimeout => 1,
        Reason::Delete => 2,
        Reason::GroupDelete => 3,
        Reason::MeterDelete => 4,
        Reason::Eviction => 5,
    }
}

fn flow_removed(removed: &Removed, packets: u64, bytes: u64) -> FlowRemoved {
    let Removed { table, entry, duration, .. } = removed;
    let rule = &entry.installed.rule;
    FlowRemoved {
        cookie: rule.cookie,
        priority: rule.priority,
        reason: reason(removed.reason),
        table: *table,
        duration_ms: *duration,
        idle_timeout: entry.idle_timeout,
        hard_timeout: entry.hard_timeout,
        packets,
        bytes,
        matching: rule.matching.clone(),
    }
}

fn changes(applied: &Applied) -> impl Iterator<Item = FlowChange> + Clone {
    let gone = applied.removed.iter().map(|removed| FlowChange {
        table: removed.table,
        entry: removed.entry.clone(),
        event: FlowEvent::Deleted(reason(removed.reason)),
        before: None,
    });
    let there = applied.entries.iter().map(|changed| FlowChange {
        table: changed.table,
        entry: changed.entry.clone(),
        event: if changed.added { FlowEvent::Added } else { FlowEvent::Modified },
        before: changed.before.clone(),
    });
    gone.chain(there)
}

fn packet_in(punted: &Punted) -> PacketIn {
    let Punted { punt, total_len, data } = punted;
    PacketIn {
        format: Default::default(),
        total_len: u16::try_from(*total_len).unwrap_or(u16::MAX),
        reason: punt.reason,
        table: datapath::pipeline::TableId(punt.table),
        cookie: punt.cookie,
        says: punt.says.clone(),
        userdata: Bytes::copy_from_slice(&punt.userdata),
        data: Bytes::copy_from_slice(data),
    }
}
