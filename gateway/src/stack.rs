//! What every request passes, outermost first.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, HttpBody};
use axum::extract::{ConnectInfo, Request};
use axum::response::{IntoResponse, Response};
use common::http::tell_deadline;
use futures::FutureExt;
use http::HeaderValue;
use http::header::{CONNECTION, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use tokio::time::{Instant, timeout, timeout_at};
use tower::util::option_layer;
use tower::{Service, ServiceBuilder};

use crate::edge::Edge;
use crate::layers::{Answer, GateLayer, Inner, Step, StepLayer, answer};
use crate::rate::TooMany;
use crate::rescue::{self, Failure};
use crate::routes::{self, Found, Goal, Limits, Route, Token};
use crate::upstream::Held;
use crate::{body, client, cors, docs, problems};

/// The whole stack.
pub(crate) fn build(edge: &Arc<Edge>) -> impl Inner {
    let the_edge = || Arc::clone(edge);
    ServiceBuilder::new()
        // Outermost, because it must see every answer, refusals and panics too: looks the route up,
        // sees to the trace context, measures, and turns a panic into a 500.
        .layer(StepLayer(the_edge(), Observe))
        // Outside all that refuses, so that a page of another origin may read a 401 or a 429 as
        // well.
        .layer(option_layer(cors::layer(&edge.cors_origins)))
        // Before anything that asks who the client is: finds its address and takes out what no
        // client may say.
        .layer(GateLayer(the_edge(), introduce))
        // Before the table is obeyed, so that a search for addresses that are not there is limited
        // as well.
        .layer(StepLayer(the_edge(), Rate))
        // Refuses what is not in the table; from here on there is a route.
        .layer(GateLayer(the_edge(), admit))
        // After the rate, because a signature costs more than all that came before.
        .layer(GateLayer(the_edge(), authenticate))
        // Around reading the body as well: a client that sends slowly has no more time than one
        // whose answer is slow.
        .layer(StepLayer(the_edge(), Deadline))
        // After all that refuses by the head alone, because what was refused need not be read; and
        // before the places, because who sends slowly must not take one from those who ask.
        .layer(StepLayer(the_edge(), ReadBody))
        // Innermost: a place is held while a service is asked, and for nothing else.
        .layer(StepLayer(the_edge(), Place))
        .service(Dispatch(the_edge()))
}

/// What the layers know of a request.
#[derive(Debug, Clone, Copy)]
struct Asked {
    found: Found,
    client: IpAddr,
}

impl Asked {
    /// Absent only if the layers stand in the wrong order.
    fn of(request: &Request) -> Result<Asked, Failure> {
        request.extensions().get::<Asked>().copied().ok_or(Failure::Panicked)
    }

    fn route(self) -> Result<&'static Route, Failure> {
        match self.found {
            Found::Route(route) => Ok(route),
            Found::OtherMethod(route) => Err(Failure::OtherMethod(route)),
            Found::Nothing => Err(Failure::NoRoute),
        }
    }
}

/// Outermost: see [`build`].
#[derive(Clone)]
struct Observe;

impl Step for Observe {
    fn call<S: Inner>(&self, edge: &Arc<Edge>, mut request: Request, inner: &mut S) -> Answer {
        let started = Instant::now();
        let found = routes::find(request.method(), request.uri().path());
        request.extensions_mut().insert(Asked { found, client: IpAddr::V4(Ipv4Addr::UNSPECIFIED) });
        let uri = request.uri().clone();
        let method = request.method().clone();
        let trace = edge.traces.begin(&method, request.headers_mut(), found.label(), &edge.clock);
        let edge = Arc::clone(edge);
        // The checks run when the inner future is made, so a panic can come from there too.
        let span = trace.span.clone();
        let entered = span.enter();
        let future = catch_unwind(AssertUnwindSafe(|| inner.call(request)));
        drop(entered);
        let measured = async move {
            let answered = match future {
                Ok(future) => AssertUnwindSafe(future).catch_unwind().await,
                Err(panic) => Err(panic),
            };
            let mut response = match answered {
                Ok(Ok(response)) => response,
                // The panic's own message was written by the hook when it happened.
                Err(_panic) => Failure::Panicked.into_response(),
            };
            // While we are ending, whoever keeps connections is to open its next one elsewhere.
            if edge.ending.is_cancelled() {
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            edge.meters.answered(found, &method, response.status(), started.elapsed());
            trace.answered(response.status());
            let mut response = rescue::finish(response, &uri, &trace);
            // Nobody is to guess that what was sent as data is a page.
            response
                .headers_mut()
                .insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
            Ok(response)
        };
        Box::pin(tracing::Instrument::instrument(measured, span))
    }
}

fn introduce(edge: &Edge, request: &mut Request) -> Result<(), Failure> {
    // A request without a peer did not come through our listener.
    let peer =
        request.extensions().get::<ConnectInfo<SocketAddr>>().ok_or(Failure::Panicked)?.0.ip();
    let uri = request.uri().clone();
    let introduced = client::introduce(request.headers_mut(), &uri, peer, &edge.hops)?;
    if introduced.unbelieved {
        edge.unbelieved.note();
    }
    if let Some(asked) = request.extensions_mut().get_mut::<Asked>() {
        asked.client = introduced.address;
    }
    Ok(())
}

/// See [`build`].
#[derive(Clone)]
struct Rate;

impl Step for Rate {
    fn call<S: Inner>(&self, edge: &Arc<Edge>, request: Request, inner: &mut S) -> Answer {
        let asked = match Asked::of(&request) {
            Ok(asked) => asked,
            Err(failure) => return answer(failure.into_response()),
        };
        if matches!(asked.found, Found::Route(route) if route.limits == Limits::None) {
            return Box::pin(inner.call(request));
        }
        let costly = match asked.found {
            Found::Route(route) if route.limits == Limits::Costly => Some(route.path),
            _ => None,
        };
        let left = match edge.rate.take(asked.client, costly) {
            Ok(left) => left,
            Err(TooMany { failure, left }) => {
                let mut response = failure.into_response();
                edge.rate.tell(left, response.headers_mut());
                return answer(response);
            }
        };
        let future = inner.call(request);
        let edge = Arc::clone(edge);
        Box::pin(async move {
            let mut response = future.await?;
            edge.rate.tell(left, response.headers_mut());
            Ok(response)
        })
    }
}

fn admit(_edge: &Edge, request: &mut Request) -> Result<(), Failure> {
    Asked::of(request)?.route().map(|_route| ())
}

fn authenticate(edge: &Edge, request: &mut Request) -> Result<(), Failure> {
    match Asked::of(request)?.route()?.token {
        Token::Checked => edge.tokens.check(request.headers()),
        Token::Ignored => Ok(()),
    }
}

/// See [`build`].
#[derive(Clone)]
struct Place;

impl Step for Place {
    fn call<S: Inner>(&self, edge: &Arc<Edge>, request: Request, inner: &mut S) -> Answer {
        let asked = Asked::of(&request).and_then(|asked| Ok((asked.route()?, asked.client)));
        let (route, client) = match asked {
            Ok(asked) => asked,
            Err(failure) => return answer(failure.into_response()),
        };
        let is_safe = request.method().is_safe();
        let place = match (route.goal, route.limits) {
            (Goal::Health | Goal::Docs | Goal::Problems, _) | (Goal::Upstream(_), Limits::None) => {
                return Box::pin(inner.call(request));
            }
            (Goal::Upstream(upstream), Limits::Request | Limits::Costly) => {
                edge.service(upstream).place(client)
            }
            (Goal::Upstream(upstream), Limits::Stream) => edge.stream_place(upstream, client),
        };
        let place = match place {
            Ok(place) => place,
            Err(failure) => return answer(failure.into_response()),
        };
        let future = inner.call(request);
        let edge = Arc::clone(edge);
        Box::pin(async move {
            let response = future.await?;
            let length = response.body().size_hint().exact();
            if let Some(length) = length
                && length <= edge.response_buffer_max_bytes
            {
                // The answer is whole: the place is free while the client still reads it.
                drop(place);
                return Ok(match edge.unread_place(client, length, is_safe) {
                    Ok(None) => response,
                    Ok(Some(unread)) => {
                        response.map(|body| Body::new(Held::new(body, unread, None)))
                    }
                    Err(failure) => failure.into_response(),
                });
            }
            let closing =
                (length.is_none() && route.limits == Limits::Stream).then(|| edge.closing.clone());
            Ok(response.map(|body| Body::new(Held::new(body, place, closing))))
        })
    }
}

/// See [`build`]. It ends with the answer's head, so a stream may last.
#[derive(Clone)]
struct Deadline;

/// When the client is answered whatever happens.
#[derive(Debug, Clone, Copy)]
struct Until(Instant);

impl Step for Deadline {
    fn call<S: Inner>(&self, edge: &Arc<Edge>, mut request: Request, inner: &mut S) -> Answer {
        let until = Instant::now() + edge.request_timeout;
        request.extensions_mut().insert(Until(until));
        let future = timeout_at(until, inner.call(request));
        Box::pin(async move {
            match future.await {
                Ok(answered) => answered,
                Err(_elapsed) => Ok(Failure::TimedOut.into_response()),
            }
        })
    }
}

/// See [`build`]: makes a body a known number of bytes.
#[derive(Clone)]
struct ReadBody;

impl Step for ReadBody {
    fn call<S: Inner>(&self, edge: &Arc<Edge>, request: Request, inner: &mut S) -> Answer {
        if request.body().is_end_stream() {
            return Box::pin(inner.call(request));
        }
        let reading = Asked::of(&request).and_then(|asked| {
            edge.bodies
                .enter(asked.client)
                .map_err(|full| Failure::no_place(full, "bodies on their way"))
        });
        let reading = match reading {
            Ok(reading) => reading,
            Err(failure) => return answer(failure.into_response()),
        };
        let (parts, body) = request.into_parts();
        let (mut inner, edge) = (inner.clone(), Arc::clone(edge));
        Box::pin(async move {
            let read = timeout(edge.body_timeout, body::read(body, edge.body_max_bytes)).await;
            drop(reading);
            match read.unwrap_or(Err(Failure::BodySlow)) {
                Ok(bytes) => inner.call(Request::from_parts(parts, Body::from(bytes))).await,
                Err(failure) => Ok(failure.into_response()),
            }
        })
    }
}

/// Where a route ends.
#[derive(Clone)]
struct Dispatch(Arc<Edge>);

impl Service<Request> for Dispatch {
    type Response = Response;
    type Error = Infallible;
    type Future = Answer;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Answer {
        let edge = Arc::clone(&self.0);
        Box::pin(async move {
            Ok(dispatch(&edge, request).await.unwrap_or_else(IntoResponse::into_response))
        })
    }
}

async fn dispatch(edge: &Edge, request: Request) -> Result<Response, Failure> {
    let (mut parts, body) = request.into_parts();
    if let Some(Until(until)) = parts.extensions.get().copied() {
        tell_deadline(&mut parts.headers, until);
    }
    // It was read before, so this waits for nothing.
    let body = body::read(body, edge.body_max_bytes).await?;
    let asked = parts.extensions.get::<Asked>().copied().ok_or(Failure::Panicked)?;
    let route = asked.route()?;
    match route.goal {
        Goal::Health => {
            Ok(([(CONTENT_TYPE, "application/json")], r#"{"status":"UP"}"#).into_response())
        }
        Goal::Docs => docs::serve(parts.uri.path()),
        Goal::Problems => problems::serve(parts.uri.path()),
        Goal::Upstream(upstream) => edge.service(upstream).send(parts, body, route.limits).await,
    }
}
