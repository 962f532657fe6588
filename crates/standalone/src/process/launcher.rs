//! `standalone child`: the last step before a program of ours runs. It takes
//! on the account, asks the kernel for a signal should the parent die, and then
//! becomes the program. This is done in here because a parent cannot do it for
//! its child without unsafe code.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use nix::sys::signal::Signal;
use nix::unistd::{Gid, Uid, getppid, setgid, setuid};

use super::Account;

/// What the launcher is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LauncherArguments {
    /// The process whose end ends the program.
    pub parent: u32,
    /// The signal that it then gets.
    pub when_orphaned: Signal,
    /// Whom to run as.
    pub account: Option<Account>,
}

impl LauncherArguments {
    pub(super) fn to_command_line(self) -> Vec<OsString> {
        let mut line: Vec<OsString> = vec![
            "child".into(),
            "--parent".into(),
            self.parent.to_string().into(),
            "--when-orphaned".into(),
            self.when_orphaned.as_str().into(),
        ];
        if let Some(account) = self.account {
            line.extend(["--uid".into(), account.uid.to_string().into()]);
            line.extend(["--gid".into(), account.gid.to_string().into()]);
        }
        line
    }
}

/// Becomes the program; returns only if that fails.
#[must_use]
pub fn become_child(
    arguments: LauncherArguments,
    program: &OsString,
    rest: &[OsString],
) -> io::Error {
    match prepare(arguments) {
        Ok(()) => Command::new(program).args(rest).exec(),
        Err(error) => error,
    }
}

fn prepare(arguments: LauncherArguments) -> io::Result<()> {
    // What it writes may be data of customers, whatever umask we were started with.
    crate::private::by_default();
    if let Some(account) = arguments.account {
        drop_groups()?;
        setgid(Gid::from_raw(account.gid))?;
        setuid(Uid::from_raw(account.uid))?;
    }
    // After the change of account, which would undo it.
    #[cfg(target_os = "linux")]
    nix::sys::prctl::set_pdeathsig(arguments.when_orphaned)?;
    // It may have died just before.
    if u32::try_from(getppid().as_raw()) != Ok(arguments.parent) {
        return Err(io::Error::other("the process that wanted this one is gone"));
    }
    Ok(())
}

#[cfg(any(target_os = "linux", target_os = "freebsd"))]
fn drop_groups() -> nix::Result<()> {
    nix::unistd::setgroups(&[])
}

#[cfg(not(any(target_os = "linux", target_os = "freebsd")))]
fn drop_groups() -> nix::Result<()> {
    Ok(())
}
