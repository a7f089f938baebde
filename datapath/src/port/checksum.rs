//! Filling in the transport checksum that a sender left to the device, where no device will.

use crate::mem::Frame;
use crate::wire::checksum::Sum;
use crate::wire::udp;

/// Fills in the checksum that `frame` still asks for. The field holds the sum of the pseudo-header already, so the sum over
/// the transport header and payload, field included, is the whole.
#[inline]
pub fn finish_checksum(frame: &mut Frame<'_>) {
    if let Some((start, field)) = frame.checksum_request() {
        finish(frame, start, field);
    }
}

#[inline(never)]
fn finish(frame: &mut Frame<'_>, start: usize, field: usize) {
    frame.clear_checksum_request();
    let transport = &mut frame.bytes_mut()[start..];
    let sum = Sum::of(transport);
    // Only UDP has its field there, and only for UDP does zero mean "none" (RFC 768).
    let value = if field == udp::at::CHECKSUM { sum.udp_checksum() } else { sum.checksum() };
    transport[field..field + 2].copy_from_slice(&value.to_be_bytes());
}
