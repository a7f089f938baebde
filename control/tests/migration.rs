//! A tenant moves from one encapsulation to the next, host by host, while its guests go on talking: no packet is lost, none comes twice.
//!
//! Four hosts, each an adit with one guest, on one underlay. All take all four encapsulations from the start; which of them a host
//! sends by is what its flows say. The fourth host knows the tenant by another number, and the others translate. For the last
//! step the hosts have other addresses than before, which nobody has talked to yet. Needs root.
//!
//! ```text
//!   guest g1 10.0.0.1 --- g1 [ adit ] eth1 192.0.2.1, .101 ---+
//!   guest g2 10.0.0.2 --- g2 [ adit ] eth1 192.0.2.2, .102 ---+--- a bridge of the kernel
//!   ...
//! ```

mod switch;

use std::fs;
use std::net::{Ipv4Addr, UdpSocket};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use control::lab::{End, Netns, veth};
use nix::sys::socket::{setsockopt, sockopt};
use serde_json::Value;
use switch::{Guest, Host, ip, soon};

const HOSTS: u8 = 4;
/// The tenant's number, and what the last host calls it.
const TENANT: u32 = 5001;
const THERE: u32 = 7001;
/// The ways that the tenant goes, in turn.
const KINDS: [&str; 4] = ["gre", "vxlan", "nvgre", "geneve"];
/// Each guest sends to each other this often: a thousand packets a second in all.
const PAUSE: Duration = Duration::from_millis(12);
/// Packets that each guest gets between two steps.
const BETWEEN: u32 = 100;
const PORT: u16 = 5000;

fn hosts() -> impl Iterator<Item = u8> {
    1..=HOSTS
}

fn peers(host: u8) -> impl Iterator<Item = u8> {
    hosts().filter(move |peer| *peer != host)
}

fn name(host: u8) -> u32 {
    if host == HOSTS { THERE } else { TENANT }
}

fn config(host: u8) -> String {
    let head = format!(
        "[bridge]\nname = \"br0\"\nflows = \"flows.txt\"\n\
         [[uplink]]\ndevice = \"eth1\"\nendpoints = [\"192.0.2.{host}\", \"192.0.2.10{host}\"]\n\
         [[port]]\nname = \"g{host}\"\nofport = 1\n"
    );
    let tunnels = (10..).zip(KINDS).map(|(ofport, kind)| {
        format!(
            "[[tunnel]]\nname = \"{kind}0\"\nofport = {ofport}\ntype = \"{kind}\"\nremote_ip = \"flow\"\nkey = \"flow\"\n"
        )
    });
    [head].into_iter().chain(tunnels).collect()
}

/// What a host does with frames that come out of tunnels: what the last host calls the tenant is translated.
fn incoming(host: u8) -> String {
    let own = name(host);
    let from = |kind: &str| {
        let translated = (own != THERE).then(|| {
            format!("table=0,in_port={kind}0,tun_id={THERE},actions=set_field:{own}->tun_id,goto_table:1\n")
        });
        translated.unwrap_or_default()
            + &format!("table=0,in_port={kind}0,tun_id={own},actions=goto_table:1\n")
    };
    let guest = format!(
        "table=0,in_port=g{host},actions=goto_table:2\n\
         table=1,tun_id={own},dl_dst=02:00:00:00:00:0{host},actions=g{host}\n"
    );
    [guest].into_iter().chain(KINDS.map(from)).collect()
}

/// How a host sends to the others. The last one is told its own name of the tenant, and tells the others no other.
fn outgoing(host: u8, kind: &str) -> Vec<String> {
    let remote =
        |peer: u8| if kind == "geneve" { format!("192.0.2.10{peer}") } else { format!("192.0.2.{peer}") };
    let flow = |peer: u8| {
        format!(
            "table=2,dl_dst=02:00:00:00:00:0{peer},actions=set_field:{}->tun_id,set_field:{}->tun_dst,{kind}0",
            name(host.max(peer)),
            remote(peer)
        )
    };
    peers(host).map(flow).collect()
}

/// Every packet of one guest to another, by its number: how often it came.
#[derive(Default)]
struct Came(Vec<u32>);

/// What two guests have to do with each other.
#[derive(Default)]
struct Talk {
    sent: AtomicU32,
    came: Mutex<Came>,
}

impl Talk {
    fn came(&self) -> u32 {
        self.came.lock().expect("no panic").0.iter().filter(|times| **times > 0).count() as u32
    }
}

struct Tenant {
    /// By sender and receiver.
    talks: Vec<Vec<Talk>>,
    /// Senders stop first.
    quiet: AtomicBool,
    over: AtomicBool,
}

impl Tenant {
    fn talk(&self, from: u8, to: u8) -> &Talk {
        &self.talks[usize::from(from)][usize::from(to)]
    }

    fn send(&self, guest: &Guest, host: u8) {
        let socket = bound(guest, PORT + 1);
        while !self.quiet.load(Relaxed) {
            for peer in peers(host) {
                let number = self.talk(host, peer).sent.fetch_add(1, Relaxed);
                let packet = [&[host][..], &number.to_be_bytes()].concat();
                socket.send_to(&packet, (Ipv4Addr::new(10, 0, 0, peer), PORT)).expect("sent");
            }
            thread::sleep(PAUSE);
        }
    }

    fn receive(&self, socket: &UdpSocket, host: u8) {
        socket.set_read_timeout(Some(Duration::from_millis(50))).expect("set");
        let mut packet = [0; 64];
        while !self.over.load(Relaxed) {
            let Ok(length) = socket.recv(&mut packet) else { continue };
            let (from, number) = packet[..length].split_first().expect("a number");
            let number = u32::from_be_bytes(number.try_into().expect("four bytes")) as usize;
            let mut came = self.talk(*from, host).came.lock().expect("no panic");
            let length = came.0.len().max(number + 1);
            came.0.resize(length, 0);
            came.0[number] += 1;
        }
    }

    /// Until every guest has got so many more packets of each other.
    fn goes_on(&self) {
        let pairs = || hosts().flat_map(|from| peers(from).map(move |to| (from, to)));
        let before: Vec<u32> = pairs().map(|(from, to)| self.talk(from, to).came()).collect();
        let more = || {
            pairs().zip(&before).all(|((from, to), then)| self.talk(from, to).came() >= then + BETWEEN / 3)
        };
        assert!((0..4).any(|_| soon(more)), "traffic has stopped");
    }
}

fn bound(guest: &Guest, port: u16) -> UdpSocket {
    let bind = || UdpSocket::bind((guest.addr, port));
    let socket = guest.netns.run(bind).expect("a namespace").expect("bound");
    setsockopt(&socket, sockopt::RcvBufForce, &(4 << 20)).expect("set");
    socket
}

fn flows(host: &Host, verb: &str, arguments: &[String]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_adit"));
    command.args(["flows", verb]).args(arguments).arg("--socket").arg(host.file("adit.sock"));
    let output = command.output().expect("run");
    assert!(output.status.success(), "{verb}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

/// How many packets the flows of a tunnel port have taken.
fn came_by(host: &Host, kind: &str) -> u64 {
    let text = flows(host, "dump", &["--json".into(), format!("table=0,in_port={kind}0")]);
    let rows: Vec<Value> = serde_json::from_str(&text).expect("JSON");
    rows.iter().filter_map(|row| row["n_packets"].as_u64()).sum()
}

/// Moves a host to another encapsulation: flow by flow, or all of the file at once.
fn migrate(host: &Host, number: u8, kind: &str) {
    if kind != "nvgre" {
        flows(host, "mod", &outgoing(number, kind));
        return;
    }
    let text = incoming(number) + &outgoing(number, kind).join("\n") + "\n";
    fs::write(host.file("next.txt"), text).expect("written");
    flows(host, "replace", &["--file".into(), host.file("next.txt").display().to_string()]);
}

#[test]
fn a_tenant_moves_through_all_encapsulations_without_loss() {
    let Some(first) = Host::new() else { return };
    let underlay = Netns::new("underlay").expect("a namespace");
    underlay.bridge("br0", 1600).expect("a bridge");
    let mut all = vec![first];
    all.extend(hosts().skip(1).filter_map(|_| Host::new()));
    let all: Vec<(u8, Host)> = hosts().zip(all).collect();
    let guests: Vec<(u8, Guest)> = all.iter().map(|(n, host)| (*n, host.guest(*n))).collect();
    let mut running = Vec::new();
    for (n, host) in &all {
        let port = format!("port{n}");
        let there = End { netns: &underlay, device: &port, mac: None };
        veth(End { netns: &host.netns, device: "eth1", mac: None }, there, 1600).expect("a cable");
        underlay.enslave(&port, "br0").expect("a port");
        ip(&host.netns, &format!("address add 192.0.2.{n}/24 dev eth1"));
        ip(&host.netns, &format!("address add 192.0.2.10{n}/24 dev eth1"));
        for peer in peers(*n) {
            let guest = &guests[usize::from(*n) - 1].1.netns;
            ip(guest, &format!("neigh replace 10.0.0.{peer} lladdr 02:00:00:00:00:0{peer} dev eth0"));
        }
    }
    for (n, host) in &all {
        let text = incoming(*n) + &outgoing(*n, KINDS[0]).join("\n") + "\n";
        running.push(host.adit(&config(*n), &text));
    }
    for (n, guest) in &guests {
        peers(*n).for_each(|peer| {
            assert!(switch::reaches(&guest.netns, Ipv4Addr::new(10, 0, 0, peer)), "{n} to {peer}")
        });
    }
    let before: Vec<u64> = all.iter().map(|(_, host)| dropped(host)).collect();

    let talks = (0..=HOSTS).map(|_| (0..=HOSTS).map(|_| Talk::default()).collect()).collect();
    let tenant = Tenant { talks, quiet: AtomicBool::new(false), over: AtomicBool::new(false) };
    // Before anybody speaks: a kernel drops what comes to a port that is not open yet.
    let ears: Vec<UdpSocket> = guests.iter().map(|(_, guest)| bound(guest, PORT)).collect();
    thread::scope(|scope| {
        let (tenant, ears) = (&tenant, &ears);
        // Nobody waits for the others when something fails.
        let _end = Ends(tenant);
        guests.iter().zip(ears).for_each(|((n, _), ear)| drop(scope.spawn(|| tenant.receive(ear, *n))));
        guests.iter().for_each(|(n, guest)| drop(scope.spawn(|| tenant.send(guest, *n))));
        tenant.goes_on();
        for kind in &KINDS[1..] {
            for (n, host) in &all {
                migrate(host, *n, kind);
                tenant.goes_on();
            }
            all.iter()
                .for_each(|(n, host)| assert!(came_by(host, kind) > 0, "nothing came to {n} by {kind}"));
        }
        tenant.quiet.store(true, Relaxed);
        let arrived = || {
            hosts().all(|from| {
                peers(from).all(|to| tenant.talk(from, to).came() == tenant.talk(from, to).sent.load(Relaxed))
            })
        };
        soon(arrived);
    });

    let mut packets = 0;
    for from in hosts() {
        for to in peers(from) {
            let talk = tenant.talk(from, to);
            let (sent, came) = (talk.sent.load(Relaxed), talk.came.lock().expect("no panic"));
            let lost: Vec<usize> =
                (0..sent as usize).filter(|n| came.0.get(*n).is_none_or(|n| *n == 0)).collect();
            let twice: Vec<usize> = (0..came.0.len()).filter(|n| came.0[*n] > 1).collect();
            assert!(
                lost.is_empty() && twice.is_empty(),
                "{from} to {to}: of {sent} lost {lost:?}, twice {twice:?}; {:?}",
                all.iter().map(|(_, host)| host.status().drops).collect::<Vec<_>>()
            );
            packets += sent;
        }
    }
    let after: Vec<u64> = all.iter().map(|(_, host)| dropped(host)).collect();
    assert_eq!(before, after, "nothing was dropped anywhere");
    eprintln!("{packets} packets, each came once");
    for adit in running {
        assert!(adit.end().expect("ended").success());
    }
}

/// Frames that a switch has dropped.
fn dropped(host: &Host) -> u64 {
    host.status().drops.iter().map(|drop| drop.count).sum()
}

struct Ends<'a>(&'a Tenant);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.quiet.store(true, Relaxed);
        self.0.over.store(true, Relaxed);
    }
}
