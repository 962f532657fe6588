//! A service behind the gateway: its places, whether it can be reached, when a request is sent to
//! it again, and how its answer is taken.

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use common::http::{Crowd, Full, Place};
use http::request::Parts;
use http::{Request, Response, Version};
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tower::retry::budget::{Budget, TpsBudget};
use tower_http::timeout::DeadlineBody;

use crate::proxy::{Forward, Unanswered};
use crate::rescue::Failure;
use crate::routes::{Limits, Upstream};

/// A request is sent at most so many times.
const ATTEMPTS_MAX: u32 = 2;

/// Repetitions for each request, over all of them and over so long: what they may add to the trouble
/// of a service that breaks off because it has too much to do …
const RETRY_SHARE_MAX: f32 = 0.1;
const RETRY_WINDOW: Duration = Duration::from_secs(10);

/// … and so many a second besides, for times of few requests.
const RETRIES_PER_SECOND_MIN: u32 = 5;

/// After so many connections in a row that could not be made, the service counts as down.
const DOWN_AFTER_FAILURES: u32 = 5;

/// While it counts as down, one request in this time tries; the others are answered at once.
const DOWN_PROBE_MS: u64 = 200;

/// How an answer is taken.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Taking {
    /// An answer of known length up to this is taken whole before any of it is passed on, so that
    /// one that is cut becomes a 502 and not a short 200.
    pub(crate) buffer_max_bytes: u64,
    /// How long a longer one may take to pass through.
    pub(crate) deadline: Duration,
}

/// One service.
pub(crate) struct Service {
    upstream: Upstream,
    forward: Box<dyn Forward>,
    places: Crowd,
    reach: Reach,
    retries: TpsBudget,
    taking: Taking,
}

impl Service {
    pub(crate) fn new(
        upstream: Upstream,
        forward: Box<dyn Forward>,
        places: Crowd,
        taking: Taking,
    ) -> Service {
        Service {
            upstream,
            forward,
            places,
            reach: Reach::new(upstream),
            retries: TpsBudget::new(RETRY_WINDOW, RETRIES_PER_SECOND_MIN, RETRY_SHARE_MAX),
            taking,
        }
    }

    /// A place among the requests of this service. Each service has its own, so that a slow one
    /// fills no other's: the status can be read while all else is stuck. And one client has a part
    /// of them only.
    pub(crate) fn place(&self, client: IpAddr) -> Result<Place, Failure> {
        self.places.enter(client).map_err(|full| match full {
            Full::OfClient => Failure::Crowded("requests"),
            Full::OfAll => Failure::Busy(self.upstream),
        })
    }

    /// Sends a request and takes the answer.
    pub(crate) async fn send(
        &self,
        parts: Parts,
        body: Bytes,
        limits: Limits,
    ) -> Result<Response<Body>, Failure> {
        if !self.reach.may_try() {
            return Err(Failure::Down(self.upstream));
        }
        self.retries.deposit();
        let mut attempt = 1;
        loop {
            let failed = match self.forward.forward(request_of(&parts, &body)).await {
                Ok(response) => {
                    self.reach.succeeded();
                    match self.take(response, limits).await {
                        Ok(response) => return Ok(response),
                        Err(failed) => failed,
                    }
                }
                Err(failed) => failed,
            };
            match failed {
                Unanswered::NotSent if !self.reach.failed() || !self.may_repeat(attempt) => {
                    return Err(Failure::Down(self.upstream));
                }
                Unanswered::Cut if !parts.method.is_idempotent() || !self.may_repeat(attempt) => {
                    return Err(Failure::Cut(self.upstream));
                }
                Unanswered::Loop => return Err(Failure::Loop),
                Unanswered::NotSent | Unanswered::Cut => {}
            }
            metrics::counter!("gateway_retries_total", "upstream" => self.upstream.name())
                .increment(1);
            attempt += 1;
        }
    }

    fn may_repeat(&self, attempt: u32) -> bool {
        attempt < ATTEMPTS_MAX && self.retries.withdraw()
    }

    async fn take(
        &self,
        mut response: Response<Body>,
        limits: Limits,
    ) -> Result<Response<Body>, Unanswered> {
        // The answer's version is that of the connection to the service, which is none of the
        // client's business.
        *response.version_mut() = Version::HTTP_11;
        if limits == Limits::Stream || response.body().is_end_stream() {
            return Ok(response);
        }
        let known_length = response.body().size_hint().exact();
        let (parts, body) = response.into_parts();
        let body = if known_length.is_some_and(|length| length <= self.taking.buffer_max_bytes) {
            let whole = body.collect().await.map_err(|_cut| Unanswered::Cut)?;
            Body::from(whole.to_bytes())
        } else {
            Body::new(DeadlineBody::new(self.taking.deadline, body))
        };
        Ok(Response::from_parts(parts, body))
    }
}

/// A request built anew for each attempt; the body's bytes are shared.
fn request_of(parts: &Parts, body: &Bytes) -> Request<Body> {
    let mut request =
        Request::new(if body.is_empty() { Body::empty() } else { Body::from(body.clone()) });
    *request.method_mut() = parts.method.clone();
    *request.uri_mut() = parts.uri.clone();
    *request.headers_mut() = parts.headers.clone();
    request
}

/// Whether a service can be reached at all. A host that swallows connections would otherwise cost
/// every request the time of making one.
struct Reach {
    upstream: Upstream,
    started: Instant,
    failures: AtomicU32,
    /// Milliseconds since `started`; nobody tries before. 0: it is up.
    try_again_at_ms: AtomicU64,
}

impl Reach {
    fn new(upstream: Upstream) -> Reach {
        metrics::gauge!("gateway_upstream_up", "upstream" => upstream.name()).set(1.0);
        Reach {
            upstream,
            started: Instant::now(),
            failures: AtomicU32::new(0),
            try_again_at_ms: AtomicU64::new(0),
        }
    }

    fn now_ms(&self) -> u64 {
        // One is added because 0 means "up".
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX - 1) + 1
    }

    fn may_try(&self) -> bool {
        let at_ms = self.try_again_at_ms.load(Ordering::Relaxed);
        if at_ms == 0 {
            return true;
        }
        let now_ms = self.now_ms();
        // Whoever moves the time on is the one that tries.
        now_ms >= at_ms
            && self
                .try_again_at_ms
                .compare_exchange(
                    at_ms,
                    now_ms + DOWN_PROBE_MS,
                    Ordering::Relaxed,
                    Ordering::Relaxed,
                )
                .is_ok()
    }

    fn succeeded(&self) {
        // Both: who failed a moment ago may still be about to set the time.
        if self.failures.load(Ordering::Relaxed) == 0
            && self.try_again_at_ms.load(Ordering::Relaxed) == 0
        {
            return;
        }
        self.failures.store(0, Ordering::Relaxed);
        if self.try_again_at_ms.swap(0, Ordering::Relaxed) != 0 {
            metrics::gauge!("gateway_upstream_up", "upstream" => self.upstream.name()).set(1.0);
            tracing::info!(upstream = self.upstream.name(), "the service can be reached again");
        }
    }

    /// Counts a connection that could not be made; whether another may be tried at once.
    fn failed(&self) -> bool {
        let failures = self.failures.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        if failures < DOWN_AFTER_FAILURES {
            return true;
        }
        let at_ms = self.now_ms() + DOWN_PROBE_MS;
        if self.try_again_at_ms.swap(at_ms, Ordering::Relaxed) == 0 {
            metrics::gauge!("gateway_upstream_up", "upstream" => self.upstream.name()).set(0.0);
            tracing::warn!(upstream = self.upstream.name(), "the service can't be reached");
        }
        false
    }
}

/// A body that keeps its request's place until it ends, and ends when the gateway does.
pub(crate) struct Held {
    body: Body,
    _place: Place,
    /// A stream would hold up the drain for as long as its client stays; the client comes back with
    /// `Last-Event-ID`.
    closing: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
}

impl Held {
    pub(crate) fn new(body: Body, place: Place, closing: Option<CancellationToken>) -> Held {
        Held {
            body,
            _place: place,
            closing: closing.map(|token| Box::pin(token.cancelled_owned())),
        }
    }
}

impl HttpBody for Held {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = self.get_mut();
        if let Some(closing) = &mut this.closing
            && closing.as_mut().poll(context).is_ready()
        {
            return Poll::Ready(None);
        }
        Pin::new(&mut this.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
