//! The queues of all ports. They come with the ports, not with the rules.

use crate::action::queue::{Queue, QueueAt, QueueId};
use crate::flow::OfPort;
use std::collections::BTreeMap;
use std::sync::Arc;

/// How many queues there may be, over all ports.
pub const QUEUES_MAX: usize = 1 << 14;

/// All queues, shared with every snapshot that knows them.
#[derive(Clone, Debug, Default)]
pub(super) struct Queues {
    places: BTreeMap<(OfPort, QueueId), QueueAt>,
    list: Vec<(QueueId, Arc<Queue>)>,
}

impl Queues {
    /// Gives a port a queue, or another in the place of one. False when there are too many.
    pub(super) fn set(&mut self, port: OfPort, id: QueueId, queue: Arc<Queue>) -> bool {
        match self.places.get(&(port, id)) {
            Some(at) => self.list[usize::from(at.0)].1 = queue,
            None if self.list.len() == QUEUES_MAX => return false,
            None => {
                self.places.insert((port, id), QueueAt(self.list.len() as u16));
                self.list.push((id, queue));
            }
        }
        true
    }

    /// Gives them a state of their own: what goes through them from now on is not seen elsewhere.
    pub(super) fn part(&mut self) {
        self.list.iter_mut().for_each(|(_, queue)| *queue = Arc::new(Queue::clone(queue)));
    }

    pub(super) fn place(&self, port: OfPort, id: QueueId) -> Option<QueueAt> {
        self.places.get(&(port, id)).copied()
    }

    #[inline]
    pub(super) fn at(&self, at: QueueAt) -> &Queue {
        &self.list[usize::from(at.0)].1
    }

    pub(super) fn id(&self, at: QueueAt) -> QueueId {
        self.list[usize::from(at.0)].0
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (OfPort, QueueId, &Arc<Queue>)> {
        self.places.iter().map(|((port, id), at)| (*port, *id, &self.list[usize::from(at.0)].1))
    }
}
