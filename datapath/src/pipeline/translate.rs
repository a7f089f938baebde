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
use super::vlan::Domain;
use super::{MeterId, Pipeline, QueueId, Target};
use crate::action::Action;
use crate::action::punt::{NO_COOKIE, Punt, Reason};
use crate::action::share::Owner;
use crate::flow::{Field, FlowKey, OfPort, Tunnelled};
use crate::stats::{Credit, DropReason};
use crate::tunnel::spec::TTL_DEFAULT;
use crate::tunnel::{EncapId, Key, Kind, Marks, Outer, Remote, TunnelId, TunnelSpec};
use crate::wire::mpls;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

/// The address of bridges' spanning trees (IEEE 802.1D).
const SPANNING_TREE: u128 = 0x0180_c200_0000;
/// `OFPP_IN_PORT`.
const IN_PORT: OfPort = OfPort(0xffff_fff8);
/// How deep resubmits, groups and clones may be nested.
const DEPTH_MAX: u32 = 64;
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
    set: ActionSet<'a>,
    /// What outputs go through, where the port has one of this number.
    queue: Option<QueueId>,
    stack: Stack,
    /// No more actions are done.
    pub(super) exited: bool,
    pub(super) told_by: ToldBy,
    depth: u32,
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
    fn own_action_set(&mut self) {
        let exited = std::mem::take(&mut self.exited);
        let set = std::mem::take(&mut self.set);
        self.observer.action_set();
        self.told_by = ToldBy { cookie: NO_COOKIE, reason: Reason::ActionSet, ..self.told_by };
        self.action_set(&set);
        self.exited |= exited;
    }

    /// The first table is asked as if the frame had come in by `port`; actions and later tables know better.
    fn tables_from(&mut self, first: TableId, port: OfPort) {
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

    /// What rules have written so far is written out before: what is measured and marked is the frame as it is then.
    fn meter(&mut self, meter: MeterId) {
        self.observer.meter(meter);
        self.state.commit(self.out);
        self.out.push(Action::Meter(meter));
    }

    /// False when the frame must go no further.
    fn actions(&mut self, actions: &'a [RuleAction], table: TableId) -> bool {
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
    fn tell(&mut self, reason: Reason, max_len: u16, controller: u16, userdata: Arc<[u8]>) {
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

    /// Where the frame came in by, or where rules say that it did.
    pub(super) fn in_port(&self) -> OfPort {
        OfPort(self.state.key().get(Field::InPort) as u32)
    }

    fn pretend_in_port(&mut self, port: OfPort) {
        if port != self.in_port() {
            self.state.set_in_port(port.0, self.out);
        }
    }

    /// OpenFlow 1.3 section 4.5: never back to where it came from, unless asked for by name.
    pub(super) fn output(&mut self, port: OfPort) {
        match port == self.in_port() {
            true => self.note(DropReason::OutputToInput),
            false => self.send(port),
        }
    }

    /// A copy that is cut, as Open vSwitch has it (`output(port=N,max_len=N)` in ovs-actions(7)).
    fn output_cut(&mut self, port: OfPort, max_len: u32) {
        self.cloned("cut", |walk| {
            walk.out.push(Action::Truncate(max_len));
            match port {
                IN_PORT => walk.send(walk.in_port()),
                port => walk.output(port),
            }
        });
    }

    /// To all ports, or to those of them that take part in flooding.
    fn flood(&mut self, all: bool) {
        let (pipeline, in_port) = (self.pipeline, self.in_port());
        let takes_part = |port: &OfPort| {
            *port != in_port && (all || pipeline.floods(*port)) && pipeline.is_open_for_sending(*port)
        };
        self.policed(in_port, |walk| {
            for port in pipeline.ports().filter(takes_part) {
                let listed = match pipeline.is_open(port) {
                    true => walk.remote_of_flow().is_none(),
                    false => pipeline.far_ends().is_limited(port),
                };
                match listed {
                    true => walk.replicate(port),
                    false => walk.send(port),
                }
            }
        });
    }

    /// To several, as far as the port allows it: on a copy, so that what follows is done with the frame in any case.
    pub(super) fn policed(&mut self, port: OfPort, work: impl FnOnce(&mut Self)) {
        match self.pipeline.storms.of(port) {
            None => work(self),
            Some(storm) => self.cloned("policer", |walk| {
                walk.out.push(Action::Storm(storm));
                work(walk);
            }),
        }
    }

    /// One copy to each far end of a tunnel port that leaves it open, where the flow names none, or by one that is limited to tenants.
    /// Never from tunnel to tunnel.
    fn replicate(&mut self, port: OfPort) {
        let pipeline = self.pipeline;
        if matches!(pipeline.target(self.in_port()), Some(Target::Tunnel(_))) {
            return;
        }
        let tenant = self.state.get(Field::TunId, self.out) as u64;
        let ends = pipeline.far_ends().of(port, tenant);
        let open = pipeline.is_open(port);
        if ends.is_empty() {
            if open {
                self.fail(DropReason::NoTunnelRemote);
            }
            return;
        }
        self.state.commit(self.out);
        let state = self.state.clone();
        for end in ends {
            let remote = open.then_some(end.remote);
            self.state.address_tunnel(pipeline.far_ends().key_at(port, tenant, end), remote);
            self.send(port);
        }
        self.state = state;
    }

    pub(super) fn send(&mut self, port: OfPort) {
        let PortConfig { down, no_fwd, .. } = self.pipeline.port_config(port);
        match self.pipeline.target(port) {
            None => self.fail(DropReason::NoSuchPort),
            Some(_) if down => self.fail(DropReason::PortDown),
            Some(_) if no_fwd => self.fail(DropReason::NoForward),
            Some(Target::Port(id)) => {
                let step = match self.queue.and_then(|queue| self.pipeline.queues.place(port, queue)) {
                    None => Action::Output(id),
                    Some(queue) => Action::Enqueue { port: id, queue },
                };
                self.state.commit(self.out);
                self.out.push(step);
            }
            Some(Target::Tunnel(tunnel)) => match self.way(tunnel) {
                Ok((encap, marks)) => {
                    self.state.commit(self.out);
                    let options = self.pipeline.encap(encap).kind() == Kind::Geneve;
                    let options = if options { self.state.write_options(self.out) } else { 0 };
                    self.out.push(Action::Encap { encap, marks: marks.with_options(options) });
                    if let Some(Places { went, .. }) = self.pipeline.places(port) {
                        self.out.count_sent(went);
                    }
                }
                Err(reason) => self.fail(reason),
            },
        }
    }

    /// The outer headers for a tunnel port and what they say, as its configuration and the flow have it.
    fn way(&mut self, tunnel: TunnelId) -> Result<(EncapId, Marks), DropReason> {
        let spec = self.pipeline.tunnels().spec(tunnel);
        let remote = match spec.remote {
            Remote::Fixed(remote) => remote,
            Remote::Flow => self.remote_of_flow().ok_or(DropReason::NoTunnelRemote)?,
        };
        let marks = self.marks(spec);
        Ok((self.pipeline.way(tunnel, remote)?, marks))
    }

    fn marks(&mut self, spec: &TunnelSpec) -> Marks {
        let key = match spec.key {
            Key::Absent => 0,
            Key::Fixed(key) => key,
            Key::Flow => self.state.get(Field::TunId, self.out) as u64,
        };
        let ip = matches!(self.state.get(Field::EthType, self.out), 0x0800 | 0x86dd);
        let dscp = match spec.tos {
            Outer::Fixed(tos) => tos & !3,
            Outer::Inherit if ip => (self.state.get(Field::IpDscp, self.out) as u8) << 2,
            Outer::Inherit => 0,
        };
        // RFC 6040 section 4.1, normal mode: the outer header says what the inner one does.
        let ecn = if ip { self.state.get(Field::NwEcn, self.out) as u8 } else { 0 };
        let ttl = match spec.ttl {
            Outer::Fixed(ttl) => ttl,
            // RFC 1122 section 3.2.1.7: no host sends a datagram with a time to live of zero.
            Outer::Inherit if ip => (self.state.get(Field::NwTtl, self.out) as u8).max(1),
            Outer::Inherit => TTL_DEFAULT,
        };
        let policy = if spec.group_policy {
            let id = self.state.get(Field::TunGbpId, self.out) as u16;
            Tunnelled::policy_of(id, self.state.get(Field::TunGbpFlags, self.out) as u8)
        } else {
            0
        };
        let control = spec.kind == Kind::Geneve && self.state.get(Field::TunFlags, self.out) & 1 != 0;
        let geneve = if control { Marks::CONTROL } else { 0 };
        Marks { key: key as u32, policy, tos: dscp | ecn, ttl, geneve }
    }

    fn remote_of_flow(&mut self) -> Option<IpAddr> {
        let v4 = self.state.get(Field::TunDst, self.out) as u32;
        let v6 = self.state.get(Field::TunIpv6Dst, self.out);
        match (v4, v6) {
            (0, 0) => None,
            (0, v6) => Some(Ipv6Addr::from_bits(v6).into()),
            (v4, _) => Some(Ipv4Addr::from_bits(v4).into()),
        }
    }

    fn resubmit(&mut self, port: Option<OfPort>, table: TableId) {
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

    fn nested(&mut self, what: &str, work: impl FnOnce(&mut Self)) {
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
