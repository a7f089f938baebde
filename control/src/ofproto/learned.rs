//! Entries that frames have taught: added as by a request, and kept as long as frames teach them (`ofproto/ofproto.c` of Open vSwitch 3.1,
//! `ofproto_flow_mod_learn`).
//!
//! An entry knows the lessons that it was made by. The workers count frames that teach what is known, so a hard timeout runs from the
//! last of them. When the entry goes or does something else, its lessons are struck out, and the next frame teaches it anew.

use super::entry::Entry;
use super::error::{Error, FlowModFailed};
use super::filter::Filter;
use super::lesson::flow_of;
use super::{Applied, Command, FlowMod, Ofproto, Reason};
use datapath::action::learn::{Learn, Lesson};
use datapath::pipeline::{Installed, Instructions, Match, RuleAction, TableId};
use rpds::RedBlackTreeMapSync;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Most lessons that are taken up at a time, over all tables. Each costs about a kilobyte with its entry's.
pub const LESSONS_MAX: usize = 1 << 16;
/// Most of them that are about one entry; usually there is one.
const LESSONS_OF_ENTRY_MAX: usize = 8;

/// What an entry was taught by.
#[derive(Clone, Debug, Default)]
pub(super) struct Learned {
    /// When it was made, or made another, in milliseconds of the caller's clock.
    at: u64,
    lessons: Vec<Lesson>,
}

/// A table and a cookie.
type Marked = (TableId, u64);

/// The rules that learn, as far as more follows from them than that they do.
#[derive(Clone, Debug, Default)]
pub(super) struct Teachers {
    /// How many say that what was learned goes with them.
    deleting: RedBlackTreeMapSync<Marked, u32>,
    /// Of which the last is gone.
    gone: Vec<Marked>,
    limits: RedBlackTreeMapSync<Marked, Limits>,
    /// How many lessons are taken up.
    lessons: usize,
    /// Entries that heed the ends of TCP connections, by number: table, and how many had ended before.
    heeding: RedBlackTreeMapSync<u32, (TableId, Arc<Installed>, u64)>,
}

/// How many entries there are, and the limits of the rules that learn: how many rules have each.
#[derive(Clone, Debug, Default)]
struct Limits {
    entries: usize,
    limits: Arc<BTreeMap<u32, u32>>,
}

/// Calls `work` with each `learn` of these actions, those inside of others too.
fn each_learn(actions: &[RuleAction], work: &mut impl FnMut(&Learn)) {
    for action in actions {
        match action {
            RuleAction::Learn(learn) => work(learn),
            RuleAction::Clone(inner) => each_learn(inner, work),
            _ => {}
        }
    }
}

/// The timeouts that the end of a connection leaves an entry of these, if it heeds that.
fn ended(instructions: &Instructions, timeouts: (u16, u16)) -> Option<(u16, u16)> {
    fn fold(actions: &[RuleAction], so_far: (Option<()>, (u16, u16))) -> (Option<()>, (u16, u16)) {
        let lower = |max: u16, had: u16| if max > 0 && (had == 0 || had > max) { max } else { had };
        actions.iter().fold(so_far, |(heeds, (idle, hard)), action| match action {
            RuleAction::FinTimeout { idle: i, hard: h } => (Some(()), (lower(*i, idle), lower(*h, hard))),
            RuleAction::Clone(inner) => fold(inner, (heeds, (idle, hard))),
            _ => (heeds, (idle, hard)),
        })
    }
    let (heeds, timeouts) = fold(&instructions.apply, (None, timeouts));
    heeds.map(|()| timeouts)
}

impl Ofproto {
    /// Whether nothing is to be learned from this any more: it is known, or the last rule that said so has gone and was to take with it
    /// what was learned. Frames go by a rule for some time after it is deleted.
    pub fn is_stale(&self, lesson: &Lesson) -> bool {
        let marked = (TableId(lesson.learn.table), lesson.learn.cookie);
        self.pipeline.lesson(lesson).is_some()
            || lesson.learn.delete_learned && self.teachers.deleting.get(&marked).is_none()
    }

    /// Adds the entry that a frame has taught, or makes the one that is there what the lesson says. From now on the lesson is known.
    ///
    /// # Errors
    /// Why it is not: the table is full, or the limit of the rule is reached, or there are [`LESSONS_MAX`].
    pub fn learn(&mut self, now: u64, lesson: &Lesson) -> Result<Applied, Error> {
        if self.is_stale(lesson) {
            return Ok(Applied::default());
        }
        let request = flow_of(lesson);
        let table = TableId(lesson.learn.table);
        let full = || Err(FlowModFailed::TableFull(table).into());
        if self.teachers.lessons >= LESSONS_MAX {
            return full();
        }
        let (priority, matching) = (request.priority, request.matching.clone());
        let had = self.entry(table, priority, &matching);
        let is_there = had.as_ref().is_some_and(|had| is_such(had, &request));
        let mut applied = match (is_there, lesson.learn.limit) {
            (true, _) => Applied::default(),
            (false, limit @ 1..) if self.marked(table, request.cookie) >= limit as usize => return full(),
            _ => {
                let cookie = request.cookie;
                // One that is there keeps its timeouts and flags, as with every request to modify.
                let request = match had {
                    None => request,
                    Some(_) => FlowMod {
                        command: Command::ModifyStrict,
                        new_cookie: Some(cookie).filter(|cookie| *cookie != u64::MAX),
                        cookie: 0,
                        ..request
                    },
                };
                self.flow_mod(now, request)?
            }
        };
        self.take_up(now, table, (priority, &matching), lesson);
        self.delete_learned(now, &mut applied);
        Ok(applied)
    }

    fn take_up(&mut self, now: u64, table: TableId, (priority, matching): (u16, &Match), lesson: &Lesson) {
        let Some(entry) = self.entry(table, priority, matching) else { return };
        let mut learned = entry.learned.as_deref().cloned().unwrap_or_default();
        if learned.lessons.len() == LESSONS_OF_ENTRY_MAX {
            self.pipeline.strike_out(&learned.lessons.remove(0));
            self.teachers.lessons -= 1;
        }
        self.pipeline.take_up(lesson);
        self.teachers.lessons += 1;
        learned.lessons.push(lesson.clone());
        learned.at = now;
        self.put_back(table, &Entry { learned: Some(learned.into()), ..entry });
    }

    /// How many lessons are taken up.
    pub fn lessons(&self) -> usize {
        self.teachers.lessons
    }

    /// Whether there are entries that heed the ends of TCP connections.
    pub fn heeds_fins(&self) -> bool {
        !self.teachers.heeding.is_empty()
    }

    /// When the entry was last taught, or added, in milliseconds of the caller's clock.
    pub(super) fn taught(&self, entry: &Entry) -> u64 {
        let Some(learned) = &entry.learned else { return entry.created };
        let counted = |lesson: &Lesson| Some(self.pipeline.counted(self.pipeline.lesson(lesson)?));
        let counted = learned.lessons.iter().filter_map(counted).filter(|counted| counted.packets > 0);
        counted.map(|counted| counted.used_ms).chain([learned.at, entry.created]).max().unwrap_or(0)
    }

    /// For how many milliseconds no frame has taught an entry; none: no frame has since it was added.
    pub fn untaught_ms(&self, entry: &Entry, now: u64) -> Option<u64> {
        let taught = self.taught(entry);
        (taught > entry.created).then(|| now.saturating_sub(taught))
    }

    /// What an entry is from now on that is modified: nobody has taught that.
    pub(super) fn unlearned(now: u64, had: &Entry) -> Option<Arc<Learned>> {
        had.learned.as_ref().map(|_| Learned { at: now, lessons: Vec::new() }.into())
    }

    /// Notes what follows from an entry that came.
    pub(super) fn note_learning(&mut self, table: TableId, entry: &Entry) {
        let instructions = &entry.installed.rule.instructions;
        if ended(instructions, (0, 0)).is_some() {
            let before = self.ended(&entry.installed);
            self.teachers.heeding.insert_mut(entry.number(), (table, entry.installed.clone(), before));
        }
        self.count_marked((table, entry.installed.rule.cookie), true);
        each_learn(&instructions.apply, &mut |learn| self.note_teacher(learn, true));
    }

    /// Notes what follows from an entry that went.
    pub(super) fn forget_learning(&mut self, table: TableId, entry: &Entry) {
        self.teachers.heeding.remove_mut(&entry.number());
        for lesson in entry.learned.iter().flat_map(|learned| &learned.lessons) {
            self.teachers.lessons -= usize::from(self.pipeline.strike_out(lesson));
        }
        self.count_marked((table, entry.installed.rule.cookie), false);
        each_learn(&entry.installed.rule.instructions.apply, &mut |learn| self.note_teacher(learn, false));
    }

    fn note_teacher(&mut self, learn: &Learn, more: bool) {
        let marked = (TableId(learn.table), learn.cookie);
        if learn.delete_learned {
            let Teachers { deleting, gone, .. } = &mut self.teachers;
            let count = deleting.get(&marked).copied().unwrap_or(0);
            match if more { count + 1 } else { count.saturating_sub(1) } {
                0 => {
                    deleting.remove_mut(&marked);
                    gone.push(marked);
                }
                count => deleting.insert_mut(marked, count),
            }
        }
        if learn.limit > 0 {
            let entries = self.marked(marked.0, marked.1);
            let mut limits = self.teachers.limits.get(&marked).cloned().unwrap_or_default();
            limits.entries = entries;
            let rules = Arc::make_mut(&mut limits.limits).entry(learn.limit).or_default();
            *rules = if more { *rules + 1 } else { rules.saturating_sub(1) };
            if *rules == 0 {
                Arc::make_mut(&mut limits.limits).remove(&learn.limit);
                self.pipeline.set_full(marked.0, marked.1, learn.limit, false);
            }
            match limits.limits.is_empty() {
                true => drop(self.teachers.limits.remove_mut(&marked)),
                false => {
                    self.note_limits(marked, &limits);
                    self.teachers.limits.insert_mut(marked, limits);
                }
            }
        }
    }

    /// How many entries a table has with a cookie.
    fn marked(&self, table: TableId, cookie: u64) -> usize {
        let filter = Filter { table: Some(table), cookie, cookie_mask: u64::MAX, ..Filter::default() };
        match self.teachers.limits.get(&(table, cookie)) {
            Some(limits) => limits.entries,
            None => self.entries(filter).count(),
        }
    }

    fn count_marked(&mut self, marked: Marked, more: bool) {
        // Nearly always; and to look for one takes hashing.
        if self.teachers.limits.is_empty() {
            return;
        }
        let Some(mut limits) = self.teachers.limits.get(&marked).cloned() else { return };
        limits.entries = if more { limits.entries + 1 } else { limits.entries.saturating_sub(1) };
        self.note_limits(marked, &limits);
        self.teachers.limits.insert_mut(marked, limits);
    }

    fn note_limits(&mut self, (table, cookie): Marked, limits: &Limits) {
        for limit in limits.limits.keys() {
            self.pipeline.set_full(table, cookie, *limit, limits.entries >= *limit as usize);
        }
    }

    /// Removes what was learned by rules that are gone and said that it goes with them. Among it may be such rules.
    pub(super) fn delete_learned(&mut self, now: u64, applied: &mut Applied) {
        while let Some((table, cookie)) = self.teachers.gone.pop() {
            if self.teachers.deleting.contains_key(&(table, cookie)) {
                continue;
            }
            let filter = Filter { table: Some(table), cookie, cookie_mask: u64::MAX, ..Filter::default() };
            let meant: Vec<_> = self.entries(filter).map(|(_, entry)| entry).collect();
            for entry in meant {
                applied.removed.extend(self.take(now, table, &entry, Reason::Delete));
            }
        }
    }

    /// How many frames have ended a TCP connection in an entry that heeds that.
    fn ended(&self, installed: &Installed) -> u64 {
        let fins = self.pipeline.fins(installed.credit());
        fins.map_or(0, |fins| self.pipeline.counted(fins).packets)
    }

    /// Lowers the timeouts of entries in which a TCP connection has ended, as far as the workers have written what they counted
    /// (`ofproto_rule_reduce_timeouts` in `ofproto/ofproto.c`). It asks each of them: to be called now and then, about once a second.
    pub fn heed_fins(&mut self) {
        let ended_since = |(table, installed, before): &(TableId, Arc<Installed>, u64)| {
            (self.ended(installed) > *before).then(|| (*table, self.entry_of(installed)))
        };
        let found: Vec<_> = self.teachers.heeding.values().filter_map(ended_since).collect();
        for (table, entry) in found {
            self.teachers.heeding.remove_mut(&entry.number());
            let had = (entry.idle_timeout, entry.hard_timeout);
            let instructions = &entry.installed.rule.instructions;
            let (idle_timeout, hard_timeout) = ended(instructions, had).unwrap_or(had);
            self.put_back(table, &Entry { idle_timeout, hard_timeout, ..entry });
        }
    }
}

/// Whether an entry is what a request would make of it.
fn is_such(entry: &Entry, request: &FlowMod) -> bool {
    let rule = &entry.installed.rule;
    rule.instructions == request.instructions
        && (rule.cookie == request.cookie || request.cookie == u64::MAX)
        && (entry.idle_timeout, entry.hard_timeout, entry.importance)
            == (request.idle_timeout, request.hard_timeout, request.importance)
        && entry.flags == request.flags
}
