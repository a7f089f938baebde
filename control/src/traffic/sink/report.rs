//! What has come: a table for people, JSON for programs.

use super::streams::{Over, Run, Stream, Streams};
use crate::replay::grouped;
use anstyle::{AnsiColor, Style};
use hdrhistogram::Histogram;
use serde::Serialize;
use std::fmt;

const BOLD: Style = Style::new().bold();
const BAD: Style = AnsiColor::Red.on_default();
const GOOD: Style = AnsiColor::Green.on_default();
const QUIET: Style = Style::new().dimmed();

/// How many streams are shown of those that lost most.
const WORST: usize = 10;

/// What has come.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// The device.
    pub device: String,
    /// How frames were taken.
    pub mode: String,
    /// Different frames of generators that came.
    pub received: u64,
    /// What generators said to have sent; none when one of them has not said so.
    pub sent: Option<u64>,
    /// Frames that did not come.
    pub lost: u64,
    /// Frames that came once more than they should.
    pub duplicated: u64,
    /// Frames that came behind a later one of their stream.
    pub reordered: u64,
    /// Frames with a wrong checksum. They are received too.
    pub corrupt: u64,
    /// Frames of streams beyond those that there is room for; not counted above.
    pub beyond: u64,
    /// Frames of others.
    pub other: u64,
    /// Frames that came to the device and were not taken in time: not lost on the way, but counted as lost.
    pub missed: u64,
    /// How long frames took.
    pub latency: Option<Latency>,
    /// Each run of a generator.
    pub runs: Vec<RunReport>,
    /// Streams: all that were asked for, or those that lost most.
    pub streams: Vec<StreamReport>,
}

/// How long frames took, in nanoseconds.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the names say it: percentiles")]
pub struct Latency {
    /// Of how many frames that is known.
    pub frames: u64,
    pub min_ns: u64,
    pub mean_ns: f64,
    pub p50_ns: u64,
    pub p90_ns: u64,
    pub p99_ns: u64,
    pub p99_9_ns: u64,
    pub max_ns: u64,
}

/// A run of a generator.
#[derive(Clone, Debug, Serialize)]
pub struct RunReport {
    /// Its number.
    pub run: u16,
    /// What it said to have sent, at its end.
    pub sent: Option<u64>,
    /// Streams that it had, or that were seen.
    pub streams: u64,
    /// Different frames that came.
    pub received: u64,
    /// Bytes of all frames that came.
    pub bytes: u64,
    /// Frames that did not come.
    pub lost: u64,
    /// Frames that came once more than they should.
    pub duplicated: u64,
    /// Frames that came behind a later one.
    pub reordered: u64,
    /// From the first frame to the last.
    pub seconds: f64,
    /// Frames that came in a second.
    pub rate: f64,
    /// It had begun before we listened: in each stream, what was sent before the first frame that came is not counted as lost.
    pub joined_late: bool,
}

/// A stream of a run.
#[derive(Clone, Debug, Serialize)]
pub struct StreamReport {
    /// The run.
    pub run: u16,
    /// Its number in the run.
    pub stream: u32,
    /// Different frames that came.
    pub received: u64,
    /// Frames that did not come.
    pub lost: u64,
    /// Frames that came once more than they should.
    pub duplicated: u64,
    /// Frames that came behind a later one.
    pub reordered: u64,
    /// How long they took, in the mean.
    pub latency_mean_ns: Option<u64>,
    /// And at most.
    pub latency_max_ns: Option<u64>,
}

impl Report {
    /// Sums everything up. `since_ns` is when we began to listen; `one_clock` that generators' clocks are ours.
    pub(super) fn new(streams: &Streams, since_ns: u64, one_clock: bool, all: bool) -> Report {
        let mut report = Report { sent: Some(0), beyond: streams.beyond, ..Report::default() };
        for run in streams.runs() {
            let seen = streams.of(run.run);
            let rows = rows(run, &seen, since_ns, one_clock);
            let summed = summary(run, &rows, since_ns, one_clock);
            report.received += summed.received;
            report.lost += summed.lost;
            report.duplicated += summed.duplicated;
            report.reordered += summed.reordered;
            report.sent = report.sent.zip(summed.sent).map(|(all, this)| all + this);
            report.runs.push(summed);
            report.streams.extend(rows);
        }
        if !all {
            report.streams.retain(|stream| stream.lost + stream.duplicated + stream.reordered > 0);
            let trouble = |stream: &StreamReport| (stream.lost, stream.duplicated, stream.reordered);
            report.streams.sort_by_key(|stream| std::cmp::Reverse(trouble(stream)));
            report.streams.truncate(WORST);
        }
        report
    }

    pub(super) fn with_latency(mut self, histogram: &Histogram<u64>) -> Report {
        let at = |quantile| histogram.value_at_quantile(quantile);
        self.latency = (!histogram.is_empty()).then(|| Latency {
            frames: histogram.len(),
            min_ns: histogram.min(),
            mean_ns: histogram.mean(),
            p50_ns: at(0.5),
            p90_ns: at(0.9),
            p99_ns: at(0.99),
            p99_9_ns: at(0.999),
            max_ns: histogram.max(),
        });
        self
    }
}

/// A run that began before us is counted from what we saw first. Without a common clock there is no telling.
fn joined_late(run: &Run, since_ns: u64, one_clock: bool) -> bool {
    one_clock && run.over.is_some_and(|over| !over.start.is_after(since_ns))
}

/// How many frames a stream had: they took turns.
fn of_stream(sent: u64, streams: u32, stream: u32) -> u64 {
    let streams = u64::from(streams.max(1));
    sent / streams + u64::from(u64::from(stream) < sent % streams)
}

/// Of a stream that is not counted from its beginning: what is missing behind its first frame that came, up to its last one, or to the last
/// that came where the end was not told.
fn lost_behind_first(run: &Run, number: u32, stream: &Stream) -> u64 {
    let tail = |over: Over| stream.missing_behind(of_stream(over.sent, over.streams, number));
    stream.gaps() + run.over.map_or(0, tail)
}

/// Those that were seen, and those that should have been.
fn rows(run: &Run, seen: &[(u32, &Stream)], since_ns: u64, one_clock: bool) -> Vec<StreamReport> {
    let told = run.over.filter(|_| !joined_late(run, since_ns, one_clock));
    let row = |number: u32, stream: &Stream| StreamReport {
        run: run.run,
        stream: number,
        received: stream.received,
        lost: told.map_or_else(
            || lost_behind_first(run, number, stream),
            |told| of_stream(told.sent, told.streams, number).saturating_sub(stream.received),
        ),
        duplicated: stream.duplicated,
        reordered: stream.reordered,
        latency_mean_ns: stream.latency_sum.checked_div(stream.timed),
        latency_max_ns: (stream.timed > 0).then_some(stream.latency_max),
    };
    let Some(told) = told else { return seen.iter().map(|(number, stream)| row(*number, stream)).collect() };
    let mut seen = seen.iter().peekable();
    let mut rows = Vec::with_capacity(told.streams as usize);
    for number in 0..told.streams {
        match seen.next_if(|(seen, _)| *seen == number) {
            Some((_, stream)) => rows.push(row(number, stream)),
            None => rows.push(row(number, &Stream::default())),
        }
    }
    // Streams that the run says not to have had: another run by the same name.
    rows.extend(seen.map(|(number, stream)| row(*number, stream)));
    rows
}

fn summary(run: &Run, rows: &[StreamReport], since_ns: u64, one_clock: bool) -> RunReport {
    let sum = |of: fn(&StreamReport) -> u64| rows.iter().map(of).sum::<u64>();
    let received = sum(|row| row.received);
    let seconds = run.last_ns.saturating_sub(run.first_ns) as f64 / 1e9;
    RunReport {
        run: run.run,
        sent: run.over.map(|over| over.sent),
        streams: run.over.map_or(rows.len() as u64, |over| over.streams.into()),
        received,
        bytes: run.bytes,
        lost: sum(|row| row.lost),
        duplicated: sum(|row| row.duplicated),
        reordered: sum(|row| row.reordered),
        seconds,
        rate: if seconds > 0.0 { received as f64 / seconds } else { 0.0 },
        joined_late: joined_late(run, since_ns, one_clock),
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.runs.is_empty() {
            writeln!(
                f,
                "{BAD}{}: no frame of a generator came{BAD:#}, and {} others",
                self.device,
                grouped(self.other)
            )?;
        }
        for run in &self.runs {
            let RunReport { run: name, sent, streams, received, lost, seconds, rate, joined_late, .. } = run;
            write!(f, "{BOLD}run {name:04x}{BOLD:#}: {} frames", grouped(*received))?;
            match sent {
                Some(sent) => write!(f, " of {}", grouped(*sent))?,
                None => write!(f, ", the end was not told")?,
            }
            writeln!(f, ", {} flows, {seconds:.3} s, {:.3} million a second", grouped(*streams), rate / 1e6)?;
            let of = (received + lost).max(1);
            let style = if *lost == 0 { GOOD } else { BAD };
            write!(
                f,
                "  {style}lost {}{style:#} ({:.4} %)",
                grouped(*lost),
                100.0 * *lost as f64 / of as f64
            )?;
            writeln!(f, ", twice {}, late {}", grouped(run.duplicated), grouped(run.reordered))?;
            if *joined_late {
                writeln!(
                    f,
                    "  {QUIET}it ran before we listened: losses are those behind the first frame that came of each stream{QUIET:#}"
                )?;
            } else if sent.is_none() {
                writeln!(f, "  {QUIET}what was lost behind the last frames that came is not known{QUIET:#}")?;
            }
        }
        if let Some(latency) = &self.latency {
            let us = |ns: u64| format!("{:.1}", ns as f64 / 1e3);
            let Latency { min_ns, p50_ns, p90_ns, p99_ns, p99_9_ns, max_ns, .. } = latency;
            let all = [min_ns, p50_ns, p90_ns, p99_ns, p99_9_ns, max_ns].map(|ns| us(*ns));
            let head = ["min", "p50", "p90", "p99", "p99.9", "max"];
            let cells = head.iter().zip(&all).map(|(head, value)| format!("{head} {value}"));
            writeln!(f, "{BOLD}latency{BOLD:#} in microseconds: {}", cells.collect::<Vec<_>>().join("  "))?;
        }
        for (count, what) in [
            (self.corrupt, "frames with a wrong checksum"),
            (self.beyond, "frames of more streams than there is room for (--streams)"),
            (self.missed, "frames came too fast for the sink: it is the sink that lost them"),
            (self.other, "frames of others"),
        ] {
            if count > 0 {
                writeln!(f, "{} {what}", grouped(count))?;
            }
        }
        if !self.streams.is_empty() {
            writeln!(
                f,
                "\n{BOLD}{:>4} {:>9} {:>13} {:>11} {:>9} {:>9} {:>12} {:>12}{BOLD:#}",
                "run", "stream", "received", "lost", "twice", "late", "mean us", "max us"
            )?;
        }
        for row in &self.streams {
            let us = |ns: Option<u64>| ns.map_or("-".to_owned(), |ns| format!("{:.1}", ns as f64 / 1e3));
            let [received, lost, twice, late] =
                [row.received, row.lost, row.duplicated, row.reordered].map(grouped);
            let (mean, max) = (us(row.latency_mean_ns), us(row.latency_max_ns));
            writeln!(
                f,
                "{:04x} {:>9} {received:>13} {lost:>11} {twice:>9} {late:>9} {mean:>12} {max:>12}",
                row.run, row.stream
            )?;
        }
        Ok(())
    }
}
