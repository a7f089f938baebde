//! The actions that add and remove labels and provider backbones. ovs-ofctl has those of MPLS; those of OpenFlow 1.3 that it
//! does not have are written in its style: `push_pbb:0x88e7`, `pop_pbb`, `copy_ttl_out`, `copy_ttl_in`.

use super::actions::Reading;
use super::scan::{Fault, Span, Word};
use super::value::read_number;
use crate::ofproto::context::Needs;
use datapath::pipeline::RuleAction;
use datapath::wire::{ethertype, mpls, vlan};

impl Reading<'_> {
    pub(super) fn push_mpls(&mut self, text: Span<'_>) -> Result<(), Fault> {
        let ether_type = read_type(text)?;
        if !mpls::is_stack(ether_type) {
            return Err(text.fault(format!("{ether_type:#x} is no MPLS Ethernet type: 0x8847 or 0x8848")));
        }
        self.push_action(RuleAction::PushMpls { ether_type });
        Ok(())
    }

    /// `pop_mpls:ETHERTYPE`, which says what is below the label.
    pub(super) fn pop_mpls(&mut self, word: Word<'_>) -> Result<(), Fault> {
        let text = word.argument()?;
        let ether_type = read_type(text)?;
        if let Some(what) = unreadable(ether_type) {
            return Err(text.fault(format!("{what} below a label is not looked at: say what else there is")));
        }
        self.needs(word, Needs::Mpls)?;
        self.push_action(RuleAction::PopMpls { ether_type });
        Ok(())
    }

    pub(super) fn push_pbb(&mut self, text: Span<'_>) -> Result<(), Fault> {
        let ether_type = read_type(text)?;
        if ether_type != ethertype::PBB {
            return Err(
                text.fault(format!("{ether_type:#x} is not the Ethernet type of a service tag: 0x88e7"))
            );
        }
        self.push_action(RuleAction::PushPbb);
        Ok(())
    }

    /// An action that is one word.
    pub(super) fn bare_action(
        &mut self,
        word: Word<'_>,
        needs: Needs,
        action: RuleAction,
    ) -> Result<(), Fault> {
        word.bare()?;
        self.needs(word, needs)?;
        self.push_action(action);
        Ok(())
    }

    fn needs(&self, word: Word<'_>, needs: Needs) -> Result<(), Fault> {
        match self.context.meets(needs) {
            true => Ok(()),
            false => Err(word.key.fault(format!("{} needs {}", word.key.text, needs.advice()))),
        }
    }
}

fn read_type(text: Span<'_>) -> Result<u16, Fault> {
    read_number(text.text, u16::MAX.into()).map(|number| number as u16).map_err(|message| text.fault(message))
}

/// What it is that an Ethernet type begins, if a rule cannot say that it is there.
pub(super) fn unreadable(ether_type: u16) -> Option<&'static str> {
    match ether_type {
        ether_type if vlan::is_tag(ether_type) => Some("a VLAN tag"),
        ethertype::PBB => Some("a provider backbone"),
        _ => None,
    }
}
