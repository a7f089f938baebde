//! Flows on the wire: taken out of the flow-mods that ovs-ofctl makes of text, and put into flow-mods that it prints.

use control::openflow::wire::{Reader, Writer};
use control::openflow::{Code, Version, instructions, matching};
use datapath::pipeline::{Instructions, Match};
use datapath::tunnel::OptionMap;
use std::process::Command;
use std::sync::Arc;

/// The name of a version in the options of ovs-ofctl.
pub(crate) fn name(version: Version) -> &'static str {
    match version {
        Version::V10 => "OpenFlow10",
        Version::V13 => "OpenFlow13",
        Version::V14 => "OpenFlow14",
        Version::V15 => "OpenFlow15",
    }
}

/// The parts of a flow-mod that a match and instructions are.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct OnWire {
    pub(crate) matching: Vec<u8>,
    pub(crate) instructions: Vec<u8>,
}

/// The flow-mod that ovs-ofctl makes of a flow: NXM in OpenFlow 1.0, OXM else. Nothing where it refuses the flow.
pub(crate) fn theirs(version: Version, flow: &str) -> Option<OnWire> {
    let format = if version == Version::V10 { "nxm" } else { "oxm" };
    let output = Command::new("ovs-ofctl")
        .args(["-mmmmmm", "-O", name(version), "-F", format, "parse-flow", flow])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut message = Vec::new();
    for line in said.lines().filter(|line| line.get(8..10) == Some("  ") && line.len() > 58) {
        let pairs = line[10..58].split([' ', '-']).filter(|pair| !pair.is_empty());
        message.extend(pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()));
    }
    (output.status.success() && !message.is_empty()).then(|| split(version, &message))
}

/// Where the match begins: behind the fixed part of a flow-mod, 1.0's being Nicira's.
const MATCH: usize = 48;

fn split(version: Version, message: &[u8]) -> OnWire {
    let len = match version {
        Version::V10 => usize::from(u16::from_be_bytes([message[40], message[41]])),
        _ => usize::from(u16::from_be_bytes([message[50], message[51]])),
    };
    let (matching, instructions) = message[MATCH..].split_at(len.next_multiple_of(8));
    // Nicira's match has its length elsewhere, and the padding is not part of it.
    let len = if version == Version::V10 { len } else { matching.len() };
    OnWire { matching: matching[..len].to_vec(), instructions: instructions.to_vec() }
}

/// What our codec reads, where Geneve options are called so.
pub(crate) fn read(
    version: Version,
    options: &OptionMap,
    wire: &OnWire,
) -> Result<(Match, Instructions), Code> {
    let reader = |bytes| Reader::new(bytes, Code::BadLen).knowing(options);
    let matching = match version {
        Version::V10 => matching::decode_nxm(&mut reader(&wire.matching))?,
        _ => matching::decode_oxm(&mut reader(&wire.matching))?,
    };
    let instructions = instructions::decode(version, &mut reader(&wire.instructions), &matching)?;
    Ok((matching, instructions))
}

/// What our codec writes, where Geneve options are called so.
pub(crate) fn write(
    version: Version,
    options: &OptionMap,
    matching: &Match,
    instructions: &Instructions,
) -> OnWire {
    let writer = || Writer::knowing(Arc::new(options.clone()));
    let (mut first, mut second) = (writer(), writer());
    match version {
        Version::V10 => drop(matching::encode_nxm(matching, &mut first)),
        _ => matching::encode_oxm(matching, &mut first, version),
    }
    instructions::encode(version, instructions, matching, &mut second);
    OnWire { matching: first.into_bytes(), instructions: second.into_bytes() }
}

/// What ovs-ofctl says of a flow that is added so.
pub(crate) fn printed(version: Version, wire: &OnWire) -> String {
    let mut message = Writer::new();
    message.u8(version as u8).u8(if version == Version::V10 { 4 } else { 14 }).u16(0).u32(1);
    if version == Version::V10 {
        message.u32(0x2320).u32(13).u64(0).u16(0).u16(0).u16(0).u16(0x8000).u32(u32::MAX);
        message.u16(u16::MAX).u16(0).u16(wire.matching.len() as u16).zeros(6).bytes(&wire.matching);
    } else {
        message.u64(0).u64(0).u8(0).u8(0).u16(0).u16(0).u16(0x8000).u32(u32::MAX);
        message.u32(u32::MAX).u32(u32::MAX).u16(0).u16(0).bytes(&wire.matching);
    }
    message.pad(0, 8).bytes(&wire.instructions);
    message.put_len(2, 0);
    let hex: String = message.as_slice().iter().map(|byte| format!("{byte:02x}")).collect();
    let output = Command::new("ovs-ofctl").args(["ofp-print", &hex]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    said.lines().next().unwrap_or_default().to_string()
}
