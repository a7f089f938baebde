//! Takes bytes apart, from the front. Nothing is believed: a read beyond the end is an error, and which one it is depends on what is being
//! read (OpenFlow has an error of its own for a short message, match, action, instruction, property).

use crate::openflow::Code;
use datapath::tunnel::OptionMap;

/// The rest of something, and the error that it is if it ends too early.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
    short: Code,
    /// What Geneve options are called: it is among what a number on the wire depends on.
    options: &'a OptionMap,
}

impl<'a> Reader<'a> {
    /// Reads these bytes; that there are too few of them is `short`.
    pub fn new(rest: &'a [u8], short: Code) -> Reader<'a> {
        Reader { rest, short, options: OptionMap::EMPTY }
    }

    /// The same, where Geneve options are called so.
    pub fn knowing(self, options: &'a OptionMap) -> Reader<'a> {
        Reader { options, ..self }
    }

    /// What Geneve options are called.
    pub fn options(&self) -> &'a OptionMap {
        self.options
    }

    /// What is left, to be looked at before it is taken, with an error of its own for being too short.
    pub fn ahead(&self, short: Code) -> Reader<'a> {
        Reader { short, ..*self }
    }

    /// All that is left, to be read as something of its own.
    pub fn rest_as(&mut self, short: Code) -> Reader<'a> {
        Reader { rest: self.take_rest(), short, options: self.options }
    }

    /// What is left.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// How many bytes are left.
    pub fn len(&self) -> usize {
        self.rest.len()
    }

    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The error that reading beyond the end is.
    pub fn short(&self) -> Code {
        self.short
    }

    /// The next `len` bytes.
    pub fn take(&mut self, len: usize) -> Result<&'a [u8], Code> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or(self.short)?;
        self.rest = rest;
        Ok(taken)
    }

    /// All that is left.
    pub fn take_rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.rest)
    }

    /// The next `len` bytes, to be read as something of its own, with an error of its own for being too short inside. That
    /// the bytes are not there at all is this reader's error.
    pub fn part(&mut self, len: usize, short: Code) -> Result<Reader<'a>, Code> {
        let options = self.options;
        self.take(len).map(|rest| Reader { rest, short, options })
    }

    /// Passes over `len` bytes, whatever they are: padding "is ignored by the receiver" (OpenFlow 1.3.5 section 7).
    pub fn skip(&mut self, len: usize) -> Result<(), Code> {
        self.take(len).map(|_| ())
    }

    /// The next `N` bytes.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Code> {
        let (taken, rest) = self.rest.split_first_chunk::<N>().ok_or(self.short)?;
        self.rest = rest;
        Ok(*taken)
    }

    /// The next byte.
    pub fn u8(&mut self) -> Result<u8, Code> {
        self.array().map(u8::from_be_bytes)
    }

    /// The next two bytes.
    pub fn u16(&mut self) -> Result<u16, Code> {
        self.array().map(u16::from_be_bytes)
    }

    /// The next four bytes.
    pub fn u32(&mut self) -> Result<u32, Code> {
        self.array().map(u32::from_be_bytes)
    }

    /// The next eight bytes.
    pub fn u64(&mut self) -> Result<u64, Code> {
        self.array().map(u64::from_be_bytes)
    }

    /// The next sixteen bytes.
    pub fn u128(&mut self) -> Result<u128, Code> {
        self.array().map(u128::from_be_bytes)
    }

    /// A name in a field of `N` bytes, which ends at the first zero if there is one. What is not UTF-8 in it is replaced.
    pub fn name<const N: usize>(&mut self) -> Result<String, Code> {
        let field: [u8; N] = self.array()?;
        let name = field.split(|byte| *byte == 0).next().unwrap_or(&field);
        Ok(String::from_utf8_lossy(name).into_owned())
    }

    /// That nothing is left; else it is too long, which is the same error as too short.
    pub fn end(&self) -> Result<(), Code> {
        if self.is_empty() { Ok(()) } else { Err(self.short) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_cannot_be_read_and_nothing_is_lost_by_trying() {
        let mut reader = Reader::new(&[1, 2, 3], Code::BadLen);
        assert_eq!(reader.u32(), Err(Code::BadLen));
        assert_eq!(reader.take(4), Err(Code::BadLen));
        assert_eq!((reader.u16(), reader.u8()), (Ok(0x0102), Ok(3)));
        assert_eq!(reader.end(), Ok(()));
        assert_eq!(reader.u8(), Err(Code::BadLen));
    }

    #[test]
    fn a_part_has_an_error_of_its_own() {
        let mut reader = Reader::new(&[0, 1, 2, 3], Code::BadLen);
        let mut part = reader.part(3, Code::BadActionLen).unwrap();
        assert_eq!(part.u32(), Err(Code::BadActionLen));
        assert_eq!(reader.part(2, Code::BadActionLen).unwrap_err(), Code::BadLen);
        assert_eq!(reader.rest(), [3]);
    }

    #[test]
    fn a_name_ends_at_the_first_zero_or_with_its_field() {
        let read = |bytes: &[u8]| Reader::new(bytes, Code::BadLen).name::<4>();
        assert_eq!(read(b"eth0").as_deref(), Ok("eth0"));
        assert_eq!(read(b"lo\0x").as_deref(), Ok("lo"));
        assert_eq!(read(b"a\xffb\0").as_deref(), Ok("a\u{fffd}b"));
        assert_eq!(read(b"lo"), Err(Code::BadLen));
    }
}
