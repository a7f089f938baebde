//! The embedded controller at work: two tenants with the same addresses on three hypervisors, two of them adit and the third a Linux host with
//! VXLAN devices whose forwarding database lists the others. Needs root and iproute2.
//!
//! ```text
//!   red1  10.0.0.1 --- red  [ adit ] eth1 192.0.2.1 ---+
//!   blue1 10.0.0.1 --- blue [      ]                   |
//!   red2  10.0.0.2 --- red  [ adit ] eth1 192.0.2.2 ---+--- a bridge of the kernel, where everything is seen
//!   blue2 10.0.0.2 --- blue [      ]                   |
//!   red3  10.0.0.3 --- red  [ Linux] eth1 192.0.2.3 ---+
//! ```

mod ovs_peer;
mod switch;

use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::process::Command;
use std::time::Duration;

use control::lab::{Capture, End, Netns, Ping, Process, Stop, veth};
use switch::{Host, ip, soon};

const UNDERLAY_MTU: u32 = 1600;
const RED: u32 = 5001;
const BLUE: u32 = 5002;
/// Frames a second that red's first guest may have sent to all.
const STORM: u64 = 50;

/// A guest's namespace, with the same addresses for every tenant.
fn guest(host: &Netns, device: &str, n: u8) -> Netns {
    let netns = Netns::new(device).expect("a namespace");
    let _ = netns.sysctl("net/ipv6/conf/default/accept_dad", "0");
    let there = End { netns: &netns, device: "eth0", mac: Some([2, 0, 0, 0, 0, n]) };
    veth(there, End { netns: host, device, mac: None }, 1500).expect("a cable");
    ip(&netns, &format!("address add 10.0.0.{n}/24 broadcast 10.0.0.255 dev eth0"));
    ip(&netns, &format!("address add fd00::{n}/64 dev eth0 nodad"));
    netns
}

/// Of the hypervisor with this number; the other one with an adit is the other one.
fn config(n: u8) -> String {
    let other = 3 - n;
    let peer = |n: u8| format!("[[peer]]\nname = \"hv{n}\"\nremote_ip = \"192.0.2.{n}\"\ntype = \"vxlan\"\n");
    let member = |seat: &str, n: u8| {
        format!(
            "[[tenant.member]]\n{seat}\nmac = \"02:00:00:00:00:0{n}\"\nip = [\"10.0.0.{n}\", \"fd00::{n}\"]\n"
        )
    };
    let members = |port: &str| {
        member(&format!("port = \"{port}\""), n) + &member(&format!("peer = \"hv{other}\""), other)
    };
    format!(
        "[bridge]\nname = \"br0\"\n[[uplink]]\ndevice = \"eth1\"\nendpoints = [\"192.0.2.{n}\"]\n\
         [[port]]\nname = \"red\"\nofport = 1\nstorm_pps = {STORM}\n[[port]]\nname = \"blue\"\nofport = 2\n{}{}\
         [[tenant]]\nname = \"red\"\nid = {RED}\npeers = [\"hv3\"]\n{}\
         [[tenant]]\nname = \"blue\"\nid = {BLUE}\n{}",
        peer(other),
        peer(3),
        members("red"),
        members("blue")
    )
}

struct Network {
    underlay: Netns,
    hosts: [Host; 2],
    linux: Netns,
    red: [Netns; 3],
    blue: [Netns; 2],
}

impl Network {
    /// None, with a word on stderr, when we may not make one.
    fn new() -> Option<Network> {
        let hosts = [Host::new()?, Host::new()?];
        let underlay = Netns::new("underlay").expect("a namespace");
        let _ = underlay.sysctl("net/ipv6/conf/default/disable_ipv6", "1");
        underlay.bridge("br0", UNDERLAY_MTU).expect("a bridge");
        let linux = Netns::new("linux").expect("a namespace");
        let _ = linux.sysctl("net/ipv6/conf/default/disable_ipv6", "1");
        for (host, n) in [&hosts[0].netns, &hosts[1].netns, &linux].into_iter().zip(1..) {
            let device = &format!("hv{n}");
            let there = End { netns: &underlay, device, mac: None };
            veth(End { netns: host, device: "eth1", mac: None }, there, UNDERLAY_MTU).expect("a cable");
            underlay.enslave(device, "br0").expect("a port");
            ip(host, &format!("address add 192.0.2.{n}/24 dev eth1"));
        }
        let red = [&hosts[0].netns, &hosts[1].netns, &linux];
        let red = [guest(red[0], "red", 1), guest(red[1], "red", 2), guest(red[2], "red", 3)];
        let blue = [guest(&hosts[0].netns, "blue", 1), guest(&hosts[1].netns, "blue", 2)];
        linux.bridge("br1", 1500).expect("a bridge");
        ip(
            &linux,
            &format!("link add vx0 mtu 1500 type vxlan id {RED} local 192.0.2.3 dstport 4789 dev eth1"),
        );
        for (device, state) in [("vx0", "up"), ("red", "up")] {
            ip(&linux, &format!("link set {device} master br1 {state}"));
        }
        for n in 1..=2 {
            fdb(&linux, &format!("append 00:00:00:00:00:00 dev vx0 dst 192.0.2.{n}"));
        }
        Some(Network { underlay, hosts, linux, red, blue })
    }

    fn start(&self) -> [Process; 2] {
        let adit = |n: u8| self.hosts[usize::from(n) - 1].adit(&config(n), "");
        [adit(1), adit(2)]
    }
}

fn fdb(netns: &Netns, command: &str) {
    let run = || Command::new("bridge").arg("fdb").args(command.split(' ')).output().expect("bridge");
    let output = netns.run(run).expect("a namespace");
    assert!(output.status.success(), "bridge fdb {command}: {}", String::from_utf8_lossy(&output.stderr));
}

fn ping(from: &Netns, to: &str, fill: &[u8]) -> bool {
    let to: IpAddr = to.parse().expect("an address");
    let ping = Ping { count: 1, fill: fill.to_vec(), patience: Duration::from_millis(300), ..Ping::new(to) };
    soon(|| ping.run(from, &Stop::default()).expect("asked").complete())
}

/// A packet of VXLAN as it passes the underlay, by a device that it comes in at.
struct Carried {
    to: Ipv4Addr,
    vni: u32,
    inner: Vec<u8>,
}

fn carried(bytes: &[u8]) -> Option<Carried> {
    let vxlan =
        bytes.len() >= 64 && bytes[12..14] == [8, 0] && bytes[23] == 17 && bytes[36..38] == [0x12, 0xb5];
    vxlan.then(|| Carried {
        to: [bytes[30], bytes[31], bytes[32], bytes[33]].into(),
        vni: u32::from_be_bytes([0, bytes[46], bytes[47], bytes[48]]),
        inner: bytes[50..].to_vec(),
    })
}

/// What crosses the underlay while something is done, each packet once: as it came in by the cable of a hypervisor.
fn seen(network: &Network, what: impl FnOnce()) -> Vec<Carried> {
    let cables = ["hv1", "hv2", "hv3"].map(|name| network.underlay.index(name).expect("a device"));
    let capture = Capture::start(&network.underlay, |bytes| carried(bytes).is_some()).expect("a capture");
    what();
    std::thread::sleep(Duration::from_millis(300));
    let caught = capture.finish().expect("caught");
    assert_eq!(caught.lost, 0, "everything was seen");
    let came_in = caught.frames.iter().filter(|seen| !seen.outgoing && cables.contains(&seen.device));
    came_in.filter_map(|seen| carried(&seen.bytes)).collect()
}

fn is_arp_request(packet: &Carried) -> bool {
    packet.inner.len() >= 22 && packet.inner[12..14] == [8, 6] && packet.inner[20..22] == [0, 1]
}

/// For one of the guests' global addresses; they ask for their own when they start.
fn is_solicitation(packet: &Carried) -> bool {
    let inner = &packet.inner;
    inner.len() >= 78
        && inner[12..14] == [0x86, 0xdd]
        && inner[20] == 58
        && inner[54] == 135
        && inner[62] == 0xfd
}

fn is_for_all(packet: &Carried) -> bool {
    packet.inner[0] & 1 != 0
}

#[test]
fn tenants_are_apart_and_their_questions_are_answered_without_asking_everybody() {
    let Some(network) = Network::new() else { return };
    let Network { hosts, red, blue, .. } = &network;
    let _adits = network.start();

    // Known addresses: answered here, nobody is asked.
    let packets = seen(&network, || {
        assert!(ping(&red[0], "10.0.0.2", b"red"), "{:?}", hosts[0].status().drops);
        assert!(ping(&blue[0], "10.0.0.2", b"blue"), "{:?}", hosts[0].status().drops);
        assert!(ping(&red[1], "10.0.0.1", b"red"));
    });
    assert!(
        packets.iter().any(|packet| packet.vni == RED) && packets.iter().any(|packet| packet.vni == BLUE)
    );
    let asked = packets.iter().filter(|packet| is_arp_request(packet) && is_for_all(packet)).count();
    assert_eq!(asked, 0, "known addresses need no broadcast");
    let holder = |netns: &Netns| ip(netns, "neighbour show 10.0.0.2 dev eth0");
    assert!(holder(&red[0]).contains("02:00:00:00:00:02"), "{}", holder(&red[0]));

    // One that is not told of: asked of every hypervisor that has red, once, and of nobody for blue.
    let packets = seen(&network, || {
        assert!(ping(&red[0], "10.0.0.3", b"red"), "{:?}", hosts[0].status().drops);
        assert!(!ping_once(&blue[0], "10.0.0.3"), "blue has no third");
    });
    let asked = |vni, last: u8| {
        let question = |packet: &&Carried| {
            packet.vni == vni
                && packet.to == Ipv4Addr::new(192, 0, 2, last)
                && is_arp_request(packet)
                && packet.inner[41] == 3
                && packet.inner[31] == 1
        };
        packets.iter().filter(question).count()
    };
    assert!(asked(RED, 2) >= 1 && asked(RED, 2) == asked(RED, 3), "{} {}", asked(RED, 2), asked(RED, 3));
    assert!(asked(BLUE, 2) >= 1 && asked(BLUE, 3) == 0);
    assert!(ping(&red[2], "10.0.0.2", b"red"), "Linux to the second hypervisor");

    // IPv6 alike.
    let packets = seen(&network, || {
        assert!(ping(&red[0], "fd00::2", b"red") && ping(&blue[0], "fd00::2", b"blue"));
    });
    let solicited = packets.iter().filter(|packet| is_solicitation(packet) && is_for_all(packet)).count();
    assert_eq!(solicited, 0, "known addresses need no multicast");
    let holder = ip(&blue[0], "neighbour show fd00::2 dev eth0");
    assert!(holder.contains("02:00:00:00:00:02"), "{holder}");
    let packets = seen(&network, || {
        for (from, to) in [(&red[0], "fd00::2"), (&blue[1], "fd00::1"), (&red[2], "fd00::1")] {
            assert!(ping(from, to, if std::ptr::eq(from, &blue[1]) { b"blue" } else { b"red!" }), "{to}");
        }
    });
    assert!(packets.iter().all(|packet| packet.vni == RED || packet.to != Ipv4Addr::new(192, 0, 2, 3)));

    // Nobody sees the other tenant's frames.
    let captures: Vec<_> = red
        .iter()
        .map(|netns| (netns, b"blueblue".to_vec()))
        .chain(blue.iter().map(|netns| (netns, b"redsreds".to_vec())))
        .map(|(netns, other)| {
            Capture::start(netns, move |bytes| bytes.windows(other.len()).any(|part| part == other))
                .expect("a capture")
        })
        .collect();
    for _ in 0..3 {
        assert!(ping(&red[0], "10.0.0.2", b"reds") && ping(&red[0], "10.0.0.3", b"reds"));
        assert!(ping(&blue[0], "10.0.0.2", b"blue") && ping(&blue[1], "fd00::1", b"blue"));
        shout(&red[0], b"redsreds", 1);
        shout(&blue[0], b"blueblue", 1);
    }
    for capture in captures {
        let caught = capture.finish().expect("caught");
        assert_eq!((caught.frames.len(), caught.lost), (0, 0), "nobody sees the other tenant's");
        assert!(caught.examined > 0);
    }
}

/// The flows are there for whoever lists flows.
#[test]
fn what_it_does_is_told_by_flows_and_a_storm_is_held_to_its_rate() {
    let Some(network) = Network::new() else { return };
    let _adits = network.start();
    let Network { hosts, red, .. } = &network;
    let dump = Command::new(env!("CARGO_BIN_EXE_adit"))
        .args(["flows", "dump", "--socket"])
        .arg(hosts[0].file("adit.sock"))
        .output()
        .expect("adit flows dump");
    let dump = String::from_utf8(dump.stdout).expect("text");
    let flows = dump.lines().filter(|line| line.contains("cookie=0x74656e616e7473")).count();
    assert!(flows > 10 && dump.contains("arp_tpa=10.0.0.2"), "{dump}");
    // A controller's tool sees the same ones.
    if ovs_peer::installed() {
        let target = format!("unix:{}", hosts[0].file("br0.mgmt").display());
        let tool = Command::new("ovs-ofctl")
            .args(["-O", "OpenFlow13", "dump-flows", &target])
            .output()
            .expect("ovs-ofctl");
        let told = String::from_utf8_lossy(&tool.stdout);
        let seen = told.lines().filter(|line| line.contains("cookie=0x74656e616e7473")).count();
        assert_eq!(seen, flows, "{told}{}", String::from_utf8_lossy(&tool.stderr));
    }

    assert!(ping(&red[0], "10.0.0.2", b"red"));
    std::thread::sleep(Duration::from_millis(300));
    let before = hosts[0].drops("storm_over_rate");
    let start = std::time::Instant::now();
    let packets = seen(&network, || shout(&red[0], b"storm", 500));
    let allowed = STORM / 10 + STORM * (start.elapsed().as_millis() as u64 + 100) / 1000;
    let to = |last: u8| {
        let storm = |packet: &&Carried| {
            packet.to == Ipv4Addr::new(192, 0, 2, last)
                && packet.inner.windows(5).any(|part| part == b"storm")
        };
        packets.iter().filter(storm).count() as u64
    };
    assert!((1..=allowed).contains(&to(2)) && to(2) == to(3), "{} and {} of {allowed}", to(2), to(3));
    let dropped = hosts[0].drops("storm_over_rate") - before;
    assert!(dropped + to(2) >= 500, "{dropped} dropped, {} carried", to(2));
    assert!(ping(&red[0], "10.0.0.2", b"red"), "what is for one goes on");
}

/// Nobody has named the third hypervisor: its address is learned with that of its guest, and the way there is followed from then on. It
/// is no peer for that: a tunnel that takes those of peers alone does not take its.
#[test]
fn an_end_that_was_only_seen_is_reached_and_is_no_peer() {
    let Some(network) = Network::new() else { return };
    let Network { hosts, red, linux, .. } = &network;
    let config = format!(
        "[bridge]\nname = \"br0\"\nflows = \"flows.txt\"\n[[uplink]]\ndevice = \"eth1\"\nendpoints = [\"192.0.2.1\"]\n\
         [[port]]\nname = \"red\"\nofport = 1\ntenant = {RED}\n[[port]]\nname = \"blue\"\nofport = 2\ntenant = {BLUE}\n\
         [[tunnel]]\nname = \"vx0\"\nofport = 10\ntype = \"vxlan\"\nremote_ip = \"flow\"\nkey = \"flow\"\n\
         [[tunnel]]\nname = \"vx1\"\nofport = 11\ntype = \"vxlan\"\nremote_ip = \"flow\"\nkey = {BLUE}\npeers = \"strict\"\n"
    );
    let _adit = hosts[0].adit(&config, "actions=normal\n");
    assert!(ping(&red[2], "10.0.0.1", b"red"), "{:?}", hosts[0].status().drops);
    let stations = hosts[0].status().fdb.stations;
    assert!(stations.iter().any(|station| station.remote_ip.as_deref() == Some("192.0.2.3")), "{stations:?}");

    ip(
        linux,
        &format!("link add vx1 type vxlan id {BLUE} local 192.0.2.3 remote 192.0.2.1 dstport 4789 dev eth1"),
    );
    ip(linux, "link set vx1 up");
    ip(linux, "address add 10.0.0.9/24 dev vx1");
    assert!(!ping_once(linux, "10.0.0.1"), "blue's tunnel takes peers alone");
    assert!(hosts[0].drops("unknown_peer") > 0);
}

fn ping_once(from: &Netns, to: &str) -> bool {
    let ping =
        Ping { count: 1, patience: Duration::from_millis(300), ..Ping::new(to.parse().expect("an address")) };
    ping.run(from, &Stop::default()).expect("asked").complete()
}

/// Says something to everybody, often.
fn shout(netns: &Netns, what: &[u8], times: usize) {
    let socket = netns.run(|| UdpSocket::bind(("0.0.0.0", 4001))).expect("a namespace").expect("bound");
    socket.set_broadcast(true).expect("set");
    for _ in 0..times {
        socket.send_to(what, (Ipv4Addr::new(10, 0, 0, 255), 9)).expect("sent");
    }
}
