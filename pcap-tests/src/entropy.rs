//! The one field that is compared by a rule: what tells conversations apart in the underlay. It is the outer UDP source port, and
//! the FlowID of NVGRE.
//!
//! RFC 7348 section 5 recommends that the port be a hash of the inner frame, within 49152 to 65535, so that the underlay
//! can spread conversations. Which hash is our own business, and no second program knows it. So an expected capture has a
//! stand-in for each conversation, and what came out must have a port of that range, the same for the same stand-in. Then
//! the stand-in is replaced by the port that came out, the UDP checksum is moved along where there is one, and every byte
//! is compared.
//!
//! RFC 7637 section 3.2 asks the same of the FlowID, where zero says that there is none.
//!
//! The file `ignore` of a case says where, a line for a capture: `PORT entropy BYTE [BYTE OF THE CHECKSUM]`, or
//! `PORT flow_id BYTE`.

use anyhow::{Context, Result, bail, ensure};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// RFC 7348 section 5: the dynamic range.
const PORTS: RangeInclusive<u16> = 49_152..=65_535;

/// Where the field is in the packets that leave by a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entropy {
    /// The port.
    pub port: String,
    /// Where the UDP source port is, or the FlowID.
    pub at: usize,
    /// Where the UDP checksum is, if one is expected.
    pub checksum: Option<usize>,
    /// The field is a FlowID: one byte.
    pub flow_id: bool,
}

/// Reads a file of rules; `#` begins a comment.
pub fn parse(text: &str) -> Result<Vec<Entropy>> {
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default());
    let rules =
        lines.map(|line| line.split_whitespace().collect::<Vec<_>>()).filter(|words| !words.is_empty());
    rules.map(|words| rule(&words).with_context(|| format!("{words:?}"))).collect()
}

fn rule(words: &[&str]) -> Result<Entropy> {
    let (port, at, checksum, flow_id) = match words {
        [port, "entropy", at] => (port, at, None, false),
        [port, "entropy", at, checksum] => (port, at, Some(checksum.parse()?), false),
        [port, "flow_id", at] => (port, at, None, true),
        _ => bail!("a rule is PORT entropy BYTE [BYTE OF THE CHECKSUM], or PORT flow_id BYTE"),
    };
    Ok(Entropy { port: (*port).to_owned(), at: at.parse()?, checksum, flow_id })
}

impl Entropy {
    /// Puts the port of `found` into `expected`. `seen` remembers the ports of stand-ins.
    pub fn apply(&self, expected: &mut [u8], found: &[u8], seen: &mut BTreeMap<u16, u16>) -> Result<()> {
        if self.flow_id {
            return self.apply_flow_id(expected, found, seen);
        }
        // A packet cut short is shown as it is.
        let (Some(stand_in), Some(port)) = (word(expected, self.at), word(found, self.at)) else {
            return Ok(());
        };
        ensure!(PORTS.contains(&port), "the outer source port {port} is not in {PORTS:?}");
        let first = *seen.entry(stand_in).or_insert(port);
        ensure!(
            first == port,
            "the outer source port is {port}, and was {first} in this conversation before"
        );
        put(expected, self.at, port);
        if let Some(at) = self.checksum {
            let checksum = word(expected, at).context("there is no checksum at that byte")?;
            put(expected, at, moved(checksum, stand_in, port));
        }
        Ok(())
    }

    fn apply_flow_id(&self, expected: &mut [u8], found: &[u8], seen: &mut BTreeMap<u16, u16>) -> Result<()> {
        let (Some(stand_in), Some(flow_id)) = (expected.get_mut(self.at), found.get(self.at)) else {
            return Ok(());
        };
        ensure!(*flow_id != 0, "a FlowID of zero says that there is none");
        let first = *seen.entry((*stand_in).into()).or_insert((*flow_id).into());
        ensure!(
            first == u16::from(*flow_id),
            "the FlowID is {flow_id}, and was {first} in this conversation before"
        );
        *stand_in = *flow_id;
        Ok(())
    }
}

/// RFC 1624, equation 3. A UDP checksum of zero is sent as ones (RFC 768).
fn moved(checksum: u16, old: u16, new: u16) -> u16 {
    let sum = u32::from(!checksum) + u32::from(!old) + u32::from(new);
    let folded = (sum & 0xffff) + (sum >> 16);
    let folded = (folded & 0xffff) + (folded >> 16);
    match !(folded as u16) {
        0 => 0xffff,
        checksum => checksum,
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|word| u16::from_be_bytes(*word))
}

fn put(bytes: &mut [u8], at: usize, value: u16) {
    bytes[at..at + 2].copy_from_slice(&value.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_rule() {
        let rules = parse("# outer\neth1 entropy 34\neth2 entropy 54 60 # IPv6\n").unwrap();
        let eth1 = Entropy { port: "eth1".into(), at: 34, checksum: None, flow_id: false };
        let eth2 = Entropy { port: "eth2".into(), at: 54, checksum: Some(60), flow_id: false };
        assert_eq!(rules, [eth1, eth2]);
        assert!(parse("eth1 anything 3").is_err());
    }

    #[test]
    fn one_conversation_has_one_port_of_the_dynamic_range() {
        let rule = Entropy { port: "eth1".into(), at: 0, checksum: None, flow_id: false };
        let mut seen = BTreeMap::new();
        let mut apply = |stand_in: u16, port: u16| {
            let mut expected = stand_in.to_be_bytes();
            let applied = rule.apply(&mut expected, &port.to_be_bytes(), &mut seen);
            applied.map(|()| u16::from_be_bytes(expected))
        };
        assert_eq!(apply(1, 50_000).unwrap(), 50_000);
        assert_eq!(apply(2, 50_001).unwrap(), 50_001);
        assert_eq!(apply(1, 50_000).unwrap(), 50_000);
        assert!(apply(1, 50_001).is_err(), "another port");
        assert!(apply(3, 49_151).is_err(), "not dynamic");
    }

    #[test]
    fn one_conversation_has_one_flow_id_that_is_not_zero() {
        let rule = parse("eth1 flow_id 1").unwrap().remove(0);
        let mut seen = BTreeMap::new();
        let mut apply = |stand_in: u8, flow_id: u8| {
            let mut expected = [0xaa, stand_in];
            rule.apply(&mut expected, &[0xaa, flow_id], &mut seen).map(|()| expected[1])
        };
        assert_eq!((apply(1, 7).unwrap(), apply(2, 8).unwrap(), apply(1, 7).unwrap()), (7, 8, 7));
        assert!(apply(1, 8).is_err(), "another FlowID");
        assert!(apply(3, 0).is_err(), "none");
    }

    #[test]
    fn a_checksum_moves_along() {
        let sum = |words: &[u16]| {
            let sum: u32 = words.iter().map(|word| u32::from(*word)).sum();
            !(((sum & 0xffff) + (sum >> 16)) as u16)
        };
        assert_eq!(moved(sum(&[1000, 50_000, 7]), 50_000, 60_000), sum(&[1000, 60_000, 7]));
    }
}
