//! What connections are told without having asked: frames, flows that change or go, room in tables, and what Geneve options are called.

use super::{Controllers, Peer, tables};
use crate::daemon::Daemon;
use crate::ofproto::{Applied, Event, Farewell, Reason, Removed, VacancyEvent};
use crate::openflow::channel::{ConnectionId, FlowChange, FlowEvent, Room};
use crate::openflow::{Envelope, FlowRemoved, Message, PacketIn, TableDesc};
use bytes::Bytes;
use datapath::action::punt::Punt;
use datapath::worker::Punted;
use std::collections::BTreeMap;
use std::sync::Arc;

impl Daemon {
    /// Tells the connections what Geneve options are called, if it is not what they were told last.
    pub(in super::super) fn tell_options(&self) {
        let options = self.switch.options();
        self.controllers.options.send_if_modified(|told| {
            let differs = **told != *options;
            if differs {
                *told = Arc::new(options.clone());
            }
            differs
        });
    }

    /// Has tables tell of what no entry takes while somebody hears it who expects them to.
    /// The generation in which they do, if that is news.
    pub(super) fn tell_misses(&mut self) -> Option<u64> {
        let tells = self.controllers.channel.hears_misses();
        (tells != self.switch.pipeline().tells_misses()).then(|| {
            self.switch.pipeline_mut().set_tells_misses(tells);
            self.publish()
        })
    }

    /// Hands on what the channel wants others to hear.
    pub(in super::super) fn deliver(&mut self) {
        let now = self.workers.now_ms();
        let Controllers { channel, peers, .. } = &mut self.controllers;
        // Whose queues are gone is hung up on.
        for lost in channel.resume(now, &|id| room(peers, id)) {
            channel.leave(lost);
            peers.remove(&lost);
        }
        for (id, lost) in channel.lost() {
            peers.entry(id).and_modify(|peer| peer.lost += lost);
        }
        for (to, envelope) in channel.told() {
            let Some(peer) = peers.get_mut(&to) else { continue };
            // A queue that is closed is one of a connection that has ended.
            if !peer.waiting.put(&envelope) || peer.events.try_send(envelope).is_err() {
                peer.lost += 1;
            }
        }
    }

    /// Tells connections of a frame. Whether somebody was told.
    pub(in super::super) fn tell_controllers(&mut self, punted: &Punted) -> bool {
        let Controllers { channel, peers, .. } = &mut self.controllers;
        let Punt { reason, controller, .. } = &punted.punt;
        let mut heard = false;
        for (id, format) in channel.listeners(*controller, *reason) {
            let Some(peer) = peers.get_mut(&id) else { continue };
            heard = true;
            match peer.frames.try_reserve() {
                Err(_) => peer.lost += 1,
                Ok(place) => {
                    let mut packet = packet_in(punted);
                    packet.format = format;
                    place.send(Envelope::new(0, Message::PacketIn(Box::new(packet))));
                }
            }
        }
        heard
    }

    /// Notes entries that have gone: by a request of nobody who speaks OpenFlow, or because their time was over.
    pub(in super::super) fn flows_went(&mut self, applied: &Applied) {
        let Controllers { channel, peers, .. } = &mut self.controllers;
        if channel.watches_flows() {
            let now = self.workers.now_ms();
            channel.flows_changed(None, changes(applied), now, &|id| room(peers, id));
        }
        for (event, desc) in self.vacancies() {
            self.controllers.channel.table_status(event, desc);
        }
        self.deliver();
    }

    /// What tables have to tell of how much room there is.
    pub(super) fn vacancies(&mut self) -> Vec<(VacancyEvent, TableDesc)> {
        let events = self.switch.vacancy_events().into_iter();
        events.map(|(table, event)| (event, tables::desc(&self.switch, table))).collect()
    }

    /// Tells of an entry that has gone.
    pub(in super::super) fn tell_farewell(&mut self, farewell: &Farewell) {
        let Farewell { removed, counted } = farewell;
        self.controllers.channel.flow_removed(&flow_removed(removed, counted.packets, counted.bytes));
    }
}

/// How much room there is for news of flows.
pub(super) fn room(peers: &BTreeMap<ConnectionId, Peer>, id: ConnectionId) -> Room {
    peers.get(&id).map_or_else(Room::default, |peer| peer.waiting.room())
}

/// `OFPRR_*`.
fn reason(reason: Reason) -> u8 {
    match reason {
        Reason::IdleTimeout => 0,
        Reason::HardTimeout => 1,
        Reason::Delete => 2,
        Reason::GroupDelete => 3,
        Reason::MeterDelete => 4,
        Reason::Eviction => 5,
    }
}

fn flow_removed(removed: &Removed, packets: u64, bytes: u64) -> FlowRemoved {
    let Removed { table, entry, duration, .. } = removed;
    let rule = &entry.installed.rule;
    FlowRemoved {
        cookie: rule.cookie,
        priority: rule.priority,
        reason: reason(removed.reason),
        table: *table,
        duration_ms: *duration,
        idle_timeout: entry.idle_timeout,
        hard_timeout: entry.hard_timeout,
        packets,
        bytes,
        matching: rule.matching.clone(),
    }
}

pub(super) fn changes(applied: &Applied) -> impl Iterator<Item = FlowChange> + Clone {
    let change = |event| match event {
        Event::Removed(removed) => FlowChange {
            table: removed.table,
            entry: removed.entry.clone(),
            event: FlowEvent::Deleted(reason(removed.reason)),
            before: None,
        },
        Event::Changed(changed) => FlowChange {
            table: changed.table,
            entry: changed.entry.clone(),
            event: if changed.added { FlowEvent::Added } else { FlowEvent::Modified },
            before: changed.before.clone(),
        },
    };
    applied.events().map(change)
}

fn packet_in(punted: &Punted) -> PacketIn {
    let Punted { punt, total_len, data } = punted;
    PacketIn {
        format: Default::default(),
        total_len: u16::try_from(*total_len).unwrap_or(u16::MAX),
        reason: punt.reason,
        table: datapath::pipeline::TableId(punt.table),
        cookie: punt.cookie,
        says: punt.says.clone(),
        userdata: Bytes::copy_from_slice(&punt.userdata),
        data: Bytes::copy_from_slice(data),
    }
}
