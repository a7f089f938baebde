//! The four rings of a socket and the frames that are in them: what happens to each packet. No system call is made
//! here, so all of it runs over ordinary memory as well.
//!
//! # Who owns a frame
//! The caller, until `fill` or `tx` takes it; the kernel, until `rx` or `complete` makes a new token from the address
//! that the kernel gives back. The kernel gives back each address once for each time it was given: that is the contract
//! of the rings (<https://docs.kernel.org/networking/af_xdp.html>), and the one thing this module trusts it in.
//! Whether the address lies in the area, and the packet in its chunk, is checked.

use crate::config::TX_METADATA_LEN;
use crate::frame::Frame;
use crate::ring::{Completion, Fill, Rx, Tx};
use crate::umem::Umem;

/// The rings of one socket.
pub(super) struct Queues<'u> {
    pub(super) umem: &'u Umem,
    pub(super) fill: Fill,
    pub(super) rx: Rx,
    pub(super) tx: Tx,
    pub(super) completion: Completion,
    /// Whether requested checksums are passed on.
    pub(super) checksums: bool,
    /// Frames given and not yet got back.
    pub(super) outstanding: u32,
    /// Descriptors from the kernel that lay outside of the area or left their chunk.
    pub(super) bad_descriptors: u64,
    /// Frames of another umem that `fill` was given.
    pub(super) foreign_frames: u64,
}

impl<'u> Queues<'u> {
    pub(super) fn new(
        umem: &'u Umem,
        (fill, rx): (Fill, Rx),
        (tx, completion): (Tx, Completion),
        checksums: bool,
    ) -> Self {
        let (outstanding, bad_descriptors, foreign_frames) = (0, 0, 0);
        Self { umem, fill, rx, tx, completion, checksums, outstanding, bad_descriptors, foreign_frames }
    }

    #[inline]
    pub(super) fn fill(&mut self, mut frames: impl FnMut() -> Option<Frame<'u>>) -> usize {
        let (umem, mut foreign) = (self.umem, 0);
        let mut own = || loop {
            match umem.address_of(&frames()?) {
                Some(address) => return Some(address),
                None => foreign += 1,
            }
        };
        let (before, after) = self.fill.free();
        let mut placed = write_all(before, &mut own);
        if placed == before.len() {
            placed += write_all(after, &mut own);
        }
        self.fill.written(placed);
        self.fill.publish();
        self.outstanding += placed as u32;
        self.foreign_frames += foreign;
        placed
    }

    #[inline]
    pub(super) fn rx(&mut self, max: usize, mut take: impl FnMut(Frame<'u>)) -> usize {
        let umem = self.umem;
        let mut taken = 0;
        let (before, after) = self.rx.take(max);
        let entries = before.len() + after.len();
        for part in [before, after] {
            for packet in part {
                let continues = packet.options & libc::XDP_PKT_CONTD != 0;
                // SAFETY: the kernel owned this frame since `fill`, and gives it back by this entry, which is read once.
                if let Some(frame) = unsafe { umem.returned(packet.addr, packet.len, continues) } {
                    taken += 1;
                    take(frame);
                }
            }
        }
        self.rx.publish();
        self.back(entries, taken)
    }

    #[inline]
    pub(super) fn tx(&mut self, mut frame: Frame<'u>) -> Result<(), Frame<'u>> {
        let Some(addr) = self.umem.address_of(&frame).filter(|_| frame.is_sendable()) else {
            return Err(frame);
        };
        let mut options = if frame.continues() { libc::XDP_PKT_CONTD } else { 0 };
        if self.checksums
            && let Some((start, offset)) = frame.checksum_request()
            && let Some(metadata) = frame.metadata_mut()
        {
            *metadata = checksum_metadata(start, offset);
            options |= libc::XDP_TX_METADATA;
        }
        if self.tx.push(libc::xdp_desc { addr, len: frame.len() as u32, options }) {
            self.outstanding += 1;
            Ok(())
        } else {
            Err(frame)
        }
    }

    #[inline]
    pub(super) fn complete(&mut self, mut take: impl FnMut(Frame<'u>)) -> usize {
        let umem = self.umem;
        let mut taken = 0;
        let (before, after) = self.completion.take(usize::MAX);
        let entries = before.len() + after.len();
        for part in [before, after] {
            for address in part {
                // SAFETY: the kernel owned this frame since `tx`, and gives it back by this entry, which is read once.
                if let Some(frame) = unsafe { umem.returned_empty(*address) } {
                    taken += 1;
                    take(frame);
                }
            }
        }
        self.completion.publish();
        self.back(entries, taken)
    }

    /// Books `taken` frames that came back, of so many entries. What could not be taken stays outstanding for ever.
    #[inline]
    fn back(&mut self, entries: usize, taken: usize) -> usize {
        self.outstanding = self.outstanding.saturating_sub(taken as u32);
        self.bad_descriptors += (entries - taken) as u64;
        taken
    }
}

/// Writes what `next` yields into the slots; how many it were.
#[inline]
fn write_all(slots: &mut [u64], mut next: impl FnMut() -> Option<u64>) -> usize {
    for (written, slot) in slots.iter_mut().enumerate() {
        match next() {
            Some(address) => *slot = address,
            None => return written,
        }
    }
    slots.len()
}

/// `struct xsk_tx_metadata` with a checksum request: flags (64 bits), where to start and where to store (16 bits each,
/// from the start of the packet and from there), and a launch time that is not asked for.
///
/// See <https://docs.kernel.org/networking/xsk-tx-metadata.html>.
#[inline]
fn checksum_metadata(start: usize, offset: usize) -> [u8; TX_METADATA_LEN as usize] {
    let mut metadata = [0; TX_METADATA_LEN as usize];
    metadata[0..8].copy_from_slice(&u64::from(libc::XDP_TXMD_FLAGS_CHECKSUM).to_ne_bytes());
    metadata[8..10].copy_from_slice(&(start as u16).to_ne_bytes());
    metadata[10..12].copy_from_slice(&(offset as u16).to_ne_bytes());
    metadata
}
