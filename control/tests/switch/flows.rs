//! `adit flows`, `adit groups` and `adit trace` against a running switch, with frames coming by. Needs root.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, UdpSocket};
use std::os::unix::net::UnixStream;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use crate::switch::{Guest, Host, TUNNELLED, ip, one_uplink, soon, two_guests};
use serde_json::Value;

/// Ethernet, IPv4 and UDP in front of a datagram.
const HEADERS: u64 = 14 + 20 + 8;

fn adit(host: &Host, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_adit"));
    command.args(args).arg("--socket").arg(host.file("adit.sock")).output().expect("run")
}

/// What a command prints that succeeds.
fn said(host: &Host, args: &[&str]) -> String {
    let output = adit(host, args);
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

/// Why a command fails.
fn refused(host: &Host, args: &[&str]) -> String {
    let output = adit(host, args);
    assert_eq!(output.status.code(), Some(1), "{args:?}");
    String::from_utf8(output.stderr).expect("text")
}

fn flows(host: &Host, matching: &str) -> Vec<Value> {
    let text = said(host, &["flows", "dump", "--json", matching]);
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// A guest that knows the other's MAC address, so that nothing but what it sends is on the way.
fn introduce(to: &Guest, n: u8, from: &Guest) {
    ip(&from.netns, &format!("neigh replace {} lladdr 02:00:00:00:00:0{n} dev eth0", to.addr));
}

/// A socket at this port. A process that another test is starting may hold the last one for a moment.
fn bound(addr: Ipv4Addr, port: u16) -> UdpSocket {
    let mut socket = None;
    let found = soon(|| {
        socket = UdpSocket::bind((addr, port)).ok();
        socket.is_some()
    });
    assert!(found, "{addr}:{port} is in use");
    socket.expect("bound")
}

/// Sends so many datagrams of `length` bytes, slowly enough for every queue on the way.
fn send(from: &Guest, to: Ipv4Addr, port: u16, count: u32, length: usize) {
    let run = || {
        let socket = bound(from.addr, 40_000);
        for n in 0..count {
            socket.send_to(&vec![7; length], (to, port)).expect("sent");
            if n % 32 == 31 {
                std::thread::sleep(Duration::from_millis(2));
            }
        }
    };
    from.netns.run(run).expect("a namespace");
}

#[test]
fn counters_are_exact_to_the_packet_while_flows_change() {
    let Some(host) = Host::new() else { return };
    let (one, two) = (host.guest(1), host.guest(2));
    introduce(&two, 2, &one);
    let adit = host.adit(&two_guests("auto"), "priority=1,actions=drop\n");
    said(
        &host,
        &["flows", "add", "priority=9,udp,tp_dst=7777,in_port=g1,actions=g2", "udp,tp_dst=7778,actions=drop"],
    );
    send(&one, two.addr, 7777, 500, 100);
    let took = |matching: &str| -> (u64, u64) {
        let rows = flows(&host, matching);
        let sum = |name: &str| rows.iter().map(|row| row[name].as_u64().expect("a number")).sum();
        (sum("n_packets"), sum("n_bytes"))
    };
    assert!(soon(|| took("udp,tp_dst=7777").0 == 500), "{:?}", took("udp,tp_dst=7777"));
    assert_eq!(took("udp,tp_dst=7777"), (500, 500 * (100 + HEADERS)));

    // While others come and go, the flow itself is modified and replaced, and gives way to a narrower one.
    std::thread::scope(|scope| {
        let sending = scope.spawn(|| send(&one, two.addr, 7777, 2_000, 60));
        for round in 0.. {
            if sending.is_finished() {
                break;
            }
            let other = format!("priority=10,udp,tp_dst={},actions=drop", 1000 + round % 50);
            said(&host, &["flows", "add", &other]);
            match round % 4 {
                0 => said(&host, &["flows", "mod", "udp,tp_dst=7777,actions=drop"]),
                1 => said(&host, &["flows", "add", "priority=9,udp,tp_dst=7777,in_port=g1,actions=g2"]),
                2 => said(&host, &["flows", "add", "priority=20,udp,tp_src=40000,tp_dst=7777,actions=drop"]),
                _ => said(
                    &host,
                    &["flows", "mod", "--strict", "priority=20,udp,tp_src=40000,tp_dst=7777,actions=g2"],
                ),
            };
        }
    });
    let all = (2_500, 500 * (100 + HEADERS) + 2_000 * (60 + HEADERS));
    assert!(soon(|| took("udp,tp_dst=7777") == all), "{:?}, not {all:?}", took("udp,tp_dst=7777"));
    let tables: Value = serde_json::from_str(&said(&host, &["flows", "tables", "--json"])).expect("JSON");
    assert!(tables[0]["lookup"].as_u64() >= Some(2_500) && tables[0]["table"] == 0, "{tables}");

    said(&host, &["flows", "add", "reset_counts,priority=9,udp,tp_dst=7777,in_port=g1,actions=g2"]);
    said(&host, &["flows", "del", "--strict", "priority=20,udp,tp_src=40000,tp_dst=7777"]);
    assert_eq!(took("udp,tp_dst=7777"), (0, 0), "reset_counts, and the other one is gone");
    assert!(adit.end().expect("ended").success());
}

#[test]
fn timeouts_end_flows_and_frames_put_the_idle_one_off() {
    let Some(host) = Host::new() else { return };
    let (one, two) = (host.guest(1), host.guest(2));
    introduce(&two, 2, &one);
    let adit = host.adit(&two_guests("auto"), "udp,tp_dst=9,idle_timeout=1,actions=g2\n");
    said(
        &host,
        &[
            "flows",
            "add",
            "hard_timeout=2,udp,tp_dst=10,actions=g2",
            "idle_timeout=1,udp,tp_dst=11,actions=g2",
        ],
    );
    let start = Instant::now();
    let there = |port: u16| !flows(&host, &format!("udp,tp_dst={port}")).is_empty();
    let (mut hard, mut idle) = (None, None);
    while start.elapsed() < Duration::from_millis(3_500) {
        send(&one, two.addr, 10, 1, 60);
        send(&one, two.addr, 11, 1, 60);
        std::thread::sleep(Duration::from_millis(100));
        let now = start.elapsed();
        if hard.is_none() && !there(10) {
            hard = Some(now);
        }
        if idle.is_none() && !there(9) {
            idle = Some(now);
        }
    }
    let (hard, idle) = (hard.expect("ended"), idle.expect("ended"));
    assert!(hard >= Duration::from_millis(1_900) && hard < Duration::from_secs(3), "{hard:?}");
    assert!(idle < Duration::from_secs(3), "the one that was configured: {idle:?}");
    assert!(there(11), "frames put it off");
    assert!(soon(|| !there(11)), "and when none comes any more it ends");
    assert!(adit.end().expect("ended").success());
}

#[test]
fn a_flow_that_is_added_at_run_time_brings_its_remote_end_along() {
    let Some(host) = Host::new() else { return };
    let (guest, peer) = (host.guest(1), host.guest(2));
    host.netns.addr("g2", Ipv4Addr::new(10, 0, 0, 3).into(), 24).expect("an address");
    let config = one_uplink("auto", "")
        .replace("remote_ip = \"10.0.0.2\"\nkey = 100", "remote_ip = \"flow\"\nkey = \"flow\"");
    let adit = host.adit(&config, TUNNELLED);
    introduce(&peer, 2, &guest);
    assert!(host.status().underlay.is_empty(), "no remote end is known");
    let heard = |wait: Duration| {
        let hear = || {
            let socket = bound(peer.addr, 4789);
            socket.set_read_timeout(Some(wait)).expect("set");
            send(&guest, peer.addr, 5000, 3, 60);
            let mut packet = [0; 256];
            let length = socket.recv(&mut packet).ok()?;
            Some((length, u32::from_be_bytes([0, packet[4], packet[5], packet[6]])))
        };
        peer.netns.run(hear).expect("a namespace")
    };
    let add = "priority=40000,in_port=g1,actions=set_field:10.0.0.2->tun_dst,set_field:77->tun_id,vx0";
    said(&host, &["flows", "add", add]);
    assert!(soon(|| heard(Duration::from_millis(200)) == Some((8 + 60 + HEADERS as usize, 77))));
    assert_eq!(host.status().underlay.len(), 1);
    said(&host, &["flows", "del", "in_port=g1"]);
    assert!(soon(|| host.status().underlay.is_empty()), "nobody sends there any more");
    assert!(adit.end().expect("ended").success());
}

#[test]
fn a_trace_of_the_running_switch_goes_by_its_rules_as_they_are_now() {
    let Some(host) = Host::new() else { return };
    let _guests = (host.guest(1), host.guest(2));
    let adit = host.adit(&two_guests("auto"), "priority=5,in_port=g1,actions=g2\n");
    said(&host, &["trace", "in_port=g1,ip"]);
    said(
        &host,
        &[
            "flows",
            "add",
            "table=3,priority=7,tcp,tp_dst=22,actions=drop",
            "priority=6,tcp,in_port=g1,actions=goto_table:3",
        ],
    );
    let dropped = adit_trace(&host, &["trace", "in_port=g1,tcp,tp_dst=22", "--json"]);
    assert_eq!(dropped["dropped"][0]["reason"], "rule_drop");
    let place = dropped["dropped"][0]["place"].as_str().expect("a place");
    assert_eq!(place, "table 3: priority=7,tcp,tp_dst=22 actions=drop");
    let hex = "02000000000202000000000188b500";
    let bytes = adit_trace(&host, &["trace", "--in-port", "g1", "--hex", hex, "--json"]);
    assert_eq!((&bytes["packets"][0]["port"], &bytes["packets"][0]["hex"]), (&"g2".into(), &hex.into()));
    let sums: u64 = flows(&host, "").iter().filter_map(|row| row["n_packets"].as_u64()).sum();
    let before = host.port("g2").tx_packets;
    (0..20).for_each(|_| drop(adit_trace(&host, &["trace", "--in-port", "g1", "--hex", hex, "--json"])));
    let after: u64 = flows(&host, "tcp").iter().filter_map(|row| row["n_packets"].as_u64()).sum();
    assert_eq!(
        (host.port("g2").tx_packets - before, after),
        (0, 0),
        "nothing is sent, nothing is counted ({sums})"
    );
    assert!(refused(&host, &["trace", "in_port=g9"]).contains("g9"));
    assert!(adit.end().expect("ended").success());
}

fn adit_trace(host: &Host, args: &[&str]) -> Value {
    serde_json::from_slice(&adit(host, args).stdout).expect("JSON")
}

#[test]
fn a_file_is_done_whole_or_not_at_all_and_faults_have_their_lines() {
    let Some(host) = Host::new() else { return };
    let _guests = (host.guest(1), host.guest(2));
    let adit = host.adit(&two_guests("auto"), "actions=drop\n");
    let file = host.file("more.txt");
    let shown = file.display().to_string();
    let from = |text: &str| fs::write(&file, text).expect("written");
    from("ip,actions=g2\n\n# done\narp,actions=group:9\n");
    let told = refused(&host, &["flows", "add", "--file", &shown]);
    assert_eq!(told, format!("adit: {shown}:4: there is no group 9\n"));
    assert_eq!(flows(&host, "").len(), 1);
    from("ip,actions=g9\n");
    let told = refused(&host, &["flows", "add", "--file", &shown]);
    assert!(told.contains(&format!("{shown}:1:12:")) && told.contains("did you mean"), "{told}");

    said(&host, &["groups", "add", "group_id=9,type=all,bucket=output:g1,bucket=output:g2"]);
    assert!(
        refused(&host, &["groups", "add", "group_id=9,type=all,bucket=output:1"])
            .contains("is there already")
    );
    from("delete\nip,actions=g2\narp,actions=group:9\nmodify ip,actions=g1\n");
    said(&host, &["flows", "add", "--file", &shown]);
    let written = said(&host, &["flows", "dump", "--no-stats", "--names"]);
    assert_eq!(written, " ip actions=output:g1\n arp actions=group:9\n");

    // What was written can be read again, and to replace by the same changes nothing.
    from(&written);
    let generation = host.status().bridge.generation;
    said(&host, &["flows", "replace", "--file", &shown]);
    assert_eq!(host.status().bridge.generation, generation);
    from("ip,actions=g1\nudp,actions=drop\n");
    said(&host, &["flows", "replace", "--file", &shown]);
    assert_eq!(said(&host, &["flows", "dump", "--no-stats"]), " ip actions=output:1\n udp actions=drop\n");
    said(&host, &["flows", "add", "arp,actions=group:9"]);
    assert!(said(&host, &["groups", "dump", "--stats"]).contains("ref_count=1"));
    said(&host, &["groups", "del", "9"]);
    assert_eq!(flows(&host, "arp").len(), 0, "the flow went with its group");
    assert!(adit.end().expect("ended").success());
}

#[test]
fn meters_come_and_go_and_hold_what_names_them() {
    let Some(host) = Host::new() else { return };
    let (one, two) = (host.guest(1), host.guest(2));
    introduce(&two, 2, &one);
    let adit = host.adit(&two_guests("auto"), "priority=0,actions=drop\n");
    assert!(refused(&host, &["flows", "add", "udp,actions=meter:1,g2"]).contains("there is no meter 1"));
    said(&host, &["meters", "add", "meter=1 pktps burst stats bands=type=drop rate=1 burst_size=10"]);
    assert!(
        refused(&host, &["meters", "add", "meter=1 pktps bands=type=drop rate=1"]).contains("there already")
    );
    said(&host, &["flows", "add", "udp,tp_dst=7777,actions=meter:1,g2"]);
    send(&one, two.addr, 7777, 100, 60);
    let stats =
        || -> Value { serde_json::from_str(&said(&host, &["meters", "dump", "--json"])).expect("JSON") };
    assert!(soon(|| stats()[0]["packet_in_count"] == 100), "{}", stats());
    let meter = &stats()[0];
    let over = meter["bands"][0]["packet_count"].as_u64().expect("a number");
    assert!((80..=90).contains(&over) && meter["flow_count"] == 1, "10 at once and 1 a second: {meter}");
    // Tracing does not use the meter up, and modifying it keeps what it has seen.
    said(&host, &["trace", "in_port=g1,udp,tp_dst=7777"]);
    said(&host, &["meters", "mod", "meter=1 pktps burst stats bands=type=drop rate=1000000 burst_size=10"]);
    assert_eq!(
        (&stats()[0]["packet_in_count"], &stats()[0]["bands"][0]["packet_count"]),
        (&100.into(), &0.into())
    );
    assert!(said(&host, &["meters", "dump"]).starts_with(" meter=1 pktps burst stats bands="), "as text");
    said(&host, &["meters", "del", "1"]);
    assert_eq!(flows(&host, "udp").len(), 0, "the flow went with its meter");
    assert!(adit.end().expect("ended").success());
}

#[test]
fn a_strange_client_is_told_so_and_keeps_nobody_waiting() {
    let Some(host) = Host::new() else { return };
    let _guests = (host.guest(1), host.guest(2));
    let adit = host.adit(&two_guests("auto"), "actions=drop\n");
    let connect = || UnixStream::connect(host.file("adit.sock")).expect("connected");
    let answer = |stream: &UnixStream| {
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).expect("an answer");
        line
    };
    for nonsense in
        ["what?\n", "{}\n", "\n", "{\"dump_flows\":{\"filter\":\"nonsense\",\"names\":true}}\n", "[[[[[[\n"]
    {
        let mut stream = connect();
        stream.write_all(nonsense.as_bytes()).expect("sent");
        assert!(answer(&stream).starts_with("{\"refused\":"), "{nonsense}");
        stream.write_all(b"\"show\"\n").expect("the connection goes on");
        assert!(answer(&stream).starts_with("{\"status\":"));
    }
    // Clients that say nothing, that do not end what they say, and that do not listen.
    let mut silent: Vec<UnixStream> = (0..20).map(|_| connect()).collect();
    silent.iter_mut().take(10).for_each(|stream| stream.write_all(b"{\"dump").expect("sent"));
    for stream in silent.iter_mut().skip(10) {
        (0..50).for_each(|_| stream.write_all(b"\"show\"\n").expect("sent"));
    }
    let start = Instant::now();
    assert_eq!(flows(&host, "").len(), 1);
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    // One that would not end is cut off, and told why.
    let mut endless = connect();
    let part = vec![b' '; 1 << 20];
    let sent = (0..80).find(|_| endless.write_all(&part).is_err());
    let mut told = String::new();
    let _ = endless.read_to_string(&mut told);
    assert!(sent.is_some() || told.contains("at most"), "{told}");
    assert_eq!(flows(&host, "").len(), 1);
    drop(silent);
    assert!(adit.end().expect("ended").success());
}
