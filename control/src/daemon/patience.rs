//! How long a worker that finds no frames goes on looking before it sleeps.
//!
//! Being woken takes some thirty microseconds, which is more than all that is done with a frame; looking takes the core from others. So
//! a worker looks for as long as the next frame is likely to come: where the last pause was short, it waits that pause out awake;
//! where it was long, it sleeps at once. KVM does the same for idle guests (`halt_poll_ns`, Documentation/virt/kvm/halt-polling.rst
//! in Linux).

/// A pause up to this long is waited out awake, in nanoseconds.
const SHORT_NS: u64 = 200_000;
/// How many turns without frames there are at least before it sleeps.
const TURNS_MIN: u32 = 64;

/// What a worker knows of its pauses.
#[derive(Debug, Default)]
pub(super) struct Patience {
    /// Turns without frames since the last ones.
    turns: u32,
    /// When the first of them began, in nanoseconds.
    since_ns: u64,
    /// Whether the pause before this one was short.
    stays: bool,
}

impl Patience {
    /// Frames came in a turn that began at this time.
    pub(super) fn busy(&mut self, now_ns: u64) {
        if self.turns > 0 {
            self.stays = now_ns.saturating_sub(self.since_ns) <= SHORT_NS;
            self.turns = 0;
        }
    }

    /// None came. Says whether it is time to sleep.
    pub(super) fn idle(&mut self, now_ns: u64) -> bool {
        if self.turns == 0 {
            self.since_ns = now_ns;
        }
        self.turns = self.turns.saturating_add(1);
        self.turns >= TURNS_MIN && !(self.stays && now_ns.saturating_sub(self.since_ns) <= SHORT_NS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const US: u64 = 1000;

    /// Turns of a microsecond without frames, until it sleeps or frames come after `pause_us`.
    fn awake_us(patience: &mut Patience, now_us: &mut u64, pause_us: u64) -> u64 {
        let awake = (0..pause_us).take_while(|turn| !patience.idle((*now_us + turn) * US)).count() as u64;
        *now_us += pause_us;
        patience.busy(*now_us * US);
        awake
    }

    #[test]
    fn short_pauses_are_waited_out_and_long_ones_slept_through() {
        let (mut patience, mut now) = (Patience::default(), 0);
        assert_eq!(awake_us(&mut patience, &mut now, 100), 63, "the first one is slept through");
        assert_eq!(awake_us(&mut patience, &mut now, 100), 100, "the next one is expected");
        assert_eq!(awake_us(&mut patience, &mut now, 30), 30);
        assert_eq!(awake_us(&mut patience, &mut now, 1000), 201, "and not for longer than it may be");
        assert_eq!(awake_us(&mut patience, &mut now, 1000), 63, "a thousand a second cost no core");
    }
}
