//! Serving one client: requests in, answers out, one after the other.
//!
//! A client is somebody else's program. It costs a task and the buffer of its request; buffers of all clients together are bounded, and
//! so is the time that a client may take to send a request or to take an answer. What takes long, reading texts of flows and
//! writing rows, happens on threads of its own, over a snapshot: neither other clients nor the following of the kernel waits.

use super::calls::{Call, View};
use super::{rows, texts};
use crate::api::{Answer, REQUEST_BYTES_MAX, Request};
use crate::trace;
use anyhow::Result;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{Semaphore, SemaphorePermit, mpsc, oneshot};
use tokio::time::timeout;

/// How many clients there may be at a time.
pub(super) const CLIENTS_MAX: usize = 64;
/// What the requests of all clients may take together, in units of [`UNIT`].
const BUFFERS_MAX: usize = 2 * REQUEST_BYTES_MAX / UNIT;
const UNIT: usize = 64 << 10;
/// How long a client may say nothing between two requests.
const SILENCE: Duration = Duration::from_secs(60);
/// How long it may take to send a request that it has begun, or to take an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// What bounds all clients together.
static BUFFERS: Semaphore = Semaphore::const_new(BUFFERS_MAX);

/// Serves one client until it goes.
pub(super) async fn serve(client: UnixStream, daemon: mpsc::Sender<Call>) {
    let (from, to) = client.into_split();
    let mut client = Client { from: BufReader::new(from), to, daemon };
    while let Ok(true) = client.turn().await {}
}

/// Reads a request; a long one on a thread of its own.
async fn understood(line: Line) -> Result<serde_json::Result<Request>> {
    let read = |line: Line| serde_json::from_slice(&line.bytes);
    match line.bytes.len() > UNIT {
        true => Ok(tokio::task::spawn_blocking(move || read(line)).await?),
        false => Ok(read(line)),
    }
}

struct Client {
    from: BufReader<OwnedReadHalf>,
    to: OwnedWriteHalf,
    daemon: mpsc::Sender<Call>,
}

/// A request line, and its share of the memory that there is for all.
struct Line {
    bytes: Vec<u8>,
    _held: Vec<SemaphorePermit<'static>>,
}

impl Client {
    /// Serves one request. False when the client has gone.
    async fn turn(&mut self) -> Result<bool> {
        let first = timeout(SILENCE, self.from.fill_buf()).await??;
        if first.is_empty() {
            return Ok(false);
        }
        let line = match timeout(PATIENCE, self.line()).await? {
            Ok(line) => line,
            Err(refusal) => {
                self.refuse(refusal).await?;
                return Ok(false);
            }
        };
        match understood(line).await? {
            Ok(request) => self.answer(request).await?,
            Err(error) => self.refuse(format!("the request is not understood: {error}")).await?,
        }
        Ok(true)
    }

    /// A line, or why it is not read on.
    async fn line(&mut self) -> Result<Line, String> {
        let mut line = Line { bytes: Vec::new(), _held: Vec::new() };
        loop {
            let part = self.from.fill_buf().await.map_err(|error| error.to_string())?;
            let end = part.iter().position(|byte| *byte == b'\n');
            let take = end.unwrap_or(part.len());
            if line.bytes.len() + take > REQUEST_BYTES_MAX {
                return Err(format!("a request has at most {REQUEST_BYTES_MAX} bytes"));
            }
            line.bytes.extend_from_slice(&part[..take]);
            let over = end.is_some() || part.is_empty();
            let used = take + usize::from(end.is_some());
            self.from.consume(used);
            if over {
                return Ok(line);
            }
            while line._held.len() * UNIT < line.bytes.len() {
                let Ok(permit) = BUFFERS.try_acquire() else {
                    return Err("too much is being asked at the same time: try again".into());
                };
                line._held.push(permit);
            }
        }
    }

    async fn answer(&mut self, request: Request) -> Result<()> {
        match request {
            Request::Show => {
                let status = self.call(Call::Status).await?;
                self.say(&Answer::Status(Box::new(status))).await?;
                self.say(&Answer::Done(Default::default())).await
            }
            Request::DumpFlows { filter, names } => {
                let view = self.exact_view().await?;
                match texts::filter(&view, &filter) {
                    Err(refusal) => self.refuse(refusal).await,
                    Ok(filter) => self.stream(move |out| rows::flows(&view, filter, names, out)).await,
                }
            }
            Request::DumpGroups { names } => {
                let view = self.exact_view().await?;
                self.stream(move |out| rows::groups(&view, names, out)).await
            }
            Request::DumpMeters => {
                let view = self.exact_view().await?;
                self.stream(move |out| rows::meters(&view, out)).await
            }
            Request::DumpTables => {
                let view = self.exact_view().await?;
                self.stream(move |out| rows::tables(&view, out)).await
            }
            Request::Trace(packet) => {
                let view = self.call(Call::View).await?;
                let traced = tokio::task::spawn_blocking(move || trace::live(&view.plan(), &packet)).await?;
                match traced {
                    Err(error) => self.refuse(format!("{error:#}")).await,
                    Ok(report) => {
                        self.say(&Answer::Traced(Box::new(report))).await?;
                        self.say(&Answer::Done(Default::default())).await
                    }
                }
            }
            Request::Monitor => self.monitor().await,
            Request::DumpTlvMap => {
                let view = self.call(Call::View).await?;
                self.say(&Answer::TlvMap(rows::tlv_map(&view))).await?;
                self.say(&Answer::Done(Default::default())).await
            }
            Request::ChangeTlvMap { add, maps } => match texts::options(add, &maps) {
                Err(refusal) => self.refuse(refusal).await,
                Ok(change) => match self.call(|reply| Call::Options(change, reply)).await? {
                    Err(error) => self.refuse(error.to_string()).await,
                    Ok((done, sweeper)) => {
                        sweeper.adopted_soon(done.generation).await;
                        self.say(&Answer::Done(done)).await
                    }
                },
            },
            change => {
                let view = self.call(Call::View).await?;
                let read = tokio::task::spawn_blocking(move || texts::changes(&view, change)).await?;
                match read {
                    Err(refusals) => self.say(&Answer::Refused(refusals)).await,
                    Ok(changes) => self.change(changes).await,
                }
            }
        }
    }

    /// Tells what the controller is told, until the client says something or goes.
    async fn monitor(&mut self) -> Result<()> {
        let Some(mut packets) = self.call(Call::Monitor).await? else {
            return self.refuse("as many listen already as may".into()).await;
        };
        loop {
            tokio::select! {
                packet = packets.recv() => match packet {
                    Some(packet) => self.say(&packet).await?,
                    None => break,
                },
                said = self.from.fill_buf() => {
                    said?;
                    break;
                }
            }
        }
        self.say(&Answer::Done(Default::default())).await
    }

    async fn change(&mut self, changes: texts::Changes) -> Result<()> {
        let texts::Changes { requests, places } = changes;
        let (reply, answer) = oneshot::channel();
        self.daemon.send(Call::Change(requests, reply)).await?;
        match answer.await? {
            Ok((done, sweeper)) => {
                sweeper.adopted_soon(done.generation).await;
                self.say(&Answer::Done(done)).await
            }
            Err((at, error)) => {
                let place = places.get(at).map_or(String::new(), |place| format!("{place}: "));
                self.refuse(format!("{place}{error}")).await
            }
        }
    }

    /// The switch as it is, after all that workers have counted until now was written.
    async fn exact_view(&mut self) -> Result<View> {
        let view = self.call(Call::View).await?;
        view.sweeper.settle().await;
        Ok(view)
    }

    async fn call<T>(&mut self, call: impl FnOnce(oneshot::Sender<T>) -> Call) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        self.daemon.send(call(reply)).await?;
        Ok(answer.await?)
    }

    /// Says what `write` writes, as fast as the client takes it.
    async fn stream(
        &mut self,
        write: impl FnOnce(&mut dyn FnMut(Answer) -> bool) + Send + 'static,
    ) -> Result<()> {
        let (out, mut answers) = mpsc::channel::<Answer>(4);
        let writing =
            tokio::task::spawn_blocking(move || write(&mut |answer| out.blocking_send(answer).is_ok()));
        while let Some(answer) = answers.recv().await {
            self.say(&answer).await?;
        }
        writing.await?;
        self.say(&Answer::Done(Default::default())).await
    }

    async fn refuse(&mut self, reason: String) -> Result<()> {
        self.say(&Answer::Refused(vec![reason])).await
    }

    async fn say(&mut self, answer: &Answer) -> Result<()> {
        let mut line = serde_json::to_vec(answer)?;
        line.push(b'\n');
        timeout(PATIENCE, self.to.write_all(&line)).await??;
        Ok(())
    }
}
