//! `adit replay`, seen from outside: what it is told, what it refuses, and what it leaves behind. What it does to packets
//! is in `pcap-tests`.

use control::config::{Answer, Neighbour, Way, parse};
use control::replay::{Args, Counters, PortArg, replay};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A pcap file of Ethernet frames of 60 bytes, at these seconds.
fn capture(seconds: &[u32]) -> Vec<u8> {
    let mut file: Vec<u8> = Vec::new();
    let mut words = vec![0xa1b2_c3d4u32, 0x0004_0002, 0, 0, 65_535, 1];
    for second in seconds {
        words.extend([*second, 0, 60, 60]);
        words.extend([0x5a5a_5a5a; 15]);
    }
    words.iter().for_each(|word| file.extend(word.to_le_bytes()));
    file
}

/// A directory with two ports' captures and a rule between them; made anew for each test.
struct Home(PathBuf);

impl Home {
    fn new(test: &str) -> Home {
        let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("replay").join(test);
        let _ = fs::remove_dir_all(&home);
        fs::create_dir_all(&home).unwrap();
        fs::write(home.join("flows"), "in_port=g1 actions=g2\n").unwrap();
        fs::write(home.join("in.pcap"), capture(&[1, 2])).unwrap();
        Home(home)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.path(name), bytes).unwrap();
    }

    /// `g1` with in.pcap, and `g2` without.
    fn args(&self) -> Args {
        let port = |name: &str, input: Option<&str>| PortArg {
            name: name.into(),
            input: input.map(|input| self.path(input)),
        };
        Args {
            flows: Some(self.path("flows")),
            groups: None,
            meters: None,
            config: None,
            ports: vec![port("g1", Some("in.pcap")), port("g2", None)],
            out: self.path("out"),
            json: false,
            quiet: true,
        }
    }

    fn refusal(&self, change: impl FnOnce(&mut Args)) -> String {
        let mut args = self.args();
        change(&mut args);
        let error = replay(&args).expect_err("a refusal");
        assert!(!args.out.join("counters.json").exists(), "counters of a replay that failed");
        format!("{error:#}")
    }

    /// The counters of a replay under this configuration, or why there are none.
    fn replay_with(&self, config: &str, port: &str) -> Result<Counters, String> {
        self.write("adit.toml", config);
        let ports = vec![PortArg { name: port.into(), input: Some(self.path("in.pcap")) }];
        let args = Args { config: Some(self.path("adit.toml")), ports, ..self.args() };
        replay(&args).map_err(|error| format!("{error:#}"))
    }

    /// Exit code, standard output and standard error of the program.
    fn run(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_adit"));
        let output = command.arg("replay").args(arguments).current_dir(&self.0).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    }
}

const SWITCH: &str = "[bridge]\nname = \"br0\"\n[[uplink]]\ndevice = \"eth1\"\nendpoints = [\"192.0.2.1\"]\n\
                      [[port]]\nname = \"g1\"\nofport = 1\n[[port]]\nname = \"g2\"\nofport = 2\n\
                      [[tunnel]]\nname = \"vx0\"\nofport = 10\ntype = \"vxlan\"\nremote_ip = \"192.0.2.2\"\n";

#[test]
fn it_prints_a_table_or_json_or_nothing_and_writes_every_port() {
    let home = Home::new("prints");
    let ports = ["--flows", "flows", "--port", "g1=in.pcap", "--port", "g2", "--out", "out"];
    let (code, table, errors) = home.run(&ports);
    assert_eq!((code, errors.as_str()), (Some(0), ""));
    let row: Vec<_> = table.lines().find(|line| line.starts_with("g2")).unwrap().split_whitespace().collect();
    assert_eq!(row, ["g2", "0", "0", "2", "120", "0"]);
    assert!(!table.contains('\u{1b}'), "no colours in a file: {table:?}");

    let (code, json, _) = home.run(&[&ports[..], &["--json"]].concat());
    assert_eq!(code, Some(0));
    assert_eq!(json, fs::read_to_string(home.path("out/counters.json")).unwrap());
    let (code, nothing, _) = home.run(&[&ports[..], &["--quiet"]].concat());
    assert_eq!((code, nothing.as_str()), (Some(0), ""));

    assert_eq!(fs::read(home.path("out/g1.pcap")).unwrap().len(), 24, "nothing left by g1");
    assert_eq!(fs::read(home.path("out/g2.pcap")).unwrap().len(), 24 + 2 * 76);
}

#[test]
fn drops_are_no_failure() {
    let home = Home::new("drops");
    home.write("flows", "arp actions=g2\n");
    let counters = replay(&home.args()).unwrap();
    let names: Vec<_> = counters.drops.iter().map(|(name, dropped)| (*name, dropped.packets)).collect();
    assert_eq!((names, counters.total.drops), (vec![("table_miss", 2)], 2));
}

#[test]
fn faults_in_flows_are_shown_with_their_places() {
    let home = Home::new("faults");
    home.write("flows", "in_port=g9 actions=g2\n");
    let (code, _, errors) = home.run(&["--flows", "flows", "--port", "g1=in.pcap", "--out", "out"]);
    assert_eq!(code, Some(1));
    assert!(errors.contains("flows:1:9: no port is named \"g9\"; did you mean g1?\n"), "{errors}");
    assert!(errors.contains("^~"), "{errors}");
}

#[test]
fn no_input_is_ever_overwritten() {
    let home = Home::new("overwrite");
    home.write("g2.pcap", capture(&[1]));
    let told = home.refusal(|args| {
        args.ports[0].input = Some(home.path("g2.pcap"));
        args.out = home.0.clone();
    });
    assert!(told.contains("would overwrite the input"), "{told}");

    fs::create_dir(home.path("out")).unwrap();
    for link in ["g2.pcap", "counters.json"] {
        std::os::unix::fs::symlink("../in.pcap", home.path("out").join(link)).unwrap();
        let told = replay(&home.args()).expect_err("a link to the input").to_string();
        assert!(told.contains("would overwrite the input"), "{told}");
        fs::remove_file(home.path("out").join(link)).unwrap();
    }
    fs::hard_link(home.path("flows"), home.path("out/g1.pcap")).unwrap();
    home.refusal(|_| {});
    assert_eq!(fs::read(home.path("in.pcap")).unwrap(), capture(&[1, 2]));
    assert_eq!(fs::read_to_string(home.path("flows")).unwrap(), "in_port=g1 actions=g2\n");
}

#[test]
fn a_damaged_capture_is_told_with_its_packet_and_leaves_no_counters() {
    let home = Home::new("damaged");
    replay(&home.args()).unwrap();
    let whole = capture(&[1, 2]);
    home.write("in.pcap", &whole[..whole.len() - 1]);
    let told = home.refusal(|_| {});
    assert!(told.contains("in.pcap: packet 2 cannot be read: the file ends in the middle of it"), "{told}");
    assert!(told.contains("editcap"), "{told}");
    assert_eq!(fs::read(home.path("out/g2.pcap")).unwrap().len(), 24 + 76, "what came before");

    home.write("in.pcap", "no capture at all, but long enough for a header");
    assert!(home.refusal(|_| {}).contains("no packet can be read"));
    let mut cooked = whole;
    cooked[20] = 113;
    home.write("in.pcap", cooked);
    assert!(home.refusal(|_| {}).contains("LINUX_SLL"));
}

#[test]
fn what_cannot_be_meant_is_refused() {
    let home = Home::new("refused");
    let told = |change: &dyn Fn(&mut Args)| home.refusal(change);
    assert!(told(&|args| args.ports[1].name = "g1".into()).contains("g1 is given twice"));
    assert!(told(&|args| args.ports[1].name = "../g2".into()).contains("cannot be the name of a port"));
    assert!(told(&|args| args.ports[0].input = Some(home.path("none"))).contains("none: cannot be opened"));
    assert!(told(&|args| args.ports[0].input = Some(home.0.clone())).contains("is a directory"));
    assert!(told(&|args| args.flows = None).contains("there are no flows"));
    assert!(told(&|args| args.out = home.path("flows")).contains("cannot be made"));
    for arguments in [&["--out", "out"][..], &["--port", "g1=in.pcap", "--out", "out"], &["--port", "=x"]] {
        assert_eq!(home.run(arguments).0, Some(2), "{arguments:?}");
    }
}

#[test]
fn a_configuration_names_the_ports() {
    let home = Home::new("configured");
    let counters = home.replay_with(SWITCH, "g1").unwrap();
    let names: Vec<_> = counters.ports.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["g1", "g2", "eth1"]);
    assert!(home.path("out/eth1.pcap").exists());

    let told = home.replay_with(SWITCH, "eth2").unwrap_err();
    assert!(told.contains("no port and no uplink of that name; did you mean eth1?"), "{told}");
    assert!(home.replay_with(SWITCH, "vx0").unwrap_err().contains("is a tunnel"));
    let told = home.replay_with(&SWITCH.replace("\"g2\"", "\"eth1\""), "g1").unwrap_err();
    assert!(told.contains("eth1"), "{told}");
    let told = home.replay_with(&SWITCH.replace("endpoints", "#"), "g1").unwrap_err();
    assert!(told.contains("not known to a replay"), "{told}");
}

#[test]
fn the_configuration_names_the_flows_unless_arguments_do() {
    let home = Home::new("flows");
    home.write("others", "in_port=g1 actions=drop\n");
    home.write("adit.toml", SWITCH.replace("name = \"br0\"", "name = \"br0\"\nflows = \"others\""));
    let run = |more: &[&str]| {
        let given = ["--config", "adit.toml", "--port", "g1=in.pcap", "--out", "out", "--json"];
        let (code, json, errors) = home.run(&[&given[..], more].concat());
        assert_eq!(code, Some(0), "{errors}");
        json
    };
    assert!(run(&[]).contains("rule_drop"));
    assert!(!run(&["--flows", "flows"]).contains("rule_drop"));
}

#[test]
fn what_the_kernel_would_say_is_read_from_the_configuration() {
    let whole = "[[replay.neighbour]]\nremote_ip = \"192.0.2.2\"\nuplink = \"eth1\"\nlocal_ip = \"192.0.2.1\"\n\
                 src_mac = \"02:00:00:00:00:01\"\ndst_mac = \"02:00:00:00:00:02\"\nmtu = 1600\n\
                 [[replay.neighbour]]\nremote_ip = \"192.0.2.3\"\nreach = \"no_neighbour\"\n";
    let config = parse("adit.toml", Path::new(""), &format!("{SWITCH}{whole}")).unwrap();
    let way = Way {
        uplink: Some("eth1".into()),
        local: Some("192.0.2.1".parse().unwrap()),
        src_mac: Some("02:00:00:00:00:01".parse().unwrap()),
        dst_mac: Some("02:00:00:00:00:02".parse().unwrap()),
        mtu: Some(1600),
    };
    let first = Neighbour { remote: "192.0.2.2".parse().unwrap(), answer: Answer::Via(way) };
    let second = Neighbour { remote: "192.0.2.3".parse().unwrap(), answer: Answer::NoNeighbour };
    assert_eq!(config.neighbours, [first, second]);

    let faults = |lines: &str| {
        let text = format!("{SWITCH}{lines}\n");
        let faults = parse("adit.toml", Path::new(""), &text).unwrap_err();
        faults.into_iter().map(|fault| fault.message).collect::<Vec<_>>()
    };
    let remote = "[[replay.neighbour]]\nremote_ip = \"192.0.2.2\"\n";
    for (lines, message) in [
        ("[[replay.neighbour]]".to_string(), "needs remote_ip"),
        (format!("{remote}uplink = \"eth9\""), "no [[uplink]] with device = \"eth9\"; did you mean eth1?"),
        (format!("{remote}dst_mac = \"02:00\""), "dst_mac \"02:00\": not an Ethernet address"),
        (format!("{remote}mtu = 1"), "68 to 65535"),
        (format!("{remote}mtu_max = 9"), "has no key \"mtu_max\""),
        (format!("{remote}reach = \"maybe\""), "reach is one of via, no_route, no_neighbour"),
        (format!("{remote}reach = \"no_route\"\nmtu = 1500"), "leave them out"),
        (format!("{remote}local_ip = \"2001:db8::1\""), "different families"),
        (format!("{remote}{remote}"), "already used in line"),
        ("[replay]\nneighbor = 1".to_string(), "did you mean neighbour?"),
        ("replay = 1".to_string(), "replay"),
    ] {
        let found = faults(&lines);
        assert!(found.len() == 1 && found[0].contains(message), "{lines}: {found:?}");
    }
}
