//! The counters of a replay as a table for people.

use super::counters::{Counters, PortTotals};
use anstyle::Style;
use std::fmt;

const BOLD: Style = Style::new().bold();

/// Shows counters.
pub(super) struct Table<'a>(pub(super) &'a Counters);

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Counters { ports, total, drops, flow_cache, too_long } = self.0;
        let names = ports.iter().map(|(name, _)| name.as_str());
        let width = names.map(str::len).chain([5]).max().unwrap_or(5);
        writeln!(
            f,
            "{BOLD}{:width$} {:>13} {:>15} {:>13} {:>15} {:>11}{BOLD:#}",
            "port", "packets in", "bytes in", "packets out", "bytes out", "dropped"
        )?;
        for (name, port) in ports {
            row(f, width, name, port)?;
        }
        row(f, width, "total", total)?;
        if !drops.is_empty() {
            writeln!(f, "\n{BOLD}dropped{BOLD:#}")?;
            for (name, dropped) in drops {
                writeln!(f, "{:>11}  {name:17} {}", grouped(dropped.packets), dropped.sentence)?;
            }
        }
        let (hits, misses) = (grouped(flow_cache.hits), grouped(flow_cache.misses));
        writeln!(f, "\nFlow lookups: {hits} answered by the cache, {misses} by the rules.")?;
        let moved = too_long.moved();
        if !moved.is_empty() {
            writeln!(f, "\n{BOLD}too long for the way of a tunnel{BOLD:#}")?;
        }
        for (what, count) in moved {
            writeln!(f, "{:>11}  {what}", grouped(count))?;
        }
        Ok(())
    }
}

fn row(f: &mut fmt::Formatter<'_>, width: usize, name: &str, port: &PortTotals) -> fmt::Result {
    let [a, b, c, d, e] =
        [port.rx_packets, port.rx_bytes, port.tx_packets, port.tx_bytes, port.drops].map(grouped);
    writeln!(f, "{name:width$} {a:>13} {b:>15} {c:>13} {d:>15} {e:>11}")
}

/// A number with a comma between thousands.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() * 4 / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::{Dropped, FlowCache};
    use crate::status::TooLongStatus;

    #[test]
    fn thousands_are_grouped() {
        assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
    }

    #[test]
    fn every_reason_has_its_sentence() {
        let port = PortTotals { rx_packets: 1500, ..Default::default() };
        let reason = ("table_miss", Dropped { packets: 1500, sentence: "No rule of the table matches." });
        let counters = Counters {
            ports: vec![("g1".into(), port)],
            total: port,
            drops: vec![reason],
            flow_cache: FlowCache { hits: 1499, misses: 1 },
            too_long: TooLongStatus { fragments: 1500, ..Default::default() },
        };
        let text = anstream::adapter::strip_str(&Table(&counters).to_string()).to_string();
        assert!(text.contains("      1,500  table_miss        No rule of the table matches.\n"), "{text}");
        assert!(text.ends_with("      1,500  fragments\n"), "{text}");
        assert!(text.lines().all(|line| line.len() <= 80), "{text}");
    }
}
