//! The XDP program's verdicts, as the kernel gives them: the committed object is loaded and run over frames by
//! BPF_PROG_TEST_RUN. Needs root, but no device and no network namespace.

mod frames;
mod program;

use ebpf::EndpointKey;
use ebpf::Verdict::{Claimed, Passed, Unbound};
use frames::*;
use program::{Program, xdp_socket};

#[test]
fn tunnel_packets_to_our_endpoints_are_claimed() {
    let Some(uplink) = Program::uplink_with_socket() else { return };
    uplink.judge(&[
        ("vxlan over ipv4", udp(v4(US), VXLAN), Claimed),
        ("vxlan over ipv6", udp(v6(US6), VXLAN), Claimed),
        ("geneve over ipv4", udp(v4(US), GENEVE), Claimed),
        ("gre over ipv4", gre(v4(US), &TEB), Claimed),
        ("gre over ipv6", gre(v6(US6), &TEB), Claimed),
        ("gre with checksum", gre(v4(US), &[0x80, 0, 0x65, 0x58, 1, 2, 0, 0]), Claimed),
        ("gre with key: nvgre", gre(v4(US), &[0x20, 0, 0x65, 0x58, 0, 0, 42, 0]), Claimed),
        ("gre with key and sequence", gre(v4(US), &[0x30, 0, 0x65, 0x58, 0, 0, 42, 0, 0, 0, 0, 9]), Claimed),
        ("vxlan behind 4 bytes of options", udp(v4_options(US, 4), VXLAN), Claimed),
        ("vxlan behind 40 bytes of options", udp(v4_options(US, 40), VXLAN), Claimed),
        ("gre behind 12 bytes of options", gre(v4_options(US, 12), &TEB), Claimed),
        ("vxlan of 9000 bytes, in fragments of memory", padded(udp(v4(US), VXLAN), 9000), Claimed),
    ]);
}

#[test]
fn all_else_is_passed() {
    let Some(uplink) = Program::uplink_with_socket() else { return };
    uplink.judge(&[
        ("vxlan to another address", udp(v4(OTHER), VXLAN), Passed),
        ("vxlan to another ipv6 address", udp(v6(OTHER6), VXLAN), Passed),
        ("our address, another port", udp(v4(US), 53), Passed),
        ("a port that is ours on ipv4 only", udp(v6(US6), GENEVE), Passed),
        ("an ipv6 address that begins like ours in ipv4", udp(v6(v6_like(US)), VXLAN), Passed),
        ("our address mapped into ipv6", udp(v6(US.to_ipv6_mapped()), VXLAN), Passed),
        ("from our address", udp(v4_from(US, PEER), VXLAN), Passed),
        ("gre to another address", gre(v4(OTHER), &TEB), Passed),
        ("gre with an ip packet inside", gre(v4(US), &[0, 0, 8, 0]), Passed),
        ("gre of an erspan mirror", gre(v4(US), &[0x10, 0, 0x88, 0xbe, 0, 0, 0, 1]), Passed),
        ("gre version 1: pptp", gre(v4(US), &[0x20, 1, 0x65, 0x58, 0, 0, 0, 1]), Passed),
        ("gre with source routes", gre(v4(US), &[0x40, 0, 0x65, 0x58, 0, 0, 0, 0]), Passed),
        ("first fragment", udp(v4_fragment(US, 0, true), VXLAN), Passed),
        ("later fragment", udp(v4_fragment(US, 185, true), VXLAN), Passed),
        ("last fragment, low byte of offset 0", udp(v4_fragment(US, 0x100, false), VXLAN), Passed),
        ("ipv6 with hop-by-hop options", udp(v6_hop_by_hop(US6), VXLAN), Passed),
        ("ipv6 with a fragment header", udp(v6_fragment(US6), VXLAN), Passed),
        ("gre over ipv6 with hop-by-hop options", gre(v6_hop_by_hop(US6), &TEB), Passed),
        ("tcp to our port", tcp(US, VXLAN), Passed),
        ("ping to us", ping(US), Passed),
        ("arp for us", arp(US), Passed),
        ("one vlan tag", tagged(1, v4(US), VXLAN), Passed),
        ("two vlan tags", tagged(2, v4(US), VXLAN), Passed),
        ("an ethertype of nobody", with(udp(v4(US), VXLAN), 12, 0x88), Passed),
        ("a length where the ethertype belongs", with(udp(v4(US), VXLAN), 12, 0x00), Passed),
        ("header length of 4 words", with(udp(v4(US), VXLAN), ETHERNET, 0x44), Passed),
        ("header length of 0 words", with(udp(v4(US), VXLAN), ETHERNET, 0x40), Passed),
        ("header length beyond the frame", with(udp(v4(US), VXLAN)[..64].to_vec(), ETHERNET, 0x4f), Passed),
        ("ipv6 called ipv4", with(with(udp(v6(US6), VXLAN), 12, 0x08), 13, 0x00), Passed),
        ("ipv4 called ipv6", with(with(udp(v4(US), VXLAN), 12, 0x86), 13, 0xdd), Passed),
        ("only an ethernet header", vec![0; ETHERNET], Passed),
        ("all ones", vec![0xff; 1500], Passed),
    ]);
}

/// Lengths and checksums are the worker's to judge: it drops with a reason, where the program could only hide the loss.
#[test]
fn broken_packets_to_us_are_claimed_when_the_address_can_be_read() {
    let Some(uplink) = Program::uplink_with_socket() else { return };
    let vxlan = udp(v4(US), VXLAN);
    uplink.judge(&[
        ("total length beyond the frame", with(vxlan.clone(), 16, 0xff), Claimed),
        ("total length of nothing", with(with(vxlan.clone(), 16, 0), 17, 0), Claimed),
        ("udp length of nothing", with(with(vxlan.clone(), 38, 0), 39, 0), Claimed),
        ("wrong ip checksum", with(vxlan.clone(), 24, !vxlan[24]), Claimed),
        ("dead on arrival: ttl 0", with(vxlan.clone(), 22, 0), Claimed),
        ("nothing after udp", vxlan[..ETHERNET + 28].to_vec(), Claimed),
        ("ipv6 payload length of nothing", with(udp(v6(US6), VXLAN), 19, 0), Claimed),
    ]);
}

#[test]
fn a_packet_cut_short_is_passed_unless_its_tunnel_header_is_there() {
    let Some(uplink) = Program::uplink_with_socket() else { return };
    for (what, frame, readable) in [
        ("vxlan over ipv4", udp(v4(US), VXLAN), ETHERNET + 20 + 8),
        ("vxlan over ipv6", udp(v6(US6), VXLAN), ETHERNET + 40 + 8),
        ("vxlan behind options", udp(v4_options(US, 40), VXLAN), ETHERNET + 60 + 8),
        ("gre over ipv4", gre(v4(US), &TEB), ETHERNET + 20 + 4),
        ("gre over ipv6", gre(v6(US6), &TEB), ETHERNET + 40 + 4),
        ("gre with key", gre(v4(US), &[0x20, 0, 0x65, 0x58, 0, 0, 42, 0]), ETHERNET + 20 + 4),
    ] {
        for len in ETHERNET..=frame.len() {
            let expected = if len < readable { Passed } else { Claimed };
            assert_eq!(uplink.verdict(&frame[..len]), expected, "{what}, the first {len} bytes");
        }
    }
}

/// Flips every bit of the headers, one at a time: exactly these bits decide, all others are let through.
#[test]
fn only_the_bits_that_address_a_tunnel_decide() {
    let Some(uplink) = Program::uplink_with_socket() else { return };
    let all = |range: std::ops::Range<usize>| range.map(|at| (at, 0xff)).collect::<Vec<(usize, u8)>>();
    let ethertype = all(12..14);
    let ipv4 =
        [ethertype.clone(), all(14..15), vec![(20, 0x3f)], all(21..22), all(23..24), all(30..34)].concat();
    let ipv6 = [ethertype, vec![(14, 0xf0)], all(20..21), all(38..54)].concat();
    for (what, frame, len, deciding) in [
        ("vxlan over ipv4", udp(v4(US), VXLAN), 42, [ipv4.clone(), all(36..38)].concat()),
        ("vxlan over ipv6", udp(v6(US6), VXLAN), 62, [ipv6.clone(), all(56..58)].concat()),
        ("gre over ipv4", gre(v4(US), &TEB), 38, [ipv4, vec![(34, 0x4c), (35, 0x07)], all(36..38)].concat()),
        ("gre over ipv6", gre(v6(US6), &TEB), 58, [ipv6, vec![(54, 0x4c), (55, 0x07)], all(56..58)].concat()),
    ] {
        for (at, bit) in (0..len).flat_map(|at| (0..8).map(move |bit| (at, 1u8 << bit))) {
            let decides = deciding.iter().any(|&(place, mask)| place == at && mask & bit != 0);
            let expected = if decides { Passed } else { Claimed };
            let flipped = with(frame.clone(), at, frame[at] ^ bit);
            assert_eq!(uplink.verdict(&flipped), expected, "{what}, byte {at} xor {bit:#04x}");
        }
    }
}

#[test]
fn a_claimed_packet_goes_to_the_kernel_when_no_socket_is_on_its_queue() {
    let Some(mut uplink) = Program::uplink() else { return };
    let frames = [
        ("vxlan", udp(v4(US), VXLAN), Unbound),
        ("gre", gre(v6(US6), &TEB), Unbound),
        ("ping", ping(US), Passed),
    ];
    uplink.judge(&frames);
    let socket = xdp_socket();
    uplink.bind(1, &socket);
    uplink.judge(&frames);
    uplink.bind(0, &socket);
    assert_eq!(uplink.verdict(&frames[0].1), Claimed);
    drop(socket);
    // The last descriptor is gone, as when adit dies; the kernel empties the place when it has closed the socket.
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(5);
    while uplink.verdict(&frames[0].1) != Unbound {
        assert!(std::time::Instant::now() < deadline, "a closed socket still takes packets");
        std::thread::yield_now();
    }
}

#[test]
fn an_endpoint_that_is_taken_away_is_no_longer_ours() {
    let Some(mut uplink) = Program::uplink_with_socket() else { return };
    let vxlan = udp(v4(US), VXLAN);
    assert_eq!(uplink.verdict(&vxlan), Claimed);
    uplink.forget(EndpointKey::udp(US.into(), VXLAN));
    assert_eq!(uplink.verdict(&vxlan), Passed);
    assert_eq!(uplink.verdict(&udp(v6(US6), VXLAN)), Claimed);
}

#[test]
fn a_guest_port_claims_every_frame() {
    let Some(mut guest) = Program::guest() else { return };
    let frames = [udp(v4(US), VXLAN), ping(OTHER), vec![0; ETHERNET], vec![0xff; 9000]];
    for frame in &frames {
        assert_eq!(guest.verdict(frame), Unbound);
    }
    let socket = xdp_socket();
    guest.bind(0, &socket);
    for frame in &frames {
        assert_eq!(guest.verdict(frame), Claimed);
    }
}
