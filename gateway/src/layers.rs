//! The two kinds of layers that the stack is made of. Both call what is inside them without cloning
//! it, which the ready-made function layers do for every request and every layer.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use futures::future::{BoxFuture, Either, Ready, ready};
use tower::{Layer, Service};

use crate::edge::Edge;
use crate::rescue::Failure;

/// What a step answers.
pub(crate) type Answer = BoxFuture<'static, Result<Response, Infallible>>;

/// A service inside a layer.
pub(crate) trait Inner:
    Service<Request, Response = Response, Error = Infallible, Future: Send + 'static>
    + Clone
    + Send
    + Sync
    + 'static
{
}

impl<S> Inner for S where
    S: Service<Request, Response = Response, Error = Infallible, Future: Send + 'static>
        + Clone
        + Send
        + Sync
        + 'static
{
}

/// A layer that does something before and after what is inside.
pub(crate) trait Step: Clone + Send + Sync + 'static {
    fn call<S: Inner>(&self, edge: &Arc<Edge>, request: Request, inner: &mut S) -> Answer;
}

/// The layer of a [`Step`].
#[derive(Clone)]
pub(crate) struct StepLayer<T>(pub(crate) Arc<Edge>, pub(crate) T);

#[derive(Clone)]
pub(crate) struct Stepping<T, S> {
    edge: Arc<Edge>,
    step: T,
    inner: S,
}

impl<T: Step, S> Layer<S> for StepLayer<T> {
    type Service = Stepping<T, S>;

    fn layer(&self, inner: S) -> Stepping<T, S> {
        Stepping { edge: Arc::clone(&self.0), step: self.1.clone(), inner }
    }
}

impl<T: Step, S: Inner> Service<Request> for Stepping<T, S> {
    type Response = Response;
    type Error = Infallible;
    type Future = Answer;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Answer {
        self.step.call(&self.edge, request, &mut self.inner)
    }
}

/// Looks at a request, changes it, or refuses it.
pub(crate) type Check = fn(&Edge, &mut Request) -> Result<(), Failure>;

/// The layer of a [`Check`]. It allocates nothing.
#[derive(Clone)]
pub(crate) struct GateLayer(pub(crate) Arc<Edge>, pub(crate) Check);

#[derive(Clone)]
pub(crate) struct Gate<S> {
    edge: Arc<Edge>,
    check: Check,
    inner: S,
}

impl<S> Layer<S> for GateLayer {
    type Service = Gate<S>;

    fn layer(&self, inner: S) -> Gate<S> {
        Gate { edge: Arc::clone(&self.0), check: self.1, inner }
    }
}

impl<S: Inner> Service<Request> for Gate<S> {
    type Response = Response;
    type Error = Infallible;
    type Future = Either<S::Future, Ready<Result<Response, Infallible>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        match (self.check)(&self.edge, &mut request) {
            Ok(()) => Either::Left(self.inner.call(request)),
            Err(failure) => Either::Right(ready(Ok(failure.into_response()))),
        }
    }
}

/// Answers at once.
pub(crate) fn answer(response: Response) -> Answer {
    Box::pin(ready(Ok(response)))
}
