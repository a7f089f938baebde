//! `[[tunnel]]`: a port of the bridge that leads into a tunnel, in the vocabulary of ovs-vsctl (ovs-vswitchd.conf.db(5),
//! "Tunnel Options"). An option that the kind of tunnel does not have is refused.

use super::Tunnel;
use super::flood;
use super::section::{At, Faults, Section, number};
use super::sections::{Numbered, address, ofport, port_name};
use super::switching::setup;
use crate::text::suggest::did_you_mean;
use datapath::tunnel::{Counter, Fragmenting, Key, Kind, Mss, Outer, Remote, TunnelSpec};
use std::net::IpAddr;
use std::ops::RangeInclusive;
use toml::de::DeValue;

/// Types of tunnels that Open vSwitch has and this version does not.
const TYPES_NOT_YET: &[&str] =
    &["ip6gre", "erspan", "ip6erspan", "gtpu", "bareudp", "srv6", "stt", "lisp", "ipsec"];
/// Options of tunnels that Open vSwitch has and this version does not.
const OPTIONS_NOT_YET: &[&str] = &[
    "egress_pkt_mark",
    "in_key",
    "local_key",
    "out_key",
    "packet_type",
    "psk",
    "remote_cert",
    "remote_name",
];

/// A tunnel, with the place of its name. `identification` counts for all tunnels.
pub(super) fn tunnel(
    mut section: Section<'_>,
    identification: &Counter,
    faults: &mut Faults<'_>,
) -> Numbered<Tunnel> {
    let name = port_name(&mut section, "\"vx0\"", faults);
    let ofport = ofport(&mut section, faults);
    let kind = kind(&mut section, faults);
    let ends = ends(&mut section, faults);
    let key = key(kind, &mut section, faults);
    let options = Options::read(kind, &mut section, faults);
    let (setup, tenant) = setup(&mut section, faults);
    if let (Some(Key::Flow), Some(_)) = (&key, tenant) {
        faults.at(&section.span, "key = \"flow\" carries the frames of every tenant: leave tenant out");
    }
    let flood = flood::flood(&mut section, faults);
    if let (Some(flood), Some((remote, _)), Some(key)) = (&flood, &ends, &key) {
        flood::fits(flood, *remote, key, faults);
    }
    section.finish(OPTIONS_NOT_YET, faults);
    let item = || {
        let (remote, local) = ends?;
        let spec = TunnelSpec::new(ofport.as_ref()?.value, kind?, remote, key?);
        let spec = TunnelSpec { local, identification: identification.clone(), ..spec };
        let At { value: name, span } = name.clone()?;
        let flood = flood.map_or(Vec::new(), |flood| flood.value);
        Some(At {
            value: Tunnel { name, spec: options.applied(spec), setup, tenant, flood, keys: Vec::new() },
            span,
        })
    };
    let item = item();
    Numbered { name, ofport, item }
}

/// What has a default.
struct Options {
    dst_port: Option<u16>,
    tos: Option<Outer>,
    ttl: Option<Outer>,
    checksum: Option<bool>,
    zero_checksum_rx: bool,
    dont_fragment: bool,
    sequence: bool,
    in_order: bool,
    group_policy: bool,
    strict: bool,
    control: bool,
    fragmenting: Fragmenting,
    mss: Option<Mss>,
}

impl Options {
    fn read(kind: Option<Kind>, section: &mut Section<'_>, faults: &mut Faults<'_>) -> Options {
        const UDP: &[Kind] = &[Kind::Vxlan, Kind::Geneve];
        let tos = outer("tos", 0..=u8::MAX.into(), section, faults);
        if let Some(At { span, .. }) =
            tos.as_ref().filter(|tos| matches!(tos.value, Outer::Fixed(tos) if tos & 3 != 0))
        {
            faults.at(span, "the two lower bits of tos belong to congestion notification: leave them zero");
        }
        let mss = mss(section, faults);
        let mut of = Of { kind, section, faults };
        Options {
            dst_port: of.number("dst_port", 1..=u16::MAX.into(), UDP).map(|port| port as u16),
            checksum: of.flag("csum", &[Kind::Vxlan, Kind::Geneve, Kind::Gre]),
            zero_checksum_rx: of.flag("udp6_zero_csum_rx", UDP).unwrap_or(false),
            sequence: of.flag("seq", &[Kind::Gre]).unwrap_or(false),
            in_order: of.flag("iseq", &[Kind::Gre]).unwrap_or(false),
            group_policy: of.word("exts", &["gbp"], &[Kind::Vxlan]).is_some(),
            control: of.word("oam", &["drop", "flow"], &[Kind::Geneve]) == Some("flow"),
            strict: of.word("peers", &["any", "strict"], &Kind::ALL) == Some("strict"),
            dont_fragment: of.flag("df_default", &Kind::ALL).unwrap_or(true),
            fragmenting: match of.word("fragment", &["inner", "drop"], &Kind::ALL) {
                Some("drop") => Fragmenting::Drop,
                _ => Fragmenting::Inner,
            },
            mss,
            tos: tos.map(|tos| tos.value),
            ttl: outer("ttl", 1..=u8::MAX.into(), of.section, of.faults).map(|ttl| ttl.value),
        }
    }

    fn applied(self, spec: TunnelSpec) -> TunnelSpec {
        TunnelSpec {
            dst_port: self.dst_port.unwrap_or(spec.dst_port),
            tos: self.tos.unwrap_or(spec.tos),
            ttl: self.ttl.unwrap_or(spec.ttl),
            checksum: self.checksum,
            zero_checksum_rx: self.zero_checksum_rx,
            dont_fragment: self.dont_fragment,
            sequence: self.sequence.then(Counter::default),
            in_order: self.in_order,
            group_policy: self.group_policy,
            strict: self.strict,
            control: self.control,
            fragmenting: self.fragmenting,
            mss: self.mss,
            ..spec
        }
    }
}

/// Options that some kinds of tunnels have.
struct Of<'s, 'a, 'f, 't> {
    kind: Option<Kind>,
    section: &'s mut Section<'a>,
    faults: &'f mut Faults<'t>,
}

impl Of<'_, '_, '_, '_> {
    /// Notes a fault when the option is there and the kind of tunnel does not have it.
    fn belongs(&mut self, key: &'static str, kinds: &[Kind]) {
        if let (Some(kind), Some(value)) = (self.kind, self.section.value(key))
            && !kinds.contains(&kind)
        {
            let names: Vec<_> = kinds.iter().map(|kind| kind.name()).collect();
            self.faults.at(
                &value.span(),
                format!("{key} is an option of {}, and this tunnel is of type {kind}", names.join(", ")),
            );
        }
    }

    fn flag(&mut self, key: &'static str, kinds: &[Kind]) -> Option<bool> {
        self.belongs(key, kinds);
        self.section.flag(key, self.faults).map(|flag| flag.value)
    }

    fn number(&mut self, key: &'static str, range: RangeInclusive<u64>, kinds: &[Kind]) -> Option<u64> {
        self.belongs(key, kinds);
        self.section.number(key, range, self.faults).map(|number| number.value)
    }

    fn word(&mut self, key: &'static str, words: &[&'static str], kinds: &[Kind]) -> Option<&'static str> {
        self.belongs(key, kinds);
        let At { value, span } = self.section.string(key, self.faults)?;
        let found = words.iter().find(|word| **word == value).copied();
        if found.is_none() {
            let near = did_you_mean(value, words.iter().copied());
            self.faults.at(&span, format!("{key} is {}, not {value:?}{near}", words.join(" or ")));
        }
        found
    }
}

/// A number, or "inherit".
fn outer(
    key: &'static str,
    range: RangeInclusive<u64>,
    section: &mut Section<'_>,
    faults: &mut Faults<'_>,
) -> Option<At<Outer>> {
    let value = section.value(key)?;
    let span = value.span();
    match value.get_ref() {
        DeValue::String(text) if text == "inherit" => Some(At { value: Outer::Inherit, span }),
        DeValue::String(_) => {
            faults.at(
                &span,
                format!("{key} is a number from {} to {}, or \"inherit\"", range.start(), range.end()),
            );
            None
        }
        _ => number(key, value, range, faults).map(|number| At { value: Outer::Fixed(number as u8), span }),
    }
}

/// A number, or "clamp".
fn mss(section: &mut Section<'_>, faults: &mut Faults<'_>) -> Option<Mss> {
    // What a receiver of IPv4 takes that says nothing (RFC 9293 section 3.7.1), and no less; the most that the option can say.
    const RANGE: RangeInclusive<u64> = 536..=65_535;
    let value = section.value("mss")?;
    match value.get_ref() {
        DeValue::String(text) if text == "clamp" => Some(Mss::Fit),
        DeValue::Integer(_) => number("mss", value, RANGE, faults).map(|mss| Mss::Fixed(mss as u16)),
        _ => {
            faults.at(
                &value.span(),
                format!("mss is \"clamp\", or a number from {} to {}", RANGE.start(), RANGE.end()),
            );
            None
        }
    }
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
    if let Some(kind) = Kind::ALL.into_iter().find(|kind| kind.name() == value) {
        return Some(kind);
    }
    let names = Kind::ALL.map(Kind::name);
    if value == "ip6gre" {
        faults.at(&span, "type \"ip6gre\" is not supported: \"gre\" with an IPv6 remote_ip is the same");
    } else if TYPES_NOT_YET.contains(&value) {
        faults.at(&span, format!("tunnels of type {value} are not supported yet, only {}", names.join(", ")));
    } else {
        let near = did_you_mean(value, names);
        faults.at(&span, format!("{value:?} is no type of tunnel: {}{near}", names.join(", ")));
    }
    None
}

/// A number, a number in a string, or "flow"; none when absent, which NVGRE does not allow.
fn key(kind: Option<Kind>, section: &mut Section<'_>, faults: &mut Faults<'_>) -> Option<Key> {
    let Some(value) = section.value("key") else {
        if kind != Some(Kind::Nvgre) {
            return Some(Key::Absent);
        }
        // RFC 7637 section 3.2: the key must be there.
        return section.needed("key", None, "5001 or \"flow\": NVGRE always carries one", faults);
    };
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
    let max = kind.unwrap_or(Kind::Gre).key_max();
    match read {
        Some(key) if key <= max => return Some(Key::Fixed(key)),
        Some(key) => {
            let bits = max.count_ones();
            let kind = kind.map_or("a tunnel", Kind::name);
            faults.at(
                &value.span(),
                format!("key {key} is too large: that of {kind} has {bits} bits, at most {max}"),
            );
        }
        None => {
            faults.at(
                &value.span(),
                format!("key is a number from 0 to {max}, or \"flow\" for the one in tun_id"),
            );
        }
    }
    None
}
