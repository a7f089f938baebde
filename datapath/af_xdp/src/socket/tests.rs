//! The queues with a kernel that is played by the test: the other ends of the four rings.

use super::queues::Queues;
use crate::frame::Frame;
use crate::ring::testing::pair_and_memory;
use crate::ring::{Consumer, Producer};
use crate::umem::Umem;
use crate::{ChunkSize, UmemConfig};

const SIZE: u32 = 8;

/// What the kernel does with the rings.
struct Kernel {
    fill: Consumer<u64>,
    rx: Producer<libc::xdp_desc>,
    tx: Consumer<libc::xdp_desc>,
    completion: Producer<u64>,
}

impl Kernel {
    /// Receives packets of `len` bytes into the next `count` frames of the fill ring.
    fn receive(&mut self, count: usize, len: u32) {
        let (before, after) = self.fill.take(count);
        for chunk in before.iter().chain(after) {
            assert!(self.rx.push(libc::xdp_desc { addr: (chunk & !2047) + 256, len, options: 0 }));
        }
        self.fill.publish();
        self.rx.publish();
    }

    /// Sends all there is, completes it and returns the descriptors.
    fn send(&mut self) -> Vec<libc::xdp_desc> {
        let (before, after) = self.tx.take(usize::MAX);
        let sent: Vec<_> = before.iter().chain(after).copied().collect();
        for packet in &sent {
            assert!(self.completion.push(packet.addr));
        }
        self.tx.publish();
        self.completion.publish();
        sent
    }

    fn give(&mut self, addr: u64, len: u32, options: u32) {
        assert!(self.rx.push(libc::xdp_desc { addr, len, options }));
        self.rx.publish();
    }
}

fn umem(frames: u32, tx_metadata: bool) -> Umem {
    Umem::new(&UmemConfig { frames, chunk: ChunkSize::K2, tx_metadata, ..UmemConfig::default() }).unwrap()
}

fn connected(umem: &Umem) -> (Queues<'_>, Kernel) {
    let nothing = libc::xdp_desc { addr: 0, len: 0, options: 0 };
    let (fill, kernel_fill, _) = pair_and_memory(SIZE, u32::MAX - 3, 0);
    let (kernel_rx, rx, _) = pair_and_memory(SIZE, u32::MAX - 3, nothing);
    let (tx, kernel_tx, _) = pair_and_memory(SIZE, u32::MAX - 3, nothing);
    let (kernel_completion, completion, _) = pair_and_memory(SIZE, u32::MAX - 3, 0);
    let queues = Queues::new(umem, (fill, rx), (tx, completion), umem.config().tx_metadata);
    (queues, Kernel { fill: kernel_fill, rx: kernel_rx, tx: kernel_tx, completion: kernel_completion })
}

#[test]
fn a_frame_goes_round_all_four_rings_and_none_is_lost() {
    let umem = umem(20, false);
    let (mut queues, mut kernel) = connected(&umem);
    let mut pool: Vec<_> = umem.take_frames().collect();
    for _ in 0..10 {
        assert_eq!(queues.fill(|| pool.pop()), 8);
        assert_eq!((queues.outstanding, pool.len()), (8, 12));
        kernel.receive(5, 60);
        let mut received = Vec::new();
        assert_eq!(queues.rx(3, |frame| received.push(frame)), 3);
        assert_eq!(queues.rx(64, |frame| received.push(frame)), 2);
        for mut frame in received.drain(..) {
            assert_eq!(frame.len(), 60);
            frame.push(50).unwrap().fill(0);
            queues.tx(frame).unwrap();
        }
        queues.tx.publish();
        assert!(kernel.send().iter().all(|packet| packet.len == 110 && packet.addr % 2048 == 206));
        assert_eq!(queues.complete(|frame| pool.push(frame)), 5);
        assert!(pool.iter().all(|frame| frame.is_empty() && frame.headroom() == 256));
        kernel.receive(3, 60);
        assert_eq!(queues.rx(64, |frame| pool.push(frame)), 3);
        assert_eq!((queues.outstanding, pool.len()), (0, 20));
    }
}

#[test]
fn fill_takes_no_frame_that_it_has_no_place_for() {
    let umem = umem(20, false);
    let (mut queues, _kernel) = connected(&umem);
    let mut pool: Vec<_> = umem.take_frames().collect();
    assert_eq!(queues.fill(|| pool.pop()), 8);
    assert_eq!(queues.fill(|| pool.pop()), 0);
    assert_eq!(pool.len(), 12);
}

#[test]
fn a_full_ring_gives_the_frame_back_as_it_was() {
    let umem = umem(20, false);
    let (mut queues, _kernel) = connected(&umem);
    let mut pool: Vec<_> = umem.take_frames().collect();
    assert!(pool.iter_mut().all(|frame| frame.copy_from(b"packet")));
    for _ in 0..8 {
        queues.tx(pool.pop().unwrap()).unwrap();
    }
    let refused = queues.tx(pool.pop().unwrap()).unwrap_err();
    assert_eq!(refused.bytes(), b"packet");
    assert_eq!(queues.outstanding, 8);
}

#[test]
fn an_empty_frame_and_one_without_room_for_the_metadata_are_given_back() {
    let umem = umem(2, true);
    let (mut queues, mut kernel) = connected(&umem);
    assert!(queues.tx(umem.take_frames().next().unwrap()).is_err());
    kernel.give(16, 60, 0);
    let mut received = None;
    queues.rx(1, |frame| received = Some(frame));
    let frame = received.unwrap();
    assert_eq!(frame.headroom(), 0);
    assert!(queues.tx(frame).is_err());
}

#[test]
fn frames_of_another_umem_never_reach_the_kernel() {
    let (ours, theirs) = (umem(4, false), umem(4, false));
    let (mut queues, mut kernel) = connected(&ours);
    let mut foreign: Vec<_> = theirs.take_frames().collect();
    let mut frame = foreign.pop().unwrap();
    assert!(frame.copy_from(b"astray"));
    assert_eq!(queues.tx(frame).unwrap_err().bytes(), b"astray");
    let mut own = ours.take_frames();
    let mut mixed = || foreign.pop().or_else(|| own.next());
    assert_eq!(queues.fill(&mut mixed), 4);
    assert_eq!((queues.foreign_frames, queues.outstanding), (3, 4));
    let (before, after) = kernel.fill.take(8);
    assert!(before.iter().chain(after).all(|address| *address < 4 * 2048));
}

#[test]
fn descriptors_that_cannot_be_are_counted_and_dropped() {
    let umem = umem(4, false);
    let (mut queues, mut kernel) = connected(&umem);
    queues.outstanding = 5;
    let end = 4 * 2048;
    for (addr, len) in [(end, 1), (u64::MAX, 60), (end - 1, 2), (256, u32::MAX), (2047, 2)] {
        kernel.give(addr, len, 0);
    }
    kernel.give(end - 1, 1, 0);
    let mut frames = Vec::new();
    assert_eq!(queues.rx(64, |frame| frames.push(frame)), 1);
    assert_eq!(frames[0].len(), 1);
    assert_eq!((queues.bad_descriptors, queues.outstanding), (5, 4));
    for address in [end, u64::MAX, 300] {
        assert!(kernel.completion.push(address));
    }
    kernel.completion.publish();
    assert_eq!(queues.complete(|frame| frames.push(frame)), 1);
    assert_eq!((queues.bad_descriptors, queues.outstanding), (7, 3));
}

#[test]
fn fragments_keep_their_continuation_in_and_out() {
    let umem = umem(4, false);
    let (mut queues, mut kernel) = connected(&umem);
    kernel.give(256, 1792, libc::XDP_PKT_CONTD);
    kernel.give(2048 + 256, 100, 0);
    let mut frames = Vec::new();
    queues.rx(64, |frame| frames.push(frame));
    assert_eq!(frames.iter().map(Frame::continues).collect::<Vec<_>>(), [true, false]);
    for frame in frames {
        queues.tx(frame).unwrap();
    }
    queues.tx.publish();
    let options: Vec<_> = kernel.send().iter().map(|packet| packet.options).collect();
    assert_eq!(options, [libc::XDP_PKT_CONTD, 0]);
}

#[test]
fn a_checksum_request_is_written_in_front_of_the_packet() {
    let umem = umem(1, true);
    let (mut queues, mut kernel) = connected(&umem);
    let mut frame = umem.take_frames().next().unwrap();
    assert!(frame.copy_from(&[0xee; 60]));
    assert!(frame.request_checksum(34, 6));
    queues.tx(frame).unwrap();
    queues.tx.publish();
    let sent = kernel.send();
    assert_eq!((sent[0].addr, sent[0].options), (256, libc::XDP_TX_METADATA));
    let mut back = None;
    queues.complete(|frame| back = Some(frame));
    let mut frame = back.unwrap();
    assert_eq!(frame.extend(60).unwrap(), [0xee; 60]);
    let metadata = frame.metadata_mut().unwrap();
    assert_eq!(metadata[..8], 2u64.to_ne_bytes());
    assert_eq!(metadata[8..10], 34u16.to_ne_bytes());
    assert_eq!(metadata[10..12], 6u16.to_ne_bytes());
    assert_eq!(metadata[12..], [0; 12]);
}

#[test]
fn a_receiver_that_panics_loses_frames_but_doubles_none() {
    let umem = umem(4, false);
    let (mut queues, mut kernel) = connected(&umem);
    let mut pool: Vec<_> = umem.take_frames().collect();
    queues.fill(|| pool.pop());
    kernel.receive(4, 60);
    let mut kept = Vec::new();
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        queues.rx(4, |frame| {
            assert!(kept.is_empty(), "the second frame");
            kept.push(frame);
        });
    }));
    assert!(panicked.is_err());
    assert_eq!(queues.rx(64, |frame| kept.push(frame)), 0);
    assert_eq!(kept.len(), 1);
}

#[test]
fn the_wish_to_be_woken_is_seen() {
    let (tx, _kernel, memory) = pair_and_memory(SIZE, 0, 0u64);
    assert!(!tx.needs_wakeup());
    memory.ask_for_wakeup(true);
    assert!(tx.needs_wakeup());
    memory.ask_for_wakeup(false);
    assert!(!tx.needs_wakeup());
}

#[test]
fn a_worker_may_take_its_sockets_and_frames_with_it() {
    fn sendable<T: Send>() {}
    fn shareable<T: Sync>() {}
    sendable::<crate::Socket<'_>>();
    sendable::<Frame<'_>>();
    shareable::<Umem>();
}
