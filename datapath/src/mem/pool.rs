//! The free frames of a worker: a stack, so that the frame given back last, still in the cache, is taken next.

use af_xdp::Frame;

/// Free frames.
#[derive(Debug)]
pub struct FramePool<'u> {
    free: Vec<Frame<'u>>,
}

impl<'u> FramePool<'u> {
    /// A pool of these frames. It never grows beyond them: all frames of a worker come from it and go back to it.
    pub fn new(frames: impl Iterator<Item = Frame<'u>>) -> FramePool<'u> {
        FramePool { free: frames.collect() }
    }

    /// A free frame, empty, with all its headroom.
    #[inline]
    pub fn take(&mut self) -> Option<Frame<'u>> {
        let mut frame = self.free.pop()?;
        frame.reset();
        Some(frame)
    }

    /// Takes a frame back.
    #[inline]
    pub fn give(&mut self, frame: Frame<'u>) {
        self.free.push(frame);
    }

    /// A copy of `frame` in a frame of its own, with its request for a checksum. None when the pool is empty.
    #[inline]
    pub fn copy(&mut self, frame: &Frame<'u>) -> Option<Frame<'u>> {
        let mut copy = self.take()?;
        let bytes = frame.bytes();
        // A frame that grew in front may be longer than the room behind the headroom: the copy grows in front too.
        let (front, back) = bytes.split_at(bytes.len().saturating_sub(copy.tailroom()));
        let fits =
            copy.copy_from(back) && copy.push(front.len()).map(|room| room.copy_from_slice(front)).is_some();
        if !fits {
            self.give(copy);
            return None;
        }
        if let Some((start, offset)) = frame.checksum_request() {
            copy.request_checksum(start, offset);
        }
        Some(copy)
    }

    /// How many are free.
    pub fn len(&self) -> usize {
        self.free.len()
    }

    /// Whether none is free.
    pub fn is_empty(&self) -> bool {
        self.free.is_empty()
    }
}
