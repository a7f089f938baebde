//! The ring layer: what a packet's way through the four rings of a socket costs, both ends of them, without the kernel.

use benches::{rings, switch};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use datapath::mem::BATCH;
use std::hint::black_box;

fn rings(c: &mut Criterion) {
    let umem = switch::umem().expect("memory for a few frames");
    let mut way = rings::Way::new(&umem);
    let mut group = c.benchmark_group("rings");
    group.throughput(Throughput::Elements(BATCH as u64));
    group.bench_function("fill, receive, send, complete", |b| b.iter(|| black_box(way.round())));
    group.finish();
}

criterion_group!(benches, rings);
criterion_main!(benches);
