//! `adit run` on devices that are not as simple as one would like. Needs root.

mod switch;

use std::io::ErrorKind;
use std::net::{Ipv4Addr, UdpSocket};
use std::time::Duration;

use switch::{ACROSS, Host, TUNNELLED, one_uplink, reaches, tcp, two_guests};

/// Our end of the underlay, where `g2` is the uplink.
const HERE: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);

/// Bits a second that TCP with every frame in its place reaches on the slowest machine.
const SLOW: f64 = 5e6;

/// Guests leave segmentation to their device, as they do unless told otherwise.
#[test]
fn tcp_goes_through_ports_in_mode_packet() {
    let Some(host) = Host::new() else { return };
    let (one, two) = (host.guest(1), host.guest(2));
    let adit = host.adit(&two_guests("packet"), ACROSS);
    assert_eq!(host.port("g1").mode, "packet");
    assert!(reaches(&one.netns, two.addr));
    let carried = tcp(&one, &two);
    assert!(carried.there.rate() > SLOW && carried.back.rate() > SLOW, "{carried:?}");
    assert_eq!(host.drops("frame_too_long"), 0);
    assert!(adit.end().expect("ended").success());
}

/// On such an uplink the kernel sees everything that adit sees, and adit sees everything that the kernel sees.
#[test]
fn an_uplink_in_mode_packet_counts_no_traffic_of_the_host_and_the_kernel_answers_no_tunnel_packet() {
    let Some(host) = Host::new() else { return };
    let (_guest, other) = (host.guest(1), host.guest(2));
    host.netns.addr("g2", HERE.into(), 24).expect("an address");
    let hears = || {
        other.netns.run(|| {
            let sender = UdpSocket::bind((other.addr, 0)).expect("bound");
            sender.set_read_timeout(Some(Duration::from_millis(200))).expect("set");
            sender.connect((HERE, 4789)).expect("connected");
            sender.send(&[0; 8]).expect("sent");
            sender.recv(&mut [0; 16]).expect_err("nobody answers").kind()
        })
    };
    assert_eq!(hears().expect("heard"), ErrorKind::ConnectionRefused);
    let adit = host.adit(&one_uplink("packet", &format!("endpoints = [\"{HERE}\"]")), TUNNELLED);
    assert_eq!(host.port("g2").mode, "packet");
    assert_eq!(hears().expect("heard"), ErrorKind::WouldBlock);
    assert!(reaches(&other.netns, HERE));
    assert_eq!((host.drops("not_tunnel"), host.drops("not_our_endpoint")), (0, 0));
    assert_eq!((host.drops("tunnel_header"), host.port("g2").rx_packets), (1, 1));
    assert!(adit.end().expect("ended").success());
    assert_eq!(hears().expect("heard"), ErrorKind::ConnectionRefused);
}
