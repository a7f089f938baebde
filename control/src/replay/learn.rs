//! Learning in a replay: at once, as if the switch knew each frame's sender before the next frame comes. So a frame is
//! taken at a time, and what it showed is published before the next one.

use crate::config::Learning;
use crate::learning::Learner;
use datapath::pipeline::Pipeline;
use datapath::port::PortId;
use datapath::worker::{Publisher, Reports, Worker};

/// What a replay needs to learn.
pub(super) struct Learn {
    learner: Learner,
    reports: Reports,
    pipeline: Pipeline,
    publisher: Publisher,
}

impl Learn {
    pub(super) fn new(limits: Learning, reports: Reports, pipeline: Pipeline, publisher: Publisher) -> Learn {
        Learn { learner: Learner::new(limits), reports, pipeline, publisher }
    }

    /// The next frame of a port. Returns how many came in.
    pub(super) fn step(&mut self, worker: &mut Worker<'_>, port: PortId, now_ns: u64) -> usize {
        let now_ms = now_ns / 1_000_000;
        if self.learner.is_due(now_ms) {
            worker.settle();
            if self.learner.age(now_ms, &mut self.pipeline) {
                self.publisher.publish(self.pipeline.snapshot());
            }
        }
        let handled = worker.step(port, now_ns);
        let mut changed = false;
        while let Some(sighting) = self.reports.sighting() {
            changed |= self.learner.see(sighting, now_ms, &mut self.pipeline);
        }
        if changed {
            self.publisher.publish(self.pipeline.snapshot());
        }
        handled
    }
}
