//! Sends what waits in one lane, so many messages at once.

use std::time::Duration;

use ::events::codes::Channel;
use common::db::described;
use tokio::task::JoinSet;

use crate::usecases::Office;
use crate::usecases::claim_deliveries::claim_deliveries;
use crate::usecases::deliver_message::deliver_message;

/// Between two looks that something has occasioned, at least: what a busy consumer
/// commits is looked for together.
const LOOKS_APART: Duration = Duration::from_millis(20);

/// What ends within so short a time is replaced together: a look is one transaction, for
/// one message or for many.
const GATHERED: Duration = Duration::from_millis(4);

/// The figures of sending.
#[derive(Clone, Copy, Debug)]
pub struct Deliver {
    /// The time between two looks while nothing occasions one.
    pub poll: Duration,
    /// Messages of a lane on their way at once at most.
    pub concurrency_max: usize,
}

/// Sends until the process ends; what is on its way then is waited for.
///
/// # Errors
/// None: a database that is away is waited for.
pub async fn deliver(office: Office, lane: Channel, figures: Deliver) -> anyhow::Result<()> {
    let soft = office.shutdown.soft();
    let mut commits = office.db.commits();
    let mut running = JoinSet::new();
    while !soft.is_cancelled() {
        while running.try_join_next().is_some() {}
        let free = figures.concurrency_max.saturating_sub(running.len());
        let limit = i64::try_from(free).unwrap_or(i64::MAX);
        let is_worth_another = match claim_deliveries(&office, lane, limit).await {
            Ok(claimed) => {
                for job in claimed.jobs {
                    let office = office.clone();
                    running.spawn(async move { deliver_message(&office, job).await });
                }
                claimed.is_worth_another
            }
            Err(error) => {
                tracing::warn!(%lane, error = %described(&error), "messages wait for the database");
                false
            }
        };
        if is_worth_another && running.len() < figures.concurrency_max {
            continue;
        }
        tokio::select! {
            () = soft.cancelled() => {}
            () = tokio::time::sleep(figures.poll) => {}
            Some(_) = running.join_next() => tokio::time::sleep(GATHERED).await,
            // The database lives as long as this does.
            _ = commits.changed() => tokio::time::sleep(LOOKS_APART).await,
        }
    }
    while running.join_next().await.is_some() {}
    Ok(())
}
