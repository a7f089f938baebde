//! Two XDP programs written by hand and loaded by `bpf(2)`: one that makes packets, one that drops them.
//!
//! The maker runs under the kernel's test facility with live frames (`BPF_F_TEST_XDP_LIVE_FRAMES`, see
//! <https://docs.kernel.org/bpf/bpf_prog_run.html>): the kernel runs it over one packet again and again, and what it
//! redirects really goes out. The numbers are those of
//! <https://github.com/torvalds/linux/blob/v6.18/include/uapi/linux/bpf.h>.
#![expect(unsafe_code, reason = "bpf(2), which takes addresses as numbers")]

use nix::errno::Errno;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::ptr;
use std::time::Duration;

const MAP_CREATE: libc::c_int = 0;
const MAP_UPDATE_ELEM: libc::c_int = 2;
const PROG_LOAD: libc::c_int = 5;
const PROG_TEST_RUN: libc::c_int = 10;
const LINK_CREATE: libc::c_int = 28;

const MAP_TYPE_ARRAY: u32 = 2;
const MAP_TYPE_DEVMAP: u32 = 14;
const PROG_TYPE_XDP: u32 = 6;
const ATTACH_XDP: u32 = 37;
const TEST_XDP_LIVE_FRAMES: u32 = 1 << 1;
const XDP_FLAGS_DRV_MODE: u32 = 1 << 2;
const FUNC_KTIME_GET_NS: u32 = 5;
const FUNC_REDIRECT_MAP: u32 = 51;
const XDP_DROP: u32 = 1;
/// How much later than it should have been a packet may be.
const PATIENCE_NS: u32 = 100_000;

#[repr(C)]
struct MapCreate {
    map_type: u32,
    key_size: u32,
    value_size: u32,
    max_entries: u32,
    flags: u32,
}

#[repr(C)]
struct MapUpdate {
    map: u32,
    pad: u32,
    key: u64,
    value: u64,
    flags: u64,
}

#[repr(C)]
struct ProgramLoad {
    program_type: u32,
    instruction_count: u32,
    instructions: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log: u64,
    kernel_version: u32,
    flags: u32,
    name: [u8; 16],
    ifindex: u32,
    expected_attach_type: u32,
}

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

#[repr(C)]
struct LinkCreate {
    program: u32,
    ifindex: u32,
    attach_type: u32,
    flags: u32,
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
        let counter = map(MAP_TYPE_ARRAY, 16)?;
        let devices = map(MAP_TYPE_DEVMAP, 4)?;
        let [counter_fd, devices_fd] = [&counter, &devices].map(|map| map.as_raw_fd() as u32);
        let code = [before(counter_fd), making(counter_fd, devices_fd, flows, ports).into()].concat();
        Ok(Maker { devices, program: load(&code, b"maker")? })
    }

    /// From now on packets leave by this device, of the caller's network namespace.
    ///
    /// # Errors
    /// When there is no such device.
    pub fn aim(&self, ifindex: u32) -> io::Result<()> {
        let (key, value) = (0u32, ifindex);
        let update = MapUpdate {
            map: self.devices.as_raw_fd() as u32,
            pad: 0,
            key: ptr::from_ref(&key).expose_provenance() as u64,
            value: ptr::from_ref(&value).expose_provenance() as u64,
            flags: 0,
        };
        bpf(MAP_UPDATE_ELEM, &update).map(drop)
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
        match bpf(PROG_TEST_RUN, &run) {
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
        let program = load(&[instruction(MOVE, 0, 0, 0, XDP_DROP), instruction(EXIT, 0, 0, 0, 0)], b"sink")?;
        let (program, attach_type, flags) = (program.as_raw_fd() as u32, ATTACH_XDP, XDP_FLAGS_DRV_MODE);
        let link = LinkCreate { program, ifindex, attach_type, flags };
        Ok(Sink { _link: descriptor(bpf(LINK_CREATE, &link)?) })
    }
}

const LOAD_CONSTANT: u8 = 0x18;
const LOAD_WORD: u8 = 0x61;
const LOAD_DOUBLE: u8 = 0x79;
const STORE_HALF: u8 = 0x6b;
const STORE_WORD: u8 = 0x63;
const STORE_DOUBLE: u8 = 0x7b;
const MOVE: u8 = 0xb7;
const MOVE_REGISTER: u8 = 0xbf;
const ADD: u8 = 0x07;
const SHIFT_RIGHT: u8 = 0x77;
const JUMP_IF_BELOW: u8 = 0xa5;
const JUMP_IF_REGISTER_ABOVE: u8 = 0x2d;
const JUMP_IF_REGISTER_NOT_BELOW: u8 = 0x3d;
const CALL: u8 = 0x85;
const EXIT: u8 = 0x95;
/// In place of a source register: the constant is the descriptor of a map.
const MAP: u8 = 1;
/// In place of a source register: the constant is the descriptor of a map whose first value is meant.
const MAP_VALUE: u8 = 2;

/// Drops a packet whose time has not come. The second half of the counter's value is the time of the next one; what was
/// missed for longer than `PATIENCE_NS` is not made up for.
fn pacing(counter: u32, apart_ns: u32) -> [u64; 15] {
    [
        // r1, struct xdp_md, is asked for again afterwards.
        instruction(MOVE_REGISTER, 9, 1, 0, 0),
        instruction(CALL, 0, 0, 0, FUNC_KTIME_GET_NS),
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
        instruction(CALL, 0, 0, 0, FUNC_REDIRECT_MAP),
        instruction(EXIT, 0, 0, 0, 0),
    ]
}

/// One instruction: code, destination, source, offset, constant.
fn instruction(code: u8, to: u8, from: u8, offset: u16, value: u32) -> u64 {
    u64::from_ne_bytes({
        let registers = if cfg!(target_endian = "little") { to | from << 4 } else { to << 4 | from };
        let ([o0, o1], [v0, v1, v2, v3]) = (offset.to_ne_bytes(), value.to_ne_bytes());
        [code, registers, o0, o1, v0, v1, v2, v3]
    })
}

/// A map of one entry.
fn map(map_type: u32, value_size: u32) -> io::Result<OwnedFd> {
    let map = MapCreate { map_type, key_size: 4, value_size, max_entries: 1, flags: 0 };
    Ok(descriptor(bpf(MAP_CREATE, &map)?))
}

fn load(code: &[u64], called: &[u8]) -> io::Result<OwnedFd> {
    let mut name = [0; 16];
    name[..called.len()].copy_from_slice(called);
    let load = ProgramLoad {
        program_type: PROG_TYPE_XDP,
        instruction_count: code.len() as u32,
        instructions: code.as_ptr().expose_provenance() as u64,
        license: c"MIT".as_ptr().expose_provenance() as u64,
        log_level: 0,
        log_size: 0,
        log: 0,
        kernel_version: 0,
        flags: 0,
        name,
        ifindex: 0,
        expected_attach_type: ATTACH_XDP,
    };
    Ok(descriptor(bpf(PROG_LOAD, &load)?))
}

fn bpf<T>(command: libc::c_int, attributes: &T) -> io::Result<i32> {
    let (attributes, len) = (ptr::from_ref(attributes), size_of::<T>());
    // SAFETY: the attributes are borrowed, the length is their own, and the addresses in them are of values that the
    // callers hold borrowed during the call.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, attributes, len) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result as i32) }
}

fn descriptor(made: i32) -> OwnedFd {
    // SAFETY: the kernel has just made this descriptor for us.
    unsafe { OwnedFd::from_raw_fd(made) }
}
