//! Comparing counters: those that a case names have exactly its value, all others are zero.
//!
//! A case's `counters.json` has the shape of the `counters.json` of a replay (see `control::replay::Counters`), and numbers
//! only: what is zero is left out, sentences are not repeated.

use anyhow::{Context, Result, bail};
use control::replay::{Counters, PortTotals};
use control::status::TooLongStatus;
use serde_json::Value;
use std::collections::BTreeMap;

/// A counter's place, from the outside in, and its value.
type Moved = Vec<(Vec<String>, u64)>;

/// Compares the counters of a case with those of its replay.
pub fn compare(expected: &str, found: &Counters) -> Result<()> {
    let json = serde_json::from_str(expected).context("counters.json")?;
    let mut named = Vec::new();
    leaves(&json, &mut Vec::new(), &mut named)?;
    let mut named: BTreeMap<_, _> = named.into_iter().collect();
    let mut wrong = Vec::new();
    for (place, value) in moved(found) {
        let expected = named.remove(&place).unwrap_or(0);
        if expected != value {
            wrong.push(format!("  {}: {value}, expected {expected}", place.join(".")));
        }
    }
    let zero = named.into_iter().filter(|(_, expected)| *expected != 0);
    wrong.extend(zero.map(|(place, expected)| format!("  {}: 0, expected {expected}", place.join("."))));
    if wrong.is_empty() {
        return Ok(());
    }
    bail!(
        "counters that are not as expected:\n{}\nall that moved:\n{}",
        wrong.join("\n"),
        to_text(found).trim_end()
    );
}

fn leaves(json: &Value, place: &mut Vec<String>, found: &mut Moved) -> Result<()> {
    match json {
        Value::Object(map) => {
            for (key, value) in map {
                place.push(key.clone());
                leaves(value, place, found)?;
                place.pop();
            }
            Ok(())
        }
        other => {
            let value =
                other.as_u64().with_context(|| format!("counters.json: {} is no number", place.join(".")))?;
            found.push((place.clone(), value));
            Ok(())
        }
    }
}

/// The counters that are not zero, by name within their part.
fn moved(counters: &Counters) -> Moved {
    let mut moved = Moved::new();
    let mut add = |place: &[&str], value: u64| {
        if value != 0 {
            moved.push((place.iter().map(|word| (*word).to_owned()).collect(), value));
        }
    };
    let mut ports: Vec<_> = counters.ports.iter().collect();
    ports.sort_by(|a, b| a.0.cmp(&b.0));
    for (port, totals) in ports {
        for (name, value) in fields(totals) {
            add(&["ports", port, name], value);
        }
    }
    for (name, value) in fields(&counters.total) {
        add(&["total", name], value);
    }
    let mut drops: Vec<_> = counters.drops.iter().collect();
    drops.sort_by_key(|(name, _)| *name);
    for (name, dropped) in drops {
        add(&["drops", name, "packets"], dropped.packets);
    }
    add(&["flow_cache", "hits"], counters.flow_cache.hits);
    add(&["flow_cache", "misses"], counters.flow_cache.misses);
    let TooLongStatus { told, limited, untold, fragmented, fragments, clamped } = counters.too_long;
    add(&["too_long", "told"], told);
    add(&["too_long", "limited"], limited);
    add(&["too_long", "untold"], untold);
    add(&["too_long", "fragmented"], fragmented);
    add(&["too_long", "fragments"], fragments);
    add(&["too_long", "clamped"], clamped);
    moved
}

fn fields(totals: &PortTotals) -> [(&'static str, u64); 5] {
    let PortTotals { rx_packets, rx_bytes, tx_packets, tx_bytes, drops } = *totals;
    [
        ("rx_packets", rx_packets),
        ("rx_bytes", rx_bytes),
        ("tx_packets", tx_packets),
        ("tx_bytes", tx_bytes),
        ("drops", drops),
    ]
}

/// A case's `counters.json` that says what a replay counted.
pub fn to_text(counters: &Counters) -> String {
    let mut text = String::from("{");
    let mut open: Vec<String> = Vec::new();
    let mut first = true;
    for (place, value) in moved(counters) {
        let (key, path) = place.split_last().expect("a counter has a name");
        let common = open.iter().zip(path).take_while(|(a, b)| a == b).count();
        close(&mut text, &mut open, common, &mut first);
        for word in &path[common..] {
            begin(&mut text, open.len(), word, &mut first);
            text.push('{');
            open.push(word.clone());
            first = true;
        }
        begin(&mut text, open.len(), key, &mut first);
        text.push_str(&value.to_string());
    }
    close(&mut text, &mut open, 0, &mut first);
    text.push_str("\n}\n");
    text
}

fn begin(text: &mut String, depth: usize, key: &str, first: &mut bool) {
    if !std::mem::take(first) {
        text.push(',');
    }
    text.push_str(&format!("\n{:indent$}{}: ", "", Value::from(key), indent = 2 * (depth + 1)));
}

fn close(text: &mut String, open: &mut Vec<String>, depth: usize, first: &mut bool) {
    while open.len() > depth {
        text.push_str(&format!("\n{:indent$}}}", "", indent = 2 * open.len()));
        open.pop();
        *first = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use control::replay::{Dropped, FlowCache};

    fn counters() -> Counters {
        let port = PortTotals { rx_packets: 2, rx_bytes: 120, drops: 2, ..Default::default() };
        Counters {
            ports: vec![("g2".into(), PortTotals::default()), ("g1".into(), port)],
            total: port,
            drops: vec![("table_miss", Dropped { packets: 2, sentence: "No rule." })],
            flow_cache: FlowCache { hits: 1, misses: 1 },
            too_long: TooLongStatus { told: 1, ..Default::default() },
        }
    }

    #[test]
    fn what_is_written_is_accepted() {
        let text = to_text(&counters());
        assert!(serde_json::from_str::<Value>(&text).is_ok(), "{text}");
        assert!(text.starts_with("{\n  \"ports\": {\n    \"g1\": {\n      \"rx_packets\": 2,"), "{text}");
        compare(&text, &counters()).unwrap();
    }

    #[test]
    fn a_counter_that_moved_and_one_that_did_not_are_told() {
        let text = to_text(&counters()).replace("table_miss", "rule_drop");
        let told = compare(&text, &counters()).unwrap_err().to_string();
        assert!(told.contains("drops.table_miss.packets: 2, expected 0"), "{told}");
        assert!(told.contains("drops.rule_drop.packets: 0, expected 2"), "{told}");
    }

    #[test]
    fn only_numbers_are_counters() {
        assert!(compare("{\"ports\": \"many\"}", &counters()).is_err());
        assert!(compare("", &counters()).is_err());
    }
}
