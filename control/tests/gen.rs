//! `adit gen` and `adit sink` with each other, over cables, through adit, and into Linux's VXLAN; what they count where frames are
//! dropped and doubled on purpose; what scapy makes of the frames; and what they refuse. Needs root.

mod switch;

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use control::lab::{Capture, Caught, End, Netns, Process, Scratch, Stop, Vxlan, veth};
use serde_json::Value;
use switch::{Host, PATIENCE, ip, two_guests};

const MAC_A: [u8; 6] = [2, 0, 0, 0, 9, 1];
const MAC_B: [u8; 6] = [2, 0, 0, 0, 9, 2];

fn adit(netns: &Netns, arguments: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_adit"));
    command.args(arguments.split_whitespace());
    netns.run(move || command.output()).expect("a namespace").expect("started")
}

/// Sends, and returns what the generator tells.
fn generate(netns: &Netns, arguments: &str) -> Value {
    let output = adit(netns, &format!("gen {arguments} --json"));
    assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// A sink that listens.
struct Sink {
    process: Process,
    out: PathBuf,
    _folder: Scratch,
}

impl Sink {
    fn start(netns: &Netns, arguments: &str) -> Sink {
        let folder = Scratch::new(&std::env::temp_dir(), "adit-gen-test").expect("a folder");
        let out = folder.path().join("sink.json");
        let mut command = Command::new(env!("CARGO_BIN_EXE_adit"));
        command.arg("sink").args(arguments.split_whitespace()).arg("--json");
        command.stdout(Stdio::from(fs::File::create(&out).expect("a file")));
        let mut process = Process::start(netns, "sink", command).expect("started");
        process.wait_for_line("adit sink: listens", PATIENCE, &Stop::default()).expect("listens");
        Sink { process, out, _folder: folder }
    }

    /// What it tells when it has ended by itself.
    fn report(mut self) -> Value {
        let status = self.process.wait(PATIENCE, &Stop::default()).expect("ends");
        assert!(status.success(), "{}", self.process.last_lines());
        serde_json::from_slice(&fs::read(&self.out).expect("a report")).expect("JSON")
    }
}

/// Two namespaces and a cable.
struct Cable {
    a: Netns,
    b: Netns,
}

impl Cable {
    fn new(mtu: u32) -> Option<Cable> {
        if !nix::unistd::geteuid().is_root() {
            assert!(std::env::var_os("ADIT_TESTS_NO_SKIP").is_none(), "needs root (network namespaces)");
            eprintln!("skipped: needs root (network namespaces)");
            return None;
        }
        let [a, b] = ["a", "b"].map(|name| Netns::new(name).expect("a namespace"));
        for netns in [&a, &b] {
            let _ = netns.sysctl("net/ipv6/conf/default/disable_ipv6", "1");
        }
        let end = |netns, device, mac| End { netns, device, mac: Some(mac) };
        veth(end(&a, "v0", MAC_A), end(&b, "v1", MAC_B), mtu).expect("a cable");
        Some(Cable { a, b })
    }

    /// With GRO at the far end, frames that are redirected to the near one arrive there, too.
    fn takes_redirected(&self) {
        let gro = || Command::new("ethtool").args(["-K", "v1", "gro", "on"]).output();
        assert!(self.b.run(gro).expect("a namespace").expect("ethtool").status.success());
    }
}

fn counts(report: &Value) -> [u64; 4] {
    ["received", "lost", "duplicated", "reordered"].map(|name| report[name].as_u64().expect("a number"))
}

/// What ran too fast for a busy machine is not lost on the way.
fn assert_all(report: &Value, sent: u64, what: &str) {
    assert_eq!(counts(report), [sent, 0, 0, 0], "{what}: {report:#}");
    assert_eq!(
        (report["sent"].as_u64(), report["corrupt"].as_u64()),
        (Some(sent), Some(0)),
        "{what}: {report:#}"
    );
    assert_eq!(report["latency"]["frames"].as_u64(), Some(sent), "{what}");
}

const ENCAP: &str = "--local 192.0.2.1 --remote 192.0.2.2 --remote-mac 02:00:00:00:09:02";
const ENCAP6: &str = "--local 2001:db8::1 --remote 2001:db8::2 --remote-mac 02:00:00:00:09:02";

#[test]
fn all_that_is_sent_over_a_cable_is_counted() {
    let Some(cable) = Cable::new(9100) else { return };
    for (mode, more, count, bytes) in [
        ("live", "--flows 7 --size 64", 3000_u64, Some(3000 * 64_u64)),
        ("live", "--flows 1000 --size 60..1500", 4000, None),
        ("live", "--size imix --flows 3", 1080, Some(90 * (7 * 60 + 4 * 566 + 1514))),
        ("af_xdp", "--flows 7 --size 64", 3000, Some(3000 * 64)),
        ("af_xdp", "--flows 5 --size 9000,64,3840,3841", 400, Some(100 * (9000 + 64 + 3840 + 3841))),
        ("af_xdp", "--size imix --ipv6", 1200, Some(100 * (7 * 80 + 4 * 566 + 1514))),
        ("auto", "--vlan 100 --tenants 50 --flows 100 --size 100", 1000, Some(100_000)),
    ] {
        let what = format!("v0 --mode {mode} {more} --count {count} --rate 5k");
        let sink = Sink::start(&cable.b, "v1");
        let told = generate(&cable.a, &what);
        let report = sink.report();
        assert_all(&report, count, &what);
        assert_eq!(told["sent"].as_u64(), Some(count), "{what}");
        assert!(
            told["mode"].as_str().is_some_and(|used| mode == "auto" || used.starts_with(mode)),
            "{told:#}"
        );
        let Some(bytes) = bytes else { continue };
        assert_eq!(
            (told["bytes"].as_u64(), report["runs"][0]["bytes"].as_u64()),
            (Some(bytes), Some(bytes)),
            "{what}"
        );
    }
}

#[test]
fn who_looks_on_sees_long_frames_too() {
    let Some(cable) = Cable::new(9300) else { return };
    let sink = Sink::start(&cable.b, "v1 --mode packet");
    // Slowly: of such frames a socket holds a dozen while the sink does not run.
    generate(&cable.a, "v0 --mode af_xdp --size 9000,64,3840,3841,9216 --count 100 --rate 250");
    let report = sink.report();
    assert_all(&report, 100, "long frames");
    assert_eq!(report["missed"], 0, "{report:#}");
    let bytes = report["runs"][0]["bytes"].as_u64();
    assert_eq!(bytes, Some(20 * (9000 + 64 + 3840 + 3841 + 9216)));
}

#[test]
fn tunnels_are_looked_into() {
    let Some(cable) = Cable::new(1600) else { return };
    for mode in ["live", "af_xdp"] {
        for kind in ["vxlan", "geneve", "gre", "nvgre"] {
            for (encap, ipv6) in [(ENCAP, ""), (ENCAP6, "--ipv6")] {
                let what = format!(
                    "v0 --mode {mode} --encap {kind} {encap} {ipv6} --tenants 4 --flows 8 --key 77 --size 150,151 --count 80 --rate 2k"
                );
                let sink = Sink::start(&cable.b, "v1 --by-stream");
                generate(&cable.a, &what);
                let report = sink.report();
                assert_all(&report, 80, &what);
                let streams = report["streams"].as_array().expect("streams");
                assert!(
                    streams.len() == 8 && streams.iter().all(|stream| stream["received"] == 10),
                    "{report:#}"
                );
            }
        }
    }
}

#[test]
fn a_rate_and_a_time_are_kept() {
    let Some(cable) = Cable::new(1500) else { return };
    cable.takes_redirected();
    for mode in ["live", "af_xdp"] {
        let told = generate(&cable.a, &format!("v0 --mode {mode} --rate 4k --duration 500ms --burst 2000"));
        let (sent, seconds) = (told["sent"].as_u64().unwrap(), told["seconds"].as_f64().unwrap());
        // A busy machine may hold it up at the end; more than was asked for it is never.
        assert!((1000..=2001).contains(&sent), "{told:#}");
        assert!((0.25..2.0).contains(&seconds), "{told:#}");
    }
}

#[test]
fn what_a_switch_drops_and_doubles_is_counted_for_each_stream() {
    let Some(host) = Host::new() else { return };
    let (one, two) = (host.guest(1), host.guest(2));
    let flows = "in_port=g1,udp,tp_src=1026,actions=drop\n\
                 in_port=g1,udp,tp_src=1027,actions=output:2,output:2\n\
                 in_port=g1,priority=1,actions=g2\n";
    let _adit = host.adit(&two_guests("auto"), flows);
    let sink = Sink::start(&two.netns, "eth0 --mode af_xdp --by-stream");
    generate(&one.netns, "eth0 --flows 5 --count 1003 --rate 3k");
    let report = sink.report();
    assert_eq!(counts(&report), [1003 - 201, 201, 200, 0], "{report:#}");
    let of = |n: usize| {
        ["received", "lost", "duplicated"].map(|name| report["streams"][n][name].as_u64().unwrap())
    };
    assert_eq!(
        [0, 1, 2, 3, 4].map(of),
        [[201, 0, 0], [201, 0, 0], [0, 201, 0], [200, 0, 200], [200, 0, 0]],
        "{report:#}"
    );
}

#[test]
fn adit_takes_frames_out_of_their_tunnels() {
    let Some(host) = Host::new() else { return };
    let guest = host.guest(1);
    let peer = Netns::new("peer").expect("a namespace");
    let end = |netns, mac| End { netns, device: "eth1", mac: Some(mac) };
    veth(end(&peer, MAC_A), end(&host.netns, MAC_B), 1600).expect("a cable");
    ip(&host.netns, "address add 192.0.2.2/24 dev eth1");
    ip(&host.netns, "neighbour add 192.0.2.1 lladdr 02:00:00:00:09:01 dev eth1");
    for kind in ["vxlan", "geneve", "gre", "nvgre"] {
        let config = format!(
            "[bridge]\nname = \"br0\"\nflows = \"flows.txt\"\n\
             [[uplink]]\ndevice = \"eth1\"\nendpoints = [\"192.0.2.2\"]\n\
             [[port]]\nname = \"g1\"\nofport = 1\n\
             [[tunnel]]\nname = \"t1\"\nofport = 10\ntype = \"{kind}\"\nremote_ip = \"192.0.2.1\"\nkey = \"flow\"\n"
        );
        let adit = host.adit(&config, "tun_id=0x64/0xfffffffffffffffc,actions=g1\n");
        let sink = Sink::start(&guest.netns, "eth0 --mode af_xdp");
        let what = format!(
            "eth1 --encap {kind} {ENCAP} --key 100 --tenants 8 --flows 16 --size 200 --count 800 --rate 3k"
        );
        generate(&peer, &what);
        let report = sink.report();
        // Keys 100 to 103 are let through, 104 to 107 are not.
        assert_eq!(counts(&report), [400, 400, 0, 0], "{kind}: {report:#}");
        assert_eq!(report["corrupt"], 0);
        adit.end().expect("ended");
    }
}

#[test]
fn linux_takes_frames_out_of_vxlan() {
    let Some(cable) = Cable::new(1600) else { return };
    cable.b.addr("v1", "192.0.2.2".parse().unwrap(), 24).expect("an address");
    let (local, remote) = ("192.0.2.2".parse().unwrap(), "192.0.2.1".parse().unwrap());
    let vxlan = Vxlan { vni: 100, underlay: "v1", local, remote, port: 4789, mtu: 1500 };
    cable.b.vxlan("vx0", &vxlan).expect("a VXLAN device");
    let sink = Sink::start(&cable.b, "vx0 --mode packet");
    let what = format!("v0 --encap vxlan {ENCAP} --key 100 --flows 9 --size 300 --count 900 --rate 2k");
    generate(&cable.a, &what);
    let report = sink.report();
    assert_all(&report, 900, &what);
    let bytes = report["runs"][0]["bytes"].as_u64();
    assert_eq!(bytes, Some(900 * 250), "without the 50 bytes of the tunnel");
}

/// A capture file of what came in.
fn pcap(caught: &Caught) -> Vec<u8> {
    let mut file = Vec::new();
    for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 0xffff, 1] {
        file.extend(word.to_ne_bytes());
    }
    for (n, seen) in caught.frames.iter().enumerate() {
        for word in [n as u32, 0, seen.bytes.len() as u32, seen.bytes.len() as u32] {
            file.extend(word.to_ne_bytes());
        }
        file.extend(&seen.bytes);
    }
    file
}

/// Builds each frame again without its lengths and checksums, and prints how many came out the same.
const REBUILD: &str = "
import sys
from scapy.all import *
from scapy.contrib.geneve import GENEVE
bind_layers(GRE, Ether, proto=0x6558)
same = 0
for frame in RawPcapReader(sys.argv[1]):
    frame = frame[0]
    again, marks = Ether(frame), 0
    layer = again
    while layer:
        if IP in layer and isinstance(layer, IP):
            del layer.len, layer.chksum
        if isinstance(layer, IPv6):
            del layer.plen
        if isinstance(layer, UDP):
            del layer.len
            if layer.chksum:
                del layer.chksum
                marks += 1
        layer = layer.payload
    same += marks > 0 and bytes(again) == frame
print(same)
";

#[test]
fn scapy_would_send_the_same_frames() {
    let Some(cable) = Cable::new(1600) else { return };
    if !Command::new("/usr/bin/python3")
        .args(["-c", "import scapy"])
        .output()
        .is_ok_and(|o| o.status.success())
    {
        assert!(std::env::var_os("ADIT_TESTS_NO_SKIP").is_none(), "needs scapy");
        eprintln!("skipped: needs scapy");
        return;
    }
    cable.takes_redirected();
    let folder = Scratch::new(&std::env::temp_dir(), "adit-gen-test").expect("a folder");
    for mode in ["live", "af_xdp"] {
        for more in [
            "--size 60..1500 --flows 7".to_owned(),
            "--size 84..1500 --flows 7 --ipv6 --vlan 7".to_owned(),
            format!("--encap vxlan {ENCAP} --size 110..1500"),
            format!("--encap vxlan {ENCAP6} --size 150..1500 --ipv6"),
            format!("--encap geneve {ENCAP6} --size 130..1500"),
            format!("--encap gre {ENCAP} --size 102..1500"),
            format!("--encap nvgre {ENCAP6} --size 150..1500 --ipv6 --vlan 9"),
        ] {
            let marked = |frame: &[u8]| frame.windows(4).any(|at| at == [0xad, 0x17, 0x5e, 1]);
            let capture = Capture::start(&cable.b, marked).expect("watching");
            generate(&cable.a, &format!("v0 --mode {mode} {more} --count 200 --rate 2k"));
            let caught = capture.finish().expect("caught");
            assert_eq!((caught.frames.len(), caught.lost), (200, 0), "{mode} {more}");
            let file = folder.path().join("frames.pcap");
            fs::write(&file, pcap(&caught)).expect("written");
            let output =
                Command::new("/usr/bin/python3").args(["-c", REBUILD]).arg(&file).output().expect("python");
            let (said, why) =
                (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            assert_eq!(said.trim(), "200", "{mode} {more}: {why}");
        }
    }
}

fn refused(netns: &Netns, arguments: &str) -> String {
    let output = adit(netns, arguments);
    assert!(!output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stderr).expect("text")
}

#[test]
fn what_cannot_or_should_not_be_done_is_refused_with_the_reason() {
    let Some(cable) = Cable::new(1500) else { return };
    let refused = |arguments: &str| refused(&cable.a, arguments);
    assert!(refused("gen nope").contains("device nope does not exist; devices here: lo, v0"));
    assert!(refused("sink nope").contains("device nope does not exist"));
    assert!(refused("gen lo").contains("lo is no Ethernet device"));
    assert!(refused("gen v0 --rate 0").contains("leave --rate out"));
    assert!(refused("gen v0 --size 9000").contains("ip link set v0 mtu 8986"));
    assert!(refused("gen v0 --encap vxlan --remote 192.0.2.2").contains("--local"));
    assert!(refused(&format!("gen v0 --encap vxlan {ENCAP}")).contains("too short for what is in a frame"));
    assert!(refused("gen v0 --encap sctp --remote 192.0.2.2").contains("known: vxlan, gre, nvgre, geneve"));
    assert!(refused("sink v0 --streams 0").contains("1 to 16777216"));
    cable.a.down("v0").expect("down");
    assert!(refused("gen v0").contains("ip link set v0 up"));
    cable.a.up("v0").expect("up");
    ip(&cable.a, "address add 192.0.2.1/24 dev v0");
    ip(&cable.a, "link add br0 type bridge");
    ip(&cable.a, "link set br0 up");
    ip(&cable.a, "route add default via 192.0.2.2 dev v0");
    assert!(refused("gen v0 --count 1").contains("--yes-send-here"));
    assert!(refused("sink v0 --mode af_xdp").contains("--mode packet"));
    // A member of the bridge that the default route leads to is no better.
    ip(&cable.a, "address del 192.0.2.1/24 dev v0");
    ip(&cable.a, "link set v0 master br0");
    ip(&cable.a, "address add 192.0.2.1/24 dev br0");
    ip(&cable.a, "route add default via 192.0.2.2 dev br0");
    assert!(refused("gen v0 --count 1").contains("--yes-send-here"));
    generate(&cable.a, "v0 --count 1 --yes-send-here");
}

#[test]
fn without_root_it_is_said() {
    use std::os::unix::process::CommandExt;
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    // Where everybody may read it.
    let folder = Scratch::new(&std::env::temp_dir(), "adit-gen-test").expect("a folder");
    let program = folder.path().join("adit");
    fs::copy(env!("CARGO_BIN_EXE_adit"), &program).expect("copied");
    let open = <fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o755);
    fs::set_permissions(folder.path(), open).expect("opened");
    for command in ["gen", "sink"] {
        let output =
            Command::new(&program).args([command, "lo"]).uid(65_534).gid(65_534).output().expect("started");
        assert_eq!(output.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&output.stderr).contains("needs root"), "{command}");
    }
}
