//! The wire layer: the Internet checksum over a full packet, and what a changed field costs.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use datapath::wire::checksum::{Sum, update16};
use std::hint::black_box;

fn checksum(c: &mut Criterion) {
    let packet: Vec<u8> = (0..1400u32).map(|n| n as u8).collect();
    let mut group = c.benchmark_group("checksum");
    group.throughput(Throughput::Bytes(1400));
    group.bench_function("1400 bytes", |b| b.iter(|| Sum::of(black_box(&packet)).checksum()));
    group.throughput(Throughput::Bytes(20));
    group.bench_function("ipv4 header", |b| b.iter(|| Sum::of(black_box(&packet[..20])).checksum()));
    group.finish();
    c.bench_function("checksum/one field", |b| {
        b.iter(|| update16(black_box(0x1234), black_box(1), black_box(1450)));
    });
}

criterion_group!(benches, checksum);
criterion_main!(benches);
