//! Doing what was decided, to a run of frames that share one program.
//!
//! The loop over actions is outside and the loop over frames inside: what an action is, is decided once a run. The last
//! action that sends takes the frame itself; those before it send copies.

use super::meter::{BandKind, Meter};
use super::queue::{Queue, Queued};
use super::report::Reporter;
use super::storm::Storm;
use super::{Action, Means, TooLong, edit, headers};
use crate::flow::hash::entropy;
use crate::flow::{FlowKey, Seed};
use crate::mem::{BATCH, Frame, FramePool};
use crate::port::{PortId, Sent, Slot, finish_checksum};
use crate::stats::{DropReason, Drops};
use crate::tunnel::{Encap, EncapId, Marks, Stamp, mss};
use std::slice::from_ref;

/// What a run needs to be executed.
#[derive(Debug)]
pub struct Executor<'a, 'u> {
    /// The ports of the worker.
    pub slots: &'a mut [Slot<'u>],
    /// Free frames, for copies, and where dead ones go.
    pub pool: &'a mut FramePool<'u>,
    /// The counters of the dead.
    pub drops: &'a mut Drops,
    /// What is told to control.
    pub report: &'a mut Reporter,
    /// What is remembered and counted about frames that are too long.
    pub too_long: &'a mut TooLong,
    /// The port that the run came in by; None: control has sent it.
    pub in_port: Option<PortId>,
    /// The secret of this worker.
    pub seed: &'a Seed,
    /// The turn's time, in nanoseconds.
    pub now_ns: u64,
}

impl<'u> Executor<'_, 'u> {
    /// Executes `actions` on every frame of `run`, whose keys are in the same places of `keys`. Afterwards `run` holds no frames.
    #[inline]
    pub fn execute(
        &mut self,
        run: &mut [Option<Frame<'u>>],
        keys: &[FlowKey],
        actions: &[Action],
        means: &impl Means,
    ) {
        let mut skip = 0;
        for (i, action) in actions.iter().enumerate() {
            // What was done on copies.
            if skip > 0 {
                skip -= 1;
                continue;
            }
            let last = i + 1 == actions.len();
            match *action {
                Action::Output(port) => {
                    self.on_way(run, keys, last, |executor, run, _| {
                        executor.output(run, port);
                    });
                }
                Action::Encap { encap: id, marks } => {
                    let encap = means.encap(id);
                    self.on_way(run, keys, last, |executor, run, keys| {
                        match marks.options_len() {
                            0 => executor.encap(run, keys, encap, &marks, means),
                            _ => executor.encap_with_options(run, keys, encap, (marks, &actions[..i]), means),
                        }
                        executor.output(run, encap.uplink());
                    });
                }
                Action::Options(_) => {}
                Action::Edit(bits) => run.iter_mut().flatten().for_each(|frame| edit::edit(frame, &bits)),
                Action::PushVlan { tpid, tci } => {
                    self.push(run, |frame| headers::push_vlan(frame, tpid, tci))
                }
                Action::PopVlan => run.iter_mut().flatten().for_each(headers::pop_vlan),
                Action::PushMpls { ether_type, entry } => {
                    self.push(run, |frame| headers::push_mpls(frame, ether_type, entry));
                }
                Action::PopMpls { ether_type } => {
                    run.iter_mut().flatten().for_each(|frame| headers::pop_mpls(frame, ether_type));
                }
                Action::PushPbb { tci } => self.push(run, |frame| headers::push_pbb(frame, tci)),
                Action::PopPbb => run.iter_mut().flatten().for_each(headers::pop_pbb),
                Action::Truncate(len) => cut(run, len),
                Action::Clone(steps) => {
                    skip = usize::from(steps);
                    let last = i + skip + 1 == actions.len();
                    let mut copies = [const { None }; BATCH];
                    for (place, copy) in run.iter_mut().zip(&mut copies) {
                        *copy = self.take(place, last);
                    }
                    self.execute(&mut copies[..run.len()], keys, &actions[i + 1..i + 1 + skip], means);
                }
                Action::Enqueue { port, queue } => self.enqueue(run, port, means.queue(queue), last),
                Action::Meter(id) => {
                    if let Some(meter) = means.meter(id) {
                        self.meter(run, meter);
                    }
                }
                Action::Storm(at) => self.police(run, means.storm(at)),
                Action::Learn(learning) => self.learn(learning, run, keys),
                Action::Teach(teaching) => self.teach(teaching, run, keys),
                Action::Punt(punt) => self.punt(punt, run, keys),
                Action::Drop(reason) => run.iter().flatten().for_each(|_| self.count(reason)),
            }
        }
        // Whichever way comes last took the frames themselves.
        if !matches!(actions.last(), Some(Action::Output(_) | Action::Encap { .. })) {
            run.iter_mut().filter_map(Option::take).for_each(|frame| self.pool.give(frame));
        }
    }

    /// Does the same to the frames themselves on their last way, and to a copy of each on those before.
    #[inline]
    fn on_way(
        &mut self,
        run: &mut [Option<Frame<'u>>],
        keys: &[FlowKey],
        last: bool,
        way: impl Fn(&mut Self, &mut [Option<Frame<'u>>], &[FlowKey]),
    ) {
        if last {
            return way(self, run, keys);
        }
        for (place, key) in run.iter_mut().zip(keys) {
            let copy = self.take(place, last);
            way(self, &mut [copy], from_ref(key));
        }
    }

    /// Puts frames into tunnels and sends them, each as its own program says, as long as those do nothing else and lead to one uplink:
    /// tenants have keys of their own, and nearly every frame of a batch is another's. `wrap` says of a program what it does, if that
    /// is all. Returns how many frames that were; of the first one it must be true.
    #[inline(always)]
    pub fn encap_each<'p>(
        &mut self,
        frames: &mut [Option<Frame<'u>>],
        keys: &[FlowKey],
        programs: &[u16],
        wrap: impl Fn(u16) -> Option<&'p (EncapId, Marks)>,
        means: &impl Means,
    ) -> usize {
        let n = frames.len();
        let (keys, programs) = (&keys[..n], &programs[..n]);
        let Some(mut program) = programs.first().copied() else { return 0 };
        let Some(mut way) = wrap(program) else { return 0 };
        let encap = means.encap(way.0);
        let (uplink, mut stamp) = (encap.uplink(), encap.stamp(&way.1));
        let mut done = 0;
        while done < n {
            if programs[done] != program {
                let Some(next) = wrap(programs[done]) else { break };
                if next.0 == way.0 && next.1.differs_by_key(&way.1) {
                    stamp = stamp.map(|stamp| stamp.with_key_of(&next.1));
                } else {
                    let encap = means.encap(next.0);
                    if encap.uplink() != uplink {
                        break;
                    }
                    stamp = encap.stamp(&next.1);
                }
                (program, way) = (programs[done], next);
            }
            if !stamped(&mut frames[done], stamp, &keys[done], self.seed) {
                self.wrap_at(done, frames, keys, (means.encap(way.0), &way.1), means);
            }
            done += 1;
        }
        self.output(&mut frames[..done], uplink);
        done
    }

    /// Puts the headers in front of every frame. Those that cannot have them come to an end here.
    #[inline(never)]
    fn encap(
        &mut self,
        run: &mut [Option<Frame<'u>>],
        keys: &[FlowKey],
        encap: &Encap,
        marks: &Marks,
        means: &impl Means,
    ) {
        let n = run.len();
        let (keys, stamp) = (&keys[..n], encap.stamp(marks));
        for at in 0..n {
            if !stamped(&mut run[at], stamp, &keys[at], self.seed) {
                self.wrap_at(at, run, keys, (encap, marks), means);
            }
        }
    }

    /// Puts the headers in front of one frame of a run, those before it having theirs: for what is not to be [`stamped`].
    #[inline(never)]
    fn wrap_at(
        &mut self,
        at: usize,
        run: &mut [Option<Frame<'u>>],
        keys: &[FlowKey],
        (encap, marks): (&Encap, &Marks),
        means: &impl Means,
    ) {
        let Some(frame) = &mut run[at] else { return };
        // Segments of a TCP connection that is being opened are held to what fits.
        if let Some(mss) = encap.mss()
            && mss::is_syn(&keys[at])
        {
            self.too_long.clamp(frame, mss, encap.frame_max());
        }
        if let Err(reason) = encap.push(frame, *marks, entropy(&keys[at], self.seed)) {
            self.not_wrapped(at, run, keys, (encap, marks), means, reason);
        }
    }

    #[cold]
    fn not_wrapped(
        &mut self,
        at: usize,
        run: &mut [Option<Frame<'u>>],
        keys: &[FlowKey],
        (encap, marks): (&Encap, &Marks),
        means: &impl Means,
        reason: DropReason,
    ) {
        let Some(frame) = run[at].take() else { return };
        if reason == DropReason::ExceedsMtu {
            // It may go on in pieces, behind those before it.
            self.output(&mut run[..at], encap.uplink());
            self.too_long(frame, &keys[at], encap, (*marks, &[]), means);
        } else {
            self.drop(frame, reason);
        }
    }

    /// Sends every frame.
    #[inline]
    pub(super) fn output(&mut self, run: &mut [Option<Frame<'u>>], port: PortId) -> Sent {
        let Executor { slots, pool, drops, in_port, .. } = self;
        let mut lost = 0;
        let sent = slots[usize::from(port.0)].tx(run, pool, |reason| {
            drops.count(reason);
            lost += 1;
        });
        if let Some(in_port) = *in_port {
            slots[usize::from(in_port.0)].counters.drops += lost;
        }
        sent
    }

    /// Each frame at the turn's time: those above a rate are dropped or marked.
    #[inline(never)]
    fn meter(&mut self, run: &mut [Option<Frame<'u>>], meter: &Meter) {
        let (packets, bytes) = run
            .iter()
            .flatten()
            .fold((0, 0), |(packets, bytes), frame| (packets + 1, bytes + frame.len() as u64));
        meter.count(packets, bytes);
        for place in run.iter_mut() {
            let Some(mut frame) = place.take() else { continue };
            match meter.judge(frame.len(), self.now_ns) {
                Some(BandKind::Drop) => {
                    self.drop(frame, DropReason::MeterDrop);
                    continue;
                }
                Some(BandKind::DscpRemark { prec_level }) => edit::remark(&mut frame, prec_level),
                None => {}
            }
            *place = Some(frame);
        }
    }

    /// Each frame at the turn's time: what is above the rates of its port is for nobody.
    #[inline(never)]
    fn police(&mut self, run: &mut [Option<Frame<'u>>], storm: &Storm) {
        for place in run.iter_mut() {
            let Some(frame) = place.take() else { continue };
            match storm.admits(frame.len(), self.now_ns) {
                true => *place = Some(frame),
                false => self.drop(frame, DropReason::StormOverRate),
            }
        }
    }

    /// Off the fast path: flows of stations that are known have no such step.
    #[cold]
    fn learn(&mut self, learning: u32, run: &[Option<Frame<'u>>], keys: &[FlowKey]) {
        for (_, key) in run.iter().zip(keys).filter(|(place, _)| place.is_some()) {
            self.report.learn(learning, key);
        }
    }

    /// Off the fast path: frames that teach what is known have no such step.
    #[cold]
    fn teach(&mut self, teaching: u32, run: &[Option<Frame<'u>>], keys: &[FlowKey]) {
        for (_, key) in run.iter().zip(keys).filter(|(place, _)| place.is_some()) {
            self.report.teach(teaching, key);
        }
    }

    /// Off the fast path: a controller decides about flows, not about frames.
    #[cold]
    fn punt(&mut self, punt: u32, run: &mut [Option<Frame<'u>>], keys: &[FlowKey]) {
        for (place, key) in run.iter_mut().zip(keys) {
            let Some(frame) = place else { continue };
            if let Err(reason) = self.report.punt(punt, frame, key, self.now_ns) {
                self.count(reason);
            }
        }
    }

    /// Sends what is within the queue's rate.
    #[inline(never)]
    fn enqueue(&mut self, run: &mut [Option<Frame<'u>>], port: PortId, queue: &Queue, last: bool) {
        let mut done = Queued::default();
        for place in run.iter_mut() {
            let Some(frame) = self.take(place, last) else { continue };
            let bytes = frame.len();
            if !queue.admits(bytes, self.now_ns) {
                self.drop(frame, DropReason::QueueOverRate);
                done.errors += 1;
            } else if self.send(frame, port) {
                done.packets += 1;
                done.bytes += bytes as u64;
            } else {
                done.errors += 1;
            }
        }
        queue.count(done);
    }

    /// Adds a header to each frame; one without room for it goes no further.
    fn push(&mut self, run: &mut [Option<Frame<'u>>], header: impl Fn(&mut Frame<'u>) -> bool) {
        for place in run.iter_mut() {
            if let Some(mut frame) = place.take() {
                match header(&mut frame) {
                    true => *place = Some(frame),
                    false => self.drop(frame, DropReason::NoHeadroom),
                }
            }
        }
    }

    /// The frame itself for its last way, a copy for those before.
    #[inline]
    fn take(&mut self, place: &mut Option<Frame<'u>>, last: bool) -> Option<Frame<'u>> {
        if last {
            return place.take();
        }
        let copy = self.pool.copy(place.as_ref()?);
        if copy.is_none() {
            self.count(DropReason::PoolEmpty);
        }
        copy
    }

    /// Sends one frame. Whether the port took it.
    pub(super) fn send(&mut self, frame: Frame<'u>, port: PortId) -> bool {
        self.output(&mut [Some(frame)], port).packets == 1
    }

    /// The end of a frame: every drop passes here or through [`Executor::count`], which it calls.
    #[cold]
    pub fn drop(&mut self, frame: Frame<'u>, reason: DropReason) {
        self.count(reason);
        self.pool.give(frame);
    }

    /// Counts a frame, or a copy of one, that did not come out.
    #[inline]
    pub fn count(&mut self, reason: DropReason) {
        self.drops.count(reason);
        if let Some(port) = self.in_port {
            self.slots[usize::from(port.0)].counters.drops += 1;
        }
    }
}

/// Whether there was a frame that the headers could be put in front of as they always are; else nothing was done.
#[inline(always)]
fn stamped(place: &mut Option<Frame<'_>>, stamp: Option<Stamp<'_>>, key: &FlowKey, seed: &Seed) -> bool {
    let (Some(frame), Some(stamp)) = (place, stamp) else { return false };
    stamp.push(frame, entropy(key, seed)).is_ok()
}

/// The checksum is that of the whole frame: nobody behind could fill it in.
#[cold]
fn cut(run: &mut [Option<Frame<'_>>], len: u32) {
    let len = usize::try_from(len).unwrap_or(usize::MAX);
    for frame in run.iter_mut().flatten().filter(|frame| frame.len() > len) {
        finish_checksum(frame);
        frame.truncate(len);
    }
}
