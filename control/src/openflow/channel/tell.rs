//! What the switch tells without being asked: frames, flow entries that have gone, ports, news of flows.

use super::connection::Connection;
use super::monitors::Telling;
use super::pause::{MISSED_BYTES_OF_ALL_MAX, Missed, Room};
use super::{Channel, ConnectionId, weight};
use crate::ofproto::{Entry, VacancyEvent};
use crate::openflow::{
    Envelope, FlowRemoved, FlowStats, FlowUpdate, Message, PacketInFormat, PortChange, PortDesc, Reply,
    TableDesc, UpdateEvent, Version,
};
use datapath::action::punt;
use datapath::pipeline::{Instructions, TableId};
use std::sync::Arc;

/// News that go into one message: an entry with all its actions takes some kilobytes, and a message 64.
const UPDATES: usize = 16;

/// What others have asked for that is told to one at a time, at most: no more of it can wait for him.
pub const FORWARDS_MAX: usize = 1024;

/// `OFPRFR_GROUP_MOD` and `OFPRFR_METER_MOD`.
pub(super) const FORWARD_GROUP_MOD: u8 = 0;
pub(super) const FORWARD_METER_MOD: u8 = 1;

/// What happened to a flow entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlowEvent {
    /// It is new, or took another's place.
    Added,
    /// It does something else now.
    Modified,
    /// It is gone, for this reason (`OFPRR_*`).
    Deleted(u8),
}

/// A flow entry to which something happened.
#[derive(Clone, Debug)]
pub struct FlowChange {
    /// Its table.
    pub table: TableId,
    /// The entry as it is, or was.
    pub entry: Entry,
    /// What happened.
    pub event: FlowEvent,
    /// What it did before, or the one whose place it took; none: it is gone, or there was none.
    pub before: Option<Arc<Instructions>>,
}

impl Channel {
    /// Who is told of a frame that is for the controllers of this number, and in which format. How many of its bytes says what told it.
    pub fn listeners(
        &self,
        controller: u16,
        reason: punt::Reason,
    ) -> impl Iterator<Item = (ConnectionId, PacketInFormat)> {
        let wants = move |(id, connection): (&ConnectionId, &super::Connection)| {
            let told = connection.controller_id == controller
                && connection.wants(connection.asks.packet_in, reason as u8);
            told.then_some((*id, connection.format))
        };
        self.connections.iter().filter_map(wants)
    }

    /// Whether somebody hears of frames that no entry takes, and speaks a version in which tables tell of them without an entry for it (OpenFlow
    /// 1.0.1 section 3.4).
    pub fn hears_misses(&self) -> bool {
        self.connections.values().any(|connection| {
            connection.version == Version::V10
                && connection.controller_id == 0
                && connection.wants(connection.asks.packet_in, punt::Reason::NoMatch as u8)
        })
    }

    /// A flow entry has gone that was to be told of.
    pub fn flow_removed(&mut self, removed: &FlowRemoved) {
        for (id, connection) in &self.connections {
            if connection.wants(connection.asks.flow_removed, removed.reason) {
                let message = Message::FlowRemoved(removed.clone());
                self.told.push((*id, Envelope { xid: 0, nicira: connection.flow_format != 0, message }));
            }
        }
    }

    /// Something happened to a port.
    pub fn port_status(&mut self, change: PortChange, port: &PortDesc) {
        let reason = match change {
            PortChange::Add => 0,
            PortChange::Delete => 1,
            PortChange::Modify => 2,
        };
        for (id, connection) in &self.connections {
            if connection.wants(connection.asks.port_status, reason) {
                let message = Message::PortStatus(change, port.clone());
                self.told.push((*id, Envelope::new(0, message)));
            }
        }
    }

    /// Room in a table has become scarce, or is there again. Versions before 1.4 have no word for it.
    pub fn table_status(&mut self, event: VacancyEvent, desc: TableDesc) {
        for (id, connection) in &self.connections {
            if connection.version >= Version::V14
                && connection.wants(connection.asks.table_status, event.number())
            {
                self.told.push((*id, Envelope::new(0, Message::TableStatus(event, desc))));
            }
        }
    }

    /// Whether somebody wants to know what other controllers ask for.
    pub(super) fn forwards(&self) -> bool {
        self.connections.values().any(|connection| connection.asks.request_forward != [0; 2])
    }

    /// A controller has changed groups or meters: others may want to know what it asked for (OpenFlow 1.4.1 section 7.4.6).
    pub(super) fn forward(&mut self, by: ConnectionId, reason: u8, request: Envelope) {
        let request = Arc::new(request);
        for (id, connection) in &mut self.connections {
            if *id == by || !connection.wants(connection.asks.request_forward, reason) {
                continue;
            }
            if connection.forwarded == FORWARDS_MAX {
                connection.lost += 1;
                continue;
            }
            connection.forwarded += 1;
            self.told.push((*id, Envelope::new(0, Message::RequestForward(request.clone()))));
        }
    }

    /// How much was lost, and to whom, of what there would be no room for anyhow.
    pub fn lost(&mut self) -> impl Iterator<Item = (ConnectionId, u64)> {
        let connections = self.connections.iter_mut().filter(|(_, connection)| connection.lost > 0);
        connections.map(|(id, connection)| (*id, std::mem::take(&mut connection.lost)))
    }

    /// Flow entries have changed; by the request of a connection, if it is known whose. Who has no room for the news is told that they pause, and of the changes later
    /// ([`Channel::resume`]).
    pub fn flows_changed(
        &mut self,
        by: Option<(ConnectionId, u32)>,
        changes: impl Iterator<Item = FlowChange> + Clone,
        now: u64,
        room: &dyn Fn(ConnectionId) -> Room,
    ) {
        let Channel { connections, told, .. } = self;
        for (id, connection) in connections {
            if connection.monitors.is_empty() {
                continue;
            }
            let own = by.filter(|(by, _)| by == id).map(|(_, xid)| xid);
            let mut news = News { id: *id, connection, room: room(*id), told: &mut *told, now };
            let mut batch = Vec::new();
            for change in changes.clone() {
                let telling = news.connection.monitors.telling(&change, own.is_some());
                // What is not told matters only to flows of which more may have to be noted.
                if telling.is_some() || !batch.is_empty() || news.connection.missed.is_some() {
                    batch.push((change, telling));
                }
                if batch.len() >= UPDATES {
                    news.tell(&std::mem::take(&mut batch), own);
                }
            }
            news.tell(&batch, own);
        }
        self.bound_missed();
    }

    /// What all connections have missed is bounded.
    fn bound_missed(&mut self) {
        let connections = self.connections.values_mut();
        let mut missed: Vec<_> = connections.filter_map(|connection| connection.missed.as_mut()).collect();
        while missed.iter().map(|missed| missed.bytes()).sum::<usize>() > MISSED_BYTES_OF_ALL_MAX {
            missed.iter_mut().max_by_key(|missed| missed.bytes()).into_iter().for_each(|most| most.give_up());
        }
    }

    /// Goes on with news where they paused and have room again. Those who have missed too much: they are to be hung up on.
    pub fn resume(&mut self, now: u64, room: &dyn Fn(ConnectionId) -> Room) -> Vec<ConnectionId> {
        let Channel { connections, told, .. } = self;
        let mut lost = Vec::new();
        for (id, connection) in connections {
            let Some(missed) = &connection.missed else { continue };
            if missed.is_too_much() {
                lost.push(*id);
                continue;
            }
            let room = room(*id);
            if room.idle && connection.untaken.0 == 0 {
                News { id: *id, connection, room, told: &mut *told, now }.resume();
            }
        }
        lost
    }
}

/// News for one connection.
struct News<'c> {
    id: ConnectionId,
    connection: &'c mut Connection,
    room: Room,
    told: &'c mut Vec<(ConnectionId, Envelope)>,
    now: u64,
}

impl News<'_> {
    /// Tells of changes, or notes them where there is no room.
    fn tell(&mut self, batch: &[(FlowChange, Option<Telling>)], own: Option<u32>) {
        if batch.is_empty() {
            return;
        }
        if self.connection.missed.is_none() && !self.say_all(batch, own) {
            self.connection.missed = Some(Missed::default());
            self.say(Message::FlowMonitorPaused);
        }
        if let Some(missed) = &mut self.connection.missed {
            batch.iter().for_each(|(change, telling)| missed.note(change, telling.is_some()));
        }
    }

    /// What was missed, as far as there is room.
    fn resume(mut self) {
        while let Some(missed) = &mut self.connection.missed {
            let changes = missed.next(UPDATES);
            if changes.is_empty() {
                self.connection.missed = None;
                return self.say(Message::FlowMonitorResumed);
            }
            let telling =
                |change: &FlowChange| (change.clone(), self.connection.monitors.telling(change, false));
            let batch: Vec<_> = changes.iter().map(telling).collect();
            if !self.say_all(&batch, None) {
                if let Some(missed) = &mut self.connection.missed {
                    missed.put_back(changes);
                }
                return;
            }
        }
    }

    /// One message with these changes; false if there is no room for it.
    fn say_all(&mut self, batch: &[(FlowChange, Option<Telling>)], own: Option<u32>) -> bool {
        let mut updates: Vec<FlowUpdate> = Vec::new();
        for (change, telling) in batch {
            let update = match (telling, own) {
                (Some(Telling::Abbreviated), Some(xid)) => FlowUpdate::Abbreviated(xid),
                (Some(Telling::Full { instructions }), _) => full(change, *instructions, self.now),
                (Some(Telling::Abbreviated), None) | (None, _) => continue,
            };
            // One request is told in short once.
            if updates.last() != Some(&update) || !matches!(update, FlowUpdate::Abbreviated(_)) {
                updates.push(update);
            }
        }
        if updates.is_empty() {
            return true;
        }
        let message = Message::MultipartReply(Reply::FlowMonitor(updates), false);
        let envelope = Envelope { xid: 0, nicira: self.connection.monitors.nicira(), message };
        let (messages, bytes) = self.connection.untaken;
        let takes = weight(&envelope);
        // However long one is, it can be told alone.
        let alone = self.room.idle && messages == 0;
        if messages >= self.room.messages || bytes + takes > self.room.bytes && !alone {
            return false;
        }
        self.connection.untaken = (messages + 1, bytes + takes);
        self.told.push((self.id, envelope));
        true
    }

    fn say(&mut self, message: Message) {
        let nicira = self.connection.monitors.nicira();
        self.told.push((self.id, Envelope { xid: 0, nicira, message }));
    }
}

/// A piece of news.
fn full(change: &FlowChange, instructions: bool, now: u64) -> FlowUpdate {
    let (event, reason) = match change.event {
        FlowEvent::Added => (UpdateEvent::Added, 0),
        FlowEvent::Deleted(reason) => (UpdateEvent::Deleted, reason.into()),
        FlowEvent::Modified => (UpdateEvent::Modified, 0),
    };
    FlowUpdate::Full { event, reason, flow: Box::new(news(change.table, &change.entry, instructions, now)) }
}

/// A flow entry as news tell it: without its counters.
pub(crate) fn news(table: TableId, entry: &Entry, instructions: bool, now: u64) -> FlowStats {
    let rule = &entry.installed.rule;
    FlowStats {
        table,
        duration_ms: now.saturating_sub(entry.created),
        idle_ms: 0,
        untaught_ms: None,
        priority: rule.priority,
        idle_timeout: entry.idle_timeout,
        hard_timeout: entry.hard_timeout,
        importance: entry.importance,
        flags: entry.flags,
        cookie: rule.cookie,
        packets: 0,
        bytes: 0,
        matching: rule.matching.clone(),
        instructions: if instructions { rule.instructions.clone() } else { Arc::default() },
    }
}
