//! The group syntax of ovs-ofctl(8): text to groups and back. One group a line.
//!
//! A group is checked with all others: what it leads to must be there, and no way may lead back to where it began.

use super::actions::{Known, Place, Reading, There, check_group, read_group_id};
use super::diagnostic::Diagnostic;
use super::format::write_actions;
use super::ports::PortNames;
use super::scan::{Fault, Span, Word, Words};
use super::selection;
use super::suggest::did_you_mean;
use super::value::{read_number, read_port};
use super::{FAULTS_MAX, bounded, words};
use crate::ofproto::context::Context;
use datapath::pipeline::{Bucket, Group, GroupId, GroupKind, RuleAction};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// How many groups a text may have.
pub const GROUPS_MAX: usize = 10_000;
/// How many buckets a group may have.
pub const BUCKETS_MAX: usize = 256;

/// The kinds of groups; the first name is the one that they are shown with.
const KINDS: [(&[&str], GroupKind); 4] = [
    (&["all"], GroupKind::All),
    (&["select"], GroupKind::Select),
    (&["indirect"], GroupKind::Indirect),
    (&["ff", "fast_failover"], GroupKind::FastFailover),
];

/// Reads a text of groups. All faults are reported, one a line, in order.
pub fn parse_groups(
    source_name: &str,
    text: &str,
    ports: &dyn PortNames,
) -> Result<Vec<(GroupId, Group)>, Vec<Diagnostic>> {
    let first = Known { ports, there: There::default() };
    let groups = read_lines(source_name, text, first)?;
    // Groups may name groups that come later: only now they are all known.
    let ids: BTreeSet<GroupId> = groups.iter().map(|(id, ..)| *id).collect();
    let there = There { groups: Some(&ids), ..There::default() };
    read_lines(source_name, text, Known { ports, there })?;
    let leads: BTreeMap<GroupId, Vec<GroupId>> =
        groups.iter().map(|(id, group, ..)| (*id, leads_to(group))).collect();
    let returns = groups.iter().filter(|(id, ..)| reaches_itself(*id, &leads));
    let fault = |(id, _, number, line): &(GroupId, Group, u32, &str)| {
        let message = format!("group {} leads back to itself", id.0);
        Diagnostic::on_line(source_name, *number, line, 0, line.len(), message)
    };
    let faults: Vec<_> = returns.take(FAULTS_MAX).map(fault).collect();
    if !faults.is_empty() {
        return Err(faults);
    }
    Ok(groups.into_iter().map(|(id, group, ..)| (id, group)).collect())
}

/// Reads a text of groups that are added to others or take their place: what they lead to may be anywhere. All faults are
/// reported, one a line, in order.
pub fn parse_group_requests(
    source_name: &str,
    text: &str,
    ports: &dyn PortNames,
) -> Result<Vec<(GroupId, Group)>, Vec<Diagnostic>> {
    let groups = read_lines(source_name, text, Known { ports, there: There::default() })?;
    Ok(groups.into_iter().map(|(id, group, ..)| (id, group)).collect())
}

type Line<'a> = (GroupId, Group, u32, &'a str);

fn read_lines<'a>(
    source_name: &str,
    text: &'a str,
    known: Known<'_>,
) -> Result<Vec<Line<'a>>, Vec<Diagnostic>> {
    let mut groups: Vec<Line<'_>> = Vec::new();
    let mut faults = Vec::new();
    let mut seen = BTreeMap::new();
    for (line, number) in text.lines().zip(1u32..) {
        let group = line.split('#').next().unwrap_or_default();
        if group.trim().is_empty() {
            continue;
        }
        let place = Span { text: group, at: 0 };
        let read = match groups.len() {
            GROUPS_MAX => Err(place.cut(0, 0).fault(format!("too many groups: at most {GROUPS_MAX}"))),
            _ => read_group(place, known),
        };
        let read = read.and_then(|(id, group)| match seen.insert(id, number) {
            Some(first) => Err(place.fault(format!("line {first} has the same group_id"))),
            None => Ok((id, group)),
        });
        match read {
            Ok((id, group)) => groups.push((id, group, number, line)),
            Err(Fault { at, len, message }) => {
                faults.push(Diagnostic::on_line(source_name, number, line, at, len, message));
            }
        }
        if faults.len() == FAULTS_MAX {
            break;
        }
    }
    if faults.is_empty() { Ok(groups) } else { Err(faults) }
}

/// The groups that a group sends to or looks at.
fn leads_to(group: &Group) -> Vec<GroupId> {
    let actions = group.buckets.iter().flat_map(|bucket| &bucket.actions);
    let named = actions.filter_map(|action| match action {
        RuleAction::Group(group) => Some(*group),
        _ => None,
    });
    named.chain(group.buckets.iter().filter_map(|bucket| bucket.watch_group)).collect()
}

fn reaches_itself(start: GroupId, leads: &BTreeMap<GroupId, Vec<GroupId>>) -> bool {
    let mut seen = BTreeSet::new();
    let mut next = vec![start];
    while let Some(from) = next.pop() {
        for to in leads.get(&from).into_iter().flatten() {
            if *to == start {
                return true;
            }
            if seen.insert(*to) {
                next.push(*to);
            }
        }
    }
    false
}

/// A bucket on its way.
struct Draft<'a> {
    place: Span<'a>,
    id: Option<u32>,
    weight: Option<u16>,
    watched: bool,
    bucket: Bucket,
    actions: Reading<'a>,
}

fn read_group<'a>(text: Span<'a>, known: Known<'a>) -> Result<(GroupId, Group), Fault> {
    bounded(text.text)?;
    let (mut id, mut kind) = (None, None);
    let mut selection = selection::Draft::default();
    let mut buckets = Drafts::default();
    let mut words = Words::of(text);
    while let Some(word) = words.next()? {
        match word.key.text {
            key if buckets.are_meant(key) => words = buckets.word(text, word, words, known)?,
            "group_id" if id.is_none() => id = Some(read_group_id(word.argument()?)?),
            "type" if kind.is_none() => kind = Some(read_kind(word.argument()?)?),
            _ if selection.word(word)? => {}
            key => return Err(word.key.fault(refusal(key))),
        }
    }
    let Some(id) = id else { return Err(text.fault("a group needs group_id=...")) };
    let Some(kind) = kind else {
        return Err(text.fault("a group needs type=all, select, indirect or ff"));
    };
    if kind == GroupKind::Indirect && buckets.0.len() != 1 {
        return Err(text.fault(format!("a group of type indirect has one bucket, not {}", buckets.0.len())));
    }
    let buckets = buckets.finish(kind)?;
    Ok((id, Group { kind, selection: selection.finish(kind)?, buckets }))
}

/// The buckets that were read so far: all that stands behind the first of them belongs to them.
#[derive(Default)]
pub(super) struct Drafts<'a>(Vec<Draft<'a>>);

impl<'a> Drafts<'a> {
    /// Whether a word begins a bucket, or stands in one.
    pub(super) fn are_meant(&self, key: &str) -> bool {
        !self.0.is_empty() || matches!(key, "bucket" | "buckets")
    }

    /// Takes such a word. What is to be read next; `rest`, if nothing in front of it.
    pub(super) fn word(
        &mut self,
        text: Span<'a>,
        word: Word<'a>,
        rest: Words<'a>,
        known: Known<'a>,
    ) -> Result<Words<'a>, Fault> {
        match (word.key.text, self.0.last_mut()) {
            ("bucket" | "buckets", _) | (_, None) => {
                if self.0.len() == BUCKETS_MAX {
                    return Err(word.key.fault(format!("too many buckets: at most {BUCKETS_MAX}")));
                }
                self.0.push(Draft::new(word.key, known));
                behind(text, &word)
            }
            ("actions" | "action", Some(_)) => behind(text, &word),
            (_, Some(bucket)) => bucket.word(word, known).map(|()| rest),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Buckets with their numbers: those that say none have the lowest that are free.
    pub(super) fn finish(self, kind: GroupKind) -> Result<Vec<Bucket>, Fault> {
        let mut taken = BTreeSet::new();
        for bucket in &self.0 {
            if bucket.id.is_some_and(|id| !taken.insert(id)) {
                return Err(bucket.place.fault("another bucket has the same bucket_id"));
            }
        }
        let mut free = (0..).filter(|id| !taken.contains(id));
        let finish = |bucket: Draft<'_>| {
            let id = bucket.id.or_else(|| free.next());
            bucket.finish(kind, id.unwrap_or(0))
        };
        self.0.into_iter().map(finish).collect()
    }
}

/// What stands behind the sign that follows a word: words of their own.
pub(super) fn behind<'a>(text: Span<'a>, word: &Word<'a>) -> Result<Words<'a>, Fault> {
    let from = word.key.at - text.at + word.key.text.len();
    match text.text.as_bytes().get(from) {
        Some(b'=' | b':') => Ok(Words::of(text.cut(from + 1, text.text.len()))),
        _ => Err(word.key.fault(format!("{} is followed by =", word.key.text))),
    }
}

fn read_kind(text: Span<'_>) -> Result<GroupKind, Fault> {
    let found = KINDS.iter().find(|(names, _)| names.contains(&text.text));
    found.map(|(_, kind)| *kind).ok_or_else(|| {
        let known = KINDS.iter().flat_map(|(names, _)| names.iter().copied());
        let near = did_you_mean(text.text, known);
        text.fault(format!("{:?} is no type of group: all, select, indirect or ff{near}", text.text))
    })
}

fn refusal(word: &str) -> String {
    match word {
        "group_id" | "type" => format!("{word} is given twice"),
        "command_bucket_id" => "command_bucket_id stands where buckets are put in or taken out".into(),
        _ => {
            let near = did_you_mean(word, words::GROUP_WORDS.iter().copied());
            format!("{word:?} is no property of a group{near}; actions stand in a bucket")
        }
    }
}

impl<'a> Draft<'a> {
    fn new(place: Span<'a>, known: Known<'a>) -> Draft<'a> {
        let actions = Reading::new(known, Place::Bucket, Context::of_group());
        let bucket = Bucket { id: 0, weight: 0, watch_port: None, watch_group: None, actions: Vec::new() };
        Draft { place, id: None, weight: None, watched: false, bucket, actions }
    }

    fn word(&mut self, word: Word<'_>, known: Known<'_>) -> Result<(), Fault> {
        let number = |max: u32| {
            let text = word.argument()?;
            read_number(text.text, max.into()).map(|number| number as u32).map_err(|m| text.fault(m))
        };
        match word.key.text {
            "bucket_id" => self.id = Some(number(words::BUCKET_ID_MAX)?),
            "weight" => self.weight = Some(number(u16::MAX.into())? as u16),
            "watch_port" => {
                let text = word.argument()?;
                let port = read_port(text.text, known.ports).map_err(|message| text.fault(message))?;
                self.bucket.watch_port = Some(port);
                self.watched = true;
            }
            "watch_group" => {
                let group = read_group_id(word.argument()?)?;
                check_group(group, word.argument()?, known.there.groups)?;
                self.bucket.watch_group = Some(group);
                self.watched = true;
            }
            _ => self.actions.word(word)?,
        }
        Ok(())
    }

    fn finish(self, kind: GroupKind, id: u32) -> Result<Bucket, Fault> {
        let place = self.place;
        if self.actions.is_empty() {
            return Err(place.fault("a bucket needs actions, for example bucket=actions=output:1"));
        }
        if self.weight.is_some() && kind != GroupKind::Select {
            return Err(place.fault("only the buckets of a group of type select have weights"));
        }
        if self.watched && !matches!(kind, GroupKind::Select | GroupKind::FastFailover) {
            return Err(place.fault("only groups of type select and ff watch a port or group"));
        }
        if !self.watched && kind == GroupKind::FastFailover {
            return Err(place.fault("a bucket of type ff needs watch_port or watch_group"));
        }
        let weight = self.weight.unwrap_or(kind.weight());
        Ok(Bucket { id, weight, actions: self.actions.finish()?, ..self.bucket })
    }
}

/// A group as text.
pub fn format_group(id: GroupId, group: &Group, ports: &dyn PortNames) -> String {
    let kind = KINDS.iter().find(|(_, kind)| *kind == group.kind).map_or("", |(names, _)| names[0]);
    let mut text = format!("group_id={},type={kind}", id.0);
    selection::write(&group.selection, &mut text);
    for bucket in &group.buckets {
        let _ = write!(text, ",bucket=bucket_id:{}", bucket.id);
        if bucket.weight != group.kind.weight() {
            let _ = write!(text, ",weight:{}", bucket.weight);
        }
        if let Some(port) = bucket.watch_port {
            let _ = match ports.name(port) {
                Some(name) => write!(text, ",watch_port:{name}"),
                None => write!(text, ",watch_port:{}", port.0),
            };
        }
        if let Some(group) = bucket.watch_group {
            let _ = write!(text, ",watch_group:{}", group.0);
        }
        let _ = write!(text, ",actions={}", write_actions(&bucket.actions, &Context::of_group(), ports));
    }
    text
}
