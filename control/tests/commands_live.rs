//! What `adit groups` and `adit flows tlv-map` change, as ovs-ofctl sees it. Needs root and ovs-ofctl.

mod switch;

use std::process::{Command, Output};
use switch::{Host, has_ovs_ofctl, two_guests};

struct Lab {
    host: Host,
}

impl Lab {
    fn run(&self, mut command: Command) -> Output {
        self.host.netns.run(move || command.output().expect("a program")).expect("a namespace")
    }

    fn adit(&self, words: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_adit"));
        command.args(words).arg("--socket").arg(self.host.file("adit.sock"));
        self.run(command)
    }

    /// What adit says; it must be content.
    fn done(&self, words: &[&str]) -> String {
        let output = self.adit(words);
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// What adit refuses.
    fn refused(&self, words: &[&str]) -> String {
        let output = self.adit(words);
        assert!(!output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stdout));
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    fn ofctl(&self, words: &[&str]) -> Vec<String> {
        let mut command = Command::new("ovs-ofctl");
        command.args(words).env("OVS_RUNDIR", self.host.file("."));
        let output = self.run(command);
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).lines().skip(1).map(|line| line.trim().into()).collect()
    }
}

#[test]
fn groups_and_options_are_changed_by_adit_and_seen_by_ovs_ofctl() {
    if !has_ovs_ofctl() {
        return;
    }
    let Some(host) = Host::new() else { return };
    let _guests = [host.guest(1), host.guest(2)];
    let adit = host.adit(&two_guests("auto"), "");
    let lab = Lab { host };

    let method = "selection_method=hash,selection_method_param=7,fields(ip_src=255.255.0.0,tcp_dst)";
    let buckets = "bucket=bucket_id:0,actions=output:1,bucket=bucket_id:3,weight:2,actions=output:2";
    lab.done(&["groups", "add", &format!("group_id=1,type=select,{method},{buckets}")]);
    let same = |lab: &Lab| {
        let [ours, theirs] = [
            lab.done(&["groups", "dump"]),
            lab.ofctl(&["-O", "OpenFlow15", "dump-groups", "br0"]).join("\n"),
        ];
        assert_eq!(ours.trim(), theirs.trim());
        ours
    };
    assert_eq!(same(&lab).trim(), format!("group_id=1,type=select,{method},{buckets}"));
    let last = "group_id=1,command_bucket_id=last,bucket=bucket_id:9,weight:5,actions=output:1";
    lab.done(&["groups", "insert-buckets", last]);
    lab.done(&["groups", "insert-buckets", "group_id=1,command_bucket_id=0,bucket=bucket_id:8,output:2"]);
    let numbers = |dump: &str| {
        let ids =
            dump.split("bucket_id:").skip(1).map(|rest| rest.split(',').next().unwrap_or("").to_string());
        ids.collect::<Vec<_>>()
    };
    assert_eq!(numbers(&same(&lab)), ["0", "8", "3", "9"]);
    assert!(lab.refused(&["groups", "insert-buckets", last]).contains('9'));
    lab.done(&["groups", "remove-buckets", "group_id=1,command_bucket_id=first"]);
    lab.done(&["groups", "remove-buckets", "group_id=1,command_bucket_id=9"]);
    assert_eq!(numbers(&same(&lab)), ["8", "3"]);
    lab.done(&["groups", "remove-buckets", "group_id=1"]);
    assert!(numbers(&same(&lab)).is_empty());

    let maps =
        ["{class=0x102,type=0x80,len=4}->tun_metadata0", "{class=0x102,type=0x1,len=8}->tun_metadata5"];
    lab.done(&["flows", "tlv-map", "add", maps[0], maps[1]]);
    assert_eq!(lab.done(&["flows", "tlv-map", "dump"]).lines().collect::<Vec<_>>(), maps);
    let seen = lab.ofctl(&["dump-tlv-map", "br0"]).join("\n");
    assert!(seen.contains("tun_metadata0") && seen.contains("tun_metadata5"), "{seen}");
    lab.done(&["flows", "add", "tun_metadata5=7,actions=drop"]);
    let refused = lab.refused(&["flows", "tlv-map", "del", "tun_metadata0", "tun_metadata5"]);
    assert!(refused.contains("tun_metadata5 is used"), "{refused}");
    lab.refused(&["flows", "tlv-map", "add", maps[0]]);
    assert!(lab.refused(&["flows", "tlv-map", "del", "tun_metadata64"]).contains("tun_metadata63"));
    lab.done(&["flows", "tlv-map", "del", maps[0]]);
    assert_eq!(lab.done(&["flows", "tlv-map", "dump"]).trim(), maps[1]);
    lab.done(&["flows", "del"]);
    lab.done(&["flows", "tlv-map", "del", "--all"]);
    assert_eq!(lab.done(&["flows", "tlv-map", "dump"]), "");
    assert!(adit.end().expect("ended").success());
}
