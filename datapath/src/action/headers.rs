//! Adding headers to frames and taking them off: VLAN tags, MPLS labels, provider backbones.
//!
//! A header goes where OpenFlow 1.3.5 section 5.12 has it: a VLAN tag behind the addresses, a label behind all tags, a backbone's
//! header in front of everything. Taking off what is not there does nothing.

use crate::mem::Frame;
use crate::wire::{ethernet, ethertype, mpls, pbb, vlan};

/// Destination and source.
const ADDRESSES: usize = 12;
/// Tags that are looked behind: more than these a frame is not given by the rules.
const TAGS_MAX: usize = 66;

/// Where the frame goes on behind the Ethernet type that is none of a tag, and that type. None for less than an Ethernet header.
#[inline]
pub(super) fn behind_tags(bytes: &[u8]) -> Option<(usize, u16)> {
    let view = ethernet::View::parse(bytes).ok()?;
    let (mut ether_type, mut rest) = (view.ethertype(), view.payload());
    for _ in 0..TAGS_MAX {
        if !vlan::is_tag(ether_type) {
            break;
        }
        let Ok(tag) = vlan::View::parse(rest) else { break };
        (ether_type, rest) = (tag.ethertype(), tag.payload());
    }
    Some((bytes.len() - rest.len(), ether_type))
}

/// Makes room for `N` bytes at `at` and fills it. False when the frame has no room in front.
fn insert<const N: usize>(frame: &mut Frame<'_>, at: usize, header: [u8; N]) -> bool {
    if frame.len() < at || frame.push(N).is_none() {
        return false;
    }
    let bytes = frame.bytes_mut();
    bytes.copy_within(N..N + at, 0);
    bytes[at..at + N].copy_from_slice(&header);
    true
}

/// Takes the `len` bytes at `at` away.
fn remove(frame: &mut Frame<'_>, at: usize, len: usize) {
    frame.bytes_mut().copy_within(0..at, len);
    let _ = frame.pull(len);
}

/// Puts a tag behind the addresses. False when the frame has no room in front.
pub fn push_vlan(frame: &mut Frame<'_>, tpid: u16, tci: u16) -> bool {
    let ([a, b], [c, d]) = (tpid.to_be_bytes(), tci.to_be_bytes());
    frame.len() >= ethernet::HEADER_LEN && insert(frame, ADDRESSES, [a, b, c, d])
}

/// Takes the outermost tag away, if there is one.
pub fn pop_vlan(frame: &mut Frame<'_>) {
    let tagged = ethernet::View::parse(frame.bytes())
        .is_ok_and(|view| vlan::is_tag(view.ethertype()) && vlan::View::parse(view.payload()).is_ok());
    if tagged {
        remove(frame, ADDRESSES, vlan::HEADER_LEN);
    }
}

/// Puts an entry on the label stack, which is begun where there is none. False when the frame has no room in front.
pub fn push_mpls(frame: &mut Frame<'_>, ether_type: u16, entry: mpls::Entry) -> bool {
    let Some((behind, _)) = behind_tags(frame.bytes()) else { return false };
    if !insert(frame, behind, entry.to_bytes()) {
        return false;
    }
    frame.bytes_mut()[behind - 2..behind].copy_from_slice(&ether_type.to_be_bytes());
    true
}

/// Takes the outermost entry off the label stack. What follows is of this Ethernet type.
pub fn pop_mpls(frame: &mut Frame<'_>, ether_type: u16) {
    let Some((behind, have)) = behind_tags(frame.bytes()) else { return };
    if mpls::is_stack(have) && frame.len() >= behind + mpls::HEADER_LEN {
        remove(frame, behind, mpls::HEADER_LEN);
        frame.bytes_mut()[behind - 2..behind].copy_from_slice(&ether_type.to_be_bytes());
    }
}

/// Puts a backbone's header in front, with the addresses that the frame has. False when the frame has no room in front.
pub fn push_pbb(frame: &mut Frame<'_>, tci: pbb::Tci) -> bool {
    const LEN: usize = ethernet::HEADER_LEN + pbb::HEADER_LEN;
    let Some(addresses) = frame.bytes().first_chunk::<ADDRESSES>().copied() else { return false };
    let mut header = [0; LEN];
    header[..ADDRESSES].copy_from_slice(&addresses);
    header[ADDRESSES..ethernet::HEADER_LEN].copy_from_slice(&ethertype::PBB.to_be_bytes());
    header[ethernet::HEADER_LEN..].copy_from_slice(&tci.to_bytes());
    insert(frame, 0, header)
}

/// Takes the backbone's header away, tags and all.
pub fn pop_pbb(frame: &mut Frame<'_>) {
    let Some((behind, have)) = behind_tags(frame.bytes()) else { return };
    let customer = behind + pbb::HEADER_LEN;
    if have == ethertype::PBB && frame.len() >= customer + ethernet::HEADER_LEN {
        let _ = frame.pull(customer);
    }
}
