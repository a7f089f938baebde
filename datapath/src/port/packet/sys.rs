//! The system calls of an AF_PACKET socket. See packet(7) and `include/uapi/linux/if_packet.h`.
#![expect(unsafe_code, reason = "system calls with pointers to local buffers")]

use std::io;
use std::mem::{size_of, zeroed};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// The header of `include/uapi/linux/virtio_net.h` that PACKET_VNET_HDR puts in front: 10 bytes.
const VNET_HEADER: usize = 10;
/// Offset of `gso_type` in it: not zero when the packet is still to be cut into segments.
const VNET_GSO_TYPE: usize = 1;

/// An open socket, bound to one device.
#[derive(Debug)]
pub(super) struct Socket {
    fd: OwnedFd,
}

/// What was received with a frame.
#[derive(Debug)]
pub(super) struct Received {
    /// Bytes in the buffer.
    pub(super) len: usize,
    /// The frame was longer than the buffer.
    pub(super) truncated: bool,
    /// A super-packet: several frames' worth of payload behind one header.
    pub(super) unsegmented: bool,
    /// A frame that this host sent, seen on its way out.
    pub(super) outgoing: bool,
    /// Tag protocol identifier and control information of a tag that the kernel took out.
    pub(super) tag: Option<(u16, u16)>,
}

fn checked(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

impl Socket {
    pub(super) fn open(ifindex: u32) -> io::Result<Socket> {
        let kind = libc::SOCK_RAW | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
        // Protocol 0: nothing is received until bind names one.
        // SAFETY: no pointers.
        let raw = checked(unsafe { libc::socket(libc::AF_PACKET, kind, 0) })?;
        // SAFETY: the kernel just gave us this descriptor, nobody else has it.
        let fd = unsafe { OwnedFd::from_raw_fd(raw) };
        let socket = Socket { fd };
        socket.enable(libc::PACKET_VNET_HDR)?;
        socket.enable(libc::PACKET_AUXDATA)?;
        socket.enable(libc::PACKET_QDISC_BYPASS)?;
        socket.bind(ifindex)?;
        socket.receive_everything(ifindex)?;
        Ok(socket)
    }

    fn set<T>(&self, option: libc::c_int, value: &T) -> io::Result<()> {
        let (value, len) = (std::ptr::from_ref(value).cast(), size_of::<T>() as libc::socklen_t);
        // SAFETY: the kernel reads `len` bytes of `value`, which is borrowed for the call.
        checked(unsafe { libc::setsockopt(self.fd.as_raw_fd(), libc::SOL_PACKET, option, value, len) })?;
        Ok(())
    }

    fn enable(&self, option: libc::c_int) -> io::Result<()> {
        self.set(option, &1i32)
    }

    fn bind(&self, ifindex: u32) -> io::Result<()> {
        // SAFETY: zeros are a valid address: plain numbers only.
        let mut address: libc::sockaddr_ll = unsafe { zeroed() };
        address.sll_family = libc::AF_PACKET as u16;
        address.sll_protocol = (libc::ETH_P_ALL as u16).to_be();
        address.sll_ifindex = ifindex as i32;
        let len = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
        // SAFETY: the kernel reads `len` bytes of `address`, which lives through the call.
        checked(unsafe { libc::bind(self.fd.as_raw_fd(), std::ptr::from_ref(&address).cast(), len) })?;
        Ok(())
    }

    /// Frames for all addresses, not only the device's own: guests behind it have others. Ends with the socket.
    fn receive_everything(&self, ifindex: u32) -> io::Result<()> {
        // SAFETY: zeros are a valid request: plain numbers only.
        let mut request: libc::packet_mreq = unsafe { zeroed() };
        request.mr_ifindex = ifindex as i32;
        request.mr_type = libc::PACKET_MR_PROMISC as u16;
        self.set(libc::PACKET_ADD_MEMBERSHIP, &request)
    }

    /// The next frame, if one is waiting.
    pub(super) fn receive(&self, buffer: &mut [u8]) -> Option<Received> {
        let mut vnet = [0u8; VNET_HEADER];
        let mut control = [0u64; 8];
        let mut parts = [
            libc::iovec { iov_base: vnet.as_mut_ptr().cast(), iov_len: vnet.len() },
            libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() },
        ];
        // SAFETY: zeros are a valid address: plain numbers only.
        let mut from: libc::sockaddr_ll = unsafe { zeroed() };
        // SAFETY: zeros are a valid message: null pointers and zero lengths.
        let mut message: libc::msghdr = unsafe { zeroed() };
        message.msg_name = std::ptr::from_mut(&mut from).cast();
        message.msg_namelen = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
        message.msg_iov = parts.as_mut_ptr();
        message.msg_iovlen = parts.len();
        message.msg_control = control.as_mut_ptr().cast();
        message.msg_controllen = size_of_val(&control);
        // SAFETY: every pointer in `message` is to a local buffer of the length beside it, alive through the call.
        let n = unsafe { libc::recvmsg(self.fd.as_raw_fd(), &raw mut message, 0) };
        let len = usize::try_from(n).ok()?.checked_sub(VNET_HEADER)?;
        Some(Received {
            len: len.min(buffer.len()),
            truncated: message.msg_flags & libc::MSG_TRUNC != 0,
            unsegmented: vnet[VNET_GSO_TYPE] != 0,
            outgoing: from.sll_pkttype == libc::PACKET_OUTGOING,
            tag: tag(&message),
        })
    }

    /// Sends a frame whose checksums are all filled in.
    pub(super) fn send(&self, frame: &[u8]) -> io::Result<()> {
        // All zeros: no checksum to fill in, nothing to segment.
        let vnet = [0u8; VNET_HEADER];
        let parts = [
            libc::iovec { iov_base: vnet.as_ptr().cast_mut().cast(), iov_len: vnet.len() },
            libc::iovec { iov_base: frame.as_ptr().cast_mut().cast(), iov_len: frame.len() },
        ];
        // SAFETY: both buffers are borrowed for the call, and the kernel only reads them.
        let n = unsafe { libc::writev(self.fd.as_raw_fd(), parts.as_ptr(), parts.len() as i32) };
        if n < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }
}

/// The tag that the kernel took out of the frame, from the auxiliary data.
fn tag(message: &libc::msghdr) -> Option<(u16, u16)> {
    // SAFETY: recvmsg filled `message`; its control buffer is still borrowed by the caller.
    let header = unsafe { libc::CMSG_FIRSTHDR(message) };
    // SAFETY: not null means that a whole header lies in the control buffer (cmsg(3)).
    let header_ref = unsafe { header.as_ref() }?;
    if (header_ref.cmsg_level, header_ref.cmsg_type) != (libc::SOL_PACKET, libc::PACKET_AUXDATA) {
        return None;
    }
    // SAFETY: the header is the first of the control buffer, whose data follows it.
    let data = unsafe { libc::CMSG_DATA(header) };
    // SAFETY: PACKET_AUXDATA carries one `tpacket_auxdata`; it may lie unaligned.
    let auxdata = unsafe { data.cast::<libc::tpacket_auxdata>().read_unaligned() };
    let valid = |bit| auxdata.tp_status & bit != 0;
    let tpid = if valid(libc::TP_STATUS_VLAN_TPID_VALID) { auxdata.tp_vlan_tpid } else { 0 };
    valid(libc::TP_STATUS_VLAN_VALID).then_some((tpid, auxdata.tp_vlan_tci))
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
