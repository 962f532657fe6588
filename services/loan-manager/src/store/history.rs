//! `history`: what was told of each request, for ever.

use ::events::{LoanExecuted, LoanJudged, LoanRepaid, LoanRequestReceived, LoanRequestRejected};
use common::admin::Selection;
use common::db::ExpectRows as _;
use common::event::{Event, NewEvent};
use serde::Serialize;
use sqlx::{FromRow, PgConnection, PgPool, QueryBuilder};
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

/// An event as it was told.
#[derive(Debug, FromRow, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Told {
    /// `ce_id`.
    pub event_id: Uuid,
    /// The request.
    pub loan_request_id: Uuid,
    /// `ce_type`.
    pub event_type: String,
    /// The message's key.
    pub key: String,
    /// `ce_time`.
    #[serde(with = "time::serde::rfc3339")]
    pub occurred_at: OffsetDateTime,
    /// The payload's JSON text.
    pub payload: String,
}

/// Those of a selection, in the order of their ids.
///
/// # Errors
/// What the database says.
pub async fn told(pool: &PgPool, selection: &Selection) -> Result<Vec<Told>, sqlx::Error> {
    const KEY: &str = "event_id";
    let mut query = QueryBuilder::new(
        "SELECT event_id, loan_request_id, event_type, key, occurred_at, payload FROM history",
    );
    selection.push_where(&mut query, KEY);
    selection.push_order(&mut query, KEY);
    query.build_query_as().fetch_all(pool).await
}

/// These events as they were told the first time, in the order of their ids, which
/// is that of their times.
///
/// # Errors
/// What the database says.
pub async fn events(tx: &mut PgConnection, ids: &[Uuid]) -> Result<Vec<NewEvent>, sqlx::Error> {
    let rows: Vec<Told> = sqlx::query_as(
        "SELECT event_id, loan_request_id, event_type, key, occurred_at, payload
         FROM history WHERE event_id = ANY($1) ORDER BY event_id",
    )
    .bind(ids)
    .fetch_all(tx)
    .await?;
    rows.into_iter().map(event).collect()
}

fn event(row: Told) -> Result<NewEvent, sqlx::Error> {
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
        traceparent: common::trace::current_traceparent(),
    })
}
