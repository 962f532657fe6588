//! `GET /loanStatus/stream`: the entries as they come.
//!
//! * [`hub`]: the streams of this instance, in memory.
//! * [`follow_feed`]: the one reader of the feed for all of them.
//! * `feed_stream`: one client's stream.

pub(super) mod feed_stream;
pub mod follow_feed;
pub mod hub;

use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderName};
use axum::response::IntoResponse;
use axum::response::sse::{KeepAlive, Sse};
use common::http::Query;
use common::problem::Problem;
use common::token::Principal;
use tokio::time::Instant;

use super::shapes::Filter;
use super::until_shown::{MinVersion, until_shown};
use super::{Api, viewer_of};
use crate::domain::feed_id::FeedId;
use crate::domain::viewer::Viewer;
use crate::error::Error;
use crate::store;
use feed_stream::{FeedStream, Start, feed_stream};

static LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Tells a proxy of a common kind to pass on what comes when it comes.
const UNBUFFERED: (&str, &str) = ("x-accel-buffering", "no");

/// Where a stream begins. A place that this viewer cannot have been given means
/// that the client knows another feed, or nothing: it starts anew. So does a
/// place of another customer's, which looks like none.
async fn start_of(api: &Api, viewer: Viewer, headers: &HeaderMap) -> Result<Start, sqlx::Error> {
    let pool = api.db.pool();
    let epoch = store::feed_counter::position(pool).await?.epoch;
    let named = headers.get(&LAST_EVENT_ID).filter(|value| !value.is_empty());
    let Some(named) = named else {
        return Ok(Start { behind: epoch.at(0), reset: false });
    };
    let place: Option<FeedId> = named.to_str().ok().and_then(|text| text.parse().ok());
    if let Some(place) = place
        && place.epoch == epoch
        && (place.number == 0
            || store::entry::exists(pool, viewer.scope(None, None), place.number).await?)
    {
        return Ok(Start { behind: place, reset: false });
    }
    Ok(Start { behind: epoch.at(0), reset: true })
}

/// The entries as they come
///
/// Server-sent events: `loanStatus` with an entry as JSON, each with an `id`
/// that a client sends back as `Last-Event-ID` to go on behind it. Without it
/// the stream begins with the first entry; an id that is not known (any more)
/// is answered with an event `reset` and everything from the start. A comment
/// goes out after 15 s of silence. The stream ends with the token, when the
/// instance ends, and when the client does not read what it is sent; it is
/// always right to come back with the last `id`. What is missing comes by
/// itself, so `minVersion` is of use only to who wants to begin with it there.
#[utoipa::path(
    get,
    path = "/loanStatus/stream",
    operation_id = "stream_loan_status",
    tag = "loanStatus",
    security(("bearer" = [])),
    params(
        Filter,
        ("Last-Event-ID" = Option<String>, Header, description = "The `id` of the last event that the client has",
            example = "5f0c3b9a7d21-42"),
        ("minVersion" = Option<String>, Query, description = "What a write has answered as `Loan-Version`: answer only when that \
            is shown. Waits up to 2 s for it", example = "AQEBk44cChF7HI9TL29tC3oB"),
        ("Prefer" = Option<String>, Header, description = "`wait=n`: waits up to n seconds instead, 10 at most (RFC 7240); \
            `Preference-Applied` says so", example = "wait=5"),
    ),
    responses(
        (status = 200, description = "The entries, for as long as the token is valid", body = String,
            content_type = "text/event-stream", example = "event: loanStatus\nid: 5f0c3b9a7d21-42\ndata: {\"id\":\"5f0c3b9a7d21-42\",\"eventType\":\"LoanExecuted\",\"loanRequestId\":\"01938e1c-0a11-7b1c-8f53-2f6f6d0b7a01\",\"loanId\":\"01938e1c-0a11-7b1c-8f53-2f6f6d0b7a01\",\"customerId\":\"01938e1b-ffff-7000-8000-000000000001\",\"requestId\":\"01\",\"requestName\":\"Deposit\",\"amountOfMoney\":10000,\"currency\":\"KRW\",\"outstanding\":10000,\"loanStatus\":\"대출실행\",\"loanStatusCode\":\"04\",\"requestStatus\":\"요청완료\",\"loanVersion\":4,\"occurredAt\":\"2026-11-21T08:00:00Z\"}\n\n"),
        (status = 202, description = "What `minVersion` names is not shown yet; ask again after `Retry-After`", body = Problem,
            content_type = "application/problem+json", headers(
                ("Retry-After" = u32, description = "Seconds"),
                ("Preference-Applied" = Option<String>, description = "How long was waited, if `Prefer` said it"),
            ), example = json!({
                "type": "/problems/not-shown-yet", "title": "Accepted", "status": 202, "code": "not-shown-yet",
                "detail": "What `minVersion` names was accepted and is not shown yet. Ask again.",
                "instance": "/loanStatus/stream"
            })),
        (status = 400, description = "An unreadable filter", body = Problem,
            content_type = "application/problem+json", example = json!({
                "type": "/problems/invalid-query", "title": "Bad Request", "status": 400, "code": "invalid-query",
                "detail": "The query string has a wrong parameter.", "instance": "/loanStatus/stream",
                "errors": [{"field": "", "message": "UUID parsing failed"}]
            })),
        (status = 401, description = "No token, or a bad one", body = Problem,
            content_type = "application/problem+json", example = json!({
                "type": "/problems/unauthenticated", "title": "Unauthorized", "status": 401,
                "code": "unauthenticated", "detail": "A bearer token is needed.", "instance": "/loanStatus/stream"
            })),
        (status = 403, description = "Neither a customer nor an officer", body = Problem,
            content_type = "application/problem+json", example = json!({
                "type": "/problems/no-role", "title": "Forbidden", "status": 403, "code": "no-role",
                "detail": "Only customers and loan officers have a status to see.",
                "instance": "/loanStatus/stream"
            })),
        (status = 429, description = "The customer has 5 streams already, or the officer 20; come back after `Retry-After`",
            body = Problem, content_type = "application/problem+json",
            headers(("Retry-After" = u32, description = "seconds")),
            example = json!({
                "type": "/problems/too-many-streams", "title": "Too Many Requests", "status": 429,
                "code": "too-many-streams", "instance": "/loanStatus/stream",
                "detail": "You have as many live streams open as a customer may have."
            })),
        (status = 500, description = "An error on our side", body = Problem,
            content_type = "application/problem+json", example = json!({
                "type": "/problems/internal", "title": "Internal Server Error", "status": 500,
                "code": "internal", "detail": "An error on our side. It has been recorded.",
                "instance": "/loanStatus/stream"
            })),
        (status = 503, description = "No place for another stream, or the database does not answer; come back after `Retry-After`",
            body = Problem, content_type = "application/problem+json",
            headers(("Retry-After" = u32, description = "seconds")),
            example = json!({
                "type": "/problems/streams-full", "title": "Service Unavailable", "status": 503,
                "code": "streams-full", "detail": "There is no place for another live stream.",
                "instance": "/loanStatus/stream"
            })),
    )
)]
pub(super) async fn stream_loan_status(
    State(api): State<Api>,
    principal: Principal,
    Query(filter): Query<Filter>,
    headers: HeaderMap,
    asked: MinVersion,
) -> Result<impl IntoResponse, Error> {
    let viewer = viewer_of(&principal)?;
    if api.shutdown.is_cancelled() {
        return Err(Error::ShuttingDown);
    }
    // Before it has a seat, which is for those who are sent something.
    let applied = until_shown(&api, viewer, asked).await?;
    let left = principal.expires_at - api.clock.now();
    let left =
        Duration::try_from(left).ok().filter(|left| !left.is_zero()).ok_or(Error::TokenExpired)?;
    let seat = api
        .hub
        .take_seat(viewer, principal.subject, principal.expires_at)
        .map_err(Error::NoStream)?;
    let start = start_of(&api, viewer, &headers).await?;
    let feed = FeedStream {
        pool: api.db.pool().clone(),
        seat,
        scope: viewer.scope(filter.customer_id, filter.loan_id),
        catch_ups: api.catch_ups,
        ends_at: Instant::now() + left,
        shutdown: api.shutdown,
    };
    let heartbeat = KeepAlive::new().interval(api.heartbeat).text("heartbeat");
    Ok((applied, [UNBUFFERED], Sse::new(feed_stream(feed, start)).keep_alive(heartbeat)))
}

#[cfg(test)]
mod tests;
