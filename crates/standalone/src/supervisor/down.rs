//! `down` and `reset`.

use std::time::Duration;

use anyhow::{Context as _, bail};
use nix::sys::signal::Signal;

use super::data::DataDir;
use super::leftovers;

/// How long a supervisor may take to stop all: it kills who does not end in 30 s.
const PATIENCE: Duration = Duration::from_secs(90);

/// Stops the system, whoever runs it and wherever.
///
/// # Errors
///
/// It does not stop.
pub async fn down(data: &DataDir) -> anyhow::Result<()> {
    if !data.root().exists() {
        println!("nothing runs here");
        return Ok(());
    }
    if data.is_running()? {
        stop_supervisor(data).await?;
    }
    let Some(_lock) = data.lock()? else { bail!("it has been started again meanwhile") };
    for name in leftovers::stop(data).await? {
        println!("{name} was left from an earlier run and is stopped");
    }
    println!("nothing runs any more");
    Ok(())
}

async fn stop_supervisor(data: &DataDir) -> anyhow::Result<()> {
    // It writes its state a moment after it has taken the lock.
    let mut state = data.state();
    for _ in 0..50 {
        if state.as_ref().is_some_and(|state| state.supervisor.is_alive()) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        state = data.state();
    }
    let supervisor = state
        .map(|state| state.supervisor)
        .filter(|supervisor| supervisor.is_alive())
        .context("it runs, but it is not known as which process")?;
    println!("stopping (process {}) …", supervisor.pid);
    supervisor.signal(Signal::SIGTERM)?;
    if !supervisor.wait_gone(PATIENCE).await {
        println!("it does not end: it is killed");
        supervisor.stop(Signal::SIGKILL, Duration::from_secs(5)).await?;
    }
    Ok(())
}

/// Stops the system and removes all its data.
///
/// # Errors
///
/// It does not stop, the folder is another's, or the data can't be removed.
pub async fn reset(data: &DataDir) -> anyhow::Result<()> {
    if let Some(stranger) = data.stranger()? {
        bail!(
            "{} is not the folder of a system: {} is none of ours, and nothing was removed",
            data.root().display(),
            stranger.display()
        );
    }
    down(data).await?;
    // The lock's file is in the folder: it goes with it.
    for folder in [data.postgres()?, data.root().to_path_buf()] {
        if folder.exists() {
            std::fs::remove_dir_all(&folder)
                .with_context(|| format!("cannot remove {}", folder.display()))?;
            println!("removed {}", folder.display());
        }
    }
    Ok(())
}
