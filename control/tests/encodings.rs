//! Encodings that others wrote down: messages, lists of actions and matches out of Open vSwitch's own tests, with what Open vSwitch 3.1 says of them. What
//! it reads we read, and what we write of it reads the same; what it refuses we refuse, with its error. `encodings/known` has the rest, with reasons.
//!
//! `ADIT_ENCODINGS` names the folder with ofp-print.json, ofp-actions.json and match-text.json (`scripts/vectors` sets it). Nobody can install
//! that: without it the tests say so and pass. Needs ovs-ofctl, too.

#[path = "encodings/matches.rs"]
mod matches;
#[expect(dead_code, reason = "others use the rest")]
mod on_wire;

use std::path::PathBuf;
use std::process::Command;

use bytes::Bytes;
use control::openflow::wire::Reader;
use control::openflow::{Code, Envelope, Message, Refusal, Version, actions, decode, encode};
use datapath::pipeline::Match;
use datapath::tunnel::OptionMap;
use on_wire::OnWire;
use serde_json::Value;

/// What one of them comes to.
enum Verdict {
    Same,
    /// A version that is not spoken here, or nothing that has a version.
    Unspoken,
    Other(String),
}

/// The vectors of a file.
fn vectors(file: &str) -> Option<Vec<Value>> {
    let Some(folder) = std::env::var_os("ADIT_ENCODINGS") else {
        eprintln!("skipped: ADIT_ENCODINGS names no folder with {file}");
        return None;
    };
    let text = std::fs::read_to_string(PathBuf::from(folder).join(file)).expect("the file");
    let mut all: Value = serde_json::from_str(&text).expect("JSON");
    Some(serde_json::from_value(all["vectors"].take()).expect("a list"))
}

fn text<'a>(vector: &'a Value, key: &str) -> &'a str {
    vector[key].as_str().unwrap_or_default()
}

fn unhex(digits: &str) -> Vec<u8> {
    (0..digits.len() / 2)
        .map(|at| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).expect("digits"))
        .collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn ovs_ofctl(arguments: &[&str]) -> String {
    let output = Command::new("ovs-ofctl").args(arguments).output().expect("ovs-ofctl");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The name that Open vSwitch has for an error of ours.
fn name(version: Version, code: Code) -> String {
    let refusal = Message::Error(Refusal::Ours(code, Bytes::from_static(&[0; 8])));
    let bytes = encode(version, &Envelope::new(1, refusal)).expect("errors can be said");
    let said = ovs_ofctl(&["ofp-print", &hex(&bytes)]);
    said.split("): ").nth(1).and_then(|said| said.lines().next()).unwrap_or_default().to_owned()
}

/// The name of an error in a text of Open vSwitch, if it tells of one.
fn refusal(text: &str) -> Option<&str> {
    let from = ["***decode error: ", "actions: ", "instructions: ", "returned error "];
    let at = from.iter().find_map(|from| text.split_once(from)).map(|(_, at)| at)?;
    let end =
        at.find(|letter: char| !letter.is_ascii_uppercase() && !letter.is_ascii_digit() && letter != '_');
    let found = &at[..end.unwrap_or(at.len())];
    (found.starts_with("OFP") || found.starts_with("NX")).then_some(found)
}

/// Counts, and says what is neither the same nor known.
fn conclude(what: &str, verdicts: Vec<(String, Verdict)>) {
    let known: Vec<_> = include_str!("encodings/known")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once('\t'))
        .collect();
    let (mut same, mut unspoken, mut explained, mut wrong) = (0, 0, 0, String::new());
    for (id, verdict) in &verdicts {
        let reason = known.iter().find(|(pattern, _)| pattern == id);
        match (verdict, reason) {
            (Verdict::Same, None) => same += 1,
            (Verdict::Unspoken, None) => unspoken += 1,
            (Verdict::Other(_), Some(_)) => explained += 1,
            (Verdict::Other(why), None) => wrong += &format!("{id}: {why}\n"),
            (_, Some((_, reason))) => wrong += &format!("{id} is as it should be, in spite of: {reason}\n"),
        }
    }
    let all = verdicts.len();
    eprintln!(
        "{what}: {all}, {same} the same, {unspoken} of versions that are not spoken, {explained} known to differ"
    );
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn messages_say_what_open_vswitch_reads_in_them() {
    let Some(vectors) = vectors("ofp-print.json") else { return };
    let verdicts = vectors.iter().map(|vector| (text(vector, "id").to_owned(), message(vector)));
    conclude("messages", verdicts.collect());
}

fn message(vector: &Value) -> Verdict {
    let (digits, expected) = (text(vector, "ofp_hex"), text(vector, "expected_text"));
    let bytes = Bytes::from(unhex(digits));
    let Some(version) = bytes.first().and_then(|number| Version::from_number(*number)) else {
        return Verdict::Unspoken;
    };
    let read = decode(version, &bytes);
    match (read, refusal(expected)) {
        (Err((_, code)), Some(error)) if name(version, code) == error => Verdict::Same,
        (Err((_, code)), _) => Verdict::Other(format!("refused with {}: {expected}", name(version, code))),
        (Ok(envelope), Some(error)) if !matches!(envelope.message, Message::Error(_)) => {
            Verdict::Other(format!("taken, where Open vSwitch says {error}"))
        }
        (Ok(envelope), _) => {
            let Some(again) = encode(version, &envelope) else {
                return Verdict::Other("no words".to_owned());
            };
            let verbosity = vector["verbosity"].as_u64().map(|verbosity| verbosity.to_string());
            let print =
                |digits: &str| ovs_ofctl(&[&["ofp-print", digits], verbosity.as_deref().as_slice()].concat());
            let (ours, theirs) = (print(&hex(&again)), print(digits));
            if ours == theirs { Verdict::Same } else { Verdict::Other(format!("{ours}instead of\n{theirs}")) }
        }
    }
}

#[test]
fn actions_say_what_open_vswitch_reads_in_them() {
    let Some(vectors) = vectors("ofp-actions.json") else { return };
    let verdicts = vectors.iter().map(|vector| (text(vector, "id").to_owned(), list(vector)));
    conclude("lists of actions", verdicts.collect());
}

fn list(vector: &Value) -> Verdict {
    let (mut bytes, expected) = (unhex(text(vector, "hex")), text(vector, "expected_text"));
    let version = match text(vector, "version") {
        "OpenFlow10" => Version::V10,
        "OpenFlow15" => Version::V15,
        _ => return Verdict::Unspoken,
    };
    if version == Version::V15 {
        // OFPIT_APPLY_ACTIONS (OpenFlow 1.3.5 section 7.2.4).
        let len = bytes.len() as u16 + 8;
        bytes = [&[0, 4], &len.to_be_bytes()[..], &[0; 4], &bytes].concat();
    }
    let empty = match version {
        Version::V10 => Vec::new(),
        _ => vec![0, 1, 0, 4, 0, 0, 0, 0],
    };
    let theirs = OnWire { matching: empty, instructions: bytes };
    // Where only actions may stand, instructions may not.
    let alone = match text(vector, "what") {
        "actions" if version == Version::V10 => {
            actions::decode_packet_out(version, &mut Reader::new(&theirs.instructions, Code::BadActionLen))
                .map(drop)
        }
        _ => Ok(()),
    };
    let read = alone.and_then(|()| on_wire::read(version, OptionMap::EMPTY, &theirs));
    match (read, refusal(expected)) {
        (Err(code), Some(error)) if name(version, code) == error => Verdict::Same,
        (Err(code), _) => Verdict::Other(format!("refused with {}: {expected}", name(version, code))),
        (Ok(_), Some(error)) => Verdict::Other(format!("taken, where Open vSwitch says {error}")),
        (Ok((_, instructions)), None) => {
            let ours = on_wire::write(version, OptionMap::EMPTY, &Match::default(), &instructions);
            let [ours, theirs] = [&ours, &theirs].map(|wire| on_wire::printed(version, wire));
            if ours == theirs {
                Verdict::Same
            } else {
                Verdict::Other(format!("{ours}\ninstead of\n{theirs}"))
            }
        }
    }
}

#[test]
fn matches_say_what_open_vswitch_reads_in_them() {
    let Some(vectors) = vectors("match-text.json") else { return };
    conclude("matches", vectors.iter().flat_map(matches::verdicts).collect());
}
