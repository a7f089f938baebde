//! The system calls, one function each. No policy lives here.

use std::io;
use std::ptr::NonNull;

/// A mapping, unmapped when dropped. It hands out its start and its length, never a reference.
#[derive(Debug)]
pub(crate) struct Mapping {
    start: NonNull<u8>,
    len: usize,
}

// SAFETY: a mapping belongs to the process, not to the thread that made it.
unsafe impl Send for Mapping {}
// SAFETY: a shared mapping offers its address and length only; both are plain values.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Zeroed private memory, all pages present, aligned to a page at least.
    #[cfg(not(miri))]
    pub(crate) fn anonymous(len: usize, huge: bool) -> io::Result<Self> {
        let huge = if huge { libc::MAP_HUGETLB | libc::MAP_HUGE_2MB } else { 0 };
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_POPULATE | huge;
        Self::map(len, flags, -1, 0)
    }

    /// Under Miri there is no mapping of this kind: the allocator stands in.
    #[cfg(miri)]
    pub(crate) fn anonymous(len: usize, huge: bool) -> io::Result<Self> {
        if huge {
            return Err(io::Error::from(io::ErrorKind::Unsupported));
        }
        // SAFETY: `layout` refuses a size of zero.
        let start = unsafe { std::alloc::alloc_zeroed(Self::layout(len)) };
        NonNull::new(start).map(|start| Self { start, len }).ok_or_else(|| io::ErrorKind::OutOfMemory.into())
    }

    #[cfg(not(miri))]
    fn map(len: usize, flags: libc::c_int, fd: libc::c_int, offset: libc::off_t) -> io::Result<Self> {
        let rights = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: the address is left to the kernel, so no memory that is in use gets replaced.
        let start = unsafe { libc::mmap(std::ptr::null_mut(), len, rights, flags, fd, offset) };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        NonNull::new(start.cast())
            .map(|start| Self { start, len })
            .ok_or_else(|| io::ErrorKind::OutOfMemory.into())
    }

    #[cfg(miri)]
    fn layout(len: usize) -> std::alloc::Layout {
        assert_ne!(len, 0, "an empty mapping was asked for");
        std::alloc::Layout::from_size_align(len, 4096).expect("a length that was allocated has a layout")
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
        // SAFETY: `map` made this mapping with this length, and borrowers of the memory cannot outlive its owner.
        let _ = unsafe { libc::munmap(self.start.as_ptr().cast(), self.len) };
    }

    #[cfg(miri)]
    fn drop(&mut self) {
        // SAFETY: `anonymous` allocated this memory with this layout.
        unsafe { std::alloc::dealloc(self.start.as_ptr(), Self::layout(self.len)) };
    }
}
