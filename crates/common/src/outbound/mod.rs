//! Synchronous calls to another service: bounded in time, in number and in
//! stubbornness, so that its trouble does not become ours.
//!
//! A call is first *reserved* and then sent. The reservation takes the breaker's
//! permission and a place of the bulkhead without waiting and before anything is
//! written anywhere, so a refusal leaves nothing behind; dropped unused, it gives
//! both back and counts neither as success nor as failure.
//!
//! The stack, outermost first (see `stack.rs`): fallback, retry with a budget,
//! breaker, load shedding, concurrency limit, deadline, reqwest.

mod breaker;
mod call;
mod deadline;
mod fallback;
mod retry;
mod settings;
mod shed;
mod stack;
#[cfg(test)]
mod tests;
mod transport;

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use tokio::time::Instant;
use tower::Service;
use tracing::Instrument as _;
use url::Url;

use self::call::Call;
use self::stack::Stack;

pub use self::call::{Answer, CallError, Refused};
pub use self::settings::{BreakerSettings, OutboundSettings, RetrySettings};

/// Calls to one other service. Cloning is cheap; clones share breaker, bulkhead
/// and retry budget.
#[derive(Clone)]
pub struct Outbound {
    shared: Arc<Shared>,
    stack: Stack,
}

struct Shared {
    name: &'static str,
    base: Url,
    settings: OutboundSettings,
    client: reqwest::Client,
}

impl Outbound {
    /// Calls to the service at `base`. `name` is what metrics and logs call it.
    ///
    /// The client should follow no redirects and have a connect timeout well
    /// below `settings.timeout`: only then is a connection that does not come
    /// about known as [`CallError::NotSent`].
    #[must_use]
    pub fn new(
        name: &'static str,
        base: Url,
        settings: OutboundSettings,
        client: reqwest::Client,
    ) -> Self {
        let stack = stack::build(name, &settings, transport::Http::new(client.clone()));
        Self { shared: Arc::new(Shared { name, base, settings, client }), stack }
    }

    /// A request to `path` below the base address, to be finished with its body
    /// and headers and given to [`Reserved::send`].
    pub fn request(&self, method: http::Method, path: &str) -> reqwest::RequestBuilder {
        let base = self.shared.base.as_str().trim_end_matches('/');
        self.shared.client.request(method, format!("{base}/{}", path.trim_start_matches('/')))
    }

    /// Permission of the breaker and a place of the bulkhead, before anything is
    /// written. Never waits.
    ///
    /// # Errors
    ///
    /// [`Refused`]; nothing was sent, and the other side is not to blame for it.
    pub fn reserve(&self) -> Result<Reserved, Refused> {
        let mut stack = self.stack.clone();
        // Nobody is woken, because nobody waits: what is not there now is refused.
        match stack.poll_ready(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(())) => {
                Ok(Reserved { shared: Arc::clone(&self.shared), stack, idempotent: false })
            }
            Poll::Ready(Err(CallError::Refused(refused))) => {
                fallback::count(self.shared.name, refused.outcome());
                Err(refused)
            }
            // The layers below have no other error before a call, and shed
            // instead of waiting; should one ever wait, the place is taken.
            Poll::Ready(Err(_)) | Poll::Pending => Err(Refused::BulkheadFull),
        }
    }

    /// Counts, and says, that a bound of the caller's own around its calls is reached.
    #[must_use]
    pub fn full(&self) -> Refused {
        fallback::count(self.shared.name, Refused::BulkheadFull.outcome());
        Refused::BulkheadFull
    }
}

/// A call that may be made. Dropped instead, it gives everything back.
#[must_use = "an unused reservation keeps its place until it is dropped"]
pub struct Reserved {
    shared: Arc<Shared>,
    stack: Stack,
    idempotent: bool,
}

impl Reserved {
    /// The receiver takes a second one of this request for the same: it may be
    /// sent again although the first may have arrived. Methods that are
    /// idempotent by definition need no such word.
    pub fn idempotent(mut self) -> Self {
        self.idempotent = true;
        self
    }

    /// Sends the request and reads the answer, within the timeout of the
    /// settings, retries included. An answer below 500 is an answer, whatever it
    /// says.
    ///
    /// # Errors
    ///
    /// [`CallError`], which says whether the request may have arrived.
    pub async fn send(self, request: reqwest::Request) -> Result<Answer, CallError> {
        let span = tracing::info_span!(
            "call",
            otel.kind = "client",
            otel.name = self.shared.name,
            otel.status_code = tracing::field::Empty,
        );
        let outcome = self.send_within(request).instrument(span.clone()).await;
        if outcome.is_err() {
            span.record("otel.status_code", "ERROR");
        }
        outcome
    }

    async fn send_within(mut self, mut request: reqwest::Request) -> Result<Answer, CallError> {
        let traceparent = crate::trace::current_traceparent();
        if let Some(value) = traceparent.and_then(|value| http::HeaderValue::try_from(value).ok()) {
            request.headers_mut().insert(crate::trace::TRACEPARENT, value);
        }
        let idempotent = self.idempotent || request.method().is_idempotent();
        let deadline = Instant::now() + self.shared.settings.timeout;
        self.stack.call(Call::new(request, idempotent, deadline)).await
    }
}
