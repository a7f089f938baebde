//! A controller of OpenFlow 1.3 that says a few things, the same to every switch, for those who listen to it.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use control::lab::Netns;
use control::ofproto::{FlowMod, GroupMod};
use control::openflow::{Envelope, Message, Version, encode};
use control::text::{NoNames, parse_groups, parse_table_flow};

const PATIENCE: Duration = Duration::from_secs(20);

/// Where switches come to.
pub(crate) struct Listener(TcpListener);

/// A switch that has come.
pub(crate) struct Session(TcpStream);

impl Listener {
    /// On port 6653 of the namespace's own address.
    pub(crate) fn new(netns: &Netns) -> Listener {
        let listener = netns.run(|| TcpListener::bind("127.0.0.1:6653").expect("a port"));
        Listener(listener.expect("a namespace"))
    }

    /// The switch, greeted.
    pub(crate) fn accept(&self) -> Session {
        self.0.set_nonblocking(true).expect("a socket");
        let end = Instant::now() + PATIENCE;
        let stream = loop {
            match self.0.accept() {
                Ok((stream, _)) => break stream,
                Err(error) => assert!(Instant::now() < end, "no switch has come: {error}"),
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        stream.set_nonblocking(false).expect("a socket");
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
        let mut session = Session(stream);
        session.send("0400000800000001");
        session.read();
        session
    }
}

impl Session {
    /// Says all that there is to say, and waits until the last of it is answered.
    pub(crate) fn speak(&mut self) {
        // Features; another configuration, and what it is then.
        self.send("0405000800000010");
        self.send("0409000c0000001100000080");
        self.send("0407000800000012");
        // Master, whatever the generation.
        self.send("041800180000001300000002000000000000000000000001");
        let (id, group) =
            parse_groups("test", "group_id=7,type=all,bucket=output:1,bucket=output:2", &NoNames)
                .expect("a group")
                .remove(0);
        self.say(0x14, Message::GroupMod(GroupMod::Add(id, group)));
        let text = "priority=5,in_port=1,tcp,tp_dst=80,actions=dec_ttl,group:7";
        let (table, rule) = parse_table_flow("test", text, &NoNames).expect("a flow");
        self.say(0x15, Message::FlowMod(FlowMod::add(table, rule), None));
        self.send("0402000b00000016616263");
        // A frame out of port 3.
        self.send(
            "040d003600000017ffffffff00000001001000000000000000000010000000030000000000000000aaaaaaaaaaaabbbbbbbbbbbb88b5",
        );
        // All flows; then a type of message that there is not, and when it is refused a barrier.
        self.send(
            "041200380000001800010000000000\
             00ff000000ffffffffffffffff00000000000000000000000000000000000000000001000400000000",
        );
        self.send("0463000800000019");
        while self.read() != 0x19 {}
        self.send("041400080000001a");
        while self.read() != 0x1a {}
    }

    fn say(&mut self, xid: u32, message: Message) {
        let bytes = encode(Version::V13, &Envelope::new(xid, message)).expect("words for it");
        self.0.write_all(&bytes).expect("sent");
    }

    fn send(&mut self, digits: &str) {
        let pairs = digits.as_bytes().chunks(2);
        let byte = |pair| u8::from_str_radix(std::str::from_utf8(pair).expect("text"), 16).expect("digits");
        self.0.write_all(&pairs.map(byte).collect::<Vec<u8>>()).expect("sent");
    }

    /// Reads a message. Returns its number.
    fn read(&mut self) -> u32 {
        let mut head = [0; 8];
        self.0.read_exact(&mut head).expect("a message");
        let len = usize::from(u16::from_be_bytes([head[2], head[3]]));
        self.0.read_exact(&mut vec![0; len.saturating_sub(8)]).expect("the rest of it");
        u32::from_be_bytes([head[4], head[5], head[6], head[7]])
    }
}
