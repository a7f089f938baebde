//! Congestion notification through a tunnel, in normal mode: RFC 6040 section 4.
//!
//! On the way in the outer header gets what the inner one says (section 4.1; translation does that). On the way out the two
//! are combined, and what was marked for a sender that does not understand marks is dropped (section 4.2).

use crate::stats::DropReason;
use crate::wire::checksum::update16;
use crate::wire::{ethernet, ethertype, ipv4, ipv6, vlan};

/// Not capable.
pub const NOT_ECT: u8 = 0;
/// Capable, code point 1.
pub const ECT_1: u8 = 1;
/// Capable, code point 0.
pub const ECT_0: u8 = 2;
/// Congestion experienced.
pub const CE: u8 = 3;

/// Tags that are looked behind: as many as a key knows.
const TAGS_MAX: usize = 2;

/// What the inner header shall say when it comes out: the table of RFC 6040 section 4.2. None: the packet must be dropped.
#[inline]
pub const fn decapsulated(inner: u8, outer: u8) -> Option<u8> {
    match (inner & 3, outer & 3) {
        (NOT_ECT, CE) => None,
        (NOT_ECT, _) => Some(NOT_ECT),
        (CE, _) | (_, CE) => Some(CE),
        (_, ECT_1) => Some(ECT_1),
        (inner, _) => Some(inner),
    }
}

/// Combines what the outer header says with the inner header of `frame`. A frame that is not IP has nothing to combine it
/// with and is left alone.
///
/// # Errors
/// When the frame must be dropped; it is as it was then.
#[cold]
pub fn decapsulate(frame: &mut [u8], outer: u8) -> Result<(), DropReason> {
    let Some((at, ether_type)) = network(frame) else { return Ok(()) };
    let lost = DropReason::EcnNotCapable;
    if ether_type == ethertype::IPV4 {
        let [first, old] = [frame[at], frame[at + ipv4::at::TOS]];
        let new = old & !3 | decapsulated(old, outer).ok_or(lost)?;
        let field = at + ipv4::at::CHECKSUM;
        let checksum = u16::from_be_bytes([frame[field], frame[field + 1]]);
        let word = |tos| u16::from_be_bytes([first, tos]);
        frame[at + ipv4::at::TOS] = new;
        frame[field..field + 2].copy_from_slice(&update16(checksum, word(old), word(new)).to_be_bytes());
    } else {
        // The traffic class is in the second to fourth nibble, its last two bits in the upper half of the second byte.
        let old = frame[at + 1] >> 4;
        let new = old & !3 | decapsulated(old, outer).ok_or(lost)?;
        frame[at + 1] = frame[at + 1] & 0x0f | new << 4;
    }
    Ok(())
}

/// Where the header of IP starts, and of which version it is; only if it is whole.
fn network(frame: &[u8]) -> Option<(usize, u16)> {
    let view = ethernet::View::parse(frame).ok()?;
    let (mut ether_type, mut rest) = (view.ethertype(), view.payload());
    for _ in 0..TAGS_MAX {
        if !vlan::is_tag(ether_type) {
            break;
        }
        let tag = vlan::View::parse(rest).ok()?;
        (ether_type, rest) = (tag.ethertype(), tag.payload());
    }
    let whole = match ether_type {
        ethertype::IPV4 => ipv4::View::parse(rest).is_ok(),
        ethertype::IPV6 => ipv6::View::parse(rest).is_ok(),
        _ => false,
    };
    whole.then_some((frame.len() - rest.len(), ether_type))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::MacAddr;

    /// RFC 6040 section 4.2, figure 4: rows are the inner header, columns the outer one.
    const FIGURE_4: [(u8, [Option<u8>; 4]); 4] = [
        //        outer:  Not-ECT        ECT(0)         ECT(1)         CE
        (NOT_ECT, [Some(NOT_ECT), Some(NOT_ECT), Some(NOT_ECT), None]),
        (ECT_0, [Some(ECT_0), Some(ECT_0), Some(ECT_1), Some(CE)]),
        (ECT_1, [Some(ECT_1), Some(ECT_1), Some(ECT_1), Some(CE)]),
        (CE, [Some(CE), Some(CE), Some(CE), Some(CE)]),
    ];
    const COLUMNS: [u8; 4] = [NOT_ECT, ECT_0, ECT_1, CE];

    fn ipv4(tos: u8, tags: usize) -> Vec<u8> {
        let ip = ipv4::Repr {
            dscp: tos >> 2,
            ecn: tos & 3,
            total_len: 20,
            identification: 1,
            dont_fragment: false,
            more_fragments: false,
            fragment_offset: 0,
            ttl: 9,
            protocol: 253,
            source: [10, 0, 0, 1].into(),
            destination: [10, 0, 0, 2].into(),
        };
        framed(ethertype::IPV4, tags, &ip.to_bytes())
    }

    fn ipv6(class: u8, tags: usize) -> Vec<u8> {
        let ip = ipv6::Repr {
            dscp: class >> 2,
            ecn: class & 3,
            flow_label: 0xf_ffff,
            payload_len: 0,
            next_header: 59,
            hop_limit: 9,
            source: [1; 16].into(),
            destination: [2; 16].into(),
        };
        framed(ethertype::IPV6, tags, &ip.to_bytes())
    }

    fn framed(ether_type: u16, tags: usize, packet: &[u8]) -> Vec<u8> {
        let (source, destination) = (MacAddr([2, 0, 0, 0, 0, 1]), MacAddr([2, 0, 0, 0, 0, 2]));
        let first = if tags == 0 { ether_type } else { ethertype::VLAN };
        let mut frame = ethernet::Repr { destination, source, ethertype: first }.to_bytes().to_vec();
        for tag in 1..=tags {
            let next = if tag == tags { ether_type } else { ethertype::VLAN };
            frame.extend([0, tag as u8]);
            frame.extend(next.to_be_bytes());
        }
        frame.extend(packet);
        frame
    }

    #[test]
    fn rfc6040_s4_2_all_sixteen_rows() {
        for (inner, row) in FIGURE_4 {
            for (outer, wanted) in COLUMNS.into_iter().zip(row) {
                assert_eq!(decapsulated(inner, outer), wanted, "inner {inner:02b}, outer {outer:02b}");
            }
        }
    }

    #[test]
    fn rfc6040_s4_2_the_inner_header_is_changed_and_its_checksum_with_it() {
        for (make, name) in [(ipv4 as fn(u8, usize) -> Vec<u8>, "IPv4"), (ipv6, "IPv6")] {
            for (inner, row) in FIGURE_4 {
                for (outer, wanted) in COLUMNS.into_iter().zip(row) {
                    for tags in 0..3 {
                        // The differentiated services code point is the guest's.
                        let mut frame = make(0xb8 | inner, tags);
                        let result = decapsulate(&mut frame, 0x10 | outer);
                        assert_eq!(result.is_ok(), wanted.is_some(), "{name} {inner} {outer} {tags}");
                        let expected = make(0xb8 | wanted.unwrap_or(inner), tags);
                        assert_eq!(frame, expected, "{name} {inner} {outer} {tags}");
                    }
                }
            }
        }
    }

    #[test]
    fn frames_that_are_no_whole_ip_are_left_alone() {
        let broken = [
            framed(ethertype::ARP, 0, &[0; 28]),
            framed(ethertype::IPV4, 0, &[0x45; 12]),
            framed(ethertype::IPV6, 1, &[0x60; 12]),
            ipv4(0, 3),
            vec![0; 13],
        ];
        for mut frame in broken {
            let before = frame.clone();
            assert_eq!(decapsulate(&mut frame, CE), Ok(()));
            assert_eq!(frame, before);
        }
    }
}
