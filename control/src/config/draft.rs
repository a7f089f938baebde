//! A configuration on its way: what could be read, and every fault so far.

use super::laws::Laws;
use super::section::{At, Faults, Section};
use super::{
    CONFIG_BYTES_MAX, CONTROLLERS_MAX, Config, LOCAL_SUFFIX, Mode, Port, Tunnel, UPLINKS_MAX, openflow,
    options, read_text, replay, sections, switching, tenants, tunnels,
};
use crate::tenants::{apply, made_tunnel};
use crate::text::suggest::did_you_mean;
use crate::text::{Diagnostic, LOCAL, Names};
use datapath::flow::OfPort;
use datapath::pipeline::PortSetup;
use datapath::tunnel::{Counter, Remote};
use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

const SECTIONS: [&str; 11] =
    ["bridge", "worker", "uplink", "port", "tunnel", "mac", "controller", "ssl", "peer", "tenant", "replay"];
/// How many addresses may be told.
const MACS_MAX: usize = 65_536;

/// A configuration that may have faults. It knows the names of its ports in any case, so that flows can be looked at too.
#[derive(Clone, Debug, Default)]
pub struct Draft {
    config: Config,
    names: Names,
    faults: Vec<Diagnostic>,
}

impl Draft {
    /// Reads a file. Paths in it are relative to it.
    pub fn read(path: &Path) -> Draft {
        match read_text(path, CONFIG_BYTES_MAX) {
            Ok(text) => {
                let directory = path.parent().unwrap_or(Path::new(""));
                Draft::parse(&path.display().to_string(), directory, &text)
            }
            Err(fault) => Draft { faults: vec![fault], ..Draft::default() },
        }
    }

    /// Reads a text. `source` names it in faults; paths in it are relative to `directory`.
    pub fn parse(source: &str, directory: &Path, text: &str) -> Draft {
        let mut faults = Faults::of(source, text);
        let (table, errors) = DeTable::parse_recoverable(text);
        for error in &errors {
            faults.at(&error.span().unwrap_or(0..0), error.message().replace('\n', ", "));
        }
        let mut draft = Draft::default();
        if errors.is_empty() {
            draft.fill(table.get_ref(), directory, &mut faults);
        }
        draft.faults = faults.into_found();
        draft
    }

    /// What could be read of it.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The names of all its ports and options. A port whose number is wrong has number 0.
    pub fn names(&self) -> &Names {
        &self.names
    }

    /// What is wrong with it, in the order of the file.
    pub fn faults(&self) -> &[Diagnostic] {
        &self.faults
    }

    /// The configuration, if nothing is wrong with it.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn finish(self) -> Result<Config, Vec<Diagnostic>> {
        if self.faults.is_empty() { Ok(self.config) } else { Err(self.faults) }
    }

    fn fill(&mut self, root: &DeTable<'_>, directory: &Path, faults: &mut Faults<'_>) {
        for (key, _) in root {
            let name: &str = key.get_ref();
            if !SECTIONS.contains(&name) {
                faults
                    .at(&key.span(), format!("there is no section {name:?}{}", did_you_mean(name, SECTIONS)));
            }
        }
        self.bridge(root, directory, faults);
        if let Some(section) = single("[worker]", "worker", root, faults) {
            self.config.worker = sections::worker(section, faults);
        }
        let mut laws = Laws::default();
        for section in many("[[uplink]]", "uplink", root, faults) {
            let place = section.span.clone();
            let Some((uplink, span)) = sections::uplink(section, faults) else { continue };
            if self.config.uplinks.len() == UPLINKS_MAX {
                faults.at(&place, sections::too_many_uplinks());
                break;
            }
            laws.uplink(&uplink, &span, faults);
            self.config.uplinks.push(uplink);
        }
        for section in many("[[port]]", "port", root, faults) {
            if !laws.room(&section, faults) {
                return;
            }
            let port = sections::port(section, faults);
            self.number(port.name, port.ofport, &mut laws, faults);
            if let Some(At { value: port, span }) = port.item {
                laws.device(&port.device, &span, faults);
                self.config.ports.push(port);
            }
        }
        // Packets that may be fragmented are counted for the whole switch.
        let identification = Counter::default();
        if self.config.bridge.local {
            let device = format!("{}{LOCAL_SUFFIX}", self.config.bridge.name);
            let setup = PortSetup::default();
            let local = Port {
                name: "LOCAL".into(),
                device,
                ofport: LOCAL,
                mode: Mode::Auto,
                setup,
                queues: Vec::new(),
            };
            self.names.ports.insert(local.name.clone(), LOCAL);
            self.config.ports.push(local);
        }
        for section in many("[[tunnel]]", "tunnel", root, faults) {
            if !laws.room(&section, faults) {
                return;
            }
            let tunnel = tunnels::tunnel(section, &identification, faults);
            self.number(tunnel.name, tunnel.ofport, &mut laws, faults);
            if let Some(At { value: tunnel, span }) = tunnel.item {
                laws.tunnel(&tunnel, &span, &self.config.uplinks, root.contains_key("uplink"), faults);
                self.config.tunnels.push(tunnel);
            }
        }
        self.macs(root, faults);
        self.controllers(root, directory, faults);
        self.tenants(root, &identification, &mut laws, faults);
        self.replay(root, &mut laws, faults);
    }

    fn controllers(&mut self, root: &DeTable<'_>, directory: &Path, faults: &mut Faults<'_>) {
        if let Some(section) = single("[ssl]", "ssl", root, faults) {
            self.config.openflow.ssl = openflow::ssl(section, directory, faults);
        }
        let mut targets = BTreeSet::new();
        for section in many("[[controller]]", "controller", root, faults) {
            let place = section.span.clone();
            let Some(At { value: controller, span }) = openflow::controller(section, directory, faults)
            else {
                continue;
            };
            if self.config.openflow.controllers.len() == CONTROLLERS_MAX {
                return faults.at(&place, format!("too many controllers: at most {CONTROLLERS_MAX}"));
            }
            if !targets.insert(controller.target.clone()) {
                faults.at(&span, format!("{} is a controller already", controller.target));
            }
            if controller.target.is_secret() && !root.contains_key("ssl") {
                faults.at(
                    &span,
                    format!(
                        "{} needs a section [ssl] with private_key, certificate and ca_cert",
                        controller.target
                    ),
                );
            }
            self.config.openflow.controllers.push(controller);
        }
    }

    /// Tenants, and what they ask of ports and tunnels.
    fn tenants(
        &mut self,
        root: &DeTable<'_>,
        identification: &Counter,
        laws: &mut Laws,
        faults: &mut Faults<'_>,
    ) {
        let (tenants, lacking) = tenants::tenants(root, &self.config, faults);
        for (kind, span) in lacking {
            let tunnel = made_tunnel(kind, identification);
            laws.name(&tunnel.name, &span, faults);
            laws.ofport(tunnel.spec.ofport, &span, faults);
            laws.tunnel(&tunnel, &span, &self.config.uplinks, root.contains_key("uplink"), faults);
            self.names.ports.entry(tunnel.name.clone()).or_insert(tunnel.spec.ofport);
            self.config.tunnels.push(tunnel);
        }
        apply(&tenants, &mut self.config);
        self.config.tenants = tenants;
    }

    fn macs(&mut self, root: &DeTable<'_>, faults: &mut Faults<'_>) {
        let mut seen = HashSet::new();
        for section in many("[[mac]]", "mac", root, faults) {
            let place = section.span.clone();
            if self.config.macs.len() == MACS_MAX {
                return faults.at(&place, format!("too many addresses: at most {MACS_MAX}"));
            }
            let Some((mac, span)) = switching::mac(section, faults) else { continue };
            if !self.names.contains_key(&mac.port) {
                let near = did_you_mean(&mac.port, self.names.keys().map(String::as_str));
                faults.at(&span, format!("there is no port and no tunnel {:?}{near}", mac.port));
            }
            let open = |tunnel: &&Tunnel| tunnel.name == mac.port && tunnel.spec.remote == Remote::Flow;
            match (self.config.tunnels.iter().any(|tunnel| open(&tunnel)), mac.remote) {
                (true, None) => faults.at(
                    &span,
                    "the tunnel leaves its remote end to the flow: say which, as in remote_ip = \"192.0.2.2\"",
                ),
                (false, Some(_)) => {
                    faults.at(&span, "remote_ip is for tunnels with remote_ip = \"flow\": leave it out")
                }
                (true, Some(_)) | (false, None) => {}
            }
            if !seen.insert(mac.station) {
                faults.at(&place, "this address is told twice, of the same tenant and VLAN");
            }
            self.config.macs.push(mac);
        }
    }

    fn replay(&mut self, root: &DeTable<'_>, laws: &mut Laws, faults: &mut Faults<'_>) {
        let Some(mut section) = single("[[replay.neighbour]]", "replay", root, faults) else { return };
        let Some(table) = root.get("replay").and_then(|value| value.get_ref().as_table()) else { return };
        for section in many("[[replay.neighbour]]", "neighbour", table, faults) {
            let place = section.span.clone();
            if let Some(neighbour) = replay::neighbour(section, faults) {
                laws.neighbour(&neighbour, &place, &self.config.uplinks, faults);
                self.config.neighbours.push(neighbour);
            }
        }
        section.has("neighbour");
        section.finish(&[], faults);
    }

    fn bridge(&mut self, root: &DeTable<'_>, directory: &Path, faults: &mut Faults<'_>) {
        if !root.contains_key("bridge") {
            return faults.whole("needs a section [bridge] with name = \"br0\"");
        }
        let Some(mut section) = single("[bridge]", "bridge", root, faults) else { return };
        let bridge = &mut self.config.bridge;
        bridge.name = sections::bridge_name(&mut section, faults).unwrap_or_default();
        bridge.flows = file("flows", &mut section, directory, faults);
        bridge.groups = file("groups", &mut section, directory, faults);
        bridge.meters = file("meters", &mut section, directory, faults);
        bridge.learning = sections::learning(&mut section, faults);
        bridge.controller = sections::controller(&mut section, faults);
        let local = section.flag("local", faults);
        bridge.local = local.as_ref().is_some_and(|local| local.value);
        let longest = sections::NAME_BYTES_MAX - LOCAL_SUFFIX.len();
        if let Some(local) = local.filter(|local| local.value)
            && bridge.name.len() > longest
        {
            faults.at(
                &local.span,
                format!("local = true needs a name of at most {longest} bytes for the bridge"),
            );
        }
        bridge.forward_bpdu = section.flag("forward_bpdu", faults).is_some_and(|flag| flag.value);
        bridge.options = options::map(&mut section, faults);
        self.names.options = bridge.options.clone();
        openflow::bridge(&mut section, directory, &mut self.config.openflow, faults);
        section.finish(&["datapath_type", "controller"], faults);
    }

    /// Takes note of a name and a number.
    fn number(
        &mut self,
        name: Option<At<String>>,
        ofport: Option<At<OfPort>>,
        laws: &mut Laws,
        faults: &mut Faults<'_>,
    ) {
        if let Some(ofport) = &ofport {
            laws.ofport(ofport.value, &ofport.span, faults);
        }
        if let Some(name) = name {
            laws.name(&name.value, &name.span, faults);
            self.names.ports.entry(name.value).or_insert(ofport.map_or(OfPort(0), |ofport| ofport.value));
        }
    }
}

/// The path of a file, relative to the configuration.
fn file(
    key: &'static str,
    section: &mut Section<'_>,
    directory: &Path,
    faults: &mut Faults<'_>,
) -> Option<PathBuf> {
    let path = section.string(key, faults)?;
    if path.value.is_empty() || path.value.contains('\0') {
        faults.at(&path.span, format!("{key} is the path of a file; leave it out for no {key}"));
        return None;
    }
    Some(directory.join(path.value))
}

/// A section that may be there once.
fn single<'a>(
    shown: &'static str,
    key: &str,
    root: &'a DeTable<'a>,
    faults: &mut Faults<'_>,
) -> Option<Section<'a>> {
    let value = root.get(key)?;
    let table = value.get_ref().as_table();
    if table.is_none() {
        faults.at(&value.span(), format!("{key} is one section, written {shown}"));
    }
    table.map(|table| Section::new(shown, table, value.span()))
}

/// The sections of a kind of which there may be many.
pub(super) fn many<'a>(
    shown: &'static str,
    key: &str,
    root: &'a DeTable<'a>,
    faults: &mut Faults<'_>,
) -> Vec<Section<'a>> {
    let Some(value) = root.get(key) else { return Vec::new() };
    let tables = |array: &'a [Spanned<DeValue<'a>>]| {
        let each = |value: &'a Spanned<DeValue<'a>>| {
            value.get_ref().as_table().map(|table| Section::new(shown, table, value.span()))
        };
        array.iter().map(each).collect::<Option<Vec<_>>>()
    };
    value.get_ref().as_array().and_then(|array| tables(array)).unwrap_or_else(|| {
        faults.at(&value.span(), format!("every {key} is a section of its own, written {shown}"));
        Vec::new()
    })
}
