//! Who competes: the switch, and a loop that only passes frames from ring to ring.

use crate::network::{Side, Sockets};
use af_xdp::{Frame, Socket, Umem};
use benches::{Scenario, frames, switch};
use datapath::port::{Port, Slot, Xsk};
use datapath::worker::Worker;
use std::time::Instant;

/// Something that takes packets from one end and sends them to the other.
pub(crate) trait Contender {
    /// Takes a batch, if there is one, through. Returns how many packets it was.
    fn turn(&mut self) -> usize;
}

/// A worker of adit, turned as the daemon turns it.
pub(crate) struct Adit<'u> {
    worker: Worker<'u>,
    start: Instant,
}

impl<'u> Adit<'u> {
    pub(crate) fn new(
        umem: &'u Umem,
        sockets: Sockets<'u>,
        scenario: Scenario,
    ) -> (Adit<'u>, impl Sized + use<>) {
        let Sockets { guest, uplink, programs } = sockets;
        let slots = [uplink, guest].map(|socket| Slot::new(Port::Xsk(Xsk::new(vec![socket], true))));
        let worker = switch::with_ports(umem, scenario, slots.into(), switch::REMEMBERED);
        (Adit { worker, start: Instant::now() }, programs)
    }
}

impl Contender for Adit<'_> {
    #[inline]
    fn turn(&mut self) -> usize {
        self.worker.turn(self.start.elapsed().as_nanos() as u64)
    }
}

/// The yardstick: rings and fifty constant bytes, nothing else. It looks at no packet and at no other port.
pub(crate) struct Bare<'u> {
    from: Socket<'u>,
    to: Socket<'u>,
    pool: Vec<Frame<'u>>,
    batch: Vec<Frame<'u>>,
    scenario: Scenario,
    header: [u8; frames::HEADERS],
}

impl<'u> Bare<'u> {
    pub(crate) fn new(
        umem: &'u Umem,
        sockets: Sockets<'u>,
        scenario: Scenario,
    ) -> (Bare<'u>, impl Sized + use<>) {
        let Sockets { guest, uplink, programs } = sockets;
        let (from, to) = match ingress(scenario) {
            Side::Guest => (guest, uplink),
            Side::Uplink => (uplink, guest),
        };
        let header = *frames::tunnelled(0).first_chunk().expect("a tunnelled frame begins with the headers");
        let (pool, batch) = (umem.take_frames().collect(), Vec::with_capacity(switch::BURST));
        (Bare { from, to, pool, batch, scenario, header }, programs)
    }
}

impl Contender for Bare<'_> {
    #[inline]
    fn turn(&mut self) -> usize {
        let Bare { from, to, pool, batch, scenario, header } = self;
        to.complete(|frame| pool.push(frame));
        from.fill(|| pool.pop());
        let taken = from.rx(switch::BURST, |frame| batch.push(frame));
        for mut frame in batch.drain(..) {
            match scenario {
                Scenario::Encap => {
                    if let Some(room) = frame.push(frames::HEADERS) {
                        room.copy_from_slice(header);
                    }
                }
                Scenario::Decap | Scenario::Forward => {
                    let _ = frame.pull(frames::HEADERS);
                }
            }
            if let Err(mut refused) = to.tx(frame) {
                refused.reset();
                pool.push(refused);
            }
        }
        let _ = to.wake();
        taken
    }
}

/// Where the packets of a scenario come in.
pub(crate) fn ingress(scenario: Scenario) -> Side {
    match scenario {
        Scenario::Forward | Scenario::Encap => Side::Guest,
        Scenario::Decap => Side::Uplink,
    }
}

/// Where they go out.
pub(crate) fn egress(scenario: Scenario) -> Side {
    match ingress(scenario) {
        Side::Guest => Side::Uplink,
        Side::Uplink => Side::Guest,
    }
}
