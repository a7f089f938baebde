//! Writing out what rules have set: the steps that make the frame say what it shall say.

use super::state::{PRESENT, State, TAG, VLAN_PRESENT, shares_bits};
use super::translation::Translation;
use crate::action::{Action, Edit};
use crate::flow::Field;
use crate::flow::key::WORDS;
use crate::wire::ethertype;

impl State<'_> {
    /// Writes out what the frame does not say yet.
    pub(super) fn commit(&mut self, out: &mut Translation) {
        let dirty = self.dirty.words().iter().zip(&WRITTEN);
        if dirty.fold(0, |any, (dirty, written)| any | dirty & written) != 0 {
            self.commit_dirty(out);
        }
    }

    fn commit_dirty(&mut self, out: &mut Translation) {
        if self.dirty.get(Field::VlanTci) != 0 {
            self.commit_vlan(out);
        }
        for field in EDITABLE.iter().copied() {
            let bits = self.dirty.get(field);
            // Flags of neighbour discovery lie where the source of IPv4 does.
            let shared = field == Field::NwSrc || shares_bits(field);
            // It was there when it was set, whatever it says now.
            let there = if field == Field::NdOptionsType { Field::NdTarget } else { field };
            if bits != 0 && (!shared || self.has(there, out)) {
                self.dirty.set(field, 0);
                // What the frame said in these bits was never looked at: they are written even when this one says so already.
                write(field, self.wish.get(field), bits, out);
            }
        }
    }

    /// A tag set on an untagged frame is added, one cleared is removed (mod_vlan_vid, set_field of vlan_tci).
    fn commit_vlan(&mut self, out: &mut Translation) {
        // Whether there is one decides between adding and changing, known or not.
        let word = usize::from(Field::VlanTci.slot().word);
        out.depend(self.shims.origin(word), VLAN_PRESENT.into());
        let bits = self.dirty.get(Field::VlanTci) & !u128::from(VLAN_PRESENT);
        self.dirty.set(Field::VlanTci, 0);
        let wished = self.read(PRESENT, out) != 0;
        match (self.tagged, wished) {
            (true, true) => write(Field::VlanTci, self.wish.get(Field::VlanTci), bits, out),
            (false, true) => {
                let tci = self.get(Field::VlanTci, out) as u16;
                out.push(Action::PushVlan { tpid: ethertype::VLAN, tci: tci & !VLAN_PRESENT });
                self.grown += TAG;
                self.tagged = true;
            }
            (true, false) => self.pop(out),
            (false, false) => {}
        }
    }

    pub(super) fn push_vlan(&mut self, tpid: u16, out: &mut Translation) {
        self.commit(out);
        let tag = self.get(Field::VlanTci, out) as u16;
        // Bits without the one that says "present" are no tag.
        let outer = if tag & VLAN_PRESENT != 0 { tag } else { 0 };
        if outer != 0 {
            let inner = self.get(Field::InnerVlanTci, out) as u16;
            if inner != 0 && !self.buried.push(inner) {
                return out.refuse();
            }
        }
        let tci = outer | VLAN_PRESENT;
        out.push(Action::PushVlan { tpid, tci: tci & !VLAN_PRESENT });
        self.grown += TAG;
        self.tags(tci, outer, out);
    }

    pub(super) fn pop_vlan(&mut self, out: &mut Translation) {
        self.commit(out);
        if self.get(Field::VlanTci, out) != 0 {
            self.pop(out);
        }
    }

    /// The outermost tag goes, those behind it move up.
    fn pop(&mut self, out: &mut Translation) {
        out.push(Action::PopVlan);
        self.grown -= TAG;
        let outer = self.get(Field::InnerVlanTci, out) as u16;
        let inner = self.buried.pop();
        self.tags(outer, inner, out);
    }

    /// What the tags are from now on, in the frame too.
    pub(super) fn tags(&mut self, outer: u16, inner: u16, out: &mut Translation) {
        self.settle(Field::VlanTci, outer.into(), out);
        self.settle(Field::InnerVlanTci, inner.into(), out);
        self.tagged = outer & VLAN_PRESENT != 0;
    }
}

/// Writes bits of a field.
pub(super) fn write(field: Field, value: u128, mask: u128, out: &mut Translation) {
    Edit::of(field, value, mask).for_each(|edit| out.push(Action::Edit(edit)));
}

/// Fields that an edit can write into a frame, each once; those that are parts of them are written with them.
const EDITABLE: &[Field] = &[
    Field::EthDst,
    Field::EthSrc,
    Field::NwSrc,
    Field::NwDst,
    Field::NwTos,
    Field::NwTtl,
    Field::TpSrc,
    Field::TpDst,
    Field::Ipv6Src,
    Field::Ipv6Dst,
    Field::Ipv6Label,
    Field::NwProto,
    Field::ArpSha,
    Field::ArpTha,
    Field::NdTarget,
    Field::NdReserved,
    Field::NdOptionsType,
    Field::NdSll,
    Field::NdTll,
    Field::MplsLse,
    Field::InnerMplsLse,
    Field::PbbTci,
    Field::InnerTtl,
];

/// The bits of a key that are written out.
const WRITTEN: [u64; WORDS] = {
    let mut words = [0; WORDS];
    let mut at = 0;
    while at <= EDITABLE.len() {
        let field = if at < EDITABLE.len() { EDITABLE[at] } else { Field::VlanTci };
        let [(first, upper), (second, lower)] = field.cells(field.max());
        words[first] |= upper;
        words[second] |= lower;
        at += 1;
    }
    words
};
