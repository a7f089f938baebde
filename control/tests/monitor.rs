//! `adit monitor`: a frame of a guest that the flows tell the controller of, byte for byte. Needs root.

mod switch;

use af_xdp::{ChunkSize, Umem, UmemConfig};
use control::api::PacketIn;
use datapath::mem::FramePool;
use datapath::port::{Packet, Port, Slot};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use switch::{Guest, Host, ip, soon};

/// Told whole, with what the flow has put beside it; and what no other flow takes, in part.
const FLOWS: &str = "cookie=0x2a,in_port=g1,dl_type=0x88b5,actions=load:7->reg3,resubmit(,1)\n\
                     table=1,cookie=0x2b,priority=5,actions=controller(id=2,userdata=0a.0b)\n\
                     priority=0,actions=controller:20,g2\n";

/// A frame of an experimental Ethernet type.
fn frame(ether_type: u16, payload: &[u8]) -> Vec<u8> {
    [&[2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1][..], &ether_type.to_be_bytes(), payload].concat()
}

/// Sends a frame as it is.
fn send(from: &Guest, bytes: &[u8]) {
    let link = ip(&from.netns, "-o link show eth0");
    let index = link.split(':').next().and_then(|index| index.parse().ok()).expect("an index");
    let sent = from.netns.run(|| {
        let memory =
            UmemConfig { frames: 8, chunk: ChunkSize::K2, headroom: 0, huge: false, tx_metadata: false };
        let umem = Umem::new(&memory).expect("memory");
        let mut pool = FramePool::new(umem.take_frames());
        let mut slot = Slot::new(Port::Packet(Packet::open(index).expect("a socket")));
        let mut frame = pool.take().expect("a frame");
        assert!(frame.copy_from(bytes));
        slot.tx(&mut [Some(frame)], &mut pool, |reason| panic!("not sent: {reason:?}"));
        slot.flush();
    });
    sent.expect("a namespace");
}

fn monitor(host: &Host, options: &[&str]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_adit"));
    command.arg("monitor").args(options).arg("--socket").arg(host.file("adit.sock"));
    command.stdout(Stdio::piped()).spawn().expect("adit")
}

fn lines(monitor: Child) -> Vec<String> {
    let output = monitor.wait_with_output().expect("its output");
    assert!(output.status.success());
    BufReader::new(&output.stdout[..]).lines().map(|line| line.expect("text")).collect()
}

#[test]
fn a_frame_of_a_guest_is_told_byte_for_byte() {
    let Some(host) = Host::new() else { return };
    let (g1, _g2) = (host.guest(1), host.guest(2));
    let adit = host.adit(&switch::two_guests("auto"), FLOWS);
    let whole = frame(0x88b5, &(0..200).collect::<Vec<u8>>());
    let other = frame(0x88b6, &[7; 50]);
    let (json, text) = (monitor(&host, &["--json", "--count", "2"]), monitor(&host, &["--count", "2"]));
    assert!(soon(|| host.status().controller.monitors == 2), "two listen");
    send(&g1, &whole);
    assert!(soon(|| host.status().controller.told >= 1), "it is told");
    send(&g1, &other);

    let told = lines(json);
    let told: Vec<PacketIn> = told.iter().map(|line| serde_json::from_str(line).expect("a packet")).collect();
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert_eq!(told[0].data, hex(&whole));
    assert_eq!((told[0].reason.as_str(), told[0].table, told[0].cookie), ("action", 1, Some(0x2b)));
    assert_eq!((told[0].controller, told[0].in_port, told[0].registers[3]), (2, 1, 7));
    assert_eq!((told[0].userdata.as_str(), told[0].total_len), ("0a0b", whole.len()));
    assert_eq!((told[1].data.clone(), told[1].total_len), (hex(&other[..20]), other.len()));
    assert_eq!((told[1].reason.as_str(), told[1].cookie), ("no_match", Some(0)));
    let shown = lines(text).join("\n");
    assert!(shown.contains("cookie=0x2b total_len=214 reg3=0x7,in_port=g1 (via action)"), "{shown}");
    assert!(shown.contains("(via no_match) data_len=20 (unbuffered)"), "{shown}");

    // Nobody listens any more: it is told, and that is counted.
    assert!(soon(|| host.status().controller.monitors == 0));
    send(&g1, &whole);
    assert!(soon(|| host.status().controller.unheard >= 1));
    let controller = host.status().controller;
    assert_eq!((controller.lost, controller.not_told), (0, 0));
    assert_eq!(host.drops("rule_drop"), 0, "the controller is a way");
    assert!(adit.end().expect("ended").success());
}
