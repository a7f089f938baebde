//! The law of the engine: what a switch that has seen many packets does with one, a switch that has seen none does too, and a
//! plain interpreter of the rules says the same. Also while rules and groups come and go.

mod common;
mod pipelines;
mod reference;

use common::*;
use datapath::action::Action;
use datapath::action::learn::{Learn, Lesson};
use datapath::action::report::{Place, Station};
use datapath::flow::key::PACKET_WORDS;
use datapath::flow::{Field, FlowKey, OfPort, Tunnelled};
use datapath::pipeline::{
    FarEnd, GroupId, Match, Meter, MeterId, Pipeline, Queue, QueueId, QueueSpec, Switching, TableId,
    Translation, translate, translate_actions,
};
use datapath::stats::DropReason;
use datapath::tunnel::{self, Kind, Mapping, OptionMap, TunnelSpec, Underlay};
use datapath::worker::{PacketOut, Punted};
use pipelines::*;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use reference::{CONTROLLER, Outer, Ran, Reference, Sent, Told, as_lesson, meters, options, seen};
use std::collections::{BTreeMap, BTreeSet};

type Rules = Vec<(TableId, datapath::pipeline::Rule)>;
type Meters = Vec<(u32, datapath::pipeline::MeterSpec)>;
type Groups = Vec<(u32, datapath::pipeline::Group)>;

fn cases() -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok());
    ProptestConfig::with_cases(cases.unwrap_or(250))
}

fn key_of(port: u16, frame: &[u8]) -> FlowKey {
    let mut key = FlowKey::default();
    datapath::flow::extract(frame, OfPort(port.into()), None, &mut key).expect("a whole frame");
    key
}

/// What a packet for the Geneve port carries, and its key; None when it is dropped before rules are asked.
fn key_in(reference: &Reference, port: u16, packet: &[u8]) -> Option<(FlowKey, Vec<u8>)> {
    if port != 0 {
        let mut key = key_of(port, packet);
        key.measure(packet.len() as u16);
        return Some((key, packet.to_vec()));
    }
    let end = 50 + usize::from(packet[42] & 0x3f) * 4;
    let (id, frame) = (u32::from_be_bytes([0, packet[46], packet[47], packet[48]]), &packet[end..]);
    let (remote, local) = (ip(THERE), ip(HERE));
    let outer = Tunnelled { remote, local, id: id.into(), tos: 0, ttl: 64, flags: 0, options: 0, policy: 0 };
    let mut key = FlowKey::default();
    datapath::flow::extract(frame, OfPort(GENEVE), Some(&outer), &mut key).expect("a whole frame");
    options::read(&reference.options, &packet[50..end], &mut key)?;
    key.measure(frame.len() as u16);
    Some((key, frame.to_vec()))
}

/// A Geneve packet for us (RFC 8926 section 3), by the uplink.
fn wrapped((vni, options, frame): (u32, Vec<u8>, Vec<u8>)) -> (u16, Vec<u8>) {
    let geneve = [options.len() as u8 / 4, 0, 0x65, 0x58];
    let payload = [&geneve[..], &(vni << 8).to_be_bytes(), &options, &frame].concat();
    let there = etherparse::PacketBuilder::ethernet2(NEXT_HOP_MAC.0, UPLINK_MAC.0);
    let mut packet = Vec::new();
    let udp = there.ipv4([192, 0, 2, 2], [192, 0, 2, 1], 64).udp(50_000, 6081);
    udp.write(&mut packet, &payload).expect("a packet");
    (0, packet)
}

/// Frames of guests and of the Geneve port.
fn any_frames() -> impl Strategy<Value = (u16, Vec<u8>)> {
    prop_oneof![30 => frames(), 10 => geneve().prop_map(wrapped), 1 => long_frames()]
}

/// Frames of guests with so much padding that no chunk holds them.
fn long_frames() -> impl Strategy<Value = (u16, Vec<u8>)> {
    let padding = (1700..15_000usize).prop_map(|len| (0..len).map(|at| (at * 7 + at / 256) as u8).collect());
    (frames(), padding).prop_map(|((port, frame), padding): (_, Vec<u8>)| (port, [frame, padding].concat()))
}

/// Memory for frames like these.
fn memory<'a>(frames: impl IntoIterator<Item = &'a (u16, Vec<u8>)>) -> Buffers {
    buffers_for(frames.into_iter().map(|(_, frame)| frame.len()).max().unwrap_or(0))
}

/// The same pipeline twice: as the switch has it and as the interpreter has it.
fn both(
    rules: Rules,
    groups: Groups,
    meters: Meters,
    Setups(setups, far, limited): Setups,
) -> (Pipeline, Reference) {
    let mut underlay = Underlay::default();
    underlay.insert(ip(THERE), wide(reach()));
    underlay.insert(ip(ELSEWHERE), wide(reach()));
    let open = far.is_some() && !limited;
    let remote = if open { tunnel::Remote::Flow } else { tunnel::Remote::Fixed(ip(THERE)) };
    let (tos, ttl) = (tunnel::Outer::Inherit, tunnel::Outer::Inherit);
    let tunnel = TunnelSpec { remote, tos, ttl, ..tunnel(THERE) };
    let remote = tunnel::Remote::Fixed(ip(THERE));
    let geneve =
        TunnelSpec { ofport: OfPort(GENEVE), kind: Kind::Geneve, dst_port: 6081, remote, ..tunnel.clone() };
    let mut pipeline = pipeline_over(1, vec![], GUESTS, vec![tunnel, geneve], underlay, &[HERE]);
    let mut map = OptionMap::default();
    let options = OPTIONS.map(|(class, kind, len, index)| {
        map.add(Mapping { class, kind, len, index }).expect("room for all");
        let pieces = map.pieces(index).collect();
        let presence = map.presence(index).expect("it is there").into();
        options::Known { class, kind, len: len.into(), presence, pieces }
    });
    pipeline.set_options(map);
    let mut switching = Switching { ports: setups.clone(), ..Switching::default() };
    if limited {
        switching.far.limit(OfPort(TUNNEL));
    }
    for (tenant, remote, key) in far.iter().flatten() {
        // Its key is said with it, or apart from it.
        let (port, remote, apart) = (OfPort(TUNNEL), (*remote).into(), key % 2 == 0);
        if apart {
            switching.far.call(port, *tenant, remote, *key);
        }
        let end = FarEnd { remote, key: (!apart && key != tenant).then_some(*key) };
        switching.far.add(port, Some(*tenant), end);
    }
    pipeline.set_switching(switching);
    let mut reference = Reference {
        ports: (1..=GUESTS.into()).chain([TUNNEL, GENEVE]).collect(),
        tunnels: vec![TUNNEL, GENEVE],
        geneve: vec![GENEVE],
        options: options.to_vec(),
        open: open.then_some(TUNNEL).into_iter().collect(),
        limited: limited.then_some(TUNNEL).into_iter().collect(),
        far: far.iter().flatten().map(|(tenant, remote, key)| (TUNNEL, *tenant, *remote, *key)).collect(),
        reached: [THERE, ELSEWHERE].map(|there| there.parse().expect("IPv4")).to_vec(),
        setups: setups.into_iter().map(|(port, setup)| (port.0, setup)).collect(),
        ..Reference::default()
    };
    for (port, id, max_rate, burst) in QUEUES {
        let spec = QueueSpec { max_rate: Some(max_rate), burst: Some(burst) };
        assert!(pipeline.set_queue(OfPort(port), QueueId(id), Queue::new(spec)));
        reference.queues.borrow_mut().insert((port, id), meters::Bucket::of_queue(max_rate, burst));
    }
    for (table, rule) in rules {
        reference.insert(table, rule.clone());
        pipeline.insert(table, rule);
    }
    for (id, group) in groups {
        reference.groups.insert(id, group.clone());
        pipeline.set_group(GroupId(id), group);
    }
    meters.into_iter().for_each(|(id, spec)| apply(Change::Meter(id, spec), &mut pipeline, &mut reference));
    (pipeline, reference)
}

fn apply(change: Change, pipeline: &mut Pipeline, reference: &mut Reference) {
    match change {
        Change::Insert(table, rule) => {
            reference.insert(table, rule.clone());
            pipeline.insert(table, rule);
        }
        Change::Remove(at) if !reference.rules.is_empty() => {
            let (table, rule) = at.get(&reference.rules).clone();
            assert!(reference.remove(table, rule.priority, &rule.matching));
            assert!(pipeline.remove(table, rule.priority, &rule.matching).is_some());
        }
        Change::Remove(_) => {}
        Change::Group(id, group) => {
            reference.groups.insert(id, group.clone());
            pipeline.set_group(GroupId(id), group);
        }
        Change::RemoveGroup(id) => {
            let had = reference.groups.remove(&id).is_some();
            assert_eq!(pipeline.remove_group(GroupId(id)), had);
        }
        Change::Meter(id, spec) => {
            reference.meters.borrow_mut().insert(id, meters::Meter::new(&spec));
            pipeline.set_meter(MeterId(id), Meter::new(spec));
        }
        Change::Port(port, config) => {
            reference.configs.insert(port, config);
            pipeline.set_port_config(OfPort(port), config);
        }
        Change::Link(port, up) => {
            let news = if up { reference.cut.remove(&port) } else { reference.cut.insert(port) };
            assert_eq!(pipeline.set_link(OfPort(port), up), news);
        }
        Change::Misses(told) => {
            reference.tells_misses = told;
            pipeline.set_tells_misses(told);
        }
        Change::Fragments(what) => {
            reference.fragments = what;
            pipeline.set_fragments(what);
        }
        Change::StrikeOut(_) if reference.lessons.is_empty() => {}
        Change::StrikeOut(at) => {
            let gone = reference.lessons.remove(at.index(reference.lessons.len()));
            assert!(pipeline.strike_out(&as_lesson(&gone)));
        }
        Change::Full(table, cookie, limit, full) => {
            reference.set_full((table, cookie, limit), full);
            pipeline.set_full(TableId(table), cookie, limit, full);
        }
        Change::RemoveMeter(id) => {
            let had = reference.meters.borrow_mut().remove(&id).is_some();
            assert_eq!(pipeline.remove_meter(MeterId(id)), had);
        }
    }
}

/// Everything that comes out when a frame goes in: port by port (the uplink is 0), each in its order.
fn through(switch: &mut Switch<'_>, port: u16, frame: &[u8]) -> Vec<(u16, Vec<u8>)> {
    let (free, long) = (switch.worker.free_frames(), switch.worker.free_long_frames());
    switch.put(port, frame);
    assert_eq!(switch.worker.free_frames(), free, "no frame is lost");
    assert_eq!(switch.worker.free_long_frames(), long, "no long one either");
    (0..=GUESTS).flat_map(|port| switch.out(port).into_iter().map(move |frame| (port, frame))).collect()
}

/// What the controller is told: frames, and what is said of each.
fn punted(switch: &Switch<'_>) -> (Vec<Sent>, Vec<Told>) {
    let punted = std::iter::from_fn(|| switch.reports.punted());
    let told = |Punted { punt, data, total_len }: Punted| {
        assert_eq!(data.len(), total_len, "no rule asks for less");
        let from = (punt.table, punt.cookie);
        let told = Told::of(punt.reason, from, punt.controller, &punt.userdata, &punt.says);
        (seen(CONTROLLER, None, &data), told)
    };
    punted.map(told).unzip()
}

/// What came out, in the interpreter's words. A tunnel packet has 50 bytes in front, and those of Geneve options; the key is where it
/// is in both headers.
fn told(out: &[(u16, Vec<u8>)]) -> Vec<Sent> {
    let told = |(port, bytes): &(u16, Vec<u8>)| match port {
        0 => {
            let key = u32::from_be_bytes([0, bytes[46], bytes[47], bytes[48]]);
            assert_eq!(checksum(&bytes[14..34]), 0xffff, "the outer header adds up");
            let to = [bytes[30], bytes[31], bytes[32], bytes[33]].into();
            let is_geneve = bytes[36..38] == 6081u16.to_be_bytes();
            let end = 50 + if is_geneve { usize::from(bytes[42] & 0x3f) * 4 } else { 0 };
            let options = bytes[50..end].to_vec();
            let critical = is_geneve && bytes[43] & 0x40 != 0;
            let outer = Outer { to, key, tos: bytes[15], ttl: bytes[22], options, critical };
            seen(if is_geneve { GENEVE } else { TUNNEL }, Some(outer), &bytes[end..])
        }
        _ => seen((*port).into(), None, bytes),
    };
    out.iter().map(told).collect()
}

/// RFC 1071: the sum of 16-bit words, all ones for a header that is right.
fn checksum(header: &[u8]) -> u16 {
    let words = header.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1]));
    let sum: u32 = words.sum();
    ((sum & 0xffff) + (sum >> 16)) as u16
}

/// By port, which each send in their order.
fn by_port(mut sent: Vec<Sent>) -> Vec<Sent> {
    sent.sort_by_key(|sent| sent.port);
    sent
}

/// Whether the rules ask for more than a frame may have: then nothing is done at all, which no interpreter can tell.
fn too_much(pipeline: &Pipeline, key: &FlowKey) -> bool {
    let mut translation = Translation::default();
    translate(pipeline, key, &mut translation);
    translation.actions() == [Action::Drop(DropReason::TooManyActions)]
}

/// A lesson in the interpreter's words, to compare and to sort.
fn named((learn, values): &(Learn, Vec<u128>)) -> (String, Vec<u128>) {
    (format!("{learn:?}"), values.clone())
}

fn taught_by(lesson: &Lesson) -> (String, Vec<u128>) {
    let values = lesson.learn.sources().zip(lesson.values).map(|(_, value)| value);
    (format!("{:?}", lesson.learn), values.collect())
}

/// What the frame shows about stations is the same, and what it teaches; and is known from now on, to those who come later too.
fn learn(
    warm: &mut Switch<'_>,
    pipeline: &mut Pipeline,
    reference: &mut Reference,
    met: BTreeMap<(u64, u16, u64), u32>,
    taught: Vec<(Learn, Vec<u128>)>,
) -> Result<(), TestCaseError> {
    let told: BTreeSet<_> =
        std::iter::from_fn(|| warm.reports.lesson()).map(|lesson| taught_by(&lesson)).collect();
    prop_assert_eq!(&told, &taught.iter().map(named).collect(), "taught");
    for lesson in taught {
        if !reference.lessons.contains(&lesson) {
            pipeline.take_up(&as_lesson(&lesson));
            reference.lessons.push(lesson);
        }
    }
    if !told.is_empty() {
        warm.publisher.publish(pipeline.snapshot());
    }
    let told: BTreeMap<_, _> = std::iter::from_fn(|| warm.reports.sighting())
        .map(|seen| ((seen.station.tenant, seen.station.vlan, seen.station.mac), seen.place.port.0))
        .collect();
    prop_assert_eq!(&told, &met, "learned");
    for ((tenant, vlan, mac), port) in &told {
        let place = Place { port: OfPort(*port), remote: None };
        pipeline.learn(Station { tenant: *tenant, vlan: *vlan, mac: *mac }, place, false);
    }
    if !told.is_empty() {
        warm.publisher.publish(pipeline.snapshot());
    }
    reference.stations.extend(met);
    Ok(())
}

fn check(
    warm: &mut Switch<'_>,
    pipeline: &mut Pipeline,
    reference: &mut Reference,
    (port, frame): &(u16, Vec<u8>),
) -> Result<(), TestCaseError> {
    // A switch that knows no flow, and whose meters are used up as far as those of the other one.
    let apart = pipeline.uncounted();
    let now_ns = warm.now_ns;
    let out = through(warm, *port, frame);
    let memory = buffers_for(frame.len());
    let mut fresh = Switch::new(&memory, apart, GUESTS);
    fresh.now_ns = now_ns;
    let wanted = through(&mut fresh, *port, frame);
    prop_assert_eq!(&out, &wanted, "warm and fresh");
    let (punts, said) = punted(warm);
    prop_assert_eq!(punted(&fresh), (punts.clone(), said.clone()), "warm and fresh, to the controller");
    let Some((key, frame)) = key_in(reference, *port, frame) else {
        prop_assert!(out.is_empty() && said.is_empty(), "it is dropped");
        return Ok(());
    };
    if too_much(pipeline, &key) {
        while warm.reports.sighting().is_some() {}
        while warm.reports.lesson().is_some() {}
        return Ok(());
    }
    let Ran { sent, met, taught, told: to_say, .. } = reference.run(&key, &frame, warm.now_ns);
    prop_assert_eq!(by_port([told(&out), punts].concat()), by_port(sent), "switch and interpreter");
    prop_assert_eq!(said, to_say, "what the controller is told");
    learn(warm, pipeline, reference, met, taught)
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn warm_and_fresh_and_by_the_letter_are_the_same(
        rules in rules(14),
        groups in groups(),
        meters in meters(),
        setups in setups(),
        asides in vec(aside(), 0..3),
        frames in vec(any_frames(), 1..40),
        // Also where hardly any answer finds room.
        room in prop_oneof![Just(usize::MAX), 0..4_usize],
    ) {
        let (mut pipeline, mut reference) = both(rules, groups, meters, setups);
        asides.into_iter().for_each(|change| apply(change, &mut pipeline, &mut reference));
        pipeline.snapshot();
        let memory = memory(&frames);
        let mut warm = Switch::new(&memory, pipeline.clone(), GUESTS).keeping(room);
        for frame in &frames {
            check(&mut warm, &mut pipeline, &mut reference, frame)?;
        }
    }

    #[test]
    fn after_any_changes_a_warm_switch_is_as_a_fresh_one(
        rules in rules(12),
        groups in groups(),
        meters in meters(),
        setups in setups(),
        frames in vec(any_frames(), 4..10),
        changes in vec((vec(change(), 0..3), prop::bool::weighted(0.7)), 1..8),
        seen in vec(any::<prop::sample::Index>(), 6),
    ) {
        let (mut pipeline, mut reference) = both(rules, groups, meters, setups);
        let memory = memory(&frames);
        let mut warm = Switch::new(&memory, (*pipeline.snapshot()).clone(), GUESTS);
        for frame in &frames {
            check(&mut warm, &mut pipeline, &mut reference, frame)?;
        }
        for (change, looked) in changes {
            change.into_iter().for_each(|change| apply(change, &mut pipeline, &mut reference));
            warm.publisher.publish(pipeline.snapshot());
            // Now and then the next snapshot takes the place of one that was never used.
            if !looked {
                continue;
            }
            // Not all of them each time: some answers are several generations behind when they are needed next.
            for at in &seen {
                check(&mut warm, &mut pipeline, &mut reference, at.get(&frames))?;
            }
        }
        for frame in &frames {
            check(&mut warm, &mut pipeline, &mut reference, frame)?;
        }
    }

    /// A controller's frame, with actions of its own, is as any other that comes in there.
    #[test]
    fn what_a_controller_sends_is_done_by_the_letter(
        rules in rules(10),
        groups in groups(),
        meters in meters(),
        setups in setups(),
        asides in vec(aside(), 0..3),
        packets in vec((frames(), packet_out(), 0..4u64), 1..12),
    ) {
        let (mut pipeline, mut reference) = both(rules, groups, meters, setups);
        asides.into_iter().for_each(|change| apply(change, &mut pipeline, &mut reference));
        pipeline.snapshot();
        let umem = umem();
        let mut switch = Switch::new(&umem, pipeline.clone(), GUESTS);
        for ((port, frame), actions, register) in packets {
            let says = Match::any()
                .exact(Field::InPort, port.into())
                .with(Field::Reg1, register.into(), 0xff)
                .exact(Field::TunId, register.into());
            let mut key = key_of(port, &frame);
            key.set(Field::Reg1, register.into());
            key.set(Field::TunId, register.into());
            key.measure(frame.len() as u16);
            let packet =
                PacketOut { says: says.clone(), actions: actions.clone(), data: frame.clone(), generation: 0 };
            switch.injector.send(packet).expect("room for one");
            let free = switch.worker.free_frames();
            switch.turn();
            prop_assert_eq!(switch.worker.free_frames(), free, "no frame is lost");
            let out: Vec<_> = (0..=GUESTS)
                .flat_map(|port| switch.out(port).into_iter().map(move |frame| (port, frame)))
                .collect();
            let (punts, said) = punted(&switch);
            let mut translation = Translation::default();
            translate_actions(&pipeline, &actions, &key, &says, &mut translation);
            if translation.actions() == [Action::Drop(DropReason::TooManyActions)] {
                continue;
            }
            let Ran { sent, met, taught, told: to_say, .. } =
                reference.sent_out(&actions, &key, &frame, switch.now_ns);
            prop_assert_eq!(by_port([told(&out), punts].concat()), by_port(sent), "switch and interpreter");
            prop_assert_eq!(said, to_say, "what the controller is told");
            learn(&mut switch, &mut pipeline, &mut reference, met, taught)?;
        }
    }

    /// The promise of a mask, of translation alone, for keys that no frame may ever have.
    #[test]
    fn keys_that_agree_in_the_mask_get_the_same_actions(
        rules in rules(14),
        groups in groups(),
        setups in setups(),
        asides in vec(aside(), 0..3),
        frame in any_frames(),
        others in vec(any_frames(), 1..20),
        noise in any::<[u64; PACKET_WORDS]>(),
    ) {
        let (mut pipeline, mut reference) = both(rules, groups, Vec::new(), setups);
        asides.into_iter().for_each(|change| apply(change, &mut pipeline, &mut reference));
        let key_of = |(port, frame): &(u16, Vec<u8>)| key_in(&reference, *port, frame).map(|(key, _)| key);
        let Some(mut key) = key_of(&frame) else { return Ok(()) };
        if noise[0] % 4 == 0 {
            // Nobody has measured it.
            key.set(Field::FrameMeasured, 0);
            key.set(Field::FrameLen, 0);
        }
        let mut translation = Translation::default();
        translate(&pipeline, &key, &mut translation);
        let mut noisy = FlowKey::default();
        noisy.words_mut()[..PACKET_WORDS].copy_from_slice(&noise);
        let others = others.iter().filter_map(key_of).chain([noisy]);
        for mut other in others {
            for (i, word) in other.words_mut()[..PACKET_WORDS].iter_mut().enumerate() {
                let mask = translation.mask().words()[i];
                *word = *word & !mask | key.words()[i] & mask;
            }
            let mut again = Translation::default();
            translate(&pipeline, &other, &mut again);
            prop_assert_eq!(again.actions(), translation.actions(), "{:?}", other);
            prop_assert_eq!(again.asks_length(), translation.asks_length());
            prop_assert_eq!(again.learnings(), translation.learnings());
            prop_assert_eq!(again.punts(), translation.punts());
            prop_assert_eq!(again.teachings(), translation.teachings());
            prop_assert_eq!(again.mask().words(), translation.mask().words());
        }
    }
}
