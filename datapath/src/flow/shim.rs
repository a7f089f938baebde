//! Reads what lies between Ethernet and the network header into a key: MPLS label stacks, the service instance tags of provider
//! backbones with the customer's frame behind them; and an IP packet inside of an IP packet, as far as its time to live.
//!
//! A key shows what rules may bring to the front: behind a label stack the fields of the network header are read as if there
//! were no labels, and so are those of the customer's frame. Rules cannot look at them, since every match on such a field asks
//! for the Ethernet type as well; taking the labels or the tag off is what makes them visible (`pipeline/state.rs`). That spares
//! reading the frame a second time.

use super::extract::{self, Unfilled};
use super::field::Field;
use super::key::{FlowKey, Short};
use crate::wire::{arp, ethernet, ethertype, ipv4, ipv6, mpls, pbb, protocol};

/// Entries of a label stack that a key shows.
pub const LABELS: usize = 3;

#[cold]
pub(super) fn from_mpls(stack: &[u8], start: usize, key: &mut FlowKey) -> Option<Unfilled> {
    let mut rest = stack;
    for field in [Field::MplsLse, Field::InnerMplsLse, Field::ThirdMplsLse] {
        let view = mpls::View::parse(rest).ok()?;
        key.set(field, view.entry().0.into());
        rest = view.payload();
        if view.entry().is_bottom() {
            let payload = payload_type(rest);
            key.set(Field::MplsPayload, payload.into());
            return extract::network(payload, rest, start + stack.len() - rest.len(), key);
        }
    }
    None
}

/// What a label stack is for, as an Ethernet type; zero when it is nothing that has fields. The stack does not say: an IP packet
/// begins with its version (RFC 4928 section 3), and ARP with types that nothing else begins with.
pub fn payload_type(payload: &[u8]) -> u16 {
    match payload.first().map(|first| first >> 4) {
        Some(4) if ipv4::View::parse(payload).is_ok() => ethertype::IPV4,
        Some(6) if ipv6::View::parse(payload).is_ok() => ethertype::IPV6,
        _ if arp::View::parse(payload).is_ok() => ethertype::ARP,
        _ => 0,
    }
}

#[cold]
pub(super) fn from_pbb(tag: &[u8], start: usize, key: &mut FlowKey) -> Option<Unfilled> {
    let view = pbb::View::parse(tag).ok()?;
    let frame = ethernet::View::parse(view.payload()).ok()?;
    key.set(Field::PbbTci, view.tci().0.into());
    // The words of the customer's addresses and tags are laid out as those that a frame without a backbone has.
    let mut short = Short::default();
    short.give(Field::EthDst, extract::mac(frame.destination()));
    short.give(Field::EthSrc, extract::mac(frame.source()));
    let (ether_type, rest) = extract::behind_tags(&frame, &mut short);
    key.set(Field::CustomerDst, short.word(Field::EthDst).into());
    key.set(Field::CustomerSrc, short.word(Field::EthSrc).into());
    key.set(Field::CustomerType, ether_type.into());
    let start = start + tag.len() - rest.len();
    match ether_type {
        ethertype::MPLS | ethertype::MPLS_MULTICAST => from_mpls(rest, start, key),
        _ => extract::network(ether_type, rest, start, key),
    }
}

/// Of an IP packet that carries one.
#[inline]
pub(super) fn from_ip_in_ip(outer: &[u8], key: &mut FlowKey) {
    if matches!(key.get(Field::NwProto) as u8, protocol::IPV4 | protocol::IPV6) {
        inner_ip(outer, key);
    }
}

#[cold]
fn inner_ip(outer: &[u8], key: &mut FlowKey) {
    if let Some((version, ttl, _)) = crate::wire::ip_in_ip(outer) {
        key.set(Field::InnerIp, version.into());
        key.set(Field::InnerTtl, ttl.into());
    }
}
