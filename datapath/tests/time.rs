//! The time of a turn is the only clock: what is sent carries it, whichever port it leaves by.

use af_xdp::{ChunkSize, Umem, UmemConfig};
use datapath::flow::{Field, OfPort, Seed};
use datapath::mem::FramePool;
use datapath::pipeline::{Base, Match, Pipeline, Rule, RuleAction};
use datapath::port::{Pcap, Port, PortId, Slot};
use datapath::stats::SharedStats;
use datapath::tunnel::{TunnelTable, Underlay};
use datapath::worker::{Parts, Role, Worker, channel};
use std::io::{self, Write};
use std::sync::{Arc, Mutex};

/// A file in memory that can be looked at.
#[derive(Clone, Default)]
struct File(Arc<Mutex<Vec<u8>>>);

impl Write for File {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl File {
    /// Seconds and nanoseconds of each packet of a capture.
    fn times(&self) -> Vec<(u32, u32)> {
        let bytes = self.0.lock().unwrap();
        let word = |at: usize| u32::from_le_bytes(*bytes[at..].first_chunk().unwrap());
        let (mut times, mut at) = (Vec::new(), 24);
        while at < bytes.len() {
            times.push((word(at), word(at + 4)));
            at += 16 + word(at + 8) as usize;
        }
        times
    }
}

/// A capture of 60-byte frames that come in at these seconds.
fn capture(seconds: &[u32]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for word in [0xa1b2_c3d4, 0x0004_0002, 0, 0, 65_535, 1] {
        bytes.extend(u32::to_le_bytes(word));
    }
    for second in seconds {
        for word in [*second, 7, 60, 60] {
            bytes.extend(u32::to_le_bytes(word));
        }
        bytes.extend([0; 60]);
    }
    bytes
}

/// Two ports that send everything to each other.
#[test]
fn what_is_sent_carries_the_time_of_the_turn_in_both_directions() {
    let memory =
        UmemConfig { frames: 256, chunk: ChunkSize::K2, headroom: 0, huge: false, tx_metadata: true };
    let umem = Umem::new(&memory).unwrap();
    let files = [File::default(), File::default()];
    let inputs = [capture(&[1, 5]), capture(&[3, 9])];
    let ports = inputs.into_iter().zip(&files).zip(1..).map(|((input, output), number)| {
        let pcap = Pcap::new(Some(Box::new(io::Cursor::new(input))), Some(Box::new(output.clone()))).unwrap();
        (Slot::new(Port::Pcap(Box::new(pcap))), Role::Guest(OfPort(number)))
    });
    let across = |from: u32, to: u32| {
        let actions = vec![RuleAction::Output(OfPort(to))];
        Rule::acting(1, Match::any().exact(Field::InPort, from.into()), actions)
    };
    let guests = [(OfPort(1), PortId(0)), (OfPort(2), PortId(1))];
    let tunnels = TunnelTable::new(Vec::new(), Seed::new(0)).unwrap();
    let base = Base::new(guests, tunnels, [].into(), Underlay::default());
    let pipeline = Pipeline::new(base).with_rules([across(1, 2), across(2, 1)]);
    let mut worker = Worker::new(Parts {
        pool: FramePool::new(umem.take_frames()),
        ports: ports.collect(),
        pipeline: Arc::new(pipeline),
        inbox: channel().1,
        shared: Arc::new(SharedStats::new(2)),
        flows: 64,
        seed: Seed::new(0),
    });
    for second in [1, 3, 5, 9] {
        assert_eq!(worker.turn(second * 1_000_000_000 + 7_000), 1);
    }
    for slot in worker.slots_mut() {
        let Port::Pcap(pcap) = &mut slot.port else { panic!("another port") };
        pcap.finish().unwrap();
    }
    assert_eq!(files[0].times(), [(3, 7_000), (9, 7_000)]);
    assert_eq!(files[1].times(), [(1, 7_000), (5, 7_000)]);
}
