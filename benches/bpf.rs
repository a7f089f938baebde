//! Two XDP programs written by hand and loaded by `bpf(2)`: one that makes packets, one that drops them.
//!
//! The maker runs under the kernel's test facility with live frames (`BPF_F_TEST_XDP_LIVE_FRAMES`, see
//! <https://docs.kernel.org/bpf/bpf_prog_run.html>): the kernel runs it over one packet again and again, and what it
//! redirects really goes out. The numbers are those of
//! <https://github.com/torvalds/linux/blob/v6.18/include/uapi/linux/bpf.h>.

// That of the tests with sockets: one home for what the kernel's call looks like.
#[path = "../datapath/af_xdp/tests/support/bpf/sys.rs"]
mod sys;

use nix::errno::Errno;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;
use sys::{CALL, EXIT, LOAD_CONSTANT, LOAD_WORD, MAP, MOVE, REDIRECT_MAP, instruction};

const PROG_TEST_RUN: libc::c_int = 10;
const MAP_TYPE_ARRAY: u32 = 2;
const MAP_TYPE_DEVMAP: u32 = 14;
const TEST_XDP_LIVE_FRAMES: u32 = 1 << 1;
const XDP_FLAGS_DRV_MODE: u32 = 1 << 2;
const KTIME_GET_NS: u32 = 5;
const XDP_DROP: u32 = 1;
/// How much later than it should have been a packet may be.
const PATIENCE_NS: u32 = 100_000;

#[repr(C)]
struct TestRun {
    program: u32,
    returned: u32,
    data_size_in: u32,
    data_size_out: u32,
    data_in: u64,
    data_out: u64,
    repeat: u32,
    duration: u32,
    context_size_in: u32,
    context_size_out: u32,
    context_in: u64,
    context_out: u64,
    flags: u32,
    cpu: u32,
    batch_size: u32,
    pad: u32,
}

/// Makes packets of so many flows and sends them to a device that can be changed at any time.
#[derive(Debug)]
pub struct Maker {
    devices: OwnedFd,
    program: OwnedFd,
}

impl Maker {
    /// The number of each packet's flow goes to the four bytes at `ports`.
    ///
    /// # Errors
    /// When the kernel does not take the program.
    pub fn new(flows: u32, ports: u16) -> io::Result<Maker> {
        Maker::of(flows, ports, |_| Vec::new())
    }

    /// The same, with so much time between two packets.
    ///
    /// # Errors
    /// When the kernel does not take the program.
    pub fn paced(flows: u32, ports: u16, apart: Duration) -> io::Result<Maker> {
        let apart_ns = apart.as_nanos().try_into().map_err(io::Error::other)?;
        Maker::of(flows, ports, |counter| pacing(counter, apart_ns).into())
    }

    fn of(flows: u32, ports: u16, before: impl Fn(u32) -> Vec<u64>) -> io::Result<Maker> {
        let counter = sys::map(MAP_TYPE_ARRAY, 16, 1)?;
        let devices = sys::map(MAP_TYPE_DEVMAP, 4, 1)?;
        let [counter_fd, devices_fd] = [&counter, &devices].map(|map| map.as_raw_fd() as u32);
        let code = [before(counter_fd), making(counter_fd, devices_fd, flows, ports).into()].concat();
        Ok(Maker { devices, program: sys::load(&code, b"maker", 0)? })
    }

    /// From now on packets leave by this device, of the caller's network namespace.
    ///
    /// # Errors
    /// When there is no such device.
    pub fn aim(&self, ifindex: u32) -> io::Result<()> {
        sys::update(&self.devices, 0, ifindex)
    }

    /// Makes packets out of `packet` until a signal comes.
    ///
    /// # Errors
    /// When the kernel runs no programs over live frames.
    pub fn run(&self, packet: &[u8]) -> io::Result<()> {
        let run = TestRun {
            program: self.program.as_raw_fd() as u32,
            returned: 0,
            data_size_in: packet.len() as u32,
            data_size_out: 0,
            data_in: packet.as_ptr().expose_provenance() as u64,
            data_out: 0,
            repeat: 1 << 31,
            duration: 0,
            context_size_in: 0,
            context_size_out: 0,
            context_in: 0,
            context_out: 0,
            flags: TEST_XDP_LIVE_FRAMES,
            cpu: 0,
            batch_size: 64,
            pad: 0,
        };
        match sys::bpf(PROG_TEST_RUN, &run) {
            Err(error) if error.raw_os_error() == Some(Errno::EINTR as i32) => Ok(()),
            done => done.map(drop),
        }
    }
}

/// Drops every packet that comes in by a device of the caller's network namespace, until dropped itself.
#[derive(Debug)]
pub struct Sink {
    _link: OwnedFd,
}

impl Sink {
    /// Begins.
    ///
    /// # Errors
    /// When there is no such device, or it has a program.
    pub fn attach(ifindex: u32) -> io::Result<Sink> {
        let code = [instruction(MOVE, 0, 0, 0, XDP_DROP), instruction(EXIT, 0, 0, 0, 0)];
        Ok(Sink { _link: sys::attach(&sys::load(&code, b"sink", 0)?, ifindex, XDP_FLAGS_DRV_MODE)? })
    }
}

const LOAD_DOUBLE: u8 = 0x79;
const STORE_HALF: u8 = 0x6b;
const STORE_WORD: u8 = 0x63;
const STORE_DOUBLE: u8 = 0x7b;
const MOVE_REGISTER: u8 = 0xbf;
const ADD: u8 = 0x07;
const SHIFT_RIGHT: u8 = 0x77;
const JUMP_IF_BELOW: u8 = 0xa5;
const JUMP_IF_REGISTER_ABOVE: u8 = 0x2d;
const JUMP_IF_REGISTER_NOT_BELOW: u8 = 0x3d;
/// In place of a source register: the constant is the descriptor of a map whose first value is meant.
const MAP_VALUE: u8 = 2;

/// Drops a packet whose time has not come. The second half of the counter's value is the time of the next one; what was
/// missed for longer than `PATIENCE_NS` is not made up for.
fn pacing(counter: u32, apart_ns: u32) -> [u64; 15] {
    [
        // r1, struct xdp_md, is asked for again afterwards.
        instruction(MOVE_REGISTER, 9, 1, 0, 0),
        instruction(CALL, 0, 0, 0, KTIME_GET_NS),
        instruction(LOAD_CONSTANT, 8, MAP_VALUE, 0, counter),
        instruction(0, 0, 0, 0, 0),
        instruction(LOAD_DOUBLE, 2, 8, 8, 0),
        instruction(JUMP_IF_REGISTER_NOT_BELOW, 0, 2, 2, 0),
        instruction(MOVE, 0, 0, 0, XDP_DROP),
        instruction(EXIT, 0, 0, 0, 0),
        instruction(MOVE_REGISTER, 3, 0, 0, 0),
        instruction(ADD, 3, 0, 0, PATIENCE_NS.wrapping_neg()),
        instruction(JUMP_IF_REGISTER_NOT_BELOW, 2, 3, 1, 0),
        instruction(MOVE_REGISTER, 2, 3, 0, 0),
        instruction(ADD, 2, 0, 0, apart_ns),
        instruction(STORE_DOUBLE, 8, 2, 8, 0),
        instruction(MOVE_REGISTER, 1, 9, 0, 0),
    ]
}

fn making(counter: u32, devices: u32, flows: u32, ports: u16) -> [u64; 22] {
    [
        // r6 = the number of this packet's flow; the next one is kept.
        instruction(LOAD_CONSTANT, 5, MAP_VALUE, 0, counter),
        instruction(0, 0, 0, 0, 0),
        instruction(LOAD_WORD, 6, 5, 0, 0),
        instruction(MOVE_REGISTER, 7, 6, 0, 0),
        instruction(ADD, 7, 0, 0, 1),
        instruction(JUMP_IF_BELOW, 7, 0, 1, flows),
        instruction(MOVE, 7, 0, 0, 0),
        instruction(STORE_WORD, 5, 7, 0, 0),
        // r2 = packet, r3 = its end, from struct xdp_md.
        instruction(LOAD_WORD, 2, 1, 0, 0),
        instruction(LOAD_WORD, 3, 1, 4, 0),
        instruction(MOVE_REGISTER, 4, 2, 0, 0),
        instruction(ADD, 4, 0, 0, u32::from(ports) + 4),
        instruction(JUMP_IF_REGISTER_ABOVE, 4, 3, 3, 0),
        // Any byte order does: the values need only differ.
        instruction(STORE_HALF, 2, 6, ports, 0),
        instruction(SHIFT_RIGHT, 6, 0, 0, 16),
        instruction(STORE_HALF, 2, 6, ports + 2, 0),
        instruction(LOAD_CONSTANT, 1, MAP, 0, devices),
        instruction(0, 0, 0, 0, 0),
        instruction(MOVE, 2, 0, 0, 0),
        instruction(MOVE, 3, 0, 0, XDP_DROP),
        instruction(CALL, 0, 0, 0, REDIRECT_MAP),
        instruction(EXIT, 0, 0, 0, 0),
    ]
}
