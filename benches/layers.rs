//! One layer at a time, 64 packets of as many flows in a batch: time, cycles, instructions and allocations for each packet.
//!
//! Time is that of the thread on its core, in slices, one layer after the other. Instructions are counted by callgrind, and cycles by
//! perf where the processor has counters to show: the program runs itself under them with few batches and with many, and
//! takes the difference. The rings' other end is played here, and its price is in theirs; with the kernel there it is
//! `bench-veth` that measures them.

use anyhow::{Context, Result, anyhow, bail, ensure};
use benches::allocations::{self, Counting};
use benches::sample::{Samples, used};
use benches::{Scenario, frames, place, rings, switch};
use datapath::flow::{
    Answer, FlowKey, FlowMask, KeyHash, Megaflows, OfPort, Scope, Seed, SignatureCache, extract,
};
use datapath::mem::BATCH;
use datapath::stats::Ledger;
use datapath::tunnel::{EncapId, Familiar, Head, Last, Marks, decap};
use datapath::wire::checksum::Sum;
use std::env;
use std::hint::black_box;
use std::process::Command;
use std::time::{Duration, Instant};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const SLICE: Duration = Duration::from_millis(5);
const SLICES: usize = 40;
/// Batches under callgrind, and under perf.
const COUNTED: [usize; 2] = [200, 1200];
const CYCLES: [usize; 2] = [20_000, 220_000];
const PORT: OfPort = OfPort(1);

/// What a layer does with a batch.
type Work<'w> = Box<dyn FnMut() + 'w>;
/// A layer's name, and what sets it up and hands its work to the caller.
type Layer = (&'static str, fn(&mut dyn FnMut(Work<'_>) -> Result<()>) -> Result<()>);

const LAYERS: [Layer; 10] = [
    ("wire: checksum of an IPv4 header", wire),
    ("rings: fill, receive, send, complete, and their other end", rings),
    ("copy of a frame, as in all below", |give| tunnel(give, Step::Copy)),
    ("extract: key of a frame", key),
    ("lookup: hash, exact cache, megaflow", lookup),
    ("copy and encap: VXLAN headers", |give| tunnel(give, Step::Encap)),
    ("copy and decap: the same off again, as of a tunnel seen before", |give| tunnel(give, Step::Recognise)),
    ("copy and decap: the same off again, the general way", |give| tunnel(give, Step::Decap)),
    ("turn: encap, the whole way", |give| turn(give, Scenario::Encap)),
    ("turn: decap, the whole way", |give| turn(give, Scenario::Decap)),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Copy,
    Encap,
    Recognise,
    Decap,
}

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match &arguments[..] {
        [] => table(),
        [layer, batches] => {
            let (_, set_up) = LAYERS.get(layer.parse::<usize>()?).context("no such layer")?;
            let batches = batches.parse()?;
            set_up(&mut |mut work| {
                (0..batches).for_each(|_: usize| work());
                Ok(())
            })
        }
        _ => bail!("no arguments: a table; LAYER BATCHES: just that, to be run under a profiler"),
    }
}

fn table() -> Result<()> {
    place::take(place::MEASURED);
    println!("| layer | ns/packet | cycles/packet | instructions/packet | allocations |");
    println!("|---|--:|--:|--:|--:|");
    for (number, (name, set_up)) in LAYERS.iter().enumerate() {
        let (mut ns, mut allocated) = (Samples::default(), 0);
        set_up(&mut |mut work| {
            (0..COUNTED[0]).for_each(|_| work());
            for _ in 0..SLICES {
                let (before, calls) = (used(), allocations::calls());
                let (end, mut batches) = (Instant::now() + SLICE, 0);
                while Instant::now() < end {
                    (0..8).for_each(|_| work());
                    batches += 8;
                }
                allocated += allocations::calls() - calls;
                ns.add((used().cpu_ns - before.cpu_ns) as f64 / (batches * BATCH) as f64);
            }
            Ok(())
        })?;
        let instructions = per_packet(number, COUNTED, instructions)?;
        let cycles = per_packet(number, CYCLES, cycles)?;
        let said = |count: Option<f64>| count.map_or("–".into(), |count| format!("{count:.1}"));
        println!("| {name} | {ns:.1} | {} | {} | {allocated} |", said(cycles), said(instructions));
        ensure!(allocated == 0, "{name} allocates");
    }
    Ok(())
}

/// What `counted` says of many batches more than of few, for a packet. None: there is nothing to count with.
fn per_packet(
    layer: usize,
    [few, many]: [usize; 2],
    counted: fn(&[String]) -> Result<Option<f64>>,
) -> Result<Option<f64>> {
    let of = |batches: usize| {
        let own = env::current_exe()?.into_os_string().into_string();
        let own = own.ok().context("the program's name is no text")?;
        counted(&[own, layer.to_string(), batches.to_string()])
    };
    Ok(of(many)?.zip(of(few)?).map(|(more, less)| (more - less) / ((many - few) * BATCH) as f64))
}

/// Instructions of a command, by callgrind.
fn instructions(command: &[String]) -> Result<Option<f64>> {
    let callgrind = ["--tool=callgrind", "--callgrind-out-file=/dev/null"];
    let Ok(output) = Command::new("valgrind").args(callgrind).args(command).output() else { return Ok(None) };
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "under valgrind: {said}");
    let collected = said.lines().find_map(|line| line.split_once("Collected : ")).context("no count")?.1;
    Ok(Some(collected.trim().parse()?))
}

/// Cycles of a command in user space, by perf; where the hypervisor shows no counters it says so in the number's place.
fn cycles(command: &[String]) -> Result<Option<f64>> {
    let Ok(output) =
        Command::new("perf").args(["stat", "-x,", "-e", "cycles:u", "--"]).args(command).output()
    else {
        return Ok(None);
    };
    let said = String::from_utf8_lossy(&output.stderr);
    Ok(said.lines().find_map(|line| line.split_once(',')?.0.parse().ok()))
}

fn batch(frame: fn(u32) -> Vec<u8>) -> Vec<Vec<u8>> {
    (0..BATCH as u32).map(frame).collect()
}

fn wire(give: &mut dyn FnMut(Work<'_>) -> Result<()>) -> Result<()> {
    let batch = batch(frames::plain);
    give(Box::new(|| {
        for frame in &batch {
            black_box(Sum::of(black_box(&frame[14..34])).checksum());
        }
    }))
}

fn rings(give: &mut dyn FnMut(Work<'_>) -> Result<()>) -> Result<()> {
    let umem = switch::umem()?;
    let mut way = rings::Way::new(&umem);
    give(Box::new(|| assert_eq!(way.round(), BATCH, "every packet comes round")))
}

fn key(give: &mut dyn FnMut(Work<'_>) -> Result<()>) -> Result<()> {
    let batch = batch(frames::plain);
    let mut keys = vec![FlowKey::default(); BATCH];
    give(Box::new(|| {
        for (frame, key) in batch.iter().zip(&mut keys) {
            let _ = black_box(extract(black_box(frame), PORT, None, key));
        }
    }))
}

fn lookup(give: &mut dyn FnMut(Work<'_>) -> Result<()>) -> Result<()> {
    let (seed, ledger) = (Seed::new(1), Ledger::default());
    let scope = Scope::everything(seed);
    let mut signatures = SignatureCache::new(switch::REMEMBERED);
    let mut megaflows = Megaflows::new(switch::REMEMBERED, seed);
    let mut mask = FlowMask::default();
    mask.words_mut()[..8].fill(u64::MAX);
    let mut keys = vec![FlowKey::default(); BATCH];
    for ((frame, key), program) in batch(frames::plain).iter().zip(&mut keys).zip(0..) {
        let _ = extract(frame, PORT, None, key);
        let answer = Answer { generation: 1, program, ..Answer::default() };
        signatures.insert(scope.hash(key), megaflows.insert(key, &mask, answer, &[], &ledger), |_| false);
    }
    give(Box::new(|| {
        let hashes: [KeyHash; BATCH] = std::array::from_fn(|i| scope.hash(&keys[i]));
        hashes.iter().for_each(|hash| signatures.lines().prefetch(*hash));
        let flows = hashes.map(|hash| signatures.find(hash));
        let remembered = megaflows.known(1);
        flows.iter().flatten().for_each(|flow| remembered.prefetch(*flow));
        for (key, flow) in keys.iter().zip(flows) {
            let known = flow.filter(|flow| megaflows.fits(*flow, key)).or_else(|| megaflows.find(key));
            black_box(known.map(|flow| megaflows.answer(flow)));
        }
    }))
}

fn tunnel(give: &mut dyn FnMut(Work<'_>) -> Result<()>, step: Step) -> Result<()> {
    let umem = switch::umem()?;
    let mut frames_free: Vec<_> = umem.take_frames().take(BATCH).collect();
    let pipeline = switch::pipeline(Scenario::Encap);
    let encap = pipeline.encap(EncapId(0));
    let tunnelled = matches!(step, Step::Recognise | Step::Decap);
    let batch = batch(if tunnelled { frames::tunnelled } else { frames::plain });
    let known = |address| pipeline.is_endpoint(address);
    let seed = Seed::new(1);
    let mut familiar = Familiar::new(seed);
    if let (true, Some(frame)) = (tunnelled, frames_free.first_mut()) {
        ensure!(frame.copy_from(&batch[0]), "a frame holds a packet");
        let head = Head::of(frame.bytes());
        let taken = decap(frame, pipeline.tunnels(), known, &mut Last::default());
        let (tunnel, outer) = taken.map_err(|reason| anyhow!("not taken out of its tunnel: {reason:?}"))?;
        let spec = pipeline.tunnels().spec(tunnel);
        familiar.remember(&head, (tunnel, spec), &outer, &Scope::everything(seed));
    }
    give(Box::new(|| {
        for (frame, bytes) in frames_free.iter_mut().zip(&batch) {
            black_box(frame.copy_from(black_box(bytes)));
            if step == Step::Encap {
                let marks = Marks { key: black_box(frames::VNI), policy: 0, tos: 0, ttl: 64, geneve: 0 };
                encap.push(frame, marks, black_box(12345)).expect("room for the headers");
            }
            if step == Step::Recognise {
                black_box(familiar.take_out(frame)).expect("a packet like the first");
            }
            if step == Step::Decap {
                black_box(decap(frame, pipeline.tunnels(), known, &mut Last::default()))
                    .expect("a packet of our tunnel");
            }
        }
    }))
}

fn turn(give: &mut dyn FnMut(Work<'_>) -> Result<()>, scenario: Scenario) -> Result<()> {
    let umem = switch::umem()?;
    let mut worker = switch::worker(&umem, scenario, BATCH as u32, switch::REMEMBERED);
    let start = Instant::now();
    give(Box::new(|| {
        black_box(worker.turn(start.elapsed().as_nanos() as u64));
    }))
}
