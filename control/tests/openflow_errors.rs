//! The errors of actions, instructions and matches: ours are those of `ovs-ofctl parse-actions`, `parse-instructions` and `parse-oxm`.

use control::openflow::Code::{self, *};
use control::openflow::wire::{Reader, Writer};
use control::openflow::{Version, actions, instructions, matching};
use datapath::pipeline::Match;
use std::io::Write as _;
use std::process::{Command, Stdio};

/// What ovs-ofctl says of bytes in hexadecimal digits.
fn theirs(command: &str, version: Version, digits: &str) -> String {
    let version = match version {
        Version::V10 => "OpenFlow10",
        Version::V13 => "OpenFlow13",
        Version::V14 => "OpenFlow14",
        Version::V15 => "OpenFlow15",
    };
    let mut child = Command::new("ovs-ofctl")
        .args(["--strict", command, version])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    writeln!(child.stdin.take().unwrap(), "{digits}").unwrap();
    String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap().trim().to_string()
}

fn installed() -> bool {
    let there = Command::new("ovs-ofctl").arg("--version").output().is_ok();
    assert!(there || std::env::var_os("ADIT_TESTS_NO_SKIP").is_none(), "needs ovs-ofctl");
    if !there {
        println!("skipped: needs ovs-ofctl");
    }
    there
}

fn bytes(digits: &str) -> Vec<u8> {
    let digits: Vec<char> = digits.chars().filter(|digit| !digit.is_whitespace()).collect();
    let pairs = digits.chunks(2).map(|pair| pair.iter().collect::<String>());
    pairs.map(|pair| u8::from_str_radix(&pair, 16).unwrap()).collect()
}

/// The name that Open vSwitch has for an error.
fn name(code: Code) -> &'static str {
    match code {
        BadLen => "OFPBRC_BAD_LEN",
        BadActionType => "OFPBAC_BAD_TYPE",
        BadActionLen => "OFPBAC_BAD_LEN",
        BadActionExperimenter => "OFPBAC_BAD_VENDOR",
        BadActionExperimenterType => "OFPBAC_BAD_VENDOR_TYPE",
        BadOutPort => "OFPBAC_BAD_OUT_PORT",
        BadArgument => "OFPBAC_BAD_ARGUMENT",
        BadSetType => "OFPBAC_BAD_SET_TYPE",
        BadSetLen => "OFPBAC_BAD_SET_LEN",
        BadSetArgument => "OFPBAC_BAD_SET_ARGUMENT",
        BadSetMask => "OFPBAC_BAD_SET_MASK",
        UnsupInst => "OFPBIC_UNSUP_INST",
        UnknownInst => "OFPBIC_UNKNOWN_INST",
        DupInst => "OFPBIC_DUP_INST",
        BadInstLen => "OFPBIC_BAD_LEN",
        BadInstExperimenter => "OFPBIC_BAD_EXPERIMENTER",
        BadMatchLen => "OFPBMC_BAD_LEN",
        BadMatchType => "OFPBMC_BAD_TYPE",
        BadWildcards => "OFPBMC_BAD_WILDCARDS",
        BadPropertyLen => "OFPBPC_BAD_LEN",
        NxMustBeZero => "NXBRC_MUST_BE_ZERO",
        NxActionMustBeZero => "NXBAC_MUST_BE_ZERO",
        NxBadConjunction => "NXBAC_BAD_CONJUNCTION",
        BadField => "OFPBMC_BAD_FIELD",
        BadValue => "OFPBMC_BAD_VALUE",
        BadMask => "OFPBMC_BAD_MASK",
        BadPrereq => "OFPBMC_BAD_PREREQ",
        DupField => "OFPBMC_DUP_FIELD",
        other => panic!("{other:?} has no name here"),
    }
}

const V10: Version = Version::V10;
const V13: Version = Version::V13;
const V15: Version = Version::V15;

/// Lists of actions that both refuse, and why.
const ACTIONS: &[(Version, &str, Code)] = &[
    (V10, "0000 0008 0001", BadLen),
    (V10, "0000 00f0 0000 0000", BadActionLen),
    (V10, "0000 0000 0000 0000", BadActionLen),
    (V10, "0000 0010 fffe ffff 0000 0000 0000 0000", BadActionLen),
    (V13, "0000 0008 0000 0001", BadActionLen),
    (V13, "0012 0009 0000 0000", BadActionLen),
    (V13, "0012 0010 0000 0000 0000 0000 0000 0000", BadActionLen),
    (V10, "000c 0008 0000 0000", BadActionType),
    (V13, "0063 0008 0000 0000", BadActionType),
    (V13, "001c 0018 0010 0000 0000 0000 0001 0004 0001 0204 0000 0000", BadActionType),
    (V13, "ffff 0010 0000 1234 0001 0000 0000 0000", BadActionExperimenter),
    (V13, "ffff 0010 0000 2320 00c8 0000 0000 0000", BadActionExperimenterType),
    (V13, "ffff 0008 0000 2320", BadActionLen),
    (V13, "ffff 0010 4f4e 4600 0001 0000 0000 0000", BadActionExperimenterType),
    // Ports.
    (V10, "0000 0008 ffff 0000", BadOutPort),
    (V10, "0000 0008 ff00 0000", BadOutPort),
    (V13, "0000 0010 ffff ffff 0000 0000 0000 0000", BadOutPort),
    (V13, "0000 0010 0000 ff00 0000 0000 0000 0000", BadOutPort),
    (V13, "0000 0010 0001 0001 0000 0000 0000 0000", BadOutPort),
    (V10, "000b 0010 fffb 0000 0000 0000 0000 0005", BadOutPort),
    // Values that do not fit.
    (V10, "0001 0008 1000 0000", BadArgument),
    (V10, "0002 0008 0800 0000", BadArgument),
    (V10, "0008 0008 0100 0000", BadArgument),
    (V13, "0011 0008 0800 0000", BadArgument),
    (V13, "0013 0008 0800 0000", BadArgument),
    // Set-Field: no such field, another length, a mask, a field that is not set, a value, bytes behind it.
    (V13, "0019 0010 8000 1601 0a00 0000 0000 0000", BadSetLen),
    (V13, "0019 0018 8000 070c 0000 0000 1234 0000 0000 ffff 0000 0000", BadSetMask),
    (V13, "0019 0010 8000 0004 0000 0001 0000 0000", BadSetArgument),
    (V13, "0019 0010 8000 0c02 0005 0000 0000 0000", BadSetArgument),
    (V13, "0019 0010 8000 1001 4000 0000 0000 0000", BadSetArgument),
    (V13, "0019 0010 8000 1001 3f00 0000 0000 0001", BadSetArgument),
    (V15, "0019 0018 8000 0d04 0005 0fff 0000 0000 0000 0000 0000 0000", BadSetArgument),
    (V13, "0019 0010 8000 1610 0a00 0000 0000 0000", BadSetLen),
    (V13, "0019 0008 8000 1604", BadMatchLen),
    // Nicira's: multipath, bundle, check_pkt_larger.
    (V13, "ffff 0020 0000 2320 000a 0007 0032 0000 0000 0000 0000 0000 0000 001f 0001 0004", BadArgument),
    (V13, "ffff 0020 0000 2320 000a 0000 0032 0000 0004 0000 0000 0000 0000 001f 0001 0004", BadArgument),
    (V13, "ffff 0020 0000 2320 000a 0000 0032 0000 0000 0010 0000 0000 0000 0003 0001 0004", BadArgument),
    (
        V13,
        "ffff 0028 0000 2320 000c 0002 0000 0000 0000 0002 0002 0000 0000 0000 0000 0000 0004 0008 0000 0000",
        BadArgument,
    ),
    (
        V13,
        "ffff 0028 0000 2320 000c 0001 0000 0000 0001 0004 0002 0000 0000 0000 0000 0000 0004 0008 0000 0000",
        BadArgument,
    ),
    (
        V13,
        "ffff 0028 0000 2320 000c 0001 0000 0000 0000 0002 0002 001f 0001 0004 0000 0000 0004 0008 0000 0000",
        BadArgument,
    ),
    (
        V13,
        "ffff 0028 0000 2320 000c 0001 0000 0000 0000 0002 0005 0000 0000 0000 0000 0000 0004 0008 0000 0000",
        BadActionLen,
    ),
    (V13, "ffff 0018 0000 2320 0031 05dc 0020 0001 0004 0000 0000 0000", BadSetLen),
    // learn: padding, table, flags, kinds of parts, cut off, fields, what follows the last part, the result.
    (V13, "ffff 0020 0000 2320 0010 0000 0000 8000 0000 0000 0000 0000 0000 0101 0000 0000", BadArgument),
    (V13, "ffff 0020 0000 2320 0010 0000 0000 8000 0000 0000 0000 0000 0000 ff00 0000 0000", BadArgument),
    (V13, "ffff 0020 0000 2320 0010 0000 0000 8000 0000 0000 0000 0000 0004 0100 0000 0000", BadArgument),
    (
        V13,
        "ffff 0028 0000 2320 0010 0000 0000 8000 0000 0000 0000 0000 0000 0100 0000 0000 1810 0000 0002 0000",
        BadArgument,
    ),
    (
        V13,
        "ffff 0028 0000 2320 0010 0000 0000 8000 0000 0000 0000 0000 0000 0100 0000 0000 3010 0063 0000 0000",
        BadArgument,
    ),
    (
        V13,
        "ffff 0028 0000 2320 0010 0000 0000 8000 0000 0000 0000 0000 0000 0100 0000 0000 2010 0063 0000 0000",
        BadActionLen,
    ),
    (
        V13,
        "ffff 0030 0000 2320 0010 0000 0000 8000 0000 0000 0000 0000 0000 0100 0000 0000 0030 0000 7f06 0000 0000 0206 0000 0000",
        BadSetType,
    ),
    (
        V13,
        "ffff 0028 0000 2320 0010 0000 0000 8000 0000 0000 0000 0000 0000 0100 0000 0000 0000 0001 0000 0000",
        BadArgument,
    ),
    (
        V13,
        "ffff 0030 0000 2320 0010 0000 0000 8000 0000 0000 0000 0000 0000 0100 0000 0000 0030 ffff 0406 0000 0000 0206 0000 0000",
        BadSetType,
    ),
    (
        V13,
        "ffff 0030 0000 2320 0010 0000 0000 8000 0000 0000 0000 0000 0000 0100 0000 0000 0030 0000 0405 0000 0000 0206 0000 0000",
        BadSetType,
    ),
    (
        V13,
        "ffff 0028 0000 2320 002d 0000 0000 8000 0000 0000 0000 0000 0000 0100 0000 0000 0000 0000 0001 0000",
        BadArgument,
    ),
    (
        V13,
        "ffff 0028 0000 2320 002d 0000 0000 8000 0000 0000 0000 0000 0000 0100 0000 0000 0000 0000 0000 0001",
        NxActionMustBeZero,
    ),
    (
        V13,
        "ffff 0030 0000 2320 002d 0000 0000 8000 0000 0000 0000 0000 0004 0100 0000 0000 0000 0000 0000 0000 0001 4a04 0000 0000",
        BadSetArgument,
    ),
    (
        V13,
        "ffff 0028 0000 2320 002d 0000 0000 8000 0000 0000 0000 0000 0008 0100 0000 0000 0000 0000 0000 0000",
        BadArgument,
    ),
    // Nicira's: load, move, output, stack.
    (V13, "ffff 0018 0000 2320 0007 001f 0001 fe04 0000 0000 0000 0005", BadSetType),
    (V13, "ffff 0018 0000 2320 0007 07df 0001 0004 0000 0000 0000 0005", BadSetLen),
    (V13, "ffff 0018 0000 2320 0007 0003 0001 0004 0000 0000 0000 0010", BadArgument),
    (V13, "ffff 0018 0000 2320 0007 0001 0001 3401 0000 0000 0000 0001", BadSetArgument),
    (V13, "ffff 0018 0000 2320 0006 0000 0000 0000 0001 0004 0001 0204", BadSetLen),
    (V13, "ffff 0018 0000 2320 0006 0021 0000 0000 0001 0004 0001 0204", BadSetLen),
    (V13, "ffff 0020 0000 2320 0006 0001 0000 0000 0001 0004 0001 0204 0000 0000 0000 0001", NxMustBeZero),
    (V13, "ffff 0018 0000 2320 000f 0145 0001 0204 ffff 0000 0000 0001", BadArgument),
    (V13, "ffff 0018 0000 2320 001b 0000 0001 0004 0020 0001 0000 0000", NxMustBeZero),
    (V13, "ffff 0010 0000 2320 000e 000a 0500 0001", BadArgument),
    (V13, "ffff 0018 0000 2320 0015 0005 0000 0000 8000 3039 005a 02fd", BadActionLen),
    (V13, "ffff 0018 0000 2320 0015 0001 0000 0001 8000 0000 0000 0000", NxMustBeZero),
    (V13, "ffff 0010 0000 2320 0022 0101 0000 0007", NxBadConjunction),
    (V13, "ffff 0010 0000 2320 0022 0202 0000 0007", NxBadConjunction),
    (V13, "ffff 0010 0000 2320 0022 0041 0000 0007", NxBadConjunction),
    (V13, "ffff 0018 0000 2320 0025 0000 0001 0000 0000 0006 1234 0000", NxMustBeZero),
    (V13, "ffff 0018 0000 2320 0025 0000 0000 0000 0000 0009 1234 0000", BadPropertyLen),
    (V13, "ffff 0018 0000 2320 0025 0000 0000 0000 0000 0003 1234 0000", BadPropertyLen),
    (V10, "ffff 0020 0000 2320 0016 0000 0000 0000 0000 0000 0000 0005 ffff ffff ffff ffff", UnsupInst),
    (V13, "ffff 0018 0000 2320 002a 0000 0000 0000 0063 0008 0000 0000", BadActionType),
];

#[test]
fn actions_are_refused_with_the_errors_of_ovs_ofctl() {
    if !installed() {
        return;
    }
    let mut wrong = Vec::new();
    for (version, digits, code) in ACTIONS {
        let bytes = bytes(digits);
        let ours = actions::decode_packet_out(*version, &mut Reader::new(&bytes, BadLen));
        let said = theirs("parse-actions", *version, digits);
        if ours != Err(*code) || !said.ends_with(&format!(": {}", name(*code))) {
            wrong.push(format!("{version:?} {digits} is no {code:?}: {ours:?}, {said}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A field that nobody knows. Open vSwitch 3.1 says that its length is wrong, if it is that of no field in the same place of a hash table.
#[test]
fn a_field_that_is_not_known_cannot_be_set() {
    let bytes = bytes("0019 0010 8000 7804 0000 0001 0000 0000");
    let ours = actions::decode_packet_out(V13, &mut Reader::new(&bytes, BadLen));
    assert_eq!(ours, Err(BadSetType));
}

/// Actions that Open vSwitch can do and we refuse, as if we did not know them.
#[test]
fn what_cannot_be_done_is_not_known() {
    for digits in [
        "ffff 0018 0000 2320 001d 3039 0000 5ba0 0000 8707 0000 b26e",
        "ffff 0018 0000 2320 0023 0000 0000 0000 0000 ff00 0000 0000",
        "ffff 0010 0000 2320 0024 0000 0000 0000",
        "ffff 0010 0000 2320 002b 0000 0000 0000",
        "ffff 0010 0000 2320 002c 000a 0500 0000",
        "ffff 0010 0000 2320 002e 0000 0001 894f",
        "ffff 0010 0000 2320 002f 0000 0000 0000",
    ] {
        let bytes = bytes(digits);
        let ours = actions::decode_packet_out(V13, &mut Reader::new(&bytes, BadLen));
        assert_eq!(ours, Err(BadActionExperimenterType), "{digits}");
    }
    // To hold a frame until the controller goes on with it.
    let pause = bytes("ffff 0018 0000 2320 0025 0000 0000 0000 0004 0004 0000 0000");
    let ours = actions::decode_packet_out(V13, &mut Reader::new(&pause, BadLen));
    assert_eq!(ours, Err(BadPropertyType));
}

/// Instructions that both refuse, and why.
const INSTRUCTIONS: &[(Version, &str, Code)] = &[
    (V13, "0004 0009 0100 0000 00", BadInstLen),
    (V13, "0001 0010 0100 0000 0000 0000 0000 0000", BadInstLen),
    (V13, "0001 0000 0100 0000", BadInstLen),
    (V13, "0001 0018 0100 0000", BadInstLen),
    (V13, "0002 0010 0000 0000 0000 0000 0000 0005", BadInstLen),
    (V13, "0007 0008 0000 0000", UnknownInst),
    (V13, "0000 0008 0000 0000", UnknownInst),
    (V15, "0006 0008 0000 0001", UnknownInst),
    (V13, "ffff 0008 0000 2320", BadInstExperimenter),
    (V13, "0005 0008 0000 0000 0005 0008 0000 0000", DupInst),
    (V13, "0004 0010 0000 0000 0063 0008 0000 0000", BadActionType),
    (V13, "0003 0018 0000 0000 ffff 0010 0000 2320 0011 0000 0000 0000", BadActionType),
];

#[test]
fn instructions_are_refused_with_the_errors_of_ovs_ofctl() {
    if !installed() {
        return;
    }
    for (version, digits, code) in INSTRUCTIONS {
        let bytes = bytes(digits);
        let ours = instructions::decode(*version, &mut Reader::new(&bytes, BadLen), &Match::any());
        assert_eq!(ours, Err(*code), "{version:?} {digits}");
        let said = theirs("parse-instructions", *version, digits);
        assert!(said.ends_with(&format!(": {}", name(*code))), "{version:?} {digits}: {said}, not {code:?}");
    }
}

/// Matches as ovs-ofctl writes them, as they are on the wire, and why both refuse them.
const MATCHES: &[(&str, &str, Code)] = &[
    ("OXM_OF_VLAN_VID(1009) OXM_OF_VLAN_VID(1009)", "80000c02 1009 80000c02 1009", DupField),
    ("OXM_OF_VLAN_VID(f009)", "80000c02 f009", BadValue),
    ("OXM_OF_VLAN_PCP(00)", "80000e01 00", BadPrereq),
    ("OXM_OF_ETH_TYPE(0800) OXM_OF_IP_DSCP(40)", "80000a02 0800 80001001 40", BadValue),
    ("OXM_OF_ETH_TYPE(0800) OXM_OF_IP_ECN(04)", "80000a02 0800 80001201 04", BadValue),
    ("OXM_OF_IPV4_SRC(0a000001)", "80001604 0a000001", BadPrereq),
    (
        "OXM_OF_ETH_TYPE(0800) OXM_OF_IP_PROTO(11) OXM_OF_TCP_SRC(0050)",
        "80000a02 0800 80001401 11 80001a02 0050",
        BadPrereq,
    ),
    ("OXM_OF_ETH_TYPE(8847) OXM_OF_MPLS_LABEL(00100000)", "80000a02 8847 80004404 00100000", BadValue),
    (
        "OXM_OF_METADATA_W(1234567890abcdef/ffff0000ffff0000)",
        "80000510 1234567890abcdef ffff0000ffff0000",
        BadWildcards,
    ),
    ("OXM_OF_ETH_TYPE(0806) OXM_OF_ARP_OP(0100)", "80000a02 0806 80002a02 0100", BadValue),
    ("OXM_OF_IN_PORT(fffffeff)", "80000004 fffffeff", BadValue),
    (
        "OXM_OF_PKT_REG0(0000000000000005) NXM_NX_REG1(00000005)",
        "80010008 0000000000000005 00010204 00000005",
        DupField,
    ),
    ("01020304(1111/3333)", "01020304 1111 3333", BadField),
];

#[test]
fn matches_are_refused_with_the_errors_of_ovs_ofctl() {
    if !installed() {
        return;
    }
    for (words, digits, code) in MATCHES {
        let fields = bytes(digits);
        let mut wire = Writer::new();
        wire.u16(1).u16(fields.len() as u16 + 4).bytes(&fields).pad(0, 8);
        let ours = matching::decode_oxm(&mut Reader::new(wire.as_slice(), BadLen));
        assert_eq!(ours, Err(*code), "{words}");
        assert_eq!(matching::decode_nxm(&mut Reader::new(&fields, BadLen)), Err(*code), "{words}");
        let said = theirs("parse-oxm", V15, words);
        assert!(said.ends_with(&format!("returned error {}", name(*code))), "{words}: {said}, not {code:?}");
    }
}

/// A match that is cut off, at whatever place, or says that it is of another kind.
#[test]
fn a_match_that_is_cut_off_is_too_short() {
    let whole = bytes("0001 0012 8000 0004 0000 0001 8000 0a02 0800 0000 0000 0000");
    let read = |bytes: &[u8]| matching::decode_oxm(&mut Reader::new(bytes, BadLen));
    assert!(read(&whole).is_ok());
    for len in 0..whole.len() {
        assert_eq!(read(&whole[..len]), Err(BadMatchLen), "{len}");
    }
    assert_eq!(read(&bytes("0000 0004 0000 0000")), Err(BadMatchType));
    assert_eq!(read(&bytes("0001 0003 0000 0000")), Err(BadMatchLen));
    assert_eq!(read(&bytes("0001 0008 ffff 0204 0000 0000 0000 0000")), Err(BadMatchLen));
}

/// The metadata of which the mask leaves bits out: they are not written.
#[test]
fn metadata_is_written_under_its_mask() {
    let wire = bytes("0002 0018 0000 0000 0000 0000 0000 00ff 0000 0000 0000 000f");
    let flow = instructions::decode(V13, &mut Reader::new(&wire, BadLen), &Match::any()).unwrap();
    assert_eq!(flow.metadata, Some((0xf, 0xf)));
}
