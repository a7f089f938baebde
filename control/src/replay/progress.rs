//! A line on the terminal while a long replay runs: how much of the captures has been read, and how fast.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// Turns between two looks at the clock.
const TURNS: u32 = 1024;
/// Replays shorter than this say nothing, and longer ones not more often.
const PERIOD: Duration = Duration::from_millis(500);

/// How many bytes of the inputs there are, and how many of them were read.
#[derive(Clone, Debug, Default)]
pub(super) struct Meter {
    pub(super) total: u64,
    pub(super) read: Arc<AtomicU64>,
}

/// The line.
#[derive(Debug)]
pub(super) struct Progress {
    meter: Meter,
    packets: u64,
    turns: u32,
    started: Instant,
    shown: Instant,
    visible: bool,
}

impl Progress {
    pub(super) fn new(meter: Meter) -> Progress {
        let now = Instant::now();
        Progress { meter, packets: 0, turns: 0, started: now, shown: now, visible: false }
    }

    /// Takes note of a turn.
    pub(super) fn turn(&mut self, packets: usize) {
        self.packets += packets as u64;
        self.turns += 1;
        if self.turns < TURNS {
            return;
        }
        self.turns = 0;
        if self.shown.elapsed() >= PERIOD {
            self.shown = Instant::now();
            self.visible = true;
            let _ = write!(io::stderr(), "\r\x1b[K{}", self.line(self.started.elapsed()));
        }
    }

    fn line(&self, elapsed: Duration) -> String {
        let rate = self.packets as f64 / elapsed.as_secs_f64() / 1e6;
        let read = self.meter.read.load(Relaxed);
        let part = match self.meter.total {
            0 => String::new(),
            total => format!("{:3.0} %, ", 100.0 * read.min(total) as f64 / total as f64),
        };
        format!("{part}{} packets, {rate:.2} million a second", super::table::grouped(self.packets))
    }
}

impl Drop for Progress {
    /// Wipes the line, so that the table or an error stands alone.
    fn drop(&mut self) {
        if self.visible {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_says_how_far_and_how_fast() {
        let mut progress = Progress::new(Meter { total: 400, read: Arc::new(AtomicU64::new(100)) });
        progress.packets = 1_500_000;
        assert_eq!(progress.line(Duration::from_secs(1)), " 25 %, 1,500,000 packets, 1.50 million a second");
    }
}
