//! `login_failure`: wrong passwords.

use sqlx::{PgConnection, PgPool};
use time::OffsetDateTime;

/// Counts a wrong password.
///
/// # Errors
/// What the database says.
pub async fn add(
    tx: &mut PgConnection,
    account: &[u8],
    address: &str,
    now: OffsetDateTime,
) -> Result<(), sqlx::Error> {
    sqlx::query("INSERT INTO login_failure (account, address, failed_at) VALUES ($1, $2, $3)")
        .bind(account)
        .bind(address)
        .bind(now)
        .execute(tx)
        .await?;
    Ok(())
}

/// Forgets up to `limit` failures that no bound looks at any more; says how many.
///
/// # Errors
/// What the database says.
pub async fn purge(pool: &PgPool, before: OffsetDateTime, limit: i64) -> Result<u64, sqlx::Error> {
    let done = sqlx::query(
        "DELETE FROM login_failure WHERE id = ANY (ARRAY(
             SELECT id FROM login_failure WHERE failed_at <= $1 LIMIT $2 FOR UPDATE SKIP LOCKED))",
    )
    .bind(before)
    .bind(limit)
    .execute(pool)
    .await?;
    Ok(done.rows_affected())
}
