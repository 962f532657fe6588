//! `standalone with-postgres -- COMMAND`

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, ExitCode};

use anyhow::Context as _;
use clap::Args;
use standalone::Postgres;
use tokio::signal::unix::{SignalKind, signal};

#[derive(Args)]
pub(crate) struct Arguments {
    /// The command and its arguments.
    #[arg(last = true, required = true)]
    command: Vec<OsString>,
}

/// Runs the command and ends with its exit code.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let (program, rest) = arguments.command.split_first().context("no command")?;
    super::runtime()?.block_on(async {
        let postgres = Postgres::throw_away().await?;
        // A Ctrl-C goes to the command as well. We wait for its end, so that the
        // server is there as long as it needs it, and then clean up.
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut child = tokio::process::Command::from(Command::new(program))
            .args(rest)
            .env("DATABASE_URL", postgres.superuser_url())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot run {}", program.display()))?;
        let status = loop {
            tokio::select! {
                status = child.wait() => break status?,
                _ = interrupt.recv() => {}
                _ = terminate.recv() => child.start_kill()?,
            }
        };
        // A shell says 128 + the signal's number; so do we.
        let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default());
        Ok(ExitCode::from(u8::try_from(code).unwrap_or(1)))
    })
}
