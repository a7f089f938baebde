//! Packets made to be different in every bit that a rule looks at (CVE-2019-25076): what they cost, and what a neighbour
//! pays for them.

use super::flows::{Bench, forwarding};
use benches::sample::Samples;
use benches::{frames, switch};
use datapath::flow::{Field, Seed};
use datapath::pipeline::{Match, Pipeline, Rule, TableId};
use std::sync::Arc;
use std::time::Instant;

const ALLOWED_SOURCE: u32 = 0x0a00_0001;
const ALLOWED_SOURCE_PORT: u16 = 12345;
const ALLOWED_PORT: u16 = 80;
/// Batches of the attack between two of the victim.
const APART: usize = 100;
const BATCHES: usize = 60_000;
/// Where frames have their IPv4 source.
const SOURCE: usize = 14 + 12;

/// Three rules that let some packets pass, and one that drops the rest.
fn rules() -> Pipeline {
    let mut pipeline = forwarding();
    pipeline = pipeline.with_rules([Rule::acting(2, Match::any(), Vec::new())]);
    let ip = || Match::any().exact(Field::EthType, 0x0800);
    let udp = || ip().exact(Field::NwProto, 17);
    let allowed = [
        udp().exact(Field::TpDst, ALLOWED_PORT.into()),
        ip().exact(Field::NwSrc, ALLOWED_SOURCE.into()),
        udp().exact(Field::TpSrc, ALLOWED_SOURCE_PORT.into()),
    ];
    for (priority, matching) in [12, 11, 10].into_iter().zip(allowed) {
        pipeline.insert(TableId(0), Rule::acting(priority, matching, super::flows::forward()));
    }
    pipeline
}

fn packet(source: u32, source_port: u16, port: u16) -> Vec<u8> {
    let mut frame = frames::plain(0);
    frame[SOURCE..SOURCE + 4].copy_from_slice(&source.to_be_bytes());
    frame[frames::PORTS..frames::PORTS + 2].copy_from_slice(&source_port.to_be_bytes());
    frame[frames::PORTS + 2..frames::PORTS + 4].copy_from_slice(&port.to_be_bytes());
    frame
}

/// Each differs from the three rules in another combination of bits: 16 · 32 · 16 packets.
fn crafted() -> Vec<Vec<u8>> {
    let mut packets = Vec::new();
    for port in 0..16 {
        for source in 0..32 {
            for source_port in 0..16 {
                packets.push(packet(
                    ALLOWED_SOURCE ^ 1 << source,
                    ALLOWED_SOURCE_PORT ^ 1 << source_port,
                    ALLOWED_PORT ^ 1 << port,
                ));
            }
        }
    }
    packets
}

/// As many as no cache holds.
fn random() -> Vec<Vec<u8>> {
    let seed = Seed::new(3);
    let random = (0..1 << 20).map(|n| seed.pair(n, 1));
    random.map(|bits| packet((bits >> 32) as u32, (bits >> 16) as u16, bits as u16)).collect()
}

/// One conversation of somebody who has nothing to do with all this.
fn victim() -> Vec<Vec<u8>> {
    vec![packet(0x0a00_0063, 4000, ALLOWED_PORT); switch::BURST]
}

pub(super) fn table() -> anyhow::Result<()> {
    println!("| attack | of whom | masks | flows | ns/batch: median | p99 | p99.9 | p99/median |");
    println!("|---|---|--:|--:|--:|--:|--:|--:|");
    row("none", victim(), false)?;
    row("8,192 crafted packets", crafted(), false)?;
    row("8,192 crafted packets", crafted(), true)?;
    row("1,048,576 random packets", random(), false)?;
    row("1,048,576 random packets", random(), true)
}

fn row(attack: &str, packets: Vec<Vec<u8>>, with_victim: bool) -> anyhow::Result<()> {
    let mut list = packets;
    if with_victim {
        list =
            list.chunks(APART * switch::BURST).flat_map(|some| [some.to_vec(), victim()].concat()).collect();
    }
    list.truncate(list.len() / switch::BURST * switch::BURST);
    let batches = list.len() / switch::BURST;
    let umem = switch::umem()?;
    let mut bench = Bench::new(&umem, Arc::new(rules()), list, switch::REMEMBERED);
    let is_victim = |at: usize| with_victim && (at % (APART + 1) == APART || at == batches - 1);
    let start = Instant::now();
    let (mut attacker, mut neighbour) = (Samples::default(), Samples::default());
    for batch in 0..batches + BATCHES {
        let before = start.elapsed().as_nanos() as u64;
        bench.worker.turn(before);
        let ns = (start.elapsed().as_nanos() as u64 - before) as f64;
        // Every flow was seen once.
        if batch >= batches {
            let whose = if is_victim(batch % batches) { &mut neighbour } else { &mut attacker };
            whose.add(ns);
        }
    }
    let counters = bench.counted().worker;
    let (who, samples) = match (with_victim, attack) {
        (true, _) => ("a neighbour, one batch in 100", neighbour),
        (false, "none") => ("a neighbour", attacker),
        (false, _) => ("the attacker", attacker),
    };
    let [median, p99, rare] = [0.5, 0.99, 0.999].map(|part| samples.quantile(part));
    println!(
        "| {attack} | {who} | {} | {} | {median:.0} | {p99:.0} | {rare:.0} | {:.2} |",
        counters.masks,
        counters.flows,
        p99 / median
    );
    Ok(())
}
