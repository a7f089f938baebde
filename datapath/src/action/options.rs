//! Encapsulating with Geneve options: off the path of frames that have none.

use super::execute::Executor;
use super::{Action, Means};
use crate::flow::FlowKey;
use crate::flow::hash::entropy;
use crate::mem::Frame;
use crate::stats::DropReason;
use crate::tunnel::options::OPTIONS_MAX;
use crate::tunnel::{Encap, Marks, Piece, mss};

/// Options as they are in a header.
pub(super) struct Options {
    bytes: [u8; OPTIONS_MAX],
    len: usize,
}

impl Options {
    /// Those that the last of these steps say, as many as `marks` has.
    pub(super) fn of(steps: &[Action], marks: Marks) -> Options {
        let mut options = Options { bytes: [0; OPTIONS_MAX], len: marks.options_len().min(OPTIONS_MAX) };
        let pieces = options.len.div_ceil(Piece::LEN);
        let steps = &steps[steps.len().saturating_sub(pieces)..];
        for (room, step) in options.bytes.chunks_exact_mut(Piece::LEN).zip(steps) {
            if let Action::Options(piece) = step {
                room.copy_from_slice(piece.bytes());
            }
        }
        options
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl<'u> Executor<'_, 'u> {
    /// [`Executor::encap`], with the options that the steps in front say.
    #[cold]
    #[inline(never)]
    pub(super) fn encap_with_options(
        &mut self,
        run: &mut [Option<Frame<'u>>],
        keys: &[FlowKey],
        encap: &Encap,
        (marks, steps): (Marks, &[Action]),
        means: &impl Means,
    ) {
        let options = Options::of(steps, marks);
        let options = options.bytes();
        for (i, key) in keys.iter().enumerate().take(run.len()) {
            let Some(frame) = &mut run[i] else { continue };
            if let Some(mss) = encap.mss()
                && mss::is_syn(key)
            {
                let frame_max = encap.frame_max().saturating_sub(options.len());
                self.too_long.clamp(frame, mss, frame_max);
            }
            let pushed = encap.push_with_options(frame, options, marks, entropy(key, self.seed));
            let Err(reason) = pushed else { continue };
            let Some(frame) = run[i].take() else { continue };
            if reason == DropReason::ExceedsMtu {
                // It may go on in pieces, behind those before it.
                self.output(&mut run[..i], encap.uplink());
                self.too_long(frame, key, encap, (marks, options), means);
            } else {
                self.drop(frame, reason);
            }
        }
    }
}
