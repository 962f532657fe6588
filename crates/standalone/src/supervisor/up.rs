//! `up`: in the foreground, or in the background by starting itself there.

use std::fs::OpenOptions;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::crew::Crew;
use super::data::DataDir;
use super::leftovers;
use super::listing::Follower;
use super::plan::{PartName, PortPlan};
use super::show::{Progress, welcome};
use crate::private;

/// What `up` is told.
#[derive(Debug, Clone)]
pub struct UpOptions {
    /// The data folder.
    pub data: DataDir,
    /// The folder of the six binaries.
    pub bin_dir: PathBuf,
    /// Other ports than the usual ones.
    pub port_base: Option<u16>,
    /// Only these and what they need; all if empty.
    pub only: Vec<PartName>,
    /// Whether this is the process in the background.
    pub detached: bool,
}

impl UpOptions {
    fn plan(&self) -> PortPlan {
        self.port_base.map_or_else(PortPlan::usual, PortPlan::from_base)
    }

    fn parts(&self) -> Vec<PartName> {
        if self.only.is_empty() {
            PartName::all().collect()
        } else {
            PartName::with_needs(&self.only)
        }
    }
}

/// The three ways to be asked to stop.
struct StopSignals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl StopSignals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hang_up.recv() => {}
        }
    }
}

/// Runs the system until it is asked to stop.
///
/// # Errors
///
/// It runs already, a port is taken, or a part does not start. All that was
/// started is stopped then.
pub async fn up(options: &UpOptions) -> anyhow::Result<ExitCode> {
    let (data, plan, parts) = (&options.data, options.plan(), options.parts());
    data.create()?;
    let progress = Progress::new();
    let Some(_lock) = data.lock()? else {
        let pid = data
            .state()
            .map_or_else(String::new, |state| format!(" (process {})", state.supervisor.pid));
        bail!("it runs already{pid}: `./dev status` shows it, `./dev down` stops it");
    };
    for name in leftovers::stop(data).await? {
        progress.say(&format!("{name:<14} was left from an earlier run and is stopped"));
    }
    if let Some(aside) = data.put_orphaned_database_aside()? {
        progress.say(&format!(
            "the database of an earlier system, whose folder is not here any more, is put aside: {}",
            aside.display()
        ));
    }
    plan.check(&parts)?;
    let mut stop = StopSignals::listen()?;
    let mut crew = Crew::new(data.clone(), plan.clone(), options.bin_dir.clone())?;
    let started = tokio::select! {
        started = crew.start(&parts, &progress) => Some(started),
        () = stop.next() => None,
    };
    let outcome = match started {
        Some(Ok(())) => {
            print(&welcome(&plan, &parts, options.detached, progress.seconds()));
            tokio::select! {
                never = crew.look_after(&progress) => never,
                () = stop.next() => Ok(()),
            }
        }
        Some(Err(error)) => Err(error),
        None => Ok(()),
    };
    if let Err(error) = &outcome {
        progress.say(&format!("{error:#}"));
    }
    progress.say("stopping; once more Ctrl-C ends all at once");
    tokio::select! {
        stopped = crew.stop(&progress) => stopped?,
        () = stop.next() => {
            crew.kill();
            progress.say("all ended at once");
            return Ok(ExitCode::from(130));
        }
    }
    Ok(if outcome.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print(text: &str) {
    use std::io::Write as _;
    // A closed terminal is no reason to end.
    let _ = std::io::stdout().write_all(text.as_bytes());
}

/// Starts this program again in the background with `arguments`, shows what it
/// says until it is ready, and leaves it there.
///
/// # Errors
///
/// It can't be started.
pub async fn up_in_background(data: &DataDir, arguments: &[String]) -> anyhow::Result<ExitCode> {
    data.create()?;
    let log = data.log("supervisor");
    let output = private::file(&log, OpenOptions::new().create(true).write(true).truncate(true))
        .with_context(|| format!("cannot write {}", log.display()))?;
    let mut child = Command::new(std::env::current_exe()?)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        .spawn()?;
    let mut follower = Follower::from_start(log);
    loop {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let ended = child.try_wait()?;
        let ready =
            data.state().is_some_and(|state| state.ready && state.supervisor.pid == child.id());
        if ready {
            // What it says last comes right after it is ready.
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        print(&follower.read()?);
        if let Some(status) = ended {
            return Ok(ExitCode::from(u8::try_from(status.code().unwrap_or(1)).unwrap_or(1)));
        }
        if ready {
            return Ok(ExitCode::SUCCESS);
        }
    }
}
