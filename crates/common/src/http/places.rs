//! How many requests are worked on at once. What they all need, connections to the database
//! above all, is little: whoever came beyond that would wait longer than is worth waiting for,
//! and everybody with them, the events of the same service too.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use tokio::sync::Semaphore;

use crate::admin::HEALTH_PATH;
use crate::problem::Problem;

/// When to come back.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Refuses a request, before any of its body is read, when as many as may be are worked on. The
/// place is held to the head of the answer; a stream that goes on has a bound of its own. Whoever
/// asks whether it is up is answered also when all else is full. A middleware, of the whole stack
/// and of routes that are to have a part of it only.
pub async fn take_place(
    State(places): State<Arc<Semaphore>>,
    request: Request,
    next: Next,
) -> Response {
    if request.uri().path() == HEALTH_PATH {
        return next.run(request).await;
    }
    let Ok(_place) = places.try_acquire() else {
        metrics::counter!("http_server_requests_shed_total").increment(1);
        let told = "There are too many requests at once; nothing was done.";
        let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", told);
        return problem.retry_after(RETRY_AFTER).into_response();
    };
    next.run(request).await
}
