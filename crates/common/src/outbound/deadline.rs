//! Ends an attempt at the call's deadline, and tells the other side of it. tower's
//! timeout would give each attempt the full time; here all of them share one.

use std::task::{Context, Poll};

use futures::future::BoxFuture;
use tokio::time::timeout_at;
use tower::{Layer, Service};

use super::call::{Answer, Call, CallError};
use crate::http::tell_deadline;

#[derive(Debug, Clone, Copy)]
pub(super) struct DeadlineLayer;

impl<S> Layer<S> for DeadlineLayer {
    type Service = Deadline<S>;

    fn layer(&self, inner: S) -> Deadline<S> {
        Deadline { inner }
    }
}

#[derive(Debug, Clone)]
pub(super) struct Deadline<S> {
    inner: S,
}

impl<S> Service<Call> for Deadline<S>
where
    S: Service<Call, Response = Answer, Error = CallError>,
    S::Future: Send + 'static,
{
    type Response = Answer;
    type Error = CallError;
    type Future = BoxFuture<'static, Result<Answer, CallError>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), CallError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut call: Call) -> Self::Future {
        tell_deadline(call.request.headers_mut(), call.deadline);
        let (deadline, trail) = (call.deadline, call.trail.clone());
        let attempt = self.inner.call(call);
        Box::pin(async move {
            // How far it got is not known, so it may have arrived.
            let outcome = timeout_at(deadline, attempt).await.unwrap_or(Err(CallError::Unknown));
            trail.note(&outcome);
            outcome
        })
    }
}
