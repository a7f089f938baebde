//! The actions of a rule while it is walked through: what they do to the frame, and where they lead on to.
//!
//! Those that send are in [`super::output`], those that change fields in [`super::state`].

use super::MeterId;
use super::action_set::ActionSet;
use super::observer::Observer;
use super::rule::{RuleAction, TableId};
use super::translate::{ToldBy, Walk};
use super::vlan::Domain;
use crate::action::Action;
use crate::action::punt::{Punt, Reason};
use crate::action::share::Owner;
use crate::flow::{Field, OfPort};
use crate::stats::DropReason;
use crate::wire::mpls;
use std::sync::Arc;

/// How deep resubmits, groups and clones may be nested.
const DEPTH_MAX: u32 = 64;

impl<'a, O: Observer> Walk<'a, O> {
    /// What rules have written so far is written out before: what is measured and marked is the frame as it is then.
    pub(super) fn meter(&mut self, meter: MeterId) {
        self.observer.meter(meter);
        self.state.commit(self.out);
        self.out.push(Action::Meter(meter));
    }

    /// False when the frame must go no further.
    pub(super) fn actions(&mut self, actions: &'a [RuleAction], table: TableId) -> bool {
        for action in actions {
            self.observer.action(action);
            match action {
                RuleAction::Output(port) => self.output(*port),
                RuleAction::OutputReg(part) => {
                    let port = self.state.read(*part, self.out);
                    self.output(OfPort(port as u32));
                }
                RuleAction::OutputCut { port, max_len } => self.output_cut(*port, *max_len),
                RuleAction::InPort => self.send(self.in_port()),
                RuleAction::All => self.flood(true),
                RuleAction::Flood => self.flood(false),
                RuleAction::Normal => self.normal(),
                RuleAction::Controller { max_len, reason, controller, userdata } => {
                    let reason = if *reason == Reason::Action { self.told_by.reason } else { *reason };
                    self.tell(reason, *max_len, *controller, userdata.clone());
                }
                RuleAction::Group(group) => self.group(*group),
                RuleAction::DecTtlOrTell(controllers) => {
                    if let Err(reason) = self.change(&RuleAction::DecTtl) {
                        self.fail(reason);
                        for controller in controllers {
                            self.tell(Reason::InvalidTtl, u16::MAX, *controller, Arc::default());
                        }
                        return false;
                    }
                }
                RuleAction::SetQueue(queue) => self.queue = Some(*queue),
                RuleAction::PopQueue => self.queue = None,
                RuleAction::Push(part) => {
                    let value = self.state.read(*part, self.out);
                    if !self.stack.push(value) {
                        self.out.refuse();
                        return false;
                    }
                }
                RuleAction::Pop(part) => {
                    if let Some(value) = self.stack.pop() {
                        let (value, mask) = (value << part.offset, part.mask());
                        if let Err(reason) = self.state.assign(part.field, value, mask, self.out) {
                            self.fail(reason);
                            return false;
                        }
                    }
                }
                RuleAction::Learn(learn) => {
                    if let Err(reason) = self.learn_flow(learn) {
                        self.fail(reason);
                        return false;
                    }
                }
                RuleAction::Multipath(_) | RuleAction::Bundle(_) => {
                    let done = match action {
                        RuleAction::Multipath(multipath) => self.multipath(multipath),
                        RuleAction::Bundle(bundle) => self.bundle(bundle),
                        _ => Ok(()),
                    };
                    if let Err(reason) = done {
                        self.fail(reason);
                        return false;
                    }
                }
                RuleAction::FinTimeout { .. } => self.fin_timeout(),
                RuleAction::Exit => {
                    self.exited = true;
                    return false;
                }
                RuleAction::Resubmit { port, table: to } => {
                    self.resubmit(*port, to.unwrap_or(table));
                    if self.exited {
                        return false;
                    }
                }
                RuleAction::Clone(actions) => {
                    self.cloned("clone", |walk| {
                        walk.actions(actions, table);
                        walk.own_action_set();
                    });
                    if self.exited {
                        return false;
                    }
                }
                change => {
                    if let Err(reason) = self.change(change) {
                        self.fail(reason);
                        return false;
                    }
                }
            }
        }
        true
    }

    /// OpenFlow 1.3 section 5.10. Should one of its actions end the frame, the rest is not done.
    pub(super) fn action_set(&mut self, set: &ActionSet<'a>) {
        if !set.fits() {
            return self.out.refuse();
        }
        for action in set.in_order() {
            if !self.actions(std::slice::from_ref(action), TableId(0)) {
                return;
            }
        }
    }

    /// What changes the frame or what is known of it, and leads nowhere.
    fn change(&mut self, action: &RuleAction) -> Result<(), DropReason> {
        let Walk { state, out, .. } = self;
        match *action {
            RuleAction::SetField { field, value, mask } => state.assign(field, value, mask, out)?,
            RuleAction::Move { from, to } => state.copy(from, to, out)?,
            RuleAction::PushVlan { tpid } => state.push_vlan(tpid, out),
            RuleAction::PopVlan => state.pop_vlan(out),
            RuleAction::PushMpls { ether_type } => state.push_mpls(ether_type, out)?,
            RuleAction::PopMpls { ether_type } => state.pop_mpls(ether_type, out)?,
            RuleAction::PushPbb => state.push_pbb(out)?,
            RuleAction::PopPbb => state.pop_pbb(out)?,
            RuleAction::CopyTtlOut => state.copy_ttl_out(out)?,
            RuleAction::CopyTtlIn => state.copy_ttl_in(out)?,
            RuleAction::CheckLarger { len, to } => state.check_larger(len, to, self.origin, out)?,
            RuleAction::DecTtl if state.is_ip(out) => state.count_down(Field::NwTtl, out)?,
            RuleAction::DecMplsTtl if mpls::is_stack(state.ether_type(out)) => {
                state.knows_front_label()?;
                state.count_down(Field::MplsTtl, out)?;
            }
            _ => {}
        }
        Ok(())
    }

    /// Tells the controller of the frame as it is now.
    pub(super) fn tell(&mut self, reason: Reason, max_len: u16, controller: u16, userdata: Arc<[u8]>) {
        let came_by = OfPort(self.origin.get(Field::InPort) as u32);
        if reason == Reason::NoMatch && self.pipeline.port_config(came_by).no_packet_in {
            return self.note(DropReason::NoPacketIn);
        }
        self.state.commit(self.out);
        let (says, open) = self.state.beside();
        let ToldBy { table, cookie, .. } = self.told_by;
        let owner = match self.pipeline.setup(came_by).domain {
            Domain::Tenant(0) => Owner::Port(came_by),
            Domain::Tenant(tenant) => Owner::Tenant(tenant),
            Domain::TunnelKey | Domain::TenantKey => Owner::TunnelKey,
        };
        self.out.punt(Punt { reason, table, cookie, controller, owner, max_len, userdata, says, open });
    }

    pub(super) fn resubmit(&mut self, port: Option<OfPort>, table: TableId) {
        let port = port.unwrap_or_else(|| self.in_port());
        self.nested("resubmit", |walk| walk.tables_from(table, port));
    }

    /// On a copy: what `work` does to the frame is undone for what follows.
    pub(super) fn cloned(&mut self, what: &str, work: impl FnOnce(&mut Self)) {
        self.nested(what, |walk| {
            walk.state.commit(walk.out);
            let at = walk.out.len();
            walk.out.push(Action::Clone(0));
            let state = walk.state.clone();
            let (set, stack, queue) = (walk.set, walk.stack, walk.queue);
            work(walk);
            (walk.set, walk.stack, walk.queue) = (set, stack, queue);
            walk.state = state;
            walk.out.close_clone(at);
        });
    }

    pub(super) fn nested(&mut self, what: &str, work: impl FnOnce(&mut Self)) {
        if self.depth == DEPTH_MAX {
            return self.fail(DropReason::TooManyLookups);
        }
        self.depth += 1;
        self.observer.enter(what);
        let told_by = self.told_by;
        work(self);
        self.told_by = told_by;
        self.observer.leave();
        self.depth -= 1;
    }
}
