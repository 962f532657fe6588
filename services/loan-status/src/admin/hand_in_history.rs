//! `POST /admin/rebuild/history`: events that loan-manager has kept.

use ::events::{LoanRequestId, LoanRequestReceived};
use axum::extract::State;
use axum::http::StatusCode;
use common::event::{Event as _, ReceivedEvent};
use common::http::Json;
use serde::Deserialize;
use time::OffsetDateTime;
use uuid::Uuid;

use super::Admin;
use crate::error::Error;
use crate::usecases::order_rebuild::hand_in_history as hand_in;

/// An event as loan-manager gives it at `GET /admin/events`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Kept {
    event_id: Uuid,
    loan_request_id: LoanRequestId,
    event_type: String,
    key: String,
    #[serde(with = "time::serde::rfc3339")]
    occurred_at: OffsetDateTime,
    payload: String,
}

/// A page of them.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Page {
    rebuild_id: Uuid,
    events: Vec<Kept>,
    #[serde(default)]
    is_last: bool,
}

impl From<Kept> for ReceivedEvent {
    fn from(kept: Kept) -> Self {
        Self {
            id: kept.event_id,
            event_type: kept.event_type,
            source: LoanRequestReceived::SOURCE.to_owned(),
            subject: kept.loan_request_id.to_string(),
            time: kept.occurred_at,
            topic: LoanRequestReceived::TOPIC.to_owned(),
            partition: 0,
            offset: 0,
            key: Some(kept.key),
            payload: Some(kept.payload.into_bytes()),
            traceparent: None,
        }
    }
}

/// Takes a page; answers when it is applied. To the instance that rebuilds.
pub(super) async fn hand_in_history(
    State(admin): State<Admin>,
    Json(page): Json<Page>,
) -> Result<StatusCode, Error> {
    let events = page.events.into_iter().map(ReceivedEvent::from).collect();
    hand_in(&admin.orders, page.rebuild_id, events, page.is_last).await?;
    Ok(StatusCode::NO_CONTENT)
}
