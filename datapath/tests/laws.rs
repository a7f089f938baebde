//! Laws of a whole switch, for any bytes and any rules.

mod common;
mod packets;
mod strategies;

use common::*;
use datapath::flow::{Field, FlowKey, OfPort};
use datapath::pipeline::{Match, Pipeline, Rule, RuleAction};
use datapath::port::PortId;
use datapath::stats::DropReason;
use etherparse::{SlicedPacket, TransportSlice};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use strategies::*;

/// What came out of each port.
fn outputs(switch: &Switch<'_>) -> [Vec<Vec<u8>>; 3] {
    [0, 1, 2].map(|port| switch.out(port))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// One output a rule: what went in came out, or its drop was counted.
    #[test]
    fn every_frame_is_accounted_for(
        arrivals in vec(arrivals(), 1..40),
        outs in [select(vec![1, 2, TUNNEL, 77]), select(vec![1, 2, TUNNEL, 77]), select(vec![1, 2, TUNNEL, 77])],
        edits in vec(actions(), 0..4),
    ) {
        let umem = umem();
        let edits: Vec<_> = edits.into_iter()
            .filter(|action| !matches!(action, RuleAction::Output(_) | RuleAction::InPort))
            .collect();
        let rules = [1, 2, TUNNEL].iter().zip(outs)
            .map(|(port, out)| rule(from_port(*port), [&edits[..], &[output(out)]].concat()));
        let mut switch = Switch::new(&umem, pipeline(1, rules.collect(), 2), 2);
        let free = switch.worker.free_frames();
        for (port, frame) in &arrivals {
            switch.wires[usize::from(*port)].send(frame.clone()).expect("room");
        }
        switch.turn();
        let sent: usize = outputs(&switch).iter().map(Vec::len).sum();
        let seen = switch.shared.read();
        prop_assert_eq!(sent as u64 + seen.drops.total(), arrivals.len() as u64);
        prop_assert_eq!(seen.ports.iter().map(|port| port.rx_packets).sum::<u64>(), arrivals.len() as u64);
        prop_assert_eq!(seen.ports.iter().map(|port| port.tx_packets).sum::<u64>(), sent as u64);
        prop_assert_eq!(seen.ports.iter().map(|port| port.drops).sum::<u64>(), seen.drops.total());
        prop_assert_eq!(seen.worker.hits + seen.worker.masked_hits + seen.worker.misses, arrivals.len() as u64 - early(&switch));
        prop_assert_eq!(switch.worker.free_frames(), free);
    }

    /// What a warm cache says is what translation says: one switch for all frames, in bursts, does the same as a fresh one
    /// for each of them.
    #[test]
    fn a_warm_cache_changes_nothing(
        rules in rules(),
        arrivals in vec(arrivals(), 1..12),
        rounds in 1..4usize,
    ) {
        let warm_memory = umem();
        let mut warm = Switch::new(&warm_memory, pipeline(1, rules.clone(), 2), 2);
        let mut cold_drops = std::collections::BTreeMap::<DropReason, u64>::new();
        for _ in 0..rounds {
            let mut wanted: [Vec<Vec<u8>>; 3] = Default::default();
            // A turn serves the ports in order.
            for port in 0..3 {
                for (_, frame) in arrivals.iter().filter(|(at, _)| *at == port) {
                    let memory = umem();
                    let mut cold = Switch::new(&memory, pipeline(1, rules.clone(), 2), 2);
                    cold.put(port, frame);
                    for (all, out) in wanted.iter_mut().zip(outputs(&cold)) {
                        all.extend(out);
                    }
                    for (reason, count) in cold.drops() {
                        *cold_drops.entry(reason).or_default() += count;
                    }
                }
            }
            for (port, frame) in &arrivals {
                warm.wires[usize::from(*port)].send(frame.clone()).expect("room");
            }
            warm.turn();
            let mut have = outputs(&warm);
            // A run does one action to all of its frames before the next: the order between frames of different
            // actions is not promised.
            have.iter_mut().chain(&mut wanted).for_each(|frames| frames.sort());
            prop_assert_eq!(have, wanted);
        }
        prop_assert_eq!(warm.drops(), cold_drops.into_iter().collect::<Vec<_>>());
    }

    /// A turn is compiled for this processor, a step for any: both do the same.
    #[test]
    fn a_turn_and_a_step_do_the_same(rules in rules(), arrivals in vec(arrivals(), 1..12)) {
        let (memory, other_memory) = (umem(), umem());
        let mut turning = Switch::new(&memory, pipeline(1, rules.clone(), 2), 2);
        let mut stepping = Switch::new(&other_memory, pipeline(1, rules, 2), 2);
        // The second time their flows are known.
        for (port, frame) in arrivals.iter().chain(&arrivals) {
            turning.put(*port, frame);
            stepping.wires[usize::from(*port)].send(frame.clone()).expect("room");
            stepping.now_ns = turning.now_ns;
            stepping.worker.step(PortId(*port), stepping.now_ns);
            prop_assert_eq!(outputs(&turning), outputs(&stepping));
        }
        stepping.worker.publish();
        prop_assert_eq!(turning.drops(), stepping.drops());
        let counted = [&turning, &stepping].map(|switch| switch.shared.read().worker);
        let answers = counted.map(|worker| [worker.hits, worker.masked_hits, worker.misses]);
        prop_assert_eq!(answers[0], answers[1]);
    }

    #[test]
    fn reading_a_key_never_panics(frame in frames(), more in vec(any::<u8>(), 0..200)) {
        let mut key = FlowKey::default();
        for bytes in [&frame, &more] {
            for len in 0..=bytes.len() {
                let found = datapath::flow::extract(&bytes[..len], OfPort(1), None, &mut key);
                prop_assert_eq!(found.is_err(), len < 14);
                if let Ok(Some(unfilled)) = found {
                    prop_assert!(unfilled.start + unfilled.field + 2 <= unfilled.end && unfilled.end <= len);
                }
            }
        }
    }

    /// Whatever is put into a tunnel comes out of it as it was, over both versions of IP, with outer headers that
    /// etherparse accepts.
    #[test]
    fn what_goes_into_a_tunnel_comes_out_of_it(
        inner in prop_oneof![9 => vec(any::<u8>(), 14..1500), 1 => vec(any::<u8>(), 1500..15_000)],
        vni in 0..1u32 << 24,
        six in any::<bool>(),
    ) {
        let (here, there) = if six { ("2001:db8::1", "2001:db8::2") } else { (HERE, THERE) };
        let into = vec![rule(Match::any(), vec![set(Field::TunId, vni.into()), output(TUNNEL)])];
        let from = vec![rule(from_port(TUNNEL).exact(Field::TunId, vni.into()), vec![output(2)])];
        let (memory, other) = (buffers_for(inner.len()), buffers_for(inner.len() + 70));
        let mut encap = Switch::new(&memory, between(here, there, into), 2);
        let mut decap = Switch::new(&other, between(there, here, from), 2);
        encap.put(1, &inner);
        prop_assert_eq!(encap.drops(), vec![]);
        let out = encap.out(0);
        prop_assert_eq!(out.len(), 1);
        check_outer(&out[0], six, &inner)?;
        decap.put(0, &out[0]);
        prop_assert_eq!(decap.drops(), vec![]);
        prop_assert_eq!(decap.out(2), vec![finished(&inner)]);
    }

    /// A checksum left to the device is filled in at the latest behind the tunnel; over IPv6, where the outer checksum covers
    /// it, before.
    #[test]
    fn a_checksum_left_to_the_device_goes_through_a_tunnel(packet in packets::packets_of_all_lengths(), six in any::<bool>()) {
        let Some(inner) = packet.unfilled().filter(|_| packet.tags.len() < 3) else { return Ok(()) };
        let whole = packet.bytes();
        let (here, there) = if six { ("2001:db8::1", "2001:db8::2") } else { (HERE, THERE) };
        let memory = buffers_for(inner.len());
        let rules = vec![rule(Match::any(), vec![output(TUNNEL)])];
        let mut encap = Switch::new(&memory, between(here, there, rules), 2);
        encap.put(1, &inner);
        let out = encap.out(0).remove(0);
        check_outer(&out, six, &whole)?;
        prop_assert_eq!(&out[out.len() - whole.len()..], whole);
    }
}

/// A pipeline at `here` with one tunnel to `there`.
fn between(here: &str, there: &str, rules: Vec<Rule>) -> Pipeline {
    let mut underlay = datapath::tunnel::Underlay::default();
    let datapath::tunnel::Reach::Via(path) = wide(reach()) else { unreachable!("there is a way") };
    underlay
        .insert(ip(there), datapath::tunnel::Reach::Via(datapath::tunnel::Path { local: ip(here), ..path }));
    pipeline_over(1, rules, 2, vec![tunnel(there)], underlay, &[here])
}

/// The frame as it leaves: a checksum that looks left to the device is filled in.
fn finished(frame: &[u8]) -> Vec<u8> {
    let memory = buffers_for(frame.len());
    let mut switch = Switch::new(&memory, pipeline(1, vec![rule(Match::any(), vec![output(2)])], 2), 2);
    switch.put(1, frame);
    switch.out(2).remove(0)
}

fn check_outer(packet: &[u8], six: bool, inner: &[u8]) -> Result<(), TestCaseError> {
    let outer =
        SlicedPacket::from_ethernet(packet).map_err(|error| TestCaseError::fail(error.to_string()))?;
    let Some(TransportSlice::Udp(udp)) = &outer.transport else { return Err(TestCaseError::fail("no UDP")) };
    prop_assert_eq!(udp.payload().len(), 8 + inner.len());
    match &outer.net {
        Some(etherparse::NetSlice::Ipv6(ip)) if six => {
            let header = ip.header().to_header();
            let wanted = udp.to_header().calc_checksum_ipv6(&header, udp.payload());
            prop_assert_eq!(udp.checksum(), wanted.map_err(|error| TestCaseError::fail(error.to_string()))?);
        }
        Some(etherparse::NetSlice::Ipv4(ip)) if !six => {
            prop_assert_eq!(ip.header().header_checksum(), ip.header().to_header().calc_header_checksum());
            prop_assert_eq!(udp.checksum(), 0);
        }
        other => return Err(TestCaseError::fail(format!("{other:?}"))),
    }
    Ok(())
}

/// Frames that died before they had a key.
fn early(switch: &Switch<'_>) -> u64 {
    use DropReason as R;
    let late = [
        R::TableMiss,
        R::RuleDrop,
        R::OutputToInput,
        R::NoSuchPort,
        R::NoTunnelRemote,
        R::NoRoute,
        R::NoNeighbour,
        R::ExceedsMtu,
        R::NoHeadroom,
        R::TooManyActions,
        R::PoolEmpty,
        R::TxFull,
        R::PortRefused,
    ];
    switch.drops().iter().filter(|(reason, _)| !late.contains(reason)).map(|(_, count)| count).sum()
}
