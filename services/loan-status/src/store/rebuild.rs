//! `rebuild`: how the last rebuild goes, or went.

use common::db::ExpectRows as _;
use sqlx::PgPool;
use sqlx::types::Json;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::domain::rebuild::Difference;

/// A rebuild as it stands.
#[derive(Clone, Debug, PartialEq, sqlx::FromRow)]
pub struct Rebuild {
    /// Which.
    pub rebuild_id: Uuid,
    /// Compares only.
    pub verify_only: bool,
    /// What it does: `reading`, `waiting`, `comparing`, `done` or `failed`.
    pub phase: String,
    /// How many events there are.
    pub events_total: i64,
    /// How many were read.
    pub events_read: i64,
    /// How many cannot be worked on.
    pub left_out: i64,
    /// Since when.
    pub begun_at: OffsetDateTime,
    /// Its last sign of life.
    pub seen_at: OffsetDateTime,
    /// How the models differed.
    pub difference: Option<Json<Difference>>,
    /// Why it failed.
    pub reason: Option<String>,
}

/// The last one, if there ever was one.
///
/// # Errors
/// What the database says.
pub async fn find(pool: &PgPool) -> Result<Option<Rebuild>, sqlx::Error> {
    sqlx::query_as(
        "SELECT rebuild_id, verify_only, phase, events_total, events_read, left_out, begun_at, seen_at,
                difference, reason
           FROM rebuild",
    )
    .fetch_optional(pool)
    .await
}

/// A new one takes the place of the last.
///
/// # Errors
/// What the database says.
pub async fn begin(
    pool: &PgPool,
    rebuild_id: Uuid,
    verify_only: bool,
    now: OffsetDateTime,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO rebuild (rebuild_id, verify_only, phase, begun_at, seen_at)
         VALUES ($1, $2, 'reading', $3, $3)
         ON CONFLICT (only_row) DO UPDATE SET
            rebuild_id = excluded.rebuild_id, verify_only = excluded.verify_only, phase = excluded.phase,
            events_total = 0, events_read = 0, left_out = 0, begun_at = excluded.begun_at,
            seen_at = excluded.seen_at, difference = NULL, reason = NULL",
    )
    .bind(rebuild_id)
    .bind(verify_only)
    .bind(now)
    .execute(pool)
    .await?;
    Ok(())
}

/// How it stands now.
///
/// # Errors
/// What the database says, or if another one has taken its place.
pub async fn update(pool: &PgPool, rebuild: &Rebuild) -> Result<(), sqlx::Error> {
    let done = sqlx::query(
        "UPDATE rebuild SET phase = $2, events_total = $3, events_read = $4, left_out = $5, seen_at = $6,
                difference = $7, reason = $8
          WHERE rebuild_id = $1",
    )
    .bind(rebuild.rebuild_id)
    .bind(&rebuild.phase)
    .bind(rebuild.events_total)
    .bind(rebuild.events_read)
    .bind(rebuild.left_out)
    .bind(rebuild.seen_at)
    .bind(rebuild.difference)
    .bind(&rebuild.reason)
    .execute(pool)
    .await?;
    done.expect_rows(1)
}
