//! Where this machine has its PostgreSQL programs.

use std::path::{Path, PathBuf};

use anyhow::bail;

use crate::environment::variable;

/// A folder with `initdb` and `postgres`.
#[derive(Debug, Clone)]
pub struct Binaries {
    folder: PathBuf,
    major: String,
}

impl Binaries {
    /// Finds them: `POSTGRES_BIN_DIR`, else where the packages of Debian, Red
    /// Hat, openSUSE, Alpine and Homebrew put them, else along `PATH`. Of several the newest, or
    /// the one that an existing data folder was made with.
    ///
    /// # Errors
    ///
    /// There are none, or none of the wanted version.
    pub fn find(wanted_major: Option<&str>) -> anyhow::Result<Self> {
        let mut found: Vec<Self> = candidates().into_iter().filter_map(Self::at).collect();
        found.sort_by_key(|binaries| std::cmp::Reverse(binaries.number()));
        let fitting =
            found.iter().find(|binaries| wanted_major.is_none_or(|major| binaries.major == major));
        match (fitting, wanted_major, found.first()) {
            (Some(binaries), ..) => Ok(binaries.clone()),
            (None, Some(major), Some(newest)) => bail!(
                "the data folder was made by PostgreSQL {major}, here is only {}: install {major} or start afresh with `./dev reset`",
                newest.major
            ),
            _ => bail!(
                "PostgreSQL's programs (initdb, postgres) are not on this machine: install the package `postgresql` or set POSTGRES_BIN_DIR"
            ),
        }
    }

    /// The path of a program.
    #[must_use]
    pub fn program(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn at(folder: PathBuf) -> Option<Self> {
        if !folder.join("initdb").exists() || !folder.join("postgres").exists() {
            return None;
        }
        let output = std::process::Command::new(folder.join("postgres")).arg("--version").output();
        // "postgres (PostgreSQL) 15.14 (Debian …)", "… 18beta1"
        let text = String::from_utf8(output.ok()?.stdout).ok()?;
        let version = text.split_whitespace().nth(2)?;
        let major = version.split(|c: char| !c.is_ascii_digit()).next()?.to_owned();
        Some(Self { folder, major })
    }

    fn number(&self) -> u32 {
        self.major.parse().unwrap_or_default()
    }
}

fn candidates() -> Vec<PathBuf> {
    if let Some(folder) = variable("POSTGRES_BIN_DIR") {
        return vec![folder.into()];
    }
    let mut folders = Vec::new();
    for (parent, prefix, inner) in [
        ("/usr/lib/postgresql", "", "bin"),
        ("/usr", "pgsql-", "bin"),
        ("/usr/lib", "postgresql", "bin"),
        ("/usr/libexec", "postgresql", ""),
        ("/opt/homebrew/opt", "postgresql", "bin"),
        ("/usr/local/opt", "postgresql", "bin"),
    ] {
        for entry in std::fs::read_dir(parent).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(prefix) {
                folders.push(entry.path().join(inner));
            }
        }
    }
    let along_path = variable("PATH").unwrap_or_default();
    folders.extend(
        std::env::split_paths(&along_path)
            .filter_map(|folder| folder.join("initdb").canonicalize().ok())
            .filter_map(|initdb| initdb.parent().map(Path::to_path_buf)),
    );
    folders
}
