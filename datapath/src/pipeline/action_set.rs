//! The action set (OpenFlow 1.3 section 5.10): at most one action of a kind, done in a fixed order, whatever the order in
//! which they were written.
//!
//! It has room for a fixed number of actions and holds references into the rules: writing into it allocates nothing.

use super::rule::RuleAction;
use crate::flow::{Field, OfPort};

/// Fields that can be set at the end, counting every copying between fields as one.
const SETS_MAX: usize = 32;

/// When an action is done: the order of OpenFlow 1.3.5 section 5.10; what is popped is popped from the outside in. A resubmit comes last, where Open vSwitch has put it
/// (`lib/ofp-actions.c`, ACTION_SET_ORDER), and only where there is neither group nor output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slot {
    CopyTtlIn,
    PopVlan,
    PopPbb,
    PopMpls,
    PushMpls,
    PushPbb,
    PushVlan,
    CopyTtlOut,
    DecTtl,
    DecMplsTtl,
    Set,
    SetQueue,
    Group,
    Output,
    Resubmit,
    /// An action set has none of these.
    Nowhere,
}

const SLOTS: usize = Slot::Nowhere as usize;

impl Slot {
    fn of(action: &RuleAction) -> Slot {
        match action {
            RuleAction::CopyTtlIn => Slot::CopyTtlIn,
            RuleAction::PopVlan => Slot::PopVlan,
            RuleAction::PopPbb => Slot::PopPbb,
            RuleAction::PopMpls { .. } => Slot::PopMpls,
            RuleAction::PushMpls { .. } => Slot::PushMpls,
            RuleAction::PushPbb => Slot::PushPbb,
            RuleAction::PushVlan { .. } => Slot::PushVlan,
            RuleAction::CopyTtlOut => Slot::CopyTtlOut,
            RuleAction::DecTtl | RuleAction::DecTtlOrTell(_) => Slot::DecTtl,
            RuleAction::DecMplsTtl => Slot::DecMplsTtl,
            RuleAction::SetField { .. } | RuleAction::Move { .. } => Slot::Set,
            RuleAction::SetQueue(_) => Slot::SetQueue,
            RuleAction::Group(_) => Slot::Group,
            RuleAction::Output(_)
            | RuleAction::OutputReg(_)
            | RuleAction::InPort
            | RuleAction::Controller { .. }
            | RuleAction::All
            | RuleAction::Normal
            | RuleAction::Flood => Slot::Output,
            RuleAction::Resubmit { .. } => Slot::Resubmit,
            RuleAction::OutputCut { .. }
            | RuleAction::Clone(_)
            | RuleAction::Conjunction(_)
            | RuleAction::Note(_)
            | RuleAction::PopQueue
            | RuleAction::CheckLarger { .. }
            | RuleAction::Multipath(_)
            | RuleAction::Bundle(_)
            | RuleAction::Push(_)
            | RuleAction::Pop(_)
            | RuleAction::Learn(_)
            | RuleAction::FinTimeout { .. }
            | RuleAction::Exit => Slot::Nowhere,
        }
    }
}

/// What was written and not cleared.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ActionSet<'a> {
    single: [Option<&'a RuleAction>; SLOTS],
    sets: [Option<&'a RuleAction>; SETS_MAX],
    len: usize,
    overflow: bool,
    /// Something was written.
    written: bool,
}

impl<'a> ActionSet<'a> {
    pub(super) fn write(&mut self, action: &'a RuleAction) {
        self.written = true;
        match Slot::of(action) {
            Slot::Nowhere => {}
            Slot::Set => self.set(action),
            slot => self.single[slot as usize] = Some(action),
        }
    }

    /// Whether nothing is to be done.
    pub(super) fn is_empty(&self) -> bool {
        !self.written
    }

    pub(super) fn clear(&mut self) {
        *self = ActionSet::default();
    }

    /// The port that its output names, as OpenFlow numbers it: none while a group comes before it (OpenFlow 1.5.1 section 7.2.3.7).
    pub(super) fn output(&self) -> OfPort {
        match self.single[Slot::Output as usize] {
            _ if self.single[Slot::Group as usize].is_some() => OfPort::UNSET,
            Some(RuleAction::Output(port)) => *port,
            Some(RuleAction::InPort) => OfPort(0xffff_fff8),
            Some(RuleAction::Normal) => OfPort(0xffff_fffa),
            Some(RuleAction::Flood) => OfPort(0xffff_fffb),
            Some(RuleAction::All) => OfPort(0xffff_fffc),
            Some(RuleAction::Controller { .. }) => OfPort(0xffff_fffd),
            _ => OfPort::UNSET,
        }
    }

    /// Whether all that was written is in it.
    pub(super) fn fits(&self) -> bool {
        !self.overflow
    }

    /// What is to be done, in the order of doing.
    pub(super) fn in_order(&self) -> impl Iterator<Item = &'a RuleAction> {
        let [before @ .., _set, queue, group, output, resubmit] = self.single;
        let last = group.or(output).or(resubmit);
        before.into_iter().chain(self.sets.into_iter().take(self.len)).chain([queue, last]).flatten()
    }

    fn set(&mut self, action: &'a RuleAction) {
        if let RuleAction::SetField { field, mask, .. } = action {
            self.forget(*field, *mask);
        }
        match self.sets.get_mut(self.len) {
            Some(place) => {
                *place = Some(action);
                self.len += 1;
            }
            None => self.overflow = true,
        }
    }

    /// Forgets what is set anew, unless something in between made use of it: it was copied to another field, or a field means what it
    /// does because of it.
    fn forget(&mut self, field: Field, mask: u128) {
        for at in (0..self.len).rev() {
            match self.sets[at] {
                Some(RuleAction::SetField { field: same, mask: covered, .. }) if *same == field => {
                    if covered & !mask == 0 {
                        self.sets.copy_within(at + 1..self.len, at);
                        self.len -= 1;
                    }
                }
                Some(RuleAction::SetField { field: other, .. })
                    if !decides(field, *other) && !decides(*other, field) => {}
                _ => return,
            }
        }
    }
}

/// Whether a field says what another one is, or whether it is there at all: a port that is set before the protocol is another than one
/// that is set behind it.
fn decides(field: Field, about: Field) -> bool {
    use Field::*;
    let of_discovery = matches!(about, NdTarget | NdReserved | NdOptionsType | NdSll | NdTll);
    match field {
        // Of all that is behind it.
        EthType | MplsBos => !matches!(about, EthSrc | EthDst),
        VlanTci | VlanVid => matches!(about, VlanTci | VlanVid | VlanPcp),
        NwProto => matches!(about, TpSrc | TpDst | TcpFlags) || of_discovery,
        // They are type and code of ICMP, too.
        TpSrc | TpDst => of_discovery,
        NdOptionsType => matches!(about, NdSll | NdTll),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::OfPort;
    use crate::pipeline::{GroupId, Part};

    fn set(field: Field, value: u128, mask: u128) -> RuleAction {
        RuleAction::SetField { field, value, mask }
    }

    fn written(actions: &[RuleAction]) -> Vec<&RuleAction> {
        let mut set = ActionSet::default();
        actions.iter().for_each(|action| set.write(action));
        assert!(set.fits());
        set.in_order().collect()
    }

    #[test]
    fn the_order_is_that_of_openflow_and_the_last_of_a_kind_stays() {
        let actions = [
            RuleAction::Output(OfPort(1)),
            set(Field::NwTtl, 1, 0xff),
            RuleAction::DecTtl,
            RuleAction::PushVlan { tpid: 0x8100 },
            RuleAction::PushVlan { tpid: 0x88a8 },
            RuleAction::PopVlan,
            RuleAction::Output(OfPort(2)),
        ];
        let wanted = [&actions[5], &actions[4], &actions[2], &actions[1], &actions[6]];
        assert_eq!(written(&actions), wanted);
    }

    #[test]
    fn a_group_takes_the_place_of_an_output() {
        let actions = [RuleAction::Group(GroupId(1)), RuleAction::Output(OfPort(2))];
        assert_eq!(written(&actions), [&actions[0]]);
    }

    #[test]
    fn what_decides_about_a_field_is_done_where_it_was_written() {
        let (udp, port) = (set(Field::NwProto, 17, 0xff), set(Field::TpSrc, 1, 0xffff));
        let actions = [udp.clone(), port.clone(), udp.clone()];
        assert_eq!(written(&actions), [&udp, &port, &udp]);
        let (code, target) = (set(Field::TpDst, 0, 0xffff), set(Field::NdTarget, 9, u128::MAX));
        let other = set(Field::TpDst, 1, 0xffff);
        let actions = [other.clone(), target.clone(), code.clone()];
        assert_eq!(written(&actions), [&other, &target, &code]);
        let address = set(Field::NwSrc, 7, 0xffff_ffff);
        let actions = [port.clone(), address.clone(), port.clone()];
        assert_eq!(written(&actions), [&address, &port], "a port decides about no address");
    }

    #[test]
    fn what_is_set_again_and_again_takes_one_place() {
        let mut actions = Vec::new();
        for value in 0..40 {
            actions.push(set(Field::VlanVid, 0x1000 | value, 0x1fff));
            actions.push(set(Field::TpSrc, value, 0xffff));
            actions.push(set(Field::Ipv6Src, value, u128::MAX));
        }
        assert_eq!(written(&actions), [&actions[117], &actions[118], &actions[119]]);
    }

    #[test]
    fn a_field_set_anew_takes_the_place_of_what_it_covers() {
        let copy = RuleAction::Move { from: Part::all(Field::NwTtl), to: Part::all(Field::NwTos) };
        let actions = [
            set(Field::NwTtl, 1, 0x0f),
            set(Field::NwTtl, 2, 0xff),
            copy,
            set(Field::NwTtl, 3, 0x0f),
            set(Field::NwTtl, 4, 0xf0),
            set(Field::NwTtl, 5, 0x1f),
        ];
        assert_eq!(written(&actions), [&actions[1], &actions[2], &actions[4], &actions[5]]);
    }

    #[test]
    fn more_than_there_is_room_for_is_noticed() {
        let copy = RuleAction::Move { from: Part::all(Field::NwTtl), to: Part::all(Field::NwTos) };
        let mut set = ActionSet::default();
        for _ in 0..SETS_MAX {
            set.write(&copy);
        }
        assert!(set.fits());
        set.write(&copy);
        assert!(!set.fits());
    }
}
