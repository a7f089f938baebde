//! A packet given as bytes: where they come from, what their key is, and what comes out of a worker that gets them.

use super::Args;
use super::report::Packet;
use crate::replay::{Plan, PlannedPort};
use af_xdp::{ChunkSize, Umem, UmemConfig};
use anyhow::{Context, Result, anyhow, bail, ensure};
use datapath::flow::{FlowKey, extract};
use datapath::mem::{FramePool, long_frames};
use datapath::port::{Memory, Pcap, Port, Slot};
use datapath::stats::{DropReason, SharedStats};
use datapath::tunnel::{Last, decap};
use datapath::worker::{Parts, Role, Worker, channel, reports_of_long_frames};
use std::fs::File;
use std::io::BufReader;
use std::sync::Arc;

/// Buffers: the packet, and copies of it.
const FRAMES: u32 = 128;
/// A memory of the same shape as a worker's.
const MEMORY: UmemConfig =
    UmemConfig { frames: FRAMES, chunk: ChunkSize::K4, headroom: 0, huge: false, tx_metadata: true };

/// The packet's bytes.
pub(super) fn read(args: &Args) -> Result<Vec<u8>> {
    match (&args.hex, &args.pcap) {
        (Some(hex), _) => from_hex(hex),
        (None, Some(path)) => {
            let number = args.packet.unwrap_or(1);
            let file = File::open(path).with_context(|| format!("{} cannot be opened", path.display()))?;
            let input = Box::new(BufReader::new(file));
            let mut pcap = Pcap::new(Some(input), None).with_context(|| path.display().to_string())?;
            for _ in 1..number {
                pcap.skip();
            }
            let bytes = pcap.peek().map(<[u8]>::to_vec);
            pcap.finish().with_context(|| path.display().to_string())?;
            bytes.ok_or_else(|| anyhow!("{} has no packet {number}", path.display()))
        }
        (None, None) => bail!("there is no packet: give a flow, --hex or --pcap"),
    }
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(super) fn from_hex(text: &str) -> Result<Vec<u8>> {
    let digits: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace() && *byte != b':').collect();
    ensure!(digits.len().is_multiple_of(2), "--hex: an odd number of digits");
    let digit = |byte: u8| {
        char::from(byte).to_digit(16).ok_or_else(|| anyhow!("--hex: {:?} is no digit", char::from(byte)))
    };
    digits.chunks_exact(2).map(|pair| Ok((digit(pair[0])? << 4 | digit(pair[1])?) as u8)).collect()
}

/// The key of the packet, after the outer headers of one that comes in by an uplink, or why it has none.
pub(super) fn key(plan: &Plan, port: usize, bytes: &[u8]) -> Result<Result<FlowKey, DropReason>> {
    let umem = Umem::new(&MEMORY).context("cannot get memory for the packet")?;
    let long = long_frames().context("cannot get memory for the packet")?;
    let mut pool = FramePool::new(umem.take_frames()).with_long(long.take_frames());
    let Some(mut frame) = pool.hold(bytes) else {
        return Ok(Err(DropReason::FrameTooLong));
    };
    let mut key = FlowKey::default();
    let read = match plan.ports[port].role {
        Role::Guest(ofport) => extract(frame.bytes(), ofport, None, &mut key),
        Role::Uplink => {
            let tunnels = plan.pipeline.tunnels();
            let mut last = Last::default();
            decap(&mut frame, tunnels, |address| plan.pipeline.is_endpoint(address), &mut last).and_then(
                |(tunnel, outer)| {
                    let read = extract(frame.bytes(), tunnels.spec(tunnel).ofport, Some(&outer), &mut key)?;
                    if outer.options != 0 {
                        last.give_options(&mut key);
                    }
                    Ok(read)
                },
            )
        }
    };
    key.measure(frame.len() as u16);
    pool.give(frame);
    Ok(read.map(|_| key))
}

/// What comes out of a worker that gets the packet.
pub(super) fn through(plan: &Plan, port: usize, bytes: &[u8]) -> Result<Vec<Packet>> {
    let umem = Umem::new(&MEMORY).context("cannot get memory for the packet")?;
    let long = long_frames().context("cannot get memory for the packet")?;
    let (near, far): (Vec<_>, Vec<_>) = plan.ports.iter().map(|_| Memory::pair(FRAMES as usize)).unzip();
    let slots = near.into_iter().map(|near| Slot::new(Port::Memory(near)));
    let (_publisher, inbox) = channel();
    let (reporter, reports) = reports_of_long_frames();
    let mut worker = Worker::new(Parts {
        pool: FramePool::new(umem.take_frames()).with_long(long.take_frames()),
        ports: slots.zip(plan.ports.iter().map(|port: &PlannedPort| port.role)).collect(),
        pipeline: Arc::new(plan.pipeline.clone()),
        inbox,
        shared: Arc::new(SharedStats::new(plan.ports.len())),
        flows: 64,
        seed: plan.seed,
    })
    .reporting(reporter);
    let _ = far[port].send(bytes.to_vec());
    worker.turn(1);
    let mut packets = Vec::new();
    for (port, far) in plan.ports.iter().zip(&far) {
        while let Some(bytes) = far.receive() {
            packets.push(Packet { port: port.name.clone(), hex: to_hex(&bytes) });
        }
    }
    while let Some(punted) = reports.punted() {
        packets.push(Packet { port: "controller".into(), hex: to_hex(&punted.data) });
    }
    Ok(packets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_read_with_and_without_separators() {
        assert_eq!(from_hex("00:aF 10").unwrap(), [0, 0xaf, 0x10]);
        assert!(from_hex("0").is_err() && from_hex("zz").is_err());
    }
}
