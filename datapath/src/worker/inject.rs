//! Frames that control sends (OpenFlow 1.3 section 7.3.7): each with what is known beside its bytes and a list of actions, which a
//! worker does as if the frame had come in by a port.
//!
//! They come by a lock-free queue of fixed size and go back by another, so that whoever made one frees it: the worker neither
//! allocates nor frees. It takes a bounded number of them in a turn. One that names a generation of the rules is done by that one or a
//! later one, however busy the worker is; and those of one sender are done in their order.

use super::Worker;
use crate::action::execute::Executor;
use crate::flow::{Field, FlowKey, OfPort, extract};
use crate::pipeline::{Match, Pipeline, RuleAction, Target, translate_actions};
use crate::port::PortId;
use crate::stats::{Counted, DropReason};
use crossbeam::queue::ArrayQueue;
use std::slice::from_ref;
use std::sync::Arc;

/// How many wait for a worker, or are on their way back, at a time.
pub const PACKETS_MAX: usize = 256;
/// How many are done in a turn.
const TURN_MAX: usize = 32;

/// A frame to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PacketOut {
    /// What is known beside its bytes: the port that it is said to have come in by, and whatever else no header says.
    pub says: Match,
    /// What to do with it.
    pub actions: Vec<RuleAction>,
    /// The frame, without FCS.
    pub data: Vec<u8>,
    /// The generation of the rules that it is done by, or a later one.
    pub generation: u64,
}

type Queue = Arc<ArrayQueue<Box<PacketOut>>>;

/// Control's end.
#[derive(Debug)]
pub struct Injector {
    waiting: Queue,
    done: Queue,
    /// How many were sent.
    sent: u64,
    /// How many of them are back. They come back in order, so these are the first.
    back: u64,
}

/// The worker's end.
#[derive(Debug)]
pub struct Injections {
    waiting: Queue,
    done: Queue,
}

/// Connects control and a worker.
pub fn injections() -> (Injector, Injections) {
    let queue = || Arc::new(ArrayQueue::new(PACKETS_MAX));
    let (waiting, done): (Queue, Queue) = (queue(), queue());
    let injector = Injector { waiting: waiting.clone(), done: done.clone(), sent: 0, back: 0 };
    (injector, Injections { waiting, done })
}

impl Injector {
    /// Has the worker send a frame.
    ///
    /// # Errors
    /// The frame, when as many are under way as may be.
    pub fn send(&mut self, packet: PacketOut) -> Result<(), PacketOut> {
        if self.under_way() == PACKETS_MAX {
            return Err(packet);
        }
        match self.waiting.push(Box::new(packet)) {
            Ok(()) => {
                self.sent += 1;
                Ok(())
            }
            Err(packet) => Err(*packet),
        }
    }

    /// How many were sent that the worker has not done yet. Frees those that it has.
    pub fn under_way(&mut self) -> usize {
        while self.done.pop().is_some() {
            self.back += 1;
        }
        // No more than PACKETS_MAX.
        self.sent.saturating_sub(self.back) as usize
    }

    /// How many were sent since the beginning: the number of the last, counted from 1.
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// Whether the worker has done all up to the one of this number. One that was not sent yet is not done.
    pub fn has_done(&mut self, number: u64) -> bool {
        self.under_way();
        self.back >= number
    }
}

impl Worker<'_> {
    /// Whether frames of control's wait: then there is work though none comes in.
    pub fn is_injecting(&self) -> bool {
        !self.injections.waiting.is_empty()
    }

    /// Does what control has sent, as much of it as one turn may. Returns how many.
    #[inline]
    pub(super) fn inject(&mut self) -> usize {
        if self.injections.waiting.is_empty() { 0 } else { self.inject_some() }
    }

    #[cold]
    fn inject_some(&mut self) -> usize {
        for number in 0..TURN_MAX {
            let Some(packet) = self.injections.waiting.pop() else { return number };
            if packet.generation > self.pipeline.generation()
                && let Some(newest) = self.inbox.take()
            {
                self.adopt(newest);
            }
            self.send_for_control(&packet);
            // There is room: no more are under way than it has room for.
            let _ = self.injections.done.push(packet);
        }
        TURN_MAX
    }

    fn send_for_control(&mut self, packet: &PacketOut) {
        // Of the batch before.
        self.report.end_batch();
        let Worker {
            slots,
            pool,
            drops,
            report,
            too_long,
            seed,
            translation,
            pipeline,
            now_ns,
            injections: _,
            ..
        } = self;
        let ofport = OfPort(packet.says.key().get(Field::InPort) as u32);
        let in_port = port_of(pipeline, ofport);
        let mut executor = Executor { slots, pool, drops, report, too_long, in_port, seed, now_ns: *now_ns };
        if executor.pool.is_empty() {
            return executor.count(DropReason::PoolEmpty);
        }
        let Some(mut frame) = executor.pool.hold(&packet.data) else {
            return executor.count(DropReason::FrameTooLong);
        };
        let mut key = FlowKey::default();
        let length = frame.len() as u16;
        match extract(frame.bytes(), ofport, None, &mut key) {
            Ok(None) => {}
            Ok(Some(unfilled)) => {
                frame.truncate(unfilled.end);
                frame.request_checksum(unfilled.start, unfilled.field);
            }
            Err(reason) => return executor.drop(frame, reason),
        }
        packet.says.impose(&mut key);
        key.measure(length);
        translate_actions(pipeline, &packet.actions, &key, &packet.says, translation);
        translation.renumber_once(executor.report);
        let counted = Counted { packets: 1, bytes: frame.len() as u64, used_ms: *now_ns / 1_000_000 };
        translation.credits().iter().for_each(|credit| pipeline.ledger().add(*credit, counted));
        executor.execute(&mut [Some(frame)], from_ref(&key), translation.actions(), &**pipeline);
        // Control frees what it has made: nothing here names it any more.
        executor.report.end_batch();
        translation.release();
    }
}

/// The port of the worker that a bridge port is.
fn port_of(pipeline: &Pipeline, port: OfPort) -> Option<PortId> {
    match pipeline.target(port)? {
        Target::Port(port) => Some(port),
        Target::Tunnel(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet() -> PacketOut {
        PacketOut { says: Match::default(), actions: Vec::new(), data: vec![0; 60], generation: 0 }
    }

    /// As a worker does it.
    fn give_back(injections: &Injections) {
        let packet = injections.waiting.pop().expect("one waits");
        injections.done.push(packet).expect("room");
    }

    #[test]
    fn what_is_sent_later_is_not_waited_for() {
        let (mut injector, injections) = injections();
        assert!(injector.has_done(0), "nothing was sent");
        for _ in 0..2 {
            injector.send(packet()).expect("room");
        }
        let number = injector.sent();
        assert_eq!((number, injector.has_done(number)), (2, false));
        for _ in 0..3 {
            injector.send(packet()).expect("room");
        }
        give_back(&injections);
        assert!(injector.has_done(1) && !injector.has_done(number));
        give_back(&injections);
        assert!(injector.has_done(number), "three are under way that came later");
        assert_eq!((injector.under_way(), injector.sent()), (3, 5));
        assert!(!injector.has_done(5) && !injector.has_done(6));
    }

    #[test]
    fn one_that_finds_no_room_has_no_number() {
        let (mut injector, injections) = injections();
        for _ in 0..PACKETS_MAX {
            injector.send(packet()).expect("room");
        }
        assert_eq!(injector.send(packet()), Err(packet()));
        assert_eq!(injector.sent(), PACKETS_MAX as u64);
        give_back(&injections);
        injector.send(packet()).expect("room again");
        assert_eq!((injector.sent(), injector.under_way()), (PACKETS_MAX as u64 + 1, PACKETS_MAX));
    }
}
