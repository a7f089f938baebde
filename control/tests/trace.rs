//! `adit trace` on files: why a packet goes where it goes, and why it does not.

use control::trace::{Args, trace};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// A file of flows that is gone when the test ends.
struct Flows(PathBuf);

impl Drop for Flows {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn args(flows: &str) -> (Flows, Args) {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Relaxed);
    let path = std::env::temp_dir().join(format!("adit-trace-{}-{number}", std::process::id()));
    std::fs::write(&path, flows).unwrap();
    let args = Args { flows: Some(path.clone()), ports: vec!["g1".into(), "g2".into()], ..Args::default() };
    (Flows(path), args)
}

const FLOWS: &str = "\
priority=200,tcp,tp_dst=22,actions=drop
priority=100,ip,in_port=g1,actions=mod_nw_ttl:9,output:g2
";

#[test]
fn a_dropped_packet_names_its_table_its_rule_and_the_reason() {
    let (_file, args) = args(FLOWS);
    let report = trace(&Args { flow: Some("in_port=g1,tcp,tp_dst=22".into()), ..args }).unwrap();
    assert_eq!(report.steps[0].table, Some(0));
    assert_eq!(report.steps[0].text, "priority=200,tcp,tp_dst=22 actions=drop");
    assert_eq!(report.dropped[0].reason, "rule_drop");
    assert!(report.sent.is_empty());
}

#[test]
fn a_packet_that_no_rule_takes_says_so() {
    let (_file, args) = args(FLOWS);
    let report = trace(&Args { flow: Some("in_port=g2,arp".into()), ..args }).unwrap();
    assert_eq!(report.steps[0].text, "no rule matches");
    assert_eq!(report.dropped[0].reason, "table_miss");
}

#[test]
fn the_megaflow_tells_what_the_answer_depends_on() {
    let (_file, args) = args(FLOWS);
    let report = trace(&Args { flow: Some("in_port=g1,udp,nw_src=10.0.0.1".into()), ..args }).unwrap();
    assert!(report.megaflow.contains("in_port=g1"), "{}", report.megaflow);
    assert!(!report.megaflow.contains("nw_src"), "no rule looks at it: {}", report.megaflow);
    assert_eq!((report.actions.len(), report.sent), (2, vec!["g2".to_string()]));
}

#[test]
fn the_bytes_that_come_out_are_shown() {
    let (_file, args) = args("in_port=g1,actions=mod_dl_dst:02:00:00:00:00:99,output:g2");
    let hex = "020000000002 020000000001 88b5 00".to_string();
    let report = trace(&Args { hex: Some(hex), in_port: Some("g1".into()), ..args }).unwrap();
    assert_eq!((&*report.packets[0].port, &*report.packets[0].hex), ("g2", "02000000009902000000000188b500"));
}

#[test]
fn a_tunnel_packet_is_followed_through_its_outer_headers() {
    let cases = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../pcap-tests/cases");
    let case = cases.join("vxlan_with_an_unknown_vni_is_dropped_and_counted");
    let report = trace(&Args {
        config: Some(case.join("config.toml")),
        flows: Some(case.join("flows")),
        pcap: Some(case.join("in/eth1.pcap")),
        packet: Some(1),
        in_port: Some("eth1".into()),
        ..Args::default()
    });
    let report = report.unwrap();
    assert!(report.steps.is_empty() && report.dropped[0].reason == "unknown_tunnel", "{report:?}");
}

#[test]
fn a_packet_that_is_not_there_is_an_error() {
    let (_file, args) = args(FLOWS);
    let error =
        trace(&Args { hex: Some("0".into()), in_port: Some("g1".into()), ..args.clone() }).unwrap_err();
    assert!(error.to_string().contains("odd number of digits"), "{error}");
    let error = trace(&Args { flow: Some("in_port=g9".into()), ..args }).unwrap_err();
    assert!(error.to_string().contains("g9"), "{error}");
}

const WAYS: &str = "\
priority=9,in_port=g1,actions=conjunction(7,1/2)
priority=9,tcp,tp_dst=80,actions=conjunction(7,2/2)
priority=5,conj_id=7,ip,actions=output:g2
priority=8,in_port=g2,udp,actions=group:1
priority=8,in_port=g2,sctp,actions=meter:1,output:g1
priority=7,in_port=g2,dl_dst=01:80:c2:00:00:02,actions=normal
priority=6,in_port=g2,icmp,actions=resubmit(,1)
";

/// The lines of a walk, and why it ended.
fn walk(flow: &str) -> (Vec<String>, Vec<(String, String)>) {
    let (file, args) = args(WAYS);
    let beside = |what: &str, text: &str| {
        let path = file.0.with_extension(what);
        std::fs::write(&path, text).unwrap();
        Flows(path)
    };
    let groups = beside("groups", "group_id=1,type=ff,bucket=bucket_id=4,watch_port:77,actions=output:1");
    let meters = beside("meters", "meter=1 pktps bands=type=drop rate=5");
    let (groups_at, meters_at) = (Some(groups.0.clone()), Some(meters.0.clone()));
    let args = Args { flow: Some(flow.into()), groups: groups_at, meters: meters_at, ..args };
    let report = trace(&args).unwrap();
    let steps = report.steps.into_iter().map(|step| step.text).collect();
    let dropped = report.dropped.into_iter().map(|why| (why.reason, why.place.unwrap_or_default()));
    (steps, dropped.collect())
}

fn died(reason: &str, place: &str) -> Vec<(String, String)> {
    vec![(reason.into(), place.into())]
}

#[test]
fn a_conjunction_tells_which_clauses_match() {
    let (steps, dropped) = walk("in_port=g1,tcp,tp_dst=80");
    assert_eq!(
        steps,
        [
            "priority=5,conj_id=7,ip actions=output:g2",
            "part of a conjunction: priority=9,in_port=g1 actions=conjunction(7,1/2)",
            "part of a conjunction: priority=9,tcp,tp_dst=80 actions=conjunction(7,2/2)",
            "conjunction 7 matches in all 2 clauses: the rule for conj_id=7 is looked for",
            "output:g2",
        ]
    );
    assert_eq!(dropped, []);
    let (steps, dropped) = walk("in_port=g1,tcp,tp_dst=81");
    assert_eq!(
        steps[..3],
        [
            "no rule matches",
            "part of a conjunction: priority=9,in_port=g1 actions=conjunction(7,1/2)",
            "conjunction 7 does not match: no rule for 2/2",
        ]
    );
    assert_eq!(dropped, died("table_miss", "table 0: no rule matches"));
}

#[test]
fn a_group_tells_why_no_bucket_is_alive() {
    let (steps, dropped) = walk("in_port=g2,udp");
    assert_eq!(steps[2], "bucket 4 is not alive: there is no port 77");
    assert_eq!(dropped, died("no_live_bucket", "table 0: priority=8,udp,in_port=g2 actions=group:1"));
}

#[test]
fn a_meter_tells_what_it_may_drop() {
    let (steps, dropped) = walk("in_port=g2,sctp");
    assert_eq!(steps[1..3], ["meter:1", "the meter drops what is above 5 packets/s (meter_drop)"]);
    assert_eq!(dropped, []);
}

#[test]
fn normal_tells_why_it_has_no_way() {
    let (steps, dropped) = walk("in_port=g2,dl_dst=01:80:c2:00:00:02");
    assert_eq!(steps[2], "in tenant 0, VLAN 0");
    let rule = "table 0: priority=7,in_port=g2,dl_dst=01:80:c2:00:00:02 actions=NORMAL";
    assert_eq!(dropped, died("reserved_address", rule));
}

#[test]
fn a_packet_that_dies_in_a_later_table_names_that_table() {
    let (_, dropped) = walk("in_port=g2,icmp");
    assert_eq!(dropped, died("table_miss", "table 1: no rule matches"));
}
