//! How a new pipeline reaches a worker: left at its door, picked up between turns, the old one handed back.
//!
//! Only the newest matters: one that was never picked up is replaced. The worker neither waits nor frees: the publisher
//! drops what comes back. Two slots of one element each, both lock-free.

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
    let (newest, retired) = (Arc::new(ArrayQueue::new(1)), Arc::new(ArrayQueue::new(1)));
    (Publisher { newest: newest.clone(), retired: retired.clone() }, Inbox { newest, retired })
}

impl Publisher {
    /// Makes `pipeline` the newest. The worker adopts it before its next turn.
    pub fn publish(&self, pipeline: Arc<Pipeline>) {
        self.retired.pop();
        self.newest.force_push(pipeline);
    }
}

impl Inbox {
    /// Replaces `current` by the newest pipeline, if there is one and the one before last was taken back. True if so.
    #[inline]
    pub fn adopt(&self, current: &mut Arc<Pipeline>) -> bool {
        if self.newest.is_empty() || self.retired.is_full() {
            return false;
        }
        let Some(newest) = self.newest.pop() else { return false };
        let old = std::mem::replace(current, newest);
        // There is room: nobody else puts anything in.
        let _ = self.retired.push(old);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::Seed;
    use crate::pipeline::Table;
    use crate::tunnel::{TunnelTable, Underlay};

    fn pipeline(generation: u64) -> Arc<Pipeline> {
        let tunnels = TunnelTable::new(Vec::new(), Seed::new(0)).unwrap();
        let nothing = (Table::default(), [], tunnels);
        Arc::new(Pipeline::new(generation, nothing.0, nothing.1, nothing.2, [].into(), Underlay::default()))
    }

    #[test]
    fn the_newest_is_adopted_and_the_old_one_freed_by_the_publisher() {
        let (publisher, inbox) = channel();
        let first = pipeline(1);
        let mut current = first.clone();
        publisher.publish(pipeline(2));
        publisher.publish(pipeline(3));
        assert!(inbox.adopt(&mut current));
        assert_eq!(current.generation(), 3);
        assert_eq!(Arc::strong_count(&first), 2, "handed back, not freed");
        publisher.publish(pipeline(4));
        assert_eq!(Arc::strong_count(&first), 1, "freed by the publisher");
        assert!(inbox.adopt(&mut current));
        assert!(!inbox.adopt(&mut current), "nothing new");
    }
}
