//! Memory of a worker: the pool of free frames, and the prefetch hint (the one unsafe line of this crate's packet path).
//!
//! The frames themselves and the area that they lie in are [`af_xdp::Frame`] and [`af_xdp::Umem`].

mod pool;
mod prefetch;

use af_xdp::{ChunkSize, Error, UmemConfig};

pub use af_xdp::{Frame, Umem};
pub use pool::FramePool;
pub use prefetch::prefetch;

/// Frames that a worker handles at a time. Vectors of 64 keep the columns of a batch within the first-level cache and
/// still spread the cost of a ring update or a wake-up over enough frames.
pub const BATCH: usize = 64;

/// Longest packet that a [long](long_frames) frame takes, in bytes from the Ethernet header on. With the headers of a tunnel in
/// front it may be longer.
pub const LONG_MAX: usize = 16_128;

/// How many long frames a worker has. They are held for no longer than a batch is under way: one for each frame of it, and
/// the rest for copies.
const LONG_FRAMES: u32 = 4 * BATCH as u32;

/// The area of a worker's long frames, 4 MiB: for packets that fit no chunk that the kernel takes, see
/// [`FramePool::with_long`]. It is never given to the kernel.
///
/// # Errors
/// When there is not enough memory.
pub fn long_frames() -> Result<Umem, Error> {
    Umem::new(&UmemConfig {
        frames: LONG_FRAMES,
        chunk: ChunkSize::K16,
        headroom: 0,
        huge: true,
        tx_metadata: true,
    })
}
