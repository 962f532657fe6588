//! `standalone child`: see [`standalone::process::become_child`].

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use nix::sys::signal::Signal;
use standalone::process::{Account, LauncherArguments, become_child};

#[derive(Args)]
pub(crate) struct Arguments {
    /// The process whose end ends the program.
    #[arg(long)]
    parent: u32,
    /// The signal that it then gets.
    #[arg(long)]
    when_orphaned: Signal,
    /// The user to run as.
    #[arg(long, requires = "gid")]
    uid: Option<u32>,
    /// The group to run as.
    #[arg(long, requires = "uid")]
    gid: Option<u32>,
    /// The program and its arguments.
    #[arg(last = true, required = true)]
    command: Vec<OsString>,
}

/// Returns only if it fails.
pub(crate) fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let account = arguments.uid.zip(arguments.gid).map(|(uid, gid)| Account { uid, gid });
    let (program, rest) = arguments.command.split_first().context("no program")?;
    let launcher = LauncherArguments {
        parent: arguments.parent,
        when_orphaned: arguments.when_orphaned,
        account,
    };
    let error = become_child(launcher, program, rest);
    Err(error).with_context(|| format!("cannot run {}", program.display()))
}
