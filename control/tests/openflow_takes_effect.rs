//! When workers go by what a controller has asked for: at once where somebody waits for it, a moment later with what comes in its place where
//! nobody does. A running adit, by its management socket. Needs root.

mod switch;

use af_xdp::{ChunkSize, Umem, UmemConfig};
use control::ofproto::{Command as FlowCommand, FlowMod};
use control::openflow::{BundleAdd, BundleControl, Envelope, Message, Version, encode};
use datapath::flow::{Field, OfPort};
use datapath::mem::FramePool;
use datapath::pipeline::{Instructions, Match, Rule, RuleAction, TableId};
use datapath::port::{Packet, Port, Slot};
use std::io::{Read, Write};
use std::net::UdpSocket;
use std::process::Command;
use std::time::{Duration, Instant};
use switch::{ACROSS, Guest, Host, ip, reaches, soon, two_guests};

/// A host with two guests.
fn lab() -> Option<(Host, [Guest; 2])> {
    let host = Host::new()?;
    let guests = [host.guest(1), host.guest(2)];
    Some((host, guests))
}

/// A connection to the management socket that speaks 1.3.
struct Talk(std::os::unix::net::UnixStream);

impl Talk {
    fn begin(host: &Host) -> Talk {
        let stream = std::os::unix::net::UnixStream::connect(host.file("br0.mgmt")).expect("connected");
        let mut talk = Talk(stream);
        talk.say(Message::hello(&[Version::V13]));
        assert_eq!(talk.hear(), 0, "hello");
        talk
    }

    fn say(&mut self, message: Message) {
        self.say_all([message]);
    }

    /// Says some messages in one breath.
    fn say_all<const N: usize>(&mut self, messages: [Message; N]) {
        let words = |message| encode(Version::V13, &Envelope::new(7, message)).expect("words for it");
        self.0.write_all(&messages.map(words).concat()).expect("sent");
    }

    /// What kind of message comes next.
    fn hear(&mut self) -> u8 {
        let mut header = [0; 8];
        self.0.read_exact(&mut header).expect("a message");
        let rest = usize::from(u16::from_be_bytes([header[2], header[3]])) - header.len();
        self.0.read_exact(&mut vec![0; rest]).expect("the rest of it");
        header[1]
    }
}

#[test]
fn no_frame_that_comes_after_the_answer_to_a_barrier_takes_an_old_action() {
    const ROUNDS: u8 = 250;
    let Some((host, [one, _two])) = lab() else { return };
    // Each round has an address of its own, so that a frame which is late finds nothing newer that would take it.
    let adit = host.adit(&two_guests("auto"), "table=1,actions=2\n");
    let mut talk = Talk::begin(&host);
    let flow = |command, round: u8| {
        let to = 0x0200_0000_0100 | u128::from(round);
        let matching = Match::any().exact(Field::InPort, 1).exact(Field::EthDst, to);
        let apply = vec![RuleAction::Resubmit { port: None, table: Some(TableId(1)) }];
        let instructions = Instructions { apply, ..Instructions::default() };
        let rule = Rule::new(9, matching, instructions);
        Message::FlowMod(FlowMod { command, ..FlowMod::add(TableId(0), rule) }, None)
    };
    let frame = |round| [&[2, 0, 0, 0, 1, round, 2, 0, 0, 0, 0, 1, 0x88, 0xb5][..], &[0; 50]].concat();
    let link = ip(&one.netns, "-o link show eth0");
    let index = link.split(':').next().and_then(|index| index.parse().ok()).expect("an index");
    let rounds = one.netns.run(|| {
        let memory =
            UmemConfig { frames: 8, chunk: ChunkSize::K2, headroom: 0, huge: false, tx_metadata: false };
        let umem = Umem::new(&memory).expect("memory");
        let mut pool = FramePool::new(umem.take_frames());
        let mut slot = Slot::new(Port::Packet(Packet::open(index).expect("a socket")));
        for round in 0..ROUNDS {
            for command in [FlowCommand::Add, FlowCommand::DeleteStrict] {
                talk.say(flow(command, round));
                talk.say(Message::BarrierRequest);
                assert_eq!(talk.hear(), 21, "BARRIER_REPLY");
            }
            let mut sent = pool.take().expect("a frame");
            assert!(sent.copy_from(&frame(round)));
            slot.tx(&mut [Some(sent)], &mut pool, |reason| panic!("not sent: {reason:?}"));
            slot.flush();
            slot.port.reap(&mut pool, 0);
        }
    });
    rounds.expect("a namespace");
    assert!(soon(|| host.port("g1").rx_packets >= ROUNDS.into()), "all frames have come");
    let mut dump = Command::new(env!("CARGO_BIN_EXE_adit"));
    dump.args(["flows", "dump", "table=1", "--socket"]).arg(host.file("adit.sock"));
    let counted = String::from_utf8(dump.output().expect("adit").stdout).expect("text");
    assert!(counted.contains("n_packets=0,"), "{counted}");
    assert!(adit.end().expect("ended").success());
}

/// A flow from one port to another, or from all.
fn flow(command: FlowCommand, from: u128, to: u32) -> Message {
    let matching = if from == 0 { Match::any() } else { Match::any().exact(Field::InPort, from) };
    let instructions =
        Instructions { apply: vec![RuleAction::Output(OfPort(to))], ..Instructions::default() };
    let rule = Rule::new(9, matching, instructions);
    Message::FlowMod(FlowMod { command, ..FlowMod::add(TableId(0), rule) }, None)
}

#[test]
fn what_is_deleted_and_soon_asked_for_again_loses_no_frame() {
    let Some((host, [one, two])) = lab() else { return };
    let adit = host.adit(&two_guests("auto"), ACROSS);
    assert!(reaches(&one.netns, two.addr));
    let mut talk = Talk::begin(&host);
    let everything = || flow(FlowCommand::Delete, 0, 1);
    let missed = host.drops("table_miss");
    let heard = two.netns.run(|| UdpSocket::bind((two.addr, 7)).expect("a socket"));
    let heard = heard.expect("a namespace");
    let sender = one.netns.run(|| UdpSocket::bind((one.addr, 0)).expect("a socket"));
    let sender = sender.expect("a namespace");
    let send = |frames: u32| {
        for _ in 0..frames {
            sender.send_to(b"on its way", (two.addr, 7)).expect("sent");
            std::thread::sleep(Duration::from_millis(1));
        }
    };
    // As Faucet does it: all goes, and some moments later most of it comes again. What is sent fits into the socket.
    for _ in 0..4 {
        talk.say(everything());
        send(20);
        talk.say(everything());
        talk.say_all([flow(FlowCommand::Add, 2, 1), flow(FlowCommand::Add, 1, 2)]);
        send(30);
    }
    heard.set_nonblocking(true).expect("set");
    let mut came = 0;
    assert!(
        soon(|| {
            while heard.recv(&mut [0; 64]).is_ok() {
                came += 1;
            }
            came == 200
        }),
        "{came} of 200 came"
    );
    assert_eq!(host.drops("table_miss"), missed);
    // Whoever waits for it, or for whom nothing comes in its place, has it gone.
    talk.say(everything());
    talk.say(Message::BarrierRequest);
    assert_eq!(talk.hear(), 21, "BARRIER_REPLY");
    send(5);
    assert_eq!(host.drops("table_miss"), missed + 5);
    talk.say(flow(FlowCommand::Add, 1, 2));
    talk.say(Message::BarrierRequest);
    assert_eq!(talk.hear(), 21, "BARRIER_REPLY");
    talk.say(everything());
    std::thread::sleep(Duration::from_millis(400));
    send(5);
    assert_eq!(host.drops("table_miss"), missed + 10);
    assert!(adit.end().expect("ended").success());
}

/// Nobody sends a barrier behind a commit, which is answered when it is done: a bundle that deletes and nothing else waits for nothing either.
#[test]
fn a_commit_of_deletions_takes_effect_at_once() {
    let Some((host, [one, two])) = lab() else { return };
    let adit = host.adit(&two_guests("auto"), ACROSS);
    assert!(reaches(&one.netns, two.addr));
    let mut talk = Talk::begin(&host);
    let step = |bundle, kind| Message::BundleControl(BundleControl { bundle, kind, flags: 3 });
    let sender = one.netns.run(|| UdpSocket::bind((one.addr, 0)).expect("a socket")).expect("a namespace");
    for bundle in 1..20 {
        talk.say_all([flow(FlowCommand::Add, 1, 2), flow(FlowCommand::Add, 2, 1), Message::BarrierRequest]);
        assert_eq!(talk.hear(), 21, "BARRIER_REPLY");
        let missed = host.drops("table_miss");
        let inner = Box::new(Envelope::new(7, flow(FlowCommand::Delete, 0, 1)));
        let raw = encode(Version::V13, &inner).expect("words for it");
        let add = Message::BundleAdd(BundleAdd { bundle, flags: 3, inner, raw });
        let begin = Instant::now();
        talk.say_all([step(bundle, 0), add, step(bundle, 4)]);
        // OPEN_REPLY and COMMIT_REPLY, in the words of the ONF's extension.
        assert_eq!([talk.hear(), talk.hear()], [4, 4]);
        for _ in 0..5 {
            sender.send_to(b"too late", (two.addr, 7)).expect("sent");
        }
        // Deletions that nobody waits for would be published after 250 ms. Where it took that long to send, nothing was found out.
        if begin.elapsed() < Duration::from_millis(200) {
            assert!(
                soon(|| host.drops("table_miss") >= missed + 5),
                "{} of 5",
                host.drops("table_miss") - missed
            );
            break;
        }
        assert!(bundle < 19, "too busy a machine to tell");
    }
    assert!(adit.end().expect("ended").success());
}
