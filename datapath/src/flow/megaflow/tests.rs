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
    for n in 0..10_000u16 {
        flows.set_now(n.into());
        put(&mut flows, &key(n.into(), 0), &sources(), answer(n));
        assert_eq!(program(&flows, &key(n.into(), 0)), Some(n));
    }
    assert_eq!(flows.len(), 64);
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

/// So many credits from a number on.
fn credits(first: u32, count: u32) -> Vec<Credit> {
    (first..first + count).map(|number| Credit::of(Credit::FIRST.number() + number)).collect()
}

/// Frames that go by, and lists of every length: each is counted once in each place of its flow's list, whoever is given up
/// meanwhile.
#[test]
fn nothing_that_was_counted_is_lost_when_flows_go() {
    let (ledger, mut flows) = (Ledger::default(), Megaflows::new(64, Seed::new(1)));
    let mut wanted = [0u64; 512];
    for n in 0..20_000u32 {
        flows.set_now(u64::from(n) * 7);
        let (source, length) = (n * 31 % 97, n * 17 % 50);
        let list = credits(n * 13 % 450, length);
        let flow = match flows.find(&key(source.into(), 0)) {
            Some(flow) if n % 5 > 0 => flow,
            _ => flows.insert(&key(source.into(), 0), &sources(), answer(source as u16), &list, &ledger),
        };
        let state = &flows.flows[flow.0 as usize];
        let rest = state.list().map(|list| flows.lists.each(list).collect::<Vec<_>>()).unwrap_or_default();
        let due = state.inline().iter().map(|number| Credit::of(*number)).chain(rest);
        due.for_each(|credit| wanted[(credit.number() - Credit::FIRST.number()) as usize] += 1);
        flows.count(flow, 100);
        match n % 1000 {
            7 => flows.remove(flow, &ledger),
            500 => flows.begin_sweep(),
            501..900 => drop(flows.sweep(3, &ledger)),
            _ => {}
        }
    }
    flows.clear(&ledger);
    for (number, wanted) in (0..).zip(wanted) {
        let counted = ledger.read(credits(number, 1)[0]);
        assert_eq!((counted.packets, counted.bytes), (wanted, 100 * wanted), "place {number}");
    }
}

#[test]
fn the_longest_lists_make_room_for_each_other() {
    let (ledger, mut flows) = (Ledger::default(), Megaflows::new(64, Seed::new(1)));
    let short = put(&mut flows, &key(1, 0), &sources(), answer(1));
    let list = vec![Credit::FIRST; CREDITS_MAX];
    for n in 2..20u16 {
        let flow = flows.insert(&key(n.into(), 0), &sources(), answer(n), &list, &ledger);
        flows.count(flow, 60);
    }
    assert!(flows.fits(short, &key(1, 0)), "who holds no list is not given up for one");
    assert_eq!(flows.len(), 2);
    flows.flush_all(&ledger);
    assert_eq!(ledger.read(Credit::FIRST).packets, 18 * CREDITS_MAX as u64);
}

#[test]
fn a_sweep_is_done_in_parts_and_takes_the_unused() {
    let (ledger, mut flows) = (Ledger::default(), Megaflows::new(1024, Seed::new(1)));
    let of = |n: u32| key(n.into(), 0);
    let insert = |flows: &mut Megaflows, n| {
        let flow = flows.insert(&of(n), &sources(), answer(1), &credits(0, 1), &ledger);
        flows.count(flow, 64);
    };
    (0..100).for_each(|n| insert(&mut flows, n));
    flows.set_now(9_000);
    (100..200).for_each(|n| insert(&mut flows, n));
    flows.begin_sweep();
    let parts = (1..).take_while(|_| !flows.sweep(30, &ledger)).count();
    assert_eq!((parts, flows.len(), ledger.read(Credit::FIRST).packets), (6, 200, 200));
    assert_eq!(ledger.read(Credit::FIRST).used_ms, 9_000);
    flows.set_now(10_000);
    flows.begin_sweep();
    while !flows.sweep(30, &ledger) {}
    assert_eq!((flows.len(), flows.find(&of(1)), ledger.read(Credit::FIRST).packets), (100, None, 200));
    flows.set_now(1 << 33);
    flows.begin_sweep();
    while !flows.sweep(30, &ledger) {}
    assert!(flows.is_empty() && flows.masks() == 0 && flows.high == 0);
}
