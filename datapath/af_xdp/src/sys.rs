//! The system calls, one function each. No policy lives here.
//!
//! The numbers and structures are those of
//! <https://github.com/torvalds/linux/blob/v6.18/include/uapi/linux/if_xdp.h>.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr::{self, NonNull};

/// Of `include/uapi/linux/if_xdp.h`; not yet in `libc`.
pub(crate) const XDP_MAX_TX_SKB_BUDGET: c_int = 9;
/// Of `include/uapi/asm-generic/socket.h`; not yet in `libc`.
pub(crate) const SO_PREFER_BUSY_POLL: c_int = 69;
/// Of `include/uapi/asm-generic/socket.h`; not yet in `libc`.
pub(crate) const SO_BUSY_POLL_BUDGET: c_int = 70;

/// A mapping, unmapped when dropped. It hands out its start and its length, never a reference.
#[derive(Debug)]
pub(crate) struct Mapping {
    start: NonNull<u8>,
    len: usize,
    /// Bytes that were mapped in front of the start, so that it is aligned.
    #[cfg_attr(miri, expect(dead_code, reason = "the allocator aligns"))]
    before: usize,
    /// Bytes that were mapped behind the end, for the same reason.
    #[cfg_attr(miri, expect(dead_code, reason = "the allocator aligns"))]
    after: usize,
}

// SAFETY: a mapping belongs to the process, not to the thread that made it.
unsafe impl Send for Mapping {}
// SAFETY: a shared mapping offers its address and length only; both are plain values.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Zeroed private memory, all pages present, aligned to a page at least and to `align`, a power of two.
    #[cfg(not(miri))]
    pub(crate) fn anonymous(len: usize, align: usize, huge: bool) -> io::Result<Self> {
        /// What the kernel aligns to at the least, and so what need not be asked for.
        const PAGE: usize = 4096;
        let (huge, spare) = match huge {
            true => (libc::MAP_HUGETLB | libc::MAP_HUGE_2MB, 0),
            false => (0, align.saturating_sub(PAGE)),
        };
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_POPULATE | huge;
        let mapped = len.checked_add(spare).ok_or(io::ErrorKind::OutOfMemory)?;
        let mut memory = Self::map(mapped, flags, -1, 0)?;
        let before = memory.start.addr().get().wrapping_neg() & (align - 1);
        memory.start = offset(&memory, before);
        (memory.len, memory.before, memory.after) = (len, before, mapped - len - before);
        Ok(memory)
    }

    /// Under Miri there is no mapping of this kind: the allocator stands in.
    #[cfg(miri)]
    pub(crate) fn anonymous(len: usize, align: usize, huge: bool) -> io::Result<Self> {
        if huge {
            return Err(io::Error::from(io::ErrorKind::Unsupported));
        }
        assert!(align <= Self::MIRI_ALIGN);
        // SAFETY: `layout` refuses a size of zero.
        let start = unsafe { std::alloc::alloc_zeroed(Self::layout(len)) };
        NonNull::new(start)
            .map(|start| Self { start, len, before: 0, after: 0 })
            .ok_or_else(|| io::ErrorKind::OutOfMemory.into())
    }

    /// The ring that lies at `page` of an AF_XDP socket.
    pub(crate) fn of_socket(fd: BorrowedFd<'_>, page: u64, len: usize) -> io::Result<Self> {
        let page = libc::off_t::try_from(page).map_err(|_| io::ErrorKind::InvalidInput)?;
        Self::map(len, libc::MAP_SHARED | libc::MAP_POPULATE, fd.as_raw_fd(), page)
    }

    fn map(len: usize, flags: c_int, fd: c_int, offset: libc::off_t) -> io::Result<Self> {
        let rights = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: the address is left to the kernel, so no memory that is in use gets replaced.
        let start = unsafe { libc::mmap(ptr::null_mut(), len, rights, flags, fd, offset) };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        NonNull::new(start.cast())
            .map(|start| Self { start, len, before: 0, after: 0 })
            .ok_or_else(|| io::ErrorKind::OutOfMemory.into())
    }

    #[cfg(miri)]
    const MIRI_ALIGN: usize = 16_384;

    #[cfg(miri)]
    fn layout(len: usize) -> std::alloc::Layout {
        assert_ne!(len, 0, "an empty mapping was asked for");
        std::alloc::Layout::from_size_align(len, Self::MIRI_ALIGN)
            .expect("a length that was allocated has a layout")
    }

    pub(crate) fn start(&self) -> NonNull<u8> {
        self.start
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }
}

impl Drop for Mapping {
    #[cfg(not(miri))]
    fn drop(&mut self) {
        let start = self.start.as_ptr().wrapping_sub(self.before).cast();
        // SAFETY: `map` made this mapping with this start and length, and borrowers of the memory cannot outlive its owner.
        let _ = unsafe { libc::munmap(start, self.before + self.len + self.after) };
    }

    #[cfg(miri)]
    fn drop(&mut self) {
        // SAFETY: `anonymous` allocated this memory with this layout.
        unsafe { std::alloc::dealloc(self.start.as_ptr(), Self::layout(self.len)) };
    }
}

/// The place `bytes` into the mapping, which is at most its length.
pub(crate) fn offset(mapping: &Mapping, bytes: usize) -> NonNull<u8> {
    assert!(bytes <= mapping.len, "a place outside of the mapping was asked for");
    // SAFETY: asserted to be inside of the mapping, or its end.
    unsafe { mapping.start.add(bytes) }
}

/// A new AF_XDP socket.
pub(crate) fn socket() -> io::Result<OwnedFd> {
    // SAFETY: takes no memory.
    let fd = unsafe { libc::socket(libc::AF_XDP, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0) };
    checked(fd)?;
    // SAFETY: the kernel has just made this descriptor, and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// What is handed to and from the kernel as it is.
///
/// # Safety
/// A C structure of integers without padding: any bits are a value, and no byte is uninitialised.
pub(crate) unsafe trait Plain: Copy {}

// SAFETY: an integer.
unsafe impl Plain for u32 {}
// SAFETY: 8 + 8 + 4 * 4 bytes of integers.
unsafe impl Plain for libc::xdp_umem_reg {}
// SAFETY: sixteen 64-bit integers.
unsafe impl Plain for libc::xdp_mmap_offsets {}
// SAFETY: one integer.
unsafe impl Plain for libc::xdp_options {}
// SAFETY: six 64-bit integers.
unsafe impl Plain for libc::xdp_statistics {}

/// `setsockopt`.
pub(crate) fn set_option<T: Plain>(
    fd: BorrowedFd<'_>,
    level: c_int,
    option: c_int,
    value: &T,
) -> io::Result<()> {
    let (value, len) = (ptr::from_ref(value).cast::<c_void>(), size_of::<T>() as libc::socklen_t);
    // SAFETY: the value is borrowed and the length is its own.
    checked(unsafe { libc::setsockopt(fd.as_raw_fd(), level, option, value, len) })
}

/// `getsockopt` at `SOL_XDP`. An answer shorter than the structure (an older kernel) is an error.
pub(crate) fn option<T: Plain>(fd: BorrowedFd<'_>, option: c_int) -> io::Result<T> {
    // SAFETY: zero bits are a value of every plain type.
    let mut value: T = unsafe { std::mem::zeroed() };
    let mut len = size_of::<T>() as libc::socklen_t;
    let out = ptr::from_mut(&mut value).cast::<c_void>();
    // SAFETY: the value is borrowed for writing, the length is its own, and any bits are a value.
    checked(unsafe { libc::getsockopt(fd.as_raw_fd(), libc::SOL_XDP, option, out, &raw mut len) })?;
    if len as usize == size_of::<T>() {
        Ok(value)
    } else {
        Err(io::Error::from_raw_os_error(libc::EOPNOTSUPP))
    }
}

/// `bind`.
pub(crate) fn bind(fd: BorrowedFd<'_>, address: &libc::sockaddr_xdp) -> io::Result<()> {
    let (address, len) = (ptr::from_ref(address).cast(), size_of_val(address) as libc::socklen_t);
    // SAFETY: the address is borrowed and the length is its own.
    checked(unsafe { libc::bind(fd.as_raw_fd(), address, len) })
}

/// Makes the kernel look at the transmit ring. Does not wait.
pub(crate) fn wake_tx(fd: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: no memory is passed: the message and the address are empty.
    let sent = unsafe { libc::sendto(fd.as_raw_fd(), ptr::null(), 0, libc::MSG_DONTWAIT, ptr::null(), 0) };
    if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Makes the kernel look at the fill ring. Does not wait; there is nothing to be told when it fails.
#[cold]
pub(crate) fn wake_rx(fd: BorrowedFd<'_>) {
    let flags = libc::MSG_DONTWAIT;
    // SAFETY: no memory is passed: the buffer and the address are empty.
    let _ = unsafe {
        libc::recvfrom(fd.as_raw_fd(), ptr::null_mut(), 0, flags, ptr::null_mut(), ptr::null_mut())
    };
}

/// The name of an interface, or its number when it has none any more. For messages.
pub(crate) fn interface_name(ifindex: u32) -> String {
    let mut name = [0 as c_char; libc::IF_NAMESIZE];
    // SAFETY: the buffer has the size that the call asks for.
    if unsafe { libc::if_indextoname(ifindex, name.as_mut_ptr()) }.is_null() {
        return format!("interface {ifindex}");
    }
    // SAFETY: the call has succeeded, and so has ended the name with a zero within the buffer.
    unsafe { CStr::from_ptr(name.as_ptr()) }.to_string_lossy().into_owned()
}

fn checked(result: c_int) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
