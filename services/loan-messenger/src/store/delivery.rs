//! `delivery` and `turn`: what is to be sent, and whose turn it is. `attempt` is
//! written together with both.

use ::events::codes::{Channel, DeliveryState, MessageKind};
use ::events::{CustomerId, Language, LoanId, LoanRequestId, MessageId};
use sqlx::{AssertSqlSafe, FromRow, PgConnection, PgPool};
use time::OffsetDateTime;

use super::contact::{self, Contact};

/// A customer's next message, and how the customer can be reached. Not `Debug`, as the
/// contact.
#[derive(Clone, FromRow)]
pub struct Head {
    /// Whose turn it is.
    pub customer_id: CustomerId,
    /// The message; `None` if there is nothing more to send.
    #[sqlx(flatten)]
    pub message: Waiting,
    /// How to reach the customer.
    #[sqlx(flatten)]
    pub contact: Contact,
}

/// The message of a [`Head`]; all `None` if there is none.
#[derive(Clone, FromRow)]
pub struct Waiting {
    /// The message.
    pub message_id: Option<MessageId>,
    /// Its number among the customer's.
    pub seq: Option<i64>,
    /// How often it was sent anew.
    pub round: Option<i32>,
    /// How often sending was begun, in all.
    pub attempts: Option<i32>,
    /// And in this round.
    pub tries: Option<i32>,
    /// When it is not tried any more.
    pub give_up_at: Option<OffsetDateTime>,
    /// When it was written.
    pub created_at: Option<OffsetDateTime>,
    /// What it tells.
    pub kind: Option<MessageKind>,
    /// In which language.
    pub language: Option<Language>,
    /// The request that it is about.
    pub loan_request_id: Option<LoanRequestId>,
    /// The loan that it is about.
    pub loan_id: Option<LoanId>,
    /// One line.
    pub subject: Option<String>,
    /// Plain text.
    pub body: Option<String>,
    /// What a short message says.
    pub short: Option<String>,
}

/// How an attempt ended.
#[derive(Clone, Debug)]
pub struct Ended {
    /// The message.
    pub message_id: MessageId,
    /// Which attempt.
    pub number: i32,
    /// `sent`, `failed` or `refused`.
    pub outcome: &'static str,
    /// The other side's code.
    pub detail: Option<String>,
    /// What the message is now.
    pub state: DeliveryState,
    /// Why it is not sent.
    pub reason: Option<String>,
    /// When the customer's turn comes again.
    pub next_at: OffsetDateTime,
    /// When it ended.
    pub at: OffsetDateTime,
}

/// Whether anybody's turn has come.
///
/// # Errors
/// What the database says.
pub async fn is_anything_due(
    pool: &PgPool,
    lane: Channel,
    now: OffsetDateTime,
) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM turn WHERE lane = $1 AND due_at <= $2 AND (leased_until IS NULL OR leased_until <= $2))")
        .bind(lane)
        .bind(now)
        .fetch_one(pool)
        .await
}

/// Locks the turns that have come, those that nobody else has, the longest overdue
/// first; and says what is next in each. Two statements, because the second must see
/// what was committed before the lock was had.
///
/// # Errors
/// What the database says.
pub async fn take_turns(
    tx: &mut PgConnection,
    lane: Channel,
    now: OffsetDateTime,
    limit: i64,
) -> Result<Vec<Head>, sqlx::Error> {
    let customers: Vec<CustomerId> = sqlx::query_scalar(
        "SELECT customer_id FROM turn
          WHERE lane = $1 AND due_at <= $2 AND (leased_until IS NULL OR leased_until <= $2)
          ORDER BY due_at LIMIT $3 FOR UPDATE SKIP LOCKED",
    )
    .bind(lane)
    .bind(now)
    .bind(limit)
    .fetch_all(&mut *tx)
    .await?;
    let sql = format!(
        "SELECT c.customer_id, d.message_id, d.seq, d.round, d.attempts, d.tries, d.give_up_at,
                d.created_at, m.kind, m.language, m.loan_request_id, m.loan_id, m.subject, m.body,
                m.short, {columns}
           FROM unnest($1::uuid[]) AS c (customer_id)
           LEFT JOIN LATERAL (SELECT * FROM delivery
                               WHERE customer_id = c.customer_id AND state = 'waiting'
                               ORDER BY seq LIMIT 1) AS d ON true
           LEFT JOIN message m ON m.id = d.message_id {joins}",
        columns = contact::COLUMNS,
        joins = contact::JOINS,
    );
    let customers: Vec<_> = customers.iter().map(|id| id.as_uuid()).collect();
    sqlx::query_as(AssertSqlSafe(sql)).bind(customers).fetch_all(tx).await
}

/// Ends turns: there is nothing more to send.
///
/// # Errors
/// What the database says.
pub async fn end_turns(tx: &mut PgConnection, customers: &[CustomerId]) -> Result<(), sqlx::Error> {
    let customers: Vec<_> = customers.iter().map(|id| id.as_uuid()).collect();
    sqlx::query("DELETE FROM turn WHERE customer_id = ANY($1)").bind(customers).execute(tx).await?;
    Ok(())
}

/// A turn that is put off.
#[derive(Clone, Copy, Debug)]
pub struct PutOff {
    /// Whose.
    pub customer_id: CustomerId,
    /// Whose workers look at it then.
    pub lane: Channel,
    /// When.
    pub due_at: OffsetDateTime,
    /// It waits for something that the customer must do.
    pub is_held: bool,
    /// When its message was written.
    pub created_at: OffsetDateTime,
}

/// Puts turns off.
///
/// # Errors
/// What the database says.
pub async fn put_off(tx: &mut PgConnection, turns: &[PutOff]) -> Result<(), sqlx::Error> {
    let customers: Vec<_> = turns.iter().map(|turn| turn.customer_id.as_uuid()).collect();
    let lanes: Vec<_> = turns.iter().map(|turn| turn.lane).collect();
    let dues: Vec<_> = turns.iter().map(|turn| turn.due_at).collect();
    let helds: Vec<_> = turns.iter().map(|turn| turn.is_held).collect();
    let written: Vec<_> = turns.iter().map(|turn| turn.created_at).collect();
    sqlx::query(
        "UPDATE turn SET lane = o.lane, due_at = o.due_at, leased_until = NULL, held = o.held,
                         since = greatest(o.created_at, turn.released_at)
           FROM unnest($1::uuid[], $2::text[], $3::timestamptz[], $4::bool[], $5::timestamptz[])
                AS o (customer_id, lane, due_at, held, created_at)
          WHERE turn.customer_id = o.customer_id",
    )
    .bind(customers)
    .bind(lanes)
    .bind(dues)
    .bind(helds)
    .bind(written)
    .execute(tx)
    .await?;
    Ok(())
}

/// Messages of which sending begins.
#[derive(Debug, FromRow)]
pub struct Begun {
    /// Those that wait still; no others are sent.
    pub messages: Vec<MessageId>,
    /// Attempts of before whose maker has died: nobody knows how they ended.
    pub abandoned: i64,
}

/// Writes down that sending begins, and that nobody else looks at these turns before
/// `lease_until`. The turns are locked already.
///
/// # Errors
/// What the database says.
pub async fn begin(
    tx: &mut PgConnection,
    messages: &[MessageId],
    channel: Channel,
    now: OffsetDateTime,
    lease_until: OffsetDateTime,
) -> Result<Begun, sqlx::Error> {
    let ids: Vec<_> = messages.iter().map(|id| id.as_uuid()).collect();
    // Here and below `IS NOT DISTINCT FROM`, which the index of what waits does not answer: by
    // that all that waits would be read for one message, and after an outage much does.
    sqlx::query_as(
        "WITH begun AS (
            UPDATE delivery SET attempts = attempts + 1, tries = tries + 1, channel = $2
             WHERE message_id = ANY($1) AND state IS NOT DISTINCT FROM 'waiting'
            RETURNING message_id, customer_id, created_at, attempts
         ), abandoned AS (
            UPDATE attempt SET ended_at = $3, outcome = 'abandoned'
              FROM begun WHERE attempt.message_id = begun.message_id AND attempt.ended_at IS NULL
            RETURNING 1
         ), noted AS (
            INSERT INTO attempt (message_id, number, channel, begun_at)
            SELECT message_id, attempts, $2, $3 FROM begun
         ), leased AS (
            UPDATE turn SET due_at = $4, leased_until = $4, held = false,
                            since = greatest(begun.created_at, turn.released_at)
              FROM begun WHERE turn.customer_id = begun.customer_id
         )
         SELECT ARRAY(SELECT message_id FROM begun) AS messages,
                (SELECT count(*) FROM abandoned) AS abandoned",
    )
    .bind(ids)
    .bind(channel)
    .bind(now)
    .bind(lease_until)
    .fetch_one(tx)
    .await
}

/// Writes down how an attempt ended. If somebody else has begun another meanwhile
/// (because this one took longer than it may), only the attempt itself is noted;
/// `false` then.
///
/// # Errors
/// What the database says.
pub async fn end_attempt(pool: &PgPool, ended: &Ended) -> Result<bool, sqlx::Error> {
    let done = sqlx::query(
        "WITH noted AS (
            UPDATE attempt SET ended_at = $3, outcome = $4, detail = $5
             WHERE message_id = $1 AND number = $2 AND (ended_at IS NULL OR outcome = 'abandoned')
         ), settled AS (
            UPDATE delivery
               SET state = $6, reason = $7, ended_at = CASE WHEN $6 = 'waiting' THEN NULL ELSE $3 END
             WHERE message_id = $1 AND state IS NOT DISTINCT FROM 'waiting' AND attempts = $2
            RETURNING customer_id
         )
         UPDATE turn SET due_at = $8, leased_until = NULL
           FROM settled WHERE turn.customer_id = settled.customer_id",
    )
    .bind(ended.message_id)
    .bind(ended.number)
    .bind(ended.at)
    .bind(ended.outcome)
    .bind(&ended.detail)
    .bind(ended.state)
    .bind(&ended.reason)
    .bind(ended.next_at)
    .execute(pool)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Ends a message that is not sent.
///
/// # Errors
/// What the database says.
pub async fn end_unsent(
    tx: &mut PgConnection,
    message_id: MessageId,
    state: DeliveryState,
    reason: &str,
    now: OffsetDateTime,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE delivery SET state = $2, reason = $3, ended_at = $4
          WHERE message_id = $1 AND state IS NOT DISTINCT FROM 'waiting'",
    )
    .bind(message_id)
    .bind(state)
    .bind(reason)
    .bind(now)
    .execute(tx)
    .await?;
    Ok(())
}

/// Notes why a message waits.
///
/// # Errors
/// What the database says.
pub async fn note_reason(
    tx: &mut PgConnection,
    message_id: MessageId,
    reason: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE delivery SET reason = $2 WHERE message_id = $1 AND state IS NOT DISTINCT FROM 'waiting'")
        .bind(message_id)
        .bind(reason)
        .execute(tx)
        .await?;
    Ok(())
}

/// Something about a customer has changed: what is held is looked at again, and what pauses
/// too if it `goes_elsewhere` now. So is what is being held at this moment by somebody who has
/// not seen the change: this waits for their lock, and then finds what they wrote.
///
/// # Errors
/// What the database says.
pub async fn look_again(
    tx: &mut PgConnection,
    customer_id: CustomerId,
    goes_elsewhere: bool,
    now: OffsetDateTime,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE turn SET due_at = CASE WHEN held OR ($3 AND leased_until IS NULL) THEN $2 ELSE due_at END,
                         since = CASE WHEN held THEN $2 ELSE since END,
                         released_at = CASE WHEN held THEN $2 ELSE released_at END, held = false
          WHERE customer_id = $1",
    )
    .bind(customer_id)
    .bind(now)
    .bind(goes_elsewhere)
    .execute(tx)
    .await?;
    Ok(())
}

/// Nothing that waits for this customer is sent any more.
///
/// # Errors
/// What the database says.
pub async fn drop_all(
    tx: &mut PgConnection,
    customer_id: CustomerId,
    reason: &str,
    now: OffsetDateTime,
) -> Result<u64, sqlx::Error> {
    // The turn first: whoever has taken it is let finish that, and whoever comes later sees this.
    look_again(tx, customer_id, false, now).await?;
    let done = sqlx::query(
        "UPDATE delivery SET state = 'dropped', reason = $2, ended_at = $3
          WHERE customer_id = $1 AND state = 'waiting'",
    )
    .bind(customer_id)
    .bind(reason)
    .bind(now)
    .execute(tx)
    .await?;
    Ok(done.rows_affected())
}
