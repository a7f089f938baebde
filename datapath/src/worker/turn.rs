//! The straight line of a packet.

use super::Worker;
use crate::mem::BATCH;
use crate::port::PortId;
use crate::stats::DropReason;

impl Worker<'_> {
    /// One turn: a batch of every port goes through. `now_ns` is read once, by the caller. Returns how many frames came in.
    pub fn turn(&mut self, now_ns: u64) -> usize {
        self.begin(now_ns);
        let mut handled = 0;
        for port in self.port_ids() {
            self.reap(port); //            completions -> pool; from here on every port knows the turn's time
        }
        for port in self.port_ids() {
            self.refill(port); //          pool -> fill ring
            handled += self.rx(port); //   ring -> batch
            self.classify(port); //        batch -> keys: outer headers checked and cut off, the tenant in the key
            self.lookup(); //              keys -> programs
            self.translate(); //           the misses, on this core
            self.execute(port); //         runs of one program: edit, encapsulate, output, drop with a reason
        }
        for port in self.port_ids() {
            self.flush(port); //           one wake-up a port
        }
        self.end(handled);
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

    #[inline]
    fn rx(&mut self, port: PortId) -> usize {
        let slot = &mut self.slots[usize::from(port.0)];
        let refused = slot.rx(&mut self.pool, BATCH, &mut self.batch.arrived);
        for _ in 0..refused {
            self.executor(port).count(DropReason::FrameTooLong);
        }
        self.batch.arrived.len() + refused as usize
    }

    #[inline]
    fn flush(&mut self, port: PortId) {
        self.slots[usize::from(port.0)].flush();
    }
}
