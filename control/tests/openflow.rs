//! A running adit as ovs-ofctl and controllers see it. Needs root and ovs-ofctl.

mod switch;

use control::lab::Process;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use switch::{ACROSS, Guest, Host, PATIENCE, has_ovs_ofctl, ip, reaches, soon, two_guests};

const VERSIONS: [&str; 4] = ["OpenFlow10", "OpenFlow13", "OpenFlow14", "OpenFlow15"];

/// A host with two guests, and ovs-ofctl; None, with a word on stderr, without either.
fn lab() -> Option<(Host, [Guest; 2])> {
    if !has_ovs_ofctl() {
        return None;
    }
    let host = Host::new()?;
    let guests = [host.guest(1), host.guest(2)];
    Some((host, guests))
}

fn command(host: &Host, arguments: &[&str]) -> Command {
    let mut command = Command::new("ovs-ofctl");
    command.args(arguments).env("OVS_RUNDIR", host.file("."));
    command
}

fn run(host: &Host, arguments: &[&str]) -> Output {
    let mut command = command(host, arguments);
    host.netns.run(move || command.output().expect("ovs-ofctl")).expect("a namespace")
}

/// What ovs-ofctl prints; it must be content.
fn ofctl(host: &Host, arguments: &[&str]) -> String {
    let Output { status, stdout, stderr } = run(host, arguments);
    let (out, err) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(status.success(), "ovs-ofctl {arguments:?}: {out}{err}");
    out.into_owned()
}

/// What ovs-ofctl complains of.
fn refused(host: &Host, arguments: &[&str]) -> String {
    let Output { stdout, stderr, .. } = run(host, arguments);
    let (out, err) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(
        out.contains("ERROR") || err.contains("ERROR") || err.contains("Error"),
        "{arguments:?}: {out}{err}"
    );
    format!("{out}{err}")
}

/// A dump without what differs from moment to moment.
fn flows(host: &Host, version: &str) -> Vec<String> {
    let dump = ofctl(host, &["-O", version, "--no-stats", "dump-flows", "br0"]);
    dump.lines().map(|line| line.trim().to_string()).collect()
}

fn adit(host: &Host, more: &str, flows: &str) -> Process {
    host.adit(&[&two_guests("auto"), more].concat(), flows)
}

#[test]
fn every_version_shows_adds_dumps_and_deletes() {
    let Some((host, [one, two])) = lab() else { return };
    let adit = adit(&host, "", "");
    for version in VERSIONS {
        let shown = ofctl(&host, &["-O", version, "show", "br0"]);
        assert!(shown.contains("1(g1)") && shown.contains("2(g2)"), "{version}: {shown}");
        assert!(shown.contains("n_tables:254, n_buffers:0"), "{version}: {shown}");
        ofctl(&host, &["-O", version, "add-flow", "br0", "in_port=1,actions=output:2"]);
        ofctl(&host, &["-O", version, "add-flow", "br0", "in_port=2,actions=output:1"]);
        assert!(reaches(&one.netns, two.addr), "{version}");
        assert_eq!(
            flows(&host, version),
            ["in_port=1 actions=output:2", "in_port=2 actions=output:1"],
            "{version}"
        );
        let counted = ofctl(&host, &["-O", version, "dump-aggregate", "br0"]);
        assert!(counted.contains("flow_count=2") && !counted.contains("packet_count=0"), "{counted}");
        ofctl(&host, &["-O", version, "del-flows", "br0"]);
        assert!(flows(&host, version).is_empty(), "{version}");
        ofctl(&host, &["-O", version, "probe", "br0"]);
    }
    assert!(adit.end().expect("ended").success());
    assert!(!host.file("br0.mgmt").exists(), "its socket goes with it");
}

#[test]
fn what_makes_no_sense_is_refused_by_its_error() {
    let Some((host, _guests)) = lab() else { return };
    let adit = adit(&host, "", ACROSS);
    let of13 = |arguments: &[&str]| refused(&host, &[&["-O", "OpenFlow13"], arguments].concat());
    assert!(of13(&["add-flow", "br0", "actions=group:9"]).contains("OFPBAC_BAD_OUT_GROUP"));
    assert!(of13(&["add-flow", "br0", "actions=meter:9"]).contains("OFPMMFC_INVALID_METER"));
    assert!(of13(&["add-flow", "br0", "check_overlap,arp,actions=drop"]).contains("OFPFMFC_OVERLAP"));
    assert!(of13(&["mod-group", "br0", "group_id=3,type=all"]).contains("OFPGMFC_UNKNOWN_GROUP"));
    assert_eq!(flows(&host, "OpenFlow13").len(), 2, "nothing was done");
    assert!(adit.end().expect("ended").success());
}

/// The rows of "What is refused" in docs/openflow.md, as far as ovs-ofctl can ask for it; the others are in openflow_refusals.rs and openflow_errors.rs.
#[test]
fn what_is_not_done_is_refused_by_the_error_that_the_docs_name() {
    let Some((host, _guests)) = lab() else { return };
    let adit = adit(&host, "", "");
    // What is called OFPBAC_BAD_VENDOR_TYPE here is OFPBAC_BAD_EXP_TYPE by its newer name.
    let rows: [(&str, &[&str], &str); 15] = [
        ("OpenFlow13", &["set-frags", "br0", "reassemble"], "OFPSCFC_BAD_FLAGS"),
        ("OpenFlow13", &["add-flow", "br0", "actions=sample(probability=1)"], "OFPBAC_BAD_VENDOR_TYPE"),
        ("OpenFlow13", &["add-flow", "br0", "ip,actions=ct(commit)"], "OFPBAC_BAD_VENDOR_TYPE"),
        ("OpenFlow13", &["add-flow", "br0", "actions=encap(ethernet)"], "OFPBAC_BAD_VENDOR_TYPE"),
        ("OpenFlow13", &["add-flow", "br0", "ct_state=+new,ip,actions=drop"], "OFPBMC_BAD_FIELD"),
        ("OpenFlow15", &["add-flow", "br0", "packet_type=(0,0),actions=drop"], "OFPBMC_BAD_FIELD"),
        ("OpenFlow13", &["add-flow", "br0", "nsh_mdtype=1,dl_type=0x894f,actions=drop"], "OFPBMC_BAD_FIELD"),
        ("OpenFlow13", &["add-flow", "br0", "dp_hash=1,actions=drop"], "OFPBMC_BAD_FIELD"),
        ("OpenFlow13", &["add-flow", "br0", "recirc_id=1,actions=drop"], "OFPBMC_BAD_FIELD"),
        ("OpenFlow13", &["add-flow", "br0", "actions=controller(pause)"], "OFPBPC_BAD_TYPE"),
        ("OpenFlow13", &["add-flow", "br0", "actions=controller(meter_id=1)"], "OFPBPC_BAD_TYPE"),
        (
            "OpenFlow13",
            &["add-group", "br0", "group_id=1,type=all,bucket=output(port=1,max_len=64)"],
            "OFPBAC_BAD_TYPE",
        ),
        ("OpenFlow10", &["mod-port", "br0", "1", "no-stp"], "NXBRC_UNENCODABLE_ERROR"),
        (
            "OpenFlow13",
            &["add-flow", "br0", "actions=set_field:1->tun_metadata9"],
            "NXFMFC_INVALID_TLV_FIELD",
        ),
        (
            "OpenFlow15",
            &["add-group", "br0", "group_id=1,type=select,selection_method=other,bucket=output:1"],
            "OFPBPC_BAD_VALUE",
        ),
    ];
    for (version, asked, error) in rows {
        let said = refused(&host, &[&["-O", version], asked].concat());
        assert!(said.contains(error), "{asked:?}: {said}");
    }
    assert!(flows(&host, "OpenFlow13").is_empty(), "nothing was done");
    assert!(adit.end().expect("ended").success());
}

#[test]
fn a_bundle_is_done_whole_or_not_at_all() {
    let Some((host, [one, two])) = lab() else { return };
    let adit = adit(&host, "", "");
    let bundle = |text: &str| {
        std::fs::write(host.file("bundle.txt"), text).expect("written");
        let file = host.file("bundle.txt");
        run(&host, &["-O", "OpenFlow14", "bundle", "br0", file.to_str().expect("text")])
    };
    let failed = bundle("flow add in_port=1,actions=output:2\nflow add in_port=2,actions=group:77\n");
    let said = String::from_utf8_lossy(&failed.stderr).into_owned();
    assert!(!failed.status.success() && said.contains("OFPBAC_BAD_OUT_GROUP"), "{said}");
    assert!(said.contains("OFPBFC_MSG_FAILED"), "{said}");
    assert!(flows(&host, "OpenFlow14").is_empty());
    let frame = "0".repeat(120);
    let failed = bundle(&format!(
        "flow add in_port=1,actions=2\npacket-out in_port=1,packet={frame},actions=group:77\n"
    ));
    let said = String::from_utf8_lossy(&failed.stderr).into_owned();
    assert!(!failed.status.success() && said.contains("OFPBAC_BAD_OUT_GROUP"), "{said}");
    assert!(flows(&host, "OpenFlow14").is_empty(), "nothing is done when a frame is refused");
    let text = "group add group_id=77,type=all,bucket=output:1\nflow add in_port=2,actions=group:77\n\
                flow add in_port=1,actions=output:2\n";
    assert!(bundle(text).status.success());
    assert!(reaches(&one.netns, two.addr));
    assert!(adit.end().expect("ended").success());
}

#[test]
fn options_are_spoken_of_as_soon_as_they_are_mapped() {
    let Some((host, _guests)) = lab() else { return };
    let adit = adit(&host, "", "");
    for version in VERSIONS {
        let of = |arguments: &[&str]| ofctl(&host, &[&["-O", version], arguments].concat());
        let flow = "tun_metadata3=0x1234,actions=set_field:0x5->tun_metadata3,1";
        assert!(
            refused(&host, &["-O", version, "add-flow", "br0", flow]).contains("NXFMFC_INVALID_TLV_FIELD")
        );
        of(&["add-tlv-map", "br0", "{class=0x102,type=0x80,len=8}->tun_metadata3"]);
        of(&["add-flow", "br0", flow]);
        let shown = flows(&host, version).join("\n");
        assert!(
            shown.starts_with("tun_metadata3=0x1234 actions=set_field:0x5->tun_metadata3"),
            "{version}: {shown}"
        );
        let map = of(&["dump-tlv-map", "br0"]);
        assert!(map.contains("tun_metadata3") && map.contains("0x102"), "{map}");
        let used = refused(&host, &["-O", version, "del-tlv-map", "br0"]);
        assert!(used.contains("NXTTMFC_"), "{used}");
        of(&["del-flows", "br0"]);
        of(&["del-tlv-map", "br0"]);
    }
    assert!(adit.end().expect("ended").success());
}

/// Starts ovs-ofctl, which goes on until it is ended.
fn watching(host: &Host, arguments: &[&str], file: &str) -> Child {
    let mut command = command(host, arguments);
    let out = std::fs::File::create(host.file(file)).expect("a file");
    command.stdout(out.try_clone().expect("a file")).stderr(out);
    host.netns.run(move || command.spawn().expect("ovs-ofctl")).expect("a namespace")
}

#[test]
fn frames_flows_that_go_and_ports_are_told_of() {
    let Some((host, [one, two])) = lab() else { return };
    let adit = adit(&host, "", ACROSS);
    assert!(reaches(&one.netns, two.addr));
    for (version, format) in
        [("OpenFlow10", "standard"), ("OpenFlow13", "nxt_packet_in2"), ("OpenFlow15", "standard")]
    {
        let mut monitor =
            watching(&host, &["-O", version, "-P", format, "monitor", "br0", "65534"], "monitor.txt");
        let told = |what: &str| {
            soon(|| std::fs::read_to_string(host.file("monitor.txt")).expect("text").contains(what))
        };
        assert!(soon(|| host.status().connections.iter().any(|peer| peer.is_connected)));
        std::thread::sleep(Duration::from_millis(200));
        let flow = "priority=50000,send_flow_rem,cookie=0x7,icmp,actions=controller";
        ofctl(&host, &["add-flow", "br0", flow]);
        ofctl(
            &host,
            &[
                "packet-out",
                "br0",
                "in_port=1 packet=0200000000020200000000010806 actions=output:2,controller",
            ],
        );
        assert!(told("total_len=14 in_port=1 (via"), "{version}");
        let ping = || Command::new("ping").args(["-c1", "-W1", "10.0.0.2"]).output().expect("ping");
        one.netns.run(ping).expect("a namespace");
        assert!(
            told("total_len=98"),
            "{version}: {}",
            std::fs::read_to_string(host.file("monitor.txt")).expect("text")
        );
        ofctl(&host, &["--strict", "del-flows", "br0", "priority=50000,icmp"]);
        assert!(
            told("reason=delete") && told("pkts1 bytes98"),
            "{version}: {}",
            std::fs::read_to_string(host.file("monitor.txt")).expect("text")
        );
        ip(&host.netns, "link set g2 down");
        assert!(told("PORT_STATUS"), "{version}");
        ip(&host.netns, "link set g2 up");
        monitor.kill().expect("ended");
        monitor.wait().expect("ended");
    }
    assert!(adit.end().expect("ended").success());
}

#[test]
fn tables_tell_who_speaks_openflow_10_of_what_no_flow_takes() {
    let Some((host, [one, _two])) = lab() else { return };
    let adit = adit(&host, "", "in_port=2,actions=1\n");
    for (version, tells) in [("OpenFlow13", false), ("OpenFlow10", true), ("OpenFlow13", false)] {
        let mut monitor = watching(&host, &["-O", version, "monitor", "br0", "65534"], "misses.txt");
        assert!(soon(|| host.status().connections.iter().any(|peer| peer.is_connected)));
        std::thread::sleep(Duration::from_millis(300));
        let ping = || Command::new("ping").args(["-c1", "-W1", "10.0.0.2"]).output().expect("ping");
        one.netns.run(ping).expect("a namespace");
        let told = || std::fs::read_to_string(host.file("misses.txt")).expect("text").contains("no_match");
        assert_eq!(if tells { soon(told) } else { told() }, tells, "{version}");
        monitor.kill().expect("ended");
        monitor.wait().expect("ended");
        assert!(soon(|| !host.status().connections.iter().any(|peer| peer.is_connected)));
    }
    assert!(adit.end().expect("ended").success());
}

#[test]
fn news_of_flows_come_as_they_change() {
    let Some((host, _guests)) = lab() else { return };
    let adit = adit(&host, "", "in_port=1,actions=2\n");
    let mut monitor = watching(&host, &["monitor", "br0", "watch:"], "news.txt");
    let told =
        |what: &str| soon(|| std::fs::read_to_string(host.file("news.txt")).expect("text").contains(what));
    assert!(told("event=ADDED table=0 cookie=0 in_port=1"));
    ofctl(&host, &["add-flow", "br0", "udp,actions=1"]);
    assert!(told("event=ADDED table=0 cookie=0 udp actions=output:1"));
    ofctl(&host, &["mod-flows", "br0", "udp,actions=2"]);
    assert!(told("event=MODIFIED table=0 cookie=0 udp actions=output:2"));
    ofctl(&host, &["del-flows", "br0", "udp"]);
    assert!(told("event=DELETED reason=delete table=0 cookie=0 udp actions=output:2"));
    monitor.kill().expect("ended");
    monitor.wait().expect("ended");
    assert!(adit.end().expect("ended").success());
}

#[test]
fn the_switch_goes_to_its_controller_again_and_stands_alone_without() {
    let Some((host, [one, two])) = lab() else { return };
    let listener = host.netns.run(|| {
        ip(&host.netns, "link set lo up");
        TcpListener::bind("127.0.0.1:6653").expect("a port")
    });
    let listener = listener.expect("a namespace");
    let more =
        "[[controller]]\ntarget = \"tcp:127.0.0.1:6653\"\ninactivity_probe = 500\nmax_backoff = 1000\n";
    let config = [&two_guests("auto"), more].concat();
    let config = config.replace("[bridge]", "[bridge]\nfail_mode = \"standalone\"");
    let adit = host.adit(&config, "");
    let (mut controller, _) = listener.accept().expect("adit");
    let mut hello = [0; 16];
    controller.read_exact(&mut hello).expect("hello");
    assert_eq!((hello[0], hello[1]), (6, 0), "the greatest version that it speaks");
    let mut snoop = watching(&host, &["-O", "OpenFlow13", "snoop", "br0"], "snoop.txt");
    std::thread::sleep(Duration::from_millis(500));
    // Hello of 1.3, and a question.
    controller.write_all(&[4, 0, 0, 8, 0, 0, 0, 1, 4, 5, 0, 8, 0, 0, 0, 2]).expect("sent");
    let mut features = [0; 32];
    controller.read_exact(&mut features).expect("features");
    assert_eq!((features[0], features[1]), (4, 6));
    let overheard =
        |what: &str| soon(|| std::fs::read_to_string(host.file("snoop.txt")).expect("text").contains(what));
    assert!(overheard("OFPT_FEATURES_REQUEST") && overheard("OFPT_FEATURES_REPLY"));
    snoop.kill().expect("ended");
    snoop.wait().expect("ended");
    let status = host.status();
    let there =
        status.connections.iter().find(|peer| peer.target == "tcp:127.0.0.1:6653").expect("it is listed");
    assert_eq!((there.is_connected, there.version.as_deref()), (true, Some("OpenFlow13")));
    // It is asked whether it is there, does not answer, and is given up; the switch comes again.
    let (again, _) = listener.accept().expect("adit");
    assert!(soon(|| host
        .status()
        .connections
        .iter()
        .any(|peer| peer.last_error.as_deref() == Some("does not answer"))));
    drop((controller, again, listener));
    let end = Instant::now() + PATIENCE;
    while !flows(&host, "OpenFlow13").iter().any(|flow| flow.ends_with("priority=0 actions=NORMAL")) {
        assert!(Instant::now() < end, "it does not stand alone");
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(reaches(&one.netns, two.addr));
    // A controller comes whose first word is an entry of its own for all other frames: it takes the place of that by which the switch
    // stood alone, and stays.
    let listener =
        host.netns.run(|| TcpListener::bind("127.0.0.1:6653").expect("a port")).expect("a namespace");
    let (mut controller, _) = listener.accept().expect("adit");
    let mut words = vec![4, 0, 0, 8, 0, 0, 0, 1, 4, 14, 0, 56, 0, 0, 0, 2];
    words.extend([0; 24]);
    // No buffer, any port, any group, no flags; a match that everything fits.
    words.extend([0xff; 12]);
    words.extend([0, 0, 0, 0, 0, 1, 0, 4, 0, 0, 0, 0]);
    words[23] = 7;
    controller.write_all(&words).expect("sent");
    let its_own = ["cookie=0x7, priority=0 actions=drop"];
    assert!(soon(|| flows(&host, "OpenFlow13") == its_own));
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!(flows(&host, "OpenFlow13"), its_own);
    assert!(adit.end().expect("ended").success());
}

#[test]
fn keys_and_certificates_are_shown_by_both_sides() {
    let Some((host, _guests)) = lab() else { return };
    if Command::new("openssl").arg("version").output().is_err() {
        assert!(std::env::var_os("ADIT_TESTS_NO_SKIP").is_none(), "needs openssl");
        return eprintln!("skipped: needs openssl");
    }
    authority(&host, "ca");
    for who in ["switch", "controller"] {
        certificate(&host, "ca", who);
    }
    authority(&host, "strangers");
    certificate(&host, "strangers", "stranger");
    ip(&host.netns, "link set lo up");
    let more = "[[controller]]\ntarget = \"pssl:6654:127.0.0.1\"\n[[controller]]\ntarget = \"ssl:127.0.0.1:6655\"\nmax_backoff = 1000\n\
                [ssl]\nprivate_key = \"switch.key\"\ncertificate = \"switch.pem\"\nca_cert = \"ca.pem\"\n";
    let adit = adit(&host, more, ACROSS);
    let file = |name: &str| host.file(name).to_str().expect("text").to_string();
    let secret = |who: &str| {
        [
            format!("--private-key={}", file(&format!("{who}.key"))),
            format!("--certificate={}", file(&format!("{who}.pem"))),
            format!("--ca-cert={}", file("ca.pem")),
        ]
    };
    let show = |who: &str| {
        let options = secret(who);
        let mut arguments: Vec<&str> = options.iter().map(String::as_str).collect();
        arguments.extend(["-O", "OpenFlow13", "--timeout=5", "dump-flows", "ssl:127.0.0.1:6654"]);
        run(&host, &arguments)
    };
    let known = show("controller");
    assert!(known.status.success(), "{}", String::from_utf8_lossy(&known.stderr));
    assert!(String::from_utf8_lossy(&known.stdout).contains("in_port=1"));
    assert!(!show("stranger").status.success(), "nobody vouches for it");
    // Who comes and says nothing keeps nobody out, however many they are.
    let silent = || (0..200).map(|_| TcpStream::connect(("127.0.0.1", 6654)).expect("connected")).collect();
    let crowd: Vec<_> = host.netns.run(silent).expect("a namespace");
    assert!(show("controller").status.success(), "there is room for who answers");
    drop(crowd);

    // The other way: a controller that wants to see who comes.
    let mut command = Command::new("openssl");
    command.args(["s_server", "-quiet", "-accept", "6655", "-Verify", "1", "-verify_return_error"]);
    command.args([
        "-key",
        &file("controller.key"),
        "-cert",
        &file("controller.pem"),
        "-CAfile",
        &file("ca.pem"),
    ]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut server = host.netns.run(move || command.spawn().expect("openssl")).expect("a namespace");
    let mut hello = [0; 16];
    server.stdout.as_mut().expect("its output").read_exact(&mut hello).expect("hello");
    assert_eq!((hello[0], hello[1]), (6, 0));
    server.kill().expect("ended");
    server.wait().expect("ended");
    assert!(adit.end().expect("ended").success());
}

fn openssl(host: &Host, arguments: &str) {
    let mut command = Command::new("openssl");
    command.args(arguments.split_whitespace()).current_dir(host.file("."));
    let output = command.output().expect("openssl");
    assert!(output.status.success(), "openssl {arguments}: {}", String::from_utf8_lossy(&output.stderr));
}

fn authority(host: &Host, name: &str) {
    openssl(
        host,
        &format!(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN={name} -keyout {name}.key -out {name}.pem"
        ),
    );
}

/// Of somebody whom an authority vouches for.
fn certificate(host: &Host, authority: &str, who: &str) {
    openssl(
        host,
        &format!(
            "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN={who} -keyout {who}.key -out {who}.csr"
        ),
    );
    std::fs::write(host.file("ext.cnf"), "basicConstraints=CA:FALSE\n").expect("written");
    openssl(
        host,
        &format!(
            "x509 -req -in {who}.csr -CA {authority}.pem -CAkey {authority}.key -CAcreateserial -days 2 -extfile ext.cnf -out {who}.pem"
        ),
    );
}
