//! `verification`: codes that prove that an address is read by its customer.

use ::events::codes::Channel;
use ::events::{CustomerId, Language};
use sqlx::{FromRow, PgConnection, PgExecutor, PgPool};
use time::OffsetDateTime;
use uuid::Uuid;

/// A code that is to be sent. Not `Debug`: whoever sees it can confirm the address.
pub struct NewVerification {
    /// Its id.
    pub id: Uuid,
    /// Whose address it proves.
    pub customer_id: CustomerId,
    /// On which channel.
    pub channel: Channel,
    /// Which address.
    pub address: String,
    /// What that comes down to.
    pub address_key: Vec<u8>,
    /// The code.
    pub code: String,
    /// When it was made.
    pub created_at: OffsetDateTime,
    /// Until when it counts.
    pub expires_at: OffsetDateTime,
}

/// A code whose turn to be sent has come.
#[derive(Clone, FromRow)]
pub struct DueVerification {
    /// Its id.
    pub id: Uuid,
    /// Whose address it proves.
    pub customer_id: CustomerId,
    /// On which channel.
    pub channel: Channel,
    /// Which address.
    pub address: String,
    /// The code.
    pub code: String,
    /// Until when it counts.
    pub expires_at: OffsetDateTime,
    /// How often sending was begun, this one included.
    pub attempts: i32,
    /// The language of the customer.
    pub language: Option<Language>,
    /// It is the address that is in use.
    pub is_present: bool,
    /// The secret of the web-hook.
    pub webhook_secret: Option<Vec<u8>>,
}

/// The code that counts.
#[derive(FromRow)]
pub struct Pending {
    /// Its id.
    pub id: Uuid,
    /// The address that it proves.
    pub address: String,
    /// The code.
    pub code: String,
    /// Wrong codes that were tried.
    pub tries: i32,
    /// When it was made.
    pub created_at: OffsetDateTime,
    /// Until when it counts.
    pub expires_at: OffsetDateTime,
}

/// How many codes there were.
#[derive(Clone, Copy, Debug, FromRow)]
pub struct Asked {
    /// Of this customer.
    pub by_customer: i64,
    /// To this address, of whichever customer.
    pub to_address: i64,
    /// The last one of this customer to this address.
    pub last_at: Option<OffsetDateTime>,
}

/// How many codes there were since then.
///
/// # Errors
/// What the database says.
pub async fn asked(
    tx: &mut PgConnection,
    customer_id: CustomerId,
    channel: Channel,
    address_key: &[u8],
    since: OffsetDateTime,
) -> Result<Asked, sqlx::Error> {
    sqlx::query_as(
        "SELECT (SELECT count(*) FROM verification WHERE customer_id = $1 AND created_at >= $4) AS by_customer,
                (SELECT count(*) FROM verification WHERE address_key = $3 AND created_at >= $4) AS to_address,
                (SELECT max(created_at) FROM verification
                  WHERE customer_id = $1 AND channel = $2 AND address_key = $3) AS last_at",
    )
    .bind(customer_id)
    .bind(channel)
    .bind(address_key)
    .bind(since)
    .fetch_one(tx)
    .await
}

/// Makes those who ask for a code for the same customer or address wait for each other,
/// so that a bound is one also for those who ask at once.
///
/// # Errors
/// What the database says.
pub async fn take_turn(
    tx: &mut PgConnection,
    customer_id: CustomerId,
    address_key: &[u8],
) -> Result<(), sqlx::Error> {
    // In this order always: nobody waits for somebody who waits for them.
    sqlx::query(
        "SELECT pg_advisory_xact_lock(2, key) FROM (
            SELECT hashtext($1) AS key UNION SELECT hashtext(encode($2, 'hex')) ORDER BY key) AS keys",
    )
    .bind(customer_id.to_string())
    .bind(address_key)
    .execute(tx)
    .await?;
    Ok(())
}

/// Keeps a code; it is sent at once.
///
/// # Errors
/// What the database says.
pub async fn insert(tx: &mut PgConnection, new: &NewVerification) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO verification (id, customer_id, channel, address, code, created_at, expires_at, due_at, address_key)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $6, $8)",
    )
    .bind(new.id)
    .bind(new.customer_id)
    .bind(new.channel)
    .bind(&new.address)
    .bind(&new.code)
    .bind(new.created_at)
    .bind(new.expires_at)
    .bind(&new.address_key)
    .execute(tx)
    .await?;
    Ok(())
}

/// The newest code of a customer and channel, locked.
///
/// # Errors
/// What the database says.
pub async fn newest(
    tx: &mut PgConnection,
    customer_id: CustomerId,
    channel: Channel,
) -> Result<Option<Pending>, sqlx::Error> {
    sqlx::query_as(
        "SELECT id, address, code, tries, created_at, expires_at FROM verification
          WHERE customer_id = $1 AND channel = $2
          ORDER BY created_at DESC LIMIT 1 FOR UPDATE",
    )
    .bind(customer_id)
    .bind(channel)
    .fetch_optional(tx)
    .await
}

/// How far a code is that counts.
#[derive(Debug, FromRow)]
pub struct Underway {
    /// On which channel.
    pub channel: Channel,
    /// The address that it proves.
    pub address: String,
    /// When it was sent.
    pub sent_at: Option<OffsetDateTime>,
    /// It is still to be sent.
    pub is_due: bool,
    /// Until when it counts.
    pub expires_at: OffsetDateTime,
}

/// The codes of a customer that count, the newest of each channel.
///
/// # Errors
/// What the database says.
pub async fn underway(
    db: impl PgExecutor<'_>,
    customer_id: CustomerId,
    tries_max: i32,
    now: OffsetDateTime,
) -> Result<Vec<Underway>, sqlx::Error> {
    sqlx::query_as(
        "SELECT * FROM (
            SELECT DISTINCT ON (channel) channel, address, sent_at, due_at IS NOT NULL AS is_due, expires_at, tries
              FROM verification WHERE customer_id = $1
             ORDER BY channel, created_at DESC) AS newest
          WHERE expires_at > $2 AND tries < $3",
    )
    .bind(customer_id)
    .bind(now)
    .bind(tries_max)
    .fetch_all(db)
    .await
}

/// Counts a wrong code.
///
/// # Errors
/// What the database says.
pub async fn count_wrong(tx: &mut PgConnection, id: Uuid) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE verification SET tries = tries + 1 WHERE id = $1")
        .bind(id)
        .execute(tx)
        .await?;
    Ok(())
}

/// Takes codes that are to be sent, so that nobody else does before `lease_until`.
///
/// # Errors
/// What the database says.
pub async fn take_due(
    pool: &PgPool,
    channel: Channel,
    now: OffsetDateTime,
    lease_until: OffsetDateTime,
    limit: i64,
) -> Result<Vec<DueVerification>, sqlx::Error> {
    sqlx::query_as(
        "WITH due AS (
            SELECT id FROM verification WHERE channel = $4 AND due_at <= $1
             ORDER BY due_at LIMIT $3 FOR UPDATE SKIP LOCKED
         ), taken AS (
            UPDATE verification v SET due_at = $2, attempts = v.attempts + 1
              FROM due WHERE v.id = due.id
            RETURNING v.*
         )
         SELECT t.id, t.customer_id, t.channel, t.address, t.code, t.expires_at, t.attempts,
                r.language, w.secret AS webhook_secret,
                COALESCE(t.address = CASE t.channel WHEN 'mail' THEN r.user_email
                         WHEN 'sms' THEN r.user_mobile ELSE w.url END, false) AS is_present
           FROM taken t
           LEFT JOIN recipient r ON r.customer_id = t.customer_id
           LEFT JOIN webhook w ON w.customer_id = t.customer_id AND w.url = t.address",
    )
    .bind(now)
    .bind(lease_until)
    .bind(limit)
    .bind(channel)
    .fetch_all(pool)
    .await
}

/// Notes what became of sending: when it is sent again, or never.
///
/// # Errors
/// What the database says.
pub async fn end_sending(
    db: impl PgExecutor<'_>,
    id: Uuid,
    sent_at: Option<OffsetDateTime>,
    due_at: Option<OffsetDateTime>,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE verification SET sent_at = $2, due_at = $3 WHERE id = $1 AND due_at IS NOT NULL",
    )
    .bind(id)
    .bind(sent_at)
    .bind(due_at)
    .execute(db)
    .await?;
    Ok(())
}

/// Ends the codes of a customer and channel: none of them counts, or is sent, any more.
///
/// # Errors
/// What the database says.
pub async fn end_codes(
    tx: &mut PgConnection,
    customer_id: CustomerId,
    channel: Channel,
    now: OffsetDateTime,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE verification SET expires_at = $3, due_at = NULL
          WHERE customer_id = $1 AND channel = $2 AND expires_at > $3",
    )
    .bind(customer_id)
    .bind(channel)
    .bind(now)
    .execute(tx)
    .await?;
    Ok(())
}

/// Removes codes of before.
///
/// # Errors
/// What the database says.
pub async fn purge(pool: &PgPool, before: OffsetDateTime) -> Result<u64, sqlx::Error> {
    let done = sqlx::query("DELETE FROM verification WHERE created_at < $1")
        .bind(before)
        .execute(pool)
        .await?;
    Ok(done.rows_affected())
}
