//! All layers together, without devices: turns whose packets come out of a list, and one whose packets are read out of a capture
//! meanwhile.

use benches::{Scenario, frames, switch};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use datapath::port::{Null, Pcap, Port, Slot};
use datapath::worker::Worker;
use pcap_file::pcap::{PcapPacket, PcapWriter};
use std::hint::black_box;
use std::io::{self, BufRead, Read};
use std::time::Duration;

const FLOWS: u32 = 10_000;
/// Bytes in front of the packets of a capture (draft-ietf-opsawg-pcap section 4).
const HEADER: usize = 24;

/// A capture that begins anew with its first packet after the last.
struct Endless {
    capture: Vec<u8>,
    at: usize,
}

impl Endless {
    /// A guest's packets, one of each flow.
    fn new() -> anyhow::Result<Endless> {
        let mut capture = Vec::new();
        let mut file = PcapWriter::new(&mut capture)?;
        for frame in (0..FLOWS).map(frames::plain) {
            file.write_packet(&PcapPacket::new(Duration::ZERO, frame.len() as u32, &frame)?)?;
        }
        Ok(Endless { capture, at: 0 })
    }
}

impl Read for Endless {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(buffer)?;
        self.consume(read);
        Ok(read)
    }
}

impl BufRead for Endless {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        Ok(&self.capture[self.at..])
    }

    fn consume(&mut self, read: usize) {
        self.at += read;
        if self.at == self.capture.len() {
            self.at = HEADER;
        }
    }
}

fn turns(c: &mut Criterion) {
    for scenario in Scenario::ALL {
        let umem = switch::umem().expect("memory for a few frames");
        let worker = switch::worker(&umem, scenario, FLOWS, switch::REMEMBERED);
        measure(c, &scenario.to_string(), worker);
    }
    let umem = switch::umem().expect("memory for a few frames");
    let capture = Endless::new().expect("a vector takes every byte");
    let source = Pcap::new(Some(Box::new(capture)), None).expect("what was written can be read");
    let sink = || Slot::new(Port::Null(Null::sink()));
    let slots = vec![sink(), Slot::new(Port::Pcap(Box::new(source))), sink()];
    let worker = switch::with_ports(&umem, Scenario::Forward, slots, switch::REMEMBERED);
    measure(c, "forward, out of a capture", worker);
}

fn measure(c: &mut Criterion, name: &str, mut worker: Worker<'_>) {
    let mut group = c.benchmark_group("turn");
    group.throughput(Throughput::Elements(switch::BURST as u64));
    let mut now = 0;
    group.bench_function(name, |b| {
        b.iter(|| {
            now += 1;
            assert_eq!(black_box(worker.turn(now)), switch::BURST, "a turn without packets");
        });
    });
    group.finish();
}

criterion_group!(benches, turns);
criterion_main!(benches);
