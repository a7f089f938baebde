use super::*;
use crate::flow::Field;

fn key(source: u128, port: u128) -> FlowKey {
    let mut key = FlowKey::default();
    key.set(Field::NwSrc, source);
    key.set(Field::TpSrc, port);
    key
}

fn sources() -> FlowMask {
    key(Field::NwSrc.max(), 0)
}

fn answer(program: u16) -> Answer {
    Answer { generation: 1, program, ..Answer::default() }
}

fn put(flows: &mut Megaflows, key: &FlowKey, mask: &FlowMask, answer: Answer) -> FlowId {
    flows.insert(key, mask, answer, &[], &Ledger::default())
}

fn program(flows: &Megaflows, key: &FlowKey) -> Option<u16> {
    flows.find(key).map(|flow| flows.answer(flow).program)
}

#[test]
fn a_flow_takes_every_frame_that_agrees_in_its_mask() {
    let mut flows = Megaflows::new(64, Seed::new(1));
    put(&mut flows, &key(7, 1000), &sources(), answer(5));
    assert_eq!(program(&flows, &key(7, 2000)), Some(5));
    assert_eq!(program(&flows, &key(8, 1000)), None);
}

#[test]
fn flows_of_long_keys_are_told_apart_by_their_rest() {
    let mut flows = Megaflows::new(64, Seed::new(1));
    let (mut a, mut b, mut mask) = (key(1, 1), key(1, 1), sources());
    a.set(Field::Ipv6Dst, 1);
    b.set(Field::Ipv6Dst, 2);
    mask.set(Field::Ipv6Dst, u128::MAX);
    put(&mut flows, &a, &mask, answer(1));
    put(&mut flows, &b, &mask, answer(2));
    assert_eq!((program(&flows, &a), program(&flows, &b)), (Some(1), Some(2)));
}

#[test]
fn masks_are_bounded_and_answers_stay_right_beyond() {
    let mut flows = Megaflows::new(1024, Seed::new(1));
    for n in 0..200u16 {
        let mut mask = sources();
        mask.set(Field::TunId, u128::from(n));
        put(&mut flows, &key(n.into(), 1), &mask, answer(n));
    }
    assert!(flows.masks() <= MASKS_MAX);
    for n in 0..200u16 {
        assert_eq!(program(&flows, &key(n.into(), 1)), Some(n));
    }
}

#[test]
fn a_full_table_gives_up_the_unused_and_never_grows() {
    let mut flows = Megaflows::new(64, Seed::new(1));
    let capacity = flows.index.capacity();
    for n in 0..10_000u16 {
        flows.set_now(n.into());
        put(&mut flows, &key(n.into(), 0), &sources(), answer(n));
        assert_eq!(program(&flows, &key(n.into(), 0)), Some(n));
    }
    assert_eq!((flows.len(), flows.index.len(), flows.index.capacity()), (64, 64, capacity));
}

#[test]
fn a_removed_flow_is_gone_and_its_place_is_used_again() {
    let mut flows = Megaflows::new(64, Seed::new(1));
    let flow = put(&mut flows, &key(1, 0), &sources(), answer(1));
    flows.remove(flow, &Ledger::default());
    flows.remove(flow, &Ledger::default());
    assert!(!flows.fits(flow, &key(1, 0)) && flows.find(&key(1, 0)).is_none());
    assert_eq!(put(&mut flows, &key(2, 0), &sources(), answer(2)), flow);
}
