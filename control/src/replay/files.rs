//! The files of a replay: inputs that are opened and metered, outputs that never lie on top of an input, and errors that
//! say which file, where in it, and what to do.

use super::Args;
use super::plan::Plan;
use super::progress::Meter;
use anyhow::{Context, Result, anyhow, bail};
use datapath::port::pcap::{Error, Pcap};
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, ErrorKind, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The file of counters.
pub(super) const COUNTERS: &str = "counters.json";

/// What the file of frames for the controller is called, as if it were a port.
pub(super) const CONTROLLER: &str = "controller";

/// Bytes that are read and written at a time.
const BUFFER: usize = 64 << 10;

/// The captures of every port, open.
#[derive(Debug)]
pub(super) struct Captures {
    /// In the order of the ports.
    pub(super) ports: Vec<Capture>,
    /// What the controller is told, if the rules tell it anything.
    pub(super) controller: Option<Capture>,
    meter: Meter,
}

/// The captures of one port.
#[derive(Debug)]
pub(super) struct Capture {
    pub(super) pcap: Pcap,
    input: Option<PathBuf>,
    output: PathBuf,
}

impl Captures {
    /// Opens every input, then creates every output.
    pub(super) fn open(args: &Args, plan: &Plan) -> Result<Captures> {
        let out = &args.out;
        let output = |name: &str| out.join(format!("{name}.pcap"));
        let outputs: Vec<PathBuf> = plan.ports.iter().map(|port| output(&port.name)).collect();
        let controller = plan.controller.map(|_| output(CONTROLLER));
        let counters = out.join(COUNTERS);
        let captures = plan.ports.iter().filter_map(|port| port.input.as_deref());
        let inputs: Vec<&Path> = captures
            .chain(args.flows.as_deref())
            .chain(args.groups.as_deref())
            .chain(args.meters.as_deref())
            .chain(args.config.as_deref())
            .collect();
        for output in outputs.iter().chain(&controller).chain([&counters]) {
            refuse_to_overwrite(&inputs, output)?;
        }

        let mut meter = Meter::default();
        let inputs = plan
            .ports
            .iter()
            .map(|port| port.input.as_deref().map(|path| open(path, &mut meter)).transpose());
        let inputs = inputs.collect::<Result<Vec<_>>>()?;
        fs::create_dir_all(out).with_context(|| format!("{}: cannot be made", out.display()))?;
        match fs::remove_file(&counters) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("{}: cannot be replaced", counters.display()));
            }
            _ => {}
        }
        let files = plan.ports.iter().zip(inputs).zip(outputs);
        let ports = files.map(|((port, input), output)| Capture::new(port.input.clone(), input, output));
        let ports = ports.collect::<Result<_>>()?;
        let controller = controller.map(|output| Capture::new(None, None, output)).transpose()?;
        Ok(Captures { ports, controller, meter })
    }

    /// What tells how far the inputs have been read.
    pub(super) fn meter(&self) -> Meter {
        self.meter.clone()
    }
}

type Input = Box<dyn BufRead + Send>;

impl Capture {
    fn new(path: Option<PathBuf>, input: Option<Input>, output: PathBuf) -> Result<Capture> {
        let file =
            File::create(&output).with_context(|| format!("{}: cannot be written", output.display()))?;
        let file: Box<dyn Write + Send> = Box::new(BufWriter::with_capacity(BUFFER, file));
        let pcap = Pcap::new(input, Some(file)).map_err(|error| explain(error, path.as_deref(), &output))?;
        Ok(Capture { pcap, input: path, output })
    }

    /// Where this port's frames come from and go to, for errors after its capture was taken away.
    pub(super) fn split(self) -> (Pcap, Paths) {
        (self.pcap, Paths { input: self.input, output: self.output })
    }
}

/// The paths of a port's captures.
#[derive(Debug)]
pub(super) struct Paths {
    input: Option<PathBuf>,
    output: PathBuf,
}

impl Paths {
    /// Ends a port's captures: what was written is on its way to the disk, or it is said what went wrong.
    pub(super) fn finish(&self, pcap: &mut Pcap) -> Result<()> {
        pcap.finish().map_err(|error| explain(error, self.input.as_deref(), &self.output))
    }

    /// Frames that were cut short when they were captured are replayed as they are, which may surprise.
    pub(super) fn note(&self, pcap: &Pcap) -> Option<String> {
        let input = self.input.as_deref().filter(|_| pcap.cut() > 0)?.display();
        let cut = super::table::grouped(pcap.cut());
        Some(format!(
            "{input}: {cut} frames were cut short when they were captured, and replayed so; capture with -s 0 for whole frames"
        ))
    }
}

/// What went wrong with a capture, in words.
fn explain(error: Error, input: Option<&Path>, output: &Path) -> anyhow::Error {
    let input = input.unwrap_or(output).display();
    match error {
        Error::Io(error) => anyhow!("{input}: cannot be read: {error}"),
        Error::Damaged(0, what) => anyhow!(
            "{input}: no packet can be read: {what}; replay reads pcap and pcapng files of Ethernet frames"
        ),
        Error::Damaged(whole, what) => anyhow!(
            "{input}: packet {} cannot be read: {what}; the captures written hold what came before, and \
             `editcap {input} repaired.pcap` makes a file of the packets that are whole",
            whole + 1
        ),
        Error::NotEthernet(link) => anyhow!(
            "{input}: the link type is {link:?}; only Ethernet frames can be replayed: capture on one device, not on `any`"
        ),
        Error::Write(what) => anyhow!("{}: cannot be written: {what}", output.display()),
    }
}

fn open(path: &Path, meter: &mut Meter) -> Result<Input> {
    let name = || format!("{}: cannot be opened", path.display());
    let file = File::open(path).with_context(name)?;
    let about = file.metadata().with_context(name)?;
    if about.is_dir() {
        bail!("{}: is a directory; name the capture in it", path.display());
    }
    meter.total += about.len();
    Ok(Box::new(BufReader::with_capacity(BUFFER, Metered { file, read: meter.read.clone() })))
}

/// A file that counts what is read of it.
struct Metered {
    file: File,
    read: Arc<AtomicU64>,
}

impl Read for Metered {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.read.fetch_add(read as u64, Relaxed);
        Ok(read)
    }
}

/// Refuses an output that is one of the inputs, under whichever name.
fn refuse_to_overwrite(inputs: &[&Path], output: &Path) -> Result<()> {
    let Ok(there) = fs::metadata(output) else { return Ok(()) };
    let same = |input: &&&Path| {
        fs::metadata(input).is_ok_and(|input| (input.dev(), input.ino()) == (there.dev(), there.ino()))
    };
    match inputs.iter().find(same) {
        None => Ok(()),
        Some(input) => {
            bail!("{}: would overwrite the input {}; choose another --out", output.display(), input.display())
        }
    }
}
