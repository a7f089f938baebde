//! Matches in the words of `ovs-ofctl parse-oxm`: `OXM_OF_IN_PORT(00000012), OXM_OF_ETH_TYPE(0800)`, one a line, and what it says of each.

use super::{Verdict, name, refusal, text, unhex};
use control::openflow::wire::{Reader, Writer};
use control::openflow::{Code, Version, matching};
use serde_json::Value;

/// The fields of OFPXMC_OPENFLOW_BASIC by their numbers (OpenFlow 1.3.5 section 7.2.3.7).
const BASIC: [&str; 40] = [
    "IN_PORT",
    "IN_PHY_PORT",
    "METADATA",
    "ETH_DST",
    "ETH_SRC",
    "ETH_TYPE",
    "VLAN_VID",
    "VLAN_PCP",
    "IP_DSCP",
    "IP_ECN",
    "IP_PROTO",
    "IPV4_SRC",
    "IPV4_DST",
    "TCP_SRC",
    "TCP_DST",
    "UDP_SRC",
    "UDP_DST",
    "SCTP_SRC",
    "SCTP_DST",
    "ICMPV4_TYPE",
    "ICMPV4_CODE",
    "ARP_OP",
    "ARP_SPA",
    "ARP_TPA",
    "ARP_SHA",
    "ARP_THA",
    "IPV6_SRC",
    "IPV6_DST",
    "IPV6_FLABEL",
    "ICMPV6_TYPE",
    "ICMPV6_CODE",
    "IPV6_ND_TARGET",
    "IPV6_ND_SLL",
    "IPV6_ND_TLL",
    "MPLS_LABEL",
    "MPLS_TC",
    "MPLS_BOS",
    "PBB_ISID",
    "TUNNEL_ID",
    "IPV6_EXTHDR",
];

/// `OFPXMT_OFB_PACKET_TYPE` (OpenFlow 1.5.1 section 7.2.3.10). Open vSwitch tells it of a match that says nothing else; here all packets are frames.
const PACKET_TYPE: u8 = 44;

/// Class and number of a field, and what comes in front of its value.
fn header(field: &str) -> Option<(u16, u8, &'static [u8])> {
    if let Some(rest) = field.strip_prefix("OXM_OF_PKT_REG") {
        return Some((0x8001, rest.parse().ok()?, &[]));
    }
    if let Some(rest) = field.strip_prefix("NXM_NX_REG") {
        return Some((1, rest.parse().ok()?, &[]));
    }
    match field {
        // OpenFlow 1.5 has taken it in; ONF had it before.
        "OXM_OF_PACKET_TYPE" => Some((0x8000, PACKET_TYPE, &[])),
        "OXM_OF_ACTSET_OUTPUT" => Some((0x8000, 43, &[])),
        "OXM_OF_TCP_FLAGS" => Some((0x8000, 42, &[])),
        "ONFOXM_ET_ACTSET_OUTPUT" => Some((0xffff, 43, &[0x4f, 0x4e, 0x46, 0])),
        "ONFOXM_ET_TCP_FLAGS" => Some((0xffff, 42, &[0x4f, 0x4e, 0x46, 0])),
        "NXOXM_ET_ERSPAN_IDX" => Some((0xffff, 11, &[0, 0, 0x23, 0x20])),
        "NXOXM_ET_ERSPAN_VER" => Some((0xffff, 12, &[0, 0, 0x23, 0x20])),
        "NXOXM_ET_ERSPAN_DIR" => Some((0xffff, 13, &[0, 0, 0x23, 0x20])),
        "NXOXM_ET_ERSPAN_HWID" => Some((0xffff, 14, &[0, 0, 0x23, 0x20])),
        _ => {
            let number = BASIC.iter().position(|basic| field.strip_prefix("OXM_OF_") == Some(basic))?;
            Some((0x8000, number as u8, &[]))
        }
    }
}

/// The fields of a line, each with its header; none where a field has no name here.
fn fields(line: &str) -> Option<Vec<Vec<u8>>> {
    let line = line.split('#').next().unwrap_or_default();
    let mut fields = Vec::new();
    for field in line.split(')').map(|field| field.trim_matches([' ', ','])).filter(|field| !field.is_empty())
    {
        let (named, says) = field.split_once('(')?;
        let says: Vec<_> = says.split('/').map(unhex).collect();
        // Whose name nobody knows is written as its header.
        if named.bytes().all(|letter| letter.is_ascii_hexdigit()) {
            fields.push([unhex(named), says.concat()].concat());
            continue;
        }
        let masked = named.strip_suffix("_W");
        let (class, number, experimenter) = header(masked.unwrap_or(named))?;
        let says = [experimenter.to_vec(), says.concat()].concat();
        let head = [&class.to_be_bytes()[..], &[number << 1 | masked.is_some() as u8, says.len() as u8]];
        fields.push([head.concat(), says].concat());
    }
    Some(fields)
}

/// What becomes of each line of a vector.
pub(super) fn verdicts(vector: &Value) -> Vec<(String, Verdict)> {
    let id = text(vector, "id");
    let version = match text(vector, "command").split("parse-oxm ").nth(1).map(|rest| &rest[..10]) {
        // Matches are the same in 1.2 and 1.3.
        Some("OpenFlow12" | "OpenFlow13") => Version::V13,
        Some("OpenFlow15") => Version::V15,
        _ => return Vec::new(),
    };
    // With -m the bytes of each are shown, too: "00000000  00 01 ...".
    let is_bytes = |line: &&str| line.split_once("  ").is_some_and(|(at, _)| at.len() == 8);
    let expected = text(vector, "expected_text").lines().filter(|line| !is_bytes(line));
    let lines = (1..).zip(text(vector, "input").lines().zip(expected));
    lines
        .filter(|(_, (line, _))| !line.is_empty() && !line.starts_with(['#', '<']))
        .map(|(number, (line, expected))| {
            let what = fields(line).map_or_else(
                || Verdict::Other("a field without a name here".to_owned()),
                |given| verdict(version, line, &given, expected),
            );
            (format!("{id} line {number}"), what)
        })
        .collect()
}

fn verdict(version: Version, line: &str, given: &[Vec<u8>], expected: &str) -> Verdict {
    let mut writer = Writer::new();
    let list = given.concat();
    writer.u16(1).u16(list.len() as u16 + 4).bytes(&list).pad(0, 8);
    let bytes = writer.into_bytes();
    let read = matching::decode_oxm(&mut Reader::new(&bytes, Code::BadLen));
    match (read, refusal(expected)) {
        (Err(code), Some(error)) if name(version, code) == error => Verdict::Same,
        (Err(code), _) => Verdict::Other(format!("refused with {}: {expected}", name(version, code))),
        (Ok(_), Some(error)) => Verdict::Other(format!("taken, where Open vSwitch says {error}")),
        (Ok(matching), None) => {
            let mut writer = Writer::new();
            matching::encode_oxm(&matching, &mut writer, version);
            let ours = fields_of(&writer.into_bytes());
            let theirs = match expected {
                "<any>" => Some(Vec::new()),
                _ => fields(expected),
            };
            let Some(mut theirs) = theirs else {
                return Verdict::Other(format!("{line}: a field without a name here in {expected}"));
            };
            theirs.retain(|field| field[..3] != [0x80, 0, PACKET_TYPE << 1]);
            theirs.sort();
            if ours == theirs {
                Verdict::Same
            } else {
                Verdict::Other(format!("{ours:02x?} instead of {expected}"))
            }
        }
    }
}

/// The fields of a match on the wire, in order.
fn fields_of(bytes: &[u8]) -> Vec<Vec<u8>> {
    let len = usize::from(u16::from_be_bytes([bytes[2], bytes[3]]));
    let (mut rest, mut fields) = (&bytes[4..len], Vec::new());
    while let [_, _, _, more, ..] = rest {
        let (field, after) = rest.split_at(4 + usize::from(*more));
        fields.push(field.to_vec());
        rest = after;
    }
    fields.sort();
    fields
}
