//! What holds for all cases together: runs repeat, the container of a capture does not matter, no reason is without a case,
//! and the committed files are those that scapy makes.

mod containers;

use control::replay::PortArg;
use datapath::stats::DropReason;
use pcap_tests::{Case, capture};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A directory of this test's own, empty.
fn scratch(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("laws").join(name);
    match fs::remove_dir_all(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => panic!("{}: {error}", path.display()),
        _ => fs::create_dir_all(&path).unwrap(),
    }
    path
}

/// Every file under a directory with its bytes.
fn files(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut open = vec![directory.to_owned()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => open.push(path),
                false => {
                    let bytes = fs::read(&path).unwrap();
                    found.insert(path.strip_prefix(directory).unwrap().to_owned(), bytes);
                }
            }
        }
    }
    found
}

#[test]
fn two_runs_give_the_same_bytes() {
    for case in Case::all().unwrap() {
        let runs = ["first", "second"].map(|run| {
            let out = scratch("two_runs").join(run);
            case.replay(case.inputs().unwrap(), &out).unwrap();
            files(&out)
        });
        assert!(runs[0].contains_key(Path::new("counters.json")), "{}", case.name);
        assert_eq!(runs[0], runs[1], "{}", case.name);
    }
}

/// Byte order, resolution and format of a capture say nothing about its frames.
#[test]
fn the_container_of_a_capture_does_not_matter() {
    let home = scratch("containers");
    for case in Case::all().unwrap() {
        let inputs = case.inputs().unwrap();
        case.replay(inputs.clone(), &home.join("pcap")).unwrap();
        let wanted = files(&home.join("pcap"));
        for (name, write) in containers::ALL {
            let rewritten = inputs.iter().map(|PortArg { name: port, input }| {
                let packets = capture::read(input.as_ref().unwrap()).unwrap();
                let path = home.join(format!("{port}.{name}"));
                fs::write(&path, write(&packets)).unwrap();
                PortArg { name: port.clone(), input: Some(path) }
            });
            let out = home.join(name);
            case.replay(rewritten.collect(), &out).unwrap();
            assert_eq!(files(&out), wanted, "{} from {name}", case.name);
            fs::remove_dir_all(&out).unwrap();
        }
        fs::remove_dir_all(home.join("pcap")).unwrap();
    }
}

/// Reasons that a replay cannot provoke.
const LIVE_ONLY: &[(DropReason, &str)] = &[
    (
        DropReason::PoolEmpty,
        "a replay gives every frame back before it takes the next batch, so a copy always finds one",
    ),
    (
        DropReason::NoSuchGroup,
        "flows and buckets that name a group which is not there are refused when they are read",
    ),
    (DropReason::PortDown, "only a controller takes ports down, and a replay has none"),
    (DropReason::NoReceive, "only a controller says so of a port, and a replay has none"),
    (DropReason::NoForward, "only a controller says so of a port, and a replay has none"),
    (DropReason::NoPacketIn, "only a controller says so of a port, and a replay has none"),
    (DropReason::Fragment, "only a controller has them dropped, and a replay has none"),
    (DropReason::TxFull, "a capture file has no ring that could be full"),
    (
        DropReason::PortRefused,
        "a capture file takes every frame; one that cannot be written ends the replay with an error",
    ),
];

#[test]
fn every_drop_reason_has_a_case() {
    let mut provoked = BTreeSet::new();
    for case in Case::all().unwrap() {
        let text = fs::read_to_string(case.home.join("counters.json")).unwrap();
        let counters: serde_json::Value = serde_json::from_str(&text).unwrap();
        provoked.extend(counters["drops"].as_object().into_iter().flat_map(|drops| drops.keys().cloned()));
    }
    for reason in DropReason::ALL {
        let live_only = LIVE_ONLY.iter().any(|(live, _)| live == reason);
        let has_case = provoked.remove(reason.name());
        assert!(has_case || live_only, "{reason} has no case: {}", reason.sentence());
        assert!(!(has_case && live_only), "{reason} has a case, so it is not for live devices only");
    }
    assert_eq!(provoked, BTreeSet::new(), "no such reasons");
}

#[test]
fn a_case_has_its_parts_and_no_more() {
    for case in Case::all().unwrap() {
        for name in files(&case.home).keys() {
            let name = name.to_str().unwrap();
            let known = ["make.py", "flows", "groups", "meters", "config.toml", "counters.json", "ignore"]
                .contains(&name);
            let capture = (name.starts_with("in/") || name.starts_with("out/")) && name.ends_with(".pcap");
            assert!(known || capture, "{}/{name} belongs to no case", case.name);
        }
        for name in ["make.py", "flows", "counters.json"] {
            assert!(case.home.join(name).exists(), "{} has no {name}", case.name);
        }
    }
}

/// docs/rfc.md says of each clause which test shows it.
#[test]
fn every_case_that_the_docs_name_is_there() {
    let text = include_str!("../../docs/rfc.md");
    let cases: BTreeSet<_> = Case::all().unwrap().into_iter().map(|case| case.name).collect();
    let words = text.split('`').skip(1).step_by(2);
    let sentences = words.filter(|word| word.matches('_').count() >= 4 && !word.contains([':', '/', '=']));
    let (there, missing): (Vec<_>, Vec<_>) = sentences.partition(|word| cases.contains(*word));
    assert!(there.len() > 30 && missing.is_empty(), "no such cases: {missing:?}");
}

/// A Python that has scapy.
fn python() -> Option<&'static str> {
    let has_scapy = |python: &&str| {
        let scapy = Command::new(python).args(["-c", "import scapy.all"]).output();
        scapy.is_ok_and(|output| output.status.success())
    };
    ["python3", "/usr/bin/python3"].into_iter().find(has_scapy)
}

#[test]
fn scapy_makes_the_committed_files() {
    let Some(python) = python() else {
        let skipped = "needs scapy, to make the cases anew (Debian: python3-scapy)";
        assert!(std::env::var_os("ADIT_TESTS_NO_SKIP").is_none(), "{skipped}");
        eprintln!("skipped: {skipped}");
        return;
    };
    let made = scratch("made");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("make_cases.py");
    let output = Command::new(python).arg(script).arg(&made).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut made = files(&made);
    for (name, committed) in files(&Case::directory()) {
        if ["make.py", "flows", "groups", "meters", "config.toml"]
            .iter()
            .any(|written| name.ends_with(written))
        {
            continue;
        }
        let made = made.remove(&name).unwrap_or_else(|| panic!("{} is made by no script", name.display()));
        assert!(made == committed, "{} is not what its make.py makes", name.display());
    }
    assert!(made.is_empty(), "not committed: {:?}", made.keys());
}
