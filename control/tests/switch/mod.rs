//! `adit run` in a namespace of its own, with guests at the other ends of its cables.
//!
//! ```text
//!   guest g1 10.0.0.1 eth0 --- g1 [ adit ] g2 --- eth0 guest g2 10.0.0.2
//! ```

#![allow(dead_code, reason = "each test file uses its part")]

use std::fs;
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use control::api::Client;
use control::lab::{End, Netns, Peer, Ping, Process, Scratch, Stop, Transfer, veth};
use control::status::{PortStatus, Status};

/// How long anything may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Whether there is ovs-ofctl; a word on stderr where there is not.
pub(crate) fn has_ovs_ofctl() -> bool {
    let there = Command::new("ovs-ofctl").arg("--version").output().is_ok();
    if !there {
        assert!(std::env::var_os("ADIT_TESTS_NO_SKIP").is_none(), "needs ovs-ofctl");
        eprintln!("skipped: needs ovs-ofctl");
    }
    there
}

/// A host that adit runs on.
pub(crate) struct Host {
    pub(crate) netns: Netns,
    folder: Scratch,
}

/// A machine of a tenant.
pub(crate) struct Guest {
    pub(crate) netns: Netns,
    pub(crate) addr: Ipv4Addr,
}

impl Host {
    /// None, with a word on stderr, when we may not make one.
    pub(crate) fn new() -> Option<Host> {
        if !nix::unistd::geteuid().is_root() {
            assert!(std::env::var_os("ADIT_TESTS_NO_SKIP").is_none(), "needs root (network namespaces)");
            eprintln!("skipped: needs root (network namespaces)");
            return None;
        }
        let netns = Netns::new("host").expect("a namespace");
        let _ = netns.sysctl("net/ipv6/conf/default/disable_ipv6", "1");
        let folder = Scratch::new(&std::env::temp_dir(), "adit-device-test").expect("a folder");
        Some(Host { netns, folder })
    }

    /// A guest with number `n` behind the device `g<n>`.
    pub(crate) fn guest(&self, n: u8) -> Guest {
        let guest =
            Guest { netns: Netns::new("guest").expect("a namespace"), addr: Ipv4Addr::new(10, 0, 0, n) };
        let _ = guest.netns.sysctl("net/ipv6/conf/default/disable_ipv6", "1");
        self.cable(&guest, n);
        guest
    }

    /// Plugs a guest in. Its cable goes with either end.
    pub(crate) fn cable(&self, guest: &Guest, n: u8) {
        let here = End { netns: &self.netns, device: &format!("g{n}"), mac: None };
        let there = End { netns: &guest.netns, device: "eth0", mac: Some([2, 0, 0, 0, 0, n]) };
        veth(there, here, 1500).expect("a cable");
        guest.netns.addr("eth0", guest.addr.into(), 24).expect("an address");
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Starts adit with this configuration and these flows, and waits until it is ready.
    pub(crate) fn adit(&self, config: &str, flows: &str) -> Process {
        let mut adit = self.start(config, flows);
        adit.wait_for_line("adit: ready", PATIENCE, &Stop::default()).expect("ready");
        adit
    }

    /// The same, without waiting.
    pub(crate) fn start(&self, config: &str, flows: &str) -> Process {
        fs::write(self.file("adit.toml"), config).expect("written");
        fs::write(self.file("flows.txt"), flows).expect("written");
        let mut command = Command::new(env!("CARGO_BIN_EXE_adit"));
        command.arg("run").arg("--config").arg(self.file("adit.toml"));
        command.arg("--socket").arg(self.file("adit.sock")).stdout(Stdio::null());
        Process::start(&self.netns, "adit", command).expect("started")
    }

    /// What adit tells of itself.
    pub(crate) fn status(&self) -> Status {
        Client::connect(&self.file("adit.sock")).and_then(|mut client| client.status()).expect("an answer")
    }

    /// What it tells of a port.
    pub(crate) fn port(&self, name: &str) -> PortStatus {
        let found = self.status().ports.into_iter().find(|port| port.name == name);
        found.unwrap_or_else(|| panic!("no port {name}"))
    }

    /// How many frames died of a reason. Counters are published ten times a second.
    pub(crate) fn drops(&self, reason: &str) -> u64 {
        std::thread::sleep(Duration::from_millis(250));
        self.status().drops.iter().find(|drop| drop.reason == reason).map_or(0, |drop| drop.count)
    }
}

/// Whether the kernel is as new as the test needs it. What a kernel lacks nobody can install: so where it is not, the test is skipped, with
/// a word, also where nothing else may be.
pub(crate) fn kernel_since(needed: (u32, u32), what_for: &str) -> bool {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").expect("/proc");
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map_while(|number| number.parse().ok());
    let here = numbers.next().zip(numbers.next()).expect("a version of Linux");
    if here < needed {
        let (major, minor) = needed;
        eprintln!("skipped: needs Linux {major}.{minor} ({what_for}); this is {}", release.trim());
    }
    here >= needed
}

/// Two guests that talk to each other.
pub(crate) fn two_guests(mode: &str) -> String {
    format!(
        r#"
[bridge]
name = "br0"
flows = "flows.txt"
[[port]]
name = "g1"
ofport = 1
mode = "{mode}"
[[port]]
name = "g2"
ofport = 2
mode = "{mode}"
"#
    )
}

/// The flows for them.
pub(crate) const ACROSS: &str = "in_port=g1,actions=g2\nin_port=g2,actions=g1\n";

/// One guest, `g1`, and an uplink, `g2`, of which `more` is said.
pub(crate) fn one_uplink(mode: &str, more: &str) -> String {
    format!(
        r#"
[bridge]
name = "br0"
flows = "flows.txt"
[[uplink]]
device = "g2"
mode = "{mode}"
{more}
[[port]]
name = "g1"
ofport = 1
mode = "{mode}"
[[tunnel]]
name = "vx0"
ofport = 10
type = "vxlan"
remote_ip = "10.0.0.2"
key = 100
"#
    )
}

/// The flows for them.
pub(crate) const TUNNELLED: &str = "in_port=g1,actions=vx0\nin_port=vx0,actions=g1\n";

/// Whether a ping is answered, now or soon.
pub(crate) fn reaches(from: &Netns, to: Ipv4Addr) -> bool {
    let ping = Ping { count: 1, patience: Duration::from_millis(200), ..Ping::new(to.into()) };
    soon(|| ping.run(from, &Stop::default()).expect("asked").complete())
}

/// Runs `ip` in a namespace and returns what it printed.
pub(crate) fn ip(netns: &Netns, command: &str) -> String {
    let run = || Command::new("ip").args(command.split_whitespace()).output().expect("ip");
    let output = netns.run(run).expect("a namespace");
    assert!(output.status.success(), "ip {command}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

/// Whether it comes true within a few seconds.
pub(crate) fn soon(mut what: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + Duration::from_secs(5);
    loop {
        if what() {
            return true;
        }
        if Instant::now() > end {
            return false;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// TCP for a moment, each way; every byte is compared.
pub(crate) fn tcp(client: &Guest, server: &Guest) -> Transfer {
    let from = Peer { netns: &client.netns, addr: SocketAddrV4::new(client.addr, 40_000) };
    let to = Peer { netns: &server.netns, addr: SocketAddrV4::new(server.addr, 5000) };
    Transfer::run(from, to, Duration::from_millis(300), 7, &Stop::default()).expect("carried")
}

/// Another host, whose device `g2` leads to a guest of that MTU, number 2; what switches there is yet to be set up.
pub(crate) fn far_side(mtu: u32) -> (Netns, Guest) {
    let peer = Netns::new("peer").expect("a namespace");
    let two = Guest { netns: Netns::new("guest").expect("a namespace"), addr: Ipv4Addr::new(10, 0, 0, 2) };
    for netns in [&peer, &two.netns] {
        let _ = netns.sysctl("net/ipv6/conf/default/disable_ipv6", "1");
    }
    let there = End { netns: &two.netns, device: "eth0", mac: Some([2, 0, 0, 0, 0, 2]) };
    veth(there, End { netns: &peer, device: "g2", mac: None }, mtu).expect("a cable");
    two.netns.addr("eth0", two.addr.into(), 24).expect("an address");
    (peer, two)
}

/// The device fills in no checksums and cuts up no segments from here on.
pub(crate) fn offload(netns: &Netns, device: &str) {
    let run = || Command::new("ethtool").args(["-K", device, "tx", "off"]).output();
    let output = netns.run(run).expect("a namespace").expect("ethtool");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A datagram in an IP packet of that size, whose checksum the receiver's kernel verifies.
pub(crate) fn udp(from: &Guest, to: &Guest, packet: usize, what: &str) {
    let socket = |guest: &Guest, port| guest.netns.run(|| UdpSocket::bind((guest.addr, port)));
    let (sender, receiver) = (
        socket(from, 4000).expect("a namespace").expect("bound"),
        socket(to, 5000).expect("a namespace").expect("bound"),
    );
    receiver.set_read_timeout(Some(Duration::from_secs(2))).expect("set");
    let payload: Vec<u8> = (0..packet - 28).map(|n| (n * 7) as u8).collect();
    sender.send_to(&payload, (to.addr, 5000)).expect("sent");
    let mut buffer = vec![0; 1 << 14];
    let len =
        receiver.recv(&mut buffer).unwrap_or_else(|error| panic!("{what}: UDP, {packet} bytes: {error}"));
    assert_eq!(buffer[..len], payload, "{what}");
}
