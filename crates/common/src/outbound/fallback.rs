//! The last word on a call: what all its attempts together mean.

use std::task::{Context, Poll};

use futures::future::BoxFuture;
use tokio::time::Instant;
use tower::{Layer, Service};

use super::call::{Answer, Call, CallError, Trail};

#[derive(Debug, Clone, Copy)]
pub(super) struct FallbackLayer {
    name: &'static str,
}

impl FallbackLayer {
    pub(super) fn new(name: &'static str) -> Self {
        Self { name }
    }
}

impl<S> Layer<S> for FallbackLayer {
    type Service = Fallback<S>;

    fn layer(&self, inner: S) -> Fallback<S> {
        Fallback { inner, name: self.name }
    }
}

#[derive(Debug, Clone)]
pub(super) struct Fallback<S> {
    inner: S,
    name: &'static str,
}

impl<S> Service<Call> for Fallback<S>
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

    fn call(&mut self, call: Call) -> Self::Future {
        let (name, trail, started) = (self.name, call.trail.clone(), Instant::now());
        let attempts = self.inner.call(call);
        Box::pin(async move {
            let outcome = match attempts.await {
                Ok(answer) => {
                    Ok(Answer { may_have_arrived_before: trail.may_have_arrived(), ..answer })
                }
                Err(last) => Err(judge(last, &trail)),
            };
            count(name, label(&outcome));
            metrics::histogram!("outbound_call_seconds", "name" => name)
                .record(started.elapsed().as_secs_f64());
            outcome
        })
    }
}

/// The last attempt's error speaks for itself only. If an earlier attempt may
/// have arrived, the call may have; and a retry that was not allowed is no
/// refusal of a call that was.
fn judge(last: CallError, trail: &Trail) -> CallError {
    match last {
        CallError::NotSent | CallError::Refused(_) if trail.may_have_arrived() => {
            CallError::Unknown
        }
        CallError::Refused(_) if trail.attempted() => CallError::NotSent,
        last => last,
    }
}

fn label(outcome: &Result<Answer, CallError>) -> &'static str {
    match outcome {
        Ok(answer) if answer.status.is_client_error() => "client-error",
        Ok(_) => "ok",
        Err(CallError::NotSent) => "not-sent",
        Err(CallError::Unknown) => "unknown",
        Err(CallError::Refused(refused)) => refused.outcome(),
        Err(CallError::Status(_)) => "server-error",
    }
}

/// Counts one call by its outcome.
pub(super) fn count(name: &'static str, outcome: &'static str) {
    metrics::counter!("outbound_calls_total", "name" => name, "outcome" => outcome).increment(1);
}
