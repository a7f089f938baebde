//! The daemon as the switch that the channel knows.

use super::super::Daemon;
use super::super::inject::Injection;
use crate::ofproto::{self, Applied, OptionMod, Vacancy, VacancyEvent};
use crate::openflow::channel::{Change, ConnectionId, Room, Switch};
use crate::openflow::{
    Code, Features, PacketOut, PortMod, QueueDesc, TableDesc, TableFeatures, TableMod, TlvMap, TlvTable,
    TlvTableMod,
};
use datapath::flow::OfPort;
use datapath::pipeline::Fragments;
use datapath::tunnel::options::{FIELDS, SPACE};
use datapath::tunnel::{Mapping, OptionMap};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Tables that there are.
pub(super) const TABLES: u8 = datapath::pipeline::TABLES as u8;
/// `OFPC_FLOW_STATS`, `OFPC_TABLE_STATS`, `OFPC_PORT_STATS`, `OFPC_GROUP_STATS`, `OFPC_QUEUE_STATS`.
const CAPABILITIES: u32 = 1 | 1 << 1 | 1 << 2 | 1 << 3 | 1 << 6;

/// How long changes wait for others, to be published together, while nobody asks whether they are done; and at the most, if others keep coming:
/// at first, and when they have come for long. What one publication shares with the one before has to be copied when it changes next.
const GATHER: Duration = Duration::from_millis(2);
const GATHER_MAX: Duration = Duration::from_millis(20);
const GATHER_LONGEST: Duration = Duration::from_millis(100);
/// Changes that come so soon after others were published go on with them.
const GOES_ON: Duration = Duration::from_millis(5);

/// How long deletions wait likewise, while nothing else is asked for. Who begins anew often deletes everything, thinks, and then asks for most of it
/// again: Faucet after 10 ms, and after up to 211 on a machine with five busy threads for each core. Meanwhile frames go the way they went.
const REPLACED: Duration = Duration::from_millis(250);
/// How long what comes in the place of what was deleted waits for the rest of it, and at the most: it is said by many small messages, between which
/// a busy controller may lose its processor.
const REPLACING: Duration = Duration::from_millis(10);
const REPLACING_MAX: Duration = Duration::from_millis(50);

/// Changes that wait to be published.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Gathering {
    /// Since when the first does; the first that is no deletion, if there is one.
    since: Instant,
    pub(in super::super) until: Instant,
    /// Since when changes have come without a pause, of which some are published already.
    burst: Instant,
    /// Deletions wait, and nobody is to be told of what went.
    deletes: bool,
    /// Others wait.
    adds: bool,
}

impl Gathering {
    /// With further changes that have come now. `published`: what was so last, and when.
    fn with(
        before: Option<Gathering>,
        published: Option<(Gathering, Instant)>,
        deletes: bool,
        adds: bool,
        now: Instant,
    ) -> Gathering {
        let goes_on = published.filter(|(_, when)| now <= *when + GOES_ON);
        let burst = goes_on.map_or(now, |(gathered, _)| gathered.burst);
        let first = Gathering { since: now, until: now, burst, deletes: false, adds: false };
        let before = before.unwrap_or(first);
        let begins = adds && !before.adds;
        let since = if begins { now } else { before.since };
        let (deletes, adds) = (before.deletes | deletes, before.adds | adds);
        let (rest, most) = match (deletes, adds) {
            (true, false) => (REPLACED, REPLACED),
            (true, true) => (REPLACING, REPLACING_MAX),
            // Twice as long as they have come: so however many come, they are published few times.
            (false, _) => (GATHER, ((since - before.burst) * 2).clamp(GATHER_MAX, GATHER_LONGEST)),
        };
        Gathering { since, until: (now + rest).min(since + most), burst: before.burst, deletes, adds }
    }
}

/// `OFPTC_DEPRECATED_MASK` of OpenFlow 1.3: bits that mean nothing any more.
const TABLE_MISS: u32 = 3;
/// All kinds of actions that OpenFlow 1.0 has, from `OFPAT_OUTPUT` to `OFPAT_ENQUEUE`.
const ACTIONS_1_0: u32 = 0xfff;

/// The daemon, and what has been changed since workers were told last.
pub(super) struct Model<'d> {
    daemon: &'d mut Daemon,
    /// By the message that is done now.
    applied: Applied,
    /// By others before it: whether something was deleted of which nobody is to be told, and whether anything else was changed.
    deletes: bool,
    unpublished: bool,
    /// Whether a port is another than before.
    pub(super) ports_changed: bool,
}

impl<'d> Model<'d> {
    pub(super) fn new(daemon: &'d mut Daemon) -> Model<'d> {
        Model {
            daemon,
            applied: Applied::default(),
            deletes: false,
            unpublished: false,
            ports_changed: false,
        }
    }

    /// What the last message has changed.
    pub(super) fn applied(&self) -> &Applied {
        &self.applied
    }

    /// How much room a connection has for news of flows.
    pub(super) fn room(&self, id: ConnectionId) -> Room {
        super::telling::room(&self.daemon.controllers.peers, id)
    }

    /// What tables have to tell of how much room there is.
    pub(super) fn vacancies(&mut self) -> Vec<(VacancyEvent, TableDesc)> {
        self.daemon.vacancies()
    }

    /// Another message comes; what has been changed is to be published.
    pub(super) fn next(&mut self) {
        match self.applied.only_deletes() {
            true => self.deletes = true,
            false => self.unpublished |= self.applied.changes(),
        }
        self.applied.clear();
    }

    /// Hands the workers all that has changed, also before. The generation that has it.
    pub(super) fn publish(&mut self) -> u64 {
        let changed = std::mem::take(&mut self.unpublished) | std::mem::take(&mut self.deletes);
        if changed | self.applied.changes() | self.daemon.gathering.is_some() {
            self.daemon.publish();
        }
        self.daemon.switch.pipeline().generation()
    }

    /// The same, a moment later: with what comes until then.
    pub(super) fn publish_soon(&mut self) -> u64 {
        let (deletes, adds) = (self.deletes, self.unpublished);
        if deletes | adds {
            let (before, published) = (self.daemon.gathering, self.daemon.gathered);
            self.daemon.gathering = Some(Gathering::with(before, published, deletes, adds, Instant::now()));
        }
        self.daemon.switch.pipeline().generation()
    }

    fn request(&mut self, request: ofproto::Request) -> Result<(), Code> {
        let now = self.daemon.workers.now_ms();
        Ok(self.daemon.switch.apply_too(now, request, &mut self.applied)?)
    }

    fn packet_out(&mut self, packet: PacketOut) -> Result<(), Code> {
        // It goes by what was asked before it.
        self.publish();
        let PacketOut { says, actions, data, .. } = packet;
        let injection = Injection { says, actions, data: data.to_vec() };
        Ok(self.daemon.inject(injection)?)
    }

    fn port_request(&self, change: &PortMod) -> Result<ofproto::Request, Code> {
        Ok(ofproto::Request::Port(self.daemon.faces().request(change)?))
    }
}

impl Switch for Model<'_> {
    fn features(&self) -> Features {
        Features {
            datapath_id: self.daemon.datapath_id,
            n_buffers: 0,
            n_tables: TABLES,
            auxiliary_id: 0,
            capabilities: CAPABILITIES,
            actions: ACTIONS_1_0,
            ports: self.daemon.faces().descs(None),
        }
    }

    fn fragments(&self) -> u16 {
        match self.daemon.switch.pipeline().fragments() {
            Fragments::WithoutPorts => 0,
            Fragments::Drop => 1,
            Fragments::Match => 3,
        }
    }

    fn set_fragments(&mut self, fragments: u16) -> Result<(), Code> {
        let fragments = match fragments {
            0 => Fragments::WithoutPorts,
            1 => Fragments::Drop,
            3 => Fragments::Match,
            // Nobody puts them together.
            _ => return Err(Code::SwitchBadFlags),
        };
        if fragments != self.daemon.switch.pipeline().fragments() {
            self.daemon.switch.pipeline_mut().set_fragments(fragments);
            self.unpublished = true;
        }
        Ok(())
    }

    fn change(&mut self, change: Change) -> Result<(), Code> {
        match change {
            Change::Request(request) => self.request(request),
            Change::Port(port) => {
                let request = self.port_request(&port)?;
                self.ports_changed = true;
                self.request(request)
            }
            Change::Packet(packet) => self.packet_out(*packet),
        }
    }

    fn bundle(&mut self, changes: Vec<Change>) -> Result<(), (usize, Code)> {
        let now = self.daemon.workers.now_ms();
        let (mut requests, mut places) = (Vec::new(), Vec::new());
        let (mut frames, mut frames_places) = (Vec::new(), Vec::new());
        for (at, change) in changes.into_iter().enumerate() {
            let request = match change {
                Change::Request(request) => request,
                Change::Port(port) => {
                    self.ports_changed = true;
                    self.port_request(&port).map_err(|code| (at, code))?
                }
                Change::Packet(packet) => {
                    let PacketOut { says, actions, data, .. } = *packet;
                    frames.push((says, actions, data.to_vec()));
                    frames_places.push(at);
                    continue;
                }
            };
            requests.push(request);
            places.push(at);
        }
        places.extend(frames_places);
        let place = |at: usize| places.get(at).copied().unwrap_or(at);
        let done = self.daemon.switch.bundle_and_send(now, requests, frames);
        let (applied, packets) = done.map_err(|(at, error)| (place(at), error.into()))?;
        self.applied.extend(applied);
        if !packets.is_empty() {
            let generation = self.publish();
            packets.into_iter().for_each(|packet| {
                self.daemon.send_out(datapath::worker::PacketOut { generation, ..packet })
            });
        }
        Ok(())
    }

    fn table_mod(&mut self, change: TableMod) -> Result<(), Code> {
        if change.table.is_some_and(|table| table.0 >= TABLES) {
            return Err(Code::TableModBadTable);
        }
        // What happens to frames that no entry takes is said by an entry, since OpenFlow 1.3.
        if change.miss & !TABLE_MISS != 0 {
            return Err(Code::TableModBadConfig);
        }
        if let Some(eviction) = change.eviction {
            self.daemon.switch.set_eviction(change.table, eviction)?;
        }
        if let Some((told, down, up)) = change.vacancy {
            self.daemon.switch.set_vacancy(change.table, told.then_some(Vacancy { down, up }))?;
        }
        Ok(())
    }

    fn set_table_features(&mut self, _: Vec<TableFeatures>) -> Result<(), Code> {
        Err(Code::TableFeaturesEperm)
    }

    fn queues(&self, port: Option<OfPort>) -> Result<Vec<QueueDesc>, Code> {
        let faces = self.daemon.faces();
        if port.is_some_and(|port| faces.port(port).is_none()) {
            return Err(Code::QueueBadPort);
        }
        Ok(super::ports::queues(&self.daemon.config, port, None))
    }

    fn options(&self) -> Arc<OptionMap> {
        self.daemon.controllers.options.borrow().clone()
    }

    fn tlv_table(&self) -> TlvTable {
        let maps = self.daemon.switch.options().iter();
        let maps = maps.map(|Mapping { class, kind, len, index }| TlvMap { class, kind, len, index });
        TlvTable { max_space: SPACE as u32, max_fields: FIELDS, maps: maps.collect() }
    }

    fn tlv_table_mod(&mut self, change: TlvTableMod) -> Result<(), Code> {
        let mapping = |TlvMap { class, kind, len, index }| Mapping { class, kind, len, index };
        let change = match change {
            TlvTableMod::Add(maps) => OptionMod::Add(maps.into_iter().map(mapping).collect()),
            TlvTableMod::Delete(maps) => OptionMod::Delete(maps.into_iter().map(|map| map.index).collect()),
            TlvTableMod::Clear => OptionMod::Clear,
        };
        self.unpublished |= self.daemon.change_options(change)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many milliseconds after the first change all is published, of changes at these times that are deletions or others.
    fn published(changes: &[(u64, bool)]) -> u64 {
        let begin = Instant::now();
        let mut waits: Option<Gathering> = None;
        for (at, deletes) in changes {
            let now = begin + Duration::from_millis(*at);
            assert!(waits.is_none_or(|waits| waits.until >= now), "{at} ms comes too late");
            waits = Some(Gathering::with(waits, None, *deletes, !deletes, now));
        }
        waits.map_or(0, |waits| (waits.until - begin).as_millis() as u64)
    }

    #[test]
    fn changes_wait_for_a_pause_but_not_for_ever() {
        assert_eq!(published(&[(0, false)]), 2);
        assert_eq!(published(&[(0, false), (1, false)]), 3);
        assert_eq!(published(&(0..20).map(|at| (at, false)).collect::<Vec<_>>()), 20);
    }

    #[test]
    fn what_keeps_coming_is_published_ever_more_rarely() {
        let begin = Instant::now();
        let (mut waits, mut published, mut times): (Option<Gathering>, _, _) = (None, None, Vec::new());
        for ms in 0..400 {
            let now = begin + Duration::from_millis(ms);
            if let Some(over) = waits.take_if(|waits| waits.until <= now) {
                published = Some((over, now));
                times.push(ms);
            }
            waits = Some(Gathering::with(waits, published, false, true, now));
        }
        assert_eq!(times, [20, 60, 160, 260, 360]);
        let later = begin + Duration::from_millis(400) + GATHER + GOES_ON;
        let again = Gathering::with(None, published, false, true, later);
        assert_eq!(
            Gathering::with(Some(again), None, false, true, later + GATHER_MAX).until,
            later + GATHER_MAX
        );
    }

    #[test]
    fn deletions_wait_for_what_comes_in_their_place_and_for_nothing_else() {
        assert_eq!(published(&[(0, true)]), 250);
        assert_eq!(published(&[(0, true), (90, true)]), 250);
        assert_eq!(published(&[(0, true), (70, false), (73, false)]), 83);
        assert_eq!(published(&[(0, true), (240, false)]), 250);
        assert_eq!(published(&[(0, false), (1, true)]), 11);
    }
}
