//! `adit run` on devices that are not as simple as one would like. Needs root.

#[path = "switch/flows.rs"]
mod flows;
#[path = "switch/like_ovs.rs"]
mod like_ovs;
mod switch;

use std::fs;
use std::io::{ErrorKind, Read};
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::os::unix::fs::chown;
use std::process::Command;
use std::time::{Duration, Instant};

use control::api::{Answer, Client, FlowCommand, Request};
use control::lab::{Process, Stop, checksum};
use socket2::{Domain, Protocol, Socket, Type};
use switch::{ACROSS, Host, PATIENCE, TUNNELLED, ip, one_uplink, reaches, soon, tcp, two_guests};

/// Our end of the underlay, where `g2` is the uplink.
const HERE: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);

/// Bits a second that TCP with every frame in its place reaches on the slowest machine.
const SLOW: f64 = 5e6;

/// Guests leave segmentation to their device, as they do unless told otherwise.
#[test]
fn tcp_goes_through_ports_in_mode_packet() {
    let Some(host) = Host::new() else { return };
    let (one, two) = (host.guest(1), host.guest(2));
    let adit = host.adit(&two_guests("packet"), ACROSS);
    assert_eq!(host.port("g1").mode, "packet");
    assert!(reaches(&one.netns, two.addr));
    let carried = tcp(&one, &two);
    assert!(carried.there.rate() > SLOW && carried.back.rate() > SLOW, "{carried:?}");
    assert_eq!(host.drops("frame_too_long"), 0);
    assert!(adit.end().expect("ended").success());
}

/// On such an uplink the kernel sees everything that adit sees, and adit sees everything that the kernel sees.
#[test]
fn an_uplink_in_mode_packet_counts_no_traffic_of_the_host_and_the_kernel_answers_no_tunnel_packet() {
    let Some(host) = Host::new() else { return };
    let (_guest, other) = (host.guest(1), host.guest(2));
    host.netns.addr("g2", HERE.into(), 24).expect("an address");
    let hears = || {
        other.netns.run(|| {
            let sender = UdpSocket::bind((other.addr, 0)).expect("bound");
            sender.set_read_timeout(Some(Duration::from_millis(200))).expect("set");
            sender.connect((HERE, 4789)).expect("connected");
            sender.send(&[0; 8]).expect("sent");
            sender.recv(&mut [0; 16]).expect_err("nobody answers").kind()
        })
    };
    assert!(soon(|| hears().expect("heard") == ErrorKind::ConnectionRefused));
    let adit = host.adit(&one_uplink("packet", &format!("endpoints = [\"{HERE}\"]")), TUNNELLED);
    assert_eq!(host.port("g2").mode, "packet");
    assert_eq!(hears().expect("heard"), ErrorKind::WouldBlock);
    assert!(reaches(&other.netns, HERE));
    assert_eq!((host.drops("not_tunnel"), host.drops("not_our_endpoint")), (0, 0));
    assert_eq!((host.drops("tunnel_header"), host.port("g2").rx_packets), (1, 1));
    assert!(adit.end().expect("ended").success());
    assert!(soon(|| hears().expect("heard") == ErrorKind::ConnectionRefused));
}

/// GRE is no UDP: for this the kernel asks who has a raw socket.
#[test]
fn the_kernel_refuses_no_gre_that_adit_takes_in_mode_packet() {
    let Some(host) = Host::new() else { return };
    let (_guest, other) = (host.guest(1), host.guest(2));
    host.netns.addr("g2", HERE.into(), 24).expect("an address");
    // ICMP, destination unreachable, by its protocol (RFC 792), behind an IPv4 header of 20 bytes.
    let refused = || {
        let answered = other.netns.run(|| {
            let raw = |protocol| Socket::new(Domain::IPV4, Type::RAW, Some(protocol)).expect("a raw socket");
            let (sender, listener) = (raw(Protocol::from(47)), raw(Protocol::ICMPV4));
            listener.set_read_timeout(Some(Duration::from_millis(200))).expect("set");
            // A whole header, and no frame inside, so that nothing is switched.
            sender.send_to(&[0, 0, 0x65, 0x58], &SocketAddrV4::new(HERE, 0).into()).expect("sent");
            let mut answer = [0; 64];
            (&listener).read(&mut answer).is_ok_and(|len| len > 21 && answer[20..22] == [3, 2])
        });
        answered.expect("a namespace")
    };
    assert!(soon(refused));
    let config = one_uplink("packet", &format!("endpoints = [\"{HERE}\"]")).replace("vxlan", "gre");
    let adit = host.adit(&config, TUNNELLED);
    // Such answers are limited to one a second.
    std::thread::sleep(Duration::from_millis(1200));
    assert!(!refused());
    assert_eq!((host.drops("unknown_tunnel"), host.drops("not_tunnel")), (1, 0));
    assert!(adit.end().expect("ended").success());
    assert!(soon(refused));
}

/// As the tap of a virtual machine that is shut down and started again.
#[test]
fn a_device_that_comes_back_is_taken_up_again() {
    for mode in ["auto", "packet"] {
        let Some(host) = Host::new() else { return };
        let (one, two, three) = (host.guest(1), host.guest(2), host.guest(3));
        let config = two_guests(mode) + "[[port]]\nname = \"g3\"\nofport = 3\n";
        let flows = "in_port=g1,actions=g2,g3\nin_port=g2,actions=g1,g3\nin_port=g3,actions=g1,g2\n";
        let adit = host.adit(&config, flows);
        assert!(reaches(&one.netns, two.addr) && reaches(&three.netns, one.addr));
        let (before, packets) = (host.port("g1").mode, host.port("g2").rx_packets);

        drop(one);
        assert!(soon(|| host.port("g1").mode == "gone"), "{mode}");
        assert!(reaches(&three.netns, two.addr), "{mode}: the others go on");
        assert_eq!(host.port("g1").xdp, None);
        let turns = |host: &Host| host.status().workers[0].turns;
        let before_sleep = turns(&host);
        std::thread::sleep(Duration::from_millis(500));
        assert!(turns(&host) - before_sleep < 1000, "{mode}: the worker sleeps");

        let one = host.guest(1);
        assert!(soon(|| host.port("g1").mode == before), "{mode}: {}", adit.last_lines());
        assert!(reaches(&one.netns, two.addr) && reaches(&two.netns, one.addr), "{mode}");
        assert!(reaches(&three.netns, two.addr), "{mode}: the others too");
        assert!(host.port("g2").rx_packets > packets, "counters go on");
        let said = adit.last_lines();
        assert!(
            said.contains("adit: g1: the device is gone") && said.contains("g1: the device is back"),
            "{said}"
        );
        assert!(adit.end().expect("ended").success());
    }
}

/// Another sits where it was, of which the kernel has news all the time.
#[test]
fn a_device_that_comes_back_and_cannot_be_used_is_left_alone_for_longer_each_time() {
    let Some(host) = Host::new() else { return };
    let (one, two) = (host.guest(1), host.guest(2));
    let adit = host.adit(&two_guests("auto"), ACROSS);
    drop(one);
    assert!(soon(|| host.port("g1").mode == "gone"), "{}", adit.last_lines());
    ip(&host.netns, "tuntap add mode tun name g1");
    ip(&host.netns, "link set g1 up");
    let tried = || adit.last_lines().matches("there again and cannot be used").count();
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(4) {
        ip(&host.netns, &format!("link set g1 mtu {}", 1400 + began.elapsed().as_millis() % 100));
        ip(&host.netns, "link set g1 up");
    }
    // At once, after one second, and after two more.
    assert_eq!(tried(), 3, "{}", adit.last_lines());
    ip(&host.netns, "link delete g1");
    let one = host.guest(1);
    assert!(soon(|| host.port("g1").mode != "gone"), "another is tried at once: {}", adit.last_lines());
    assert!(reaches(&one.netns, two.addr));
    assert!(adit.end().expect("ended").success());
}

/// Where no endpoints are configured every address of the device is one, also those that it gets later.
#[test]
fn addresses_of_an_uplink_are_followed() {
    let Some(host) = Host::new() else { return };
    let (_guest, other) = (host.guest(1), host.guest(2));
    for mode in ["native", "packet"] {
        host.netns.addr("g2", HERE.into(), 24).expect("an address");
        let adit = host.adit(&one_uplink(mode, ""), TUNNELLED);
        // A VXLAN header that has no key: it is refused by adit, and so it was taken.
        let send = |to: Ipv4Addr| {
            let sent = other.netns.run(|| {
                UdpSocket::bind((other.addr, 0)).expect("bound").send_to(&[0; 8], (to, 4789)).expect("sent")
            });
            sent.expect("a namespace");
        };
        let later = Ipv4Addr::new(10, 0, 0, 9);
        assert!(
            soon(|| {
                send(HERE);
                host.drops("tunnel_header") > 0
            }),
            "{mode}"
        );
        ip(&host.netns, "addr add 10.0.0.9/24 dev g2");
        assert!(soon(|| adit.last_lines().contains("tunnels end at 10.0.0.1, 10.0.0.9 now")), "{mode}");
        let before = host.drops("tunnel_header");
        assert!(
            soon(|| {
                send(later);
                host.drops("tunnel_header") > before
            }),
            "{mode}"
        );
        ip(&host.netns, "addr flush dev g2");
        assert!(soon(|| adit.last_lines().contains("no address any more")), "{mode}");
        assert!(adit.end().expect("ended").success());
    }
}

#[test]
fn a_device_that_is_down_is_told_of_and_one_that_carries_no_frames_is_refused() {
    let Some(host) = Host::new() else { return };
    let (one, _two) = (host.guest(1), host.guest(2));
    ip(&host.netns, "link set g2 down");
    ip(&one.netns, "link set eth0 down");
    // The kernel looks at a new device's carrier when it finds the time. Until then its state is unknown, which is no state of a
    // device without.
    let noticed = ["state DOWN", "state LOWERLAYERDOWN"];
    assert!(soon(|| noticed.iter().any(|state| ip(&host.netns, "link show g1").contains(state))));
    let adit = host.adit(&two_guests("auto"), ACROSS);
    let said = adit.last_lines();
    assert!(said.contains("adit: g2 is down: no frames until it is up (ip link set dev g2 up)"), "{said}");
    assert!(said.contains("adit: g1 has no carrier"), "{said}");
    assert!(adit.end().expect("ended").success());

    ip(&host.netns, "tuntap add mode tun name t1");
    let mut adit = host.start(&two_guests("auto").replace("\"g1\"", "\"t1\""), "");
    let status = adit.wait(PATIENCE, &Stop::default()).expect("it ends");
    let said = adit.last_lines();
    assert!(status.code() == Some(1) && said.contains("t1 carries no Ethernet frames"), "{said}");
}

/// Whoever names a remote end that does not answer waits for it alone.
#[test]
fn a_change_that_waits_for_a_way_keeps_nobody_else_waiting() {
    let Some(host) = Host::new() else { return };
    let (_guest, _other) = (host.guest(1), host.guest(2));
    host.netns.addr("g2", HERE.into(), 24).expect("an address");
    let config = one_uplink("auto", "").replace("remote_ip = \"10.0.0.2\"", "remote_ip = \"flow\"");
    let adit = host.adit(&config, "");
    let change = |text: String| {
        let mut client = Client::connect(&host.file("adit.sock")).expect("a client");
        let request = Request::ChangeFlows { command: FlowCommand::Add, source: "here".into(), text };
        let asked = Instant::now();
        client.ask(&request, |_| Ok(())).expect("done");
        asked.elapsed()
    };
    let flows = || {
        let mut client = Client::connect(&host.file("adit.sock")).expect("a client");
        let (request, mut flows) = (Request::DumpFlows { filter: String::new(), names: false }, 0);
        let count = |answer| {
            flows += if let Answer::Flows(rows) = answer { rows.len() } else { 0 };
            Ok(())
        };
        client.ask(&request, count).expect("answered");
        flows
    };
    std::thread::scope(|scope| {
        let waits: Vec<_> = (201..=203)
            .map(|n| {
                let text = format!("in_port=g1,tp_dst={n},udp,actions=set_field:10.0.0.{n}->tun_dst,vx0");
                scope.spawn(move || change(text))
            })
            .collect();
        std::thread::sleep(Duration::from_millis(100));
        let asked = Instant::now();
        assert_eq!(flows(), 0, "they wait");
        assert!(change("in_port=vx0,actions=g1".into()) < Duration::from_millis(500), "nothing to wait for");
        assert_eq!(flows(), 1);
        assert!(asked.elapsed() < Duration::from_millis(600), "{:?}", asked.elapsed());
        for waited in waits.into_iter().map(|thread| thread.join().expect("joined")) {
            assert!((Duration::from_millis(900)..Duration::from_secs(5)).contains(&waited), "{waited:?}");
        }
    });
    assert_eq!(flows(), 4);
    assert!(adit.end().expect("ended").success());
}

/// It says so once, waits instead of trying all the time, and goes on when it can.
#[test]
fn without_file_descriptors_clients_wait_and_nothing_spins() {
    let Some(host) = Host::new() else { return };
    let (one, two) = (host.guest(1), host.guest(2));
    let adit = host.adit(&two_guests("auto"), ACROSS);
    assert!(reaches(&one.netns, two.addr));
    let limit = |most: usize| {
        let mut limited = Command::new("prlimit");
        limited.arg(format!("--pid={}", adit.id())).arg(format!("--nofile={most}:"));
        assert!(limited.status().expect("prlimit").success());
    };
    // User and system time of its first thread, in hundredths of a second (proc(5)).
    let time = || {
        let stat = fs::read_to_string(format!("/proc/{0}/task/{0}/stat", adit.id())).expect("its times");
        let fields: Vec<u64> = stat
            .rsplit(')')
            .next()
            .into_iter()
            .flat_map(str::split_whitespace)
            .map(|field| field.parse().unwrap_or(0))
            .collect();
        fields[11] + fields[12]
    };
    limit(3);
    std::thread::scope(|scope| {
        let client = scope.spawn(|| host.status());
        std::thread::sleep(Duration::from_millis(500));
        let before = time();
        std::thread::sleep(Duration::from_millis(1500));
        assert!(time() - before < 50, "it spins");
        assert!(!client.is_finished());
        limit(1024);
        assert_eq!(client.join().expect("an answer").bridge.name, "br0");
    });
    assert_eq!(adit.last_lines().matches("nobody can be answered").count(), 1, "{}", adit.last_lines());
    assert!(adit.end().expect("ended").success());
}

/// Not the kernel, and no card that would look for it in the wrong place.
#[test]
fn checksums_in_a_tunnel_are_filled_in_where_the_uplink_is_not_known_to_leave_them_open() {
    let Some(host) = Host::new() else { return };
    let (guest, other) = (host.guest(1), host.guest(2));
    host.netns.bridge("br5", 1500).expect("a bridge");
    host.netns.enslave("g2", "br5").expect("a port of it");
    host.netns.addr("br5", HERE.into(), 24).expect("an address");
    let config = one_uplink("auto", "").replace("\"g2\"", "\"br5\"");
    let adit = host.adit(&config, TUNNELLED);
    ip(&guest.netns, "neigh add 10.0.0.7 lladdr 02:00:00:00:00:07 dev eth0");
    let taker = other.netns.run(|| UdpSocket::bind("10.0.0.2:4789")).expect("a namespace").expect("bound");
    taker.set_read_timeout(Some(Duration::from_millis(100))).expect("set");
    let mut packet = [0; 256];
    let mut arrives = || {
        let sent =
            guest.netns.run(|| UdpSocket::bind("10.0.0.1:0").expect("bound").send_to(b"odd", "10.0.0.7:7"));
        sent.expect("a namespace").expect("sent");
        // Some of what a guest says of its own is no UDP.
        taker.recv(&mut packet).is_ok_and(|len| len == 8 + 14 + 20 + 8 + 3)
    };
    assert!(soon(&mut arrives), "{}", adit.last_lines());
    let ip_packet = &packet[8 + 14..][..20 + 8 + 3];
    let pseudo = [&ip_packet[12..20], &[0, 17], &ip_packet[24..26]].concat();
    assert_eq!(checksum(&[&pseudo[..], &ip_packet[20..]].concat()), 0, "{ip_packet:02x?}");
    assert!(adit.end().expect("ended").success());
}

/// As `docs/adit.service` starts it: by a user of its own, who may do what the unit says and nothing else.
#[test]
fn the_capabilities_of_the_unit_are_enough() {
    const NOBODY: u32 = 65534;
    let Some(host) = Host::new() else { return };
    if Command::new("setpriv").arg("--version").output().is_err() {
        assert!(std::env::var_os("ADIT_TESTS_NO_SKIP").is_none(), "needs setpriv (of util-linux)");
        eprintln!("skipped: needs setpriv (to run adit with few capabilities)");
        return;
    }
    let (_guest, _other) = (host.guest(1), host.guest(2));
    host.netns.addr("g2", HERE.into(), 24).expect("an address");
    let folder = std::env::temp_dir().join(format!("adit-unit-{}", std::process::id()));
    fs::create_dir(&folder).expect("made");
    chown(&folder, Some(NOBODY), Some(NOBODY)).expect("given");
    let program = folder.join("adit");
    fs::copy(env!("CARGO_BIN_EXE_adit"), &program).expect("copied");
    fs::write(folder.join("adit.toml"), one_uplink("auto", "")).expect("written");
    fs::write(folder.join("flows.txt"), TUNNELLED).expect("written");

    let mut command = Command::new("setpriv");
    command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups", "--no-new-privs"]);
    for (set, key) in [
        ("--bounding-set", "CapabilityBoundingSet="),
        ("--inh-caps", "AmbientCapabilities="),
        ("--ambient-caps", "AmbientCapabilities="),
    ] {
        let unit = include_str!("../../docs/adit.service");
        let named = unit.lines().find_map(|line| line.strip_prefix(key)).expect("the unit says which");
        let named = named.split(' ').map(|name| name.replace("CAP_", ",+").to_lowercase());
        command.arg(set).arg("-all".to_string() + &named.collect::<String>());
    }
    let socket = folder.join("sock");
    command
        .arg(&program)
        .arg("run")
        .arg("--config")
        .arg(folder.join("adit.toml"))
        .arg("--socket")
        .arg(&socket);
    let mut adit = Process::start(&host.netns, "adit", command).expect("started");
    let ready = adit.wait_for_line("adit: ready", PATIENCE, &Stop::default());
    let status = Client::connect(&socket).and_then(|mut client| client.status());
    let ended = adit.end().map(|status| status.success());
    fs::remove_dir_all(&folder).expect("removed");
    ready.expect("ready");
    let modes: Vec<String> = status.expect("an answer").ports.into_iter().map(|port| port.mode).collect();
    assert_eq!(modes, ["native/copy", "native/copy"]);
    assert_eq!(ended.ok(), Some(true));
}
