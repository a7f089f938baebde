//! The map of Geneve options: which option is which field `tun_metadataN` (`NXT_TLV_TABLE_*` of Nicira's extension,
//! `include/openflow/nicira-ext.h` of Open vSwitch).
//!
//! What fields are called must not change under those who speak of them: a field that a flow entry or a group uses stays mapped.

use super::{Error, Filter, Ofproto};
use datapath::flow::Field;
use datapath::pipeline::{Match, RuleAction};
use datapath::tunnel::{Mapping, OptionMap, Unmapped};
use std::fmt;

/// How the map shall change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OptionMod {
    /// Map these too.
    Add(Vec<Mapping>),
    /// Map nothing to these fields any more; those to which nothing is mapped are passed over, as in Open vSwitch.
    Delete(Vec<u16>),
    /// Map nothing.
    Clear,
}

/// `NXTTMFC_*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OptionModFailed {
    /// An option cannot be mapped.
    Unmapped(Unmapped),
    /// The field is used by a flow entry or a group.
    InUse(u16),
}

impl fmt::Display for OptionModFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OptionModFailed::Unmapped(why) => why.fmt(f),
            OptionModFailed::InUse(index) => write!(f, "tun_metadata{index} is used by a flow or a group"),
        }
    }
}

impl Ofproto {
    /// What Geneve options are called.
    pub fn options(&self) -> &OptionMap {
        self.pipeline.tunnels().options()
    }

    /// Changes the map: all of it, or nothing. Whether it is another than before.
    ///
    /// # Errors
    /// Why nothing is done.
    pub fn option_mod(&mut self, change: OptionMod) -> Result<bool, Error> {
        let mut map = self.options().clone();
        match change {
            OptionMod::Add(mappings) => {
                for mapping in mappings {
                    map.add(mapping).map_err(OptionModFailed::Unmapped)?;
                }
            }
            OptionMod::Delete(fields) => {
                for index in fields {
                    map.remove(index);
                }
            }
            OptionMod::Clear => map = OptionMap::default(),
        }
        let gone: Vec<u16> =
            self.options().iter().map(|one| one.index).filter(|index| map.get(*index).is_none()).collect();
        if let Some(used) = gone.into_iter().find(|index| self.uses(*index)) {
            return Err(OptionModFailed::InUse(used).into());
        }
        let changed = map != *self.options();
        if changed {
            self.pipeline.set_options(map);
        }
        Ok(changed)
    }

    /// Whether a flow entry or a group speaks of a field. Looks at all of them: maps seldom change.
    fn uses(&self, index: u16) -> bool {
        let map = self.options();
        let used = Used { presence: map.presence(index).unwrap_or(0), pieces: map.pieces(index).collect() };
        let entries = self.entries(Filter::default()).any(|(_, entry)| {
            let rule = &entry.installed.rule;
            used.matched(&rule.matching)
                || used.done(&rule.instructions.apply)
                || used.done(&rule.instructions.write)
        });
        let mut buckets = self.groups().flat_map(|(_, entry)| &entry.group.buckets);
        entries || buckets.any(|bucket| used.done(&bucket.actions))
    }
}

/// Where a field lies in keys.
struct Used {
    presence: u16,
    pieces: Vec<Field>,
}

impl Used {
    fn matched(&self, matching: &Match) -> bool {
        let mask = matching.mask();
        let there = mask.get(Field::OptionPresence) & u128::from(self.presence) != 0;
        there || self.pieces.iter().any(|piece| mask.get(*piece) != 0)
    }

    fn done(&self, actions: &[RuleAction]) -> bool {
        actions.iter().any(|action| match action {
            RuleAction::SetField { field: Field::OptionPresence, mask, .. } => {
                mask & u128::from(self.presence) != 0
            }
            RuleAction::SetField { field, .. } => self.pieces.contains(field),
            RuleAction::Move { from, to } => {
                self.pieces.contains(&from.field) || self.pieces.contains(&to.field)
            }
            RuleAction::OutputReg(part) | RuleAction::Push(part) | RuleAction::Pop(part) => {
                self.pieces.contains(&part.field)
            }
            RuleAction::Clone(actions) => self.done(actions),
            other => other.writes().is_some_and(|to| self.pieces.contains(&to.field)),
        })
    }
}
