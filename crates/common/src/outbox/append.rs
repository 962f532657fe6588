//! Writing into the outbox, in the transaction of the state.

use sqlx::PgConnection;
use sqlx::postgres::PgQueryResult;

use crate::db::ExpectRows as _;
use crate::event::NewEvent;

/// Puts `events` into the outbox in their order, in the transaction that makes
/// them true. The relay sends them after the commit; `Db::in_tx` wakes it.
///
/// The caller holds the lock on the row of the aggregate that the events speak
/// of: that is what makes the order of the outbox the order of the commits.
///
/// # Errors
///
/// Only the database's.
pub async fn append(tx: &mut PgConnection, events: &[NewEvent]) -> Result<(), sqlx::Error> {
    if events.is_empty() {
        return Ok(());
    }
    insert(tx, events).await?.expect_rows(events.len() as u64)
}

/// Puts those of `events` into the outbox that are not there; waits for another
/// transaction that is putting one of them there.
pub(super) async fn insert(
    tx: &mut PgConnection,
    events: &[NewEvent],
) -> Result<PgQueryResult, sqlx::Error> {
    sqlx::query(
        "INSERT INTO outbox (event_id, topic, key, event_type, source, subject, occurred_at, payload, traceparent)
         SELECT event_id, topic, key, event_type, source, subject, occurred_at, payload, traceparent
         FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::timestamptz[], $8::text[], $9::text[])
              WITH ORDINALITY AS e(event_id, topic, key, event_type, source, subject, occurred_at, payload, traceparent, place)
         ORDER BY place
         ON CONFLICT (event_id) DO NOTHING",
    )
    .bind(events.iter().map(|event| event.id).collect::<Vec<_>>())
    .bind(events.iter().map(|event| event.topic).collect::<Vec<_>>())
    .bind(events.iter().map(|event| event.key.as_str()).collect::<Vec<_>>())
    .bind(events.iter().map(|event| event.event_type).collect::<Vec<_>>())
    .bind(events.iter().map(|event| event.source).collect::<Vec<_>>())
    .bind(events.iter().map(|event| event.subject.as_str()).collect::<Vec<_>>())
    .bind(events.iter().map(|event| event.time).collect::<Vec<_>>())
    .bind(events.iter().map(|event| event.payload.as_deref()).collect::<Vec<_>>())
    .bind(events.iter().map(|event| event.traceparent.as_deref()).collect::<Vec<_>>())
    .execute(tx)
    .await
}
