//! The lab and the demo's network with the Linux kernel on both sides: what adit is measured against must itself hold, and
//! the proof of isolation must find an isolation that is broken.

use std::env;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Result;
use control::demo::{Network, Plan, Side, TENANTS, prove};
use control::lab::{Capture, End, Netns, Peer, Ping, Process, Stop, Transfer, veth};
use nix::errno::Errno;
use nix::sys::signal::{SigSet, Signal, kill};
use nix::unistd::{Pid, geteuid};

fn root(what: &str) -> bool {
    if geteuid().is_root() {
        return true;
    }
    assert!(env::var_os("ADIT_TESTS_NO_SKIP").is_none(), "needs root ({what})");
    eprintln!("skipped: needs root ({what})");
    false
}

fn linux_on_both_sides() -> Result<Network> {
    let mut network = Network::build(Plan {
        sides: [Side::Linux, Side::Linux],
        program: PathBuf::new(),
        folder: PathBuf::new(),
        mode: "auto".to_owned(),
        underlay_mtu: 1600,
        guest_mtu: 1500,
    })?;
    let stop = Stop::default();
    network.start(&stop)?;
    // Bridges that have just come up lose the first questions; the kernel asks for a neighbour again after a second.
    for tenant in &TENANTS {
        let first = Ping {
            count: 1,
            patience: Duration::from_secs(10),
            ..Ping::new(network.guest(tenant, 2).addr.into())
        };
        anyhow::ensure!(first.run(&network.guest(tenant, 1).netns, &stop)?.complete(), "no first answer");
    }
    Ok(network)
}

#[test]
fn two_hypervisors_connect_and_separate_their_tenants() -> Result<()> {
    if !root("network namespaces") {
        return Ok(());
    }
    let stop = Stop::default();
    let network = linux_on_both_sides()?;
    for tenant in &TENANTS {
        let [one, two] = [1, 2].map(|number| network.guest(tenant, number));
        assert!(Ping::new(two.addr.into()).run(&one.netns, &stop)?.complete());
        let whole = Ping { packet: 1500, whole: true, ..Ping::new(one.addr.into()) };
        assert!(whole.run(&two.netns, &stop)?.complete());
        let large = Ping { packet: 1501, whole: true, ..Ping::new(one.addr.into()) };
        assert_eq!(large.run(&two.netns, &stop)?.refused, Some(Errno::EMSGSIZE));
        let split = Ping { packet: 4000, ..Ping::new(one.addr.into()) };
        assert!(split.run(&two.netns, &stop)?.complete());
        if let Some(to) = two.link_local {
            let ping = Ping { scope: one.netns.index("eth0")?, ..Ping::new(to.into()) };
            assert!(ping.run(&one.netns, &stop)?.complete());
        }
    }
    let verdict = prove(&network, &stop)?;
    assert!(verdict.proven(), "{verdict}");
    Ok(())
}

#[test]
fn a_broken_isolation_is_found() -> Result<()> {
    if !root("network namespaces") {
        return Ok(());
    }
    let stop = Stop::default();
    let network = linux_on_both_sides()?;
    let hv2 = &network.hypervisors[1].netns;
    hv2.enslave("vx-blue", "red")?;
    let verdict = prove(&network, &stop)?;
    assert!(!verdict.proven());
    let at = |place: &str, of: &str| verdict.leaks.iter().any(|leak| leak.at == place && leak.of == of);
    assert!(at("blue guest-1", "red"), "{verdict}");
    assert!(at("red guest-2", "blue"), "{verdict}");
    assert!(at("hv2", "blue") && at("hv1", "red"), "{verdict}");
    assert!(!at("blue guest-2", "red"), "that one is cut off: {verdict}");
    Ok(())
}

#[test]
fn a_lost_way_is_no_proof() -> Result<()> {
    if !root("network namespaces") {
        return Ok(());
    }
    let stop = Stop::default();
    let network = linux_on_both_sides()?;
    network.hypervisors[1].netns.down("vx-blue")?;
    let verdict = prove(&network, &stop)?;
    assert!(verdict.leaks.is_empty() && !verdict.proven(), "{verdict}");
    let [one, two] = [1, 2].map(|number| network.guest(&TENANTS[1], number));
    let patience = Duration::from_millis(50);
    let pong = Ping { count: 2, patience, ..Ping::new(two.addr.into()) }.run(&one.netns, &stop)?;
    assert_eq!((pong.sent, pong.times.len(), pong.complete()), (2, 0, false));
    Ok(())
}

#[test]
fn a_transfer_carries_every_byte_and_a_capture_sees_it() -> Result<()> {
    if !root("network namespaces") {
        return Ok(());
    }
    let (left, right) = (Netns::new("left")?, Netns::new("right")?);
    let end = |netns| End { netns, device: "eth0", mac: None };
    veth(end(&left), end(&right), 1500)?;
    let [from, to] = [1, 2].map(|number| Ipv4Addr::new(198, 51, 100, number));
    left.addr("eth0", from.into(), 24)?;
    right.addr("eth0", to.into(), 24)?;
    left.set_mtu("eth0", 1400)?;
    let capture = Capture::start(&right, |frame| frame.len() < 100)?;
    let client = Peer { netns: &left, addr: SocketAddrV4::new(from, 40_000) };
    let server = Peer { netns: &right, addr: SocketAddrV4::new(to, 5001) };
    let done = Transfer::run(client, server, Duration::from_millis(50), 7, &Stop::default())?;
    assert!(done.there.bytes > 0 && done.back.bytes > 0 && done.there.rate() > 0.0);
    let caught = capture.finish()?;
    assert!(caught.examined >= caught.frames.len() as u64 && caught.frames.iter().any(|seen| seen.outgoing));
    assert!(caught.frames.iter().all(|seen| seen.bytes.len() < 100));

    left.down("eth0")?;
    let refused = Transfer::run(client, server, Duration::from_millis(50), 7, &Stop::default());
    assert!(refused.is_err(), "no connection without a cable");
    Ok(())
}

#[test]
fn a_namespace_that_nobody_holds_is_gone_with_all_that_was_in_it() -> Result<()> {
    if !root("network namespaces") {
        return Ok(());
    }
    let (stays, goes) = (Netns::new("stays")?, Netns::new("goes")?);
    let end = |netns, device| End { netns, device, mac: None };
    veth(end(&stays, "witness"), end(&goes, "eth0"), 1500)?;
    let process = Process::start(&goes, "sleeper", sleeper())?;
    let pid = Pid::from_raw(process.id().cast_signed());
    assert!(stays.index("witness").is_ok() && kill(pid, None).is_ok());
    drop(process);
    drop(goes);
    assert_eq!(kill(pid, None), Err(Errno::ESRCH));
    // The kernel takes a namespace down a moment after its last holder is gone.
    let end = Instant::now() + Duration::from_secs(10);
    while stays.index("witness").is_ok() {
        assert!(Instant::now() < end, "the other end of the cable is still there");
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

fn sleeper() -> Command {
    let mut command = Command::new("sleep");
    command.arg("600");
    command
}

#[test]
fn a_process_can_be_asked_to_end_by_one_who_blocks_signals() -> Result<()> {
    if !root("network namespaces") {
        return Ok(());
    }
    let mut blocked = SigSet::empty();
    blocked.add(Signal::SIGTERM);
    blocked.thread_block()?;
    let process = Process::start(&Netns::new("inside")?, "sleeper", sleeper())?;
    assert_eq!(process.end()?.signal(), Some(Signal::SIGTERM as i32));
    Ok(())
}

/// Tells the test below that it is the parent that will be killed.
const PARENT: &str = "ADIT_TEST_IS_PARENT";

#[test]
fn a_process_does_not_outlive_a_killed_parent() -> Result<()> {
    if !root("network namespaces") {
        return Ok(());
    }
    if env::var_os(PARENT).is_some() {
        let process = Process::start(&Netns::new("inside")?, "sleeper", sleeper())?;
        println!("\nsleeper {}", process.id());
        std::thread::sleep(Duration::from_secs(600));
        return Ok(());
    }
    let mut command = Command::new(env::current_exe()?);
    command.args(["--exact", "a_process_does_not_outlive_a_killed_parent", "--nocapture"]).env(PARENT, "");
    let mut parent = command.stdout(Stdio::piped()).spawn()?;
    let mut lines = BufReader::new(parent.stdout.take().expect("a pipe")).lines().map_while(Result::ok);
    let child = lines.find_map(|line| line.strip_prefix("sleeper ")?.parse().ok()).map(Pid::from_raw);
    let child = child.expect("the parent names its child");
    assert!(kill(child, None).is_ok());
    parent.kill()?;
    parent.wait()?;
    let end = Instant::now() + Duration::from_secs(10);
    while kill(child, None).is_ok() {
        assert!(Instant::now() < end, "the child lives on");
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}
