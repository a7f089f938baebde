//! The actions that the versions of OpenFlow have themselves.

use super::{Place, Reading, padding};
use crate::ofproto::context::Needs;
use crate::ofproto::reserved;
use crate::openflow::wire::Reader;
use crate::openflow::{Code, ports};
use crate::text::LOCAL;
use datapath::action::punt::Reason;
use datapath::action::queue::QueueId;
use datapath::flow::{Field, OfPort};
use datapath::pipeline::{GroupId, METER_ID_MAX, MeterId, RuleAction};
use datapath::wire::{ethertype, mpls, vlan};
use std::sync::Arc;

/// The largest number that a group can have (`OFPG_MAX`).
const GROUP_MAX: u32 = 0xffff_ff00;

impl Reading {
    /// An action of OpenFlow 1.0 (section 5.2.4), behind its header.
    pub(super) fn standard_v10(&mut self, kind: u16, mut body: Reader<'_>) -> Result<(), Code> {
        match kind {
            0 => {
                let (port, max_len) = (ports::from_short(body.u16()?), body.u16()?);
                body.end()?;
                self.output(port, max_len)
            }
            1 => self.set_tag_id(short(body)?),
            2 => self.set_tag_priority(byte(body)?),
            3 => {
                padding(&mut body, 4)?;
                self.pop_vlan();
                Ok(())
            }
            4 => self.set_plain("eth_src", mac(body)?),
            5 => self.set_plain("eth_dst", mac(body)?),
            6 => self.set_plain("ip_src", word(body)?.into()),
            7 => self.set_plain("ip_dst", word(body)?.into()),
            8 => self.set_tos(byte(body)?),
            9 => self.set_port(Field::TpSrc, short(body)?),
            10 => self.set_port(Field::TpDst, short(body)?),
            11 => {
                let port = ports::from_short(body.u16()?);
                body.skip(6)?;
                let queue = QueueId(body.u32()?);
                body.end()?;
                self.enqueue(port, queue)
            }
            _ => Err(Code::BadActionType),
        }
    }

    /// An action of OpenFlow 1.3 to 1.5, behind its header. Those of 1.1 for one field each are deprecated since and still taken, as in Open
    /// vSwitch.
    pub(super) fn standard(&mut self, kind: u16, mut body: Reader<'_>) -> Result<(), Code> {
        match kind {
            0 => {
                let (port, max_len) = (body.u32()?, body.u16()?);
                padding(&mut body, 6)?;
                self.output(ports::from_wide(port)?, max_len)
            }
            1 => self.set_plain_tag("vlan_vid", short(body)?),
            2 => self.set_plain_tag("vlan_pcp", byte(body)?.into()),
            3 => self.set_plain("eth_src", mac(body)?),
            4 => self.set_plain("eth_dst", mac(body)?),
            5 => self.set_plain("ip_src", word(body)?.into()),
            6 => self.set_plain("ip_dst", word(body)?.into()),
            7 => self.set_tos(byte(body)?),
            8 => self.set_plain("nw_ecn", byte(body)?.into()),
            9 => self.set_port(Field::TpSrc, short(body)?),
            10 => self.set_port(Field::TpDst, short(body)?),
            11 => self.bare(body, Needs::Nothing, RuleAction::CopyTtlOut),
            12 => self.bare(body, Needs::Nothing, RuleAction::CopyTtlIn),
            13 => self.set_plain("mpls_label", word(body)?.into()),
            14 => self.set_plain("mpls_tc", byte(body)?.into()),
            15 => self.set_plain("mpls_ttl", byte(body)?.into()),
            16 => self.bare(body, Needs::Mpls, RuleAction::DecMplsTtl),
            17 => self.push_vlan(short(body)?),
            18 => {
                padding(&mut body, 4)?;
                self.pop_vlan();
                Ok(())
            }
            19 => self.push_mpls(short(body)?),
            20 => self.pop_mpls(short(body)?),
            21 => {
                self.push(RuleAction::SetQueue(QueueId(word(body)?)));
                Ok(())
            }
            22 => self.group(word(body)?),
            23 => self.set_plain("nw_ttl", byte(body)?.into()),
            24 => self.bare(body, Needs::Ip, RuleAction::DecTtl),
            25 => self.set_field(body),
            26 => match short(body)? {
                ethertype::PBB => {
                    self.push(RuleAction::PushPbb);
                    Ok(())
                }
                _ => Err(Code::BadArgument),
            },
            27 => self.bare(body, Needs::Backbone, RuleAction::PopPbb),
            28 if self.is_v15() => self.copy_field(body, 2),
            29 if self.is_v15() => self.meter(word(body)?),
            _ => Err(Code::BadActionType),
        }
    }

    /// An action without arguments.
    pub(super) fn bare(
        &mut self,
        mut body: Reader<'_>,
        needs: Needs,
        action: RuleAction,
    ) -> Result<(), Code> {
        padding(&mut body, 4)?;
        self.push_where(needs, action)
    }

    /// An output to a port by its number, which may be reserved.
    pub(super) fn output(&mut self, port: OfPort, max_len: u16) -> Result<(), Code> {
        let action = match port {
            reserved::IN_PORT => RuleAction::InPort,
            reserved::ALL => RuleAction::All,
            reserved::FLOOD => RuleAction::Flood,
            reserved::NORMAL => RuleAction::Normal,
            reserved::CONTROLLER => {
                let (reason, userdata) = (Reason::Action, Arc::default());
                RuleAction::Controller { max_len, reason, controller: 0, userdata }
            }
            reserved::TABLE if self.place == Place::PacketOut => RuleAction::Output(port),
            LOCAL => RuleAction::Output(port),
            port if port == OfPort(0) || port >= reserved::MAX => return Err(Code::BadOutPort),
            port => RuleAction::Output(port),
        };
        self.push(action);
        Ok(())
    }

    /// What OpenFlow 1.0 says in one action: an output through a queue.
    fn enqueue(&mut self, port: OfPort, queue: QueueId) -> Result<(), Code> {
        self.not_in_a_set()?;
        let one = matches!(port, reserved::IN_PORT | LOCAL) || port < reserved::MAX;
        if !one || port == OfPort(0) {
            return Err(Code::BadOutPort);
        }
        self.push(RuleAction::SetQueue(queue));
        self.output(port, 0)?;
        self.push(RuleAction::PopQueue);
        Ok(())
    }

    pub(super) fn group(&mut self, group: u32) -> Result<(), Code> {
        if group > GROUP_MAX {
            return Err(Code::BadOutGroup);
        }
        self.push(RuleAction::Group(GroupId(group)));
        Ok(())
    }

    /// A meter holds frames before everything else, so it stands first.
    fn meter(&mut self, meter: u32) -> Result<(), Code> {
        if self.place != Place::Flow || self.depth > 0 {
            return Err(Code::BadActionType);
        }
        if self.meter.is_some() || !self.actions.is_empty() {
            return Err(Code::UnsupportedOrder);
        }
        self.meter = Some(meter_id(meter)?);
        Ok(())
    }

    pub(super) fn push_vlan(&mut self, tpid: u16) -> Result<(), Code> {
        if !vlan::is_tag(tpid) {
            return Err(Code::BadArgument);
        }
        self.push_tag(tpid);
        Ok(())
    }

    pub(super) fn push_mpls(&mut self, ether_type: u16) -> Result<(), Code> {
        if !mpls::is_stack(ether_type) {
            return Err(Code::BadArgument);
        }
        self.push(RuleAction::PushMpls { ether_type });
        Ok(())
    }

    /// What is below the label must be something that can be looked at.
    pub(super) fn pop_mpls(&mut self, ether_type: u16) -> Result<(), Code> {
        if vlan::is_tag(ether_type) || ether_type == ethertype::PBB {
            return Err(Code::BadArgument);
        }
        self.push_where(Needs::Mpls, RuleAction::PopMpls { ether_type })
    }
}

/// The number of a meter. Those that OpenFlow reserves hold no frames.
pub(crate) fn meter_id(meter: u32) -> Result<MeterId, Code> {
    match meter {
        1..=METER_ID_MAX => Ok(MeterId(meter)),
        _ => Err(Code::InvalidMeter),
    }
}

/// A byte and three of padding.
fn byte(mut body: Reader<'_>) -> Result<u8, Code> {
    let value = body.u8()?;
    padding(&mut body, 3)?;
    Ok(value)
}

/// Two bytes and two of padding.
fn short(mut body: Reader<'_>) -> Result<u16, Code> {
    let value = body.u16()?;
    padding(&mut body, 2)?;
    Ok(value)
}

/// Four bytes.
pub(super) fn word(mut body: Reader<'_>) -> Result<u32, Code> {
    let value = body.u32()?;
    body.end()?;
    Ok(value)
}

/// An Ethernet address and six bytes of padding.
fn mac(mut body: Reader<'_>) -> Result<u128, Code> {
    let [a, b, c, d, e, f] = body.array()?;
    padding(&mut body, 6)?;
    Ok(u64::from_be_bytes([0, 0, a, b, c, d, e, f]).into())
}
