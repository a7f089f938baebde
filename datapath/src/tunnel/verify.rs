//! Checksums of outer UDP and of GRE, which cover the inner frame.
//!
//! A sender on this host may have left a checksum to the device: its own, or that of the inner transport header. In the second
//! case Linux has made the outer one for what the frame will be when the inner one is filled in (local checksum offload,
//! Documentation/networking/checksum-offloads.rst), so that is what it is compared with.

use crate::flow::{FlowKey, OfPort, extract};
use crate::wire::checksum::{Sum, partial, update};
use crate::wire::udp;

/// Whether `udp`, which carries `inner`, is as it was sent. `pseudo` makes the sum of the pseudo-header for a length.
pub(super) fn udp_is_right(udp: &udp::View<'_>, pseudo: Sum, inner: &[u8]) -> bool {
    let covered = pseudo.combine(udp.summed());
    is_right(covered, inner) || partial(pseudo, udp.checksum())
}

/// Whether what was `covered` by a checksum, itself included, is as it was sent. `inner` is the frame at its end.
pub(super) fn is_right(covered: Sum, inner: &[u8]) -> bool {
    covered.is_valid() || will_be_right(covered, inner)
}

#[cold]
fn will_be_right(covered: Sum, inner: &[u8]) -> bool {
    let mut key = FlowKey::default();
    let Ok(Some(unfilled)) = extract(inner, OfPort(0), None, &mut key) else { return false };
    let transport = &inner[unfilled.start..unfilled.end];
    let [high, low] = [transport[unfilled.field], transport[unfilled.field + 1]];
    // A checksum makes all that it covers sum up to the complement of what the field held: the pseudo-header.
    let filled = !u16::from_be_bytes([high, low]);
    Sum::from(!update(!covered.folded(), Sum::of(transport), Sum::from(filled))).is_valid()
}
