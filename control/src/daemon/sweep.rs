//! Waiting for the workers: until they have written what they counted, and until they go by the newest rules.

use datapath::stats::SharedStats;
use nix::sys::eventfd::EventFd;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// A worker answers in less than a millisecond, unless it is not scheduled. One that was ended meanwhile never does, and what it had
/// counted is written.
const PATIENCE: Duration = Duration::from_millis(500);
/// How long to wait before looking again.
const PAUSE: Duration = Duration::from_micros(200);

/// What is needed to wait for the workers that run now, from whichever task.
#[derive(Clone, Default)]
pub(super) struct Sweeper {
    workers: Vec<(Arc<SharedStats>, Arc<EventFd>)>,
}

impl Sweeper {
    pub(super) fn new(workers: Vec<(Arc<SharedStats>, Arc<EventFd>)>) -> Sweeper {
        Sweeper { workers }
    }

    /// Waits until every worker has written all that it had counted when this was called: then numbers are exact.
    pub(super) async fn settle(&self) {
        let asked = self.ask();
        let done = || self.workers.iter().zip(&asked).all(|((shared, _), asked)| shared.swept() >= *asked);
        wait_for(done).await;
    }

    /// Asks every worker to write what it has counted. Returns what each shall have done then.
    pub(super) fn ask(&self) -> Vec<u64> {
        let ask = |(shared, wake): &(Arc<SharedStats>, Arc<EventFd>)| {
            let asked = shared.ask_sweep();
            let _ = wake.write(1);
            asked
        };
        self.workers.iter().map(ask).collect()
    }

    /// Waits until every worker goes by this generation or a later one.
    pub(super) async fn adopted(&self, generation: u64) {
        wait_for(|| self.workers.iter().all(|(shared, _)| shared.generation() >= generation)).await;
    }
}

async fn wait_for(done: impl Fn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !done() && Instant::now() < end {
        sleep(PAUSE).await;
    }
}
