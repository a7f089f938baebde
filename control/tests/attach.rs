//! Attaching to real devices: a veth pair of its own for each test, in namespaces of its own. Needs root.
//!
//! ```text
//!   namespace here                namespace there
//!   [ program ] adit0 ----------- peer0
//!   192.0.2.1                     192.0.2.2
//! ```

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::os::fd::{FromRawFd, OwnedFd};
use std::process::{Command, Stdio};
use std::time::Duration;

use control::attach::{Attachment, EndpointKey, Error, Hook, Mode, Occupant, Role};
use control::lab::{End, Netns, veth};
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const DEVICE: &str = "adit0";
const HERE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const THERE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
const VXLAN: u16 = 4789;

#[test]
fn an_uplink_claims_its_endpoints_and_leaves_the_rest_to_the_kernel() {
    let Some(cable) = Cable::new(1500) else { return };
    let ours = [EndpointKey::udp(HERE.into(), VXLAN)];
    let mut uplink = cable.attach(Role::Uplink { endpoints: &ours }, Mode::Auto).expect("attached");
    assert_eq!(uplink.hook(), Hook::Native, "{:?}", uplink.native_refused());

    // The host is reached while adit runs: what is not ours, and what is ours but has no socket.
    assert!(cable.arrives(53, 3));
    let verdicts = uplink.verdicts().expect("counters");
    assert!(verdicts.passed >= 3 && verdicts.claimed == 0 && verdicts.unbound == 0, "{verdicts:?}");
    assert!(cable.arrives(VXLAN, 3));
    assert_eq!(uplink.verdicts().expect("counters").unbound, 3);

    // Endpoints change while packets flow.
    uplink.set_endpoints(&[EndpointKey::udp(HERE.into(), 8472)]).expect("another endpoint");
    assert!(cable.arrives(VXLAN, 2) && cable.arrives(8472, 2));
    assert_eq!(uplink.verdicts().expect("counters").unbound, 5);
    uplink.set_endpoints(&[]).expect("no endpoint");
    assert!(cable.arrives(8472, 2));
    assert_eq!(uplink.verdicts().expect("counters").unbound, 5);
}

#[test]
fn a_bound_socket_takes_the_frames_from_the_kernel() {
    let Some(cable) = Cable::new(1500) else { return };
    let ours = [EndpointKey::udp(HERE.into(), VXLAN)];
    let mut uplink = cable.attach(Role::Uplink { endpoints: &ours }, Mode::Auto).expect("attached");
    let socket = xdp_socket();
    uplink.bind(0, &socket).expect("bound");
    assert!(!cable.arrives(VXLAN, 3));
    assert_eq!(uplink.verdicts().expect("counters").claimed, 3);
    assert!(cable.arrives(53, 3));
    uplink.unbind(0).expect("unbound");
    assert!(cable.arrives(VXLAN, 3));
    assert_eq!(uplink.verdicts().expect("counters").unbound, 3);
    uplink.unbind(0).expect("an empty place stays empty");

    assert!(matches!(uplink.bind(256, &socket), Err(Error::NoQueue { queue: 256, .. })));
    let file = File::open("/dev/null").expect("a file");
    assert!(matches!(uplink.bind(0, &file), Err(Error::Map { .. })));
}

#[test]
fn a_guest_port_claims_everything() {
    let Some(cable) = Cable::new(1500) else { return };
    let mut guest = cable.attach(Role::Guest, Mode::Generic).expect("attached");
    assert_eq!(guest.hook(), Hook::Generic);
    assert!(cable.arrives(53, 3));
    let verdicts = guest.verdicts().expect("counters");
    assert!(verdicts.unbound >= 3 && verdicts.claimed == 0 && verdicts.passed == 0, "{verdicts:?}");
    assert!(matches!(guest.set_endpoints(&[]), Err(Error::NotAnUplink { .. })));
}

#[test]
fn dropping_it_takes_the_program_off() {
    let Some(cable) = Cable::new(1500) else { return };
    let guest = cable.attach(Role::Guest, Mode::Native).expect("attached");
    assert_eq!(cable.programs(), [Some("adit_guest".into())]);
    drop(guest);
    assert_eq!(cable.programs(), []);
    assert!(cable.arrives(53, 1));
}

/// Plays both parts: started again with [`HOLD`] set it is the process that attaches and waits for its end.
#[test]
fn a_killed_process_leaves_no_program_behind() {
    const HOLD: &str = "ADIT_TEST_HOLD";
    if std::env::var_os(HOLD).is_some() {
        let ours = [EndpointKey::udp(HERE.into(), VXLAN)];
        let held =
            Attachment::attach(DEVICE, Role::Uplink { endpoints: &ours }, Mode::Auto).expect("attached");
        println!("\nattached to {}", held.device());
        std::thread::sleep(Duration::from_secs(60));
        return;
    }
    let Some(cable) = Cable::new(1500) else { return };
    let mut command = Command::new(std::env::current_exe().expect("this test"));
    command
        .args(["--exact", "a_killed_process_leaves_no_program_behind", "--nocapture"])
        .env(HOLD, "1")
        .stdout(Stdio::piped());
    let mut child = cable.here.run(|| command.spawn()).expect("namespace").expect("child");
    let stdout = BufReader::new(child.stdout.take().expect("piped"));
    assert!(stdout.lines().map_while(Result::ok).any(|line| line == "attached to adit0"));
    assert_eq!(cable.programs(), [Some("adit_uplink".into())]);

    kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGKILL).expect("killed");
    child.wait().expect("dead");
    assert_eq!(cable.programs(), []);
    assert!(cable.arrives(VXLAN, 3));
}

#[test]
fn a_program_of_somebody_else_is_named_and_left_alone() {
    let Some(cable) = Cable::new(1500) else { return };
    for (theirs, ours) in [
        (Mode::Native, Mode::Auto),
        (Mode::Native, Mode::Generic),
        (Mode::Generic, Mode::Native),
        (Mode::Generic, Mode::Auto),
    ] {
        let first = cable.attach(Role::Guest, theirs).expect("attached");
        let error = cable.attach(Role::Guest, ours).expect_err("occupied");
        let Error::Occupied { occupants, .. } = &error else { panic!("{theirs:?} {ours:?}: {error:?}") };
        assert_eq!(occupants.len(), 1);
        assert_eq!((occupants[0].name.as_deref(), occupants[0].hook), (Some("adit_guest"), first.hook()));
        let text = error.to_string();
        let option = if first.hook() == Hook::Native { "xdp off" } else { "xdpgeneric off" };
        assert!(text.contains(&format!("id {}", occupants[0].id)) && text.contains(option), "{text}");
        assert_eq!(cable.programs().len(), 1);
    }
}

#[test]
fn a_device_without_native_xdp_gets_generic_and_the_reason() {
    let Some(cable) = Cable::new(1500) else { return };
    cable.here.bridge("br0", 1500).expect("a bridge: its driver has no XDP");
    let on_bridge =
        |mode| cable.here.run(|| Attachment::attach("br0", Role::Guest, mode)).expect("namespace");
    let guest = on_bridge(Mode::Auto).expect("attached");
    assert_eq!(guest.hook(), Hook::Generic);
    let reason = guest.native_refused().expect("a reason").to_string();
    assert!(reason.starts_with("br0: native XDP is refused: the driver has no XDP"), "{reason}");
    drop(guest);
    let error = on_bridge(Mode::Native).expect_err("no native XDP");
    assert!(
        matches!(error, Error::Refused { hook: Hook::Native, errno: Errno::EOPNOTSUPP, .. }),
        "{error:?}"
    );
}

/// The largest MTU of a veth device fits, because the program takes frames in fragments.
#[test]
fn jumbo_frames_do_not_prevent_native_xdp() {
    let Some(cable) = Cable::new(65_535) else { return };
    let uplink = cable.attach(Role::Uplink { endpoints: &[] }, Mode::Native).expect("attached");
    assert_eq!(uplink.hook(), Hook::Native);
}

#[test]
fn an_unknown_device_is_an_error_that_says_so() {
    let error = Attachment::attach("no-such-device", Role::Guest, Mode::Auto).expect_err("no device");
    let text = "no-such-device: no such device in this network namespace (`ip link` lists them)";
    assert_eq!(error.to_string(), text);
}

#[test]
fn more_endpoints_than_there_is_room_for_are_refused() {
    let Some(cable) = Cable::new(1500) else { return };
    let many = |count| (1..=count).map(|port| EndpointKey::udp(HERE.into(), port)).collect::<Vec<_>>();
    let mut uplink = cable.attach(Role::Uplink { endpoints: &many(1024) }, Mode::Auto).expect("attached");
    assert!(matches!(uplink.set_endpoints(&many(1025)), Err(Error::TooManyEndpoints { asked: 1025, .. })));
    let others: Vec<_> = (5001..=6024).map(|port| EndpointKey::udp(HERE.into(), port)).collect();
    uplink.set_endpoints(&others).expect("all replaced at once");
    assert!(cable.arrives(6024, 1));
    assert_eq!(uplink.verdicts().expect("counters").unbound, 1);
}

#[test]
fn an_attachment_can_move_to_another_thread() {
    fn movable<T: Send>() {}
    movable::<Attachment>();
}

/// A veth pair across two namespaces.
struct Cable {
    here: Netns,
    there: Netns,
}

impl Cable {
    /// None, with a word on stderr, when we may not make one.
    fn new(mtu: u32) -> Option<Cable> {
        if !nix::unistd::geteuid().is_root() {
            assert!(
                std::env::var_os("ADIT_TESTS_NO_SKIP").is_none(),
                "needs root (to attach to a veth pair)"
            );
            eprintln!("skipped: needs root (to attach to a veth pair)");
            return None;
        }
        let (here, there) = (Netns::new("here").expect("namespace"), Netns::new("there").expect("namespace"));
        let (here_mac, there_mac) = ([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]);
        veth(
            End { netns: &here, device: DEVICE, mac: Some(here_mac) },
            End { netns: &there, device: "peer0", mac: Some(there_mac) },
            mtu,
        )
        .expect("a cable");
        here.addr(DEVICE, HERE.into(), 24).expect("address");
        there.addr("peer0", THERE.into(), 24).expect("address");
        here.neighbour(DEVICE, IpAddr::from(THERE), there_mac).expect("neighbour");
        there.neighbour("peer0", IpAddr::from(HERE), here_mac).expect("neighbour");
        Some(Cable { here, there })
    }

    fn attach(&self, role: Role<'_>, mode: Mode) -> Result<Attachment, Error> {
        self.here.run(|| Attachment::attach(DEVICE, role, mode)).expect("namespace")
    }

    /// The names of the programs on our end.
    fn programs(&self) -> Vec<Option<String>> {
        let occupants = self.here.run(|| {
            let ifindex = nix::net::if_::if_nametoindex(DEVICE).expect("device");
            Occupant::on(ifindex).expect("an answer by netlink")
        });
        occupants.expect("namespace").into_iter().map(|occupant| occupant.name).collect()
    }

    /// Sends packets from there to that UDP port here: does the kernel deliver them all? It delivers all or none.
    fn arrives(&self, port: u16, count: u8) -> bool {
        let receiver = self.here.run(|| UdpSocket::bind((HERE, port))).expect("namespace").expect("socket");
        let sender = self.there.run(|| UdpSocket::bind((THERE, 0))).expect("namespace").expect("socket");
        receiver.set_read_timeout(Some(Duration::from_millis(300))).expect("timeout");
        for number in 0..count {
            sender.send_to(&[number], (HERE, port)).expect("sent");
        }
        let mut buffer = [0; 1];
        let got = (0..count).take_while(|_| receiver.recv(&mut buffer).is_ok()).count();
        assert!(got == 0 || got == usize::from(count), "{got} of {count} to port {port}");
        got > 0
    }
}

/// An AF_XDP socket that is bound to nothing: frames handed to it are dropped by the kernel.
#[expect(unsafe_code, reason = "no safe wrapper knows the address family")]
fn xdp_socket() -> OwnedFd {
    // SAFETY: socket(2) takes three numbers and touches no memory.
    let fd = unsafe { libc::socket(libc::AF_XDP, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0) };
    assert!(fd >= 0, "AF_XDP socket: {}", std::io::Error::last_os_error());
    // SAFETY: the descriptor was just opened, and nobody else has it.
    unsafe { OwnedFd::from_raw_fd(fd) }
}
