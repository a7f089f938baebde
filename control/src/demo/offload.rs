//! Evidence that guests leave checksums to their network card, as they do unless told otherwise, and that TCP works all the
//! same: segments are looked at as they leave the guest.

use std::net::SocketAddrV4;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Result;

use super::network::{Network, Tenant};
use super::report::Finding;
use crate::lab::{Capture, Peer, Stop, Transfer, checksum};

const CLIENT: u16 = 40_002;
const SERVER: u16 = 5002;

/// A moment of TCP under observation.
pub(super) fn check(network: &Network, tenant: &Tenant, stop: &Stop) -> Result<Finding> {
    let (client, server) = (network.guest(tenant, 1), network.guest(tenant, 2));
    let counts = Arc::new([AtomicU64::new(0), AtomicU64::new(0)]);
    let watches = [client, server].map(|guest| {
        let (counts, source) = (Arc::clone(&counts), guest.addr.octets());
        Capture::start(&guest.netns, move |frame| {
            if let Some(filled) = is_filled(frame, source) {
                counts[0].fetch_add(1, Ordering::Relaxed);
                counts[1].fetch_add(u64::from(!filled), Ordering::Relaxed);
            }
            false
        })
    });
    let from = Peer { netns: &client.netns, addr: SocketAddrV4::new(client.addr, CLIENT) };
    let to = Peer { netns: &server.netns, addr: SocketAddrV4::new(server.addr, SERVER) };
    Transfer::run(from, to, Duration::from_millis(100), 300, stop)?;
    for watch in watches {
        watch?.finish()?;
    }
    let [all, unfilled] = [0, 1].map(|index| counts[index].load(Ordering::Relaxed));
    let detail = format!("{unfilled} of {all} segments left unfilled, all arrived");
    Ok(Finding::new(unfilled > 0, detail).figure("segments", all as f64).figure("unfilled", unfilled as f64))
}

/// Whether a TCP segment of the transfer, sent from `source`, has its checksum; `None` for other frames.
fn is_filled(frame: &[u8], source: [u8; 4]) -> Option<bool> {
    let ip = frame.get(14..).filter(|_| frame[12..14] == [0x08, 0x00])?;
    if ip.get(9)? != &6 || ip.get(12..16)? != source {
        return None;
    }
    let header = usize::from(ip[0] & 0x0f) * 4;
    let total = usize::from(u16::from_be_bytes([ip[2], ip[3]]));
    let segment = ip.get(header..total)?;
    if ![CLIENT, SERVER].contains(&u16::from_be_bytes(segment.get(..2)?.try_into().ok()?)) {
        return None;
    }
    // The pseudo header of RFC 9293, section 3.1.
    let mut summed = ip[12..20].to_vec();
    summed.extend([0, 6]);
    summed.extend(u16::try_from(segment.len()).ok()?.to_be_bytes());
    summed.extend(segment);
    Some(checksum(&summed) == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filled_and_an_unfilled_checksum_are_told_apart() {
        let mut frame = vec![0; 12];
        frame.extend([0x08, 0x00, 0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
        frame.extend(SERVER.to_be_bytes());
        frame.extend([0; 18]);
        assert_eq!(is_filled(&frame, [10, 0, 0, 1]), Some(false));
        // 0a00 + 0001 + 0a00 + 0002 + 0006 + 0014 + 138a = 27a7
        frame[50..52].copy_from_slice(&(!0x27a7u16).to_be_bytes());
        assert_eq!(is_filled(&frame, [10, 0, 0, 1]), Some(true));
        assert_eq!(is_filled(&frame, [10, 0, 0, 2]), None);
        for len in 0..frame.len() {
            assert_eq!(is_filled(&frame[..len], [10, 0, 0, 1]), None, "cut to {len}");
        }
    }
}
