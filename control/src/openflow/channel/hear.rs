//! One message of a connection, and what is done about it.

use super::connection::Connection;
use super::tell::{FORWARD_GROUP_MOD, FORWARD_METER_MOD};
use super::{Asked, Change, Channel, ConnectionId, Heard, Step, Switch, refusal};
use crate::ofproto::{self, Command, FlowMod};
use crate::openflow::{
    BundleControl, Code, Envelope, Message, PacketInFormat, Question, RoleKind, SwitchConfig, Version,
};
use datapath::pipeline::TableId;

/// `OFPC_FRAG_MASK`, and Open vSwitch's `OFPC_FRAG_NX_MATCH` in it.
const FRAGMENTS_MASK: u16 = 3;
/// The bit of `OFPR_INVALID_TTL`.
const INVALID_TTL: u32 = 1 << 2;

impl Connection {
    /// Whether a flow-mod's table means what it says: version 1.0 has none, but by an extension.
    pub(super) fn tables_named(&self) -> bool {
        self.version != Version::V10 || self.names_tables
    }
}

impl Channel {
    /// Does what a message asks for. What is to be said about it, and what takes longer, in order. A connection that is not there has nothing
    /// to say.
    pub fn hear(&mut self, id: ConnectionId, heard: Heard, switch: &mut dyn Switch) -> Vec<Step> {
        let mut steps = Vec::new();
        let xid = heard.xid();
        let done = match heard.said {
            Ok(envelope) => self.obey(id, envelope, switch, &mut steps),
            Err((_, code)) => Err(code),
        };
        if let Err(code) = done {
            steps.push(Step::Say(refusal(xid, code, &heard.raw)));
        }
        steps
    }

    fn obey(
        &mut self,
        id: ConnectionId,
        envelope: Envelope,
        switch: &mut dyn Switch,
        steps: &mut Vec<Step>,
    ) -> Result<(), Code> {
        let Some(connection) = self.connections.get_mut(&id) else { return Ok(()) };
        let Envelope { xid, nicira, message } = envelope;
        let asked = Asked { xid, nicira };
        if connection.role == RoleKind::Slave && changes(&message) {
            return Err(Code::IsSlave);
        }
        let say = |message| Step::Say(asked.answer(message));
        match message {
            Message::EchoRequest(bytes) => steps.push(say(Message::EchoReply(bytes))),
            // Answers to what we asked, and what the other side did not like: nothing follows from them.
            Message::Hello(_) | Message::Error(_) | Message::EchoReply(_) => {}
            Message::FeaturesRequest => steps.push(say(Message::FeaturesReply(switch.features()))),
            Message::GetConfigRequest => {
                let before_13 = connection.version < Version::V13;
                let config = SwitchConfig {
                    fragments: switch.fragments(),
                    miss_send_len: connection.miss_send_len,
                    invalid_ttl: before_13.then_some(connection.asks.packet_in[0] & INVALID_TTL != 0),
                };
                steps.push(say(Message::GetConfigReply(config)));
            }
            Message::SetConfig(SwitchConfig { fragments, miss_send_len, invalid_ttl }) => {
                // A slave may say what it wants to be told, and no more (OpenFlow 1.3.5 section 6.3.4).
                if connection.role != RoleKind::Slave {
                    if fragments & !FRAGMENTS_MASK != 0 {
                        return Err(Code::SwitchBadFlags);
                    }
                    // Version 1.0 has no error of its own for it.
                    let no_words = connection.version == Version::V10;
                    let refused = |code| if no_words { Code::Eperm } else { code };
                    switch.set_fragments(fragments).map_err(refused)?;
                }
                connection.miss_send_len = miss_send_len;
                match invalid_ttl {
                    Some(true) => connection.asks.packet_in[0] |= INVALID_TTL,
                    Some(false) => connection.asks.packet_in[0] &= !INVALID_TTL,
                    None => {}
                }
            }
            Message::FlowMod(_, Some(_)) => return Err(Code::BufferUnknown),
            Message::FlowMod(flow, None) => {
                let version = connection.version;
                flow_mod(version, table_named(flow, connection.tables_named())?, switch)?;
            }
            Message::GroupMod(group) => {
                let forwarded = asked.answer(Message::GroupMod(group.clone()));
                switch.change(Change::Request(ofproto::Request::Group(group)))?;
                self.forward(id, FORWARD_GROUP_MOD, forwarded);
            }
            Message::MeterMod(meter) => {
                let forwarded = asked.answer(Message::MeterMod(meter.clone()));
                switch.change(Change::Request(ofproto::Request::Meter(meter)))?;
                self.forward(id, FORWARD_METER_MOD, forwarded);
            }
            Message::BucketMod(buckets) => {
                let forwarded = asked.answer(Message::BucketMod(buckets.clone()));
                switch.change(Change::Request(ofproto::Request::Buckets(buckets)))?;
                self.forward(id, FORWARD_GROUP_MOD, forwarded);
            }
            Message::PortMod(port) => switch.change(Change::Port(port))?,
            Message::TableMod(table) => switch.table_mod(table)?,
            Message::PacketOut(packet) if packet.buffer_id.is_some() => return Err(Code::BufferUnknown),
            Message::PacketOut(packet) => switch.change(Change::Packet(Box::new(packet)))?,
            Message::BarrierRequest => steps.push(Step::Barrier(asked)),
            Message::MultipartRequest(part, more) => {
                if let Some(question) = connection.parts.add(xid, part, more)? {
                    self.question(id, asked, question, switch, steps)?;
                }
            }
            Message::QueueConfigRequest(port) => {
                let queues = switch.queues(port)?;
                steps.push(say(Message::QueueConfigReply(port, queues)));
            }
            Message::RoleRequest(wanted) => {
                let role = self.role(id, wanted)?;
                steps.push(say(Message::RoleReply(role)));
            }
            Message::GetAsyncRequest => steps.push(say(Message::GetAsyncReply(connection.asks))),
            Message::SetAsync(change) => connection.asks = change.over(connection.asks),
            Message::BundleControl(control) => {
                let mut said = Vec::new();
                let reply = self.bundle_control(id, xid, control, switch, &mut said);
                steps.extend(said.into_iter().map(Step::Say));
                let reply: BundleControl = reply?;
                steps.push(say(Message::BundleControl(reply)));
            }
            Message::BundleAdd(add) => self.bundle_add(id, xid, add, switch.options())?,
            Message::FlowModTableId(names) => connection.names_tables = names,
            // 0 is the standard's, 2 NXM; what comes is understood in both.
            Message::SetFlowFormat(format @ (0 | 2)) => connection.flow_format = format,
            Message::SetFlowFormat(_) => return Err(Code::Eperm),
            // Ages are told in any case.
            Message::FlowAge => {}
            Message::SetPacketInFormat(format) => connection.format = format,
            Message::SetControllerId(number) => connection.controller_id = number,
            Message::TlvTableMod(change) => switch.tlv_table_mod(change)?,
            Message::TlvTableRequest => steps.push(say(Message::TlvTableReply(switch.tlv_table()))),
            Message::FlowMonitorCancel(number) => {
                connection.monitors.cancel(number)?;
                // Who begins anew is told how flows are, and nothing that was missed before.
                if connection.monitors.is_empty() && connection.missed.take().is_some() {
                    let nicira = connection.monitors.nicira();
                    self.told.push((id, Envelope { xid: 0, nicira, message: Message::FlowMonitorResumed }));
                }
            }
            // What a switch says, and nobody says to a switch.
            Message::FeaturesReply(_)
            | Message::GetConfigReply(_)
            | Message::PacketIn(_)
            | Message::FlowRemoved(_)
            | Message::PortStatus(..)
            | Message::BarrierReply
            | Message::MultipartReply(..)
            | Message::QueueConfigReply(..)
            | Message::RoleReply(_)
            | Message::RoleStatus(_)
            | Message::TableStatus(..)
            | Message::RequestForward(_)
            | Message::GetAsyncReply(_)
            | Message::TlvTableReply(_)
            | Message::FlowMonitorPaused
            | Message::FlowMonitorResumed => return Err(Code::BadType),
        }
        Ok(())
    }

    fn question(
        &mut self,
        id: ConnectionId,
        asked: Asked,
        question: Question,
        switch: &mut dyn Switch,
        steps: &mut Vec<Step>,
    ) -> Result<(), Code> {
        match question {
            Question::TableFeatures(features) if !features.is_empty() => {
                let slave = |connection: &Connection| connection.role == RoleKind::Slave;
                if self.connections.get(&id).is_some_and(slave) {
                    return Err(Code::IsSlave);
                }
                switch.set_table_features(features)?;
                steps.push(Step::Answer(asked, Question::TableFeatures(Vec::new())));
            }
            Question::FlowMonitor(wanted) => {
                let Some(connection) = self.connections.get_mut(&id) else { return Ok(()) };
                connection.monitors.add(&wanted, asked.nicira)?;
                steps.push(Step::Answer(asked, Question::FlowMonitor(wanted)));
            }
            question => steps.push(Step::Answer(asked, question)),
        }
        Ok(())
    }

    /// In which format a connection is told of frames.
    pub fn packet_in_format(&self, id: ConnectionId) -> PacketInFormat {
        self.connections.get(&id).map_or(PacketInFormat::Standard, |connection| connection.format)
    }
}

/// Version 1.0 knows no tables, but by an extension that the controller turns on: without it an entry is added to the first, and the other
/// commands mean all.
pub(super) fn table_named(flow: FlowMod, named: bool) -> Result<FlowMod, Code> {
    match (named, flow.table) {
        // 1.0 alone can leave a new entry's table to the switch; the later versions' decoder has refused it.
        (true, None) if flow.command == Command::Add => Ok(FlowMod { table: Some(TableId(0)), ..flow }),
        (true, _) => Ok(flow),
        (false, None | Some(TableId(0))) => {
            let table = (flow.command == Command::Add).then_some(TableId(0));
            Ok(FlowMod { table, ..flow })
        }
        (false, Some(_)) => Err(Code::BadCommand),
    }
}

fn flow_mod(version: Version, flow: FlowMod, switch: &mut dyn Switch) -> Result<(), Code> {
    let modifies = matches!(flow.command, Command::Modify | Command::ModifyStrict);
    if modifies && flow.table.is_none() && version != Version::V10 {
        // OpenFlow 1.3.5 section 7.3.4.1: only deletes mean all tables.
        return Err(Code::FlowModBadTableId);
    }
    switch.change(Change::Request(ofproto::Request::Flow(flow)))
}

/// What a slave may not ask for (OpenFlow 1.3.5 section 6.3.4): what changes the switch, and what sends frames.
fn changes(message: &Message) -> bool {
    matches!(
        message,
        Message::PacketOut(_)
            | Message::FlowMod(..)
            | Message::GroupMod(_)
            | Message::BucketMod(_)
            | Message::PortMod(_)
            | Message::TableMod(_)
            | Message::MeterMod(_)
            | Message::BundleControl(_)
            | Message::BundleAdd(_)
            | Message::TlvTableMod(_)
    )
}
