//! Memory of a worker: the pool of free frames, and the prefetch hint (the one unsafe line of this crate's packet path).
//!
//! The frames themselves and the area that they lie in are [`af_xdp::Frame`] and [`af_xdp::Umem`].

mod pool;
mod prefetch;

pub use af_xdp::{Frame, Umem};
pub use pool::FramePool;
pub use prefetch::prefetch;

/// Frames that a worker handles at a time. Vectors of 64 keep the columns of a batch within the first-level cache and
/// still spread the cost of a ring update or a wake-up over enough frames.
pub const BATCH: usize = 64;
