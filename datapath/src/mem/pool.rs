//! The free frames of a worker: a stack, so that the frame given back last, still in the cache, is taken next.
//!
//! Packets that fit no chunk that the kernel takes lie in long frames, which are a stack of their own.

use super::BATCH;
use af_xdp::Frame;

/// Free frames.
#[derive(Debug)]
pub struct FramePool<'u> {
    /// No place is empty; runs of frames come and go as they are.
    free: Vec<Option<Frame<'u>>>,
    long: Vec<Frame<'u>>,
    /// How long a packet fits a frame that is not long.
    room: usize,
}

impl<'u> FramePool<'u> {
    /// A pool of these frames, all of one size and none of them long. It never grows beyond them: all frames of a worker
    /// come from it and go back to it.
    pub fn new(frames: impl Iterator<Item = Frame<'u>>) -> FramePool<'u> {
        let mut free: Vec<_> = frames.map(Some).collect();
        // For what `give_each` sorts out.
        free.reserve_exact(BATCH);
        let room = free.iter().flatten().next().map_or(0, Frame::room);
        FramePool { free, long: Vec::new(), room }
    }

    /// With long frames too, of [`long_frames`](super::long_frames).
    pub fn with_long(self, frames: impl Iterator<Item = Frame<'u>>) -> FramePool<'u> {
        FramePool { long: frames.collect(), ..self }
    }

    /// A free frame that is not long, empty, with all its headroom.
    #[inline]
    pub fn take(&mut self) -> Option<Frame<'u>> {
        let mut frame = self.free.pop()??;
        frame.reset();
        Some(frame)
    }

    /// A free long frame, empty, with all its headroom.
    pub fn take_long(&mut self) -> Option<Frame<'u>> {
        let mut frame = self.long.pop()?;
        frame.reset();
        Some(frame)
    }

    /// A free frame that a packet of `len` bytes fits, if it fits any.
    fn take_for(&mut self, len: usize) -> Option<Frame<'u>> {
        if len <= self.room { self.take() } else { self.take_long() }
    }

    /// A frame that holds these bytes. None when they are longer than any frame, or no frame is free.
    #[inline]
    pub fn hold(&mut self, bytes: &[u8]) -> Option<Frame<'u>> {
        let mut frame = self.take_for(bytes.len())?;
        if frame.copy_from(bytes) {
            return Some(frame);
        }
        self.give(frame);
        None
    }

    /// Appends at most `n` free frames that are not long to `out`. What is in them is left over from earlier use: whoever asks fills
    /// them.
    #[inline]
    pub fn take_all(&mut self, n: usize, out: &mut Vec<Option<Frame<'u>>>) {
        out.extend(self.free.drain(self.free.len().saturating_sub(n)..));
    }

    /// Takes a frame back.
    #[inline]
    pub fn give(&mut self, frame: Frame<'u>) {
        if frame.is_long() {
            return self.give_long(frame);
        }
        self.free.push(Some(frame));
    }

    /// Takes all frames of a run, of [`BATCH`] at the most, back, each after a last look at it.
    #[inline(always)]
    pub fn give_each(&mut self, run: &mut [Option<Frame<'u>>], mut look: impl FnMut(&mut Frame<'u>)) {
        let (before, mut mixed) = (self.free.len(), false);
        self.free.extend(run.iter_mut().map(|place| {
            match place {
                Some(frame) if !frame.is_long() => look(frame),
                Some(frame) => {
                    look(frame);
                    mixed = true;
                }
                None => mixed = true,
            }
            place.take()
        }));
        if mixed {
            self.sort_out(before);
        }
    }

    /// Leaves behind `from` only frames that are not long, and no empty place.
    #[cold]
    fn sort_out(&mut self, from: usize) {
        for at in (from..self.free.len()).rev() {
            if self.free[at].as_ref().is_none_or(Frame::is_long) {
                self.long.extend(self.free.swap_remove(at));
            }
        }
    }

    #[cold]
    fn give_long(&mut self, frame: Frame<'u>) {
        self.long.push(frame);
    }

    /// A copy of `frame` in a frame of its own, with its request for a checksum. None when the pool is empty.
    #[inline]
    pub fn copy(&mut self, frame: &Frame<'u>) -> Option<Frame<'u>> {
        let mut copy = if frame.is_long() { self.take_for(frame.len())? } else { self.take()? };
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

    /// How long a packet fits a frame that is not long, in bytes.
    pub fn room(&self) -> usize {
        self.room
    }

    /// How many are free that are not long.
    pub fn len(&self) -> usize {
        self.free.len()
    }

    /// How many long ones are free.
    pub fn long(&self) -> usize {
        self.long.len()
    }

    /// Whether none is free that is not long.
    pub fn is_empty(&self) -> bool {
        self.free.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mem::{LONG_MAX, long_frames};
    use af_xdp::{ChunkSize, Umem, UmemConfig};

    fn short(chunk: ChunkSize) -> Umem {
        Umem::new(&UmemConfig { frames: 4, chunk, tx_metadata: true, ..UmemConfig::default() }).unwrap()
    }

    #[test]
    fn a_packet_lies_in_the_smallest_frame_that_it_fits() {
        let (umem, long) = (short(ChunkSize::K4), long_frames().unwrap());
        let mut pool = FramePool::new(umem.take_frames()).with_long(long.take_frames());
        assert_eq!((pool.room(), pool.len(), pool.long()), (3840, 4, 256));
        for (len, is_long) in [(0, false), (3840, false), (3841, true), (LONG_MAX, true)] {
            let frame = pool.hold(&vec![7; len]).unwrap();
            assert_eq!((frame.len(), frame.is_long()), (len, is_long));
            assert_eq!((pool.len(), pool.long()), if is_long { (4, 255) } else { (3, 256) });
            pool.give(frame);
        }
        assert!(pool.hold(&[0; LONG_MAX + 1]).is_none());
        assert_eq!((pool.len(), pool.long()), (4, 256));
    }

    #[test]
    fn without_long_frames_nothing_is_held_that_fits_no_other() {
        let umem = short(ChunkSize::K2);
        let mut pool = FramePool::new(umem.take_frames());
        assert!(pool.hold(&[0; 1793]).is_none());
        let all: Vec<_> = (0..4).filter_map(|_| pool.hold(&[0; 1792])).collect();
        assert_eq!((all.len(), pool.is_empty()), (4, true));
        assert!(pool.hold(&[0; 1792]).is_none());
        all.into_iter().for_each(|frame| pool.give(frame));
        assert_eq!(pool.len(), 4);
    }

    #[test]
    fn a_run_is_taken_back_whatever_is_in_it() {
        let (umem, long) = (short(ChunkSize::K2), long_frames().unwrap());
        let mut pool = FramePool::new(umem.take_frames()).with_long(long.take_frames());
        let room = pool.free.capacity();
        let lengths = [1, 5000, 2, 0, 0, 6000, 3].map(|len: usize| vec![7; len]);
        let mut run = lengths.map(|bytes| if bytes.is_empty() { None } else { pool.hold(&bytes) });
        assert_eq!((pool.len(), pool.long()), (1, 254));
        let mut seen = Vec::new();
        pool.give_each(&mut run, |frame| seen.push(frame.len()));
        assert_eq!(seen, [1, 5000, 2, 6000, 3]);
        assert!(run.iter().all(Option::is_none));
        assert_eq!((pool.len(), pool.long(), pool.free.capacity()), (4, 256, room));
        assert!(pool.free.iter().all(|place| place.as_ref().is_some_and(|frame| !frame.is_long())));
        assert!(pool.long.iter().all(Frame::is_long));
        let mut long = std::array::from_fn::<_, BATCH, _>(|_| pool.hold(&[0; 5000]));
        pool.give_each(&mut long, |_| {});
        assert_eq!((pool.len(), pool.long(), pool.free.capacity()), (4, 256, room));
    }

    #[test]
    fn a_copy_of_what_is_no_longer_long_takes_no_long_frame() {
        let (umem, long) = (short(ChunkSize::K4), long_frames().unwrap());
        let mut pool = FramePool::new(umem.take_frames()).with_long(long.take_frames());
        let bytes: Vec<_> = (0..9000).map(|at| at as u8).collect();
        let mut frame = pool.hold(&bytes).unwrap();
        assert!(frame.request_checksum(34, 6));
        frame.push(50).unwrap().fill(1);
        let copy = pool.copy(&frame).unwrap();
        assert_eq!((copy.bytes(), copy.checksum_request()), (frame.bytes(), Some((84, 6))));
        assert!(copy.is_long());
        pool.give(copy);
        frame.truncate(3840);
        let copy = pool.copy(&frame).unwrap();
        assert_eq!((copy.bytes(), copy.is_long()), (frame.bytes(), false));
        pool.give(copy);
        pool.give(frame);
        assert_eq!((pool.len(), pool.long()), (4, 256));
    }
}
