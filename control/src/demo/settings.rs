//! What adit on a hypervisor is told: one tunnel port for all tenants, two flows for each, everything else dropped. It is what
//! a person would write, so it is worth reading: with `--hold` the demo says where the files are.

use std::net::Ipv4Addr;

use super::network::UNDERLAY;
use super::switch::VXLAN_PORT;

/// One adit.
#[derive(Debug)]
pub(super) struct Settings<'a> {
    /// The hypervisor: its bridge is called so, and so is the file with the flows, beside that of the configuration.
    pub(super) name: &'a str,
    /// How to attach to devices.
    pub(super) mode: &'a str,
    pub(super) local: Ipv4Addr,
    pub(super) remote: Ipv4Addr,
    /// The port of each guest, and its tenant's identifier on the wire.
    pub(super) guests: Vec<(&'a str, u32)>,
}

impl Settings<'_> {
    /// The configuration file.
    pub(super) fn configuration(&self) -> String {
        let Settings { name, mode, local, remote, guests } = self;
        let mut text = format!(
            r#"[bridge]
name = "{name}"
flows = "{name}.flows"

[[uplink]]
device = "{UNDERLAY}"
mode = "{mode}"
endpoints = ["{local}"]

[[tunnel]]
name = "vx0"
ofport = 10
type = "vxlan"
remote_ip = "{remote}"
local_ip = "{local}"
key = "flow"
dst_port = {VXLAN_PORT}
"#
        );
        for (ofport, (port, _)) in (1..).zip(guests) {
            text += &format!("\n[[port]]\nname = \"{port}\"\nofport = {ofport}\nmode = \"{mode}\"\n");
        }
        text
    }

    /// The flows file.
    pub(super) fn flows(&self) -> String {
        let mut text = String::from("# What matches no flow is dropped.\n");
        for (port, vni) in &self.guests {
            text += &format!("in_port={port},actions=set_field:{vni}->tun_id,output:vx0\n");
            text += &format!("in_port=vx0,tun_id={vni},actions=output:{port}\n");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use datapath::flow::OfPort;

    use super::*;
    use crate::text::parse_flows;

    #[test]
    fn what_adit_is_told_is_understood() {
        let settings = Settings {
            name: "hv1",
            mode: "auto",
            local: Ipv4Addr::new(192, 0, 2, 1),
            remote: Ipv4Addr::new(192, 0, 2, 2),
            guests: vec![("red1", 100), ("blue1", 200)],
        };
        let config: toml::Table = settings.configuration().parse().unwrap();
        let names = |list: &str| -> Vec<(String, OfPort)> {
            let ports = config[list].as_array().unwrap().iter();
            ports.map(|port| (port["name"].as_str().unwrap().to_owned(), number(&port["ofport"]))).collect()
        };
        let ports: BTreeMap<String, OfPort> = names("port").into_iter().chain(names("tunnel")).collect();
        assert_eq!(ports.len(), 3);
        assert_eq!(parse_flows("hv1.flows", &settings.flows(), &ports).map(|rules| rules.len()), Ok(4));
    }

    fn number(value: &toml::Value) -> OfPort {
        OfPort(value.as_integer().unwrap().try_into().unwrap())
    }
}
