//! `adit run` as a switch that learns. Needs root.

mod switch;

use control::status::StationStatus;
use std::time::Duration;
use switch::{Host, ip, reaches, soon};

/// Guests 1 and 2 in one VLAN, 3 in another.
fn three_guests(mode: &str) -> String {
    let port = |n: u8, tag: u16| {
        format!("[[port]]\nname = \"g{n}\"\nofport = {n}\nmode = \"{mode}\"\ntag = {tag}\n")
    };
    let bridge = "[bridge]\nname = \"br0\"\nflows = \"flows.txt\"\n";
    [bridge, &port(1, 10), &port(2, 10), &port(3, 10), &port(4, 20)].concat()
}

#[test]
fn a_running_switch_learns_where_guests_are_and_sees_them_move() {
    for mode in ["auto", "packet"] {
        let Some(host) = Host::new() else { return };
        let guests = [host.guest(1), host.guest(2), host.guest(3), host.guest(4)];
        let [one, two, three, _] = &guests;
        let adit = host.adit(&three_guests(mode), "actions=normal\n");
        assert!(reaches(&one.netns, two.addr) && reaches(&two.netns, one.addr), "{mode}");
        let station = |mac: &str| -> Option<StationStatus> {
            host.status().fdb.stations.into_iter().find(|station| station.mac == mac)
        };
        let at = |mac: &str, port: &str| {
            soon(|| station(mac).is_some_and(|station| station.port == port && station.vlan == 10))
        };
        assert!(at("02:00:00:00:00:01", "g1") && at("02:00:00:00:00:02", "g2"), "{mode}");

        // What two say to each other is nobody else's.
        let sent = |name: &str| {
            std::thread::sleep(Duration::from_millis(250));
            host.port(name).tx_packets
        };
        let before = sent("g3");
        assert!((0..20).all(|_| reaches(&one.netns, two.addr)), "{mode}");
        assert!(sent("g3") - before < 5, "{mode}: flooded");
        assert_eq!(host.port("g4").tx_packets, 0, "{mode}: another VLAN");
        assert!(station("02:00:00:00:00:01").is_some_and(|station| station.age_s <= Some(2)), "{mode}");

        // The third guest takes the second one's place, address and all.
        ip(&two.netns, "link set eth0 down");
        ip(&three.netns, "link set eth0 address 02:00:00:00:00:02");
        ip(&three.netns, "address flush dev eth0");
        ip(&three.netns, "address add 10.0.0.2/24 dev eth0");
        assert!(reaches(&three.netns, one.addr) && reaches(&one.netns, two.addr), "{mode}");
        assert!(at("02:00:00:00:00:02", "g3"), "{mode}");
        assert!(host.status().fdb.moved >= 1, "{mode}");

        assert!(adit.end().expect("ended").success(), "{mode}");
    }
}
