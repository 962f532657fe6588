//! The relay's view of the outbox.

use std::time::Duration;

use sqlx::{FromRow, PgConnection};
use time::OffsetDateTime;
use uuid::Uuid;

use super::stuck::{Stuck, Waiting};
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
    pub(super) traceparent: Option<String>,
    pub(super) created_at: OffsetDateTime,
    /// Which of the row's versions was read.
    row_version: String,
}

impl Row {
    #[cfg(test)]
    pub(super) fn for_test(topic: &str, key: &str) -> Self {
        let now = OffsetDateTime::UNIX_EPOCH;
        Self {
            id: 1,
            event_id: Uuid::nil(),
            topic: topic.to_owned(),
            key: key.to_owned(),
            event_type: "Noted".to_owned(),
            source: "/test".to_owned(),
            subject: key.to_owned(),
            occurred_at: now,
            payload: None,
            traceparent: None,
            created_at: now,
            row_version: String::new(),
        }
    }

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

/// The oldest events that were not sent, are not in the open transaction (`open`) and
/// are not stuck, in the order of sending.
pub(super) async fn unsent(
    connection: &mut PgConnection,
    limit: i64,
    open: &[i64],
    stuck: &Stuck,
) -> Result<Vec<Row>, sqlx::Error> {
    let (topics, keys): (Vec<&str>, Vec<&str>) = stuck.keys().unzip();
    sqlx::query_as(
        "SELECT id, event_id, topic, key, event_type, source, subject, occurred_at, payload, traceparent, created_at, xmin::text AS row_version
         FROM outbox WHERE sent_at IS NULL
         AND (topic, key) NOT IN (SELECT topic, key FROM unnest($2::text[], $3::text[]) AS stuck(topic, key))
         AND topic <> ALL($4) AND id NOT IN (SELECT unnest($5::bigint[]))
         ORDER BY id LIMIT $1",
    )
    .bind(limit)
    .bind(topics)
    .bind(keys)
    .bind(stuck.topics())
    .bind(open)
    .fetch_all(connection)
    .await
}

/// An event that was refused and whose time has come, by itself.
pub(super) async fn due(
    connection: &mut PgConnection,
    stuck: &mut Stuck,
) -> Result<Vec<Row>, sqlx::Error> {
    while let Some(waiting) = stuck.due() {
        let row = oldest_of(connection, &waiting).await?;
        if !row.is_empty() {
            return Ok(row);
        }
        stuck.remove(&waiting);
    }
    Ok(vec![])
}

/// The oldest event of one key, or of a whole topic, that was not sent.
async fn oldest_of(
    connection: &mut PgConnection,
    waiting: &Waiting,
) -> Result<Vec<Row>, sqlx::Error> {
    sqlx::query_as(
        "SELECT id, event_id, topic, key, event_type, source, subject, occurred_at, payload, traceparent, created_at, xmin::text AS row_version
         FROM outbox WHERE sent_at IS NULL AND topic = $1 AND key = coalesce($2, key) ORDER BY id LIMIT 1",
    )
    .bind(&waiting.0)
    .bind(&waiting.1)
    .fetch_all(connection)
    .await
}

/// Marks events that the broker has acknowledged. One that was asked for again since
/// it was read stays unsent: whoever asked has seen that the first did not help.
pub(super) async fn mark_sent(
    connection: &mut PgConnection,
    rows: &[Row],
) -> Result<(), sqlx::Error> {
    let (ids, versions): (Vec<i64>, Vec<&str>) =
        rows.iter().map(|row| (row.id, row.row_version.as_str())).unzip();
    // No join: where the statistics know few unsent rows, it would read all that wait for each
    // of these.
    sqlx::query(
        "UPDATE outbox
            SET sent_at = CASE WHEN xmin::text = ($2::text[])[array_position($1::bigint[], id)] THEN now() END
         WHERE id = ANY ($1) AND sent_at IS NULL",
    )
    .bind(ids)
    .bind(versions)
    .execute(connection)
    .await?
    .expect_rows(rows.len() as u64)
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

/// Lets PostgreSQL end this session, and with it the lock, when nothing has been
/// heard of it for `lease`: of a process that hangs, or a machine that is gone.
pub(super) async fn end_with_silence(
    connection: &mut PgConnection,
    lease: Duration,
) -> Result<(), sqlx::Error> {
    let ms = lease.as_millis().to_string();
    let seconds = lease.as_secs().max(1).to_string();
    // The session's own limit is for a process that hangs while its kernel is alive;
    // the others are for a machine that is gone.
    for (setting, value) in [
        ("idle_session_timeout", ms.as_str()),
        ("tcp_user_timeout", &ms),
        ("tcp_keepalives_idle", &seconds),
        ("tcp_keepalives_interval", "1"),
        ("tcp_keepalives_count", "3"),
    ] {
        sqlx::query("SELECT set_config($1, $2, false)")
            .bind(setting)
            .bind(value)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
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
