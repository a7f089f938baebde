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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::{OfPort, extract};
    use crate::mem::FramePool;
    use crate::tunnel::{Fragmenting, Remedy, answer};
    use af_xdp::{Umem, UmemConfig};
    use etherparse::{PacketBuilder, SlicedPacket, TcpHeader, TcpOptions, TransportSlice};
    use proptest::prelude::*;

    fn syn(options: &[u8]) -> Vec<u8> {
        let mut header = TcpHeader::new(4000, 80, 7, 1000);
        header.syn = true;
        header.options = TcpOptions::try_from_slice(options).unwrap();
        let builder = PacketBuilder::ethernet2([2; 6], [4; 6]).ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64);
        let mut frame = Vec::new();
        builder.tcp_header(header).write(&mut frame, b"").unwrap();
        frame
    }

    /// The frame afterwards; None where nothing was lowered.
    fn clamped(frame: &[u8], mss: Mss, frame_max: usize) -> Option<Vec<u8>> {
        let umem = Umem::new(&UmemConfig { frames: 1, ..UmemConfig::default() }).unwrap();
        let mut held = FramePool::new(umem.take_frames()).take().unwrap();
        assert!(held.copy_from(frame));
        let done = clamp(&mut held, mss, frame_max);
        assert!(done || held.bytes() == frame);
        done.then(|| held.bytes().to_vec())
    }

    #[test]
    fn rfc9293_s3_7_1_the_size_is_what_fits_without_the_fixed_headers() {
        for before in [&[][..], &[1], &[1, 1], &[3, 3, 7]] {
            let lowered = clamped(&syn(&[before, &[2, 4, 5, 0xb4]].concat()), Mss::Fit, 14 + 1450).unwrap();
            let sliced = SlicedPacket::from_ethernet(&lowered).unwrap();
            let Some(TransportSlice::Tcp(tcp)) = &sliced.transport else { panic!("no TCP") };
            let at = before.len();
            assert_eq!(tcp.options()[at..at + 4], [2, 4, 5, 0x82], "1410");
            let right = tcp.to_header().calc_checksum_ipv4_raw([10, 0, 0, 1], [10, 0, 0, 2], &[]).unwrap();
            assert_eq!(tcp.checksum(), right, "at an even and at an odd place");
        }
    }

    #[test]
    fn an_option_that_does_not_add_up_is_left_alone() {
        for options in [
            &[2, 3, 5, 0xb4][..],
            &[2, 5, 5, 0xb4],
            &[7, 0, 2, 4, 5, 0xb4],
            &[7, 1, 2, 4],
            &[0, 2, 4, 5],
            &[1, 1, 1, 2],
        ] {
            assert_eq!(clamped(&syn(options), Mss::Fixed(600), 0), None, "{options:?}");
        }
        assert_eq!(clamped(&syn(&[2, 4, 5, 0xb4]), Mss::Fit, 54), None, "there is no room for a single byte");
    }

    proptest! {
        /// Whatever a guest sends: a size is lowered, a packet cut or answered, and nothing panics.
        #[test]
        fn no_bytes_make_it_panic(
            start in prop::sample::select(vec![syn(&[2, 4, 5, 0xb4]), vec![0; 14]]),
            noise in prop::collection::vec((0usize..120, any::<u8>()), 0..12),
            tail in prop::collection::vec(any::<u8>(), 0..200),
            frame_max in 0usize..300,
        ) {
            let mut bytes = [start, tail].concat();
            let len = bytes.len();
            noise.iter().for_each(|(at, value)| bytes[at % len] = *value);
            let umem = Umem::new(&UmemConfig { frames: 1, ..UmemConfig::default() }).unwrap();
            let mut frame = FramePool::new(umem.take_frames()).take().unwrap();
            prop_assert!(frame.copy_from(&bytes));
            let mut key = FlowKey::default();
            let _ = extract(&bytes, OfPort(1), None, &mut key);
            clamp(&mut frame, Mss::Fit, frame_max);
            match Remedy::of(frame.bytes(), frame_max, Fragmenting::Inner) {
                Remedy::Fragment(cuts) => prop_assert!(cuts.cut(cuts.count() - 1, &mut frame).is_some()),
                Remedy::Tell(mtu) => {
                    answer::may_be_told(&key);
                    let _ = answer::answer(&mut frame, &key, mtu, 2000);
                }
                Remedy::Trim(len) => prop_assert!(len <= frame_max.max(14)),
                Remedy::Nothing => {}
            }
        }
    }
}
