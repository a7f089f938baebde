//! What becomes of guests' packets that do not fit a tunnel: adit, Open vSwitch's userspace datapath and the kernel's own devices, each on
//! both hosts, asked the same questions. Every kind of tunnel, over IPv4 and IPv6, too long for the first link or for one further on.
//! Only adit is held to something; the table goes to docs/mtu.md by `scripts/pmtu-matrix`. Needs root and Open vSwitch.

mod narrow;
mod ovs_peer;
mod switch;

use std::fmt::Write as _;
use std::process::Command;
use std::thread;

use control::lab::Netns;
use narrow::{GUESTS, Narrow, Network};
use nix::errno::Errno;
use ovs_peer::Ovs;
use switch::{ip, offload, reaches};

const KINDS: [&str; 4] = ["vxlan", "gre", "nvgre", "geneve"];
const WAYS: [Narrow; 2] = [Narrow::Here, Narrow::Further];

/// What became of 1,500 bytes: sent again four times at the most, as TCP would, since what a router tells the switch is not told the guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// It is answered.
    Arrives,
    /// The sender's kernel knows that it does not fit.
    Told,
    /// Neither.
    Lost,
    /// There is no such tunnel.
    Absent,
}

/// DF, no DF, IPv6.
type Fates = [Fate; 3];

fn fates(network: &Network) -> Fates {
    // What may be fragmented comes last: it would be by what the sender has learned.
    let [df, v6, any] = [(4, true), (6, true), (4, false)].map(|(version, whole)| {
        network.forget();
        let mut tries = (0..4).map(|_| network.ping(network.other(version), GUESTS, whole));
        tries
            .find_map(|pong| match pong.refused {
                Some(Errno::EMSGSIZE) => Some(Fate::Told),
                _ => pong.complete().then_some(Fate::Arrives),
            })
            .unwrap_or(Fate::Lost)
    });
    [df, any, v6]
}

/// Small packets get through, so that what is lost is lost for its length.
fn works(network: &Network, what: &str) {
    let (one, two) = (&network.one.1, &network.two.1);
    assert!(reaches(&one.netns, two.addr), "{what}: no answer at all");
    let answered = (0..5).any(|_| network.ping(network.other(6), 100, true).complete());
    assert!(answered, "{what}: no answer at all over IPv6");
}

/// All fates, three for each line of the table.
type Column = Option<Vec<Fate>>;

fn adits() -> Column {
    let mut column = Vec::new();
    for narrow in WAYS {
        let network = Network::new(narrow)?;
        for (kind, version) in tunnels() {
            let _switches = network.adit(kind, version);
            works(&network, kind);
            column.extend(fates(&network));
        }
    }
    Some(column)
}

fn open_vswitches() -> Column {
    let mut column = Vec::new();
    for narrow in WAYS {
        let network = Network::new(narrow)?;
        let switches = two_of_open_vswitch(&network, narrow);
        for (kind, version) in tunnels() {
            column.extend(open_vswitch(&switches, &network, kind, version));
        }
    }
    Some(column)
}

fn kernels() -> Column {
    let mut column = Vec::new();
    for narrow in WAYS {
        let network = Network::new(narrow)?;
        for (kind, version) in tunnels() {
            column.extend(linux(&network, kind, version));
        }
    }
    Some(column)
}

/// Every kind over IPv4 and IPv6, in the order of the table.
fn tunnels() -> impl Iterator<Item = (&'static str, usize)> {
    KINDS.into_iter().flat_map(|kind| [(kind, 4), (kind, 6)])
}

/// Each column with whom it is of.
fn table(columns: &[(&str, &Vec<Fate>)]) -> String {
    let names: String = columns.iter().map(|(name, _)| format!(" {name} | | |")).collect();
    let (lines, packets) = ("---|".repeat(3 * columns.len()), " DF | no DF | IPv6 |".repeat(columns.len()));
    let mut table = format!("| too long for | tunnel |{names}\n|---|---|{lines}\n| | |{packets}\n");
    let lines = ["the uplink", "a link further on"];
    let lines = lines.into_iter().flat_map(|link| tunnels().map(move |tunnel| (link, tunnel)));
    for (line, (link, (kind, version))) in lines.enumerate() {
        let _ = write!(table, "| {link} | {kind} over IPv{version} |");
        for fate in columns.iter().flat_map(|(_, column)| &column[line * 3..][..3]) {
            let word = match fate {
                Fate::Arrives => "arrives",
                Fate::Told => "told",
                Fate::Lost => "**lost**",
                Fate::Absent => "-",
            };
            let _ = write!(table, " {word} |");
        }
        table.push('\n');
    }
    table
}

/// Both hosts' switches. The uplinks' addresses are those of `br-phy` from now on.
fn two_of_open_vswitch(network: &Network, narrow: Narrow) -> [Ovs<'_>; 2] {
    let mtus = if narrow == Narrow::Here { [1500, 1500] } else { [1600, 1400] };
    let hosts = [(&network.one.0.netns, 1), (&network.two.0.netns, 2)];
    let switches = hosts.map(|(host, n)| {
        ip(host, "address flush dev up");
        let addresses = [Network::address(n, 4) + "/24", Network::address(n, 6) + "/64"];
        let [four, six] = addresses.each_ref().map(String::as_str);
        Ovs::between(host, ("up", mtus[n - 1]), &format!("g{n}"), &[four, six]).expect("Open vSwitch")
    });
    for (host, n) in hosts {
        ip(host, &format!("route replace default via 192.0.{n}.254"));
        ip(host, &format!("-6 route replace default via 2001:db8:{n}::fe"));
    }
    // It takes frames off a device without asking for checksums that are left to it.
    for (_, guest) in [&network.one, &network.two] {
        offload(&guest.netns, "eth0");
    }
    switches
}

fn open_vswitch(switches: &[Ovs<'_>; 2], network: &Network, kind: &str, version: usize) -> Fates {
    let kind = match (kind, version) {
        ("nvgre", _) => return [Fate::Absent; 3],
        ("gre", 6) => "ip6gre",
        _ => kind,
    };
    for (switch, other) in switches.iter().zip([2, 1]) {
        let remote = Network::address(other, version);
        switch.tunnel(kind, &format!("remote_ip={remote} key=5001")).expect("a tunnel port");
    }
    works(network, kind);
    fates(network)
}

/// A bridge with the guest and the tunnel's device, all as the kernel makes them when told no more than is needed.
fn linux(network: &Network, kind: &str, version: usize) -> Fates {
    let hosts = [(&network.one.0.netns, 1), (&network.two.0.netns, 2)];
    let made = hosts.iter().all(|(host, n)| {
        let (local, remote) = (Network::address(*n, version), Network::address(3 - n, version));
        let ends = format!("local {local} remote {remote}");
        let device = match (kind, version) {
            ("vxlan", _) => format!("vxlan id 5001 {ends} dstport 4789 dev up"),
            ("gre", 4) => format!("gretap {ends} key 5001"),
            ("gre", _) => format!("ip6gretap {ends} key 5001"),
            ("geneve", _) => format!("geneve id 5001 remote {remote}"),
            _ => return false,
        };
        for command in [
            &format!("link add tun0 type {device}"),
            "link add br0 type bridge",
            &format!("link set g{n} master br0"),
            "link set tun0 master br0",
            "link set tun0 up",
            "link set br0 up",
        ] {
            if !tried(host, command) {
                return false;
            }
        }
        true
    });
    let fates = if made {
        works(network, kind);
        fates(network)
    } else {
        [Fate::Absent; 3]
    };
    for (host, _) in hosts {
        tried(host, "link del tun0");
        tried(host, "link del br0");
    }
    fates
}

/// What it is called, as far as its second number.
fn kernel() -> String {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").expect("/proc");
    format!("Linux {}", release.trim().splitn(3, '.').take(2).collect::<Vec<_>>().join("."))
}

/// Whether the kernel has it.
fn tried(netns: &Netns, command: &str) -> bool {
    let run = || Command::new("ip").args(command.split_whitespace()).output().expect("ip");
    netns.run(run).expect("a namespace").status.success()
}

#[test]
fn what_does_not_fit_with_adit_and_with_others() {
    if !ovs_peer::installed() {
        return;
    }
    // Side by side: each has a network of its own.
    let [ours, theirs, kernels] = thread::scope(|scope| {
        [adits, open_vswitches, kernels].map(|column| scope.spawn(column)).map(|running| {
            let done = running.join();
            done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    });
    let (Some(ours), Some(theirs), Some(kernels)) = (ours, theirs, kernels) else { return };
    print!("\n{}", table(&[("adit", &ours), ("Open vSwitch", &theirs), (&kernel(), &kernels)]));
    assert!(!ours.contains(&Fate::Lost), "lost without a word");
}

/// The kernel's devices alone: `scripts/pmtu-matrix` runs it under a kernel that has them all.
#[test]
fn what_does_not_fit_with_the_kernel_alone() {
    let Some(kernels) = kernels() else { return };
    print!("\n{}", table(&[(&kernel(), &kernels)]));
}
