//! An XDP program of six instructions, written by hand and loaded by `bpf(2)`: every packet goes to the socket of its
//! queue, and on to the stack where there is none.
//!
//! The numbers are those of <https://github.com/torvalds/linux/blob/v6.18/include/uapi/linux/bpf.h>.

use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::ptr;

const BPF_MAP_CREATE: libc::c_int = 0;
const BPF_MAP_UPDATE_ELEM: libc::c_int = 2;
const BPF_PROG_LOAD: libc::c_int = 5;
const BPF_LINK_CREATE: libc::c_int = 28;

const BPF_MAP_TYPE_XSKMAP: u32 = 17;
const BPF_PROG_TYPE_XDP: u32 = 6;
const BPF_XDP: u32 = 37;
const BPF_F_XDP_HAS_FRAGS: u32 = 1 << 5;
const BPF_FUNC_REDIRECT_MAP: u32 = 51;
const XDP_PASS: u32 = 2;

/// Where on the device the program runs.
#[derive(Clone, Copy)]
pub(crate) enum Attach {
    Generic = 1 << 1,
    Native = 1 << 2,
}

/// The program on a device, until dropped.
pub(crate) struct Redirect {
    map: OwnedFd,
    _link: OwnedFd,
}

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

impl Redirect {
    /// Attaches the program. With `fragments` it takes packets of more than one buffer.
    pub(crate) fn attach(ifindex: u32, attach: Attach, fragments: bool) -> Self {
        let map =
            MapCreate { map_type: BPF_MAP_TYPE_XSKMAP, key_size: 4, value_size: 4, max_entries: 4, flags: 0 };
        let map = descriptor(bpf(BPF_MAP_CREATE, &map));
        let code = program(map.as_raw_fd() as u32);
        let load = ProgramLoad {
            program_type: BPF_PROG_TYPE_XDP,
            instruction_count: code.len() as u32,
            instructions: code.as_ptr().expose_provenance() as u64,
            license: c"MIT".as_ptr().expose_provenance() as u64,
            log_level: 0,
            log_size: 0,
            log: 0,
            kernel_version: 0,
            flags: if fragments { BPF_F_XDP_HAS_FRAGS } else { 0 },
            name: *b"redirect\0\0\0\0\0\0\0\0",
            ifindex: 0,
            expected_attach_type: BPF_XDP,
        };
        let program = descriptor(bpf(BPF_PROG_LOAD, &load));
        let link = LinkCreate {
            program: program.as_raw_fd() as u32,
            ifindex,
            attach_type: BPF_XDP,
            flags: attach as u32,
        };
        Self { map, _link: descriptor(bpf(BPF_LINK_CREATE, &link)) }
    }

    /// Sends the packets of `queue` to `socket`.
    pub(crate) fn to(&self, queue: u32, socket: impl AsFd) {
        let socket = socket.as_fd().as_raw_fd();
        let update = MapUpdate {
            map: self.map.as_raw_fd() as u32,
            pad: 0,
            key: ptr::from_ref(&queue).expose_provenance() as u64,
            value: ptr::from_ref(&socket).expose_provenance() as u64,
            flags: 0,
        };
        bpf(BPF_MAP_UPDATE_ELEM, &update).expect("the map takes the socket");
    }
}

/// One instruction: code, destination, source, offset, constant.
fn instruction(code: u8, to: u8, from: u8, offset: u16, value: u32) -> u64 {
    u64::from_ne_bytes({
        let registers = if cfg!(target_endian = "little") { to | from << 4 } else { to << 4 | from };
        let ([o0, o1], [v0, v1, v2, v3]) = (offset.to_ne_bytes(), value.to_ne_bytes());
        [code, registers, o0, o1, v0, v1, v2, v3]
    })
}

fn program(map: u32) -> [u64; 6] {
    const LOAD_WORD: u8 = 0x61;
    const LOAD_CONSTANT: u8 = 0x18;
    const MAP_DESCRIPTOR: u8 = 1;
    const MOVE: u8 = 0xb7;
    const CALL: u8 = 0x85;
    const EXIT: u8 = 0x95;
    /// Of `rx_queue_index` in `struct xdp_md`.
    const QUEUE: u16 = 16;
    [
        instruction(LOAD_WORD, 2, 1, QUEUE, 0),
        instruction(LOAD_CONSTANT, 1, MAP_DESCRIPTOR, 0, map),
        instruction(0, 0, 0, 0, 0),
        instruction(MOVE, 3, 0, 0, XDP_PASS),
        instruction(CALL, 0, 0, 0, BPF_FUNC_REDIRECT_MAP),
        instruction(EXIT, 0, 0, 0, 0),
    ]
}

fn bpf<T>(command: libc::c_int, attributes: &T) -> io::Result<libc::c_long> {
    let (attributes, len) = (ptr::from_ref(attributes), size_of::<T>());
    // SAFETY: the attributes are borrowed, the length is their own, and the addresses in them are of borrowed values.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, attributes, len) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

fn descriptor(result: io::Result<libc::c_long>) -> OwnedFd {
    let fd = result.expect("the kernel takes the program") as i32;
    // SAFETY: the kernel has just made this descriptor.
    unsafe { OwnedFd::from_raw_fd(fd) }
}
