//! What a flow-mod takes control: from the bytes of a connection to a snapshot that workers could go by, on one thread, without sockets and workers.
//!
//!     bench-mods [FLOWS]
//!
//! The messages are those of `controller.py`. They are done as the daemon does them, some dozens at a time, and published every few thousand, while
//! the snapshot before is still held, as a worker holds it. Printed for flows that are new, the same once more, and new ones after all were
//! deleted: nanoseconds and calls of the allocator for each.

#[path = "../../control/tests/channel_switch/mod.rs"]
#[expect(dead_code, reason = "the lab there is for tests")]
mod channel_switch;

use benches::allocations::{self, Counting};
use bytes::Bytes;
use channel_switch::Bare;
use control::openflow::channel::{Channel, ConnectionId, Heard, Kind};
use control::openflow::{Frames, Version, decode};
use datapath::pipeline::Pipeline;
use std::sync::Arc;
use std::time::Instant;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Bytes that are read at a time.
const READ: usize = 128 << 10;
/// Messages that are done at a time, and flow-mods that are published together.
const BATCH: usize = 64;
const PUBLISHED: usize = 10_000;

fn main() {
    let flows = std::env::args().nth(1).and_then(|flows| flows.parse().ok()).unwrap_or(100_000);
    let messages: Vec<u8> = (0..flows).flat_map(added).collect();
    let mut control = Control::new();
    for what in ["new", "again"] {
        control.measure(what, flows, &messages);
    }
    control.measure("deleted", flows, &deleted());
    control.measure("new", flows, &messages);
}

struct Control {
    channel: Channel,
    id: ConnectionId,
    switch: Bare,
    held: Option<Arc<Pipeline>>,
    unpublished: usize,
}

impl Control {
    fn new() -> Control {
        let mut channel = Channel::default();
        let id = channel.join(Kind::Controller, Version::V13);
        Control { channel, id, switch: Bare::new(), held: None, unpublished: 0 }
    }

    fn measure(&mut self, what: &str, flows: u32, messages: &[u8]) {
        let (begin, calls) = (Instant::now(), allocations::calls());
        self.hear(messages);
        let (took, calls) = (begin.elapsed().as_nanos(), allocations::calls() - calls);
        let each = |sum: f64| sum / f64::from(flows);
        println!("{what}: {:.0} ns, {:.1} calls of the allocator", each(took as f64), each(calls as f64));
    }

    fn hear(&mut self, messages: &[u8]) {
        let mut frames = Frames::new();
        for read in messages.chunks(READ) {
            frames.push(read);
            while self.hear_some(&mut frames) > 0 {}
        }
        self.publish();
    }

    fn hear_some(&mut self, frames: &mut Frames) -> usize {
        let raw = std::iter::from_fn(|| frames.next()).take(BATCH).flatten();
        let heard: Vec<Heard> =
            raw.map(|raw: Bytes| Heard { said: decode(Version::V13, &raw), raw }).collect();
        let count = heard.len();
        for heard in heard {
            let steps = self.channel.hear(self.id, heard, &mut self.switch);
            assert!(steps.is_empty(), "{steps:?}");
        }
        self.unpublished += count;
        if self.unpublished >= PUBLISHED {
            self.publish();
        }
        count
    }

    fn publish(&mut self) {
        self.unpublished = 0;
        let generation = self.switch.0.pipeline().generation();
        self.switch.0.settled(generation);
        self.held = Some(self.switch.0.snapshot());
    }
}

/// One TCP conversation of 10.0.0.0/8, to port 1.
fn added(number: u32) -> Vec<u8> {
    let address = (0x0a00_0000 | number >> 4).to_be_bytes();
    let port = (1024 + number as u16 % 16).to_be_bytes();
    let fields = [oxm(5, &[8, 0]), oxm(10, &[6]), oxm(11, &address), oxm(14, &port)].concat();
    let output = [&[0, 4, 0, 24, 0, 0, 0, 0, 0, 0, 0, 16, 0, 0, 0, 1][..], &[0; 8]].concat();
    message(number, 0, 0, 100, &[matching(&fields), output].concat())
}

fn deleted() -> Vec<u8> {
    message(1, 0xff, 3, 0, &matching(&[]))
}

fn oxm(field: u8, value: &[u8]) -> Vec<u8> {
    [&[0x80, 0, field << 1, value.len() as u8], value].concat()
}

fn matching(fields: &[u8]) -> Vec<u8> {
    let len = 4 + fields.len();
    let header = [0, 1, 0, len as u8];
    [&header, fields, &vec![0; len.next_multiple_of(8) - len]].concat()
}

fn message(xid: u32, table: u8, command: u8, priority: u16, rest: &[u8]) -> Vec<u8> {
    let priority = priority.to_be_bytes();
    let body = [&[0; 16][..], &[table, command, 0, 0, 0, 0], &priority, &[0xff; 12], &[0; 4], rest].concat();
    let len = (8 + body.len() as u16).to_be_bytes();
    [&[4, 14], &len[..], &xid.to_be_bytes(), &body].concat()
}
