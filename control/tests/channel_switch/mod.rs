//! A switch without workers behind a channel, for whoever looks what messages can do to it.

use bytes::Bytes;
use control::ofproto::{Ofproto, Request};
use control::openflow::channel::{
    BUNDLE_BYTES_MAX, Change, Channel, ConnectionId, Heard, Kind, Step, Switch,
};
use control::openflow::{
    Code, Features, QueueDesc, TableFeatures, TableMod, TlvTable, TlvTableMod, Version, decode,
};
use datapath::flow::{OfPort, Seed};
use datapath::pipeline::Base;
use datapath::tunnel::{OptionMap, TunnelTable, Underlay};
use std::sync::Arc;

/// Most steps that one message leads to: an error for a message of a bundle, and one for the commit.
const STEPS_MAX: usize = 2;

/// The switch.
pub(crate) struct Bare(pub(crate) Ofproto);

impl Bare {
    pub(crate) fn new() -> Bare {
        let tunnels = TunnelTable::new(Vec::new(), Seed::new(7)).expect("no tunnels");
        Bare(Ofproto::new(Base::new([], tunnels, [].into(), Underlay::default())))
    }
}

impl Switch for Bare {
    fn features(&self) -> Features {
        Features::default()
    }

    fn fragments(&self) -> u16 {
        0
    }

    fn set_fragments(&mut self, _: u16) -> Result<(), Code> {
        Ok(())
    }

    fn change(&mut self, change: Change) -> Result<(), Code> {
        match change {
            Change::Request(request) => {
                self.0.apply(0, request)?;
            }
            Change::Packet(packet) => {
                self.0.packet_out(packet.says, packet.actions, packet.data.to_vec())?;
            }
            Change::Port(_) => return Err(Code::BadPortNumber),
        }
        Ok(())
    }

    fn bundle(&mut self, changes: Vec<Change>) -> Result<(), (usize, Code)> {
        let requests = changes.into_iter().filter_map(|change| match change {
            Change::Request(request) => Some(request),
            Change::Port(_) | Change::Packet(_) => None,
        });
        let requests: Vec<Request> = requests.collect();
        self.0.bundle(0, requests).map(drop).map_err(|(at, error)| (at, error.into()))
    }

    fn table_mod(&mut self, _: TableMod) -> Result<(), Code> {
        Ok(())
    }

    fn set_table_features(&mut self, _: Vec<TableFeatures>) -> Result<(), Code> {
        Err(Code::TableFeaturesEperm)
    }

    fn queues(&self, _: Option<OfPort>) -> Result<Vec<QueueDesc>, Code> {
        Ok(Vec::new())
    }

    fn options(&self) -> Arc<OptionMap> {
        Arc::new(self.0.options().clone())
    }

    fn tlv_table(&self) -> TlvTable {
        TlvTable::default()
    }

    fn tlv_table_mod(&mut self, _: TlvTableMod) -> Result<(), Code> {
        Ok(())
    }
}

/// A channel with a connection of each version, and one more; and the switch behind it.
pub(crate) struct Lab {
    pub(crate) channel: Channel,
    pub(crate) switch: Bare,
    pub(crate) connections: Vec<(ConnectionId, Version)>,
}

impl Lab {
    pub(crate) fn new() -> Lab {
        let mut channel = Channel::default();
        let versions = Version::ALL.into_iter().chain([Version::V13]);
        let connections =
            versions.map(|version| (channel.join(Kind::Controller, version), version)).collect();
        Lab { channel, switch: Bare::new(), connections }
    }

    /// Hears a message, whatever it is, and looks whether what must hold does.
    pub(crate) fn hear(&mut self, who: usize, raw: Vec<u8>) -> Vec<Step> {
        let (id, version) = self.connections[who % self.connections.len()];
        let raw = Bytes::from(raw);
        let said = decode(version, &raw);
        let steps = self.channel.hear(id, Heard { raw, said }, &mut self.switch);
        assert!(steps.len() <= STEPS_MAX, "{steps:?}");
        assert!(self.channel.bundled_bytes() <= BUNDLE_BYTES_MAX);
        let told = self.channel.told();
        assert!(told.len() <= 2 * self.connections.len(), "{told:?}");
        let masters = self.connections.iter().filter_map(|(id, _)| self.channel.face(*id));
        let masters = masters.filter(|face| face.role == control::openflow::RoleKind::Master).count();
        assert!(masters <= 1, "{masters} masters");
        steps
    }
}
