//! `rebuild`: how the last rebuild goes, or went.

use common::db::ExpectRows as _;
use sqlx::postgres::PgQueryResult;
use sqlx::types::Json;
use sqlx::{AssertSqlSafe, PgPool};
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
    /// Begins with what loan-manager keeps.
    pub from_owner: bool,
    /// What it does: `history`, `reading`, `waiting`, `comparing`, `done` or `failed`.
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
    /// Whether that is because the topics are not kept from their beginning.
    pub is_cut: bool,
}

/// The last one, if there ever was one.
///
/// # Errors
/// What the database says.
pub async fn find(pool: &PgPool) -> Result<Option<Rebuild>, sqlx::Error> {
    sqlx::query_as(
        "SELECT rebuild_id, verify_only, from_owner, phase, events_total, events_read, left_out, begun_at,
                seen_at, difference, reason, is_cut
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
    from_owner: bool,
    now: OffsetDateTime,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO rebuild (rebuild_id, verify_only, from_owner, phase, begun_at, seen_at)
         VALUES ($1, $2, $3, CASE WHEN $3 THEN 'history' ELSE 'reading' END, $4, $4)
         ON CONFLICT (only_row) DO UPDATE SET
            rebuild_id = excluded.rebuild_id, verify_only = excluded.verify_only,
            from_owner = excluded.from_owner, phase = excluded.phase, events_total = 0, events_read = 0, left_out = 0, begun_at = excluded.begun_at,
            seen_at = excluded.seen_at, difference = NULL, reason = NULL, is_cut = false",
    )
    .bind(rebuild_id)
    .bind(verify_only)
    .bind(from_owner)
    .bind(now)
    .execute(pool)
    .await?;
    Ok(())
}

/// Sets how it stands; a sign of life that was overtaken does not bring back what has
/// ended.
const SET: &str = "UPDATE rebuild SET phase = $2, events_total = $3, events_read = $4, left_out = $5, seen_at = $6,
                          difference = $7, reason = $8, is_cut = $9
                    WHERE rebuild_id = $1 AND (phase NOT IN ('done', 'failed') OR phase = $2)";

/// How it stands now.
///
/// # Errors
/// What the database says, or if another one has taken its place.
pub async fn update(pool: &PgPool, rebuild: &Rebuild) -> Result<(), sqlx::Error> {
    set(SET.to_owned(), pool, rebuild).await?.expect_rows(1)
}

/// How it ended, told by the session that has the claim, which it gives up with that:
/// whoever sees the end finds the claim free, and whoever takes the claim before that
/// waits with its own row until the end is there.
///
/// # Errors
/// What the database says, or if another one has taken its place.
pub async fn end(session: &PgPool, rebuild: &Rebuild) -> Result<(), sqlx::Error> {
    let end =
        format!("WITH ended AS ({SET} RETURNING 1) SELECT pg_advisory_unlock_all() FROM ended");
    set(end, session, rebuild).await?.expect_rows(1)
}

async fn set(
    statement: String,
    pool: &PgPool,
    rebuild: &Rebuild,
) -> Result<PgQueryResult, sqlx::Error> {
    sqlx::query(AssertSqlSafe(statement))
        .bind(rebuild.rebuild_id)
        .bind(&rebuild.phase)
        .bind(rebuild.events_total)
        .bind(rebuild.events_read)
        .bind(rebuild.left_out)
        .bind(rebuild.seen_at)
        .bind(rebuild.difference)
        .bind(&rebuild.reason)
        .bind(rebuild.is_cut)
        .execute(pool)
        .await
}
