//! Both sides of a ring over ordinary memory, so that all that lies above can be tried, and measured, without a socket.

use std::cell::UnsafeCell;
use std::ptr::NonNull;
use std::sync::Arc;
#[cfg(test)]
use std::sync::atomic::Ordering;

use super::cursor::AtomicU32;
use super::shared::{Entry, Shared};
use super::{Consumer, Producer};

/// The memory of a ring.
pub(crate) struct Memory<T> {
    pub(super) producer: AtomicU32,
    pub(super) consumer: AtomicU32,
    pub(super) flags: AtomicU32,
    entries: Box<[UnsafeCell<T>]>,
}

// SAFETY: the entries are reached through the two sides of the ring alone, which keep each other off.
unsafe impl<T: Entry> Sync for Memory<T> {}

impl<T> Memory<T> {
    pub(super) fn entries(&self) -> NonNull<T> {
        NonNull::from(&*self.entries).cast()
    }

    pub(super) fn size(&self) -> u32 {
        self.entries.len() as u32
    }

    /// Plays the kernel: asks, or no longer asks, to be woken.
    #[cfg(test)]
    pub(crate) fn ask_for_wakeup(&self, ask: bool) {
        self.flags.store(if ask { libc::XDP_RING_NEED_WAKEUP } else { 0 }, Ordering::Relaxed);
    }
}

/// A producer and a consumer on the same ring of `size` entries, both standing at index `start`.
#[cfg(test)]
pub(crate) fn pair<T: Entry + Default>(size: u32, start: u32) -> (Producer<T>, Consumer<T>) {
    let (producer, consumer, _) = pair_and_memory(size, start, T::default());
    (producer, consumer)
}

/// A producer and a consumer on the same ring of `size` entries, both standing at index `start`; the memory itself, and any entry to
/// fill it with.
pub(crate) fn pair_and_memory<T: Entry>(
    size: u32,
    start: u32,
    entry: T,
) -> (Producer<T>, Consumer<T>, Arc<Memory<T>>) {
    let memory = Arc::new(Memory {
        producer: AtomicU32::new(start),
        consumer: AtomicU32::new(start),
        flags: AtomicU32::new(0),
        entries: (0..size).map(|_| UnsafeCell::new(entry)).collect(),
    });
    (Producer::new(Shared::of_memory(&memory)), Consumer::new(Shared::of_memory(&memory)), memory)
}
