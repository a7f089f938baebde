//! Bytes as a capture file: it is read to its end or refused, whatever it says, and what was read is written.
#![no_main]

use af_xdp::{ChunkSize, Umem, UmemConfig};
use datapath::mem::FramePool;
use datapath::port::{Pcap, Port};
use libfuzzer_sys::fuzz_target;
use std::io::Cursor;

fuzz_target!(|input: &[u8]| {
    let Ok(port) = Pcap::new(Some(Box::new(Cursor::new(input.to_vec()))), Some(Box::new(std::io::sink())))
    else {
        return;
    };
    let umem = Umem::new(&UmemConfig {
        frames: 4,
        chunk: ChunkSize::K2,
        headroom: 128,
        huge: false,
        tx_metadata: false,
    })
    .expect("memory");
    let mut pool = FramePool::new(umem.take_frames());
    let mut port = Port::Pcap(Box::new(port));
    let (mut last, mut arrived) = (0, Vec::with_capacity(4));
    loop {
        let Port::Pcap(pcap) = &port else { unreachable!("it was made above") };
        let Some(now) = pcap.next_time() else { break };
        assert!(now >= last, "time does not go back");
        last = now;
        port.reap(&mut pool, now);
        let refused = port.rx(&mut pool, 4, &mut arrived);
        assert!(refused > 0 || !arrived.is_empty(), "the frame whose time has come comes");
        for frame in arrived.drain(..) {
            let _ = port.tx(frame, &mut pool);
        }
        assert_eq!(pool.len(), 4);
    }
    let Port::Pcap(mut pcap) = port else { unreachable!("it was made above") };
    let _ = pcap.finish();
});
