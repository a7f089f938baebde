//! `flood` of a `[[tunnel]]` with `remote_ip = "flow"`: who is at the other ends, so that NORMAL and FLOOD know where to send what is for all.

use super::section::{At, Faults, Section, number};
use super::sections::address;
use datapath::pipeline::FarEnd;
use datapath::tunnel::{Key, Remote};
use std::collections::BTreeSet;
use std::net::IpAddr;
use toml::Spanned;
use toml::de::DeValue;

/// How many far ends a tunnel may list. A frame for all of them is that many steps.
pub const FAR_ENDS_MAX: usize = 256;
/// How many tenants may be named for one of them.
const TENANTS_MAX: usize = 4096;

/// For a tenant, or for all.
type Listed = Vec<(Option<u64>, FarEnd)>;

/// Far ends, each with the tenant that it is for; None: for all that have no list of their own.
pub(super) fn flood(section: &mut Section<'_>, faults: &mut Faults<'_>) -> Option<At<Listed>> {
    let span = section.value("flood")?.span();
    let mut far = Vec::new();
    let mut seen = BTreeSet::new();
    for value in section.array("flood", FAR_ENDS_MAX, faults)? {
        let Some((remote, tenants)) = far_end(value, faults) else { continue };
        let tenants = if tenants.is_empty() { vec![None] } else { tenants.into_iter().map(Some).collect() };
        for tenant in tenants {
            if !seen.insert((tenant, remote)) {
                let whom = tenant.map_or(String::new(), |tenant| format!(" for tenant {tenant}"));
                faults.at(&value.span(), format!("{remote} is listed twice{whom}"));
                continue;
            }
            far.push((tenant, FarEnd { remote, key: None }));
        }
    }
    Some(At { value: far, span })
}

/// An address, or a table of one and tenants.
fn far_end(value: &Spanned<DeValue<'_>>, faults: &mut Faults<'_>) -> Option<(IpAddr, Vec<u64>)> {
    match value.get_ref() {
        DeValue::String(text) => {
            Some((address("a far end", At { value: text, span: value.span() }, faults)?, Vec::new()))
        }
        DeValue::Table(table) => {
            let mut end = Section::new("a far end", table, value.span());
            let remote = end.string("remote_ip", faults);
            let remote = end.needed("remote_ip", remote, "\"192.0.2.2\"", faults);
            let remote = remote.and_then(|remote| address("remote_ip", remote, faults));
            let given = end.array("tenants", TENANTS_MAX, faults);
            let given = end.needed("tenants", given, "[5001]: without, write the address alone", faults);
            end.finish(&[], faults);
            let tenant = |value| number("a tenant", value, 1..=i64::MAX as u64, faults);
            let given = given?;
            let tenants: Vec<u64> = given.iter().filter_map(tenant).collect();
            if given.is_empty() {
                faults.at(
                    &value.span(),
                    "tenants is empty: leave the far end out, or write the address alone for all",
                );
            }
            Some((remote?, tenants)).filter(|(_, tenants)| !tenants.is_empty())
        }
        _ => {
            faults.at(
                &value.span(),
                "a far end is an address, as in \"192.0.2.2\", or a table, as in { remote_ip = \"192.0.2.2\", tenants = [5001] }",
            );
            None
        }
    }
}

/// What must hold between it and the rest of the tunnel.
pub(super) fn fits(flood: &At<Listed>, remote: Remote, key: &Key, faults: &mut Faults<'_>) {
    if remote != Remote::Flow {
        faults.at(
            &flood.span,
            "flood says who is at the other ends of a tunnel with remote_ip = \"flow\": this one has one end",
        );
    }
    if *key != Key::Flow && flood.value.iter().any(|(tenant, _)| tenant.is_some()) {
        faults.at(&flood.span, "this tunnel has one key, and so one tenant: list addresses alone");
    }
}
