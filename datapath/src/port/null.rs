//! A port without a device: gives the same frames round and round, and forgets what it is given. For benches: what is left
//! is the switch itself, with one copy of each frame into a fresh buffer as any driver makes.

use crate::mem::{Frame, FramePool};
use crate::stats::DropReason;

/// A source and a sink.
#[derive(Debug, Default)]
pub struct Null {
    frames: Vec<Vec<u8>>,
    next: usize,
    burst: usize,
}

impl Null {
    /// A sink that gives nothing.
    pub fn sink() -> Null {
        Null::default()
    }

    /// A source of `frames`, in turn, `burst` at a time.
    pub fn source(frames: Vec<Vec<u8>>, burst: usize) -> Null {
        Null { frames, next: 0, burst }
    }

    #[inline]
    pub(super) fn rx<'u>(&mut self, pool: &mut FramePool<'u>, max: usize, out: &mut Vec<Frame<'u>>) -> u64 {
        if self.frames.is_empty() {
            return 0;
        }
        for _ in 0..max.min(self.burst) {
            let Some(mut frame) = pool.take() else { break };
            if !frame.copy_from(&self.frames[self.next]) {
                pool.give(frame);
                let Some(long) = pool.hold(&self.frames[self.next]) else { break };
                frame = long;
            }
            self.next = if self.next + 1 == self.frames.len() { 0 } else { self.next + 1 };
            out.push(frame);
        }
        0
    }

    #[inline]
    pub(super) fn tx(&mut self, frame: &Frame<'_>) -> Result<(), DropReason> {
        std::hint::black_box(frame.bytes());
        Ok(())
    }
}
