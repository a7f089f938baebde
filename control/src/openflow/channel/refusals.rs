//! The message that tells why a request is refused.

use crate::openflow::{Code, Envelope, Message, Refusal};
use bytes::Bytes;

/// Bytes of a request that an error quotes: 64 at least (OpenFlow 1.3.5 section 7.4.4), and as `lib/ofp-errors.c` of Open vSwitch no more.
const QUOTED: usize = 64;

/// The message that refuses a request.
pub fn refusal(xid: u32, code: Code, request: &Bytes) -> Envelope {
    let quoted = request.slice(..request.len().min(QUOTED));
    Envelope::new(xid, Message::Error(Refusal::Ours(code, quoted)))
}
