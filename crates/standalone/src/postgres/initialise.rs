//! Making a new server's data (`initdb`).

use std::ffi::OsString;
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};

use super::{Binaries, PostgresSettings, START_TIMEOUT, SUPERUSER};
use crate::process::{Launch, ending};
use crate::secrets::write_private;

/// Makes the data of a new server.
pub(super) async fn initialise(
    settings: &PostgresSettings,
    binaries: &Binaries,
    as_launched: &Launch,
    password: &str,
) -> anyhow::Result<()> {
    let password_file = settings.folder.join("password");
    write_private(&password_file, password.as_bytes())?;
    if let Some(account) = as_launched.account {
        std::os::unix::fs::chown(&password_file, Some(account.uid), Some(account.gid))?;
    }
    // Made beside and moved when done: one that was interrupted is not taken
    // for a good one.
    let unfinished = settings.folder.join("unfinished");
    if unfinished.exists() {
        std::fs::remove_dir_all(&unfinished)?;
    }
    let mut initdb = Launch::new("initdb", binaries.program("initdb"), &settings.log);
    initdb.account = as_launched.account;
    initdb.launcher.clone_from(&as_launched.launcher);
    let authentication = if settings.durable { "scram-sha-256" } else { "trust" };
    let mut arguments: Vec<OsString> =
        ["--username", SUPERUSER, "--encoding", "UTF8", "--auth", authentication, "--pwfile"]
            .map(OsString::from)
            .to_vec();
    arguments.push(password_file.clone().into());
    arguments.extend(["--locale".into(), locale().into(), "--pgdata".into()]);
    arguments.push(unfinished.clone().into());
    if !settings.durable {
        arguments.push("--no-sync".into());
    }
    initdb.arguments = arguments;
    let mut process = initdb.start().context("cannot start initdb")?;
    let status = process.wait(START_TIMEOUT).await.context("initdb takes too long")?;
    if !status.success() {
        bail!("initdb failed ({}):\n{}", ending(status), crate::logs::tail(&settings.log, 8));
    }
    std::fs::remove_file(password_file)?;
    std::fs::rename(unfinished, settings.folder.join("data"))?;
    Ok(())
}

/// A locale whose letters are known everywhere, whatever the user's own is.
fn locale() -> &'static str {
    let known = Command::new("locale").arg("-a").stdin(Stdio::null()).output();
    let known = known.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let has_utf8 =
        known.is_ok_and(|list| list.lines().any(|name| matches!(name, "C.UTF-8" | "C.utf8")));
    if has_utf8 { "C.UTF-8" } else { "C" }
}
