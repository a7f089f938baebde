//! Counters that a worker publishes and others read.
//!
//! The worker stores, everybody else loads; each number is exact for some moment of the last publication, and two numbers
//! may be of publications one apart. Relaxed order is enough: nothing else is concluded from them.

use super::{DropReason, Drops, PortCounters, WorkerCounters};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

const PORT_FIELDS: usize = 7;
const WORKER_FIELDS: usize = 8;

/// The published counters of one worker.
#[derive(Debug)]
pub struct SharedStats {
    generation: AtomicU64,
    worker: [AtomicU64; WORKER_FIELDS],
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
            worker: Default::default(),
            drops: std::array::from_fn(|_| AtomicU64::new(0)),
            ports: (0..ports).map(|_| Default::default()).collect(),
        }
    }

    /// States which pipeline the worker uses from now on.
    pub fn adopted(&self, generation: u64) {
        self.generation.store(generation, std::sync::atomic::Ordering::Release);
    }

    /// Generation of the pipeline that the worker uses.
    pub fn generation(&self) -> u64 {
        self.generation.load(std::sync::atomic::Ordering::Acquire)
    }

    /// Publishes a worker's own counters.
    pub fn publish(&self, worker: &WorkerCounters, drops: &Drops) {
        let WorkerCounters { turns, idle_turns, hits, masked_hits, misses, adoptions, flows, masks } =
            *worker;
        store(&self.worker, [turns, idle_turns, hits, masked_hits, misses, adoptions, flows, masks]);
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
        let [turns, idle_turns, hits, masked_hits, misses, adoptions, flows, masks] = load(&self.worker);
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
            worker: WorkerCounters { turns, idle_turns, hits, masked_hits, misses, adoptions, flows, masks },
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
        let worker = WorkerCounters { turns: 7, hits: 5, ..Default::default() };
        let port = PortCounters { rx_packets: 3, tx_bytes: 9, ..Default::default() };
        shared.publish(&worker, &drops);
        shared.publish_port(1, &port);
        shared.adopted(4);
        let seen = shared.read();
        assert_eq!((seen.worker, seen.drops, seen.generation), (worker, drops, 4));
        assert_eq!(seen.ports, vec![PortCounters::default(), port]);
    }
}
