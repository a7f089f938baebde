//! `adit sink`: counts what has become of the frames of `adit gen`.

mod find;
mod report;
mod source;
mod streams;

use super::amount::{Amount, duration};
use super::mark::{Mark, STREAMS_MAX};
use super::now_ns;
use crate::attach::Mode as XdpMode;
use crate::lab::Stop;
use crate::netlink::default_ways;
use crate::netlink::links::{Device, Devices};
use crate::replay::grouped;
use anyhow::{Result, bail, ensure};
use clap::{ValueEnum, ValueHint};
use find::{Found, find, whole_len};
use hdrhistogram::Histogram;
use nix::unistd::geteuid;
pub use report::{Latency, Report, RunReport, StreamReport};
use source::{Piece, QUEUES_MAX, Source};
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};
use streams::{Over, Streams};

const EXAMPLES: &str = "\
Examples:
  adit sink veth1                        count until a generator has ended, or Ctrl-C
  adit sink veth1 --duration 10 --json | jq '.lost, .latency.p99_ns'
  adit sink eth1 --mode packet           look on, and leave the frames to the kernel
  adit sink veth1 --by-stream            every stream, not those alone that lost something

Start it before the generator. It finds the generator's frames in VXLAN, Geneve, GRE and NVGRE too. Latency is told where
both run on one machine. docs/gen.md explains the numbers. Needs root.";

/// Latencies above this are counted as this.
const LATENCY_MAX_NS: u64 = 10_000_000_000;
/// Quiet for so long, the sink sleeps until something comes: waking up takes a while, which is part of latency then.
const SPIN: Duration = Duration::from_millis(1);
const NAP_MS: u16 = 20;
/// How long frames may still be on their way when the generator has ended.
const GRACE: Duration = Duration::from_millis(300);

/// Count the frames of `adit gen` that arrive at a device
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The device
    #[arg(value_name = "DEVICE", value_hint = ValueHint::Other)]
    pub device: String,

    /// For how long: seconds, or with ms or m; until generators have ended unless told otherwise
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub duration: Option<Duration>,

    /// How frames are taken
    #[arg(long, value_enum, default_value = "auto")]
    pub mode: Mode,

    /// For how many streams there is room
    #[arg(long, value_name = "N", default_value = "1M")]
    pub streams: Amount,

    /// A UDP port of VXLAN, where it is not the usual one
    #[arg(long, value_name = "PORT")]
    pub vxlan_port: Option<u16>,

    /// The core that counts
    #[arg(long, value_name = "N")]
    pub core: Option<usize>,

    /// Show every stream, not those alone that lost something
    #[arg(long)]
    pub by_stream: bool,

    /// Answer as JSON
    #[arg(long)]
    pub json: bool,
}

/// How frames are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// packet where the host has addresses on the device, else af_xdp
    Auto,
    /// AF_XDP sockets: fast; all frames are taken, and the kernel gets none
    #[value(name = "af_xdp")]
    AfXdp,
    /// An AF_PACKET socket: slower; frames go their way, and are counted
    Packet,
}

/// What is known so far.
struct Counting {
    streams: Streams,
    latency: Histogram<u64>,
    /// Frames from a clock that is not ours.
    foreign: u64,
    corrupt: u64,
    other: u64,
    frames: u64,
    /// When the last frame of a generator came.
    last_ns: u64,
}

/// Counts until there is nothing left to count.
///
/// # Errors
/// When the device cannot be listened to, or should not be.
pub fn run(args: &Args) -> Result<ExitCode> {
    ensure!(geteuid().is_root(), "adit sink needs root: it opens AF_XDP and AF_PACKET sockets");
    let room = args.streams.0;
    ensure!((1..=STREAMS_MAX.into()).contains(&room), "--streams {room}: 1 to {STREAMS_MAX}");
    let stop = Stop::on_signals()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (devices, ways) =
        runtime.block_on(async { anyhow::Ok((Devices::read().await?, default_ways().await?)) })?;
    let device = devices.named(&args.device)?;
    let xdp = takes(args.mode, device, ways.contains(&device.index))?;
    if let Some(core) = args.core {
        core_affinity::set_for_current(core_affinity::CoreId { id: core });
    }
    let memory = source::memory(device, xdp)?;
    let mut source =
        if xdp { Source::xdp(&memory, device, XdpMode::Auto)? } else { Source::packet(&memory, device)? };
    let mut counting = Counting {
        streams: Streams::new(room as usize),
        latency: Histogram::new_with_bounds(1, LATENCY_MAX_NS, 3)?,
        foreign: 0,
        corrupt: 0,
        other: 0,
        frames: 0,
        last_ns: 0,
    };
    let since = now_ns();
    writeln!(io::stderr(), "adit sink: listens on {} ({})", device.name, source.name())?;
    count(args, &mut source, &mut counting, &stop);
    let one_clock = counting.foreign == 0;
    let report = Report::new(&counting.streams, since, one_clock, args.by_stream);
    let report = if one_clock { report.with_latency(&counting.latency) } else { report };
    let Counting { corrupt, other, .. } = counting;
    let (device, mode, missed) = (device.name.clone(), source.name(), source.missed());
    let report = Report { device, mode, missed, corrupt, other, ..report };
    let text = if args.json { serde_json::to_string_pretty(&report)? + "\n" } else { report.to_string() };
    // A pipe closed early is no fault.
    let _ = anstream::stdout().write_all(text.as_bytes());
    Ok(ExitCode::SUCCESS)
}

/// Whether frames are taken by AF_XDP.
fn takes(mode: Mode, device: &Device, is_default: bool) -> Result<bool> {
    let name = &device.name;
    ensure!(device.up, "{name} is down (ip link set {name} up)");
    match mode {
        Mode::Packet => Ok(false),
        Mode::Auto => Ok(device.ethernet && !is_default && device.endpoints().next().is_none()),
        Mode::AfXdp if is_default => bail!(
            "--mode af_xdp: the host's default route leads by {name}, and the kernel would get no frame of it; --mode packet only \
             looks on"
        ),
        Mode::AfXdp if device.rx_queues > QUEUES_MAX => {
            bail!(
                "--mode af_xdp: {name} has {} receive queues, {QUEUES_MAX} can be listened to",
                device.rx_queues
            )
        }
        Mode::AfXdp => Ok(true),
    }
}

fn count(args: &Args, source: &mut Source<'_>, counting: &mut Counting, stop: &Stop) {
    let begun = Instant::now();
    let mut progress = (io::stderr().is_terminal(), Instant::now(), 0);
    let mut active = Instant::now();
    loop {
        // Read behind the frames: what has come has come before.
        let (mut now, before) = (None, counting.frames);
        let taken = source.take(|piece| {
            let now = *now.get_or_insert_with(now_ns);
            counting.frame(&piece, args.vxlan_port, now);
        });
        if taken > 0 {
            active = Instant::now();
            show(&mut progress, counting);
        }
        // Frames of others keep nobody from ending.
        if counting.frames > before && args.duration.is_none() && !stop.wished() {
            continue;
        }
        if stop.wished() || args.duration.is_some_and(|time| begun.elapsed() >= time) {
            break;
        }
        if args.duration.is_none() && counting.is_over() {
            break;
        }
        if active.elapsed() > SPIN {
            source.wait(NAP_MS);
        }
    }
    if progress.0 {
        let _ = write!(io::stderr(), "\r\x1b[K");
    }
}

/// A line on the terminal, once a second.
fn show((visible, shown, frames): &mut (bool, Instant, u64), counting: &Counting) {
    let elapsed = shown.elapsed();
    if !*visible || elapsed < Duration::from_secs(1) {
        return;
    }
    let rate = (counting.frames - *frames) as f64 / elapsed.as_secs_f64() / 1e6;
    (*shown, *frames) = (Instant::now(), counting.frames);
    let _ = write!(io::stderr(), "\r\x1b[K{} frames, {rate:.3} million a second", grouped(counting.frames));
}

impl Counting {
    #[inline]
    fn frame(&mut self, piece: &Piece<'_>, vxlan_port: Option<u16>, now: u64) {
        let Some(Found { mark, intact }) = find(piece.bytes, piece.whole, vxlan_port) else {
            self.other += 1;
            return;
        };
        self.last_ns = now;
        match mark {
            Mark::Frame { run, stream, sequence, time } => {
                self.frames += 1;
                self.corrupt += u64::from(!intact);
                let len = if piece.whole { piece.bytes.len() } else { whole_len(piece.bytes) };
                let Some(stream) = self.streams.frame(run, stream, sequence, len, now) else {
                    return;
                };
                match time.until(now).filter(|latency| *latency <= LATENCY_MAX_NS) {
                    Some(latency) => {
                        self.latency.saturating_record(latency);
                        stream.time(latency);
                    }
                    None => self.foreign += 1,
                }
            }
            Mark::End { run, streams, sent, start } => {
                self.streams.over(run, Over { streams, sent, start }, now);
            }
        }
    }

    /// Every generator has said that it is over, and nothing comes any more.
    fn is_over(&self) -> bool {
        let runs = self.streams.runs();
        let over = !runs.is_empty() && runs.iter().all(|run| run.over.is_some());
        over && now_ns().saturating_sub(self.last_ns) >= GRACE.as_nanos() as u64
    }
}
