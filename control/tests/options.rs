//! Geneve options as fields: what the map takes, what flows say of them, and who keeps a field mapped.

use control::ofproto::{Error, FlowMod, Ofproto, OptionMod, OptionModFailed, Request};
use control::text::{Names, NoNames, format_flow, parse_mapping, parse_mappings, parse_table_flow};
use datapath::flow::{Field, Seed};
use datapath::pipeline::Base;
use datapath::tunnel::{OptionMap, TunnelTable, Underlay, Unmapped};
use std::collections::HashSet;

const MAP: &str =
    "{class=0x102,type=0x80,len=4}->tun_metadata0,{class=0xffff,type=0x1,len=20}->tun_metadata7";

fn names(text: &str) -> Names {
    let mut options = OptionMap::default();
    parse_mappings(text).unwrap().into_iter().for_each(|mapping| options.add(mapping).unwrap());
    Names { options, ..Names::default() }
}

fn switch() -> Ofproto {
    let tunnels = TunnelTable::new(Vec::new(), Seed::new(0)).unwrap();
    Ofproto::new(Base::new([], tunnels, HashSet::new(), Underlay::default()))
}

fn add(text: &str) -> OptionMod {
    OptionMod::Add(parse_mappings(text).unwrap())
}

fn refused(why: Unmapped) -> Result<bool, Error> {
    Err(OptionModFailed::Unmapped(why).into())
}

#[test]
fn a_mapping_is_read_as_it_is_written() {
    for text in MAP.split_inclusive(",{").map(|one| format!("{{{}", one.trim_matches([',', '{']))) {
        assert_eq!(parse_mapping(&text).unwrap().to_string(), text);
    }
    for wrong in [
        "",
        "{",
        "{class=1,type=2,len=4}",
        "{class=1,type=2}->tun_metadata0",
        "{class=1,type=256,len=4}->tun_metadata0",
        "{class=1,class=1,type=2,len=4}->tun_metadata0",
        "{class=1,type=2,len=4}->tun_metadata",
        "{colour=1}->tun_metadata0",
    ] {
        assert!(parse_mapping(wrong).is_err(), "{wrong:?}");
    }
}

#[test]
fn flows_that_speak_of_options_are_written_back() {
    let names = names(MAP);
    for text in [
        "tun_metadata0 actions=drop",
        "tun_metadata0=0x5 actions=drop",
        "tun_metadata0=0x5/0xff,tun_metadata7 actions=drop",
        "tun_metadata7=0x102030405060708090a0b0c0d0e0f1011121314 actions=drop",
        "tun_metadata7=0x100000000000000000000000000000000/0xf00000000000000000000000000000000 actions=drop",
        "actions=set_field:0x7->tun_metadata7,output:1",
        "actions=set_field:0x7/0xff->tun_metadata0,delete_field:tun_metadata0,set_field:0->tun_metadata7",
        "actions=move:tun_metadata0[16..30]->reg0[0..14],move:reg0[]->tun_metadata7[128..159]",
        "actions=push:tun_metadata0[],pop:tun_metadata7[8..39],output:tun_metadata0[0..15]",
    ] {
        let (table, rule) =
            parse_table_flow("flow", text, &names).unwrap_or_else(|fault| panic!("{text}: {fault}"));
        let text = text.replace("set_field:0->", "set_field:0x0->");
        let written = format_flow(table, &rule, &names).replace("NXM_NX_REG0", "reg0");
        assert_eq!(written, text);
    }
    // Decimal, and Nicira's names.
    let same = |a: &str, b: &str| {
        assert_eq!(
            parse_table_flow("flow", a, &names).unwrap(),
            parse_table_flow("flow", b, &names).unwrap(),
            "{a}"
        );
    };
    same("tun_metadata7=16 actions=drop", "tun_metadata7=0x10 actions=drop");
    same("actions=load:5->NXM_NX_TUN_METADATA0[0..7]", "actions=set_field:5/0xff->tun_metadata0");
}

#[test]
fn what_cannot_be_said_of_options_is_refused() {
    let names = names(MAP);
    for text in [
        "tun_metadata1=5 actions=drop",
        "tun_metadata64=5 actions=drop",
        "tun_metadata0=0x100000000 actions=drop",
        "tun_metadata0=five actions=drop",
        "tun_metadata0=5,tun_metadata0=6 actions=drop",
        "actions=set_field:5/0->tun_metadata0",
        "actions=set_field:5/3->tun_metadata0",
        "actions=move:tun_metadata7[120..135]->reg0[0..15]",
        "actions=move:tun_metadata7[]->xxreg0[]",
        "actions=load:1->tun_metadata0[32]",
        "actions=delete_field:reg0",
    ] {
        assert!(parse_table_flow("flow", text, &names).is_err(), "{text}");
    }
    assert!(parse_table_flow("flow", "tun_metadata0=5 actions=drop", &NoNames).is_err());
}

#[test]
fn a_match_on_an_option_asks_for_the_option() {
    let (_, rule) = parse_table_flow("flow", "tun_metadata0=0/0xff actions=drop", &names(MAP)).unwrap();
    let presence = u128::from(names(MAP).options.presence(0).unwrap());
    let (key, mask) = (rule.matching.key(), rule.matching.mask());
    assert_eq!((key.get(Field::OptionPresence), mask.get(Field::OptionPresence)), (presence, presence));
}

#[test]
fn the_map_is_changed_whole_or_not_at_all() {
    let mut switch = switch();
    assert_eq!(switch.option_mod(add(MAP)), Ok(true));
    let had = switch.options().clone();
    for (change, why) in [
        ("{class=1,type=1,len=4}->tun_metadata1,{class=1,type=2,len=4}->tun_metadata0", Unmapped::Taken),
        (
            "{class=1,type=1,len=4}->tun_metadata1,{class=0x102,type=0x80,len=4}->tun_metadata2",
            Unmapped::Duplicate,
        ),
        ("{class=1,type=1,len=4}->tun_metadata64", Unmapped::BadIndex),
        ("{class=1,type=1,len=5}->tun_metadata1", Unmapped::BadLength),
        ("{class=1,type=1,len=4}->tun_metadata1,{class=1,type=2,len=44}->tun_metadata2", Unmapped::Full),
    ] {
        assert_eq!(switch.option_mod(add(change)), refused(why), "{change}");
        assert_eq!(*switch.options(), had);
    }
    assert_eq!(switch.option_mod(OptionMod::Delete(vec![9])), Ok(false), "as in Open vSwitch");
    assert_eq!(switch.option_mod(OptionMod::Delete(vec![0])), Ok(true));
    assert_eq!(switch.options().iter().map(|one| one.index).collect::<Vec<_>>(), [7]);
    assert_eq!(switch.option_mod(OptionMod::Clear), Ok(true));
    assert!(switch.options().is_empty());
}

#[test]
fn a_field_that_somebody_speaks_of_stays_mapped() {
    for flow in [
        "tun_metadata0 actions=drop",
        "tun_metadata0=1/1 actions=drop",
        "actions=set_field:1->tun_metadata0,1",
        "actions=delete_field:tun_metadata0,1",
        "actions=clone(move:tun_metadata0[]->reg0[],1)",
        "actions=write_actions(move:reg0[]->tun_metadata0[])",
    ] {
        let mut switch = switch();
        assert_eq!(switch.option_mod(add(MAP)), Ok(true));
        let (table, rule) = parse_table_flow("flow", flow, &names(MAP)).unwrap();
        switch.apply(0, Request::Flow(FlowMod::add(table, rule))).unwrap();
        let in_use = Err(OptionModFailed::InUse(0).into());
        assert_eq!(switch.option_mod(OptionMod::Delete(vec![7, 0])), in_use, "{flow}");
        assert_eq!(switch.option_mod(OptionMod::Clear), in_use, "{flow}");
        assert_eq!(switch.option_mod(OptionMod::Delete(vec![7])), Ok(true), "{flow}");
    }
}
