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
use std::io::{BufRead, Read, Write};
use std::time::Duration;

/// Longest block that a reader buffers, in bytes: the largest capture length that tools write, and its header.
const BLOCK_MAX: usize = 512 << 10;

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
        let mut port = Pcap { reader, next: None, read: 0, writer, now_ns: 0, error: None };
        port.advance();
        match port.error.take() {
            Some(error) => Err(error),
            None => Ok(port),
        }
    }

    /// When the next frame comes in, in nanoseconds since 1970. Never earlier than the one before. None at the end.
    pub fn next_time(&self) -> Option<u64> {
        self.next.as_ref().map(|next| next.time_ns)
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

    pub(super) fn rx<'u>(&mut self, pool: &mut FramePool<'u>, max: usize, out: &mut Vec<Frame<'u>>) -> u64 {
        let mut refused = 0;
        for _ in 0..max.min(pool.len()) {
            let Some(next) = self.next.as_ref().filter(|next| next.time_ns <= self.now_ns) else { break };
            let Some(mut frame) = pool.take() else { break };
            if frame.copy_from(&next.bytes) {
                out.push(frame);
            } else {
                pool.give(frame);
                refused += 1;
            }
            self.advance();
        }
        refused
    }

    pub(super) fn tx(&mut self, frame: &Frame<'_>) -> Result<(), DropReason> {
        let Some(writer) = &mut self.writer else { return Err(DropReason::PortRefused) };
        let written = PcapPacket::new(Duration::from_nanos(self.now_ns), frame.len() as u32, frame.bytes())
            .map_err(|error| error.to_string())
            .and_then(|packet| writer.write_packet(&packet).map_err(|error| error.to_string()));
        match written {
            Ok(_) => Ok(()),
            Err(error) => {
                self.error.get_or_insert(Error::Write(error));
                Err(DropReason::PortRefused)
            }
        }
    }

    /// Reads one frame ahead.
    fn advance(&mut self) {
        let before = self.next.take().map_or(0, |next| next.time_ns);
        let Some(reader) = &mut self.reader else { return };
        match reader.read() {
            Ok(None) => self.reader = None,
            Ok(Some((time, bytes))) => {
                self.read += 1;
                let time_ns = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX).max(before);
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

fn damaged(error: impl fmt::Display) -> Error {
    Error::Damaged(0, error.to_string())
}

impl Reader {
    fn open(mut input: Input) -> Result<Reader, Error> {
        if input.fill_buf()?.starts_with(&PCAPNG_MAGIC) {
            return Ok(Reader::PcapNg(PcapNgReader::with_capacity(input, BLOCK_MAX).map_err(damaged)?));
        }
        let reader = PcapReader::with_capacity(input, BLOCK_MAX).map_err(damaged)?;
        match reader.header().datalink {
            DataLink::ETHERNET => Ok(Reader::Pcap(reader)),
            other => Err(Error::NotEthernet(other)),
        }
    }

    fn read(&mut self) -> Result<Option<(Duration, Vec<u8>)>, Error> {
        match self {
            Reader::Pcap(reader) => {
                let Some(packet) = reader.next_packet() else { return Ok(None) };
                let packet = packet.map_err(damaged)?;
                Ok(Some((packet.timestamp(), packet.into_data().into_owned())))
            }
            Reader::PcapNg(reader) => read_pcapng(reader),
        }
    }
}

fn read_pcapng<R: Read>(reader: &mut PcapNgReader<R>) -> Result<Option<(Duration, Vec<u8>)>, Error> {
    loop {
        let Some(block) = reader.next_block() else { return Ok(None) };
        let (block, state) = block.map_err(damaged)?;
        let (interface, time, data) = match block {
            Block::EnhancedPacket(packet) => (packet.interface_id, packet.timestamp, packet.data),
            // A simple packet block has no time and belongs to the first interface.
            Block::SimplePacket(packet) => (0, Duration::ZERO, packet.data),
            _ => continue,
        };
        match state.interfaces().get(interface as usize).map(|interface| interface.linktype) {
            Some(DataLink::ETHERNET) => return Ok(Some((time, data.into_owned()))),
            Some(other) => return Err(Error::NotEthernet(other)),
            None => return Err(damaged(format!("interface {interface} is not described"))),
        }
    }
}
