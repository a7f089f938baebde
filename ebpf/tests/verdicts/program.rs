//! The program under test: loaded from the committed object, run by the kernel, observed by its counters.

use aya::maps::{HashMap, MapData, PerCpuArray, XskMap};
use aya::programs::{TestRun, TestRunOptions, Xdp};
use aya::{Ebpf, EbpfLoader};
use ebpf::{ENDPOINT_KEY_LEN, EndpointKey, Verdict};
use std::os::fd::{AsFd, FromRawFd, OwnedFd};

use crate::frames::{GENEVE, US, US6, VXLAN};

/// The actions of `enum xdp_action`, include/uapi/linux/bpf.h.
const XDP_PASS: u32 = 2;
const XDP_REDIRECT: u32 = 4;

pub(crate) struct Program {
    ebpf: Ebpf,
    name: &'static str,
    socket: Option<OwnedFd>,
}

impl Program {
    /// The uplink's program with our endpoints; none, with a word on stderr, when we may not load it.
    pub(crate) fn uplink() -> Option<Program> {
        let mut program = Program::load(ebpf::UPLINK)?;
        for endpoint in [
            EndpointKey::udp(US.into(), VXLAN),
            EndpointKey::udp(US6.into(), VXLAN),
            EndpointKey::udp(US.into(), GENEVE),
            EndpointKey::gre(US.into()),
            EndpointKey::gre(US6.into()),
        ] {
            program.endpoints().insert(endpoint.to_bytes(), 1, 0).expect("an endpoint fits into the map");
        }
        Some(program)
    }

    /// The same with an AF_XDP socket on queue 0, the queue of test runs.
    pub(crate) fn uplink_with_socket() -> Option<Program> {
        let mut program = Program::uplink()?;
        let socket = xdp_socket();
        program.bind(0, &socket);
        program.socket = Some(socket);
        Some(program)
    }

    /// The program of a guest's port.
    pub(crate) fn guest() -> Option<Program> {
        Program::load(ebpf::GUEST)
    }

    fn load(name: &'static str) -> Option<Program> {
        if !nix::unistd::geteuid().is_root() {
            assert!(std::env::var_os("ADIT_TESTS_NO_SKIP").is_none(), "needs root (to load an XDP program)");
            eprintln!("skipped: needs root (to load an XDP program)");
            return None;
        }
        let mut ebpf = EbpfLoader::new().load(ebpf::OBJECT).expect("the committed object loads");
        let xdp: &mut Xdp =
            ebpf.program_mut(name).expect("the program is there").try_into().expect("it is XDP");
        xdp.load().expect("the kernel's verifier accepts the program");
        Some(Program { ebpf, name, socket: None })
    }

    /// Puts a socket on a queue.
    pub(crate) fn bind(&mut self, queue: u32, socket: &OwnedFd) {
        let map = self.ebpf.map_mut(ebpf::XSKS).expect("the map is there");
        XskMap::try_from(map)
            .expect("it holds sockets")
            .set(queue, socket.as_fd(), 0)
            .expect("the queue is in range");
    }

    /// Takes an endpoint away.
    pub(crate) fn forget(&mut self, endpoint: EndpointKey) {
        self.endpoints().remove(&endpoint.to_bytes()).expect("the endpoint was there");
    }

    /// Runs the program over each frame of a table: what it is, its bytes, what must become of it.
    pub(crate) fn judge(&self, table: &[(&str, Vec<u8>, Verdict)]) {
        for (what, frame, expected) in table {
            assert_eq!(self.verdict(frame), *expected, "{what}: {frame:02x?}");
        }
    }

    /// The verdict on a frame: the one counter that moved. The action and the frame's bytes must agree with it.
    pub(crate) fn verdict(&self, frame: &[u8]) -> Verdict {
        let before = self.counters();
        let mut out = vec![0; frame.len()];
        let xdp: &Xdp = self.ebpf.program(self.name).expect("loaded").try_into().expect("it is XDP");
        let options =
            TestRunOptions { data_in: Some(frame), data_out: Some(&mut out), ..TestRunOptions::default() };
        let result = xdp.test_run(options).expect("the kernel runs the program");
        assert_eq!(out, frame, "the program leaves the frame alone");

        let after = self.counters();
        let moved = |verdict: &Verdict| after[*verdict as usize] - before[*verdict as usize];
        assert_eq!(Verdict::ALL.iter().map(moved).sum::<u64>(), 1, "one frame, one verdict");
        let verdict = Verdict::ALL.into_iter().find(|v| moved(v) == 1).expect("one of them moved");
        let action = if verdict == Verdict::Claimed { XDP_REDIRECT } else { XDP_PASS };
        assert_eq!(result.return_value, action, "the action that belongs to {verdict:?}");
        verdict
    }

    fn counters(&self) -> [u64; Verdict::ALL.len()] {
        let map = self.ebpf.map(ebpf::VERDICTS).expect("the map is there");
        let counters = PerCpuArray::<_, u64>::try_from(map).expect("it holds numbers");
        Verdict::ALL.map(|v| counters.get(&(v as u32), 0).expect("one place each").iter().sum())
    }

    fn endpoints(&mut self) -> HashMap<&mut MapData, [u8; ENDPOINT_KEY_LEN], u8> {
        let map = self.ebpf.map_mut(ebpf::ENDPOINTS).expect("the map is there");
        HashMap::try_from(map).expect("it has keys and values of these sizes")
    }
}

/// An AF_XDP socket without rings. It can stand on a queue, because a test run stops at the verdict.
#[expect(unsafe_code, reason = "no safe wrapper knows the address family")]
pub(crate) fn xdp_socket() -> OwnedFd {
    // SAFETY: socket(2) takes three numbers and touches no memory.
    let fd = unsafe { libc::socket(libc::AF_XDP, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0) };
    assert!(fd >= 0, "AF_XDP socket: {}", std::io::Error::last_os_error());
    // SAFETY: the descriptor was just opened, and nobody else has it.
    unsafe { OwnedFd::from_raw_fd(fd) }
}
