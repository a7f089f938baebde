//! How a new pipeline reaches a worker: left at its door, picked up between turns, the old one handed back.
//!
//! Only the newest matters: one that was never picked up is replaced. The worker neither waits nor frees: the publisher
//! drops what comes back. One place for the newest and two for old ones, both lock-free.
//!
//! Why two: the publisher empties them after it has put the newest down, but the worker may be between taking the one before
//! and handing its predecessor back. That one arrives late and takes a place; the other is for what the newest replaces.

use crate::pipeline::Pipeline;
use crossbeam::queue::ArrayQueue;
use std::sync::Arc;

/// The publisher's end.
#[derive(Debug)]
pub struct Publisher {
    newest: Arc<ArrayQueue<Arc<Pipeline>>>,
    retired: Arc<ArrayQueue<Arc<Pipeline>>>,
}

/// The worker's end.
#[derive(Debug)]
pub struct Inbox {
    newest: Arc<ArrayQueue<Arc<Pipeline>>>,
    retired: Arc<ArrayQueue<Arc<Pipeline>>>,
}

/// Connects a publisher and a worker.
pub fn channel() -> (Publisher, Inbox) {
    let (newest, retired) = (Arc::new(ArrayQueue::new(1)), Arc::new(ArrayQueue::new(2)));
    (Publisher { newest: newest.clone(), retired: retired.clone() }, Inbox { newest, retired })
}

impl Publisher {
    /// Makes `pipeline` the newest. The worker adopts it before its next turn, or some
    /// microseconds later when it is fully loaded and has adopted another just now.
    pub fn publish(&self, pipeline: Arc<Pipeline>) {
        self.newest.force_push(pipeline);
        self.take_back();
    }

    /// Frees what came back since something was published last.
    pub fn take_back(&self) {
        while self.retired.pop().is_some() {}
    }
}

impl Inbox {
    /// The newest pipeline, if there is one that was not taken yet and room for the one that it replaces. There is room, at the
    /// latest when the publisher has returned.
    #[inline]
    pub fn take(&self) -> Option<Arc<Pipeline>> {
        if self.newest.is_empty() || self.retired.is_full() {
            return None;
        }
        self.newest.pop()
    }

    /// Whether there is one that was not taken yet.
    pub fn has_mail(&self) -> bool {
        !self.newest.is_empty()
    }

    /// Hands back the pipeline in whose place the one came that was taken last.
    pub fn give(&self, old: Arc<Pipeline>) {
        // There is room: it was asked for before, and nobody else puts anything in.
        let _ = self.retired.push(old);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::Seed;
    use crate::pipeline::Base;
    use crate::tunnel::{TunnelTable, Underlay};

    /// As a worker does. True if there was something new.
    fn adopt(inbox: &Inbox, current: &mut Arc<Pipeline>) -> bool {
        let newest = inbox.take();
        let adopted = newest.is_some();
        newest.into_iter().for_each(|newest| inbox.give(std::mem::replace(current, newest)));
        adopted
    }

    fn pipeline() -> Pipeline {
        let tunnels = TunnelTable::new(Vec::new(), Seed::new(0)).unwrap();
        Pipeline::new(Base::new([], tunnels, [].into(), Underlay::default()))
    }

    #[test]
    fn the_newest_is_adopted_and_the_old_one_freed_by_the_publisher() {
        let (publisher, inbox) = channel();
        let mut pipeline = pipeline();
        let first = pipeline.snapshot();
        let mut current = first.clone();
        publisher.publish(pipeline.snapshot());
        publisher.publish(pipeline.snapshot());
        assert!(adopt(&inbox, &mut current));
        assert_eq!(current.generation(), 3);
        assert_eq!(Arc::strong_count(&first), 2, "handed back, not freed");
        publisher.publish(pipeline.snapshot());
        assert_eq!(Arc::strong_count(&first), 1, "freed by the publisher");
        assert!(adopt(&inbox, &mut current));
        assert!(!adopt(&inbox, &mut current), "nothing new");
        publisher.publish(pipeline.snapshot());
        let before = Arc::downgrade(&current);
        assert!(adopt(&inbox, &mut current) && before.strong_count() == 1);
        publisher.take_back();
        assert_eq!(before.strong_count(), 0, "freed though nothing was published");
    }

    /// The worker adopts while the publisher is at it; whatever the moment, the last one published is adopted in the end.
    #[test]
    fn the_newest_is_adopted_whenever_the_worker_looks() {
        const LAST: u64 = 20_000;
        let (publisher, inbox) = channel();
        let done = std::sync::Barrier::new(2);
        let published = std::sync::atomic::AtomicU64::new(0);
        let mut pipeline = pipeline();
        let mut current = Arc::new(pipeline.clone());
        std::thread::scope(|scope| {
            let (publisher, done, published) = (&publisher, &done, &published);
            scope.spawn(move || {
                for generation in (1..=LAST).step_by(2) {
                    publisher.publish(pipeline.snapshot());
                    publisher.publish(pipeline.snapshot());
                    published.store(generation + 1, std::sync::atomic::Ordering::Release);
                    done.wait();
                    done.wait();
                }
            });
            let mut missed = Vec::new();
            for generation in (2..=LAST).step_by(2) {
                while published.load(std::sync::atomic::Ordering::Acquire) != generation {
                    adopt(&inbox, &mut current);
                }
                done.wait();
                adopt(&inbox, &mut current);
                if current.generation() != generation {
                    missed.push(generation);
                }
                done.wait();
            }
            assert_eq!(missed, []);
        });
    }
}
