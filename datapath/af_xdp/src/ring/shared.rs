//! The memory of one ring: two indices, a word of flags and the array of entries, mapped from a socket.
//!
//! Nothing here decides who may touch which entry; the [cursor](super::cursor) does.

use std::io;
use std::mem::align_of;
use std::os::fd::BorrowedFd;
use std::ptr::NonNull;
use std::slice;
use std::sync::atomic::Ordering;

use super::cursor::AtomicU32;
use crate::sys::{self, Mapping};

/// What a ring may hold.
///
/// # Safety
/// Any bit pattern is a value of the type, and it has the layout of the kernel's entry.
pub(crate) unsafe trait Entry: Copy + Send + 'static {}

// SAFETY: the entries of the fill and completion rings are plain 64-bit addresses.
unsafe impl Entry for u64 {}
// SAFETY: the entries of the receive and transmit rings are this C structure of integers without padding.
unsafe impl Entry for libc::xdp_desc {}

/// The memory of one ring, and what keeps it mapped.
pub(super) struct Shared<T> {
    producer: NonNull<AtomicU32>,
    consumer: NonNull<AtomicU32>,
    flags: NonNull<AtomicU32>,
    entries: NonNull<T>,
    size: u32,
    /// The mapping, or what stands in for it; held to be dropped at the end.
    _owner: Box<dyn Send>,
}

// SAFETY: the memory belongs to the process, the indices are atomic, and entries are reached through `&mut` of the one
// ring that owns this side of them.
unsafe impl<T: Entry> Send for Shared<T> {}

impl<T: Entry> Shared<T> {
    /// Maps the ring of `size` entries that lies at `page` of the socket.
    pub(super) fn map(
        fd: BorrowedFd<'_>,
        page: u64,
        at: &libc::xdp_ring_offset,
        size: u32,
    ) -> io::Result<Self> {
        let refused = || io::Error::new(io::ErrorKind::InvalidData, "the kernel's ring layout does not fit");
        let bytes = (size as usize).checked_mul(size_of::<T>()).ok_or_else(refused)?;
        let len =
            usize::try_from(at.desc).ok().and_then(|desc| desc.checked_add(bytes)).ok_or_else(refused)?;
        let mapping = Mapping::of_socket(fd, page, len)?;
        Ok(Self {
            producer: within(&mapping, at.producer, 1).ok_or_else(refused)?,
            consumer: within(&mapping, at.consumer, 1).ok_or_else(refused)?,
            flags: within(&mapping, at.flags, 1).ok_or_else(refused)?,
            entries: within(&mapping, at.desc, size as usize).ok_or_else(refused)?,
            size,
            _owner: Box::new(mapping),
        })
    }

    #[cfg(all(any(test, feature = "loopback"), not(loom)))]
    pub(super) fn of_memory(memory: &std::sync::Arc<super::testing::Memory<T>>) -> Self {
        Self {
            producer: NonNull::from(&memory.producer),
            consumer: NonNull::from(&memory.consumer),
            flags: NonNull::from(&memory.flags),
            entries: memory.entries(),
            size: memory.size(),
            _owner: Box::new(std::sync::Arc::clone(memory)),
        }
    }

    pub(super) fn size(&self) -> u32 {
        self.size
    }

    #[inline]
    pub(super) fn producer(&self) -> &AtomicU32 {
        // SAFETY: the constructors took the pointer from memory that `_owner` keeps, aligned and inside of it; the kernel
        // too reads and writes it as one word.
        unsafe { self.producer.as_ref() }
    }

    #[inline]
    pub(super) fn consumer(&self) -> &AtomicU32 {
        // SAFETY: as for the producer.
        unsafe { self.consumer.as_ref() }
    }

    /// Whether the kernel wants to be woken for this ring (`XDP_RING_NEED_WAKEUP`).
    #[inline]
    pub(super) fn needs_wakeup(&self) -> bool {
        // SAFETY: as for the producer.
        let flags = unsafe { self.flags.as_ref() };
        flags.load(Ordering::Relaxed) & libc::XDP_RING_NEED_WAKEUP != 0
    }

    /// # Safety
    /// `start + count` is at most the size, and the peer writes none of these entries while the slice lives.
    #[inline]
    pub(super) unsafe fn entries(&self, start: u32, count: u32) -> &[T] {
        debug_assert!(start + count <= self.size);
        // SAFETY: the caller keeps `start` in the array.
        let first = unsafe { self.entries.add(start as usize) };
        // SAFETY: the caller keeps the end in the array and the peer away; any bits are an entry.
        unsafe { slice::from_raw_parts(first.as_ptr(), count as usize) }
    }

    /// # Safety
    /// `start + count` is at most the size, the peer uses none of these entries while the slice lives, and no other
    /// slice of them exists.
    #[inline]
    #[expect(clippy::mut_from_ref, reason = "two slices that do not overlap come from the same ring")]
    pub(super) unsafe fn entries_mut(&self, start: u32, count: u32) -> &mut [T] {
        debug_assert!(start + count <= self.size);
        // SAFETY: the caller keeps `start` in the array.
        let first = unsafe { self.entries.add(start as usize) };
        // SAFETY: the caller keeps the end in the array, and everybody else away.
        unsafe { slice::from_raw_parts_mut(first.as_ptr(), count as usize) }
    }
}

/// The place of `count` values of type `V` in the mapping, or nothing when they would not be inside and aligned.
fn within<V>(mapping: &Mapping, offset: u64, count: usize) -> Option<NonNull<V>> {
    let offset = usize::try_from(offset).ok()?;
    let end = count.checked_mul(size_of::<V>())?.checked_add(offset)?;
    if end > mapping.len() || !offset.is_multiple_of(align_of::<V>()) {
        return None;
    }
    Some(sys::offset(mapping, offset).cast())
}
