//! How fast is learned, so that a tenant who makes addresses up keeps others from nothing: each has a rate of its own, and all together have one.

use std::collections::HashMap;

/// How many tenants learn at a time that are told apart. Those beyond share what is left to all.
const PACED_MAX: usize = 4096;
const TIDY_MS: u64 = 1000;
const BURST_SECONDS: u64 = 4;
const TENANTS_WORTH: u64 = 10;

/// How fast is learned: each tenant so much a second, and all of them ten times as much; four seconds' worth at once after a pause.
#[derive(Debug)]
pub(super) struct Pace {
    per_second: u64,
    tenants: HashMap<u64, Allowance>,
    all: Allowance,
    /// When tenants were last forgotten that may learn at once again.
    tidied: u64,
}

impl Pace {
    /// So much a second for each tenant.
    pub(super) fn of(per_second: u32) -> Pace {
        let per_second = u64::from(per_second);
        Pace { per_second, tenants: HashMap::new(), all: Allowance::default(), tidied: 0 }
    }

    /// Whether one more may be learned for this tenant at that time, in milliseconds. If so, it is counted.
    pub(super) fn admits(&mut self, tenant: u64, now: u64) -> bool {
        let Pace { per_second, tenants, all, tidied } = self;
        if now.saturating_sub(*tidied) >= TIDY_MS {
            tenants.retain(|_, allowance| allowance.free_at > now);
            *tidied = now;
        }
        let told_apart = tenants.len() < PACED_MAX || tenants.contains_key(&tenant);
        if told_apart && !tenants.entry(tenant).or_default().take(*per_second, now) {
            return false;
        }
        all.take(*per_second * TENANTS_WORTH, now)
    }
}

/// What of a rate is used up: as `datapath::action::Rate` keeps it, in milliseconds and parts of them.
#[derive(Clone, Copy, Debug, Default)]
struct Allowance {
    /// When all of it is free again.
    free_at: u64,
    /// What was left over when sightings were turned into milliseconds.
    rest: u64,
}

impl Allowance {
    fn take(&mut self, per_second: u64, now: u64) -> bool {
        if self.free_at < now {
            *self = Allowance { free_at: now, rest: 0 };
        }
        if self.free_at - now >= BURST_SECONDS * 1000 {
            return false;
        }
        self.rest += 1000;
        self.free_at += self.rest / per_second.max(1);
        self.rest %= per_second.max(1);
        true
    }
}
