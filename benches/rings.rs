//! A batch's way through the four rings of a socket whose other end is played, as a worker uses them.

use af_xdp::{Frame, Loopback, Umem};
use datapath::mem::BATCH;

/// Entries of a ring.
const ENTRIES: u32 = 1024;
/// Bytes of a packet.
const LEN: u32 = 64;

/// The rings, and the frames that are not in them.
#[derive(Debug)]
pub struct Way<'u> {
    rings: Loopback<'u>,
    pool: Vec<Frame<'u>>,
    batch: Vec<Frame<'u>>,
}

impl<'u> Way<'u> {
    /// Over that memory, of which it takes all frames.
    pub fn new(umem: &'u Umem) -> Way<'u> {
        Way {
            rings: Loopback::new(umem, ENTRIES),
            pool: umem.take_frames().collect(),
            batch: Vec::with_capacity(BATCH),
        }
    }

    /// Frames are filled in, a batch is received in them, sent, and completed. How many packets came round.
    pub fn round(&mut self) -> usize {
        let Way { rings, pool, batch } = self;
        rings.fill(|| pool.pop());
        rings.receive(BATCH, LEN);
        rings.rx(BATCH, |frame| batch.push(frame));
        for frame in batch.drain(..) {
            if let Err(refused) = rings.tx(frame) {
                pool.push(refused);
            }
        }
        rings.send();
        rings.complete(|frame| pool.push(frame))
    }
}
