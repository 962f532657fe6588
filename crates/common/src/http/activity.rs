//! What is going on on a connection, and since when nothing is.

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use tokio::time::{Instant, sleep_until};

/// The requests of one connection. Cloning is cheap.
#[derive(Clone, Debug)]
pub(super) struct Activity(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    running: AtomicUsize,
    /// When something last went on.
    last: Mutex<Instant>,
}

impl Activity {
    /// Of a connection that is new.
    pub(super) fn new() -> Self {
        let inner = Inner { running: AtomicUsize::new(0), last: Mutex::new(Instant::now()) };
        Self(Arc::new(inner))
    }

    /// A request begins; it runs for as long as what comes back is kept.
    pub(super) fn begin(&self) -> Running {
        self.0.running.fetch_add(1, Ordering::Relaxed);
        self.touch();
        Running(self.clone())
    }

    /// Waits until no request has run for `idle`, or those that run have made no
    /// step for `stuck`, both counted from now at the earliest. Says which.
    pub(super) async fn silence(&self, idle: Duration, stuck: Duration) -> Silence {
        let begun = Instant::now();
        loop {
            let is_idle = self.0.running.load(Ordering::Relaxed) == 0;
            let until = self.last().max(begun) + if is_idle { idle } else { stuck };
            if until <= Instant::now() {
                return if is_idle { Silence::Idle } else { Silence::Stuck };
            }
            // Should a request begin or end meanwhile, the next look takes it in.
            sleep_until(until.min(Instant::now() + idle)).await;
        }
    }

    fn last(&self) -> Instant {
        *self.0.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn touch(&self) {
        *self.0.last.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }
}

/// Why nothing goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Silence {
    /// Nothing was asked for.
    Idle,
    /// Nothing comes of what was asked for.
    Stuck,
}

/// A request that runs.
#[derive(Debug)]
pub(super) struct Running(Activity);

impl Running {
    /// The body of the answer, whose end is the request's.
    pub(super) fn until_the_end_of(self, body: Body) -> Body {
        Body::new(Kept { body, running: self })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.touch();
        self.0.0.running.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A body that tells when it is asked for more.
struct Kept {
    body: Body,
    running: Running,
}

impl hyper::body::Body for Kept {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.running.0.touch();
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
