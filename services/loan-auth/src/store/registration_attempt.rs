//! `registration_attempt`: registrations that cost a hash.

use sqlx::{PgExecutor, PgPool, Row as _};
use time::OffsetDateTime;

use crate::domain::brute_force::{Bound, Tally};

/// How many there were from an address within the bound's time.
///
/// # Errors
/// What the database says.
pub async fn tally(
    executor: impl PgExecutor<'_>,
    address: &str,
    bound: Bound,
    now: OffsetDateTime,
) -> Result<Tally, sqlx::Error> {
    let row = sqlx::query(
        "SELECT count(*) AS attempts, min(attempted_at) AS oldest_at
         FROM registration_attempt WHERE address = $1 AND attempted_at > $2",
    )
    .bind(address)
    .bind(now - bound.window)
    .fetch_one(executor)
    .await?;
    Ok(Tally { failures: row.try_get("attempts")?, oldest_at: row.try_get("oldest_at")? })
}

/// Counts one more if there is room; says how many there were before.
///
/// # Errors
/// What the database says.
pub async fn add(
    executor: impl PgExecutor<'_>,
    address: &str,
    bound: Bound,
    now: OffsetDateTime,
) -> Result<Tally, sqlx::Error> {
    let row = sqlx::query(
        "WITH earlier AS (
             SELECT count(*) AS attempts, min(attempted_at) AS oldest_at
             FROM registration_attempt WHERE address = $1 AND attempted_at > $2
         ), added AS (
             INSERT INTO registration_attempt (address, attempted_at)
             SELECT $1, $3 FROM earlier WHERE attempts < $4
         )
         SELECT attempts, oldest_at FROM earlier",
    )
    .bind(address)
    .bind(now - bound.window)
    .bind(now)
    .bind(bound.failures_max)
    .fetch_one(executor)
    .await?;
    Ok(Tally { failures: row.try_get("attempts")?, oldest_at: row.try_get("oldest_at")? })
}

/// Forgets up to `limit` that the bound does not look at any more; says how many.
///
/// # Errors
/// What the database says.
pub async fn purge(pool: &PgPool, before: OffsetDateTime, limit: i64) -> Result<u64, sqlx::Error> {
    let done = sqlx::query(
        "DELETE FROM registration_attempt WHERE id = ANY (ARRAY(
             SELECT id FROM registration_attempt WHERE attempted_at <= $1 LIMIT $2 FOR UPDATE SKIP LOCKED))",
    )
    .bind(before)
    .bind(limit)
    .execute(pool)
    .await?;
    Ok(done.rows_affected())
}
