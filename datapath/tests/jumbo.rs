//! Packets that fit no buffer of the kernel's, through AF_XDP sockets on real devices: they come in and leave in several, arrive as
//! they were sent, and no buffer is lost. Needs root.
//!
//! ```text
//!   far1 ──veth── near1 = port 1 (Xsk)    port 2 (Xsk) = near2 ──veth── far2
//!                                         port 3 (Memory), where bytes are looked at
//! ```

#[path = "../af_xdp/tests/support/bpf/mod.rs"]
mod bpf;
mod common;
mod namespace;

use af_xdp::{ChunkSize, Socket, SocketConfig, Umem, UmemConfig};
use bpf::{Attach, Redirect};
use common::*;
use datapath::flow::{Field, OfPort, Seed};
use datapath::mem::{FramePool, LONG_MAX, long_frames};
use datapath::pipeline::{Match, Rule, RuleAction};
use datapath::port::{Memory, Packet, Port, PortId, Slot, Xsk};
use datapath::stats::{DropReason, SharedStats};
use datapath::worker::{Parts, Role, Worker, channel};
use namespace::{RawSocket, in_namespace, ip as run_ip, lacks_root};
use std::sync::Arc;
use std::time::{Duration, Instant};

const FRAMES: u32 = 512;
const RING: u32 = 64;
const LONG: usize = 256;

/// A cable with one queue at each end. The index of the near end.
fn cable(number: u16, mtu: u32) -> u32 {
    let queues = "numtxqueues 1 numrxqueues 1";
    run_ip(&format!(
        "link add near{number} mtu {mtu} {queues} type veth peer name far{number} mtu {mtu} {queues}"
    ));
    run_ip(&format!("link set near{number} up"));
    run_ip(&format!("link set far{number} up"));
    nix::net::if_::if_nametoindex(format!("near{number}").as_str()).expect("the device exists")
}

/// The worker's memory, of chunks of this size.
fn memory(chunk: ChunkSize) -> (Umem, Umem) {
    let short = UmemConfig { frames: FRAMES, chunk, headroom: 0, huge: false, tx_metadata: true };
    (Umem::new(&short).expect("memory"), long_frames().expect("memory"))
}

struct Switch<'u> {
    worker: Worker<'u>,
    far: Memory,
    shared: Arc<SharedStats>,
    _programs: Vec<Redirect>,
    start: Instant,
}

impl<'u> Switch<'u> {
    /// Port 1 leads to these, and they to port 1.
    fn new(
        memory: &'u (Umem, Umem),
        attach: Attach,
        devices: [(u32, SocketConfig); 2],
        outputs: &[u32],
    ) -> Switch<'u> {
        let (mut programs, (near, far), (uplink, _)) = (Vec::new(), Memory::pair(256), Memory::pair(1));
        let mut ports = vec![(Slot::new(Port::Memory(uplink)), Role::Uplink)];
        for ((device, config), number) in devices.into_iter().zip(1..) {
            let socket = Socket::open(&memory.0, device, 0, &config).expect("a socket");
            let program = Redirect::attach(device, attach, true);
            program.to(0, &socket);
            programs.push(program);
            ports.push((Slot::new(Port::Xsk(Xsk::new(vec![socket], true))), Role::Guest(OfPort(number))));
        }
        ports.push((Slot::new(Port::Memory(near)), Role::Guest(OfPort(3))));
        let rule = |from: u32, outputs: Vec<RuleAction>| {
            Rule::acting(1, Match::any().exact(Field::InPort, from.into()), outputs)
        };
        let output = |port: &u32| RuleAction::Output(OfPort(*port));
        let mut rules = vec![rule(1, outputs.iter().map(output).collect())];
        rules.extend(outputs.iter().map(|from| rule(*from, vec![output(&1)])));
        let shared = Arc::new(SharedStats::new(4));
        let worker = Worker::new(Parts {
            pool: FramePool::new(memory.0.take_frames()).with_long(memory.1.take_frames()),
            ports,
            pipeline: Arc::new(pipeline(1, rules, 3)),
            inbox: channel().1,
            shared: shared.clone(),
            flows: 1024,
            seed: Seed::new(1),
        });
        Switch { worker, far, shared, _programs: programs, start: Instant::now() }
    }

    fn turn(&mut self) {
        self.worker.turn(self.start.elapsed().as_nanos() as u64);
        self.worker.publish();
    }

    fn turns(&mut self, enough: impl Fn(&Self) -> bool) {
        let end = Instant::now() + Duration::from_secs(5);
        while !enough(self) && Instant::now() < end {
            self.turn();
        }
    }

    fn received(&self, port: usize) -> u64 {
        self.shared.read().ports[port].rx_packets
    }

    fn drops(&self) -> Vec<(DropReason, u64)> {
        self.shared.read().drops.iter().filter(|(_, count)| *count > 0).collect()
    }

    /// Every buffer is either free or waits in one of the two rings that devices write into.
    fn all_buffers_are_there(&mut self) {
        self.turns(|switch| switch.worker.free_frames() == (FRAMES - 2 * RING) as usize);
        assert_eq!(self.worker.free_frames(), (FRAMES - 2 * RING) as usize);
        assert_eq!(self.worker.free_long_frames(), LONG);
    }
}

fn rings(multi_buffer: bool) -> SocketConfig {
    SocketConfig {
        fill_size: RING,
        rx_size: RING,
        tx_size: RING,
        completion_size: RING,
        multi_buffer,
        ..SocketConfig::default()
    }
}

/// A frame of a protocol that nobody answers, different for each number.
fn frame(number: usize, len: usize) -> Vec<u8> {
    let payload = (14..len).map(|at| (at * 31 + number * 7) as u8);
    [2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 1, 0x88, 0xb5].into_iter().chain(payload).collect()
}

/// Around the sizes of chunks, and as long as the cable carries.
const LENS: [usize; 9] = [60, 1792, 1793, 3840, 3841, 7680, 7681, 9000, 9014];

/// Frames of all lengths, each way, one at a time and several.
fn there_and_back(attach: Attach, chunk: ChunkSize, outputs: &'static [u32]) {
    in_namespace(move || {
        let memory = memory(chunk);
        let devices = [1, 2].map(|number| (cable(number, 9000), rings(true)));
        let mut switch = Switch::new(&memory, attach, devices, outputs);
        switch.turn();
        let ends = [RawSocket::open("far1"), RawSocket::open("far2")];
        for (from, to) in [(0, 1), (1, 0)] {
            for round in 0..20 {
                let sent: Vec<_> = LENS.iter().map(|len| frame(round, *len)).collect();
                let before = switch.received(from + 1);
                let (mut arrived, mut seen) = (Vec::new(), Vec::new());
                for (frame, number) in sent.iter().zip(1..) {
                    ends[from].send(frame);
                    if round % 2 == 0 || number % 3 == 0 {
                        switch.turns(|switch| switch.received(from + 1) == before + number);
                    }
                }
                while arrived.len() < sent.len() {
                    let frame = ends[to].receive();
                    arrived.push(frame.unwrap_or_else(|| panic!("{} of {}", arrived.len(), sent.len())));
                }
                assert_eq!(arrived, sent);
                seen.extend(std::iter::from_fn(|| switch.far.receive()));
                assert_eq!(seen, if from == 0 && outputs.contains(&3) { sent } else { vec![] });
            }
        }
        assert_eq!(switch.drops(), []);
        switch.all_buffers_are_there();
    });
}

#[test]
fn jumbo_frames_arrive_as_they_were_sent_with_a_native_program() {
    if !lacks_root("AF_XDP") {
        there_and_back(Attach::Native, ChunkSize::K4, &[2]);
    }
}

#[test]
fn jumbo_frames_arrive_as_they_were_sent_with_a_generic_program() {
    if !lacks_root("AF_XDP") {
        there_and_back(Attach::Generic, ChunkSize::K4, &[2]);
    }
}

#[test]
fn jumbo_frames_are_copied_and_travel_in_many_small_buffers() {
    if !lacks_root("AF_XDP") {
        there_and_back(Attach::Native, ChunkSize::K2, &[3, 2]);
    }
}

#[test]
fn a_packet_may_come_in_over_several_turns() {
    if lacks_root("AF_XDP") {
        return;
    }
    in_namespace(|| {
        let memory = memory(ChunkSize::K4);
        let devices = [1, 2].map(|number| (cable(number, 9000), rings(true)));
        let mut switch = Switch::new(&memory, Attach::Native, devices, &[3]);
        switch.turn();
        let sent = [frame(1, 9014), frame(2, 100), frame(3, 5000)];
        let near = RawSocket::open("far1");
        sent.iter().for_each(|frame| near.send(frame));
        let mut out = Vec::new();
        // One buffer a turn: three, one, two.
        for turn in 1..=6 {
            switch.worker.step(PortId(1), turn);
            out.push(std::iter::from_fn(|| switch.far.receive()).count());
            assert_eq!(switch.worker.free_long_frames(), LONG - usize::from([1, 2, 5].contains(&turn)));
        }
        assert_eq!(out, [0, 0, 1, 1, 0, 1]);
        switch.all_buffers_are_there();
    });
}

#[test]
fn packets_longer_than_any_buffer_are_counted_and_those_behind_them_arrive() {
    if lacks_root("AF_XDP") {
        return;
    }
    in_namespace(|| {
        let memory = memory(ChunkSize::K4);
        let devices = [1, 2].map(|number| (cable(number, 40_000), rings(true)));
        let mut switch = Switch::new(&memory, Attach::Native, devices, &[2]);
        switch.turn();
        let ends = [RawSocket::open("far1"), RawSocket::open("far2")];
        for (len, fits) in [(LONG_MAX + 1, false), (LONG_MAX, true), (40_000, false), (60, true)] {
            let sent = frame(len, len);
            ends[0].send(&sent);
            let before = switch.received(1);
            switch.turns(|switch| switch.received(1) > before);
            if fits {
                assert_eq!(ends[1].receive(), Some(sent));
            }
        }
        assert_eq!(switch.drops(), [(DropReason::FrameTooLong, 2)]);
        switch.all_buffers_are_there();
    });
}

#[test]
fn a_packet_that_finds_no_room_is_dropped_as_a_whole() {
    if lacks_root("AF_XDP") {
        return;
    }
    in_namespace(|| {
        let memory = memory(ChunkSize::K2);
        // Six buffers are needed, and the ring has four; and a device that takes packets of one buffer only.
        let narrow = SocketConfig { tx_size: 4, ..rings(true) };
        let devices = [(cable(1, 9000), rings(true)), (cable(2, 9000), narrow)];
        let mut switch = Switch::new(&memory, Attach::Native, devices, &[2]);
        switch.turn();
        let ends = [RawSocket::open("far1"), RawSocket::open("far2")];
        for (number, len) in [(1, 9014), (2, 5000), (3, 9014)] {
            ends[0].send(&frame(number, len));
            switch.turns(|switch| switch.received(1) == number as u64);
        }
        assert_eq!(ends[1].receive(), Some(frame(2, 5000)));
        assert_eq!(switch.drops(), [(DropReason::TxFull, 2)]);
        // While the device is down nothing leaves, and the ring is full with the first.
        run_ip("link set near2 down");
        for number in [4, 5] {
            ends[0].send(&frame(number, 5000));
            switch.turns(|switch| switch.received(1) == number as u64);
        }
        assert_eq!(switch.drops(), [(DropReason::TxFull, 3)]);
        run_ip("link set near2 up");
        switch.turn();
        assert_eq!(ends[1].receive(), Some(frame(4, 5000)));
        // And while the other end is down the device refuses it, all of it.
        run_ip("link set far2 down");
        ends[0].send(&frame(6, 5000));
        switch.turns(|switch| switch.received(1) == 6);
        assert_eq!((switch.shared.read().ports[2].tx_errors, switch.drops()[0].1), (1, 3));
        switch.all_buffers_are_there();
    });
}

#[test]
fn a_device_without_jumbo_frames_is_sent_none() {
    if lacks_root("AF_XDP") {
        return;
    }
    in_namespace(|| {
        let memory = memory(ChunkSize::K4);
        let devices = [(cable(1, 9000), rings(true)), (cable(2, 1500), rings(false))];
        let mut switch = Switch::new(&memory, Attach::Native, devices, &[2]);
        switch.turn();
        let ends = [RawSocket::open("far1"), RawSocket::open("far2")];
        for (number, len) in [(1, 9014), (2, 1514)] {
            ends[0].send(&frame(number, len));
            switch.turns(|switch| switch.received(1) == number as u64);
        }
        assert_eq!(ends[1].receive(), Some(frame(2, 1514)));
        assert_eq!(switch.drops(), [(DropReason::PortRefused, 1)]);
        switch.all_buffers_are_there();
    });
}

#[test]
fn without_xdp_they_come_and_go_too() {
    if lacks_root("AF_PACKET") {
        return;
    }
    in_namespace(|| {
        let memory = memory(ChunkSize::K4);
        let devices = [3, 2].map(|number| (cable(number, 9000), rings(true)));
        let mut switch = Switch::new(&memory, Attach::Native, devices, &[2]);
        let outside = cable(1, 9000);
        switch.worker.slots_mut()[1].port = Port::Packet(Packet::open(outside).expect("a socket"));
        let ends = [RawSocket::open("far1"), RawSocket::open("far2")];
        for (from, to) in [(0, 1), (1, 0)] {
            for (len, number) in LENS.into_iter().zip(1..) {
                ends[from].send(&frame(len, len));
                switch.turns(|switch| switch.received(from + 1) == number);
                assert_eq!(ends[to].receive(), Some(frame(len, len)));
            }
        }
        assert_eq!(switch.drops(), []);
        assert_eq!(switch.worker.free_long_frames(), LONG);
    });
}
