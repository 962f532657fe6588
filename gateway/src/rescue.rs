//! Every failure of the gateway's own, and the one place where it becomes an answer.
//!
//! A problem that a service answers is not a failure of the gateway: it passes unchanged.

use std::borrow::Cow;
use std::time::Duration;

use axum::Json;
use axum::response::{IntoResponse, Response};
use common::http::Full;
use common::problem::Problem;
use http::header::{ALLOW, CACHE_CONTROL, CONNECTION, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, StatusCode, Uri};
use serde_json::json;

use crate::routes::{ROUTES, Route, Upstream};
use crate::trace::Trace;

/// Why the gateway answers itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    /// No row of the table covers the path.
    NoRoute,
    /// The path has a row, for other methods.
    OtherMethod(&'static Route),
    /// The request can be understood in more than one way; why.
    Ambiguous(&'static str),
    /// The body is larger than the limit.
    BodyTooLarge { limit_bytes: usize },
    /// The client's body ended before its end, or could not be read.
    BodyUnreadable,
    /// The client's body did not come in time.
    BodySlow,
    /// The client has used up its rate.
    RateLimited { retry_after: Duration },
    /// The client has as much of something at once as it may have; of what.
    Crowded(&'static str),
    /// All places are taken, by whomever; of what.
    Full(&'static str),
    /// The bearer token is not valid.
    Unauthenticated,
    /// All places for requests of this upstream are taken.
    Busy(Upstream),
    /// The upstream could not be reached: surely nothing was sent.
    Down(Upstream),
    /// The upstream ended the connection before its answer was complete.
    Cut(Upstream),
    /// The answer was not there in time.
    TimedOut,
    /// The request has been here before: an upstream's address is the gateway's own.
    Loop,
    /// A bug.
    Panicked,
}

/// When to come back to a service that is busy or away.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Where OAuth's clients ask, who know OAuth's failures and no problems.
const TOKEN_PATH: &str = "/auth/token";

/// What a client is told where nobody knows.
const UNKNOWN_OUTCOME: &str = "Whether what was asked was done is not known here; a POST with an \
    Idempotency-Key may be sent again.";

impl Failure {
    /// That there is no place for one more `what`, which is in the plural.
    pub(crate) fn no_place(full: Full, what: &'static str) -> Failure {
        match full {
            Full::OfClient => Failure::Crowded(what),
            Full::OfAll => Failure::Full(what),
        }
    }

    /// The label in metrics and logs.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Failure::NoRoute => "no-route",
            Failure::OtherMethod(_) => "method",
            Failure::Ambiguous(_) => "ambiguous",
            Failure::BodyTooLarge { .. } => "body-too-large",
            Failure::BodyUnreadable => "body-unreadable",
            Failure::BodySlow => "body-too-slow",
            Failure::RateLimited { .. } => "rate-limited",
            Failure::Crowded(_) => "crowded",
            Failure::Full(_) => "full",
            Failure::Unauthenticated => "unauthenticated",
            Failure::Busy(_) => "busy",
            Failure::Down(_) => "upstream-down",
            Failure::Cut(_) => "upstream-cut",
            Failure::TimedOut => "timeout",
            Failure::Loop => "loop",
            Failure::Panicked => "panic",
        }
    }

    /// The code for programs and the detail for people.
    fn says(&self) -> (&'static str, Cow<'static, str>) {
        match self {
            Failure::NoRoute => ("not-found", "There is nothing here.".into()),
            Failure::OtherMethod(_) => (
                "method-not-allowed",
                "This method is not allowed here; `Allow` lists those that are.".into(),
            ),
            Failure::Ambiguous(why) => ("ambiguous-request", (*why).into()),
            Failure::BodyTooLarge { limit_bytes } => {
                ("body-too-large", format!("The body may have at most {limit_bytes} bytes.").into())
            }
            Failure::BodyUnreadable => {
                ("body-unreadable", "The body could not be read to its end.".into())
            }
            Failure::BodySlow => {
                ("body-too-slow", "The body did not come in time; nothing was done.".into())
            }
            Failure::RateLimited { .. } => (
                "rate-limited",
                "Too many requests; `RateLimit-Policy` says how many are allowed.".into(),
            ),
            Failure::Crowded(what) => (
                "rate-limited",
                format!("This address has too many {what} at once; nothing was done.").into(),
            ),
            Failure::Full(what) => {
                ("unavailable", format!("There are too many {what}; nothing was done.").into())
            }
            Failure::Unauthenticated => {
                ("unauthenticated", "The bearer token is not valid; it may have expired.".into())
            }
            Failure::Busy(upstream) => {
                ("unavailable", format!("{} is busy; nothing was done.", upstream.name()).into())
            }
            Failure::Down(upstream) => {
                let name = upstream.name();
                ("unavailable", format!("{name} can't be reached; nothing was done.").into())
            }
            Failure::Cut(upstream) => {
                let name = upstream.name();
                ("upstream-cut", format!("{name} broke off its answer. {UNKNOWN_OUTCOME}").into())
            }
            Failure::TimedOut => {
                ("timeout", format!("The answer was not there in time. {UNKNOWN_OUTCOME}").into())
            }
            Failure::Loop => {
                ("loop", "The request came back to the gateway that had passed it on.".into())
            }
            Failure::Panicked => ("internal", "An error on our side. It has been recorded.".into()),
        }
    }

    fn problem(&self) -> Problem {
        let (code, detail) = self.says();
        let problem = Problem::new(self.status(), code, detail);
        match self.retry_after() {
            Some(duration) => problem.retry_after(duration),
            None => problem,
        }
    }

    /// The same in OAuth's shape (RFC 6749, 5.2), with the word of its few that comes nearest.
    fn oauth(&self) -> Response {
        let (_, detail) = self.says();
        let status = self.status();
        let error = match status {
            StatusCode::TOO_MANY_REQUESTS => "slow_down",
            StatusCode::SERVICE_UNAVAILABLE => "temporarily_unavailable",
            status if status.is_server_error() => "server_error",
            _ => "invalid_request",
        };
        let body = Json(json!({ "error": error, "error_description": detail }));
        let mut response = (status, [(CACHE_CONTROL, "no-store")], body).into_response();
        if let Some(duration) = self.retry_after() {
            let seconds = duration.as_secs() + u64::from(duration.subsec_nanos() > 0);
            response
                .headers_mut()
                .insert(http::header::RETRY_AFTER, HeaderValue::from(seconds.max(1)));
        }
        response
    }

    /// What a request for this path is answered with. Whoever uses another method there is no
    /// client of OAuth's.
    fn answer(&self, path: &str) -> Response {
        if path == TOKEN_PATH && !matches!(self, Failure::OtherMethod(_)) {
            return self.oauth();
        }
        self.problem().at(path).into_response()
    }

    /// When it is worth while to come back, where that is known.
    fn retry_after(&self) -> Option<Duration> {
        if let Failure::RateLimited { retry_after } = self {
            return Some(*retry_after);
        }
        matches!(self, Failure::Crowded(_) | Failure::Full(_) | Failure::Busy(_) | Failure::Down(_))
            .then_some(RETRY_AFTER)
    }

    fn add_headers(&self, headers: &mut HeaderMap) {
        if let Failure::OtherMethod(route) = self
            && let Ok(allow) = HeaderValue::try_from(route.allow())
        {
            headers.insert(ALLOW, allow);
        }
        if *self == Failure::Unauthenticated {
            let challenge = HeaderValue::from_static(r#"Bearer error="invalid_token""#);
            headers.insert(WWW_AUTHENTICATE, challenge);
        }
        if matches!(
            self,
            Failure::BodyTooLarge { .. } | Failure::BodyUnreadable | Failure::BodySlow
        ) {
            // What is left of the body is not read, so the connection can't be used again.
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
    }

    fn status(&self) -> StatusCode {
        match self {
            Failure::NoRoute => StatusCode::NOT_FOUND,
            Failure::OtherMethod(_) => StatusCode::METHOD_NOT_ALLOWED,
            Failure::Ambiguous(_) | Failure::BodyUnreadable => StatusCode::BAD_REQUEST,
            Failure::BodyTooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Failure::BodySlow => StatusCode::REQUEST_TIMEOUT,
            Failure::RateLimited { .. } | Failure::Crowded(_) => StatusCode::TOO_MANY_REQUESTS,
            Failure::Unauthenticated => StatusCode::UNAUTHORIZED,
            Failure::Full(_) | Failure::Busy(_) | Failure::Down(_) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Failure::Cut(_) => StatusCode::BAD_GATEWAY,
            Failure::TimedOut => StatusCode::GATEWAY_TIMEOUT,
            Failure::Loop => StatusCode::LOOP_DETECTED,
            Failure::Panicked => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// Whether it is worth a line in the log: a request that was ours to answer, and was not.
    fn is_ours(&self) -> bool {
        matches!(self, Failure::Cut(_) | Failure::TimedOut | Failure::Loop | Failure::Panicked)
    }
}

/// Logs a failure of ours, with the trace that it belongs to, and names in its problem the address
/// that it was met at: the path alone, for a query may hold anything.
pub(crate) fn finish(mut response: Response, uri: &Uri, trace: &Trace) -> Response {
    let Some(failure) = response.extensions_mut().remove::<Failure>() else {
        return response;
    };
    metrics::counter!("gateway_failures_total", "reason" => failure.reason()).increment(1);
    // Busy and Down come in thousands a second when they come: they are counted, and the change of
    // state is logged once by the upstream.
    if failure.is_ours() {
        tracing::warn!(trace_id = trace.id(), path = shown(uri), ?failure, "a request failed here");
    } else {
        tracing::debug!(trace_id = trace.id(), path = shown(uri), ?failure, "answered here");
    }
    let (head, body) = failure.answer(uri.path()).into_parts();
    // What other layers have added stays: CORS, the rate.
    response.headers_mut().extend(head.headers);
    failure.add_headers(response.headers_mut());
    response.map(|_empty| body)
}

/// The path as a log may hold it: what is in the table, and ids.
fn shown(uri: &Uri) -> String {
    let in_table =
        |segment: &str| ROUTES.iter().any(|route| route.path.split('/').any(|own| own == segment));
    common::trace::ids_only(uri.path(), in_table)
}

impl IntoResponse for Failure {
    /// The status and nothing else: [`finish`] knows the address and writes the problem.
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}
