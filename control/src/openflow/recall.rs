//! What flows do that were read last, by the bytes that said so: one controller's flows do one of few things, and these are then read once.
//!
//! What bytes mean depends on the version, and on what the match says about frames; and where fields of Geneve options have names, on
//! these: then nothing is remembered. That groups and meters are there is looked at when the flow is added, as ever. Only what makes sense is
//! remembered; so much of it and no more, for each thread.

use super::wire::Reader;
use super::{Code, Version, instructions};
use crate::ofproto::context::Context;
use datapath::flow::Seed;
use datapath::pipeline::Instructions;
use std::cell::RefCell;
use std::sync::Arc;

/// How many are remembered, each in the place that a hash of its bytes says; and how long they are at the most.
const KEPT: usize = 64;
const BYTES_MAX: usize = 256;

/// Nobody gains from aiming at a hash: the worst is that something is read again.
const SEED: Seed = Seed::new(0x00f1_0b5e);

struct Known {
    version: Version,
    context: Context,
    bytes: Box<[u8]>,
    does: Arc<Instructions>,
}

thread_local! {
    static KNOWN: RefCell<[Option<Known>; KEPT]> = const { RefCell::new([const { None }; KEPT]) };
}

/// Reads what a flow does whose match says this about frames: all that the reader has.
///
/// # Errors
/// As [`instructions::decode`].
pub(super) fn decode(
    version: Version,
    reader: &mut Reader<'_>,
    context: Context,
) -> Result<Arc<Instructions>, Code> {
    let bytes = reader.rest();
    if bytes.len() > BYTES_MAX || !reader.options().is_empty() {
        return instructions::decode_in_context(version, reader, context).map(Arc::new);
    }
    let at = place(bytes);
    KNOWN.with_borrow_mut(|known| {
        let known = &mut known[at];
        let same =
            |known: &&Known| *known.bytes == *bytes && known.version == version && known.context == context;
        if let Some(known) = known.as_ref().filter(same) {
            reader.take_rest();
            return Ok(known.does.clone());
        }
        let does = Arc::new(instructions::decode_in_context(version, reader, context)?);
        *known = Some(Known { version, context, bytes: bytes.into(), does: does.clone() });
        Ok(does)
    })
}

fn place(bytes: &[u8]) -> usize {
    // Instructions and actions are multiples of eight bytes long; what else there may be is compared.
    let words = bytes.as_chunks().0.iter().copied().map(u64::from_le_bytes);
    words.fold(0, |hash, word| SEED.pair(hash, word)) as usize % KEPT
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::openflow::wire::Writer;
    use datapath::flow::{Field, OfPort};
    use datapath::pipeline::{Match, RuleAction};

    fn read(version: Version, bytes: &[u8], matching: &Match) -> Result<Arc<Instructions>, Code> {
        decode(version, &mut Reader::new(bytes, Code::BadLen), Context::of(matching))
    }

    fn written(does: &Instructions) -> Vec<u8> {
        let mut writer = Writer::new();
        instructions::encode(Version::V13, does, &Match::any(), &mut writer);
        writer.into_bytes()
    }

    #[test]
    fn what_was_read_before_is_the_same_and_what_differs_is_read() {
        let to = |port| Instructions::apply(vec![RuleAction::Output(OfPort(port))]);
        let first = read(Version::V13, &written(&to(1)), &Match::any()).expect("read");
        assert_eq!(*first, to(1));
        for port in 1..1000 {
            let again = read(Version::V13, &written(&to(port)), &Match::any()).expect("read");
            assert_eq!((*again == to(port), Arc::ptr_eq(&again, &first)), (true, port == 1));
        }
    }

    #[test]
    fn what_a_match_does_not_allow_is_refused_though_another_did() {
        let does = Instructions::apply(vec![RuleAction::DecTtl]);
        let ip = Match::any().exact(Field::EthType, 0x800);
        let bytes = written(&does);
        assert_eq!(read(Version::V13, &bytes, &ip).as_deref(), Ok(&does));
        assert_eq!(read(Version::V13, &bytes, &Match::any()), Err(Code::MatchInconsistent));
        assert_eq!(read(Version::V13, &bytes, &ip).as_deref(), Ok(&does));
    }
}
