//! The outbox as an operator looks at it.

use serde::Serialize;
use sqlx::PgPool;

use super::rows;

/// Rows are counted up to here; more is told as this many.
pub(super) const COUNT_MAX: i64 = 100_000;

/// What waits to be sent, and what is kept of what was.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Backlog {
    /// Events that do not count as sent, counted up to 100,000: the broker has not
    /// acknowledged them, or their transaction with it is still open.
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
    let mut connection = pool.acquire().await?;
    let (unsent, oldest_unsent_seconds) = rows::backlog(&mut connection, COUNT_MAX).await?;
    let kept = sqlx::query_scalar("SELECT count(*) FROM (SELECT FROM outbox LIMIT $1) AS one")
        .bind(COUNT_MAX)
        .fetch_one(&mut *connection)
        .await?;
    Ok(Backlog { unsent, oldest_unsent_seconds, kept })
}
