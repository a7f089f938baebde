//! Geneve options on the wire: what `ovs-ofctl` writes of `tun_metadataN` is what flows that are text mean by it.

mod on_wire;

use control::openflow::{Code, Version};
use control::text::{PortNames, parse_table_flow};
use datapath::flow::OfPort;
use datapath::pipeline::Match;
use datapath::tunnel::{Mapping, OptionMap};
use std::process::Command;

/// A bridge that has names for options alone.
struct Names(OptionMap);

impl PortNames for Names {
    fn number(&self, _: &str) -> Option<OfPort> {
        None
    }

    fn name(&self, _: OfPort) -> Option<&str> {
        None
    }

    fn names(&self) -> Vec<&str> {
        Vec::new()
    }

    fn options(&self) -> &OptionMap {
        &self.0
    }
}

fn names() -> Names {
    let mut map = OptionMap::default();
    for (kind, len, index) in [(1, 4, 0), (2, 12, 5), (3, 20, 63)] {
        map.add(Mapping { class: 0x102, kind, len, index }).unwrap();
    }
    Names(map)
}

const FLOWS: &[&str] = &[
    "tun_metadata0=0x11223344,actions=1",
    "tun_metadata0=0x11/0xff,tun_metadata5=0x112233445566778899aabbcc,actions=1",
    "tun_metadata0,tun_metadata63,actions=1",
    "tun_metadata5=0x5/0xff00000000000000000000ff,in_port=1,reg0=5,actions=1",
    "tun_metadata63=0x0102030405060708090a0b0c0d0e0f1011121314,actions=1",
    "actions=set_field:0x11223344->tun_metadata0,1",
    "actions=set_field:0x112233445566778899aabbcc->tun_metadata5,set_field:5->tun_id,1",
    "actions=set_field:0x5/0xff->tun_metadata0,1",
    "actions=delete_field:tun_metadata0,1",
    "actions=move:tun_metadata0[0..15]->reg0[16..31],move:reg1[]->tun_metadata63[0..31],1",
    "actions=push:tun_metadata5[0..7],pop:tun_metadata0[8..15],output:tun_metadata0[0..15]",
    "actions=load:0x12->tun_metadata5[88..95],1",
];

#[test]
fn options_are_on_the_wire_as_ovs_ofctl_has_them() {
    if Command::new("ovs-ofctl").arg("--version").output().is_err() {
        assert!(std::env::var_os("ADIT_TESTS_NO_SKIP").is_none(), "needs ovs-ofctl");
        println!("skipped: needs ovs-ofctl");
        return;
    }
    let names = names();
    let mut wrong = Vec::new();
    for flow in FLOWS {
        let (_, rule) = parse_table_flow("flow", flow, &names).unwrap_or_else(|fault| panic!("{fault}"));
        let expected = Ok((rule.matching.clone(), (*rule.instructions).clone()));
        for version in Version::ALL {
            let ours = on_wire::write(version, &names.0, &rule.matching, &rule.instructions);
            let read = on_wire::read(version, &names.0, &ours);
            if read != expected {
                wrong.push(format!("{version:?} {flow}: comes back as {read:?}\n  not as {expected:?}"));
            }
            let theirs = on_wire::theirs(version, flow).unwrap_or_else(|| panic!("{version:?} {flow}"));
            let read = on_wire::read(version, &names.0, &theirs);
            if read != expected {
                wrong.push(format!("{version:?} {flow}: read as {read:?}\n  not as {expected:?}"));
            }
            let says = on_wire::printed(version, &ours);
            if says.contains("error") {
                wrong.push(format!("{version:?} {flow}: {says}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn an_option_that_is_not_mapped_is_refused() {
    let names = names();
    let (_, rule) = parse_table_flow("flow", "tun_metadata0=1,actions=1", &names).unwrap();
    let wire = on_wire::write(Version::V13, &names.0, &rule.matching, &rule.instructions);
    let read = on_wire::read(Version::V13, OptionMap::EMPTY, &wire);
    assert_eq!(read, Err(Code::NxInvalidTlvField));
    let (_, rule) = parse_table_flow("flow", "actions=set_field:1->tun_metadata0", &names).unwrap();
    let wire = on_wire::write(Version::V15, &names.0, &Match::any(), &rule.instructions);
    let read = on_wire::read(Version::V15, OptionMap::EMPTY, &wire);
    assert_eq!(read, Err(Code::NxInvalidTlvField));
}
