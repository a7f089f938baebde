//! The configuration read again while the switch runs, at SIGHUP: tunnels are added, changed and taken away.
//!
//! Whatever else has changed in it needs a new start, and then nothing of it is taken up, as when it is faulty. Flows stay as they are; one that names a
//! tunnel by its number finds the tunnel when that is there.

use super::Daemon;
use super::ports::Listening;
use crate::causes::in_one_line;
use crate::compile::Bridge;
use crate::config::{self, Config, Tunnel};
use crate::text::Names;
use anyhow::{Result, bail, ensure};
use datapath::flow::OfPort;
use datapath::tunnel::TunnelSpec;
use datapath::worker::Role;
use std::sync::Arc;

impl Daemon {
    /// Takes up the tunnels that the configuration names now, or says why not.
    ///
    /// # Errors
    /// When the switch cannot go on.
    pub(super) fn reload(&mut self) -> Result<()> {
        match self.renewed() {
            Ok((_, news)) if news.is_empty() => {
                eprintln!("adit: the configuration says of tunnels what it said before");
                Ok(())
            }
            Ok((config, news)) => self.take_up(config, &news),
            Err(error) => {
                not_taken_up(&error);
                Ok(())
            }
        }
    }

    /// The configuration as it is now, and what is new in it.
    fn renewed(&self) -> Result<(Config, String)> {
        let config = config::read(&self.file).or_else(|faults| {
            faults.iter().for_each(|fault| eprintln!("{fault}"));
            bail!("{} fault(s): see above", faults.len())
        })?;
        let config = succeeding(&self.config, config)?;
        let news = news(&self.config.tunnels, &config.tunnels);
        self.bridge_of(&config).base(self.underlay(), self.seed)?;
        Ok((config, news))
    }

    fn bridge_of(&self, config: &Config) -> Bridge {
        Bridge { tunnels: config.tunnel_specs(), switching: config.switching(), ..self.bridge.clone() }
    }

    fn take_up(&mut self, config: Config, news: &str) -> Result<()> {
        if let Err(error) = self.listen(Listening::of(&config))? {
            not_taken_up(&error);
            return Ok(());
        }
        // What was seen behind the tunnels that there were.
        self.learn();
        for port in passed_on(&self.config.tunnels, &config.tunnels) {
            self.learner.flush(Some(port), self.switch.pipeline_mut());
            self.switch.pipeline_mut().count_anew(port);
        }
        self.remotes_met = self.learner.remotes_changed();
        self.bridge = self.bridge_of(&config);
        self.config = config;
        self.names = Arc::new(Names { options: self.names.options.clone(), ..self.config.port_names() });
        self.watcher.set_remotes(self.remotes());
        self.silence.keep(self.ports.exposed());
        let pipeline = self.compile()?;
        self.workers.publish(&pipeline);
        eprintln!("adit: tunnels are taken up: {news}");
        self.warn_of_mtu();
        self.tell_ports();
        Ok(())
    }

    /// Has the devices bring what tunnels shall listen for, before there are tunnels for it. The error inside: they cannot, and bring
    /// what they brought before.
    ///
    /// # Errors
    /// When the switch cannot go on.
    fn listen(&mut self, listening: Listening) -> Result<Result<()>> {
        let before = self.ports.listening.clone();
        // Sockets without XDP are told what to look for when they are made.
        let without_xdp =
            self.ports.list.iter().any(|port| port.role == Role::Uplink && port.attachment.is_none());
        let anew = without_xdp && listening != before;
        let told = self.ports.listen(listening);
        if told.is_err() || !anew {
            return Ok(told);
        }
        let pipeline = self.compile()?;
        self.workers.stop();
        let started = self.workers.start(&mut self.ports, &pipeline);
        if started.is_err() {
            self.ports.listen(before)?;
            self.workers.start(&mut self.ports, &pipeline)?;
        }
        Ok(started)
    }
}

fn not_taken_up(error: &anyhow::Error) {
    eprintln!("adit: the configuration is not taken up, all stays as it was: {}", in_one_line(error));
}

/// The numbers whose tunnel is gone or is another now: what was counted and learned of it is not the new one's.
fn passed_on(old: &[Tunnel], new: &[Tunnel]) -> Vec<OfPort> {
    let same = |old: &Tunnel, new: &Tunnel| {
        let (was, is) = (&old.spec, &new.spec);
        old.name == new.name
            && was.ofport == is.ofport
            && was.kind == is.kind
            && was.remote == is.remote
            && was.key == is.key
    };
    let gone = old.iter().filter(|old| !new.iter().any(|new| same(old, new)));
    gone.map(|old| old.spec.ofport).collect()
}

/// The new configuration, whose tunnels count on where the old ones were.
fn succeeding(old: &Config, mut new: Config) -> Result<Config> {
    let sections = [
        ("[bridge]", old.bridge != new.bridge),
        ("[worker]", old.worker != new.worker),
        ("[[uplink]]", old.uplinks != new.uplinks),
        ("[[port]]", old.ports != new.ports),
        ("OpenFlow", old.openflow != new.openflow),
        ("[[mac]]", old.macs != new.macs),
        ("[[tenant]] or [[peer]]", old.tenants != new.tenants),
    ];
    let others: Vec<_> = sections.into_iter().filter(|(_, differ)| *differ).map(|(name, _)| name).collect();
    ensure!(others.is_empty(), "{} changed too: that needs a new start", others.join(", "));
    ensure!(
        new.tenants.list.is_empty() || old.tunnels == new.tunnels,
        "the flows of [[tenant]] are made at the start, and so tunnels beside them change with a new start"
    );
    let identification = old.tunnels.first().map(|tunnel| tunnel.spec.identification.clone());
    for tunnel in &mut new.tunnels {
        let TunnelSpec { ofport, kind, .. } = tunnel.spec;
        let same = |old: &&Tunnel| (old.spec.ofport, old.spec.kind) == (ofport, kind);
        let before = old.tunnels.iter().find(same).and_then(|old| old.spec.sequence.clone());
        if let (Some(sequence), Some(before)) = (&mut tunnel.spec.sequence, before) {
            *sequence = before;
        }
        if let Some(identification) = &identification {
            tunnel.spec.identification = identification.clone();
        }
    }
    Ok(new)
}

/// Which tunnels are new, others than before, or gone; empty: none.
fn news(old: &[Tunnel], new: &[Tunnel]) -> String {
    let named = |tunnels: &[Tunnel], name: &str| tunnels.iter().find(|tunnel| tunnel.name == name).cloned();
    let there = new.iter().filter_map(|tunnel| match named(old, &tunnel.name) {
        None => Some(format!("{} added", tunnel.name)),
        Some(before) if before != *tunnel => Some(format!("{} changed", tunnel.name)),
        Some(_) => None,
    });
    let gone = old.iter().filter(|tunnel| named(new, &tunnel.name).is_none());
    there.chain(gone.map(|tunnel| format!("{} removed", tunnel.name))).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    const START: &str = "[bridge]\nname = \"b\"\n[[uplink]]\ndevice = \"e\"\n";

    fn config(tunnels: &str) -> Config {
        config::parse("adit.toml", Path::new(""), &format!("{START}{tunnels}")).expect("a configuration")
    }

    fn tunnel(name: &str, ofport: u16, more: &str) -> String {
        format!(
            "[[tunnel]]\nname = \"{name}\"\nofport = {ofport}\ntype = \"gre\"\nremote_ip = \"192.0.2.2\"\n{more}\n"
        )
    }

    #[test]
    fn tunnels_are_added_changed_and_removed_and_go_on_counting() {
        let old = config(
            &(tunnel("a", 1, "key = 1\nseq = true")
                + &tunnel("b", 2, "key = 2")
                + &tunnel("c", 3, "key = 3")),
        );
        let sent = old.tunnels[0].spec.sequence.as_ref().map(|sequence| sequence.next());
        assert_eq!(sent, Some(0));
        old.tunnels[0].spec.identification.next();
        let text = tunnel("a", 1, "key = 1\nseq = true\nttl = 9")
            + &tunnel("c", 3, "key = 3")
            + &tunnel("d", 2, "key = 9");
        let new = succeeding(&old, config(&text)).expect("only tunnels differ");
        assert_eq!(news(&old.tunnels, &new.tunnels), "a changed, d added, b removed");
        assert_eq!(new.tunnels[0].spec.sequence.as_ref().map(|sequence| sequence.next()), Some(1));
        assert_eq!(new.tunnels[2].spec.identification.next(), 1);
        assert_eq!(news(&new.tunnels, &new.tunnels), "");
        // What only shapes its packets leaves it the same tunnel.
        assert_eq!(passed_on(&old.tunnels, &new.tunnels), [OfPort(2)]);
        let fewer = config(&(tunnel("a", 1, "key = 5") + &tunnel("x", 3, "key = 3")));
        assert_eq!(passed_on(&old.tunnels, &fewer.tunnels), [1, 2, 3].map(OfPort));
    }

    #[test]
    fn what_else_changes_is_named_and_nothing_is_taken_up() {
        let old = config(&tunnel("a", 1, "key = 1"));
        let more = tunnel("a", 1, "key = 2")
            + "[[port]]\nname = \"g\"\nofport = 9\n[[mac]]\naddress = \"02:00:00:00:00:01\"\nport = \"g\"\n";
        let error = succeeding(&old, config(&more)).expect_err("a port more");
        assert_eq!(error.to_string(), "[[port]], [[mac]] changed too: that needs a new start");
    }

    #[test]
    fn tunnels_beside_tenants_stay() {
        let tenants = "[[port]]\nname = \"g\"\nofport = 9\n[[peer]]\nname = \"h\"\nremote_ip = \"192.0.2.9\"\ntype = \"vxlan\"\n\
                       [[tenant]]\nname = \"t\"\nid = 5\npeers = [\"h\"]\n[[tenant.member]]\nport = \"g\"\n";
        let old = config(tenants);
        assert!(succeeding(&old, config(tenants)).is_ok());
        let error = succeeding(&old, config(&(tunnel("a", 1, "key = 2") + tenants))).expect_err("tenants");
        assert!(error.to_string().contains("made at the start"), "{error}");
    }
}
