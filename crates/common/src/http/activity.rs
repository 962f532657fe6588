//! What is going on on a connection, and since when nothing is.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use tokio::time::{Instant, sleep_until};

/// The requests of one connection. Cloning is cheap.
#[derive(Clone, Debug)]
pub(super) struct Activity(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    next_number: u64,
    /// When each request that runs has last made a step.
    running: HashMap<u64, Instant>,
    /// When the last one that ended did so.
    last_end: Instant,
}

impl Activity {
    /// Of a connection that is new.
    pub(super) fn new() -> Self {
        let inner = Inner { next_number: 0, running: HashMap::new(), last_end: Instant::now() };
        Self(Arc::new(Mutex::new(inner)))
    }

    /// A request begins; it runs for as long as what comes back is kept.
    pub(super) fn begin(&self) -> Running {
        let mut inner = self.lock();
        let number = inner.next_number;
        inner.next_number += 1;
        inner.running.insert(number, Instant::now());
        drop(inner);
        Running { activity: self.clone(), number }
    }

    /// Waits until no request has run for `idle`, or one of those that run has made no
    /// step for `stuck`, whatever the others do; both counted from now at the
    /// earliest. Says which.
    pub(super) async fn silence(&self, idle: Duration, stuck: Duration) -> Silence {
        let begun = Instant::now();
        loop {
            let (since, is_idle) = self.since();
            let until = since.max(begun) + if is_idle { idle } else { stuck };
            if until <= Instant::now() {
                return if is_idle { Silence::Idle } else { Silence::Stuck };
            }
            // Should a request begin or end meanwhile, the next look takes it in.
            sleep_until(until.min(Instant::now() + idle)).await;
        }
    }

    /// Since when nothing goes on, and whether that is because nothing was asked for.
    fn since(&self) -> (Instant, bool) {
        let inner = self.lock();
        let oldest = inner.running.values().min().copied();
        (oldest.unwrap_or(inner.last_end), oldest.is_none())
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Right after every statement, so a panic elsewhere spoils nothing.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why nothing goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Silence {
    /// Nothing was asked for.
    Idle,
    /// Nothing comes of something that was asked for.
    Stuck,
}

/// A request that runs.
#[derive(Debug)]
pub(super) struct Running {
    activity: Activity,
    number: u64,
}

impl Running {
    /// The body of the answer, whose end is the request's.
    pub(super) fn until_the_end_of(self, body: Body) -> Body {
        Body::new(Kept { body, running: self })
    }

    fn step(&self) {
        self.activity.lock().running.insert(self.number, Instant::now());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut inner = self.activity.lock();
        inner.running.remove(&self.number);
        inner.last_end = Instant::now();
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
        self.running.step();
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
