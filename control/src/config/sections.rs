//! The tables of a configuration, one function each; that of tunnels is in `tunnels`.

use super::section::{At, Faults, Section, number};
use super::switching::setup;
use super::{CORES_MAX, Learning, Mode, Port, UPLINKS_MAX, Uplink, Worker, queues};
use crate::text::suggest::did_you_mean;
use crate::text::{OFPORT_MAX, is_word};
use datapath::flow::OfPort;
use datapath::worker::PuntRate;
use std::net::IpAddr;
use std::ops::Range;

/// The longest name of a device: the kernel's IFNAMSIZ without the terminating zero (`include/uapi/linux/if.h`).
pub(super) const NAME_BYTES_MAX: usize = 15;
/// How many endpoints an uplink may have.
const ENDPOINTS_MAX: usize = 256;
/// The largest number of a core.
const CORE_MAX: u64 = 4095;

const MODES: &str = "auto, native, generic or packet";
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
    let (setup, _) = setup(&mut section, faults);
    let queues = queues::queues(&mut section, faults);
    section.finish(&["type"], faults);
    let item = || {
        let At { value: device, span } = device?;
        let value = Port {
            name: name.as_ref()?.value.clone(),
            device,
            ofport: ofport.as_ref()?.value,
            mode,
            setup,
            queues,
        };
        Some(At { value, span })
    };
    let item = item();
    Numbered { name, ofport, item }
}

pub(super) fn ofport(section: &mut Section<'_>, faults: &mut Faults<'_>) -> Option<At<OfPort>> {
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
pub(super) fn port_name(
    section: &mut Section<'_>,
    example: &str,
    faults: &mut Faults<'_>,
) -> Option<At<String>> {
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

/// What NORMAL remembers: the first two within the limits of ovs-vswitchd.conf.db(5).
pub(super) fn learning(section: &mut Section<'_>, faults: &mut Faults<'_>) -> Learning {
    let default = Learning::default();
    let aging = section.number("mac_aging_time", 15..=3600, faults);
    let entries = section.number("mac_table_size", 10..=1_000_000, faults);
    let rate = section.number("mac_learning_rate", 10..=1_000_000, faults);
    Learning {
        per_second: rate.map_or(default.per_second, |rate| rate.value as u32),
        aging_s: aging.map_or(default.aging_s, |aging| aging.value as u32),
        entries: entries.map_or(default.entries, |entries| entries.value as usize),
    }
}

/// How many frames a worker tells the controller: within the limits of the Controller table in ovs-vswitchd.conf.db(5), and as
/// there a quarter of the rate at once.
pub(super) fn controller(section: &mut Section<'_>, faults: &mut Faults<'_>) -> PuntRate {
    let rate = section.number("controller_rate_limit", 100..=1_000_000, faults);
    let burst = section.number("controller_burst_limit", 25..=1_000_000, faults);
    let tenant_rate = section.number("controller_tenant_rate_limit", 1..=1_000_000, faults);
    let tenant_burst = section.number("controller_tenant_burst_limit", 1..=1_000_000, faults);
    let per_second = rate.map_or(PuntRate::default().per_second, |rate| rate.value as u32);
    let of_all = PuntRate::of(per_second);
    let burst = burst.map_or(of_all.burst, |burst| burst.value as u32);
    let tenant_per_second = tenant_rate.map_or(of_all.tenant_per_second, |rate| rate.value as u32);
    let tenant_burst = tenant_burst.map_or((burst / 4).max(1), |burst| burst.value as u32);
    PuntRate { per_second, burst, tenant_per_second, tenant_burst }
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
