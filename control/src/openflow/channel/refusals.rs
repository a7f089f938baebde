//! The message that tells why a request is refused.

use crate::openflow::{Code, Envelope, Message, Refusal};
use bytes::Bytes;

/// Bytes of a request that an error quotes: 64 at least (OpenFlow 1.3.5 section 7.4.4); as with Open vSwitch, all that an error has room
/// for behind its own header and that of an experimenter's error.
const QUOTED: usize = u16::MAX as usize - 20;

/// The message that refuses a request.
pub fn refusal(xid: u32, code: Code, request: &Bytes) -> Envelope {
    let quoted = request.slice(..request.len().min(QUOTED));
    Envelope::new(xid, Message::Error(Refusal::Ours(code, quoted)))
}
