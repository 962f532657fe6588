//! Sends the codes that prove addresses.

use std::time::Duration;

use common::db::described;
use futures::StreamExt as _;

use super::pause;
use crate::store;
use crate::usecases::Office;
use crate::usecases::send_verification::send_verification;

/// Codes that are taken at once, and sent at the same time.
const BATCH: usize = 8;

/// Sends until the process ends.
///
/// # Errors
/// None: a database that is away is waited for.
pub async fn send_codes(office: Office, poll: Duration) -> anyhow::Result<()> {
    loop {
        if let Err(error) = round(&office).await {
            tracing::warn!(error = %described(&error), "codes wait for the database");
        }
        if !pause(poll, &office.shutdown).await {
            return Ok(());
        }
    }
}

async fn round(office: &Office) -> Result<(), sqlx::Error> {
    let soft = office.shutdown.soft();
    while !soft.is_cancelled() {
        let now = office.clock.now();
        let lease_until = now + office.rules.lease();
        let limit = i64::try_from(BATCH).unwrap_or(i64::MAX);
        let due = store::verification::take_due(office.db.pool(), now, lease_until, limit).await?;
        let is_last = due.len() < BATCH;
        futures::stream::iter(due)
            .for_each_concurrent(BATCH, |due| async {
                if let Err(error) = send_verification(office, due).await {
                    tracing::warn!(error = %described(&error), "what came of a code could not be written down; it will be sent again");
                }
            })
            .await;
        if is_last {
            break;
        }
    }
    Ok(())
}
