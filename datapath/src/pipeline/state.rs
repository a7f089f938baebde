//! A frame while rules work on it: what it says, what it shall say, and what of that is known whatever the frame.
//!
//! An answer that is cached for many frames must not depend on anything that was not looked at. So every read of a bit
//! that comes from the frame is noted ([`Translation::depend`]), and a bit that rules have written is known: reading it
//! again depends on nothing.

use super::rule::Part;
use super::translation::{ACTIONS_MAX, Translation};
use crate::action::{Action, Edit};
use crate::flow::key::{PACKET_WORDS, WORDS};
use crate::flow::{Field, FlowKey, FlowMask};
use crate::wire::ethertype;
use crate::wire::icmp::v6::{NEIGHBOR_ADVERTISEMENT, NEIGHBOR_SOLICITATION};
use crate::wire::protocol::{ICMP, ICMPV6, SCTP, TCP, UDP};
use std::net::IpAddr;

/// The bit of `vlan_tci` that says a tag is present.
const VLAN_PRESENT: u16 = 0x1000;
const PRESENT: Part = Part { field: Field::VlanTci, offset: 12, bits: 1 };

#[derive(Clone, Debug)]
pub(super) struct State {
    /// What the frame shall say at the next output.
    wish: FlowKey,
    /// Bits of `wish` that are the same for every frame of this answer.
    known: FlowMask,
    /// Bits of `wish` that were set since they were last written out.
    dirty: FlowMask,
    /// Whether there is a tag in the frame by now.
    tagged: bool,
    buried: Buried,
}

/// Tags behind the two that a key has room for, the outermost last: rules have pushed others in front of them. Each push is a
/// step, so there are no more than a frame may take.
#[derive(Clone, Copy, Debug)]
struct Buried {
    tags: [u16; ACTIONS_MAX],
    len: usize,
}

impl Buried {
    const NONE: Buried = Buried { tags: [0; ACTIONS_MAX], len: 0 };

    fn push(&mut self, tag: u16) {
        if let Some(place) = self.tags.get_mut(self.len) {
            *place = tag;
            self.len += 1;
        }
    }

    /// Zero when there are none.
    fn pop(&mut self) -> u16 {
        match self.len.checked_sub(1) {
            None => 0,
            Some(len) => {
                self.len = len;
                self.tags[len]
            }
        }
    }
}

impl State {
    pub(super) fn of(key: &FlowKey) -> State {
        let mut known = FlowMask::default();
        known.words_mut()[PACKET_WORDS..WORDS].fill(u64::MAX);
        let tagged = key.get(Field::VlanTci) as u16 & VLAN_PRESENT != 0;
        State { wish: key.clone(), known, dirty: FlowMask::default(), tagged, buried: Buried::NONE }
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
            out.depend(word, unknown);
        }
    }

    /// Notes that these bits of a field were looked at.
    pub(super) fn look_at(&self, field: Field, mask: u128, out: &mut Translation) {
        let mut bits = FlowMask::default();
        bits.set(field, mask);
        for (word, bits) in bits.words().iter().enumerate().filter(|(_, bits)| **bits != 0) {
            self.look(word, *bits, out);
        }
    }

    /// The value of part of a field, right-aligned.
    pub(super) fn read(&self, part: Part, out: &mut Translation) -> u128 {
        self.look_at(part.field, part.mask(), out);
        (self.wish.get(part.field) & part.mask()) >> part.offset
    }

    /// The value of a field.
    pub(super) fn get(&self, field: Field, out: &mut Translation) -> u128 {
        self.read(Part::all(field), out)
    }

    /// Sets bits of a field to something that is the same for every frame of this answer.
    pub(super) fn set(&mut self, field: Field, value: u128, mask: u128, out: &mut Translation) {
        match field {
            // ARP and neighbour discovery share bits of the key: those of the other are not touched.
            Field::ArpSha | Field::ArpTha | Field::NdTarget | Field::NdSll | Field::NdTll
                if !self.has(field, out) =>
            {
                return;
            }
            // What was set of the message is in its place before the message becomes another.
            Field::TpSrc | Field::TpDst if ND.iter().any(|field| self.dirty.get(*field) != 0) => {
                self.commit(out);
            }
            _ => {}
        }
        self.wish.set_masked(field, value, mask);
        let mut bits = FlowMask::default();
        bits.set(field, mask);
        self.known.unite(&bits);
        self.dirty.unite(&bits);
        out.rewrote(&bits);
    }

    /// Sets bits that no header holds.
    pub(super) fn set_in_port(&mut self, port: u32, out: &mut Translation) {
        self.look_at(Field::InPort, Field::InPort.max(), out);
        let mut bits = FlowMask::default();
        bits.set(Field::InPort, Field::InPort.max());
        self.known.unite(&bits);
        self.wish.set(Field::InPort, port.into());
        out.rewrote(&bits);
    }

    /// Whether rules have written bits of the field.
    pub(super) fn is_written(&self, field: Field) -> bool {
        self.known.get(field) != 0
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
            let mut bits = FlowMask::default();
            bits.set(field, field.max());
            self.known.unite(&bits);
        }
    }

    pub(super) fn push_vlan(&mut self, tpid: u16, out: &mut Translation) {
        self.commit(out);
        let tag = self.get(Field::VlanTci, out) as u16;
        // Bits without the one that says "present" are no tag.
        let outer = if tag & VLAN_PRESENT != 0 { tag } else { 0 };
        if outer != 0 {
            let inner = self.get(Field::InnerVlanTci, out) as u16;
            if inner != 0 {
                self.buried.push(inner);
            }
        }
        let tci = outer | VLAN_PRESENT;
        out.push(Action::PushVlan { tpid, tci: tci & !VLAN_PRESENT });
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
        let outer = self.get(Field::InnerVlanTci, out) as u16;
        let inner = self.buried.pop();
        self.tags(outer, inner, out);
    }

    /// What the tags are from now on, in the frame too.
    fn tags(&mut self, outer: u16, inner: u16, out: &mut Translation) {
        for (field, tci) in [(Field::VlanTci, outer), (Field::InnerVlanTci, inner)] {
            self.set(field, tci.into(), field.max(), out);
            self.dirty.set(field, 0);
        }
        self.tagged = outer & VLAN_PRESENT != 0;
    }

    /// Writes out what the frame does not say yet.
    pub(super) fn commit(&mut self, out: &mut Translation) {
        if self.dirty.get(Field::VlanTci) != 0 {
            self.commit_vlan(out);
        }
        for field in EDITABLE.iter().copied() {
            let bits = self.dirty.get(field);
            if bits == 0 || !self.has(field, out) {
                continue;
            }
            self.dirty.set(field, 0);
            // What the frame said in these bits was never looked at, so they are written even when this frame says so already.
            write(field, self.wish.get(field), bits, out);
        }
    }

    /// A tag set on an untagged frame is added, one cleared is removed (mod_vlan_vid, set_field of vlan_tci).
    fn commit_vlan(&mut self, out: &mut Translation) {
        // Whether there is one decides between adding and changing, known or not.
        out.depend(usize::from(Field::VlanTci.slot().word), VLAN_PRESENT.into());
        let bits = self.dirty.get(Field::VlanTci) & !u128::from(VLAN_PRESENT);
        self.dirty.set(Field::VlanTci, 0);
        let wished = self.read(PRESENT, out) != 0;
        match (self.tagged, wished) {
            (true, true) => write(Field::VlanTci, self.wish.get(Field::VlanTci), bits, out),
            (false, true) => {
                let tci = self.get(Field::VlanTci, out) as u16;
                out.push(Action::PushVlan { tpid: ethertype::VLAN, tci: tci & !VLAN_PRESENT });
                self.tagged = true;
            }
            (true, false) => self.pop(out),
            (false, false) => {}
        }
    }

    /// Whether the frame has the header that the field is in; a rule without the prerequisite cannot invent it.
    fn has(&self, field: Field, out: &mut Translation) -> bool {
        if matches!(field, Field::EthSrc | Field::EthDst) {
            return true;
        }
        let ether_type = self.get(Field::EthType, out) as u16;
        let ip = matches!(ether_type, ethertype::IPV4 | ethertype::IPV6);
        match field {
            Field::NwSrc | Field::NwDst => matches!(ether_type, ethertype::IPV4 | ethertype::ARP),
            Field::ArpSha | Field::ArpTha | Field::NwProto => ether_type == ethertype::ARP,
            Field::NwTos | Field::NwTtl => ip,
            Field::Ipv6Src | Field::Ipv6Dst | Field::Ipv6Label => ether_type == ethertype::IPV6,
            Field::TpSrc | Field::TpDst if ip => match self.get(Field::NwProto, out) as u8 {
                TCP | UDP | ICMP | ICMPV6 => self.get(Field::NwFrag, out) & 2 == 0,
                // The checksum of a fragment's datagram cannot be kept right.
                SCTP => self.get(Field::NwFrag, out) == 0,
                _ => false,
            },
            Field::NdTarget | Field::NdSll | Field::NdTll if ether_type == ethertype::IPV6 => {
                self.has_neighbour(field, out)
            }
            _ => false,
        }
    }

    /// Whether the frame is a neighbour solicitation or advertisement, and has such a field.
    fn has_neighbour(&self, field: Field, out: &mut Translation) -> bool {
        // ICMP has a byte where ports have two.
        let byte = |field| Part { field, offset: 0, bits: 8 };
        let whole = self.get(Field::NwProto, out) as u8 == ICMPV6 && self.get(Field::NwFrag, out) & 2 == 0;
        let kind = |out: &mut Translation| self.read(byte(Field::TpSrc), out) as u8;
        whole
            && match field {
                Field::NdSll => kind(out) == NEIGHBOR_SOLICITATION,
                Field::NdTll => kind(out) == NEIGHBOR_ADVERTISEMENT,
                _ => matches!(kind(out), NEIGHBOR_SOLICITATION | NEIGHBOR_ADVERTISEMENT),
            }
            && self.read(byte(Field::TpDst), out) == 0
    }
}

/// Writes bits of a field.
fn write(field: Field, value: u128, mask: u128, out: &mut Translation) {
    Edit::of(field, value, mask).for_each(|edit| out.push(Action::Edit(edit)));
}

/// Fields of neighbour discovery.
const ND: [Field; 3] = [Field::NdTarget, Field::NdSll, Field::NdTll];

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
    Field::NdSll,
    Field::NdTll,
];
