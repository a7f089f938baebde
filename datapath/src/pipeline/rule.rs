//! Rules as OpenFlow means them: a match, a priority, and what to do.
//!
//! These are the words that flow text and controllers are compiled into. They are checked when they are made (control does
//! that); translation relies on it and still never panics.

use crate::flow::{Field, FlowKey, FlowMask, OfPort};

/// A match: `key` and which of its bits must be equal. Bits of `key` outside of `mask` are zero.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Match {
    key: FlowKey,
    mask: FlowMask,
}

impl Match {
    /// A match that every frame fits.
    pub fn any() -> Match {
        Match::default()
    }

    /// Adds a condition: the bits of `field` under `mask` equal those of `value`.
    pub fn with(mut self, field: Field, value: u128, mask: u128) -> Match {
        self.require(field, value, mask);
        self
    }

    /// Adds a condition: `field` equals `value`.
    pub fn exact(self, field: Field, value: u128) -> Match {
        self.with(field, value, field.max())
    }

    /// Adds a condition in place. See [`Match::with`].
    pub fn require(&mut self, field: Field, value: u128, mask: u128) {
        self.key.set_masked(field, value & mask, mask);
        self.mask.set_masked(field, mask, mask);
    }

    /// The values, zero where they do not matter.
    pub fn key(&self) -> &FlowKey {
        &self.key
    }

    /// The bits that matter.
    pub fn mask(&self) -> &FlowMask {
        &self.mask
    }

    /// Whether a frame with this key fits.
    #[inline]
    pub fn fits(&self, key: &FlowKey) -> bool {
        let mut differing = 0;
        for ((have, want), mask) in key.words().iter().zip(self.key.words()).zip(self.mask.words()) {
            differing |= (have ^ want) & mask;
        }
        differing == 0
    }
}

/// What a rule asks for, in OpenFlow's vocabulary: ports are bridge ports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuleAction {
    /// Send to a bridge port. Sending to the port that the frame came in by does nothing (OpenFlow 1.3 section 4.5);
    /// `InPort` is the way back.
    Output(OfPort),
    /// Send back to where it came from.
    InPort,
    /// Set bits of a field: of the frame, or of the tunnel metadata that a later output to a tunnel uses.
    SetField {
        /// The field.
        field: Field,
        /// Its new value, right-aligned.
        value: u128,
        /// Which bits to set.
        mask: u128,
    },
    /// Add an 802.1Q or 802.1ad tag in front; its identifier and priority are those of the tag that was outermost, or zero.
    PushVlan {
        /// 0x8100 or 0x88a8.
        tpid: u16,
    },
    /// Take the outermost tag away.
    PopVlan,
}

/// A rule of a flow table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Higher wins; among equals the older.
    pub priority: u16,
    /// The controller's own mark.
    pub cookie: u64,
    /// Which frames.
    pub matching: Match,
    /// What is done with them, in order. None is a drop.
    pub actions: Vec<RuleAction>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_masked_condition_looks_only_at_its_bits() {
        let net = Match::any().exact(Field::EthType, 0x0800).with(Field::NwDst, 0x0a00_0000, 0xff00_0000);
        let mut key = FlowKey::default();
        key.set(Field::EthType, 0x0800);
        key.set(Field::NwDst, 0x0a01_0203);
        assert!(net.fits(&key));
        key.set(Field::NwDst, 0x0b01_0203);
        assert!(!net.fits(&key));
    }

    #[test]
    fn values_outside_the_mask_are_forgotten() {
        let a = Match::any().with(Field::NwDst, 0x0a00_0001, 0xff00_0000);
        let b = Match::any().with(Field::NwDst, 0x0a00_0002, 0xff00_0000);
        assert_eq!(a, b);
    }
}
