//! Cutting an IPv4 packet into fragments (RFC 791 section 3.2, "An Example Fragmentation Procedure").
//!
//! [`Cuts`] says where; each piece is then made out of a copy of the whole frame, in place. A packet that is a fragment itself is
//! cut further. Options that only the first fragment has are overwritten with "no operation" in the others, as Linux does
//! (`net/ipv4/ip_options.c`, `ip_options_fragment`), so that all headers have one length.

use crate::mem::Frame;
use crate::wire::checksum::Sum;
use crate::wire::ipv4;

/// Offsets count in so many bytes.
const UNIT: usize = 8;
/// The longest datagram.
const DATAGRAM_MAX: usize = 65_535;
/// "More fragments".
const MORE: u16 = 0x2000;
/// All flags.
const FLAGS: u16 = 0xe000;
/// Options that every fragment has (RFC 791 section 3.1, "copied flag").
const COPIED: u8 = 0x80;
const END_OF_LIST: u8 = 0;
const NO_OPERATION: u8 = 1;

/// Where a packet is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cuts {
    /// Where the packet starts in the frame.
    at: usize,
    header_len: usize,
    payload_len: usize,
    /// Payload of each fragment but the last.
    step: usize,
    /// The field of flags and offset of the whole.
    field: u16,
}

impl Cuts {
    /// Of the packet `ip`, that starts at byte `at` of its frame, into packets of at most `room` bytes. None: not even one unit
    /// fits, or the fragments would reach beyond the longest datagram.
    pub(super) fn of(ip: &ipv4::View<'_>, at: usize, room: usize) -> Option<Cuts> {
        let (header_len, payload_len) = (ip.header_len(), ip.payload().len());
        let step = room.checked_sub(header_len)? / UNIT * UNIT;
        let offset = ip.fragment_offset();
        let field = offset | if ip.more_fragments() { MORE } else { 0 };
        let inside = header_len + usize::from(offset) * UNIT + payload_len <= DATAGRAM_MAX;
        (step > 0 && inside).then_some(Cuts { at, header_len, payload_len, step, field })
    }

    /// How many fragments there are.
    pub fn count(&self) -> usize {
        self.payload_len.div_ceil(self.step)
    }

    /// Makes fragment `number`, counted from 0, of `frame`, which holds the whole packet and leaves no checksum to others.
    pub fn cut(&self, number: usize, frame: &mut Frame<'_>) -> Option<()> {
        let start = number * self.step;
        let len = self.step.min(self.payload_len.checked_sub(start)?);
        let head = self.at + self.header_len;
        frame.truncate(head + start + len);
        frame.bytes_mut().copy_within(0..head, start);
        frame.pull(start)?;
        let header = frame.bytes_mut().get_mut(self.at..head)?;
        if start > 0 {
            blank(&mut header[ipv4::HEADER_LEN..]);
        }
        let last = start + len == self.payload_len;
        let more = if last { self.field & MORE } else { MORE };
        let offset = (self.field & !FLAGS) + (start / UNIT) as u16;
        let mut put = |at: usize, value: u16| header[at..at + 2].copy_from_slice(&value.to_be_bytes());
        put(ipv4::at::TOTAL_LEN, (self.header_len + len) as u16);
        put(ipv4::at::FRAGMENT, more | offset);
        put(ipv4::at::CHECKSUM, 0);
        let checksum = Sum::of(header).checksum();
        header[ipv4::at::CHECKSUM..ipv4::at::CHECKSUM + 2].copy_from_slice(&checksum.to_be_bytes());
        Some(())
    }
}

/// Overwrites the options that later fragments do not have. From one that does not add up on, nothing is touched.
fn blank(options: &mut [u8]) {
    let mut rest = options;
    while let Some(&kind) = rest.first() {
        let len = match kind {
            END_OF_LIST => return,
            NO_OPERATION => 1,
            _ => rest.get(1).copied().map_or(0, usize::from),
        };
        if len == 0 || len > rest.len() || (len == 1 && kind != NO_OPERATION) {
            return;
        }
        let (option, behind) = rest.split_at_mut(len);
        if kind & COPIED == 0 {
            option.fill(NO_OPERATION);
        }
        rest = behind;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mem::FramePool;
    use af_xdp::{Umem, UmemConfig};
    use etherparse::{IpFragOffset, Ipv4Header};
    use proptest::prelude::*;

    const LINK: usize = 14;

    /// A frame with an IPv4 packet of these options; payload bytes tell their place.
    fn frame(options: &[u8], first: u16, more: bool, payload: usize) -> Vec<u8> {
        let mut ip = Ipv4Header::new(payload as u16, 64, 17.into(), [10, 0, 0, 1], [10, 0, 0, 2]).unwrap();
        ip.options = options.try_into().unwrap();
        ip.set_payload_len(payload).unwrap();
        (ip.identification, ip.dont_fragment, ip.more_fragments) = (0x1234, false, more);
        ip.fragment_offset = IpFragOffset::try_new(first).unwrap();
        ip.header_checksum = ip.calc_header_checksum();
        let mut frame = vec![0xaa; LINK];
        frame[12..14].copy_from_slice(&[8, 0]);
        frame.extend(ip.to_bytes());
        frame.extend((0..payload).map(|at| (at / 3) as u8));
        frame
    }

    /// All fragments: their frames.
    fn cut(whole: &[u8], room: usize) -> Vec<Vec<u8>> {
        let umem = Umem::new(&UmemConfig { frames: 2, ..UmemConfig::default() }).unwrap();
        let mut pool = FramePool::new(umem.take_frames());
        let mut original = pool.take().unwrap();
        assert!(original.copy_from(whole));
        let ip = ipv4::View::parse(&whole[LINK..]).unwrap();
        let Some(cuts) = Cuts::of(&ip, LINK, room) else { return Vec::new() };
        let piece = |number| {
            let mut piece = pool.copy(&original).unwrap();
            cuts.cut(number, &mut piece).unwrap();
            let bytes = piece.bytes().to_vec();
            pool.give(piece);
            bytes
        };
        (0..cuts.count()).map(piece).collect()
    }

    #[test]
    fn rfc791_a_the_example_of_a_datagram_in_two_fragments() {
        // Appendix A, example 2: a datagram of 472 bytes and a maximum of 280.
        let fragments = cut(&frame(&[], 0, false, 452), 280);
        let headers: Vec<_> =
            fragments.iter().map(|bytes| Ipv4Header::from_slice(&bytes[LINK..]).unwrap().0).collect();
        let said = headers
            .iter()
            .map(|ip| (ip.total_len, ip.more_fragments, ip.fragment_offset.value(), ip.identification));
        assert_eq!(said.collect::<Vec<_>>(), [(276, true, 0, 0x1234), (216, false, 32, 0x1234)]);
    }

    #[test]
    fn rfc791_s3_1_options_without_the_copied_flag_are_in_the_first_fragment_alone() {
        // Record route (7, not copied), no operation, stream identifier (136, copied), end of list.
        let options = [7, 7, 4, 1, 2, 3, 4, 1, 136, 4, 9, 9, 0, 0, 0, 0];
        let fragments = cut(&frame(&options, 0, false, 100), 100);
        assert_eq!(fragments[0][LINK + 20..LINK + 36], options);
        let later = [1, 1, 1, 1, 1, 1, 1, 1, 136, 4, 9, 9, 0, 0, 0, 0];
        for fragment in &fragments[1..] {
            assert_eq!(fragment[LINK + 20..LINK + 36], later);
        }
    }

    #[test]
    fn an_option_that_does_not_add_up_ends_the_list() {
        for options in [[7, 0, 1, 1], [7, 1, 1, 1], [7, 9, 1, 1], [1, 1, 1, 7]] {
            let mut blanked = options;
            blank(&mut blanked);
            assert_eq!(blanked, options);
        }
    }

    #[test]
    fn a_fragment_is_cut_further_and_keeps_its_place() {
        let fragments = cut(&frame(&[], 100, true, 48), 44);
        let said = fragments.iter().map(|bytes| {
            let ip = Ipv4Header::from_slice(&bytes[LINK..]).unwrap().0;
            (ip.fragment_offset.value(), ip.more_fragments)
        });
        assert_eq!(said.collect::<Vec<_>>(), [(100, true), (103, true)]);
        assert!(cut(&frame(&[], 8190, true, 48), 44).is_empty(), "beyond the longest datagram");
        assert!(cut(&frame(&[], 0, false, 48), 27).is_empty(), "not even eight bytes");
    }

    proptest! {
        #[test]
        fn what_is_put_together_again_is_the_packet(
            words in 0usize..=10,
            payload in 9usize..1400,
            room in 68usize..1000,
            first in 0u16..4000,
            more: bool,
        ) {
            let payload = if more { payload / 8 * 8 } else { payload };
            let whole = frame(&vec![NO_OPERATION; words * 4], first, more, payload);
            let fragments = cut(&whole, room);
            let mut data: Vec<u8> = Vec::new();
            for (number, fragment) in fragments.iter().enumerate() {
                let (ip, rest) = Ipv4Header::from_slice(&fragment[LINK..]).unwrap();
                prop_assert!(fragment.len() - LINK <= room);
                prop_assert_eq!(&fragment[..LINK], &whole[..LINK]);
                prop_assert_eq!(usize::from(ip.total_len), fragment.len() - LINK);
                prop_assert_eq!(ip.header_checksum, ip.calc_header_checksum());
                prop_assert_eq!(usize::from(ip.fragment_offset.value() - first) * UNIT, data.len());
                prop_assert_eq!(ip.more_fragments, more || number + 1 < fragments.len());
                data.extend(rest);
            }
            prop_assert_eq!(&data[..], &whole[whole.len() - payload..]);
        }
    }
}
