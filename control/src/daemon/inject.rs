//! Frames that controllers send: handed to a worker, which does what they ask for after the rules that were there before them.

use super::Daemon;
use crate::ofproto::Error;
use datapath::pipeline::{Match, RuleAction};
use datapath::worker::PacketOut;

/// A frame of a controller's, as [`Ofproto::packet_out`](crate::ofproto::Ofproto::packet_out) has it.
#[derive(Debug)]
pub(super) struct Injection {
    /// Where it is said to have come in, and what else no header says.
    pub(super) says: Match,
    pub(super) actions: Vec<RuleAction>,
    pub(super) data: Vec<u8>,
}

/// How many were sent, and how many were not because too many were under way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Injected {
    pub(super) sent: u64,
    pub(super) lost: u64,
}

impl Daemon {
    /// Has a frame sent. One that finds too many under way is lost, and counted: the network loses frames too.
    ///
    /// # Errors
    /// Why it is refused.
    pub(super) fn inject(&mut self, injection: Injection) -> Result<(), Error> {
        let Injection { says, actions, data } = injection;
        let packet = self.switch.packet_out(says, actions, data)?;
        self.send_out(packet);
        Ok(())
    }

    /// The same with one that was looked at.
    pub(super) fn send_out(&mut self, packet: PacketOut) {
        match self.workers.inject(packet) {
            true => self.injected.sent += 1,
            false => self.injected.lost += 1,
        }
    }

    /// The number of the last that was sent, if it or one before it is still under way: for those who ask with a barrier.
    pub(super) fn injecting(&mut self) -> Option<u64> {
        let number = self.workers.injected();
        (!self.workers.has_injected(number)).then_some(number)
    }
}
