//! The straight line of a packet.

use super::{Worker, wide};
use crate::mem::BATCH;
use crate::port::PortId;
use crate::stats::{DropReason, Stage};

impl Worker<'_> {
    /// One turn: a batch of every port goes through. `now_ns` is read once, by the caller. Returns how many frames came in.
    #[inline(never)]
    pub fn turn(&mut self, now_ns: u64) -> usize {
        wide::turn(self, now_ns)
    }

    /// Inlined, with all stages that every frame goes through, into what [`wide`] makes of it.
    #[inline(always)]
    pub(super) fn all_ports(&mut self, now_ns: u64) -> usize {
        self.begin(now_ns);
        let mut handled = 0;
        for port in self.port_ids() {
            self.reap(port); //            completions -> pool; from here on every port knows the turn's time
        }
        self.laps.end_of(Stage::Reap);
        handled += self.inject(); //       what control sends
        self.laps.end_of(Stage::Inject);
        for port in self.port_ids() {
            self.refill(port); //          pool -> fill ring
            self.laps.end_of(Stage::Refill);
            handled += self.serve(port, BATCH);
        }
        for port in self.port_ids() {
            self.flush(port); //           one wake-up a port
        }
        self.laps.end_of(Stage::Flush);
        self.end(handled);
        handled
    }

    /// A turn for one frame of one port, if there is one: for whoever must see what each frame changes before the next one
    /// comes, as a replay of a switch that learns.
    pub fn step(&mut self, port: PortId, now_ns: u64) -> usize {
        self.begin(now_ns);
        self.port_ids().for_each(|port| self.reap(port));
        self.refill(port);
        let handled = self.serve(port, 1);
        self.port_ids().for_each(|port| self.flush(port));
        self.end(handled);
        handled
    }

    /// At most so many frames of a port, all the way.
    #[inline(always)]
    fn serve(&mut self, port: PortId, max: usize) -> usize {
        let handled = self.rx(port, max); // ring -> batch
        self.laps.end_of(Stage::Rx);
        if self.batch.frames.is_empty() {
            return handled;
        }
        self.classify(port); //              batch -> keys: outer headers checked and cut off, the tenant in the key
        self.laps.end_of(Stage::Classify);
        self.lookup(); //                    keys -> programs
        self.laps.end_of(Stage::Lookup);
        self.translate(); //                 the misses, on this core
        self.laps.end_of(Stage::Translate);
        self.execute(port); //               runs of one program: edit, encapsulate, output, drop with a reason
        self.laps.end_of(Stage::Execute);
        handled
    }

    #[inline]
    fn port_ids(&self) -> impl Iterator<Item = PortId> + use<> {
        (0..self.slots.len() as u16).map(PortId)
    }

    #[inline]
    fn reap(&mut self, port: PortId) {
        self.slots[usize::from(port.0)].port.reap(&mut self.pool, self.now_ns);
    }

    #[inline]
    fn refill(&mut self, port: PortId) {
        self.slots[usize::from(port.0)].port.refill(&mut self.pool);
    }

    #[inline(always)]
    fn rx(&mut self, port: PortId, max: usize) -> usize {
        let slot = &mut self.slots[usize::from(port.0)];
        let refused = slot.rx(&mut self.pool, max, &mut self.batch.frames);
        for _ in 0..refused {
            self.executor(port).count(DropReason::FrameTooLong);
        }
        self.batch.frames.len() + refused as usize
    }

    #[inline]
    fn flush(&mut self, port: PortId) {
        self.slots[usize::from(port.0)].flush();
    }
}
