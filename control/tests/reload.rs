//! Tunnels that come, change and go while the switch runs, to the kernel's own VXLAN. Needs root.
//!
//! ```text
//!   guest g1 10.0.0.1 --- g1 [ adit ] eth1 192.0.2.1 --- eth1 192.0.2.2 [ vxlan ] 10.0.0.2
//! ```

mod switch;

use control::lab::{End, Netns, Process, Stop, veth};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;
use std::net::Ipv4Addr;
use switch::{Guest, Host, PATIENCE, ip, kernel_since, reaches, soon};

const THERE: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
const FLOWS: &str = "in_port=g1,actions=10\nin_port=10,actions=g1\n";

fn config(mode: &str, tunnels: &str) -> String {
    format!(
        "[bridge]\nname = \"br0\"\nflows = \"flows.txt\"\n\
         [[uplink]]\ndevice = \"eth1\"\nmode = \"{mode}\"\nendpoints = [\"192.0.2.1\"]\n\
         [[port]]\nname = \"g1\"\nofport = 1\nmode = \"{mode}\"\n{tunnels}"
    )
}

fn tunnel(kind: &str, key: u32) -> String {
    format!(
        "[[tunnel]]\nname = \"tun0\"\nofport = 10\ntype = \"{kind}\"\nremote_ip = \"192.0.2.2\"\nkey = {key}\n"
    )
}

/// Writes a configuration and has it taken up; the line that is said of it begins so.
fn reload(host: &Host, adit: &mut Process, config: &str, says: &str) {
    fs::write(host.file("adit.toml"), config).expect("written");
    kill(Pid::from_raw(host.status().pid as i32), Signal::SIGHUP).expect("it runs");
    adit.wait_for_line(says, PATIENCE, &Stop::default()).unwrap_or_else(|error| panic!("{says}: {error:#}"));
}

/// The other end is called so.
fn peer(netns: &Netns, key: u32) {
    let there = || std::process::Command::new("ip").args(["link", "del", "vx0"]).output();
    let _ = netns.run(there).expect("a namespace");
    ip(
        netns,
        &format!(
            "link add vx0 address 02:00:00:00:00:99 type vxlan id {key} local 192.0.2.2 remote 192.0.2.1 dstport 4789 dev eth1"
        ),
    );
    ip(netns, "address add 10.0.0.2/24 dev vx0");
    ip(netns, "link set vx0 up");
}

#[test]
fn tunnels_come_change_and_go_while_the_switch_runs() {
    for mode in ["auto", "packet"] {
        let Some(host) = Host::new() else { return };
        let (guest, other) = guest_and_peer(&host);

        let mut adit = host.adit(&config(mode, ""), FLOWS);
        assert_eq!(host.status().tunnels.len(), 0);
        reload(
            &host,
            &mut adit,
            &config(mode, &tunnel("vxlan", 100)),
            "adit: tunnels are taken up: tun0 added",
        );
        assert!(reaches(&guest.netns, THERE), "{mode}: added; {:?}", host.status().drops);

        peer(&other, 200);
        reload(
            &host,
            &mut adit,
            &config(mode, &tunnel("vxlan", 200)),
            "adit: tunnels are taken up: tun0 changed",
        );
        assert!(reaches(&guest.netns, THERE), "{mode}: changed; {:?}", host.status().drops);

        let more = config(mode, &tunnel("vxlan", 300)) + "[[port]]\nname = \"g2\"\nofport = 2\n";
        let refused = "adit: the configuration is not taken up, all stays as it was";
        reload(&host, &mut adit, &more, &format!("{refused}: [[port]] changed too"));
        reload(&host, &mut adit, "[bridge]", refused);
        let same = "adit: the configuration says of tunnels what it said before";
        reload(&host, &mut adit, &config(mode, &tunnel("vxlan", 200)), same);
        assert!(reaches(&guest.netns, THERE), "{mode}: as it was; {:?}", host.status().drops);

        // Nobody takes VXLAN any more: it is the kernel's again.
        reload(
            &host,
            &mut adit,
            &config(mode, &tunnel("geneve", 200)),
            "adit: tunnels are taken up: tun0 changed",
        );
        // A line like that was said before.
        assert!(soon(|| host.status().tunnels[0].kind == "geneve"), "{mode}");
        assert!(!reaches(&guest.netns, THERE), "{mode}: of another type");
        reload(&host, &mut adit, &config(mode, ""), "adit: tunnels are taken up: tun0 removed");
        assert!(!reaches(&guest.netns, THERE) && host.drops("no_such_port") > 0, "{mode}: removed");
        assert!(adit.end().expect("ended").success(), "{mode}");
    }
}

#[test]
fn a_hangup_while_it_starts_is_heard_once_it_runs() {
    let Some(host) = Host::new() else { return };
    let _guest = host.guest(1);
    let config = "[bridge]\nname = \"br0\"\nflows = \"flows.txt\"\n[[port]]\nname = \"g1\"\nofport = 1\n";
    let mut adit = host.start(config, "in_port=g1,actions=drop\n");
    // The first that it makes.
    assert!(soon(|| host.file("adit.sock").exists()));
    kill(Pid::from_raw(adit.id() as i32), Signal::SIGHUP).expect("it starts");
    let heard = "adit: the configuration says of tunnels what it said before";
    adit.wait_for_line(heard, PATIENCE, &Stop::default()).expect("it was not the end");
    assert!(adit.end().expect("ended").success());
}

/// A guest, and a peer at the other end of a tunnel with key 100.
fn guest_and_peer(host: &Host) -> (Guest, Netns) {
    let (guest, other) = (host.guest(1), Netns::new("peer").expect("a namespace"));
    let end = |netns| End { netns, device: "eth1", mac: None };
    veth(end(&host.netns), end(&other), 1600).expect("a cable");
    ip(&host.netns, "address add 192.0.2.1/24 dev eth1");
    ip(&other, "address add 192.0.2.2/24 dev eth1");
    peer(&other, 100);
    (guest, other)
}

#[test]
fn who_was_behind_a_tunnel_is_not_behind_the_next_one_with_its_number() {
    let Some(host) = Host::new() else { return };
    let (guest, _other) = guest_and_peer(&host);
    let mut adit = host.adit(&config("packet", &tunnel("vxlan", 100)), "actions=normal\n");
    assert!(reaches(&guest.netns, THERE), "{:?}", host.status().drops);
    let behind = |port: &str| host.status().fdb.stations.iter().any(|station| station.port == port);
    assert!(soon(|| behind("tun0") && behind("g1")));
    let slower = config("packet", &(tunnel("vxlan", 100) + "ttl = 9\n"));
    reload(&host, &mut adit, &slower, "adit: tunnels are taken up: tun0 changed");
    assert!(behind("tun0"), "it is the same tunnel");
    let next = tunnel("vxlan", 200).replace("tun0", "tun1");
    let says = "adit: tunnels are taken up: tun1 added, tun0 removed";
    reload(&host, &mut adit, &config("packet", &next), says);
    assert!(behind("g1") && !behind("tun0") && !behind("tun1"), "{:?}", host.status().fdb);
    assert!(adit.end().expect("ended").success());
}

#[test]
fn what_no_socket_can_listen_for_is_not_taken_up() {
    if !kernel_since((6, 8), "net.core.optmem_max of a namespace") {
        return;
    }
    let Some(host) = Host::new() else { return };
    let (guest, _other) = guest_and_peer(&host);
    // Room for the filter of some ports, and not for that of many.
    host.netns.sysctl("net/core/optmem_max", "8192").expect("a limit");
    let mut adit = host.adit(&config("packet", &tunnel("vxlan", 100)), FLOWS);
    assert!(reaches(&guest.netns, THERE), "{:?}", host.status().drops);
    let many: String = (0..1000)
        .map(|n| {
            let other = tunnel("vxlan", n).replace("tun0", &format!("t{n}"));
            other.replace("ofport = 10", &format!("ofport = {}", 100 + n))
                + &format!("dst_port = {}\n", 10_000 + n)
        })
        .collect();
    let refused = "adit: the configuration is not taken up, all stays as it was: cannot open an AF_PACKET socket on eth1";
    reload(&host, &mut adit, &config("packet", &(tunnel("vxlan", 200) + &many)), refused);
    assert_eq!(host.status().tunnels.len(), 1);
    assert!(reaches(&guest.netns, THERE), "{:?}", host.status().drops);
    assert!(adit.end().expect("ended").success());
}
