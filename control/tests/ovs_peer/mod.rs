//! Open vSwitch, from Debian, as a hypervisor: its userspace datapath, in a namespace. Unless told otherwise:
//!
//! ```text
//!   guest 10.0.0.2 eth0 --- g2  br0 --- tunnel port ~ br-phy 192.0.2.2, 2001:db8::2 --- eth1 --- the underlay
//! ```

#![allow(dead_code, reason = "each test file uses its part")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use control::lab::{Netns, Process, Scratch};

use super::switch::{ip, soon};

const SCHEMA: &str = "/usr/share/openvswitch/vswitch.ovsschema";

/// The switch, in the namespace `netns`, whose device `eth1` is the underlay and `g2` the guest.
pub(crate) struct Ovs<'a> {
    netns: &'a Netns,
    folder: Scratch,
    _processes: Vec<Process>,
}

/// Whether Open vSwitch is installed, and ethtool. Says it when they are not.
pub(crate) fn installed() -> bool {
    let has = |program: &str| {
        let asked = Command::new(program).arg("--version").stdout(Stdio::null()).status();
        asked.is_ok_and(|status| status.success())
    };
    let there = has("ovs-vswitchd") && has("ethtool") && Path::new(SCHEMA).exists();
    if !there {
        let why = "skipped: needs ovs-vswitchd and ovsdb-server (package openvswitch-switch), and ethtool";
        assert!(std::env::var_os("ADIT_TESTS_NO_SKIP").is_none(), "{why}");
        eprintln!("{why}");
    }
    there
}

impl<'a> Ovs<'a> {
    /// Starts it, with `eth1` as the underlay and the guest `g2`, whose frames may be as long as the underlay's.
    pub(crate) fn start(netns: &'a Netns, mtu: u32) -> Result<Ovs<'a>> {
        Ovs::between(netns, ("eth1", mtu), "g2", &["192.0.2.2/24", "2001:db8::2/64"])
    }

    /// Starts it between the device and MTU of an underlay, where it has these addresses, and a guest.
    pub(crate) fn between(
        netns: &'a Netns,
        underlay: (&str, u32),
        guest: &str,
        addresses: &[&str],
    ) -> Result<Ovs<'a>> {
        let ovs = Ovs::bare(netns)?;
        let (device, mtu) = underlay;
        for (bridge, port) in [("br-phy", device), ("br0", guest)] {
            ovs.vsctl(&format!("add-br {bridge} -- set bridge {bridge} datapath_type=netdev"))?;
            ovs.vsctl(&format!("set interface {bridge} mtu_request={mtu}"))?;
            ovs.vsctl(&format!("add-port {bridge} {port}"))?;
        }
        let _ = netns.sysctl("net/ipv6/conf/br-phy/disable_ipv6", "0");
        // The kernel sees what comes in by the device too, and would answer for the address of br-phy.
        netns.sysctl(&format!("net/ipv4/conf/{device}/arp_ignore"), "8")?;
        for address in addresses {
            let nodad = if address.contains(':') { "nodad" } else { "" };
            ip(netns, &format!("address add {address} dev br-phy {nodad}"));
        }
        ip(netns, "link set br-phy up");
        Ok(ovs)
    }

    /// Starts it without any bridge.
    pub(crate) fn bare(netns: &'a Netns) -> Result<Ovs<'a>> {
        let folder = Scratch::new(&std::env::temp_dir(), "adit-ovs-peer")?;
        let mut ovs = Ovs { netns, folder, _processes: Vec::new() };
        let (db, socket) = (ovs.file("conf.db"), ovs.file("db.sock"));
        ovs.tool("ovsdb-tool", &["create", &db.display().to_string(), SCHEMA])?;
        ovs.spawn(
            "ovsdb-server",
            &[&db.display().to_string(), &format!("--remote=punix:{}", socket.display())],
        )?;
        ensure!(soon(|| socket.exists()), "ovsdb-server made no socket");
        ovs.vsctl("--no-wait init")?;
        ovs.spawn("ovs-vswitchd", &[&format!("unix:{}", socket.display()), "--disable-system"])?;
        Ok(ovs)
    }

    /// The tunnel of type and options, and no other.
    pub(crate) fn tunnel(&self, kind: &str, options: &str) -> Result<()> {
        let options: Vec<_> = options.split_whitespace().map(|option| format!("options:{option}")).collect();
        self.vsctl("--if-exists del-port br0 tun0")?;
        self.vsctl(&format!("add-port br0 tun0 -- set interface tun0 type={kind} {}", options.join(" ")))
    }

    /// The folder in which it has its sockets.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs `ovs-vsctl` with these words.
    pub(crate) fn vsctl(&self, words: &str) -> Result<()> {
        let db = format!("--db=unix:{}", self.file("db.sock").display());
        let words: Vec<_> = [&*db, "--timeout=20"].into_iter().chain(words.split_whitespace()).collect();
        self.tool("ovs-vsctl", &words)
    }

    /// Runs `ovs-ofctl` about `br0`: a command, and what stands behind the bridge.
    pub(crate) fn ofctl(&self, command: &str, more: &[&str]) -> Result<()> {
        let bridge = self.file("br0.mgmt").display().to_string();
        self.tool("ovs-ofctl", &[&[command, &bridge], more].concat())
    }

    fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(self.folder.path()).stdout(Stdio::null());
        for variable in ["OVS_RUNDIR", "OVS_LOGDIR", "OVS_DBDIR", "OVS_SYSCONFDIR"] {
            command.env(variable, self.folder.path());
        }
        command
    }

    fn tool(&self, program: &str, arguments: &[&str]) -> Result<()> {
        let output = self.netns.run(|| self.command(program, arguments).output())??;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{program} {}: {said}", arguments.join(" "));
        Ok(())
    }

    fn spawn(&mut self, program: &str, arguments: &[&str]) -> Result<()> {
        let command = self.command(program, arguments);
        let process = Process::start(self.netns, program, command).context("it was asked for its version")?;
        self._processes.push(process);
        Ok(())
    }
}
