//! A UDP packet there and back, again and again: how long it takes.
//!
//! ```text
//! bench-pingpong serve ADDRESS:PORT            sends back what comes, until it is ended
//! bench-pingpong ask ADDRESS:PORT COUNT        prints p50 and p99 in microseconds, how many answers came, and how many not
//! ```
//!
//! Both wait in the kernel. The first tenth is not counted.

use anyhow::{Result, bail, ensure};
use benches::sample::Samples;
use std::env;
use std::net::{Ipv4Addr, UdpSocket};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_millis(200);
/// Ethernet, IPv4, UDP and this are 64 bytes.
const BYTES: usize = 22;

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match &arguments[..] {
        [serve, at] if serve == "serve" => answer(&UdpSocket::bind(at)?),
        [ask, at, count] if ask == "ask" => {
            let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
            socket.connect(at)?;
            socket.set_read_timeout(Some(PATIENCE))?;
            round_trips(&socket, count.parse()?)
        }
        _ => bail!("usage: bench-pingpong serve ADDRESS:PORT, or ask ADDRESS:PORT COUNT"),
    }
}

fn answer(socket: &UdpSocket) -> Result<()> {
    let mut bytes = [0; 2048];
    loop {
        let (len, from) = socket.recv_from(&mut bytes)?;
        socket.send_to(&bytes[..len], from)?;
    }
}

fn round_trips(socket: &UdpSocket, count: u64) -> Result<()> {
    let (mut taken, mut lost) = (Samples::default(), 0);
    for number in 0..count {
        let mut bytes = [0; BYTES];
        bytes[..8].copy_from_slice(&number.to_ne_bytes());
        let start = Instant::now();
        socket.send(&bytes)?;
        let back = loop {
            let mut answer = [0; BYTES];
            match socket.recv(&mut answer) {
                // An answer to one that was given up.
                Ok(_) if answer != bytes => {}
                Ok(_) => break true,
                Err(_) => break false,
            }
        };
        if !back {
            lost += 1;
        } else if number >= count / 10 {
            taken.add(start.elapsed().as_nanos() as f64 / 1000.0);
        }
        ensure!(lost < 100, "{lost} of {} packets did not come back", number + 1);
    }
    println!("{:.2} {:.2} {} {lost}", taken.quantile(0.5), taken.quantile(0.99), taken.len());
    Ok(())
}
