//! Comparing what came out with what shall: packet by packet, every byte, and the time. A failure shows both, with the
//! bytes that differ marked and the header that the first of them is in.

use crate::capture::Packet;
use crate::entropy::Entropy;
use crate::place::place;
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::fmt::Write;

/// Bytes in a line of a dump.
const WIDTH: usize = 16;

/// Compares what left by `port`.
pub fn captures(port: &str, expected: &[Packet], found: &[Packet], entropy: Option<&Entropy>) -> Result<()> {
    let mut seen = BTreeMap::new();
    for (i, (expected, found)) in expected.iter().zip(found).enumerate() {
        let mut bytes = expected.bytes.clone();
        let which = || format!("out/{port}.pcap, packet {}", i + 1);
        if let Some(entropy) = entropy {
            entropy.apply(&mut bytes, &found.bytes, &mut seen).with_context(which)?;
        }
        if bytes != found.bytes {
            bail!("{}: {}", which(), difference(&bytes, &found.bytes));
        }
        if expected.time != found.time {
            bail!("{}: the time is {:?}, not {:?}", which(), found.time, expected.time);
        }
    }
    let (n, shorter) = (expected.len(), expected.len().min(found.len()));
    match (expected.get(shorter), found.get(shorter)) {
        (Some(missing), _) => {
            bail!(
                "out/{port}.pcap: {n} packets are expected, {shorter} came; next:\n{}",
                dump(&missing.bytes)
            )
        }
        (_, Some(extra)) => {
            bail!(
                "out/{port}.pcap: {n} packets are expected, {} came; first of them:\n{}",
                found.len(),
                dump(&extra.bytes)
            )
        }
        (None, None) => Ok(()),
    }
}

/// Where two packets that differ do so.
fn difference(expected: &[u8], found: &[u8]) -> String {
    let first =
        expected.iter().zip(found).position(|(a, b)| a != b).unwrap_or(expected.len().min(found.len()));
    let mut text = match (expected.len(), found.len()) {
        (a, b) if a == b => format!("{a} bytes"),
        (a, b) => format!("{b} bytes, not {a}"),
    };
    let inside = place(expected, first);
    let _ = writeln!(text, "; the first that differs is byte {first}, {inside}");
    let line = first / WIDTH;
    let lines = expected.len().max(found.len()).div_ceil(WIDTH);
    for at in (line.saturating_sub(1)..lines.min(line + 3)).map(|line| line * WIDTH) {
        let (a, b) = (row(expected, at), row(found, at));
        let _ = writeln!(text, "  {at:4}  expected  {a}");
        if a != b {
            let _ = writeln!(text, "        found     {b}");
            let marks =
                (at..at + WIDTH).map(|at| if expected.get(at) == found.get(at) { "   " } else { "^^ " });
            let _ = writeln!(text, "                  {}", marks.collect::<String>().trim_end());
        }
    }
    text.truncate(text.trim_end().len());
    text
}

fn dump(bytes: &[u8]) -> String {
    let rows = (0..bytes.len()).step_by(WIDTH).map(|at| format!("  {at:4}  {}", row(bytes, at)));
    rows.collect::<Vec<_>>().join("\n")
}

fn row(bytes: &[u8], at: usize) -> String {
    let bytes = bytes.get(at..bytes.len().min(at + WIDTH)).unwrap_or_default();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use etherparse::PacketBuilder;
    use std::time::Duration;

    fn packet(ttl: u8) -> Packet {
        let builder = PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]);
        let mut bytes = Vec::new();
        builder.ipv4([10, 0, 0, 1], [10, 0, 0, 2], ttl).udp(1, 2).write(&mut bytes, b"hello").unwrap();
        Packet { time: Duration::from_secs(1), bytes }
    }

    #[test]
    fn equal_captures_are_equal() {
        captures("g1", &[packet(1), packet(2)], &[packet(1), packet(2)], None).unwrap();
    }

    #[test]
    fn a_difference_is_shown_with_its_place() {
        let error = captures("g1", &[packet(64)], &[packet(63)], None).unwrap_err().to_string();
        let wanted = "\
out/g1.pcap, packet 1: 47 bytes; the first that differs is byte 22, byte 8 of IPv4
     0  expected  02 00 00 00 00 02 02 00 00 00 00 01 08 00 45 00
    16  expected  00 21 00 00 40 00 40 11 26 ca 0a 00 00 01 0a 00
        found     00 21 00 00 40 00 3f 11 27 ca 0a 00 00 01 0a 00
                                    ^^    ^^
    32  expected  00 02 00 01 00 02 00 0d a7 fc 68 65 6c 6c 6f";
        assert_eq!(error, wanted);
    }

    #[test]
    fn packets_too_few_too_many_and_too_late_are_told() {
        let told = |expected: &[Packet], found: &[Packet]| {
            captures("g1", expected, found, None).unwrap_err().to_string()
        };
        assert!(told(&[packet(1)], &[]).contains("1 packets are expected, 0 came; next:"));
        assert!(told(&[], &[packet(1)]).contains("0 packets are expected, 1 came; first of them:"));
        let late = Packet { time: Duration::from_secs(2), ..packet(1) };
        assert!(told(&[packet(1)], &[late]).contains("the time is 2s, not 1s"));
    }
}
