//! Driving the worker: whoever's next frame is the earliest sets the time of the next turn.

use super::counters::Counters;
use super::files::{Capture, Captures, Paths};
use super::learn::Learn;
use super::plan::{Plan, SEED};
use super::progress::Progress;
use af_xdp::{ChunkSize, Umem, UmemConfig};
use anyhow::{Context, Result};
use datapath::mem::{FramePool, long_frames};
use datapath::port::{Port, PortId, Slot};
use datapath::stats::SharedStats;
use datapath::worker::{Parts, Worker, channel, reports_of_long_frames};
use std::sync::Arc;

/// Buffers. A turn takes a batch of 64 from one port at a time and needs one more for a copy.
const FRAMES: u32 = 256;
/// Flows that the worker remembers, as many as a worker of the daemon does.
const FLOWS: usize = 1 << 16;

/// What a replay comes to.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) counters: Counters,
    /// What the operator should know about the captures.
    pub(super) notes: Vec<String>,
}

/// Replays the captures to their end.
pub(super) fn drive(plan: &Plan, captures: Captures, mut progress: Option<Progress>) -> Result<Outcome> {
    // The same room in front of a frame as in the daemon, and long frames as there with jumbo frames.
    let memory =
        UmemConfig { frames: FRAMES, chunk: ChunkSize::K4, headroom: 0, huge: false, tx_metadata: true };
    let umem = Umem::new(&memory).context("cannot get memory for packets")?;
    let long = long_frames().context("cannot get memory for packets")?;
    let (pcaps, paths): (Vec<_>, Vec<Paths>) = captures.ports.into_iter().map(|port| port.split()).unzip();
    let slots = pcaps.into_iter().map(|pcap| Slot::new(Port::Pcap(Box::new(pcap))));
    let shared = Arc::new(SharedStats::new(plan.ports.len()));
    let (publisher, inbox) = channel();
    let (mut reporter, reports) = reports_of_long_frames();
    if let Some(rate) = plan.controller {
        reporter = reporter.limited(rate, SEED);
    }
    let mut controller = captures.controller.map(Capture::split);
    let mut worker = Worker::new(Parts {
        pool: FramePool::new(umem.take_frames()).with_long(long.take_frames()),
        ports: slots.zip(plan.ports.iter().map(|port| port.role)).collect(),
        pipeline: Arc::new(plan.pipeline.clone()),
        inbox,
        shared: shared.clone(),
        flows: FLOWS,
        seed: SEED,
    })
    .reporting(reporter);
    let mut learn =
        plan.learning.map(|limits| Learn::new(limits, reports.clone(), plan.pipeline.clone(), publisher));
    while let Some((time, port)) = earliest(&worker) {
        let handled = match &mut learn {
            Some(learn) => learn.step(&mut worker, port, time),
            None => worker.turn(time),
        };
        while let Some(punted) = reports.punted() {
            if let Some((pcap, _)) = &mut controller {
                pcap.write(time, punted.total_len, &punted.data);
            }
        }
        if let Some(progress) = &mut progress {
            progress.turn(handled);
        }
    }
    drop(progress);
    let mut notes = Vec::new();
    for (slot, paths) in worker.slots_mut().iter_mut().zip(&paths) {
        if let Port::Pcap(pcap) = &mut slot.port {
            paths.finish(pcap)?;
            notes.extend(paths.note(pcap));
        }
    }
    if let Some((mut pcap, paths)) = controller {
        paths.finish(&mut pcap)?;
    }
    worker.publish();
    let names = plan.ports.iter().map(|port| port.name.as_str());
    Ok(Outcome { counters: Counters::new(names, &shared.read()), notes })
}

/// When the next frame comes in, over all ports, and by which: of several the first.
fn earliest(worker: &Worker<'_>) -> Option<(u64, PortId)> {
    let times = worker.slots().iter().zip(0..).filter_map(|(slot, id)| match &slot.port {
        Port::Pcap(pcap) => Some((pcap.next_time()?, PortId(id))),
        _ => None,
    });
    times.min()
}
