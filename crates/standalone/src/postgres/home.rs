//! Where a server's data lies and whom it runs as. PostgreSQL refuses to run
//! as root, and another user cannot reach a folder under `/root`.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use aws_lc_rs::digest::{SHA256, digest};
use nix::unistd::{Gid, Uid, User, chown, geteuid};

use crate::process::{Account, Identity};

/// Where data of systems run by root lies.
const ROOTS_FOLDER: &str = "/var/lib/online-loan";

/// The account to run PostgreSQL as: none if we are an ordinary user.
///
/// # Errors
///
/// We are root and the machine knows neither `postgres` nor `nobody`.
pub fn account() -> anyhow::Result<Option<Account>> {
    if !geteuid().is_root() {
        return Ok(None);
    }
    for name in ["postgres", "nobody"] {
        if let Some(user) = User::from_name(name)? {
            return Ok(Some(Account { uid: user.uid.as_raw(), gid: user.gid.as_raw() }));
        }
    }
    bail!("PostgreSQL cannot run as root, and there is neither a user `postgres` nor `nobody`")
}

/// The folder of the server that belongs to the system in `data`: inside of
/// it, or for root in a place that the other user can reach.
///
/// # Errors
///
/// `data` can't be resolved.
pub fn folder_for(data: &Path) -> anyhow::Result<PathBuf> {
    if account()?.is_none() {
        return Ok(data.join("postgres"));
    }
    let path = std::path::absolute(data).context("the data folder cannot be resolved")?;
    let hash = digest(&SHA256, path.as_os_str().as_encoded_bytes());
    let name: String = hash.as_ref().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    Ok(Path::new(ROOTS_FOLDER).join(name))
}

/// The server that runs on a folder, found by what PostgreSQL itself has noted
/// there and checked against the process's arguments.
#[must_use]
pub fn running_in(folder: &Path) -> Option<Identity> {
    let data = folder.join("data");
    let noted = std::fs::read_to_string(data.join("postmaster.pid")).ok()?;
    let pid: u32 = noted.lines().next()?.trim().parse().ok()?;
    let identity = Identity::of(pid)?;
    let output =
        std::process::Command::new("ps").args(["-o", "args=", "-p", &pid.to_string()]).output();
    let arguments = output.ok()?.stdout;
    String::from_utf8_lossy(&arguments).contains(data.to_str()?).then_some(identity)
}

/// Makes a folder that only the account may enter.
pub(super) fn make_private(folder: &Path, account: Option<Account>) -> anyhow::Result<()> {
    if let Some(parent) = folder.parent() {
        std::fs::create_dir_all(parent)
            .with_context(|| format!("cannot make the folder {}", parent.display()))?;
        if parent == Path::new(ROOTS_FOLDER) {
            // The other user must pass through, and nobody needs to see what there is.
            std::fs::set_permissions(parent, std::fs::Permissions::from_mode(0o711))?;
        }
    }
    crate::private::folder(folder)
        .with_context(|| format!("cannot make the folder {}", folder.display()))?;
    if let Some(account) = account {
        chown(folder, Some(Uid::from_raw(account.uid)), Some(Gid::from_raw(account.gid)))
            .with_context(|| format!("cannot give away {}", folder.display()))?;
    }
    Ok(())
}

/// A temporary place that the account can reach.
pub(super) fn temporary(account: Option<Account>) -> PathBuf {
    let usual = std::env::temp_dir();
    let reachable = |folder: &Path| {
        folder.ancestors().all(|part| {
            std::fs::metadata(part).is_ok_and(|metadata| {
                metadata.mode() & 0o001 != 0
                    || account.is_none_or(|account| account.uid == metadata.uid())
            })
        })
    };
    if account.is_none() || reachable(&usual) { usual } else { PathBuf::from("/tmp") }
}

/// How the folders of throw-away servers begin.
const THROW_AWAY: &str = "online-loan-postgres-";

/// The name of a throw-away server's folder: it says whose it is.
pub(super) fn throw_away_name(port: u16) -> String {
    format!("{THROW_AWAY}{}-{port}", std::process::id())
}

/// Removes the folders of throw-away servers whose owner was killed.
pub(super) fn sweep(temporary: &Path) {
    for entry in std::fs::read_dir(temporary).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let owner = name
            .to_str()
            .and_then(|name| name.strip_prefix(THROW_AWAY)?.split('-').next()?.parse().ok());
        if owner.is_some_and(|owner| Identity::of(owner).is_none()) {
            // Another test may be removing the same one, and others' we may not.
            drop(std::fs::remove_dir_all(entry.path()));
        }
    }
}
