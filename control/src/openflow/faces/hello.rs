//! Hello: which versions somebody speaks (OpenFlow 1.3.5 section 7.5.1).

use crate::openflow::Code;
use crate::openflow::wire::{Reader, Writer};

/// `OFPHET_VERSIONBITMAP`.
const VERSION_BITMAP: u16 = 1;

/// The versions that are spoken, by a message of this version with these elements. What is wrong with elements makes them as good as absent: older
/// versions allow anything here (OpenFlow 1.0 section 5.5.1).
pub(super) fn decode(version: u8, mut reader: Reader<'_>) -> Vec<u8> {
    let mut versions = (1..=version).collect();
    while let Ok(Some((kind, mut element))) = element(&mut reader) {
        match (kind, element.u32()) {
            (VERSION_BITMAP, Ok(bitmap)) => {
                let named: Vec<u8> = (1..32).filter(|version| bitmap & 1 << version != 0).collect();
                if !named.is_empty() {
                    versions = named;
                }
            }
            _ => continue,
        }
    }
    versions
}

fn element<'a>(reader: &mut Reader<'a>) -> Result<Option<(u16, Reader<'a>)>, Code> {
    if reader.is_empty() {
        return Ok(None);
    }
    let (kind, len) = (reader.u16()?, usize::from(reader.u16()?));
    let value = reader.part(len.checked_sub(4).ok_or(Code::BadLen)?, Code::BadLen)?;
    // Padding at the very end may be missing: the element's length does not count it.
    let padding = len.next_multiple_of(8) - len;
    reader.skip(padding.min(reader.len()))?;
    Ok(Some((kind, value)))
}

/// The version in whose header it is said: the greatest.
pub(super) fn version(versions: &[u8]) -> u8 {
    versions.iter().copied().max().unwrap_or(1)
}

/// Writes the elements: none when the header says it all.
pub(super) fn encode(versions: &[u8], writer: &mut Writer) {
    let bitmap =
        versions.iter().filter(|version| **version < 32).fold(0u32, |all, version| all | 1 << version);
    let all_below = (1..=version(versions)).filter(|version| *version < 32).fold(0u32, |all, v| all | 1 << v);
    if bitmap != all_below {
        writer.u16(VERSION_BITMAP).u16(8).u32(bitmap);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(version: u8, elements: &[u8]) -> Vec<u8> {
        decode(version, Reader::new(elements, Code::BadLen))
    }

    #[test]
    fn without_a_bitmap_all_versions_up_to_the_headers_are_spoken() {
        assert_eq!(read(4, &[]), [1, 2, 3, 4]);
        assert_eq!(read(1, b"anything"), [1]);
    }

    #[test]
    fn a_bitmap_says_which() {
        assert_eq!(read(6, &[0, 1, 0, 8, 0, 0, 0, 0x72]), [1, 4, 5, 6]);
        // Elements that nobody knows are passed over, more words of the bitmap too, and bit 0 is no version.
        assert_eq!(read(4, &[0, 9, 0, 5, 1, 0, 0, 0, 0, 1, 0, 12, 0, 0, 0, 0x13, 0, 0, 0, 1]), [1, 4]);
    }

    #[test]
    fn what_is_wrong_with_elements_makes_them_absent() {
        assert_eq!(read(2, &[0, 1, 0, 3]), [1, 2]);
        assert_eq!(read(2, &[0, 1, 0, 4]), [1, 2]);
        assert_eq!(read(2, &[0, 1, 0, 8, 0, 0]), [1, 2]);
        assert_eq!(read(2, &[0, 1, 0, 8, 0, 0, 0, 1]), [1, 2]);
    }

    #[test]
    fn what_is_written_is_read_again() {
        for versions in [vec![1], vec![1, 4], vec![1, 4, 5, 6], vec![4], vec![1, 2, 3, 4]] {
            let mut writer = Writer::new();
            encode(&versions, &mut writer);
            assert_eq!(read(version(&versions), writer.as_slice()), versions);
        }
    }
}
