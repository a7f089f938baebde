//! A frame while rules work on it: what it says, what it shall say, and what of that is known whatever the frame.
//!
//! An answer that is cached for many frames must not depend on anything that was not looked at. So every read of a bit
//! that comes from the frame is noted ([`Translation::depend`]), and a bit that rules have written is known: reading it
//! again depends on nothing.

use super::rule::Part;
use super::shims::Shims;
use super::tags::Buried;
use super::translation::Translation;
use crate::flow::key::{LONG_WORDS, PACKET_WORDS, WORDS};
use crate::flow::{Field, FlowKey, FlowMask, OfPort};
use crate::stats::DropReason;
use crate::tunnel::OptionMap;
use crate::wire::vlan;
use std::net::IpAddr;

/// The bit of `vlan_tci` that says a tag is present.
pub(super) const VLAN_PRESENT: u16 = 0x1000;
pub(super) const PRESENT: Part = Part { field: Field::VlanTci, offset: 12, bits: 1 };

/// Bytes of a VLAN tag.
pub(super) const TAG: i32 = vlan::HEADER_LEN as i32;

#[derive(Clone, Debug)]
pub(super) struct State<'a> {
    /// What the frame shall say at the next output.
    pub(super) wish: FlowKey,
    /// Bits of `wish` that are the same for every frame of this answer.
    known: FlowMask,
    /// Bits of `wish` that were set since they were last written out.
    pub(super) dirty: FlowMask,
    /// Whether there is a tag in the frame by now.
    pub(super) tagged: bool,
    /// What Geneve options are called.
    pub(super) options: &'a OptionMap,
    pub(super) buried: Buried,
    pub(super) shims: Shims,
    /// How many bytes longer the frame is than it came in.
    pub(super) grown: i32,
}

impl<'a> State<'a> {
    /// Of a frame with this key. Where it may have no options, that is known of all frames that come in by its port.
    pub(super) fn of(key: &FlowKey, options: &'a OptionMap, may_have_options: bool) -> State<'a> {
        let mut known = FlowMask::default();
        known.words_mut()[PACKET_WORDS..WORDS].fill(u64::MAX);
        let mut wish = key.clone();
        wish.set(Field::ActsetOutput, OfPort::UNSET.0.into());
        if !may_have_options {
            wish.set(Field::OptionPresence, 0);
            wish.words_mut()[LONG_WORDS..PACKET_WORDS].fill(0);
            known.set(Field::OptionPresence, Field::OptionPresence.max());
            known.words_mut()[LONG_WORDS..PACKET_WORDS].fill(u64::MAX);
        }
        let tagged = key.get(Field::VlanTci) as u16 & VLAN_PRESENT != 0;
        State {
            wish,
            known,
            dirty: FlowMask::default(),
            tagged,
            options,
            buried: Buried::NONE,
            shims: Shims::OF_A_FRAME,
            grown: 0,
        }
    }

    /// These bits are not what the frame shows, and reading them depends on nothing.
    pub(super) fn know(&mut self, bits: &FlowMask) {
        self.known.unite(bits);
    }

    /// What the frame shall say: what rules match on.
    pub(super) fn key(&self) -> &FlowKey {
        &self.wish
    }

    /// Notes that these bits were looked at.
    #[inline]
    pub(super) fn look(&self, word: usize, bits: u64, out: &mut Translation) {
        let unknown = bits & !self.known.words()[word];
        if unknown != 0 {
            out.depend(self.shims.origin(word), unknown);
        }
    }

    /// Notes that these bits of a field were looked at.
    #[inline]
    pub(super) fn look_at(&self, field: Field, mask: u128, out: &mut Translation) {
        field.cells(mask).into_iter().for_each(|(word, bits)| self.look(word, bits, out));
    }

    /// The value of part of a field, right-aligned.
    #[inline(always)]
    pub(super) fn read(&self, part: Part, out: &mut Translation) -> u128 {
        // All but a few fields lie in one word.
        let Some((word, from, bits)) = part.place() else {
            self.look_at(part.field, part.mask(), out);
            return (self.wish.get(part.field) & part.mask()) >> part.offset;
        };
        self.look(word, bits << from, out);
        (self.wish.words()[word] >> from & bits).into()
    }

    /// The value of a field.
    #[inline(always)]
    pub(super) fn get(&self, field: Field, out: &mut Translation) -> u128 {
        self.read(Part::all(field), out)
    }

    /// Sets bits of a field to something that is the same for every frame of this answer.
    pub(super) fn set(&mut self, field: Field, value: u128, mask: u128, out: &mut Translation) {
        match field {
            // Those of the other are not touched.
            _ if shares_bits(field) && !self.has(field, out) => return,
            // What was set of the message is in its place before the message becomes another.
            Field::TpSrc | Field::TpDst if ND.iter().any(|field| self.dirty.get(*field) != 0) => {
                self.commit(out);
            }
            // Which address is meant, the type of its option says.
            Field::NdOptionsType
                if [Field::NdSll, Field::NdTll].iter().any(|field| self.dirty.get(*field) != 0) =>
            {
                self.commit(out);
            }
            _ => {}
        }
        for ((word, bits), (_, value)) in field.cells(mask).into_iter().zip(field.cells(value)) {
            self.put(word, bits, value, out);
        }
    }

    /// Sets bits of a word.
    #[inline]
    fn put(&mut self, word: usize, bits: u64, value: u64, out: &mut Translation) {
        let wish = &mut self.wish.words_mut()[word];
        *wish = *wish & !bits | value & bits;
        self.known.words_mut()[word] |= bits;
        self.dirty.words_mut()[word] |= bits;
        out.rewrote(word, bits);
    }

    /// Sets bits of a field, where the frame has it: a rule cannot invent a header.
    pub(super) fn assign(
        &mut self,
        field: Field,
        value: u128,
        mask: u128,
        out: &mut Translation,
    ) -> Result<(), DropReason> {
        if !self.has(field, out) {
            return Ok(());
        }
        match field {
            Field::EthType => self.assign_ether_type(value, mask, out),
            Field::NwProto if self.is_ip(out) => {
                self.assign_protocol(value, mask, out);
                Ok(())
            }
            Field::OptionPresence => {
                self.delete_options(value as u16, mask as u16, out);
                Ok(())
            }
            piece if piece.is_option() => {
                self.set_option(piece, value, mask, out);
                Ok(())
            }
            Field::MplsBos => {
                self.assign_bottom(value != 0, out);
                Ok(())
            }
            _ => {
                self.set(field, value, mask, out);
                Ok(())
            }
        }
    }

    /// Copies part of a field to another, where the frame has both.
    pub(super) fn copy(&mut self, from: Part, to: Part, out: &mut Translation) -> Result<(), DropReason> {
        if !self.has(from.field, out) {
            return Ok(());
        }
        let value = self.read(from, out);
        // Bits that say that there is no tag take the one away that there is.
        let no_tag = to.field == Field::VlanTci
            && to.mask() & u128::from(VLAN_PRESENT) != 0
            && value << to.offset & u128::from(VLAN_PRESENT) == 0;
        if no_tag {
            self.pop_vlan(out);
            return Ok(());
        }
        match to.place() {
            // No frame holds registers, so none of what follows matters to them.
            Some((word, at, bits)) if word >= PACKET_WORDS => {
                self.put(word, bits << at, (value as u64) << at, out);
                Ok(())
            }
            _ => self.assign(to.field, value << to.offset, to.mask(), out),
        }
    }

    /// Counts a time to live down, which must be more than 1.
    pub(super) fn count_down(&mut self, field: Field, out: &mut Translation) -> Result<(), DropReason> {
        match self.get(field, out) {
            0 | 1 => Err(DropReason::TtlExpired),
            ttl => {
                self.set(field, ttl - 1, field.max(), out);
                Ok(())
            }
        }
    }

    /// The field is this from now on, in the frame too.
    pub(super) fn settle(&mut self, field: Field, value: u128, out: &mut Translation) {
        self.set(field, value, field.max(), out);
        self.dirty.set(field, 0);
    }

    /// What is said of a field is in no header, so it is never written out.
    pub(super) fn settle_bits(&mut self, field: Field) {
        self.dirty.set(field, 0);
    }

    /// These bits of a word are nothing from now on.
    pub(super) fn blank(&mut self, word: usize, bits: u64, out: &mut Translation) {
        self.wish.words_mut()[word] &= !bits;
        self.known.words_mut()[word] |= bits;
        self.dirty.words_mut()[word] &= !bits;
        out.rewrote_word(word);
    }

    /// These fields say nothing from now on, to rules; in the frame they are what they were.
    pub(super) fn hide(&mut self, fields: &[Field], out: &mut Translation) {
        let cells = fields.iter().flat_map(|field| field.cells(u128::MAX));
        cells.filter(|(_, bits)| *bits != 0).for_each(|(word, bits)| self.blank(word, bits, out));
    }

    /// One word says what another did, for the frames of this answer and others alike.
    pub(super) fn take_word(&mut self, from: usize, to: usize, out: &mut Translation) {
        for key in [&mut self.wish, &mut self.known, &mut self.dirty] {
            key.words_mut()[to] = key.words()[from];
        }
        out.rewrote_word(to);
    }

    /// Another frame is in front, with other tags.
    pub(super) fn see_tags(&mut self) {
        self.tagged = self.wish.get(Field::VlanTci) as u16 & VLAN_PRESENT != 0;
    }

    /// Sets bits that no header holds.
    pub(super) fn set_in_port(&mut self, port: u32, out: &mut Translation) {
        self.look_at(Field::InPort, Field::InPort.max(), out);
        self.wish.set(Field::InPort, port.into());
        for (word, bits) in Field::InPort.cells(u128::MAX) {
            self.known.words_mut()[word] |= bits;
            out.rewrote(word, bits);
        }
    }

    /// Where the output in the action set leads.
    pub(super) fn set_actset_output(&mut self, port: OfPort) {
        self.wish.set(Field::ActsetOutput, port.0.into());
    }

    /// Whether rules have written bits of the field.
    pub(super) fn is_written(&self, field: Field) -> bool {
        let word = usize::from(field.slot().word);
        if self.shims.origin(word) != word {
            return true;
        }
        self.known.get(field) != 0
    }

    /// Whether bits are what the frame says there, and nothing that rules have written or know.
    pub(super) fn is_untouched(&self, part: Part) -> bool {
        let frames_own =
            |word: usize, bits: u64| self.shims.origin(word) == word && self.known.words()[word] & bits == 0;
        part.field.cells(part.mask()).into_iter().all(|(word, bits)| bits == 0 || frames_own(word, bits))
    }

    /// What an output to a tunnel port that leaves key or remote end to the flow shall take, until this state is forgotten.
    pub(super) fn address_tunnel(&mut self, key: u64, remote: Option<IpAddr>) {
        let (v4, v6) = match remote {
            None => (None, None),
            Some(IpAddr::V4(v4)) => (Some(v4.to_bits().into()), Some(0)),
            Some(IpAddr::V6(v6)) => (Some(0), Some(v6.to_bits())),
        };
        for (field, value) in [(Field::TunId, Some(key.into())), (Field::TunDst, v4), (Field::TunIpv6Dst, v6)]
        {
            let Some(value) = value else { continue };
            self.wish.set(field, value);
            self.known.set(field, field.max());
        }
    }

    /// What is known of the frame and not in it: the port, the tunnel that it came by or shall go by, and what rules keep beside
    /// it; and which bits of that are left to each frame, so that the answer does not depend on them.
    pub(super) fn beside(&self) -> (FlowKey, FlowMask) {
        let (mut says, mut open) = (FlowKey::default(), FlowMask::default());
        for field in BESIDE.iter().copied() {
            let known = self.known.get(field);
            says.set(field, self.wish.get(field) & known);
            open.set(field, field.max() & !known);
        }
        for at in LONG_WORDS..PACKET_WORDS {
            let known = self.known.words()[at];
            says.words_mut()[at] = self.wish.words()[at] & known;
            open.words_mut()[at] = !known;
        }
        says.words_mut()[PACKET_WORDS..].copy_from_slice(&self.wish.words()[PACKET_WORDS..]);
        // As Open vSwitch, nothing is said of an action set that leads nowhere.
        if says.get(Field::ActsetOutput) == u128::from(OfPort::UNSET.0) {
            says.set(Field::ActsetOutput, 0);
        }
        (says, open)
    }
}

/// What is known of a frame beside its bytes, without what only rules write.
const BESIDE: &[Field] = &[
    Field::InPort,
    Field::TunId,
    Field::TunSrc,
    Field::TunDst,
    Field::TunIpv6Src,
    Field::TunIpv6Dst,
    Field::TunFlags,
    Field::TunGbpId,
    Field::TunGbpFlags,
    Field::OptionPresence,
];

/// Whether a field of ARP or of neighbour discovery has bits of the key that are another's in a message of the other.
pub(super) fn shares_bits(field: Field) -> bool {
    matches!(field, Field::ArpSha | Field::ArpTha) || ND.contains(&field)
}

/// Fields of neighbour discovery.
const ND: [Field; 5] = [Field::NdTarget, Field::NdReserved, Field::NdOptionsType, Field::NdSll, Field::NdTll];
