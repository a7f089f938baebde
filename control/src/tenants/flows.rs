//! The flows of the embedded controller, in the words of ovs-ofctl. Four tables:
//!
//! ```text
//! 0  whose is it?    by port, or by tunnel, sender and tunnel key: metadata is the tenant's number from here on (and so is the tun_id
//!                    that came by a tunnel), reg0 the VLAN of what comes from guests
//! 1  who has ...?    ARP requests and neighbour solicitations of guests, for addresses that are told, are answered where they came in
//! 2  where to?       NORMAL; before it, for tenants without unknown addresses, what leads to none that is told
//! 3                  the second half of an answer to a neighbour solicitation
//! ```
//!
//! What no flow of table 0 takes is nobody's and dropped (`table_miss`).

use super::{Member, Seat, Tenant, Tenants, tunnel_of, tunnel_to, vlans};
use crate::config::Config;
use datapath::tunnel::Kind;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The cookie of all of them: "tenants" in ASCII.
pub const COOKIE: u64 = 0x0074_656e_616e_7473;

/// A text of one flow a line.
pub fn text(config: &Config) -> String {
    let tenants = &config.tenants;
    let mut out = Text(String::new());
    if tenants.list.is_empty() {
        return out.0;
    }
    for tenant in &tenants.list {
        out.whose(tenants, tenant, config);
        let answered = tenant.members.iter().filter(|_| !tenant.silent);
        for member in answered {
            out.answers(tenant, member);
        }
        if tenant.told_only {
            out.told_only(tenant);
        }
    }
    out.flow(1, 0, "", "goto_table:2");
    out.flow(2, 0, "", "normal");
    out.0
}

/// What is written so far.
struct Text(String);

impl Text {
    fn flow(&mut self, table: u8, priority: u16, matching: &str, actions: &str) {
        let comma = if matching.is_empty() { "" } else { "," };
        // Writing to a string does not fail.
        let _ = writeln!(
            self.0,
            "cookie={COOKIE:#x},table={table},priority={priority},{matching}{comma}actions={actions}"
        );
    }

    /// Table 0: whose frames come in by ports and tunnels.
    fn whose(&mut self, tenants: &Tenants, tenant: &Tenant, config: &Config) {
        let id = tenant.id;
        let is = format!("set_field:{id}->metadata");
        let port_of = |member: &Member| match &member.seat {
            Seat::Port(port, _) => Some(*port),
            Seat::Peer(_) => None,
        };
        let ports: BTreeSet<_> = tenant.members.iter().filter_map(port_of).collect();
        for port in config.ports.iter().filter(|port| ports.contains(&port.ofport)) {
            let (native, tagged) = vlans(&port.setup);
            let number = port.ofport;
            let vlan = if native == 0 { String::new() } else { format!("set_field:{native}->reg0,") };
            self.flow(
                0,
                110,
                &format!("in_port={number},vlan_tci=0x0000/0x0fff"),
                &format!("{is},{vlan}goto_table:1"),
            );
            let of_tag = "move:NXM_OF_VLAN_TCI[0..11]->NXM_NX_REG0[0..11],goto_table:1";
            let rest = if tagged { of_tag } else { "goto_table:2" };
            self.flow(0, 100, &format!("in_port={number}"), &format!("{is},{rest}"));
        }
        for host in &tenant.hosts {
            let Some(peer) = tenants.peers.get(host.peer) else { continue };
            let all = Kind::ALL.into_iter().filter_map(|kind| tunnel_of(config, kind));
            let own = Kind::ALL.into_iter().filter_map(|kind| tunnel_to(config, kind, peer.remote));
            let tunnels: BTreeMap<_, _> = all.chain(own).map(|tunnel| (tunnel.spec.ofport, tunnel)).collect();
            for tunnel in tunnels.values() {
                let from = match peer.remote {
                    IpAddr::V4(v4) => format!("tun_src={v4}"),
                    IpAddr::V6(v6) => format!("tun_ipv6_src={v6}"),
                };
                let key = tenants.key(tenant, host, tunnel.spec.kind);
                let matching = format!("in_port={},{from},tun_id={key:#x}", tunnel.spec.ofport);
                let translated =
                    if key == id { String::new() } else { format!("set_field:{id:#x}->tun_id,") };
                self.flow(0, 100, &matching, &format!("{is},{translated}goto_table:2"));
            }
        }
    }

    /// Table 1: what is known of a member is told to whoever asks.
    fn answers(&mut self, tenant: &Tenant, member: &Member) {
        let Some(mac) = member.mac else { return };
        let whose = format!("metadata={:#x},reg0={}", tenant.id, member.vlan);
        for ip in &member.ips {
            let (asked, answer) = match ip {
                IpAddr::V4(v4) => (format!("arp,arp_tpa={v4}"), arp(*v4, &mac.to_string())),
                IpAddr::V6(v6) => {
                    (format!("icmp6,icmp_type=135,icmp_code=0,nd_target={v6}"), nd(*v6, &mac.to_string()))
                }
            };
            let (matching, everybody) = match ip {
                IpAddr::V4(_) => ("arp_op=1", "dl_dst=ff:ff:ff:ff:ff:ff"),
                IpAddr::V6(_) => ("nw_ttl=255", "dl_dst=33:33:00:00:00:00/ff:ff:00:00:00:00"),
            };
            // Its own: it announces itself, or asks whether the address is anybody else's.
            if let Seat::Port(port, _) = &member.seat {
                self.flow(1, 110, &format!("in_port={port},{whose},{asked}"), "goto_table:2");
            }
            // RFC 4862 section 5.4.2: who has no address yet asks whether one is taken, of all; its owner tells all.
            if ip.is_ipv6() {
                self.flow(1, 105, &format!("{whose},{asked},ipv6_src=::"), "goto_table:2");
            }
            // To one station alone: whether it is still there, only itself can tell.
            self.flow(1, 100, &format!("{whose},{asked},{matching},{everybody}"), &answer);
            if let IpAddr::V6(v6) = ip {
                let answered = format!("{whose},icmp6,icmp_type=136,icmp_code=0,nd_target={v6}");
                self.flow(3, 100, &answered, &format!("set_field:{mac}->nd_tll,in_port"));
            }
        }
    }

    /// Table 2: of what is for one station, what is for one that was told of.
    fn told_only(&mut self, tenant: &Tenant) {
        let whose = format!("metadata={:#x}", tenant.id);
        let macs: BTreeMap<_, _> =
            tenant.members.iter().filter_map(|member| member.mac).map(|mac| (mac.0, mac)).collect();
        for mac in macs.values() {
            self.flow(2, 110, &format!("{whose},dl_dst={mac}"), "normal");
        }
        self.flow(2, 100, &format!("{whose},dl_dst=00:00:00:00:00:00/01:00:00:00:00:00"), "drop");
    }
}

/// RFC 826: the question turned round, with the answer in it.
fn arp(ip: Ipv4Addr, mac: &str) -> String {
    format!(
        "move:NXM_OF_ETH_SRC[]->NXM_OF_ETH_DST[],set_field:{mac}->eth_src,set_field:2->arp_op,\
         move:NXM_NX_ARP_SHA[]->NXM_NX_ARP_THA[],move:NXM_OF_ARP_SPA[]->NXM_OF_ARP_TPA[],\
         set_field:{mac}->arp_sha,set_field:{ip}->arp_spa,in_port"
    )
}

/// RFC 4861 section 4.4: a solicited advertisement that overrides what was known. Its link-layer address is set where it is known to be one, in
/// table 3.
fn nd(ip: Ipv6Addr, mac: &str) -> String {
    format!(
        "move:NXM_OF_ETH_SRC[]->NXM_OF_ETH_DST[],set_field:{mac}->eth_src,\
         move:NXM_NX_IPV6_SRC[]->NXM_NX_IPV6_DST[],set_field:{ip}->ipv6_src,\
         set_field:136->icmpv6_type,set_field:0x60000000->nd_reserved,set_field:2->nd_options_type,\
         goto_table:3"
    )
}
