//! Translation: a pure function from (pipeline, key) to datapath actions.
//!
//! It walks the rule's actions over a copy of the key. Setting a field only changes the copy; before each output the
//! difference between what the frame says and what the copy says is written out as edits, so a field that is set twice
//! is written once and one that is set to what it was is not written at all.

use super::{Pipeline, RuleAction, Target};
use crate::action::Action;
use crate::flow::{Field, FlowKey, OfPort};
use crate::stats::DropReason;
use crate::tunnel::{EncapId, Key, Remote, TunnelId};
use crate::wire::ethertype;
use crate::wire::protocol::{ICMP, ICMPV6, TCP, UDP};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Most steps that a frame may take. A rule that needs more is refused as a whole rather than half done.
pub const ACTIONS_MAX: usize = 64;

/// The bit of `vlan_tci` that says a tag is present.
pub const VLAN_PRESENT: u16 = 0x1000;

/// What translation found. Reused from miss to miss, so that it allocates nothing.
#[derive(Clone, Debug)]
pub struct Translation {
    actions: Vec<Action>,
    overflow: bool,
}

impl Default for Translation {
    fn default() -> Self {
        Translation { actions: Vec::with_capacity(ACTIONS_MAX), overflow: false }
    }
}

impl Translation {
    /// The steps. If none of them sends, the last counts why.
    pub fn actions(&self) -> &[Action] {
        &self.actions
    }

    fn clear(&mut self) {
        self.actions.clear();
        self.overflow = false;
    }

    fn push(&mut self, action: Action) {
        match self.actions.len() < ACTIONS_MAX {
            true => self.actions.push(action),
            false => self.overflow = true,
        }
    }

    /// Ends the walk: nothing behind the last output matters, and a frame that goes nowhere has a reason.
    fn finish(&mut self, otherwise: DropReason) {
        if self.overflow {
            self.actions.clear();
            self.actions.push(Action::Drop(DropReason::TooManyActions));
            return;
        }
        let useful = |action: &Action| action.sends() || matches!(action, Action::Drop(_));
        let end = self.actions.iter().rposition(useful).map_or(0, |last| last + 1);
        self.actions.truncate(end);
        if self.actions.is_empty() {
            self.actions.push(Action::Drop(otherwise));
        }
    }
}

/// Decides what is done with a frame that has this key.
pub fn translate(pipeline: &Pipeline, key: &FlowKey, out: &mut Translation) {
    out.clear();
    let Some(rule) = pipeline.table().find(key) else {
        return out.finish(DropReason::TableMiss);
    };
    let in_port = OfPort(key.get(Field::InPort) as u32);
    let mut walk = Walk { pipeline, frame: key.clone(), wish: key.clone(), out };
    let mut otherwise = DropReason::RuleDrop;
    for action in &rule.actions {
        match *action {
            RuleAction::Output(port) if port == in_port => otherwise = DropReason::OutputToInput,
            RuleAction::Output(port) => walk.output(port),
            RuleAction::InPort => walk.output(in_port),
            RuleAction::SetField { field, value, mask } => walk.wish.set_masked(field, value, mask),
            RuleAction::PushVlan { tpid } => walk.push_vlan(tpid),
            RuleAction::PopVlan => walk.pop_vlan(),
        }
    }
    out.finish(otherwise);
}

struct Walk<'a> {
    pipeline: &'a Pipeline,
    /// What the frame says by now.
    frame: FlowKey,
    /// What it shall say at the next output.
    wish: FlowKey,
    out: &'a mut Translation,
}

impl Walk<'_> {
    fn output(&mut self, port: OfPort) {
        let step = match self.pipeline.target(port) {
            None => Action::Drop(DropReason::NoSuchPort),
            Some(Target::Port(port)) => Action::Output(port),
            Some(Target::Tunnel(tunnel)) => match self.way(tunnel) {
                Ok((encap, key)) => Action::Encap { encap, key },
                Err(reason) => Action::Drop(reason),
            },
        };
        if step.sends() {
            self.commit();
        }
        self.out.push(step);
    }

    /// The outer headers and the key for a tunnel port, as its configuration and the flow say.
    fn way(&self, tunnel: TunnelId) -> Result<(EncapId, u32), DropReason> {
        let spec = self.pipeline.tunnels().spec(tunnel);
        let remote = match spec.remote {
            Remote::Fixed(remote) => remote,
            Remote::Flow => self.remote_of_flow().ok_or(DropReason::NoTunnelRemote)?,
        };
        let key = match spec.key {
            Key::Fixed(key) => key,
            Key::Flow => self.wish.get(Field::TunId) as u64,
        };
        Ok((self.pipeline.way(tunnel, remote)?, key as u32))
    }

    fn remote_of_flow(&self) -> Option<IpAddr> {
        match (self.wish.get(Field::TunDst) as u32, self.wish.get(Field::TunIpv6Dst)) {
            (0, 0) => None,
            (0, v6) => Some(Ipv6Addr::from_bits(v6).into()),
            (v4, _) => Some(Ipv4Addr::from_bits(v4).into()),
        }
    }

    fn push_vlan(&mut self, tpid: u16) {
        self.commit();
        // Bits without the one that says "present" are no tag.
        let outer =
            Some(self.wish.get(Field::VlanTci) as u16).filter(|tci| tci & VLAN_PRESENT != 0).unwrap_or(0);
        let tci = outer | VLAN_PRESENT;
        self.out.push(Action::PushVlan { tpid, tci: tci & !VLAN_PRESENT });
        for key in [&mut self.frame, &mut self.wish] {
            key.set(Field::InnerVlanTci, outer.into());
            key.set(Field::VlanTci, tci.into());
        }
    }

    fn pop_vlan(&mut self) {
        self.commit();
        if self.frame.get(Field::VlanTci) == 0 {
            return;
        }
        self.pop();
    }

    /// The outermost tag goes, the second one is in front.
    fn pop(&mut self) {
        self.out.push(Action::PopVlan);
        let inner = self.frame.get(Field::InnerVlanTci);
        for key in [&mut self.frame, &mut self.wish] {
            key.set(Field::VlanTci, inner);
            key.set(Field::InnerVlanTci, 0);
        }
    }

    /// Writes out what the frame does not say yet.
    fn commit(&mut self) {
        self.commit_vlan();
        for field in EDITABLE {
            let value = self.wish.get(*field);
            if value != self.frame.get(*field) && self.has(*field) {
                self.out.push(Action::Edit(*field, value.to_be_bytes()));
                self.frame.set(*field, value);
            }
        }
    }

    /// A tag set on an untagged frame is added, one cleared is removed (mod_vlan_vid, set_field of vlan_tci).
    fn commit_vlan(&mut self) {
        let have = self.frame.get(Field::VlanTci) as u16;
        let wish = self.wish.get(Field::VlanTci) as u16;
        let step = match (have & VLAN_PRESENT != 0, wish & VLAN_PRESENT != 0) {
            _ if have == wish => return,
            (true, true) => Action::Edit(Field::VlanTci, u128::from(wish & !VLAN_PRESENT).to_be_bytes()),
            (false, true) => Action::PushVlan { tpid: ethertype::VLAN, tci: wish & !VLAN_PRESENT },
            (true, false) => return self.pop(),
            (false, false) => return,
        };
        self.out.push(step);
        self.frame.set(Field::VlanTci, wish.into());
    }

    /// Whether the frame has the header that the field is in; a rule without the prerequisite cannot invent it.
    fn has(&self, field: Field) -> bool {
        let ether_type = self.frame.get(Field::EthType) as u16;
        let proto = self.frame.get(Field::NwProto) as u8;
        let ip = matches!(ether_type, ethertype::IPV4 | ethertype::IPV6);
        let first = self.frame.get(Field::NwFrag) & 2 == 0;
        match field {
            Field::EthSrc | Field::EthDst => true,
            Field::NwSrc | Field::NwDst => matches!(ether_type, ethertype::IPV4 | ethertype::ARP),
            Field::ArpSha | Field::ArpTha | Field::NwProto => ether_type == ethertype::ARP,
            Field::NwTos | Field::NwTtl => ip,
            Field::Ipv6Src | Field::Ipv6Dst | Field::Ipv6Label => ether_type == ethertype::IPV6,
            Field::TpSrc | Field::TpDst => ip && first && matches!(proto, TCP | UDP | ICMP | ICMPV6),
            _ => false,
        }
    }
}

/// Fields that an edit can write into a frame, each once and whole; their parts are written with them.
const EDITABLE: &[Field] = &[
    Field::EthDst,
    Field::EthSrc,
    Field::NwSrc,
    Field::NwDst,
    Field::NwTos,
    Field::NwTtl,
    Field::TpSrc,
    Field::TpDst,
    Field::Ipv6Src,
    Field::Ipv6Dst,
    Field::Ipv6Label,
    Field::NwProto,
    Field::ArpSha,
    Field::ArpTha,
];
