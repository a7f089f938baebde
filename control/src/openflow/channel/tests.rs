//! The clauses, by name, against a switch that notes what it is asked.

use super::*;
use crate::ofproto::{Command, FlowMod, GroupMod, Request, VacancyEvent};
use crate::openflow::{
    AsyncChange, BundleAdd, BundleControl, Features, PacketOut, PortChange, PortDesc, QueueDesc, Refusal,
    Role, RoleKind, SwitchConfig, TableDesc, TableFeatures, TableMod, TlvTable, TlvTableMod,
};
use datapath::action::punt::Reason;
use datapath::flow::{Field, OfPort};
use datapath::pipeline::{Instructions, Match, RuleAction, TableId};

/// Does what it is asked, but for what has the cookie [`WRONG`].
#[derive(Default)]
struct Notes {
    cookies: Vec<u64>,
    sent: usize,
}

const WRONG: u64 = 666;

impl Switch for Notes {
    fn features(&self) -> Features {
        Features::default()
    }

    fn fragments(&self) -> u16 {
        0
    }

    fn set_fragments(&mut self, _: u16) -> Result<(), Code> {
        Ok(())
    }

    fn change(&mut self, change: Change) -> Result<(), Code> {
        match change {
            Change::Request(Request::Flow(flow)) if flow.cookie == WRONG => return Err(Code::Overlap),
            Change::Request(Request::Flow(flow)) => self.cookies.push(flow.cookie),
            Change::Packet(_) => self.sent += 1,
            _ => {}
        }
        Ok(())
    }

    fn bundle(&mut self, changes: Vec<Change>) -> Result<(), (usize, Code)> {
        let before = self.cookies.len();
        for (at, change) in changes.into_iter().enumerate() {
            if let Err(code) = self.change(change) {
                self.cookies.truncate(before);
                return Err((at, code));
            }
        }
        Ok(())
    }

    fn table_mod(&mut self, _: TableMod) -> Result<(), Code> {
        Ok(())
    }

    fn set_table_features(&mut self, _: Vec<TableFeatures>) -> Result<(), Code> {
        Err(Code::TableFeaturesEperm)
    }

    fn queues(&self, _: Option<OfPort>) -> Result<Vec<QueueDesc>, Code> {
        Ok(Vec::new())
    }

    fn tlv_table(&self) -> TlvTable {
        TlvTable::default()
    }

    fn tlv_table_mod(&mut self, _: TlvTableMod) -> Result<(), Code> {
        Ok(())
    }
}

/// A channel and the switch behind it.
#[derive(Default)]
struct Lab {
    channel: Channel,
    switch: Notes,
}

impl Lab {
    fn join(&mut self, version: Version) -> ConnectionId {
        self.channel.join(Kind::Controller, version)
    }

    fn say(&mut self, id: ConnectionId, xid: u32, message: Message) -> Vec<Step> {
        let raw = Bytes::from(vec![0xaa; 80]);
        let heard = Heard { raw, said: Ok(Envelope::new(xid, message)) };
        self.channel.hear(id, heard, &mut self.switch)
    }

    fn role(&mut self, id: ConnectionId, role: RoleKind, generation: u64) -> Vec<Step> {
        self.say(id, 1, Message::RoleRequest(Role { role, generation: Some(generation), reason: 0 }))
    }

    fn bundle(&mut self, id: ConnectionId, kind: u16) -> Vec<Step> {
        self.say(id, 9, Message::BundleControl(BundleControl { bundle: 5, kind, flags: 3 }))
    }

    fn add(&mut self, id: ConnectionId, xid: u32, message: Message) -> Vec<Step> {
        let inner = Box::new(Envelope::new(xid, message));
        let raw = Bytes::from(vec![xid as u8; 80]);
        self.say(id, xid, Message::BundleAdd(BundleAdd { bundle: 5, flags: 3, inner, raw }))
    }
}

fn flow(cookie: u64) -> Message {
    Message::FlowMod(FlowMod { cookie, table: Some(TableId(0)), ..FlowMod::default() }, None)
}

/// The errors that were said, with their numbers.
fn errors(steps: &[Step]) -> Vec<(u32, Code)> {
    let error = |step: &Step| match step {
        Step::Say(Envelope { xid, message: Message::Error(Refusal::Ours(code, _)), .. }) => {
            Some((*xid, *code))
        }
        _ => None,
    };
    steps.iter().filter_map(error).collect()
}

#[test]
fn a_new_master_makes_a_slave_of_the_old_one_and_tells_it() {
    let mut lab = Lab::default();
    let [old, new] = [Version::V14, Version::V13].map(|version| lab.join(version));
    assert_eq!(errors(&lab.role(old, RoleKind::Master, 1)), []);
    assert_eq!(errors(&lab.role(new, RoleKind::Master, 2)), []);
    assert_eq!(lab.channel.face(old).unwrap().role, RoleKind::Slave);
    assert_eq!(lab.channel.face(new).unwrap().role, RoleKind::Master);
    let told = lab.channel.told();
    assert!(matches!(
        &told[..],
        [(to, Envelope { message: Message::RoleStatus(Role { role: RoleKind::Slave, generation: Some(2), reason: 0 }), .. })]
            if *to == old
    ));
    // 1.3 has no word for it.
    lab.role(old, RoleKind::Master, 3);
    assert_eq!(lab.channel.told(), []);
}

#[test]
fn an_election_that_is_over_is_stale_also_when_numbers_wrap() {
    let mut lab = Lab::default();
    let id = lab.join(Version::V13);
    assert_eq!(errors(&lab.role(id, RoleKind::Master, u64::MAX)), []);
    assert_eq!(errors(&lab.role(id, RoleKind::Slave, u64::MAX - 1)), [(1, Code::Stale)]);
    assert_eq!(lab.channel.face(id).unwrap().role, RoleKind::Master, "nothing was done");
    assert_eq!(errors(&lab.role(id, RoleKind::Slave, 0)), [], "later than the greatest");
    assert_eq!(errors(&lab.role(id, RoleKind::Equal, u64::MAX)), [], "no election");
}

#[test]
fn a_slave_may_look_and_not_change_or_send() {
    let mut lab = Lab::default();
    let id = lab.join(Version::V13);
    lab.role(id, RoleKind::Slave, 1);
    let packet = PacketOut { buffer_id: None, says: Match::any(), actions: Vec::new(), data: Bytes::new() };
    for message in [flow(1), Message::PacketOut(packet)] {
        assert_eq!(errors(&lab.say(id, 7, message)), [(7, Code::IsSlave)]);
    }
    assert_eq!(errors(&lab.bundle(id, 0)), [(9, Code::IsSlave)]);
    assert!(lab.switch.cookies.is_empty());
    let steps = lab.say(id, 8, Message::FeaturesRequest);
    assert!(matches!(&steps[..], [Step::Say(Envelope { xid: 8, message: Message::FeaturesReply(_), .. })]));
    let set = TableFeatures::default();
    let steps = lab.say(id, 8, Message::MultipartRequest(Question::TableFeatures(vec![set]), false));
    assert_eq!(errors(&steps), [(8, Code::IsSlave)]);
}

#[test]
fn each_message_is_refused_alone_and_in_its_place() {
    let mut lab = Lab::default();
    let id = lab.join(Version::V13);
    let mut steps = Vec::new();
    for (xid, cookie) in [(1, 10), (2, WRONG), (3, 30)] {
        steps.extend(lab.say(id, xid, flow(cookie)));
    }
    steps.extend(lab.say(id, 4, Message::BarrierRequest));
    assert_eq!(errors(&steps), [(2, Code::Overlap)]);
    assert_eq!(steps.last(), Some(&Step::Barrier(Asked { xid: 4, nicira: false })));
    assert_eq!(lab.switch.cookies, [10, 30]);
    let Step::Say(Envelope { message: Message::Error(Refusal::Ours(_, quoted)), .. }) = &steps[0] else {
        panic!("an error")
    };
    assert!(quoted.len() > 64, "all of the request");
}

#[test]
fn what_cannot_be_read_is_refused_under_its_number() {
    let mut lab = Lab::default();
    let id = lab.join(Version::V13);
    let heard = Heard { raw: Bytes::from_static(b"short"), said: Err((77, Code::BadLen)) };
    let steps = lab.channel.hear(id, heard, &mut lab.switch);
    assert_eq!(errors(&steps), [(77, Code::BadLen)]);
    assert_eq!(errors(&lab.say(id, 1, Message::BarrierReply)), [(1, Code::BadType)]);
}

#[test]
fn a_bundle_is_done_whole_in_its_order_or_not_at_all() {
    let mut lab = Lab::default();
    let id = lab.join(Version::V14);
    lab.bundle(id, 0);
    for (xid, cookie) in [(1, 3), (2, 1), (3, 2)] {
        assert_eq!(errors(&lab.add(id, xid, flow(cookie))), []);
    }
    assert!(lab.switch.cookies.is_empty(), "nothing before the commit");
    lab.bundle(id, 2);
    let steps = lab.bundle(id, 4);
    assert!(matches!(
        &steps[..],
        [Step::Say(Envelope { message: Message::BundleControl(BundleControl { kind: 5, .. }), .. })]
    ));
    assert_eq!(lab.switch.cookies, [3, 1, 2]);

    lab.bundle(id, 0);
    for (xid, cookie) in [(11, 4), (12, WRONG), (13, 5)] {
        lab.add(id, xid, flow(cookie));
    }
    let steps = lab.bundle(id, 4);
    assert_eq!(errors(&steps), [(12, Code::Overlap), (9, Code::BundleMsgFailed)], "which one, and the whole");
    assert_eq!(lab.switch.cookies, [3, 1, 2]);
    assert_eq!(errors(&lab.bundle(id, 4)), [(9, Code::BundleBadId)], "it is over");
    assert_eq!(lab.channel.bundled_bytes(), 0);
}

#[test]
fn a_bundle_that_nobody_goes_on_with_is_over() {
    let mut lab = Lab::default();
    let id = lab.join(Version::V14);
    let seconds = |lab: &mut Lab, count| (0..count).for_each(|_| lab.channel.second());
    lab.bundle(id, 0);
    seconds(&mut lab, 10);
    assert_eq!(errors(&lab.add(id, 1, flow(1))), []);
    seconds(&mut lab, 10);
    assert!(lab.channel.told().is_empty());
    seconds(&mut lab, 1);
    let told: Vec<_> = lab.channel.told().into_iter().map(|(_, envelope)| Step::Say(envelope)).collect();
    assert_eq!(errors(&told), [(9, Code::BundleTimeout)]);
    assert_eq!(errors(&lab.bundle(id, 4)), [(9, Code::BundleBadId)], "it is over");
    assert_eq!((lab.channel.bundled_bytes(), lab.switch.cookies.len()), (0, 0));
}

#[test]
fn what_a_bundle_does_to_groups_is_told_to_those_who_want_to_know() {
    let mut lab = Lab::default();
    let (one, other) = (lab.join(Version::V14), lab.join(Version::V14));
    lab.say(
        other,
        1,
        Message::SetAsync(AsyncChange { request_forward: [Some(1), None], ..Default::default() }),
    );
    lab.bundle(one, 0);
    lab.add(one, 2, flow(1));
    lab.add(one, 3, Message::GroupMod(GroupMod::Delete(None)));
    assert!(lab.channel.told().is_empty(), "nothing before the commit");
    lab.bundle(one, 4);
    let told = lab.channel.told();
    let [(to, Envelope { message: Message::RequestForward(request), .. })] = &told[..] else {
        panic!("{told:?}")
    };
    assert_eq!((*to, request.xid, &request.message), (other, 3, &Message::GroupMod(GroupMod::Delete(None))));
}

#[test]
fn no_more_is_forwarded_at_a_time_than_can_wait() {
    let mut lab = Lab::default();
    let (one, other) = (lab.join(Version::V14), lab.join(Version::V14));
    let wants = AsyncChange { request_forward: [Some(1), None], ..Default::default() };
    lab.say(other, 1, Message::SetAsync(wants));
    let mut forwarded = |requests: usize| {
        lab.bundle(one, 0);
        for xid in 0..requests as u32 {
            lab.add(one, xid, Message::GroupMod(GroupMod::Delete(None)));
        }
        lab.bundle(one, 4);
        (lab.channel.told().len(), lab.channel.lost().collect::<Vec<_>>())
    };
    assert_eq!(forwarded(FORWARDS_MAX + 10), (FORWARDS_MAX, vec![(other, 10)]));
    assert_eq!(forwarded(10), (10, vec![]));
}

#[test]
fn the_remote_ends_of_a_bundle_are_followed_until_a_mistake_ends_it() {
    let mut lab = Lab::default();
    let id = lab.join(Version::V14);
    lab.bundle(id, 0);
    let remote = RuleAction::SetField { field: Field::TunDst, value: 0xc000_0201, mask: 0xffff_ffff };
    let instructions = Instructions::apply(vec![remote]).into();
    let there = FlowMod { table: Some(TableId(0)), instructions, ..FlowMod::default() };
    assert_eq!(errors(&lab.add(id, 1, Message::FlowMod(there, None))), []);
    lab.bundle(id, 2);
    let followed = |lab: &mut Lab| lab.channel.bundled_remotes_changed().map(|remotes| remotes.len());
    assert_eq!(followed(&mut lab), Some(1));
    assert_eq!(errors(&lab.add(id, 2, flow(1))), [(2, Code::BundleClosed)]);
    assert_eq!(followed(&mut lab), Some(0));
}

#[test]
fn steps_of_a_bundle_that_make_no_sense_end_it() {
    let mut lab = Lab::default();
    let id = lab.join(Version::V14);
    assert_eq!(errors(&lab.bundle(id, 2)), [(9, Code::BundleBadId)]);
    lab.bundle(id, 0);
    assert_eq!(errors(&lab.bundle(id, 0)), [(9, Code::BundleBadId)], "it is open already");
    lab.bundle(id, 0);
    lab.bundle(id, 2);
    assert_eq!(errors(&lab.add(id, 1, flow(1))), [(1, Code::BundleClosed)]);
    assert_eq!(errors(&lab.bundle(id, 6)), [(9, Code::BundleBadId)], "that was its end");
    assert_eq!(errors(&lab.bundle(id, 1)), [(9, Code::BundleBadType)]);
    assert_eq!(errors(&lab.add(id, 2, Message::BarrierRequest)), [(2, Code::BundleMsgUnsup)]);
    let inner = Box::new(Envelope::new(8, flow(1)));
    let other = BundleAdd { bundle: 5, flags: 3, inner, raw: Bytes::new() };
    assert_eq!(errors(&lab.say(id, 7, Message::BundleAdd(other))), [(7, Code::BundleMsgBadXid)]);
}

#[test]
fn bundles_are_bounded_in_number_and_size() {
    let mut lab = Lab::default();
    let id = lab.join(Version::V14);
    for bundle in 0..BUNDLES_MAX as u32 + 1 {
        let open = BundleControl { bundle, kind: 0, flags: 0 };
        let steps = lab.say(id, bundle, Message::BundleControl(open));
        let fits = (bundle as usize) < BUNDLES_MAX;
        assert_eq!(errors(&steps).is_empty(), fits, "{steps:?}");
    }
    let raw = Bytes::from(vec![0; 60_000]);
    let mut refused = None;
    for xid in 0..2 * (BUNDLE_BYTES_MAX / raw.len()) as u32 {
        let inner = Box::new(Envelope::new(xid, flow(0)));
        let add = BundleAdd { bundle: 0, flags: 0, inner, raw: raw.clone() };
        refused = errors(&lab.say(id, xid, Message::BundleAdd(add))).first().copied();
        if refused.is_some() {
            break;
        }
    }
    assert!(refused.is_some_and(|(_, code)| code == Code::BundleMsgTooMany));
    assert!(lab.channel.bundled_bytes() <= BUNDLE_BYTES_MAX);
    lab.channel.leave(id);
    assert_eq!(lab.channel.bundled_bytes(), 0, "it goes with the connection");
}

#[test]
fn who_came_by_himself_is_told_of_nothing_before_he_asks() {
    let mut lab = Lab::default();
    let controller = lab.join(Version::V13);
    let visitor = lab.channel.join(Kind::Service, Version::V13);
    let told = |lab: &Lab| lab.channel.listeners(0, Reason::Action).map(|(id, _)| id).collect::<Vec<_>>();
    assert_eq!(told(&lab), [controller]);
    let config = SwitchConfig { fragments: 0, miss_send_len: 65535, invalid_ttl: None };
    lab.say(visitor, 1, Message::SetConfig(config));
    assert_eq!(told(&lab), [controller, visitor]);
    lab.say(visitor, 1, Message::SetControllerId(7));
    assert_eq!(told(&lab), [controller]);
    assert_eq!(lab.channel.listeners(7, Reason::Action).count(), 1);
}

#[test]
fn slaves_hear_of_ports_alone_until_they_ask_for_more() {
    let mut lab = Lab::default();
    let id = lab.join(Version::V13);
    lab.role(id, RoleKind::Slave, 1);
    assert_eq!(lab.channel.listeners(0, Reason::NoMatch).count(), 0);
    let port = PortDesc::named(OfPort(1), [0; 6], "g1".into());
    lab.channel.port_status(PortChange::Modify, &port);
    assert_eq!(lab.channel.told().len(), 1);
    let change =
        AsyncChange { packet_in: [None, Some(1)], port_status: [None, Some(0)], ..Default::default() };
    lab.say(id, 2, Message::SetAsync(change));
    lab.channel.port_status(PortChange::Modify, &port);
    assert_eq!(lab.channel.told(), []);
    assert_eq!(lab.channel.listeners(0, Reason::NoMatch).count(), 1);
    assert_eq!(lab.channel.listeners(0, Reason::Action).count(), 0);
}

#[test]
fn frames_whose_time_is_over_are_for_those_who_ask() {
    let mut lab = Lab::default();
    let id = lab.join(Version::V10);
    assert_eq!(lab.channel.listeners(0, Reason::InvalidTtl).count(), 0);
    let config = SwitchConfig { fragments: 0, miss_send_len: 128, invalid_ttl: Some(true) };
    lab.say(id, 1, Message::SetConfig(config));
    assert_eq!(lab.channel.listeners(0, Reason::InvalidTtl).count(), 1);
}

#[test]
fn in_version_1_0_tables_are_named_by_an_extension() {
    let named = |flow: FlowMod, on| super::hear::table_named(flow, on).map(|flow| flow.table);
    let in_table = |command, table| FlowMod { command, table: Some(TableId(table)), ..FlowMod::default() };
    assert_eq!(named(in_table(Command::Add, 0), false), Ok(Some(TableId(0))));
    assert_eq!(named(in_table(Command::Delete, 0), false), Ok(None));
    assert_eq!(named(in_table(Command::Delete, 3), false), Err(Code::BadCommand));
    assert_eq!(named(in_table(Command::Delete, 3), true), Ok(Some(TableId(3))));
}

#[test]
fn requests_in_parts_are_one_and_bounded() {
    let mut lab = Lab::default();
    let id = lab.join(Version::V13);
    let part = || Question::TableFeatures(vec![TableFeatures::default(); 100]);
    let steps = lab.say(id, 1, Message::MultipartRequest(part(), true));
    assert_eq!(steps, []);
    let steps = lab.say(id, 1, Message::MultipartRequest(part(), false));
    assert_eq!(errors(&steps), [(1, Code::TableFeaturesEperm)], "the whole was asked for");
    let steps = lab.say(id, 2, Message::MultipartRequest(Question::Desc, true));
    assert_eq!(errors(&steps), [(2, Code::BadMultipart)]);
    let refused = (0..1000).find_map(|_| {
        let steps = lab.say(id, 3, Message::MultipartRequest(part(), true));
        errors(&steps).first().copied()
    });
    assert_eq!(refused, Some((3, Code::MultipartBufferOverflow)));
}

#[test]
fn who_asks_is_told_of_room_in_tables_if_its_version_has_a_word_for_it() {
    let mut lab = Lab::default();
    let [old, silent, asks, slave] =
        [Version::V13, Version::V14, Version::V14, Version::V15].map(|version| lab.join(version));
    let all = |master, slave| {
        let change = AsyncChange { table_status: [Some(master), Some(slave)], ..AsyncChange::default() };
        Message::SetAsync(change)
    };
    for (id, message) in [(old, all(0x18, 0)), (asks, all(1 << 4, 0)), (slave, all(0x18, 1 << 3))] {
        assert_eq!(errors(&lab.say(id, 1, message)), []);
    }
    lab.role(slave, RoleKind::Slave, 1);
    let desc = TableDesc { table: TableId(2), eviction: false, vacancy: Some((20, 50, 10)) };
    let mut told = |event| {
        lab.channel.table_status(event, desc);
        lab.channel.told().into_iter().map(|(to, _)| to).collect::<Vec<_>>()
    };
    assert_eq!(told(VacancyEvent::Down), [slave], "{silent:?} has not asked");
    assert_eq!(told(VacancyEvent::Up), [asks]);
}
