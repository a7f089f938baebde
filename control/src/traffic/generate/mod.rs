//! `adit gen`: frames in numbered streams, as many as there can be or as many as asked for.

mod end;
mod headers;
mod live;
mod pace;
mod plan;
mod report;
mod template;
mod tunnel;
mod walk;
mod xsk;

use super::amount::{Amount, IpPrefix, MacPrefix, Sizes, duration};
use super::now_ns;
use crate::lab::Stop;
use crate::netlink::links::{Device, Devices};
use crate::netlink::{default_ways, sends_redirected};
use crate::replay::grouped;
use anyhow::{Context, Result, anyhow, bail, ensure};
use clap::{ValueEnum, ValueHint};
use datapath::tunnel::Kind;
use datapath::wire::MacAddr;
use live::Live;
use nix::unistd::geteuid;
use plan::Plan;
pub use report::Report;
use std::io::{self, IsTerminal, Write};
use std::net::IpAddr;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};
use xsk::Xsk;

const EXAMPLES: &str = "\
Examples:
  adit gen veth0                                 64-byte frames of one flow, as fast as can be, until Ctrl-C
  adit gen veth0 --flows 10k --size imix --rate 1.5M --duration 10
  adit gen veth0 --count 1M --json               exactly so many, and what became of them as JSON
  adit gen eth1 --encap vxlan --remote 192.0.2.2 --remote-mac 02:00:00:00:00:02 --tenants 100 --key 5000 --size 114
  adit gen veth0 --flows 65536 --src-ip 198.18.0.0/16

`adit sink` at the other end counts what arrives. Stream N is flow N: the tenants take turns, and in each the flows have UDP source
ports from 1024, and the addresses of the prefixes one after another. Sizes are those of the whole frame with all headers, without
its checksum. docs/gen.md explains all of it. Needs root.";

/// Send numbered frames out of a device
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The device
    #[arg(value_name = "DEVICE", value_hint = ValueHint::Other)]
    pub device: String,

    /// Lengths of frames that take turns: one, a list, a range, or imix (60, 566 and 1514 bytes, 7 to 4 to 1)
    #[arg(long, value_name = "BYTES", default_value = "64")]
    pub size: Sizes,

    /// How many flows, over all tenants; as many as tenants unless told otherwise
    #[arg(long, value_name = "N")]
    pub flows: Option<Amount>,

    /// How many tenants: each has a tunnel key or a VLAN of its own
    #[arg(long, value_name = "N", default_value = "1")]
    pub tenants: Amount,

    /// Frames a second; as many as can be unless told otherwise
    #[arg(long, value_name = "PPS")]
    pub rate: Option<Amount>,

    /// How many frames may leave at once to make up for time when the generator was held up
    #[arg(long, value_name = "FRAMES", default_value_t = 256)]
    pub burst: u32,

    /// How many frames
    #[arg(long, value_name = "FRAMES")]
    pub count: Option<Amount>,

    /// For how long: seconds, or with ms or m
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub duration: Option<Duration>,

    /// How frames leave
    #[arg(long, value_enum, default_value = "auto")]
    pub mode: Mode,

    /// The queue of the device, for af_xdp
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub queue: u32,

    /// The core that sends
    #[arg(long, value_name = "N")]
    pub core: Option<usize>,

    /// Frames inside are IPv6
    #[arg(long)]
    pub ipv6: bool,

    /// The VLAN of the first tenant's frames; each further one has the next
    #[arg(long, value_name = "ID")]
    pub vlan: Option<u16>,

    /// Ethernet source of the flows, one or a prefix
    #[arg(long, value_name = "MAC[/BITS]")]
    pub src_mac: Option<MacPrefix>,

    /// Ethernet destination of the flows, one or a prefix
    #[arg(long, value_name = "MAC[/BITS]")]
    pub dst_mac: Option<MacPrefix>,

    /// IP source of the flows, one or a prefix
    #[arg(long, value_name = "IP[/BITS]")]
    pub src_ip: Option<IpPrefix>,

    /// IP destination of the flows, one or a prefix
    #[arg(long, value_name = "IP[/BITS]")]
    pub dst_ip: Option<IpPrefix>,

    /// Frames are in a tunnel already
    #[arg(long, value_name = "KIND", value_parser = kind)]
    pub encap: Option<Kind>,

    /// Our end of the tunnel; an address of the device unless told otherwise
    #[arg(long, value_name = "IP", requires = "encap")]
    pub local: Option<IpAddr>,

    /// The other end of the tunnel
    #[arg(long, value_name = "IP", requires = "encap")]
    pub remote: Option<IpAddr>,

    /// Ethernet source of the tunnel's packets; the device's unless told otherwise
    #[arg(long, value_name = "MAC", requires = "encap", value_parser = mac)]
    pub local_mac: Option<MacAddr>,

    /// Ethernet destination of the tunnel's packets
    #[arg(long, value_name = "MAC", requires = "encap", value_parser = mac)]
    pub remote_mac: Option<MacAddr>,

    /// The tunnel key of the first tenant; each further one has the next
    #[arg(long, value_name = "KEY", requires = "encap", default_value_t = 1)]
    pub key: u32,

    /// UDP destination port of the tunnel, where it is not the usual one
    #[arg(long, value_name = "PORT", requires = "encap")]
    pub udp_port: Option<u16>,

    /// Send even by a device that the host's default route leads to
    #[arg(long)]
    pub yes_send_here: bool,

    /// Answer as JSON
    #[arg(long)]
    pub json: bool,
}

/// How frames leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// live where device and frames allow it, else af_xdp
    Auto,
    /// An AF_XDP socket: any device, frames of all lengths
    #[value(name = "af_xdp")]
    AfXdp,
    /// The kernel's live frames: several times as fast; frames up to 3300 bytes, and drivers that send redirected ones
    Live,
}

/// How frames did leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    XskZeroCopy = 1,
    XskCopy = 2,
    Live = 3,
}

impl Way {
    const ALL: [Way; 3] = [Way::XskZeroCopy, Way::XskCopy, Way::Live];

    const fn name(self) -> &'static str {
        match self {
            Way::XskZeroCopy => "af_xdp (zero-copy)",
            Way::XskCopy => "af_xdp (copy)",
            Way::Live => "live",
        }
    }
}

/// What sender and watcher share.
#[derive(Debug, Default)]
struct Counters {
    frames: AtomicU64,
    bytes: AtomicU64,
    refused: AtomicU64,
    start: AtomicU64,
    last: AtomicU64,
    way: AtomicU8,
    stopped: AtomicBool,
}

/// What was sent.
#[derive(Clone, Copy, Debug)]
struct Sent {
    frames: u64,
    bytes: u64,
    refused: u64,
    elapsed: Duration,
    way: Option<Way>,
}

impl Counters {
    /// The run begins now: when that is, and when it ends.
    fn begin(&self, duration: Option<Duration>) -> (u64, u64) {
        let start = now_ns();
        self.start.store(start, Relaxed);
        (start, duration.map_or(u64::MAX, |time| start.saturating_add(time.as_nanos() as u64)))
    }

    #[inline]
    fn count(&self, frames: u64, bytes: u64, refused: u64) {
        self.frames.store(frames, Relaxed);
        self.bytes.store(bytes, Relaxed);
        self.refused.fetch_add(refused, Relaxed);
    }

    fn tell(&self, way: Way) {
        self.way.store(way as u8, Relaxed);
    }

    fn stop(&self) {
        self.stopped.store(true, Relaxed);
    }

    #[inline]
    fn is_stopped(&self) -> bool {
        self.stopped.load(Relaxed)
    }

    fn sent(&self) -> Sent {
        let way = self.way.load(Relaxed);
        let elapsed = self.last.load(Relaxed).saturating_sub(self.start.load(Relaxed));
        Sent {
            frames: self.frames.load(Relaxed),
            bytes: self.bytes.load(Relaxed),
            refused: self.refused.load(Relaxed),
            elapsed: Duration::from_nanos(elapsed),
            way: Way::ALL.into_iter().find(|known| *known as u8 == way),
        }
    }
}

/// Sends what is asked for.
///
/// # Errors
/// When it cannot be sent, or should not be.
pub fn run(args: &Args) -> Result<ExitCode> {
    ensure!(geteuid().is_root(), "adit gen needs root: it opens AF_XDP sockets and loads BPF programs");
    let stop = Stop::on_signals()?;
    let (devices, ways) = ask()?;
    let device = devices.named(&args.device)?;
    permit(args, device, ways.contains(&device.index))?;
    // Two runs one after the other shall not be taken for one.
    let run = (now_ns() >> 20) as u16 ^ std::process::id() as u16;
    let plan = Plan::new(args, device, run)?;
    let live = chosen(args, &plan, device)?;
    let before = counted(device);
    let counters = Counters::default();
    drive(args, &plan, device, live, &counters, &stop)?;
    let sent = counters.sent();
    end::tell(&plan, device.index, sent.frames, counters.start.load(Relaxed))?;
    let counted = counted(device).zip(before).map(|(after, before)| after.saturating_sub(before));
    // What tells the end is counted as well.
    let report =
        Report::new(&plan, &device.name, &sent, counted.map(|n| n.saturating_sub(end::frames(&plan))));
    let text = if args.json { serde_json::to_string_pretty(&report)? } else { report.to_string() };
    // A pipe closed early is no fault.
    let _ = writeln!(anstream::stdout(), "{text}");
    Ok(ExitCode::SUCCESS)
}

/// The devices, and those that default routes lead to.
fn ask() -> Result<(Devices, std::collections::BTreeSet<u32>)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async { Ok((Devices::read().await?, default_ways().await?)) })
}

/// How many frames the device says to have sent.
fn counted(device: &Device) -> Option<u64> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
    runtime.block_on(crate::netlink::links::sent_packets(device.index)).ok()
}

fn permit(args: &Args, device: &Device, is_default: bool) -> Result<()> {
    let name = &device.name;
    ensure!(device.ethernet, "{name} is no Ethernet device");
    ensure!(device.up, "{name} is down (ip link set {name} up)");
    ensure!(
        args.yes_send_here || !is_default,
        "{name}: the host's default route leads this way, so traffic would go to its network, and might cut the host off; if \
         that is what you want, say --yes-send-here"
    );
    Ok(())
}

/// Whether frames leave by the kernel's live frames.
fn chosen(args: &Args, plan: &Plan, device: &Device) -> Result<bool> {
    let fits = plan.longest() <= live::LEN_MAX;
    let redirects = || sends_redirected(device.index);
    match args.mode {
        Mode::AfXdp => Ok(false),
        Mode::Auto => Ok(fits && redirects().unwrap_or(false)),
        Mode::Live if !fits => bail!(
            "--mode live: frames of {} bytes do not fit a page of the kernel's, {} do; --mode af_xdp takes them all",
            plan.longest(),
            live::LEN_MAX
        ),
        Mode::Live => match redirects() {
            Ok(false) if device.kind.as_deref() == Some("veth") => bail!(
                "--mode live: {0} drops frames that are redirected to it: the other end of a veth needs an XDP program or GRO \
                 (ethtool -K OTHER_END gro on), or use --mode af_xdp",
                device.name
            ),
            Ok(false) => bail!(
                "--mode live: the driver of {} does not send frames that are redirected to it: use --mode af_xdp",
                device.name
            ),
            // A kernel that does not tell may still be able.
            _ => Ok(true),
        },
    }
}

/// Sends, and tells on a terminal how far it is.
fn drive(
    args: &Args,
    plan: &Plan,
    device: &Device,
    live: bool,
    counters: &Counters,
    stop: &Stop,
) -> Result<()> {
    let prepare = || {
        if let Some(core) = args.core {
            core_affinity::set_for_current(core_affinity::CoreId { id: core });
        }
    };
    thread::scope(|scope| {
        let sender = scope.spawn(move || {
            if live {
                return Live::new(plan, device.index)?.send(plan, counters, prepare);
            }
            let mut socket = Xsk::new(plan, device.index, args.queue)?;
            prepare();
            socket.send(plan, counters)
        });
        let mut progress = Progress::new();
        while !sender.is_finished() {
            if stop.wished() {
                counters.stop();
            }
            progress.show(counters);
            thread::sleep(Duration::from_millis(20));
        }
        progress.clear();
        sender.join().map_err(|_| anyhow!("the generator panicked"))?.context(device.name.clone())
    })
}

/// A line on the terminal, once a second.
struct Progress {
    visible: bool,
    shown: Instant,
    frames: u64,
}

impl Progress {
    fn new() -> Progress {
        Progress { visible: io::stderr().is_terminal(), shown: Instant::now(), frames: 0 }
    }

    fn show(&mut self, counters: &Counters) {
        let elapsed = self.shown.elapsed();
        if !self.visible || elapsed < Duration::from_secs(1) {
            return;
        }
        let frames = counters.frames.load(Relaxed);
        let rate = (frames - self.frames) as f64 / elapsed.as_secs_f64() / 1e6;
        (self.shown, self.frames) = (Instant::now(), frames);
        let _ = write!(io::stderr(), "\r\x1b[K{} frames, {rate:.3} million a second", grouped(frames));
    }

    fn clear(&self) {
        if self.visible {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

fn kind(text: &str) -> Result<Kind, String> {
    let known = || Kind::ALL.map(Kind::name).join(", ");
    Kind::ALL
        .into_iter()
        .find(|kind| kind.name() == text)
        .ok_or_else(|| format!("unknown kind of tunnel (known: {})", known()))
}

fn mac(text: &str) -> Result<MacAddr, String> {
    text.parse().map_err(|error: datapath::wire::NotAMacAddr| error.to_string())
}

/// A frame in a tunnel, 200 bytes long.
#[cfg(test)]
pub(in crate::traffic) fn example() -> Vec<u8> {
    let look = template::tests::look(false, None, Some((Kind::Vxlan, "192.0.2.1", "192.0.2.2")));
    template::tests::frame(&look, 3, 200, 5, 6)
}
