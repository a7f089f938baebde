//! Who listens to what the controller is told: clients that asked for it, each with a queue of fixed size. Nobody waits for them:
//! what finds a queue full is lost to that client, and counted.

use super::Daemon;
use crate::api::{Answer, PacketIn};
use crate::status::ControllerStatus;
use datapath::stats::DropReason;
use std::sync::Arc;
use tokio::sync::mpsc::{self, error::TrySendError};

/// Frames that wait for a client.
const QUEUE: usize = 256;
/// How many may listen at a time.
const MONITORS_MAX: usize = 16;
/// Frames that are taken up before the rest of control has its turn.
const TAKEN_MAX: usize = 1024;

/// Where a client hears of frames.
pub(super) type Listening = mpsc::Receiver<Arc<Answer>>;

/// Those who listen.
#[derive(Default)]
pub(super) struct Monitors {
    queues: Vec<mpsc::Sender<Arc<Answer>>>,
    told: u64,
    unheard: u64,
    lost: u64,
}

impl Monitors {
    /// One more; None when there are as many as may be.
    pub(super) fn join(&mut self) -> Option<Listening> {
        self.queues.retain(|queue| !queue.is_closed());
        if self.queues.len() == MONITORS_MAX {
            return None;
        }
        let (queue, listening) = mpsc::channel(QUEUE);
        self.queues.push(queue);
        Some(listening)
    }

    /// `heard`: whether somebody else has heard it.
    fn tell(&mut self, heard: bool, packet: impl FnOnce() -> PacketIn) {
        self.told += 1;
        self.queues.retain(|queue| !queue.is_closed());
        if self.queues.is_empty() {
            self.unheard += u64::from(!heard);
            return;
        }
        let answer = Arc::new(Answer::PacketIn(Box::new(packet())));
        for queue in &self.queues {
            if let Err(TrySendError::Full(_)) = queue.try_send(answer.clone()) {
                self.lost += 1;
            }
        }
    }
}

impl Daemon {
    /// Hands on what the workers tell the controller. True when there may be more.
    pub(super) fn tell(&mut self) -> bool {
        let told: Vec<_> = self.workers.punted().take(TAKEN_MAX).collect();
        let full = told.len() == TAKEN_MAX;
        for punted in told {
            let heard = self.tell_controllers(&punted);
            self.monitors.tell(heard, || PacketIn::of(&punted, &*self.names));
        }
        full
    }

    /// What `adit show` tells of it.
    pub(super) fn controller(&self) -> ControllerStatus {
        let Monitors { queues, told, unheard, lost } = &self.monitors;
        let drops = |reason| self.workers.tallies().iter().map(|tally| tally.drops(reason)).sum::<u64>();
        ControllerStatus {
            told: *told,
            not_told: drops(DropReason::PuntFull)
                + drops(DropReason::PuntOverRate)
                + drops(DropReason::PuntOverShare),
            unheard: *unheard,
            lost: *lost,
            monitors: queues.iter().filter(|queue| !queue.is_closed()).count(),
            sent: self.injected.sent,
            unsent: self.injected.lost,
        }
    }
}
