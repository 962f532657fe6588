//! `refresh_family`: logins, and the one refresh token of each that is good.

use ::events::CustomerId;
use common::db::ExpectRows as _;
use sqlx::{PgConnection, PgPool, Row as _};
use time::OffsetDateTime;
use uuid::Uuid;

/// A login.
pub struct Family {
    /// Which.
    pub id: Uuid,
    /// Whose.
    pub customer_id: CustomerId,
    /// SHA-256 of the token that is good.
    pub token_hash: Vec<u8>,
    /// The count of password changes that it began at.
    pub credential_version: i64,
    /// The end of it.
    pub expires_at: OffsetDateTime,
}

/// Begins a login, and ends the person's oldest ones beyond `families_max`.
///
/// # Errors
/// What the database says.
pub async fn begin(
    tx: &mut PgConnection,
    family: &Family,
    families_max: i64,
    now: OffsetDateTime,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO refresh_family
             (family_id, customer_id, token_hash, credential_version, started_at, renewed_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $5, $6)",
    )
    .bind(family.id)
    .bind(family.customer_id)
    .bind(&family.token_hash)
    .bind(family.credential_version)
    .bind(now)
    .bind(family.expires_at)
    .execute(&mut *tx)
    .await?
    .expect_rows(1)?;
    // Usually none. Several logins at once skip what another is ending.
    sqlx::query(
        "DELETE FROM refresh_family WHERE family_id = ANY (ARRAY(
             SELECT family_id FROM refresh_family WHERE customer_id = $1
             ORDER BY started_at DESC, family_id DESC OFFSET $2 FOR UPDATE SKIP LOCKED))",
    )
    .bind(family.customer_id)
    .bind(families_max)
    .execute(tx)
    .await?;
    Ok(())
}

/// A login, locked until the end of the transaction.
///
/// # Errors
/// What the database says.
pub async fn lock(tx: &mut PgConnection, id: Uuid) -> Result<Option<Family>, sqlx::Error> {
    let row = sqlx::query(
        "SELECT family_id, customer_id, token_hash, credential_version, expires_at
         FROM refresh_family WHERE family_id = $1 FOR UPDATE",
    )
    .bind(id)
    .fetch_optional(tx)
    .await?;
    row.map(|row| {
        Ok(Family {
            id: row.try_get("family_id")?,
            customer_id: row.try_get("customer_id")?,
            token_hash: row.try_get("token_hash")?,
            credential_version: row.try_get("credential_version")?,
            expires_at: row.try_get("expires_at")?,
        })
    })
    .transpose()
}

/// Makes another token the good one of a locked login.
///
/// # Errors
/// What the database says.
pub async fn renew(
    tx: &mut PgConnection,
    id: Uuid,
    token_hash: &[u8],
    now: OffsetDateTime,
) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE refresh_family SET token_hash = $2, renewed_at = $3 WHERE family_id = $1")
        .bind(id)
        .bind(token_hash)
        .bind(now)
        .execute(tx)
        .await?
        .expect_rows(1)
}

/// Ends a locked login.
///
/// # Errors
/// What the database says.
pub async fn end(tx: &mut PgConnection, id: Uuid) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM refresh_family WHERE family_id = $1")
        .bind(id)
        .execute(tx)
        .await?
        .expect_rows(1)
}

/// Ends all logins of a person.
///
/// # Errors
/// What the database says.
pub async fn end_all(tx: &mut PgConnection, id: CustomerId) -> Result<(), sqlx::Error> {
    // Any number is right: there may be none.
    sqlx::query("DELETE FROM refresh_family WHERE customer_id = $1").bind(id).execute(tx).await?;
    Ok(())
}

/// Forgets up to `limit` logins that have ended; says how many.
///
/// # Errors
/// What the database says.
pub async fn purge(pool: &PgPool, now: OffsetDateTime, limit: i64) -> Result<u64, sqlx::Error> {
    let done = sqlx::query(
        "DELETE FROM refresh_family WHERE family_id = ANY (ARRAY(
             SELECT family_id FROM refresh_family WHERE expires_at <= $1 LIMIT $2 FOR UPDATE SKIP LOCKED))",
    )
    .bind(now)
    .bind(limit)
    .execute(pool)
    .await?;
    Ok(done.rows_affected())
}
