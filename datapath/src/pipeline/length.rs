//! How long a frame is, for rules that ask (`check_pkt_larger`).
//!
//! Most rules do not, so keys do not say it at first. An answer that would depend on it says so instead ([`Translation::asks_length`]),
//! and is asked for once more with a key that has been measured. Of the length an answer depends on no more digits (of sixteen) than
//! tell whether it is more: so the lengths of a conversation's frames are a few flows, and not one each.

use super::rule::Part;
use super::state::{State, TAG};
use super::translation::Translation;
use crate::flow::{Field, FlowKey};
use crate::stats::DropReason;

/// Bits of a digit.
const DIGIT: u32 = 4;
const SECOND_TAG: Part = Part { field: Field::InnerVlanTci, offset: 12, bits: 1 };
const FIRST_TAG: Part = Part { field: Field::VlanTci, offset: 12, bits: 1 };

impl State<'_> {
    /// Sets a bit to whether the frame has more than `len` bytes by now. `came` is its key as it came in.
    pub(super) fn check_larger(
        &mut self,
        len: u16,
        to: Part,
        came: &FlowKey,
        out: &mut Translation,
    ) -> Result<(), DropReason> {
        // A tag that was set and not put there yet is part of the frame.
        self.commit(out);
        let larger = self.is_larger(i32::from(len) - self.grown, came, out);
        self.assign(to.field, u128::from(larger) << to.offset, to.mask(), out)
    }

    fn is_larger(&self, limit: i32, came: &FlowKey, out: &mut Translation) -> bool {
        depend(Field::FrameMeasured, 1, out);
        let Some(len) = came.measured() else {
            out.ask_length();
            return false;
        };
        if let Ok(limit) = u16::try_from(limit) {
            // Those in front of the first digit that differs decide nothing, those behind it change nothing.
            let same = (len ^ limit).leading_zeros() / DIGIT * DIGIT;
            let told = (same + DIGIT).min(u16::BITS);
            depend(Field::FrameLen, u16::MAX << (u16::BITS - told), out);
        }
        i32::from(len) > limit
    }

    /// Bytes of the VLAN tags in front of the header that rules see.
    pub(super) fn tags_len(&self, out: &mut Translation) -> i32 {
        let shown = [FIRST_TAG, SECOND_TAG].map(|tag| self.read(tag, out) as i32);
        TAG * (shown.into_iter().sum::<i32>() + self.buried.in_front() as i32)
    }
}

/// These are bits of the frame as it came in, whatever rules have made of it.
fn depend(field: Field, bits: u16, out: &mut Translation) {
    let slot = field.slot();
    out.depend(slot.word.into(), u64::from(bits) << slot.shift);
}
