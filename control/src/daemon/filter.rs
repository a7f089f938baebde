//! What an AF_PACKET socket on an uplink shall see: tunnel packets that come in, as the XDP program would claim them, and none of the
//! host's own traffic.
//!
//! A classic BPF program, which the kernel runs before it copies a frame
//! (<https://docs.kernel.org/networking/filter.html>). Only the ports are compared, and of GRE the protocol inside: a packet to
//! another address of ours is let through, and counted by the worker as what it is. Of a fragmented packet the first fragment
//! is let through.

use super::ports::Listening;
use datapath::wire::gre;
use socket2::SockFilter;

/// A load beyond the end of the frame ends the program as this does.
const REFUSE: u32 = 0;
/// The whole frame.
const ACCEPT: u32 = u32::MAX;

const BYTE: u32 = libc::BPF_LD | libc::BPF_B | libc::BPF_ABS;
const HALF: u32 = libc::BPF_LD | libc::BPF_H | libc::BPF_ABS;
const WORD: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
const HALF_BEHIND_X: u32 = libc::BPF_LD | libc::BPF_H | libc::BPF_IND;
/// X = four times the lower half of a byte: the length of an IPv4 header.
const HEADER_LEN_TO_X: u32 = libc::BPF_LDX | libc::BPF_B | libc::BPF_MSH;
const IF_EQUAL: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
const IF_ANY_BIT: u32 = libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K;
const GO_ON: u32 = libc::BPF_JMP | libc::BPF_JA;
const RETURN: u32 = libc::BPF_RET | libc::BPF_K;

/// The program for what tunnels listen for.
pub(super) fn tunnel_packets(listening: &Listening) -> Vec<SockFilter> {
    let udp = libc::IPPROTO_UDP as u32;
    // GRE that carries Ethernet frames; any other is of a tunnel of the host's own. Where none is listened for, the type is one
    // that no packet has.
    let wanted = if listening.gre { gre::ETHERNET.into() } else { u32::MAX };
    let unless_gre = |ether_type: Op| {
        let protocol = jump(IF_EQUAL, libc::IPPROTO_GRE as u32, 0, 4);
        vec![protocol, ether_type, jump(IF_EQUAL, wanted, 0, 1), op(RETURN, ACCEPT), op(RETURN, REFUSE)]
    };
    let ipv6 = [
        vec![op(BYTE, 20)],
        unless_gre(op(HALF, 54 + 2)),
        only_if_equal(udp),
        vec![op(HALF, 56)], // the destination port
    ]
    .concat();
    let ipv4 = [
        // Loads leave X alone.
        vec![op(HALF, 20), jump(IF_ANY_BIT, 0x1fff, 0, 1), op(RETURN, REFUSE), op(HEADER_LEN_TO_X, 14)],
        vec![op(BYTE, 23)],
        unless_gre(op(HALF_BEHIND_X, 14 + 2)),
        only_if_equal(udp),
        vec![op(HALF_BEHIND_X, 14 + 2), op(GO_ON, ipv6.len() as u32)],
    ]
    .concat();
    let program = [
        // What this host sends is seen on its way out.
        vec![
            ancillary(libc::SKF_AD_PKTTYPE),
            jump(IF_EQUAL, libc::PACKET_OUTGOING.into(), 0, 1),
            op(RETURN, REFUSE),
        ],
        // A tag that the kernel took out: the packet belongs to the VLAN device above.
        vec![ancillary(libc::SKF_AD_VLAN_TAG_PRESENT)],
        only_if_equal(0),
        vec![op(HALF, 12), jump(IF_EQUAL, libc::ETH_P_IP as u32, 2, 0)],
        vec![jump(IF_EQUAL, libc::ETH_P_IPV6 as u32, ipv4.len() as u8 + 1, 0), op(RETURN, REFUSE)],
        ipv4,
        ipv6,
        listening
            .ports
            .iter()
            .flat_map(|port| [jump(IF_EQUAL, (*port).into(), 0, 1), op(RETURN, ACCEPT)])
            .collect(),
        vec![op(RETURN, REFUSE)],
    ];
    finish(&program.concat())
}

/// The program that lets nothing through.
pub(super) fn nothing() -> Vec<SockFilter> {
    finish(&[op(RETURN, REFUSE)])
}

/// An instruction: code, how many to skip if so and if not, operand.
type Op = (u16, u8, u8, u32);

fn finish(program: &[Op]) -> Vec<SockFilter> {
    program.iter().map(|(code, yes, no, operand)| SockFilter::new(*code, *yes, *no, *operand)).collect()
}

fn op(code: u32, operand: u32) -> Op {
    jump(code, operand, 0, 0)
}

/// Skips as many instructions as said when it is so, and when not.
fn jump(code: u32, operand: u32, yes: u8, no: u8) -> Op {
    (code as u16, yes, no, operand)
}

fn only_if_equal(operand: u32) -> Vec<Op> {
    vec![jump(IF_EQUAL, operand, 1, 0), op(RETURN, REFUSE)]
}

/// What the kernel knows of a frame beside its bytes.
fn ancillary(what: libc::c_int) -> Op {
    op(WORD, (libc::SKF_AD_OFF + what).cast_unsigned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use socket2::SockRef;
    use std::os::unix::net::UnixDatagram;

    /// Sockets of every family have filters, and those between two processes need no root.
    fn passes(ports: &[u16], frame: &[u8]) -> bool {
        let listening = Listening { ports: ports.to_vec(), gre: false };
        assert!(!passes_to(&Listening { ports: vec![], gre: true }, frame), "that is no GRE");
        passes_to(&listening, frame)
    }

    fn passes_to(listening: &Listening, frame: &[u8]) -> bool {
        let (here, there) = UnixDatagram::pair().unwrap();
        SockRef::from(&there).attach_filter(&tunnel_packets(listening)).unwrap();
        there.set_nonblocking(true).unwrap();
        here.send(frame).unwrap();
        there.recv(&mut [0; 256]).is_ok_and(|len| len == frame.len())
    }

    fn ethernet(ethertype: u16, packet: &[u8]) -> Vec<u8> {
        [&[2; 12], &ethertype.to_be_bytes()[..], packet].concat()
    }

    /// Source and destination port, length, checksum.
    const UDP: [u8; 8] = [0xab, 0xcd, 0x12, 0xb5, 0, 8, 0, 0];

    fn ipv4(options: usize, fragment: u16, proto: u8) -> Vec<u8> {
        let mut header = vec![0; 20 + options];
        header[0] = 0x40 | (5 + options / 4) as u8;
        header[6..8].copy_from_slice(&fragment.to_be_bytes());
        header[9] = proto;
        ethernet(0x0800, &[header, UDP.to_vec()].concat())
    }

    fn ipv6(next: u8) -> Vec<u8> {
        let mut header = vec![0; 40];
        header[0] = 0x60;
        header[6] = next;
        ethernet(0x86dd, &[header, UDP.to_vec()].concat())
    }

    #[test]
    fn tunnel_packets_pass() {
        for frame in [ipv4(0, 0, 17), ipv4(40, 0, 17), ipv4(0, 0x4000, 17), ipv4(0, 0x2000, 17), ipv6(17)] {
            assert!(passes(&[4789], &frame) && passes(&[8472, 4789], &frame), "{frame:02x?}");
            assert!(!passes(&[8472], &frame) && !passes(&[], &frame), "{frame:02x?}");
            for len in 1..frame.len() - 4 {
                assert!(!passes(&[4789], &frame[..len]), "cut to {len}: {frame:02x?}");
            }
        }
    }

    #[test]
    fn everything_else_stays_with_the_host() {
        let arp = ethernet(0x0806, &[0; 28]);
        let tagged = ethernet(0x8100, &[&[0, 5][..], &ipv4(0, 0, 17)[12..]].concat());
        for frame in [ipv4(0, 0, 6), ipv4(0, 1, 17), ipv4(0, 0x2001, 17), ipv6(6), ipv6(44), arp, tagged] {
            assert!(!passes(&[4789], &frame), "{frame:02x?}");
        }
    }

    #[test]
    fn gre_passes_when_it_carries_frames_and_somebody_listens() {
        let (gre, none) =
            (Listening { ports: vec![4789], gre: true }, Listening { ports: vec![4789], gre: false });
        // What the tests above have for ports are flags and protocol of GRE here.
        let of = |mut frame: Vec<u8>, ethertype: [u8; 2]| {
            let at = frame.len() - UDP.len();
            frame[at..at + 4].copy_from_slice(&[0x20, 0, ethertype[0], ethertype[1]]);
            frame
        };
        for frame in [ipv4(0, 0, 47), ipv4(40, 0x4000, 47), ipv4(0, 0x2000, 47), ipv6(47)] {
            let (frames, packets) = (of(frame.clone(), [0x65, 0x58]), of(frame, [0x08, 0x00]));
            assert!(passes_to(&gre, &frames) && !passes_to(&none, &frames), "{frames:02x?}");
            assert!(!passes_to(&gre, &packets) && !passes_to(&none, &packets), "{packets:02x?}");
        }
        assert!(!passes_to(&gre, &of(ipv4(0, 1, 47), [0x65, 0x58])), "a later fragment");
        assert!(passes_to(&gre, &ipv4(0, 0, 17)) && passes_to(&gre, &ipv6(17)), "UDP as ever");
    }

    #[test]
    fn there_is_room_for_every_tunnel_to_have_its_own_port() {
        let ports: Vec<u16> = (1..=crate::config::PORTS_MAX as u16).collect();
        assert!(passes(&ports, &ipv4(0, 0, 17)) == ports.contains(&4789));
        let last = [&ports[1..], &[4789]].concat();
        assert!(passes(&last, &ipv4(0, 0, 17)) && passes(&last, &ipv6(17)));
    }
}
