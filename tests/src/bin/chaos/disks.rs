//! Small disks that can be filled: a tmpfs for the broker's data and one for
//! PostgreSQL's. What was written is there after a kill, as on a true disk, and
//! what else the machine writes does not disturb. Mounting needs root; and the mounts are in a namespace of this
//! process and its children, so that they go with them, however they end.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

/// Room for PostgreSQL with a log of 128 MiB, and some minutes of load.
const DISK_SIZE: &str = "size=1g,mode=0755";

/// Takes this process into a mount namespace of its own. Threads that run
/// already stay outside, so it is the first thing that is done.
pub(crate) fn own_namespace() -> Result<()> {
    if !nix::unistd::geteuid().is_root() {
        bail!("only root can mount a small disk");
    }
    unshare(CloneFlags::CLONE_NEWNS).context("no mount namespace of our own")?;
    let none: Option<&str> = None;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)
        .context("the mounts cannot be made private")
}

/// A small disk.
#[derive(Debug)]
pub(crate) struct Disk {
    folder: PathBuf,
}

impl Disk {
    /// Mounts one on a folder, which is made.
    pub(crate) fn mount(folder: &Path) -> Result<Self> {
        std::fs::create_dir_all(folder)?;
        mount(Some("tmpfs"), folder, Some("tmpfs"), MsFlags::empty(), Some(DISK_SIZE))
            .with_context(|| format!("no small disk can be mounted on {}", folder.display()))?;
        Ok(Self { folder: folder.to_owned() })
    }

    /// Leaves no byte free.
    pub(crate) fn fill(&self) -> Result<()> {
        let mut ballast = std::fs::File::create(self.ballast())?;
        for size in [1 << 20, 4_096, 1] {
            let block = vec![0; size];
            while ballast.write_all(&block).is_ok() {}
        }
        Ok(())
    }

    /// Gives the room back.
    pub(crate) fn free(&self) -> Result<()> {
        std::fs::remove_file(self.ballast()).context("the ballast cannot be removed")
    }

    fn ballast(&self) -> PathBuf {
        self.folder.join("ballast")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // What still uses it keeps it until its own end; if this fails, the
        // namespace's end does the same.
        let _ = nix::mount::umount2(&self.folder, nix::mount::MntFlags::MNT_DETACH);
    }
}
