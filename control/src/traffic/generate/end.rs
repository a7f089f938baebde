//! The last word: a few short frames that tell the sink how many there were. They go by the network stack's own way, after a pause in
//! which the others arrive, and more than once, in several streams, since rules may drop any of them.

use super::plan::Plan;
use crate::traffic::mark::{Mark, Start};
use af_xdp::{Umem, UmemConfig};
use anyhow::{Context, Result};
use datapath::mem::FramePool;
use datapath::port::{Packet, Port};
use std::thread;
use std::time::Duration;

/// In how many streams it is told.
const STREAMS: u32 = 32;
/// How often.
const TIMES: u32 = 3;
const PAUSE: Duration = Duration::from_millis(20);

/// How many frames that takes.
pub(super) fn frames(plan: &Plan) -> u64 {
    u64::from(TIMES * STREAMS.min(plan.streams))
}

/// Tells that `sent` frames were sent since `start_ns`. In the network namespace of the calling thread.
pub(super) fn tell(plan: &Plan, ifindex: u32, sent: u64, start_ns: u64) -> Result<()> {
    let umem = Umem::new(&UmemConfig { frames: 2, ..UmemConfig::default() })?;
    let mut pool = FramePool::new(umem.take_frames());
    let mut port = Port::Packet(Packet::open(ifindex).context("no AF_PACKET socket to tell the end by")?);
    let end = Mark::End { run: plan.look.run, streams: plan.streams, sent, start: Start::of(start_ns) };
    let (size, headers_len) = (plan.look.size_min() as u16, plan.look.headers_len());
    let told = STREAMS.min(plan.streams);
    for _ in 0..TIMES {
        thread::sleep(PAUSE);
        for n in 0..told {
            let stream = (u64::from(n) * u64::from(plan.streams) / u64::from(told)) as u32;
            let template = plan.look.template(stream, size).with_end(end);
            let Some(mut frame) = pool.take() else { break };
            if !frame.copy_from(template.bytes(headers_len)) {
                pool.give(frame);
                break;
            }
            // A device that is busy will take one of the others.
            port.tx(&mut [Some(frame)], &mut pool, |_| ());
        }
    }
    Ok(())
}
