//! Controllers that were configured: going to them, how it stands with them, and what happens while none of them is there.

use super::dial::{self, Progress};
use crate::config::FailMode;
use crate::daemon::Daemon;
use crate::daemon::calls::Call;
use crate::ofproto::{Command, FlowMod, Request};
use crate::openflow::channel::Kind;
use crate::openflow::{RoleKind, Version};
use crate::status::ConnectionStatus;
use datapath::pipeline::{Instructions, Match, Rule, RuleAction, TableId};
use std::sync::PoisonError;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// So many intervals of probing without any controller, and the switch stands alone (`fail_mode` in ovs-vswitchd.conf.db(5)).
const ALONE_PROBES: u32 = 3;
/// The mark of the entry by which the switch stands alone: the letters of it.
const COOKIE: u64 = u64::from_be_bytes(*b"standing");
/// The interval where none is probed.
const PROBE_DEFAULT: Duration = Duration::from_secs(5);

impl Daemon {
    /// Goes to the controllers, by a task for each.
    pub(in super::super) fn go_to_controllers(&mut self, calls: &mpsc::Sender<Call>) {
        self.controllers.alone = Some(Instant::now());
        for controller in &self.config.openflow.controllers {
            if !controller.target.is_active() {
                continue;
            }
            let watched = dial::Watched::default();
            self.controllers.standing.push((controller.target.to_string(), watched.clone()));
            let versions = self.config.openflow.protocols.clone();
            tokio::spawn(dial::keep(
                controller.clone(),
                versions,
                self.tls.clone(),
                calls.clone(),
                self.controllers.tap.clone(),
                watched,
            ));
        }
    }

    /// Whether a controller is there that was configured, or one that came in by the door that was configured for it.
    fn is_controlled(&self) -> bool {
        let doors: Vec<String> =
            self.config.openflow.controllers.iter().map(|c| c.target.to_string()).collect();
        let came_by = |name: &str, door: &str| {
            name.strip_prefix(door).is_some_and(|from| from.is_empty() || from.starts_with(" from "))
        };
        self.controllers.peers.values().any(|peer| doors.iter().any(|door| came_by(&peer.name, door)))
    }

    /// Stands alone when no controller was there for long enough, and ends that when one comes.
    pub(in super::super) fn stand_alone(&mut self) {
        if self.config.openflow.controllers.is_empty()
            || self.config.openflow.fail_mode != FailMode::Standalone
        {
            return;
        }
        if self.is_controlled() {
            if self.controllers.alone.take().is_none() {
                return;
            }
            if std::mem::take(&mut self.controllers.standalone) {
                self.normal(Command::DeleteStrict);
                eprintln!("adit: a controller is there: the switch no longer forwards by what it learns");
            }
            return;
        }
        let since = *self.controllers.alone.get_or_insert_with(Instant::now);
        let probes = self.config.openflow.controllers.iter().map(|c| c.inactivity_probe_ms);
        let probe = probes.filter(|probe| *probe > 0).min().map_or(PROBE_DEFAULT, Duration::from_millis);
        if !self.controllers.standalone && since.elapsed() >= probe * ALONE_PROBES {
            let any =
                self.switch.entries(crate::ofproto::Filter { table: Some(TableId(0)), ..Default::default() });
            // An entry of the operator's own for all other frames stays what it is.
            let taken = any.into_iter().any(|(_, entry)| {
                entry.installed.rule.priority == 0 && entry.installed.rule.matching == Match::any()
            });
            if !taken {
                self.controllers.standalone = true;
                self.normal(Command::Add);
                eprintln!("adit: no controller is there: the switch forwards by what it learns (fail_mode)");
            }
        }
    }

    /// The entry by which the switch stands alone. One that a controller has put in its place meanwhile has another mark, and stays.
    fn normal(&mut self, command: Command) {
        let instructions = Instructions { apply: vec![RuleAction::Normal], ..Instructions::default() };
        let rule = Rule { cookie: COOKIE, ..Rule::new(0, Match::any(), instructions) };
        let request = FlowMod { command, cookie_mask: u64::MAX, ..FlowMod::add(TableId(0), rule) };
        if let Err((_, error)) = self.change(vec![Request::Flow(request)]) {
            eprintln!("adit: fail_mode: {error}");
        }
    }

    /// What `adit show` tells of connections.
    pub(in super::super) fn connections(&self) -> Vec<ConnectionStatus> {
        let away = self.controllers.standing.iter().filter_map(|(target, watched)| {
            let Progress { connected, error } =
                watched.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let there = self.controllers.peers.values().any(|peer| peer.name == *target);
            (connected.is_none() || !there).then_some(ConnectionStatus {
                target: target.clone(),
                last_error: error,
                ..ConnectionStatus::default()
            })
        });
        let here = self.controllers.peers.iter().filter_map(|(id, peer)| {
            let face = self.controllers.channel.face(*id)?;
            let role = match face.role {
                RoleKind::Master => "master",
                RoleKind::Slave => "slave",
                RoleKind::Equal | RoleKind::NoChange => "other",
            };
            let watched = self.controllers.standing.iter().find(|(target, _)| *target == peer.name);
            let last_error = watched.and_then(|(_, watched)| {
                watched.lock().unwrap_or_else(PoisonError::into_inner).error.clone()
            });
            Some((
                face.kind == Kind::Service,
                ConnectionStatus {
                    target: peer.name.clone(),
                    is_connected: true,
                    version: Some(name(face.version).to_string()),
                    role: Some(role.to_string()),
                    connected_s: Some(peer.since.elapsed().as_secs()),
                    lost: peer.lost,
                    last_error,
                },
            ))
        });
        let mut all: Vec<_> = away.map(|status| (false, status)).chain(here).collect();
        all.sort_by(|(a, of_a), (b, of_b)| (a, &of_a.target).cmp(&(b, &of_b.target)));
        all.into_iter().map(|(_, status)| status).collect()
    }
}

fn name(version: Version) -> &'static str {
    match version {
        Version::V10 => "OpenFlow10",
        Version::V13 => "OpenFlow13",
        Version::V14 => "OpenFlow14",
        Version::V15 => "OpenFlow15",
    }
}
