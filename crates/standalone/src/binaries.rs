//! Where cargo put our binaries.

use std::path::PathBuf;

use crate::environment::variable;

/// The folder of the binaries that belong to this process: `BIN_DIR` if set,
/// else the one that it runs from (a test runs from `deps` inside of it).
#[must_use]
pub fn folder() -> Option<PathBuf> {
    if let Some(folder) = variable("BIN_DIR") {
        return Some(folder.into());
    }
    let own = std::env::current_exe().ok()?;
    let folder = own.parent()?;
    let folder = if folder.ends_with("deps") { folder.parent()? } else { folder };
    Some(folder.to_path_buf())
}

/// The `standalone` binary.
#[must_use]
pub fn launcher() -> Option<PathBuf> {
    folder().map(|folder| folder.join("standalone")).filter(|program| program.exists())
}
