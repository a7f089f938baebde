//! A connection: its bytes into messages, what is done about them into bytes again. A task for each.
//!
//! A peer who does not read is waited for a while and then hung up on, and meanwhile not read from; one who does not say hello, or says what is
//! no message, likewise. So a peer costs a buffer, its queues, one answer under way, and what the channel keeps of it.

use super::answers;
use super::waiting::{FRAMES_MAX, NEWS_MAX, Waiting};
use super::wire::{Stream, Tap, WRITE, Wire};
use super::{Ask, Done, Joining};
use crate::daemon::calls::Call;
use crate::openflow::channel::{Asked, ConnectionId, Heard, Kind, Liveness, Pulse, Step};
use crate::openflow::{Code, Envelope, HEADER, Message, Question, Version, decode_knowing, parts_knowing};
use anyhow::{Context, Result, bail};
use bytes::Bytes;
use datapath::tunnel::OptionMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio::time::{Instant, sleep_until, timeout};

/// How long a peer may take to say hello.
const GREETING: Duration = Duration::from_secs(10);
/// Messages that are read and then done together. Many, so that handing them on costs little for each; few, so that they are still in the
/// processor's caches when they are done.
const BATCH: usize = 64;
/// How long the next request is looked for without going to sleep, by whom barriers follow one another. To sleep and be woken takes both
/// sides longer than what most of them ask for.
const LINGER: Duration = Duration::from_micros(60);
/// How soon after one another they follow then.
const HASTE: Duration = Duration::from_micros(500);
/// Frames that have to leave before a barrier are looked for so often.
const LEAVING: Duration = Duration::from_micros(200);

/// How a connection is to be held.
pub(in super::super) struct Terms {
    pub(in super::super) kind: Kind,
    pub(in super::super) versions: Vec<Version>,
    /// Milliseconds of silence after which the peer is asked whether it is there; 0: never.
    pub(in super::super) probe_ms: u64,
    /// Who it is.
    pub(in super::super) name: String,
    /// Where others hear what is said on it.
    pub(in super::super) tap: Option<Tap>,
}

/// Lets somebody hear what is said on others' connections, until he goes. What he is too slow for is lost to him.
///
/// # Errors
/// Why it ended.
pub(in super::super) async fn overhear(
    stream: Box<dyn Stream>,
    versions: &[Version],
    mut said: broadcast::Receiver<Bytes>,
) -> Result<()> {
    let mut wire = Wire::new(stream, None);
    timeout(GREETING, wire.greet(versions)).await.context("said no hello")??;
    loop {
        tokio::select! {
            // What he says is not listened to.
            there = wire.read() => {
                if !there? {
                    return Ok(());
                }
                while let Some(message) = wire.frames.next() {
                    message?;
                }
            }
            message = said.recv() => match message {
                Ok(message) => {
                    wire.out.extend_from_slice(&message);
                    wire.flush().await?;
                }
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return Ok(()),
            }
        }
    }
}

/// Holds a connection until it ends. `joined` is told when a version was agreed on.
///
/// # Errors
/// Why it ended; without an error the peer has hung up.
pub(in super::super) async fn converse(
    stream: Box<dyn Stream>,
    terms: Terms,
    daemon: mpsc::Sender<Call>,
    joined: impl FnOnce(ConnectionId, Version),
) -> Result<()> {
    let mut wire = Wire::new(stream, terms.tap.clone());
    let version = timeout(GREETING, wire.greet(&terms.versions)).await.context("said no hello")??;
    let (frames, frames_told) = mpsc::channel(FRAMES_MAX);
    let (events, events_told) = mpsc::channel(NEWS_MAX);
    let Terms { kind, probe_ms, name, .. } = terms;
    let (reply, answer) = oneshot::channel();
    let waiting = Arc::new(Waiting::default());
    let joining = Joining { kind, version, name, frames, events, waiting: waiting.clone() };
    daemon.send(Call::OpenFlow(Ask::Join(joining, reply))).await?;
    let (id, options) = answer.await?;
    joined(id, version);
    wire.options = Some(options);
    let (frames, events) = (frames_told, events_told);
    let mut peer = Peer { wire, answered: None, id, version, daemon, frames, events, waiting };
    let outcome = peer.talk(probe_ms).await;
    peer.daemon.send(Call::OpenFlow(Ask::Leave(id))).await?;
    outcome
}

struct Peer {
    wire: Wire,
    /// When the last barrier was answered, and whether the one before was just before it.
    answered: Option<(Instant, bool)>,
    id: ConnectionId,
    version: Version,
    daemon: mpsc::Sender<Call>,
    frames: mpsc::Receiver<Envelope>,
    events: mpsc::Receiver<Envelope>,
    /// How many of them wait.
    waiting: Arc<Waiting>,
}

impl Peer {
    async fn talk(&mut self, probe_ms: u64) -> Result<()> {
        let start = Instant::now();
        let mut liveness = Liveness::new(probe_ms, 0);
        loop {
            while let Some((heard, options)) = self.heard()? {
                self.hear(heard, options).await?;
            }
            self.say_news().await?;
            self.wire.flush().await?;
            let now = start.elapsed().as_millis() as u64;
            let until = match liveness.pulse(now) {
                Pulse::Quiet(until) => until,
                Pulse::Probe => {
                    self.wire.say(self.version, &Envelope::new(0, Message::EchoRequest(Bytes::new())));
                    continue;
                }
                Pulse::Dead => bail!("does not answer"),
            };
            // A year without a probe is as good as none.
            let until = start + Duration::from_millis(until.min(now + 31_536_000_000));
            let linger = self.lingers();
            tokio::select! {
                there = self.wire.read() => {
                    if !there? {
                        return Ok(());
                    }
                    liveness.heard(start.elapsed().as_millis() as u64);
                }
                event = self.events.recv() => match event {
                    Some(event) => self.say_event(&event),
                    None => bail!("has missed too much news of flows"),
                },
                Some(frame) = self.frames.recv() => self.wire.say(self.version, &frame),
                () = sleep_until(until) => {}
                // Everybody else has a turn, and it is looked again.
                () = tokio::task::yield_now(), if linger => {}
            }
        }
    }

    /// Whether the next request may come any moment: the peer waits for one barrier after the other.
    fn lingers(&self) -> bool {
        self.answered.is_some_and(|(when, hasty)| hasty && when.elapsed() < LINGER)
    }

    /// Some of the messages that have come, up to one that must be answered before the next is looked at, and what options were called as they were read.
    fn heard(&mut self) -> Result<Option<(Vec<Heard>, Arc<OptionMap>)>> {
        let mut batch = Vec::with_capacity(BATCH.min(self.wire.frames.waiting() / HEADER));
        let options = self.wire.options();
        let tap = self.wire.tap.as_ref().filter(|tap| tap.receiver_count() > 0);
        while batch.len() < BATCH
            && let Some(message) = self.wire.frames.next()
        {
            let raw = message?;
            let said = match raw.first() == Some(&(self.version as u8)) {
                true => decode_knowing(self.version, &options, &raw),
                false => Err((xid(&raw), Code::BadVersion)),
            };
            let _ = tap.map(|tap| tap.send(raw.clone()));
            let ends = said.as_ref().is_ok_and(|said| is_asked(&said.message));
            batch.push(Heard { raw, said });
            if ends {
                break;
            }
        }
        Ok((!batch.is_empty()).then_some((batch, options)))
    }

    /// Has messages done, and says what is to be said.
    async fn hear(&mut self, heard: Vec<Heard>, options: Arc<OptionMap>) -> Result<()> {
        // Nothing is looked at together with what comes after a question.
        let last = heard.last().map_or_else(Bytes::new, |heard| heard.raw.clone());
        let (reply, answer) = oneshot::channel();
        self.daemon.send(Call::OpenFlow(Ask::Hear(self.id, heard, options, reply))).await?;
        let Done { steps, mut picture, generation, sweeper, injecting, news } = answer.await?;
        for step in steps {
            match step {
                Step::Say(envelope) => self.wire.say(self.version, &envelope),
                Step::Barrier(asked) => {
                    self.wire.flush().await?;
                    sweeper.adopted(generation).await;
                    if let Some(number) = injecting {
                        self.all_left(number).await?;
                    }
                    self.say_news().await?;
                    self.wire.say(self.version, &asked.answer(Message::BarrierReply));
                    let hasty = self.answered.is_some_and(|(before, _)| before.elapsed() < HASTE);
                    self.answered = Some((Instant::now(), hasty));
                }
                Step::Answer(asked, question) => {
                    let Some(picture) = picture.take() else { continue };
                    // Whoever begins to watch flows hears how they are behind what he was told of them before.
                    if let Question::FlowMonitor(_) = question {
                        self.say_events(news).await?;
                    }
                    if answers::counts(&question) {
                        sweeper.settle().await;
                    }
                    self.answer(*picture, asked, question, last.clone()).await?;
                }
            }
            if self.wire.out.len() >= WRITE {
                self.wire.flush().await?;
            }
        }
        Ok(())
    }

    /// Waits until the frames have left that were to be sent, up to the one of this number.
    async fn all_left(&mut self, number: u64) -> Result<()> {
        loop {
            let (reply, answer) = oneshot::channel();
            self.daemon.send(Call::HasInjected(number, reply)).await?;
            if answer.await? {
                return Ok(());
            }
            tokio::time::sleep(LEAVING).await;
        }
    }

    /// Writes an answer on a thread of its own, as fast as the peer reads it.
    async fn answer(
        &mut self,
        picture: super::Picture,
        asked: Asked,
        question: Question,
        request: Bytes,
    ) -> Result<()> {
        let (out, mut written) = mpsc::channel::<Vec<u8>>(4);
        let (version, tap, options) = (self.version, self.wire.tap.clone(), self.wire.options());
        let writing = tokio::task::spawn_blocking(move || {
            let mut waiting = Vec::new();
            answers::answer(&picture, asked, question, &request, &mut |envelope| {
                for part in parts_knowing(version, &options, &envelope) {
                    waiting.extend_from_slice(&part);
                    let _ = tap.as_ref().map(|tap| tap.send(part));
                }
                waiting.len() < WRITE || out.blocking_send(std::mem::take(&mut waiting)).is_ok()
            });
            let _ = out.blocking_send(waiting);
        });
        while let Some(bytes) = written.recv().await {
            self.wire.out.extend_from_slice(&bytes);
            self.wire.flush().await?;
        }
        Ok(writing.await?)
    }

    fn say_event(&mut self, event: &Envelope) {
        self.waiting.take(event);
        self.wire.say(self.version, event);
    }

    /// Says so much of what it was told.
    async fn say_events(&mut self, count: usize) -> Result<()> {
        for _ in 0..count {
            let Ok(event) = self.events.try_recv() else { break };
            self.say_event(&event);
            if self.wire.out.len() >= WRITE {
                self.wire.flush().await?;
            }
        }
        Ok(())
    }

    /// Says what it was told until now. What comes while it is said has to wait: a peer that takes it slowly shall be heard, too.
    async fn say_news(&mut self) -> Result<()> {
        for _ in 0..self.events.len() + self.frames.len() {
            match self.events.try_recv() {
                Ok(event) => self.say_event(&event),
                Err(_) => match self.frames.try_recv() {
                    Ok(frame) => self.wire.say(self.version, &frame),
                    Err(_) => return Ok(()),
                },
            }
            if self.wire.out.len() >= WRITE {
                self.wire.flush().await?;
            }
        }
        Ok(())
    }
}

/// Whether a message has an answer, which may be much longer than itself: it is said before the next is looked at.
fn is_asked(message: &Message) -> bool {
    !matches!(
        message,
        Message::FlowMod(..)
            | Message::GroupMod(_)
            | Message::BucketMod(_)
            | Message::MeterMod(_)
            | Message::PortMod(_)
            | Message::PacketOut(_)
            | Message::BundleAdd(_)
            | Message::EchoReply(_)
            | Message::Error(_)
    )
}

fn xid(raw: &Bytes) -> u32 {
    raw.get(4..HEADER).and_then(|xid| xid.try_into().ok()).map_or(0, u32::from_be_bytes)
}
