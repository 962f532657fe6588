//! The data folder, and what is written down in it.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};

use super::plan::PartName;
use crate::postgres;
use crate::private;
use crate::process::Identity;

/// A child as it was last started.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ChildState {
    /// The process.
    pub identity: Identity,
    /// Where it listens.
    pub address: String,
    /// Where it says whether it is ready, if it does.
    pub admin_address: Option<String>,
    /// How often it had to be started again.
    pub restarts: u32,
}

/// What a supervisor runs.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct State {
    /// The supervisor itself.
    pub supervisor: Identity,
    /// Whether all was ready once.
    pub ready: bool,
    /// The children by name.
    pub children: BTreeMap<String, ChildState>,
}

/// All that there may be in it; what ends in `new` was left unfinished.
const OURS: [&str; 9] = [
    "broker",
    "lock",
    "logs",
    "postgres",
    "secrets.json",
    "secrets.new",
    "state.json",
    "state.new",
    "mail",
];

/// The folder of one system.
#[derive(Debug, Clone)]
pub struct DataDir {
    root: PathBuf,
}

impl DataDir {
    /// The folder, which need not be there yet.
    ///
    /// # Errors
    ///
    /// The path can't be made absolute.
    pub fn new(root: &Path) -> anyhow::Result<Self> {
        let root = std::path::absolute(root).context("the data folder cannot be resolved")?;
        Ok(Self { root })
    }

    /// The folder itself.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Makes it, for its owner alone; one that was open to others is closed.
    pub(super) fn create(&self) -> anyhow::Result<()> {
        let logs = self.root.join("logs");
        for folder in [&self.root, &logs] {
            private::folder(folder)
                .with_context(|| format!("cannot make the folder {}", folder.display()))?;
        }
        let broker = Some(self.broker()).filter(|broker| broker.exists());
        for folder in [&self.root, &logs].into_iter().chain(broker.as_ref()) {
            private::restrict_files(folder)
                .with_context(|| format!("cannot close {} to others", folder.display()))?;
        }
        Ok(())
    }

    /// A process's log.
    #[must_use]
    pub fn log(&self, name: &str) -> PathBuf {
        self.root.join("logs").join(format!("{name}.log"))
    }

    /// The broker's folder.
    pub(super) fn broker(&self) -> PathBuf {
        self.root.join("broker")
    }

    /// PostgreSQL's folder, which for root lies elsewhere.
    pub(super) fn postgres(&self) -> anyhow::Result<PathBuf> {
        postgres::folder_for(&self.root)
    }

    /// Something in the folder that no system has put there; whoever gave another
    /// folder's name by mistake is not to lose it.
    pub(super) fn stranger(&self) -> anyhow::Result<Option<PathBuf>> {
        let entries = match std::fs::read_dir(&self.root) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).context("the data folder cannot be read"),
        };
        for entry in entries {
            let entry = entry.context("the data folder cannot be read")?;
            if !OURS.iter().any(|ours| entry.file_name() == *ours) {
                return Ok(Some(entry.path()));
            }
        }
        Ok(None)
    }

    /// Puts aside a database that an earlier system of this path has left, whose folder
    /// was removed by hand, or is on a disk that is not mounted: its passwords and
    /// its broker are not here. Says where it is now, if there was one.
    pub(super) fn put_orphaned_database_aside(&self) -> anyhow::Result<Option<PathBuf>> {
        let database = self.postgres()?;
        let is_new = !self.secrets().exists() && !self.broker().exists();
        let orphaned = is_new && !database.starts_with(&self.root) && database.exists();
        if !orphaned {
            return Ok(None);
        }
        let aside = |number: u32| {
            let mut name = database.clone().into_os_string();
            name.push(format!(".aside-{number}"));
            PathBuf::from(name)
        };
        let free = (1..).map(aside).find(|aside| !aside.exists());
        let aside = free.context("there is no name to put the database aside under")?;
        std::fs::rename(&database, &aside)
            .with_context(|| format!("cannot put {} aside", database.display()))?;
        Ok(Some(aside))
    }

    /// Where mail is put, as files, instead of being sent.
    #[must_use]
    pub fn mail(&self) -> PathBuf {
        self.root.join("mail")
    }

    /// The passwords and keys.
    #[must_use]
    pub fn secrets(&self) -> PathBuf {
        self.root.join("secrets.json")
    }

    fn state_file(&self) -> PathBuf {
        self.root.join("state.json")
    }

    /// What was last written down.
    #[must_use]
    pub fn state(&self) -> Option<State> {
        let bytes = std::fs::read(self.state_file()).ok()?;
        serde_json::from_slice(&bytes).ok()
    }

    pub(super) fn write_state(&self, state: &State) -> anyhow::Result<()> {
        let unfinished = self.state_file().with_extension("new");
        let options = &mut OpenOptions::new();
        let mut file = private::file(&unfinished, options.create(true).write(true).truncate(true))?;
        file.write_all(&serde_json::to_vec_pretty(state)?)?;
        std::fs::rename(unfinished, self.state_file())?;
        Ok(())
    }

    pub(super) fn forget_state(&self) -> io::Result<()> {
        match std::fs::remove_file(self.state_file()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// The right to run this system; none if another supervisor has it. It ends
    /// with the process, however that ends.
    pub(super) fn lock(&self) -> anyhow::Result<Option<Flock<File>>> {
        let lock = self.root.join("lock");
        let file = private::file(&lock, OpenOptions::new().create(true).append(true))
            .with_context(|| format!("cannot write in {}", self.root.display()))?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => Ok(Some(lock)),
            Err((_, nix::errno::Errno::EWOULDBLOCK)) => Ok(None),
            Err((_, error)) => Err(error).context("cannot lock the data folder"),
        }
    }

    /// Whether a supervisor runs this system now.
    ///
    /// # Errors
    ///
    /// The folder can't be used.
    pub fn is_running(&self) -> anyhow::Result<bool> {
        Ok(self.root.exists() && self.lock()?.is_none())
    }

    /// The names of the processes that have a log, in the order of their start.
    pub(super) fn logged(&self) -> Vec<String> {
        let names = PartName::all().map(|part| part.name().to_owned());
        names.filter(|name| self.log(name).exists()).collect()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn only_one_has_the_right_to_run_a_system() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDir::new(&folder.path().join("with space")).unwrap();
        assert!(!data.is_running().unwrap());
        data.create().unwrap();
        let lock = data.lock().unwrap().unwrap();
        assert!(data.lock().unwrap().is_none());
        assert!(data.is_running().unwrap());
        drop(lock);
        assert!(!data.is_running().unwrap());
    }

    #[test]
    fn the_state_is_read_as_it_was_written_and_a_broken_one_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDir::new(folder.path()).unwrap();
        assert!(data.state().is_none());
        let identity = Identity { pid: 1, started: "2".into() };
        let child = ChildState {
            identity: identity.clone(),
            address: "127.0.0.1:9092".into(),
            admin_address: None,
            restarts: 3,
        };
        let children = [("broker".to_owned(), child)].into();
        data.write_state(&State { supervisor: identity, ready: true, children }).unwrap();
        let read = data.state().unwrap();
        assert!(read.ready);
        assert_eq!(read.children["broker"].restarts, 3);
        std::fs::write(data.state_file(), "{").unwrap();
        assert!(data.state().is_none());
    }
}
