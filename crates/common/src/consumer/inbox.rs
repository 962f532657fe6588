//! The table of events that were worked on.

use std::collections::HashSet;

use serde::Serialize;
use sqlx::{FromRow, PgConnection, PgPool, QueryBuilder};
use uuid::Uuid;

use crate::admin::Selection;
use crate::event::ReceivedEvent;

/// Claims the ids of `events`; what comes back are those that nobody had claimed.
/// Waits for another consumer that is working on one of them.
pub(super) async fn claim(
    tx: &mut PgConnection,
    events: &[&ReceivedEvent],
) -> Result<HashSet<Uuid>, sqlx::Error> {
    if events.is_empty() {
        return Ok(HashSet::new());
    }
    #[cfg(feature = "sabotage")]
    if crate::sabotage::breaks(crate::sabotage::Sabotage::InboxOff) {
        return Ok(events.iter().map(|event| event.id).collect());
    }
    // In the order of the ids, so that two consumers that hold the same events
    // during a rebalance wait for each other instead of locking each other out.
    let claimed: Vec<Uuid> = sqlx::query_scalar(
        "INSERT INTO inbox (event_id, topic)
         SELECT event_id, topic FROM unnest($1::uuid[], $2::text[]) AS e(event_id, topic) ORDER BY event_id
         ON CONFLICT (event_id) DO NOTHING
         RETURNING event_id",
    )
    .bind(events.iter().map(|event| event.id).collect::<Vec<_>>())
    .bind(events.iter().map(|event| event.topic.as_str()).collect::<Vec<_>>())
    .fetch_all(tx)
    .await?;
    Ok(claimed.into_iter().collect())
}

/// Claims an event that is among the dead letters now, so that a second
/// delivery doesn't put it there twice.
pub(super) async fn claim_dead(
    tx: &mut PgConnection,
    event_id: Uuid,
    topic: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO inbox (event_id, topic, dead_lettered_at) VALUES ($1, $2, now()) ON CONFLICT (event_id) DO NOTHING",
    )
    .bind(event_id)
    .bind(topic)
    .execute(tx)
    .await?;
    Ok(())
}

/// Lets go of the claims on those of `event_ids` that were set aside as dead
/// letters: an operator has them delivered again. What was really worked on
/// stays claimed, so a redriven event is worked on only where it had failed.
pub(super) async fn revive(tx: &mut PgConnection, event_ids: &[Uuid]) -> Result<(), sqlx::Error> {
    if event_ids.is_empty() {
        return Ok(());
    }
    sqlx::query("DELETE FROM inbox WHERE event_id = ANY($1) AND dead_lettered_at IS NOT NULL")
        .bind(event_ids)
        .execute(tx)
        .await?;
    Ok(())
}

/// Lets go of the claims on `event_ids`, so that they can be worked on once more;
/// says how many there were. For an effect that is missing although its event was
/// claimed: whoever asks for it knows that the handlers tell a second effect by
/// the keys of their own tables. Dead letters, open or discarded, are left alone: an
/// operator decides, or has decided, on those.
///
/// # Errors
///
/// Only the database's.
pub(crate) async fn release(pool: &PgPool, event_ids: &[Uuid]) -> Result<u64, sqlx::Error> {
    let done = sqlx::query(
        "DELETE FROM inbox WHERE event_id = ANY($1) AND dead_lettered_at IS NULL AND discarded_at IS NULL",
    )
    .bind(event_ids)
    .execute(pool)
    .await?;
    Ok(done.rows_affected())
}

/// Closes the dead letters of `event_ids`: they will never be worked on here; says
/// how many were open.
///
/// # Errors
///
/// Only the database's.
pub(crate) async fn settle(pool: &PgPool, event_ids: &[Uuid]) -> Result<u64, sqlx::Error> {
    let done = sqlx::query(
        "UPDATE inbox SET dead_lettered_at = NULL, discarded_at = now() WHERE event_id = ANY($1) AND dead_lettered_at IS NOT NULL",
    )
    .bind(event_ids)
    .execute(pool)
    .await?;
    Ok(done.rows_affected())
}

/// An event that was not worked on and is not to be, unless an operator says so.
#[derive(Debug, PartialEq, Eq, FromRow, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SetAside {
    pub(crate) event_id: Uuid,
    /// Whether an operator has closed it for good; otherwise its letter lies open.
    pub(crate) is_discarded: bool,
}

/// Those of a selection.
///
/// # Errors
///
/// Only the database's.
pub(crate) async fn set_aside(
    pool: &PgPool,
    selection: &Selection,
) -> Result<Vec<SetAside>, sqlx::Error> {
    let mut query =
        QueryBuilder::new("SELECT event_id, discarded_at IS NOT NULL AS is_discarded FROM inbox");
    selection.push_where(&mut query, "event_id");
    query.push(" AND (dead_lettered_at IS NOT NULL OR discarded_at IS NOT NULL)");
    selection.push_order(&mut query, "event_id");
    query.build_query_as().fetch_all(pool).await
}

/// How many dead letters are open: set aside, and neither redriven nor discarded
/// since. What is no event is not among them.
///
/// # Errors
///
/// Only the database's.
pub(crate) async fn dead_letters(pool: &PgPool) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar("SELECT count(*) FROM inbox WHERE dead_lettered_at IS NOT NULL")
        .fetch_one(pool)
        .await
}
