//! The stages of a turn: each is one flat loop over the batch, named after what it does to it.

use super::programs::Programs;
use super::{FORGET_NS, Role, Worker};
use crate::action::execute::Executor;
use crate::flow::{Answer, FlowId, FlowKey, Hit, KeyHash, Megaflows, Origin, Scope, Unfilled, extract};
use crate::mem::{BATCH, Frame};
use crate::pipeline::recent::{Known, Outlook, Recent};
use crate::pipeline::{Pipeline, translate};
use crate::port::PortId;
use crate::stats::{Counted, DropReason};
use crate::tunnel::{Head, Kind, Last, Mss, Recognised, TunnelId, decap, mss};

/// A batch on its way through the stages: parallel columns, the same index for the same frame.
#[derive(Debug)]
pub(super) struct Batch<'u> {
    /// As they came in; once they are classified, those that have a key.
    pub(super) frames: Vec<Option<Frame<'u>>>,
    /// Those that have none, in order, and why.
    dead: Vec<(usize, DropReason)>,
    pub(super) keys: Box<[FlowKey; BATCH]>,
    /// Bytes of each frame as it came in or out of its tunnel: what is counted.
    pub(super) lengths: [u16; BATCH],
    /// What the hashes of keys have from where their frames come from.
    origins: [u64; BATCH],
    pub(super) hashes: [KeyHash; BATCH],
    /// Where the exact cache says that their flows are.
    pub(super) flows: [FlowId; BATCH],
    pub(super) programs: [u16; BATCH],
    /// How many of them the exact cache did not know.
    unknown: usize,
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
            frames: Vec::with_capacity(BATCH),
            dead: Vec::with_capacity(BATCH),
            keys: Box::new(std::array::from_fn(|_| FlowKey::default())),
            lengths: [0; BATCH],
            origins: [0; BATCH],
            hashes: [KeyHash::default(); BATCH],
            flows: [FlowId::NONE; BATCH],
            programs: [UNDECIDED; BATCH],
            unknown: 0,
            doubts: Vec::with_capacity(BATCH),
        }
    }
}

impl<'u> Batch<'u> {
    /// The key of a frame from there, in the place `at`.
    #[inline(always)]
    fn read(&mut self, frame: &mut Frame<'u>, origin: &Origin, at: usize) -> Result<(), DropReason> {
        (self.origins[at], self.lengths[at]) = (origin.hash(), frame.len() as u16);
        let Some(suspect) = extract::read_plain(frame.bytes(), origin, &mut self.keys[at]) else {
            return self.read_any(frame, origin, at);
        };
        if suspect {
            leave_unfilled(frame, extract::unfilled(frame.bytes()));
        }
        Ok(())
    }

    #[inline(never)]
    fn read_any(&mut self, frame: &mut Frame<'u>, origin: &Origin, at: usize) -> Result<(), DropReason> {
        let unfilled = extract::read_any(frame.bytes(), origin, &mut self.keys[at])?;
        leave_unfilled(frame, unfilled);
        Ok(())
    }
}

/// The checksum that the sender left to us is left to the port that sends the frame.
#[inline(never)]
fn leave_unfilled(frame: &mut Frame<'_>, unfilled: Option<Unfilled>) {
    if let Some(unfilled) = unfilled {
        frame.truncate(unfilled.end);
        frame.request_checksum(unfilled.start, unfilled.field);
    }
}

/// How a frame is read: taken out of what it came in, its key in the place `at`. Not closures, since those cannot be told to be
/// inlined into each of the [two](super::wide) that this is compiled for.
trait Way {
    fn read<'u>(
        &mut self,
        worker: &mut Worker<'u>,
        frame: &mut Frame<'u>,
        at: usize,
    ) -> Result<(), DropReason>;
}

/// From a port.
struct FromPort(Origin);

impl Way for FromPort {
    #[inline(always)]
    fn read<'u>(
        &mut self,
        worker: &mut Worker<'u>,
        frame: &mut Frame<'u>,
        at: usize,
    ) -> Result<(), DropReason> {
        worker.read_of_port(frame, &self.0, at)
    }
}

/// Out of a tunnel.
struct FromTunnel<'a>(&'a mut Last);

impl Way for FromTunnel<'_> {
    #[inline(always)]
    fn read<'u>(
        &mut self,
        worker: &mut Worker<'u>,
        frame: &mut Frame<'u>,
        at: usize,
    ) -> Result<(), DropReason> {
        worker.read_of_tunnel(frame, self.0, at)
    }
}

/// How many frames ahead of the one that is read the headers of the next are asked for.
const AHEAD: usize = 8;

impl<'u> Worker<'u> {
    /// Frames -> keys and their hashes. Outer headers are checked and cut off; frames that have no key die here.
    #[inline(always)]
    pub(super) fn classify(&mut self, in_port: PortId) {
        if let Some(looked_at) = self.megaflows.newly_looked_at() {
            self.scope = Scope::of(looked_at, self.seed);
            // They know what comes out of each tunnel by hashes, too.
            self.familiar.forget();
            // Nobody finds what was remembered by other bits, and it would keep others out.
            self.signatures.clear();
        }
        let mut frames = std::mem::take(&mut self.batch.frames);
        let (bytes, keys) = match self.roles[usize::from(in_port.0)] {
            Role::Guest(ofport) => {
                let origin = Origin::port(ofport, &self.scope);
                self.each(&mut frames, FromPort(origin))
            }
            Role::Uplink => {
                let mut last = Last::after(self.order.take());
                let read = self.each(&mut frames, FromTunnel(&mut last));
                self.order = last.into_order();
                read
            }
        };
        self.hash(keys);
        self.slots[usize::from(in_port.0)].counters.rx_bytes += bytes;
        while let Some((i, reason)) = self.batch.dead.pop() {
            if let Some(frame) = frames.remove(i) {
                self.executor(in_port).drop(frame, reason);
            }
        }
        self.batch.frames = frames;
    }

    /// Reads each frame, by the way that frames from there are read. Returns how many bytes they had as they came in, and how many of
    /// them have keys.
    #[inline(always)]
    fn each(&mut self, frames: &mut [Option<Frame<'u>>], mut way: impl Way) -> (u64, usize) {
        frames.iter().take(AHEAD).flatten().for_each(Frame::prefetch);
        let (n, mut left) = (frames.len(), frames);
        let (mut at, mut bytes) = (0, 0);
        while let Some((place, behind)) = left.split_first_mut() {
            // A frame that another core has written is far away.
            if let Some(Some(later)) = behind.get(AHEAD - 1) {
                later.prefetch();
            }
            left = behind;
            let Some(frame) = place else {
                // No port leaves a place empty; a key without a frame would be another's.
                self.batch.dead.push((n - 1 - left.len(), DropReason::PoolEmpty));
                continue;
            };
            bytes += frame.len() as u64;
            // There are no more frames than places.
            match way.read(self, frame, at % BATCH) {
                Ok(()) => at += 1,
                Err(reason) => self.batch.dead.push((n - 1 - left.len(), reason)),
            }
        }
        (bytes, at)
    }

    /// Hashes the keys, and asks for where their flows may be. After all are read, since both at a time is more than the processor
    /// has registers for.
    #[inline(always)]
    fn hash(&mut self, keys: usize) {
        let Worker { scope, signatures, batch, .. } = self;
        let (n, lines) = (keys.min(BATCH), signatures.lines());
        scope.hash_each(&batch.keys[..n], &batch.origins[..n], &mut batch.hashes[..n], |hash| {
            lines.prefetch(hash)
        });
    }

    /// The key of a frame that comes from a port.
    #[inline(always)]
    fn read_of_port(&mut self, frame: &mut Frame<'u>, origin: &Origin, at: usize) -> Result<(), DropReason> {
        self.batch.read(frame, origin, at)
    }

    /// Takes a frame out of its tunnel; its key.
    #[inline(always)]
    fn read_of_tunnel(
        &mut self,
        frame: &mut Frame<'u>,
        last: &mut Last,
        at: usize,
    ) -> Result<(), DropReason> {
        let Worker { batch, familiar, .. } = self;
        let Some(Recognised { origin, tunnel, mss }) = familiar.take_out(frame) else {
            return self.read_of_any_tunnel(frame, last, at);
        };
        batch.read(frame, origin, at)?;
        // Also those who come to us out of a tunnel shall send nothing back that does not fit it.
        if let Some(mss) = *mss {
            let tunnel = *tunnel;
            self.clamp(frame, tunnel, mss, at);
        }
        Ok(())
    }

    /// The general way, and after it those like this one are familiar.
    #[inline(never)]
    fn read_of_any_tunnel(
        &mut self,
        frame: &mut Frame<'u>,
        last: &mut Last,
        at: usize,
    ) -> Result<(), DropReason> {
        let Worker { batch, scope, familiar, pipeline, .. } = self;
        let (head, tunnels) = (Head::of(frame.bytes()), pipeline.tunnels());
        let (tunnel, outer) = decap(frame, tunnels, |address| pipeline.is_endpoint(address), last)?;
        let spec = tunnels.spec(tunnel);
        familiar.remember(&head, (tunnel, spec), &outer, scope);
        batch.read(frame, &Origin::tunnel(spec.ofport, &outer, scope), at)?;
        if outer.options != 0 {
            last.give_options(&mut batch.keys[at]);
        }
        if let Some(mss) = spec.mss {
            self.clamp(frame, tunnel, mss, at);
        }
        Ok(())
    }

    #[cold]
    fn clamp(&mut self, frame: &mut Frame<'u>, tunnel: TunnelId, mss: Mss, at: usize) {
        let key = &self.batch.keys[at];
        if mss::is_syn(key)
            && let Some(back) = self.pipeline.way_back(tunnel, key)
        {
            // What comes back may have all options.
            let options =
                if back.kind() == Kind::Geneve { self.pipeline.tunnels().options().len_max() } else { 0 };
            self.too_long.clamp(frame, mss, back.frame_max().saturating_sub(options));
        }
    }

    /// Hashes -> programs, for all flows that are known. What a frame costs then, when the megaflows have to be searched, and when
    /// the rules are asked, `benches/RESULTS.md` says under "The flow engine".
    #[inline(always)]
    pub(super) fn lookup(&mut self) {
        if self.full {
            self.make_room();
        }
        let n = self.batch.frames.len().min(BATCH);
        let Batch { keys, lengths, hashes, flows, programs, doubts, unknown, .. } = &mut self.batch;
        let (lines, mut known) = (self.signatures.lines(), self.megaflows.known(self.pipeline.generation()));
        for (hash, flow) in hashes.iter().zip(flows.iter_mut()).take(n) {
            *flow = lines.find(*hash).unwrap_or(FlowId::NONE);
            known.prefetch(*flow);
        }
        let keys = &**keys;
        for (at, flow) in flows.iter().enumerate().take(n) {
            let program = match known.hit(*flow, &keys[at], lengths[at]) {
                Hit::Program(program) => program,
                Hit::Other => UNDECIDED,
                Hit::Older => {
                    doubts.push(Doubt { at, flow: *flow, outlook: Outlook::InDoubt });
                    UNDECIDED
                }
            };
            programs[at] = program;
        }
        *unknown = programs[..n].iter().map(|program| u16::from(*program == UNDECIDED)).sum::<u16>().into();
        if !doubts.is_empty() {
            self.look_again();
        }
    }

    /// Whether what was answered before the last change still holds. The first look at each asks for what the second needs.
    #[inline(never)]
    fn look_again(&mut self) {
        let Worker { megaflows, pipeline, recent, batch, .. } = self;
        let Batch { keys, lengths, programs, doubts, unknown, .. } = batch;
        for Doubt { at, flow, outlook } in doubts.iter_mut() {
            let since = megaflows.answer(*flow).generation;
            *outlook = recent.look(pipeline.changes(), since, known(megaflows, *flow, &keys[*at]));
        }
        for Doubt { at, flow, outlook } in doubts.drain(..) {
            if still_holds(megaflows, pipeline, recent, flow, &keys[at], outlook) {
                megaflows.count(flow, lengths[at]);
                programs[at] = megaflows.answer(flow).program;
                *unknown -= usize::from(programs[at] != UNDECIDED);
            }
        }
    }

    /// Decides about those that the exact cache did not know: by the megaflows, or by the rules.
    pub(super) fn translate(&mut self) {
        let n = self.batch.frames.len();
        self.counters.hits += (n - self.batch.unknown) as u64;
        if self.batch.unknown == 0 {
            return;
        }
        let unknown = |i: &usize| self.batch.programs[*i] == UNDECIDED;
        (0..n).filter(unknown).for_each(|i| self.megaflows.prefetch_place(&self.batch.keys[i]));
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
        self.signatures.insert(self.batch.hashes[i], flow, |flow| self.megaflows.is_free(flow));
        self.batch.programs[i] = self.megaflows.answer(flow).program;
    }

    /// Has the key say how long the frame is. What such a key is known by is in the exact cache too.
    #[cold]
    fn flow_by_length(&mut self, i: usize) -> Option<FlowId> {
        self.batch.keys[i].measure(self.batch.lengths[i]);
        let key = &self.batch.keys[i];
        let hash = self.scope.hash(key);
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

    /// Frames -> out: those that only go into tunnels together, all others in runs of the same program.
    #[inline(always)]
    pub(super) fn execute(&mut self, in_port: PortId) {
        let mut start = 0;
        while start < self.batch.frames.len() {
            start += match self.programs.wrap(self.batch.programs[start]) {
                Some(_) => self.execute_encaps(in_port, start),
                None => self.execute_run(in_port, start),
            };
        }
        self.batch.frames.clear();
    }

    #[inline(always)]
    fn execute_encaps(&mut self, in_port: PortId, start: usize) -> usize {
        let Hands { mut executor, batch, programs, pipeline } = self.hands(in_port);
        let (frames, of_each) = (&mut batch.frames[start..], &batch.programs[start..]);
        let wrap = |program| programs.wrap(program);
        executor.encap_each(frames, &batch.keys[start..], of_each, wrap, pipeline)
    }

    #[inline(never)]
    fn execute_run(&mut self, in_port: PortId, start: usize) -> usize {
        let Hands { mut executor, batch, programs, pipeline } = self.hands(in_port);
        let program = batch.programs[start];
        let frames = batch.frames.len();
        let same = batch.programs[start..frames].iter().take_while(|p| **p == program).count();
        let run = start..start + same;
        executor.execute(
            &mut batch.frames[run.clone()],
            &batch.keys[run],
            programs.actions(program),
            pipeline,
        );
        same
    }

    pub(super) fn executor(&mut self, in_port: PortId) -> Executor<'_, 'u> {
        self.hands(in_port).executor
    }

    /// What executes, and what it is told to, at the same time.
    #[inline(always)]
    fn hands(&mut self, in_port: PortId) -> Hands<'_, 'u> {
        let Worker { slots, pool, drops, report, too_long, seed, batch, programs, pipeline, now_ns, .. } =
            self;
        let (in_port, now_ns) = (Some(in_port), *now_ns);
        let executor = Executor { slots, pool, drops, report, too_long, in_port, seed, now_ns };
        Hands { executor, batch, programs, pipeline }
    }
}

/// A worker, taken apart to execute.
struct Hands<'a, 'u> {
    executor: Executor<'a, 'u>,
    batch: &'a mut Batch<'u>,
    programs: &'a Programs,
    pipeline: &'a Pipeline,
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
