//! A guest behind an AF_PACKET port: real devices, real stacks, in network namespaces that end with their threads.
//!
//! ```text
//!   guest's namespace       the switch's namespace
//!   g1 ──────veth────── h1 = port 1 (Packet)   port 2 (Memory), where bytes are looked at
//! ```

mod common;
mod namespace;

use common::*;
use datapath::flow::{OfPort, Seed};
use datapath::mem::FramePool;
use datapath::pipeline::{Match, Rule, RuleAction};
use datapath::port::{Memory, Packet, Port, Slot};
use datapath::stats::{DropReason, SharedStats};
use datapath::worker::{Parts, Role, Worker, channel};
use etherparse::{SlicedPacket, TransportSlice};
use namespace::{Guest, RawSocket, in_namespace, lacks_root};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A switch that sends what port 1 receives to port 2, and the other way round.
struct Pair<'u> {
    worker: Worker<'u>,
    far: Memory,
    shared: Arc<SharedStats>,
    start: Instant,
}

impl<'u> Pair<'u> {
    fn new(umem: &'u af_xdp::Umem, first: Port<'u>, second: Port<'u>, far: Memory) -> Pair<'u> {
        let across = [(1, 2), (2, 1)].map(|(from, to)| {
            let from = Match::any().exact(datapath::flow::Field::InPort, from);
            Rule::acting(1, from, vec![RuleAction::Output(OfPort(to))])
        });
        let (uplink, _) = Memory::pair(1);
        let ports = vec![
            (Slot::new(Port::Memory(uplink)), Role::Uplink),
            (Slot::new(first), Role::Guest(OfPort(1))),
            (Slot::new(second), Role::Guest(OfPort(2))),
        ];
        let shared = Arc::new(SharedStats::new(3));
        let worker = Worker::new(Parts {
            pool: FramePool::new(umem.take_frames()),
            ports,
            pipeline: Arc::new(pipeline(1, across.to_vec(), 2)),
            inbox: channel().1,
            shared: shared.clone(),
            flows: 1024,
            seed: Seed::new(1),
        });
        Pair { worker, far, shared, start: Instant::now() }
    }

    /// A guest's device, and queues.
    fn with_queues(umem: &'u af_xdp::Umem, device: u32) -> Pair<'u> {
        let (near, far) = Memory::pair(256);
        Pair::new(umem, packet(device), Port::Memory(near), far)
    }

    fn turn(&mut self) {
        self.worker.turn(self.start.elapsed().as_nanos() as u64);
        self.worker.publish();
    }

    /// Takes turns until so many frames came out of the queues; they, or what came when the patience was at its end.
    fn wait_for(&mut self, count: usize) -> Vec<Vec<u8>> {
        let (mut out, end) = (Vec::new(), Instant::now() + Duration::from_secs(5));
        while out.len() < count && Instant::now() < end {
            self.turn();
            out.extend(std::iter::from_fn(|| self.far.receive()));
        }
        out
    }

    /// Takes turns until so many frames were dropped.
    fn wait_for_drops(&mut self, count: u64) -> Vec<(DropReason, u64)> {
        let end = Instant::now() + Duration::from_secs(5);
        loop {
            self.turn();
            let drops = self.shared.read().drops;
            if drops.total() >= count || Instant::now() > end {
                return drops.iter().filter(|(_, count)| *count > 0).collect();
            }
        }
    }
}

fn packet<'u>(device: u32) -> Port<'u> {
    Port::Packet(Packet::open(device).expect("an AF_PACKET socket"))
}

/// A frame of a protocol that nobody answers.
fn frame(payload: usize) -> Vec<u8> {
    [&[2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 1, 0x88, 0xb5][..], &vec![0x55; payload]].concat()
}

#[test]
fn tags_that_the_kernel_takes_out_are_put_back() {
    if lacks_root("veth devices") {
        return;
    }
    in_namespace(|| {
        let mut guest = Guest::new("h1", "g1", "10.0.0.1/24", 1500);
        let umem = umem();
        let mut pair = Pair::with_queues(&umem, guest.outside);
        let plain = frame(60);
        let tagged = |tags: &[u8]| [&plain[..12], tags, &plain[12..]].concat();
        let frames = vec![
            plain.clone(),
            tagged(&[0x81, 0x00, 0x60, 0x05]),
            tagged(&[0x88, 0xa8, 0x00, 0x07]),
            tagged(&[0x81, 0x00, 0x00, 0x00]),
            tagged(&[0x88, 0xa8, 0x00, 0x07, 0x81, 0x00, 0xef, 0xff]),
        ];
        let sent = frames.clone();
        guest.run(move || {
            let socket = RawSocket::open("g1");
            sent.iter().for_each(|frame| socket.send(frame));
        });
        assert_eq!(pair.wait_for(frames.len()), frames);
    });
}

#[test]
fn tags_reach_the_guest() {
    if lacks_root("veth devices") {
        return;
    }
    in_namespace(|| {
        let mut guest = Guest::new("h1", "g1", "10.0.0.1/24", 1500);
        let (memory, other) = (umem(), umem());
        let mut pair = Pair::with_queues(&memory, guest.outside);
        let inside =
            guest.run(|| Packet::open(nix::net::if_::if_nametoindex("g1").expect("g1")).expect("a socket"));
        let (near, far) = Memory::pair(16);
        let mut inside = Pair::new(&other, Port::Packet(inside), Port::Memory(near), far);
        let plain = frame(1500);
        let tagged = [&plain[..12], &[0x81, 0x00, 0x60, 0x05], &plain[12..]].concat();
        for frame in [&plain, &tagged] {
            pair.far.send(frame.clone()).expect("room");
        }
        pair.turn();
        assert_eq!(inside.wait_for(2), [plain, tagged]);
        assert_eq!(pair.wait_for_drops(0), []);
    });
}

#[test]
fn a_checksum_left_to_the_device_is_filled_in_on_the_way() {
    if lacks_root("veth devices") {
        return;
    }
    in_namespace(|| {
        let mut guest = Guest::new("h1", "g1", "10.0.0.1/24", 1500);
        let umem = umem();
        let mut pair = Pair::with_queues(&umem, guest.outside);
        let witness = RawSocket::open("h1");
        guest.neighbour("10.0.0.2");
        guest.run(|| {
            let socket = std::net::UdpSocket::bind("10.0.0.1:4000").expect("a socket");
            socket.send_to(b"to be summed", "10.0.0.2:5000").expect("sent");
        });
        let out = pair.wait_for(1);
        let seen = witness.receive().expect("the frame as it left the guest");
        let checksums = [&seen, &out[0]].map(|frame| {
            let sliced = SlicedPacket::from_ethernet(frame).expect("headers");
            let (Some(etherparse::NetSlice::Ipv4(ip)), Some(TransportSlice::Udp(udp))) =
                (sliced.net, sliced.transport)
            else {
                panic!("not UDP: {frame:02x?}")
            };
            let right = udp.to_header().calc_checksum_ipv4(&ip.header().to_header(), udp.payload());
            (udp.checksum(), right.expect("a checksum"))
        });
        assert_ne!(checksums[0].0, checksums[0].1, "the guest left it to its device");
        assert_eq!(checksums[1].0, checksums[1].1, "and it was filled in");
    });
}

#[test]
fn what_goes_out_does_not_come_back_in() {
    if lacks_root("veth devices") {
        return;
    }
    in_namespace(|| {
        let mut guest = Guest::new("h1", "g1", "10.0.0.1/24", 1500);
        let umem = umem();
        let mut pair = Pair::with_queues(&umem, guest.outside);
        let inside = guest.run(|| RawSocket::open("g1"));
        RawSocket::open("h1").send(&frame(100));
        pair.far.send(frame(200)).expect("room");
        pair.turn();
        // In whichever order: one goes through the queueing discipline, the other passes it by.
        let mut seen = [inside.receive(), inside.receive()];
        seen.sort_by_key(|frame| frame.as_ref().map(Vec::len));
        assert_eq!(seen, [Some(frame(100)), Some(frame(200))]);
        // One that does come in, after those that must not.
        guest.run(|| RawSocket::open("g1").send(&frame(300)));
        assert_eq!(pair.wait_for(1), [frame(300)]);
        assert_eq!(pair.shared.read().ports[1].rx_packets, 1);
    });
}

#[test]
fn frames_longer_than_a_buffer_are_counted() {
    if lacks_root("veth devices") {
        return;
    }
    in_namespace(|| {
        let mut guest = Guest::new("h1", "g1", "10.0.0.1/24", 9000);
        let umem = umem();
        let room = umem.frame_room();
        let mut pair = Pair::with_queues(&umem, guest.outside);
        guest.run(move || {
            let socket = RawSocket::open("g1");
            // As long as can be, a byte longer, and longer than what is read at all.
            [room - 14, room - 13, 8000].iter().for_each(|len| socket.send(&frame(*len)));
        });
        assert_eq!(pair.wait_for(1), [frame(room - 14)]);
        assert_eq!(pair.wait_for_drops(2), [(DropReason::FrameTooLong, 2)]);
        assert_eq!(pair.shared.read().ports[1].rx_packets, 3);
    });
}

/// UDP segmentation offload: three datagrams in one packet that would fit into a buffer. Passed on, they would be one.
#[test]
fn packets_that_a_device_would_have_cut_up_are_counted() {
    if lacks_root("veth devices") {
        return;
    }
    in_namespace(|| {
        let mut guest = Guest::new("h1", "g1", "10.0.0.1/24", 1500);
        let umem = umem();
        let mut pair = Pair::with_queues(&umem, guest.outside);
        guest.neighbour("10.0.0.2");
        guest.run(|| {
            let socket = std::net::UdpSocket::bind("10.0.0.1:4000").expect("a socket");
            socket.connect("10.0.0.2:5000").expect("a way");
            nix::sys::socket::setsockopt(&socket, nix::sys::socket::sockopt::UdpGsoSegment, &400)
                .expect("UDP_SEGMENT");
            assert_eq!(socket.send(&[7; 1200]).expect("sent"), 1200);
        });
        assert_eq!(pair.wait_for_drops(1), [(DropReason::FrameTooLong, 1)]);
        assert_eq!(pair.wait_for(0), Vec::<Vec<u8>>::new());
    });
}
