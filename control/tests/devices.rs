//! `adit run` on devices that are not as simple as one would like. Needs root.

mod switch;

use switch::{ACROSS, Host, reaches, tcp, two_guests};

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
