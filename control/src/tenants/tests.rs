//! Flows out of a configuration, and what becomes of frames by them.

use super::*;
use crate::compile::Bridge;
use crate::config::{Config, parse};
use crate::text::NoNames;
use datapath::action::Action;
use datapath::action::report::Place;
use datapath::flow::{Field, FlowKey, Seed};
use datapath::pipeline::{Pipeline, Translation, translate};
use datapath::port::PortId;
use datapath::tunnel::{Path, Reach, Underlay};
use proptest::prelude::*;
use std::path::Path as FilePath;

/// Two tenants with the same addresses; one of them has other keys on both of the other hypervisors.
const TWO: &str = r#"
[bridge]
name = "br0"
[[uplink]]
device = "eth1"
endpoints = ["192.0.2.1"]
[[port]]
name = "a1"
ofport = 1
[[port]]
name = "a2"
ofport = 2
vlan_mode = "access"
tag = 10
[[port]]
name = "b1"
ofport = 3
[[port]]
name = "other"
ofport = 4
[[peer]]
name = "hv2"
remote_ip = "192.0.2.2"
type = "vxlan"
[[peer]]
name = "hv3"
remote_ip = "2001:db8::3"
type = "gre"
[[tenant]]
name = "red"
id = 5001
[[tenant.member]]
port = "a1"
mac = "02:00:00:00:00:01"
ip = ["10.0.0.1"]
[[tenant.member]]
port = "a2"
[[tenant.member]]
peer = "hv2"
mac = "02:00:00:00:00:02"
ip = ["10.0.0.2"]
[[tenant]]
name = "blue"
id = 5002
keys = { gre = 7 }
peers = [{ name = "hv2", key = 5003 }, "hv3"]
unknown = "drop"
[[tenant.member]]
port = "b1"
mac = "02:00:00:00:00:01"
ip = ["10.0.0.1"]
"#;

fn config(text: &str) -> Config {
    parse("adit.toml", FilePath::new(""), text).expect("a configuration")
}

#[test]
fn flows_say_whose_a_frame_is_and_answer_for_those_who_are_told() {
    let text = text(&config(TWO));
    let has = |line: &str| {
        let line = format!("cookie={COOKIE:#x},{line}");
        assert!(text.lines().any(|have| have == line), "no {line} in\n{text}");
    };
    has(
        "table=0,priority=110,in_port=1,vlan_tci=0x0000/0x0fff,actions=set_field:5001->metadata,goto_table:1",
    );
    has("table=0,priority=100,in_port=1,actions=set_field:5001->metadata,\
         move:NXM_OF_VLAN_TCI[0..11]->NXM_NX_REG0[0..11],goto_table:1");
    has("table=0,priority=110,in_port=2,vlan_tci=0x0000/0x0fff,actions=set_field:5001->metadata,\
         set_field:10->reg0,goto_table:1");
    has(
        "table=0,priority=100,in_port=65270,tun_src=192.0.2.2,tun_id=0x1389,actions=set_field:5001->metadata,goto_table:2",
    );
    has(
        "table=0,priority=100,in_port=65270,tun_src=192.0.2.2,tun_id=0x138b,actions=set_field:5002->metadata,\
         set_field:0x138a->tun_id,goto_table:2",
    );
    has(
        "table=0,priority=100,in_port=65271,tun_ipv6_src=2001:db8::3,tun_id=0x7,actions=set_field:5002->metadata,\
         set_field:0x138a->tun_id,goto_table:2",
    );
    has(
        "table=1,priority=100,metadata=0x1389,reg0=0,arp,arp_tpa=10.0.0.2,arp_op=1,dl_dst=ff:ff:ff:ff:ff:ff,\
         actions=move:NXM_OF_ETH_SRC[]->NXM_OF_ETH_DST[],set_field:02:00:00:00:00:02->eth_src,set_field:2->arp_op,\
         move:NXM_NX_ARP_SHA[]->NXM_NX_ARP_THA[],move:NXM_OF_ARP_SPA[]->NXM_OF_ARP_TPA[],\
         set_field:02:00:00:00:00:02->arp_sha,set_field:10.0.0.2->arp_spa,in_port",
    );
    has("table=1,priority=110,in_port=1,metadata=0x1389,reg0=0,arp,arp_tpa=10.0.0.1,actions=goto_table:2");
    has("table=2,priority=110,metadata=0x138a,dl_dst=02:00:00:00:00:01,actions=normal");
    has("table=2,priority=100,metadata=0x138a,dl_dst=00:00:00:00:00:00/01:00:00:00:00:00,actions=drop");
    has("table=2,priority=0,actions=normal");
    assert!(text.lines().all(|line| !line.contains("in_port=4")), "a port of no tenant is nobody's");
}

#[test]
fn tunnels_are_made_where_there_are_none_and_others_are_used_as_they_are() {
    let made = config(TWO);
    let tunnels: Vec<_> =
        made.tunnels.iter().map(|tunnel| (tunnel.name.as_str(), tunnel.spec.strict)).collect();
    assert_eq!(tunnels, [("tenants-vxlan", true), ("tenants-gre", true)]);
    let own =
        "[[tunnel]]\nname = \"vx\"\nofport = 9\ntype = \"vxlan\"\nremote_ip = \"flow\"\nkey = \"flow\"\n";
    let used = config(&format!("{TWO}{own}"));
    let names: Vec<_> = used.tunnels.iter().map(|tunnel| tunnel.name.as_str()).collect();
    assert_eq!(names, ["vx", "tenants-gre"]);
    assert!(text(&used).contains("in_port=9,tun_src=192.0.2.2,tun_id=0x1389"));
    let far = used.switching().far;
    let [hv2, hv3] = ["192.0.2.2", "2001:db8::3"].map(|ip| ip.parse().unwrap());
    assert_eq!(far.of(OfPort(9), 5001), [FarEnd { remote: hv2, key: None }]);
    assert_eq!(far.of(OfPort(9), 5002), [FarEnd { remote: hv2, key: Some(5003) }]);
    assert_eq!(far.of(OfPort(65_271), 5002), [FarEnd { remote: hv3, key: Some(7) }]);
    assert!(far.of(OfPort(65_271), 5001).is_empty());
}

#[test]
fn what_makes_no_sense_of_tenants_is_a_fault() {
    for (from, to, fault) in [
        ("id = 5002", "id = 5001", "of another tenant already"),
        ("name = \"blue\"", "name = \"red\"", "name of another tenant"),
        ("port = \"b1\"", "port = \"a1\"", "another tenant's already"),
        ("port = \"b1\"", "port = \"b7\"", "there is no port"),
        ("peer = \"hv2\"", "peer = \"hv9\"", "there is no [[peer]]"),
        ("key = 5003", "key = 5001", "that of tenant red already"),
        ("key = 5003", "key = 16777216", "no key of vxlan"),
        ("keys = { gre = 7 }", "keys = { gre = 0 }", "packets without a key"),
        ("\"hv3\"]", "{ name = \"hv3\", key = 0 }]", "packets without a key"),
        ("keys = { gre = 7 }", "keys = { grey = 7 }", "no type of tunnel"),
        ("unknown = \"drop\"", "unknown = \"reject\"", "unknown is flood or drop"),
        ("type = \"gre\"", "type = \"gry\"", "did you mean gre?"),
        ("remote_ip = \"2001:db8::3\"", "remote_ip = \"192.0.2.2\"", "that of another peer"),
        ("mac = \"02:00:00:00:00:02\"\n", "", "ip is what is answered"),
        ("mac = \"02:00:00:00:00:02\"", "mac = \"02:00:00:00:00:01\"", "another member's already"),
        ("mac = \"02:00:00:00:00:02\"", "mac = \"01:00:00:00:00:02\"", "address of a group"),
        ("ip = [\"10.0.0.2\"]", "ip = [\"10.0.0.1\"]", "another member's already"),
        ("port = \"a2\"", "port = \"a2\"\npeer = \"hv2\"", "behind a port or on a peer"),
        ("[[uplink]]\ndevice = \"eth1\"\nendpoints = [\"192.0.2.1\"]", "", "needs an uplink"),
    ] {
        assert!(TWO.contains(from), "{from}");
        let faults = parse("adit.toml", FilePath::new(""), &TWO.replacen(from, to, 1)).unwrap_err();
        assert!(faults.iter().any(|found| found.to_string().contains(fault)), "{from} -> {to}: {faults:?}");
    }
    let peers = "[bridge]\nname = \"b\"\n[[uplink]]\ndevice = \"eth1\"\n[[peer]]\nname = \"h\"\nremote_ip = \"192.0.2.2\"\ntype = \"gre\"\n";
    let faults = parse("adit.toml", FilePath::new(""), peers).unwrap_err();
    assert!(faults[0].to_string().contains("peers are for tenants"), "{faults:?}");
}

/// As while hosts move to another encapsulation: hv3 is sent VXLAN, and sends GRE still. Red's number is blue's key of GRE, and
/// blue's number red's.
#[test]
fn a_station_learned_by_another_tunnel_is_answered_there_with_the_key_of_that_tunnel() {
    let gre =
        "[[tunnel]]\nname = \"old\"\nofport = 9\ntype = \"gre\"\nremote_ip = \"flow\"\nkey = \"flow\"\n";
    let moved = TWO
        .replace("type = \"gre\"", "type = \"vxlan\"")
        .replace("keys = { gre = 7 }", "keys = { gre = 5001 }")
        .replace("id = 5001", "id = 5001\nkeys = { gre = 5002 }\npeers = [\"hv3\"]")
        .replace("unknown = \"drop\"", "");
    let config = config(&format!("{moved}{gre}"));
    let hv3: IpAddr = "2001:db8::3".parse().unwrap();
    let far = config.switching().far;
    assert!(far.of(OfPort(9), 5002).is_empty(), "it is flooded to by VXLAN alone");
    assert!(far.of(OfPort(65_270), 5002).contains(&FarEnd { remote: hv3, key: None }));
    let mut pipeline = pipeline(&config);
    let mut sent = |guest: u32, tenant, target: u64| {
        let station = Station { tenant, vlan: 0, mac: target };
        pipeline.learn(station, Place { port: OfPort(9), remote: Some(hv3) }, false);
        let mut key = FlowKey::default();
        key.set(Field::InPort, guest.into());
        key.set(Field::EthSrc, 0x0200_0000_0001);
        key.set(Field::EthDst, target.into());
        let mut out = Translation::default();
        translate(&pipeline, &key, &mut out);
        let sent = out.actions().iter().filter_map(|action| match action {
            Action::Encap { encap, marks } => {
                let encap = pipeline.encap(*encap);
                Some((encap.kind(), encap.remote(), u64::from(marks.key)))
            }
            _ => None,
        });
        sent.collect::<Vec<_>>()
    };
    assert_eq!(sent(3, 5002, 0x0200_0000_0009), [(Kind::Gre, hv3, 5001)], "blue's");
    assert_eq!(sent(1, 5001, 0x0200_0000_0009), [(Kind::Gre, hv3, 5002)], "red's");
}

/// Two more tunnels for several tenants with one remote end: one leads to hv2, the other to somebody who is no peer.
#[test]
fn a_tunnel_to_one_peer_carries_the_tenants_of_that_peer_by_their_keys_there() {
    let fixed = |name: &str, ofport: u16, remote: &str| {
        format!(
            "[[tunnel]]\nname = \"{name}\"\nofport = {ofport}\ntype = \"vxlan\"\nremote_ip = \"{remote}\"\nkey = \"flow\"\n"
        )
    };
    let all = TWO.replace("unknown = \"drop\"", "")
        + "[[tenant]]\nname = \"green\"\nid = 5004\n[[tenant.member]]\nport = \"other\"\n";
    let config = config(&(all + &fixed("to-hv2", 9, "192.0.2.2") + &fixed("elsewhere", 8, "192.0.2.9")));
    assert!(config.tunnels.iter().all(|tunnel| tunnel.name != "tenants-vxlan"), "nobody needs it");
    let text = text(&config);
    assert!(text.contains("in_port=9,tun_src=192.0.2.2,tun_id=0x138b,actions=set_field:5002->metadata,set_field:0x138a->tun_id"), "{text}");
    assert!(!text.contains("in_port=8,"), "who is no peer is not heard");
    let mut pipeline = pipeline(&config);
    let [hv2, hv3] = ["192.0.2.2", "2001:db8::3"].map(|ip| ip.parse::<IpAddr>().unwrap());
    let sent = |pipeline: &Pipeline, guest: u32, target: u64| {
        let mut key = FlowKey::default();
        key.set(Field::InPort, guest.into());
        key.set(Field::EthSrc, 0x0200_0000_0001);
        key.set(Field::EthDst, target.into());
        let mut out = Translation::default();
        translate(pipeline, &key, &mut out);
        let sent = out.actions().iter().filter_map(|action| match action {
            Action::Encap { encap, marks } => {
                let encap = pipeline.encap(*encap);
                Some((encap.kind(), encap.remote(), u64::from(marks.key)))
            }
            _ => None,
        });
        sent.collect::<Vec<_>>()
    };
    let all = 0xffff_ffff_ffff;
    assert_eq!(sent(&pipeline, 1, all), [(Kind::Vxlan, hv2, 5001)], "red's");
    assert_eq!(sent(&pipeline, 3, all), [(Kind::Vxlan, hv2, 5003), (Kind::Gre, hv3, 7)], "blue's");
    assert_eq!(sent(&pipeline, 4, all), [], "green is nowhere else");
    assert_eq!(sent(&pipeline, 1, 0x0200_0000_0002), [(Kind::Vxlan, hv2, 5001)], "told");
    let station = Station { tenant: 5002, vlan: 0, mac: 0x0200_0000_0009 };
    pipeline.learn(station, Place { port: OfPort(9), remote: None }, false);
    assert_eq!(sent(&pipeline, 3, 0x0200_0000_0009), [(Kind::Vxlan, hv2, 5003)], "learned");
}

/// A bridge of this configuration, with ways to all peers; a guest's port has its own number.
fn pipeline(config: &Config) -> Pipeline {
    let flows = flows(config).expect("flows");
    let bridge = Bridge {
        rules: flows.into_iter().map(|flow| (flow.table, flow.rule)).collect(),
        guests: config.ports.iter().map(|port| (port.ofport, PortId(port.ofport.0 as u16))).collect(),
        tunnels: config.tunnel_specs(),
        endpoints: vec!["192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap()],
        switching: config.switching(),
        stations: config.stations(),
        ..Bridge::default()
    };
    let mut underlay = Underlay::default();
    for (remote, _) in bridge.remotes() {
        let local = if remote.is_ipv4() { "192.0.2.1" } else { "2001:db8::1" };
        let (src_mac, dst_mac) = (MacAddr([2, 0, 0, 0, 0, 1]), MacAddr([2, 0, 0, 0, 0, 2]));
        let path = Path { uplink: PortId(0), local: local.parse().unwrap(), src_mac, dst_mac, mtu: 1500 };
        underlay.insert(remote, Reach::Via(path));
    }
    bridge.compile(underlay, Seed::new(7)).expect("a pipeline")
}

/// Some tenants with some of six ports, and some of three peers, each by a key of its own or not; and tunnels of kinds that
/// peers may have or not, with keys of their own, some of them to one peer alone or to who is none.
fn some_tenants() -> impl Strategy<Value = String> {
    let tenant = (
        proptest::collection::vec(0..3usize, 0..=3),
        proptest::option::of(1..4u64),
        any::<[bool; 2]>(),
        proptest::collection::vec((0..3u8, 0..3usize), 0..4),
        proptest::collection::vec((proptest::sample::select(Kind::ALL.to_vec()), 1..4u64), 0..4),
    );
    let tunnels = proptest::sample::subsequence(Kind::ALL.to_vec(), 0..=Kind::ALL.len());
    let fixed: Vec<_> =
        Kind::ALL.into_iter().flat_map(|kind| (0..4usize).map(move |at| (kind, at))).collect();
    let tunnels = (tunnels, proptest::sample::subsequence(fixed, 0..=3));
    let kinds = proptest::collection::vec(proptest::sample::select(Kind::ALL.to_vec()), 3);
    (kinds, tunnels, proptest::collection::vec(tenant, 1..4)).prop_map(|(kinds, (tunnels, fixed), tenants)| {
        let mut text = String::from("[bridge]\nname = \"br0\"\n[[uplink]]\ndevice = \"eth1\"\nendpoints = [\"192.0.2.1\"]\n");
        for port in 1..=8 {
            text += &format!("[[port]]\nname = \"g{port}\"\nofport = {port}\n");
        }
        for (at, kind) in tunnels.iter().enumerate() {
            text += &format!(
                "[[tunnel]]\nname = \"{kind}\"\nofport = {}\ntype = \"{kind}\"\nremote_ip = \"flow\"\nkey = \"flow\"\n",
                at + 20
            );
        }
        let remotes = ["192.0.2.2", "192.0.2.3", "2001:db8::4", "192.0.2.9"];
        for (n, (kind, at)) in fixed.iter().enumerate() {
            text += &format!(
                "[[tunnel]]\nname = \"{kind}{at}\"\nofport = {}\ntype = \"{kind}\"\nremote_ip = \"{}\"\nkey = \"flow\"\n",
                n + 40, remotes[*at]
            );
        }
        for (at, kind) in kinds.iter().enumerate() {
            let remote = remotes[at];
            text += &format!("[[peer]]\nname = \"p{at}\"\nremote_ip = \"{remote}\"\ntype = \"{kind}\"\n");
        }
        for (n, (mut peers, key, [drop, silent], told, mut of_kind)) in tenants.into_iter().enumerate() {
            peers.sort_unstable();
            peers.dedup();
            let key = key.map_or(n as u64 + 1, |key| key * 10 + n as u64);
            let peers: Vec<_> = peers.iter().map(|peer| format!("{{ name = \"p{peer}\", key = {key} }}")).collect();
            // Among the tenants' numbers, so that one's key of a kind is another's number.
            of_kind.sort_unstable_by_key(|(kind, _)| kind.name());
            of_kind.dedup_by_key(|(kind, _)| *kind);
            let keys: Vec<_> =
                of_kind.iter().map(|(kind, shift)| format!("{kind} = {}", (n as u64 + shift) % 3 + 1)).collect();
            let words = (if drop { "drop" } else { "flood" }, if silent { "flood" } else { "answer" });
            text += &format!(
                "[[tenant]]\nname = \"t{n}\"\nid = {}\nkeys = {{ {} }}\npeers = [{}]\nunknown = \"{}\"\nquestions = \"{}\"\n",
                n + 1, keys.join(", "), peers.join(", "), words.0, words.1
            );
            for port in [2 * n + 1, 2 * n + 2] {
                text += &format!("[[tenant.member]]\nport = \"g{port}\"\n");
            }
            let mut seen = Vec::new();
            for (last, at) in told {
                if !seen.contains(&last) {
                    let seat = match at {
                        0 => format!("port = \"g{}\"", 2 * n + 1),
                        at => format!("peer = \"p{at}\""),
                    };
                    text += &format!(
                        "[[tenant.member]]\n{seat}\nmac = \"02:00:00:00:00:0{last}\"\nip = [\"10.0.0.{}\", \"fd00::{last}\"]\n",
                        last + 1
                    );
                }
                seen.push(last);
            }
        }
        text
    })
}

/// A frame by a port, or by a tunnel: with the sender's place among the peers, and the tunnel key.
#[derive(Clone, Debug)]
enum Came {
    Port(u32),
    Tunnel(usize, usize, u64),
}

fn some_frames() -> impl Strategy<Value = Vec<(Came, [u8; 6], bool)>> {
    let came = prop_oneof![
        (1..9u32).prop_map(Came::Port),
        (0..4usize, 0..4usize, 0..40u64).prop_map(|(tunnel, peer, key)| Came::Tunnel(tunnel, peer, key)),
    ];
    proptest::collection::vec((came, any::<[u8; 6]>(), any::<bool>()), 20)
}

fn key_of(config: &Config, came: &Came, [source, target, kind, tag, op, ip]: [u8; 6], all: bool) -> FlowKey {
    let mut key = FlowKey::default();
    let station = |n: u8| 0x0200_0000_0000 | u128::from(n % 4);
    key.set(Field::EthSrc, station(source));
    key.set(Field::EthDst, if all { 0xffff_ffff_ffff } else { station(target) });
    if tag % 4 == 0 {
        key.set(Field::VlanTci, 0x1000 | u128::from(tag / 64));
    }
    match kind % 3 {
        0 => {
            key.set(Field::EthType, 0x0806);
            key.set(Field::NwProto, (1 + op % 2).into());
        }
        1 => key.set(Field::EthType, 0x0800),
        _ => key.set(Field::EthType, 0x86dd),
    }
    if kind % 3 < 2 {
        key.set(Field::NwDst, 0x0a00_0000 | u128::from(ip % 5));
    }
    match came {
        Came::Port(port) => key.set(Field::InPort, (*port).into()),
        Came::Tunnel(tunnel, peer, tun_id) => {
            let tunnel = &config.tunnels[tunnel % config.tunnels.len()];
            key.set(Field::InPort, tunnel.spec.ofport.0.into());
            key.set(Field::TunId, (*tun_id).into());
            match config.tenants.peers.get(*peer).map(|peer| peer.remote) {
                Some(IpAddr::V4(v4)) => key.set(Field::TunSrc, v4.to_bits().into()),
                Some(IpAddr::V6(v6)) => key.set(Field::TunIpv6Src, v6.to_bits()),
                None => key.set(Field::TunSrc, 0xc000_0209),
            }
        }
    }
    key
}

/// Whose a frame is, said without flows.
fn whose<'c>(config: &'c Config, came: &Came) -> Option<&'c Tenant> {
    let tenants = &config.tenants;
    tenants.list.iter().find(|tenant| match came {
        Came::Port(port) => {
            tenant.members.iter().any(|member| matches!(&member.seat, Seat::Port(at, _) if at.0 == *port))
        }
        Came::Tunnel(tunnel, peer, key) => {
            let spec = &config.tunnels[tunnel % config.tunnels.len()].spec;
            let from = tenant.hosts.iter().find(|host| host.peer == *peer);
            from.is_some_and(|host| {
                let there =
                    [Remote::Flow, Remote::Fixed(tenants.peers[host.peer].remote)].contains(&spec.remote);
                there && tenants.key(tenant, host, spec.kind) == *key
            })
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    /// Whatever the configuration and whatever comes: a frame leaves by ports of its tenant, and to hypervisors that have the
    /// tenant, with the key that they know it by in such tunnels: those of the peer's type, or of a type by which they sent frames themselves; never
    /// from tunnel to tunnel; and one that is nobody's leaves by none.
    #[test]
    fn no_frame_of_a_tenant_ever_leaves_to_another(text in some_tenants(), frames in some_frames()) {
        let Ok(config) = parse("adit.toml", FilePath::new(""), &text) else {
            // Two tenants with one key.
            return Ok(());
        };
        prop_assume!(!config.tunnels.is_empty());
        let mut pipeline = pipeline(&config);
        let mut out = Translation::default();
        // Each host of a tenant has sent something by each tunnel, whatever its own type is.
        let mut learned = Vec::new();
        for (at, tenant) in config.tenants.list.iter().enumerate() {
            for (host, (n, tunnel)) in tenant.hosts.iter().flat_map(|host| config.tunnels.iter().enumerate().map(move |t| (host, t))) {
                let remote = config.tenants.peers[host.peer].remote;
                let station = Station { tenant: tenant.id, vlan: 0, mac: 0x0200_0000_0000 | ((at + host.peer + n) % 4) as u64 };
                let open = tunnel.spec.remote == Remote::Flow;
                let theirs = open || tunnel.spec.remote == Remote::Fixed(remote);
                if theirs && !pipeline.station(&station).is_some_and(|known| known.fixed) {
                    pipeline.learn(station, Place { port: tunnel.spec.ofport, remote: open.then_some(remote) }, false);
                    learned.push((tenant.id, remote, tunnel.spec.kind));
                }
            }
        }
        for (came, pick, all) in &frames {
            let key = key_of(&config, came, *pick, *all);
            translate(&pipeline, &key, &mut out);
            let tenant = whose(&config, came);
            for action in out.actions() {
                match action {
                    Action::Output(port) => {
                        let Some(tenant) = tenant else { return Err(TestCaseError::fail(format!("{came:?} {text}"))) };
                        let theirs = |member: &Member| matches!(&member.seat, Seat::Port(at, _) if at.0 == u32::from(port.0));
                        prop_assert!(tenant.members.iter().any(theirs), "{:?} left by {:?}: {}", came, port, text);
                    }
                    Action::Encap { encap, marks } => {
                        let (remote, kind) = (pipeline.encap(*encap).remote(), pipeline.encap(*encap).kind());
                        let theirs = tenant.is_some_and(|tenant| tenant.hosts.iter().any(|host| {
                            let peer = &config.tenants.peers[host.peer];
                            peer.remote == remote
                                && (peer.kind == kind || learned.contains(&(tenant.id, remote, kind)))
                                && config.tenants.key(tenant, host, kind) == u64::from(marks.key)
                        }));
                        prop_assert!(theirs, "{:?} left to {} {:?}: {}", came, remote, marks, text);
                        prop_assert!(matches!(came, Came::Port(_)), "from tunnel to tunnel");
                    }
                    _ => {}
                }
            }
        }
    }
}

#[test]
fn the_flows_are_what_ovs_ofctl_would_read_too() {
    let flows = flows(&config(TWO)).unwrap();
    assert!(flows.iter().all(|flow| flow.rule.cookie == COOKIE));
    assert_eq!(flows.len(), text(&config(TWO)).lines().count());
    assert!(crate::text::parse_flows("flows", &text(&config(TWO)), &NoNames).is_ok());
}
