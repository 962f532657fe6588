//! What travels through the stack, and what comes back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use serde::de::DeserializeOwned;
use tokio::time::Instant;

/// One call, from its first attempt to its last.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) request: reqwest::Request,
    /// May be sent again although it may have arrived.
    pub(super) idempotent: bool,
    /// When the last attempt ends.
    pub(super) deadline: Instant,
    pub(super) trail: Arc<Trail>,
}

/// What is known of the attempts so far.
#[derive(Debug, Default)]
pub(super) struct Trail {
    attempted: AtomicBool,
    may_have_arrived: AtomicBool,
}

impl Trail {
    pub(super) fn note(&self, outcome: &Result<Answer, CallError>) {
        self.attempted.store(true, Ordering::Relaxed);
        if matches!(outcome, Err(CallError::Unknown | CallError::Status(_))) {
            self.may_have_arrived.store(true, Ordering::Relaxed);
        }
    }

    pub(super) fn attempted(&self) -> bool {
        self.attempted.load(Ordering::Relaxed)
    }

    pub(super) fn may_have_arrived(&self) -> bool {
        self.may_have_arrived.load(Ordering::Relaxed)
    }
}

impl Call {
    pub(super) fn new(request: reqwest::Request, idempotent: bool, deadline: Instant) -> Self {
        Self { request, idempotent, deadline, trail: Arc::default() }
    }

    /// The same call for another attempt; `None` if its body is a stream.
    pub(super) fn again(&self) -> Option<Self> {
        Some(Self {
            request: self.request.try_clone()?,
            idempotent: self.idempotent,
            deadline: self.deadline,
            trail: Arc::clone(&self.trail),
        })
    }
}

/// An answer below 500, read to its end.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
    /// An earlier attempt of the same call may have arrived too: what this
    /// answer says is then not all that the call may have done.
    pub may_have_arrived_before: bool,
}

impl Answer {
    /// The body as JSON.
    ///
    /// # Errors
    ///
    /// If it is none, or not of this shape.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_slice(&self.body)
    }
}

/// Why a call was not allowed. Nothing was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The other side has failed too often of late.
    #[error("the circuit breaker is open")]
    BreakerOpen {
        /// When it is worth asking again.
        retry_after: Duration,
    },
    /// As many calls as are allowed are on their way.
    #[error("too many calls are on their way")]
    BulkheadFull,
}

impl Refused {
    pub(super) fn outcome(self) -> &'static str {
        match self {
            Self::BreakerOpen { .. } => "breaker-open",
            Self::BulkheadFull => "bulkhead-full",
        }
    }
}

/// Why there is no answer, and whether the request may have arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// No connection came about: nothing reached the other side.
    #[error("the other side could not be reached")]
    NotSent,
    /// Timed out, or cut after sending: it may have arrived or not.
    #[error("no answer came")]
    Unknown,
    /// Not allowed to be sent.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The other side failed (5xx): it has arrived and may have had its effect.
    #[error("the other side answered {0}")]
    Status(StatusCode),
}
