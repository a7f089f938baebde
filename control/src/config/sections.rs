//! The tables of a configuration, one function each.

use super::section::{At, Faults, Section, number};
use super::{CORES_MAX, Mode, Port, Tunnel, UPLINKS_MAX, Uplink, Worker};
use crate::text::suggest::did_you_mean;
use crate::text::{OFPORT_MAX, is_word};
use datapath::flow::OfPort;
use datapath::tunnel::spec::{TTL_DEFAULT, VXLAN_PORT};
use datapath::tunnel::{Key, Kind, Remote, TunnelSpec};
use std::net::IpAddr;
use std::ops::Range;
use toml::de::DeValue;

/// The longest name of a device: the kernel's IFNAMSIZ without the terminating zero (`include/uapi/linux/if.h`).
const NAME_BYTES_MAX: usize = 15;
/// How many endpoints an uplink may have.
const ENDPOINTS_MAX: usize = 256;
/// The largest number of a core.
const CORE_MAX: u64 = 4095;
/// The largest network identifier (RFC 7348 section 5).
const VNI_MAX: u64 = 0xff_ffff;

const MODES: &str = "auto, native, generic or packet";
/// Types of tunnels that Open vSwitch has and this version does not.
const TYPES_NOT_YET: &[&str] = &[
    "gre",
    "ip6gre",
    "nvgre",
    "geneve",
    "erspan",
    "ip6erspan",
    "gtpu",
    "bareudp",
    "srv6",
    "stt",
    "lisp",
    "ipsec",
];
/// Options of tunnels that Open vSwitch has and this version does not.
const OPTIONS_NOT_YET: &[&str] = &[
    "csum",
    "df_default",
    "egress_pkt_mark",
    "exts",
    "in_key",
    "local_key",
    "out_key",
    "packet_type",
    "psk",
    "remote_cert",
    "remote_name",
    "seq",
];

/// A port or a tunnel. What must be unique on the bridge is known even when the rest is wrong.
pub(super) struct Numbered<T> {
    pub(super) name: Option<At<String>>,
    pub(super) ofport: Option<At<OfPort>>,
    /// The whole, and where what else must be unique stands.
    pub(super) item: Option<At<T>>,
}

pub(super) fn worker(mut section: Section<'_>, faults: &mut Faults<'_>) -> Worker {
    let mut cores = Vec::new();
    for core in section.array("cores", CORES_MAX, faults).unwrap_or_default() {
        let Some(number) = number("a core", core, 0..=CORE_MAX, faults) else { continue };
        if cores.contains(&(number as u16)) {
            faults.at(&core.span(), format!("core {number} is given twice: one worker a core"));
            continue;
        }
        cores.push(number as u16);
    }
    section.finish(&[], faults);
    Worker { cores }
}

pub(super) fn uplink(mut section: Section<'_>, faults: &mut Faults<'_>) -> Option<(Uplink, Range<usize>)> {
    let device = device(&mut section, faults);
    let device = section.needed("device", device, "\"eth1\"", faults);
    let mode = mode(&mut section, faults);
    let mut endpoints = Vec::new();
    let given = section.array("endpoints", ENDPOINTS_MAX, faults);
    for value in given.unwrap_or_default() {
        let Some(text) = value.get_ref().as_str() else {
            faults.at(&value.span(), "an endpoint is an IP address in a string, as in \"192.0.2.1\"");
            continue;
        };
        endpoints.extend(address("an endpoint", At { value: text, span: value.span() }, faults));
    }
    if given.is_some_and(|given| given.is_empty()) {
        faults.at(&section.span, "endpoints is empty: leave it out for every address of the device");
    }
    section.finish(&[], faults);
    let device = device?;
    let uplink = Uplink { device: device.value.into(), mode, endpoints: given.map(|_| endpoints) };
    Some((uplink, device.span))
}

/// The port of a guest, with the place of its device.
pub(super) fn port(mut section: Section<'_>, faults: &mut Faults<'_>) -> Numbered<Port> {
    let name = port_name(&mut section, "\"g1\"", faults);
    let ofport = ofport(&mut section, faults);
    let device = match section.has("device") {
        true => device(&mut section, faults)
            .map(|device| At { value: device.value.to_string(), span: device.span }),
        false => name.clone(),
    };
    let mode = mode(&mut section, faults);
    section.finish(&["type", "tag", "trunks", "vlan_mode"], faults);
    let item = || {
        let At { value: device, span } = device?;
        let value = Port { name: name.as_ref()?.value.clone(), device, ofport: ofport.as_ref()?.value, mode };
        Some(At { value, span })
    };
    let item = item();
    Numbered { name, ofport, item }
}

/// A tunnel, with the place of its name.
pub(super) fn tunnel(mut section: Section<'_>, faults: &mut Faults<'_>) -> Numbered<Tunnel> {
    let name = port_name(&mut section, "\"vx0\"", faults);
    let ofport = ofport(&mut section, faults);
    let kind = kind(&mut section, faults);
    let ends = ends(&mut section, faults);
    let key = key(&mut section, faults);
    let dst_port = section.number("dst_port", 1..=u16::MAX.into(), faults);
    let ttl = section.number("ttl", 1..=u8::MAX.into(), faults);
    let tos = section.number("tos", 0..=u8::MAX.into(), faults);
    if let Some(tos) = tos.as_ref().filter(|tos| tos.value & 3 != 0) {
        faults.at(&tos.span, "the two lower bits of tos belong to congestion notification: leave them zero");
    }
    section.finish(OPTIONS_NOT_YET, faults);
    let item = || {
        let (remote, local) = ends?;
        let spec = TunnelSpec {
            ofport: ofport.as_ref()?.value,
            kind: kind?,
            local,
            remote,
            key: key?,
            dst_port: dst_port.map_or(VXLAN_PORT, |port| port.value as u16),
            tos: tos.map_or(0, |tos| tos.value as u8),
            ttl: ttl.map_or(TTL_DEFAULT, |ttl| ttl.value as u8),
        };
        let At { value: name, span } = name.clone()?;
        Some(At { value: Tunnel { name, spec }, span })
    };
    let item = item();
    Numbered { name, ofport, item }
}

/// The far end and the near one.
fn ends(section: &mut Section<'_>, faults: &mut Faults<'_>) -> Option<(Remote, Option<IpAddr>)> {
    let remote = section.string("remote_ip", faults);
    let remote = section.needed("remote_ip", remote, "\"192.0.2.2\" or \"flow\"", faults);
    let remote = remote.and_then(|remote| match remote.value {
        "flow" => Some(Remote::Flow),
        _ => address("remote_ip", remote, faults).map(Remote::Fixed),
    });
    if !section.has("local_ip") {
        return Some((remote?, None));
    }
    let given = section.string("local_ip", faults)?;
    if given.value == "flow" {
        faults.at(&given.span, "local_ip = \"flow\" is not supported yet");
        return None;
    }
    let local = address("local_ip", given.clone(), faults)?;
    match remote? {
        Remote::Fixed(remote) if remote.is_ipv4() != local.is_ipv4() => {
            faults.at(
                &given.span,
                format!("local_ip {local} and remote_ip {remote} are of different families"),
            );
            None
        }
        remote => Some((remote, Some(local))),
    }
}

fn kind(section: &mut Section<'_>, faults: &mut Faults<'_>) -> Option<Kind> {
    let kind = section.string("type", faults);
    let At { value, span } = section.needed("type", kind, "\"vxlan\"", faults)?;
    if value == "vxlan" {
        return Some(Kind::Vxlan);
    }
    if TYPES_NOT_YET.contains(&value) {
        faults.at(&span, format!("tunnels of type {value} are not supported yet, only vxlan"));
    } else {
        faults.at(&span, format!("{value:?} is no type of tunnel: vxlan{}", did_you_mean(value, ["vxlan"])));
    }
    None
}

/// A number, a number in a string, or "flow"; 0 when absent, as in Open vSwitch.
fn key(section: &mut Section<'_>, faults: &mut Faults<'_>) -> Option<Key> {
    let Some(value) = section.value("key") else { return Some(Key::Fixed(0)) };
    let read = match value.get_ref() {
        DeValue::Integer(number) => u64::from_str_radix(number.as_str(), number.radix()).ok(),
        DeValue::String(text) if text == "flow" => return Some(Key::Flow),
        DeValue::String(text) => match text.strip_prefix("0x") {
            Some(digits) if !digits.starts_with('+') => u64::from_str_radix(digits, 16).ok(),
            None if text.bytes().all(|byte| byte.is_ascii_digit()) => text.parse().ok(),
            _ => None,
        },
        _ => None,
    };
    match read {
        Some(key) if key <= VNI_MAX => return Some(Key::Fixed(key)),
        Some(key) => {
            faults.at(
                &value.span(),
                format!("key {key} is too large: a VXLAN network identifier has 24 bits, at most {VNI_MAX}"),
            );
        }
        None => {
            faults.at(
                &value.span(),
                format!("key is a number from 0 to {VNI_MAX}, or \"flow\" for the one in tun_id"),
            );
        }
    }
    None
}

fn ofport(section: &mut Section<'_>, faults: &mut Faults<'_>) -> Option<At<OfPort>> {
    let ofport = section.number("ofport", 1..=OFPORT_MAX.into(), faults);
    let At { value, span } = section.needed("ofport", ofport, "1", faults)?;
    Some(At { value: OfPort(value as u32), span })
}

fn mode(section: &mut Section<'_>, faults: &mut Faults<'_>) -> Mode {
    let Some(At { value, span }) = section.string("mode", faults) else { return Mode::Auto };
    let found = Mode::ALL.into_iter().find(|mode| mode.name() == value);
    found.unwrap_or_else(|| {
        let near = did_you_mean(value, Mode::ALL.map(Mode::name));
        faults.at(&span, format!("mode is {MODES}, not {value:?}{near}"));
        Mode::Auto
    })
}

fn device<'a>(section: &mut Section<'a>, faults: &mut Faults<'_>) -> Option<At<&'a str>> {
    let device = section.string("device", faults)?;
    // What the kernel accepts (`net/core/dev.c`, dev_valid_name), but for control characters.
    let fits = |c: char| c.is_ascii_graphic() && !matches!(c, '/' | ':');
    if matches!(device.value, "" | "." | "..") || !device.value.chars().all(fits) {
        faults.at(&device.span, format!("{:?} is no name of a device", device.value));
        return None;
    }
    short(device, faults)
}

/// The name of something on the bridge: it must be possible to write it in a flow.
fn port_name(section: &mut Section<'_>, example: &str, faults: &mut Faults<'_>) -> Option<At<String>> {
    let name = section.string("name", faults);
    let name = section.needed("name", name, example, faults)?;
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let message = match name.value {
        text if text.is_empty()
            || !text.starts_with(|c: char| c.is_ascii_alphanumeric())
            || !text.chars().all(fits) =>
        {
            "a name starts with a letter or digit and has only letters, digits, and _ - ."
        }
        text if text.bytes().all(|byte| byte.is_ascii_digit()) => {
            "a name of digits alone would be taken for a number"
        }
        text if is_word(text) => "the word has a meaning of its own in flows: choose another",
        _ => return short(name, faults).map(|At { value, span }| At { value: value.into(), span }),
    };
    faults.at(&name.span, format!("name {:?}: {message}", name.value));
    None
}

/// The name of the bridge.
pub(super) fn bridge_name(section: &mut Section<'_>, faults: &mut Faults<'_>) -> Option<String> {
    port_name(section, "\"br0\"", faults).map(|name| name.value)
}

fn short<'a>(name: At<&'a str>, faults: &mut Faults<'_>) -> Option<At<&'a str>> {
    if name.value.len() > NAME_BYTES_MAX {
        faults.at(
            &name.span,
            format!("{:?} is too long: a name has at most {NAME_BYTES_MAX} bytes", name.value),
        );
        return None;
    }
    Some(name)
}

/// An address that one host can have.
pub(super) fn address(what: &str, At { value, span }: At<&str>, faults: &mut Faults<'_>) -> Option<IpAddr> {
    let message = match value.parse::<IpAddr>().map(|address| address.to_canonical()) {
        Err(_) => format!("{what} is an IP address, not {value:?}"),
        Ok(address) if address.is_multicast() => format!("{what} {address}: multicast is not supported yet"),
        Ok(address) if address.is_unspecified() || address == IpAddr::from([255; 4]) => {
            format!("{what} {address} is the address of no host")
        }
        Ok(address) => return Some(address),
    };
    faults.at(&span, message);
    None
}

/// The most uplinks, for the message of who counts them.
pub(super) fn too_many_uplinks() -> String {
    format!("too many uplinks: at most {UPLINKS_MAX}")
}
