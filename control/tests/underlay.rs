//! The underlay is what the kernel says, and follows it: each test has two hosts of its own on one wire.
//!
//! ```text
//! here  eth1 192.0.2.1/24, 2001:db8::1/64  ====  eth1 192.0.2.2/24, 2001:db8::2/64  there
//! ```
//! Addresses, routes and neighbours are set with `ip`, so that the second opinion is not our own code.

use control::lab::{End, Netns, veth};
use control::netlink::links::Devices;
use control::netlink::{Remote, Uplink, Watcher};
use datapath::port::PortId;
use datapath::tunnel::{Path, Reach};
use datapath::wire::MacAddr;
use std::net::{IpAddr, UdpSocket};
use std::process::Command;
use std::time::Duration;

const UPLINK: PortId = PortId(7);
const HERE: MacAddr = MacAddr([0x52, 0x54, 0, 0, 0, 1]);
const THERE: MacAddr = MacAddr([0x52, 0x54, 0, 0, 0, 2]);
const OTHER: MacAddr = MacAddr([0x52, 0x54, 0, 0, 0, 3]);
const DIRECT: IpAddr = v4(192, 0, 2, 2);
const FAR: IpAddr = v4(198, 51, 100, 7);
const PATIENCE: Duration = Duration::from_secs(10);

const fn v4(a: u8, b: u8, c: u8, d: u8) -> IpAddr {
    IpAddr::V4(std::net::Ipv4Addr::new(a, b, c, d))
}

fn v6(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// The path to `DIRECT` and to everything behind it.
fn path() -> Path {
    Path { uplink: UPLINK, local: v4(192, 0, 2, 1), src_mac: HERE, dst_mac: THERE, mtu: 1500 }
}

struct Wire {
    here: Netns,
    there: Netns,
}

impl Wire {
    /// Starts a watcher for these remotes, in the namespace `here`.
    async fn watch(&self, remotes: &[IpAddr]) -> Watcher {
        let uplinks = [Uplink { device: "eth1".into(), port: UPLINK }];
        Watcher::start(&uplinks, remotes.iter().copied()).await.unwrap()
    }

    fn here(&self, command: &str) {
        ip(&self.here, command);
    }

    fn there(&self, command: &str) {
        ip(&self.there, command);
    }
}

/// Runs `ip` in a namespace and returns what it printed.
fn ip(netns: &Netns, command: &str) -> String {
    let run = || Command::new("ip").args(command.split_whitespace()).output().unwrap();
    let output = netns.run(run).unwrap();
    assert!(output.status.success(), "ip {command}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Lays the wire and runs `test` inside `here`, on a thread that is not the main one.
fn on_a_wire(test: impl AsyncFnOnce(&Wire) + Send) {
    if !nix::unistd::geteuid().is_root() {
        assert!(std::env::var_os("ADIT_TESTS_NO_SKIP").is_none(), "needs root (network namespaces)");
        eprintln!("skipped: needs root (network namespaces)");
        return;
    }
    let wire = Wire { here: Netns::new("here").unwrap(), there: Netns::new("there").unwrap() };
    let here = End { netns: &wire.here, device: "eth1", mac: Some(HERE.octets()) };
    let there = End { netns: &wire.there, device: "eth1", mac: Some(THERE.octets()) };
    veth(here, there, 1500).unwrap();
    for (netns, end) in [(&wire.here, 1), (&wire.there, 2)] {
        ip(netns, &format!("addr add 192.0.2.{end}/24 dev eth1"));
        ip(netns, &format!("addr add 2001:db8::{end}/64 dev eth1 nodad"));
        ip(netns, &format!("addr add fe80::{end}/64 dev eth1 nodad"));
        // The kernel asks once a second by default; these tests are in a hurry.
        ip(netns, "ntable change name arp_cache dev eth1 retrans 50");
        ip(netns, "ntable change name ndisc_cache dev eth1 retrans 50");
    }
    let run = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(test(&wire));
    };
    wire.here.run(run).unwrap();
}

/// Waits until `remote` is reached as `expected`, without polling.
async fn until(watcher: &mut Watcher, remote: IpAddr, expected: Reach) {
    while watcher.current().reach(remote) != expected {
        let next = tokio::time::timeout(PATIENCE, watcher.next()).await;
        let Ok(next) = next else { panic!("waited for {expected:?}; {}", watcher.explain(remote)) };
        assert_eq!(&next.unwrap(), watcher.current());
    }
}

#[test]
fn a_remote_on_the_link_is_reached_by_its_own_mac_address() {
    on_a_wire(async |wire| {
        let mut watcher = wire.watch(&[DIRECT]).await;
        until(&mut watcher, DIRECT, Reach::Via(path())).await;
        let told = watcher.explain(DIRECT);
        assert!(
            told.starts_with("192.0.2.2: via eth1 (port 7) from 192.0.2.1, next hop 192.0.2.2 at 52:54"),
            "{told}"
        );
    });
}

#[test]
fn a_remote_behind_a_gateway_is_reached_by_the_gateways_mac_address() {
    on_a_wire(async |wire| {
        wire.here("route add default via 192.0.2.2");
        let mut watcher = wire.watch(&[FAR]).await;
        until(&mut watcher, FAR, Reach::Via(path())).await;
    });
}

#[test]
fn a_gateway_outside_of_every_prefix_works_when_it_is_onlink() {
    on_a_wire(async |wire| {
        wire.there("addr add 203.0.113.1/32 dev eth1");
        wire.here("route add 198.51.100.0/24 via 203.0.113.1 dev eth1 onlink src 192.0.2.1");
        let mut watcher = wire.watch(&[FAR]).await;
        until(&mut watcher, FAR, Reach::Via(path())).await;
    });
}

#[test]
fn a_neighbour_that_appears_later_is_found() {
    on_a_wire(async |wire| {
        wire.there("addr del 192.0.2.2/24 dev eth1");
        let mut watcher = wire.watch(&[DIRECT]).await;
        assert_eq!(watcher.current().reach(DIRECT), Reach::NoNeighbour);
        let told = watcher.explain(DIRECT);
        assert_eq!(
            told,
            "192.0.2.2: no neighbour: the MAC address of next hop 192.0.2.2 on eth1 is not known; the kernel is asking"
        );
        assert!(
            tokio::time::timeout(Duration::from_millis(300), watcher.next()).await.is_err(),
            "nothing changed"
        );
        wire.there("addr add 192.0.2.2/24 dev eth1");
        until(&mut watcher, DIRECT, Reach::Via(path())).await;
    });
}

#[test]
fn a_neighbour_that_changes_its_mac_address_is_followed() {
    on_a_wire(async |wire| {
        let mut watcher = wire.watch(&[DIRECT]).await;
        until(&mut watcher, DIRECT, Reach::Via(path())).await;
        wire.there(&format!("link set eth1 address {OTHER}"));
        // It asks for our address, and its question tells the kernel here the new one.
        wire.there("neigh flush all");
        let greet = || UdpSocket::bind("0.0.0.0:0").unwrap().send_to(b"hello", "192.0.2.1:9").unwrap();
        wire.there.run(greet).unwrap();
        until(&mut watcher, DIRECT, Reach::Via(Path { dst_mac: OTHER, ..path() })).await;
    });
}

#[test]
fn a_deleted_neighbour_is_resolved_again_by_the_kernel() {
    on_a_wire(async |wire| {
        let mut watcher = wire.watch(&[DIRECT]).await;
        for _ in 0..2 {
            until(&mut watcher, DIRECT, Reach::Via(path())).await;
            wire.here("neigh del 192.0.2.2 dev eth1");
            until(&mut watcher, DIRECT, Reach::NoNeighbour).await;
        }
        until(&mut watcher, DIRECT, Reach::Via(path())).await;
    });
}

#[test]
fn a_stale_neighbour_is_verified_and_kept_fresh_and_let_go_in_the_end() {
    on_a_wire(async |wire| {
        wire.here(&format!("neigh add 192.0.2.2 lladdr {OTHER} dev eth1 nud stale"));
        wire.here("ntable change name arp_cache dev eth1 delay_probe 50");
        let mut watcher = wire.watch(&[DIRECT]).await;
        assert_eq!(watcher.current().reach(DIRECT), Reach::Via(Path { dst_mac: OTHER, ..path() }));
        until(&mut watcher, DIRECT, Reach::Via(path())).await;
        assert!(ip(&wire.here, "neigh show dev eth1").contains("managed"));
        watcher.close().await;
        assert!(!ip(&wire.here, "neigh show dev eth1").contains("managed"));
    });
}

#[test]
fn a_permanent_neighbour_is_left_alone() {
    on_a_wire(async |wire| {
        wire.here(&format!("neigh add 192.0.2.2 lladdr {OTHER} dev eth1 nud permanent"));
        let watcher = wire.watch(&[DIRECT]).await;
        assert_eq!(watcher.current().reach(DIRECT), Reach::Via(Path { dst_mac: OTHER, ..path() }));
        watcher.close().await;
        assert!(ip(&wire.here, "neigh show dev eth1").contains("PERMANENT"));
    });
}

#[test]
fn the_mtu_is_the_least_of_link_and_route() {
    on_a_wire(async |wire| {
        wire.here("route add 198.51.100.0/24 via 192.0.2.2");
        let mut watcher = wire.watch(&[DIRECT, FAR]).await;
        until(&mut watcher, FAR, Reach::Via(path())).await;
        wire.here("route replace 198.51.100.0/24 via 192.0.2.2 mtu 1400");
        until(&mut watcher, FAR, Reach::Via(Path { mtu: 1400, ..path() })).await;
        assert_eq!(watcher.current().reach(DIRECT), Reach::Via(path()));
        wire.here("link set eth1 mtu 1300");
        until(&mut watcher, DIRECT, Reach::Via(Path { mtu: 1300, ..path() })).await;
        until(&mut watcher, FAR, Reach::Via(Path { mtu: 1300, ..path() })).await;
    });
}

#[test]
fn a_route_that_goes_and_comes_back_is_followed() {
    on_a_wire(async |wire| {
        wire.here("route add 198.51.100.0/24 via 192.0.2.2");
        let mut watcher = wire.watch(&[FAR]).await;
        until(&mut watcher, FAR, Reach::Via(path())).await;
        wire.here("route del 198.51.100.0/24");
        until(&mut watcher, FAR, Reach::NoRoute).await;
        assert_eq!(watcher.explain(FAR), "198.51.100.7: no route: the kernel has no route to it");
        wire.here("route add 198.51.100.0/24 via 192.0.2.2");
        until(&mut watcher, FAR, Reach::Via(path())).await;
    });
}

#[test]
fn an_uplink_that_goes_down_and_up_is_followed() {
    on_a_wire(async |wire| {
        let mut watcher = wire.watch(&[DIRECT]).await;
        until(&mut watcher, DIRECT, Reach::Via(path())).await;
        wire.here("link set eth1 down");
        until(&mut watcher, DIRECT, Reach::NoRoute).await;
        wire.here("link set eth1 up");
        until(&mut watcher, DIRECT, Reach::Via(path())).await;
        wire.there("link set eth1 down");
        until(&mut watcher, DIRECT, Reach::NoRoute).await;
        assert!(watcher.explain(DIRECT).contains("eth1 has no carrier"), "{}", watcher.explain(DIRECT));
        wire.there("link set eth1 up");
        until(&mut watcher, DIRECT, Reach::Via(path())).await;
    });
}

#[test]
fn an_uplink_that_changes_its_mac_address_is_followed() {
    on_a_wire(async |wire| {
        let mut watcher = wire.watch(&[DIRECT]).await;
        until(&mut watcher, DIRECT, Reach::Via(path())).await;
        wire.here(&format!("link set eth1 address {OTHER}"));
        until(&mut watcher, DIRECT, Reach::Via(Path { src_mac: OTHER, ..path() })).await;
    });
}

#[test]
fn an_uplink_that_is_deleted_and_made_again_is_found_by_its_name() {
    on_a_wire(async |wire| {
        let mut watcher = wire.watch(&[DIRECT]).await;
        until(&mut watcher, DIRECT, Reach::Via(path())).await;
        wire.here("link del eth1");
        until(&mut watcher, DIRECT, Reach::NoRoute).await;
        let here = End { netns: &wire.here, device: "eth1", mac: Some(HERE.octets()) };
        let there = End { netns: &wire.there, device: "eth1", mac: Some(THERE.octets()) };
        veth(here, there, 1500).unwrap();
        wire.here("addr add 192.0.2.1/24 dev eth1");
        wire.there("addr add 192.0.2.2/24 dev eth1");
        until(&mut watcher, DIRECT, Reach::Via(path())).await;
    });
}

#[test]
fn ipv6_is_reached_directly_and_by_a_link_local_gateway() {
    on_a_wire(async |wire| {
        wire.here("-6 route add 2001:db8:1::/64 via fe80::2 dev eth1 src 2001:db8::1");
        let (direct, far) = (v6("2001:db8::2"), v6("2001:db8:1::7"));
        let mut watcher = wire.watch(&[direct, far]).await;
        let path = Path { local: v6("2001:db8::1"), ..path() };
        until(&mut watcher, direct, Reach::Via(path)).await;
        until(&mut watcher, far, Reach::Via(path)).await;
        assert!(watcher.explain(far).contains("next hop fe80::2"), "{}", watcher.explain(far));
        wire.here("-6 route replace 2001:db8:1::/64 via fe80::2 dev eth1 src 2001:db8::1 mtu 1400");
        until(&mut watcher, far, Reach::Via(Path { mtu: 1400, ..path })).await;
    });
}

#[test]
fn an_ipv4_remote_behind_an_ipv6_gateway_is_reached() {
    on_a_wire(async |wire| {
        wire.here("route add 198.51.100.0/24 via inet6 fe80::2 dev eth1");
        let mut watcher = wire.watch(&[FAR]).await;
        until(&mut watcher, FAR, Reach::Via(path())).await;
    });
}

#[test]
fn a_route_by_another_device_is_no_route_and_says_by_which() {
    on_a_wire(async |wire| {
        let (here, there) = (&wire.here, &wire.there);
        let ends = [here, there].map(|netns| End { netns, device: "eth2", mac: None });
        veth(ends[0], ends[1], 1500).unwrap();
        wire.here("addr add 198.51.100.1/24 dev eth2");
        let mut watcher = wire.watch(&[FAR]).await;
        assert_eq!(watcher.current().reach(FAR), Reach::NoRoute);
        let told = "198.51.100.7: no route: its route leaves by eth2, which is no uplink (uplinks: eth1)";
        assert_eq!(watcher.explain(FAR), told);
        wire.here("link set eth2 down");
        wire.here("route add 198.51.100.0/24 via 192.0.2.2");
        until(&mut watcher, FAR, Reach::Via(path())).await;
    });
}

#[test]
fn routes_that_lead_nowhere_say_so() {
    on_a_wire(async |wire| {
        let remotes = [
            v4(198, 51, 100, 1),
            v4(198, 51, 100, 2),
            v4(198, 51, 100, 3),
            v4(192, 0, 2, 1),
            v4(239, 0, 0, 1),
        ];
        wire.here("route add blackhole 198.51.100.1");
        wire.here("route add unreachable 198.51.100.2");
        wire.here("route add prohibit 198.51.100.3");
        wire.here("route add 239.0.0.0/8 dev eth1");
        wire.here("-6 route add blackhole 2001:db8:1::/64");
        let watcher = wire.watch(&remotes).await;
        let told = remotes.map(|remote| {
            assert_eq!(watcher.current().reach(remote), Reach::NoRoute);
            watcher.explain(remote)
        });
        assert_eq!(
            told,
            [
                "198.51.100.1: no route: a blackhole route covers it",
                "198.51.100.2: no route: an unreachable route covers it",
                "198.51.100.3: no route: a prohibit route covers it",
                "192.0.2.1: no route: it is an address of this host",
                "239.0.0.1: no route: the kernel's route to it is of type multicast",
            ]
        );
        let watcher = wire.watch(&[v6("2001:db8:1::7")]).await;
        let told = watcher.explain(v6("2001:db8:1::7"));
        assert_eq!(told, "2001:db8:1::7: no route: a blackhole route covers it");
    });
}

#[test]
fn rules_on_the_source_address_are_respected() {
    on_a_wire(async |wire| {
        wire.here("addr add 203.0.113.1/32 dev eth1");
        wire.here("route add 198.51.100.0/24 via 192.0.2.2 table 100");
        let uplinks = [Uplink { device: "eth1".into(), port: UPLINK }];
        let local = v4(203, 0, 113, 1);
        let remote = Remote { addr: FAR, local: Some(local) };
        let mut watcher = Watcher::start(&uplinks, [remote]).await.unwrap();
        assert_eq!(watcher.current().reach(FAR), Reach::NoRoute);
        wire.here("rule add from 203.0.113.1 lookup 100");
        until(&mut watcher, FAR, Reach::Via(Path { local, ..path() })).await;
        wire.here("addr del 203.0.113.1/32 dev eth1");
        until(&mut watcher, FAR, Reach::NoRoute).await;
        assert_eq!(
            watcher.explain(FAR),
            "198.51.100.7: no route: the kernel has no route to it; our end, 203.0.113.1, is no address of this host"
        );
    });
}

#[test]
fn remotes_come_and_go() {
    on_a_wire(async |wire| {
        let mut watcher = wire.watch(&[]).await;
        assert_eq!(watcher.current().iter().count(), 0);
        watcher.set_remotes([DIRECT]);
        until(&mut watcher, DIRECT, Reach::Via(path())).await;
        watcher.set_remotes([FAR]);
        let underlay = watcher.next().await.unwrap();
        assert_eq!(underlay.iter().collect::<Vec<_>>(), [(&FAR, &Reach::NoRoute)]);
        assert!(!ip(&wire.here, "neigh show dev eth1").contains("managed"));
        assert_eq!(watcher.explain(DIRECT), "192.0.2.2: no route: it is no remote of any tunnel here");
    });
}

#[test]
fn lost_reports_are_noticed_and_everything_is_read_again() {
    on_a_wire(async |wire| {
        let mut watcher = wire.watch(&[DIRECT]).await;
        until(&mut watcher, DIRECT, Reach::Via(path())).await;
        // Nobody reads while more happens than the kernel can hold for us.
        let flood: String = (0..20_000)
            .map(|n| {
                format!(
                    "route {} 203.0.113.{}/32 dev eth1\n",
                    if n % 2 == 0 { "add" } else { "del" },
                    n / 2 % 256
                )
            })
            .collect();
        let run = || {
            let mut batch =
                Command::new("ip").args(["-batch", "-"]).stdin(std::process::Stdio::piped()).spawn().unwrap();
            std::io::Write::write_all(&mut batch.stdin.take().unwrap(), flood.as_bytes()).unwrap();
            assert!(batch.wait().unwrap().success());
        };
        wire.here.run(run).unwrap();
        wire.here("link set eth1 mtu 1400");
        until(&mut watcher, DIRECT, Reach::Via(Path { mtu: 1400, ..path() })).await;
        assert!(watcher.losses() > 0);
    });
}

#[test]
fn a_dropped_wait_loses_nothing() {
    on_a_wire(async |wire| {
        let mut watcher = wire.watch(&[DIRECT]).await;
        until(&mut watcher, DIRECT, Reach::Via(path())).await;
        wire.here("link set eth1 mtu 1400");
        let expected = Reach::Via(Path { mtu: 1400, ..path() });
        for microseconds in 0.. {
            assert!(microseconds < 1_000_000, "{}", watcher.explain(DIRECT));
            let patience = Duration::from_micros(microseconds);
            if tokio::time::timeout(patience, watcher.next()).await.is_ok() {
                break;
            }
        }
        assert_eq!(watcher.current().reach(DIRECT), expected);
    });
}

#[test]
fn devices_are_found_by_name_and_the_error_names_those_that_there_are() {
    on_a_wire(async |wire| {
        let devices = Devices::read().await.unwrap();
        let eth1 = devices.named("eth1").unwrap();
        assert_eq!(
            (eth1.mac, eth1.mtu, eth1.kind.as_deref(), eth1.running),
            (Some(HERE), 1500, Some("veth"), true)
        );
        assert_eq!(eth1.rx_queues, 1);
        assert_eq!(eth1.endpoints().collect::<Vec<_>>(), [v4(192, 0, 2, 1), v6("2001:db8::1")]);
        let error = devices.named("eth7").unwrap_err().to_string();
        assert_eq!(error, "device eth7 does not exist; devices here: lo, eth1");
        let uplinks = [Uplink { device: "eth7".into(), port: UPLINK }];
        let error = Watcher::start(&uplinks, [DIRECT]).await.err().unwrap();
        assert_eq!(
            format!("{error:#}"),
            "cannot use it as uplink: device eth7 does not exist; devices here: lo, eth1"
        );
        wire.here("link add eth3 numrxqueues 8 type veth peer name eth4");
        let devices = Devices::read().await.unwrap();
        assert_eq!(devices.named("eth3").unwrap().rx_queues, 8);
    });
}
