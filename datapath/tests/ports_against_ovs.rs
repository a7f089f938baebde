//! What controllers make of ports, what is done with fragments, and frames that they send: as Open vSwitch does it, byte for byte.

mod common;
mod ovs;
mod pipelines;

use common::*;
use datapath::flow::{Field, OfPort};
use datapath::pipeline::{
    Fragments, Group, GroupId, GroupKind, Match, PortConfig, Rule, RuleAction, TableId,
};
use datapath::worker::PacketOut;
use ovs::{Ovs, text};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

/// Each port and its frames, in their order.
type Out = Vec<(u16, Vec<u8>)>;

fn output(port: u32) -> RuleAction {
    RuleAction::Output(OfPort(port))
}

/// By port: to one, to all, flooded, by the source port of UDP; and to the first port that is alive.
fn rules() -> Vec<(TableId, Rule)> {
    let udp = |port| {
        let udp = Match::any().exact(Field::EthType, 0x0800).exact(Field::NwProto, 17);
        Rule::acting(9, udp.exact(Field::TpSrc, port), vec![output(2), output(3)])
    };
    let by = |port| Match::any().exact(Field::InPort, port);
    let all = [
        udp(53),
        udp(80),
        Rule::acting(1, by(1), vec![RuleAction::Flood, output(2)]),
        Rule::acting(1, by(2), vec![RuleAction::Group(GroupId(1)), RuleAction::InPort]),
        Rule::acting(0, Match::any(), vec![RuleAction::All]),
    ];
    all.into_iter().map(|rule| (TableId(0), rule)).collect()
}

fn failover() -> Group {
    let bucket = |port: u32| datapath::pipeline::Bucket {
        id: port,
        weight: 1,
        watch_port: Some(OfPort(port)),
        watch_group: None,
        actions: vec![output(port)],
    };
    Group::new(GroupKind::FastFailover, vec![bucket(1), bucket(3)])
}

fn gather(switch: &Switch<'_>, out: &mut Out) {
    (1..=3).for_each(|port| out.extend(switch.out(port).into_iter().map(|frame| (port, frame))));
}

fn switch<'u>(umem: &'u af_xdp::Umem, configs: &[(u32, PortConfig)], fragments: Fragments) -> Switch<'u> {
    let mut pipeline = pipeline(1, vec![], 3);
    pipeline.set_group(GroupId(1), failover());
    rules().into_iter().for_each(|(table, rule)| drop(pipeline.insert(table, rule)));
    configs.iter().for_each(|(port, config)| pipeline.set_port_config(OfPort(*port), *config));
    pipeline.set_fragments(fragments);
    Switch::new(umem, pipeline, 3)
}

fn program(ovs: &Ovs) {
    let flows: Vec<String> = rules().iter().map(|(table, rule)| text::rule(*table, rule)).collect();
    ovs.program(&flows, &[text::group(1, &failover())]);
}

/// Port by port, in its order.
fn same(mut ours: Out, mut theirs: Out, what: &str) {
    ours.sort_by_key(|(port, _)| *port);
    theirs.sort_by_key(|(port, _)| *port);
    let at = ours.iter().zip(&theirs).position(|(ours, theirs)| ours != theirs);
    let at = at.unwrap_or(ours.len().min(theirs.len()));
    assert_eq!(ours.get(at), theirs.get(at), "{what}: ours and theirs at {at} of {}", ours.len());
}

#[test]
fn ports_and_fragments_are_as_in_open_vswitch() {
    let Some(mut ovs) = Ovs::start(3) else { return };
    program(&ovs);
    ovs.set_frags("normal");
    let mut runner = TestRunner::deterministic();
    let frames = vec(pipelines::frames_without_shims(), 60).new_tree(&mut runner).expect("frames").current();
    // A port that is down it leaves to the device, and one that is only memory does not mind; no-receive-stp it takes and lets the
    // messages of spanning trees pass all the same (measured: 3.1).
    let no = PortConfig::default();
    let words: [(&str, &str, PortConfig); 4] = [
        ("no-receive", "receive", PortConfig { no_recv: true, ..no }),
        ("no-forward", "forward", PortConfig { no_fwd: true, ..no }),
        ("no-flood", "flood", PortConfig { no_flood: Some(true), ..no }),
        ("no-packet-in", "packet-in", PortConfig { no_packet_in: true, ..no }),
    ];
    let mut sent = 0;
    for (word, back, config) in words {
        for port in 1..=3u32 {
            ovs.mod_port(port, word);
            let umem = umem();
            let mut ours = switch(&umem, &[(port, config)], Fragments::WithoutPorts);
            let mut out = Out::new();
            for (by, frame) in &frames {
                ours.put(*by, frame);
                gather(&ours, &mut out);
            }
            let theirs = ovs.send_in_order(&frames);
            sent += theirs.len();
            same(out, theirs, &format!("{word} of port {port}"));
            ovs.mod_port(port, back);
        }
    }
    for (word, fragments) in
        [("nx-match", Fragments::Match), ("drop", Fragments::Drop), ("normal", Fragments::WithoutPorts)]
    {
        ovs.set_frags(word);
        let umem = umem();
        let mut ours = switch(&umem, &[], fragments);
        let mut out = Out::new();
        for (by, frame) in &frames {
            ours.put(*by, frame);
            gather(&ours, &mut out);
        }
        let theirs = ovs.send_in_order(&frames);
        sent += theirs.len();
        same(out, theirs, &format!("fragments {word}"));
    }
    assert!(sent > 1000, "{sent}");
    frames_of_controllers(&mut ovs, &frames);
}

/// `ovs-ofctl packet-out`, with ports that want nothing that comes in by them, and ports that let nothing out.
fn frames_of_controllers(ovs: &mut Ovs, frames: &[(u16, Vec<u8>)]) {
    let table = || RuleAction::Resubmit { port: None, table: Some(TableId(0)) };
    let set = RuleAction::SetField { field: Field::EthDst, value: 7, mask: Field::EthDst.max() };
    let lists = [
        (vec![RuleAction::Flood], "flood"),
        (
            vec![output(1), set, output(2), RuleAction::InPort],
            "1,set_field:00:00:00:00:00:07->eth_dst,2,in_port",
        ),
        (vec![table()], "output:table"),
        (vec![RuleAction::Group(GroupId(1)), output(3)], "group:1,3"),
        (vec![RuleAction::PushVlan { tpid: 0x8100 }, RuleAction::All], "push_vlan:0x8100,all"),
    ];
    let cut = |port, max_len| RuleAction::OutputCut { port: OfPort(port), max_len };
    let cuts = vec![cut(2, 40), output(3), cut(1, 14), cut(3, 100)];
    let cuts = (cuts, "output(port=2,max_len=40),3,output(port=1,max_len=14),output(port=3,max_len=100)");
    let lists = lists.into_iter().chain([cuts]).collect::<Vec<_>>();
    let untagged = |frame: &[u8]| !matches!(frame[12..14], [0x81, 0x00] | [0x88, 0xa8]);
    let mods: [&[(u32, &str, &str, PortConfig)]; 3] = [
        &[],
        &[(1, "no-receive", "receive", PortConfig { no_recv: true, ..PortConfig::default() })],
        &[(2, "no-forward", "forward", PortConfig { no_fwd: true, ..PortConfig::default() })],
    ];
    for mods in mods {
        mods.iter().for_each(|(port, word, ..)| ovs.mod_port(*port, word));
        let configs: Vec<_> = mods.iter().map(|(port, _, _, config)| (*port, *config)).collect();
        let umem = umem();
        let mut ours = switch(&umem, &configs, Fragments::WithoutPorts);
        for (actions, text) in &lists {
            // What Open vSwitch would have cut for a port that lets nothing out it cuts for the next one.
            if text.contains("max_len") && configs.iter().any(|(_, config)| config.no_fwd) {
                continue;
            }
            let frames: Vec<_> = frames.iter().filter(|(_, frame)| untagged(frame)).take(6).collect();
            let mut out = Out::new();
            let mut wanted = Out::new();
            for (by, frame) in frames {
                for port in [u32::from(*by), 0xffff_fffd] {
                    let says = Match::any().exact(Field::InPort, port.into());
                    let packet =
                        PacketOut { says, actions: actions.clone(), data: frame.clone(), generation: 0 };
                    ours.injector.send(packet).expect("room");
                    ours.turn();
                    gather(&ours, &mut out);
                    wanted.extend(ovs.packet_out(port, frame, text));
                }
            }
            same(out, wanted, &format!("{text} with {configs:?}"));
        }
        mods.iter().for_each(|(port, _, back, _)| ovs.mod_port(*port, back));
    }
}
