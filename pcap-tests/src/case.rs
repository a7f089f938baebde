//! A case: a directory whose name is a sentence.

use crate::entropy::Entropy;
use crate::{capture, compare, counters, entropy};
use anyhow::{Context, Result, bail, ensure};
use control::replay::{Args, Counters, PortArg, replay};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A case.
#[derive(Clone, Debug)]
pub struct Case {
    /// The sentence.
    pub name: String,
    /// Its directory.
    pub home: PathBuf,
}

impl Case {
    /// The directory of all cases.
    pub fn directory() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("cases")
    }

    /// Every case, by name.
    pub fn all() -> Result<Vec<Case>> {
        let mut cases = Vec::new();
        for entry in fs::read_dir(Self::directory())? {
            let home = entry?.path();
            let name = home.file_name().and_then(|name| name.to_str()).context("a name that is no text")?;
            cases.push(Case { name: name.to_owned(), home });
        }
        cases.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(cases)
    }

    /// The ports that frames come in by, with their captures, in the order of their names.
    pub fn inputs(&self) -> Result<Vec<PortArg>> {
        let names = pcaps(&self.home.join("in"))?;
        let port = |name: String| PortArg { input: Some(self.capture("in", &name)), name };
        Ok(names.into_iter().map(port).collect())
    }

    /// Replays `inputs` and leaves what comes out in `out`.
    pub fn replay(&self, inputs: Vec<PortArg>, out: &Path) -> Result<Counters> {
        let config = Some(self.home.join("config.toml")).filter(|path| path.exists());
        let flows = Some(self.home.join("flows"));
        let groups = Some(self.home.join("groups")).filter(|path| path.exists());
        let meters = Some(self.home.join("meters")).filter(|path| path.exists());
        let out = out.to_owned();
        replay(&Args { flows, groups, meters, config, ports: inputs, out, json: false, quiet: true })
    }

    /// Replays the case and compares all that comes out with what shall. With `bless`, counters are written instead.
    pub fn check(&self, out: &Path, bless: bool) -> Result<()> {
        let moved = self.replay(self.inputs()?, out)?;
        let entropies = self.entropies()?;
        let expected = pcaps(&self.home.join("out"))?;
        let came = pcaps(out)?;
        if let Some(port) = expected.difference(&came).next() {
            bail!("out/{port}.pcap is expected, and there is no port of that name");
        }
        for port in &came {
            let expected = match expected.contains(port) {
                true => capture::read(&self.capture("out", port))?,
                false => Vec::new(),
            };
            let found = capture::read(&out.join(format!("{port}.pcap")))?;
            let entropy = entropies.iter().find(|entropy| entropy.port == *port);
            compare::captures(port, &expected, &found, entropy)?;
        }
        let counters = self.home.join("counters.json");
        if bless {
            return Ok(fs::write(&counters, counters::to_text(&moved))?);
        }
        let text = fs::read_to_string(&counters).with_context(|| counters.display().to_string())?;
        counters::compare(&text, &moved)
    }

    /// What is compared by a rule.
    fn entropies(&self) -> Result<Vec<Entropy>> {
        let path = self.home.join("ignore");
        if !path.exists() {
            return Ok(Vec::new());
        }
        let text = fs::read_to_string(&path)?;
        let entropies = entropy::parse(&text).with_context(|| path.display().to_string())?;
        for Entropy { port, .. } in &entropies {
            ensure!(self.capture("out", port).exists(), "{}: nothing leaves by {port}", path.display());
        }
        Ok(entropies)
    }

    fn capture(&self, folder: &str, port: &str) -> PathBuf {
        self.home.join(folder).join(format!("{port}.pcap"))
    }
}

/// The names of the captures in a directory, none if it is not there.
fn pcaps(directory: &Path) -> Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    if !directory.exists() {
        return Ok(names);
    }
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if let (Some(name), Some("pcap")) =
            (path.file_stem().and_then(|name| name.to_str()), path.extension().and_then(|end| end.to_str()))
        {
            names.insert(name.to_owned());
        }
    }
    Ok(names)
}
