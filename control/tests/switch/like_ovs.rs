//! The second opinion on `adit flows` and `adit groups`: the same commands to a running Open vSwitch, by way of ovs-ofctl
//! speaking OpenFlow 1.5, leave the same flows and show them in the same lines. Needs root and openvswitch-switch.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::switch::Host;
use control::lab::Scratch;

const SCHEMA: &str = "/usr/share/openvswitch/vswitch.ovsschema";

/// Open vSwitch with one bridge over nothing, in a folder of its own.
struct Ovs {
    folder: Scratch,
    children: Vec<Child>,
}

impl Ovs {
    fn start() -> Option<Ovs> {
        let there = Command::new("ovs-vswitchd").arg("--version").stdout(Stdio::null()).status();
        if !there.is_ok_and(|status| status.success()) || !Path::new(SCHEMA).exists() {
            let why = "skipped: needs ovs-vswitchd and ovsdb-server (package openvswitch-switch)";
            assert!(std::env::var_os("ADIT_TESTS_NO_SKIP").is_none(), "{why}");
            eprintln!("{why}");
            return None;
        }
        let folder = Scratch::new(&std::env::temp_dir(), "adit-like-ovs").expect("a folder");
        let mut ovs = Ovs { folder, children: Vec::new() };
        let at = |name: &str| ovs.folder.path().join(name).display().to_string();
        let (db, socket) = (at("conf.db"), format!("unix:{}", at("db.sock")));
        let (remote, one, other) = (
            format!("--remote=p{socket}"),
            format!("--unixctl={}", at("one.ctl")),
            format!("--unixctl={}", at("other.ctl")),
        );
        ovs.tool("ovsdb-tool", &["create", &db, SCHEMA]);
        ovs.spawn("ovsdb-server", &[&db, &remote, &one]);
        ovs.wait_for("db.sock");
        ovs.tool("ovs-vsctl", &[&format!("--db={socket}"), "--no-wait", "init"]);
        ovs.spawn("ovs-vswitchd", &[&socket, &other, "-vconsole:off", "--enable-dummy", "--disable-system"]);
        ovs.wait_for("other.ctl");
        let bridge =
            ["add-br", "br0", "--", "set", "bridge", "br0", "datapath_type=dummy", "fail_mode=secure"];
        ovs.tool("ovs-vsctl", &[&[&*format!("--db={socket}")][..], &bridge].concat());
        ovs.wait_for("br0.mgmt");
        ovs.ofctl(&["del-flows", "br0"]);
        Some(ovs)
    }

    fn command(&self, name: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(name);
        command.args(arguments).current_dir(self.folder.path());
        for variable in ["OVS_RUNDIR", "OVS_LOGDIR", "OVS_DBDIR", "OVS_SYSCONFDIR"] {
            command.env(variable, self.folder.path());
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
        while !self.folder.path().join(file).exists() {
            assert!(start.elapsed() < Duration::from_secs(20), "{file} did not appear");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn tool(&self, name: &str, arguments: &[&str]) -> Output {
        let out = self.command(name, arguments).output().expect("a tool of Open vSwitch");
        assert!(out.status.success(), "{name} {arguments:?}: {}", String::from_utf8_lossy(&out.stderr));
        out
    }

    fn ofctl(&self, arguments: &[&str]) -> String {
        let out = self.tool("ovs-ofctl", &[&["-O", "OpenFlow15"], arguments].concat());
        String::from_utf8(out.stdout).expect("text")
    }
}

impl Drop for Ovs {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Both switches, and a file to tell them things by.
struct Both {
    host: Host,
    ovs: Ovs,
    file: PathBuf,
}

impl Both {
    fn adit(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_adit"));
        let out =
            command.args(arguments).arg("--socket").arg(self.host.file("adit.sock")).output().expect("run");
        assert!(out.status.success(), "adit {arguments:?}: {}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).expect("text")
    }

    /// Both add these flows.
    fn add(&self, flows: &str) {
        fs::write(&self.file, flows).expect("written");
        let file = self.file.display().to_string();
        self.adit(&["flows", "add", "--file", &file]);
        self.ovs.ofctl(&["add-flows", "br0", &file]);
        self.compare(flows);
    }

    /// Both change flows.
    fn change(&self, ours: &[&str], theirs: &[&str]) {
        self.adit(&[&["flows"], ours].concat());
        self.ovs.ofctl(theirs);
        self.compare(&format!("{ours:?}"));
    }

    /// Both have the same flows, and show them in the same way: with statistics, and without.
    fn compare(&self, what: &str) {
        let shown = |text: &str| {
            let mut lines: Vec<String> =
                text.lines().filter(|line| line.contains("actions=")).map(normal).collect();
            lines.sort();
            lines
        };
        let theirs = self.ovs.ofctl(&["dump-flows", "br0"]);
        assert_eq!(shown(&self.adit(&["flows", "dump"])), shown(&theirs), "{what}");
        let theirs = self.ovs.ofctl(&["--no-stats", "dump-flows", "br0"]);
        assert_eq!(shown(&self.adit(&["flows", "dump", "--no-stats"])), shown(&theirs), "{what}, --no-stats");
    }
}

/// A line without what differs from run to run.
fn normal(line: &str) -> String {
    let words =
        line.split(' ').filter(|word| !word.starts_with("duration=") && !word.starts_with("idle_age="));
    words.collect::<Vec<_>>().join(" ").trim().to_string()
}

fn both() -> Option<Both> {
    let host = Host::new()?;
    let ovs = Ovs::start()?;
    let file = host.file("flows-for-both.txt");
    Some(Both { host, ovs, file })
}

const FLOWS: &str = "\
priority=0,actions=drop
actions=1
table=3,priority=7,cookie=0x1f,ip,nw_src=10.0.0.0/8,actions=2
idle_timeout=10,hard_timeout=60,tcp,tp_dst=80,actions=1,2
send_flow_rem,udp,actions=drop
importance=5,priority=9,arp,actions=1
idle_timeout=7,send_flow_rem,reset_counts,importance=3,table=1,priority=1,dl_vlan=5,actions=strip_vlan,1
table=253,icmp,actions=write_metadata:5/7
reg0=5,metadata=7,actions=goto_table:9
cookie=0x10,table=4,priority=10,actions=1
cookie=0x11,table=4,priority=11,ip,actions=1
cookie=0x21,table=4,priority=12,ip,nw_dst=10.1.0.0/16,actions=2
cookie=0x22,table=4,priority=12,tcp,nw_dst=10.1.2.3,actions=2
check_overlap,table=5,priority=3,ip,nw_src=1.0.0.0/8,actions=1
check_overlap,table=5,priority=4,ip,nw_dst=1.0.0.0/8,actions=1
";

#[test]
fn the_same_commands_leave_the_same_flows_and_show_them_in_the_same_lines() {
    let Some(both) = both() else { return };
    let adit = both.host.adit("[bridge]\nname = \"br0\"\nflows = \"flows.txt\"\n", "");
    both.add(FLOWS);
    both.add("priority=0,actions=1\nimportance=6,priority=9,arp,actions=2\n");
    both.change(
        &["mod", "table=4,cookie=0x20/0xf0,ip,actions=3"],
        &["mod-flows", "br0", "table=4,cookie=0x20/0xf0,ip,actions=3"],
    );
    let strict = "table=4,priority=11,ip,actions=4";
    both.change(&["mod", "--strict", strict], &["--strict", "mod-flows", "br0", strict]);
    both.change(&["mod", "table=4,sctp,actions=4"], &["mod-flows", "br0", "table=4,sctp,actions=4"]);
    both.change(
        &["del", "table=4,ip,nw_dst=10.1.0.0/16"],
        &["del-flows", "br0", "table=4,ip,nw_dst=10.1.0.0/16"],
    );
    both.change(&["del", "--strict", "priority=9,arp"], &["--strict", "del-flows", "br0", "priority=9,arp"]);
    both.change(&["del", "cookie=0x10/-1"], &["del-flows", "br0", "cookie=0x10/-1"]);
    both.change(&["del", "out_port=3"], &["del-flows", "br0", "out_port=3"]);
    both.change(&["del", "udp"], &["del-flows", "br0", "udp"]);
    fs::write(&both.file, "ip,actions=1\ntable=5,priority=3,ip,nw_src=1.0.0.0/8,actions=7\n")
        .expect("written");
    let file = both.file.display().to_string();
    both.change(&["replace", "--file", &file], &["replace-flows", "br0", &file]);
    both.change(&["del"], &["del-flows", "br0"]);
    assert!(adit.end().expect("ended").success());
}

#[test]
fn the_same_groups_are_shown_in_the_same_lines() {
    let Some(both) = both() else { return };
    let adit = both.host.adit("[bridge]\nname = \"br0\"\nflows = \"flows.txt\"\n", "");
    for group in [
        "group_id=1,type=all,bucket=bucket_id:0,actions=output:1,bucket=bucket_id:1,actions=output:2",
        "group_id=2,type=select,bucket=bucket_id:3,weight:7,actions=output:1,bucket=bucket_id:5,weight:9,actions=output:2",
        "group_id=3,type=indirect,bucket=bucket_id:0,actions=output:1",
        "group_id=4,type=ff,bucket=bucket_id:0,watch_port:1,actions=output:1",
        "group_id=5,type=all",
    ] {
        both.adit(&["groups", "add", group]);
        both.ovs.ofctl(&["add-group", "br0", group]);
    }
    both.adit(&["groups", "mod", "group_id=5,type=all,bucket=bucket_id:0,actions=group:1"]);
    both.ovs.ofctl(&["mod-group", "br0", "group_id=5,type=all,bucket=bucket_id:0,actions=group:1"]);
    both.adit(&["flows", "add", "ip,actions=group:4", "tcp,actions=group:4", "arp,actions=group:5"]);
    both.ovs.ofctl(&["add-flow", "br0", "ip,actions=group:4"]);
    both.ovs.ofctl(&["add-flow", "br0", "tcp,actions=group:4"]);
    both.ovs.ofctl(&["add-flow", "br0", "arp,actions=group:5"]);
    let shown = |text: &str| {
        let words = text.lines().filter(|line| line.contains("group_id=")).map(|line| {
            line.trim().split(',').filter(|word| !word.starts_with("duration=")).collect::<Vec<_>>().join(",")
        });
        let mut lines: Vec<String> = words.collect();
        lines.sort();
        lines
    };
    let compare = || {
        assert_eq!(shown(&both.adit(&["groups", "dump"])), shown(&both.ovs.ofctl(&["dump-groups", "br0"])));
        let theirs = both.ovs.ofctl(&["dump-group-stats", "br0"]);
        assert_eq!(shown(&both.adit(&["groups", "dump", "--stats"])), shown(&theirs));
    };
    compare();
    both.adit(&["groups", "del", "4"]);
    both.ovs.ofctl(&["del-groups", "br0", "group_id=4"]);
    compare();
    both.compare("the flows that led to the group went with it");
    assert!(adit.end().expect("ended").success());
}
