//! The part of the admin port that wants a credential: `/admin/…`.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{FromRequestParts, MatchedPath, Request};
use axum::response::{IntoResponse as _, Response};
use futures::FutureExt as _;
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode, header};
use tower::ServiceExt as _;
use tracing::Instrument as _;

use super::credentials::{Credentials, Operator};
use super::scope::AdminRoutes;
use crate::problem::Problem;
use crate::trace::ids_only;

/// How often it is said at most that calls were refused.
const REFUSALS_SAID_EVERY: Duration = Duration::from_secs(60);

/// The routes below `/admin`, once the service has started, and who may use them.
#[derive(Clone, Default)]
pub struct AdminApi {
    credentials: Credentials,
    router: Arc<OnceLock<Router>>,
    refusals: Arc<Mutex<Refusals>>,
}

/// Calls that were refused because of their credential, since that was said.
#[derive(Default)]
struct Refusals {
    said: Option<Instant>,
    count: u64,
}

impl Refusals {
    /// One more; how many there are, if it is time to say so.
    fn add(&mut self, now: Instant) -> Option<u64> {
        self.count += 1;
        if self.said.is_some_and(|said| now.duration_since(said) < REFUSALS_SAID_EVERY) {
            return None;
        }
        self.said = Some(now);
        Some(std::mem::take(&mut self.count))
    }
}

impl AdminApi {
    /// Nothing is served yet, except that one is told so.
    #[must_use]
    pub fn new(credentials: Credentials) -> Self {
        Self { credentials, router: Arc::default(), refusals: Arc::default() }
    }

    /// From now on these routes are served below `/admin`, behind this stack.
    pub fn set_routes(&self, routes: AdminRoutes, stack: impl FnOnce(Router) -> Router) {
        // The first is the only one.
        let _ = self.router.set(stack(routes.into_router()));
    }

    /// Answers what is below `/admin`, and nothing else.
    pub fn into_router(self) -> Router {
        Router::new().fallback(async move |request: Request| {
            if request.uri().path().starts_with("/admin/") {
                self.answer(request).await
            } else {
                Problem::not_found().into_response()
            }
        })
    }

    /// Answers a request below `/admin`.
    async fn answer(&self, request: Request) -> Response {
        let path = request.uri().path().to_owned();
        match self.admit(request.headers()) {
            Ok((operator, router)) => run(operator, router, request).await,
            Err(problem) => problem.at(&path).into_response(),
        }
    }

    fn admit(&self, headers: &HeaderMap) -> Result<(Operator, Router), Problem> {
        if self.credentials.is_empty() {
            return Err(Problem::new(
                StatusCode::NOT_FOUND,
                "admin-api-off",
                "The admin API is off: ADMIN_CREDENTIAL is not set.",
            ));
        }
        let operator = bearer(headers).and_then(|shown| self.credentials.operator(shown));
        let operator = operator
            .ok_or_else(|| Problem::unauthenticated("A credential of the admin API is needed."))
            .inspect_err(|_| self.refused())?;
        let router = self.router.get().cloned();
        let router = router.ok_or_else(|| Problem::unavailable("The service is starting."))?;
        Ok((operator, router))
    }

    /// Counts a call with no credential or a wrong one; nothing of it is repeated.
    fn refused(&self) {
        metrics::counter!("admin_refused_total").increment(1);
        let mut refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(calls) = refusals.add(Instant::now()) {
            tracing::warn!(target: "audit", calls, "calls of the admin API without a credential that fits");
        }
    }
}

/// The one bearer credential of a request.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let value = values.next().filter(|_| values.next().is_none())?;
    let (scheme, shown) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(shown.trim())
}

/// Passes the request on. What may change something goes on to its end though its
/// caller hangs up: nothing is changed without its line in the log. What was only
/// looked at has none, unless the credential was not for it.
async fn run(operator: Operator, router: Router, mut request: Request) -> Response {
    request.extensions_mut().insert(operator.clone());
    let router = router.layer(axum::middleware::map_response(keep_route));
    if request.method().is_safe() {
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let Ok(response) = router.oneshot(request).await;
        if response.status() == StatusCode::FORBIDDEN {
            log(&operator, &method, &path, &response);
        }
        return response;
    }
    let path = request.uri().path().to_owned();
    let change = change(operator, router, request).in_current_span();
    tokio::spawn(change).await.unwrap_or_else(|_| Problem::internal().at(&path).into_response())
}

/// Does what an operator asks for, and logs who did it.
async fn change(operator: Operator, router: Router, request: Request) -> Response {
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    // Nothing of what panicked is used afterwards.
    let answer = AssertUnwindSafe(router.oneshot(request)).catch_unwind().await;
    let response = match answer {
        Ok(Ok(response)) => response,
        Err(_) => Problem::internal().at(&path).into_response(),
    };
    log(&operator, &method, &path, &response);
    response
}

/// Who has asked for what, and what came of it.
fn log(operator: &Operator, method: &Method, path: &str, response: &Response) {
    let route = response.extensions().get::<Route>().map_or("", |Route(route)| route.as_str());
    tracing::info!(
        target: "audit",
        operator = operator.name(),
        %method,
        path = ids_only(path, |segment| route.split('/').any(|own| own == segment)),
        status = response.status().as_u16(),
        "an operator's call",
    );
}

/// The route that has answered, for the log.
#[derive(Clone)]
struct Route(String);

async fn keep_route(route: Option<MatchedPath>, mut response: Response) -> Response {
    if let Some(route) = route {
        response.extensions_mut().insert(Route(route.as_str().to_owned()));
    }
    response
}

/// Who calls, for handlers of the admin API.
impl<S: Send + Sync> FromRequestParts<S> for Operator {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| {
            tracing::error!("a route of the admin API was reached past its guard");
            Problem::internal()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_said_at_once_and_then_once_in_a_while() {
        let (mut refusals, start) = (Refusals::default(), Instant::now());
        assert_eq!(refusals.add(start), Some(1));
        for _ in 0..5 {
            assert_eq!(refusals.add(start + Duration::from_secs(59)), None);
        }
        assert_eq!(refusals.add(start + REFUSALS_SAID_EVERY), Some(6));
    }
}
