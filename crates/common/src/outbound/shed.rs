//! Load shedding that refuses *before* the call. tower's own layer says that it
//! is ready and refuses when called, which is too late for who writes something
//! in between.

use std::task::{Context, Poll};

use tower::{Layer, Service};

use super::call::{Call, CallError, Refused};

#[derive(Debug, Clone, Copy)]
pub(super) struct ShedLayer;

impl<S> Layer<S> for ShedLayer {
    type Service = Shed<S>;

    fn layer(&self, inner: S) -> Shed<S> {
        Shed { inner }
    }
}

#[derive(Debug, Clone)]
pub(super) struct Shed<S> {
    inner: S,
}

impl<S: Service<Call, Error = CallError>> Service<Call> for Shed<S> {
    type Response = S::Response;
    type Error = CallError;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), CallError>> {
        match self.inner.poll_ready(context) {
            Poll::Pending => Poll::Ready(Err(Refused::BulkheadFull.into())),
            ready => ready,
        }
    }

    fn call(&mut self, call: Call) -> S::Future {
        self.inner.call(call)
    }
}
