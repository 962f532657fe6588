//! The outbox as an operator looks at it.

use serde::Serialize;
use sqlx::{FromRow, PgPool};

/// Rows are counted up to here; more is told as this many.
const COUNT_MAX: i64 = 100_000;

/// What waits to be sent, and what is kept of what was.
#[derive(Clone, Copy, Debug, PartialEq, FromRow, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Backlog {
    /// Events that the broker has not acknowledged, counted up to 100,000.
    pub unsent: i64,
    /// For how long the oldest of them has waited; 0 without one.
    pub oldest_unsent_seconds: f64,
    /// All events that are kept, sent or not, counted up to 100,000.
    pub kept: i64,
}

/// How the outbox stands.
///
/// # Errors
///
/// Only the database's.
pub async fn backlog(pool: &PgPool) -> Result<Backlog, sqlx::Error> {
    sqlx::query_as(
        "SELECT waiting.unsent, waiting.oldest_unsent_seconds, kept.kept
         FROM (SELECT count(*) AS unsent,
                      coalesce(extract(epoch FROM clock_timestamp() - min(created_at)), 0)::float8
                          AS oldest_unsent_seconds
               FROM (SELECT created_at FROM outbox WHERE sent_at IS NULL ORDER BY id LIMIT $1) AS one) AS waiting,
              (SELECT count(*) AS kept FROM (SELECT FROM outbox LIMIT $1) AS one) AS kept",
    )
    .bind(COUNT_MAX)
    .fetch_one(pool)
    .await
}
