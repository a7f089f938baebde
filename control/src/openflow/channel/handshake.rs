//! How a connection begins: both sides say hello, and with it which versions they speak (OpenFlow 1.3.5 section 6.3.1).
//!
//! Read from the bytes themselves: a hello may be of a version that nobody here speaks, and still name one.

use crate::openflow::Version;

/// Before anything is agreed on.
#[derive(Clone, Debug)]
pub struct Handshake {
    ours: Vec<Version>,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Agreement {
    /// From now on this version.
    Speak(Version),
    /// None is spoken by both. Whoever does so is told in this version (`OFPET_HELLO_FAILED`, `OFPHFC_INCOMPATIBLE`), and hung up on.
    Nothing(Version),
    /// This was no hello.
    NoHello,
}

/// `OFPHET_VERSIONBITMAP`.
const VERSION_BITMAP: u16 = 1;

impl Handshake {
    /// With whom speaks these versions and no others.
    pub fn new(ours: &[Version]) -> Handshake {
        let mut ours = ours.to_vec();
        ours.sort();
        ours.dedup();
        Handshake { ours }
    }

    /// The version that our own hello is said in: the greatest. None when there is none at all.
    pub fn version(&self) -> Option<Version> {
        self.ours.last().copied()
    }

    /// What our own hello says.
    pub fn versions(&self) -> &[Version] {
        &self.ours
    }

    /// What the other side's first message leads to.
    pub fn hear(&self, hello: &[u8]) -> Agreement {
        let (Some(&[version, kind]), Some(greatest)) = (hello.first_chunk(), self.version()) else {
            return Agreement::NoHello;
        };
        if kind != 0 || version == 0 {
            return Agreement::NoHello;
        }
        let theirs = |ours: &Version| match bitmap(hello) {
            Some(bits) => bits & (1 << (*ours as u32)) != 0,
            None => false,
        };
        let common = match bitmap(hello) {
            Some(_) => self.ours.iter().rev().find(|ours| theirs(ours)).copied(),
            // Without a bitmap: the smaller of both (section 6.3.1), and it must be spoken here.
            None => {
                let smaller = version.min(greatest as u8);
                self.ours.iter().find(|ours| **ours as u8 == smaller).copied()
            }
        };
        common.map_or_else(|| Agreement::Nothing(self.closest(version)), Agreement::Speak)
    }

    /// A version that the other side may understand.
    fn closest(&self, theirs: u8) -> Version {
        let below = self.ours.iter().rev().find(|ours| **ours as u8 <= theirs);
        *below.or(self.ours.first()).unwrap_or(&Version::V10)
    }
}

/// The versions of a hello that names them: bit N is version N. Elements of other kinds are passed over, and so are versions above 31.
fn bitmap(hello: &[u8]) -> Option<u32> {
    let mut elements = hello.get(8..)?;
    while let Some((&[k0, k1, l0, l1], _)) = elements.split_first_chunk() {
        let (kind, len) = (u16::from_be_bytes([k0, k1]), usize::from(u16::from_be_bytes([l0, l1])));
        let element = elements.get(4..len)?;
        if kind == VERSION_BITMAP {
            return element.first_chunk().map(|bits| u32::from_be_bytes(*bits));
        }
        elements = elements.get(len.next_multiple_of(8)..)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Version; 4] = [Version::V10, Version::V13, Version::V14, Version::V15];

    fn hello(version: u8, bits: Option<u32>) -> Vec<u8> {
        let mut bytes = vec![version, 0, 0, 8, 0, 0, 0, 1];
        if let Some(bits) = bits {
            // An element of an unknown kind in front, with its padding.
            bytes.extend([0, 9, 0, 5, 7, 0, 0, 0, 0, 1, 0, 8]);
            bytes.extend(bits.to_be_bytes());
        }
        bytes[3] = bytes.len() as u8;
        bytes
    }

    #[test]
    fn the_greatest_common_version_is_that_of_the_bitmaps() {
        let all = Handshake::new(&ALL);
        assert_eq!(all.hear(&hello(6, Some(1 << 1 | 1 << 4))), Agreement::Speak(Version::V13));
        assert_eq!(all.hear(&hello(9, Some(1 << 9 | 1 << 6))), Agreement::Speak(Version::V15));
        assert_eq!(all.hear(&hello(4, Some(1 << 2))), Agreement::Nothing(Version::V13));
    }

    #[test]
    fn without_a_bitmap_it_is_the_smaller_one() {
        let all = Handshake::new(&ALL);
        assert_eq!(all.hear(&hello(4, None)), Agreement::Speak(Version::V13));
        assert_eq!(all.hear(&hello(99, None)), Agreement::Speak(Version::V15));
        assert_eq!(all.hear(&hello(3, None)), Agreement::Nothing(Version::V10));
        let only = Handshake::new(&[Version::V13]);
        assert_eq!(only.hear(&hello(1, None)), Agreement::Nothing(Version::V13));
        assert_eq!(only.hear(&hello(6, None)), Agreement::Speak(Version::V13));
    }

    #[test]
    fn what_is_no_hello_is_none_and_no_length_hurts() {
        let all = Handshake::new(&ALL);
        assert_eq!(all.hear(&[4, 2, 0, 8, 0, 0, 0, 1]), Agreement::NoHello);
        assert_eq!(all.hear(&[]), Agreement::NoHello);
        let whole = hello(6, Some(1 << 4));
        for len in 0..whole.len() {
            all.hear(&whole[..len]);
        }
        for len in 0..=u8::MAX {
            let mut wrong = whole.clone();
            wrong[11] = len;
            all.hear(&wrong);
        }
    }
}
