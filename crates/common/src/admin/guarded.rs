//! The part of the admin port that wants a credential: `/admin/…`.

use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::extract::{FromRequestParts, MatchedPath, Request};
use axum::response::{IntoResponse as _, Response};
use http::request::Parts;
use http::{HeaderMap, StatusCode, header};
use tower::ServiceExt as _;

use super::credentials::{Credentials, Operator};
use crate::problem::Problem;
use crate::trace::ids_only;

/// The routes below `/admin`, once the service has started, and who may use them.
#[derive(Clone, Default)]
pub struct AdminApi {
    credentials: Credentials,
    router: Arc<OnceLock<Router>>,
}

impl AdminApi {
    /// Nothing is served yet, except that one is told so.
    #[must_use]
    pub fn new(credentials: Credentials) -> Self {
        Self { credentials, router: Arc::default() }
    }

    /// From now on these routes, whose paths begin with `/admin`, are served.
    pub fn set_router(&self, router: Router) {
        // The first is the only one.
        let _ = self.router.set(router);
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
            .ok_or_else(|| Problem::unauthenticated("A credential of the admin API is needed."))?;
        let router = self.router.get().cloned();
        let router = router.ok_or_else(|| Problem::unavailable("The service is starting."))?;
        Ok((operator, router))
    }
}

/// The one bearer credential of a request.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let value = values.next().filter(|_| values.next().is_none())?;
    let (scheme, shown) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(shown.trim())
}

/// Passes the request on; what changes something is logged with who did it.
async fn run(operator: Operator, router: Router, mut request: Request) -> Response {
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    request.extensions_mut().insert(operator.clone());
    let router = router.layer(axum::middleware::map_response(keep_route));
    let Ok(response) = router.oneshot(request).await;
    if !method.is_safe() {
        let route = response.extensions().get::<Route>().map_or("", |Route(route)| route.as_str());
        tracing::info!(
            target: "audit",
            operator = operator.name(),
            %method,
            path = ids_only(&path, |segment| route.split('/').any(|own| own == segment)),
            status = response.status().as_u16(),
            "an operator's call",
        );
    }
    response
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
