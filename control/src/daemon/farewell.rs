//! Entries that have gone: who is to hear of them hears of all that they counted, to the last frame.
//!
//! So workers are asked to go by rules without them and to write down what they counted, again and again until they have: some
//! milliseconds, and nobody waits for it.

use super::Daemon;
use std::future::pending;
use std::time::Duration;
use tokio::time::sleep;

/// How long to wait before looking again.
const PAUSE: Duration = Duration::from_millis(2);

/// Ends when it is time to look, if there is something to look for.
pub(super) async fn pause(has_leaving: bool) {
    match has_leaving {
        true => sleep(PAUSE).await,
        false => pending().await,
    }
}

impl Daemon {
    /// Looks which entries' counts are final, and asks for those that are not.
    pub(super) fn say_farewells(&mut self) {
        self.switch.settled(self.workers.settled());
        if self.switch.has_leaving() {
            self.workers.sweeper().ask();
        }
        for farewell in self.switch.farewells() {
            self.tell_farewell(&farewell);
        }
        self.deliver();
    }
}
