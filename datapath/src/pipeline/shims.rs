//! Labels and provider backbones while rules work on a frame: what pushing and popping does to what rules see.
//!
//! A key shows three labels, what lies below them, and the customer's frame behind a backbone's header (`flow/shim.rs`), so what
//! comes to the front is known without reading the frame again (`docs/adr/0005-keys-show-what-pops-bring-to-the-front.md`).
//! Where rules would bring to the front what a key does not show, the frame is dropped: no rule is matched by what is not
//! known. What lies behind an Ethernet type, a protocol or a bottom-of-stack bit that a rule has set is not looked at again:
//! all its fields are zero.

use super::commit::write;
use super::rule::Part;
use super::state::State;
use super::translation::Translation;
use crate::action::Action;
use crate::flow::Field;
use crate::flow::shim::LABELS;
use crate::stats::DropReason;
use crate::wire::{ethernet, ethertype, mpls, pbb, vlan};

/// Words of the addresses and tags: of the frame, and of the customer's frame in it.
const FRAME: [usize; 2] = [Field::EthDst.slot().word as usize, Field::EthSrc.slot().word as usize];
const CUSTOMER: [usize; 2] =
    [Field::CustomerDst.slot().word as usize, Field::CustomerSrc.slot().word as usize];

/// What of a key shows what is in the frame.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shims {
    /// Where in the frame's key the words of its addresses and tags came from.
    frame: [u8; 2],
    /// Where those of the customer's frame came from.
    customer: [u8; 2],
    /// How many places for labels, from the outermost on, say what the frame has there.
    labels: usize,
    /// Whether the places of the customer's frame do.
    inside: bool,
    /// Whether the fields of the network header do.
    network: bool,
}

impl Shims {
    pub(super) const OF_A_FRAME: Shims = Shims {
        frame: [FRAME[0] as u8, FRAME[1] as u8],
        customer: [CUSTOMER[0] as u8, CUSTOMER[1] as u8],
        labels: LABELS,
        inside: true,
        network: true,
    };

    /// The word of the frame's key that a word, where it is not known, came from.
    #[inline]
    pub(super) fn origin(&self, word: usize) -> usize {
        let Shims { frame, customer, .. } = self;
        match word {
            word if word == FRAME[0] => frame[0].into(),
            word if word == FRAME[1] => frame[1].into(),
            word if word == CUSTOMER[0] => customer[0].into(),
            word if word == CUSTOMER[1] => customer[1].into(),
            word => word,
        }
    }
}

/// The entries of a label stack, the outermost first.
const STACK: [Field; LABELS] = [Field::MplsLse, Field::InnerMplsLse, Field::ThirdMplsLse];
/// Bytes of an entry of a label stack.
const LABEL: i32 = mpls::HEADER_LEN as i32;
/// Bytes of a provider backbone's header, without tags.
const BACKBONE: i32 = (ethernet::HEADER_LEN + pbb::HEADER_LEN) as i32;
const VLAN_PRIORITY: Part = Part { field: Field::VlanTci, offset: 13, bits: 3 };
const VLAN_PRESENT: Part = Part { field: Field::VlanTci, offset: 12, bits: 1 };

impl State<'_> {
    /// OpenFlow 1.3.5 section 5.12: behind all tags; label and traffic class are those of the entry that was outermost, or zero,
    /// the time to live that of the header that was outermost, or zero.
    pub(super) fn push_mpls(&mut self, ether_type: u16, out: &mut Translation) -> Result<(), DropReason> {
        self.commit(out);
        let below = self.type_behind_tags(out)?;
        let entry = if mpls::is_stack(below) {
            self.bury_label(out)?
        } else {
            let ttl = if self.is_ip(out) { self.get(Field::NwTtl, out) as u8 } else { 0 };
            self.settle(Field::InnerMplsLse, 0, out);
            self.settle(Field::ThirdMplsLse, 0, out);
            let fields = matches!(below, ethertype::IPV4 | ethertype::IPV6 | ethertype::ARP);
            let payload = if fields && self.shims.network { below } else { 0 };
            self.settle(Field::MplsPayload, payload.into(), out);
            if below == ethertype::PBB {
                // What is below labels is read when it is a packet, and no further than that.
                self.blank_service(out);
                self.blank_network(out);
            }
            self.shims.labels = LABELS;
            mpls::Entry::new(0, 0, true, ttl)
        };
        out.push(Action::PushMpls { ether_type, entry });
        self.grown += LABEL;
        self.settle(Field::MplsLse, entry.0.into(), out);
        self.settle(Field::EthType, ether_type.into(), out);
        Ok(())
    }

    /// The entries move one down; the one to be put on them.
    fn bury_label(&mut self, out: &mut Translation) -> Result<mpls::Entry, DropReason> {
        const BOTTOM: u32 = 0x100;
        if self.shims.labels == 0 {
            return Err(DropReason::TooManyHeaders);
        }
        let [outer, second] = [STACK[0], STACK[1]].map(|entry| self.get(entry, out) as u32);
        if (outer | second) & BOTTOM == 0 {
            // The bottom is, or gets, behind what a key shows.
            self.blank_network(out);
        }
        self.settle(STACK[1], outer.into(), out);
        self.settle(STACK[2], if outer & BOTTOM == 0 { second.into() } else { 0 }, out);
        self.shims.labels = LABELS.min(self.shims.labels + 1);
        Ok(mpls::Entry(outer & !BOTTOM))
    }

    /// A frame without a label stack is left as it is.
    pub(super) fn pop_mpls(&mut self, ether_type: u16, out: &mut Translation) -> Result<(), DropReason> {
        self.commit(out);
        if !mpls::is_stack(self.ether_type(out)) {
            return Ok(());
        }
        let more = mpls::is_stack(ether_type);
        let bottom = self.shims.labels > 0 && self.get(Field::MplsBos, out) != 0;
        // What comes to the front must be known.
        if self.shims.labels == 0 || more && (bottom || self.shims.labels == 1) {
            return Err(DropReason::TooManyHeaders);
        }
        out.push(Action::PopMpls { ether_type });
        self.grown -= LABEL;
        if more {
            for (from, to) in [(STACK[1], STACK[0]), (STACK[2], STACK[1])] {
                let entry = self.get(from, out);
                self.settle(to, entry, out);
            }
            self.settle(STACK[2], 0, out);
            self.shims.labels -= 1;
        } else {
            let payload = if bottom { self.get(Field::MplsPayload, out) as u16 } else { 0 };
            STACK.into_iter().for_each(|entry| self.settle(entry, 0, out));
            self.shims.labels = LABELS;
            match payload == ether_type {
                true => self.settle(Field::MplsPayload, 0, out),
                false => self.blank_network(out),
            }
            if ether_type == ethertype::PBB {
                self.blank_service(out);
            }
        }
        self.settle(Field::EthType, ether_type.into(), out);
        Ok(())
    }

    /// OpenFlow 1.3.5 section 5.12: in front of everything, with the addresses of the frame; the service is that of the header that
    /// was outermost, or zero, its priority that of the VLAN tag.
    pub(super) fn push_pbb(&mut self, out: &mut Translation) -> Result<(), DropReason> {
        self.commit(out);
        let below = self.type_behind_tags(out)?;
        let service = if below == ethertype::PBB { self.get(Field::PbbIsid, out) as u32 } else { 0 };
        let mut priority = 0;
        match self.read(VLAN_PRESENT, out) {
            // Bits without the one that says "present" are no tag.
            0 => self.settle(Field::VlanTci, 0, out),
            _ => priority = self.read(VLAN_PRIORITY, out) as u8,
        }
        let tci = pbb::Tci::new(priority, false, false, service);
        out.push(Action::PushPbb { tci });
        self.grown += BACKBONE;
        if below == ethertype::PBB {
            // Of a customer's customer a key shows nothing.
            self.blank_stack(out);
            self.blank_network(out);
        }
        for (frame, customer) in FRAME.into_iter().zip(CUSTOMER) {
            self.take_word(frame, customer, out);
        }
        self.shims.customer = self.shims.frame;
        self.shims.inside = true;
        self.settle(Field::CustomerType, below.into(), out);
        self.settle(Field::PbbTci, tci.0.into(), out);
        self.settle(Field::EthType, ethertype::PBB.into(), out);
        self.buried.wrap();
        self.tags(0, 0, out);
        Ok(())
    }

    /// The customer's frame comes to the front. A frame without a backbone's header is left as it is.
    pub(super) fn pop_pbb(&mut self, out: &mut Translation) -> Result<(), DropReason> {
        self.commit(out);
        if self.ether_type(out) != ethertype::PBB {
            return Ok(());
        }
        let ether_type = self.get(Field::CustomerType, out) as u16;
        if !self.shims.inside || ether_type == ethertype::PBB {
            return Err(DropReason::TooManyHeaders);
        }
        if ether_type == 0 {
            // Cut short: there is no customer's frame.
            return Ok(());
        }
        self.grown -= BACKBONE + self.tags_len(out);
        out.push(Action::PopPbb);
        for (frame, customer) in FRAME.into_iter().zip(CUSTOMER) {
            self.take_word(customer, frame, out);
        }
        self.shims.frame = self.shims.customer;
        self.settle(Field::EthType, ether_type.into(), out);
        self.blank_service(out);
        self.shims.inside = true;
        self.buried.unwrap();
        self.see_tags();
        Ok(())
    }

    /// From the second header that has a time to live to the outermost one (OpenFlow 1.3.5 section 5.12).
    pub(super) fn copy_ttl_out(&mut self, out: &mut Translation) -> Result<(), DropReason> {
        if let Some((outer, inner)) = self.times_to_live(out)? {
            let ttl = self.get(inner, out);
            self.set(outer, ttl, outer.max(), out);
        }
        Ok(())
    }

    /// From the outermost header that has a time to live to the second one.
    pub(super) fn copy_ttl_in(&mut self, out: &mut Translation) -> Result<(), DropReason> {
        if let Some((outer, inner)) = self.times_to_live(out)? {
            let ttl = self.get(outer, out);
            self.set(inner, ttl, inner.max(), out);
        }
        Ok(())
    }

    /// The two outermost that there are; None when there are not two.
    fn times_to_live(&mut self, out: &mut Translation) -> Result<Option<(Field, Field)>, DropReason> {
        if self.is_ip(out) {
            let more = self.get(Field::InnerIp, out) != 0;
            return Ok(more.then_some((Field::NwTtl, Field::InnerTtl)));
        }
        if !mpls::is_stack(self.ether_type(out)) {
            return Ok(None);
        }
        self.knows_front_label()?;
        if self.get(Field::MplsBos, out) == 0 {
            let known = self.shims.labels > 1;
            return if known {
                Ok(Some((Field::MplsTtl, Field::InnerMplsTtl)))
            } else {
                Err(DropReason::TooManyHeaders)
            };
        }
        let payload = self.get(Field::MplsPayload, out) as u16;
        let ip = matches!(payload, ethertype::IPV4 | ethertype::IPV6);
        Ok(ip.then_some((Field::MplsTtl, Field::NwTtl)))
    }

    /// Refuses to go by a label that was never looked at.
    pub(super) fn knows_front_label(&self) -> Result<(), DropReason> {
        if self.shims.labels == 0 { Err(DropReason::TooManyHeaders) } else { Ok(()) }
    }

    pub(super) fn assign_ether_type(
        &mut self,
        value: u128,
        mask: u128,
        out: &mut Translation,
    ) -> Result<(), DropReason> {
        self.commit(out);
        let old = self.type_behind_tags(out)?;
        let new = (u128::from(old) & !mask | value & mask) as u16;
        write(Field::EthType, new.into(), Field::EthType.max(), out);
        self.settle(Field::EthType, new.into(), out);
        if new != old && !(mpls::is_stack(old) && mpls::is_stack(new)) {
            self.blank_stack(out);
            self.blank_service(out);
            self.blank_network(out);
        }
        Ok(())
    }

    /// Of IP.
    pub(super) fn assign_protocol(&mut self, value: u128, mask: u128, out: &mut Translation) {
        self.commit(out);
        let old = self.get(Field::NwProto, out);
        let new = old & !mask | value & mask;
        write(Field::NwProto, new, Field::NwProto.max(), out);
        self.settle(Field::NwProto, new, out);
        if new != old {
            TRANSPORT.iter().for_each(|(word, bits)| self.blank(*word, *bits, out));
        }
    }

    pub(super) fn assign_bottom(&mut self, bottom: bool, out: &mut Translation) {
        let had = self.get(Field::MplsBos, out) != 0;
        self.set(Field::MplsBos, bottom.into(), 1, out);
        if bottom != had {
            self.commit(out);
            STACK[1..].iter().for_each(|entry| self.settle(*entry, 0, out));
            self.shims.labels = self.shims.labels.min(1);
            self.blank_network(out);
        }
    }

    /// The Ethernet type, which is none of a tag: a frame may have more tags than a key shows, and what is behind those is not known.
    fn type_behind_tags(&self, out: &mut Translation) -> Result<u16, DropReason> {
        let ether_type = self.ether_type(out);
        if vlan::is_tag(ether_type) { Err(DropReason::TooManyHeaders) } else { Ok(ether_type) }
    }

    fn blank_stack(&mut self, out: &mut Translation) {
        STACK.into_iter().for_each(|entry| self.settle(entry, 0, out));
        self.shims.labels = 0;
    }

    fn blank_service(&mut self, out: &mut Translation) {
        for field in [Field::PbbTci, Field::CustomerDst, Field::CustomerSrc, Field::CustomerType] {
            self.settle(field, 0, out);
        }
        self.shims.inside = false;
    }

    fn blank_network(&mut self, out: &mut Translation) {
        NETWORK.iter().for_each(|(word, bits)| self.blank(*word, *bits, out));
        self.shims.network = false;
    }
}

/// Words that the fields of the network header and those behind it are in, and which of their bits.
const NETWORK: &[(usize, u64)] = &[
    (0, 0xffff),
    (3, u64::MAX),
    (4, u64::MAX),
    (8, u64::MAX),
    (9, u64::MAX),
    (10, u64::MAX),
    (11, u64::MAX),
    (12, u64::MAX),
    (13, u64::MAX),
    (14, u64::MAX),
    (15, u64::MAX),
    (16, u64::MAX),
    (25, !0xffff_ffff_0000),
];

/// Those of the fields behind the network header.
const TRANSPORT: &[(usize, u64)] =
    &[(4, !0xffff), (13, u64::MAX), (14, u64::MAX), (15, u64::MAX), (16, u64::MAX), (25, 0xffff)];
