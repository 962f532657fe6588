//! What a supervisor that was killed has left running.

use std::time::Duration;

use nix::sys::signal::Signal;

use super::data::DataDir;
use super::plan::PartName;
use crate::postgres::running_in;

/// How long a left-over process may take to end.
const PATIENCE: Duration = Duration::from_secs(20);

/// Stops what is left, and says what that was. Only for who holds the lock.
pub(super) async fn stop(data: &DataDir) -> anyhow::Result<Vec<String>> {
    let mut stopped = Vec::new();
    let state = data.state();
    for part in PartName::all().rev() {
        let known = state.as_ref().and_then(|state| state.children.get(part.name()));
        let identity = known.map(|child| child.identity.clone());
        // What was not written down any more, PostgreSQL has written down itself.
        let identity = match part {
            PartName::Postgres => {
                identity.filter(|identity| identity.is_alive()).or(running_in(&data.postgres()?))
            }
            PartName::Broker | PartName::Service(_) => identity,
        };
        let Some(identity) = identity.filter(|identity| identity.is_alive()) else { continue };
        let signal = if part == PartName::Postgres { Signal::SIGINT } else { Signal::SIGTERM };
        identity.stop(signal, PATIENCE).await?;
        stopped.push(part.name().to_owned());
    }
    data.forget_state()?;
    Ok(stopped)
}
