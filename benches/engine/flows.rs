//! Conversations, rules about them, and a worker that handles them.

use benches::{Scenario, frames, switch};
use datapath::flow::{Field, OfPort, Seed};
use datapath::mem::FramePool;
use datapath::mem::Umem;
use datapath::pipeline::{Match, Pipeline, Rule, RuleAction, TableId};
use datapath::port::{Null, Port, Slot};
use datapath::stats::{SharedStats, Snapshot};
use datapath::worker::{Parts, Publisher, Role, Worker, channel};
use etherparse::PacketBuilder;
use std::net::Ipv6Addr;
use std::sync::Arc;

const UDP: u8 = 17;
const V4: [[u8; 4]; 2] = [[10, 0, 0, 1], [10, 0, 0, 2]];
const V6: [Ipv6Addr; 2] =
    [Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1), Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2)];

/// Conversations that rules are about and that are not under way.
pub(super) const OTHERS: std::ops::Range<u32> = 0x00f0_0000..0x00f0_0000 + 10_000;

/// Version of the internet protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ip {
    V4,
    V6,
}

/// Source and destination port of a conversation, as `frames::plain` numbers them.
fn ports(conversation: u32) -> (u16, u16) {
    ((conversation & 0xffff) as u16, 9000 + (conversation >> 16) as u16)
}

/// A frame of a conversation.
pub(super) fn frame(ip: Ip, conversation: u32) -> Vec<u8> {
    if ip == Ip::V4 {
        return frames::plain(conversation);
    }
    let (source, destination) = ports(conversation);
    let builder = PacketBuilder::ethernet2(frames::GUEST_MAC.0, frames::OTHER_GUEST_MAC.0)
        .ipv6(V6[0].octets(), V6[1].octets(), 64)
        .udp(source, destination);
    let mut frame = Vec::new();
    builder.write(&mut frame, &[0; 2]).expect("a vector takes every byte");
    frame
}

/// The match of one conversation: addresses, protocol, ports.
pub(super) fn conversation(ip: Ip, conversation: u32) -> Match {
    let (source, destination) = ports(conversation);
    let matching = match ip {
        Ip::V4 => Match::any()
            .exact(Field::EthType, 0x0800)
            .exact(Field::NwSrc, u32::from_be_bytes(V4[0]).into())
            .exact(Field::NwDst, u32::from_be_bytes(V4[1]).into()),
        Ip::V6 => Match::any()
            .exact(Field::EthType, 0x86dd)
            .exact(Field::Ipv6Src, V6[0].to_bits())
            .exact(Field::Ipv6Dst, V6[1].to_bits()),
    };
    matching
        .exact(Field::NwProto, UDP.into())
        .exact(Field::TpSrc, source.into())
        .exact(Field::TpDst, destination.into())
}

/// One rule that forwards all.
pub(super) fn forwarding() -> Pipeline {
    switch::pipeline(Scenario::Forward)
}

/// And many that look at whole conversations.
pub(super) fn guarded(ip: Ip) -> Pipeline {
    let mut pipeline = forwarding();
    for other in OTHERS {
        pipeline.insert(TableId(0), Rule::acting(10, conversation(ip, other), Vec::new()));
    }
    pipeline
}

/// What the forwarding rule does.
pub(super) fn forward() -> Vec<RuleAction> {
    vec![RuleAction::Output(OfPort(switch::OTHER_GUEST.0.into()))]
}

/// A worker, who tells it of new rules, and what it says of itself.
pub(super) struct Bench<'u> {
    pub(super) worker: Worker<'u>,
    pub(super) publisher: Publisher,
    shared: Arc<SharedStats>,
}

impl<'u> Bench<'u> {
    /// The guest sends `frames` round and round.
    pub(super) fn new(umem: &'u Umem, pipeline: Arc<Pipeline>, frames: Vec<Vec<u8>>, places: usize) -> Self {
        let sink = || Slot::new(Port::Null(Null::sink()));
        let source = Slot::new(Port::Null(Null::source(frames, switch::BURST)));
        let guest = |port: datapath::port::PortId| Role::Guest(OfPort(port.0.into()));
        let ports = vec![
            (sink(), Role::Uplink),
            (source, guest(switch::GUEST)),
            (sink(), guest(switch::OTHER_GUEST)),
        ];
        let (publisher, inbox) = channel();
        let shared = Arc::new(SharedStats::new(ports.len()));
        let pool = FramePool::new(umem.take_frames());
        let seed = Seed::new(1);
        let worker =
            Worker::new(Parts { pool, shared: shared.clone(), ports, pipeline, inbox, flows: places, seed });
        Bench { worker, publisher, shared }
    }

    /// Its counters, now.
    pub(super) fn counted(&mut self) -> Snapshot {
        self.worker.publish();
        self.shared.read()
    }

    /// What came in and did not go out.
    pub(super) fn lost(&self) -> u64 {
        let slots = self.worker.slots();
        let received: u64 = slots.iter().map(|slot| slot.counters.rx_packets).sum();
        received - switch::sent(&self.worker)
    }

    /// Which rules the worker goes by, to ask from another thread.
    pub(super) fn shared(&self) -> Arc<SharedStats> {
        self.shared.clone()
    }
}
