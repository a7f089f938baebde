//! The second opinion on the meter syntax: ovs-ofctl reads the same texts. It has no command that only reads a meter, so it is told to
//! send it to a switch that is not there: what it refuses, it refuses before.

use control::text::{format_meter, parse_meters};
use std::process::Command;

/// Meters that both accept.
const ACCEPTED: &[&str] = &[
    "meter=1 kbps bands=type=drop rate=5",
    "meter=1,kbps,band=type=drop,rate=4",
    "kbps meter=1 bands=type=drop rate=4",
    "meter=0x10 pktps burst stats bands=type=drop rate=5 burst_size=4",
    "meter=65536 kbps bands=type=dscp_remark rate=1000 prec_level=1 type=drop rate=4294967295",
    "meter=7 stats pktps bands=type=dscp_remark prec_level=255 rate=1",
];

/// Meters that both refuse.
const REFUSED: &[&str] = &[
    "kbps bands=type=drop rate=4",
    "meter=0 kbps bands=type=drop rate=4",
    "meter=x kbps bands=type=drop rate=4",
    "meter=4294967296 kbps bands=type=drop rate=4",
    "meter=1 bands=type=drop rate=4",
    "meter=1 kbps",
    "meter=1 kbps bands=",
    "meter=1 kbps foo bands=type=drop rate=4",
    "meter=1 kbps bands=rate=4",
    "meter=1 kbps bands=type=experimenter rate=4",
    "meter=1 kbps bands=type=drop",
    "meter=1 kbps bands=type=drop rate=0",
    "meter=1 kbps bands=type=drop rate=4294967296",
    "meter=1 kbps bands=type=drop rate=4 foo=1",
    "meter=1 kbps bands=type=drop rate=4 prec_level=1",
    "meter=1 kbps bands=type=dscp_remark rate=4",
    "meter=1 kbps bands=type=dscp_remark rate=4 prec_level=0",
    "meter=1 kbps bands=type=dscp_remark rate=4 prec_level=256",
    "meter=1 kbps bands=type=drop rate=4 burst_size=3",
    "meter=1 kbps burst bands=type=drop rate=4",
];

/// Meters that ovs-ofctl accepts and we refuse, and why.
const STRICTER: &[(&str, &str)] = &[
    ("meter=65537 kbps bands=type=drop rate=4", "meters are numbered up to 65536"),
    ("meter=controller kbps bands=type=drop rate=4", "not supported yet"),
    ("meter=slowpath kbps bands=type=drop rate=4", "not supported yet"),
    ("meter=all kbps bands=type=drop rate=4", "not supported yet"),
    ("meter=1 meter=2 kbps bands=type=drop rate=4", "the first number would be ignored"),
    ("meter=1 kbps pktps bands=type=drop rate=4", "it counts either"),
    ("meter=1 burst bands=type=drop rate=4 burst_size=3", "neither kbps nor pktps"),
    ("meter=1 kbps bands=type=drop rate=4 rate=5", "the first rate would be ignored"),
];

/// Whether ovs-ofctl understands it; nothing where there is no ovs-ofctl.
fn theirs(meter: &str) -> Option<bool> {
    let nowhere = std::env::temp_dir().join(format!("adit-no-switch-{}", std::process::id()));
    let switch = format!("unix:{}", nowhere.display());
    let Ok(output) =
        Command::new("ovs-ofctl").args(["-O", "OpenFlow13", "add-meter", &switch, meter]).output()
    else {
        let message = "skipped: needs ovs-ofctl (the second opinion on the meter syntax)";
        assert!(std::env::var_os("ADIT_TESTS_NO_SKIP").is_none(), "{message}");
        eprintln!("{message}");
        return None;
    };
    Some(String::from_utf8_lossy(&output.stderr).contains("No such file"))
}

#[test]
fn meters_are_accepted_and_refused_as_ovs_ofctl_does() {
    let lists = [ACCEPTED, REFUSED].concat();
    let alike = lists.iter().map(|meter| (*meter, ACCEPTED.contains(meter), ACCEPTED.contains(meter), ""));
    let stricter = STRICTER.iter().map(|(meter, why)| (*meter, false, true, *why));
    for (meter, we_accept, they_accept, why) in alike.chain(stricter) {
        let ours = parse_meters("meter", meter);
        assert_eq!(ours.is_ok(), we_accept, "{meter} ({why}): {ours:?}");
        let Some(theirs) = theirs(meter) else { return };
        assert_eq!(theirs, they_accept, "{meter}: ovs-ofctl");
    }
}

#[test]
fn a_meter_is_written_as_it_is_documented() {
    let text = "meter=0x3,pktps,stats,burst,band=type=dscp_remark,prec_level=2,rate=10,burst_size=5 type=drop,rate=20,burst_size=9";
    let written = "meter=3 pktps burst stats bands=type=dscp_remark rate=10 burst_size=5 prec_level=2 type=drop rate=20 burst_size=9";
    let meters = parse_meters("meters", text).unwrap();
    assert_eq!(format_meter(meters[0].0, &meters[0].1), written);
}

#[test]
fn faults_of_meters_have_their_places_and_a_number_is_given_once() {
    let text = "meter=1 kbps bands=type=drop rate=4\n# nothing\nmeter=1 pktps bands=type=drop rate=4\nmeter=2 kbps bands=type=dorp\n";
    let faults = parse_meters("meters", text).unwrap_err();
    let told: Vec<_> = faults.iter().map(|fault| (fault.line, fault.message.as_str())).collect();
    assert_eq!(told[0], (3, "line 1 has the same meter"));
    assert!(told[1].0 == 4 && told[1].1.contains("did you mean drop"), "{told:?}");
}
