//! `bpf(2)`, as far as a program of a few instructions needs it that was written by hand: for tests and benches, which want no toolchain and
//! no loader.
//!
//! The numbers are those of <https://github.com/torvalds/linux/blob/v6.18/include/uapi/linux/bpf.h>.
#![expect(unsafe_code, reason = "bpf(2), which takes addresses as numbers")]

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::ptr;

const MAP_CREATE: libc::c_int = 0;
const MAP_UPDATE_ELEM: libc::c_int = 2;
const PROG_LOAD: libc::c_int = 5;
const LINK_CREATE: libc::c_int = 28;
const PROG_TYPE_XDP: u32 = 6;
const ATTACH_XDP: u32 = 37;

/// Codes of instructions, for [`instruction`].
pub(crate) const LOAD_CONSTANT: u8 = 0x18;
pub(crate) const LOAD_WORD: u8 = 0x61;
pub(crate) const MOVE: u8 = 0xb7;
pub(crate) const CALL: u8 = 0x85;
pub(crate) const EXIT: u8 = 0x95;
/// In place of a source register: the constant is the descriptor of a map.
pub(crate) const MAP: u8 = 1;
/// A function that programs can call.
pub(crate) const REDIRECT_MAP: u32 = 51;

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
struct LinkCreate {
    program: u32,
    ifindex: u32,
    attach_type: u32,
    flags: u32,
}

/// One instruction: code, destination, source, offset, constant.
pub(crate) fn instruction(code: u8, to: u8, from: u8, offset: u16, value: u32) -> u64 {
    u64::from_ne_bytes({
        let registers = if cfg!(target_endian = "little") { to | from << 4 } else { to << 4 | from };
        let ([o0, o1], [v0, v1, v2, v3]) = (offset.to_ne_bytes(), value.to_ne_bytes());
        [code, registers, o0, o1, v0, v1, v2, v3]
    })
}

/// A map from numbers to values of so many bytes.
pub(crate) fn map(map_type: u32, value_size: u32, max_entries: u32) -> io::Result<OwnedFd> {
    let map = MapCreate { map_type, key_size: 4, value_size, max_entries, flags: 0 };
    bpf(MAP_CREATE, &map).map(descriptor)
}

/// Puts a value of four bytes into one.
pub(crate) fn update(map: &OwnedFd, key: u32, value: u32) -> io::Result<()> {
    let update = MapUpdate {
        map: map.as_raw_fd() as u32,
        pad: 0,
        key: ptr::from_ref(&key).expose_provenance() as u64,
        value: ptr::from_ref(&value).expose_provenance() as u64,
        flags: 0,
    };
    bpf(MAP_UPDATE_ELEM, &update).map(drop)
}

/// An XDP program of that name.
pub(crate) fn load(code: &[u64], called: &[u8], flags: u32) -> io::Result<OwnedFd> {
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
        flags,
        name,
        ifindex: 0,
        expected_attach_type: ATTACH_XDP,
    };
    bpf(PROG_LOAD, &load).map(descriptor)
}

/// Puts it on a device of the caller's network namespace, until what comes back is dropped.
pub(crate) fn attach(program: &OwnedFd, ifindex: u32, flags: u32) -> io::Result<OwnedFd> {
    let program = program.as_raw_fd() as u32;
    let link = LinkCreate { program, ifindex, attach_type: ATTACH_XDP, flags };
    bpf(LINK_CREATE, &link).map(descriptor)
}

/// The call itself. Addresses in the attributes are of what the caller holds borrowed meanwhile.
pub(crate) fn bpf<T>(command: libc::c_int, attributes: &T) -> io::Result<libc::c_long> {
    let (attributes, len) = (ptr::from_ref(attributes), size_of::<T>());
    // SAFETY: the attributes are borrowed, the length is their own, and the addresses in them are of values that the
    // callers hold borrowed during the call.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, attributes, len) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

fn descriptor(made: libc::c_long) -> OwnedFd {
    // SAFETY: the kernel has just made this descriptor for us.
    unsafe { OwnedFd::from_raw_fd(made as i32) }
}
