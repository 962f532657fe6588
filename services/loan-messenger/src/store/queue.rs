//! The queue as operators see it: how long it is, what got lost in it, what is
//! put back into it.

use ::events::codes::{Channel, DeliveryState, MessageKind};
use ::events::{CustomerId, MessageId};
use common::admin::Selection;
use serde::Serialize;
use sqlx::{FromRow, PgConnection, PgPool, QueryBuilder};
use time::OffsetDateTime;

/// How far the count of what waits goes.
pub const COUNT_MAX: i64 = 1_000_000;

/// What waits.
#[derive(Clone, Copy, Debug, FromRow)]
pub struct Backlog {
    /// Messages that wait, up to [`COUNT_MAX`].
    pub waiting: i64,
    /// Customers whose messages wait for something that they must do.
    pub held: i64,
    /// When the oldest message was written that waits for us, by the channel that it
    /// is to go by.
    pub oldest_mail_at: Option<OffsetDateTime>,
    /// The same.
    pub oldest_sms_at: Option<OffsetDateTime>,
    /// The same.
    pub oldest_webhook_at: Option<OffsetDateTime>,
}

impl Backlog {
    /// When the oldest was written, by channel.
    #[must_use]
    pub const fn oldest(&self) -> [(Channel, Option<OffsetDateTime>); 3] {
        [
            (Channel::Mail, self.oldest_mail_at),
            (Channel::Sms, self.oldest_sms_at),
            (Channel::Webhook, self.oldest_webhook_at),
        ]
    }
}

/// What waits.
///
/// # Errors
/// What the database says.
pub async fn backlog(pool: &PgPool) -> Result<Backlog, sqlx::Error> {
    sqlx::query_as(
        "SELECT (SELECT count(*) FROM (SELECT 1 FROM delivery WHERE state = 'waiting' LIMIT $1) AS d)
                    AS waiting,
                (SELECT count(*) FROM (SELECT 1 FROM turn WHERE held LIMIT $1) AS h) AS held,
                (SELECT min(since) FROM turn WHERE NOT held AND lane = 'mail') AS oldest_mail_at,
                (SELECT min(since) FROM turn WHERE NOT held AND lane = 'sms') AS oldest_sms_at,
                (SELECT min(since) FROM turn WHERE NOT held AND lane = 'webhook') AS oldest_webhook_at",
    )
    .bind(COUNT_MAX)
    .fetch_one(pool)
    .await
}

/// Gives a turn to customers whose messages wait without one. There should be none; if
/// there are, they are not to wait for somebody to notice.
///
/// # Errors
/// What the database says.
pub async fn sweep(pool: &PgPool, now: OffsetDateTime) -> Result<u64, sqlx::Error> {
    let done = sqlx::query(
        "INSERT INTO turn (customer_id, lane, due_at, since)
         SELECT d.customer_id, 'mail', $1, min(d.created_at) FROM delivery d
          WHERE d.state = 'waiting'
            AND NOT EXISTS (SELECT 1 FROM turn t WHERE t.customer_id = d.customer_id)
          GROUP BY d.customer_id LIMIT 10000
         ON CONFLICT (customer_id) DO NOTHING",
    )
    .bind(now)
    .execute(pool)
    .await?;
    Ok(done.rows_affected())
}

/// Removes attempts of before, at most `limit` of them.
///
/// # Errors
/// What the database says.
pub async fn purge_attempts(
    pool: &PgPool,
    before: OffsetDateTime,
    limit: i64,
) -> Result<u64, sqlx::Error> {
    // Those of what still waits are few, and are left to whoever wonders why it does.
    let done = sqlx::query(
        "DELETE FROM attempt WHERE ctid = ANY(ARRAY(
            SELECT a.ctid FROM attempt a JOIN delivery d ON d.message_id = a.message_id
             WHERE a.begun_at < $1 AND d.state <> 'waiting' LIMIT $2))",
    )
    .bind(before)
    .bind(limit)
    .execute(pool)
    .await?;
    Ok(done.rows_affected())
}

/// A message as operators see it; nothing of the text, nothing of the address.
#[derive(Clone, Debug, FromRow, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// The message.
    pub message_id: MessageId,
    /// To whom.
    pub customer_id: CustomerId,
    /// Its number among the customer's.
    pub seq: i64,
    /// What it tells.
    pub kind: MessageKind,
    /// What became of it.
    pub state: DeliveryState,
    /// By which channel it went, or was tried last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<Channel>,
    /// How often it was sent anew, from 1.
    pub round: i32,
    /// How often sending was begun.
    pub attempts: i32,
    /// Why it is not sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When it was written.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When it was sent, or ended otherwise.
    #[serde(with = "time::serde::rfc3339::option", skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<OffsetDateTime>,
}

/// One attempt.
#[derive(Clone, Debug, FromRow, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Attempt {
    /// Which, from 1.
    pub number: i32,
    /// By which channel.
    pub channel: Channel,
    /// When it was begun.
    #[serde(with = "time::serde::rfc3339")]
    pub begun_at: OffsetDateTime,
    /// When it ended; absent if whoever made it has died, or is at it.
    #[serde(with = "time::serde::rfc3339::option", skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<OffsetDateTime>,
    /// How: `sent`, `failed`, `refused`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// The other side's code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

const KEY: &str = "d.message_id";

/// Those of a selection, in the order of their ids, which is that of their writing.
///
/// # Errors
/// What the database says.
pub async fn entries(
    pool: &PgPool,
    selection: &Selection,
    state: Option<DeliveryState>,
    customer_id: Option<CustomerId>,
) -> Result<Vec<Entry>, sqlx::Error> {
    let mut query = QueryBuilder::new(
        "SELECT d.message_id, d.customer_id, d.seq, m.kind, d.state, d.channel, d.round, d.attempts,
                d.reason, d.created_at, d.ended_at
           FROM delivery d JOIN message m ON m.id = d.message_id",
    );
    selection.push_where(&mut query, KEY);
    if let Some(state) = state {
        query.push(" AND d.state = ").push_bind(state);
    }
    if let Some(customer_id) = customer_id {
        query.push(" AND d.customer_id = ").push_bind(customer_id);
    }
    selection.push_order(&mut query, KEY);
    query.build_query_as().fetch_all(pool).await
}

/// How many of a customer's messages wait, and why the first of them has not gone.
///
/// # Errors
/// What the database says.
pub async fn waiting(
    pool: &PgPool,
    customer_id: CustomerId,
) -> Result<(i64, Option<String>), sqlx::Error> {
    sqlx::query_as(
        "SELECT count(*), (array_agg(reason ORDER BY seq))[1] FROM delivery
          WHERE customer_id = $1 AND state = 'waiting'",
    )
    .bind(customer_id)
    .fetch_one(pool)
    .await
}

/// Those of `ids` that were never to be sent, or never were.
///
/// # Errors
/// What the database says.
pub async fn unknown(
    tx: &mut PgConnection,
    ids: &[MessageId],
) -> Result<Vec<MessageId>, sqlx::Error> {
    sqlx::query_scalar(
        "SELECT id FROM unnest($1::uuid[]) AS asked (id)
          WHERE NOT EXISTS (SELECT FROM delivery WHERE message_id = id)",
    )
    .bind(ids.iter().map(|id| id.as_uuid()).collect::<Vec<_>>())
    .fetch_all(tx)
    .await
}

/// What a message that waits is waiting for.
#[derive(Clone, Debug, FromRow, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Turn {
    /// The number of the customer's message that goes first; its own, if it is the first.
    pub first_seq: i64,
    /// When that one is looked at next.
    #[serde(with = "time::serde::rfc3339")]
    pub due_at: OffsetDateTime,
}

/// What a message waits for; `None` if it does not wait.
///
/// # Errors
/// What the database says.
pub async fn turn(pool: &PgPool, id: MessageId) -> Result<Option<Turn>, sqlx::Error> {
    sqlx::query_as(
        "SELECT (SELECT min(seq) FROM delivery first
                  WHERE first.customer_id = d.customer_id AND first.state = 'waiting') AS first_seq,
                turn.due_at
           FROM delivery d JOIN turn USING (customer_id)
          WHERE d.message_id = $1 AND d.state = 'waiting'",
    )
    .bind(id)
    .fetch_optional(pool)
    .await
}

/// The attempts to send a message, in their order.
///
/// # Errors
/// What the database says.
pub async fn attempts(pool: &PgPool, id: MessageId) -> Result<Vec<Attempt>, sqlx::Error> {
    sqlx::query_as(
        "SELECT number, channel, begun_at, ended_at, outcome, detail FROM attempt
          WHERE message_id = $1 ORDER BY number DESC LIMIT 1000",
    )
    .bind(id)
    .fetch_all(pool)
    .await
}

/// Which of those that ended are put back.
#[derive(Clone, Debug)]
pub enum Again {
    /// These, however they ended, under a new id.
    These(Vec<MessageId>),
    /// Those that did not arrive since then; they keep their id, so that one which did
    /// arrive after all is known for what it is.
    LostSince {
        /// Since when.
        since: OffsetDateTime,
        /// Until when: what fails anew is not put back for ever.
        until: OffsetDateTime,
        /// Only those that did not go by this channel.
        channel: Option<Channel>,
        /// Only those that did not go for this reason.
        reason: Option<String>,
        /// How many at most.
        limit: i64,
    },
}

/// Puts messages back into the queue, and says which. Nothing goes to a customer who
/// was removed: that is found out when it is to be sent.
///
/// # Errors
/// What the database says.
pub async fn put_back(
    tx: &mut PgConnection,
    again: &Again,
    now: OffsetDateTime,
    give_up_at: OffsetDateTime,
) -> Result<Vec<MessageId>, sqlx::Error> {
    let mut query = QueryBuilder::new("WITH chosen AS (SELECT message_id FROM delivery WHERE ");
    let rounds = match again {
        Again::These(ids) => {
            let ids: Vec<_> = ids.iter().map(|id| id.as_uuid()).collect();
            query.push("message_id = ANY(").push_bind(ids).push(") AND state <> 'waiting'");
            1
        }
        Again::LostSince { since, until, channel, reason, limit } => {
            query.push("state IN ('failed', 'given-up') AND ended_at >= ").push_bind(*since);
            query.push(" AND ended_at < ").push_bind(*until);
            if let Some(channel) = channel {
                query.push(" AND channel = ").push_bind(*channel);
            }
            if let Some(reason) = reason {
                query.push(" AND reason = ").push_bind(reason.clone());
            }
            query.push(" ORDER BY ended_at LIMIT ").push_bind(*limit);
            0
        }
    };
    query.push(" FOR UPDATE), back AS (UPDATE delivery d SET state = 'waiting', ended_at = NULL, tries = 0,");
    query.push(" reason = NULL, round = d.round + ").push_bind(rounds);
    query.push(", give_up_at = ").push_bind(give_up_at);
    query.push(
        " FROM chosen WHERE d.message_id = chosen.message_id
           RETURNING d.message_id, d.customer_id),
         turns AS (INSERT INTO turn (customer_id, lane, due_at, since, released_at)
           SELECT DISTINCT customer_id, 'mail', ",
    );
    for and in [", ", ", ", ""] {
        query.push_bind(now).push("::timestamptz").push(and);
    }
    // They wait from now on.
    query.push(
        " FROM back
           ON CONFLICT (customer_id) DO UPDATE
              SET due_at = CASE WHEN turn.leased_until IS NULL
                                THEN least(turn.due_at, excluded.due_at) ELSE turn.due_at END,
                  held = false, released_at = excluded.released_at)
         SELECT message_id FROM back ORDER BY message_id",
    );
    query.build_query_scalar().fetch_all(tx).await
}
