//! What a connection asks for, done message by message: a slice at a time, so that others have their turn in between, and published when somebody waits
//! for it or a moment later.

use super::model::{self, Model};
use super::telling::changes;
use super::{Faces, Peer, ports};
use crate::daemon::Daemon;
use crate::daemon::calls::View;
use crate::daemon::sweep::Sweeper;
use crate::openflow::channel::{ConnectionId, Heard, Step, Switch};
use crate::openflow::{BundleControl, Message, QueueDesc, Version, decode_knowing};
use datapath::tunnel::OptionMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// How long messages of one connection are done before others have their turn.
const SLICE: Duration = Duration::from_millis(5);

/// What is to be done about some messages.
pub(in super::super) struct Done {
    /// In order.
    pub(in super::super) steps: Vec<Step>,
    /// The switch after all of them, if there is a question.
    pub(in super::super) picture: Option<Box<Picture>>,
    /// Workers go by all of them when they have adopted this generation.
    pub(in super::super) generation: u64,
    pub(in super::super) sweeper: Sweeper,
    /// Of the frames that were to be sent until now the number of the last, if not all have left: later ones are not waited for.
    pub(in super::super) injecting: Option<u64>,
    /// How many news wait that are older than the picture.
    pub(in super::super) news: usize,
}

/// Messages of a connection that are being done.
pub(in super::super) struct Hearing {
    id: ConnectionId,
    heard: std::vec::IntoIter<Heard>,
    /// What Geneve options were called when they were read.
    options: Arc<OptionMap>,
    steps: Vec<Step>,
    reply: oneshot::Sender<Done>,
}

impl Hearing {
    pub(in super::super) fn new(
        id: ConnectionId,
        heard: Vec<Heard>,
        options: Arc<OptionMap>,
        reply: oneshot::Sender<Done>,
    ) -> Hearing {
        Hearing { id, heard: heard.into_iter(), options, steps: Vec::new(), reply }
    }
}

/// The switch at one moment, and its ports.
pub(in super::super) struct Picture {
    pub(in super::super) view: View,
    pub(in super::super) faces: Faces,
    pub(in super::super) tables: u8,
    pub(in super::super) bridge: String,
    pub(in super::super) queues: Vec<QueueDesc>,
    pub(in super::super) uptime_ms: u64,
    /// The version that it is told in.
    pub(in super::super) version: Version,
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
    /// Does what some messages of a connection ask for, in order. What takes long is gone on with when all others had their turn.
    pub(in super::super) fn hear_messages(&mut self, mut hearing: Hearing) {
        match self.hear_some(&mut hearing) {
            None => self.unfinished.push_back(hearing),
            // That nobody waits for the answer any more is no fault.
            Some(done) => drop(hearing.reply.send(done)),
        }
    }

    /// Goes on with messages that took long, those first that wait longest.
    pub(in super::super) fn go_on(&mut self) {
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
        let waiting = |peer: &Peer| peer.events.max_capacity() - peer.events.capacity();
        let news = self.controllers.peers.get(&id).map_or(0, waiting);
        Some(Done { steps, picture, generation, sweeper: self.workers.sweeper(), injecting, news })
    }

    /// Ways are followed to remote ends that bundles name: they shall be there when it is committed.
    pub(super) fn follow_bundled(&mut self) {
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
}

/// Reads a message once more, if it was understood at all: fields are meant by their numbers, and options are called otherwise by now.
fn read_again(heard: &mut Heard, version: Option<Version>, options: &OptionMap) {
    if let Some(version) = version.filter(|version| heard.raw.first() == Some(&(*version as u8))) {
        heard.said = decode_knowing(version, options, &heard.raw);
    }
}
