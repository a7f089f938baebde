//! What rules mean where it is easy to get wrong. Each case is here because the switch once got it wrong.

mod common;

use common::*;
use datapath::flow::{Field, OfPort};
use datapath::pipeline::{
    Bucket, Group, GroupId, GroupKind, Instructions, Match, Part, Pipeline, Rule, RuleAction, TableId,
};
use etherparse::PacketBuilder;

fn set(field: Field, value: u128, mask: u128) -> RuleAction {
    RuleAction::SetField { field, value, mask }
}

fn output(port: u32) -> RuleAction {
    RuleAction::Output(OfPort(port))
}

fn frame(destination: [u8; 4], ttl: u8) -> Vec<u8> {
    let mut frame = Vec::new();
    PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2])
        .ipv4([10, 0, 0, 1], destination, ttl)
        .udp(4000, 5000)
        .write(&mut frame, b"payload")
        .expect("a frame");
    frame
}

fn with(tables: &[(u8, Instructions)]) -> Pipeline {
    let mut pipeline = pipeline(1, vec![], 3);
    for (table, instructions) in tables {
        pipeline.insert(TableId(*table), Rule::new(1, Match::any(), instructions.clone()));
    }
    pipeline
}

/// What comes out of guests 1 to 3 when these frames go into port 1, one after the other.
fn through(pipeline: Pipeline, frames: &[Vec<u8>]) -> [Vec<Vec<u8>>; 3] {
    let umem = umem();
    let mut switch = Switch::new(&umem, pipeline, 3);
    frames.iter().for_each(|frame| switch.put(1, frame));
    [1, 2, 3].map(|port| switch.out(port))
}

fn count(pipeline: Pipeline, frame: &[u8]) -> [usize; 3] {
    through(pipeline, &[frame.to_vec()]).map(|out| out.len())
}

#[test]
fn part_of_a_field_is_written_into_every_frame_of_the_flow() {
    let actions = vec![set(Field::NwDst, 7, 0xff), output(2)];
    let frames = [frame([10, 0, 0, 7], 64), frame([10, 0, 0, 8], 64)];
    let [_, out, _] = through(with(&[(0, Instructions::apply(actions))]), &frames);
    assert_eq!(out, [frame([10, 0, 0, 7], 64), frame([10, 0, 0, 7], 64)]);
}

#[test]
fn a_resubmit_pretends_another_port_to_the_lookup_only() {
    let resubmit = RuleAction::Resubmit { port: Some(OfPort(2)), table: Some(TableId(1)) };
    let mut pipeline = with(&[(0, Instructions::apply(vec![resubmit]))]);
    let from_two = Match::any().exact(Field::InPort, 2);
    pipeline.insert(TableId(1), Rule::acting(1, from_two, vec![output(1), output(2), RuleAction::InPort]));
    assert_eq!(count(pipeline, &frame([10, 0, 0, 2], 64)), [1, 1, 0]);
}

#[test]
fn an_in_port_that_was_set_is_the_one_that_outputs_avoid() {
    let actions = vec![set(Field::InPort, 0, Field::InPort.max()), output(1), RuleAction::All];
    assert_eq!(count(with(&[(0, Instructions::apply(actions))]), &frame([10, 0, 0, 2], 64)), [2, 1, 1]);
}

#[test]
fn an_in_port_that_was_set_is_seen_by_later_tables() {
    let first = Instructions {
        goto: Some(TableId(1)),
        ..Instructions::apply(vec![set(Field::InPort, 0, Field::InPort.max())])
    };
    let then = Instructions::apply(vec![output(1)]);
    assert_eq!(count(with(&[(0, first), (1, then)]), &frame([10, 0, 0, 2], 64)), [1, 0, 0]);
}

#[test]
fn a_frame_whose_time_is_over_does_not_go_to_the_next_table() {
    let first =
        Instructions { goto: Some(TableId(1)), ..Instructions::apply(vec![RuleAction::DecTtl, output(3)]) };
    let tables = [(0, first), (1, Instructions::apply(vec![output(2)]))];
    assert_eq!(count(with(&tables), &frame([10, 0, 0, 2], 1)), [0, 0, 0]);
    assert_eq!(count(with(&tables), &frame([10, 0, 0, 2], 2)), [0, 1, 1]);
}

#[test]
fn a_clone_ends_with_the_action_set_and_leaves_it_as_it_was() {
    let first = Instructions { write: vec![output(2)], goto: Some(TableId(1)), ..Instructions::default() };
    let then = Instructions::apply(vec![RuleAction::Clone(vec![output(3)])]);
    assert_eq!(count(with(&[(0, first), (1, then)]), &frame([10, 0, 0, 2], 64)), [0, 2, 1]);
}

#[test]
fn an_action_set_may_resubmit_when_it_sends_nowhere() {
    let resubmit = RuleAction::Resubmit { port: None, table: Some(TableId(1)) };
    let write = |write| Instructions { write, ..Instructions::default() };
    let then = (1, Instructions::apply(vec![output(2)]));
    let frame = frame([10, 0, 0, 2], 64);
    assert_eq!(count(with(&[(0, write(vec![resubmit.clone()])), then.clone()]), &frame), [0, 1, 0]);
    assert_eq!(count(with(&[(0, write(vec![resubmit, output(3)])), then]), &frame), [0, 0, 1]);
}

#[test]
fn what_an_action_set_moves_was_set_before() {
    let reg = |field| Part { field, offset: 0, bits: 16 };
    let moved = RuleAction::Move { from: reg(Field::Reg0), to: reg(Field::Reg1) };
    let reg0 = |value| set(Field::Reg0, value, Field::Reg0.max());
    let to_reg1 = RuleAction::OutputReg(reg(Field::Reg1));
    let instructions =
        Instructions { write: vec![reg0(2), moved, reg0(3), to_reg1], ..Instructions::default() };
    assert_eq!(count(with(&[(0, instructions)]), &frame([10, 0, 0, 2], 64)), [0, 1, 0]);
}

#[test]
fn a_bucket_lives_while_its_port_or_its_group_does() {
    let bucket = |id, watch_port: Option<u32>, watch_group, to| Bucket {
        id,
        weight: 1,
        watch_port: watch_port.map(OfPort),
        watch_group,
        actions: vec![output(to)],
    };
    let failover = |buckets| Group::new(GroupKind::FastFailover, buckets);
    let mut pipeline = with(&[(0, Instructions::apply(vec![RuleAction::Group(GroupId(1))]))]);
    let first = bucket(0, Some(77), Some(GroupId(2)), 2);
    pipeline.set_group(GroupId(1), failover(vec![first, bucket(1, None, None, 3)]));
    let frame = frame([10, 0, 0, 2], 64);
    assert_eq!(count(pipeline.clone(), &frame), [0, 0, 1], "neither is there");
    pipeline.set_group(GroupId(2), failover(vec![bucket(0, None, Some(GroupId(3)), 2)]));
    pipeline.set_group(GroupId(3), failover(vec![bucket(0, Some(2), None, 2)]));
    assert_eq!(count(pipeline, &frame), [0, 1, 0], "the group is, by a group that it watches");
}

#[test]
fn groups_that_watch_each_other_have_an_end() {
    let watching = |id| {
        let bucket = Bucket {
            id: 0,
            weight: 1,
            watch_port: None,
            watch_group: Some(GroupId(id)),
            actions: vec![output(2)],
        };
        Group::new(GroupKind::FastFailover, vec![bucket])
    };
    let mut pipeline = with(&[(0, Instructions::apply(vec![RuleAction::Group(GroupId(1))]))]);
    pipeline.set_group(GroupId(1), watching(2));
    pipeline.set_group(GroupId(2), watching(1));
    assert_eq!(count(pipeline, &frame([10, 0, 0, 2], 64)), [0, 0, 0]);
}

/// 200 buckets that watch a group of 200 buckets, and so on: 200^4 ways through them.
#[test]
fn groups_that_watch_many_groups_take_no_time() {
    let watching = |id| {
        let bucket = |number| Bucket {
            id: number,
            weight: 1,
            watch_port: None,
            watch_group: Some(GroupId(id)),
            actions: vec![output(2)],
        };
        Group::new(GroupKind::FastFailover, (0..200).map(bucket).collect())
    };
    let mut pipeline = with(&[(0, Instructions::apply(vec![RuleAction::Group(GroupId(1))]))]);
    for id in 1..=6 {
        pipeline.set_group(GroupId(id), watching(id + 1));
    }
    let began = std::time::Instant::now();
    assert_eq!(count(pipeline, &frame([10, 0, 0, 2], 64)), [0, 0, 0]);
    assert!(began.elapsed() < std::time::Duration::from_secs(2), "{:?}", began.elapsed());
}

#[test]
fn a_third_tag_comes_to_the_front_again() {
    let push = |vid: u128| {
        [RuleAction::PushVlan { tpid: 0x8100 }, set(Field::VlanVid, 0x1000 | vid, Field::VlanVid.max())]
    };
    let pops = vec![RuleAction::PopVlan; 2];
    let actions = [push(1), push(2), push(3)].concat().into_iter().chain(pops);
    let actions = actions.chain([set(Field::VlanPcp, 1, 7), output(2)]).collect();
    let plain = frame([10, 0, 0, 2], 64);
    let wanted = [&plain[..12], &[0x81, 0x00, 0x20, 0x01], &plain[12..]].concat();
    let [_, out, _] = through(with(&[(0, Instructions::apply(actions))]), &[plain]);
    assert_eq!(out, [wanted]);
}
