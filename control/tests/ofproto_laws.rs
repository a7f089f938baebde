//! The switch as controllers see it against a deliberately naive one: a list of entries that every request goes through from front to
//! back. Whatever is asked, in whatever order, both have the same entries, and the pipeline has their rules and no others.

use control::ofproto::{Command, Filter, FlowFlags, FlowMod, Ofproto, Request, TableConfig};
use datapath::flow::{Field, OfPort, Seed};
use datapath::pipeline::{Base, Instructions, Match, RuleAction, TableId};
use datapath::tunnel::{TunnelTable, Underlay};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::net::IpAddr;

/// Entries that a table takes.
const ROOM: usize = 6;

/// An entry of the naive switch.
#[derive(Clone, Debug, PartialEq)]
struct Plain {
    table: u8,
    priority: u16,
    matching: Match,
    cookie: u64,
    instructions: Instructions,
    created: u64,
    idle_timeout: u16,
    hard_timeout: u16,
}

#[derive(Clone, Debug, Default)]
struct Naive(Vec<Plain>);

impl Naive {
    /// False when it is refused.
    fn apply(&mut self, now: u64, request: &FlowMod) -> bool {
        let same = |entry: &Plain| entry.priority == request.priority && entry.matching == request.matching;
        let strict = matches!(request.command, Command::ModifyStrict | Command::DeleteStrict);
        let meant = |entry: &Plain| {
            request.table.is_none_or(|table| table.0 == entry.table)
                && (entry.cookie & request.cookie_mask == request.cookie & request.cookie_mask)
                && if strict { same(entry) } else { narrower(&entry.matching, &request.matching) }
        };
        let sends = |entry: &Plain| {
            request.out_port.is_none_or(|port| entry.instructions.apply.contains(&RuleAction::Output(port)))
        };
        match request.command {
            Command::Add => {
                let table = request.table.map_or(0, |table| table.0);
                let at = self.0.iter().position(|entry| entry.table == table && same(entry));
                let overlaps = |entry: &Plain| {
                    entry.table == table
                        && entry.priority == request.priority
                        && meet(&entry.matching, &request.matching)
                };
                if at.is_none() && request.flags.check_overlap && self.0.iter().any(overlaps)
                    || at.is_none() && self.0.iter().filter(|entry| entry.table == table).count() == ROOM
                {
                    return false;
                }
                let entry = Plain {
                    table,
                    priority: request.priority,
                    matching: request.matching.clone(),
                    cookie: request.cookie,
                    instructions: (*request.instructions).clone(),
                    created: now,
                    idle_timeout: request.idle_timeout,
                    hard_timeout: request.hard_timeout,
                };
                at.map(|at| self.0.remove(at));
                self.0.push(entry);
            }
            Command::Modify | Command::ModifyStrict => {
                for entry in self.0.iter_mut().filter(|entry| meant(entry)) {
                    entry.instructions = (*request.instructions).clone();
                }
            }
            Command::Delete | Command::DeleteStrict => self.0.retain(|entry| !(meant(entry) && sends(entry))),
        }
        true
    }

    fn expire(&mut self, now: u64) {
        let over =
            |entry: &Plain, seconds: u16| seconds > 0 && entry.created + u64::from(seconds) * 1000 <= now;
        self.0.retain(|entry| !over(entry, entry.idle_timeout) && !over(entry, entry.hard_timeout));
    }
}

/// The fields that matches are made of.
const FIELDS: [Field; 2] = [Field::InPort, Field::NwDst];

/// Whether all bits that `wide` asks for are asked for by `narrow`, with the same values.
fn narrower(narrow: &Match, wide: &Match) -> bool {
    FIELDS.iter().all(|field| {
        let (mask, value) = (wide.mask().get(*field), wide.key().get(*field));
        narrow.mask().get(*field) & mask == mask && narrow.key().get(*field) & mask == value
    })
}

/// Whether they ask for different values nowhere.
fn meet(one: &Match, other: &Match) -> bool {
    FIELDS.iter().all(|field| {
        let both = one.mask().get(*field) & other.mask().get(*field);
        one.key().get(*field) & both == other.key().get(*field) & both
    })
}

fn matches() -> impl Strategy<Value = Match> {
    let port = prop::option::of(0u128..3);
    let net = prop::option::of((0u128..4, prop::sample::select(vec![0xffff_ffffu128, 0xffff_fffe, 0xf])));
    (port, net).prop_map(|(port, net)| {
        let mut matching = Match::any();
        if let Some(port) = port {
            matching.require(Field::InPort, port, Field::InPort.max());
        }
        if let Some((value, mask)) = net {
            matching.require(Field::NwDst, value, mask);
        }
        matching
    })
}

fn instructions() -> impl Strategy<Value = Instructions> {
    (1u32..4, prop::option::of(1u128..4)).prop_map(|(port, remote)| {
        let remote =
            remote.map(|value| RuleAction::SetField { field: Field::TunDst, value, mask: u32::MAX.into() });
        Instructions::apply(remote.into_iter().chain([RuleAction::Output(OfPort(port))]).collect())
    })
}

fn requests() -> impl Strategy<Value = FlowMod> {
    let command = prop::sample::select(vec![
        Command::Add,
        Command::Add,
        Command::Add,
        Command::Modify,
        Command::ModifyStrict,
        Command::Delete,
        Command::DeleteStrict,
    ]);
    let place = (command, prop::option::of(0u8..3), 1u16..4, matches());
    let mark = (0u64..4, prop::sample::select(vec![0u64, 0, 1, 3]), prop::option::of(1u32..4));
    let time = (prop::sample::select(vec![0u16, 0, 1, 3]), prop::sample::select(vec![0u16, 0, 2]));
    (place, mark, time, any::<bool>(), instructions()).prop_map(
        |(place, mark, time, check_overlap, instructions)| {
            let (command, table, priority, matching) = place;
            let (cookie, cookie_mask, out_port) = mark;
            let deletes = matches!(command, Command::Delete | Command::DeleteStrict);
            let adds = command == Command::Add;
            FlowMod {
                command,
                table: table.map(TableId).or((!deletes).then_some(TableId(0))),
                matching,
                priority,
                cookie,
                cookie_mask: if adds { 0 } else { cookie_mask },
                out_port: out_port.filter(|_| deletes).map(OfPort),
                idle_timeout: time.0,
                hard_timeout: time.1,
                flags: FlowFlags { check_overlap: check_overlap && adds, ..FlowFlags::default() },
                instructions: instructions.into(),
                ..FlowMod::default()
            }
        },
    )
}

fn switch() -> Ofproto {
    let tunnels = TunnelTable::new(Vec::new(), Seed::new(0)).expect("no tunnels");
    let mut switch = Ofproto::new(Base::new([], tunnels, [].into(), Underlay::default()));
    for table in 0..3 {
        let config = TableConfig { max_entries: ROOM, eviction: false };
        switch.set_table_config(TableId(table), config).expect("a table");
    }
    switch
}

/// All entries, in an order of their own.
fn entries(switch: &Ofproto) -> Vec<Plain> {
    let plain = |(table, entry): (TableId, control::ofproto::Entry)| {
        let rule = &entry.installed.rule;
        Plain {
            table: table.0,
            priority: rule.priority,
            matching: rule.matching.clone(),
            cookie: rule.cookie,
            instructions: (*rule.instructions).clone(),
            created: entry.created,
            idle_timeout: entry.idle_timeout,
            hard_timeout: entry.hard_timeout,
        }
    };
    in_order(switch.entries(Filter::default()).map(plain).collect())
}

fn in_order(mut entries: Vec<Plain>) -> Vec<Plain> {
    entries.sort_by_key(|entry| (entry.table, entry.priority, format!("{:?}", entry.matching)));
    entries
}

fn compare(switch: &Ofproto, naive: &Naive) {
    assert_eq!(entries(switch), in_order(naive.0.clone()));
    assert_eq!(switch.len(), naive.0.len());
    for (table, rules) in switch.pipeline().tables() {
        assert_eq!(rules.len(), naive.0.iter().filter(|entry| entry.table == table.0).count());
    }
    for entry in &naive.0 {
        let table = switch.pipeline().table(TableId(entry.table)).expect("a table");
        let installed = table.get(entry.priority, &entry.matching).expect("a rule");
        assert_eq!(
            (&*installed.rule.instructions, installed.rule.cookie),
            (&entry.instructions, entry.cookie)
        );
    }
    let set = |action: &RuleAction| match action {
        RuleAction::SetField { value, .. } => Some(IpAddr::V4((*value as u32).into())),
        _ => None,
    };
    let remotes: BTreeSet<IpAddr> =
        naive.0.iter().flat_map(|entry| entry.instructions.apply.iter().filter_map(set)).collect();
    assert!(switch.remotes().eq(remotes), "the remote ends are those that entries set");
}

proptest! {
    #[test]
    fn whatever_is_asked_the_naive_switch_has_the_same_entries(
        asked in prop::collection::vec((requests(), 0u64..1500), 1..60)
    ) {
        let (mut switch, mut naive, mut now) = (switch(), Naive::default(), 0);
        for (request, later) in asked {
            now += later;
            naive.expire(now);
            switch.expire(now);
            let done = switch.flow_mod(now, request.clone()).is_ok();
            prop_assert_eq!(done, naive.apply(now, &request), "{:?}", request);
            compare(&switch, &naive);
            prop_assert!(switch.deadline().is_none_or(|deadline| deadline > now));
        }
    }

    #[test]
    fn a_bundle_is_what_its_requests_are_one_by_one_or_nothing(
        before in prop::collection::vec(requests(), 0..12),
        bundle in prop::collection::vec(requests(), 1..20)
    ) {
        let (mut switch, mut naive) = (switch(), Naive::default());
        for request in before {
            prop_assert_eq!(switch.flow_mod(0, request.clone()).is_ok(), naive.apply(0, &request));
        }
        let kept = naive.clone();
        let first_refused = bundle.iter().position(|request| !naive.apply(5, request));
        let done = switch.bundle(5, bundle.iter().cloned().map(Request::Flow));
        prop_assert_eq!(done.err().map(|(at, _)| at), first_refused);
        compare(&switch, if first_refused.is_some() { &kept } else { &naive });
    }
}
