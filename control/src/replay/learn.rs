//! Learning in a replay: at once, as if the switch knew what each frame shows before the next frame comes. So a frame is
//! taken at a time, and what it showed is published before the next one: where its sender is, for NORMAL, and the flows that it taught.
//! Those go when their time is over by the captures' clock.

use crate::config::Learning;
use crate::learning::Learner;
use crate::ofproto::Ofproto;
use datapath::pipeline::Pipeline;
use datapath::port::PortId;
use datapath::worker::{Publisher, Reports, Worker};

/// What a replay needs to learn.
pub(super) struct Learn {
    learner: Learner,
    reports: Reports,
    switch: Ofproto,
    publisher: Publisher,
}

impl Learn {
    pub(super) fn new(limits: Learning, reports: Reports, pipeline: Pipeline, publisher: Publisher) -> Learn {
        Learn { learner: Learner::new(limits), reports, switch: Ofproto::over(pipeline), publisher }
    }

    /// The next frame of a port. Returns how many came in.
    pub(super) fn step(&mut self, worker: &mut Worker<'_>, port: PortId, now_ns: u64) -> usize {
        let now_ms = now_ns / 1_000_000;
        self.forget(worker, now_ms);
        let handled = worker.step(port, now_ns);
        let mut changed = false;
        while let Some(sighting) = self.reports.sighting() {
            changed |= self.learner.see(sighting, now_ms, self.switch.pipeline_mut());
        }
        while let Some(lesson) = self.reports.lesson() {
            changed |= self.switch.learn(now_ms, &lesson).is_ok();
        }
        if changed {
            self.publish();
        }
        handled
    }

    /// What was not used for long goes before the next frame comes.
    fn forget(&mut self, worker: &mut Worker<'_>, now_ms: u64) {
        let over = |deadline: Option<u64>| deadline.is_some_and(|deadline| deadline <= now_ms);
        let heeds = self.switch.heeds_fins();
        if !heeds && !self.learner.is_due(now_ms) && !over(self.switch.deadline()) {
            return;
        }
        worker.settle();
        self.switch.heed_fins();
        let forgotten = self.learner.age(now_ms, self.switch.pipeline_mut());
        if self.switch.expire(now_ms).changes() | forgotten {
            self.publish();
        }
    }

    fn publish(&mut self) {
        self.publisher.publish(self.switch.snapshot());
    }
}
