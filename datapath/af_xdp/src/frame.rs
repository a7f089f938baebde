//! The token of one chunk. Moved, never copied: whoever holds it owns the bytes.
//!
//! ```text
//!  chunk                          home               data           data + len          chunk end
//!  | room for TX metadata (24) |  headroom, 256 + n  |  the packet  |  tailroom          |
//! ```
//!
//! A frame keeps a pointer to its *data*. Chunks are powers of two and aligned to their size, so the offset in the
//! chunk is the low bits of that pointer, and no field is spent on it.

use std::fmt;
use std::marker::PhantomData;
use std::ptr::NonNull;
use std::slice;

use crate::config::{ChunkSize, TX_METADATA_LEN};
use crate::umem::Umem;

/// Bytes of the smallest chunk.
const SMALLEST: usize = 2048;
/// More fragments of the same packet follow.
const CONTINUES: u8 = 1 << 0;
/// The checksum fields are in force.
const CHECKSUM: u8 = 1 << 1;
/// The 24 bytes in front of the data stay free for the TX metadata.
const METADATA: u8 = 1 << 2;
/// From this bit on: how often the size of the smallest chunk is to be doubled for that of this one.
const DOUBLINGS: u32 = 3;

/// One chunk of a [`Umem`] and the packet, or the piece of a packet, in it.
///
/// Dropping a frame does not free anything: the chunk is lost until the umem goes. Return frames to a pool of your
/// own (a `Vec<Frame>` will do).
#[must_use = "a dropped frame loses its chunk for as long as the umem lives"]
pub struct Frame<'u> {
    data: NonNull<u8>,
    len: u16,
    /// Where the data of an empty frame starts, from the start of the chunk.
    home: u16,
    /// Where summing starts, from the start of the chunk.
    checksum_start: u16,
    /// Where the sum goes, from `checksum_start`.
    checksum_field: u8,
    flags: u8,
    area: PhantomData<&'u Umem>,
}

/// Bytes of a cache line.
#[cfg(all(target_arch = "x86_64", not(miri)))]
const LINE: usize = 64;

const _: () = assert!(size_of::<Frame<'_>>() == 16);
const _: () = assert!(size_of::<Option<Frame<'_>>>() == 16);

// SAFETY: a frame owns its chunk alone, as `&mut [u8]` would, and that may move between threads.
unsafe impl Send for Frame<'_> {}
// SAFETY: through a shared frame bytes can be read, never written.
unsafe impl Sync for Frame<'_> {}

/// What all frames of one umem have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) home: u16,
    flags: u8,
}

impl Shape {
    pub(crate) fn new(chunk: ChunkSize, home: u16, tx_metadata: bool) -> Self {
        let doublings: u8 = match chunk {
            ChunkSize::K2 => 0,
            ChunkSize::K4 => 1,
            ChunkSize::K16 => 3,
        };
        let metadata = if tx_metadata { METADATA } else { 0 };
        Self { home, flags: doublings << DOUBLINGS | metadata }
    }
}

impl<'u> Frame<'u> {
    /// The frame of the chunk that `data` points into, `len` bytes long.
    ///
    /// # Safety
    /// `data .. data + len` lies in one chunk of a live `'u` umem of that shape, `data` may be used for the whole chunk,
    /// and no other frame of that chunk exists.
    #[inline]
    pub(crate) unsafe fn new(data: NonNull<u8>, len: u16, shape: Shape, continues: bool) -> Self {
        Self {
            data,
            len,
            home: shape.home,
            checksum_start: 0,
            checksum_field: 0,
            flags: shape.flags | u8::from(continues),
            area: PhantomData,
        }
    }

    /// The length of the packet in bytes.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        usize::from(self.len)
    }

    /// Whether there is no packet in the frame.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The packet.
    #[inline]
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: `new` and every method keep `data .. data + len` within the chunk, which this frame owns alone; the
        // area was zeroed when it was mapped, so all of it is initialised.
        unsafe { slice::from_raw_parts(self.data.as_ptr(), usize::from(self.len)) }
    }

    /// The packet, to be changed.
    #[inline]
    #[must_use]
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as for `bytes`, and `&mut self` makes this the only reference.
        unsafe { slice::from_raw_parts_mut(self.data.as_ptr(), usize::from(self.len)) }
    }

    /// How many bytes can be [pushed](Self::push) in front of the packet. The room of the TX metadata, where the umem
    /// has it, is not counted.
    #[inline]
    #[must_use]
    pub fn headroom(&self) -> usize {
        self.offset().saturating_sub(self.reserved())
    }

    /// How many bytes the packet can be [extended](Self::extend) by.
    #[inline]
    #[must_use]
    pub fn tailroom(&self) -> usize {
        self.chunk_size() - self.offset() - usize::from(self.len)
    }

    /// How long a packet fits with all its headroom kept.
    #[inline]
    #[must_use]
    pub fn room(&self) -> usize {
        self.chunk_size() - usize::from(self.home)
    }

    /// Whether the chunk is one that the kernel does not take ([`ChunkSize::K16`]).
    #[inline]
    #[must_use]
    pub fn is_long(&self) -> bool {
        self.flags >> DOUBLINGS > 1
    }

    /// Makes the frame empty, with all its headroom in front, no checksum request and no continuation.
    #[inline]
    pub fn reset(&mut self) {
        self.move_data_to(usize::from(self.home));
        self.len = 0;
        self.flags &= !(CONTINUES | CHECKSUM);
    }

    /// Grows the packet by `n` bytes at the front and returns them; what they contain is left over from earlier use.
    /// `None` when the headroom is too small.
    #[inline]
    #[must_use]
    pub fn push(&mut self, n: usize) -> Option<&mut [u8]> {
        // As a rule a look at the low bits of the pointer is enough: chunks are aligned, so the offset in one is never smaller.
        let at_least = self.data.addr().get() % SMALLEST;
        if at_least.saturating_sub(TX_METADATA_LEN as usize) < n && n > self.headroom() {
            return None;
        }
        // SAFETY: the packet starts at least `n` behind the start of its chunk, for which `new` was promised that the pointer may be used.
        self.data = unsafe { self.data.sub(n) };
        self.len += n as u16;
        // SAFETY: those bytes are of the chunk, which this frame owns alone and which was zeroed when it was mapped.
        Some(unsafe { slice::from_raw_parts_mut(self.data.as_ptr(), n) })
    }

    /// Takes `n` bytes off the front. `None`, and nothing changes, when the packet is shorter than that.
    ///
    /// What is pulled stays in the chunk, so pushing the same number again restores it, except where nothing is left
    /// and the packet reached the very end of its chunk: the empty packet then lies one byte before that end.
    #[inline]
    #[must_use]
    pub fn pull(&mut self, n: usize) -> Option<()> {
        if n > self.len() {
            return None;
        }
        // The end of a chunk is the start of the next one: the data pointer must never get there.
        self.move_data_to((self.offset() + n).min(self.chunk_size() - 1));
        self.len -= n as u16;
        Some(())
    }

    /// Leaves only the bytes `start .. end` of the packet: a [pull](Self::pull) and a [truncate](Self::truncate) in one. `None`, and nothing
    /// changes, when they are none, or not all in the packet.
    #[inline]
    #[must_use]
    pub fn narrow(&mut self, start: usize, end: usize) -> Option<()> {
        if start >= end || end > self.len() {
            return None;
        }
        // SAFETY: `start` lies in the packet, in front of its last byte, and so in the chunk that the pointer may be used for.
        self.data = unsafe { self.data.add(start) };
        self.len = (end - start) as u16;
        Some(())
    }

    /// Grows the packet by `n` bytes at the back and returns them; what they contain is left over from earlier use.
    /// `None` when the tailroom is too small.
    #[inline]
    #[must_use]
    pub fn extend(&mut self, n: usize) -> Option<&mut [u8]> {
        if n > self.tailroom() {
            return None;
        }
        let old = self.len();
        self.len += n as u16;
        Some(&mut self.bytes_mut()[old..])
    }

    /// Shortens the packet to `len` bytes; a packet that is shorter already stays as it is.
    #[inline]
    pub fn truncate(&mut self, len: usize) {
        self.len = len.min(self.len()) as u16;
    }

    /// [Resets](Self::reset) the frame and copies `bytes` into it. False, and nothing changes, when they are too long.
    #[inline]
    #[must_use]
    pub fn copy_from(&mut self, bytes: &[u8]) -> bool {
        // What fits the smallest of chunks fits every one.
        if usize::from(self.home) + bytes.len() > SMALLEST && bytes.len() > self.room() {
            return false;
        }
        self.reset();
        self.len = bytes.len() as u16;
        // SAFETY: the data starts at `home`, and so many bytes were found to be between there and the end of the chunk, which this
        // frame owns alone: so `bytes` lies elsewhere.
        unsafe { self.data.as_ptr().copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
        true
    }

    /// Asks the sender to sum from `start` (from the start of the packet) to the end of the packet, and to store the
    /// folded sum `offset` bytes after `start`. The field must hold the sum of the pseudo header already.
    ///
    /// The request moves with the packet when headers are pushed or pulled. False, and nothing is asked for, when the
    /// field does not lie in the packet or `offset` is above 255.
    #[inline]
    pub fn request_checksum(&mut self, start: usize, offset: usize) -> bool {
        let inside =
            start.checked_add(offset).and_then(|at| at.checked_add(2)).is_some_and(|end| end <= self.len());
        let Ok(field) = u8::try_from(offset) else { return false };
        if !inside {
            return false;
        }
        self.checksum_start = (self.offset() + start) as u16;
        self.checksum_field = field;
        self.flags |= CHECKSUM;
        true
    }

    /// Where the sum starts, from the start of the packet as it is now, and where it goes from there. `None` when
    /// nothing was asked for, or the place has been pulled or truncated away.
    #[inline]
    #[must_use]
    pub fn checksum_request(&self) -> Option<(usize, usize)> {
        if self.flags & CHECKSUM == 0 {
            return None;
        }
        let start = usize::from(self.checksum_start).checked_sub(self.offset())?;
        let field = usize::from(self.checksum_field);
        (start + field + 2 <= self.len()).then_some((start, field))
    }

    /// Takes the request back.
    #[inline]
    pub fn clear_checksum_request(&mut self) {
        self.flags &= !CHECKSUM;
    }

    /// Whether the next frame is a continuation of this packet (`XDP_PKT_CONTD`).
    #[inline]
    #[must_use]
    pub fn continues(&self) -> bool {
        self.flags & CONTINUES != 0
    }

    /// Says whether the next frame is a continuation of this packet.
    #[inline]
    pub fn set_continues(&mut self, continues: bool) {
        self.flags = self.flags & !CONTINUES | u8::from(continues);
    }

    /// Asks the processor to bring the lines that headers lie in into its cache, the first and the one behind it. Does nothing where that
    /// is not known.
    #[inline]
    pub fn prefetch(&self) {
        #[cfg(all(target_arch = "x86_64", not(miri)))]
        {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            let first = self.data.as_ptr().cast_const().cast();
            // SAFETY: a prefetch reads nothing that the program can see, and x86-64 always has the instruction.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(first) };
            // SAFETY: as above; no address is a wrong one for a prefetch.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(first.wrapping_add(LINE)) };
        }
    }

    /// Where the packet starts, for comparing and for descriptors.
    #[inline]
    pub(crate) fn data(&self) -> NonNull<u8> {
        self.data
    }

    /// Whether the kernel can send this frame: there is a packet, and the room in front of it is left alone.
    #[inline]
    pub(crate) fn is_sendable(&self) -> bool {
        self.len != 0 && self.offset() >= self.reserved()
    }

    /// The bytes directly in front of the packet that are kept for the TX metadata; `None` when there are none.
    #[inline]
    pub(crate) fn metadata_mut(&mut self) -> Option<&mut [u8; TX_METADATA_LEN as usize]> {
        if self.flags & METADATA == 0 || self.offset() < usize::from(TX_METADATA_LEN) {
            return None;
        }
        // SAFETY: the offset in the chunk was found to be that large, and the frame owns the chunk.
        let start = unsafe { self.data.sub(usize::from(TX_METADATA_LEN)) };
        // SAFETY: those bytes are the frame's own and initialised, and `&mut self` makes this the only reference.
        Some(unsafe { start.cast().as_mut() })
    }

    #[inline]
    fn chunk_size(&self) -> usize {
        SMALLEST << (self.flags >> DOUBLINGS)
    }

    #[inline]
    fn offset(&self) -> usize {
        self.data.addr().get() & (self.chunk_size() - 1)
    }

    #[inline]
    fn reserved(&self) -> usize {
        // Without a branch.
        usize::from(self.flags & METADATA) * (TX_METADATA_LEN as usize / METADATA as usize)
    }

    /// The caller has checked that `offset` lies in the chunk, of which the end is no longer a part.
    #[inline]
    fn move_data_to(&mut self, offset: usize) {
        debug_assert!(offset < self.chunk_size());
        let by = offset as isize - self.offset() as isize;
        // SAFETY: both offsets lie in the same chunk, for which `new` was promised that the pointer may be used.
        self.data = unsafe { self.data.offset(by) };
    }
}

impl fmt::Debug for Frame<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Frame")
            .field("offset", &self.offset())
            .field("len", &self.len)
            .field("checksum_request", &self.checksum_request())
            .field("continues", &self.continues())
            .finish()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use crate::{ChunkSize, Umem, UmemConfig};

    fn umem(tx_metadata: bool) -> Umem {
        Umem::new(&UmemConfig { frames: 4, tx_metadata, ..UmemConfig::default() }).unwrap()
    }

    #[test]
    fn a_header_is_pushed_in_front_of_the_packet_and_pulled_again() {
        let umem = umem(false);
        let mut frame = umem.take_frames().next().unwrap();
        assert!(frame.copy_from(b"payload"));
        assert_eq!(frame.headroom(), 256);
        frame.push(5).unwrap().copy_from_slice(b"head:");
        assert_eq!(frame.bytes(), b"head:payload");
        assert_eq!(frame.headroom(), 251);
        frame.pull(5).unwrap();
        assert_eq!(frame.bytes(), b"payload");
        assert_eq!(frame.pull(8), None);
        assert!(frame.push(257).is_none());
        assert!(frame.push(usize::MAX).is_none());
    }

    #[test]
    fn a_packet_is_narrowed_to_a_part_of_itself_and_to_nothing_else() {
        let umem = umem(false);
        let mut frame = umem.take_frames().next().unwrap();
        assert!(frame.copy_from(b"head:payload:tail"));
        assert_eq!(
            [(5, 18), (5, 5), (6, 5), (18, 19)].map(|(start, end)| frame.narrow(start, end)),
            [None; 4]
        );
        assert_eq!(frame.bytes(), b"head:payload:tail");
        frame.narrow(5, 12).unwrap();
        assert_eq!((frame.bytes(), frame.headroom(), frame.tailroom()), (&b"payload"[..], 261, 1780));
        frame.narrow(0, 7).unwrap();
        frame.narrow(6, 7).unwrap();
        assert_eq!(frame.bytes(), b"d");
    }

    #[test]
    fn the_packet_grows_and_shrinks_at_the_back() {
        let umem = umem(false);
        let mut frame = umem.take_frames().next().unwrap();
        frame.extend(4).unwrap().copy_from_slice(b"tail");
        assert_eq!(frame.tailroom(), 1788);
        frame.truncate(2);
        frame.truncate(3);
        assert_eq!(frame.bytes(), b"ta");
        assert!(frame.extend(1791).is_none());
        assert_eq!(frame.extend(1790).unwrap().len(), 1790);
        assert_eq!(frame.tailroom(), 0);
    }

    #[test]
    fn a_packet_that_does_not_fit_leaves_the_frame_as_it_was() {
        let umem = umem(false);
        let mut frame = umem.take_frames().next().unwrap();
        assert!(frame.copy_from(b"old"));
        assert!(!frame.copy_from(&[0; 1793]));
        assert_eq!(frame.bytes(), b"old");
    }

    #[test]
    fn the_room_of_the_metadata_is_not_headroom() {
        let umem = umem(true);
        let mut frame = umem.take_frames().next().unwrap();
        assert_eq!(frame.headroom(), 232);
        assert!(frame.push(233).is_none());
        frame.push(232).unwrap().fill(1);
        assert!(frame.is_sendable());
        frame.metadata_mut().unwrap().fill(2);
        assert!(frame.bytes().iter().all(|byte| *byte == 1));
    }

    #[test]
    fn a_frame_pulled_empty_at_the_end_of_its_chunk_stays_in_its_chunk() {
        let umem = umem(false);
        let mut frames: Vec<_> = umem.take_frames().collect();
        assert!(frames[1].copy_from(b"neighbour"));
        let frame = &mut frames[0];
        assert!(frame.copy_from(&[7; 1792]));
        frame.pull(1792).unwrap();
        assert!(frame.is_empty());
        assert_eq!((frame.headroom(), frame.tailroom()), (2047, 1));
        frame.extend(1).unwrap().fill(9);
        frame.push(2047).unwrap().fill(9);
        assert_eq!(frame.len(), 2048);
        frame.reset();
        assert_eq!((frame.headroom(), frame.len()), (256, 0));
        assert_eq!(frames[1].bytes(), b"neighbour");
    }

    #[test]
    fn a_checksum_request_keeps_its_place_while_headers_come_and_go() {
        let umem = umem(true);
        let mut frame = umem.take_frames().next().unwrap();
        assert!(frame.copy_from(&[0; 60]));
        assert!(frame.request_checksum(34, 6));
        assert_eq!(frame.checksum_request(), Some((34, 6)));
        frame.push(50).unwrap().fill(0);
        assert_eq!(frame.checksum_request(), Some((84, 6)));
        frame.pull(64).unwrap();
        assert_eq!(frame.checksum_request(), Some((20, 6)));
        frame.truncate(27);
        assert_eq!(frame.checksum_request(), None);
    }

    #[test]
    fn a_checksum_request_outside_of_the_packet_is_refused() {
        let umem = umem(true);
        let mut frame = umem.take_frames().next().unwrap();
        assert!(frame.copy_from(&[0; 600]));
        assert!(!frame.request_checksum(599, 0));
        assert!(!frame.request_checksum(usize::MAX, 6));
        assert!(!frame.request_checksum(0, 256));
        assert_eq!(frame.checksum_request(), None);
        assert!(frame.request_checksum(598, 0));
        frame.clear_checksum_request();
        assert_eq!(frame.checksum_request(), None);
    }

    #[test]
    fn reset_forgets_the_request_and_the_continuation() {
        let umem = umem(true);
        let mut frame = umem.take_frames().next().unwrap();
        assert!(frame.copy_from(&[0; 60]));
        frame.set_continues(true);
        assert!(frame.request_checksum(0, 0));
        frame.reset();
        assert!(!frame.continues());
        assert_eq!(frame.checksum_request(), None);
    }

    #[test]
    fn large_chunks_and_headroom_add_up() {
        let config = UmemConfig { frames: 2, chunk: ChunkSize::K4, headroom: 100, ..UmemConfig::default() };
        let umem = Umem::new(&config).unwrap();
        let mut frame = umem.take_frames().nth(1).unwrap();
        assert_eq!((frame.headroom(), frame.tailroom()), (356, 3740));
        assert!(frame.copy_from(&[1; 3740]));
        assert!(frame.push(356).is_some());
        assert_eq!(frame.len(), 4096);
        assert!(!frame.is_long());
    }

    #[test]
    fn long_chunks_are_aligned_to_their_size_and_hold_their_packets_apart() {
        let config =
            UmemConfig { frames: 3, chunk: ChunkSize::K16, tx_metadata: true, ..UmemConfig::default() };
        let umem = Umem::new(&config).unwrap();
        let mut frames: Vec<_> = umem.take_frames().collect();
        for (frame, value) in frames.iter_mut().zip(1..) {
            assert!(frame.is_long());
            assert_eq!((frame.room(), frame.headroom(), frame.tailroom()), (16_128, 232, 16_128));
            assert!(!frame.copy_from(&[0; 16_129]));
            assert!(frame.copy_from(&[value; 16_128]));
            assert!(frame.request_checksum(16_000, 6));
            frame.push(232).unwrap().fill(value);
            assert_eq!(frame.checksum_request(), Some((16_232, 6)));
        }
        for (frame, value) in frames.iter_mut().zip(1..) {
            assert_eq!(frame.len(), 16_360);
            assert!(frame.bytes().iter().all(|byte| *byte == value));
            frame.pull(16_360).unwrap();
            frame.reset();
            assert_eq!((frame.headroom(), frame.tailroom()), (232, 16_128));
        }
    }
}
