//! How long a caller still waits, told from one process to the next (as gRPC does by
//! `grpc-timeout`): whoever works on after that works for nobody.

use std::time::Duration;

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use tokio::time::{Instant, timeout};

/// Milliseconds that the caller waits for the head of the answer, from now on. A span and no
/// moment, because the clocks of two machines differ.
const TIMEOUT_HEADER: HeaderName = HeaderName::from_static("x-request-timeout-ms");

tokio::task_local! {
    static WAITS_UNTIL: Instant;
}

/// Until when the caller of the request that this task works on waits, if it has said so: what is
/// dear and would not be done by then need not be begun.
#[must_use]
pub fn caller_waits_until() -> Option<Instant> {
    WAITS_UNTIL.try_with(|until| *until).ok()
}

/// Says until when the answer is waited for; in place of what a caller before said.
pub fn tell_deadline(headers: &mut HeaderMap, deadline: Instant) {
    let left = deadline.saturating_duration_since(Instant::now()).as_millis();
    headers.insert(TIMEOUT_HEADER, HeaderValue::from(u64::try_from(left).unwrap_or(u64::MAX)));
}

/// Ends the work on a request when its caller has stopped waiting. What is no number of
/// milliseconds says nothing, and everybody's own limit, which is inside, holds all the same.
pub(super) async fn heed_deadline(request: Request, next: Next) -> Response {
    let said = request.headers().get(TIMEOUT_HEADER).and_then(|value| value.to_str().ok());
    let Some(left) = said.and_then(|text| text.parse().ok()).map(Duration::from_millis) else {
        return next.run(request).await;
    };
    if left.is_zero() {
        return StatusCode::GATEWAY_TIMEOUT.into_response();
    }
    // What it was to do may have been done by then, as with everybody's own limit.
    timeout(left, WAITS_UNTIL.scope(Instant::now() + left, next.run(request)))
        .await
        .unwrap_or_else(|_| StatusCode::GATEWAY_TIMEOUT.into_response())
}
