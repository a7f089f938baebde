//! Adding, modifying and deleting flow entries, as OpenFlow 1.3.5 section 6.4 says.
//!
//! A request is looked at as a whole before anything of it is done. What names one entry (add, and the strict commands) costs a
//! search by its match; what names many (the loose ones) looks at every entry of the table.

use super::entry::{Entry, FlowFlags, Reason, Removed, noted};
use super::error::{Error, FlowModFailed, MeterModFailed};
use super::filter::Filter;
use super::{Applied, Changed, Ofproto, check};
use datapath::flow::OfPort;
use datapath::pipeline::{GroupId, Instructions, Match, Rule, TABLES, TableId};
use std::sync::Arc;

/// What is asked (`OFPFC_*`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Command {
    /// Add an entry; one with the same match and priority gives way.
    #[default]
    Add,
    /// Change what every entry does that is within the match.
    Modify,
    /// Change what the entry with exactly this match and priority does.
    ModifyStrict,
    /// Delete every entry that is within the match.
    Delete,
    /// Delete the entry with exactly this match and priority.
    DeleteStrict,
}

/// A request to change flow entries. What a command has no use for is not looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FlowMod {
    /// What to do.
    pub command: Command,
    /// In which table; None: in all, which add cannot (since OpenFlow 1.1 only the deleting commands can).
    pub table: Option<TableId>,
    /// With which match.
    pub matching: Match,
    /// With which priority; for add and the strict commands.
    pub priority: u16,
    /// Of an entry to add: the controller's mark. Of those to change: what their cookies must be in the bits of the mask.
    pub cookie: u64,
    /// Which bits of the cookie matter; not for add.
    pub cookie_mask: u64,
    /// For the modifying commands, as OpenFlow 1.0 means them (section 4.6; Open vSwitch's `ofproto/ofproto.c`): entries get this mark,
    /// and where there is none, and no bit of the cookie matters, one is added with it. None: as later versions mean them.
    pub new_cookie: Option<u64>,
    /// Delete only entries that send to this port.
    pub out_port: Option<OfPort>,
    /// Delete only entries that lead to this group.
    pub out_group: Option<GroupId>,
    /// Seconds without a frame after which an added entry goes; 0: never.
    pub idle_timeout: u16,
    /// Seconds after which an added entry goes; 0: never.
    pub hard_timeout: u16,
    /// Entries of less importance give way first in a full table.
    pub importance: u16,
    /// Flags of an added entry; `reset_counts` counts for modify, too.
    pub flags: FlowFlags,
    /// What to do with frames.
    pub instructions: Arc<Instructions>,
}

impl FlowMod {
    /// An entry to add, without timeouts and flags.
    pub fn add(table: TableId, rule: Rule) -> FlowMod {
        FlowMod {
            table: Some(table),
            matching: rule.matching,
            priority: rule.priority,
            cookie: rule.cookie,
            instructions: rule.instructions,
            ..FlowMod::default()
        }
    }

    /// Which entries a deleting or modifying command means.
    fn filter(&self) -> Filter {
        Filter {
            table: self.table,
            matching: self.matching.clone(),
            cookie: self.cookie,
            cookie_mask: self.cookie_mask,
            out_port: self.out_port,
            out_group: self.out_group,
        }
    }
}

impl Ofproto {
    /// Does what is asked, or nothing.
    ///
    /// # Errors
    /// Why nothing is done.
    pub fn flow_mod(&mut self, now: u64, request: FlowMod) -> Result<Applied, Error> {
        let mut applied = Applied::default();
        self.flow_mod_too(now, request, &mut applied)?;
        Ok(applied)
    }

    /// The same; what came of it is put behind what came of others.
    pub(super) fn flow_mod_too(
        &mut self,
        now: u64,
        request: FlowMod,
        applied: &mut Applied,
    ) -> Result<(), Error> {
        if request.table.is_some_and(|table| usize::from(table.0) >= TABLES) {
            return Err(FlowModFailed::BadTableId.into());
        }
        match request.command {
            Command::Add => self.add(now, request, applied)?,
            Command::Modify | Command::ModifyStrict => self.modify(now, request, applied)?,
            Command::Delete | Command::DeleteStrict => self.delete(now, &request, applied),
        }
        Ok(())
    }

    fn check(&self, table: TableId, instructions: &Instructions) -> Result<(), Error> {
        if let Some(meter) = instructions.meter.filter(|meter| !self.has_meter(*meter)) {
            return Err(MeterModFailed::InvalidMeter(meter).into());
        }
        check::instructions(instructions, table, |group| self.group(group).is_some())
    }

    fn add(&mut self, now: u64, request: FlowMod, applied: &mut Applied) -> Result<(), Error> {
        let Some(table) = request.table else { return Err(FlowModFailed::BadTableId.into()) };
        self.check(table, &request.instructions)?;
        let (priority, matching) = (request.priority, request.matching);
        let had = self.entry(table, priority, &matching);
        if had.is_none() {
            let overlaps =
                || self.pipeline.table(table).is_some_and(|table| table.overlaps(priority, &matching));
            if request.flags.check_overlap && overlaps() {
                return Err(FlowModFailed::Overlap.into());
            }
            applied.removed.extend(self.make_room(now, table, request.importance)?);
        }
        let instructions = self.alike.share(request.instructions);
        let rule = Rule { cookie: request.cookie, ..Rule::new(priority, matching, instructions) };
        if let Some(had) = &had {
            self.forget(table, had);
        }
        let note = noted(request.importance, request.flags, now);
        let entry = Entry {
            installed: self.pipeline.put(table, rule, note, request.flags.reset_counts).0,
            idle_timeout: request.idle_timeout,
            hard_timeout: request.hard_timeout,
            importance: request.importance,
            flags: request.flags,
            created: now,
            learned: None,
            timer: None,
        };
        let entry = self.remember(table, entry);
        applied.added += 1;
        let before = had.map(|had| had.installed.rule.instructions.clone());
        let behind = applied.removed.len();
        applied.entries.push(Changed { table, entry, added: true, before, behind });
        Ok(())
    }

    fn modify(&mut self, now: u64, request: FlowMod, applied: &mut Applied) -> Result<(), Error> {
        let meant = self.meant(&request, Command::ModifyStrict);
        if let (true, Some(cookie), 0) = (meant.is_empty(), request.new_cookie, request.cookie_mask) {
            let table = Some(request.table.unwrap_or_default());
            return self.add(now, FlowMod { command: Command::Add, table, cookie, ..request }, applied);
        }
        // What an instruction can do depends on the table: it is looked at for each, and if no entry is meant for the one that is named.
        for (table, _) in &meant {
            self.check(*table, &request.instructions)?;
        }
        if meant.is_empty() {
            self.check(request.table.unwrap_or_default(), &request.instructions)?;
        }
        let instructions = self.alike.share(request.instructions);
        for (table, had) in meant {
            let rule = &had.installed.rule;
            let cookie = request.new_cookie.unwrap_or(rule.cookie);
            let does = rule.instructions == instructions;
            let changes = !does || rule.cookie != cookie;
            let instructions = if does { &rule.instructions } else { &instructions }.clone();
            let rule = Rule { cookie, instructions, ..rule.clone() };
            self.forget(table, &had);
            let note = had.installed.note();
            let (installed, _) = self.pipeline.put(table, rule, note, request.flags.reset_counts);
            let learned = Ofproto::unlearned(now, &had);
            let entry = self.remember(table, Entry { installed, learned, ..had });
            applied.modified += 1;
            let before = Some(had.installed.rule.instructions.clone());
            let behind = applied.removed.len();
            // One that is as it was is no news (`replace_rule_finish` in Open vSwitch's `ofproto/ofproto.c`).
            if changes {
                applied.entries.push(Changed { table, entry, added: false, before, behind });
            }
        }
        Ok(())
    }

    fn delete(&mut self, now: u64, request: &FlowMod, applied: &mut Applied) {
        let meant = self.meant(request, Command::DeleteStrict);
        let gone = meant.iter().filter_map(|(table, entry)| self.take(now, *table, entry, Reason::Delete));
        applied.removed.extend(gone);
    }

    /// The entries that a modifying or deleting request means.
    fn meant(&self, request: &FlowMod, strict: Command) -> Vec<(TableId, Entry)> {
        let mut filter = request.filter();
        if strict == Command::ModifyStrict {
            // Section 6.4: these restrict deletes alone.
            (filter.out_port, filter.out_group) = (None, None);
        }
        if request.command != strict {
            return self.entries(filter).collect();
        }
        let tables = match request.table {
            Some(table) => table.0..table.0 + 1,
            None => 0..TABLES as u8,
        };
        let entry = |table| Some((table, self.entry(table, request.priority, &request.matching)?));
        let found = tables.map(TableId).filter_map(entry);
        found.filter(|(_, entry)| filter.takes(&entry.installed.rule)).collect()
    }

    /// Takes an entry out of its table.
    pub(super) fn take(
        &mut self,
        now: u64,
        table: TableId,
        entry: &Entry,
        reason: Reason,
    ) -> Option<Removed> {
        let rule = &entry.installed.rule;
        self.pipeline.remove(table, rule.priority, &rule.matching)?;
        self.forget(table, entry);
        let duration = now.saturating_sub(entry.created);
        let removed = Removed { table, entry: entry.clone(), reason, duration };
        self.goes(&removed);
        Some(removed)
    }
}
