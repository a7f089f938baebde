//! The commonest frame, read in whole words: TCP or UDP over IPv4, without tags, without options, not a fragment.
//!
//! It must come to exactly what the general way comes to (`the_plain_way_is_the_general_way` holds them against each other); it is
//! here because most of what a packet of a known flow costs is reading it (`scripts/bench instructions`). The words of a key are laid out
//! so that those of such a frame are words of its headers, masked. What it does not know at a glance it leaves to the general way.

use super::extract::Unfilled;
use super::field::Field;
use super::key::Short;
use crate::wire::{ethertype, ipv4, protocol, tcp, udp};

/// Where the packet starts, and the transport header of one without options.
const NETWORK: usize = 14;
const TRANSPORT: usize = NETWORK + ipv4::HEADER_LEN;
const UDP_END: usize = TRANSPORT + udp::HEADER_LEN;
const TCP_END: usize = TRANSPORT + tcp::HEADER_LEN;
const TCP_FLAGS: usize = TRANSPORT + 12;
/// The Ethernet type, the version, and the length of the header.
const TYPE_AND_VERSION: u32 = (ethertype::IPV4 as u32) << 8 | 0x45;
/// Of the word behind the type of service: more fragments follow, or there were some (RFC 791 section 3.1).
const FRAGMENTS: u64 = 0x3fff << 16;

/// The first line of the key of a frame that is plain, on top of what is known of where it comes from; and whether its checksum
/// may be [`unfilled`]. None when it is not plain.
#[inline(always)]
pub(super) fn read(frame: &[u8], origin: &Short) -> Option<(Short, bool)> {
    let head: &[u8; UDP_END] = frame.first_chunk()?;
    let type_to_tos = be32(head, NETWORK - 2);
    let length_to_protocol = be64(head, NETWORK + 2);
    let total = (length_to_protocol >> 48) as usize;
    // Not shorter than the shortest, and not longer than the frame: one comparison, since a length below wraps round.
    let fits = total.wrapping_sub(UDP_END - NETWORK) <= frame.len() - UDP_END;
    if type_to_tos >> 8 != TYPE_AND_VERSION || length_to_protocol & FRAGMENTS != 0 || !fits {
        return None;
    }
    let (flags, checksum) = match length_to_protocol as u8 {
        protocol::UDP => (0, be16(head, TRANSPORT + udp::at::CHECKSUM)),
        protocol::TCP if total >= ipv4::HEADER_LEN + tcp::HEADER_LEN => {
            let head: &[u8; TCP_END] = frame.first_chunk()?;
            (be16(head, TCP_FLAGS) & 0x0fff, be16(head, TRANSPORT + tcp::at::CHECKSUM))
        }
        _ => return None,
    };
    let addresses = be64(head, NETWORK + 12);

    let mut short = origin.begun();
    short.give_upper(Field::EthDst, be64(head, 0));
    short.give_upper(Field::EthSrc, be64(head, 6));
    short.give(Field::EthType, ethertype::IPV4);
    short.give_both(Field::NwTtl, Field::NwProto, length_to_protocol & 0xffff);
    short.give_both(Field::NwSrc, Field::NwDst, addresses);
    short.give_both(Field::TpSrc, Field::TpDst, be32(head, TRANSPORT).into());
    short.give(Field::TcpFlags, flags);
    short.give(Field::NwTos, type_to_tos as u8);

    // Two sums that are not zero are the same when they are congruent modulo 65,535, and the words of the pseudo-header add up in
    // any width.
    let pseudo = || {
        let (source, destination) = (addresses >> 32, addresses & 0xffff_ffff);
        source + destination + (length_to_protocol & 0xff) + (total - ipv4::HEADER_LEN) as u64
    };
    let suspect = checksum != 0 && (pseudo() + 0xffff - u64::from(checksum)).is_multiple_of(0xffff);
    Some((short, suspect))
}

/// Of a plain frame whose checksum is the sum of its pseudo-header. See `is_unfilled` in [`extract`](mod@super::extract).
#[inline(never)]
pub(super) fn unfilled(frame: &[u8]) -> Option<Unfilled> {
    let head: &[u8; UDP_END] = frame.first_chunk()?;
    let total = usize::from(be16(head, NETWORK + ipv4::at::TOTAL_LEN));
    let is_udp = head[NETWORK + ipv4::at::PROTOCOL] == protocol::UDP;
    let field = if is_udp { udp::at::CHECKSUM } else { tcp::at::CHECKSUM };
    let length = usize::from(be16(head, TRANSPORT + udp::at::LENGTH));
    let whole = !is_udp || length + ipv4::HEADER_LEN == total;
    whole.then_some(Unfilled { start: TRANSPORT, field, end: NETWORK + total })
}

#[inline(always)]
fn be64<const N: usize>(head: &[u8; N], at: usize) -> u64 {
    head[at..].first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

#[inline(always)]
fn be32<const N: usize>(head: &[u8; N], at: usize) -> u32 {
    head[at..].first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes))
}

#[inline(always)]
fn be16<const N: usize>(head: &[u8; N], at: usize) -> u16 {
    head[at..].first_chunk().map_or(0, |bytes| u16::from_be_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::extract::{self, Origin};
    use crate::flow::{FlowKey, FlowMask, KeyHash, OfPort, Scope, Seed};
    use crate::wire::checksum;
    use proptest::prelude::*;
    use proptest::strategy::ValueTree;
    use std::net::Ipv4Addr;

    /// A frame that would be plain, some of whose bytes were changed, cut short or padded.
    fn frames() -> impl Strategy<Value = Vec<u8>> {
        let length = 28..70_usize;
        let changed = (0..60_usize, any::<u8>());
        let at =
            |frame: &mut Vec<u8>, at: usize, bytes: &[u8]| frame[at..at + bytes.len()].copy_from_slice(bytes);
        (
            proptest::collection::vec(any::<u8>(), 90),
            length,
            prop_oneof![Just(6_u8), Just(17), any::<u8>()],
            proptest::collection::vec(changed, 0..2),
            0..90_usize,
            any::<[bool; 4]>(),
        )
            .prop_map(move |(mut frame, length, proto, changes, cut, [fit, cuts, unfilled, udp])| {
                at(&mut frame, 12, &[0x08, 0x00, 0x45]);
                at(&mut frame, 16, &(length as u16).to_be_bytes());
                at(&mut frame, 20, &[0x40, 0x00]);
                frame[23] = proto;
                let transport = (length as u16).saturating_sub(20);
                if udp {
                    at(&mut frame, 38, &transport.to_be_bytes());
                }
                if unfilled {
                    let address =
                        |at: usize| Ipv4Addr::new(frame[at], frame[at + 1], frame[at + 2], frame[at + 3]);
                    let sum = checksum::pseudo_v4(address(26), address(30), proto, transport)
                        .folded()
                        .to_be_bytes();
                    at(&mut frame, if proto == 6 { 50 } else { 40 }, &sum);
                }
                for (place, byte) in changes {
                    frame[place] = byte;
                }
                frame.truncate(if fit {
                    14 + length
                } else if cuts {
                    cut
                } else {
                    90
                });
                frame
            })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        #[test]
        fn the_plain_way_is_the_general_way(frame in frames()) {
            let mut few = FlowMask::default();
            few.set(Field::InPort, u128::MAX);
            few.set(Field::EthSrc, u128::MAX);
            let scopes = [Scope::everything(Seed::new(5)), Scope::of(&few, Seed::new(5))];
            let (mut plain, mut general) = (FlowKey::default(), FlowKey::default());
            let mut short = Short::default();
            short.give(Field::InPort, 7_u32);
            let generally = generally(&frame, short, &mut general);
            prop_assert_eq!(extract::extract(&frame, OfPort(7), None, &mut plain), generally);
            if generally.is_ok() {
                prop_assert_eq!(&plain, &general);
            }
            for scope in scopes {
                let origin = Origin::port(OfPort(7), &scope);
                if let Some(suspect) = extract::read_plain(&frame, &origin, &mut plain) {
                    let mut hash = [KeyHash::default()];
                    scope.hash_each(std::slice::from_ref(&plain), &[origin.hash()], &mut hash, |_| ());
                    prop_assert_eq!(hash[0], scope.hash(&general));
                    prop_assert!(suspect || generally == Ok(None));
                    prop_assert_eq!(&plain, &general);
                }
            }
        }
    }

    fn generally(
        frame: &[u8],
        short: Short,
        key: &mut FlowKey,
    ) -> Result<Option<Unfilled>, crate::stats::DropReason> {
        extract::any(frame, short, key)
    }

    #[test]
    fn most_frames_of_the_law_are_plain() {
        let mut runner = proptest::test_runner::TestRunner::deterministic();
        let plain = (0..1000).filter(|_| {
            let frame = frames().new_tree(&mut runner).map(|tree| tree.current()).unwrap_or_default();
            read(&frame, &Short::default()).is_some()
        });
        let plain = plain.count();
        assert!((200..900).contains(&plain), "{plain} of 1000");
    }
}
