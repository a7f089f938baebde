//! A device through an AF_PACKET socket: for devices that take no XDP program.
//!
//! The kernel sees every frame too, so such a port suits devices that the host itself does not use. Each frame comes and
//! goes with a virtio-net header (`PACKET_VNET_HDR`): it tells of transport checksums left to the device, both ways, as AF_XDP's
//! transmit metadata does. Super-packets that the stack left to the device to cut up (`gso_type`) are counted as too long,
//! also those that would fit a frame: what fits is still not what the sender meant to be on a wire.

mod sys;

use crate::mem::{Frame, FramePool, LONG_MAX};
use crate::stats::DropReason;
use crate::wire::{ethertype, vlan};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use sys::{Received, Socket};

/// A device.
#[derive(Debug)]
pub struct Packet {
    socket: Socket,
    buffer: Box<[u8]>,
}

/// Longest frame that is read; a longer one is cut short, seen to be, and refused.
const FRAME_MAX: usize = LONG_MAX;

impl Packet {
    /// Opens the device with this index in the namespace of the calling thread. Needs CAP_NET_RAW.
    pub fn open(ifindex: u32) -> io::Result<Packet> {
        Ok(Packet { socket: Socket::open(ifindex)?, buffer: vec![0; FRAME_MAX].into_boxed_slice() })
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    pub(super) fn rx<'u>(
        &mut self,
        pool: &mut FramePool<'u>,
        max: usize,
        out: &mut Vec<Option<Frame<'u>>>,
    ) -> u64 {
        let mut refused = 0;
        for _ in 0..max.min(pool.len()) {
            let Some(received) = self.socket.receive(&mut self.buffer) else { break };
            if received.outgoing {
                continue;
            }
            match self.hold(pool, &received) {
                Some(frame) => out.push(Some(frame)),
                None => refused += 1,
            }
        }
        refused
    }

    /// The received bytes as the sender meant them: the tag that the kernel took out is put back.
    fn hold<'u>(&self, pool: &mut FramePool<'u>, received: &Received) -> Option<Frame<'u>> {
        if received.truncated || received.unsegmented {
            return None;
        }
        let mut frame = pool.hold(&self.buffer[..received.len])?;
        if received.tag.is_some_and(|tag| !put_back(tag, &mut frame)) {
            pool.give(frame);
            return None;
        }
        Some(frame)
    }

    pub(super) fn tx(&mut self, frame: &Frame<'_>) -> Result<(), DropReason> {
        self.socket.send(frame.bytes()).map_err(|_| DropReason::PortRefused)
    }
}

/// Puts a tag in front of the frame's type. False when it has none, or there is no room.
fn put_back((tpid, tci): (u16, u16), frame: &mut Frame<'_>) -> bool {
    const ADDRESSES: usize = 12;
    if frame.len() < ADDRESSES || frame.push(vlan::HEADER_LEN).is_none() {
        return false;
    }
    let bytes = frame.bytes_mut();
    bytes.copy_within(vlan::HEADER_LEN..vlan::HEADER_LEN + ADDRESSES, 0);
    let tpid = if tpid == 0 { ethertype::VLAN } else { tpid };
    bytes[ADDRESSES..ADDRESSES + 2].copy_from_slice(&tpid.to_be_bytes());
    bytes[ADDRESSES + 2..ADDRESSES + 4].copy_from_slice(&tci.to_be_bytes());
    true
}
