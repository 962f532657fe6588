//! `known_address`: where a person's password was right before.

use ::events::CustomerId;
use sqlx::{PgConnection, PgPool};
use time::OffsetDateTime;

/// Notes that a person's password was right from an address.
///
/// # Errors
/// What the database says.
pub async fn note(
    tx: &mut PgConnection,
    id: CustomerId,
    address: &str,
    now: OffsetDateTime,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO known_address (customer_id, address, last_success_at) VALUES ($1, $2, $3)
         ON CONFLICT (customer_id, address) DO UPDATE
         SET last_success_at = excluded.last_success_at
         WHERE known_address.last_success_at < excluded.last_success_at",
    )
    .bind(id)
    .bind(address)
    .bind(now)
    .execute(tx)
    .await?;
    Ok(())
}

/// Forgets a person's addresses.
///
/// # Errors
/// What the database says.
pub async fn forget(tx: &mut PgConnection, id: CustomerId) -> Result<(), sqlx::Error> {
    // Any number is right: a person may never have logged in.
    sqlx::query("DELETE FROM known_address WHERE customer_id = $1").bind(id).execute(tx).await?;
    Ok(())
}

/// Forgets up to `limit` addresses that are not the owner's any more; says how
/// many.
///
/// # Errors
/// What the database says.
pub async fn purge(pool: &PgPool, before: OffsetDateTime, limit: i64) -> Result<u64, sqlx::Error> {
    let done = sqlx::query(
        "DELETE FROM known_address WHERE ctid = ANY (ARRAY(
             SELECT ctid FROM known_address
             WHERE last_success_at <= $1 LIMIT $2 FOR UPDATE SKIP LOCKED))",
    )
    .bind(before)
    .bind(limit)
    .execute(pool)
    .await?;
    Ok(done.rows_affected())
}
