//! Keys and edits against etherparse: what is read out of a frame is what was said when it was made, and a frame with a
//! field set is the frame that etherparse makes with that field, checksums included.

mod common;
mod packets;

use common::*;
use datapath::flow::{Field, FlowKey, OfPort, extract};
use datapath::pipeline::{Match, Rule, RuleAction};
use packets::{packets, packets_of_all_lengths};
use proptest::prelude::*;
use proptest::sample::select;

fn edits() -> impl Strategy<Value = Vec<(Field, u128, u128)>> {
    let field = select(vec![
        Field::EthSrc,
        Field::EthDst,
        Field::NwSrc,
        Field::NwDst,
        Field::NwTtl,
        Field::NwTos,
        Field::IpDscp,
        Field::NwEcn,
        Field::Ipv6Src,
        Field::Ipv6Dst,
        Field::Ipv6Label,
        Field::TpSrc,
        Field::TpDst,
        Field::NdTarget,
        Field::NdReserved,
        Field::NdSll,
        Field::NdTll,
    ]);
    let value = prop_oneof![4 => any::<u128>(), 1 => select(vec![0, u128::MAX])];
    let mask = prop_oneof![2 => Just(u128::MAX), 1 => any::<u128>()];
    let one = (field, value, mask).prop_map(|(field, value, mask)| {
        // ICMP has a byte where TCP and UDP have two.
        let max = if matches!(field, Field::TpSrc | Field::TpDst) { 0xff } else { field.max() };
        (field, value & max, mask & max)
    });
    proptest::collection::vec(one, 0..6)
}

/// What comes out of port 2 when this frame goes into port 1 and these fields are set.
fn edited(frame: &[u8], edits: &[(Field, u128, u128)]) -> Vec<Vec<u8>> {
    let memory = buffers_for(frame.len());
    let mut actions: Vec<_> = edits
        .iter()
        .map(|(field, value, mask)| RuleAction::SetField { field: *field, value: *value, mask: *mask })
        .collect();
    actions.push(RuleAction::Output(OfPort(2)));
    let rule = Rule::acting(1, Match::any(), actions);
    let mut switch = Switch::new(&memory, pipeline(1, vec![rule], 2), 2);
    switch.put(1, frame);
    switch.out(2)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn a_key_holds_what_the_headers_say(packet in packets()) {
        let mut key = FlowKey::default();
        let mut wanted = packet.key();
        wanted.set(Field::InPort, 7);
        for frame in [Some(packet.bytes()), packet.unfilled()].into_iter().flatten() {
            extract(&frame, OfPort(7), None, &mut key).expect("a frame long enough");
            prop_assert_eq!(&key, &wanted);
        }
    }

    #[test]
    fn an_unfilled_checksum_is_recognised(packet in packets_of_all_lengths()) {
        let Some(frame) = packet.unfilled() else { return Ok(()) };
        let mut key = FlowKey::default();
        let unfilled = extract(&frame, OfPort(7), None, &mut key).expect("a frame long enough");
        prop_assert_eq!(unfilled.map(|unfilled| unfilled.end), (packet.tags.len() < 3).then(|| packet.bytes().len()));
    }

    #[test]
    fn an_edit_leads_to_the_frame_made_with_that_field(packet in packets_of_all_lengths(), edits in edits()) {
        let mut wanted = packet.clone();
        // Behind a third tag nothing is known, and so nothing set.
        for (field, value, mask) in edits.iter().filter(|(field, ..)| packet.tags.len() < 3 || matches!(field, Field::EthSrc | Field::EthDst)) {
            wanted.set(*field, *value, *mask);
            prop_assume!(!wanted.pretends_neighbour());
        }
        let wanted = wanted.bytes();
        prop_assert_eq!(edited(&packet.bytes(), &edits), [&wanted[..]]);
        if let Some(unfilled) = packet.unfilled().filter(|_| packet.tags.len() < 3) {
            prop_assert_eq!(edited(&unfilled, &edits), [&wanted[..]], "unfilled");
        }
    }
}
