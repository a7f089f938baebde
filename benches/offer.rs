//! Packets for whoever is measured over devices: made by the kernel out of an XDP program (live frames), on the generator's
//! core, in this network namespace. Needs root.
//!
//! ```text
//! bench-offer CAPTURE AT FLOWS [--rate PACKETS-A-SECOND] [--drop DEVICE]...
//! ```
//!
//! The first packet of CAPTURE is sent again and again; the number of its flow goes to the four bytes at AT. Nothing is
//! sent before a line of standard input has named the device to send by; each such line aims anew and is answered by
//! `aimed`. Ends with its input. What comes in by a device of `--drop` is dropped by XDP, and counted by the device.

use anyhow::{Context, Result, bail};
use benches::bpf::{Maker, Sink};
use benches::place;
use nix::net::if_::if_nametoindex;
use pcap_file::pcap::PcapReader;
use std::env;
use std::fs::File;
use std::io::{self, BufRead, Write};
use std::process;
use std::thread;
use std::time::Duration;

fn main() -> Result<()> {
    let (mut named, mut rate, mut sinks) = (Vec::new(), None, Vec::new());
    let mut arguments = env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--rate" => rate = Some(arguments.next().context("--rate: how many a second?")?.parse::<f64>()?),
            "--drop" => {
                let device = arguments.next().context("--drop: which device?")?;
                sinks.push(Sink::attach(index(&device)?).with_context(|| format!("no program on {device}"))?);
            }
            _ => named.push(argument),
        }
    }
    let [capture, at, flows] = &named[..] else {
        bail!("usage: bench-offer CAPTURE AT FLOWS [--rate PACKETS-A-SECOND] [--drop DEVICE]...");
    };
    let packet = packet(capture)?;
    let (flows, at) = (flows.parse()?, at.parse()?);
    let maker = match rate {
        None => Maker::new(flows, at),
        Some(rate) => Maker::paced(flows, at, Duration::from_secs_f64(1.0 / rate)),
    };
    let maker = maker.context("cannot load the program that makes packets")?;
    let mut lines = io::stdin().lock().lines();
    if !aim(&maker, &mut lines)? {
        return Ok(());
    }
    thread::scope(|scope| {
        let making: thread::ScopedJoinHandle<'_, Result<()>> = scope.spawn(|| {
            place::take(place::GENERATOR);
            // A signal interrupts it; so does a stop.
            loop {
                maker
                    .run(&packet)
                    .context("the kernel runs no XDP program over live frames (it takes Linux 5.18)")?;
            }
        });
        while aim(&maker, &mut lines)? {
            if making.is_finished() {
                break;
            }
        }
        if making.is_finished() {
            return making.join().unwrap_or_else(|_| bail!("the generator panicked"));
        }
        // It makes packets as long as there is a process.
        process::exit(0)
    })
}

/// Aims at the device of the next line. False: there is none.
fn aim(maker: &Maker, lines: &mut impl Iterator<Item = io::Result<String>>) -> Result<bool> {
    let Some(device) = lines.next() else { return Ok(false) };
    let device = device?;
    maker.aim(index(&device)?).with_context(|| format!("cannot aim at {device}"))?;
    writeln!(io::stdout(), "aimed")?;
    Ok(true)
}

fn index(device: &str) -> Result<u32> {
    if_nametoindex(device).with_context(|| format!("no device {device}"))
}

fn packet(capture: &str) -> Result<Vec<u8>> {
    let mut reader = PcapReader::new(File::open(capture).with_context(|| format!("cannot read {capture}"))?)?;
    let packet = reader.next_packet().context("the capture has no packet")??;
    Ok(packet.into_data().into_owned())
}
