//! Packets that a device hands over, and takes, in several frames: put together into one long frame as they come in, and cut up
//! again as they leave. In between a packet lies in one piece, so all that reads it, edits it and sums it is what does so for any other.

use crate::mem::{Frame, FramePool};

/// A packet that is coming in, one for each queue: its pieces may come in different turns.
#[derive(Debug, Default)]
pub(super) enum Chain<'u> {
    /// None is under way.
    #[default]
    Idle,
    /// So much of it has come.
    Growing(Frame<'u>),
    /// It is too long: the rest of it is passed over.
    Refused,
}

/// What a piece has brought about.
#[derive(Debug)]
pub(super) enum Piece<'u> {
    /// A whole packet.
    Whole(Frame<'u>),
    /// More of it is to come.
    Part,
    /// The end of a packet that no long frame could hold, or for which none was free.
    Refused,
}

impl<'u> Chain<'u> {
    /// Takes the next frame of the queue.
    #[inline]
    pub(super) fn add(&mut self, piece: Frame<'u>, pool: &mut FramePool<'u>) -> Piece<'u> {
        match self {
            Chain::Idle if !piece.continues() => Piece::Whole(piece),
            _ => self.grow(piece, pool),
        }
    }

    fn grow(&mut self, piece: Frame<'u>, pool: &mut FramePool<'u>) -> Piece<'u> {
        let (more, before) = (piece.continues(), std::mem::take(self));
        let grown = match before {
            Chain::Idle => pool.take_long().and_then(|whole| append(whole, &piece, pool)),
            Chain::Growing(whole) => append(whole, &piece, pool),
            Chain::Refused => None,
        };
        pool.give(piece);
        match (grown, more) {
            (Some(whole), false) => Piece::Whole(whole),
            (None, false) => Piece::Refused,
            (grown, true) => {
                *self = grown.map_or(Chain::Refused, Chain::Growing);
                Piece::Part
            }
        }
    }
}

/// The packet with another piece. None: it is too long now, and its frame is free again.
fn append<'u>(mut whole: Frame<'u>, piece: &Frame<'u>, pool: &mut FramePool<'u>) -> Option<Frame<'u>> {
    if let Some(room) = whole.extend(piece.len()) {
        room.copy_from_slice(piece.bytes());
        return Some(whole);
    }
    pool.give(whole);
    None
}

/// How many frames a packet of `len` bytes is sent in.
pub(super) fn pieces(len: usize, pool: &FramePool<'_>) -> usize {
    len.div_ceil(pool.room().max(1))
}

/// Cuts a packet up and hands its pieces to `send`, in order, of which each but the last says that more is to come. There must be as
/// many frames free as [`pieces`] says. The packet's own frame is free afterwards. A checksum must not be left to anybody: whoever sums
/// may see the first piece alone.
///
/// False when `send` gave a piece back, or no frame was free; then no more are sent.
pub(super) fn cut<'u>(
    whole: Frame<'u>,
    pool: &mut FramePool<'u>,
    mut send: impl FnMut(Frame<'u>) -> Result<(), Frame<'u>>,
) -> bool {
    debug_assert!(whole.checksum_request().is_none());
    let mut sent = true;
    let mut parts = whole.bytes().chunks(pool.room().max(1)).peekable();
    while let Some(part) = parts.next() {
        let Some(mut piece) = pool.hold(part) else {
            sent = false;
            break;
        };
        piece.set_continues(parts.peek().is_some());
        if let Err(refused) = send(piece) {
            pool.give(refused);
            sent = false;
            break;
        }
    }
    pool.give(whole);
    sent
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mem::{LONG_MAX, long_frames};
    use af_xdp::{ChunkSize, Umem, UmemConfig};
    use proptest::prelude::*;

    const FRAMES: u32 = 40;

    fn short(chunk: ChunkSize) -> Umem {
        Umem::new(&UmemConfig { frames: FRAMES, chunk, tx_metadata: true, ..UmemConfig::default() }).unwrap()
    }

    fn bytes(len: usize, salt: usize) -> Vec<u8> {
        (0..len).map(|at| (at / 5 + at * 7 + salt) as u8).collect()
    }

    /// What comes out of a chain that gets these packets in pieces of these lengths, in turn; and how many it refused.
    fn through<'u>(
        packets: &[Vec<u8>],
        lengths: &[usize],
        pool: &mut FramePool<'u>,
        chain: &mut Chain<'u>,
    ) -> (Vec<Vec<u8>>, usize) {
        let (mut whole, mut refused, mut lengths) = (Vec::new(), 0, lengths.iter().cycle());
        for packet in packets {
            let mut rest = &packet[..];
            while !rest.is_empty() {
                let len = lengths.next().map_or(1, |len| (*len).clamp(1, pool.room())).min(rest.len());
                let (part, behind) = rest.split_at(len);
                let mut piece = pool.hold(part).unwrap();
                piece.set_continues(!behind.is_empty());
                match chain.add(piece, pool) {
                    Piece::Whole(frame) => {
                        assert!(behind.is_empty());
                        whole.push(frame.bytes().to_vec());
                        pool.give(frame);
                    }
                    Piece::Part => assert!(!behind.is_empty()),
                    Piece::Refused => {
                        assert!(behind.is_empty());
                        refused += 1;
                    }
                }
                rest = behind;
            }
        }
        (whole, refused)
    }

    #[test]
    fn a_packet_in_one_frame_is_left_in_it() {
        let umem = short(ChunkSize::K2);
        let mut pool = FramePool::new(umem.take_frames());
        let frame = pool.hold(b"in one piece").unwrap();
        let Piece::Whole(frame) = Chain::default().add(frame, &mut pool) else { panic!("no packet") };
        assert_eq!((frame.bytes(), frame.is_long()), (&b"in one piece"[..], false));
    }

    #[test]
    fn a_packet_for_which_no_long_frame_is_free_is_passed_over_to_its_end() {
        let umem = short(ChunkSize::K2);
        let mut pool = FramePool::new(umem.take_frames());
        let packets = [bytes(5000, 1), bytes(60, 2), bytes(5000, 3), bytes(1792, 4)];
        let (whole, refused) = through(&packets, &[1792], &mut pool, &mut Chain::default());
        assert_eq!((whole, refused), (vec![packets[1].clone(), packets[3].clone()], 2));
        assert_eq!(pool.len(), FRAMES as usize);
    }

    #[test]
    fn a_packet_is_cut_into_pieces_of_which_the_last_ends_it() {
        let (umem, long) = (short(ChunkSize::K4), long_frames().unwrap());
        let mut pool = FramePool::new(umem.take_frames()).with_long(long.take_frames());
        let packet = bytes(9014, 5);
        let mut whole = pool.hold(&packet[50..]).unwrap();
        whole.push(50).unwrap().copy_from_slice(&packet[..50]);
        assert_eq!(pieces(whole.len(), &pool), 3);
        let mut sent = Vec::new();
        assert!(cut(whole, &mut pool, |piece| {
            sent.push(piece);
            Ok(())
        }));
        assert_eq!(sent.iter().map(Frame::len).collect::<Vec<_>>(), [3840, 3840, 1334]);
        assert_eq!(sent.iter().map(Frame::continues).collect::<Vec<_>>(), [true, true, false]);
        // The kernel wants room for its metadata in front of every piece, see `xp_aligned_validate_desc` in net/xdp/xsk_queue.h.
        assert!(sent.iter().all(|piece| piece.headroom() == 232));
        assert_eq!(sent.iter().flat_map(|piece| piece.bytes().to_vec()).collect::<Vec<_>>(), packet);
        assert_eq!((pool.len(), pool.long()), (FRAMES as usize - 3, 256));
    }

    #[test]
    fn a_piece_that_nobody_takes_is_free_again() {
        let (umem, long) = (short(ChunkSize::K4), long_frames().unwrap());
        let mut pool = FramePool::new(umem.take_frames()).with_long(long.take_frames());
        let whole = pool.hold(&bytes(9014, 5)).unwrap();
        assert!(!cut(whole, &mut pool, Err));
        assert_eq!((pool.len(), pool.long()), (FRAMES as usize, 256));
    }

    proptest! {
        #[test]
        fn what_comes_in_pieces_comes_out_whole_and_no_frame_is_lost(
            lens in prop::collection::vec(prop_oneof![1usize..200, 1700usize..4000, 8000usize..LONG_MAX + 3000], 1..12),
            lengths in prop::collection::vec(prop_oneof![1usize..64, 1000usize..4000, Just(4000)], 1..8),
            chunk in prop_oneof![Just(ChunkSize::K2), Just(ChunkSize::K4)],
        ) {
            let (umem, long) = (short(chunk), long_frames().unwrap());
            let mut pool = FramePool::new(umem.take_frames()).with_long(long.take_frames());
            let packets: Vec<_> = lens.iter().enumerate().map(|(salt, len)| bytes(*len, salt)).collect();
            let (fit, too_long): (Vec<_>, Vec<_>) = packets.iter().cloned().partition(|p| p.len() <= LONG_MAX);
            let (whole, refused) = through(&packets, &lengths, &mut pool, &mut Chain::default());
            prop_assert_eq!((&whole, refused), (&fit, too_long.len()));
            prop_assert_eq!((pool.len(), pool.long()), (FRAMES as usize, 256));

            for packet in &whole {
                let (frame, mut sent) = (pool.hold(packet).unwrap(), Vec::new());
                let count = pieces(frame.len(), &pool);
                let all = cut(frame, &mut pool, |piece| {
                    sent.push(piece);
                    Ok(())
                });
                prop_assert!(all);
                prop_assert_eq!(sent.len(), count);
                prop_assert!(sent.len() <= af_xdp::MAX_FRAGMENTS);
                let mut chain = Chain::default();
                for piece in sent {
                    match chain.add(piece, &mut pool) {
                        Piece::Whole(frame) => {
                            prop_assert_eq!(frame.bytes(), &packet[..]);
                            pool.give(frame);
                        }
                        other => prop_assert!(matches!(other, Piece::Part)),
                    }
                }
                prop_assert_eq!((pool.len(), pool.long()), (FRAMES as usize, 256));
            }
        }
    }
}
