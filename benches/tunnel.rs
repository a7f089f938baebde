//! The tunnel layer: headers in front of a frame and off again. Both include the 64 or 114 bytes that are copied into
//! the frame first, which is also measured alone.

use benches::{Scenario, frames, switch};
use criterion::{Criterion, criterion_group, criterion_main};
use datapath::mem::Frame;
use datapath::tunnel::{EncapId, Last, Marks, decap};
use std::hint::black_box;

fn tunnel(c: &mut Criterion) {
    let umem = switch::umem().expect("memory for a few frames");
    let mut frame = umem.take_frames().next().expect("there are frames");
    let pipeline = switch::pipeline(Scenario::Encap);
    let encap = pipeline.encap(EncapId(0));
    let (plain, tunnelled) = (frames::plain(1), frames::tunnelled(1));
    let fresh = |frame: &mut Frame<'_>, bytes: &[u8]| assert!(frame.copy_from(bytes));

    c.bench_function("tunnel/copy alone", |b| b.iter(|| fresh(&mut frame, black_box(&plain))));
    c.bench_function("tunnel/copy and push", |b| {
        b.iter(|| {
            fresh(&mut frame, black_box(&plain));
            let marks = Marks { key: black_box(frames::VNI), policy: 0, tos: 0, ttl: 64, geneve: 0 };
            encap.push(&mut frame, marks, black_box(12345)).expect("room for the headers");
        });
    });
    c.bench_function("tunnel/copy and decap", |b| {
        b.iter(|| {
            fresh(&mut frame, black_box(&tunnelled));
            let known = |address| pipeline.is_endpoint(address);
            black_box(decap(&mut frame, pipeline.tunnels(), known, &mut Last::default()))
                .expect("a packet of our tunnel");
        });
    });
}

criterion_group!(benches, tunnel);
criterion_main!(benches);
