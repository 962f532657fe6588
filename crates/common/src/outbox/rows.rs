//! The relay's view of the outbox.

use sqlx::{FromRow, PgConnection};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::db::ExpectRows;
use crate::event::Attributes;

/// An event that waits to be sent.
#[derive(Debug, FromRow)]
pub(super) struct Row {
    pub(super) id: i64,
    pub(super) event_id: Uuid,
    pub(super) topic: String,
    pub(super) key: String,
    event_type: String,
    source: String,
    subject: String,
    occurred_at: OffsetDateTime,
    pub(super) payload: Option<String>,
    traceparent: Option<String>,
    pub(super) created_at: OffsetDateTime,
}

impl Row {
    pub(super) fn attributes(&self) -> Attributes<'_> {
        Attributes {
            id: self.event_id,
            event_type: &self.event_type,
            source: &self.source,
            subject: &self.subject,
            time: self.occurred_at,
            traceparent: self.traceparent.as_deref(),
        }
    }
}

/// The oldest events that were not sent, in the order of sending.
pub(super) async fn unsent(
    connection: &mut PgConnection,
    limit: i64,
) -> Result<Vec<Row>, sqlx::Error> {
    sqlx::query_as(
        "SELECT id, event_id, topic, key, event_type, source, subject, occurred_at, payload, traceparent, created_at
         FROM outbox WHERE sent_at IS NULL ORDER BY id LIMIT $1",
    )
    .bind(limit)
    .fetch_all(connection)
    .await
}

/// Marks events that the broker has acknowledged.
pub(super) async fn mark_sent(
    connection: &mut PgConnection,
    ids: &[i64],
) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE outbox SET sent_at = now() WHERE id = ANY($1) AND sent_at IS NULL")
        .bind(ids)
        .execute(connection)
        .await?
        .expect_rows(ids.len() as u64)
}

/// How many wait (counted up to `limit`), and for how many seconds the oldest has.
pub(super) async fn backlog(
    connection: &mut PgConnection,
    limit: i64,
) -> Result<(i64, f64), sqlx::Error> {
    sqlx::query_as(
        "SELECT count(*), coalesce(extract(epoch FROM clock_timestamp() - min(created_at)), 0)::float8
         FROM (SELECT created_at FROM outbox WHERE sent_at IS NULL ORDER BY id LIMIT $1) AS waiting",
    )
    .bind(limit)
    .fetch_one(connection)
    .await
}

/// Takes the lock that makes this connection the service's one relay. It lasts
/// as long as the connection does. The database is shared by several services,
/// so the lock is named after the schema.
pub(super) async fn try_lock(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar(
        "SELECT pg_try_advisory_lock(hashtext('outbox relay'), hashtext(current_schema()))",
    )
    .fetch_one(connection)
    .await
}
