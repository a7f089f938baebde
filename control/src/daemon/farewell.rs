//! Entries that have gone: who is to hear of them hears of all that they counted, to the last frame.
//!
//! So workers are asked to go by rules without them and to write down what they counted, again and again until they have: some
//! milliseconds, and nobody waits for it.

use super::Daemon;
use std::time::Duration;

/// How long to wait before looking again.
pub(super) const PAUSE: Duration = Duration::from_millis(2);

/// How many are told of before those who hear of them have time to read.
const TOLD_MAX: usize = 1024;

impl Daemon {
    /// Looks which entries' counts are final, and asks for those that are not.
    pub(super) fn say_farewells(&mut self) {
        self.switch.settled(self.workers.settled());
        self.controllers.farewells.extend(self.switch.farewells());
        if self.switch.has_leaving() {
            self.workers.sweeper().ask();
        }
        for _ in 0..TOLD_MAX {
            let Some(farewell) = self.controllers.farewells.pop_front() else { break };
            self.tell_farewell(&farewell);
        }
        self.deliver();
    }

    /// Whether there is something to look for.
    pub(super) fn has_farewells(&self) -> bool {
        self.switch.has_leaving() || !self.controllers.farewells.is_empty()
    }
}
