//! Jumbo frames end to end: guests with an MTU of 8,900 over an underlay of 9,000, behind adit and behind the kernel's own VXLAN device, Open
//! vSwitch's userspace datapath or a second adit, reach each other by ping, UDP and TCP, each way. Needs root.
//!
//! ```text
//!   guest g1 10.0.0.1 --- g1 [ adit ] eth1 192.0.2.1, 2001:db8::1 --- eth1 [ another switch ] g2 --- guest g2 10.0.0.2
//! ```

mod ovs_peer;
mod switch;

use std::fs;
use std::net::{IpAddr, Ipv6Addr};
use std::process::Command;
use std::time::Duration;

use control::lab::{End, Netns, Ping, Pong, Process, Stop, veth};
use nix::errno::Errno;
use ovs_peer::Ovs;
use switch::{Guest, Host, far_side, ip, kernel_since, offload, reaches, soon, tcp, udp};

const UNDERLAY: u32 = 9000;
const GUESTS: usize = 8900;
/// Sizes of IP packets: small, around what one buffer holds, as `ping -s 8800` sends them, and as long as the guests' MTU allows.
const SIZES: [usize; 7] = [64, 1500, 3700, 3826, 3827, 8828, GUESTS];

/// One host with adit and a guest.
struct Side {
    host: Host,
    guest: Guest,
}

impl Side {
    /// None, with a word on stderr, when we may not make one.
    fn new(number: u8, mtu: usize) -> Option<Side> {
        if !kernel_since((6, 6), "packets in several buffers of AF_XDP") {
            return None;
        }
        let host = Host::new()?;
        let guest = host.guest(number);
        address_v6(&guest.netns, number);
        ip(&host.netns, &format!("link set g{number} mtu {mtu}"));
        ip(&guest.netns, &format!("link set eth0 mtu {mtu}"));
        Some(Side { host, guest })
    }

    /// Gives the uplink its addresses.
    fn address(&self, number: u8) {
        let _ = self.host.netns.sysctl("net/ipv6/conf/eth1/disable_ipv6", "0");
        ip(&self.host.netns, &format!("address add 192.0.2.{number}/24 dev eth1"));
        ip(&self.host.netns, &format!("address add 2001:db8::{number}/64 dev eth1 nodad"));
    }

    /// Starts adit with one tunnel.
    fn adit(&self, number: u8, mode: &str, tunnel: &str) -> Process {
        let lines: Vec<_> = tunnel.split(';').map(str::trim).collect();
        let config = format!(
            "[bridge]\nname = \"br0\"\nflows = \"flows.txt\"\n\
             [[uplink]]\ndevice = \"eth1\"\nmode = \"{mode}\"\nendpoints = [\"192.0.2.{number}\", \"2001:db8::{number}\"]\n\
             [[port]]\nname = \"g{number}\"\nofport = 1\nmode = \"{mode}\"\n\
             [[tunnel]]\nname = \"tun0\"\nofport = 10\n{}\n",
            lines.join("\n")
        );
        self.host.adit(&config, &format!("in_port=g{number},actions=tun0\nin_port=tun0,actions=g{number}\n"))
    }
}

fn address_v6(guest: &Netns, number: u8) {
    let _ = guest.sysctl("net/ipv6/conf/eth0/disable_ipv6", "0");
    ip(guest, &format!("address add fd00::{number}/64 dev eth0 nodad"));
}

fn v6(guest: &Guest) -> Ipv6Addr {
    let [_, _, _, number] = guest.addr.octets();
    Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, number.into())
}

/// Adit with its guest, and another host with a guest on a cable `g2`, which something else is to switch.
struct Network {
    here: Side,
    peer: Netns,
    two: Guest,
}

impl Network {
    fn new() -> Option<Network> {
        let here = Side::new(1, GUESTS)?;
        let (peer, two) = far_side(GUESTS as u32);
        address_v6(&two.netns, 2);
        let end = |netns| End { netns, device: "eth1", mac: None };
        veth(end(&here.host.netns), end(&peer), UNDERLAY).expect("a cable");
        here.address(1);
        Some(Network { here, peer, two })
    }
}

fn ping(from: &Guest, to: IpAddr, packet: usize, whole: bool) -> Pong {
    let ping = Ping { count: 2, packet, whole, ..Ping::new(to) };
    ping.run(&from.netns, &Stop::default()).expect("asked")
}

/// How many packets a guest's kernel found with a wrong checksum, of IP, ICMP, TCP and UDP.
fn wrong_checksums(guest: &Guest) -> u64 {
    let read = || fs::read_to_string("/proc/thread-self/net/snmp").expect("counters");
    let text = guest.netns.run(read).expect("a namespace");
    let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
    let named = |pair: &[Vec<&str>]| -> u64 {
        let fields = pair[0].iter().zip(&pair[1]).filter(|(name, _)| name.ends_with("CsumErrors"));
        fields.map(|(_, count)| count.parse::<u64>().expect("a number")).sum()
    };
    lines.chunks_exact(2).map(named).sum()
}

/// Ping over IPv4 and IPv6, and UDP, each way.
fn answers(host: &Host, one: &Guest, two: &Guest, what: &str) {
    assert!(reaches(&one.netns, two.addr), "{what}: no answer; {:?}", host.status().drops);
    assert!(soon(|| ping(one, v6(two).into(), 64, true).complete()), "{what}: no answer over IPv6");
    // Answers to the first questions, which had to wait for addresses to be resolved, may still be on their way.
    std::thread::sleep(Duration::from_millis(300));
    let before = lost(host);
    for (from, to) in [(one, two), (two, one)] {
        for packet in SIZES {
            for address in [to.addr.into(), v6(to).into()] {
                let pong = ping(from, address, packet, true);
                assert!(
                    pong.complete() && pong.altered == 0,
                    "{what}: {packet} bytes to {address}: {pong:?}"
                );
            }
            udp(from, to, packet, what);
        }
    }
    assert_eq!(lost(host), before, "{what}");
}

/// How many frames adit has dropped, and the kernel could not hand over.
fn lost(host: &Host) -> (Vec<(String, u64)>, u64) {
    std::thread::sleep(Duration::from_millis(250));
    let status = host.status();
    let drops = status.drops.into_iter().map(|drop| (drop.reason, drop.count)).collect();
    (drops, status.ports.iter().map(|port| port.rx_missed).sum())
}

/// The same and TCP, of which adit drops nothing.
fn carries(host: &Host, one: &Guest, two: &Guest, what: &str) {
    answers(host, one, two, what);
    let before = lost(host);
    let carried = tcp(one, two);
    assert!(carried.there.bytes > 100_000 && carried.back.bytes > 100_000, "{what}: {carried:?}");
    assert_eq!((wrong_checksums(one), wrong_checksums(two)), (0, 0), "{what}");
    assert_eq!(lost(host).0, before.0, "{what}");
}

const V4: &str = "remote_ip = \"192.0.2.2\"";
const V6: &str = "remote_ip = \"2001:db8::2\"";

#[test]
fn the_kernels_vxlan_and_adit_exchange_jumbo_frames() {
    let Some(network) = Network::new() else { return };
    let Network { here, peer, two } = &network;
    let _ = peer.sysctl("net/ipv6/conf/eth1/disable_ipv6", "0");
    ip(peer, "address add 192.0.2.2/24 dev eth1");
    ip(peer, "address add 2001:db8::2/64 dev eth1 nodad");
    ip(peer, "link add br0 mtu 8900 type bridge");
    ip(peer, "link set br0 up");
    ip(peer, "link set g2 master br0");
    let v4 = "local 192.0.2.2 remote 192.0.2.1";
    let v6 = "local 2001:db8::2 remote 2001:db8::1";
    for (what, mode, adit, linux) in [
        ("VXLAN over IPv4", "native", V4.to_string(), v4.to_string()),
        ("VXLAN over IPv4 with a checksum", "native", format!("{V4};csum = true"), format!("{v4} udpcsum")),
        ("VXLAN over IPv6", "native", V6.to_string(), v6.to_string()),
        ("VXLAN over IPv4, generic", "generic", format!("{V4};csum = true"), format!("{v4} udpcsum")),
        ("VXLAN over IPv6, packet", "packet", V6.to_string(), v6.to_string()),
    ] {
        if mode == "generic" {
            // There nobody keeps the other ends from leaving segments to their devices.
            offload(&here.guest.netns, "eth0");
            offload(peer, "eth1");
        }
        ip(peer, &format!("link add vx0 mtu 8900 type vxlan id 100 {linux} dstport 4789"));
        ip(peer, "link set vx0 master br0");
        ip(peer, "link set vx0 up");
        let running = here.adit(1, mode, &format!("type = \"vxlan\";{adit};key = 100"));
        carries(&here.host, &here.guest, two, what);
        assert!(running.end().expect("ended").success(), "{what}");
        ip(peer, "link del vx0");
    }
}

#[test]
fn open_vswitch_and_adit_exchange_jumbo_frames() {
    if !ovs_peer::installed() {
        return;
    }
    let Some(network) = Network::new() else { return };
    let Network { here, peer, two } = &network;
    // Open vSwitch takes frames off a device without asking for checksums that are left to it.
    offload(&here.guest.netns, "eth0");
    offload(&two.netns, "eth0");
    offload(peer, "g2");
    let ovs = Ovs::start(peer, UNDERLAY).expect("Open vSwitch");
    let (ovs4, ovs6) = ("remote_ip=192.0.2.1", "remote_ip=2001:db8::1");
    for (what, adit, kind, options) in [
        (
            "GRE with a checksum",
            format!("type = \"gre\";{V4};key = 456;csum = true"),
            "gre",
            format!("{ovs4} key=456 csum=true"),
        ),
        ("GRE over IPv6", format!("type = \"gre\";{V6};key = 9"), "ip6gre", format!("{ovs6} key=9")),
        ("Geneve", format!("type = \"geneve\";{V4};key = 100"), "geneve", format!("{ovs4} key=100")),
        (
            "Geneve over IPv6",
            format!("type = \"geneve\";{V6};key = 100"),
            "geneve",
            format!("{ovs6} key=100 csum=true"),
        ),
    ] {
        ovs.tunnel(kind, &options).expect("a tunnel port");
        let running = here.adit(1, "auto", &adit);
        carries(&here.host, &here.guest, two, what);
        assert!(running.end().expect("ended").success(), "{what}");
    }
}

/// The underlay and the guests get jumbo frames while everything runs.
#[test]
fn an_mtu_that_is_raised_is_followed() {
    let Some(network) = Network::new() else { return };
    let Network { here, peer, two } = &network;
    let resize = |mtu: u32| {
        for (netns, device) in [(&here.host.netns, "eth1"), (peer, "eth1")] {
            netns.set_mtu(device, mtu).expect("an MTU");
        }
        for (netns, device) in
            [(&here.host.netns, "g1"), (&here.guest.netns, "eth0"), (peer, "g2"), (&two.netns, "eth0")]
        {
            netns.set_mtu(device, mtu - 100).expect("an MTU");
        }
    };
    resize(1600);
    ip(peer, "address add 192.0.2.2/24 dev eth1");
    ip(peer, "link add br0 type bridge");
    ip(peer, "link add vx0 type vxlan id 100 local 192.0.2.2 remote 192.0.2.1 dstport 4789");
    for command in ["g2 master br0", "vx0 master br0", "vx0 up", "br0 up"] {
        ip(peer, &format!("link set {command}"));
    }
    let adit = here.adit(1, "native", &format!("type = \"vxlan\";{V4};key = 100"));
    assert!(reaches(&here.guest.netns, two.addr));
    assert!(ping(&here.guest, two.addr.into(), 1500, true).complete());
    resize(UNDERLAY);
    ip(peer, "link set vx0 mtu 8900");
    assert!(soon(|| ping(&here.guest, two.addr.into(), GUESTS, true).complete()), "{:?}", here.host.status());
    carries(&here.host, &here.guest, two, "raised");
    // What is lowered needs nothing, and what is raised again has its room.
    resize(1600);
    resize(UNDERLAY);
    ip(peer, "link set vx0 mtu 8900");
    assert!(soon(|| ping(&here.guest, two.addr.into(), GUESTS, true).complete()), "{:?}", here.host.status());
    let said = adit.last_lines();
    assert_eq!(said.matches("eth1: there is room for an MTU of 9000 now").count(), 1, "{said}");
    assert!(adit.end().expect("ended").success());
}

/// Two adits, whose guests have as large an MTU as the underlay.
struct Pair {
    left: Side,
    right: Side,
}

impl Pair {
    fn new() -> Option<Pair> {
        let (left, right) = (Side::new(1, UNDERLAY as usize)?, Side::new(2, UNDERLAY as usize)?);
        let end = |netns| End { netns, device: "eth1", mac: None };
        veth(end(&left.host.netns), end(&right.host.netns), UNDERLAY).expect("a cable");
        left.address(1);
        right.address(2);
        Some(Pair { left, right })
    }
}

/// NVGRE, which nobody else has; and what is longer than the way: cut up, or told of.
#[test]
fn jumbo_frames_too_long_for_the_way_are_cut_or_their_senders_told() {
    let Some(Pair { left, right }) = Pair::new() else { return };
    for (kind, version, overhead) in [("nvgre", 4, 42), ("nvgre", 6, 62), ("vxlan", 4, 50), ("geneve", 6, 70)]
    {
        let what = format!("{kind} over IPv{version}");
        let tunnel = |number: u8| {
            let remote =
                if version == 4 { format!("192.0.2.{number}") } else { format!("2001:db8::{number}") };
            format!("type = \"{kind}\";remote_ip = \"{remote}\";key = 5001")
        };
        let running = [left.adit(1, "auto", &tunnel(2)), right.adit(2, "auto", &tunnel(1))];
        let (one, two) = (&left.guest, &right.guest);
        answers(&left.host, one, two, &what);
        let (fits, longest) = (UNDERLAY as usize - overhead, UNDERLAY as usize);
        assert!(ping(one, two.addr.into(), longest, false).complete(), "{what}: may be fragmented");
        for address in [two.addr.into(), v6(two).into()] {
            let learned = soon(|| ping(one, address, longest, true).refused == Some(Errno::EMSGSIZE));
            assert!(learned, "{what}: {:?}", left.host.status().drops);
            let (exactly, more) = (ping(one, address, fits, true), ping(one, address, fits + 1, true));
            assert!(exactly.complete(), "{what}: {fits} bytes to {address}: {exactly:?}");
            assert_eq!(more.refused, Some(Errno::EMSGSIZE), "{what}: {} bytes to {address}", fits + 1);
        }
        let carried = tcp(one, two);
        assert!(carried.there.bytes > 100_000 && carried.back.bytes > 100_000, "{what}: {carried:?}");
        assert_eq!((wrong_checksums(one), wrong_checksums(two)), (0, 0), "{what}");
        let mut doctor = Command::new(env!("CARGO_BIN_EXE_adit"));
        doctor.args(["doctor", "mtu", "--json", "--probe", "--config"]).arg(left.host.file("adit.toml"));
        doctor.arg("--socket").arg(left.host.file("adit.sock"));
        let output = left.host.netns.run(|| doctor.output()).expect("a namespace").expect("adit");
        let said: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let tunnel = &said["tunnels"][0];
        assert_eq!((&tunnel["guest_mtu"], &tunnel["proven"]), (&fits.into(), &true.into()), "{what}: {said}");
        for adit in running {
            assert!(adit.end().expect("ended").success(), "{what}");
        }
        for guest in [one, two] {
            ip(&guest.netns, "route flush cache");
            ip(&guest.netns, "-6 route flush cache");
        }
    }
}
