//! The area: mapped once, cut into chunks, each chunk's token handed out once.
//!
//! A umem knows nothing of sockets. Sockets borrow it and register it with the kernel, frames borrow it and own a
//! chunk each; so it is unmapped after the last of them.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::config::{KERNEL_HEADROOM, UmemConfig};
use crate::error::Error;
use crate::frame::{Frame, Shape};
use crate::sys::Mapping;

const HUGE_PAGE: usize = 2 << 20;

/// Which pages the area got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pages {
    /// Huge pages of 2 MiB.
    Huge,
    /// The pages every program has.
    Normal,
}

/// One area of memory, cut into chunks. Frames and sockets borrow it.
#[derive(Debug)]
pub struct Umem {
    memory: Mapping,
    /// What the kernel is told: whole chunks. The mapping may be larger.
    len: usize,
    shape: Shape,
    config: UmemConfig,
    pages: Pages,
    taken: AtomicBool,
}

impl Umem {
    /// Maps the area. All of its pages are present afterwards.
    ///
    /// # Errors
    /// [`Error::Config`] when the limits are not kept, [`Error::Memory`] when there is not enough.
    pub fn new(config: &UmemConfig) -> Result<Self, Error> {
        let len = config.area_len()?;
        let (memory, pages) = map(len, config).map_err(|source| Error::Memory { bytes: len, source })?;
        let shape = Shape::new(config.chunk, KERNEL_HEADROOM + config.headroom, config.tx_metadata);
        Ok(Self { memory, len, shape, config: config.clone(), pages, taken: AtomicBool::new(false) })
    }

    /// Every frame of the area, each once. Only the first call yields any; what is left in the iterator when it is
    /// dropped is lost.
    pub fn take_frames(&self) -> impl Iterator<Item = Frame<'_>> {
        let frames = if self.taken.swap(true, Ordering::Relaxed) { 0 } else { self.config.frames };
        let chunk = self.chunk_size();
        (0..frames as usize).map(move |index| {
            // SAFETY: `taken` lets one call get here, and it passes each index once, so no other frame of this chunk
            // exists yet.
            unsafe { self.frame_at(index * chunk + usize::from(self.shape.home), 0, false) }
        })
    }

    /// Which pages the area got.
    #[must_use]
    pub fn pages(&self) -> Pages {
        self.pages
    }

    /// The size of a chunk in bytes.
    #[must_use]
    pub fn chunk_size(&self) -> usize {
        self.config.chunk.bytes()
    }

    /// The largest packet that fits into one frame with all its headroom kept.
    #[must_use]
    pub fn frame_room(&self) -> usize {
        self.chunk_size() - usize::from(self.shape.home)
    }

    /// What the area was made from.
    #[must_use]
    pub fn config(&self) -> &UmemConfig {
        &self.config
    }

    /// The frame of a packet that the kernel says it has put at `address`. `None` when that cannot be: the place is
    /// not in the area, or the packet would leave its chunk.
    ///
    /// # Safety
    /// The frame of that chunk has been given to the kernel, which has now given it back, once.
    #[inline]
    pub(crate) unsafe fn returned(&self, address: u64, len: u32, continues: bool) -> Option<Frame<'_>> {
        let at = self.place_of(address)?;
        let len = usize::try_from(len).ok()?;
        if (at & (self.chunk_size() - 1)) + len > self.chunk_size() {
            return None;
        }
        // SAFETY: the place and the end of the packet were checked above; the caller promises that this is the only frame.
        Some(unsafe { self.frame_at(at, len as u16, continues) })
    }

    /// The empty frame of the chunk that the kernel says `address` is in. `None` when that is not in the area.
    ///
    /// # Safety
    /// As for [`returned`](Self::returned).
    #[inline]
    pub(crate) unsafe fn returned_empty(&self, address: u64) -> Option<Frame<'_>> {
        let chunk = self.place_of(address)? & !(self.chunk_size() - 1);
        // SAFETY: the chunk is in the area and its home in the chunk; the caller promises that this is the only frame.
        Some(unsafe { self.frame_at(chunk + usize::from(self.shape.home), 0, false) })
    }

    /// Where the packet of this frame lies in the area. `None` when the frame is of another umem.
    #[inline]
    pub(crate) fn address_of(&self, frame: &Frame<'_>) -> Option<u64> {
        let at = frame.data().addr().get().wrapping_sub(self.memory.start().addr().get());
        (at < self.len).then_some(at as u64)
    }

    /// What the kernel is told to register: start and length.
    pub(crate) fn area(&self) -> (u64, u64) {
        (self.memory.start().addr().get() as u64, self.len as u64)
    }

    #[inline]
    fn place_of(&self, address: u64) -> Option<usize> {
        usize::try_from(address).ok().filter(|at| *at < self.len)
    }

    /// # Safety
    /// `at + len` lies in the area and in one chunk, and no other frame of that chunk exists.
    #[inline]
    unsafe fn frame_at(&self, at: usize, len: u16, continues: bool) -> Frame<'_> {
        // SAFETY: the caller keeps `at` within the area.
        let data = unsafe { self.memory.start().add(at) };
        // SAFETY: the caller keeps the packet within the chunk and promises that there is no other frame of it; the
        // pointer comes from the mapping and so may be used for all of it.
        unsafe { Frame::new(data, len, self.shape, continues) }
    }
}

/// Chunks are aligned to their size, and so is the area.
fn map(len: usize, config: &UmemConfig) -> std::io::Result<(Mapping, Pages)> {
    let align = config.chunk.bytes();
    if config.huge
        && let Ok(memory) = Mapping::anonymous(len.next_multiple_of(HUGE_PAGE), align, true)
    {
        return Ok((memory, Pages::Huge));
    }
    Ok((Mapping::anonymous(len, align, false)?, Pages::Normal))
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::{ChunkSize, Socket, SocketConfig};

    #[test]
    fn each_frame_is_handed_out_once() {
        let umem = Umem::new(&UmemConfig { frames: 7, ..UmemConfig::default() }).unwrap();
        let mut frames: Vec<_> = umem.take_frames().collect();
        assert_eq!(frames.len(), 7);
        assert_eq!(umem.take_frames().count(), 0);
        for (frame, value) in frames.iter_mut().zip(0..) {
            frame.extend(umem.frame_room()).unwrap().fill(value);
            frame.push(256).unwrap().fill(value);
        }
        for (frame, value) in frames.iter().zip(0..) {
            assert!(frame.bytes().iter().all(|byte| *byte == value));
        }
    }

    #[test]
    fn limits_are_refused_with_what_would_work() {
        let refused = |config: UmemConfig| Umem::new(&config).unwrap_err().to_string();
        assert!(refused(UmemConfig { frames: 0, ..UmemConfig::default() }).contains("1 or more"));
        assert!(refused(UmemConfig { headroom: 1345, ..UmemConfig::default() }).contains("1344"));
        let roomy = UmemConfig { chunk: ChunkSize::K4, headroom: 3393, ..UmemConfig::default() };
        assert!(refused(roomy).contains("3392"));
    }

    #[test]
    fn chunks_that_the_kernel_does_not_take_never_get_there() {
        let umem =
            Umem::new(&UmemConfig { frames: 1, chunk: ChunkSize::K16, ..UmemConfig::default() }).unwrap();
        assert_eq!((umem.area().0 % 16_384, umem.frame_room()), (0, 16_128));
        let refused = Socket::open(&umem, 1, 0, &SocketConfig::default()).unwrap_err();
        assert!(refused.to_string().contains("ask for K2 or K4"), "{refused}");
    }

    #[test]
    fn huge_pages_fall_back_to_normal_ones() {
        let umem = Umem::new(&UmemConfig { frames: 3, huge: true, ..UmemConfig::default() }).unwrap();
        let mut frames: Vec<_> = umem.take_frames().collect();
        assert!(frames.iter_mut().all(|frame| frame.copy_from(b"present")));
        assert!(matches!(umem.pages(), Pages::Huge | Pages::Normal));
    }

    #[test]
    fn frames_move_between_threads() {
        let umem = Umem::new(&UmemConfig::default()).unwrap();
        let mut frame = umem.take_frames().next().unwrap();
        std::thread::scope(|scope| {
            let filled = scope.spawn(move || {
                assert!(frame.copy_from(b"from afar"));
                frame
            });
            assert_eq!(filled.join().unwrap().bytes(), b"from afar");
        });
    }
}
