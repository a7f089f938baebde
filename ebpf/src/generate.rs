//! The XDP program that makes traffic: `adit gen`, where the kernel can run programs over live frames.
//!
//! Each run is one buffer of the kernel's. It gets a frame of the next stream, or, when none is due yet, goes back unused: so
//! the kernel's loop is the clock, and frames leave when they should to a fraction of a microsecond. The kernel gives the
//! same buffers again and again, and whoever had one may have written in it; so all headers are written each time. What is
//! behind the mark was zero at the start and is nobody's to change.
//!
//! One processor runs it at a time, so nothing here is atomic.

#![cfg_attr(target_arch = "bpf", no_std, no_main)]
#![expect(
    unsafe_code,
    reason = "values of maps are read and written through pointers, and helpers of the kernel called"
)]

use aya_ebpf::EbpfContext;
use aya_ebpf::bindings::xdp_action::XDP_DROP;
use aya_ebpf::helpers::{bpf_ktime_get_ns, bpf_xdp_adjust_tail, bpf_xdp_store_bytes};
use aya_ebpf::macros::{map, xdp};
use aya_ebpf::maps::{Array, DevMap};
use aya_ebpf::programs::XdpContext;
use ebpf::traffic::{
    CHECKSUM_BEFORE, FRACTION_BITS, HEADERS_MAX, MARK_LEN, Order, Progress, SEED, SEQUENCE, TEMPLATE_LEN,
    TIME, TURNS_MAX, Turn,
};

#[map]
static ORDER: Array<Order> = Array::with_max_entries(1, 0);

#[map]
static PROGRESS: Array<Progress> = Array::with_max_entries(1, 0);

#[map]
static TURNS: Array<Turn> = Array::with_max_entries(TURNS_MAX, 0);

/// As many as the loader says.
#[map]
static TEMPLATES: Array<[u8; TEMPLATE_LEN]> = Array::with_max_entries(1, 0);

#[map]
static DEVICES: DevMap = DevMap::with_max_entries(1, 0);

/// The kernel asks for the licence, and lends some helpers to the GPL alone; none of them is needed here.
#[unsafe(no_mangle)]
#[unsafe(link_section = "license")]
static LICENSE: [u8; 18] = *b"MIT OR Apache-2.0\0";

/// Run over live frames, attached to nothing.
#[xdp]
fn adit_generate(ctx: XdpContext) -> u32 {
    next(&ctx).unwrap_or(XDP_DROP)
}

#[inline(always)]
fn next(ctx: &XdpContext) -> Option<u32> {
    // SAFETY: the value of an array lives as long as the program, and the loader does not write it meanwhile.
    let order = unsafe { &*ORDER.get_ptr(0)? };
    // SAFETY: as above, and this program alone writes it, on one processor.
    let progress = unsafe { &mut *PROGRESS.get_ptr_mut(0)? };
    // SAFETY: the helper takes nothing.
    let now = unsafe { bpf_ktime_get_ns() };
    if progress.sent >= order.count || now >= order.end {
        return None;
    }
    if order.interval > 0 {
        let elapsed = now.wrapping_sub(order.start) << FRACTION_BITS;
        if elapsed < progress.due {
            return None;
        }
        progress.due = progress.due.max(elapsed.saturating_sub(order.patience)) + order.interval;
    }
    // SAFETY: as for the order.
    let turn = unsafe { &*TURNS.get_ptr(progress.turn as u32)? };
    let template = TEMPLATES.get_ptr_mut(turn.templates + progress.stream as u32)?;
    let headers = order.headers as usize;
    if !(CHECKSUM_BEFORE..=HEADERS_MAX).contains(&headers) {
        return None;
    }
    // SAFETY: as for the progress.
    let template = unsafe { &mut *template };
    write(template, headers, progress.sequence as u32, now);
    let len = (headers + MARK_LEN) as u32;
    // SAFETY: headers and mark lie in the template: the length was compared, and the verifier looks after us.
    let stored = unsafe { bpf_xdp_store_bytes(ctx.as_ptr().cast(), 0, template.as_mut_ptr().cast(), len) };
    if stored != 0 {
        return None;
    }
    if turn.shorter > 0 {
        // SAFETY: the helper checks the length.
        let cut = unsafe { bpf_xdp_adjust_tail(ctx.as_ptr().cast(), -(turn.shorter as i32)) };
        if cut != 0 {
            return None;
        }
    }
    progress.sent += 1;
    progress.bytes += u64::from(turn.len);
    progress.last = now;
    advance(progress, order);
    DEVICES.redirect(0, XDP_DROP.into()).ok()
}

/// Sequence number, time, and the checksum of it all.
#[inline(always)]
fn write(template: &mut [u8; TEMPLATE_LEN], headers: usize, sequence: u32, now: u64) {
    let words = [
        sequence >> 16,
        sequence & 0xffff,
        (now >> 32) as u32 & 0xff,
        (now >> 16) as u32 & 0xffff,
        now as u32 & 0xffff,
    ];
    let mut sum = u32::from(u16::from_ne_bytes([template[SEED], template[SEED + 1]]));
    for word in words {
        sum += word;
    }
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    // RFC 768: "If the computed checksum is zero, it is transmitted as all ones".
    let checksum = if sum == 0xffff { 0xffff } else { !sum as u16 };
    let [_, _, _, time @ ..] = now.to_be_bytes();
    put(template, headers - CHECKSUM_BEFORE, checksum.to_be_bytes());
    put(template, headers + SEQUENCE, sequence.to_be_bytes());
    put(template, headers + TIME, time);
}

/// Writes a field that lies in the headers or the mark.
#[inline(always)]
fn put<const N: usize>(template: &mut [u8; TEMPLATE_LEN], at: usize, field: [u8; N]) {
    // SAFETY: a template is longer than the longest headers and the mark, to which the caller has held the place; and the
    // verifier refuses the program if that were not so.
    let place = unsafe { template.as_mut_ptr().add(at) };
    // SAFETY: as above; an array of bytes needs no alignment.
    unsafe { *place.cast::<[u8; N]>() = field };
}

#[inline(always)]
fn advance(progress: &mut Progress, order: &Order) {
    progress.turn = following(progress.turn, order.turns);
    progress.stream += 1;
    if progress.stream >= order.streams {
        progress.stream = 0;
        progress.sequence += 1;
        progress.first_turn = following(progress.first_turn, order.turns);
        progress.turn = progress.first_turn;
    }
}

#[inline(always)]
fn following(turn: u64, turns: u64) -> u64 {
    if turn + 1 >= turns { 0 } else { turn + 1 }
}

#[cfg(target_arch = "bpf")]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

/// For every other target there is nothing to run: the source is checked, not used.
#[cfg(not(target_arch = "bpf"))]
fn main() {}
