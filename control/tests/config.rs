//! The configuration, seen from outside: what it means, and that all its faults are reported with their places.

use control::config::{Config, Mode, PORTS_MAX, Port, parse};
use control::text::PortNames;
use datapath::action::report::{Place, Station};
use datapath::flow::OfPort;
use datapath::pipeline::{Domain, PortSetup, PriorityTags, VlanMode};
use datapath::tunnel::{Counter, Key, Kind, Outer, Remote, TunnelSpec};
use std::net::IpAddr;
use std::path::Path;

const WHOLE: &str = r#"
[bridge]
name = "br0"
flows = "flows.txt"

[worker]
cores = [1, 3]

[[uplink]]
device = "eth1"
mode = "native"
endpoints = ["192.0.2.1", "2001:db8::1"]

[[port]]
name = "g1"
device = "veth-g1"
ofport = 1
mode = "generic"

[[port]]
name = "g2"
ofport = 2

[[tunnel]]
name = "vx0"
ofport = 10
type = "vxlan"
remote_ip = "192.0.2.2"
local_ip = "192.0.2.1"
key = 100
dst_port = 8472
ttl = 32
tos = 8

[[tunnel]]
name = "vx1"
ofport = 11
type = "vxlan"
remote_ip = "flow"
key = "flow"
"#;

fn faults(text: &str) -> Vec<(u32, String)> {
    let faults = parse("adit.toml", Path::new(""), text).unwrap_err();
    faults.into_iter().map(|fault| (fault.line, fault.message)).collect()
}

/// The faults of a file that is fine but for these lines at its end.
fn faults_of(lines: &str) -> Vec<String> {
    let text = format!("[bridge]\nname = \"br0\"\n[[uplink]]\ndevice = \"eth1\"\n{lines}\n");
    match parse("adit.toml", Path::new(""), &text) {
        Ok(_) => Vec::new(),
        Err(faults) => faults.into_iter().map(|fault| fault.message).collect(),
    }
}

fn tunnel(options: &str) -> String {
    format!(
        "[[tunnel]]\nname = \"vx0\"\nofport = 10\ntype = \"vxlan\"\nremote_ip = \"192.0.2.2\"\n{options}\n"
    )
}

#[test]
fn every_key_is_understood() {
    let config = parse("adit.toml", Path::new("/etc/adit"), WHOLE).unwrap();
    assert_eq!(config.bridge.name, "br0");
    assert_eq!(config.bridge.flows.as_deref(), Some(Path::new("/etc/adit/flows.txt")));
    assert_eq!(config.worker.cores, [1, 3]);
    let endpoints: [IpAddr; 2] = ["192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap()];
    assert_eq!(config.uplinks[0].endpoints.as_deref(), Some(&endpoints[..]));
    assert_eq!((config.uplinks[0].device.as_str(), config.uplinks[0].mode), ("eth1", Mode::Native));
    let g2 = Port {
        name: "g2".into(),
        device: "g2".into(),
        ofport: OfPort(2),
        mode: Mode::Auto,
        setup: PortSetup::default(),
        queues: Vec::new(),
    };
    assert_eq!(config.ports[1], g2);
    assert_eq!((config.ports[0].device.as_str(), config.ports[0].mode), ("veth-g1", Mode::Generic));
    let fixed = Remote::Fixed("192.0.2.2".parse().unwrap());
    let vx0 = TunnelSpec {
        local: Some(endpoints[0]),
        dst_port: 8472,
        tos: Outer::Fixed(8),
        ttl: Outer::Fixed(32),
        ..TunnelSpec::new(OfPort(10), Kind::Vxlan, fixed, Key::Fixed(100))
    };
    let vx1 = TunnelSpec::new(OfPort(11), Kind::Vxlan, Remote::Flow, Key::Flow);
    assert_eq!(config.tunnel_specs(), [vx0, vx1]);
    assert_eq!(config.port_names().number("vx1"), Some(OfPort(11)));
    assert_eq!(config.port_names().name(OfPort(1)), Some("g1"));
}

#[test]
fn a_bridge_alone_is_a_configuration() {
    let config = parse("adit.toml", Path::new(""), "[bridge]\nname = \"br0\"\n").unwrap();
    let mut expected = Config::default();
    expected.bridge.name = "br0".into();
    assert_eq!(config, expected);
    assert_eq!(faults("")[0].1, "needs a section [bridge] with name = \"br0\"");
}

#[test]
fn keys_of_tunnels_are_numbers_in_either_writing_or_the_flows() {
    let key = |value: &str| {
        let text = format!("[bridge]\nname = \"b\"\n[[uplink]]\ndevice = \"e\"\n{}", tunnel(value));
        parse("adit.toml", Path::new(""), &text).map(|config| config.tunnels[0].spec.key)
    };
    assert_eq!(key(""), Ok(Key::Absent));
    assert_eq!(key("key = 16777215"), Ok(Key::Fixed(0xff_ffff)));
    assert_eq!(key("key = 0xabcdef"), Ok(Key::Fixed(0xab_cdef)));
    assert_eq!(key("key = \"0xabc\""), Ok(Key::Fixed(0xabc)));
    assert_eq!(key("key = \"12\""), Ok(Key::Fixed(12)));
    assert_eq!(key("key = \"flow\""), Ok(Key::Flow));
    for wrong in
        ["key = 16777216", "key = -1", "key = \"0x+1\"", "key = \"\"", "key = 1.5", "key = \"flows\""]
    {
        assert!(key(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn every_fault_is_reported_and_none_twice() {
    let text = r#"
[bridge]
name = "a-name-of-16-chr"
colour = 1
[worker]
cores = [1, 1]
[[uplink]]
device = "eth1"
mode = "nativ"
[[port]]
name = "g1"
ofport = 0
[[port]]
name = "g1"
device = "eth1"
ofport = 0xff00
[[tunnel]]
name = "vx0"
ofport = 10
type = "stt"
remote_ip = "192.0.2.300"
in_key = 5
[colours]
"#;
    let expected = [
        (3, "\"a-name-of-16-chr\" is too long: a name has at most 15 bytes"),
        (4, "[bridge] has no key \"colour\""),
        (6, "core 1 is given twice: one worker a core"),
        (9, "mode is auto, native, generic or packet, not \"nativ\"; did you mean native?"),
        (12, "ofport is a number from 1 to 65279"),
        (14, "the name \"g1\" is already used in line 11"),
        (16, "ofport is a number from 1 to 65279"),
        (20, "tunnels of type stt are not supported yet, only vxlan, gre, nvgre, geneve"),
        (21, "remote_ip is an IP address, not \"192.0.2.300\""),
        (22, "in_key is not supported yet"),
        (23, "there is no section \"colours\""),
    ];
    assert_eq!(faults(text), expected.map(|(line, message)| (line, message.to_string())));
}

#[test]
fn the_loopback_device_is_neither_port_nor_uplink() {
    for section in ["[[uplink]]\ndevice = \"lo\"", "[[port]]\nname = \"g1\"\nofport = 1\ndevice = \"lo\""] {
        let found = faults_of(section);
        assert_eq!(found, ["lo is the host's way to itself: no guest and no other hypervisor is behind it"]);
    }
    assert!(faults_of("[[port]]\nname = \"lo\"\nofport = 1")[0].starts_with("lo is the host's"));
}

#[test]
fn names_numbers_and_devices_are_used_once() {
    let twice = "[[port]]\nname = \"g1\"\nofport = 1\n[[port]]\nname = \"g1\"\ndevice = \"eth1\"\nofport = 1";
    let expected = [
        "the name \"g1\" is already used in line 6",
        "the device \"eth1\" is already used in line 4",
        "ofport 1 is already used in line 7",
    ];
    assert_eq!(faults_of(twice), expected);
    let tunnels = tunnel("key = 5") + &tunnel("key = \"5\"").replace("vx0", "vx1").replace("10", "11");
    let what = "a tunnel with this type, local_ip, remote_ip, key and dst_port is already used in line 6";
    assert_eq!(faults_of(&tunnels), [what]);
    assert_eq!(faults_of(&tunnels.replace("\"5\"", "\"6\"")), [""; 0]);
}

#[test]
fn tunnels_make_sense() {
    for (options, fault) in [
        ("local_ip = \"2001:db8::1\"", "different families"),
        ("local_ip = \"0.0.0.0\"", "no host"),
        ("local_ip = \"flow\"", "not supported yet"),
        ("tos = 3", "congestion"),
        ("ttl = 0", "1 to 255"),
        ("ttl = \"inherited\"", "1 to 255, or \"inherit\""),
        ("csum = \"yes\"", "csum is true or false"),
        ("seq = true", "seq is an option of gre, and this tunnel is of type vxlan"),
        ("oam = \"flow\"", "oam is an option of geneve"),
        ("exts = \"gpe\"", "exts is gbp, not \"gpe\""),
        ("peers = \"strikt\"", "peers is any or strict, not \"strikt\"; did you mean strict?"),
        ("egress_pkt_mark = 1", "not supported yet"),
        ("dst_port = 0", "1 to 65535"),
        ("dst_prot = 1", "did you mean dst_port?"),
    ] {
        let found = faults_of(&tunnel(options));
        assert!(found.len() == 1 && found[0].contains(fault), "{options}: {found:?}");
    }
    assert!(faults_of(&tunnel("").replace("192.0.2.2", "239.0.0.1"))[0].contains("multicast"));
    assert!(faults_of(&tunnel("").replace("\"vxlan\"", "\"vxlam\""))[0].contains("did you mean vxlan?"));
    let alone = format!("[bridge]\nname = \"br0\"\n{}", tunnel(""));
    assert!(faults(&alone)[0].1.contains("add [[uplink]]"));
    let elsewhere = WHOLE.replace("local_ip = \"192.0.2.1\"", "local_ip = \"192.0.2.9\"");
    assert_eq!(faults(&elsewhere)[0].1, "local_ip 192.0.2.9 is not among the endpoints of an uplink");
}

#[test]
fn every_kind_of_tunnel_has_its_options() {
    let spec = |options: &str, kind: &str| {
        let tunnel = tunnel(options).replace("\"vxlan\"", &format!("\"{kind}\""));
        let text = format!("[bridge]\nname = \"b\"\n[[uplink]]\ndevice = \"e\"\n{tunnel}");
        let config = parse("adit.toml", Path::new(""), &text).map_err(|faults| faults[0].message.clone());
        config.map(|mut config| config.tunnels.remove(0).spec)
    };
    let plain = |kind, key| {
        let remote = Remote::Fixed("192.0.2.2".parse().unwrap());
        TunnelSpec::new(OfPort(10), kind, remote, key)
    };
    let gre = TunnelSpec {
        checksum: Some(true),
        sequence: Some(Counter::default()),
        in_order: true,
        tos: Outer::Inherit,
        ttl: Outer::Inherit,
        ..plain(Kind::Gre, Key::Fixed(0xffff_ffff))
    };
    let options =
        "key = 0xffffffff\ncsum = true\nseq = true\niseq = true\ntos = \"inherit\"\nttl = \"inherit\"";
    assert_eq!(spec(options, "gre"), Ok(gre));
    assert_eq!(spec("", "gre"), Ok(plain(Kind::Gre, Key::Absent)));
    let nvgre = TunnelSpec { strict: true, ..plain(Kind::Nvgre, Key::Flow) };
    assert_eq!(spec("key = \"flow\"\npeers = \"strict\"", "nvgre"), Ok(nvgre));
    let geneve = TunnelSpec {
        dst_port: 6082,
        checksum: Some(false),
        zero_checksum_rx: true,
        dont_fragment: false,
        control: true,
        ..plain(Kind::Geneve, Key::Absent)
    };
    let options =
        "dst_port = 6082\ncsum = false\nudp6_zero_csum_rx = true\ndf_default = false\noam = \"flow\"";
    assert_eq!(spec(options, "geneve"), Ok(geneve));
    let vxlan = TunnelSpec { group_policy: true, ..plain(Kind::Vxlan, Key::Fixed(1)) };
    assert_eq!(
        spec("key = 1\nexts = \"gbp\"\noam = \"drop\"", "vxlan").unwrap_err(),
        "oam is an option of geneve, and this tunnel is of type vxlan"
    );
    assert_eq!(spec("key = 1\nexts = \"gbp\"", "vxlan"), Ok(vxlan));

    assert!(spec("", "nvgre").unwrap_err().contains("NVGRE always carries one"));
    assert!(spec("key = 0x1000000", "nvgre").unwrap_err().contains("24 bits, at most 16777215"));
    assert!(spec("dst_port = 4789", "gre").unwrap_err().contains("dst_port is an option of vxlan, geneve"));
    assert!(
        spec("key = 1\ncsum = true", "nvgre")
            .unwrap_err()
            .contains("csum is an option of vxlan, geneve, gre")
    );
    assert!(spec("", "ip6gre").unwrap_err().contains("\"gre\" with an IPv6 remote_ip is the same"));
}

#[test]
fn a_udp_port_is_for_one_kind_of_tunnel() {
    let both = tunnel("dst_port = 5000")
        + &tunnel("dst_port = 5000").replace("vx0", "gnv0").replace("10", "11").replace("vxlan", "geneve");
    assert_eq!(
        faults_of(&both),
        ["dst_port 5000 is that of a vxlan tunnel in line 6 already: geneve needs another"]
    );
}

#[test]
fn names_can_be_written_in_flows() {
    for name in ["", "1", "-x", "a b", "a,b", "ä", "drop", "NORMAL", "in_port", "local", "controller", "a->b"]
    {
        assert_eq!(faults_of(&format!("[[port]]\nname = \"{name}\"\nofport = 1")).len(), 1, "{name}");
    }
    for name in ["g1", "1a", "veth-g1.100", "VM_7"] {
        assert_eq!(faults_of(&format!("[[port]]\nname = \"{name}\"\nofport = 1")), [""; 0], "{name}");
    }
}

#[test]
fn the_wrong_shape_is_a_fault_and_no_panic() {
    for text in [
        "bridge = 1",
        "bridge = []",
        "[[bridge]]",
        "[bridge]\nname = 5",
        "[bridge]\nname = \"b\"\nflows = \"\"",
        "[bridge]\nname = \"b\"\n[port]\nname = \"g\"",
        "[bridge]\nname = \"b\"\nport = [1]",
        "[bridge]\nname = \"b\"\n[worker]\ncores = 1",
        "[bridge]\nname = \"b\"\n[[uplink]]",
        "[bridge]\nname = \"b\"\n[[uplink]]\ndevice = \"e\"\nendpoints = []",
        "[bridge]\nname = \"b\"\n[[uplink]]\ndevice = \"e\"\nendpoints = [1]",
        "[bridge]\nname = \"b\"\n[[uplink]]\ndevice = \"../x\"",
        "[bridge",
        "= 5",
        "[bridge]\nname = \"a\"\nname = \"b\"",
        "\u{0}",
        "ä = \"",
    ] {
        assert!(parse("adit.toml", Path::new(""), text).is_err(), "{text:?}");
    }
    let deep = format!("x = {}", "[".repeat(100_000));
    assert!(parse("adit.toml", Path::new(""), &deep).is_err());
}

#[test]
fn no_part_of_a_configuration_makes_the_reader_panic() {
    for cut in 0..WHOLE.len() {
        let _ = parse("adit.toml", Path::new(""), &WHOLE[..cut]).map_err(|faults| faults[0].to_string());
        let without = format!("{}{}", &WHOLE[..cut], &WHOLE[cut + 1..]);
        let _ = parse("adit.toml", Path::new(""), &without).map_err(|faults| faults[0].to_string());
    }
}

#[test]
fn the_number_of_ports_is_bounded() {
    let ports = |count| {
        let port = |i| format!("[[port]]\nname = \"g{i}\"\nofport = {i}\n");
        (1..=count).map(port).collect::<String>()
    };
    assert_eq!(faults_of(&ports(PORTS_MAX)), [""; 0]);
    assert!(faults_of(&ports(PORTS_MAX + 5))[0].contains("too many ports"));
}

#[test]
fn ports_say_what_they_are_to_normal() {
    let text = r#"
[bridge]
name = "br0"
mac_aging_time = 60
mac_table_size = 100
forward_bpdu = true
[[uplink]]
device = "eth1"
[[port]]
name = "g1"
ofport = 1
tag = 10
tenant = 7
[[port]]
name = "g2"
ofport = 2
vlan_mode = "native-untagged"
tag = 5
trunks = [20, 10, 20]
priority_tags = "always"
no_flood = true
protected = true
[[tunnel]]
name = "vx1"
ofport = 10
type = "vxlan"
remote_ip = "192.0.2.2"
key = 7
[[tunnel]]
name = "vx2"
ofport = 11
type = "vxlan"
remote_ip = "192.0.2.3"
key = "flow"
[[mac]]
address = "02:00:00:00:00:09"
port = "vx1"
tenant = 7
vlan = 10
"#;
    let config = parse("adit.toml", Path::new(""), text).unwrap();
    assert_eq!((config.bridge.learning.aging_s, config.bridge.learning.entries), (60, 100));
    let switching = config.switching();
    assert!(switching.forward_bpdu);
    let port = |number| &switching.ports[&OfPort(number)];
    let g1 = PortSetup { domain: Domain::Tenant(7), mode: VlanMode::Access, tag: 10, ..PortSetup::default() };
    assert_eq!(*port(1), g1);
    let g2 = PortSetup {
        mode: VlanMode::NativeUntagged,
        tag: 5,
        trunks: vec![10, 20],
        priority_tags: PriorityTags::Always,
        no_flood: true,
        protected: true,
        ..PortSetup::default()
    };
    assert_eq!(*port(2), g2);
    assert_eq!((port(10).domain, port(11).domain), (Domain::Tenant(7), Domain::TenantKey));
    let station = Station { tenant: 7, vlan: 10, mac: 0x0200_0000_0009 };
    assert_eq!(config.stations(), [(station, Place { port: OfPort(10), remote: None })]);
    // Without tenants a tunnel with a key of its own is a port like another.
    let without = parse("adit.toml", Path::new(""), &text.replace("tenant = 7", "")).unwrap();
    let ports = without.switching().ports;
    let domain = |number| ports[&OfPort(number)].domain;
    assert_eq!((domain(10), domain(11)), (Domain::Tenant(0), Domain::TunnelKey));
}

#[test]
fn who_is_behind_an_open_tunnel_is_listed() {
    let text = |tunnel: &str| {
        let uplink =
            "[bridge]\nname = \"br0\"\n[[uplink]]\ndevice = \"eth1\"\n[[port]]\nname = \"g1\"\nofport = 1\n";
        format!("{uplink}[[tunnel]]\nname = \"vx0\"\nofport = 10\ntype = \"vxlan\"\n{tunnel}")
    };
    let open = "remote_ip = \"flow\"\nkey = \"flow\"\n";
    let flood = "flood = [\"192.0.2.2\", { remote_ip = \"2001:db8::2\", tenants = [7, 8] }]\n";
    let mac = "[[mac]]\naddress = \"02:00:00:00:00:09\"\nport = \"vx0\"\nremote_ip = \"192.0.2.9\"\n";
    let config = parse("adit.toml", Path::new(""), &text(&format!("{open}{flood}{mac}"))).unwrap();
    let far = config.switching().far;
    let remotes =
        |tenant| far.of(OfPort(10), tenant).iter().map(|end| end.remote.to_string()).collect::<Vec<_>>();
    assert_eq!([remotes(7), remotes(8), remotes(9)].concat(), ["2001:db8::2", "2001:db8::2", "192.0.2.2"]);
    assert_eq!(config.stations()[0].1.remote, Some("192.0.2.9".parse().unwrap()));
    let fixed = "remote_ip = \"192.0.2.2\"\nkey = 7\n";
    for (tunnel, fault) in [
        (format!("{fixed}flood = [\"192.0.2.3\"]"), "this one has one end"),
        (format!("{open}flood = [7]"), "a far end is an address"),
        (format!("{open}flood = [\"224.0.0.1\"]"), "multicast"),
        (format!("{open}flood = [\"192.0.2.2\", \"192.0.2.2\"]"), "listed twice"),
        (format!("{open}flood = [{{ remote_ip = \"192.0.2.2\" }}]"), "needs tenants"),
        (format!("{open}flood = [{{ remote_ip = \"192.0.2.2\", tenants = [0] }}]"), "from 1"),
        (format!("{open}{}", mac.replace("remote_ip = \"192.0.2.9\"", "")), "say which"),
        (format!("{fixed}{mac}"), "leave it out"),
        (
            "remote_ip = \"flow\"\nkey = 7\nflood = [{ remote_ip = \"192.0.2.2\", tenants = [7] }]".into(),
            "one key",
        ),
    ] {
        let faults = parse("adit.toml", Path::new(""), &text(&tunnel)).unwrap_err();
        assert!(faults[0].to_string().contains(fault), "{tunnel}: {faults:?}");
    }
}

#[test]
fn what_makes_no_sense_to_normal_is_a_fault() {
    let port = |more: &str| format!("[[port]]\nname = \"g1\"\nofport = 1\n{more}");
    for (more, fault) in [
        ("tag = 4096", "from 0 to 4095"),
        ("trunks = []", "leave it out for all"),
        ("tag = 1\ntrunks = [1]", "trunks means nothing where vlan_mode is access"),
        ("vlan_mode = \"trunk\"\ntag = 1", "tag means nothing where vlan_mode is trunk"),
        ("cvlans = [1]", "cvlans means nothing"),
        ("vlan_mode = \"acces\"", "did you mean access?"),
        ("priority_tags = true", "priority_tags is a string"),
        ("no_flood = 1", "true or false"),
        ("tenant = 0", "from 1"),
        ("[[mac]]\nport = \"g1\"", "needs address"),
        ("[[mac]]\nport = \"g2\"\naddress = \"02:00:00:00:00:01\"", "did you mean g1?"),
        ("[[mac]]\nport = \"g1\"\naddress = \"01:00:00:00:00:01\"", "address of a group"),
    ] {
        let found = faults_of(&port(more));
        assert!(found.len() == 1 && found[0].contains(fault), "{more}: {found:?}");
    }
}

#[test]
fn what_makes_no_sense_as_a_queue_is_a_fault() {
    let port = |queues: &str| format!("[[port]]\nname = \"g1\"\nofport = 1\nqueues = {queues}");
    assert_eq!(faults_of(&port("[{ id = 0 }, { id = 7, max_rate = 1000, burst = 1 }]")), [""; 0]);
    let many = (0..17).map(|id| format!("{{ id = {id} }}, ")).collect::<String>();
    for (queues, fault) in [
        ("1", "queues"),
        ("[7]", "a queue is a table"),
        ("[{}]", "needs id"),
        ("[{ id = -1 }]", "id"),
        ("[{ id = 4294967295 }]", "id"),
        ("[{ id = 1, max_rate = 999 }]", "1000"),
        ("[{ id = 1, max_rate = \"fast\" }]", "max_rate"),
        ("[{ id = 1, burst = 5 }]", "burst says nothing without max_rate"),
        ("[{ id = 1, max_rate = 1000, burst = 0 }]", "burst"),
        ("[{ id = 1, min_rate = 1000 }]", "min_rate"),
        ("[{ id = 1, priority = 1 }]", "priority"),
        ("[{ id = 1 }, { id = 1 }]", "two queues of id 1"),
        (&*format!("[{many}]"), "16"),
    ] {
        let found = faults_of(&port(queues));
        assert!(found.len() == 1 && found[0].contains(fault), "{queues}: {found:?}");
    }
}

#[test]
fn the_hosts_own_port_has_its_faults() {
    let bridge = |name: &str, more: &str| format!("[bridge]\nname = \"{name}\"\n{more}");
    for (text, fault) in [
        (bridge("br0", "local = 1"), "true or false"),
        (bridge(&"b".repeat(15), "local = true"), "local = true needs a name of at most"),
        (bridge("br0", "meters = 1"), "meters"),
        (bridge("br0", "meter = \"m\""), "did you mean meters?"),
        (bridge("br0", "forward_bpdu = 1"), "true or false"),
    ] {
        let found = faults(&text);
        assert!(found.len() == 1 && found[0].1.contains(fault), "{text}: {found:?}");
    }
}
