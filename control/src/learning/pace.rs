//! How fast is learned, so that a tenant who makes addresses up keeps others from nothing: each has a rate of its own, and all together have one.

use crate::allowance::{Allowance, Limit};
use std::collections::HashMap;

/// How many tenants learn at a time that are told apart. Those beyond share what is left to all.
const PACED_MAX: usize = 4096;
const TIDY_MS: u64 = 1000;
const BURST_SECONDS: u64 = 4;
const TENANTS_WORTH: u64 = 10;

/// How fast is learned: each tenant so much a second, and all of them ten times as much; four seconds' worth at once after a pause.
#[derive(Debug)]
pub(super) struct Pace {
    of_tenant: Limit,
    of_all: Limit,
    tenants: HashMap<u64, Allowance>,
    all: Allowance,
    /// When tenants were last forgotten that may learn at once again.
    tidied: u64,
}

impl Pace {
    /// So much a second for each tenant.
    pub(super) fn of(per_second: u32) -> Pace {
        let limit = |per_second| Limit { per_second, burst: per_second * BURST_SECONDS };
        let (of_tenant, of_all) = (limit(per_second.into()), limit(u64::from(per_second) * TENANTS_WORTH));
        Pace { of_tenant, of_all, tenants: HashMap::new(), all: Allowance::default(), tidied: 0 }
    }

    /// Whether one more may be learned for this tenant at that time, in milliseconds. If so, it is counted.
    pub(super) fn admits(&mut self, tenant: u64, now: u64) -> bool {
        let Pace { of_tenant, of_all, tenants, all, tidied } = self;
        if now.saturating_sub(*tidied) >= TIDY_MS {
            tenants.retain(|_, allowance| !allowance.is_whole(now));
            *tidied = now;
        }
        let told_apart = tenants.len() < PACED_MAX || tenants.contains_key(&tenant);
        if told_apart && !tenants.entry(tenant).or_default().take(*of_tenant, now) {
            return false;
        }
        all.take(*of_all, now)
    }
}
