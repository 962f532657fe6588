//! `message`, and `mailbox` whose lock puts a customer's messages in order.

use std::collections::HashMap;

use ::events::codes::{Channel, DeliveryState, MessageKind};
use ::events::{CustomerId, Language, LoanId, LoanRequestId, MessageId};
use common::db::column;
use common::hal::Total;
use sqlx::{PgConnection, PgPool, Postgres, QueryBuilder};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::domain::viewer::Scope;

/// The channel that GET /loanMessengers reads.
pub const MAILBOX: &str = "mailbox";

/// A message that is to be written.
#[derive(Debug)]
pub struct NewMessage {
    /// Its id.
    pub id: MessageId,
    /// The event that it tells of.
    pub event_id: Uuid,
    /// The request that it is about.
    pub loan_request_id: LoanRequestId,
    /// The loan that it is about, where it is known.
    pub loan_id: Option<LoanId>,
    /// To whom.
    pub customer_id: CustomerId,
    /// What it tells.
    pub kind: MessageKind,
    /// In which language.
    pub language: Language,
    /// One line.
    pub subject: String,
    /// Plain text.
    pub body: String,
    /// What a short message says.
    pub short: String,
    /// When.
    pub created_at: OffsetDateTime,
}

/// A message as it is kept.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Message {
    /// Its id.
    pub id: MessageId,
    /// Its place among all messages.
    pub position: i64,
    /// The request that it is about.
    pub loan_request_id: LoanRequestId,
    /// The loan that it is about, where it is known.
    pub loan_id: Option<LoanId>,
    /// To whom.
    pub customer_id: CustomerId,
    /// Its number among the customer's.
    pub seq: i64,
    /// What it tells.
    pub kind: MessageKind,
    /// In which language.
    pub language: Language,
    /// One line.
    pub subject: String,
    /// Plain text.
    pub body: String,
    /// How it goes out; the mailbox, if it does not; `None` before it is tried first, because
    /// until then the customer may choose.
    pub channel: Option<Channel>,
    /// When it was written.
    pub created_at: OffsetDateTime,
    /// When it reached its channel.
    pub sent_at: Option<OffsetDateTime>,
    /// What became of sending it; `None` if it is in the mailbox only.
    pub delivery: Option<DeliveryState>,
    /// Why it was not sent (yet).
    pub reason: Option<String>,
}

// A message that is not sent by any other channel has reached the mailbox, at once.
const MESSAGES: &str = "SELECT m.id, m.position, m.loan_request_id, m.loan_id, m.customer_id, m.seq, m.kind,
    m.language, m.subject, m.body, CASE WHEN d.message_id IS NULL THEN m.channel ELSE d.channel END AS channel, m.created_at,
    CASE WHEN d.message_id IS NULL THEN m.sent_at WHEN d.state = 'sent' THEN d.ended_at END AS sent_at,
    d.state AS delivery, d.reason
    FROM message m LEFT JOIN delivery d ON d.message_id = m.id";

/// Where a page begins.
#[derive(Debug, Clone, Copy)]
pub enum Start {
    /// After so many messages.
    Offset(i64),
    /// Behind the message with this position.
    Behind(i64),
}

/// Waits for the other instances' transactions that work on events, and makes
/// the next ones wait for this one.
///
/// A transaction writes to many mailboxes and turns, in the order of its events. Two of
/// them that meet the same two customers in different order would each wait
/// for the other; taken one after the other they cannot.
///
/// # Errors
/// What the database says.
pub async fn take_turn(tx: &mut PgConnection) -> Result<(), sqlx::Error> {
    // Such locks belong to the whole database; the table's own id keeps this
    // one apart from other services'. A row lock would do as well, but it would
    // leave a dead row behind for every event.
    sqlx::query("SELECT pg_advisory_xact_lock(1, 'message'::regclass::oid::int)")
        .execute(tx)
        .await?;
    Ok(())
}

/// Puts messages into their customers' mailboxes, in their order; says of each event that
/// there was no message for which number its message has there.
///
/// # Errors
/// What the database says.
pub async fn insert(
    tx: &mut PgConnection,
    messages: &[NewMessage],
) -> Result<HashMap<Uuid, i64>, sqlx::Error> {
    let numbers: Vec<(Uuid, i64)> = sqlx::query_as(
        "WITH new AS (
            SELECT told.*, row_number() OVER (PARTITION BY customer_id ORDER BY place) AS nth,
                   count(*) OVER (PARTITION BY customer_id) AS news
              FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::uuid[], $6::text[], $7::text[],
                          $8::text[], $9::text[], $10::text[], $11::timestamptz[]) WITH ORDINALITY
                   AS told(id, event_id, loan_request_id, loan_id, customer_id, kind, language,
                           subject, body, short, created_at, place)
             WHERE NOT EXISTS (SELECT 1 FROM message WHERE message.event_id = told.event_id)
         ), mailboxes AS (
            INSERT INTO mailbox (customer_id, last_seq) SELECT customer_id, news FROM new WHERE nth = 1
            ON CONFLICT (customer_id) DO UPDATE SET last_seq = mailbox.last_seq + excluded.last_seq
            RETURNING customer_id, last_seq
         )
         INSERT INTO message (id, event_id, loan_request_id, loan_id, customer_id, seq, kind, language,
                              subject, body, short, channel, created_at, sent_at)
         SELECT id, event_id, loan_request_id, loan_id, customer_id, last_seq - news + nth, kind, language,
                subject, body, short, $12, created_at, created_at
           FROM new JOIN mailboxes USING (customer_id)
          ORDER BY place
         RETURNING event_id, seq",
    )
    .bind(column(messages, |one| one.id))
    .bind(column(messages, |one| one.event_id))
    .bind(column(messages, |one| one.loan_request_id))
    .bind(column(messages, |one| one.loan_id))
    .bind(column(messages, |one| one.customer_id))
    .bind(column(messages, |one| one.kind))
    .bind(column(messages, |one| one.language))
    .bind(column(messages, |one| one.subject.as_str()))
    .bind(column(messages, |one| one.body.as_str()))
    .bind(column(messages, |one| one.short.as_str()))
    .bind(column(messages, |one| one.created_at))
    .bind(MAILBOX)
    .fetch_all(tx)
    .await?;
    Ok(numbers.into_iter().collect())
}

/// One message, if it is in the scope.
///
/// # Errors
/// What the database says.
pub async fn find(
    pool: &PgPool,
    scope: Scope,
    id: MessageId,
) -> Result<Option<Message>, sqlx::Error> {
    let Some(mut query) = within(scope, MESSAGES.to_owned()) else {
        return Ok(None);
    };
    query.push(" AND m.id = ").push_bind(id);
    query.build_query_as().fetch_optional(pool).await
}

/// At most `limit` messages of the scope.
///
/// # Errors
/// What the database says.
pub async fn list(
    pool: &PgPool,
    scope: Scope,
    newest_first: bool,
    start: Start,
    limit: i64,
) -> Result<Vec<Message>, sqlx::Error> {
    let Some(mut query) = within(scope, MESSAGES.to_owned()) else {
        return Ok(Vec::new());
    };
    if let Start::Behind(position) = start {
        query
            .push(if newest_first { " AND m.position < " } else { " AND m.position > " })
            .push_bind(position);
    }
    query.push(if newest_first { " ORDER BY m.position DESC" } else { " ORDER BY m.position" });
    query.push(" LIMIT ").push_bind(limit);
    if let Start::Offset(skipped) = start {
        query.push(" OFFSET ").push_bind(skipped);
    }
    query.build_query_as().fetch_all(pool).await
}

/// How many messages the scope has, counted up to [`Total::COUNT_LIMIT`].
///
/// # Errors
/// What the database says.
pub async fn count(pool: &PgPool, scope: Scope) -> Result<i64, sqlx::Error> {
    let Some(mut query) = within(scope, "SELECT count(*) FROM (SELECT 1 FROM message m".to_owned())
    else {
        return Ok(0);
    };
    query.push(" LIMIT ").push_bind(Total::COUNT_LIMIT).push(") AS counted");
    query.build_query_scalar().fetch_one(pool).await
}

/// The one place that narrows a query down to what may be seen.
fn within(scope: Scope, select: String) -> Option<QueryBuilder<Postgres>> {
    let Scope::Matching { customer_id, loan_id } = scope else {
        return None;
    };
    let mut query = QueryBuilder::new(select);
    query.push(" WHERE true");
    if let Some(customer_id) = customer_id {
        query.push(" AND m.customer_id = ").push_bind(customer_id);
    }
    if let Some(loan_id) = loan_id {
        query.push(" AND m.loan_id = ").push_bind(loan_id);
    }
    Some(query)
}
