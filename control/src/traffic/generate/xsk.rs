//! Out by AF_XDP: frames are written into a socket's memory and handed to the kernel, 64 at a time. On every device, and the
//! only way for frames that do not fit a page.
//!
//! What is behind the mark is zero from the start and stays so. Frames longer than a chunk take several.

use super::pace::Pace;
use super::plan::Plan;
use super::template::Template;
use super::walk::Walk;
use super::{Counters, Way};
use crate::traffic::now_ns;
use af_xdp::{ChunkSize, Frame, Mode, Socket, SocketConfig, Umem, UmemConfig};
use anyhow::{Context, Result};
use ebpf::traffic::{TEMPLATE_LEN, Turn};
use std::hint;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;
use std::time::Duration;

const BATCH: usize = 64;
const RING: u32 = 2048;
const FRAMES: u32 = 2 * RING;
/// Waits longer than this are slept through, but for this last part.
const SPIN: Duration = Duration::from_micros(100);
/// How long a device may take to send what it has been given.
const PATIENCE: Duration = Duration::from_millis(200);

/// A socket's memory, and the headers.
pub(super) struct Xsk {
    umem: Umem,
    ifindex: u32,
    queue: u32,
    multi_buffer: bool,
    templates: Vec<Template>,
    turns: Vec<Turn>,
}

impl Xsk {
    pub(super) fn new(plan: &Plan, ifindex: u32, queue: u32) -> Result<Xsk> {
        let room = |chunk: ChunkSize| chunk.bytes() - usize::from(af_xdp::KERNEL_HEADROOM);
        let longest = usize::from(plan.longest());
        let chunk = if longest <= room(ChunkSize::K2) { ChunkSize::K2 } else { ChunkSize::K4 };
        let umem = Umem::new(&UmemConfig { frames: FRAMES, chunk, huge: true, ..UmemConfig::default() })?;
        let mut templates = Vec::with_capacity(plan.templates_len());
        templates.extend(plan.templates());
        let multi_buffer = longest > umem.frame_room();
        Ok(Xsk { umem, ifindex, queue, multi_buffer, templates, turns: plan.turns() })
    }

    /// Sends until it is over. In the network namespace of the calling thread.
    pub(super) fn send(&mut self, plan: &Plan, counters: &Counters) -> Result<()> {
        let Xsk { umem, ifindex, queue, multi_buffer, templates, turns } = self;
        let config = SocketConfig {
            tx_size: RING,
            completion_size: RING,
            fill_size: 64,
            rx_size: 64,
            multi_buffer: *multi_buffer,
            ..SocketConfig::default()
        };
        let mut socket = Socket::open(umem, *ifindex, *queue, &config).with_context(|| {
            format!("no AF_XDP socket on queue {queue}; does adit, or another generator, have it?")
        })?;
        counters.tell(match socket.mode() {
            Mode::ZeroCopy => Way::XskZeroCopy,
            Mode::Copy => Way::XskCopy,
        });
        let mut pool: Vec<Frame<'_>> = Vec::with_capacity(FRAMES as usize);
        pool.extend(umem.take_frames());
        let room = umem.frame_room();
        let headers_len = plan.look.headers_len();
        let (mut walk, mut pace) = (Walk::default(), Pace::new(plan.pace()));
        let (mut sent, mut bytes) = (0_u64, 0_u64);
        let (start, end) = counters.begin(plan.duration);
        loop {
            socket.complete(|frame| pool.push(frame));
            let now = now_ns();
            if sent >= plan.count || now >= end || counters.is_stopped() {
                break;
            }
            let due = pace.take(now - start, (BATCH as u64).min(plan.count - sent));
            if due == 0 {
                rest(pace.wait_ns(now - start).min(end - now));
                continue;
            }
            let mut queued = 0;
            while queued < due {
                // A turn and a template there always are: the walk goes over what the plan has made.
                let Some(turn) = turns.get(walk.turn) else { break };
                let Some(template) = templates.get_mut((turn.templates + walk.stream) as usize) else {
                    break;
                };
                let len = turn.len as usize;
                let pieces = len.div_ceil(room);
                if pool.len() < pieces || socket.tx_space() < pieces {
                    break;
                }
                template.fill(walk.sequence, now);
                put(&mut socket, &mut pool, template.bytes(headers_len), len, room);
                walk.advance(plan.streams, turns.len());
                queued += 1;
                bytes += len as u64;
            }
            pace.give_back(due - queued);
            sent += queued;
            let woken = socket.wake().context("the device does not send")?;
            counters.count(sent, bytes, woken.dropped.into());
        }
        let over = now_ns() + PATIENCE.as_nanos() as u64;
        while socket.outstanding() > 0 && now_ns() < over {
            let woken = socket.wake().context("the device does not send")?;
            counters.count(sent, bytes, woken.dropped.into());
            socket.complete(|frame| pool.push(frame));
        }
        counters.last.store(now_ns(), Relaxed);
        Ok(())
    }
}

/// Queues a frame that begins with `front` and is zero behind it, in as many pieces as it takes. The caller has seen that there
/// is room.
#[inline]
fn put<'u>(socket: &mut Socket<'u>, pool: &mut Vec<Frame<'u>>, front: &[u8], len: usize, room: usize) {
    let mut left = len;
    while left > 0 {
        let Some(mut frame) = pool.pop() else { return };
        let piece = left.min(room);
        frame.reset();
        if let Some(bytes) = frame.extend(piece) {
            if left == len {
                bytes[..front.len()].copy_from_slice(front);
            } else {
                // Another frame's headers may have been here.
                let front = piece.min(TEMPLATE_LEN);
                bytes[..front].fill(0);
            }
        }
        left -= piece;
        frame.set_continues(left > 0);
        if let Err(refused) = socket.tx(frame) {
            pool.push(refused);
            return;
        }
    }
}

/// Waits, precisely.
fn rest(wait_ns: u64) {
    let wait = Duration::from_nanos(wait_ns);
    match wait.checked_sub(SPIN) {
        // Not for ever: somebody may wish to stop.
        Some(long) if !long.is_zero() => thread::sleep(long.min(Duration::from_millis(20))),
        _ => hint::spin_loop(),
    }
}
