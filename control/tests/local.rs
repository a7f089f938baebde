//! The host's own port. Needs root.

mod switch;

use control::lab::Stop;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::net::Ipv4Addr;
use std::process::Command;
use switch::{Host, PATIENCE, ip, reaches, soon};

/// The host on the bridge.
const HERE: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 254);

fn config(mode: &str) -> String {
    format!(
        "[bridge]\nname = \"br0\"\nflows = \"flows.txt\"\nlocal = true\n\
         [[port]]\nname = \"g1\"\nofport = 1\nmode = \"{mode}\"\n"
    )
}

fn is_there(host: &Host, device: &str) -> bool {
    let show = || Command::new("ip").args(["link", "show", device]).output().expect("ip");
    host.netns.run(show).expect("a namespace").status.success()
}

#[test]
fn the_host_is_on_its_bridge_while_the_switch_runs() {
    for mode in ["auto", "packet"] {
        let Some(host) = Host::new() else { return };
        let guest = host.guest(1);
        let adit = host.adit(&config(mode), "in_port=LOCAL,actions=g1\nin_port=g1,actions=LOCAL\n");
        assert_eq!(host.port("LOCAL").role, "local");
        host.netns.addr("br0", HERE.into(), 24).expect("an address");
        assert!(reaches(&guest.netns, HERE), "{mode}: from the guest");
        assert!(reaches(&host.netns, guest.addr), "{mode}: from the host");
        let sent = host.port("LOCAL");
        assert!(
            soon(|| host.port("LOCAL").rx_packets >= 2 && host.port("LOCAL").tx_packets >= 2),
            "{sent:?}"
        );
        assert!(adit.end().expect("ended").success());
        assert!(!is_there(&host, "br0") && !is_there(&host, "br0-l"), "{mode}: the host is as it was");
    }
}

#[test]
fn what_a_killed_switch_has_left_behind_is_taken_up() {
    let Some(host) = Host::new() else { return };
    let guest = host.guest(1);
    let adit = host.adit(&config("auto"), "actions=normal\n");
    host.netns.addr("br0", HERE.into(), 24).expect("an address");
    kill(Pid::from_raw(host.status().pid as i32), Signal::SIGKILL).expect("killed");
    let _ = adit.end();
    assert!(is_there(&host, "br0"));
    let adit = host.adit(&config("auto"), "actions=normal\n");
    assert!(reaches(&guest.netns, HERE) && reaches(&host.netns, guest.addr));
    assert!(adit.end().expect("ended").success());
    assert!(!is_there(&host, "br0"));
    // Somebody else's device is not, nor are two of the same names.
    for peer in ["x0", "br0-l"] {
        ip(&host.netns, &format!("link add br0 type veth peer name {peer}"));
        let mut adit = host.start(&config("auto"), "actions=normal\n");
        let status = adit.wait(PATIENCE, &Stop::default()).expect("it ends");
        assert_eq!(status.code(), Some(1));
        assert!(soon(|| adit.last_lines().contains("there is one already")), "{}", adit.last_lines());
        assert!(is_there(&host, "br0"));
        ip(&host.netns, "link delete br0");
    }
}
