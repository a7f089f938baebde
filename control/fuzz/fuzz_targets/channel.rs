//! Any messages on five connections of all versions, with a switch behind them: nothing panics, and what is kept of them is bounded.
//!
//! The input is cut into messages: a byte says on which connection, and two how long it is; the version in it is made that of the connection,
//! and the length its own, so that what is in it is reached.
#![no_main]

#[path = "../../tests/channel_switch/mod.rs"]
mod channel_switch;

use channel_switch::Lab;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let mut lab = Lab::new();
    let mut rest = input;
    while let [who, l0, l1, more @ ..] = rest {
        let len = usize::from(u16::from_be_bytes([*l0 & 0x07, *l1])).min(more.len());
        let (message, after) = more.split_at(len);
        let mut raw = message.to_vec();
        if raw.len() >= 8 {
            let (_, version) = lab.connections[usize::from(*who) % lab.connections.len()];
            raw[0] = version as u8;
            raw[2..4].copy_from_slice(&(len as u16).to_be_bytes());
            lab.hear(usize::from(*who), raw);
        }
        rest = after;
    }
});
