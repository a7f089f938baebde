//! Any bytes as a connection's, in any version: they are cut into messages, and each is read. What can be read can be written in every version
//! that has words for it; in its own it says the same when it is read again, but for what is said in more than one way.
//!
//! The first byte of the input says the version; the rest comes from the connection, in two pieces.
#![no_main]

use control::openflow::{Frames, Version, decode, encode, parts};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let [version, stream @ ..] = input else { return };
    let version = Version::ALL[usize::from(version % 4)];
    let mut frames = Frames::new();
    let (first, second) = stream.split_at(stream.len() / 2);
    for piece in [first, second] {
        frames.push(piece);
        while let Some(Ok(message)) = frames.next() {
            let Ok(envelope) = decode(version, &message) else { continue };
            for other in Version::ALL {
                let whole = encode(other, &envelope);
                assert!(whole.is_none_or(|whole| whole.len() <= 0xffff));
                assert!(parts(other, &envelope).iter().all(|part| part.len() <= 0xffff));
            }
            // Once it has been said in our words, it does not change any more.
            let Some(again) = encode(version, &envelope) else { continue };
            let Ok(read) = decode(version, &again) else { continue };
            let Some(third) = encode(version, &read) else { continue };
            let Ok(last) = decode(version, &third) else { panic!("what was read once is not read again") };
            assert_eq!(last, read);
        }
    }
});
