//! What was sent: a table for people, JSON for programs.

use super::plan::Plan;
use super::{Sent, Way};
use crate::replay::grouped;
use anstyle::{AnsiColor, Style};
use serde::Serialize;
use std::fmt;

const BOLD: Style = Style::new().bold();
const BAD: Style = AnsiColor::Red.on_default();

/// What was sent.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The device.
    pub device: String,
    /// How frames left.
    pub mode: &'static str,
    /// Which run the marks are of.
    pub run: u16,
    /// How many streams, or flows, there were.
    pub streams: u32,
    /// How many tenants they were of.
    pub tenants: u32,
    /// Lengths in the order in which they took turns, in bytes, without the frame's own checksum.
    pub sizes: Vec<u16>,
    /// Frames that were sent.
    pub sent: u64,
    /// Of those, frames that the device refused, as far as it says.
    pub refused: u64,
    /// How many frames the device itself counted meanwhile, whoever sent them; some drivers do not count what XDP sends.
    pub device_counted: Option<u64>,
    /// Their bytes.
    pub bytes: u64,
    /// How long it took.
    pub seconds: f64,
    /// Frames a second.
    pub rate: f64,
    /// What was asked for.
    pub rate_asked: Option<u64>,
}

impl Report {
    pub(super) fn new(plan: &Plan, device: &str, sent: &Sent, device_counted: Option<u64>) -> Report {
        let seconds = sent.elapsed.as_secs_f64();
        Report {
            device: device.to_owned(),
            mode: sent.way.map_or("none", Way::name),
            run: plan.look.run,
            streams: plan.streams,
            tenants: plan.tenants,
            sizes: plan.sizes.clone(),
            sent: sent.frames,
            refused: sent.refused,
            device_counted,
            bytes: sent.bytes,
            seconds,
            rate: if seconds > 0.0 { sent.frames as f64 / seconds } else { 0.0 },
            rate_asked: plan.rate,
        }
    }

    /// Frames were sent, and the device has not counted one of them.
    fn went_nowhere(&self) -> bool {
        self.sent > 0 && self.device_counted == Some(0)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sizes = match (self.sizes.iter().min(), self.sizes.iter().max()) {
            (Some(least), Some(most)) if least != most => format!("{least} to {most}"),
            (least, _) => least.copied().unwrap_or(0).to_string(),
        };
        let [sent, bytes, streams] = [self.sent, self.bytes, u64::from(self.streams)].map(grouped);
        writeln!(f, "{BOLD}{}{BOLD:#}: {} frames of {sizes} bytes, run {:04x}", self.device, sent, self.run)?;
        writeln!(f, "  {streams} flows, {} tenants, {bytes} bytes, by {}", self.tenants, self.mode)?;
        let gigabits = self.bytes as f64 * 8.0 / self.seconds.max(1e-9) / 1e9;
        write!(
            f,
            "  {:.3} s, {:.3} million frames a second, {gigabits:.3} Gbit/s",
            self.seconds,
            self.rate / 1e6
        )?;
        if let Some(asked) = self.rate_asked {
            write!(f, "; asked for {:.3}", asked as f64 / 1e6)?;
        }
        if self.refused > 0 {
            write!(f, "\n  {BAD}{} of them the device refused{BAD:#}", grouped(self.refused))?;
        }
        match self.device_counted {
            _ if self.went_nowhere() => write!(
                f,
                "\n  {BAD}the device has counted none of them{BAD:#}: its driver does not count such frames, or it drops them"
            ),
            Some(counted) if counted < self.sent => {
                write!(f, "\n  the device has counted {} sent frames", grouped(counted))
            }
            _ => Ok(()),
        }
    }
}
