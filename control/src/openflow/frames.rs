//! Cuts what comes from a connection into messages.
//!
//! Every message says in its header how long it is, with the header (OpenFlow 1.3.5 section 7.1). A length that does not even cover the
//! header leaves no way to find the next message: the connection cannot go on. No length can be longer than 64 KiB, so that is
//! what is kept of a message that is not complete, and what was read together with it.

use bytes::{Buf, Bytes, BytesMut};
use std::fmt;

/// Bytes of a header: version, type, length, transaction number.
pub const HEADER: usize = 8;

/// A message says that it is shorter than its header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooShort(pub u16);

impl fmt::Display for TooShort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a message says that it is {} bytes long, less than its header", self.0)
    }
}

impl std::error::Error for TooShort {}

/// What has come and has not been taken as messages yet.
#[derive(Debug, Default)]
pub struct Frames {
    rest: BytesMut,
}

impl Frames {
    /// Nothing yet.
    pub fn new() -> Frames {
        Frames::default()
    }

    /// More has come. Take all messages with [`Frames::next`] before more is read.
    pub fn push(&mut self, bytes: &[u8]) {
        self.rest.extend_from_slice(bytes);
    }

    /// Bytes that have come and have not been taken.
    pub fn waiting(&self) -> usize {
        self.rest.len()
    }

    /// The next message, if it has come whole.
    #[expect(clippy::should_implement_trait, reason = "it is not at its end when there is nothing now")]
    pub fn next(&mut self) -> Option<Result<Bytes, TooShort>> {
        let header = self.rest.first_chunk::<HEADER>()?;
        let len = u16::from_be_bytes([header[2], header[3]]);
        if usize::from(len) < HEADER {
            return Some(Err(TooShort(len)));
        }
        if self.rest.remaining() < usize::from(len) {
            return None;
        }
        Some(Ok(self.rest.split_to(usize::from(len)).freeze()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HELLO: [u8; 8] = [4, 0, 0, 8, 0, 0, 0, 1];
    const ECHO: [u8; 10] = [4, 2, 0, 10, 0, 0, 0, 2, b'h', b'i'];

    #[test]
    fn messages_are_found_however_they_are_cut() {
        let all = [&HELLO[..], &ECHO, &HELLO].concat();
        for size in 1..=all.len() {
            let mut frames = Frames::new();
            let mut found = Vec::new();
            for piece in all.chunks(size) {
                frames.push(piece);
                while let Some(message) = frames.next() {
                    found.push(message.unwrap());
                }
            }
            assert_eq!(found, [&HELLO[..], &ECHO, &HELLO], "in pieces of {size}");
            assert_eq!(frames.waiting(), 0);
        }
    }

    #[test]
    fn a_length_that_does_not_cover_the_header_is_the_end() {
        let mut frames = Frames::new();
        frames.push(&[4, 0, 0, 7, 0, 0, 0]);
        assert_eq!(frames.next(), None);
        frames.push(&[1]);
        assert_eq!(frames.next(), Some(Err(TooShort(7))));
        assert_eq!(frames.next(), Some(Err(TooShort(7))));
    }
}
