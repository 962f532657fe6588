//! `history`: what was told of each request, for ever.

use ::events::{LoanExecuted, LoanJudged, LoanRepaid, LoanRequestReceived, LoanRequestRejected};
use common::db::ExpectRows as _;
use common::event::{Event, NewEvent};
use sqlx::{FromRow, PgConnection};
use time::OffsetDateTime;
use uuid::Uuid;

/// Keeps events that are on their way into the outbox.
///
/// # Errors
/// What the database says.
pub async fn append(tx: &mut PgConnection, events: &[NewEvent]) -> Result<(), sqlx::Error> {
    if events.is_empty() {
        return Ok(());
    }
    let done = sqlx::query(
        "INSERT INTO history (event_id, loan_request_id, event_type, key, occurred_at, payload)
         SELECT event_id, subject::uuid, event_type, key, occurred_at, payload
         FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::text[])
              AS e(event_id, subject, event_type, key, occurred_at, payload)",
    )
    .bind(events.iter().map(|event| event.id).collect::<Vec<_>>())
    .bind(events.iter().map(|event| event.subject.as_str()).collect::<Vec<_>>())
    .bind(events.iter().map(|event| event.event_type).collect::<Vec<_>>())
    .bind(events.iter().map(|event| event.key.as_str()).collect::<Vec<_>>())
    .bind(events.iter().map(|event| event.time).collect::<Vec<_>>())
    .bind(events.iter().map(|event| event.payload.as_deref()).collect::<Vec<_>>())
    .execute(tx)
    .await?;
    done.expect_rows(events.len() as u64)
}

#[derive(FromRow)]
struct Row {
    event_id: Uuid,
    loan_request_id: Uuid,
    event_type: String,
    key: String,
    occurred_at: OffsetDateTime,
    payload: String,
}

/// These events as they were told the first time, in the order of their ids, which
/// is that of their times.
///
/// # Errors
/// What the database says.
pub async fn events(tx: &mut PgConnection, ids: &[Uuid]) -> Result<Vec<NewEvent>, sqlx::Error> {
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT event_id, loan_request_id, event_type, key, occurred_at, payload
         FROM history WHERE event_id = ANY($1) ORDER BY event_id",
    )
    .bind(ids)
    .fetch_all(tx)
    .await?;
    rows.into_iter().map(event).collect()
}

fn event(row: Row) -> Result<NewEvent, sqlx::Error> {
    let event_type = [
        LoanRequestReceived::TYPE,
        LoanRequestRejected::TYPE,
        LoanJudged::TYPE,
        LoanExecuted::TYPE,
        LoanRepaid::TYPE,
    ]
    .into_iter()
    .find(|known| *known == row.event_type)
    .ok_or_else(|| sqlx::Error::Decode("an event of an unknown type".into()))?;
    Ok(NewEvent {
        id: row.event_id,
        topic: LoanRequestReceived::TOPIC,
        key: row.key,
        event_type,
        source: LoanRequestReceived::SOURCE,
        subject: row.loan_request_id.to_string(),
        time: row.occurred_at,
        payload: Some(row.payload),
    })
}
