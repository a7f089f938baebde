//! `queues` of a `[[port]]`: tables in the words of Open vSwitch's linux-htb (ovs-vswitchd.conf.db(5), table Queue).

use super::section::{Faults, Section};
use datapath::pipeline::{QueueId, QueueSpec};
use std::collections::BTreeSet;

/// How many queues a port may have.
const QUEUES_MAX: usize = 16;
/// The fastest queue, in bits a second: ten terabits.
const RATE_MAX: u64 = 10_000_000_000_000;
/// The slowest.
const RATE_MIN: u64 = 1000;

pub(super) fn queues(section: &mut Section<'_>, faults: &mut Faults<'_>) -> Vec<(QueueId, QueueSpec)> {
    let mut queues = Vec::new();
    let mut seen = BTreeSet::new();
    for value in section.array("queues", QUEUES_MAX, faults).unwrap_or_default() {
        let Some(table) = value.get_ref().as_table() else {
            faults
                .at(&value.span(), "a queue is a table, as in queues = [{ id = 1, max_rate = 10_000_000 }]");
            continue;
        };
        let mut queue = Section::new("a queue", table, value.span());
        let id = queue.number("id", 0..=u64::from(u32::MAX) - 1, faults);
        let id = queue.needed("id", id, "1", faults);
        let max_rate = queue.number("max_rate", RATE_MIN..=RATE_MAX, faults).map(|rate| rate.value);
        let burst = queue.number("burst", 1..=RATE_MAX, faults);
        if let (None, Some(burst)) = (max_rate, &burst) {
            faults.at(&burst.span, "burst says nothing without max_rate");
        }
        queue.finish(&["min_rate", "priority", "dscp"], faults);
        let Some(id) = id else { continue };
        if !seen.insert(id.value) {
            faults.at(&id.span, format!("the port has two queues of id {}", id.value));
            continue;
        }
        let spec = QueueSpec { max_rate, burst: burst.map(|burst| burst.value) };
        queues.push((QueueId(id.value as u32), spec));
    }
    queues
}
