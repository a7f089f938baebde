//! Puts bytes together. Lengths are written when they are known: a place is kept for them.

use datapath::tunnel::OptionMap;
use std::sync::Arc;

/// What has been written so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Writer {
    bytes: Vec<u8>,
    /// What Geneve options are called.
    options: Arc<OptionMap>,
}

impl Writer {
    /// Nothing yet.
    pub fn new() -> Writer {
        Writer::default()
    }

    /// Nothing yet, where Geneve options are called so.
    pub fn knowing(options: Arc<OptionMap>) -> Writer {
        Writer { bytes: Vec::new(), options }
    }

    /// What Geneve options are called.
    pub fn options(&self) -> Arc<OptionMap> {
        self.options.clone()
    }

    /// How many bytes there are: where the next one comes.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether nothing has been written.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// What has been written.
    pub fn as_slice(&self) -> &[u8] {
        &self.bytes
    }

    /// What has been written.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// These bytes.
    pub fn bytes(&mut self, bytes: &[u8]) -> &mut Writer {
        self.bytes.extend_from_slice(bytes);
        self
    }

    /// A byte.
    pub fn u8(&mut self, value: u8) -> &mut Writer {
        self.bytes(&[value])
    }

    /// Two bytes.
    pub fn u16(&mut self, value: u16) -> &mut Writer {
        self.bytes(&value.to_be_bytes())
    }

    /// Four bytes.
    pub fn u32(&mut self, value: u32) -> &mut Writer {
        self.bytes(&value.to_be_bytes())
    }

    /// Eight bytes.
    pub fn u64(&mut self, value: u64) -> &mut Writer {
        self.bytes(&value.to_be_bytes())
    }

    /// Sixteen bytes.
    pub fn u128(&mut self, value: u128) -> &mut Writer {
        self.bytes(&value.to_be_bytes())
    }

    /// So many zero bytes.
    pub fn zeros(&mut self, len: usize) -> &mut Writer {
        self.bytes.resize(self.bytes.len() + len, 0);
        self
    }

    /// A name in a field of so many bytes, the last of which is zero: it is cut, between characters, where it is too long.
    pub fn name(&mut self, name: &str, field: usize) -> &mut Writer {
        let mut len = name.len().min(field.saturating_sub(1));
        while !name.is_char_boundary(len) {
            len -= 1;
        }
        self.bytes(&name.as_bytes()[..len]).zeros(field - len)
    }

    /// Zero bytes until what began at `start` is a multiple of `to` long.
    pub fn pad(&mut self, start: usize, to: usize) -> &mut Writer {
        let len = self.bytes.len() - start;
        self.zeros(len.next_multiple_of(to) - len)
    }

    /// Writes a byte over that at `at`, which must be there.
    pub fn put_u8(&mut self, at: usize, value: u8) {
        self.bytes[at] = value;
    }

    /// Writes two bytes over those at `at`, which must be there.
    pub fn put_u16(&mut self, at: usize, value: u16) {
        self.bytes[at..at + 2].copy_from_slice(&value.to_be_bytes());
    }

    /// Writes the length of what began at `start` over the two bytes at `at`. What is longer than a length can say is for the
    /// caller to prevent; here it says the greatest.
    pub fn put_len(&mut self, at: usize, start: usize) {
        let len = u16::try_from(self.bytes.len() - start).unwrap_or(u16::MAX);
        self.put_u16(at, len);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_and_padding_count_from_where_something_began() {
        let mut writer = Writer::new();
        writer.u8(9);
        let start = writer.len();
        writer.u16(1).u16(0).bytes(b"abc");
        writer.put_len(start + 2, start);
        writer.pad(start, 8);
        assert_eq!(writer.as_slice(), [9, 0, 1, 0, 7, b'a', b'b', b'c', 0]);
        writer.pad(start, 8);
        assert_eq!(writer.len(), 9);
    }

    #[test]
    fn a_name_that_is_too_long_is_cut_between_characters() {
        let written = |name: &str| Writer::new().name(name, 4).as_slice().to_vec();
        assert_eq!(written("lo"), *b"lo\0\0");
        assert_eq!(written("eth0"), *b"eth\0");
        assert_eq!(written("ab\u{e9}"), *b"ab\0\0");
    }
}
