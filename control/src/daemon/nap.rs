//! Whether a worker sleeps, so that nobody wakes it or waits for it only because rules have changed: it takes up the newest before the first
//! frame that it handles awake.
//!
//! Why that is so: control leaves rules at the door, then looks; the worker says that it sleeps, then looks at the door. Between each
//! one's two steps stands a fence, and fences have one order for all. So if control found it asleep, what it left before is
//! there when the worker, awake again, comes to the door; and if the worker found nothing there, control sees it asleep, or leaves
//! something later and looks again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering, fence};

/// Known to the worker and to control.
#[derive(Clone, Debug, Default)]
pub(super) struct Nap(Arc<AtomicBool>);

impl Nap {
    /// The worker sleeps for as long as `wait` takes, if nothing is at its door. Afterwards it looks there before it does anything else.
    pub(super) fn take(&self, has_mail: impl FnOnce() -> bool, wait: impl FnOnce()) {
        self.0.store(true, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        if !has_mail() {
            wait();
        }
        self.0.store(false, Ordering::SeqCst);
        fence(Ordering::SeqCst);
    }

    /// Whether the worker sleeps. Asked after something was left at its door.
    pub(super) fn is_asleep(&self) -> bool {
        fence(Ordering::SeqCst);
        self.0.load(Ordering::SeqCst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU64;

    /// A door without any order of its own, and frames that name the rules which were left there before.
    #[test]
    fn no_frame_is_handled_by_rules_older_than_those_left_while_the_worker_slept() {
        const NAPS: u64 = 1000;
        let (door, frame, nap) = (AtomicU64::new(0), AtomicU64::new(0), Nap::default());
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut rules = 0;
                while !over.load(Ordering::Relaxed) {
                    nap.take(|| door.load(Ordering::Relaxed) != rules, std::thread::yield_now);
                    rules = door.load(Ordering::Relaxed);
                    let named = frame.load(Ordering::Acquire);
                    assert!(named <= rules, "a frame that names rules {named} is handled by {rules}");
                }
            });
            let (mut generation, mut naps) = (0, 0);
            while naps < NAPS {
                generation += 1;
                door.store(generation, Ordering::Relaxed);
                if nap.is_asleep() {
                    naps += 1;
                    frame.store(generation, Ordering::Release);
                }
            }
            over.store(true, Ordering::Relaxed);
        });
    }
}
