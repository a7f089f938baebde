//! The lookup layer, a batch of 64 at a time: keys out of frames, hashes of keys, flows of hashes.

use benches::frames;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use datapath::flow::hash::entropy;
use datapath::flow::{
    Answer, FlowKey, FlowMask, KeyHash, Megaflows, OfPort, Scope, Seed, SignatureCache, extract,
};
use datapath::mem::BATCH;
use datapath::stats::Ledger;
use std::hint::black_box;

const PORT: OfPort = OfPort(1);

fn key(flow: u32) -> FlowKey {
    let mut key = FlowKey::default();
    extract(&frames::plain(flow), PORT, None, &mut key).expect("a frame has a key");
    key
}

fn keys(c: &mut Criterion) {
    let batch: Vec<_> = (0..BATCH as u32).map(frames::plain).collect();
    let mut keys = vec![FlowKey::default(); BATCH];
    let seed = Seed::new(1);
    let scope = Scope::everything(seed);
    let mut group = c.benchmark_group("key");
    group.throughput(Throughput::Elements(BATCH as u64));
    group.bench_function("extract", |b| {
        b.iter(|| {
            for (frame, key) in batch.iter().zip(&mut keys) {
                let _ = black_box(extract(black_box(frame), PORT, None, key));
            }
        });
    });
    group.bench_function("hash", |b| {
        b.iter(|| {
            for key in &keys {
                black_box(scope.hash(black_box(key)));
            }
        });
    });
    group.bench_function("entropy", |b| {
        b.iter(|| {
            for key in &keys {
                black_box(entropy(black_box(key), &seed));
            }
        });
    });
}

fn exact(c: &mut Criterion) {
    let (seed, ledger) = (Seed::new(1), Ledger::default());
    let scope = Scope::everything(seed);
    let mut group = c.benchmark_group("flow caches, hits");
    group.throughput(Throughput::Elements(BATCH as u64));
    for flows in [64, 10_048, 100_032] {
        let mut signatures = SignatureCache::new(1 << 18);
        let mut megaflows = Megaflows::new(1 << 18, seed);
        let mut mask = FlowMask::default();
        mask.words_mut()[..8].fill(u64::MAX);
        let keys: Vec<_> = (0..flows as u32).map(key).collect();
        for (key, program) in keys.iter().zip(0..) {
            let answer = Answer { generation: 1, program, ..Answer::default() };
            signatures.insert(scope.hash(key), megaflows.insert(key, &mask, answer, &[], &ledger), |_| false);
        }
        let mut batches = keys.chunks_exact(BATCH).cycle();
        group.bench_function(BenchmarkId::from_parameter(flows), |b| {
            b.iter(|| {
                let batch = batches.next().expect("a cycle has no end");
                let hashes: [KeyHash; BATCH] = std::array::from_fn(|i| scope.hash(&batch[i]));
                hashes.iter().for_each(|hash| signatures.lines().prefetch(*hash));
                let flows = hashes.map(|hash| signatures.find(hash));
                let remembered = megaflows.known(1);
                flows.iter().flatten().for_each(|flow| remembered.prefetch(*flow));
                for (key, flow) in batch.iter().zip(flows) {
                    let known =
                        flow.filter(|flow| megaflows.fits(*flow, key)).or_else(|| megaflows.find(key));
                    black_box(megaflows.answer(known.expect("there is room for all")));
                }
            });
        });
    }
}

criterion_group!(benches, keys, exact);
criterion_main!(benches);
