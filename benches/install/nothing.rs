//! A switch that does nothing: it hears a controller out and says that all is done.
//!
//!     bench-nothing SOCKET PORT
//!
//! What a client takes for a switch like this one is its own: it makes and sends messages and waits for answers, and no switch of whatever
//! speed has it done sooner. It listens on the Unix socket, and goes to the controller at 127.0.0.1:PORT again and again. Of a message
//! the header is read (OpenFlow 1.3.5 section 7.1), and what asks for an answer gets one: greetings, echoes, features,
//! statistics, barriers, steps of a bundle.

use std::io::{Read, Result, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixListener;
use std::thread::{sleep, spawn};
use std::time::Duration;

const HEADER: usize = 8;
/// OpenFlow 1.0, 1.3 and 1.4, as the Open vSwitch beside it is set to, in a hello's bitmap.
const VERSIONS: u32 = 1 << 1 | 1 << 4 | 1 << 5;
/// The Open Networking Foundation, and its number for steps of a bundle before OpenFlow 1.4 has one.
const ONF: [u8; 4] = [0x4f, 0x4e, 0x46, 0x00];
const ONF_BUNDLE_CONTROL: [u8; 4] = 2300_u32.to_be_bytes();

const HELLO: u8 = 0;
const ECHO: u8 = 2;
const EXPERIMENTER: u8 = 4;
const FEATURES: u8 = 5;
const STATS_10: u8 = 16;
const BARRIER_10: u8 = 18;
const MULTIPART: u8 = 18;
const BARRIER: u8 = 20;
const BUNDLE_CONTROL: u8 = 33;
/// The kind of statistics that tell what tables can do.
const TABLE_FEATURES: [u8; 2] = [0, 12];

fn main() -> Result<()> {
    let mut words = std::env::args().skip(1);
    let (Some(socket), Some(Ok(port))) = (words.next(), words.next().map(|port| port.parse::<u16>())) else {
        eprintln!("bench-nothing: SOCKET PORT");
        std::process::exit(2);
    };
    let listener = UnixListener::bind(socket)?;
    spawn(move || {
        loop {
            // There is no controller most of the time.
            if let Ok(mut controller) = TcpStream::connect(("127.0.0.1", port)) {
                let _ = controller.set_nodelay(true);
                let _ = converse(&mut controller);
            }
            sleep(Duration::from_millis(100));
        }
    });
    for client in listener.incoming() {
        let _ = converse(&mut client?);
    }
    Ok(())
}

/// Answers until the other side hangs up.
fn converse(stream: &mut (impl Read + Write)) -> Result<()> {
    let (mut heard, mut answers) = (Vec::new(), message(5, HELLO, 0, &hello()));
    let mut buffer = vec![0; 1 << 17];
    loop {
        stream.write_all(&answers)?;
        answers.clear();
        let got = stream.read(&mut buffer)?;
        if got == 0 {
            return Ok(());
        }
        heard.extend_from_slice(&buffer[..got]);
        let mut rest = &heard[..];
        while let Some(header) = rest.first_chunk::<HEADER>() {
            let [version, kind, long, short, xid @ ..] = *header;
            let len = usize::from(u16::from_be_bytes([long, short])).max(HEADER);
            let Some((whole, behind)) = rest.split_at_checked(len) else { break };
            if let Some((kind, body)) = answer(version, kind, &whole[HEADER..]) {
                answers.extend(message(version, kind, u32::from_be_bytes(xid), &body));
            }
            rest = behind;
        }
        heard.drain(..heard.len() - rest.len());
    }
}

/// What is said to a message, if anything is.
fn answer(version: u8, kind: u8, body: &[u8]) -> Option<(u8, Vec<u8>)> {
    match kind {
        ECHO => Some((ECHO + 1, body.to_vec())),
        // A number, 254 tables, and nothing that it can do.
        FEATURES => Some((FEATURES + 1, [&[0; 7][..], &[1], &[0; 4], &[254], &[0; 11]].concat())),
        // Of whatever is asked, there is nothing.
        STATS_10 if version == 1 => Some((STATS_10 + 1, body.get(..4)?.to_vec())),
        MULTIPART if version > 1 => {
            // One table there must be: ovs-ofctl asks for their names.
            let tables = if body.starts_with(&TABLE_FEATURES) { table() } else { Vec::new() };
            Some((MULTIPART + 1, [body.get(..8)?, &tables].concat()))
        }
        BARRIER_10 if version == 1 => Some((BARRIER_10 + 1, Vec::new())),
        BARRIER if version > 1 => Some((BARRIER + 1, Vec::new())),
        BUNDLE_CONTROL if version >= 5 => Some((BUNDLE_CONTROL, step_done(body, 0))),
        EXPERIMENTER if body.starts_with(&[ONF, ONF_BUNDLE_CONTROL].concat()) => {
            Some((EXPERIMENTER, step_done(body, HEADER)))
        }
        _ => None,
    }
}

/// A step of a bundle, done: the number of what is asked, which stands behind that of the bundle, and one.
fn step_done(body: &[u8], at: usize) -> Vec<u8> {
    let mut done = body.to_vec();
    if let Some(step) = done.get_mut(at + 5) {
        *step += 1;
    }
    done
}

/// Table 0, which can do nothing: every property that there must be, and nothing in it (OpenFlow 1.3.5 section 7.3.5.5).
fn table() -> Vec<u8> {
    let properties = (0..16).step_by(2).flat_map(|kind| [0, kind, 0, 4, 0, 0, 0, 0]);
    let len: [u8; 2] = [0, 128];
    len.into_iter().chain([0; 62]).chain(properties).collect()
}

/// A bitmap of versions (OpenFlow 1.3.5 section 7.5.1).
fn hello() -> Vec<u8> {
    [&[0, 1, 0, 8][..], &VERSIONS.to_be_bytes()].concat()
}

fn message(version: u8, kind: u8, xid: u32, body: &[u8]) -> Vec<u8> {
    let len = (HEADER + body.len()) as u16;
    [&[version, kind][..], &len.to_be_bytes(), &xid.to_be_bytes(), body].concat()
}
