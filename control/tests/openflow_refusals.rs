//! Every error of a message that cannot be read, by name: a message with the mistake, and the error that Open vSwitch 3.1 has for it
//! (`lib/ofp-*.c`; OpenFlow 1.3.5 section 7.5.4).

use bytes::Bytes;
use control::openflow::Version::{self, V10, V13, V14, V15};
use control::openflow::wire::Writer;
use control::openflow::{Code, NICIRA, ONF, decode, decode_knowing};
use datapath::tunnel::{Mapping, OptionMap};

/// A message of this type with this body, given in hexadecimal digits.
fn message(version: Version, kind: u8, body: &str) -> Bytes {
    let digits: Vec<u8> = body.bytes().filter(|digit| !digit.is_ascii_whitespace()).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    let mut writer = Writer::new();
    writer.u8(version as u8).u8(kind).u16(0).u32(7);
    writer.bytes(&digits.chunks(2).map(byte).collect::<Vec<u8>>());
    writer.put_len(2, 0);
    writer.into_bytes().into()
}

#[track_caller]
fn refused(version: Version, kind: u8, body: &str, code: Code) {
    assert_eq!(decode(version, &message(version, kind, body)), Err((7, code)), "{version:?}");
}

#[track_caller]
fn taken(version: Version, kind: u8, body: &str) {
    let message = message(version, kind, body);
    assert!(decode(version, &message).is_ok(), "{version:?}: {:?}", decode(version, &message));
}

/// A message of an experimenter.
fn experimenter(who: u32, number: u32, body: &str) -> String {
    format!("{who:08x}{number:08x}{body}")
}

/// A match of OpenFlow 1.3 that every frame fits.
const ANY: &str = "0001 0004 00000000";
/// What is in front of the match of a flow-mod of 1.3: an add to table 0.
const ADD: &str =
    "0000000000000000 0000000000000000 00 00 0000 0000 8000 ffffffff ffffffff ffffffff 0000 0000";

#[test]
fn another_version_than_was_agreed_on() {
    assert_eq!(decode(V13, &message(V14, 5, "")), Err((7, Code::BadVersion)));
    // These come before one is agreed on.
    for kind in [0, 2, 3] {
        assert!(decode(V13, &message(V10, kind, "")).is_ok());
    }
}

#[test]
fn a_type_that_the_version_does_not_have() {
    refused(V10, 22, "", Code::BadType);
    refused(V13, 30, "", Code::BadType);
    refused(V14, 22, "ffffffff 00000000", Code::BadType);
    refused(V15, 35, "", Code::BadType);
    refused(V13, 0xff, "", Code::BadType);
}

#[test]
fn a_length_that_the_type_cannot_have() {
    refused(V13, 5, "00", Code::BadLen);
    refused(V10, 18, "00000000", Code::BadLen);
    refused(V13, 9, "0000", Code::BadLen);
    refused(V13, 24, "00000001 00000000 00000000", Code::BadLen);
    refused(V13, 1, "0001", Code::BadLen);
    refused(V13, 4, "00002320", Code::BadLen);
    refused(V13, 18, "0000 0000", Code::BadLen);
    refused(V13, 18, "0000 0000 00000000 00", Code::BadLen);
    // What the header says is another length.
    let mut long = message(V13, 5, "").to_vec();
    long[3] = 9;
    assert_eq!(decode(V13, &long.into()), Err((7, Code::BadLen)));
    assert_eq!(decode(V13, &Bytes::from_static(&[4, 5, 0, 8])), Err((0, Code::BadLen)));
}

#[test]
fn a_multipart_type_that_the_version_does_not_have() {
    refused(V10, 16, "0006 0000", Code::BadMultipart);
    refused(V13, 18, "000e 0000 00000000", Code::BadMultipart);
    refused(V14, 18, "0011 0000 00000000", Code::BadMultipart);
    refused(V13, 18, "ffff 0000 00000000 00000001 00000001", Code::BadExperimenter);
    refused(V13, 18, &format!("ffff 0000 00000000 {NICIRA:08x} 00000002"), Code::BadExperimenterType);
    refused(V10, 16, &format!("ffff 0000 {ONF:08x} 0000074e 00000000"), Code::BadExperimenter);
    refused(V10, 16, &format!("ffff 0000 {NICIRA:08x} 00000003 00000000"), Code::NxNotConfigured);
}

#[test]
fn an_experimenter_that_nobody_knows() {
    refused(V13, 4, &experimenter(1, 1, ""), Code::BadExperimenter);
    refused(V13, 4, &experimenter(NICIRA, 999, ""), Code::BadExperimenterType);
    // Bundles are an extension of 1.3 alone.
    refused(V10, 4, &experimenter(ONF, 2300, "0000000000000000"), Code::BadExperimenterType);
    refused(V14, 4, &experimenter(ONF, 2300, "0000000000000000"), Code::BadExperimenterType);
    refused(V13, 4, &experimenter(NICIRA, 12, "00000000"), Code::BadExperimenterType);
    refused(V13, 4, &experimenter(NICIRA, 28, ""), Code::NxResumeNotSupported);
    refused(V13, 4, &experimenter(NICIRA, 16, "00000003"), Code::Eperm);
    refused(V13, 4, &experimenter(NICIRA, 20, "000000000100 0001"), Code::NxMustBeZero);
}

#[test]
fn flow_mods() {
    taken(V13, 14, &format!("{ADD}{ANY}"));
    let with = |from: &str, to: &str| format!("{}{ANY}", ADD.replacen(from, to, 1));
    refused(V13, 14, &with("00 00 0000", "ff 00 0000"), Code::FlowModBadTableId);
    refused(V13, 14, &with("00 00 0000", "ff 01 0000"), Code::FlowModBadTableId);
    taken(V13, 14, &with("00 00 0000", "ff 03 0000"));
    refused(V13, 14, &with("00 00 0000", "00 05 0000"), Code::BadCommand);
    refused(V13, 14, &with("ffffffff 0000 0000", "ffffffff 0020 0000"), Code::BadFlags);
    refused(V13, 14, &with("ffffffff ffffffff ffffffff", "ffffffff 00010000 ffffffff"), Code::BadOutPort);
    refused(V13, 14, &format!("{ADD}0000 0004 00000000"), Code::BadMatchType);
    refused(V13, 14, &format!("{ADD}0001 0003 00000000"), Code::BadMatchLen);
    refused(V13, 14, &format!("{ADD}{ANY} 0063 0008 00000000"), Code::UnknownInst);
    refused(V13, 14, ADD, Code::BadMatchLen);
}

#[test]
fn flow_mods_of_1_0() {
    let any = "003fffff".to_string() + &"00".repeat(36);
    let add = |command: &str, timeouts: &str, flags: &str| {
        format!("{any} 0000000000000000 {command} {timeouts} 8000 ffffffff ffff {flags}")
    };
    taken(V10, 14, &add("0000", "0000 0000", "0003"));
    refused(V10, 14, &add("0005", "0000 0000", "0000"), Code::BadCommand);
    refused(V10, 14, &add("0000", "0000 0000", "0008"), Code::BadFlags);
    // There is no emergency table.
    refused(V10, 14, &add("0000", "0000 0000", "0004"), Code::TableFull);
    refused(V10, 14, &add("0000", "0001 0000", "0004"), Code::BadEmergTimeout);
    // An add that looks for a cookie.
    let cookie = "00013d10 0000000000000001 ffffffffffffffff 00000000";
    let nicira =
        format!("0000000000000000 0000 0000 0000 8000 ffffffff ffff 0000 0014 000000000000 {cookie}");
    refused(V10, 4, &experimenter(NICIRA, 13, &nicira), Code::NxNxmInvalid);
}

#[test]
fn groups() {
    let bucket = |weight: &str, port: &str| format!("0010 {weight} {port} ffffffff 00000000");
    let plain = bucket("0000", "ffffffff");
    let add =
        |command: &str, kind: &str, id: &str, buckets: &str| format!("{command} {kind} 00 {id} {buckets}");
    taken(V13, 15, &add("0000", "00", "00000001", &plain));
    refused(V13, 15, &add("0000", "04", "00000001", &plain), Code::GroupBadType);
    refused(V13, 15, &add("0003", "00", "00000001", &plain), Code::GroupBadCommand);
    refused(V13, 15, &add("0004", "00", "00000001", &plain), Code::GroupBadCommand);
    refused(V13, 15, &add("0000", "02", "00000001", ""), Code::InvalidGroup);
    refused(V13, 15, &add("0000", "00", "ffffff01", &plain), Code::InvalidGroup);
    refused(V13, 15, &add("0000", "00", "00000001", &bucket("0001", "ffffffff")), Code::InvalidGroup);
    refused(V13, 15, &add("0000", "00", "00000001", &bucket("0000", "00000001")), Code::WatchUnsupported);
    refused(V13, 15, &add("0000", "03", "00000001", &plain), Code::InvalidGroup);
    refused(V13, 15, &add("0000", "03", "00000001", &bucket("0000", "00010000")), Code::BadWatch);
    refused(V13, 15, &add("0000", "00", "00000001", "0008 0000 ffffffff"), Code::BadBucket);
    refused(V13, 15, &add("0000", "00", "00000001", &plain.replacen("0010", "0018", 1)), Code::BadBucket);
    let numbered =
        |len: &str, at: &str, buckets: &str| format!("0000 00 00 00000001 {len} 0000 {at} {buckets}");
    let one = "0008 0000 00000000";
    taken(V15, 15, &numbered("0008", "ffffffff", one));
    refused(V15, 15, &numbered("0008", "00000001", one), Code::BadBucket);
    refused(V15, 15, &numbered("0010", "ffffffff", &format!("{one}{one}")), Code::BadBucket);
    refused(V15, 15, &numbered("0008", "ffffffff", "0008 0000 ffffff01"), Code::BadBucket);
    let unknown = format!("{one} ffff 000c 0000154d 00000002 00000000");
    refused(V15, 15, &numbered("0008", "ffffffff", &unknown), Code::BadPropertyExperimenterType);
    selections(&|property| numbered("0008", "ffffffff", &format!("{one}{property}")));
    let inserted = numbered("0008", "fffffffe", &format!("{one} {}", method("0028", HASH, "")));
    refused(V15, 15, &inserted.replacen("0000 00", "0003 01", 1), Code::BadPropertyValue);
}

/// `hash` and `dp_hash` with zeros up to 16 bytes.
const HASH: &str = "68617368 00000000 00000000 00000000";
const DP_HASH: &str = "64705f68 61736800 00000000 00000000";

/// How a group selects: a property of that length.
fn method(len: &str, name: &str, fields: &str) -> String {
    format!("ffff {len} 0000154d 00000001 00000000 {name} 0000000000000007 {fields}")
}

/// As `lib/ofp-group.c` of Open vSwitch has it, in a group with this property.
fn selections(with: &dyn Fn(&str) -> String) {
    let select = |property: &str| with(property).replacen("0000 00", "0000 01", 1);
    refused(V15, 15, &with(&method("0028", HASH, "")), Code::BadPropertyValue);
    taken(V15, 15, &select(&method("0028", HASH, "")));
    taken(V15, 15, &select(&method("0028", DP_HASH, "")));
    taken(V15, 15, &select(&method("0028", HASH, "").replacen("154d", "1540", 1)));
    taken(V15, 15, &select(&method("0030", HASH, "80001604 ffff0000")));
    refused(V15, 15, &select(&method("0030", DP_HASH, "80001604 ffff0000")), Code::BadPropertyValue);
    refused(
        V15,
        15,
        &select(&method("0028", &HASH.replace("68617368", "68617369"), "")),
        Code::BadPropertyValue,
    );
    refused(V15, 15, &select(&method("0028", &"61".repeat(16), "")), Code::BadPropertyValue);
    refused(
        V15,
        15,
        &select("ffff 0020 0000154d 00000001 00000000 68617368 00000000 00000000 00000000"),
        Code::BadPropertyLen,
    );
    let twice = "80001604 ffff0000 80001604 ffff0000";
    refused(V15, 15, &select(&method("0038", HASH, twice)), Code::DupField);
    refused(V15, 15, &select(&method("0034", HASH, "80001708 ffff0000 ffff0000 00000000")), Code::BadMask);
    refused(V15, 15, &select(&method("0030", HASH, "8000fe04 ffff0000")), Code::BadField);
    refused(V15, 15, &select(&method("002d", HASH, "80001401 0f 000000")), Code::BadMask);
    // A Geneve option, by whatever it is called: `tun_metadata0` is 40 in class 1.
    let option = select(&method("0030", HASH, "00015004 ffffffff"));
    refused(V15, 15, &option, Code::BadField);
    let mut map = OptionMap::default();
    map.add(Mapping { class: 0x102, kind: 1, len: 4, index: 0 }).expect("room");
    assert_eq!(decode_knowing(V15, &map, &message(V15, 15, &option)), Err((7, Code::BadField)));
    // Nicira's message for 1.0 has the same.
    let nicira = experimenter(NICIRA, 31, &select(&method("0030", HASH, "00001e04 0a000000")));
    refused(V10, 4, &nicira, Code::BadField);
    taken(V10, 4, &experimenter(NICIRA, 31, &select(&method("0030", HASH, "00000e04 0a000000"))));
}

#[test]
fn meters() {
    let band = "0001 0010 00000001 00000000 00000000";
    taken(V13, 29, &format!("0000 0001 00000001 {band}"));
    refused(V13, 29, &format!("0003 0001 00000001 {band}"), Code::MeterBadCommand);
    refused(V13, 29, &format!("0000 0003 00000001 {band}"), Code::MeterBadFlags);
    refused(V13, 29, &format!("0000 0011 00000001 {band}"), Code::MeterBadFlags);
    refused(V13, 29, "0000 0001 00000001 0005 0010 00000001 00000000 00000000", Code::BadBand);
    refused(V13, 29, "0000 0001 00000001 0001 000c 00000001 00000000", Code::BadLen);
    refused(V13, 29, "0000 0001 00000001 0001 0010 00000001", Code::BadLen);
    // What a meter to delete does is not looked at.
    taken(V13, 29, "0002 0003 00000001");
}

#[test]
fn ports_and_tables() {
    let mac = "020000000001";
    taken(V13, 16, &format!("00000001 00000000 {mac} 0000 00000001 00000001 00000000 00000000"));
    let unknown = format!("00000001 00000000 {mac} 0000 00000000 00000010 00000000 00000000");
    refused(V13, 16, &unknown, Code::BadConfig);
    let nowhere = format!("00010000 00000000 {mac} 0000 00000001 00000001 00000000 00000000");
    refused(V13, 16, &nowhere, Code::BadPortNumber);
    taken(V10, 15, &format!("0001 {mac} 00000010 00000010 00000000 00000000"));
    let property = format!("00000001 00000000 {mac} 0000 00000000 00000000 0001 0008 00000000");
    refused(V14, 16, &property, Code::BadPropertyType);
    taken(V13, 17, "ff 000000 00000003");
    refused(V13, 17, "00 000000 00000004", Code::TableModBadConfig);
    taken(V14, 17, "00 000000 00000004");
    refused(V14, 17, "00 000000 00000010", Code::TableModBadConfig);
    refused(V14, 17, "00 000000 00000004 0002 0008 00000004", Code::TableModBadConfig);
    refused(V14, 17, "00 000000 00000008 0003 0008 50 40 00 00", Code::BadPropertyValue);
    refused(V14, 17, "00 000000 00000000 0009 0008 00000000", Code::BadType);
    refused(V14, 17, "00 000000 00000000 0002 0007 00000000", Code::BadPropertyLen);
    refused(V13, 9, "0004 ffff", Code::SwitchBadFlags);
    taken(V10, 9, "0004 ffff");
    refused(V10, 9, "0008 ffff", Code::SwitchBadFlags);
}

#[test]
fn features_of_tables() {
    let header = |len: &str, table: &str| {
        format!("000c 0000 00000000 {len} {table} 00 00000000 {} {}", "00".repeat(32), "00".repeat(24))
    };
    refused(V13, 18, &header("0040", "ff"), Code::TableFeaturesBadTable);
    refused(V13, 18, &header("003f", "00"), Code::BadPropertyLen);
    refused(V13, 18, &header("0048", "00"), Code::BadPropertyLen);
    // Properties are missing.
    refused(V13, 18, &header("0040", "00"), Code::BadPropertyValue);
    taken(V15, 18, &header("0040", "00"));
    refused(V13, 18, &format!("{} 0009 0008 00000000", header("0048", "00")), Code::BadPropertyType);
    let twice = format!("{} 0000 0004 00000000 0000 0004 00000000", header("0050", "00"));
    refused(V13, 18, &twice, Code::BadPropertyValue);
    let other = header("0040", "00").replacen("0040 00 00", "0040 00 01", 1);
    refused(V15, 18, &other, Code::TableFeaturesBadCommand);
}

#[test]
fn roles_and_asynchronous_messages() {
    refused(V13, 24, "00000004 00000000 0000000000000000", Code::BadRole);
    refused(V10, 4, &experimenter(NICIRA, 10, "00000003"), Code::BadRole);
    refused(V14, 28, "0001 0008 00000040", Code::AsyncInvalid);
    refused(V14, 28, "0011 0008 00000001", Code::AsyncUnsupported);
    refused(V14, 28, "0001 0007 00000001", Code::BadPropertyLen);
    refused(V14, 28, "ffff 000c 00002320 00000001 00000000", Code::BadPropertyExperimenterType);
    refused(V14, 28, "fffe 000c 00000000 00000001 00000000", Code::BadPropertyExperimenter);
}

#[test]
fn frames_to_send() {
    taken(V13, 13, "ffffffff fffffffd 0000 000000000000 0102");
    refused(V13, 13, "ffffffff 00010000 0000 000000000000", Code::BadPort);
    refused(V13, 13, "ffffffff 00000001 0008 000000000000", Code::BadLen);
    refused(
        V13,
        13,
        "ffffffff 00000001 0010 000000000000 00630010 0000000000000000 00000000",
        Code::BadActionType,
    );
    refused(V15, 13, &format!("ffffffff 0000 0000 {ANY}"), Code::BadPort);
    taken(V15, 13, "ffffffff 0000 0000 0001 000c 80000004 00000001 00000000");
}

#[test]
fn bundles() {
    let barrier = |xid: &str| format!("05 14 0008 {xid}");
    let change = "05 0f 0018 00000007 0002 00 00 00000001 ffffffff 00000000";
    let add = |inner: &str| format!("00000001 0000 0001 {inner}");
    refused(V14, 34, &add(&barrier("00000007")), Code::BundleMsgUnsup);
    refused(V14, 34, &add(&barrier("00000008")), Code::BundleMsgBadXid);
    refused(V14, 34, &add("04 0f 0010 00000007"), Code::BundleBadVersion);
    refused(V14, 34, &add("05 0f 0007 00000007"), Code::BundleMsgBadLen);
    refused(V14, 34, &add("05 0f 0010 00000007"), Code::BundleMsgBadLen);
    refused(V14, 34, &add("05 0f 00"), Code::BundleMsgBadLen);
    // What is wrong inside is told as it is.
    refused(V14, 34, &add(change), Code::BadBucket);
    taken(V14, 34, &add("05 0f 0010 00000007 0002 00 00 00000001"));
    refused(V14, 34, &add("05 22 0010 00000007 00000001 0000 0001"), Code::BundleMsgUnsup);
}

#[test]
fn news_of_flows() {
    let wanted = |flags: &str, command: &str| {
        format!("0010 0000 00000000 00000001 ffffffff ffffffff {flags} ff {command} {ANY}")
    };
    taken(V14, 18, &wanted("000f", "00"));
    refused(V14, 18, &wanted("0001", "00"), Code::MonitorBadFlags);
    refused(V14, 18, &wanted("0102", "00"), Code::MonitorBadFlags);
    refused(V14, 18, &wanted("000f", "01"), Code::MonitorBadCommand);
    let nicira = |flags: &str, zeros: &str| {
        format!("ffff 0000 {NICIRA:08x} 00000002 00000000 00000001 {flags} ffff 0000 ff {zeros}")
    };
    taken(V10, 16, &nicira("0002", "0000000000"));
    refused(V10, 16, &nicira("0010", "0000000000"), Code::MonitorBadFlags);
    refused(V10, 16, &nicira("0002", "0000000001"), Code::NxMustBeZero);
    let update = |event: &str| format!("0010 0000 00000000 0008 {event} 00000001");
    taken(V14, 19, &update("0004"));
    refused(V14, 19, &update("0009"), Code::NxBadEvent);
    // Found by fuzzing: one more than the greatest number.
    let nicira = format!("ffff 0000 {NICIRA:08x} 00000002 00000000 0008 ffff 00000001");
    refused(V10, 17, &nicira, Code::NxBadEvent);
}

#[test]
fn the_map_of_options() {
    refused(V13, 4, &experimenter(NICIRA, 24, "0003 000000000000"), Code::NxTlvBadCommand);
    refused(V13, 4, &experimenter(NICIRA, 24, "0000 000000000000 ffff"), Code::BadLen);
}

/// What is not done is refused by its own error: frames are not sampled and connections not tracked (`NXAST_SAMPLE`, `SAMPLE2`, `SAMPLE3`, `CT`, `NAT` and `CT_CLEAR` of
/// `lib/ofp-actions.c` of Open vSwitch).
#[test]
fn samples_and_connections() {
    for number in [29u16, 38, 41, 35, 36, 43] {
        let action = format!("ffff 0020 {NICIRA:08x} {number:04x} {}", "00".repeat(22));
        let flow = format!("{ADD} {ANY} 0004 0028 00000000 {action}");
        refused(V13, 14, &flow, Code::BadActionExperimenterType);
    }
}
