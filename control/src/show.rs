//! `adit show`: what a running daemon tells, as a table for people or JSON for programs.

pub mod perf;

use crate::api::Client;
use crate::status::{ControllerStatus, MeterStatus, PortStatus, QueueStatus, Status, TooLongStatus};
use anstyle::{AnsiColor, Style};
use anyhow::Result;
use perf::Perf;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long the time is that `--perf` tells of.
const PERF_TIME: Duration = Duration::from_secs(1);

const HEAD: Style = Style::new().bold();
const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default();
const QUIET: Style = Style::new().dimmed();

/// Asks the daemon at `socket` and prints what it says.
///
/// # Errors
/// When no daemon answers there.
pub fn run(socket: &Path, json: bool) -> Result<ExitCode> {
    let status = Client::connect(socket)?.status()?;
    print(&if json { serde_json::to_string_pretty(&status)? + "\n" } else { table(&status) })
}

/// Asks it twice and prints what its turns cost in between.
///
/// # Errors
/// When no daemon answers there.
pub fn run_perf(socket: &Path, json: bool) -> Result<ExitCode> {
    let mut client = Client::connect(socket)?;
    let (before, since) = (client.status()?, Instant::now());
    sleep(PERF_TIME);
    let after = client.status()?;
    let perf = Perf::between(&before, &after, since.elapsed());
    print(&if json { serde_json::to_string_pretty(&perf)? + "\n" } else { perf::table(&perf) })
}

fn print(text: &str) -> Result<ExitCode> {
    // A pipe closed early (`adit show | head`) is no fault.
    let _ = anstream::stdout().write_all(text.as_bytes());
    Ok(ExitCode::SUCCESS)
}

/// The status for people.
pub fn table(status: &Status) -> String {
    let mut out = String::new();
    let _ = writeln!(
        out,
        "{HEAD}bridge {}{HEAD:#}: {} flows, generation {}, adit {} (pid {}), up {}",
        status.bridge.name,
        status.bridge.flows,
        status.bridge.generation,
        status.version,
        status.pid,
        uptime(status.uptime_s)
    );
    ports(&mut out, &status.ports);
    queues(&mut out, status);
    meters(&mut out, status);
    tunnels(&mut out, status);
    workers(&mut out, status);
    too_long(&mut out, status);
    controller(&mut out, status);
    connections(&mut out, status);
    drops(&mut out, status);
    out
}

fn uptime(seconds: u64) -> String {
    match (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60, seconds % 60) {
        (0, 0, 0, s) => format!("{s} s"),
        (0, 0, m, s) => format!("{m} min {s} s"),
        (0, h, m, _) => format!("{h} h {m} min"),
        (d, h, _, _) => format!("{d} d {h} h"),
    }
}

/// Rows of cells, each column as wide as its widest; all but the first column to the right where they are numbers.
fn rows(out: &mut String, head: &[&str], rows: &[Vec<String>]) {
    let width = |column: usize| {
        rows.iter().map(|row| row[column].chars().count()).chain([head[column].len()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let number = |column: usize| {
        column > 0
            && rows.iter().all(|row| row[column].chars().all(|c| c.is_ascii_digit() || "-.%".contains(c)))
    };
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let cells = cells.zip(&widths).enumerate().map(|(column, (cell, width))| match number(column) {
            true => format!("{cell:>width$}"),
            false => format!("{cell:<width$}"),
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_string()
    };
    let _ = writeln!(out, "\n{HEAD}{}{HEAD:#}", line(&mut head.iter().copied()));
    for row in rows {
        let _ = writeln!(out, "{}", line(&mut row.iter().map(String::as_str)));
    }
}

fn ports(out: &mut String, ports: &[PortStatus]) {
    let row = |port: &PortStatus| {
        vec![
            port.name.clone(),
            port.ofport.map_or("-".into(), |ofport| ofport.to_string()),
            port.role.clone(),
            port.mode.clone(),
            port.rx_packets.to_string(),
            port.rx_bytes.to_string(),
            port.rx_missed.to_string(),
            port.tx_packets.to_string(),
            port.tx_bytes.to_string(),
            port.tx_errors.to_string(),
            port.drops.to_string(),
        ]
    };
    let head = [
        "port",
        "ofport",
        "role",
        "mode",
        "rx",
        "rx bytes",
        "rx missed",
        "tx",
        "tx bytes",
        "tx errors",
        "drops",
    ];
    rows(out, &head, &ports.iter().map(row).collect::<Vec<_>>());
    for port in ports.iter().filter(|port| port.mode == "gone") {
        let _ = writeln!(
            out,
            "{BAD}{}: there is no device {} any more; the next one of that name is taken up when it is up{BAD:#}",
            port.name, port.device
        );
    }
    for port in ports.iter().filter(|port| port.xdp.is_some_and(|xdp| xdp.unbound > 0)) {
        let _ = writeln!(
            out,
            "{BAD}{}: {} frames came in by a queue without a socket and went to the kernel{BAD:#}",
            port.name,
            port.xdp.map_or(0, |xdp| xdp.unbound)
        );
    }
}

fn tunnels(out: &mut String, status: &Status) {
    if status.tunnels.is_empty() {
        return;
    }
    let row = |tunnel: &crate::status::TunnelStatus| {
        vec![
            tunnel.name.clone(),
            tunnel.ofport.to_string(),
            tunnel.kind.clone(),
            tunnel.remote_ip.clone(),
            tunnel.local_ip.clone().unwrap_or("any".into()),
            tunnel.key.clone(),
            tunnel.dst_port.map_or("-".into(), |port| port.to_string()),
            tunnel.options.clone(),
        ]
    };
    let head = ["tunnel", "ofport", "type", "remote_ip", "local_ip", "key", "dst_port", "options"];
    rows(out, &head, &status.tunnels.iter().map(row).collect::<Vec<_>>());
    for remote in &status.underlay {
        let style = if remote.reachable { GOOD } else { BAD };
        let _ = writeln!(out, "{style}{}{style:#}", remote.explanation);
    }
}

/// Where ports have queues.
fn queues(out: &mut String, status: &Status) {
    let of_port = |port: &PortStatus| {
        let name = port.name.clone();
        let row = move |queue: &QueueStatus| {
            let numbers = [queue.queue.into(), queue.packets, queue.bytes, queue.errors];
            [name.clone()].into_iter().chain(numbers.map(|number| number.to_string())).collect()
        };
        port.tx_queues.iter().map(row).collect::<Vec<Vec<String>>>()
    };
    let all: Vec<_> = status.ports.iter().flat_map(of_port).collect();
    if !all.is_empty() {
        rows(out, &["port", "queue", "tx", "tx bytes", "over rate"], &all);
    }
}

/// Where there are meters: what went in, and what each band was applied to.
fn meters(out: &mut String, status: &Status) {
    let row = |meter: &MeterStatus| {
        let bands: Vec<_> = meter.bands.iter().map(|band| band.packets.to_string()).collect();
        vec![meter.meter.to_string(), meter.packets.to_string(), meter.bytes.to_string(), bands.join(" ")]
    };
    if !status.meters.is_empty() {
        let all: Vec<_> = status.meters.iter().map(row).collect();
        rows(out, &["meter", "packets", "bytes", "packets of bands"], &all);
    }
}

fn workers(out: &mut String, status: &Status) {
    let row = |worker: &crate::status::WorkerStatus| {
        vec![
            worker.worker.to_string(),
            worker.core.map_or("-".into(), |core| core.to_string()),
            worker.generation.to_string(),
            worker.turns.to_string(),
            worker.idle_turns.to_string(),
            worker.hits.to_string(),
            worker.masked_hits.to_string(),
            worker.misses.to_string(),
            worker.unkept.to_string(),
            worker.flows.to_string(),
            worker.masks.to_string(),
        ]
    };
    let head = [
        "worker",
        "core",
        "generation",
        "turns",
        "idle turns",
        "hits",
        "masked hits",
        "misses",
        "not kept",
        "flows",
        "masks",
    ];
    rows(out, &head, &status.workers.iter().map(row).collect::<Vec<_>>());
}

/// What was done about frames that are too long, where there were any.
fn too_long(out: &mut String, status: &Status) {
    let all = status
        .workers
        .iter()
        .map(|worker| worker.too_long)
        .fold(TooLongStatus::default(), TooLongStatus::plus);
    let moved: Vec<_> =
        all.moved().into_iter().map(|(what, count)| vec![what.into(), count.to_string()]).collect();
    if !moved.is_empty() {
        rows(out, &["too long for the way of a tunnel", "count"], &moved);
    }
}

fn controller(out: &mut String, status: &Status) {
    let ControllerStatus { told, not_told, unheard, lost, monitors, sent, unsent } = status.controller;
    if sent + unsent > 0 {
        let _ = writeln!(
            out,
            "\n{HEAD}sent by controllers{HEAD:#}: {sent} frames, {unsent} were too many at once"
        );
    }
    if told + not_told > 0 || monitors > 0 {
        let _ = writeln!(
            out,
            "\n{HEAD}controller{HEAD:#}: {told} frames told, {not_told} not told; {monitors} listen; {unheard} heard by nobody, \
             {lost} lost by those who listen"
        );
    }
}

fn connections(out: &mut String, status: &Status) {
    if status.connections.is_empty() {
        return;
    }
    let or_dash = |text: &Option<String>| text.clone().unwrap_or("-".into());
    let row = |connection: &crate::status::ConnectionStatus| {
        vec![
            connection.target.clone(),
            connection.connected_s.map_or("-".into(), |seconds| format!("{seconds} s")),
            or_dash(&connection.version),
            or_dash(&connection.role),
            connection.lost.to_string(),
            or_dash(&connection.last_error),
        ]
    };
    let head = ["OpenFlow", "connected", "version", "role", "lost", "last error"];
    rows(out, &head, &status.connections.iter().map(row).collect::<Vec<_>>());
}

fn drops(out: &mut String, status: &Status) {
    if status.drops.is_empty() {
        let _ = writeln!(out, "\n{GOOD}nothing was dropped{GOOD:#}");
        return;
    }
    let row = |drop: &crate::status::DropStatus| {
        vec![drop.reason.clone(), drop.count.to_string(), drop.sentence.clone()]
    };
    rows(out, &["dropped because", "frames", ""], &status.drops.iter().map(row).collect::<Vec<_>>());
    let _ = writeln!(out, "{QUIET}counts since the start, over all ports{QUIET:#}");
}
