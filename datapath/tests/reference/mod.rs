//! The pipeline by the letter: one frame, plain loops, every action done at once. No masks, no caches, nothing shared with
//! `pipeline/`; only the words (rules, groups, keys) are the same.

#![allow(dead_code, reason = "each test file uses its part")]

mod frame;
pub(crate) mod meters;
mod normal;
pub(crate) mod options;

use datapath::action::learn::{Learn, Lesson, Source, Spec};
use datapath::action::punt::Reason;
use datapath::flow::hash::entropy;
use datapath::flow::key::WORDS;
use datapath::flow::spread::{HashFields, Mixed, draw};
use datapath::flow::{Field, FlowKey, OfPort, Seed};
use datapath::pipeline::{
    BandKind, Bucket, Bundle, Clause, Fragments, Group, GroupId, GroupKind, HashedField, Header, LinkChoice,
    Match, Multipath, Part, PortChoice, PortConfig, PortSetup, Rule, RuleAction, Selection, TableId,
};
use frame::Frame;
use meters::Meter;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

/// Tables and groups as lists.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reference {
    /// In the order in which they were added.
    pub(crate) rules: Vec<(TableId, Rule)>,
    pub(crate) groups: BTreeMap<u32, Group>,
    /// They remember what went through.
    pub(crate) meters: RefCell<BTreeMap<u32, Meter>>,
    /// By port and number.
    pub(crate) queues: RefCell<BTreeMap<(u32, u32), meters::Bucket>>,
    /// By port: what it may still have flooded, in frames and in bits.
    pub(crate) storms: RefCell<BTreeMap<u32, [Option<meters::Bucket>; 2]>>,
    /// All bridge ports, in order.
    pub(crate) ports: Vec<u32>,
    /// Those of them that are tunnels which take their key from the flow, and inherit type of service and time to live.
    pub(crate) tunnels: Vec<u32>,
    /// Those of them that leave the remote end to the flow.
    pub(crate) open: Vec<u32>,
    /// For those: port, tenant, who is there, and by what key.
    pub(crate) far: Vec<(u32, u64, Ipv4Addr, u64)>,
    /// Tunnels with one remote end that are for the tenants of `far` alone.
    pub(crate) limited: Vec<u32>,
    /// The remote ends that there is a way to.
    pub(crate) reached: Vec<Ipv4Addr>,
    /// Those of them that are Geneve, and what options are called.
    pub(crate) geneve: Vec<u32>,
    pub(crate) options: Vec<options::Known>,
    /// What the ports are to NORMAL; those that are not here are trunks of no tenant.
    pub(crate) setups: BTreeMap<u32, PortSetup>,
    /// What controllers have made of ports.
    pub(crate) configs: BTreeMap<u32, PortConfig>,
    /// Ports whose links are down.
    pub(crate) cut: BTreeSet<u32>,
    pub(crate) fragments: Fragments,
    pub(crate) tells_misses: bool,
    /// What was taught and taken up, and the limits that are reached: table, cookie, limit.
    pub(crate) lessons: Vec<(Learn, Vec<u128>)>,
    pub(crate) full: Vec<(u8, u64, u32)>,
    /// The port behind which an address is, by tenant, VLAN and address.
    pub(crate) stations: BTreeMap<(u64, u16, u64), u32>,
}

/// Who counts a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    /// The rule with this priority and match.
    Rule(TableId, u16, Match),
    /// A table that had no rule for it.
    Missed(u8),
    Group(u32),
    /// The bucket with this number of a group.
    Bucket(u32, u32),
    /// A lesson that is known.
    Lesson(Learn, Vec<u128>),
    /// The end of a connection, by the rule with this priority and match.
    Fin(TableId, u16, Match),
    /// The tunnel with this port, of a frame that goes into it.
    Tunnel(u32),
}

/// What came of a frame.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ran {
    pub(crate) sent: Vec<Sent>,
    /// What is said of those among them that are for the controller, in order.
    pub(crate) told: Vec<Told>,
    /// Who counts it, each as often as it does.
    pub(crate) counting: Vec<Who>,
    /// Stations that are somewhere else than was known, by tenant, VLAN and address, and their ports.
    pub(crate) met: BTreeMap<(u64, u16, u64), u32>,
    /// Flows that it teaches and that nobody knows of yet: how each is made, and of what.
    pub(crate) taught: Vec<(Learn, Vec<u128>)>,
}

/// The port that frames for the controller go to.
pub(crate) const CONTROLLER: u32 = 0xffff_fffd;

/// What is said of a frame for the controller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) reason: Reason,
    pub(crate) table: u8,
    pub(crate) cookie: u64,
    pub(crate) controller: u16,
    pub(crate) userdata: Vec<u8>,
    pub(crate) in_port: u32,
    pub(crate) tunnel: u64,
    pub(crate) metadata: u64,
    pub(crate) registers: [u32; 16],
    /// The room for options, and which are there.
    pub(crate) options: ([u64; 8], u16),
}

const REGISTERS: [Field; 16] = [
    Field::Reg0,
    Field::Reg1,
    Field::Reg2,
    Field::Reg3,
    Field::Reg4,
    Field::Reg5,
    Field::Reg6,
    Field::Reg7,
    Field::Reg8,
    Field::Reg9,
    Field::Reg10,
    Field::Reg11,
    Field::Reg12,
    Field::Reg13,
    Field::Reg14,
    Field::Reg15,
];

impl Told {
    /// With what is known beside the frame.
    pub(crate) fn of(
        reason: Reason,
        (table, cookie): (u8, u64),
        controller: u16,
        userdata: &[u8],
        says: &FlowKey,
    ) -> Told {
        Told {
            reason,
            table,
            cookie,
            controller,
            userdata: userdata.to_vec(),
            in_port: says.get(Field::InPort) as u32,
            tunnel: says.get(Field::TunId) as u64,
            metadata: says.get(Field::Metadata) as u64,
            registers: REGISTERS.map(|register| says.get(register) as u32),
            options: (*says.options(), says.get(Field::OptionPresence) as u16),
        }
    }
}

/// What outer headers say of the frame inside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outer {
    pub(crate) to: Ipv4Addr,
    pub(crate) key: u32,
    pub(crate) tos: u8,
    pub(crate) ttl: u8,
    /// Of Geneve: all options, and whether one of them is critical.
    pub(crate) options: Vec<u8>,
    pub(crate) critical: bool,
}

impl Outer {
    /// RFC 6040 section 4.1 for the two lower bits of the type of service; the rest is inherited, from IP only.
    fn of(says: &FlowKey, to: Ipv4Addr) -> Outer {
        let key = says.get(Field::TunId) as u32;
        let (options, critical) = (Vec::new(), false);
        match says.get(Field::EthType) {
            0x0800 | 0x86dd => {
                let (tos, ttl) = (says.get(Field::NwTos) as u8, says.get(Field::NwTtl) as u8);
                Outer { to, key, tos, ttl: if ttl == 0 { 1 } else { ttl }, options, critical }
            }
            _ => Outer { to, key, tos: 0, ttl: 64, options, critical },
        }
    }
}

/// A frame that was sent. Two are the same when they are in all that can be read of both.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) port: u32,
    pub(crate) tunnel: Option<Outer>,
    /// Outermost first.
    pub(crate) tags: Vec<u16>,
    /// What else the frame says.
    pub(crate) frame: FlowKey,
    /// Bits of that which rules have made meaningless: checksums, which are not kept here, may lie there.
    blank: [u64; WORDS],
}

impl PartialEq for Sent {
    fn eq(&self, other: &Sent) -> bool {
        let told = |sent: &Sent| (sent.port, sent.tunnel.clone(), sent.tags.clone());
        let word = |at: usize| self.frame.words()[at] ^ other.frame.words()[at];
        told(self) == told(other) && (0..WORDS).all(|at| word(at) & !self.blank[at] & !other.blank[at] == 0)
    }
}

impl Reference {
    /// Adds a rule, or puts it in the place of the one with its priority and match.
    pub(crate) fn insert(&mut self, table: TableId, rule: Rule) {
        match self.position(table, rule.priority, &rule.matching) {
            Some(at) => self.rules[at].1 = rule,
            None => self.rules.push((table, rule)),
        }
    }

    pub(crate) fn set_full(&mut self, limit: (u8, u64, u32), full: bool) {
        self.full.retain(|known| *known != limit);
        self.full.extend(full.then_some(limit));
    }

    pub(crate) fn remove(&mut self, table: TableId, priority: u16, matching: &Match) -> bool {
        self.position(table, priority, matching).map(|at| self.rules.remove(at)).is_some()
    }

    fn position(&self, table: TableId, priority: u16, matching: &Match) -> Option<usize> {
        let same = |(t, rule): &(TableId, Rule)| {
            *t == table && rule.priority == priority && rule.matching == *matching
        };
        self.rules.iter().position(same)
    }

    /// Priority by priority: a rule of its own first, and then conjunctions.
    fn find(&self, table: TableId, key: &FlowKey) -> Option<&Rule> {
        let fitting = self.fitting(table, key);
        let priorities: BTreeSet<u16> = fitting.iter().map(|rule| rule.priority).collect();
        for priority in priorities.into_iter().rev() {
            let here: Vec<&Rule> = fitting.iter().copied().filter(|r| r.priority == priority).collect();
            if let Some(rule) = here.iter().find(|rule| clauses(rule).is_empty()) {
                return Some(rule);
            }
            let mut all: Vec<Clause> = here.iter().flat_map(|rule| clauses(rule)).collect();
            all.sort_by_key(|clause| clause.id);
            for Clause { id, of, .. } in all.iter().copied() {
                let there = |number| all.contains(&Clause { id, of, number });
                let mut again = key.clone();
                again.set(Field::ConjId, id.into());
                let found = self.find_again(table, &again);
                // One rule for two clauses is not enough by itself: there are as many rules as clauses.
                if found.is_some() && (1..=of).all(there) && here.len() >= usize::from(of) {
                    return found;
                }
            }
        }
        None
    }

    fn fitting(&self, table: TableId, key: &FlowKey) -> Vec<&Rule> {
        let fits = |rule: &&Rule| {
            let (value, mask) = (rule.matching.key(), rule.matching.mask());
            (0..key.words().len()).all(|i| (key.words()[i] ^ value.words()[i]) & mask.words()[i] == 0)
        };
        self.rules.iter().filter(|(t, _)| *t == table).map(|(_, rule)| rule).filter(fits).collect()
    }

    /// Of the rules that are of their own, and of each match the highest only.
    fn find_again(&self, table: TableId, key: &FlowKey) -> Option<&Rule> {
        let fitting = self.fitting(table, key);
        let hidden = |rule: &Rule| {
            fitting.iter().any(|other| other.matching == rule.matching && other.priority > rule.priority)
        };
        let seen = fitting.iter().copied().filter(|rule| clauses(rule).is_empty() && !hidden(rule));
        // The last of the highest when turned around: the first that was added.
        seen.rev().max_by_key(|rule| rule.priority)
    }

    /// What comes of a frame with this key, at this time.
    pub(crate) fn run(&self, key: &FlowKey, bytes: &[u8], now_ns: u64) -> Ran {
        self.begin(key, bytes, now_ns, Reason::Action, |run| run.tables(TableId(0), run.in_port()))
    }

    /// What comes of it when a controller sends it, with these actions.
    pub(crate) fn sent_out(&self, actions: &[RuleAction], key: &FlowKey, bytes: &[u8], now_ns: u64) -> Ran {
        self.begin(key, bytes, now_ns, Reason::PacketOut, |run| {
            run.frame.key_is_its_own = false;
            run.actions(actions, TableId(0));
        })
    }

    fn begin(
        &self,
        key: &FlowKey,
        bytes: &[u8],
        now_ns: u64,
        why: Reason,
        work: impl FnOnce(&mut Run<'_>),
    ) -> Ran {
        let mut key = key.clone();
        key.set(Field::ActsetOutput, 0xffff_fff7);
        let frame = Frame::new(key.clone(), bytes, &self.options);
        let (set, stack, ran) = (Set::default(), Vec::new(), Ran::default());
        let from = (0, u64::MAX, why);
        let came_by = key.get(Field::InPort) as u32;
        let mut run = Run {
            of: self,
            came_by,
            now_ns,
            queue: None,
            frame,
            set,
            stack,
            exited: false,
            again: 0,
            from,
            rule: None,
            ran,
        };
        let config = self.config(came_by);
        let is_stp = key.get(Field::EthDst) == 0x0180_c200_0000;
        if !(config.down || config.no_recv || config.no_recv_stp && is_stp) {
            work(&mut run);
        }
        let set = std::mem::take(&mut run.set);
        run.exited = false;
        run.from = (run.from.0, u64::MAX, Reason::ActionSet);
        run.action_set(&set);
        run.ran
    }

    fn config(&self, port: u32) -> PortConfig {
        self.configs.get(&port).copied().unwrap_or_default()
    }

    fn floods(&self, port: u32) -> bool {
        let PortConfig { down, no_fwd, no_flood, .. } = self.config(port);
        !down && !no_fwd && !no_flood.unwrap_or(self.setup(port).no_flood)
    }

    fn is_live(&self, bucket: &Bucket) -> bool {
        let lives =
            |port: u32| self.ports.contains(&port) && !self.cut.contains(&port) && !self.config(port).down;
        let port = bucket.watch_port.map(|port| lives(port.0));
        let group = bucket.watch_group.map(|group| {
            self.groups.get(&group.0).is_some_and(|group| group.buckets.iter().any(|b| self.is_live(b)))
        });
        match (port, group) {
            (None, None) => true,
            (port, group) => port == Some(true) || group == Some(true),
        }
    }
}

/// Of those that an action set has one of.
fn is_output(action: &RuleAction) -> bool {
    use RuleAction::{All, Controller, Flood, InPort, Normal, Output, OutputReg};
    matches!(action, Output(_) | OutputReg(_) | InPort | All | Flood | Normal | Controller { .. })
}

fn clauses(rule: &Rule) -> Vec<Clause> {
    let clause = |action: &RuleAction| match action {
        RuleAction::Conjunction(clause) => Some(*clause),
        _ => None,
    };
    rule.instructions.apply.iter().filter_map(clause).collect()
}

#[derive(Clone, Default)]
struct Set {
    actions: Vec<RuleAction>,
}

impl Set {
    fn write(&mut self, action: &RuleAction) {
        self.actions.push(action.clone());
    }

    fn last(&self, of: impl Fn(&RuleAction) -> bool) -> Option<RuleAction> {
        self.actions.iter().rfind(|action| of(action)).cloned()
    }
}

struct Run<'a> {
    of: &'a Reference,
    came_by: u32,
    now_ns: u64,
    queue: Option<u32>,
    frame: Frame,
    set: Set,
    stack: Vec<u128>,
    exited: bool,
    /// In how many resubmits this is.
    again: u32,
    /// Table, cookie and reason, should the controller be told now.
    from: (u8, u64, Reason),
    /// The rule whose actions are done.
    rule: Option<(TableId, u16, Match)>,
    ran: Ran,
}

impl Run<'_> {
    fn in_port(&self) -> u32 {
        self.frame.says.get(Field::InPort) as u32
    }

    fn tables(&mut self, first: TableId, as_if_by: u32) {
        if self.frame.says.get(Field::NwFrag) != 0 {
            match self.of.fragments {
                Fragments::Match => {}
                Fragments::WithoutPorts => self.frame.hide_ports(),
                Fragments::Drop => return,
            }
        }
        let (mut table, mut port) = (first, as_if_by);
        loop {
            let mut seen = self.frame.says.clone();
            seen.set(Field::InPort, port.into());
            let Some(rule) = self.of.find(table, &seen) else {
                self.ran.counting.push(Who::Missed(table.0));
                if self.of.tells_misses && self.again == 0 {
                    self.from = (table.0, u64::MAX, Reason::NoMatch);
                    self.tell(Reason::NoMatch, 0, &[]);
                }
                return;
            };
            self.ran.counting.push(Who::Rule(table, rule.priority, rule.matching.clone()));
            let is_last_resort = rule.priority == 0 && rule.matching.mask() == FlowKey::default();
            let why = if is_last_resort { Reason::NoMatch } else { Reason::Action };
            self.from = (table.0, rule.cookie, why);
            self.rule = Some((table, rule.priority, rule.matching.clone()));
            let instructions = &rule.instructions;
            if let Some(meter) = instructions.meter {
                self.meter(meter.0);
            }
            if !self.actions(&instructions.apply, table) {
                return;
            }
            if instructions.clear {
                self.set = Set::default();
            }
            for action in &instructions.write {
                self.set.write(action);
            }
            self.tell_output();
            if let Some((value, mask)) = instructions.metadata {
                let _ = self.frame.set(Field::Metadata, value.into(), mask.into());
            }
            let Some(next) = instructions.goto else { return };
            (table, port) = (next, self.in_port());
        }
    }

    /// What `actset_output` is: the port of the last output, while no group was written.
    fn tell_output(&mut self) {
        let is_output = |action: &RuleAction| self::is_output(action);
        let port = match self.set.last(is_output) {
            _ if self.set.last(|action| matches!(action, RuleAction::Group(_))).is_some() => 0xffff_fff7,
            Some(RuleAction::Output(port)) => port.0,
            Some(RuleAction::InPort) => 0xffff_fff8,
            Some(RuleAction::Normal) => 0xffff_fffa,
            Some(RuleAction::Flood) => 0xffff_fffb,
            Some(RuleAction::All) => 0xffff_fffc,
            Some(RuleAction::Controller { .. }) => 0xffff_fffd,
            _ => 0xffff_fff7,
        };
        self.frame.says.set(Field::ActsetOutput, port.into());
    }

    fn meter(&mut self, id: u32) {
        if self.frame.dead {
            return;
        }
        let len = self.frame.bytes().len();
        let mut meters = self.of.meters.borrow_mut();
        match meters.get_mut(&id).and_then(|meter| meter.apply(len, self.now_ns)) {
            None => {}
            Some(BandKind::Drop) => self.frame.dead = true,
            Some(BandKind::DscpRemark { prec_level }) => self.frame.remark(prec_level),
        }
    }

    fn actions(&mut self, actions: &[RuleAction], table: TableId) -> bool {
        actions.iter().all(|action| self.action(action, table))
    }

    fn read(&self, part: Part) -> u128 {
        let ones = if part.bits == 128 { u128::MAX } else { (1 << part.bits) - 1 };
        self.frame.says.get(part.field) >> part.offset & ones
    }

    fn action(&mut self, action: &RuleAction, table: TableId) -> bool {
        match action {
            RuleAction::Output(port) => self.output(port.0),
            RuleAction::OutputReg(part) => self.output(self.read(*part) as u32),
            RuleAction::OutputCut { port, max_len } => {
                let exited = self.exited;
                self.on_a_copy(|run| {
                    run.frame.cut(*max_len as usize);
                    match port.0 {
                        0xffff_fff8 => run.send(run.in_port()),
                        port => run.output(port),
                    }
                });
                self.exited = exited;
            }
            RuleAction::InPort => self.send(self.in_port()),
            RuleAction::All => self.flood(|_| true),
            RuleAction::Flood => {
                let of = self.of;
                self.flood(|port| of.floods(port));
            }
            RuleAction::Normal => self.normal(),
            RuleAction::Group(group) => self.group(*group),
            RuleAction::SetField { field, value, mask } => return self.frame.set(*field, *value, *mask),
            RuleAction::Move { from, to } => {
                let mask = ((1 << to.bits) - 1) << to.offset;
                let value = self.read(*from) << to.offset;
                if !self.frame.has(from.field) {
                    return true;
                }
                if to.field == Field::VlanTci && mask & 0x1000 != 0 && value & 0x1000 == 0 {
                    self.frame.pop_tag();
                    return true;
                }
                return self.frame.set(to.field, value, mask);
            }
            RuleAction::PushVlan { .. } => self.frame.push_tag(),
            RuleAction::PopVlan => self.frame.pop_tag(),
            RuleAction::DecTtlOrTell(controllers) => {
                let lives = self.frame.count_down(Field::NwTtl);
                for controller in controllers.iter().filter(|_| !lives) {
                    self.tell(Reason::InvalidTtl, *controller, &[]);
                }
                return lives;
            }
            RuleAction::Controller { reason, controller, userdata, .. } => match reason {
                Reason::Action => self.tell(self.from.2, *controller, userdata),
                other => self.tell(*other, *controller, userdata),
            },
            RuleAction::SetQueue(queue) => self.queue = Some(queue.0),
            RuleAction::PopQueue => self.queue = None,
            RuleAction::DecTtl => return self.frame.count_down(Field::NwTtl),
            RuleAction::DecMplsTtl => return self.frame.count_down(Field::MplsTtl),
            RuleAction::PushMpls { ether_type } => return self.frame.push_label(*ether_type),
            RuleAction::PopMpls { ether_type } => return self.frame.pop_label(*ether_type),
            RuleAction::PushPbb => return self.frame.push_backbone(),
            RuleAction::PopPbb => return self.frame.pop_backbone(),
            RuleAction::CopyTtlOut => return self.frame.copy_ttl(false),
            RuleAction::CopyTtlIn => return self.frame.copy_ttl(true),
            RuleAction::Conjunction(_) | RuleAction::Note(_) => {}
            RuleAction::Multipath(multipath) => {
                let Part { field, offset, bits } = multipath.to;
                let link = self.link(multipath);
                return self.frame.set(field, u128::from(link) << offset, ((1 << bits) - 1) << offset);
            }
            RuleAction::Bundle(bundle) => {
                let port = self.member(bundle);
                match (bundle.to, port) {
                    (Some(Part { field, offset, bits }), port) => {
                        let all = (1 << bits) - 1;
                        let number = u128::from(port.unwrap_or(0xffff) as u16) & all;
                        return self.frame.set(field, number << offset, all << offset);
                    }
                    (None, Some(port)) => self.output(port),
                    (None, None) => {}
                }
            }
            RuleAction::CheckLarger { len, to } => {
                let larger = self.frame.bytes().len() > usize::from(*len);
                return self.frame.set(to.field, u128::from(larger) << to.offset, 1 << to.offset);
            }
            RuleAction::Push(part) => self.stack.push(self.read(*part)),
            RuleAction::Pop(part) => {
                if let Some(value) = self.stack.pop() {
                    let mask = ((1 << part.bits) - 1) << part.offset;
                    return self.frame.set(part.field, value << part.offset, mask);
                }
            }
            RuleAction::Learn(learn) => return self.learn(learn),
            RuleAction::FinTimeout { .. } => {
                let tcp = self.frame.has(Field::TcpFlags);
                if let Some((table, priority, matching)) = self.rule.clone()
                    && tcp
                    && self.frame.says.get(Field::TcpFlags) & 5 != 0
                {
                    self.ran.counting.push(Who::Fin(table, priority, matching));
                }
            }
            RuleAction::Exit => {
                self.exited = true;
                return false;
            }
            RuleAction::Resubmit { port, table: to } => {
                let (from, rule) = (self.from, self.rule.clone());
                self.again += 1;
                self.tables(to.unwrap_or(table), port.map_or(self.in_port(), |port| port.0));
                self.again -= 1;
                (self.from, self.rule) = (from, rule);
                return !self.exited;
            }
            RuleAction::Clone(actions) => {
                let mut exited = false;
                self.on_a_copy(|run| {
                    run.actions(actions, table);
                    exited = std::mem::take(&mut run.exited);
                    let set = std::mem::take(&mut run.set);
                    run.from = (run.from.0, u64::MAX, Reason::ActionSet);
                    run.action_set(&set);
                    exited |= run.exited;
                });
                self.exited = exited;
                return !exited;
            }
        }
        true
    }

    /// The number of a conversation's link.
    fn link(&self, multipath: &Multipath) -> u64 {
        let hash = multipath.fields.hash(multipath.basis.into(), &self.frame.says, &mut |_, _| {});
        let links = u64::from(multipath.last) + 1;
        match multipath.choice {
            LinkChoice::Modulo => hash % links,
            LinkChoice::Threshold => (u128::from(hash >> 32) * u128::from(links) / (1 << 32)) as u64,
            LinkChoice::HighestWeight => {
                let mut best = 0;
                for link in 1..links {
                    if draw(hash, link) >= draw(hash, best) {
                        best = link;
                    }
                }
                best
            }
            LinkChoice::Iterate => {
                let mut among = u64::from(multipath.arg);
                if among < links || among > 65_536 {
                    among = 1;
                    while among < links {
                        among *= 2;
                    }
                }
                for number in 0..64 {
                    let link = draw(hash, number) % among;
                    if link < links {
                        return link;
                    }
                }
                hash % links
            }
        }
    }

    /// The port of a bundle for a conversation.
    fn member(&self, bundle: &Bundle) -> Option<u32> {
        let (of, hash) = (self.of, bundle.fields.hash(bundle.basis.into(), &self.frame.says, &mut |_, _| {}));
        let mut chosen: Option<u32> = None;
        for port in bundle.members.iter().map(|port| port.0) {
            let live = of.ports.contains(&port) && !of.cut.contains(&port) && !of.config(port).down;
            let better = match (chosen, bundle.choice) {
                (None, _) => true,
                (Some(_), PortChoice::ActiveBackup) => false,
                (Some(best), PortChoice::HighestWeight) => draw(hash, port.into()) >= draw(hash, best.into()),
            };
            if live && better {
                chosen = Some(port);
            }
        }
        chosen
    }

    /// By the letter of `lib/learn.c`: values are read one after the other; what is new is taught, unless the limit is reached.
    fn learn(&mut self, learn: &Learn) -> bool {
        let mut values = Vec::new();
        for spec in &learn.specs {
            match *spec {
                Spec::Match { from: Source::Field(part), .. }
                | Spec::Load { from: Source::Field(part), .. }
                | Spec::Output(part) => values.push(self.read(part)),
                _ => {}
            }
        }
        let lesson = (learn.clone(), values);
        let is_known = self.of.lessons.contains(&lesson);
        let is_full = learn.limit > 0 && self.of.full.contains(&(learn.table, learn.cookie, learn.limit));
        match (is_known, is_full) {
            (true, _) => self.ran.counting.push(Who::Lesson(lesson.0, lesson.1)),
            (false, false) => {
                if !self.frame.dead {
                    self.ran.taught.push(lesson);
                }
            }
            (false, true) => {}
        }
        let result = u128::from(is_known || !is_full);
        learn.result.is_none_or(|bit| self.frame.set(bit.field, result << bit.offset, 1 << bit.offset))
    }

    fn tell(&mut self, reason: Reason, controller: u16, userdata: &[u8]) {
        let hushed = reason == Reason::NoMatch && self.of.config(self.came_by).no_packet_in;
        if self.frame.dead || hushed {
            return;
        }
        let (table, cookie, _) = self.from;
        self.ran.told.push(Told::of(reason, (table, cookie), controller, userdata, &self.frame.says));
        self.ran.sent.push(self.sent_by(CONTROLLER, None));
    }

    fn flood(&mut self, takes_part: impl Fn(u32) -> bool) {
        let (of, in_port) = (self.of, self.in_port());
        let ports: Vec<u32> =
            of.ports.iter().copied().filter(|port| *port != in_port && takes_part(*port)).collect();
        if !ports.iter().any(|port| self.comes_to_something(*port)) || self.may_flood(in_port) {
            ports.into_iter().for_each(|port| self.flood_to(port));
        }
    }

    /// Whether something is left of it, were it only a counted drop.
    fn comes_to_something(&self, port: u32) -> bool {
        let says = |field| self.frame.says.get(field);
        let named = says(Field::TunDst) != 0 || says(Field::TunIpv6Dst) != 0;
        let from_tunnel = self.of.tunnels.contains(&self.in_port());
        if self.of.limited.contains(&port) {
            let tenant = says(Field::TunId) as u64;
            return !from_tunnel && self.of.far.iter().any(|(at, whose, ..)| (*at, *whose) == (port, tenant));
        }
        !self.of.open.contains(&port) || named || !from_tunnel
    }

    /// Takes the frame from what its port may have flooded.
    pub(super) fn may_flood(&mut self, port: u32) -> bool {
        if self.frame.dead {
            return false;
        }
        let (of, bytes, now) = (self.of, self.frame.bytes().len(), self.now_ns);
        let spec = of.setup(port).storm;
        let mut storms = of.storms.borrow_mut();
        let [frames, bits] = storms.entry(port).or_insert_with(|| {
            let bucket = |rate: u64| meters::Bucket::of_queue(rate, (rate / 10).max(1));
            [spec.pps.map(|pps| bucket(pps.into())), spec.kbps.map(|kbps| bucket(u64::from(kbps) * 1000))]
        });
        let before = frames.clone();
        let admitted = frames.as_mut().is_none_or(|bucket| bucket.takes(1, now))
            && bits.as_mut().is_none_or(|bucket| bucket.takes(bytes as u128 * 8, now));
        if !admitted {
            // A frame that the bits refuse takes no frame's place.
            *frames = before;
        }
        admitted
    }

    fn flood_to(&mut self, port: u32) {
        let says = |field| self.frame.says.get(field);
        let named = says(Field::TunDst) != 0 || says(Field::TunIpv6Dst) != 0;
        let limited = self.of.limited.contains(&port);
        let listed = limited || self.of.open.contains(&port) && !named;
        if port == self.in_port() || !listed {
            return self.output(port);
        }
        if !self.of.tunnels.contains(&self.in_port()) {
            self.send_to_far_ends(port, says(Field::TunId) as u64);
        }
    }

    fn output(&mut self, port: u32) {
        if port != self.in_port() {
            self.send(port);
        }
    }

    fn send(&mut self, port: u32) {
        let PortConfig { down, no_fwd, .. } = self.of.config(port);
        if self.frame.dead || !self.of.ports.contains(&port) || down || no_fwd {
            return;
        }
        let queue = self.queue.map(|queue| (port, queue));
        let mut queues = self.of.queues.borrow_mut();
        if let Some(bucket) = queue.and_then(|queue| queues.get_mut(&queue))
            && !bucket.passes(self.frame.bytes().len(), self.now_ns)
        {
            return;
        }
        let to = match self.of.open.contains(&port) {
            true => Ipv4Addr::from(self.frame.says.get(Field::TunDst) as u32),
            false => self.of.reached[0],
        };
        if self.of.open.contains(&port) && !self.of.reached.contains(&to) {
            return;
        }
        let tunnel = self.of.tunnels.contains(&port).then(|| Outer::of(&self.frame.says, to)).map(|outer| {
            if !self.of.geneve.contains(&port) {
                return outer;
            }
            let (options, critical) = options::emitted(&self.of.options, &self.frame.says);
            Outer { options, critical, ..outer }
        });
        if tunnel.is_some() {
            self.ran.counting.push(Who::Tunnel(port));
        }
        self.ran.sent.push(self.sent_by(port, tunnel));
    }

    fn sent_by(&self, port: u32, tunnel: Option<Outer>) -> Sent {
        let blank = *self.frame.unreadable();
        Sent { blank, ..seen(port, tunnel, self.frame.bytes()) }
    }

    fn on_a_copy(&mut self, work: impl FnOnce(&mut Self)) {
        let (frame, set, queue) = (self.frame.clone(), self.set.clone(), self.queue);
        let (stack, from, rule) = (self.stack.clone(), self.from, self.rule.clone());
        work(self);
        (self.from, self.rule) = (from, rule);
        (self.frame, self.set, self.queue) = (frame, set, queue);
        (self.stack, self.exited) = (stack, false);
    }

    /// OpenFlow 1.3 section 5.10.
    fn action_set(&mut self, set: &Set) {
        use RuleAction::*;
        let order: [&dyn Fn(&RuleAction) -> bool; 10] = [
            &|a| matches!(a, CopyTtlIn),
            &|a| matches!(a, PopVlan),
            &|a| matches!(a, PopPbb),
            &|a| matches!(a, PopMpls { .. }),
            &|a| matches!(a, PushMpls { .. }),
            &|a| matches!(a, PushPbb),
            &|a| matches!(a, PushVlan { .. }),
            &|a| matches!(a, CopyTtlOut),
            &|a| matches!(a, DecTtl | DecTtlOrTell(_)),
            &|a| matches!(a, DecMplsTtl),
        ];
        for kind in order {
            if !set.last(kind).is_none_or(|action| self.action(&action, TableId(0))) {
                return;
            }
        }
        for action in set.actions.iter().filter(|a| matches!(a, SetField { .. } | Move { .. })) {
            if !self.action(action, TableId(0)) {
                return;
            }
        }
        if let Some(queue) = set.last(|a| matches!(a, SetQueue(_))) {
            self.action(&queue, TableId(0));
        }
        let group = set.last(|a| matches!(a, Group(_)));
        let output = set.last(is_output);
        let resubmit = set.last(|a| matches!(a, Resubmit { .. }));
        if let Some(last) = group.or(output).or(resubmit) {
            self.action(&last, TableId(0));
        }
    }

    fn group(&mut self, id: GroupId) {
        let of = self.of;
        let Some(group) = of.groups.get(&id.0) else { return };
        let chosen: Vec<&Bucket> = match group.kind {
            GroupKind::All | GroupKind::Indirect => group.buckets.iter().collect(),
            GroupKind::FastFailover => group.buckets.iter().find(|b| of.is_live(b)).into_iter().collect(),
            GroupKind::Select => self.selected(group).into_iter().collect(),
        };
        if !chosen.is_empty() || matches!(group.kind, GroupKind::All | GroupKind::Indirect) {
            self.ran.counting.push(Who::Group(id.0));
        }
        for bucket in chosen {
            self.ran.counting.push(Who::Bucket(id.0, bucket.id));
            self.on_a_copy(|run| {
                run.from = (run.from.0, u64::MAX, Reason::Group);
                run.action_set(&Set { actions: bucket.actions.clone() });
            });
        }
    }

    /// Rendezvous hashing: the smallest of exponential draws. The hash is the one thing that cannot be told otherwise.
    fn selected<'g>(&self, group: &'g Group) -> Option<&'g Bucket> {
        let seed = Seed::new(0x5e1e_c7ed);
        let conversation = |basis| match (entropy(&self.frame.says, &seed), basis) {
            (hash, 0) => hash,
            (hash, basis) => seed.pair(hash, basis),
        };
        let hash = match &group.selection {
            Selection::Unsaid => conversation(0),
            Selection::Hash(basis, fields) if fields.is_empty() => conversation(*basis),
            Selection::Hash(basis, fields) => self.hashed(*basis, fields),
            Selection::Datapath(param) if param >> 32 == 1 => {
                HashFields::SymmetricL3L4Udp.hash(*param as u32, &self.frame.says, &mut |_, _| {})
            }
            Selection::Datapath(param) => {
                use Field::{Ipv6Dst, Ipv6Src, NwDst, NwProto, NwSrc, TpDst, TpSrc};
                use Header::{Ip, Ip4, Ip6, Sctp, Tcp, Udp};
                let five = [
                    (NwSrc, Ip4),
                    (NwDst, Ip4),
                    (Ipv6Src, Ip6),
                    (Ipv6Dst, Ip6),
                    (NwProto, Ip),
                    (TpSrc, Tcp),
                    (TpDst, Tcp),
                    (TpSrc, Udp),
                    (TpDst, Udp),
                    (TpSrc, Sctp),
                    (TpDst, Sctp),
                ];
                let five = five.map(|(field, of)| HashedField { field, mask: u128::MAX, of });
                self.hashed(param & 0xffff_ffff, &five)
            }
        };
        let mut best: Option<(f64, &Bucket)> = None;
        for bucket in group.buckets.iter().filter(|b| b.weight > 0 && self.of.is_live(b)) {
            let uniform = (seed.pair(hash, bucket.id.into()) >> 11) as f64 / (1u64 << 53) as f64;
            let draw = -(1.0 - uniform).ln() / f64::from(bucket.weight);
            if best.is_none_or(|(least, _)| draw < least) {
                best = Some((draw, bucket));
            }
        }
        best.map(|(_, bucket)| bucket)
    }

    /// The fields that the frame has, each with its place in the list (ovs-ofctl(8), `fields`).
    fn hashed(&self, basis: u64, fields: &[HashedField]) -> u64 {
        let of_ip = |of: &[u128], protocol: u128| {
            of.contains(&self.frame.get(Field::EthType))
                && self.frame.get(Field::NwProto) == protocol
                && self.frame.get(Field::NwFrag) & 2 == 0
        };
        let (four, six, both) = ([0x0800], [0x86dd], [0x0800, 0x86dd]);
        let mut mixed = Mixed::new(basis);
        for (place, hashed) in fields.iter().enumerate() {
            let is_one = match hashed.of {
                Header::Any => true,
                Header::Tag => self.frame.get(Field::VlanTci) & 0x1000 != 0,
                Header::Arp => self.frame.get(Field::EthType) == 0x0806,
                Header::Ip => both.contains(&self.frame.get(Field::EthType)),
                Header::Ip4 => four.contains(&self.frame.get(Field::EthType)),
                Header::Ip6 => six.contains(&self.frame.get(Field::EthType)),
                Header::Tcp => of_ip(&both, 6),
                Header::Udp => of_ip(&both, 17),
                Header::Sctp => of_ip(&both, 132),
                Header::Icmp => of_ip(&four, 1),
                Header::Icmp6 => of_ip(&six, 58),
            };
            if is_one && self.frame.has(hashed.field) {
                mixed.mix(place as u64, self.frame.get(hashed.field) & hashed.mask);
            }
        }
        mixed.hash()
    }
}

/// A lesson in the words of the datapath.
pub(crate) fn as_lesson((learn, values): &(Learn, Vec<u128>)) -> Lesson {
    let mut lesson = Lesson::new(learn.clone().into());
    lesson.values[..values.len()].copy_from_slice(values);
    lesson
}

/// A frame as it came out, in the reference's words.
pub(crate) fn seen(port: u32, tunnel: Option<Outer>, bytes: &[u8]) -> Sent {
    let (mut bytes, mut tags) = (bytes.to_vec(), Vec::new());
    while matches!(bytes[12..14], [0x81, 0x00] | [0x88, 0xa8]) && bytes.len() >= 18 {
        tags.push(u16::from_be_bytes([bytes[14], bytes[15]]) | 0x1000);
        bytes.drain(12..16);
    }
    if bytes[12..14] == [0x88, 0xa8] {
        // Cut off inside of a tag: of which kind those are is not kept here.
        bytes[12..14].copy_from_slice(&[0x81, 0x00]);
    }
    let mut frame = FlowKey::default();
    datapath::flow::extract(&bytes, OfPort(0), None, &mut frame).expect("a whole frame");
    Sent { port, tunnel, tags, frame, blank: [0; WORDS] }
}
