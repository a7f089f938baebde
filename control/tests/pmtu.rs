//! No packet is lost without a word: two switches, a router between them, and guests whose kernels send what does not fit. Every kind of
//! tunnel, over IPv4 and IPv6, too long for the first link or for one further on. Needs root.

mod narrow;
mod switch;

use std::net::{IpAddr, Ipv4Addr, SocketAddrV4};
use std::process::Command;
use std::time::Duration;

use control::lab::checksum;
use narrow::{GUESTS, Narrow, Network};
use nix::errno::Errno;
use socket2::{Domain, Protocol, Socket, Type};
use switch::{Host, TUNNELLED, one_uplink, reaches, soon, tcp};

impl Network {
    /// How many senders the first switch has told, and how many packets it has fragmented.
    fn counted(&self) -> (u64, u64) {
        std::thread::sleep(Duration::from_millis(250));
        let workers = self.one.0.status().workers;
        let all = workers.iter().map(|worker| (worker.too_long.told, worker.too_long.fragmented));
        all.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
    }

    /// The guest's kernel learns what fits: a packet of one byte more it does not even send.
    fn adapts(&self, to: IpAddr, fits: usize, what: &str) {
        let (told, _) = self.counted();
        let mut lost = 0;
        while self.ping(to, GUESTS, true).refused != Some(Errno::EMSGSIZE) {
            lost += 1;
            assert!(lost <= 3, "{what}: no word of {GUESTS} bytes; {:?}", self.one.0.status().drops);
        }
        // Each that did not arrive was answered.
        assert_eq!(self.counted().0 - told, lost, "{what}");
        let pong = self.ping(to, fits, true);
        assert!(pong.complete(), "{what}: {fits} bytes do not arrive: {pong:?}");
        assert_eq!(self.ping(to, fits + 1, true).refused, Some(Errno::EMSGSIZE), "{what}: more than {fits}");
    }

    /// What may be fragmented arrives: all, but for the first that a router of the underlay answered to the switch, which has
    /// learned from it.
    fn is_fragmented(&self, to: IpAddr, narrow: Narrow, what: &str) {
        let arrived = [0; 4].map(|_| self.ping(to, GUESTS, false).complete());
        let (expected, learned) = match narrow {
            Narrow::Here => ([true; 4], None),
            Narrow::Further => ([false, true, true, true], Some(1400)),
        };
        let status = self.one.0.status();
        assert_eq!(arrived, expected, "{what}: {:?}", status.drops);
        let arrived = arrived.iter().filter(|arrived| **arrived).count() as u64;
        assert_eq!(self.counted().1, arrived, "{what}: fragmented");
        assert_eq!(status.underlay[0].learned_mtu, learned, "{what}: {:?}", status.underlay);
    }
}

impl Network {
    /// `adit doctor mtu` says the same, and proves it.
    fn doctor_knows(&self, fits: usize, what: &str) {
        let host = &self.one.0;
        let mut command = Command::new(env!("CARGO_BIN_EXE_adit"));
        command.args(["doctor", "mtu", "--json", "--probe", "--config"]).arg(host.file("adit.toml"));
        command.arg("--socket").arg(host.file("adit.sock"));
        let output = host.netns.run(|| command.output()).expect("a namespace").expect("adit");
        let said: serde_json::Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{what}: {error}: {}", String::from_utf8_lossy(&output.stderr)));
        let tunnel = &said["tunnels"][0];
        assert_eq!(tunnel["guest_mtu"], fits, "{what}: {said}");
        assert_eq!(tunnel["exceeding"][0]["mtu"], GUESTS, "{what}: {said}");
        assert_eq!((&tunnel["proven"], &tunnel["ipv6"]), (&true.into(), &true.into()), "{what}: {said}");
        assert_eq!(output.status.code(), Some(1), "{what}: guests can send what does not fit");
    }
}

/// How many bytes a kind of tunnel puts around an IP packet, with its outer header of that version.
fn overhead(kind: &str, version: usize) -> usize {
    let outer = if version == 4 { 20 } else { 40 };
    outer + 14 + if matches!(kind, "vxlan" | "geneve") { 16 } else { 8 }
}

fn no_silent_loss(narrow: Narrow) {
    let Some(network) = Network::new(narrow) else { return };
    let (v4, v6) = (network.other(4), network.other(6));
    for kind in ["vxlan", "gre", "nvgre", "geneve"] {
        for version in [4, 6] {
            let what = format!("{kind} over IPv{version}, {narrow:?}");
            let way = if narrow == Narrow::Here { 1500 } else { 1400 };
            let fits = way - overhead(kind, version);
            let switches = network.adit(kind, version);
            assert!(reaches(&network.one.1.netns, network.two.1.addr), "{what}: no answer at all");
            assert!(
                network.ping(v6, 100, true).complete() || network.ping(v6, 100, true).complete(),
                "{what}"
            );
            network.is_fragmented(v4, narrow, &format!("{what}, may be fragmented"));
            network.adapts(v4, fits, &format!("{what}, DF"));
            network.adapts(v6, fits, &format!("{what}, IPv6"));
            network.doctor_knows(fits, &what);
            let carried = tcp(&network.one.1, &network.two.1);
            assert!(carried.there.bytes > 100_000 && carried.back.bytes > 100_000, "{what}: {carried:?}");
            drop(switches);
            network.forget();
        }
    }
}

#[test]
fn nothing_is_lost_without_a_word_when_the_first_link_is_too_narrow() {
    no_silent_loss(Narrow::Here);
}

#[test]
fn nothing_is_lost_without_a_word_when_a_link_further_on_is_too_narrow() {
    no_silent_loss(Narrow::Further);
}

/// "Fragmentation needed", 1400, as a router would quote a packet of the tunnel (RFC 792, RFC 1191 section 4): 1500 bytes of VXLAN.
fn needed(here: Ipv4Addr, there: Ipv4Addr) -> Vec<u8> {
    let mut message = vec![3, 4, 0, 0, 0, 0, 0x05, 0x78, 0x45, 0, 0x05, 0xdc, 0, 0, 0x40, 0, 64, 17, 0, 0];
    message.extend(here.octets().into_iter().chain(there.octets()));
    message.extend([0xc3, 0x50, 0x12, 0xb5, 0x05, 0xc8, 0, 0]);
    let sum = checksum(&message);
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    message
}

/// Somebody who knows both ends, and makes it up.
#[test]
fn nothing_is_learned_of_a_tunnel_that_nothing_was_sent_into() {
    let (here, there) = (Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2));
    let Some(host) = Host::new() else { return };
    let (guest, other) = (host.guest(1), host.guest(2));
    host.netns.addr("g2", here.into(), 24).expect("an address");
    let adit = host.adit(&one_uplink("packet", ""), TUNNELLED);
    assert!(reaches(&other.netns, here), "the way is known");
    let says = || {
        let sent = other.netns.run(|| {
            let raw = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::ICMPV4)).expect("a raw socket");
            raw.send_to(&needed(here, there), &SocketAddrV4::new(here, 0).into()).expect("sent");
        });
        sent.expect("a namespace");
    };
    let learned = || host.status().underlay.iter().find_map(|way| way.learned_mtu);
    let refused = soon(|| {
        says();
        host.status().mtu_refused > 2
    });
    assert!(refused && learned().is_none(), "{:?}", host.status().underlay);
    // Whoever is asked for is asked for through the tunnel.
    let _ = reaches(&guest.netns, Ipv4Addr::new(10, 0, 0, 9));
    says();
    assert!(soon(|| learned() == Some(1400)), "{:?}", host.status().underlay);
    assert!(adit.end().expect("ended").success());
}
