//! Open vSwitch in a directory of its own, over ports that are only memory and capture files (`netdev-dummy`).
#![allow(dead_code, reason = "each test file uses its part")]

pub(crate) mod text;

use datapath::flow::OfPort;
use datapath::pipeline::PortSetup;
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

const SCHEMA: &str = "/usr/share/openvswitch/vswitch.ovsschema";

pub(crate) struct Ovs {
    dir: PathBuf,
    children: Vec<Child>,
    /// How far the capture of each port was read.
    read: Vec<usize>,
    /// How many frames were put in.
    sent: usize,
}

impl Ovs {
    /// One with so many ports; None, said aloud, where there is no Open vSwitch.
    pub(crate) fn start(ports: u16) -> Option<Ovs> {
        let there = Command::new("ovs-vswitchd").arg("--version").stdout(Stdio::null()).status();
        if !there.is_ok_and(|status| status.success()) || !PathBuf::from(SCHEMA).exists() {
            let why = "skipped: needs ovs-vswitchd and ovsdb-server (package openvswitch-switch)";
            assert!(std::env::var_os("ADIT_TESTS_NO_SKIP").is_none(), "{why}");
            eprintln!("{why}");
            return None;
        }
        let dir = std::env::temp_dir().join(format!("against-ovs-{}", std::process::id()));
        fs::create_dir_all(&dir).expect("a directory");
        let mut ovs = Ovs { dir, children: Vec::new(), read: vec![24; ports.into()], sent: 0 };
        let home = ovs.dir.clone();
        let at = |name: &str| home.join(name).display().to_string();
        let (db, socket) = (at("conf.db"), at("db.sock"));
        let (server_ctl, switch_ctl) = (at("ovsdb.ctl"), at("switch.ctl"));
        ovs.tool("ovsdb-tool", &["create", &db, SCHEMA]);
        ovs.spawn(
            "ovsdb-server",
            &[&db, &format!("--remote=punix:{socket}"), &format!("--unixctl={server_ctl}")],
        );
        ovs.wait_for("db.sock");
        ovs.vsctl(&["--no-wait", "init"]);
        ovs.vsctl(&["--no-wait", "set", "Open_vSwitch", ".", "other_config:vlan-limit=2"]);
        // The routes of this machine are none of its business.
        let quiet = ["-vconsole:off", "--enable-dummy", "--disable-system", "--disable-system-route"];
        ovs.spawn(
            "ovs-vswitchd",
            &[&[&*format!("unix:{socket}"), &format!("--unixctl={switch_ctl}")][..], &quiet].concat(),
        );
        ovs.wait_for("switch.ctl");
        ovs.vsctl(&[
            "add-br",
            "br0",
            "--",
            "set",
            "bridge",
            "br0",
            "datapath_type=dummy",
            "fail_mode=secure",
        ]);
        for port in 1..=ports {
            let (name, capture) = (format!("p{port}"), at(&format!("p{port}.pcap")));
            let (number, capture) = (format!("ofport_request={port}"), format!("options:tx_pcap={capture}"));
            ovs.vsctl(&[
                "add-port",
                "br0",
                &name,
                "--",
                "set",
                "interface",
                &name,
                "type=dummy",
                &number,
                &capture,
            ]);
        }
        ovs.wait_for("br0.mgmt");
        Some(ovs)
    }

    /// An underlay, to which [`Ovs::send_under`] sends, and the Geneve port 11 over it, whose options are called so.
    pub(crate) fn geneve(&mut self, map: &str) {
        let capture = format!("options:tx_pcap={}", self.dir.join("p0.pcap").display());
        let words = format!(
            "add-br br-phy -- set bridge br-phy datapath_type=dummy other_config:hwaddr=02:00:00:00:00:01 \
             -- add-port br-phy p0 -- set interface p0 type=dummy {capture}"
        );
        self.vsctl(&words.split(' ').collect::<Vec<_>>());
        self.appctl(&["netdev-dummy/ip4addr", "br-phy", "192.0.2.1/24"]);
        self.appctl(&["ovs/route/add", "192.0.2.2/24", "br-phy"]);
        self.appctl(&["tnl/neigh/set", "br-phy", "192.0.2.2", "02:00:00:00:00:02"]);
        let words = "add-port br0 t0 -- set interface t0 type=geneve ofport_request=11 options:remote_ip=192.0.2.2 options:key=flow";
        self.vsctl(&words.split(' ').collect::<Vec<_>>());
        self.ofctl(&["add-tlv-map", map]);
    }

    /// Puts packets into the underlay, and returns what came out of which port.
    pub(crate) fn send_under(&mut self, packets: &[Vec<u8>]) -> Vec<(u16, Vec<u8>)> {
        let hex = |packet: &Vec<u8>| packet.iter().map(|b| format!("{b:02x}")).collect::<String>();
        let hex: Vec<String> = packets.iter().map(hex).collect();
        let hex: Vec<&str> = hex.iter().map(String::as_str).collect();
        let (before, start) = (self.received_by("br-phy", "p0"), Instant::now());
        self.appctl(&[&["netdev-dummy/receive", "p0"], &hex[..]].concat());
        while self.received_by("br-phy", "p0") < before + packets.len() {
            assert!(start.elapsed() < Duration::from_secs(20), "not all packets were taken");
        }
        let ports = 1..=self.read.len() as u16;
        ports.flat_map(|port| self.captured(port).into_iter().map(move |frame| (port, frame))).collect()
    }

    /// What left by the underlay, of all that ever did.
    pub(crate) fn left_under(&self) -> Vec<Vec<u8>> {
        records(&fs::read(self.dir.join("p0.pcap")).unwrap_or_default(), &mut 24)
    }

    fn command(&self, name: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(name);
        command.args(arguments).current_dir(&self.dir);
        for variable in ["OVS_RUNDIR", "OVS_LOGDIR", "OVS_DBDIR", "OVS_SYSCONFDIR"] {
            command.env(variable, &self.dir);
        }
        command
    }

    fn spawn(&mut self, name: &str, arguments: &[&str]) {
        let mut command = self.command(name, arguments);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        self.children.push(child.expect("it was asked for its version"));
    }

    fn wait_for(&self, file: &str) {
        let start = Instant::now();
        while !self.dir.join(file).exists() {
            assert!(start.elapsed() < Duration::from_secs(20), "{file} did not appear");
            sleep(Duration::from_millis(20));
        }
    }

    fn tool(&self, name: &str, arguments: &[&str]) {
        let out = self.command(name, arguments).output().expect("a tool of Open vSwitch");
        let said = String::from_utf8_lossy(&out.stderr);
        assert!(out.status.success(), "{name} {}: {said}", arguments.join(" "));
    }

    fn vsctl(&self, arguments: &[&str]) {
        let socket = format!("--db=unix:{}", self.dir.join("db.sock").display());
        self.tool("ovs-vsctl", &[&[&*socket, "--timeout=20"], arguments].concat());
    }

    /// Until it has taken all frames off its ports: it handles each before it says so.
    fn wait_for_frames(&self) {
        let start = Instant::now();
        while self.received() < self.sent {
            assert!(start.elapsed() < Duration::from_secs(20), "not all frames were taken");
        }
    }

    /// How many frames came in, over all ports: lines as "port p1: rx pkts=3, bytes=...".
    fn received(&self) -> usize {
        self.received_by("br0", "p")
    }

    /// By ports of a bridge whose names begin so.
    fn received_by(&self, bridge: &str, names: &str) -> usize {
        let bridge = format!("unix:{}", self.dir.join(format!("{bridge}.mgmt")).display());
        let out = self
            .command("ovs-ofctl", &["--names", "dump-ports", &bridge])
            .output()
            .expect("a tool of Open vSwitch");
        let text = String::from_utf8_lossy(&out.stdout).into_owned();
        let named = |line: &&str| {
            let name = line.trim_start().strip_prefix("port").map(|name| name.trim_start_matches([' ', '"']));
            name.is_some_and(|name| name.starts_with(names))
        };
        let ports = text.lines().filter(named);
        let count = |line: &str| line.split_once("rx pkts=")?.1.split_once(',')?.0.parse::<usize>().ok();
        ports.filter_map(count).sum()
    }

    /// Frames and bytes that each flow has counted, by cookie.
    pub(crate) fn flow_counts(&self) -> BTreeMap<u64, (u64, u64)> {
        // What datapath flows hold goes to the rules when they go.
        self.purge();
        let flow = |line: &str| {
            let cookie = u64::from_str_radix(line.split_once("cookie=0x")?.1.split_once(',')?.0, 16).ok()?;
            Some((cookie, (number(line, "n_packets=")?, number(line, "n_bytes=")?)))
        };
        self.said(&["dump-flows"]).lines().filter_map(flow).collect()
    }

    /// Frames and bytes that each group has counted, and then each of its buckets.
    pub(crate) fn group_counts(&self) -> BTreeMap<u32, Vec<(u64, u64)>> {
        let group = |line: &str| {
            let id = number(line, "group_id=")? as u32;
            let all = line.split("packet_count=").skip(1).map(|part| {
                let packets = number(&format!("packet_count={part}"), "packet_count=");
                (packets.unwrap_or(0), number(part, "byte_count=").unwrap_or(0))
            });
            Some((id, all.collect()))
        };
        self.said(&["dump-group-stats"]).lines().filter_map(group).collect()
    }

    fn said(&self, arguments: &[&str]) -> String {
        let bridge = format!("unix:{}", self.dir.join("br0.mgmt").display());
        let (verb, rest) = arguments.split_first().expect("a verb");
        let all = [&["-O", "OpenFlow15", "--timeout=20", *verb, &bridge], rest].concat();
        let out = self.command("ovs-ofctl", &all).output().expect("a tool of Open vSwitch");
        String::from_utf8_lossy(&out.stdout).into_owned()
    }

    fn appctl(&self, arguments: &[&str]) {
        let socket = self.dir.join("switch.ctl").display().to_string();
        self.tool("ovs-appctl", &[&["--target", &socket, "--timeout=20"], arguments].concat());
    }

    fn ofctl(&self, arguments: &[&str]) {
        let bridge = format!("unix:{}", self.dir.join("br0.mgmt").display());
        let (verb, rest) = arguments.split_first().expect("a verb");
        self.tool("ovs-ofctl", &[&["-O", "OpenFlow15", "--timeout=20", *verb, &bridge], rest].concat());
    }

    /// These flows and groups and no others.
    pub(crate) fn program(&self, flows: &[String], groups: &[String]) {
        fs::write(self.dir.join("flows.txt"), flows.join("\n") + "\n").expect("a file");
        fs::write(self.dir.join("groups.txt"), groups.join("\n") + "\n").expect("a file");
        self.set_frags("nx-match");
        self.ofctl(&["del-flows"]);
        self.ofctl(&["del-groups"]);
        if !groups.is_empty() {
            self.ofctl(&["add-groups", "groups.txt"]);
        }
        self.ofctl(&["add-flows", "flows.txt"]);
    }

    /// Its datapath remembers no flow.
    pub(crate) fn purge(&self) {
        self.appctl(&["revalidator/purge"]);
    }

    /// From now on its clock stands still.
    pub(crate) fn stop_time(&self) {
        self.appctl(&["time/stop"]);
    }

    /// Moves its clock, which stands still, by so many milliseconds.
    pub(crate) fn warp(&self, ms: u64) {
        if ms > 0 {
            self.appctl(&["time/warp", &ms.to_string()]);
        }
    }

    /// This meter and no other, nothing of whose rates is used up. The flows that named the old one go with it.
    pub(crate) fn meter(&self, meter: &str) {
        self.ofctl(&["del-meters"]);
        self.ofctl(&["add-meter", meter]);
    }

    /// Frames and bytes that the meter has counted, and then each of its bands.
    pub(crate) fn meter_counts(&self) -> Vec<(u64, u64)> {
        let said = self.said(&["meter-stats"]);
        let all = said.split("packet_").skip(1).map(|part| {
            (
                number(part, "count:").unwrap_or(0),
                number(part, "byte_in_count:").or(number(part, "byte_count:")).unwrap_or(0),
            )
        });
        all.collect()
    }

    /// A flow that names a meter is refused while there is none, and goes when it goes.
    pub(crate) fn needs_its_meter(&self, flow: &str) {
        self.ofctl(&["add-flow", flow]);
        self.ofctl(&["del-meters"]);
        let left = self.said(&["dump-flows"]);
        assert!(!left.contains("actions="), "{left}");
        let bridge = format!("unix:{}", self.dir.join("br0.mgmt").display());
        let out = self.command("ovs-ofctl", &["-O", "OpenFlow15", "add-flow", &bridge, flow]).output();
        let said = String::from_utf8_lossy(&out.expect("a tool of Open vSwitch").stderr).into_owned();
        assert!(said.contains("OFPMMFC_INVALID_METER"), "{said}");
    }

    /// Every frame is decided anew, so that what one taught the switch holds for the next.
    pub(crate) fn cache_nothing(&self) {
        self.vsctl(&["set", "Open_vSwitch", ".", "other_config:flow-limit=0"]);
        self.appctl(&["revalidator/wait"]);
    }

    /// What ports are to NORMAL, which knows no addresses then.
    pub(crate) fn set_up(&self, setups: &BTreeMap<OfPort, PortSetup>) {
        for (port, setup) in setups {
            self.vsctl(
                &text::port(&format!("p{port}"), setup).iter().map(String::as_str).collect::<Vec<_>>(),
            );
            let flood = if setup.no_flood { "no-flood" } else { "flood" };
            self.mod_port(port.0, flood);
        }
        self.forget();
    }

    /// Changes a port as a word of `ovs-ofctl mod-port` says. Some have only OpenFlow 1.0.
    pub(crate) fn mod_port(&self, port: u32, word: &str) {
        let bridge = format!("unix:{}", self.dir.join("br0.mgmt").display());
        self.tool("ovs-ofctl", &["--timeout=20", "mod-port", &bridge, &format!("p{port}"), word]);
        self.purge();
    }

    /// What is done with fragments from now on.
    pub(crate) fn set_frags(&self, word: &str) {
        self.ofctl(&["set-frags", word]);
        self.purge();
    }

    /// Sends a frame as a controller does, and returns what came out of which port.
    pub(crate) fn packet_out(&mut self, in_port: u32, frame: &[u8], actions: &str) -> Vec<(u16, Vec<u8>)> {
        let hex: String = frame.iter().map(|b| format!("{b:02x}")).collect();
        self.ofctl(&["packet-out", &format!("in_port={in_port} packet={hex} actions={actions}")]);
        let ports = 1..=self.read.len() as u16;
        ports.flat_map(|port| self.captured(port).into_iter().map(move |frame| (port, frame))).collect()
    }

    /// Forgets all addresses.
    pub(crate) fn forget(&self) {
        self.appctl(&["fdb/flush", "br0"]);
    }

    /// Puts frames in, in their order, and returns what came out of which port.
    pub(crate) fn send(&mut self, frames: &[(u16, Vec<u8>)]) -> Vec<(u16, Vec<u8>)> {
        for run in frames.chunk_by(|a, b| a.0 == b.0) {
            let port = format!("p{}", run[0].0);
            let hex =
                |(_, frame): &(u16, Vec<u8>)| frame.iter().map(|b| format!("{b:02x}")).collect::<String>();
            let hex: Vec<String> = run.iter().map(hex).collect();
            let hex: Vec<&str> = hex.iter().map(String::as_str).collect();
            self.appctl(&[&["netdev-dummy/receive", &*port], &hex[..]].concat());
        }
        self.sent += frames.len();
        self.wait_for_frames();
        let ports = 1..=self.read.len() as u16;
        ports.flat_map(|port| self.captured(port).into_iter().map(move |frame| (port, frame))).collect()
    }

    /// The same, in their order: what came in by one port is over before the next comes in by another. Else which of two ports is
    /// looked at first is up to the switch.
    pub(crate) fn send_in_order(&mut self, frames: &[(u16, Vec<u8>)]) -> Vec<(u16, Vec<u8>)> {
        frames.chunk_by(|a, b| a.0 == b.0).flat_map(|run| self.send(run)).collect()
    }

    /// What was added to the capture of a port: records with a header of 16 bytes, the length in its third word.
    fn captured(&mut self, port: u16) -> Vec<Vec<u8>> {
        let file = fs::read(self.dir.join(format!("p{port}.pcap"))).unwrap_or_default();
        records(&file, &mut self.read[usize::from(port) - 1])
    }
}

/// The records of a capture from `read` on.
fn records(file: &[u8], read: &mut usize) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    while let Some(header) = file.get(*read..*read + 16) {
        let len = u32::from_ne_bytes([header[8], header[9], header[10], header[11]]) as usize;
        let Some(frame) = file.get(*read + 16..*read + 16 + len) else { break };
        frames.push(frame.to_vec());
        *read += 16 + len;
    }
    frames
}

/// The number behind a word.
fn number(line: &str, word: &str) -> Option<u64> {
    line.split_once(word)?.1.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

impl Drop for Ovs {
    fn drop(&mut self) {
        for child in self.children.iter_mut().rev() {
            let _ = child.kill();
            let _ = child.wait();
        }
        let _ = fs::remove_dir_all(&self.dir);
    }
}
