//! The stack that stands before every router of a service.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::Request;
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Router};
use http::{HeaderValue, StatusCode, header};
use tokio::sync::Semaphore;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::request_id::{
    MakeRequestId, PropagateRequestIdLayer, RequestId, SetRequestIdLayer,
};
use tower_http::sensitive_headers::SetSensitiveRequestHeadersLayer;
use tower_http::timeout::TimeoutLayer;

use super::Edge;
use super::deadline::heed_deadline;
use super::places::take_place;
use crate::clock::Clock;
use crate::problem::{MEDIA_TYPE, Problem};
use crate::token::TokenVerifier;
use crate::trace;

/// A body may have this many bytes.
pub const BODY_BYTES_MAX: usize = 64 * 1024;

/// The head of an answer comes within this time. A stream may then go on for as
/// long as it likes.
pub const REQUEST_SECONDS: u64 = 30;

/// Characters of a caller's `X-Request-Id` that are taken over.
const REQUEST_ID_CHARS_MAX: usize = 64;

/// What the stack needs.
#[derive(Clone)]
pub struct Stack {
    /// What stands between us and the caller.
    pub edge: Edge,
    /// Who checks the tokens.
    pub verifier: TokenVerifier,
    /// Where request ids come from.
    pub clock: Clock,
    /// Requests that are worked on at once.
    pub requests_max: usize,
}

/// Wraps a router into the server's stack. The layers are listed from the inside
/// to the outside, as axum adds them: the last one sees a request first.
pub fn stack(router: Router, parts: Stack) -> Router {
    router
        // What the extractors look for.
        .layer(Extension(Arc::new(parts.edge)))
        .layer(Extension(parts.verifier))
        // No body is larger, whoever reads it and however it is sent.
        .layer(RequestBodyLimitLayer::new(BODY_BYTES_MAX))
        .layer(axum::extract::DefaultBodyLimit::disable())
        // No request holds its connection and its transaction for ever. What it was to
        // do may have been done by then: so it is no 503, which says that it was not.
        .layer(TimeoutLayer::with_status_code(
            StatusCode::GATEWAY_TIMEOUT,
            Duration::from_secs(REQUEST_SECONDS),
        ))
        // As many as there is something for; further ones are told to come back.
        .layer(from_fn_with_state(Arc::new(Semaphore::new(parts.requests_max)), take_place))
        // Whoever has stopped waiting is not worked for.
        .layer(from_fn(heed_deadline))
        // A bug in one request must not end the others. Inside the trace, so that
        // it is logged with its trace id.
        .layer(CatchPanicLayer::custom(after_panic))
        // What two programs could read as two requests is nobody's.
        .layer(from_fn(one_host))
        // One span, one log line and one measurement for each request.
        .layer(from_fn(trace::middleware))
        // An id that the caller can quote; the caller's own where it has one.
        .layer(PropagateRequestIdLayer::x_request_id())
        .layer(SetRequestIdLayer::x_request_id(NewRequestId(parts.clock)))
        .layer(from_fn(drop_odd_request_id))
        // These are not shown by whoever prints headers.
        .layer(SetSensitiveRequestHeadersLayer::new([
            header::AUTHORIZATION,
            header::COOKIE,
            http::HeaderName::from_static("idempotency-key"),
        ]))
        // Whatever failed, also a layer above: the answer is a problem.
        .layer(from_fn(failures_are_problems))
}

/// What `service::run` adds to a router, for tests of endpoints: the whole stack,
/// a peer (127.0.0.1) and a `Host` (localhost) where the request has none.
#[cfg(any(test, feature = "test-support"))]
pub fn test_layers(router: Router, verifier: TokenVerifier) -> Router {
    test_layers_with(router, verifier, usize::from(u16::MAX))
}

/// The same, with so many requests at once.
#[cfg(any(test, feature = "test-support"))]
fn test_layers_with(router: Router, verifier: TokenVerifier, requests_max: usize) -> Router {
    use std::net::SocketAddr;

    use axum::extract::ConnectInfo;
    use axum::extract::connect_info::MockConnectInfo;

    let loopback = SocketAddr::from(([127, 0, 0, 1], 50_000));
    let edge = Edge {
        public_url: None,
        allowed_hosts: vec!["localhost".into(), "127.0.0.1".into(), "[::1]".into()],
        trusted_proxies: vec![loopback.ip().into()],
    };
    let parts = Stack { edge, verifier, clock: Clock::system(), requests_max };
    stack(router, parts)
        .layer(from_fn(async |mut request: Request, next: Next| {
            let host = HeaderValue::from_static("localhost");
            request.headers_mut().entry(header::HOST).or_insert(host);
            let peer = request.extensions().get::<MockConnectInfo<SocketAddr>>();
            let peer = peer.map(|MockConnectInfo(peer)| ConnectInfo(*peer));
            if let Some(peer) = peer
                && request.extensions().get::<ConnectInfo<SocketAddr>>().is_none()
            {
                request.extensions_mut().insert(peer);
            }
            next.run(request).await
        }))
        .layer(MockConnectInfo(loopback))
}

#[derive(Clone)]
struct NewRequestId(Clock);

impl MakeRequestId for NewRequestId {
    fn make_request_id<B>(&mut self, _request: &http::Request<B>) -> Option<RequestId> {
        let id = self.0.new_id().to_string();
        HeaderValue::from_str(&id).ok().map(RequestId::new)
    }
}

/// Refuses a request that names its host twice (RFC 9112, 3.2): whoever stands before
/// us may have believed the other one.
async fn one_host(request: Request, next: Next) -> Response {
    if request.headers().get_all(header::HOST).iter().nth(1).is_some() {
        let told = "There is more than one Host header.";
        return Problem::new(StatusCode::BAD_REQUEST, "ambiguous-request", told).into_response();
    }
    next.run(request).await
}

/// A caller's request id comes back and stands in our logs: only a short and
/// plain one is taken over.
async fn drop_odd_request_id(mut request: Request, next: Next) -> Response {
    let is_odd = request.headers().get("x-request-id").is_some_and(|value| {
        value.len() > REQUEST_ID_CHARS_MAX
            || !value
                .as_bytes()
                .iter()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(byte))
    });
    if is_odd {
        request.headers_mut().remove("x-request-id");
    }
    next.run(request).await
}

fn after_panic(_cause: Box<dyn std::any::Any + Send>) -> Response {
    // The hook that `logs::start` sets has logged where it was; the cause may
    // hold anything, and so is not repeated.
    Problem::internal().into_response()
}

/// Gives each problem the address at which it was met, and makes one of each
/// bare failure: a router's 404 and 405, a layer's 413 and 504.
async fn failures_are_problems(request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let mut response = next.run(request).await;
    let status = response.status();
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        return rewritten(response, problem.at(&path));
    }
    let is_failure = status.is_client_error() || status.is_server_error();
    let has_own_form = response.headers().get(header::CONTENT_TYPE).is_some_and(|value| {
        let value = value.to_str().unwrap_or_default();
        value.starts_with("application/json") || value.starts_with(MEDIA_TYPE)
    });
    if is_failure && !has_own_form {
        return rewritten(response, Problem::from_status(status).at(&path));
    }
    response
}

/// The problem as the body of this answer, whose other headers stay (`Allow`,
/// `X-Request-Id`).
fn rewritten(response: Response, problem: Problem) -> Response {
    let (mut parts, _) = response.into_parts();
    parts.headers.remove(header::CONTENT_LENGTH);
    let (problem, body) = problem.into_response().into_parts();
    for (name, value) in &problem.headers {
        parts.headers.insert(name, value.clone());
    }
    parts.status = problem.status;
    Response::from_parts(parts, body)
}

#[cfg(test)]
mod tests;
