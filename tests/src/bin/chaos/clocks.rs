//! Clocks that jump: each process gets its wall clock from libfaketime, which
//! reads the offset from a file. The monotonic clock is the true one, as it is
//! when a machine's clock is set.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use standalone::Service;

use crate::faults::Fault;

/// Where distributions put the library.
const LIBRARIES: [&str; 4] = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib64/faketime/libfaketimeMT.so.1",
    "/usr/lib/faketime/libfaketimeMT.so.1",
];

/// The library, where it is installed.
pub(crate) fn library() -> Option<&'static Path> {
    LIBRARIES.iter().map(Path::new).find(|library| library.exists())
}

/// The files with the offsets.
#[derive(Clone, Debug)]
pub(crate) struct Clocks {
    folder: PathBuf,
    library: Option<&'static Path>,
}

impl Clocks {
    /// Makes the files if a clock is to jump.
    pub(crate) fn prepare(folder: &Path, faults: &[Fault]) -> Result<Self> {
        let wanted = faults.iter().any(|fault| matches!(fault, Fault::Clock { .. }));
        let clocks = Self { folder: folder.to_owned(), library: library().filter(|_| wanted) };
        if clocks.library.is_some() {
            for service in Service::ALL {
                clocks.set(service, 0)?;
            }
        }
        Ok(clocks)
    }

    /// Sets a service's clock: so many seconds from the true time.
    pub(crate) fn set(&self, service: Service, offset_seconds: i64) -> Result<()> {
        // Written beside and moved, so that nobody reads half of it.
        let (file, new) = (self.file(service), self.file(service).with_extension("new"));
        std::fs::write(&new, format!("{offset_seconds:+}\n"))?;
        std::fs::rename(new, file).context("a clock cannot be set")
    }

    /// Adds what makes a process use its file.
    pub(crate) fn tell(&self, service: Service, environment: &mut Vec<(String, String)>) {
        let Some(library) = self.library else { return };
        for (name, value) in [
            ("LD_PRELOAD", library.display().to_string()),
            ("FAKETIME_TIMESTAMP_FILE", self.file(service).display().to_string()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
            ("FAKETIME_CACHE_DURATION", "1".to_owned()),
        ] {
            environment.push((name.to_owned(), value));
        }
    }

    fn file(&self, service: Service) -> PathBuf {
        self.folder.join(format!("{service}.clock"))
    }
}
