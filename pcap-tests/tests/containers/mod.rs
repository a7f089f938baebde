//! Captures in every container that tools write, put together by hand so that no library reads back what it wrote.

use pcap_tests::capture::Packet;

type Write = fn(&[Packet]) -> Vec<u8>;

/// Each with a name.
pub(crate) const ALL: [(&str, Write); 4] = [
    ("pcap, big-endian", |packets| pcap(packets, u32::to_be_bytes, u16::to_be_bytes, NANOSECONDS)),
    ("pcap, microseconds", |packets| pcap(packets, u32::to_le_bytes, u16::to_le_bytes, MICROSECONDS)),
    ("pcapng, little-endian", |packets| pcapng(packets, u32::to_le_bytes, u16::to_le_bytes)),
    ("pcapng, big-endian", |packets| pcapng(packets, u32::to_be_bytes, u16::to_be_bytes)),
];

type Word = fn(u32) -> [u8; 4];
type Half = fn(u16) -> [u8; 2];

const ETHERNET: u16 = 1;

/// Magic number, and nanoseconds in a unit (draft-ietf-opsawg-pcap section 4).
const NANOSECONDS: (u32, u32) = (0xa1b2_3c4d, 1);
/// The times of all cases are whole microseconds.
const MICROSECONDS: (u32, u32) = (0xa1b2_c3d4, 1000);

fn pcap(packets: &[Packet], word: Word, half: Half, (magic, unit): (u32, u32)) -> Vec<u8> {
    let mut file = Vec::new();
    file.extend(word(magic));
    file.extend([half(2), half(4)].concat());
    file.extend([word(0), word(0), word(262_144), word(ETHERNET.into())].concat());
    for Packet { time, bytes } in packets {
        let len = bytes.len() as u32;
        file.extend(
            [word(time.as_secs() as u32), word(time.subsec_nanos() / unit), word(len), word(len)].concat(),
        );
        file.extend(bytes);
    }
    file
}

/// draft-ietf-opsawg-pcapng: a section header, two interfaces of Ethernet with nanoseconds, enhanced packets, and between
/// them a block of statistics that means nothing here.
fn pcapng(packets: &[Packet], word: Word, half: Half) -> Vec<u8> {
    let mut file =
        block(0x0a0d_0d0a, &[&word(0x1a2b_3c4d)[..], &half(1), &half(0), &[0xff; 8]].concat(), word);
    let resolution = [&half(9)[..], &half(1), &[9, 0, 0, 0], &half(0), &half(0)].concat();
    for _ in 0..2 {
        file.extend(block(1, &[&half(ETHERNET)[..], &half(0), &word(0), &resolution].concat(), word));
    }
    for (interface, Packet { time, bytes }) in [0, 1].into_iter().cycle().zip(packets) {
        let time = time.as_nanos() as u64;
        let len = word(bytes.len() as u32);
        let head = [word(interface), word((time >> 32) as u32), word(time as u32), len, len].concat();
        let padding = vec![0; bytes.len().next_multiple_of(4) - bytes.len()];
        file.extend(block(6, &[head, bytes.clone(), padding].concat(), word));
        file.extend(block(5, &[word(interface), word(0), word(0)].concat(), word));
    }
    file
}

fn block(kind: u32, body: &[u8], word: Word) -> Vec<u8> {
    let len = word(body.len() as u32 + 12);
    [&word(kind)[..], &len, body, &len].concat()
}
