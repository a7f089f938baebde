//! Captures are outside input: whatever is in them, reading ends and says what is wrong.

use af_xdp::{ChunkSize, Umem, UmemConfig};
use datapath::mem::FramePool;
use datapath::port::pcap::Error;
use datapath::port::{Pcap, Port};
use proptest::prelude::*;
use std::io::Cursor;

const FRAME: [u8; 60] = [0x5a; 60];

/// A pcap file of Ethernet frames: a header, then these packets as they are.
fn pcap(link: u32, packets: &[Vec<u8>]) -> Vec<u8> {
    let header = [0xa1b2_c3d4u32, 0x0004_0002, 0, 0, 65_535, link];
    let mut file: Vec<u8> = header.into_iter().flat_map(u32::to_le_bytes).collect();
    packets.iter().for_each(|packet| file.extend(packet));
    file
}

fn packet(second: u32, len: u32, original_len: u32, bytes: &[u8]) -> Vec<u8> {
    let header = [second, 0, len, original_len];
    header.into_iter().flat_map(u32::to_le_bytes).chain(bytes.iter().copied()).collect()
}

fn good(second: u32) -> Vec<u8> {
    packet(second, 60, 60, &FRAME)
}

fn block(kind: u32, body: &[u8]) -> Vec<u8> {
    let len = (body.len() as u32 + 12).to_le_bytes();
    [&kind.to_le_bytes()[..], &len, body, &len].concat()
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

fn section() -> Vec<u8> {
    block(0x0a0d_0d0a, &words(&[0x1a2b_3c4d, 1, u32::MAX, u32::MAX]))
}

fn interface(link: u32) -> Vec<u8> {
    block(1, &words(&[link, 0]))
}

fn enhanced(interface: u32, high: u32, bytes: &[u8]) -> Vec<u8> {
    let len = bytes.len() as u32;
    block(6, &[words(&[interface, high, 0, len, len]), bytes.to_vec()].concat())
}

/// What reading a capture to its end gives: how many frames, how many of them cut short, and what was wrong.
fn read(file: Vec<u8>) -> (usize, u64, Option<Error>) {
    let pcap = match Pcap::new(Some(Box::new(Cursor::new(file))), None) {
        Ok(pcap) => pcap,
        Err(error) => return (0, 0, Some(error)),
    };
    let memory = UmemConfig { frames: 8, chunk: ChunkSize::K4, headroom: 0, huge: false, tx_metadata: false };
    let umem = Umem::new(&memory).unwrap();
    let mut pool = FramePool::new(umem.take_frames());
    let mut port = Port::Pcap(Box::new(pcap));
    let mut frames = 0;
    loop {
        let mut batch = Vec::new();
        port.reap(&mut pool, u64::MAX);
        let refused = port.rx(&mut pool, 64, &mut batch);
        if batch.is_empty() && refused == 0 {
            break;
        }
        frames += batch.len() + refused as usize;
        batch.drain(..).flatten().for_each(|frame| pool.give(frame));
    }
    let Port::Pcap(pcap) = &mut port else { panic!("another port") };
    (frames, pcap.cut(), pcap.finish().err())
}

/// How a capture is refused after so many frames.
fn refusal(frames: usize, file: Vec<u8>) -> String {
    let (read, _, error) = read(file);
    assert_eq!(read, frames);
    error.expect("a refusal").to_string()
}

#[test]
fn a_whole_capture_is_read_to_its_end() {
    let (frames, cut, error) = read(pcap(1, &[good(1), good(2)]));
    assert_eq!((frames, cut), (2, 0));
    assert!(error.is_none(), "{error:?}");
    let (frames, _, error) = read(pcap(1, &[]));
    assert!(frames == 0 && error.is_none(), "no frames are no fault: {error:?}");
}

#[test]
fn a_capture_that_is_cut_gives_its_whole_frames_and_says_so() {
    let whole = pcap(1, &[good(1), good(2)]);
    for len in 1..whole.len() {
        let frames = len.saturating_sub(24) / 76;
        let ends_between = len >= 24 && (len - 24) % 76 == 0;
        let (read, _, error) = read(whole[..len].to_vec());
        assert_eq!((read, error.is_none()), (frames, ends_between), "{len} bytes");
    }
    let told = refusal(1, whole[..whole.len() - 1].to_vec());
    assert!(told.starts_with("packet 1: the file ends in the middle of it"), "{told}");
    assert!(refusal(0, Vec::new()).contains("the file is empty"));
}

#[test]
fn frames_that_the_capture_cut_are_counted() {
    let (frames, cut, error) = read(pcap(1, &[good(1), packet(2, 60, 1500, &FRAME)]));
    assert_eq!((frames, cut), (2, 1));
    assert!(error.is_none(), "{error:?}");
}

#[test]
fn lengths_that_lie_are_refused() {
    for (len, original_len) in [(u32::MAX, u32::MAX), (600_000, 600_000), (65_536, 65_536), (60, 59)] {
        let more = vec![0; 700_000];
        refusal(1, pcap(1, &[good(1), packet(2, len, original_len, &more)]));
    }
    for len in [0u32, 4, 11, 13, 0xffff_fffc] {
        let lying = [words(&[6, len]), vec![0; 700_000]].concat();
        refusal(1, [section(), interface(1), enhanced(0, 0, &FRAME), lying].concat());
    }
}

#[test]
fn what_holds_no_ethernet_frames_is_refused_by_name() {
    assert!(refusal(0, pcap(113, &[good(1)])).contains("LINUX_SLL"));
    assert!(refusal(0, [section(), interface(113), enhanced(0, 0, &FRAME)].concat()).contains("LINUX_SLL"));
    assert!(refusal(0, b"GIF89a, and more that is no capture".to_vec()).contains("magic"));
}

#[test]
fn a_packet_of_no_interface_is_refused() {
    refusal(0, [section(), enhanced(0, 0, &FRAME)].concat());
    refusal(1, [section(), interface(1), enhanced(0, 0, &FRAME), enhanced(1, 0, &FRAME)].concat());
}

#[test]
fn the_number_of_interfaces_is_bounded() {
    let mut file = section();
    for _ in 0..70_000 {
        file.extend(interface(1));
    }
    assert!(refusal(0, file).contains("more than 65536 interfaces"));
}

#[test]
fn a_time_that_could_not_be_written_is_refused() {
    let told =
        refusal(1, [section(), interface(1), enhanced(0, 1, &FRAME), enhanced(0, u32::MAX, &FRAME)].concat());
    assert!(told.contains("beyond 2106"), "{told}");
}

#[test]
fn time_never_runs_backwards() {
    let file = pcap(1, &[good(9), good(3)]);
    let mut pcap = Pcap::new(Some(Box::new(Cursor::new(file))), None).unwrap();
    assert_eq!(pcap.next_time(), Some(9_000_000_000));
    let memory = UmemConfig { frames: 8, chunk: ChunkSize::K2, headroom: 0, huge: false, tx_metadata: false };
    let umem = Umem::new(&memory).unwrap();
    let mut pool = FramePool::new(umem.take_frames());
    let mut port = Port::Pcap(Box::new(pcap));
    let mut batch = Vec::new();
    port.reap(&mut pool, 9_000_000_000);
    assert_eq!(port.rx(&mut pool, 1, &mut batch), 0);
    let Port::Pcap(rest) = port else { panic!("another port") };
    pcap = *rest;
    assert_eq!((batch.len(), pcap.next_time()), (1, Some(9_000_000_000)));
    batch.into_iter().flatten().for_each(|frame| pool.give(frame));
}

fn good_captures() -> [Vec<u8>; 2] {
    let packets = [enhanced(0, 0, &FRAME), block(3, &[words(&[60]), FRAME.to_vec()].concat())].concat();
    [pcap(1, &[good(1), good(2), good(3)]), [section(), interface(1), packets].concat()]
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..400), which in 0..3usize) {
        let start = match which {
            0 => Vec::new(),
            1 => pcap(1, &[]),
            _ => section(),
        };
        read([start, bytes].concat());
    }

    #[test]
    fn no_changed_byte_makes_it_panic(which in 0..2usize, at in any::<prop::sample::Index>(), value in any::<u8>()) {
        let mut file = good_captures()[which].clone();
        let at = at.index(file.len());
        file[at] = value;
        read(file);
    }
}
