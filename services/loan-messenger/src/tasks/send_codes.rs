//! Sends the codes that prove addresses, of one channel.

use std::time::Duration;

use ::events::codes::Channel;
use common::db::described;
use tokio::task::JoinSet;

use super::pause;
use crate::store;
use crate::usecases::Office;
use crate::usecases::send_verification::send_verification;

/// Codes of a channel on their way at once.
const AT_ONCE: usize = 16;

/// Sends until the process ends; what is on its way then is waited for.
///
/// # Errors
/// None: a database that is away is waited for.
pub async fn send_codes(office: Office, channel: Channel, poll: Duration) -> anyhow::Result<()> {
    let mut running = JoinSet::new();
    loop {
        // One that takes long keeps its own place, and nobody else's.
        while running.try_join_next().is_some() {}
        if let Err(error) = begin(&office, channel, &mut running).await {
            tracing::warn!(%channel, error = %described(&error), "codes wait for the database");
        }
        if !pause(poll, &office.shutdown).await {
            break;
        }
    }
    while running.join_next().await.is_some() {}
    Ok(())
}

/// Begins to send what is due, as far as there are places.
async fn begin(
    office: &Office,
    channel: Channel,
    running: &mut JoinSet<()>,
) -> Result<(), sqlx::Error> {
    let free = AT_ONCE.saturating_sub(running.len());
    if free == 0 {
        return Ok(());
    }
    let now = office.clock.now();
    let lease_until = now + office.rules.lease(channel);
    let limit = i64::try_from(free).unwrap_or(i64::MAX);
    let pool = office.db.pool();
    let taken = store::verification::take_due(pool, channel, now, lease_until, limit).await?;
    for due in taken {
        let office = office.clone();
        running.spawn(async move {
            if let Err(error) = send_verification(&office, due).await {
                tracing::warn!(error = %described(&error), "what came of a code could not be written down; it will be sent again");
            }
        });
    }
    Ok(())
}
