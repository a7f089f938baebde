//! Ctrl-C, politely: the signal sets a flag, whoever waits looks at it every now and then and ends its work, and what was
//! made is taken down by its owner, in order. A second signal ends the process at once.

use std::fmt;
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::sys::signal::{SigSet, Signal};

/// How long a wait may sleep before it looks at the flag again.
pub(super) const SLICE: Duration = Duration::from_millis(50);

/// A wish to stop that may come at any time. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

/// The error of work that was asked to stop.
#[derive(Clone, Copy, Debug)]
pub struct Interrupted;

impl Stop {
    /// Turns SIGINT, SIGTERM and SIGHUP into the wish to stop. To be called before any other thread is started:
    /// the signals are blocked in this thread and those it starts, and read by one of their own.
    ///
    /// # Errors
    /// When signals cannot be blocked or the thread not started.
    pub fn on_signals() -> Result<Stop> {
        let stop = Stop::default();
        let signals: SigSet = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP].into_iter().collect();
        signals.thread_block().context("cannot block signals")?;
        let seen = stop.clone();
        let reader = thread::Builder::new().name("signals".to_owned());
        reader.spawn(move || {
            while signals.wait().is_ok() {
                if seen.0.swap(true, Ordering::Relaxed) {
                    process::exit(130);
                }
            }
        })?;
        Ok(stop)
    }

    /// Wishes to stop.
    pub fn now(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether somebody wished to stop.
    #[must_use]
    pub fn wished(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// An error once somebody wished to stop.
    ///
    /// # Errors
    /// [`Interrupted`].
    pub fn check(&self) -> Result<(), Interrupted> {
        if self.wished() { Err(Interrupted) } else { Ok(()) }
    }

    /// Sleeps, unless somebody wishes to stop.
    ///
    /// # Errors
    /// [`Interrupted`].
    pub fn sleep(&self, time: Duration) -> Result<(), Interrupted> {
        let end = Instant::now() + time;
        loop {
            self.check()?;
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            thread::sleep(left.min(SLICE));
        }
    }
}

impl fmt::Display for Interrupted {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("stopped before it was done")
    }
}

impl std::error::Error for Interrupted {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sleep_ends_when_somebody_wishes_to_stop() {
        let stop = Stop::default();
        assert!(stop.sleep(Duration::from_millis(1)).is_ok());
        let other = stop.clone();
        let waiting = thread::spawn(move || other.sleep(Duration::from_secs(60)));
        stop.now();
        assert!(waiting.join().unwrap().is_err());
    }
}
