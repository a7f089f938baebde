//! About how much memory it takes what waits for a peer, or is kept for it: with all that lies behind pointers, however deep, because peers choose how
//! long that is. What is shared with others is counted as if it were not.

use crate::ofproto::{BucketChange, BucketMod, GroupMod, MeterMod};
use crate::openflow::{Envelope, FlowStats, FlowUpdate, Message, Refusal, Reply};
use datapath::pipeline::{Bucket, Group, Instructions, Match, RuleAction, Selection};

/// What an allocation takes beside what is in it.
pub(super) const ALLOCATION: usize = 16;

/// About how much memory a message takes that waits for a peer.
pub fn weight(envelope: &Envelope) -> usize {
    let more = match &envelope.message {
        Message::MultipartReply(Reply::FlowMonitor(updates), _) => updates.iter().map(update).sum(),
        Message::RequestForward(inner) => ALLOCATION + size_of::<Envelope>() + request(&inner.message),
        Message::FlowRemoved(removed) => conditions(&removed.matching),
        Message::PortStatus(_, port) => ALLOCATION + port.name.len(),
        Message::Error(Refusal::Ours(_, data) | Refusal::Read(_, _, data)) => ALLOCATION + data.len(),
        _ => 0,
    };
    size_of::<Envelope>() + more
}

fn update(update: &FlowUpdate) -> usize {
    let more = match update {
        FlowUpdate::Abbreviated(_) | FlowUpdate::Paused | FlowUpdate::Resumed => 0,
        FlowUpdate::Full { flow, .. } => {
            ALLOCATION
                + size_of::<FlowStats>()
                + conditions(&flow.matching)
                + instructions(&flow.instructions)
        }
    };
    size_of::<FlowUpdate>() + more
}

/// A change to groups or meters.
fn request(message: &Message) -> usize {
    match message {
        Message::GroupMod(
            GroupMod::Add(_, named) | GroupMod::Modify(_, named) | GroupMod::AddOrModify(_, named),
        ) => group(named),
        Message::BucketMod(BucketMod { change: BucketChange::Insert(_, named), .. }) => group(named),
        Message::MeterMod(MeterMod::Add(_, spec) | MeterMod::Modify(_, spec)) => {
            ALLOCATION + size_of_val(&*spec.bands)
        }
        _ => 0,
    }
}

fn group(group: &Group) -> usize {
    let fields = if let Selection::Hash(_, fields) = &group.selection { size_of_val(&**fields) } else { 0 };
    let bucket = |bucket: &Bucket| size_of::<Bucket>() + actions(&bucket.actions);
    ALLOCATION + fields + group.buckets.iter().map(bucket).sum::<usize>()
}

/// What an entry does.
pub(super) fn instructions(instructions: &Instructions) -> usize {
    ALLOCATION + size_of::<Instructions>() + actions(&instructions.apply) + actions(&instructions.write)
}

/// The conditions of an entry: where they are, and what.
pub(super) fn conditions(matching: &Match) -> usize {
    let words = matching.mask().words().iter().filter(|bits| **bits != 0).count();
    2 * ALLOCATION + words * (size_of::<(u8, u64)>() + size_of::<u64>())
}

fn actions(list: &[RuleAction]) -> usize {
    ALLOCATION + size_of_val(list) + list.iter().map(behind).sum::<usize>()
}

/// What lies behind an action.
fn behind(action: &RuleAction) -> usize {
    ALLOCATION
        + match action {
            RuleAction::Controller { userdata, .. } => userdata.len(),
            RuleAction::DecTtlOrTell(controllers) => size_of_val(&**controllers),
            // No deeper than clones may be nested.
            RuleAction::Clone(inner) => actions(inner),
            RuleAction::Note(bytes) => bytes.len(),
            RuleAction::Multipath(multipath) => size_of_val(&**multipath),
            RuleAction::Bundle(bundle) => size_of_val(&**bundle) + size_of_val(&*bundle.members),
            RuleAction::Learn(learn) => size_of_val(&**learn) + size_of_val(&*learn.specs),
            _ => return 0,
        }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ofproto::FlowFlags;
    use crate::openflow::UpdateEvent;
    use datapath::pipeline::{GroupId, GroupKind, TableId};

    const LONG: usize = 4096;

    fn long() -> RuleAction {
        RuleAction::Note(vec![0; LONG].into())
    }

    #[test]
    fn what_lies_behind_actions_is_weighed_however_deep() {
        let weighs = |action: RuleAction| instructions(&Instructions::apply(vec![action]));
        assert!(weighs(RuleAction::Exit) < 512);
        let told = RuleAction::Controller {
            max_len: 0,
            reason: datapath::action::punt::Reason::Action,
            controller: 0,
            userdata: vec![0; LONG].into(),
        };
        let nested = RuleAction::Clone(vec![RuleAction::Clone(vec![long()])]);
        for action in [long(), told, nested, RuleAction::DecTtlOrTell(vec![0; LONG / 2].into())] {
            assert!((LONG..LONG + 1024).contains(&weighs(action)));
        }
        let written = Instructions { write: vec![long(); 3], ..Instructions::default() };
        assert!(instructions(&written) >= 3 * LONG);
    }

    #[test]
    fn messages_weigh_what_they_hold() {
        let flow = Box::new(FlowStats {
            table: TableId(0),
            duration_ms: 0,
            idle_ms: 0,
            untaught_ms: None,
            priority: 0,
            idle_timeout: 0,
            hard_timeout: 0,
            importance: 0,
            flags: FlowFlags::default(),
            cookie: 0,
            packets: 0,
            bytes: 0,
            matching: Match::any(),
            instructions: Instructions::apply(vec![long(); 15]).into(),
        });
        let news = FlowUpdate::Full { event: UpdateEvent::Added, reason: 0, flow };
        let news = Envelope::new(0, Message::MultipartReply(Reply::FlowMonitor(vec![news]), false));
        assert!(weight(&news) > 15 * LONG);
        let actions = vec![long()];
        let bucket = Bucket { id: 1, weight: 0, watch_port: None, watch_group: None, actions };
        let group = Group::new(GroupKind::All, vec![bucket; 7]);
        let request = Envelope::new(0, Message::GroupMod(GroupMod::Add(GroupId(1), group)));
        let forwarded = Envelope::new(0, Message::RequestForward(request.into()));
        assert!(weight(&forwarded) > 7 * LONG);
    }
}
