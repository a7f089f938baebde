//! The four rings: two to give to the kernel, two to take from it.
//!
//! ```text
//!              Fill  ── empty frames ──>          ── received ──>  Rx
//!    us                                  kernel                          us
//!              Tx    ── packets ──────>           ── sent ──────>  Completion
//! ```
//!
//! A frame whose address has been published in Fill or Tx belongs to the kernel until it comes back in Rx or
//! Completion. See <https://docs.kernel.org/networking/af_xdp.html>.

mod cursor;
mod shared;
#[cfg(all(any(test, feature = "loopback"), not(loom)))]
pub(crate) mod testing;

use std::io;
use std::os::fd::BorrowedFd;

use cursor::Cursor;
pub(crate) use shared::Entry;
use shared::Shared;

/// Empty frames for the kernel to receive into, by their address.
pub(crate) type Fill = Producer<u64>;
/// Packets for the kernel to send.
pub(crate) type Tx = Producer<libc::xdp_desc>;
/// Packets that the kernel has received.
pub(crate) type Rx = Consumer<libc::xdp_desc>;
/// Frames that the kernel has sent, by the address they were sent from.
pub(crate) type Completion = Consumer<u64>;

/// The side that writes entries.
pub(crate) struct Producer<T> {
    shared: Shared<T>,
    cursor: Cursor,
}

impl<T: Entry> Producer<T> {
    /// Maps the ring of `size` entries that lies at `page` of the socket.
    pub(crate) fn map(
        fd: BorrowedFd<'_>,
        page: u64,
        at: &libc::xdp_ring_offset,
        size: u32,
    ) -> io::Result<Self> {
        Shared::map(fd, page, at, size).map(Self::new)
    }

    fn new(shared: Shared<T>) -> Self {
        let cursor = Cursor::producer(shared.size(), shared.producer(), shared.consumer());
        Self { shared, cursor }
    }

    /// How many entries are free.
    #[inline]
    pub(crate) fn space(&mut self) -> u32 {
        self.cursor.ready_for(self.shared.size(), self.shared.consumer())
    }

    /// All the free entries: those up to the end of the array, then those from its start.
    #[inline]
    pub(crate) fn free(&mut self) -> (&mut [T], &mut [T]) {
        let space = self.space();
        let (first, second) = self.cursor.split(space);
        // SAFETY: the cursor keeps both within the array; the consumer has left these entries and learns of new ones only
        // from `publish`, which needs the ring that the slice borrows.
        let before = unsafe { self.shared.entries_mut(self.cursor.place(), first) };
        // SAFETY: as above; `split` gives two parts that do not overlap.
        let after = unsafe { self.shared.entries_mut(0, second) };
        (before, after)
    }

    /// Counts the first `count` of the free entries as written.
    #[inline]
    pub(crate) fn written(&mut self, count: usize) {
        self.cursor.advance((count as u32).min(self.cursor.ready()));
    }

    /// Writes one entry; false when there is no room.
    #[inline]
    pub(crate) fn push(&mut self, entry: T) -> bool {
        if self.cursor.ready_for(1, self.shared.consumer()) == 0 {
            return false;
        }
        // SAFETY: the cursor has an entry ready, which is in the array and not the consumer's.
        let slot = unsafe { self.shared.entries_mut(self.cursor.place(), 1) };
        slot[0] = entry;
        self.cursor.advance(1);
        true
    }

    /// Shows the consumer all that has been written.
    #[inline]
    pub(crate) fn publish(&mut self) {
        self.cursor.publish(self.shared.producer());
    }

    /// How many entries the consumer has yet to take.
    #[inline]
    pub(crate) fn waiting(&self) -> u32 {
        self.cursor.ahead_of(self.shared.consumer())
    }

    /// Whether the kernel wants to be woken for this ring.
    #[inline]
    pub(crate) fn needs_wakeup(&self) -> bool {
        self.shared.needs_wakeup()
    }
}

/// The side that reads entries.
pub(crate) struct Consumer<T> {
    shared: Shared<T>,
    cursor: Cursor,
}

impl<T: Entry> Consumer<T> {
    /// Maps the ring of `size` entries that lies at `page` of the socket.
    pub(crate) fn map(
        fd: BorrowedFd<'_>,
        page: u64,
        at: &libc::xdp_ring_offset,
        size: u32,
    ) -> io::Result<Self> {
        Shared::map(fd, page, at, size).map(Self::new)
    }

    fn new(shared: Shared<T>) -> Self {
        let cursor = Cursor::consumer(shared.size(), shared.consumer(), shared.producer());
        Self { shared, cursor }
    }

    /// Takes up to `max` entries: those up to the end of the array, then those from its start. They count as read at
    /// once, whatever becomes of the caller, and stay in place until [`publish`](Self::publish).
    #[inline]
    pub(crate) fn take(&mut self, max: usize) -> (&[T], &[T]) {
        let max = u32::try_from(max).unwrap_or(u32::MAX).min(self.shared.size());
        let count = self.cursor.ready_for(max, self.shared.producer()).min(max);
        let place = self.cursor.place();
        let (first, second) = self.cursor.split(count);
        self.cursor.advance(count);
        // SAFETY: the cursor keeps both within the array; the producer has published these entries and may write them
        // again only after `publish`, which needs the ring that the slice borrows.
        let before = unsafe { self.shared.entries(place, first) };
        // SAFETY: as above.
        let after = unsafe { self.shared.entries(0, second) };
        (before, after)
    }

    /// Gives the entries that were taken back to the producer.
    #[inline]
    pub(crate) fn publish(&mut self) {
        self.cursor.publish(self.shared.consumer());
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn entries_come_out_as_they_went_in_across_both_wraps() {
        let (mut tx, mut rx) = testing::pair::<u64>(8, u32::MAX - 11);
        let (mut sent, mut received) = (0, 0);
        for batch in [1, 8, 3, 5, 0, 7, 8, 8, 2] {
            let (before, after) = tx.free();
            for slot in before.iter_mut().chain(after).take(batch) {
                *slot = sent;
                sent += 1;
            }
            tx.written(batch);
            assert_eq!(rx.take(8).0.len(), 0, "nothing is visible before it is published");
            tx.publish();
            let (before, after) = rx.take(usize::MAX);
            assert_eq!(before.len() + after.len(), batch);
            for entry in before.iter().chain(after) {
                assert_eq!(*entry, received);
                received += 1;
            }
            rx.publish();
        }
        assert_eq!(received, 42);
    }

    #[test]
    fn a_full_ring_takes_no_more_until_it_is_read() {
        let (mut tx, mut rx) = testing::pair::<u64>(4, u32::MAX);
        assert!((0..4).all(|value| tx.push(value)));
        assert!(!tx.push(4));
        tx.publish();
        assert_eq!(tx.waiting(), 4);
        assert_eq!(rx.take(1).0, [0]);
        assert!(!tx.push(4), "what is taken is not yet given back");
        rx.publish();
        assert!(tx.push(4));
        assert_eq!((tx.space(), tx.waiting()), (0, 4));
    }

    #[test]
    fn no_more_is_written_than_there_was_room_for() {
        let (mut tx, mut rx) = testing::pair::<u64>(4, 0);
        assert_eq!(tx.space(), 4);
        tx.written(9);
        tx.publish();
        assert_eq!(rx.take(9).0.len(), 4);
    }

    #[test]
    fn two_threads_pass_a_hundred_thousand_entries() {
        const ENTRIES: u64 = if cfg!(miri) { 500 } else { 100_000 };
        let (mut tx, mut rx) = testing::pair::<u64>(64, u32::MAX - 1000);
        let producer = std::thread::spawn(move || {
            for value in 0..ENTRIES {
                while !tx.push(value) {
                    tx.publish();
                    std::thread::yield_now();
                }
            }
            tx.publish();
        });
        let mut expected = 0;
        while expected < ENTRIES {
            let (before, after) = rx.take(32);
            for entry in before.iter().chain(after) {
                assert_eq!(*entry, expected);
                expected += 1;
            }
            rx.publish();
            std::thread::yield_now();
        }
        producer.join().unwrap();
    }
}
