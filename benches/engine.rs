//! The flow engine: what it costs to find a flow, to meet a new one, to be attacked, and to change rules meanwhile.
//!
//! Whole turns over ports without devices, as in `bench-turn`. The rules: 10,000 that drop one conversation each (none of
//! those that are sent), so that the answer for a packet depends on its whole conversation; below them the rule that
//! forwards. Or that rule alone: one flow for all.

#[path = "engine/attack.rs"]
mod attack;
#[path = "engine/changes.rs"]
mod changes;
#[path = "engine/flows.rs"]
mod flows;
#[path = "engine/lookup.rs"]
mod lookup;

use benches::allocations::Counting;
use benches::place;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn main() -> anyhow::Result<()> {
    place::take(place::MEASURED);
    let parts = std::env::args().skip(1).collect::<Vec<_>>();
    let wanted = |part: &str| parts.is_empty() || parts.iter().any(|wanted| wanted == part);
    if wanted("lookup") {
        lookup::table()?;
    }
    if wanted("attack") {
        println!();
        attack::table()?;
    }
    if wanted("changes") {
        println!();
        changes::table()?;
    }
    Ok(())
}
