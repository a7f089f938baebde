//! A port made of two queues in this process: for tests, and for what runs beside the switch.

use crate::mem::{Frame, FramePool};
use crate::stats::DropReason;
use crossbeam::queue::ArrayQueue;
use std::sync::Arc;

/// One end of two queues.
#[derive(Clone, Debug)]
pub struct Memory {
    incoming: Arc<ArrayQueue<Vec<u8>>>,
    outgoing: Arc<ArrayQueue<Vec<u8>>>,
}

impl Memory {
    /// Two ends: what one sends the other receives. Each direction holds `depth` frames.
    pub fn pair(depth: usize) -> (Memory, Memory) {
        let (a, b) = (Arc::new(ArrayQueue::new(depth)), Arc::new(ArrayQueue::new(depth)));
        (Memory { incoming: a.clone(), outgoing: b.clone() }, Memory { incoming: b, outgoing: a })
    }

    /// Sends bytes, from outside of a worker. Gives them back when the queue is full.
    pub fn send(&self, frame: Vec<u8>) -> Result<(), Vec<u8>> {
        self.outgoing.push(frame)
    }

    /// Receives bytes, outside of a worker.
    pub fn receive(&self) -> Option<Vec<u8>> {
        self.incoming.pop()
    }

    pub(super) fn rx<'u>(
        &mut self,
        pool: &mut FramePool<'u>,
        max: usize,
        out: &mut Vec<Option<Frame<'u>>>,
    ) -> u64 {
        let mut refused = 0;
        for _ in 0..max.min(pool.len()) {
            let Some(bytes) = self.incoming.pop() else { break };
            match pool.hold(&bytes) {
                Some(frame) => out.push(Some(frame)),
                None => refused += 1,
            }
        }
        refused
    }

    pub(super) fn tx(&mut self, frame: &Frame<'_>) -> Result<(), DropReason> {
        self.outgoing.push(frame.bytes().to_vec()).map_err(|_| DropReason::TxFull)
    }
}
