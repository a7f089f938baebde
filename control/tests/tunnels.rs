//! Every kind of tunnel against another implementation of it: guests behind adit and behind Open vSwitch's userspace datapath reach
//! each other, by ping, TCP and UDP, in packets of four sizes, each way. NVGRE, which no other has, against a second adit. Needs root
//! and Open vSwitch.
//!
//! ```text
//!   guest g1 10.0.0.1 --- g1 [ adit ] eth1 192.0.2.1, 2001:db8::1 --- eth1 [ Open vSwitch ] g2 --- guest g2 10.0.0.2
//! ```

mod ovs_peer;
mod switch;

use std::net::UdpSocket;
use std::time::Duration;

use control::lab::{Capture, End, Netns, Ping, Process, Stop, veth};
use nix::sys::socket::{setsockopt, sockopt};
use ovs_peer::Ovs;
use switch::{Guest, Host, far_side, ip, offload, reaches, tcp, udp};

/// The guests' MTU is 1500, and the longest headers are 70 bytes.
const UNDERLAY_MTU: u32 = 1600;
/// Sizes of IP packets: small, odd, and as long as the guests' MTU allows.
const SIZES: [usize; 4] = [64, 577, 1401, 1500];

struct Network {
    host: Host,
    one: Guest,
    two: Guest,
    peer: Netns,
}

impl Network {
    /// None, with a word on stderr, when we may not make one.
    fn new() -> Option<Network> {
        let host = Host::new()?;
        let one = host.guest(1);
        let (peer, two) = far_side(1500);
        let end = |netns| End { netns, device: "eth1", mac: None };
        veth(end(&host.netns), end(&peer), UNDERLAY_MTU).expect("a cable");
        let _ = host.netns.sysctl("net/ipv6/conf/eth1/disable_ipv6", "0");
        ip(&host.netns, "address add 192.0.2.1/24 dev eth1");
        ip(&host.netns, "address add 2001:db8::1/64 dev eth1 nodad");
        // Open vSwitch takes frames off a device without asking for checksums that are left to it.
        for guest in [&one, &two] {
            offload(&guest.netns, "eth0");
        }
        offload(&peer, "g2");
        Some(Network { host, one, two, peer })
    }

    /// Starts adit with one tunnel.
    fn adit(&self, mode: &str, tunnel: &str) -> Process {
        self.adit_with("", mode, tunnel, "in_port=g1,actions=tun0\nin_port=tun0,actions=g1\n")
    }

    /// The same with more of `[bridge]`, and other flows.
    fn adit_with(&self, bridge: &str, mode: &str, tunnel: &str, flows: &str) -> Process {
        let lines: Vec<_> = tunnel.split(';').map(str::trim).collect();
        let config = format!(
            "[bridge]\nname = \"br0\"\nflows = \"flows.txt\"\n{bridge}\n\
             [[uplink]]\ndevice = \"eth1\"\nmode = \"{mode}\"\nendpoints = [\"192.0.2.1\", \"2001:db8::1\"]\n\
             [[port]]\nname = \"g1\"\nofport = 1\nmode = \"{mode}\"\n\
             [[tunnel]]\nname = \"tun0\"\nofport = 10\n{}\n",
            lines.join("\n")
        );
        self.host.adit(&config, flows)
    }

    fn carries(&self, what: &str) {
        carries(&self.host, &self.one, &self.two, what);
    }
}

/// Ping, TCP and UDP, each way.
fn carries(host: &Host, one: &Guest, two: &Guest, what: &str) {
    assert!(reaches(&one.netns, two.addr), "{what}: no answer; {:?}", host.status().drops);
    // Answers to the first questions, which had to wait for addresses to be resolved, may still be on their way.
    std::thread::sleep(Duration::from_millis(300));
    // What a guest said by itself while addresses were resolved is no loss of what is asked from here on.
    let before = host.status().drops;
    for (from, to) in [(one, two), (two, one)] {
        for packet in SIZES {
            let ping = Ping { count: 2, packet, whole: true, ..Ping::new(to.addr.into()) };
            let pong = ping.run(&from.netns, &Stop::default()).expect("asked");
            assert!(pong.complete() && pong.altered == 0, "{what}: {packet} bytes: {pong:?}");
            udp(from, to, packet, what);
        }
    }
    let carried = tcp(one, two);
    assert!(carried.there.bytes > 100_000 && carried.back.bytes > 100_000, "{what}: {carried:?}");
    assert_eq!(host.status().drops, before, "{what}");
}

const V4: &str = "remote_ip = \"192.0.2.2\"";
const V6: &str = "remote_ip = \"2001:db8::2\"";
const OVS4: &str = "remote_ip=192.0.2.1";
const OVS6: &str = "remote_ip=2001:db8::1";

#[test]
fn open_vswitch_and_adit_understand_each_other() {
    if !ovs_peer::installed() {
        return;
    }
    let Some(network) = Network::new() else { return };
    let ovs = Ovs::start(&network.peer, UNDERLAY_MTU).expect("Open vSwitch");
    for (what, mode, adit, kind, options) in [
        (
            "VXLAN over IPv4",
            "auto",
            format!("type = \"vxlan\";{V4};key = 100"),
            "vxlan",
            format!("{OVS4} key=100"),
        ),
        (
            "VXLAN over IPv4 with a checksum",
            "auto",
            format!("type = \"vxlan\";{V4};key = 100;csum = true"),
            "vxlan",
            format!("{OVS4} key=100 csum=true"),
        ),
        (
            "VXLAN over IPv6",
            "auto",
            format!("type = \"vxlan\";{V6};key = 100"),
            "vxlan",
            format!("{OVS6} key=100"),
        ),
        (
            "GRE with a key",
            "auto",
            format!("type = \"gre\";{V4};key = 456"),
            "gre",
            format!("{OVS4} key=456"),
        ),
        ("GRE without a key", "auto", format!("type = \"gre\";{V4}"), "gre", OVS4.to_string()),
        (
            "GRE with a key and a checksum",
            "auto",
            format!("type = \"gre\";{V4};key = 7;csum = true"),
            "gre",
            format!("{OVS4} key=7 csum=true"),
        ),
        // Not both: Open vSwitch 3.1 makes the checksum before it writes the number (docs/rfc.md).
        (
            "GRE with a key and sequence numbers",
            "auto",
            format!("type = \"gre\";{V4};key = 7;seq = true"),
            "gre",
            format!("{OVS4} key=7 seq=true"),
        ),
        (
            "GRE with sequence numbers, in order only",
            "auto",
            format!("type = \"gre\";{V4};key = 7;seq = true;iseq = true"),
            "gre",
            format!("{OVS4} key=7 seq=true"),
        ),
        (
            "VXLAN over IPv6 without a checksum",
            "auto",
            format!("type = \"vxlan\";{V6};key = 100;csum = false;udp6_zero_csum_rx = true"),
            "vxlan",
            format!("{OVS6} key=100 csum=false"),
        ),
        (
            "GRE in mode packet",
            "packet",
            format!("type = \"gre\";{V4};key = 456"),
            "gre",
            format!("{OVS4} key=456"),
        ),
        ("GRE over IPv6", "auto", format!("type = \"gre\";{V6};key = 9"), "ip6gre", format!("{OVS6} key=9")),
        (
            "Geneve over IPv4",
            "auto",
            format!("type = \"geneve\";{V4};key = 100"),
            "geneve",
            format!("{OVS4} key=100"),
        ),
        (
            "Geneve over IPv4 with a checksum",
            "packet",
            format!("type = \"geneve\";{V4};key = 100;csum = true"),
            "geneve",
            format!("{OVS4} key=100 csum=true"),
        ),
        (
            "Geneve over IPv6",
            "auto",
            format!("type = \"geneve\";{V6};key = 100"),
            "geneve",
            format!("{OVS6} key=100"),
        ),
    ] {
        ovs.tunnel(kind, &options).expect("a tunnel port");
        let running = network.adit(mode, &adit);
        network.carries(what);
        assert!(running.end().expect("ended").success(), "{what}");
    }
}

/// What an outer header says.
#[derive(Debug, PartialEq, Eq)]
struct Outer {
    tos: u8,
    ttl: u8,
    /// Of IPv4.
    whole: bool,
    /// UDP has a checksum, or GRE.
    checksum: bool,
}

impl Outer {
    fn of(frame: &[u8]) -> Outer {
        let (ipv6, ip) = (frame[12..14] == [0x86, 0xdd], &frame[14..]);
        let (tos, ttl, protocol, len) = match ipv6 {
            false => (ip[1], ip[8], ip[9], 20),
            true => (ip[0] << 4 | ip[1] >> 4, ip[7], ip[6], 40),
        };
        let checksum = match protocol {
            17 => ip[len + 6..len + 8] != [0; 2],
            _ => ip[len] & 0x80 != 0,
        };
        Outer { tos, ttl, whole: !ipv6 && ip[6] & 0x40 != 0, checksum }
    }
}

const MARK: &[u8] = b"what does the outer header say?";

/// The same datagram each way: what is around it is the same, too.
#[test]
fn outer_headers_say_what_those_of_open_vswitch_say() {
    if !ovs_peer::installed() {
        return;
    }
    let Some(network) = Network::new() else { return };
    let ovs = Ovs::start(&network.peer, UNDERLAY_MTU).expect("Open vSwitch");
    for (ours, theirs) in [
        ("", ""),
        ("tos = 40;ttl = 9", "tos=40 ttl=9"),
        ("tos = \"inherit\"", "tos=inherit"),
        ("ttl = \"inherit\"", "ttl=inherit"),
        ("df_default = false", "df_default=false"),
        ("csum = true", "csum=true"),
        ("csum = false", "csum=false"),
        (
            "tos = \"inherit\";ttl = \"inherit\";csum = true;df_default = false",
            "tos=inherit ttl=inherit csum=true df_default=false",
        ),
    ] {
        for (kind, their_kind, here, there) in [
            ("vxlan", "vxlan", V4, OVS4),
            ("vxlan", "vxlan", V6, OVS6),
            ("gre", "gre", V4, OVS4),
            ("gre", "ip6gre", V6, OVS6),
            ("geneve", "geneve", V4, OVS4),
            ("geneve", "geneve", V6, OVS6),
        ] {
            // Over IPv6 Open vSwitch makes a checksum all the same (docs/differences.md).
            if theirs == "csum=false" && here == V6 && kind != "gre" {
                continue;
            }
            let what = format!("{kind}, {here}, {theirs}");
            // Without a checksum over IPv6 nothing is taken unless allowed.
            let zero = if kind == "gre" { "" } else { "udp6_zero_csum_rx = true" };
            ovs.tunnel(their_kind, &format!("{there} key=100 {theirs}")).expect("a tunnel port");
            let running = network.adit("auto", &format!("type = \"{kind}\";{here};key = 100;{zero};{ours}"));
            assert!(reaches(&network.one.netns, network.two.addr), "{what}: no answer");
            let marked =
                |frame: &[u8]| frame.len() > 90 && frame.windows(MARK.len()).any(|part| part == MARK);
            let capture = Capture::start(&network.peer, marked).expect("a capture");
            // Each listens, and answers nothing.
            let guests = [&network.one, &network.two].map(|guest| (guest, marking(guest)));
            for ((_, from), (to, _)) in guests.iter().zip(guests.iter().rev()) {
                from.send_to(MARK, (to.addr, 4000)).expect("sent");
            }
            std::thread::sleep(Duration::from_millis(100));
            let caught = capture.finish().expect("a capture");
            let device = network.peer.index("eth1").expect("the underlay's device");
            let on_wire = |outgoing| {
                let mut frames =
                    caught.frames.iter().filter(|seen| seen.device == device && seen.outgoing == outgoing);
                frames.next().map(|seen| Outer::of(&seen.bytes))
            };
            let (adits, theirs) = (on_wire(false), on_wire(true));
            assert!(adits.is_some() && adits == theirs, "{what}: {adits:?}, of Open vSwitch {theirs:?}");
            assert!(running.end().expect("ended").success(), "{what}");
        }
    }
}

/// A socket with a type of service and a time to live of its own.
fn marking(guest: &Guest) -> UdpSocket {
    let socket =
        guest.netns.run(|| UdpSocket::bind((guest.addr, 4000))).expect("a namespace").expect("bound");
    setsockopt(&socket, sockopt::Ipv4Tos, &0x68).expect("set");
    socket.set_ttl(33).expect("set");
    socket
}

/// Options that are critical and not, of one and of five words, matched and set at both ends.
#[test]
fn open_vswitch_and_adit_understand_each_others_geneve_options() {
    if !ovs_peer::installed() {
        return;
    }
    let Some(network) = Network::new() else { return };
    let ovs = Ovs::start(&network.peer, UNDERLAY_MTU).expect("Open vSwitch");
    let map = ["{class=0x102,type=0x80,len=4}->tun_metadata3", "{class=0xffff,type=1,len=20}->tun_metadata1"];
    let (there, back) = (
        "set_field:0x11223344->tun_metadata3,set_field:0x500000000000000000000000000000007->tun_metadata1",
        "set_field:0x55667788->tun_metadata3,load:0x9->tun_metadata1[0..15]",
    );
    ovs.ofctl("add-tlv-map", &[&map.join(",")]).expect("a map");
    for (what, mode, checksum) in [("options", "auto", "false"), ("options and a checksum", "packet", "true")]
    {
        ovs.tunnel("geneve", &format!("{OVS4} key=100 csum={checksum}")).expect("a tunnel port");
        ovs.ofctl("del-flows", &[]).expect("none");
        for flow in [
            "in_port=tun0,tun_metadata3=0x11223344,tun_metadata1=0x500000000000000000000000000000007,actions=g2",
            &format!("in_port=g2,actions={back},tun0"),
        ] {
            ovs.ofctl("add-flow", &[flow]).expect("a flow");
        }
        let bridge = format!("tlv_map = {map:?}");
        let tunnel = format!("type = \"geneve\";{V4};key = 100;csum = {checksum}");
        let flows = format!(
            "in_port=g1,actions={there},tun0\nin_port=tun0,tun_metadata3=0x55667788,tun_metadata1=0x9/0xffff,actions=g1\n"
        );
        let running = network.adit_with(&bridge, mode, &tunnel, &flows);
        network.carries(what);
        assert!(running.end().expect("ended").success(), "{what}");
    }
}

#[test]
fn two_adits_understand_each_other_in_nvgre() {
    let (Some(left), Some(right)) = (Host::new(), Host::new()) else { return };
    let (one, two) = (left.guest(1), right.guest(2));
    let end = |host| End { netns: host, device: "eth1", mac: None };
    veth(end(&left.netns), end(&right.netns), UNDERLAY_MTU).expect("a cable");
    for (host, number) in [(&left, 1), (&right, 2)] {
        let _ = host.netns.sysctl("net/ipv6/conf/eth1/disable_ipv6", "0");
        ip(&host.netns, &format!("address add 192.0.2.{number}/24 dev eth1"));
        ip(&host.netns, &format!("address add 2001:db8::{number}/64 dev eth1 nodad"));
    }
    let adit = |host: &Host, number: u8, remote: &str, mode: &str| {
        let config = format!(
            "[bridge]\nname = \"br0\"\nflows = \"flows.txt\"\n\
             [[uplink]]\ndevice = \"eth1\"\nmode = \"{mode}\"\nendpoints = [\"192.0.2.{number}\", \"2001:db8::{number}\"]\n\
             [[port]]\nname = \"g{number}\"\nofport = 1\nmode = \"{mode}\"\n\
             [[tunnel]]\nname = \"tun0\"\nofport = 10\ntype = \"nvgre\"\nremote_ip = \"{remote}\"\nkey = 5001\n\
             peers = \"strict\"\n"
        );
        host.adit(&config, &format!("in_port=g{number},actions=tun0\nin_port=tun0,actions=g{number}\n"))
    };
    for (what, ends, mode) in [
        ("NVGRE over IPv4", ["192.0.2.1", "192.0.2.2"], "auto"),
        ("NVGRE over IPv6", ["2001:db8::1", "2001:db8::2"], "auto"),
        ("NVGRE in mode packet", ["192.0.2.1", "192.0.2.2"], "packet"),
    ] {
        let running = [adit(&left, 1, ends[1], mode), adit(&right, 2, ends[0], mode)];
        carries(&left, &one, &two, what);
        assert_eq!(right.status().drops, [], "{what}");
        for adit in running {
            assert!(adit.end().expect("ended").success(), "{what}");
        }
    }
}
