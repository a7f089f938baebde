//! The bytes of a connection: in as messages, out as they are said, by the version that both sides have agreed on in the beginning.

use super::Options;
use crate::openflow::channel::{Agreement, Handshake, refusal};
use crate::openflow::{Code, Envelope, Frames, HEADER, Message, Version, parts_knowing};
use anyhow::{Context, Result, bail};
use bytes::Bytes;
use datapath::tunnel::OptionMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::broadcast;
use tokio::time::timeout;

/// What a connection is made of.
pub(in super::super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// How long it may take to read what it is told.
const PATIENCE: Duration = Duration::from_secs(30);
/// What is read at a time.
const READ: usize = 128 << 10;
/// What is written at a time.
pub(super) const WRITE: usize = 64 << 10;

/// What is said on connections with controllers, as it goes over the wire.
pub(in super::super) type Tap = broadcast::Sender<Bytes>;

/// The bytes of a connection.
pub(super) struct Wire {
    from: ReadHalf<Box<dyn Stream>>,
    to: WriteHalf<Box<dyn Stream>>,
    pub(super) frames: Frames,
    read: Vec<u8>,
    pub(super) out: Vec<u8>,
    /// What Geneve options are called, from when on somebody may speak of them.
    pub(super) options: Option<Options>,
    pub(super) tap: Option<Tap>,
}

impl Wire {
    pub(super) fn new(stream: Box<dyn Stream>, tap: Option<Tap>) -> Wire {
        let (from, to) = tokio::io::split(stream);
        Wire {
            from,
            to,
            frames: Frames::new(),
            read: Vec::with_capacity(READ),
            out: Vec::new(),
            options: None,
            tap,
        }
    }

    /// What Geneve options are called.
    pub(super) fn options(&self) -> Arc<OptionMap> {
        self.options.as_ref().map(|options| options.borrow().clone()).unwrap_or_default()
    }

    /// Says hello and hears it.
    pub(super) async fn greet(&mut self, versions: &[Version]) -> Result<Version> {
        let handshake = Handshake::new(versions);
        let ours = handshake.version().context("no version is allowed")?;
        self.say(ours, &Envelope::new(1, Message::hello(handshake.versions())));
        self.flush().await?;
        let hello = loop {
            if let Some(message) = self.frames.next() {
                break message?;
            }
            if !self.read().await? {
                bail!("hung up without a word");
            }
        };
        match handshake.hear(&hello) {
            Agreement::Speak(version) => Ok(version),
            Agreement::NoHello => bail!("said something else than hello first"),
            Agreement::Nothing(version) => {
                let xid = hello.get(4..HEADER).and_then(|xid| xid.try_into().ok());
                let xid = xid.map_or(0, u32::from_be_bytes);
                self.say(version, &refusal(xid, Code::HelloIncompatible, &hello));
                self.flush().await?;
                bail!("speaks no version that is allowed here");
            }
        }
    }

    /// Reads what there is. False at the end.
    pub(super) async fn read(&mut self) -> Result<bool> {
        self.read.clear();
        let got = self.from.read_buf(&mut self.read).await?;
        self.frames.push(&self.read);
        Ok(got > 0)
    }

    pub(super) fn say(&mut self, version: Version, envelope: &Envelope) {
        // What a version has no words for is not said in it.
        for part in parts_knowing(version, &self.options(), envelope) {
            self.out.extend_from_slice(&part);
            let _ = self.tap.as_ref().map(|tap| tap.send(part));
        }
    }

    pub(super) async fn flush(&mut self) -> Result<()> {
        if self.out.is_empty() {
            return Ok(());
        }
        timeout(PATIENCE, self.to.write_all(&self.out)).await.context("does not read what it is told")??;
        timeout(PATIENCE, self.to.flush()).await.context("does not read what it is told")??;
        self.out.clear();
        self.out.shrink_to(2 * WRITE);
        Ok(())
    }
}
