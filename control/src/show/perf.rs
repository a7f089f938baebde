//! `adit show --perf`: what turns cost in the time between two readings of a running daemon.
//!
//! Counters only grow, so the difference of two readings is what happened in between. What was not seen in that time is `None`, never zero: a
//! share of no frames, cycles of no turn that was timed.

use super::{HEAD, QUIET, rows};
use crate::status::{PerfStatus, Status, WorkerStatus};
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;
use std::time::Duration;

/// Version of this schema; it changes when a field changes its meaning or goes away.
pub const SCHEMA: u32 = 1;
/// The frames of a turn that stand together.
const SIZES: [&str; 8] = ["1", "2-3", "4-7", "8-15", "16-31", "32-63", "64-127", "128+"];

/// What turns cost in some time.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub struct Perf {
    /// [`SCHEMA`].
    pub schema: u32,
    /// How long it was, in seconds.
    pub seconds: f64,
    /// Cycles of the processor's counter in a second; none where it has none that adit reads.
    pub cycles_hz: Option<u64>,
    /// Workers.
    pub workers: Vec<WorkerPerf>,
}

/// A worker in that time.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub struct WorkerPerf {
    /// Which.
    pub worker: usize,
    /// The core that it is bound to.
    pub core: Option<usize>,
    /// Turns taken.
    pub turns: u64,
    /// Those without a frame.
    pub idle_turns: u64,
    /// Part of the time that turns with frames took, by those that were timed.
    pub busy: Option<f64>,
    /// Frames that came in.
    pub frames: u64,
    /// Frames of a turn that had some, on average.
    pub frames_per_turn: Option<f64>,
    /// How many turns had so many frames.
    pub turns_by_frames: Vec<Turns>,
    /// Part of the frames whose flow was known by their whole key.
    pub hits: Option<f64>,
    /// Part of the frames whose flow was found among the megaflows.
    pub masked_hits: Option<f64>,
    /// Part of the frames that the rules were asked about.
    pub misses: Option<f64>,
    /// Turns that were timed.
    pub timed_turns: u64,
    /// Frames of those.
    pub timed_frames: u64,
    /// Cycles of a frame in them, in all.
    pub cycles_per_frame: Option<f64>,
    /// The same in nanoseconds.
    pub ns_per_frame: Option<f64>,
    /// The stages, in their order.
    pub stages: Vec<StagePerf>,
}

/// Turns with so many frames.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub struct Turns {
    /// `1`, `2-3`, `4-7` and so on.
    pub frames: String,
    /// How many.
    pub turns: u64,
}

/// A stage of a turn.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub struct StagePerf {
    /// Its name.
    pub stage: String,
    /// Its cycles of a frame.
    pub cycles_per_frame: Option<f64>,
    /// The same in nanoseconds.
    pub ns_per_frame: Option<f64>,
}

impl Perf {
    /// What happened between two readings that are so far apart.
    pub fn between(before: &Status, after: &Status, time: Duration) -> Perf {
        let seconds = time.as_secs_f64();
        let worker = |now: &WorkerStatus| {
            let then = before.workers.iter().find(|then| then.worker == now.worker);
            WorkerPerf::between(then.unwrap_or(&WorkerStatus::default()), now, seconds, after.cycles_hz)
        };
        Perf {
            schema: SCHEMA,
            seconds,
            cycles_hz: after.cycles_hz,
            workers: after.workers.iter().map(worker).collect(),
        }
    }
}

impl WorkerPerf {
    fn between(then: &WorkerStatus, now: &WorkerStatus, seconds: f64, hz: Option<u64>) -> WorkerPerf {
        let grown = |count: fn(&WorkerStatus) -> u64| count(now).saturating_sub(count(then));
        let (turns, idle_turns) = (grown(|w| w.turns), grown(|w| w.idle_turns));
        let frames = grown(|w| w.perf.frames);
        let by_frames = now.perf.turns_by_frames.iter().zip(SIZES).enumerate().map(|(i, (count, frames))| {
            let before = then.perf.turns_by_frames.get(i).copied().unwrap_or(0);
            Turns { frames: frames.into(), turns: count.saturating_sub(before) }
        });
        let turns_by_frames: Vec<_> = by_frames.collect();
        let busy_turns: u64 = turns_by_frames.iter().map(|size| size.turns).sum();
        let answers = [grown(|w| w.hits), grown(|w| w.masked_hits), grown(|w| w.misses)];
        let [hits, masked_hits, misses] = answers.map(|count| per(count, answers.iter().sum()));
        let (timed_turns, timed_frames) = (grown(|w| w.perf.timed_turns), grown(|w| w.perf.timed_frames));
        let cycles = grown(|w| w.perf.timed_cycles);
        let ns = |cycles: Option<f64>| Some(cycles? * 1e9 / hz.filter(|hz| *hz > 0)? as f64);
        let cycles_per_frame = per(cycles, timed_frames);
        let ns_per_turn = ns(per(cycles, timed_turns));
        let stages = now.perf.stages.iter().map(|stage| {
            let taken = stage.cycles.saturating_sub(cycles_of(&then.perf, &stage.stage));
            let cycles_per_frame = per(taken, timed_frames);
            StagePerf { stage: stage.stage.clone(), cycles_per_frame, ns_per_frame: ns(cycles_per_frame) }
        });
        WorkerPerf {
            worker: now.worker,
            core: now.core,
            turns,
            idle_turns,
            busy: ns_per_turn.map(|ns| (ns * busy_turns as f64 / (seconds * 1e9)).min(1.0)),
            frames,
            frames_per_turn: per(frames, busy_turns),
            turns_by_frames,
            hits,
            masked_hits,
            misses,
            timed_turns,
            timed_frames,
            cycles_per_frame,
            ns_per_frame: ns(cycles_per_frame),
            stages: stages.collect(),
        }
    }
}

fn per(count: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| count as f64 / whole as f64)
}

fn cycles_of(perf: &PerfStatus, name: &str) -> u64 {
    perf.stages.iter().find(|stage| stage.stage == name).map_or(0, |stage| stage.cycles)
}

/// The same for people.
pub fn table(perf: &Perf) -> String {
    let mut out = String::new();
    let _ = write!(out, "{HEAD}in {:.1} s{HEAD:#}; ", perf.seconds);
    let _ = match perf.cycles_hz {
        Some(hz) => writeln!(out, "the counter of cycles runs at {:.3} GHz", hz as f64 / 1e9),
        None => writeln!(out, "cycles are not counted: this processor has no counter that adit reads"),
    };
    let each = |row: &dyn Fn(&WorkerPerf) -> Vec<String>| perf.workers.iter().map(row).collect::<Vec<_>>();
    let head = [
        "worker",
        "core",
        "busy",
        "turns",
        "with frames",
        "frames",
        "frames/turn",
        "exact cache",
        "by mask",
        "by rules",
    ];
    rows(
        &mut out,
        &head,
        &each(&|w| {
            let core = w.core.map_or("-".into(), |core| core.to_string());
            let (turns, with_frames) = (w.turns, w.turns.saturating_sub(w.idle_turns));
            vec![
                w.worker.to_string(),
                core,
                percent(w.busy),
                turns.to_string(),
                percent(per(with_frames, turns)),
                w.frames.to_string(),
                number(w.frames_per_turn),
                percent(w.hits),
                percent(w.masked_hits),
                percent(w.misses),
            ]
        }),
    );
    let head: Vec<&str> = ["turns with frames:"].into_iter().chain(SIZES).collect();
    rows(
        &mut out,
        &head,
        &each(&|w| {
            let counts = w.turns_by_frames.iter().map(|size| size.turns.to_string());
            [format!("worker {}", w.worker)].into_iter().chain(counts).collect()
        }),
    );
    let stages = perf.workers.first().map_or(&[][..], |worker| &worker.stages);
    let names = stages.iter().map(|stage| stage.stage.as_str());
    let head: Vec<&str> = ["cycles/frame:", "in all", "ns"].into_iter().chain(names).collect();
    rows(
        &mut out,
        &head,
        &each(&|w| {
            let all = [number(w.cycles_per_frame), number(w.ns_per_frame)];
            let stages = w.stages.iter().map(|stage| number(stage.cycles_per_frame));
            [format!("worker {}", w.worker)].into_iter().chain(all).chain(stages).collect()
        }),
    );
    for worker in &perf.workers {
        let (turns, frames) = (worker.timed_turns, worker.timed_frames);
        let _ = writeln!(
            out,
            "{QUIET}worker {}: {turns} turns with {frames} frames were timed, one of 64 that have some{QUIET:#}",
            worker.worker
        );
    }
    out
}

fn number(value: Option<f64>) -> String {
    value.map_or("-".into(), |value| format!("{value:.1}"))
}

fn percent(part: Option<f64>) -> String {
    part.map_or("-".into(), |part| format!("{:.1}%", part * 100.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use datapath::stats::PerfCounters;

    fn worker(turns: u64, hits: u64, perf: PerfCounters) -> WorkerStatus {
        let idle_turns = turns / 2;
        WorkerStatus {
            turns,
            idle_turns,
            hits,
            misses: hits / 3,
            perf: (&perf).into(),
            ..WorkerStatus::default()
        }
    }

    #[test]
    fn what_happened_in_between_is_the_difference() {
        let mut counters = PerfCounters::default();
        counters.turn(3);
        let then = worker(10, 3, counters);
        counters.turn(3);
        counters.turn(5);
        (counters.timed_turns, counters.timed_frames, counters.timed_cycles) = (1, 4, 1000);
        (counters.stages[0], counters.stages[8]) = (300, 700);
        let now = worker(30, 9, counters);
        let perf = WorkerPerf::between(&then, &now, 1e-6, Some(2_000_000_000));
        assert_eq!((perf.turns, perf.idle_turns, perf.frames), (20, 10, 8));
        assert_eq!((perf.frames_per_turn, perf.turns_by_frames[1].turns), (Some(4.0), 1));
        assert_eq!((perf.hits, perf.masked_hits, perf.misses), (Some(0.75), Some(0.0), Some(0.25)));
        assert_eq!((perf.cycles_per_frame, perf.ns_per_frame), (Some(250.0), Some(125.0)));
        assert_eq!((perf.stages[8].cycles_per_frame, perf.stages[8].ns_per_frame), (Some(175.0), Some(87.5)));
        assert_eq!(perf.busy, Some(1.0), "two turns of 500 ns in a microsecond");
    }

    #[test]
    fn what_was_not_seen_is_not_told() {
        let perf =
            WorkerPerf::between(&WorkerStatus::default(), &worker(9, 0, PerfCounters::default()), 1.0, None);
        assert_eq!((perf.hits, perf.frames_per_turn, perf.cycles_per_frame), (None, None, None));
        let perf = Perf { schema: SCHEMA, seconds: 1.0, cycles_hz: None, workers: vec![perf] };
        let text = table(&perf);
        assert!(text.contains("cycles are not counted") && !text.contains("NaN"), "{text}");
    }
}
