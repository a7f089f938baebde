//! Geneve options while rules work on a frame. Which of them are there is a field like any other; setting part of one makes it
//! there, and what is not there is zero.

use super::state::State;
use super::translation::Translation;
use crate::action::Action;
use crate::flow::Field;
use crate::tunnel::Piece;
use crate::tunnel::options::OPTIONS_MAX;
use crate::wire::geneve::OPTION_HEADER_LEN;

impl State<'_> {
    /// Sets bits of an option, which is there from now on; what is not set of one that was not there is zero.
    pub(super) fn set_option(&mut self, piece: Field, value: u128, mask: u128, out: &mut Translation) {
        let presence = u128::from(self.options.presence_of(piece));
        self.set(piece, value, mask, out);
        self.set(Field::OptionPresence, presence, presence, out);
        self.settle_bits(Field::OptionPresence);
        self.settle_bits(piece);
    }

    /// Takes options away: those whose bits are set in the mask and not in the value.
    pub(super) fn delete_options(&mut self, value: u16, mask: u16, out: &mut Translation) {
        let gone = mask & !value;
        for mapping in self.options.iter() {
            if self.options.presence(mapping.index).is_some_and(|bit| gone & bit != 0) {
                for piece in self.options.pieces(mapping.index) {
                    self.settle(piece, 0, out);
                }
            }
        }
        self.set(Field::OptionPresence, 0, gone.into(), out);
        self.settle_bits(Field::OptionPresence);
    }

    /// Writes out the options that are there, in the order of their fields, for the headers of a tunnel that are put in front next.
    /// Returns how many words of four bytes they are, and whether one is critical, as the first two bytes of a Geneve header.
    pub(super) fn write_options(&self, out: &mut Translation) -> u16 {
        if self.options.is_empty() {
            return 0;
        }
        let present = self.get(Field::OptionPresence, out) as u16;
        if present == 0 {
            return 0;
        }
        let (mut bytes, mut len, mut critical) = ([0; OPTIONS_MAX], 0, false);
        let mut put = |more: &[u8]| {
            if let Some(room) = bytes.get_mut(len..len + more.len()) {
                room.copy_from_slice(more);
                len += more.len();
            }
        };
        for mapping in self.options.iter() {
            if self.options.presence(mapping.index).is_none_or(|bit| present & bit == 0) {
                continue;
            }
            let [a, b] = mapping.class.to_be_bytes();
            let header: [u8; OPTION_HEADER_LEN] = [a, b, mapping.kind, mapping.len / 4];
            put(&header);
            critical |= mapping.is_critical();
            for piece in self.options.pieces(mapping.index) {
                let data = self.get(piece, out).to_be_bytes();
                put(&data[data.len() - usize::from(piece.slot().bits) / 8..]);
            }
        }
        for piece in bytes[..len].chunks(Piece::LEN) {
            out.push(Action::Options(Piece::of(piece)));
        }
        crate::tunnel::Marks::options(len, critical)
    }
}
