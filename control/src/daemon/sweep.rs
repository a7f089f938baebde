//! Waiting for the workers: until they have written what they counted, and until they go by the newest rules.

use super::nap::Nap;
use datapath::stats::SharedStats;
use nix::sys::eventfd::EventFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};

/// A worker answers in less than a millisecond, unless it is not scheduled. One that was ended meanwhile never does, and what it had
/// counted is written.
const PATIENCE: Duration = Duration::from_millis(500);
/// How long to wait before looking again.
const PAUSE: Duration = Duration::from_micros(200);
/// How long it is looked without a pause: going to sleep and being woken takes longer.
const AT_ONCE: Duration = Duration::from_micros(20);
/// The longest pause without being rung.
const LONGEST: Duration = Duration::from_millis(100);

/// What is needed to wait for the workers that run now, from whichever task.
#[derive(Clone, Default)]
pub(super) struct Sweeper {
    workers: Vec<Awaited>,
    /// Rung when a worker has adopted something.
    adoptions: Arc<Notify>,
}

/// A worker that is waited for.
#[derive(Clone)]
pub(super) struct Awaited {
    pub(super) shared: Arc<SharedStats>,
    pub(super) wake: Arc<EventFd>,
    /// It is told to end: it was ended before anybody else has a turn.
    pub(super) stop: Arc<AtomicBool>,
    /// Whether it sleeps.
    pub(super) nap: Nap,
}

impl Sweeper {
    pub(super) fn new(workers: Vec<Awaited>, adoptions: Arc<Notify>) -> Sweeper {
        Sweeper { workers, adoptions }
    }

    /// Waits until every worker has written all that it had counted when this was called: then numbers are exact.
    pub(super) async fn settle(&self) {
        let asked = self.ask();
        wait_for(|| self.has_swept(&asked)).await;
    }

    /// Whether every worker has done what [`Sweeper::ask`] asked for.
    pub(super) fn has_swept(&self, asked: &[u64]) -> bool {
        self.workers.iter().zip(asked).all(|(worker, asked)| worker.shared.swept() >= *asked)
    }

    /// Asks every worker to write what it has counted. Returns what each shall have done then.
    pub(super) fn ask(&self) -> Vec<u64> {
        let ask = |worker: &Awaited| {
            let asked = worker.shared.ask_sweep();
            let _ = worker.wake.write(1);
            asked
        };
        self.workers.iter().map(ask).collect()
    }

    /// Waits until every worker goes by this generation, which was left at its door, or by a later one, however long that takes: no
    /// frame that is handled afterwards is handled by an older one. One that sleeps takes it up before it handles any
    /// ([`Nap`]). Workers that were ended handle none.
    pub(super) async fn adopted(&self, generation: u64) {
        // A worker that is awake adopts it at once.
        let soon = std::time::Instant::now() + AT_ONCE;
        while std::time::Instant::now() < soon {
            if self.has_adopted(generation) {
                return;
            }
            std::hint::spin_loop();
        }
        loop {
            let rung = self.adoptions.notified();
            if self.has_adopted(generation) {
                return;
            }
            // A worker rings after it has told its generation; one that was ended does not.
            let _ = timeout(LONGEST, rung).await;
        }
    }

    /// The same, but not for long.
    pub(super) async fn adopted_soon(&self, generation: u64) {
        let _ = timeout(PATIENCE, self.adopted(generation)).await;
    }

    fn has_adopted(&self, generation: u64) -> bool {
        let adopted = |worker: &Awaited| {
            worker.shared.generation() >= generation
                || worker.nap.is_asleep()
                || worker.stop.load(Ordering::Relaxed)
        };
        self.workers.iter().all(adopted)
    }
}

async fn wait_for(done: impl Fn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !done() && Instant::now() < end {
        sleep(PAUSE).await;
    }
}
