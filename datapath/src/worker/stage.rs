//! The stages of a turn: each is one flat loop over the batch, named after what it does to it.

use super::{FORGET_NS, Role, Worker};
use crate::action::execute::Executor;
use crate::flow::{Answer, FlowId, FlowKey, KeyHash, Megaflows, extract};
use crate::mem::{BATCH, Frame, prefetch};
use crate::pipeline::recent::{Known, Outlook, Recent};
use crate::pipeline::{Pipeline, translate};
use crate::port::PortId;
use crate::stats::{Counted, DropReason};
use crate::tunnel::{Kind, Last, decap, mss};

/// A batch on its way through the stages: parallel columns, the same index for the same frame.
#[derive(Debug)]
pub(super) struct Batch<'u> {
    /// As they came in.
    pub(super) arrived: Vec<Frame<'u>>,
    /// Those of them that have no key, in order, and why.
    dead: Vec<(usize, DropReason)>,
    /// Those that have a key.
    pub(super) frames: Vec<Option<Frame<'u>>>,
    pub(super) keys: Box<[FlowKey; BATCH]>,
    /// Bytes of each frame as it came in or out of its tunnel: what is counted.
    pub(super) lengths: [u16; BATCH],
    pub(super) hashes: [KeyHash; BATCH],
    pub(super) flows: [Option<FlowId>; BATCH],
    pub(super) programs: [u16; BATCH],
    doubts: Vec<Doubt>,
}

/// A frame of a known flow that was answered before the last change.
#[derive(Debug)]
struct Doubt {
    at: usize,
    flow: FlowId,
    outlook: Outlook,
}

/// In `programs`: not decided yet. In a flow: its frames are decided about by their lengths.
const UNDECIDED: u16 = u16::MAX;

impl Batch<'_> {
    pub(super) fn new() -> Self {
        Batch {
            arrived: Vec::with_capacity(BATCH),
            dead: Vec::with_capacity(BATCH),
            frames: Vec::with_capacity(BATCH),
            keys: Box::new(std::array::from_fn(|_| FlowKey::default())),
            lengths: [0; BATCH],
            hashes: [KeyHash::default(); BATCH],
            flows: [None; BATCH],
            programs: [UNDECIDED; BATCH],
            doubts: Vec::with_capacity(BATCH),
        }
    }
}

/// How many frames ahead of the one that is read the headers of the next are asked for.
const AHEAD: usize = 8;

/// Asks for the lines that headers lie in: a frame that another core has written is far away.
#[inline]
fn prefetch_headers(frame: &Frame<'_>) {
    const LINE: usize = 64;
    frame.prefetch();
    if let Some(second) = frame.bytes().get(LINE) {
        prefetch(second);
    }
}

impl<'u> Worker<'u> {
    /// Frames -> keys. Outer headers are checked and cut off; frames that have no key die here.
    pub(super) fn classify(&mut self, in_port: PortId) {
        let mut arrived = std::mem::take(&mut self.batch.arrived);
        let mut last = Last::after(self.order.take());
        arrived.iter().take(AHEAD).for_each(prefetch_headers);
        let mut at = 0;
        for i in 0..arrived.len() {
            if let Some(later) = arrived.get(i + AHEAD) {
                prefetch_headers(later);
            }
            match self.key_of(&mut arrived[i], in_port, &mut last, at) {
                Ok(()) => at += 1,
                Err(reason) => self.batch.dead.push((i, reason)),
            }
        }
        self.order = last.into_order();
        while let Some((i, reason)) = self.batch.dead.pop() {
            self.executor(in_port).drop(arrived.remove(i), reason);
        }
        self.batch.frames.extend(arrived.drain(..).map(Some));
        self.batch.arrived = arrived;
    }

    #[inline]
    fn key_of(
        &mut self,
        frame: &mut Frame<'u>,
        in_port: PortId,
        last: &mut Last,
        at: usize,
    ) -> Result<(), DropReason> {
        let key = &mut self.batch.keys[at];
        let mut mss = None;
        let unfilled = match self.roles[usize::from(in_port.0)] {
            Role::Guest(ofport) => extract(frame.bytes(), ofport, None, key)?,
            Role::Uplink => {
                let pipeline = &*self.pipeline;
                let tunnels = pipeline.tunnels();
                let (tunnel, outer) = decap(frame, tunnels, |address| pipeline.is_endpoint(address), last)?;
                let spec = tunnels.spec(tunnel);
                mss = spec.mss.map(|mss| (mss, tunnel));
                let unfilled = extract(frame.bytes(), spec.ofport, Some(&outer), key)?;
                if outer.options != 0 {
                    last.give_options(key);
                }
                unfilled
            }
        };
        self.batch.lengths[at] = frame.len() as u16;
        if let Some(unfilled) = unfilled {
            frame.truncate(unfilled.end);
            frame.request_checksum(unfilled.start, unfilled.field);
        }
        // Also those who come to us out of a tunnel shall send nothing back that does not fit it.
        if let Some((mss, tunnel)) = mss
            && mss::is_syn(key)
            && let Some(back) = self.pipeline.way_back(tunnel, key)
        {
            // What comes back may have all options.
            let options =
                if back.kind() == Kind::Geneve { self.pipeline.tunnels().options().len_max() } else { 0 };
            self.too_long.clamp(frame, mss, back.frame_max().saturating_sub(options));
        }
        Ok(())
    }

    /// Keys -> programs, for all flows that are known. What a whole turn costs then, for each frame: 30 ns, when the megaflows
    /// have to be searched 51, when the rules are asked 750 (`benches/RESULTS.md`).
    pub(super) fn lookup(&mut self) {
        if self.full {
            self.make_room();
        }
        let n = self.batch.frames.len().min(BATCH);
        let Batch { keys, lengths, hashes, flows, programs, doubts, .. } = &mut self.batch;
        for (key, hash) in keys.iter().zip(hashes.iter_mut()).take(n) {
            *hash = KeyHash::of(key, &self.seed);
            self.signatures.prefetch(*hash);
        }
        for (hash, flow) in hashes.iter().zip(flows.iter_mut()).take(n) {
            *flow = self.signatures.find(*hash);
            if let Some(flow) = flow {
                self.megaflows.prefetch(*flow);
            }
        }
        let Worker { megaflows, pipeline, recent, .. } = self;
        let generation = pipeline.generation();
        for i in 0..n {
            programs[i] = UNDECIDED;
            let Some(flow) = flows[i].filter(|flow| megaflows.fits(*flow, &keys[i])) else { continue };
            let answer = megaflows.answer(flow);
            if answer.generation != generation {
                let outlook =
                    recent.look(pipeline.changes(), answer.generation, known(megaflows, flow, &keys[i]));
                doubts.push(Doubt { at: i, flow, outlook });
                continue;
            }
            megaflows.count(flow, lengths[i]);
            programs[i] = answer.program;
        }
        for Doubt { at, flow, outlook } in doubts.drain(..) {
            if still_holds(megaflows, pipeline, recent, flow, &keys[at], outlook) {
                megaflows.count(flow, lengths[at]);
                programs[at] = megaflows.answer(flow).program;
            }
        }
    }

    /// Decides about those that the exact cache did not know: by the megaflows, or by the rules.
    pub(super) fn translate(&mut self) {
        let n = self.batch.frames.len();
        let unknown = self.batch.programs[..n].iter().filter(|program| **program == UNDECIDED).count();
        self.counters.hits += (n - unknown) as u64;
        if unknown == 0 {
            return;
        }
        for i in 0..n {
            if self.batch.programs[i] == UNDECIDED {
                self.decide(i);
            }
        }
    }

    fn decide(&mut self, i: usize) {
        let before = (self.counters.masked_hits, self.counters.misses);
        let Some(mut flow) = self.flow_of(i) else { return };
        if self.megaflows.answer(flow).program == UNDECIDED {
            // A frame is one hit or one miss.
            (self.counters.masked_hits, self.counters.misses) = before;
            let Some(measured) = self.flow_by_length(i) else { return };
            flow = measured;
        }
        self.megaflows.count(flow, self.batch.lengths[i]);
        self.signatures.insert(self.batch.hashes[i], flow);
        self.batch.programs[i] = self.megaflows.answer(flow).program;
    }

    /// Has the key say how long the frame is. What such a key is known by is in the exact cache too.
    #[cold]
    fn flow_by_length(&mut self, i: usize) -> Option<FlowId> {
        self.batch.keys[i].measure(self.batch.lengths[i]);
        let key = &self.batch.keys[i];
        let hash = KeyHash::of(key, &self.seed);
        self.batch.hashes[i] = hash;
        match self.signatures.find(hash).filter(|flow| self.megaflows.fits(*flow, key)) {
            Some(flow) if holds(&mut self.megaflows, &self.pipeline, &self.recent, flow, key) => {
                self.counters.masked_hits += 1;
                Some(flow)
            }
            _ => self.flow_of(i),
        }
    }

    /// The flow of a frame: known, or asked for. None: there is no room for it, and the frame has its answer.
    fn flow_of(&mut self, i: usize) -> Option<FlowId> {
        match self.megaflows.find(&self.batch.keys[i]) {
            Some(flow)
                if holds(&mut self.megaflows, &self.pipeline, &self.recent, flow, &self.batch.keys[i]) =>
            {
                self.counters.masked_hits += 1;
                Some(flow)
            }
            outdated => self.ask(i, outdated),
        }
    }

    /// Asks the rules, and remembers what they say; also that they ask for the frame's length.
    #[cold]
    fn ask(&mut self, i: usize, outdated: Option<FlowId>) -> Option<FlowId> {
        self.counters.misses += 1;
        let ledger = self.pipeline.ledger();
        if let Some(flow) = outdated {
            self.megaflows.remove(flow, ledger);
        }
        let key = &self.batch.keys[i];
        translate(&self.pipeline, key, &mut self.translation);
        if self.translation.asks_length() {
            let answer = Answer {
                generation: self.pipeline.generation(),
                tables: self.translation.tables(),
                rewritten: self.translation.rewritten(),
                program: UNDECIDED,
            };
            return Some(self.megaflows.insert(key, self.translation.mask(), answer, &[], ledger));
        }
        let all_kept = self.translation.renumber(&mut self.report);
        let kept = if all_kept { self.programs.keep(self.translation.actions()) } else { None };
        let Some(program) = kept else {
            self.answer_once(i);
            return None;
        };
        let answer = Answer {
            generation: self.pipeline.generation(),
            tables: self.translation.tables(),
            rewritten: self.translation.rewritten(),
            program,
        };
        let credits = self.translation.credits();
        Some(self.megaflows.insert(key, self.translation.mask(), answer, credits, ledger))
    }

    /// The answer that was found is for this frame alone.
    fn answer_once(&mut self, i: usize) {
        self.full = true;
        self.counters.unkept += 1;
        self.batch.programs[i] = self.programs.put_aside(self.translation.actions());
        let counted =
            Counted { packets: 1, bytes: self.batch.lengths[i].into(), used_ms: self.now_ns / 1_000_000 };
        self.translation.credits().iter().for_each(|credit| self.pipeline.ledger().add(*credit, counted));
    }

    /// Some answers of the batch before found no room. Whoever brings ever new ones about shall not make all others be asked for
    /// again and again.
    #[cold]
    fn make_room(&mut self) {
        self.full = false;
        self.programs.end_batch();
        self.report.end_batch();
        if self.now_ns >= self.forget_ns {
            self.forget_ns = self.now_ns + FORGET_NS;
            self.forget();
        }
    }

    /// Forgets every answer, but not what was counted.
    pub(super) fn forget(&mut self) {
        self.programs.clear();
        self.megaflows.clear(self.pipeline.ledger());
        self.signatures.clear();
        self.report.clear();
    }

    /// Runs of frames with the same program -> out.
    pub(super) fn execute(&mut self, in_port: PortId) {
        let mut start = 0;
        let n = self.batch.frames.len();
        while start < n {
            let program = self.batch.programs[start];
            let same = self.batch.programs[start..n].iter().take_while(|p| **p == program).count();
            self.execute_run(in_port, start..start + same, program);
            start += same;
        }
        self.batch.frames.clear();
    }

    #[inline]
    fn execute_run(&mut self, in_port: PortId, run: std::ops::Range<usize>, program: u16) {
        let Worker { slots, pool, drops, report, too_long, seed, batch, programs, pipeline, now_ns, .. } =
            self;
        let (in_port, now_ns) = (Some(in_port), *now_ns);
        let mut executor = Executor { slots, pool, drops, report, too_long, in_port, seed, now_ns };
        let (frames, keys) = (&mut batch.frames[run.clone()], &batch.keys[run]);
        executor.execute(frames, keys, programs.actions(program), &**pipeline);
    }

    pub(super) fn executor(&mut self, in_port: PortId) -> Executor<'_, 'u> {
        let Worker { slots, pool, drops, report, too_long, seed, now_ns, .. } = self;
        let (in_port, now_ns) = (Some(in_port), *now_ns);
        Executor { slots, pool, drops, report, too_long, in_port, seed, now_ns }
    }
}

/// Whether the answer for a key is as good as a new one. One of an older generation is, when no change since can matter to it;
/// it is taken for a new one then.
fn holds(
    megaflows: &mut Megaflows,
    pipeline: &Pipeline,
    recent: &Recent,
    flow: FlowId,
    key: &FlowKey,
) -> bool {
    let generation = megaflows.answer(flow).generation;
    generation == pipeline.generation() || {
        let outlook = recent.look(pipeline.changes(), generation, known(megaflows, flow, key));
        still_holds(megaflows, pipeline, recent, flow, key, outlook)
    }
}

/// [`holds`], for an answer of an older generation, when the first look was taken.
fn still_holds(
    megaflows: &mut Megaflows,
    pipeline: &Pipeline,
    recent: &Recent,
    flow: FlowId,
    key: &FlowKey,
    outlook: Outlook,
) -> bool {
    let generation = megaflows.answer(flow).generation;
    if recent.go_on(outlook, pipeline.changes(), generation, known(megaflows, flow, key)) {
        return false;
    }
    megaflows.renew(flow, pipeline.generation());
    true
}

fn known<'a>(megaflows: &'a Megaflows, flow: FlowId, key: &'a FlowKey) -> Known<'a> {
    let Answer { tables, rewritten, .. } = megaflows.answer(flow);
    Known { key, mask: megaflows.mask(flow), tables, rewritten }
}
