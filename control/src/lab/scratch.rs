//! A folder for what must be a file, removed when its owner ends. If the owner was killed, the next one removes it, and can
//! prove that it may: the name and a marker inside say what it is, it belongs to this user alone, and nobody holds
//! its lock, which the kernel releases when a process ends, however it ends.

use std::fs::{self, DirBuilder, File};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result};
use nix::unistd::geteuid;

const MARKER: &str = "made-by-adit";
const MODE: u32 = 0o700;

/// A folder of our own.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
    _lock: File,
}

impl Scratch {
    /// Makes a folder below `parent`, readable by this user alone. Its name begins with `prefix`.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn new(parent: &Path, prefix: &str) -> Result<Scratch> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("{}-{}", process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        // It gets the name that `sweep` looks for only when it is locked.
        let unready = parent.join(format!(".{prefix}-{name}"));
        let path = parent.join(format!("{prefix}-{name}"));
        let made = || -> Result<File> {
            DirBuilder::new().mode(MODE).create(&unready)?;
            fs::write(
                unready.join(MARKER),
                "A running adit made this folder and removes it when it ends.\n",
            )?;
            let lock = File::open(&unready)?;
            lock.try_lock()?;
            fs::rename(&unready, &path)?;
            Ok(lock)
        };
        let lock = made().with_context(|| format!("cannot make the folder {}", path.display()))?;
        Ok(Scratch { path, _lock: lock })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Removes what owners that no longer live left below `parent`, and says what that was.
    ///
    /// # Errors
    /// When `parent` cannot be read, or a folder that is provably ours cannot be removed.
    pub fn sweep(parent: &Path, prefix: &str) -> Result<Vec<PathBuf>> {
        let mut swept = Vec::new();
        let entries =
            fs::read_dir(parent).with_context(|| format!("cannot look into {}", parent.display()))?;
        for entry in entries.flatten() {
            let name = entry.file_name();
            let ours = name.to_str().and_then(|name| name.strip_prefix(prefix)).is_some_and(is_suffix);
            if ours && abandoned(&entry.path()) {
                fs::remove_dir_all(entry.path())
                    .with_context(|| format!("cannot remove {}", entry.path().display()))?;
                swept.push(entry.path());
            }
        }
        Ok(swept)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Nobody is left to be told; the next sweep tries again.
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// `-PID-NUMBER`.
fn is_suffix(rest: &str) -> bool {
    let mut parts = rest.split('-');
    let number = |part: Option<&str>| part.is_some_and(|part| part.parse::<u32>().is_ok());
    parts.next() == Some("") && number(parts.next()) && number(parts.next()) && parts.next().is_none()
}

fn abandoned(path: &Path) -> bool {
    let Ok(data) = fs::symlink_metadata(path) else { return false };
    let private = data.is_dir() && data.uid() == geteuid().as_raw() && data.mode() & 0o777 == MODE;
    let marked = fs::symlink_metadata(path.join(MARKER)).is_ok_and(|marker| marker.is_file());
    private && marked && File::open(path).is_ok_and(|folder| folder.try_lock().is_ok())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn only_what_is_provably_ours_and_abandoned_is_swept() {
        let home = Scratch::new(&std::env::temp_dir(), "adit-scratch-test").unwrap();
        let home = home.path();
        let living = Scratch::new(home, "adit-demo").unwrap();
        let dead = Scratch::new(home, "adit-demo").unwrap().path().to_owned();
        assert!(!dead.exists(), "an owner that ends removes its folder");

        let make = |name: &str, mode: u32, marked: bool| {
            let path = home.join(name);
            DirBuilder::new().mode(mode).create(&path).unwrap();
            if marked {
                fs::write(path.join(MARKER), "").unwrap();
            }
            path
        };
        let killed = make("adit-demo-1-0", MODE, true);
        let others = [
            make("adit-demo-1-1", MODE, false),
            make("adit-demo-1-2", 0o755, true),
            make("adit-demo-x-3", MODE, true),
            make("adit-demonstration", MODE, true),
        ];
        symlink(&others[0], home.join("adit-demo-1-4")).unwrap();

        assert_eq!(Scratch::sweep(home, "adit-demo").unwrap(), std::slice::from_ref(&killed));
        assert!(!killed.exists());
        assert!(living.path().exists() && others.iter().all(|path| path.exists()));
    }
}
