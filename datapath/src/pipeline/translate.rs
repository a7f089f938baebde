//! Translation: a pure function from (pipeline, key) to datapath actions and the mask of frames that they hold for.
//!
//! It walks the tables as OpenFlow 1.3 section 5 says: the rule of highest priority, its instructions in order, on to the
//! next table, and at the end the action set. Setting a field only changes what the frame shall say ([`State`]); before
//! each output the difference is written out as edits, so a field that is set twice is written once.
//!
//! The walk ends: a goto leads to a later table only, and resubmits are bounded in number and depth.

use super::action_set::ActionSet;
use super::control::{Fragments, PortConfig};
use super::group::Looks;
use super::observer::Observer;
use super::passed::Places;
use super::rule::{Instructions, Match, Part, RuleAction, TableId};
use super::stack::Stack;
use super::state::State;
use super::table::{Installed, Table};
use super::translation::Translation;
use super::{Pipeline, QueueId};
use crate::action::Action;
use crate::action::punt::{NO_COOKIE, Reason};
use crate::flow::{Field, FlowKey, OfPort};
use crate::stats::{Credit, DropReason};
use std::sync::Arc;

/// The address of bridges' spanning trees (IEEE 802.1D).
const SPANNING_TREE: u128 = 0x0180_c200_0000;
/// How many tables a frame may be looked up in, as Open vSwitch has it (`ofproto/ofproto-dpif-xlate.c`, MAX_RESUBMITS), and
/// groups and buckets with them.
pub(super) const LOOKUPS_MAX: u32 = 4096;

/// Decides what is done with a frame that has this key.
pub fn translate(pipeline: &Pipeline, key: &FlowKey, out: &mut Translation) {
    observe(pipeline, key, out, &mut ());
}

/// [`translate`], while somebody watches.
pub fn observe<O: Observer>(pipeline: &Pipeline, key: &FlowKey, out: &mut Translation, observer: &mut O) {
    let (reason, options) = (Reason::Action, pipeline.has_options(in_port_of(key)));
    walk(pipeline, (key, options), reason, out, observer, |walk| walk.pipeline_from(TableId(0)));
}

/// Decides what these actions do with a frame that has this key, of which `says` is not what it shows but what was said of it: not
/// what the tables say, unless one of the actions asks them.
pub fn translate_actions(
    pipeline: &Pipeline,
    actions: &[RuleAction],
    key: &FlowKey,
    says: &Match,
    out: &mut Translation,
) {
    walk(pipeline, (key, true), Reason::PacketOut, out, &mut (), |walk| {
        walk.state.know(&says.mask());
        // Open vSwitch lets no frame of a controller in by such a port, either.
        if let Err(reason) = walk.comes_in() {
            return walk.note(reason);
        }
        walk.actions(actions, TableId(0));
        walk.own_action_set();
    });
}

fn in_port_of(key: &FlowKey) -> OfPort {
    OfPort(key.get(Field::InPort) as u32)
}

/// `options` says whether the frame may have any.
fn walk<'a, O: Observer>(
    pipeline: &'a Pipeline,
    (key, options): (&'a FlowKey, bool),
    reason: Reason,
    out: &'a mut Translation,
    observer: &'a mut O,
    work: impl FnOnce(&mut Walk<'a, O>),
) {
    out.clear();
    let state = State::of(key, pipeline.tunnels().options(), options);
    // No frame shows it.
    out.rewrote_word(Field::ActsetOutput.slot().word.into());
    // The port is in every answer: whose frame it is, is never left open.
    state.look_at(Field::InPort, Field::InPort.max(), out);
    let mut walk = Walk {
        observer,
        pipeline,
        origin: key,
        state,
        set: ActionSet::default(),
        queue: None,
        stack: Stack::EMPTY,
        exited: false,
        told_by: ToldBy { table: 0, cookie: NO_COOKIE, reason, rule: None },
        depth: 0,
        lookups: 0,
        looks: Looks::new(),
        end: None,
        out,
    };
    work(&mut walk);
    let end = walk.end.unwrap_or(DropReason::RuleDrop);
    walk.out.finish(end);
}

pub(super) struct Walk<'a, O> {
    pub(super) observer: &'a mut O,
    pub(super) pipeline: &'a Pipeline,
    /// What the frame says.
    pub(super) origin: &'a FlowKey,
    pub(super) state: State<'a>,
    pub(super) set: ActionSet<'a>,
    /// What outputs go through, where the port has one of this number.
    pub(super) queue: Option<QueueId>,
    pub(super) stack: Stack,
    /// No more actions are done.
    pub(super) exited: bool,
    pub(super) told_by: ToldBy,
    pub(super) depth: u32,
    lookups: u32,
    pub(super) looks: Looks,
    /// Why the frame goes nowhere, if it goes nowhere: the first thing that went wrong.
    end: Option<DropReason>,
    pub(super) out: &'a mut Translation,
}

/// What the controller is told of where the actions stand that are done now.
#[derive(Clone, Copy)]
pub(super) struct ToldBy {
    /// The table that was asked last.
    pub(super) table: u8,
    pub(super) cookie: u64,
    pub(super) reason: Reason,
    /// Where the entry is counted that they stand in.
    pub(super) rule: Option<Credit>,
}

impl<'a, O: Observer> Walk<'a, O> {
    /// From this table on to the end, and then the action set.
    fn pipeline_from(&mut self, first: TableId) {
        if let Some(Places { came, .. }) = self.pipeline.places(self.in_port()) {
            self.out.count(came);
        }
        if let Err(reason) = self.comes_in() {
            return self.note(reason);
        }
        self.tables_from(first, self.in_port());
        self.own_action_set();
    }

    /// Whether the port lets the frame in. The port is in every answer.
    fn comes_in(&mut self) -> Result<(), DropReason> {
        let PortConfig { down, no_recv, no_recv_stp, .. } = self.pipeline.port_config(self.in_port());
        if down {
            return Err(DropReason::PortDown);
        }
        let is_stp = |walk: &mut Self| walk.state.get(Field::EthDst, walk.out) == SPANNING_TREE;
        if no_recv || no_recv_stp && is_stp(self) {
            return Err(DropReason::NoReceive);
        }
        Ok(())
    }

    /// Whether the tables are asked about a fragment, and what they see of it.
    fn takes_fragment(&mut self) -> bool {
        let any = Part { field: Field::NwFrag, offset: 0, bits: 1 };
        match self.pipeline.fragments() {
            Fragments::Match => true,
            _ if self.state.read(any, self.out) == 0 => true,
            Fragments::WithoutPorts => {
                self.state.hide(&[Field::TpSrc, Field::TpDst, Field::TcpFlags], self.out);
                true
            }
            Fragments::Drop => false,
        }
    }

    /// What was written into the action set, at the end of the pipeline or of a clone of it.
    pub(super) fn own_action_set(&mut self) {
        let exited = std::mem::take(&mut self.exited);
        self.observer.action_set();
        self.told_by = ToldBy { cookie: NO_COOKIE, reason: Reason::ActionSet, ..self.told_by };
        if !self.set.is_empty() {
            let set = std::mem::take(&mut self.set);
            self.action_set(&set);
        }
        self.exited |= exited;
    }

    /// The first table is asked as if the frame had come in by `port`; actions and later tables know better.
    pub(super) fn tables_from(&mut self, first: TableId, port: OfPort) {
        if !self.takes_fragment() {
            return self.note(DropReason::Fragment);
        }
        let mut came_by = Some(self.in_port());
        self.pretend_in_port(port);
        let mut next = Some(first);
        while let Some(table) = next {
            next = None;
            if !self.may_go_on() {
                return came_by.into_iter().for_each(|port| self.pretend_in_port(port));
            }
            self.out.asked(table.0);
            let pipeline = self.pipeline;
            let found = pipeline.table(table).and_then(|table| self.find(table));
            self.out.count(found.map_or(Credit::missed(table.0), |installed| installed.credit()));
            let (counted, found) =
                (found.map(|installed| installed.credit()), found.map(|installed| &installed.rule));
            self.observer.table(table, found);
            came_by.take().into_iter().for_each(|port| self.pretend_in_port(port));
            match found {
                // As Open vSwitch has it: what rules have looked up again themselves is no miss of theirs.
                None if self.depth == 0 && pipeline.tells_misses() => {
                    self.told_by =
                        ToldBy { table: table.0, cookie: NO_COOKIE, reason: Reason::NoMatch, rule: None };
                    self.tell(Reason::NoMatch, u16::MAX, 0, Arc::default());
                }
                None => self.note(DropReason::TableMiss),
                Some(rule) => {
                    let reason = if rule.is_table_miss() { Reason::NoMatch } else { Reason::Action };
                    self.told_by = ToldBy { table: table.0, cookie: rule.cookie, reason, rule: counted };
                    if self.instructions(&rule.instructions, table) {
                        next = rule.instructions.goto;
                    }
                }
            }
        }
    }

    /// Whether one more lookup, group or bucket is allowed; it counts as one.
    pub(super) fn may_go_on(&mut self) -> bool {
        let may = self.lookups < LOOKUPS_MAX;
        match may {
            true => self.lookups += 1,
            false => self.fail(DropReason::TooManyLookups),
        }
        may
    }

    /// The rule of a table that decides.
    fn find<'t>(&mut self, table: &'t Table) -> Option<&'t Installed> {
        let Walk { state, out, observer, .. } = self;
        if !table.is_conjunctive() {
            return table.find_plain(state.key(), &mut |word, bits| state.look(word, bits, out));
        }
        let mut soft = std::mem::take(&mut out.soft);
        let look = &mut |word, bits| state.look(word, bits, out);
        let found = table.find_conjunctive(state.key(), look, &mut soft, *observer);
        out.soft = soft;
        found
    }

    /// OpenFlow 1.3 section 5.9: in this order. False when the frame must go no further.
    fn instructions(&mut self, instructions: &'a Instructions, table: TableId) -> bool {
        if let Some(meter) = instructions.meter {
            self.meter(meter);
        }
        if !self.actions(&instructions.apply, table) {
            return false;
        }
        if instructions.clear || !instructions.write.is_empty() {
            if instructions.clear {
                self.set.clear();
            }
            instructions.write.iter().for_each(|action| self.set.write(action));
            self.state.set_actset_output(self.set.output());
        }
        if let Some((value, mask)) = instructions.metadata {
            self.state.set(Field::Metadata, value.into(), mask.into(), self.out);
        }
        true
    }

    /// Where the frame came in by, or where rules say that it did.
    pub(super) fn in_port(&self) -> OfPort {
        OfPort(self.state.key().get(Field::InPort) as u32)
    }

    pub(super) fn pretend_in_port(&mut self, port: OfPort) {
        if port != self.in_port() {
            self.state.set_in_port(port.0, self.out);
        }
    }

    /// Remembers why the frame may go nowhere.
    pub(super) fn note(&mut self, reason: DropReason) {
        self.observer.fails(reason);
        self.end.get_or_insert(reason);
    }

    /// Counts a way that the frame cannot take.
    pub(super) fn fail(&mut self, reason: DropReason) {
        self.observer.fails(reason);
        self.out.push(Action::Drop(reason));
    }
}
