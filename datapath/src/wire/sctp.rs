//! SCTP: as much of its common header as a switch changes, the ports, and the checksum that goes with them. Follows RFC 9260,
//! section 3.1 and appendix A.
//!
//! The checksum is CRC32c over the packet with zero in its place, and knows nothing of the IP header. A field of zero is no
//! checksum: either the ends have agreed to do without (RFC 9653), or a local stack has left it to its device.

use crc::{CRC_32_ISCSI, Crc, Table};

/// Length of the common header.
pub const HEADER_LEN: usize = 12;

/// Offsets of the fields.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |      Source Port Number       |    Destination Port Number    |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                       Verification Tag                        |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                           Checksum                            |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
pub mod at {
    /// Source port, 2 bytes.
    pub const SOURCE: usize = 0;
    /// Destination port, 2 bytes.
    pub const DESTINATION: usize = 2;
    /// CRC32c, 4 bytes, the least significant first.
    pub const CHECKSUM: usize = 8;
}

static CRC32C: Crc<u32, Table<16>> = Crc::<u32, Table<16>>::new(&CRC_32_ISCSI);

/// Changes a packet and keeps its checksum as right as it was: what `change` does must leave the length and the checksum
/// alone. The packet ends where its IP payload does. One that is cut short, or has no checksum, is changed only.
pub fn keeping_checksum(packet: &mut [u8], change: impl FnOnce(&mut [u8])) {
    let place = at::CHECKSUM..at::CHECKSUM + 4;
    let had: Option<[u8; 4]> = packet.get(place.clone()).and_then(|field| field.try_into().ok());
    let Some(had) = had.filter(|had| *had != [0; 4]) else { return change(packet) };
    // The sum is linear: what is in its place meanwhile, and whether it was right, falls out of the difference.
    let before = CRC32C.checksum(packet);
    change(packet);
    let difference = before ^ CRC32C.checksum(packet);
    packet[place].copy_from_slice(&(u32::from_le_bytes(had) ^ difference).to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    // scapy: bytes(SCTP(sport=4000, dport=5000, tag=0x01020304)/SCTPChunkData(data=b'payload'))
    const PACKET: &[u8] = &[
        0x0f, 0xa0, 0x13, 0x88, 0x01, 0x02, 0x03, 0x04, 0x51, 0xd4, 0x14, 0x24, 0x00, 0x00, 0x00, 0x17, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x70, 0x61, 0x79, 0x6c, 0x6f, 0x61,
        0x64, 0x00,
    ];
    // The same with dport=5001.
    const TO_5001: &[u8] = &[
        0x0f, 0xa0, 0x13, 0x89, 0x01, 0x02, 0x03, 0x04, 0x7e, 0xff, 0x2d, 0x7e, 0x00, 0x00, 0x00, 0x17, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x70, 0x61, 0x79, 0x6c, 0x6f, 0x61,
        0x64, 0x00,
    ];

    fn to_5001(packet: &mut [u8]) {
        keeping_checksum(packet, |packet| {
            packet[at::DESTINATION..at::DESTINATION + 2].copy_from_slice(&[0x13, 0x89])
        });
    }

    #[test]
    fn rfc9260_appendix_a_the_checksum_follows_a_port() {
        let mut packet = PACKET.to_vec();
        to_5001(&mut packet);
        assert_eq!(packet, TO_5001);
    }

    #[test]
    fn a_wrong_checksum_stays_wrong() {
        let mut packet = PACKET.to_vec();
        packet[20] ^= 1;
        to_5001(&mut packet);
        packet[20] ^= 1;
        assert_eq!(packet, TO_5001, "but for the bit that was wrong before");
    }

    #[test]
    fn rfc9653_no_checksum_stays_none() {
        let mut packet = PACKET.to_vec();
        packet[8..12].fill(0);
        to_5001(&mut packet);
        assert_eq!(packet[8..12], [0; 4]);
        assert_eq!(packet[2..4], [0x13, 0x89]);
    }

    #[test]
    fn a_packet_cut_short_is_changed_only() {
        for len in 4..HEADER_LEN {
            let mut packet = PACKET[..len].to_vec();
            to_5001(&mut packet);
            assert_eq!(packet[2..4], [0x13, 0x89]);
        }
    }
}
