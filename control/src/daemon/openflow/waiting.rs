//! What waits for a peer: frames, and news of three kinds. Each kind has room of its own, so that none pushes another out: not what other controllers ask
//! for (`OFPT_REQUESTFORWARD`) the news of flows, nor either of them what else there is to tell.
//!
//! What finds no room is lost to the peer, and counted. News of flows always find theirs: whoever tells them looks first ([`Waiting::room`]).

use crate::openflow::channel::{FORWARDS_MAX, Room, weight};
use crate::openflow::{Envelope, Message, Reply};
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

/// Frames that wait for a peer.
pub(in super::super) const FRAMES_MAX: usize = 256;

/// News of flows (`monitor watch:`).
const FLOWS: Share = Share { messages: 6144, bytes: 4 << 20 };
/// What other controllers have asked for.
const FORWARDED: Share = Share { messages: FORWARDS_MAX, bytes: 2 << 20 };
/// Flows that have gone, ports, roles, room in tables.
const OTHERS: Share = Share { messages: 8192, bytes: 4 << 20 };

/// That news pause, and go on, is said whatever waits.
const PAUSES: usize = 16;
/// News that wait for a peer, of all kinds.
pub(super) const NEWS_MAX: usize = FLOWS.messages + PAUSES + FORWARDED.messages + OTHERS.messages;

/// How much of a kind may wait: messages, and about how many bytes of memory they take.
#[derive(Clone, Copy, Debug)]
struct Share {
    messages: usize,
    bytes: usize,
}

/// What waits of a kind.
#[derive(Debug, Default)]
struct Queued {
    messages: AtomicUsize,
    bytes: AtomicUsize,
}

/// What waits for a peer, counted by him who puts it there and him who takes it.
#[derive(Debug, Default)]
pub(in super::super) struct Waiting {
    flows: Queued,
    forwarded: Queued,
    others: Queued,
}

impl Waiting {
    fn of(&self, envelope: &Envelope) -> (&Queued, Option<Share>) {
        match &envelope.message {
            Message::MultipartReply(Reply::FlowMonitor(_), _)
            | Message::FlowMonitorPaused
            | Message::FlowMonitorResumed => (&self.flows, None),
            Message::RequestForward(_) => (&self.forwarded, Some(FORWARDED)),
            _ => (&self.others, Some(OTHERS)),
        }
    }

    /// One more waits, if there is room for it.
    pub(super) fn put(&self, envelope: &Envelope) -> bool {
        let (queued, share) = self.of(envelope);
        let takes = weight(envelope);
        let fits = share.is_none_or(|share| {
            queued.messages.load(Relaxed) < share.messages
                && queued.bytes.load(Relaxed) + takes <= share.bytes
        });
        if fits {
            queued.messages.fetch_add(1, Relaxed);
            queued.bytes.fetch_add(takes, Relaxed);
        }
        fits
    }

    /// One was taken that waited.
    pub(super) fn take(&self, envelope: &Envelope) {
        let (queued, _) = self.of(envelope);
        queued.messages.fetch_sub(1, Relaxed);
        queued.bytes.fetch_sub(weight(envelope), Relaxed);
    }

    /// How much room there is for news of flows.
    pub(super) fn room(&self) -> Room {
        let (messages, bytes) = (self.flows.messages.load(Relaxed), self.flows.bytes.load(Relaxed));
        Room {
            messages: FLOWS.messages.saturating_sub(messages),
            bytes: FLOWS.bytes.saturating_sub(bytes),
            idle: messages == 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ofproto::GroupMod;
    use bytes::Bytes;

    fn news() -> Envelope {
        Envelope::new(0, Message::MultipartReply(Reply::FlowMonitor(Vec::new()), false))
    }

    fn forwarded() -> Envelope {
        let request = Envelope::new(0, Message::GroupMod(GroupMod::Delete(None)));
        Envelope::new(0, Message::RequestForward(request.into()))
    }

    fn other() -> Envelope {
        Envelope::new(0, Message::EchoRequest(Bytes::new()))
    }

    #[test]
    fn what_others_ask_for_takes_no_room_of_news_of_flows() {
        let waiting = Waiting::default();
        let before = waiting.room();
        let put = |envelope: &Envelope| (0..100_000).filter(|_| waiting.put(envelope)).count();
        assert_eq!([put(&forwarded()), put(&other())], [FORWARDED.messages, OTHERS.messages]);
        assert_eq!(waiting.room(), before);
        assert!(waiting.put(&news()));
        let room = waiting.room();
        assert_eq!((room.messages, room.idle), (FLOWS.messages - 1, false));
        assert!(!waiting.put(&forwarded()) && !waiting.put(&other()));
        // What is read makes room for more of its kind.
        waiting.take(&forwarded());
        assert!(waiting.put(&forwarded()) && !waiting.put(&forwarded()) && !waiting.put(&other()));
        waiting.take(&news());
        assert_eq!(waiting.room(), before);
    }

    #[test]
    fn all_kinds_together_find_a_place_in_the_queue() {
        let waiting = Waiting::default();
        let all = [forwarded(), other()].map(|kind| (0..100_000).filter(|_| waiting.put(&kind)).count());
        let flows = waiting.room().messages;
        assert!(all.iter().sum::<usize>() + flows + PAUSES <= NEWS_MAX);
        assert!(OTHERS.messages * weight(&other()) <= OTHERS.bytes, "as many as their bytes allow");
    }
}
