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
    pub(super) fn rx<'u>(
        &mut self,
        pool: &mut FramePool<'u>,
        max: usize,
        out: &mut Vec<Option<Frame<'u>>>,
    ) -> u64 {
        if self.frames.is_empty() {
            return 0;
        }
        let Null { frames, next, burst } = self;
        let before = out.len();
        pool.take_all(max.min(*burst), out);
        let mut at = *next;
        for place in &mut out[before..] {
            let copied = place.as_mut().is_some_and(|frame| frame.copy_from(&frames[at]));
            if !copied {
                hold_long(place, pool, &frames[at]);
            }
            at = if at + 1 == frames.len() { 0 } else { at + 1 };
        }
        *next = at;
        0
    }

    #[inline]
    pub(super) fn tx(&mut self, frame: &Frame<'_>) -> Result<(), DropReason> {
        std::hint::black_box(frame.bytes());
        Ok(())
    }
}

/// Puts bytes that are too long for the frame that is there into a long one; into none when there is none.
#[cold]
fn hold_long<'u>(place: &mut Option<Frame<'u>>, pool: &mut FramePool<'u>, bytes: &[u8]) {
    if let Some(frame) = place.take() {
        pool.give(frame);
    }
    *place = pool.hold(bytes);
}
