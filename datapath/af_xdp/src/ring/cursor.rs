//! Where one side of a ring stands. Pure index arithmetic, no memory: the protocol of the ring and nothing else.
//!
//! A ring has two indices that only ever grow and wrap at 2^32. The producer writes entries and then moves the producer
//! index; the consumer reads entries and then moves the consumer index. Each side owns one index and reads the other's:
//! its *peer*. The cursor remembers what it last saw of the peer and looks again only when that has run out; it moves
//! its own index once per batch. The order of memory is that of the kernel's side: an acquire load of the peer's index,
//! a release store of the own one.
//!
//! See the comment on top of <https://github.com/torvalds/linux/blob/v6.18/net/xdp/xsk_queue.h>.

#[cfg(all(loom, test))]
pub(crate) use loom::sync::atomic::AtomicU32;
#[cfg(not(all(loom, test)))]
pub(crate) use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering;

/// One side's place in a ring.
#[derive(Debug)]
pub(super) struct Cursor {
    /// The next entry to use. Runs ahead of the published index within a batch.
    head: u32,
    /// The first entry that may not be used, as far as was last seen.
    limit: u32,
    /// From the peer's index to the limit: 0 for a consumer, the size for a producer.
    lead: u32,
    size: u32,
}

impl Cursor {
    /// The producer of a ring of `size` entries, a power of two.
    pub(super) fn producer(size: u32, producer: &AtomicU32, consumer: &AtomicU32) -> Self {
        Self::new(size, size, producer, consumer)
    }

    /// The consumer of a ring of `size` entries, a power of two.
    pub(super) fn consumer(size: u32, consumer: &AtomicU32, producer: &AtomicU32) -> Self {
        Self::new(size, 0, consumer, producer)
    }

    fn new(size: u32, lead: u32, own: &AtomicU32, peer: &AtomicU32) -> Self {
        debug_assert!(size.is_power_of_two());
        let head = own.load(Ordering::Relaxed);
        let mut cursor = Self { head, limit: head, lead, size };
        cursor.refresh(peer);
        cursor
    }

    /// How many entries can be used without looking at the peer. Never more than the size.
    #[inline]
    pub(super) fn ready(&self) -> u32 {
        self.limit.wrapping_sub(self.head)
    }

    /// How many entries can be used; looks at the peer when fewer than `wanted` are known of.
    #[inline]
    pub(super) fn ready_for(&mut self, wanted: u32, peer: &AtomicU32) -> u32 {
        if self.ready() < wanted {
            self.refresh(peer);
        }
        self.ready()
    }

    /// An index that cannot be (more than a ring away) leaves nothing to use, rather than too much.
    #[inline]
    fn refresh(&mut self, peer: &AtomicU32) {
        let limit = peer.load(Ordering::Acquire).wrapping_add(self.lead);
        self.limit = if limit.wrapping_sub(self.head) <= self.size { limit } else { self.head };
    }

    /// The place of the next entry in the array.
    #[inline]
    pub(super) fn place(&self) -> u32 {
        self.head & (self.size - 1)
    }

    /// Where the next `count` entries lie: so many from [`place`](Self::place) on, so many from the start of the array.
    #[inline]
    pub(super) fn split(&self, count: u32) -> (u32, u32) {
        let first = count.min(self.size - self.place());
        (first, count - first)
    }

    /// Leaves `count` entries behind, of those that are ready. The peer learns of it with the next `publish`.
    #[inline]
    pub(super) fn advance(&mut self, count: u32) {
        debug_assert!(count <= self.ready());
        self.head = self.head.wrapping_add(count);
    }

    /// Tells the peer how far this side has come.
    #[inline]
    pub(super) fn publish(&self, own: &AtomicU32) {
        own.store(self.head, Ordering::Release);
    }

    /// How many entries the peer has yet to deal with; for a producer.
    #[inline]
    pub(super) fn ahead_of(&self, peer: &AtomicU32) -> u32 {
        self.head.wrapping_sub(peer.load(Ordering::Acquire))
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// A few entries before the indices wrap.
    const EDGE: u32 = u32::MAX - 2;

    fn indices(start: u32) -> (AtomicU32, AtomicU32) {
        (AtomicU32::new(start), AtomicU32::new(start))
    }

    #[test]
    fn a_new_ring_is_empty_for_one_and_free_for_the_other() {
        for start in [0, 1, EDGE, u32::MAX] {
            let (producer, consumer) = indices(start);
            assert_eq!(Cursor::producer(8, &producer, &consumer).ready(), 8);
            assert_eq!(Cursor::consumer(8, &consumer, &producer).ready(), 0);
        }
    }

    #[test]
    fn both_sides_pass_the_end_of_the_numbers() {
        let (producer, consumer) = indices(EDGE);
        let mut tx = Cursor::producer(4, &producer, &consumer);
        let mut rx = Cursor::consumer(4, &consumer, &producer);
        for round in 0..20 {
            let count = round % 5;
            assert_eq!(tx.ready_for(4, &consumer), 4);
            tx.advance(count);
            tx.publish(&producer);
            assert_eq!(tx.ahead_of(&consumer), count);
            assert_eq!(tx.place(), (rx.place() + count) % 4);
            assert_eq!(rx.ready_for(4, &producer), count);
            rx.advance(count);
            rx.publish(&consumer);
            assert_eq!(tx.ahead_of(&consumer), 0);
        }
    }

    #[test]
    fn the_peer_is_looked_at_only_when_the_known_entries_run_out() {
        let (producer, consumer) = indices(0);
        producer.store(3, Ordering::Relaxed);
        let mut rx = Cursor::consumer(8, &consumer, &producer);
        producer.store(5, Ordering::Relaxed);
        assert_eq!(rx.ready_for(3, &producer), 3);
        assert_eq!(rx.ready_for(4, &producer), 5);
    }

    #[test]
    fn nothing_is_told_before_it_is_published() {
        let (producer, consumer) = indices(0);
        let mut tx = Cursor::producer(8, &producer, &consumer);
        tx.advance(5);
        assert_eq!(producer.load(Ordering::Relaxed), 0);
        tx.publish(&producer);
        assert_eq!(producer.load(Ordering::Relaxed), 5);
    }

    #[test]
    fn a_batch_is_split_where_the_array_ends() {
        let (producer, consumer) = indices(6);
        let tx = Cursor::producer(8, &producer, &consumer);
        assert_eq!(tx.split(1), (1, 0));
        assert_eq!(tx.split(2), (2, 0));
        assert_eq!(tx.split(8), (2, 6));
    }

    #[test]
    fn an_index_that_cannot_be_yields_nothing() {
        let (producer, consumer) = indices(100);
        let mut rx = Cursor::consumer(8, &consumer, &producer);
        for wrong in [99, 109, 0, u32::MAX] {
            producer.store(wrong, Ordering::Relaxed);
            assert_eq!(rx.ready_for(8, &producer), 0);
        }
        producer.store(108, Ordering::Relaxed);
        assert_eq!(rx.ready_for(8, &producer), 8);
    }
}

/// `RUSTFLAGS="--cfg loom" cargo test -p af_xdp --release --lib loom`
///
/// Tries the orders in which two threads can pass entries through a small ring, across the wrap of the indices. It
/// shows that the orderings keep the entries apart; it says nothing about the kernel's half.
#[cfg(all(loom, test))]
mod loom_tests {
    use loom::cell::UnsafeCell;
    use loom::sync::Arc;
    use loom::thread;

    use super::*;

    const SIZE: u32 = 2;
    const ENTRIES: u32 = 3;
    /// How often a thread may be interrupted where it does not wait; without a bound the orders take hours to try.
    const PREEMPTIONS: usize = 3;

    struct Ring {
        producer: AtomicU32,
        consumer: AtomicU32,
        entries: [UnsafeCell<u32>; SIZE as usize],
    }

    impl Ring {
        fn starting_at(start: u32) -> Self {
            Self {
                producer: AtomicU32::new(start),
                consumer: AtomicU32::new(start),
                entries: std::array::from_fn(|_| UnsafeCell::new(0)),
            }
        }
    }

    fn produce(ring: &Ring, batch: u32) {
        let mut cursor = Cursor::producer(SIZE, &ring.producer, &ring.consumer);
        let mut value = 0;
        while value < ENTRIES {
            let count = cursor.ready_for(batch, &ring.consumer).min(batch).min(ENTRIES - value);
            if count == 0 {
                thread::yield_now();
            }
            for _ in 0..count {
                value += 1;
                // SAFETY: the cursor says that the consumer has left this entry; loom checks it.
                ring.entries[cursor.place() as usize].with_mut(|entry| unsafe { *entry = value });
                cursor.advance(1);
            }
            cursor.publish(&ring.producer);
        }
    }

    fn consume(ring: &Ring) {
        let mut cursor = Cursor::consumer(SIZE, &ring.consumer, &ring.producer);
        let mut expected = 0;
        while expected < ENTRIES {
            let count = cursor.ready_for(1, &ring.producer);
            if count == 0 {
                thread::yield_now();
            }
            for _ in 0..count {
                expected += 1;
                // SAFETY: the cursor says that the producer has published this entry; loom checks it.
                let value = ring.entries[cursor.place() as usize].with(|entry| unsafe { *entry });
                assert_eq!(value, expected);
                cursor.advance(1);
            }
            cursor.publish(&ring.consumer);
        }
    }

    fn pass_entries(start: u32, batch: u32) {
        let mut model = loom::model::Builder::new();
        model.preemption_bound = Some(PREEMPTIONS);
        model.check(move || {
            let ring = Arc::new(Ring::starting_at(start));
            let theirs = Arc::clone(&ring);
            let producer = thread::spawn(move || produce(&theirs, batch));
            consume(&ring);
            producer.join().unwrap();
        });
    }

    #[test]
    fn loom_entries_arrive_once_and_in_order_one_by_one() {
        pass_entries(u32::MAX, 1);
    }

    #[test]
    fn loom_entries_arrive_once_and_in_order_in_batches() {
        pass_entries(u32::MAX - 1, 2);
    }
}
