//! Two hosts with a guest each, a router between them, and a link that is too narrow for what the guests send.
//!
//! ```text
//!   guest 10.0.0.1 --- g1 [ host ] up --- a [ router ] b --- up [ host ] g2 --- guest 10.0.0.2
//!         fd00::1                                                               fd00::2
//! ```

#![allow(dead_code, reason = "each test file uses its part")]

use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use control::lab::{End, Netns, Ping, Pong, Process, Stop, veth};

use super::switch::{Guest, Host, ip};

/// The guests' MTU.
pub(crate) const GUESTS: usize = 1500;

/// Where the narrow link is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Narrow {
    /// The uplinks themselves: 1500.
    Here,
    /// The router's other link: 1400. The first would carry all.
    Further,
}

pub(crate) struct Network {
    pub(crate) one: (Host, Guest),
    pub(crate) two: (Host, Guest),
    _router: Netns,
}

impl Network {
    /// None, with a word on stderr, when we may not make one.
    pub(crate) fn new(narrow: Narrow) -> Option<Network> {
        let (first, second) = match narrow {
            Narrow::Here => (1500, 1500),
            Narrow::Further => (1600, 1400),
        };
        let (one, two) = (Host::new()?, Host::new()?);
        let router = Netns::new("router").expect("a namespace");
        for (host, device, mtu, net) in [(&one, "a", first, 1), (&two, "b", second, 2)] {
            let end = |netns, device| End { netns, device, mac: None };
            veth(end(&host.netns, "up"), end(&router, device), mtu).expect("a cable");
            let _ = host.netns.sysctl("net/ipv6/conf/up/disable_ipv6", "0");
            ip(&host.netns, &format!("address add 192.0.{net}.1/24 dev up"));
            ip(&host.netns, &format!("address add 2001:db8:{net}::1/64 dev up nodad"));
            ip(&router, &format!("address add 192.0.{net}.254/24 dev {device}"));
            ip(&router, &format!("address add 2001:db8:{net}::fe/64 dev {device} nodad"));
            ip(&host.netns, &format!("route add default via 192.0.{net}.254"));
            ip(&host.netns, &format!("-6 route add default via 2001:db8:{net}::fe"));
        }
        for switch in ["net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"] {
            if router.sysctl(switch, "1").is_err() {
                assert!(std::env::var_os("ADIT_TESTS_NO_SKIP").is_none(), "needs a writable /proc/sys");
                eprintln!("skipped: needs a writable /proc/sys");
                return None;
            }
        }
        let guests = [(&one, 1), (&two, 2)].map(|(host, n)| {
            let guest = host.guest(n);
            let _ = guest.netns.sysctl("net/ipv6/conf/eth0/disable_ipv6", "0");
            ip(&guest.netns, &format!("address add fd00::{n}/64 dev eth0 nodad"));
            guest
        });
        let [first, second] = guests;
        Some(Network { one: (one, first), two: (two, second), _router: router })
    }

    /// Starts adit on both hosts, with one tunnel between them.
    pub(crate) fn adit(&self, kind: &str, version: usize) -> [Process; 2] {
        [(&self.one.0, 1), (&self.two.0, 2)].map(|(host, n)| {
            let config = format!(
                "[bridge]\nname = \"br0\"\nflows = \"flows.txt\"\n[[uplink]]\ndevice = \"up\"\n\
                 [[port]]\nname = \"g{n}\"\nofport = 1\n\
                 [[tunnel]]\nname = \"tun0\"\nofport = 10\ntype = \"{kind}\"\nremote_ip = \"{}\"\nkey = 5001\n",
                Network::address(3 - n, version)
            );
            host.adit(&config, &format!("in_port=g{n},actions=tun0\nin_port=tun0,actions=g{n}\n"))
        })
    }

    /// One ping of that size from the first guest to the second.
    pub(crate) fn ping(&self, to: IpAddr, packet: usize, whole: bool) -> Pong {
        let ping = Ping { count: 1, packet, whole, patience: Duration::from_millis(400), ..Ping::new(to) };
        ping.run(&self.one.1.netns, &Stop::default()).expect("asked")
    }

    /// The guests' kernels forget what they have learned of sizes.
    pub(crate) fn forget(&self) {
        for (_, guest) in [&self.one, &self.two] {
            ip(&guest.netns, "route flush cache");
            ip(&guest.netns, "-6 route flush cache");
        }
    }

    /// The address of a host at the underlay: 1 or 2, over IPv4 or IPv6.
    pub(crate) fn address(host: usize, version: usize) -> String {
        match version {
            4 => format!("192.0.{host}.1"),
            _ => format!("2001:db8:{host}::1"),
        }
    }

    /// Where the second guest is.
    pub(crate) fn other(&self, version: usize) -> IpAddr {
        match version {
            4 => self.two.1.addr.into(),
            _ => Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 2).into(),
        }
    }
}
