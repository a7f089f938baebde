//! Flows that frames teach, on a running switch: the same flows and the same frames for adit and for Open vSwitch in one run, and what
//! leaves and what `ovs-ofctl dump-flows` shows afterwards is the same. Needs root, Open vSwitch and Python.

mod ovs_peer;
mod switch;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use control::lab::{Capture, End, Netns, Process, veth};
use ovs_peer::Ovs;
use switch::{Host, ip, soon};

const PORTS: [&str; 3] = ["p1", "p2", "p3"];

/// Sends a frame, given in hexadecimal digits, by a device.
const SEND: &str = "import socket,sys\ns=socket.socket(socket.AF_PACKET,socket.SOCK_RAW)\ns.bind((sys.argv[1],0))\n\
                    s.send(bytes.fromhex(sys.argv[2]))";

/// One of the two: its network and its sockets' folder.
struct Side<'a> {
    netns: &'a Netns,
    folder: PathBuf,
}

impl Side<'_> {
    fn ofctl(&self, words: &[&str]) -> String {
        let mut command = Command::new("ovs-ofctl");
        command.arg("--timeout=10").args(words).current_dir(&self.folder).env("OVS_RUNDIR", &self.folder);
        let out = command.output().expect("ovs-ofctl was there");
        let error = String::from_utf8_lossy(&out.stderr);
        assert!(out.status.success(), "{words:?} to {}: {error}", self.folder.display());
        String::from_utf8_lossy(&out.stdout).into_owned()
    }

    /// The flows of a table, or of all, in the order of their text.
    fn flows(&self, which: &str) -> Vec<String> {
        let said = self.ofctl(&["--no-stats", "dump-flows", "br0", which]);
        let mut flows: Vec<_> =
            said.lines().filter(|line| line.contains("actions=")).map(str::to_owned).collect();
        flows.sort();
        flows
    }

    /// Sends a frame in by a port; which ports it leaves by, and how.
    fn send(&self, port: u32, frame: &str) -> Vec<(String, String)> {
        let marked = |bytes: &[u8]| bytes.len() >= 14 && bytes[6..10] == [0x50, 0x54, 0, 0];
        let capture = Capture::start(self.netns, marked).expect("a capture");
        let send = || {
            Command::new("python3").args(["-c", SEND, &format!("p{port}x"), frame]).status().expect("python3")
        };
        assert!(self.netns.run(send).expect("a namespace").success());
        std::thread::sleep(Duration::from_millis(400));
        let caught = capture.finish().expect("what was seen");
        let name = |number: u32| {
            let find =
                || nix::net::if_::if_indextoname(number).map(|name| name.to_string_lossy().into_owned());
            self.netns.run(find).expect("a namespace").unwrap_or_default()
        };
        let came = caught.frames.into_iter().filter(|seen| !seen.outgoing);
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let mut left: Vec<_> = came.map(|seen| (name(seen.device), hex(&seen.bytes))).collect();
        left.retain(|(device, _)| device.ends_with('x'));
        left.sort();
        left
    }
}

struct Both<'a>([Side<'a>; 2]);

impl Both<'_> {
    /// Both have these flows and no others.
    fn program(&self, flows: &[&str]) {
        for side in &self.0 {
            side.ofctl(&["del-flows", "br0"]);
            flows.iter().for_each(|flow| drop(side.ofctl(&["add-flow", "br0", flow])));
        }
        self.same("");
    }

    fn each(&self, words: &[&str]) {
        self.0.iter().for_each(|side| drop(side.ofctl(words)));
    }

    /// Both show the same flows, now or soon.
    fn same(&self, which: &str) -> Vec<String> {
        let [ours, theirs] = &self.0;
        soon(|| ours.flows(which) == theirs.flows(which));
        let flows = theirs.flows(which);
        assert_eq!(ours.flows(which), flows, "adit, and Open vSwitch");
        flows
    }

    /// Both do the same with a frame, and show the same flows afterwards.
    fn send(&self, port: u32, frame: &str) -> Vec<String> {
        let [ours, theirs] = self.0.each_ref().map(|side| side.send(port, frame));
        assert_eq!(ours, theirs, "{frame} by {port}: adit, and Open vSwitch");
        self.same("")
    }

    /// How many flows each has in table 1.
    fn learned(&self) -> [usize; 2] {
        self.0.each_ref().map(|side| side.flows("table=1").len())
    }
}

fn cables(netns: &Netns) {
    for (number, port) in (1..).zip(PORTS) {
        let end = |device, mac| End { netns, device, mac: Some([2, 0, 0, 0, mac, number]) };
        veth(end(port, 0), end(&format!("{port}x"), 1), 1500).expect("a cable");
    }
}

fn open_vswitch(netns: &Netns) -> Ovs<'_> {
    let ovs = Ovs::bare(netns).expect("Open vSwitch");
    ovs.vsctl("add-br br0 -- set bridge br0 datapath_type=netdev fail_mode=secure").expect("a bridge");
    for (number, port) in (1..).zip(PORTS) {
        let add = format!("add-port br0 {port} -- set interface {port} ofport_request={number}");
        ovs.vsctl(&add).expect("a port");
    }
    ip(netns, "link set br0 up");
    ovs
}

fn adit(host: &Host) -> (Process, PathBuf) {
    let folder = host.file("run");
    fs::create_dir(&folder).expect("a folder");
    let mut config = format!("[bridge]\nname = \"br0\"\nlocal = true\nrundir = \"{}\"\n", folder.display());
    for (number, port) in (1..).zip(PORTS) {
        config += &format!("[[port]]\nname = \"{port}\"\nofport = {number}\n");
    }
    (host.adit(&config, ""), folder)
}

fn frame(source: u8, target: u8, tail: &str) -> String {
    format!("50540000{target:04x}50540000{source:04x}{tail}{}", "00".repeat(40))
}

const PLAIN: &str = "88b5";

/// TCP with these flags, 192.168.0.2:40000 to 192.168.0.1:80.
fn tcp(flags: u8) -> String {
    let tail = format!(
        "080045000028000040004006b97bc0a80002c0a800019c400050000000000000000050{flags:02x}000000000000"
    );
    frame(5, 6, &tail)
}

#[test]
fn what_frames_teach_is_what_they_teach_open_vswitch() {
    if !ovs_peer::installed() {
        return;
    }
    let python = Command::new("python3").arg("--version").stdout(Stdio::null()).status();
    assert!(python.is_ok_and(|status| status.success()), "needs python3");
    let Some(host) = Host::new() else { return };
    let peer = Netns::new("peer").expect("a namespace");
    let _ = peer.sysctl("net/ipv6/conf/default/disable_ipv6", "1");
    [&host.netns, &peer].into_iter().for_each(cables);
    let ovs = open_vswitch(&peer);
    let (_running, folder) = adit(&host);
    let side = |netns, folder: &Path| Side { netns, folder: folder.to_owned() };
    let both = Both([side(&host.netns, &folder), side(&peer, ovs.folder())]);

    stations(&both);
    timeouts(&both);
    ends_of_connections(&both);
    limits(&both);
    gone_with_their_teachers(&both);
}

/// The switch of ovs-ofctl's manual.
fn stations(both: &Both<'_>) {
    both.program(&[
        "table=0 actions=learn(table=1,hard_timeout=60,NXM_OF_VLAN_TCI[0..11],NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],output:NXM_OF_IN_PORT[]),resubmit(,1)",
        "table=1 priority=0 actions=flood",
    ]);
    assert_eq!(both.send(3, &frame(5, 0xff, PLAIN)).len(), 3);
    assert_eq!(both.send(1, &frame(6, 5, PLAIN)).len(), 4);
    assert_eq!(both.send(2, &frame(6, 5, PLAIN)).len(), 4, "it has moved");
    assert_eq!(both.send(1, &frame(5, 6, &format!("8100000a{PLAIN}"))).len(), 5, "another VLAN");
    assert_eq!(both.send(3, &frame(5, 6, PLAIN)).len(), 5);
    // A controller that changes what was learned is overruled.
    both.each(&["mod-flows", "br0", "table=1,dl_dst=50:54:00:00:00:05,actions=drop"]);
    both.same("table=1");
    both.send(3, &frame(5, 6, PLAIN));
    both.each(&["del-flows", "br0", "table=1,dl_dst=50:54:00:00:00:06"]);
    both.same("table=1");
}

/// A hard timeout from the last frame that taught it, an idle one from the last that it took.
fn timeouts(both: &Both<'_>) {
    both.program(&[
        "table=0 actions=learn(table=1,hard_timeout=3,NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],output:NXM_OF_IN_PORT[]),resubmit(,1)",
        "table=1 priority=0 actions=flood",
    ]);
    for round in 0..5 {
        let flows = both.send(3, &frame(7, 9, PLAIN));
        assert_eq!(flows.len(), 3, "round {round}: it is taught again and again");
        std::thread::sleep(Duration::from_millis(500));
    }
    let shows_age = |side: &Side<'_>| side.ofctl(&["dump-flows", "br0", "table=1"]).contains("hard_age=");
    assert_eq!(both.0.each_ref().map(shows_age), [true, true]);
    std::thread::sleep(Duration::from_secs(6));
    assert_eq!(both.learned(), [1, 1], "nobody taught it any more");
    both.program(&["table=0 actions=learn(table=1,idle_timeout=2,NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],output:NXM_OF_IN_PORT[])"]);
    for _ in 0..6 {
        both.0.iter().for_each(|side| drop(side.send(3, &frame(7, 9, PLAIN))));
    }
    // Open vSwitch teaches it anew only when it looks at its flows again, once a second at most.
    std::thread::sleep(Duration::from_secs(5));
    assert_eq!(both.learned(), [0, 0], "no frame came for it");
}

/// The way back of a connection, which goes soon after its end.
fn ends_of_connections(both: &Both<'_>) {
    both.program(&[
        "table=0,priority=1,tcp,in_port=1 actions=learn(table=1,idle_timeout=100,fin_idle_timeout=2,priority=9,cookie=0x77,send_flow_rem,\
         eth_type=0x800,nw_proto=6,NXM_OF_IP_SRC[]=NXM_OF_IP_DST[],NXM_OF_IP_DST[]=NXM_OF_IP_SRC[],\
         NXM_OF_TCP_SRC[]=NXM_OF_TCP_DST[],NXM_OF_TCP_DST[]=NXM_OF_TCP_SRC[],load:0x5->NXM_NX_REG0[4..7],output:NXM_OF_IN_PORT[]),2",
        "table=0,priority=1,tcp,in_port=2 actions=resubmit(,1)",
    ]);
    both.send(1, &tcp(0x02));
    let back = |flags: u8| {
        let tail = format!(
            "080045000028000040004006b97bc0a80001c0a8000200509c40000000000000000050{flags:02x}000000000000"
        );
        frame(6, 5, &tail)
    };
    assert_eq!(both.send(2, &back(0x12)).len(), 3);
    both.0.iter().for_each(|side| drop(side.send(2, &back(0x11))));
    let lowered = || {
        both.0
            .each_ref()
            .map(|side| side.flows("table=1").iter().any(|flow| flow.contains("idle_timeout=2,")))
    };
    assert!(soon(|| lowered() == [true, true]) || both.learned() == [0, 0], "{:?}", lowered());
    assert!(soon(|| both.learned() == [0, 0]), "{:?}", both.learned());
}

fn limits(both: &Both<'_>) {
    both.program(&[
        "table=0 actions=learn(table=1,limit=2,cookie=0x9,result_dst=NXM_NX_REG0[0],NXM_OF_ETH_SRC[]),resubmit(,2)",
        "table=2,reg0=1 actions=2",
        "table=2,reg0=0 actions=3",
    ]);
    assert_eq!(both.send(1, &frame(1, 9, PLAIN)).len(), 4);
    assert_eq!(both.send(1, &frame(2, 9, PLAIN)).len(), 5);
    assert_eq!(both.send(1, &frame(3, 9, PLAIN)).len(), 5, "there is no room");
    both.each(&["del-flows", "br0", "table=1,dl_src=50:54:00:00:00:01"]);
    assert_eq!(both.send(1, &frame(4, 9, PLAIN)).len(), 5, "there is again");
}

fn gone_with_their_teachers(both: &Both<'_>) {
    both.program(&[
        "table=0,in_port=1 actions=learn(table=1,delete_learned,cookie=0x11,NXM_OF_ETH_SRC[],output:NXM_OF_IN_PORT[])",
        "table=0,in_port=2 actions=learn(table=1,delete_learned,cookie=0x11,NXM_OF_ETH_DST[],output:NXM_OF_IN_PORT[])",
        "table=1,cookie=0x11,arp actions=1",
        "table=1,cookie=0x12,ip actions=1",
    ]);
    both.send(1, &frame(1, 9, PLAIN));
    assert_eq!(both.send(2, &frame(1, 9, PLAIN)).len(), 6);
    both.each(&["del-flows", "br0", "table=0,in_port=1"]);
    assert_eq!(both.same("table=1").len(), 4);
    both.each(&["del-flows", "br0", "table=0,in_port=2"]);
    assert_eq!(both.same("table=1").len(), 1);
}
