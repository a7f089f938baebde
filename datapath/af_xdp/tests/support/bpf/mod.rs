//! An XDP program of six instructions: every packet goes to the socket of its queue, and on to the stack where there is none.

mod sys;

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use sys::{CALL, EXIT, LOAD_CONSTANT, LOAD_WORD, MAP, MOVE, REDIRECT_MAP, instruction};

const MAP_TYPE_XSKMAP: u32 = 17;
const XDP_HAS_FRAGS: u32 = 1 << 5;
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

impl Redirect {
    /// Attaches the program. With `fragments` it takes packets of more than one buffer.
    pub(crate) fn attach(ifindex: u32, attach: Attach, fragments: bool) -> Self {
        let map = sys::map(MAP_TYPE_XSKMAP, 4, 4).expect("a map");
        let flags = if fragments { XDP_HAS_FRAGS } else { 0 };
        let program = sys::load(&program(map.as_raw_fd() as u32), b"redirect", flags);
        let program = program.expect("the kernel takes the program");
        let link = sys::attach(&program, ifindex, attach as u32).expect("the device takes it");
        Self { map, _link: link }
    }

    /// Sends the packets of `queue` to `socket`.
    pub(crate) fn to(&self, queue: u32, socket: impl AsFd) {
        let socket = socket.as_fd().as_raw_fd() as u32;
        sys::update(&self.map, queue, socket).expect("the map takes the socket");
    }
}

fn program(map: u32) -> [u64; 6] {
    /// Of `rx_queue_index` in `struct xdp_md`.
    const QUEUE: u16 = 16;
    [
        instruction(LOAD_WORD, 2, 1, QUEUE, 0),
        instruction(LOAD_CONSTANT, 1, MAP, 0, map),
        instruction(0, 0, 0, 0, 0),
        instruction(MOVE, 3, 0, 0, XDP_PASS),
        instruction(CALL, 0, 0, 0, REDIRECT_MAP),
        instruction(EXIT, 0, 0, 0, 0),
    ]
}
