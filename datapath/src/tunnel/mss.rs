//! Lowering the maximum segment size that a TCP connection is opened with, for those whose path MTU discovery does not work.
//!
//! Only a SYN carries the option (RFC 9293 section 3.7.1), so only SYNs are looked at. One without it is left alone: its receiver
//! assumes 536 bytes, or 1220 over IPv6.

use super::too_long::Packet;
use crate::flow::{Field, FlowKey};
use crate::mem::Frame;
use crate::wire::checksum::update16;
use crate::wire::{Fragment, ipv4, ipv6, protocol, tcp};

/// RFC 9293 section 3.7.1: the size is that of the packet without the fixed headers of IP and TCP, whatever options it has.
const V4_HEADERS: usize = ipv4::HEADER_LEN + tcp::HEADER_LEN;
const V6_HEADERS: usize = ipv6::HEADER_LEN + tcp::HEADER_LEN;
/// Where the checksum is.
const CHECKSUM: usize = tcp::at::CHECKSUM;
const SYN: u128 = 0x002;
const END_OF_LIST: u8 = 0;
const NO_OPERATION: u8 = 1;
const MAXIMUM_SEGMENT_SIZE: u8 = 2;
const OPTION_LEN: usize = 4;

/// What segments are held to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mss {
    /// What fits the way.
    Fit,
    /// This many bytes.
    Fixed(u16),
}

/// Whether a frame with this key opens a TCP connection.
#[inline]
pub fn is_syn(key: &FlowKey) -> bool {
    key.get(Field::TcpFlags) & SYN != 0 && key.get(Field::NwProto) == u128::from(protocol::TCP)
}

/// Lowers the size in `frame`, a SYN, to what `mss` says on a way that carries frames of `frame_max` bytes. True if it was higher.
#[cold]
pub fn clamp(frame: &mut Frame<'_>, mss: Mss, frame_max: usize) -> bool {
    let unfilled = frame.checksum_request().is_some();
    let Some((at, packet)) = Packet::of(frame.bytes()) else { return false };
    let (transport, headers, segment, whole) = match &packet {
        Packet::V4(ip) => {
            (at + ip.header_len(), V4_HEADERS, ip.payload(), starts_here(ip.fragment(), ip.protocol()))
        }
        Packet::V6(ip) => {
            (at + ip.payload_offset(), V6_HEADERS, ip.payload(), starts_here(ip.fragment(), ip.protocol()))
        }
    };
    let limit = match mss {
        Mss::Fixed(limit) => limit,
        Mss::Fit => match frame_max.checked_sub(at + headers) {
            Some(limit @ 1..) => limit.min(u16::MAX.into()) as u16,
            _ => return false,
        },
    };
    let Some(field) = tcp::View::parse(segment).ok().filter(|_| whole).and_then(|tcp| find(tcp.options()))
    else {
        return false;
    };
    // From the start of the TCP header: it decides which byte of a word the value begins in.
    let field = tcp::HEADER_LEN + field;
    let segment = &mut frame.bytes_mut()[transport..];
    let old = u16::from_be_bytes([segment[field], segment[field + 1]]);
    if old <= limit {
        return false;
    }
    segment[field..field + 2].copy_from_slice(&limit.to_be_bytes());
    // Whoever fills the checksum in sums all of it.
    if !unfilled {
        let word = |value: u16| if field.is_multiple_of(2) { value } else { value.swap_bytes() };
        let checksum = u16::from_be_bytes([segment[CHECKSUM], segment[CHECKSUM + 1]]);
        let checksum = update16(checksum, word(old), word(limit));
        segment[CHECKSUM..CHECKSUM + 2].copy_from_slice(&checksum.to_be_bytes());
    }
    true
}

fn starts_here(fragment: Fragment, protocol: u8) -> bool {
    fragment != Fragment::Later && protocol == protocol::TCP
}

/// Where the value of the option is; from an option that does not add up on, nothing is found.
fn find(options: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        let len = match *options.get(at)? {
            END_OF_LIST => return None,
            NO_OPERATION => 1,
            kind => {
                let len = usize::from(*options.get(at + 1)?);
                if kind == MAXIMUM_SEGMENT_SIZE {
                    return (len == OPTION_LEN && at + OPTION_LEN <= options.len()).then_some(at + 2);
                }
                if len < 2 {
                    return None;
                }
                len
            }
        };
        at += len;
    }
}
