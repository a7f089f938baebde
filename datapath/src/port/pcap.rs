//! A port whose device is a pair of capture files: frames come out of one and go into the other.
//!
//! The turn's time is the clock: a frame comes in when its time has come, and what is sent carries the turn's time. So the
//! same captures give the same bytes, however fast or slow the machine is. pcap and pcapng are read; pcap with nanosecond
//! time stamps in little-endian order is written.

use crate::mem::{Frame, FramePool};
use crate::stats::DropReason;
use pcap_file::pcap::{PcapHeader, PcapPacket, PcapReader, PcapTsResolution, PcapWriter};
use pcap_file::pcapng::{Block, PcapNgReader};
use pcap_file::{DataLink, Endianness};
use std::fmt;
use std::io::{BufRead, ErrorKind, Read, Write};
use std::time::Duration;

/// Longest block that a reader buffers, in bytes: the largest capture length that tools write, and its header.
const BLOCK_MAX: usize = 512 << 10;

/// Most interfaces that a section of a pcapng file may describe: each takes memory for as long as the section lasts.
const INTERFACES_MAX: usize = 1 << 16;

/// First second that the time stamps of pcap cannot say (draft-ietf-opsawg-pcap section 4.1): in the year 2106.
const SECONDS_END: u64 = 1 << 32;

/// First bytes of a pcapng file (draft-ietf-opsawg-pcapng section 4.1).
const PCAPNG_MAGIC: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];

/// Why a capture cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It could not be read at all.
    #[error("cannot be read: {0}")]
    Io(#[from] std::io::Error),
    /// It is not a capture, or is damaged. The number counts the packets before the damage.
    #[error("packet {0}: {1}")]
    Damaged(u64, String),
    /// It holds something other than Ethernet frames.
    #[error("the link type is {0:?}; only Ethernet captures can be replayed")]
    NotEthernet(DataLink),
    /// What was sent could not be written.
    #[error("cannot be written: {0}")]
    Write(String),
}

type Input = Box<dyn BufRead + Send>;
type Output = Box<dyn Write + Send>;

enum Reader {
    Pcap(PcapReader<Input>),
    PcapNg(PcapNgReader<Input>),
}

/// A frame as a reader gives it.
struct Captured {
    time: Duration,
    bytes: Vec<u8>,
    /// How long it was before the capture cut it.
    original_len: u32,
}

/// The next frame of the input.
struct Next {
    time_ns: u64,
    bytes: Vec<u8>,
}

/// Two capture files.
pub struct Pcap {
    reader: Option<Reader>,
    next: Option<Next>,
    read: u64,
    cut: u64,
    writer: Option<PcapWriter<Output>>,
    now_ns: u64,
    error: Option<Error>,
}

impl fmt::Debug for Pcap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pcap").field("read", &self.read).field("error", &self.error).finish_non_exhaustive()
    }
}

impl Pcap {
    /// A port that receives what `input` holds and writes what it is given to `output`; either may be missing.
    pub fn new(input: Option<Input>, output: Option<Output>) -> Result<Pcap, Error> {
        let reader = input.map(Reader::open).transpose()?;
        let writer = output.map(create).transpose()?;
        let mut port = Pcap { reader, next: None, read: 0, cut: 0, writer, now_ns: 0, error: None };
        port.advance();
        match port.error.take() {
            Some(error) => Err(error),
            None => Ok(port),
        }
    }

    /// The bytes of the next frame.
    pub fn peek(&self) -> Option<&[u8]> {
        self.next.as_ref().map(|next| &*next.bytes)
    }

    /// Passes the next frame over.
    pub fn skip(&mut self) {
        self.advance();
    }

    /// When the next frame comes in, in nanoseconds since 1970. Never earlier than the one before. None at the end.
    pub fn next_time(&self) -> Option<u64> {
        self.next.as_ref().map(|next| next.time_ns)
    }

    /// How many of the frames read so far are not whole: the capture kept only their beginnings (its snap length).
    pub fn cut(&self) -> u64 {
        self.cut
    }

    /// Writes out what is buffered. Returns the first error that reading or writing met.
    pub fn finish(&mut self) -> Result<(), Error> {
        if let Some(writer) = &mut self.writer
            && let Err(error) = writer.flush()
        {
            self.error.get_or_insert(Error::Write(error.to_string()));
        }
        self.error.take().map_or(Ok(()), Err)
    }

    pub(super) fn set_time(&mut self, now_ns: u64) {
        self.now_ns = now_ns;
    }

    pub(super) fn rx<'u>(
        &mut self,
        pool: &mut FramePool<'u>,
        max: usize,
        out: &mut Vec<Option<Frame<'u>>>,
    ) -> u64 {
        let mut refused = 0;
        for _ in 0..max.min(pool.len()) {
            let Some(next) = self.next.as_ref().filter(|next| next.time_ns <= self.now_ns) else { break };
            match pool.hold(&next.bytes) {
                Some(frame) => out.push(Some(frame)),
                None => refused += 1,
            }
            self.advance();
        }
        refused
    }

    pub(super) fn tx(&mut self, frame: &Frame<'_>) -> Result<(), DropReason> {
        match self.write(self.now_ns, frame.len(), frame.bytes()) {
            true => Ok(()),
            false => Err(DropReason::PortRefused),
        }
    }

    /// Writes the first bytes of a frame of this length. False when that is not possible; [`Pcap::finish`] says why.
    pub fn write(&mut self, now_ns: u64, len: usize, bytes: &[u8]) -> bool {
        let Some(writer) = &mut self.writer else { return false };
        let written = PcapPacket::new(Duration::from_nanos(now_ns), len as u32, bytes)
            .map_err(|error| error.to_string())
            .and_then(|packet| writer.write_packet(&packet).map_err(|error| error.to_string()));
        match written {
            Ok(_) => true,
            Err(error) => {
                self.error.get_or_insert(Error::Write(error));
                false
            }
        }
    }

    /// Reads one frame ahead.
    fn advance(&mut self) {
        let before = self.next.take().map_or(0, |next| next.time_ns);
        let Some(reader) = &mut self.reader else { return };
        match reader.read() {
            Ok(None) => self.reader = None,
            Ok(Some(Captured { time, bytes, original_len })) => {
                self.read += 1;
                self.cut += u64::from(bytes.len() < original_len as usize);
                // Fits: 2^32 seconds are less than 2^63 nanoseconds.
                let time_ns = (time.as_nanos() as u64).max(before);
                self.next = Some(Next { time_ns, bytes });
            }
            Err(error) => {
                self.error = Some(match error {
                    Error::Damaged(_, what) => Error::Damaged(self.read, what),
                    other => other,
                });
                self.reader = None;
            }
        }
    }
}

fn create(output: Output) -> Result<PcapWriter<Output>, Error> {
    let header = PcapHeader {
        datalink: DataLink::ETHERNET,
        ts_resolution: PcapTsResolution::NanoSecond,
        endianness: Endianness::Little,
        ..PcapHeader::default()
    };
    PcapWriter::with_header(output, header).map_err(|error| Error::Write(error.to_string()))
}

/// What a reader says, with its causes; they tell what is wrong, the outermost only where.
fn damaged(error: &(dyn std::error::Error + 'static)) -> Error {
    let causes: Vec<_> = std::iter::successors(Some(error), |error| error.source()).collect();
    let early = |cause: &&&(dyn std::error::Error + 'static)| {
        cause.downcast_ref::<std::io::Error>().is_some_and(|io| io.kind() == ErrorKind::UnexpectedEof)
    };
    let what = match causes.iter().find(early) {
        Some(_) => {
            format!("the file ends in the middle of it, or it claims to be longer than {BLOCK_MAX} bytes")
        }
        None => causes.iter().map(ToString::to_string).collect::<Vec<_>>().join(": "),
    };
    Error::Damaged(0, what)
}

fn refused(what: impl Into<String>) -> Error {
    Error::Damaged(0, what.into())
}

impl Reader {
    fn open(mut input: Input) -> Result<Reader, Error> {
        let start = input.fill_buf()?;
        if start.is_empty() {
            return Err(refused("the file is empty"));
        }
        if start.starts_with(&PCAPNG_MAGIC) {
            let reader = PcapNgReader::with_capacity(input, BLOCK_MAX).map_err(|error| damaged(&error))?;
            return Ok(Reader::PcapNg(reader));
        }
        let reader = PcapReader::with_capacity(input, BLOCK_MAX).map_err(|error| damaged(&error))?;
        match reader.header().datalink {
            DataLink::ETHERNET => Ok(Reader::Pcap(reader)),
            other => Err(Error::NotEthernet(other)),
        }
    }

    fn read(&mut self) -> Result<Option<Captured>, Error> {
        let captured = match self {
            Reader::Pcap(reader) => {
                let Some(packet) = reader.next_packet() else { return Ok(None) };
                let packet = packet.map_err(|error| damaged(&error))?;
                let (time, original_len) = (packet.timestamp(), packet.orig_len());
                Some(Captured { time, bytes: packet.into_data().into_owned(), original_len })
            }
            Reader::PcapNg(reader) => read_pcapng(reader)?,
        };
        match &captured {
            Some(Captured { time, .. }) if time.as_secs() >= SECONDS_END => {
                Err(refused(format!("its time, {} seconds after 1970, is beyond 2106", time.as_secs())))
            }
            _ => Ok(captured),
        }
    }
}

fn read_pcapng<R: Read>(reader: &mut PcapNgReader<R>) -> Result<Option<Captured>, Error> {
    loop {
        let Some(block) = reader.next_block() else { return Ok(None) };
        let (block, state) = block.map_err(|error| damaged(&error))?;
        let (interface, captured) = match block {
            Block::EnhancedPacket(packet) => {
                let (time, original_len) = (packet.timestamp, packet.original_len);
                (packet.interface_id, Captured { time, bytes: packet.data.into_owned(), original_len })
            }
            // A simple packet block has no time and belongs to the first interface.
            Block::SimplePacket(packet) => {
                let (time, original_len) = (Duration::ZERO, packet.original_len);
                (0, Captured { time, bytes: packet.data.into_owned(), original_len })
            }
            Block::Packet(_) => {
                return Err(refused("it is of the obsolete packet block; editcap writes it anew"));
            }
            Block::InterfaceDescription(_) if state.interfaces().len() > INTERFACES_MAX => {
                return Err(refused(format!("there are more than {INTERFACES_MAX} interfaces")));
            }
            _ => continue,
        };
        match state.interfaces().get(interface as usize).map(|interface| interface.linktype) {
            Some(DataLink::ETHERNET) => return Ok(Some(captured)),
            Some(other) => return Err(Error::NotEthernet(other)),
            None => return Err(refused(format!("interface {interface} is not described"))),
        }
    }
}
