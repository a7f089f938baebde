//! A TCP transfer between two namespaces, one way and then the other, with every byte compared.
//!
//! Both ends are bound to addresses *and ports* that the caller chooses, so that two tenants can run the same transfer, to
//! the bit of every header, at the same time. Each sender sends for a time, then closes its half; the receiver
//! checks what it gets against the same endless text, and both count.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, SocketAddrV4, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd};
use std::panic;
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, SockaddrIn, bind, connect, listen, setsockopt, socket,
    sockopt,
};
use nix::sys::time::TimeVal;

use super::stop::SLICE;
use super::{Netns, Stop};

/// A prime, so that the text meets segment and page borders at every offset.
const TEXT: usize = 65_521;

/// How long a connection may make no progress.
const PATIENCE: Duration = Duration::from_secs(5);

/// One end of a connection.
#[derive(Clone, Copy, Debug)]
pub struct Peer<'a> {
    /// Where it runs.
    pub netns: &'a Netns,
    /// Its address and port.
    pub addr: SocketAddrV4,
}

/// What was carried one way.
#[derive(Clone, Copy, Debug, Default)]
pub struct Flow {
    /// Bytes received, all of them right.
    pub bytes: u64,
    /// From the first byte to the last.
    pub time: Duration,
}

/// What was carried both ways.
#[derive(Clone, Copy, Debug, Default)]
pub struct Transfer {
    /// From client to server.
    pub there: Flow,
    /// From server to client.
    pub back: Flow,
}

impl Flow {
    /// Bits a second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        if self.time.is_zero() { 0.0 } else { self.bytes as f64 * 8.0 / self.time.as_secs_f64() }
    }
}

impl Transfer {
    /// Sends for `time` from client to server, then as long back. `seed` chooses the text: a byte of another
    /// transfer would show.
    ///
    /// # Errors
    /// When no connection comes about, it stalls, or a byte is wrong, missing or too many.
    pub fn run(
        client: Peer<'_>,
        server: Peer<'_>,
        time: Duration,
        seed: u64,
        stop: &Stop,
    ) -> Result<Transfer> {
        let text = text(seed);
        let listener = server.netns.run(|| listener(server.addr))?;
        let listener =
            listener.with_context(|| format!("{}: cannot listen on {}", server.netns.name(), server.addr))?;
        thread::scope(|scope| {
            let serving = scope.spawn(|| -> Result<(u64, Flow)> {
                let mut stream = accept(&listener, stop)?;
                let there = receive(&mut stream, &text, stop)?;
                let sent = send(&mut stream, &text, time, stop)?;
                Ok((sent, there))
            });
            let asking = || -> Result<(u64, Flow)> {
                let mut stream = client.netns.run(|| dial(client.addr, server.addr))??;
                let sent = send(&mut stream, &text, time, stop)?;
                let back = receive(&mut stream, &text, stop)?;
                Ok((sent, back))
            };
            let asked = asking().with_context(|| format!("{} to {}", client.addr, server.addr));
            let served = joined(serving).with_context(|| format!("{} serving {}", server.addr, client.addr));
            let ((sent_there, back), (sent_back, there)) = match (asked, served) {
                (Ok(asked), Ok(served)) => (asked, served),
                (Err(error), _) | (_, Err(error)) => return Err(error),
            };
            if sent_there != there.bytes || sent_back != back.bytes {
                bail!(
                    "sent {sent_there} bytes, {} arrived; sent {sent_back} back, {} arrived",
                    there.bytes,
                    back.bytes
                );
            }
            Ok(Transfer { there, back })
        })
    }
}

fn listener(addr: SocketAddrV4) -> Result<TcpListener> {
    let socket = bound(addr)?;
    listen(&socket, Backlog::new(8)?)?;
    let listener = TcpListener::from(socket);
    listener.set_nonblocking(true)?;
    Ok(listener)
}

fn bound(addr: SocketAddrV4) -> Result<OwnedFd> {
    let socket = socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    setsockopt(&socket, sockopt::ReuseAddr, &true)?;
    bind(socket.as_raw_fd(), &SockaddrIn::from(addr))?;
    Ok(socket)
}

fn dial(from: SocketAddrV4, to: SocketAddrV4) -> Result<TcpStream> {
    let socket = bound(from)?;
    // connect(2) gives up after the send timeout.
    setsockopt(&socket, sockopt::SendTimeout, &TimeVal::new(PATIENCE.as_secs().cast_signed(), 0))?;
    connect(socket.as_raw_fd(), &SockaddrIn::from(to)).context("no connection")?;
    patient(TcpStream::from(socket))
}

fn accept(listener: &TcpListener, stop: &Stop) -> Result<TcpStream> {
    let end = Instant::now() + PATIENCE;
    loop {
        match listener.accept() {
            Ok((stream, SocketAddr::V4(_) | SocketAddr::V6(_))) => {
                stream.set_nonblocking(false)?;
                return patient(stream);
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error.into()),
        }
        if Instant::now() > end {
            bail!("nobody connected within {PATIENCE:?}");
        }
        stop.sleep(Duration::from_millis(1))?;
    }
}

/// Reads and writes that come back every now and then, to look at the clock and the wish to stop.
fn patient(stream: TcpStream) -> Result<TcpStream> {
    stream.set_read_timeout(Some(SLICE))?;
    stream.set_write_timeout(Some(SLICE))?;
    Ok(stream)
}

fn send(stream: &mut TcpStream, text: &[u8], time: Duration, stop: &Stop) -> Result<u64> {
    let end = Instant::now() + time;
    let mut sent = 0;
    let mut progress = Instant::now();
    while Instant::now() < end {
        match stream.write(&text[(sent % TEXT as u64) as usize..]) {
            Ok(n) => {
                sent += n as u64;
                progress = Instant::now();
            }
            Err(error) => {
                patience(&error, progress, stop).with_context(|| format!("after sending {sent} bytes"))?
            }
        }
    }
    stream.shutdown(Shutdown::Write)?;
    Ok(sent)
}

fn receive(stream: &mut TcpStream, text: &[u8], stop: &Stop) -> Result<Flow> {
    let mut buffer = vec![0; TEXT];
    let mut flow = Flow::default();
    let mut progress = Instant::now();
    let mut first = None;
    loop {
        let at = (flow.bytes % TEXT as u64) as usize;
        match stream.read(&mut buffer[..TEXT - at]) {
            Ok(0) => return Ok(flow),
            Ok(n) => {
                if buffer[..n] != text[at..at + n] {
                    bail!("a wrong byte after {} right ones", flow.bytes);
                }
                progress = Instant::now();
                flow.bytes += n as u64;
                flow.time = first.get_or_insert(progress).elapsed();
            }
            Err(error) => {
                patience(&error, progress, stop)
                    .with_context(|| format!("after receiving {} bytes", flow.bytes))?;
            }
        }
    }
}

/// Whether an error is only a wait, and one that has not lasted too long.
fn patience(error: &std::io::Error, progress: Instant, stop: &Stop) -> Result<()> {
    stop.check()?;
    match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
            if progress.elapsed() < PATIENCE =>
        {
            Ok(())
        }
        ErrorKind::WouldBlock | ErrorKind::TimedOut => bail!("stalled for {PATIENCE:?}"),
        _ => bail!("{error}"),
    }
}

/// Bytes without pattern (xorshift64, Marsaglia 2003).
fn text(seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let word = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    std::iter::repeat_with(word).flat_map(u64::to_le_bytes).take(TEXT).collect()
}

fn joined<T>(thread: ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| panic::resume_unwind(panic))
}
