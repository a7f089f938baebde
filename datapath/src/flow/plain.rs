//! The commonest frame, read in whole words: TCP or UDP over IPv4, without tags, without options, not a fragment.
//!
//! It must come to exactly what the general way comes to (`the_plain_way_is_the_general_way` holds them against each other); it is
//! here because it saves some fifty instructions of a packet's five hundred (`scripts/bench instructions`). What it does not know at a glance it leaves
//! to the general way.

use super::extract::Unfilled;
use super::field::Field;
use super::key::Short;
use crate::wire::{checksum, ethertype, protocol, udp};
use std::net::Ipv4Addr;

/// Where the packet starts, and the transport header of one without options.
const NETWORK: usize = 14;
const TRANSPORT: usize = NETWORK + 20;
const TCP_LEN: usize = 20;
const TCP_FLAGS: usize = TRANSPORT + 12;
const TCP_CHECKSUM: usize = 16;

/// Adds the fields of a frame that is plain. None, and nothing is added, when it is not.
#[inline(always)]
pub(super) fn add(frame: &[u8], short: &mut Short) -> Option<Option<Unfilled>> {
    let head: &[u8; TRANSPORT + udp::HEADER_LEN] = frame.first_chunk()?;
    let destination_and_source = be64(head, 0);
    let source_and_type = be64(head, 8);
    let [type_high, type_low, version, tos] = (source_and_type as u32).to_be_bytes();
    let lengths_and_protocol = be64(head, NETWORK + 2);
    let total = (lengths_and_protocol >> 48) as usize;
    // More fragments follow, or there were some: RFC 791 section 3.1.
    let whole = lengths_and_protocol >> 16 & 0x3fff == 0;
    let end = NETWORK + total;
    if u16::from_be_bytes([type_high, type_low]) != ethertype::IPV4
        || version != 0x45
        || !whole
        || end > frame.len()
    {
        return None;
    }
    let (ttl, proto) = ((lengths_and_protocol >> 8) as u8, lengths_and_protocol as u8);
    let transport = end.checked_sub(TRANSPORT)?;
    let (flags, field) = match proto {
        protocol::UDP if transport >= udp::HEADER_LEN => (0, udp::at::CHECKSUM),
        protocol::TCP if transport >= TCP_LEN => (be16(frame, TCP_FLAGS)? & 0x0fff, TCP_CHECKSUM),
        _ => return None,
    };
    let addresses = be64(head, NETWORK + 12);
    let ports = be64(head, TRANSPORT - 4) as u32;

    short.give(Field::EthDst, destination_and_source >> 16);
    short.give(Field::EthSrc, (destination_and_source & 0xffff) << 32 | source_and_type >> 32);
    short.give(Field::EthType, ethertype::IPV4);
    short.give(Field::NwProto, proto);
    short.give(Field::NwSrc, addresses >> 32);
    short.give(Field::NwDst, addresses & 0xffff_ffff);
    short.give(Field::TpSrc, ports >> 16);
    short.give(Field::TpDst, ports & 0xffff);
    short.give(Field::TcpFlags, flags);
    short.give(Field::NwTos, tos);
    short.give(Field::NwTtl, ttl);

    let have = be16(frame, TRANSPORT + field)?;
    // See `is_unfilled` in `extract`.
    let whole = proto == protocol::TCP || usize::from(be16(frame, TRANSPORT + udp::at::LENGTH)?) == transport;
    let (source, destination) =
        (Ipv4Addr::from_bits((addresses >> 32) as u32), Ipv4Addr::from_bits(addresses as u32));
    let pseudo = checksum::pseudo_v4(source, destination, proto, transport as u16);
    let unfilled = have != 0 && whole && checksum::partial(pseudo, have);
    Some(unfilled.then_some(Unfilled { start: TRANSPORT, field, end }))
}

#[inline(always)]
fn be64<const N: usize>(head: &[u8; N], at: usize) -> u64 {
    head[at..].first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

#[inline(always)]
fn be16(frame: &[u8], at: usize) -> Option<u16> {
    frame.get(at..at + 2)?.first_chunk().map(|bytes| u16::from_be_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::extract;
    use crate::flow::{FlowKey, OfPort};
    use proptest::prelude::*;
    use proptest::strategy::ValueTree;

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
            let (mut plain, mut general) = (FlowKey::default(), FlowKey::default());
            let mut short = Short::default();
            short.give(Field::InPort, 7_u32);
            let generally = generally(&frame, short, &mut general);
            prop_assert_eq!(extract::extract(&frame, OfPort(7), None, &mut plain), generally);
            if generally.is_ok() {
                prop_assert_eq!(plain, general);
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
            add(&frame, &mut Short::default()).is_some()
        });
        let plain = plain.count();
        assert!((200..900).contains(&plain), "{plain} of 1000");
    }
}
