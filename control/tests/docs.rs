//! The documentation against the code: what may be written is written down, and what is written down is understood.

use clap::{CommandFactory, Parser};
use control::cli::Cli;
use control::show::perf::Perf;
use control::status::{
    BandStatus, BridgeStatus, ControllerStatus, DropStatus, LearnedStatus, MeterStatus, PortStatus,
    QueueStatus, RemoteStatus, SCHEMA, StationStatus, StationsStatus, Status, TooLongStatus, TunnelStatus,
    WorkerStatus, XdpStatus,
};

use control::{check, config, replay, text};
use datapath::stats::{DropReason, PerfCounters};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

const REFERENCE: &str = "docs/configuration.md";

/// The sections of a configuration.
const SECTIONS: [&str; 8] = [
    "[bridge]",
    "[worker]",
    "[[uplink]]",
    "[[port]]",
    "[[tunnel]]",
    "[[peer]]",
    "[[tenant]]",
    "[[replay.neighbour]]",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The part below the heading `title`, up to the next one of its rank or above.
fn section<'a>(text: &'a str, title: &str) -> &'a str {
    let start = text.find(&format!("\n{title}\n")).unwrap_or_else(|| panic!("no heading {title:?}")) + 1;
    let rank = title.chars().take_while(|c| *c == '#').count();
    let body = &text[start + title.len()..];
    let ends = (1..=rank).filter_map(|rank| body.find(&format!("\n{} ", "#".repeat(rank))));
    &body[..ends.min().unwrap_or(body.len())]
}

/// All words in code spans.
fn code_words(text: &str) -> BTreeSet<&str> {
    let spans = text.split('`').skip(1).step_by(2);
    spans.flat_map(|span| span.split(|c: char| !c.is_alphanumeric() && !"_*-".contains(c))).collect()
}

/// Fails with all words that are missing, not only the first.
fn assert_has<'a>(place: &str, have: &BTreeSet<&str>, wanted: impl IntoIterator<Item = &'a str>) {
    let wanted: Vec<&str> = wanted.into_iter().collect();
    assert!(!wanted.is_empty(), "nothing to look for: {place}");
    let missing: Vec<&&str> = wanted.iter().filter(|word| !have.contains(**word)).collect();
    assert!(missing.is_empty(), "{REFERENCE} does not tell of {missing:?}: {place}");
}

/// What the reader of configurations says about a key.
#[derive(PartialEq, Eq, Debug)]
enum Key {
    Read,
    NotYet,
    Unknown,
}

fn ask_about(section: &str, key: &str) -> Key {
    let faults = config::parse("x", Path::new(""), &format!("{section}\n{key} = true\n")).unwrap_err();
    let says = |what: &str| faults.iter().any(|fault| fault.line == 2 && fault.message.contains(what));
    match (says("has no key"), says("not supported yet")) {
        (true, _) => Key::Unknown,
        (_, true) => Key::NotYet,
        _ => Key::Read,
    }
}

/// Every word in quotes in the reader's sources: the keys are among them.
fn candidates() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(root().join("control/src/config")).unwrap() {
        let source = fs::read_to_string(entry.unwrap().path()).unwrap();
        let words = source.split('"').filter(|word| !word.is_empty());
        let words = words.filter(|word| word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'));
        found.extend(words.map(String::from));
    }
    assert!(found.len() > 30, "{found:?}");
    found
}

/// The words in front of every table row.
fn rows(text: &str) -> BTreeSet<&str> {
    text.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect()
}

#[test]
fn every_key_of_the_configuration_is_told_of_and_no_other() {
    let text = read(REFERENCE);
    let candidates = candidates();
    for name in SECTIONS {
        let told = section(&text, &format!("### `{name}`"));
        for key in rows(told) {
            assert_eq!(ask_about(name, key), Key::Read, "{key} in {name}");
        }
        let of =
            |kind: Key| candidates.iter().map(String::as_str).filter(move |key| ask_about(name, key) == kind);
        assert_has(name, &rows(told), of(Key::Read));
        if of(Key::NotYet).next().is_some() {
            assert_has(name, &code_words(told), of(Key::NotYet));
        }
    }
}

#[test]
fn every_word_of_a_flow_is_told_of() {
    let text = read(REFERENCE);
    let words = text::vocabulary();
    let refused = "What Open vSwitch has and this version refuses";
    let parts = [
        ("Properties", words.properties.into_iter().filter(|word| *word != "actions").collect()),
        ("Protocols", words.protocols),
        ("Fields", words.fields),
        ("Actions", words.actions),
        ("Groups", words.groups),
        ("Meters", words.meters),
        (refused, words.refused),
    ];
    for (title, words) in parts {
        let told = code_words(section(&text, &format!("### {title}")));
        assert_has(title, &told, words);
    }
}

#[test]
fn every_command_and_option_is_told_of() {
    let text = read(REFERENCE);
    let mut cli = Cli::command();
    cli.build();
    for command in cli.get_subcommands().filter(|command| command.get_name() != "help") {
        let name = format!("adit {}", command.get_name());
        let told = section(&text, &format!("### `{name}`"));
        let words = code_words(told);
        let shown = command.get_arguments().filter(|arg| !arg.is_hide_set());
        for arg in shown.filter(|arg| !matches!(arg.get_id().as_str(), "help" | "version")) {
            let long = arg.get_long().map(|long| format!("--{long}"));
            let short = arg.get_short().map(|short| format!("-{short}"));
            let names = arg.get_value_names().unwrap_or_default();
            let position = arg.is_positional().then(|| names[0].to_string());
            let spelled = [long, short, position];
            assert_has(&name, &words, spelled.iter().flatten().map(String::as_str));
            let values = arg.get_possible_values();
            let values: Vec<&str> = values.iter().map(|value| value.get_name()).collect();
            if arg.get_action().takes_values() && !values.is_empty() {
                assert_has(&name, &words, values);
            }
        }
    }
}

/// The names of all fields in a JSON text, but not those of maps whose keys are names of ports or reasons.
fn fields(value: &serde_json::Value, names: &mut BTreeSet<String>) {
    match value {
        serde_json::Value::Object(map) => {
            for (name, value) in map {
                names.insert(name.clone());
                fields(value, names);
            }
        }
        serde_json::Value::Array(list) => list.iter().for_each(|value| fields(value, names)),
        _ => {}
    }
}

fn assert_fields(title: &str, value: &serde_json::Value, names_of_things: &[&str]) {
    let text = read(REFERENCE);
    let told = code_words(section(&text, title));
    let mut names = BTreeSet::new();
    fields(value, &mut names);
    let wanted = names.iter().map(String::as_str).filter(|name| !names_of_things.contains(name));
    assert_has(title, &told, wanted);
}

#[test]
fn every_field_for_programs_is_told_of() {
    let port = PortStatus {
        name: String::new(),
        role: String::new(),
        ofport: None,
        device: String::new(),
        mode: String::new(),
        queues: 0,
        tx_queues: vec![QueueStatus { queue: 0, packets: 0, bytes: 0, errors: 0 }],
        rx_packets: 0,
        rx_bytes: 0,
        rx_missed: 0,
        tx_packets: 0,
        tx_bytes: 0,
        tx_errors: 0,
        drops: 0,
        xdp: Some(XdpStatus { claimed: 0, unbound: 0, passed: 0 }),
    };
    let tunnel = TunnelStatus {
        name: String::new(),
        ofport: 0,
        kind: String::new(),
        remote_ip: String::new(),
        local_ip: None,
        key: String::new(),
        dst_port: None,
        options: String::new(),
    };
    let remote = RemoteStatus::default();
    let worker = WorkerStatus {
        worker: 0,
        core: None,
        generation: 0,
        turns: 0,
        idle_turns: 0,
        hits: 0,
        masked_hits: 0,
        misses: 0,
        unkept: 0,
        flows: 0,
        masks: 0,
        too_long: TooLongStatus::default(),
        perf: (&PerfCounters::default()).into(),
    };
    let drop = DropStatus { reason: String::new(), count: 0, sentence: String::new() };
    let station = StationStatus {
        tenant: 0,
        vlan: 0,
        mac: String::new(),
        port: String::new(),
        remote_ip: None,
        age_s: None,
    };
    let bands = vec![BandStatus { packets: 0, bytes: 0 }];
    let meter = MeterStatus { meter: 0, packets: 0, bytes: 0, bands };
    let status = Status {
        controller: ControllerStatus::default(),
        connections: Vec::new(),
        schema: SCHEMA,
        version: String::new(),
        pid: 0,
        uptime_s: 0,
        bridge: BridgeStatus { name: String::new(), flows: 0, generation: 0 },
        ports: vec![port],
        tunnels: vec![tunnel],
        underlay: vec![remote],
        mtu_refused: 0,
        workers: vec![worker],
        cycles_hz: None,
        meters: vec![meter],
        drops: vec![drop],
        fdb: StationsStatus { stations: vec![station], ..StationsStatus::default() },
        learned: LearnedStatus::default(),
    };
    let perf = Perf::between(&status, &status, Duration::from_secs(1));
    assert_fields("### `adit show --perf --json`", &serde_json::to_value(perf).unwrap(), &[]);
    assert_fields("### `adit show --json`", &serde_json::to_value(status).unwrap(), &[]);

    let totals = replay::PortTotals::default();
    let dropped = replay::Dropped { packets: 0, sentence: "" };
    let counters = replay::Counters {
        ports: vec![("g1".into(), totals)],
        total: totals,
        drops: vec![("table_miss", dropped)],
        flow_cache: replay::FlowCache::default(),
        too_long: TooLongStatus::default(),
    };
    let counters = serde_json::from_str(&counters.to_json()).unwrap();
    assert_fields("### `counters.json`", &counters, &["g1", "table_miss"]);

    let report = check::check(Path::new("there/is/no/such/file"));
    assert!(!report.faults.is_empty());
    assert_fields("### `adit check --json`", &serde_json::to_value(report).unwrap(), &[]);
}

#[test]
fn every_reason_for_a_drop_is_told_of_in_its_own_words() {
    let text = read("docs/drops.md");
    for reason in DropReason::ALL {
        let told = section(&text, &format!("## `{reason}`"));
        let told = told.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(told.starts_with(&format!("> {}", reason.sentence())), "{reason}: {told}");
        for part in ["**Usually:**", "**Look:**", "**Do:**"] {
            assert!(told.contains(part), "{reason} has no part {part}");
        }
    }
    let headings: Vec<&str> =
        text.lines().filter_map(|line| line.strip_prefix("## `")?.strip_suffix('`')).collect();
    let names: Vec<&str> = DropReason::ALL.iter().map(|reason| reason.name()).collect();
    assert_eq!(headings, names, "reasons stand in the order of their counters, and no others");
}

/// The blocks of code of a text: language and contents.
fn blocks(text: &str) -> Vec<(&str, String)> {
    let mut blocks = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some(language) = line.trim_start().strip_prefix("```") else { continue };
        let body: Vec<&str> = lines.by_ref().take_while(|line| line.trim_start() != "```").collect();
        blocks.push((language, body.join("\n")));
    }
    blocks
}

#[test]
fn every_configuration_and_every_file_of_flows_that_is_shown_is_accepted() {
    let mut texts = vec!["README.md".to_string()];
    for entry in fs::read_dir(root().join("docs")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        texts.extend(name.ends_with(".md").then(|| format!("docs/{name}")));
    }
    let (mut configurations, mut flows, mut groups, mut meters) = (0, 0, 0, 0);
    for path in texts {
        let mut names = Default::default();
        for (language, body) in blocks(&read(&path)) {
            if language == "toml" {
                let config = config::parse(&path, Path::new(""), &body);
                let config = config.unwrap_or_else(|faults| panic!("{path}: {}\n{body}", faults[0]));
                names = config.port_names();
                configurations += 1;
            } else if body.starts_with("# /etc/adit/groups.txt") {
                let read = text::parse_groups(&path, &body, &names);
                assert!(!read.unwrap_or_else(|faults| panic!("{path}: {}", faults[0])).is_empty(), "{path}");
                groups += 1;
            } else if body.starts_with("# /etc/adit/meters.txt") {
                let read = text::parse_meters(&path, &body);
                assert!(!read.unwrap_or_else(|faults| panic!("{path}: {}", faults[0])).is_empty(), "{path}");
                meters += 1;
            } else if body.starts_with("# /etc/adit/flows.txt") {
                let read = text::parse_flows(&path, &body, &names);
                assert!(!read.unwrap_or_else(|faults| panic!("{path}: {}", faults[0])).is_empty(), "{path}");
                flows += 1;
            }
        }
    }
    assert!(configurations >= 3 && flows >= 2 && groups >= 1, "{configurations}, {flows}, {groups}");
    assert!(meters >= 1, "{meters}");
}

#[test]
fn every_command_that_is_shown_is_understood() {
    let mut commands = 0;
    for path in ["README.md", REFERENCE, "docs/drops.md"] {
        let text = read(path);
        for line in blocks(&text).iter().filter(|block| block.0 == "sh").flat_map(|block| block.1.lines()) {
            let words: Vec<&str> =
                line.split_whitespace().take_while(|word| !word.starts_with(['#', '|', '>'])).collect();
            match words.first() {
                Some(&"adit") => {
                    let read = Cli::try_parse_from(&words);
                    assert!(read.is_ok(), "{path}: {line}: {}", read.unwrap_err());
                    commands += 1;
                }
                Some(&"cd") => assert!(root().join(words[1]).is_dir(), "{path}: {line}"),
                _ => {}
            }
        }
    }
    assert!(commands >= 6, "{commands}");
}

#[test]
fn every_link_to_a_file_leads_somewhere() {
    for path in ["ARCHITECTURE.md", REFERENCE, "docs/drops.md"] {
        let text = read(path);
        let from = root().join(path);
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            if link.contains("://") {
                continue;
            }
            let target = if file.is_empty() { from.clone() } else { from.parent().unwrap().join(file) };
            assert!(target.exists(), "{path} links to {link}, which is not there");
            if !anchor.is_empty() {
                let there = fs::read_to_string(&target).unwrap();
                let headings = there.lines().filter_map(|line| line.strip_prefix('#'));
                let mut anchors = headings.map(|heading| {
                    let heading = heading.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
                    heading.replace(|c: char| !c.is_alphanumeric() && !"-_".contains(c), "")
                });
                assert!(anchors.any(|found| found == anchor), "{path} links to {link}: no such heading");
            }
        }
    }
}
