//! Counters that a worker publishes and others read.
//!
//! The worker stores, everybody else loads; each number is exact for some moment of the last publication, and two numbers
//! may be of publications one apart. Relaxed order is enough: nothing else is concluded from them.

use super::{DropReason, Drops, PerfCounters, PortCounters, TooLongCounters, WorkerCounters};
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

const PORT_FIELDS: usize = 7;
const WORKER_FIELDS: usize = 9;

/// The published counters of one worker.
#[derive(Debug)]
pub struct SharedStats {
    generation: AtomicU64,
    asked: AtomicU64,
    swept: AtomicU64,
    settled: AtomicU64,
    worker: [AtomicU64; WORKER_FIELDS],
    too_long: [AtomicU64; TooLongCounters::NAMES.len()],
    perf: [AtomicU64; PerfCounters::FIELDS],
    drops: [AtomicU64; DropReason::ALL.len()],
    ports: Box<[[AtomicU64; PORT_FIELDS]]>,
}

/// A reading of [`SharedStats`].
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Generation of the pipeline that the worker uses.
    pub generation: u64,
    /// What the worker did.
    pub worker: WorkerCounters,
    /// What died, and why.
    pub drops: Drops,
    /// One entry a port, in the order of their `PortId`s.
    pub ports: Vec<PortCounters>,
}

impl SharedStats {
    /// Counters for so many ports, all zero.
    pub fn new(ports: usize) -> SharedStats {
        SharedStats {
            generation: AtomicU64::new(0),
            asked: AtomicU64::new(0),
            swept: AtomicU64::new(0),
            settled: AtomicU64::new(0),
            worker: Default::default(),
            too_long: Default::default(),
            perf: Default::default(),
            drops: std::array::from_fn(|_| AtomicU64::new(0)),
            ports: (0..ports).map(|_| Default::default()).collect(),
        }
    }

    /// States which pipeline the worker uses from now on.
    pub fn adopted(&self, generation: u64) {
        self.generation.store(generation, Release);
    }

    /// Generation of the pipeline that the worker uses.
    pub fn generation(&self) -> u64 {
        self.generation.load(Acquire)
    }

    /// Control asks for a sweep: the worker shall write what its flows hold into the ledger. Returns its number, to wait for
    /// with [`SharedStats::swept`].
    pub fn ask_sweep(&self) -> u64 {
        self.asked.fetch_add(1, Relaxed) + 1
    }

    /// The last sweep that was asked for.
    #[inline]
    pub fn asked(&self) -> u64 {
        self.asked.load(Relaxed)
    }

    /// The worker has swept all its flows, beginning after it saw sweep `asked` and while it went by pipeline `generation`.
    pub fn sweep_ended(&self, asked: u64, generation: u64) {
        self.settled.store(generation, Release);
        self.swept.store(asked, Release);
    }

    /// The last sweep asked for that is done. Every frame that the worker had counted when it was asked can be read then.
    pub fn swept(&self) -> u64 {
        self.swept.load(Acquire)
    }

    /// The generation that the worker went by when its last whole sweep began: what older ones counted has been written
    /// and places of rules that were gone by then are free (`Pipeline::settled`).
    pub fn settled(&self) -> u64 {
        self.settled.load(Acquire)
    }

    /// Publishes a worker's own counters.
    pub fn publish(&self, worker: &WorkerCounters, drops: &Drops) {
        let WorkerCounters {
            turns,
            idle_turns,
            hits,
            masked_hits,
            misses,
            unkept,
            adoptions,
            flows,
            masks,
            too_long,
            perf,
        } = *worker;
        store(&self.worker, [turns, idle_turns, hits, masked_hits, misses, unkept, adoptions, flows, masks]);
        store(&self.too_long, too_long.values());
        store(&self.perf, perf.values());
        for (reason, count) in drops.iter() {
            self.drops[reason as usize].store(count, Relaxed);
        }
    }

    /// Publishes the counters of one port.
    pub fn publish_port(&self, port: usize, counters: &PortCounters) {
        let PortCounters { rx_packets, rx_bytes, rx_missed, tx_packets, tx_bytes, tx_errors, drops } =
            *counters;
        store(&self.ports[port], [rx_packets, rx_bytes, rx_missed, tx_packets, tx_bytes, tx_errors, drops]);
    }

    /// What was published last.
    pub fn read(&self) -> Snapshot {
        let [turns, idle_turns, hits, masked_hits, misses, unkept, adoptions, flows, masks] =
            load(&self.worker);
        let too_long = TooLongCounters::of(load(&self.too_long));
        let perf = PerfCounters::of(load(&self.perf));
        let mut drops = Drops::default();
        for reason in DropReason::ALL {
            drops.set(*reason, self.drops[*reason as usize].load(Relaxed));
        }
        let ports = self.ports.iter().map(|port| {
            let [rx_packets, rx_bytes, rx_missed, tx_packets, tx_bytes, tx_errors, drops] = load(port);
            PortCounters { rx_packets, rx_bytes, rx_missed, tx_packets, tx_bytes, tx_errors, drops }
        });
        Snapshot {
            generation: self.generation(),
            worker: WorkerCounters {
                turns,
                idle_turns,
                hits,
                masked_hits,
                misses,
                unkept,
                adoptions,
                flows,
                masks,
                too_long,
                perf,
            },
            drops,
            ports: ports.collect(),
        }
    }
}

fn store<const N: usize>(to: &[AtomicU64; N], values: [u64; N]) {
    for (cell, value) in to.iter().zip(values) {
        cell.store(value, Relaxed);
    }
}

fn load<const N: usize>(from: &[AtomicU64; N]) -> [u64; N] {
    std::array::from_fn(|i| from[i].load(Relaxed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_published_is_read() {
        let shared = SharedStats::new(2);
        let mut drops = Drops::default();
        drops.count(DropReason::TableMiss);
        let too_long = TooLongCounters { told: 2, clamped: 1, ..Default::default() };
        let perf = PerfCounters { frames: 5, timed_cycles: 900, ..Default::default() };
        let worker = WorkerCounters { turns: 7, hits: 5, too_long, perf, ..Default::default() };
        let port = PortCounters { rx_packets: 3, tx_bytes: 9, ..Default::default() };
        shared.publish(&worker, &drops);
        shared.publish_port(1, &port);
        shared.adopted(4);
        let seen = shared.read();
        assert_eq!((seen.worker, seen.drops, seen.generation), (worker, drops, 4));
        assert_eq!(seen.ports, vec![PortCounters::default(), port]);
    }
}
