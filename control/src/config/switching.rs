//! What a port or a tunnel says about VLANs, tenants and flooding: the words of the Port table in ovs-vswitchd.conf.db(5), and
//! `tenant`. And `[[mac]]`: addresses that need not be learned.

use super::section::{At, Faults, Section, number};
use super::sections;
use crate::text::read_mac;
use crate::text::suggest::did_you_mean;
use datapath::action::report::Station;
use datapath::pipeline::{Domain, PortSetup, PriorityTags, StormSpec, VlanMode};
use std::net::IpAddr;
use std::ops::{Range, RangeInclusive};

/// The largest VLAN.
const VLAN_MAX: u64 = 4095;
/// What may be flooded in a second.
const STORM: RangeInclusive<u64> = 1..=u32::MAX as u64;

const MODES: [(&str, VlanMode); 5] = [
    ("trunk", VlanMode::Trunk),
    ("access", VlanMode::Access),
    ("native-tagged", VlanMode::NativeTagged),
    ("native-untagged", VlanMode::NativeUntagged),
    ("dot1q-tunnel", VlanMode::Dot1qTunnel),
];
const PRIORITY_TAGS: [(&str, PriorityTags); 3] = [
    ("never", PriorityTags::Never),
    ("if-nonzero", PriorityTags::IfNonzero),
    ("always", PriorityTags::Always),
];
const SERVICE_TPIDS: [(&str, u16); 2] = [("802.1ad", 0x88a8), ("802.1q", 0x8100)];

/// What a section says; the tenant is none when it does not name one.
pub(super) fn setup(section: &mut Section<'_>, faults: &mut Faults<'_>) -> (PortSetup, Option<u64>) {
    let tag = section.number("tag", 0..=VLAN_MAX, faults);
    let mode = choice("vlan_mode", &MODES, section, faults);
    let mode = mode.unwrap_or(if section.has("tag") { VlanMode::Access } else { VlanMode::Trunk });
    let trunks = vlans("trunks", section, faults);
    let cvlans = vlans("cvlans", section, faults);
    let tpid = choice("qinq_ethtype", &SERVICE_TPIDS, section, faults);
    for (key, fits) in [
        ("trunks", !matches!(mode, VlanMode::Access | VlanMode::Dot1qTunnel)),
        ("cvlans", mode == VlanMode::Dot1qTunnel),
        ("qinq_ethtype", mode == VlanMode::Dot1qTunnel),
        ("tag", mode != VlanMode::Trunk),
    ] {
        if !fits && section.has(key) {
            let name = MODES.iter().find(|(_, known)| *known == mode).map_or("", |(name, _)| name);
            faults.at(&section.span, format!("{key} means nothing where vlan_mode is {name}: leave it out"));
        }
    }
    let tenant = section.number("tenant", 1..=i64::MAX as u64, faults).map(|tenant| tenant.value);
    let default = PortSetup::default();
    let setup = PortSetup {
        domain: tenant.map_or(default.domain, Domain::Tenant),
        mode,
        tag: tag.map_or(0, |tag| tag.value as u16),
        trunks,
        cvlans,
        service_tpid: tpid.unwrap_or(default.service_tpid),
        priority_tags: choice("priority_tags", &PRIORITY_TAGS, section, faults).unwrap_or_default(),
        storm: StormSpec {
            pps: section.number("storm_pps", STORM, faults).map(|pps| pps.value as u32),
            kbps: section.number("storm_kbps", STORM, faults).map(|kbps| kbps.value as u32),
        },
        no_flood: section.flag("no_flood", faults).is_some_and(|flag| flag.value),
        protected: section.flag("protected", faults).is_some_and(|flag| flag.value),
    };
    (setup, tenant)
}

/// One of some words.
fn choice<T: Copy>(
    key: &'static str,
    words: &[(&'static str, T)],
    section: &mut Section<'_>,
    faults: &mut Faults<'_>,
) -> Option<T> {
    let At { value, span } = section.string(key, faults)?;
    let found = words.iter().find(|(word, _)| *word == value).map(|(_, meaning)| *meaning);
    if found.is_none() {
        let all = words.iter().map(|(word, _)| *word);
        let near = did_you_mean(value, all.clone());
        faults.at(
            &span,
            format!("{key} is one of {}, not {value:?}{near}", all.collect::<Vec<_>>().join(", ")),
        );
    }
    found
}

/// VLANs, in order; none when the key is not there.
fn vlans(key: &'static str, section: &mut Section<'_>, faults: &mut Faults<'_>) -> Vec<u16> {
    let Some(given) = section.array(key, VLAN_MAX as usize + 1, faults) else { return Vec::new() };
    if given.is_empty() {
        faults.at(&section.span, format!("{key} is empty: leave it out for all VLANs"));
    }
    let vlans = given.iter().filter_map(|value| number("a VLAN", value, 0..=VLAN_MAX, faults));
    let mut vlans: Vec<u16> = vlans.map(|vlan| vlan as u16).collect();
    vlans.sort_unstable();
    vlans.dedup();
    vlans
}

/// An address that need not be learned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaticMac {
    /// Which.
    pub station: Station,
    /// The name of the port that it is behind.
    pub port: String,
    /// For a tunnel that leaves its remote end to the flow: that end.
    pub remote: Option<IpAddr>,
}

/// With the place of the port's name.
pub(super) fn mac(mut section: Section<'_>, faults: &mut Faults<'_>) -> Option<(StaticMac, Range<usize>)> {
    let address = section.string("address", faults);
    let address = section.needed("address", address, "\"02:00:00:00:00:01\"", faults);
    let mac = address.and_then(|At { value, span }| match read_mac(value) {
        Ok(mac) if mac >> 40 & 1 == 0 => Some(mac),
        Ok(_) => {
            faults.at(&span, format!("{value} is the address of a group, not of a station"));
            None
        }
        Err(message) => {
            faults.at(&span, message);
            None
        }
    });
    let port = section.string("port", faults);
    let port = section.needed("port", port, "\"g1\"", faults);
    let remote = section.string("remote_ip", faults);
    let remote = remote.and_then(|remote| sections::address("remote_ip", remote, faults));
    let vlan = section.number("vlan", 0..=VLAN_MAX, faults).map_or(0, |vlan| vlan.value as u16);
    let tenant = section.number("tenant", 0..=i64::MAX as u64, faults).map_or(0, |tenant| tenant.value);
    section.finish(&[], faults);
    let port = port?;
    let station = Station { tenant, vlan, mac: mac? };
    Some((StaticMac { station, port: port.value.into(), remote }, port.span))
}
