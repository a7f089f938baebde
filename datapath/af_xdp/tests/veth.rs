//! Real sockets on real devices: veth pairs in a network namespace of each test's own. Needs root.
//!
//! ```text
//!    socket ── near ═══ cable ═══ far ── packet socket, or the stack
//! ```

#[expect(unsafe_code, reason = "system calls that the standard library has no names for")]
mod support;

use std::net::UdpSocket;
use std::time::{Duration, Instant};

use af_xdp::{
    BusyPoll, ChunkSize, Error, Frame, Mode, ModeRequest, Sent, Socket, SocketConfig, Statistics, Step,
    TxChecksum, Umem, UmemConfig,
};
use support::bpf::{Attach, Redirect};
use support::namespace::{in_namespace, ip, veth};
use support::root_or_skip;
use support::wire::{Wire, packet, udp_checksum_is_complete, udp_with_partial_checksum};

const FRAMES: u32 = 512;

fn umem(config: UmemConfig) -> Umem {
    Umem::new(&UmemConfig { frames: FRAMES, ..config }).unwrap()
}

fn small_rings() -> SocketConfig {
    SocketConfig { fill_size: 64, rx_size: 64, tx_size: 64, completion_size: 64, ..SocketConfig::default() }
}

/// Receives `count` frames; fails when they do not come within two seconds.
fn receive<'u>(socket: &mut Socket<'u>, count: usize) -> Vec<Frame<'u>> {
    let (mut frames, start) = (Vec::new(), Instant::now());
    while frames.len() < count {
        assert!(
            start.elapsed() < Duration::from_secs(2),
            "{} of {count}: {:?}",
            frames.len(),
            socket.statistics()
        );
        socket.rx(count - frames.len(), |frame| frames.push(frame));
    }
    frames
}

/// Sends all that is queued and takes the frames back; fails when that takes more than two seconds.
fn flush<'u>(socket: &mut Socket<'u>, pool: &mut Vec<Frame<'u>>) {
    let start = Instant::now();
    while socket.wake().unwrap().queued != 0 {
        socket.complete(|frame| pool.push(frame));
        assert!(start.elapsed() < Duration::from_secs(2), "the ring drains: {:?}", socket.statistics());
    }
    socket.complete(|frame| pool.push(frame));
}

/// Sends 640 packets to and fro, ten at a time, and accounts for every frame.
fn reflect(attach: Attach) {
    let (near, far) = veth("near", "far", 1500);
    let umem = umem(UmemConfig::default());
    let mut pool: Vec<_> = umem.take_frames().collect();
    let mut socket = Socket::open(&umem, near, 0, &small_rings()).unwrap();
    assert_eq!(socket.mode(), Mode::Copy, "a veth device cannot do better");
    let program = Redirect::attach(near, attach, false);
    program.to(0, &socket);
    let wire = Wire::on(far);
    for round in 0..64 {
        socket.fill(|| pool.pop());
        let numbers = round * 10..round * 10 + 10;
        for number in numbers.clone() {
            wire.send(&packet(number, 60 + number as usize));
        }
        for (mut frame, number) in receive(&mut socket, 10).into_iter().zip(numbers.clone()) {
            assert_eq!(frame.bytes(), packet(number, 60 + number as usize));
            frame.bytes_mut()[14] = 0xff;
            socket.tx(frame).unwrap();
        }
        flush(&mut socket, &mut pool);
        for number in numbers {
            let mut expected = packet(number, 60 + number as usize);
            expected[14] = 0xff;
            assert_eq!(wire.receive().unwrap(), expected);
        }
        assert_eq!(pool.len() + socket.outstanding() as usize, FRAMES as usize);
    }
    assert_eq!(socket.statistics().unwrap().rx_dropped, 0);
}

#[test]
fn packets_travel_both_ways_with_a_native_program() {
    if root_or_skip("native XDP") {
        in_namespace(|| reflect(Attach::Native));
    }
}

#[test]
fn packets_travel_both_ways_with_a_generic_program() {
    if root_or_skip("generic XDP") {
        in_namespace(|| reflect(Attach::Generic));
    }
}

#[test]
fn the_largest_headroom_is_in_front_of_every_packet() {
    if !root_or_skip("AF_XDP") {
        return;
    }
    in_namespace(|| {
        let (near, far) = veth("near", "far", 1500);
        let wire = Wire::on(far);
        for (chunk, headroom) in [(ChunkSize::K2, 1344), (ChunkSize::K4, 3392)] {
            let umem = umem(UmemConfig { chunk, headroom, huge: true, ..UmemConfig::default() });
            let mut pool: Vec<_> = umem.take_frames().collect();
            let mut socket = Socket::open(&umem, near, 0, &small_rings()).unwrap();
            let program = Redirect::attach(near, Attach::Native, false);
            program.to(0, &socket);
            socket.fill(|| pool.pop());
            wire.send(&packet(1, 400));
            let mut frame = receive(&mut socket, 1).pop().unwrap();
            assert_eq!(frame.headroom(), usize::from(headroom) + 256);
            frame.push(1000).unwrap().copy_from_slice(&packet(2, 1000));
            socket.tx(frame).unwrap();
            flush(&mut socket, &mut pool);
            assert_eq!(wire.receive().unwrap(), [packet(2, 1000), packet(1, 400)].concat());
        }
    });
}

/// From one device to another with a header pushed in front, through one memory.
fn forward(open_second: impl for<'u> Fn(&Socket<'u>, u32, &SocketConfig) -> Socket<'u>) {
    const HEADER: [u8; 50] = [0x5a; 50];
    let (near_in, far_in) = veth("near-in", "far-in", 1500);
    let (near_out, far_out) = veth("near-out", "far-out", 1600);
    let umem = umem(UmemConfig::default());
    let mut pool: Vec<_> = umem.take_frames().collect();
    let mut input = Socket::open(&umem, near_in, 0, &small_rings()).unwrap();
    let mut output = open_second(&input, near_out, &small_rings());
    let program = Redirect::attach(near_in, Attach::Native, false);
    program.to(0, &input);
    let (source, sink) = (Wire::on(far_in), Wire::on(far_out));
    for round in 0..20 {
        input.fill(|| pool.pop());
        for number in 0..32 {
            source.send(&packet(round * 32 + number, 1400));
        }
        for mut frame in receive(&mut input, 32) {
            frame.push(HEADER.len()).unwrap().copy_from_slice(&HEADER);
            output.tx(frame).unwrap();
        }
        flush(&mut output, &mut pool);
        for number in 0..32 {
            let received = sink.receive().unwrap();
            assert_eq!(received[..50], HEADER);
            assert_eq!(received[50..], packet(round * 32 + number, 1400));
        }
    }
    // Frames have moved from one socket to the other and back to the pool; none is missing.
    assert_eq!(pool.len() + (input.outstanding() + output.outstanding()) as usize, FRAMES as usize);
}

#[test]
fn a_header_is_pushed_between_two_devices_that_share_a_registration() {
    if root_or_skip("AF_XDP") {
        in_namespace(|| {
            forward(|first, ifindex, config| Socket::open_shared(first, ifindex, 0, config).unwrap())
        });
    }
}

#[test]
fn a_header_is_pushed_between_two_devices_with_overlapping_registrations() {
    if root_or_skip("AF_XDP") {
        in_namespace(|| {
            forward(|first, ifindex, config| Socket::open(first.umem(), ifindex, 0, config).unwrap())
        });
    }
}

#[test]
fn a_packet_of_8900_bytes_travels_in_three_frames() {
    if !root_or_skip("AF_XDP with fragments") {
        return;
    }
    in_namespace(|| {
        let (near, far) = veth("near", "far", 9000);
        let umem = umem(UmemConfig { chunk: ChunkSize::K4, ..UmemConfig::default() });
        let mut pool: Vec<_> = umem.take_frames().collect();
        let config = SocketConfig { multi_buffer: true, ..small_rings() };
        let mut socket = Socket::open(&umem, near, 0, &config).unwrap();
        socket.fill(|| pool.pop());
        let program = Redirect::attach(near, Attach::Native, true);
        program.to(0, &socket);
        let wire = Wire::on(far);
        for number in 0..10 {
            let sent = packet(number, 8900);
            wire.send(&sent);
            let frames = receive(&mut socket, 3);
            assert_eq!(frames.iter().map(Frame::continues).collect::<Vec<_>>(), [true, true, false]);
            assert_eq!(frames.iter().flat_map(|frame| frame.bytes().to_vec()).collect::<Vec<_>>(), sent);
            for frame in frames {
                socket.tx(frame).unwrap();
            }
            flush(&mut socket, &mut pool);
            assert_eq!(wire.receive().unwrap(), sent);
        }
        assert_eq!(pool.len() + socket.outstanding() as usize, FRAMES as usize);
    });
}

/// Sends the same packet without and with a request, to a UDP socket of the far end's stack.
fn request_checksum(tx_checksum: TxChecksum, complete_on_the_wire: bool) {
    let (near, far) = veth("near", "far", 1500);
    ip(&["address", "add", "192.0.2.2/24", "dev", "far"]);
    let receiver = UdpSocket::bind("192.0.2.2:0").unwrap();
    receiver.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    let port = receiver.local_addr().unwrap().port();
    let wire = Wire::on(far);
    let umem = umem(UmemConfig { tx_metadata: true, ..UmemConfig::default() });
    let mut pool: Vec<_> = umem.take_frames().collect();
    let mut socket = Socket::open(&umem, near, 0, &SocketConfig { tx_checksum, ..small_rings() }).unwrap();
    assert!(socket.passes_checksum_requests());
    for (payload, request) in [(b"without", false), (b"request", true)] {
        let mut frame = pool.pop().unwrap();
        assert!(frame.copy_from(&udp_with_partial_checksum(port, payload)));
        assert!(!request || frame.request_checksum(34, 6));
        socket.tx(frame).unwrap();
        flush(&mut socket, &mut pool);
        let complete = udp_checksum_is_complete(&wire.receive().unwrap());
        assert_eq!(complete, request && complete_on_the_wire);
    }
    let mut buffer = [0; 100];
    let len = receiver.recv(&mut buffer).unwrap();
    assert_eq!(&buffer[..len], b"request", "the stack drops the one whose checksum nobody finished");
    assert_eq!(socket.statistics().unwrap().tx_invalid_descs, 0);
    assert_eq!(pool.len(), FRAMES as usize);
}

#[test]
fn the_far_stack_accepts_a_checksum_that_was_left_to_the_device() {
    if root_or_skip("AF_XDP") {
        in_namespace(|| request_checksum(TxChecksum::Offload, false));
    }
}

#[test]
fn the_kernel_completes_a_checksum_in_software() {
    if root_or_skip("AF_XDP") {
        in_namespace(|| request_checksum(TxChecksum::Software, true));
    }
}

#[test]
fn a_queue_that_was_closed_just_now_can_be_opened_again() {
    if !root_or_skip("AF_XDP") {
        return;
    }
    in_namespace(|| {
        let (near, _far) = veth("near", "far", 1500);
        let umem = umem(UmemConfig::default());
        for _ in 0..5 {
            drop(Socket::open(&umem, near, 0, &small_rings()).unwrap());
        }
        let _holder = Socket::open(&umem, near, 0, &small_rings()).unwrap();
        let start = Instant::now();
        let refused = Socket::open(&umem, near, 0, &small_rings()).unwrap_err();
        assert!(start.elapsed() >= Duration::from_millis(500), "it waits for the queue to become free");
        let text = refused.to_string();
        assert!(text.contains("queue 0 of near") && text.contains("another socket is bound"), "{text}");
    });
}

#[test]
fn what_cannot_be_opened_says_why() {
    if !root_or_skip("AF_XDP") {
        return;
    }
    in_namespace(|| {
        let (near, _far) = veth("near", "far", 1500);
        let umem = umem(UmemConfig::default());
        let refused =
            |ifindex, queue, config: SocketConfig| match Socket::open(&umem, ifindex, queue, &config) {
                Err(Error::Open { step, source, .. }) => (step, source.raw_os_error().unwrap()),
                other => panic!("{other:?}"),
            };
        let zero_copy = SocketConfig { mode: ModeRequest::ZeroCopy, ..small_rings() };
        assert_eq!(refused(near, 0, zero_copy), (Step::BindZeroCopy, libc::EOPNOTSUPP));
        assert_eq!(refused(near, 99, small_rings()), (Step::BindCopy, libc::EINVAL));
        assert_eq!(refused(near + 1000, 0, small_rings()).1, libc::ENODEV);
        let odd = SocketConfig { rx_size: 100, ..small_rings() };
        assert!(matches!(Socket::open(&umem, near, 0, &odd), Err(Error::Config(_))));
        let unprepared = SocketConfig { tx_checksum: TxChecksum::Offload, ..small_rings() };
        assert!(matches!(Socket::open(&umem, near, 0, &unprepared), Err(Error::Config(_))));
        let first = Socket::open(&umem, near, 0, &small_rings()).unwrap();
        let again = Socket::open_shared(&first, near, 0, &small_rings());
        assert!(matches!(again, Err(Error::Open { step: Step::BindShared, .. })), "{again:?}");
    });
}

#[test]
fn what_is_dropped_is_counted_by_its_reason() {
    if !root_or_skip("AF_XDP") {
        return;
    }
    in_namespace(|| {
        let (near, far) = veth("near", "far", 2000);
        let umem = umem(UmemConfig::default());
        let mut pool: Vec<_> = umem.take_frames().collect();
        let config = SocketConfig { rx_size: 4, ..small_rings() };
        let mut socket = Socket::open(&umem, near, 0, &config).unwrap();
        let program = Redirect::attach(near, Attach::Native, false);
        program.to(0, &socket);
        let wire = Wire::on(far);
        let no_frame = Statistics { rx_dropped: 3, rx_fill_ring_empty_descs: 3, ..Statistics::default() };
        (0..3).for_each(|number| wire.send(&packet(number, 60)));
        assert_eq!(socket.statistics().unwrap(), no_frame);
        assert_eq!(no_frame.missed(), 3);

        socket.fill(|| pool.pop());
        (0..10).for_each(|number| wire.send(&packet(number, 60)));
        assert_eq!(socket.statistics().unwrap(), Statistics { rx_ring_full: 6, ..no_frame });
        receive(&mut socket, 4);

        wire.send(&packet(0, 1900));
        let too_long = Statistics { rx_dropped: 4, rx_ring_full: 6, ..no_frame };
        assert_eq!(socket.statistics().unwrap(), too_long);
        assert_eq!(too_long.missed(), 10);
    });
}

#[test]
fn a_call_sends_as_many_packets_as_its_budget_allows() {
    if !root_or_skip("AF_XDP") {
        return;
    }
    in_namespace(|| {
        let (near, far) = veth("near", "far", 1500);
        let umem = umem(UmemConfig::default());
        let mut pool: Vec<_> = umem.take_frames().collect();
        let wire = Wire::on(far);
        for (tx_budget, calls) in [(None, 8..=9), (Some(256), 1..=2)] {
            let busy_poll = Some(BusyPoll { usecs: 20, budget: 64 });
            let rings = SocketConfig { tx_size: 256, completion_size: 256, ..small_rings() };
            let config = SocketConfig { tx_budget, busy_poll, ..rings };
            let mut socket = Socket::open(&umem, near, 0, &config).unwrap();
            for number in 0..256 {
                let mut frame = pool.pop().unwrap();
                assert!(frame.copy_from(&packet(number, 60)));
                socket.tx(frame).unwrap();
            }
            let Sent { calls: made, dropped, queued } = socket.wake().unwrap();
            assert!(calls.contains(&made), "{made} calls");
            assert_eq!((dropped, queued), (0, 0));
            assert_eq!(socket.complete(|frame| pool.push(frame)), 256);
            assert_eq!(
                socket.wake().unwrap(),
                Sent::default(),
                "nothing is asked of the kernel when nothing is queued"
            );
            (0..256).for_each(|number| assert_eq!(wire.receive().unwrap(), packet(number, 60)));
        }
    });
}

#[test]
fn packets_stay_queued_while_the_device_is_down() {
    if !root_or_skip("AF_XDP") {
        return;
    }
    in_namespace(|| {
        let (near, far) = veth("near", "far", 1500);
        let umem = umem(UmemConfig::default());
        let mut pool: Vec<_> = umem.take_frames().collect();
        let mut socket = Socket::open(&umem, near, 0, &small_rings()).unwrap();
        let wire = Wire::on(far);
        ip(&["link", "set", "near", "down"]);
        let mut frame = pool.pop().unwrap();
        assert!(frame.copy_from(&packet(7, 60)));
        socket.tx(frame).unwrap();
        let Err(Error::Send(refused)) = socket.wake() else { panic!("the device is down") };
        assert_eq!(refused.raw_os_error(), Some(libc::ENETDOWN));
        assert_eq!(socket.outstanding(), 1);
        ip(&["link", "set", "near", "up"]);
        flush(&mut socket, &mut pool);
        assert_eq!(wire.receive().unwrap(), packet(7, 60));
        assert_eq!(pool.len(), FRAMES as usize);
    });
}

#[test]
fn packets_that_the_device_drops_are_counted_and_their_frames_come_back() {
    if !root_or_skip("AF_XDP") {
        return;
    }
    in_namespace(|| {
        let (near, _far) = veth("near", "far", 1500);
        let umem = umem(UmemConfig::default());
        let mut pool: Vec<_> = umem.take_frames().collect();
        let mut socket = Socket::open(&umem, near, 0, &small_rings()).unwrap();
        ip(&["link", "set", "far", "down"]);
        for number in 0..10 {
            let mut frame = pool.pop().unwrap();
            assert!(frame.copy_from(&packet(number, 60)));
            socket.tx(frame).unwrap();
        }
        let sent = socket.wake().unwrap();
        assert_eq!((sent.dropped, sent.queued), (10, 0));
        assert_eq!(socket.complete(|frame| pool.push(frame)), 10);
        assert_eq!(pool.len(), FRAMES as usize);
    });
}
