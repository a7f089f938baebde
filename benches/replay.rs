//! The switch as somebody else measures it: packets of captures from memory, round and round, through rules in a file; how
//! many came in and went out stands in another file, for whoever stops and continues this process.
//!
//! ```text
//! bench-replay RULES TUNNEL FROM COUNTS CAPTURE... [--news] [--flows N]
//! ```
//!
//! RULES is text as for `ovs-ofctl`; port 1 is the guest that sends, 2 the one that receives, 10 a tunnel of the kind
//! TUNNEL. FROM is `guest` or `uplink`: who sends the packets. COUNTS gets three numbers of eight bytes in the machine's
//! order, every 64 turns: packets that came in, that went out, and that were translated (the last only with `--news`: it
//! costs a look at all counters). Packets come 32 at a time, as to its peers, and each is copied, as theirs are.

use anyhow::{Context, Result, bail, ensure};
use benches::switch;
use control::text::{NoNames, parse_flows};
use datapath::pipeline::Pipeline;
use datapath::port::{Null, Port, Slot};
use datapath::tunnel::Kind;
use pcap_file::pcap::PcapReader;
use std::env;
use std::fs::{self, File};
use std::io::BufReader;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::Instant;

/// What DPDK's ports hand over at a time, too.
const BURST: usize = 32;
const TURNS: usize = 64;

struct Wishes {
    rules: String,
    tunnel: Kind,
    from_uplink: bool,
    counts: String,
    captures: Vec<String>,
    news: bool,
    flows: usize,
}

fn main() -> Result<()> {
    let wishes = Wishes::read(env::args().skip(1))?;
    let rules = fs::read_to_string(&wishes.rules).with_context(|| format!("cannot read {}", wishes.rules))?;
    let rules = match parse_flows(&wishes.rules, &rules, &NoNames) {
        Ok(rules) => rules,
        Err(faults) => bail!("{}", faults.iter().map(|fault| format!("{fault}\n")).collect::<String>()),
    };
    let mut pipeline = Pipeline::new(switch::base(wishes.tunnel));
    rules.into_iter().for_each(|(table, rule)| drop(pipeline.insert(table, rule)));
    let frames = frames(&wishes.captures)?;
    let counts = File::create(&wishes.counts).with_context(|| format!("cannot make {}", wishes.counts))?;

    let source = if wishes.from_uplink { switch::UPLINK } else { switch::GUEST };
    let mut source_port = Some(Null::source(frames, BURST));
    let slots = [switch::UPLINK, switch::GUEST, switch::OTHER_GUEST].map(|port| {
        let null = if port == source { source_port.take() } else { None };
        Slot::new(Port::Null(null.unwrap_or_else(Null::sink)))
    });
    let umem = switch::umem()?;
    let (mut worker, shared) = switch::with_pipeline(&umem, Arc::new(pipeline), slots.into(), wishes.flows);
    let (start, mut received) = (Instant::now(), 0);
    loop {
        for _ in 0..TURNS {
            received += worker.turn(start.elapsed().as_nanos() as u64) as u64;
        }
        let mut translated = 0;
        if wishes.news {
            worker.publish();
            translated = shared.read().worker.misses;
        }
        let said = [received, switch::sent(&worker), translated].map(u64::to_ne_bytes).concat();
        counts.write_all_at(&said, 0)?;
    }
}

impl Wishes {
    fn read(arguments: impl Iterator<Item = String>) -> Result<Wishes> {
        let (mut named, mut news, mut flows) = (Vec::new(), false, switch::REMEMBERED);
        let mut arguments = arguments.peekable();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--news" => news = true,
                "--flows" => flows = arguments.next().context("--flows: how many?")?.parse()?,
                _ => named.push(argument),
            }
        }
        let [rules, tunnel, from, counts, captures @ ..] = &named[..] else {
            bail!("usage: bench-replay RULES TUNNEL guest|uplink COUNTS CAPTURE... [--news] [--flows N]");
        };
        let tunnel = Kind::ALL.into_iter().find(|kind| kind.name() == tunnel);
        Ok(Wishes {
            rules: rules.clone(),
            tunnel: tunnel.context("the tunnel is vxlan, gre, nvgre or geneve")?,
            from_uplink: match from.as_str() {
                "guest" => false,
                "uplink" => true,
                other => bail!("packets come from guest or uplink, not from {other}"),
            },
            counts: counts.clone(),
            captures: captures.to_vec(),
            news,
            flows,
        })
    }
}

fn frames(captures: &[String]) -> Result<Vec<Vec<u8>>> {
    let mut frames = Vec::new();
    for name in captures {
        let file = File::open(name).with_context(|| format!("cannot read {name}"))?;
        let mut reader = PcapReader::new(BufReader::new(file))?;
        while let Some(packet) = reader.next_packet() {
            frames.push(packet?.into_data().into_owned());
        }
    }
    ensure!(!frames.is_empty(), "the captures have no packets");
    Ok(frames)
}
