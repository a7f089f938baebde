//! The law of counters: what rules, groups, buckets and tables have counted is, to the packet and the byte, what a plain
//! interpreter counts that sees the same frames. With two workers on one ledger, while rules come and go, flows are given up for
//! want of room or of use, workers end and others begin.

mod common;
mod pipelines;
mod reference;

use common::*;
use datapath::flow::{FlowKey, OfPort};
use datapath::pipeline::{Counted, Credit, GroupId, Meter, MeterId, Pipeline, Rule, TableId};
use pipelines::*;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::TestCaseError;
use reference::{Reference, Who, as_lesson};

fn cases() -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok());
    ProptestConfig::with_cases(cases.unwrap_or(60))
}

/// What happens to the switch.
#[derive(Clone, Debug)]
enum Event {
    /// A frame comes in, at one of the two workers.
    Frame(usize, Index),
    /// Rules or groups change; published or left for the next time.
    Change(Change, bool),
    /// A rule takes the place of another, or of itself, and counts from zero.
    Anew(Index),
    /// So many seconds pass.
    Wait(u8),
    /// A worker ends and another takes its place.
    Restart(usize),
    /// Somebody reads.
    Read,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        30 => (0..2usize, any::<Index>()).prop_map(|(worker, at)| Event::Frame(worker, at)),
        6 => (change(), prop::bool::weighted(0.7)).prop_map(|(change, now)| Event::Change(change, now)),
        1 => any::<Index>().prop_map(Event::Anew),
        2 => (1..30u8).prop_map(Event::Wait),
        1 => (0..2usize).prop_map(Event::Restart),
        2 => Just(Event::Read),
    ]
}

/// What the interpreter has counted.
#[derive(Default)]
struct Told {
    /// Of what is there.
    counted: Vec<(Who, Counted)>,
    /// Frames that a rule of each table took, and that none did.
    tables: Vec<(u64, u64)>,
}

impl Told {
    fn of(&self, who: &Who) -> Counted {
        self.counted.iter().find(|(w, _)| w == who).map_or_else(Counted::default, |(_, counted)| *counted)
    }

    fn count(&mut self, who: Who, bytes: usize, now_ms: u64) {
        self.tables.resize(256, (0, 0));
        match &who {
            Who::Rule(table, ..) => self.tables[usize::from(table.0)].0 += 1,
            Who::Missed(table) => self.tables[usize::from(*table)].1 += 1,
            Who::Group(_) | Who::Bucket(..) | Who::Tunnel(_) | Who::Lesson(..) | Who::Fin(..) => {}
        }
        let at = self.counted.iter().position(|(w, _)| *w == who).unwrap_or_else(|| {
            self.counted.push((who, Counted::default()));
            self.counted.len() - 1
        });
        let counted = &mut self.counted[at].1;
        counted.packets += 1;
        counted.bytes += bytes as u64;
        counted.used_ms = now_ms;
    }

    fn forget(&mut self, gone: impl Fn(&Who) -> bool) {
        self.counted.retain(|(who, _)| !gone(who));
    }
}

/// The second of them has room for hardly any answer.
fn switch(umem: &af_xdp::Umem, pipeline: Pipeline, worker: usize) -> Switch<'_> {
    Switch::with_flows(umem, pipeline, GUESTS, 64).keeping(if worker == 1 { 2 } else { usize::MAX })
}

fn key_of(port: u16, frame: &[u8]) -> FlowKey {
    let mut key = FlowKey::default();
    datapath::flow::extract(frame, OfPort(port.into()), None, &mut key).expect("a whole frame");
    key
}

struct Scene<'u> {
    pipeline: Pipeline,
    reference: Reference,
    told: Told,
    /// What the workers go by: the interpreter's rules lag behind what was not published.
    published: Reference,
    /// Counters that begin anew once the workers know.
    pending: Vec<Who>,
    switches: Vec<Switch<'u>>,
    now_ms: u64,
}

impl<'u> Scene<'u> {
    fn insert(&mut self, table: TableId, rule: Rule) {
        // One that does not heed the ends of connections has no place to count them.
        if !format!("{rule:?}").contains("FinTimeout") {
            self.pending.push(Who::Fin(table, rule.priority, rule.matching.clone()));
        }
        self.reference.insert(table, rule.clone());
        self.pipeline.insert(table, rule);
    }

    fn change(&mut self, change: Change) {
        match change {
            Change::Insert(table, rule) => self.insert(table, rule),
            Change::Remove(_) if self.reference.rules.is_empty() => {}
            Change::Remove(at) => {
                let (table, rule) = at.get(&self.reference.rules).clone();
                self.reference.remove(table, rule.priority, &rule.matching);
                let gone = self.pipeline.remove(table, rule.priority, &rule.matching);
                assert!(gone.is_some());
                self.pending.push(Who::Fin(table, rule.priority, rule.matching.clone()));
                self.pending.push(Who::Rule(table, rule.priority, rule.matching));
            }
            Change::Group(id, group) => {
                self.reference.groups.insert(id, group.clone());
                self.pipeline.set_group(GroupId(id), group);
                self.pending.extend((0..8).map(|bucket| Who::Bucket(id, bucket)));
            }
            Change::RemoveGroup(id) => {
                self.reference.groups.remove(&id);
                self.pipeline.remove_group(GroupId(id));
                self.pending.extend((0..8).map(|bucket| Who::Bucket(id, bucket)).chain([Who::Group(id)]));
            }
            // Rules count what a meter drops too, so the interpreter need not know.
            Change::Meter(id, spec) => self.pipeline.set_meter(MeterId(id), Meter::new(spec)),
            Change::RemoveMeter(id) => drop(self.pipeline.remove_meter(MeterId(id))),
            Change::Port(port, config) => {
                self.reference.configs.insert(port, config);
                self.pipeline.set_port_config(OfPort(port), config);
            }
            Change::Link(port, up) => {
                let _ = if up { self.reference.cut.remove(&port) } else { self.reference.cut.insert(port) };
                self.pipeline.set_link(OfPort(port), up);
            }
            Change::Misses(told) => {
                self.reference.tells_misses = told;
                self.pipeline.set_tells_misses(told);
            }
            Change::Fragments(what) => {
                self.reference.fragments = what;
                self.pipeline.set_fragments(what);
            }
            Change::StrikeOut(_) if self.reference.lessons.is_empty() => {}
            Change::StrikeOut(at) => {
                let gone = self.reference.lessons.remove(at.index(self.reference.lessons.len()));
                assert!(self.pipeline.strike_out(&as_lesson(&gone)));
                self.pending.push(Who::Lesson(gone.0, gone.1));
            }
            Change::Full(table, cookie, limit, full) => {
                self.reference.set_full((table, cookie, limit), full);
                self.pipeline.set_full(TableId(table), cookie, limit, full);
            }
        }
    }

    fn anew(&mut self, at: Index) {
        if self.reference.rules.is_empty() {
            return;
        }
        let (table, rule) = at.get(&self.reference.rules).clone();
        self.pending.push(Who::Fin(table, rule.priority, rule.matching.clone()));
        self.pending.push(Who::Rule(table, rule.priority, rule.matching.clone()));
        assert!(self.pipeline.put(table, rule, datapath::pipeline::Note::default(), true).1.is_some());
    }

    /// From here on the workers go by what is there now, and a rule that was gone for a moment is a new one.
    fn publish(&mut self) {
        let snapshot = self.pipeline.snapshot();
        self.switches.iter().for_each(|switch| switch.publisher.publish(snapshot.clone()));
        self.published = self.reference.clone();
        for gone in std::mem::take(&mut self.pending) {
            self.told.forget(|who| *who == gone);
        }
    }

    fn frame(&mut self, worker: usize, (port, frame): &(u16, Vec<u8>)) {
        self.now_ms += 1;
        let switch = &mut self.switches[worker];
        switch.now_ns = (self.now_ms - 1) * 1_000_000;
        switch.put(*port, frame);
        (0..=GUESTS).for_each(|port| drop(switch.out(port)));
        // What is taught is taken up, and known from the next snapshot on.
        while let Some(lesson) = self.switches[worker].reports.lesson() {
            let values = lesson.learn.sources().zip(lesson.values).map(|(_, value)| value).collect();
            let named = ((*lesson.learn).clone(), values);
            if !self.reference.lessons.contains(&named) {
                self.reference.lessons.push(named);
                self.pipeline.take_up(&lesson);
            }
        }
        for who in self.published.run(&key_of(*port, frame), frame, 0).counting {
            self.told.count(who, frame.len(), self.now_ms);
        }
    }

    fn restart(&mut self, worker: usize, umem: &'u af_xdp::Umem) {
        self.switches[worker].worker.settle();
        // What was not published is not known to the new one either; it begins with what there is.
        self.publish();
        self.switches[worker] = switch(umem, (*self.pipeline.snapshot()).clone(), worker);
    }

    fn read(&mut self) -> Result<(), TestCaseError> {
        for switch in &mut self.switches {
            let asked = switch.shared.ask_sweep();
            for _ in 0..100 {
                switch.turn();
            }
            assert_eq!(switch.shared.swept(), asked, "done, a few turns later");
            assert!(!switch.worker.is_sweeping());
        }
        if !self.pending.is_empty() {
            return Ok(());
        }
        let counted = |credit: Credit| self.pipeline.counted(credit);
        for (table, t) in self.pipeline.tables() {
            for installed in t.installed() {
                let rule = &installed.rule;
                let told = self.told.of(&Who::Rule(table, rule.priority, rule.matching.clone()));
                prop_assert_eq!(counted(installed.credit()), told, "{:?} {:?}", table, rule);
                let fins = self.pipeline.fins(installed.credit());
                let told = self.told.of(&Who::Fin(table, rule.priority, rule.matching.clone()));
                prop_assert_eq!(
                    fins.map_or(Counted::default(), counted),
                    told,
                    "fins of {:?} {:?}",
                    table,
                    rule
                );
            }
        }
        for lesson in &self.reference.lessons {
            let credit = self.pipeline.lesson(&as_lesson(lesson)).expect("it is known");
            let told = self.told.of(&Who::Lesson(lesson.0.clone(), lesson.1.clone()));
            prop_assert_eq!(counted(credit), told, "{:?}", lesson);
        }
        for id in 0..4 {
            let Some(group) = self.pipeline.installed_group(GroupId(id)) else { continue };
            prop_assert_eq!(counted(group.credit), self.told.of(&Who::Group(id)), "group {}", id);
            for (bucket, credit) in (0..).zip(&group.buckets) {
                let told = self.told.of(&Who::Bucket(id, bucket));
                prop_assert_eq!(counted(*credit), told, "bucket {} of group {}", bucket, id);
            }
        }
        let went = self.pipeline.passed(OfPort(TUNNEL)).expect("a tunnel").went;
        prop_assert_eq!(went, self.told.of(&Who::Tunnel(TUNNEL)), "the tunnel");
        let tables = self.pipeline.tables_counted().into_iter().map(|t| (t.matched, t.missed));
        let told = self.told.tables.iter().copied().chain(std::iter::repeat((0, 0)));
        for (table, (counted, told)) in tables.zip(told).enumerate() {
            prop_assert_eq!(counted, told, "table {}", table);
        }
        let settled = self.switches.iter().map(|switch| switch.shared.settled()).min();
        self.pipeline.settled(settled.unwrap_or(0));
        Ok(())
    }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn counters_are_those_of_the_interpreter(
        rules in vec(rule(), 1..14),
        groups in groups(),
        frames in vec(frames(), 20..150),
        events in vec(event(), 20..300),
    ) {
        let restarts = events.iter().filter(|event| matches!(event, Event::Restart(_))).count();
        let umems: Vec<_> = (0..2 + restarts).map(|_| umem()).collect();
        let mut memory = umems.iter();
        let mut scene = Scene {
            pipeline: pipeline(1, vec![], GUESTS),
            reference: Reference {
                ports: (1..=GUESTS.into()).chain([TUNNEL]).collect(),
                tunnels: vec![TUNNEL],
                reached: vec![THERE.parse().expect("IPv4")],
                ..Reference::default()
            },
            told: Told::default(),
            published: Reference::default(),
            pending: Vec::new(),
            switches: Vec::new(),
            now_ms: 0,
        };
        rules.into_iter().for_each(|(table, rule)| scene.insert(table, rule));
        groups.into_iter().for_each(|(id, group)| scene.change(Change::Group(id, group)));
        let first = scene.pipeline.snapshot();
        scene.switches =
            memory.by_ref().take(2).zip(0..).map(|(umem, n)| switch(umem, (*first).clone(), n)).collect();
        scene.publish();
        for event in events {
            match event {
                Event::Frame(worker, at) => scene.frame(worker, at.get(&frames)),
                Event::Change(change, now) => {
                    scene.change(change);
                    if now {
                        scene.publish();
                    }
                }
                Event::Anew(at) => scene.anew(at),
                Event::Wait(seconds) => scene.now_ms += 1000 * u64::from(seconds),
                Event::Restart(worker) => scene.restart(worker, memory.next().expect("memory for each")),
                Event::Read => scene.read()?,
            }
        }
        scene.publish();
        scene.read()?;
    }
}
