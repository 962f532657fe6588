//! Failures as RFC 9457 problems, the only form in which one leaves a service.

use std::collections::BTreeMap;
use std::time::Duration;

use ::http::{HeaderName, HeaderValue, StatusCode, Uri, header};
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use problem_details::{ProblemDetails, ProblemType};
use serde::Serialize;
use serde_json::Value;

/// The media type of a problem.
pub const MEDIA_TYPE: &str = "application/problem+json";

/// What went wrong with one field of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct FieldError {
    /// Where: `amountOfMoney`, `items[2].name`; empty for the body as a whole.
    pub field: String,
    /// What is wrong, for a person.
    pub message: String,
}

/// A failure, as the caller sees it. The detail is for people and never holds
/// what a driver, a library or another service said.
#[derive(Clone, Debug)]
pub struct Problem(Box<Inner>);

#[derive(Clone, Debug)]
struct Inner {
    status: StatusCode,
    code: &'static str,
    detail: String,
    instance: Option<String>,
    errors: Vec<FieldError>,
    more: BTreeMap<&'static str, Value>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

#[derive(Serialize)]
struct Extensions<'a> {
    code: &'a str,
    #[serde(skip_serializing_if = "<[FieldError]>::is_empty")]
    errors: &'a [FieldError],
    #[serde(flatten)]
    more: &'a BTreeMap<&'static str, Value>,
}

impl Problem {
    /// A problem with a stable code for programs and a detail for people.
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            status,
            code,
            detail: detail.into(),
            instance: None,
            errors: Vec::new(),
            more: BTreeMap::new(),
            headers: Vec::new(),
        }))
    }

    /// Adds what is wrong with one field.
    #[must_use]
    pub fn with_error(mut self, field: &str, message: impl Into<String>) -> Self {
        self.0.errors.push(FieldError { field: field.to_owned(), message: message.into() });
        self
    }

    /// Adds a member of its own, such as `state` or `allowed`.
    #[must_use]
    pub fn with(mut self, key: &'static str, value: impl Serialize) -> Self {
        // What cannot become JSON is left out: a problem about a problem helps
        // nobody.
        if let Ok(value) = serde_json::to_value(value) {
            self.0.more.insert(key, value);
        }
        self
    }

    /// Adds a header to the answer.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.push((name, value));
        self
    }

    /// Says when to come back, in whole seconds, rounded up, at least one.
    #[must_use]
    pub fn retry_after(self, d: Duration) -> Self {
        let seconds = d.as_secs() + u64::from(d.subsec_nanos() > 0);
        self.with_header(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)))
    }

    /// 404: there is none, or it is not the caller's to see.
    #[must_use]
    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", "There is nothing here.")
    }

    /// 401: the caller is not known.
    #[must_use]
    pub fn unauthenticated(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", detail)
            .with_header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
    }

    /// 401: what the caller shows as a token is none, or is not good any more
    /// (RFC 6750).
    #[must_use]
    pub fn invalid_token(detail: impl Into<String>) -> Self {
        let challenge = HeaderValue::from_static(r#"Bearer error="invalid_token""#);
        Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", detail)
            .with_header(header::WWW_AUTHENTICATE, challenge)
    }

    /// 403: the caller is known and may not.
    pub fn forbidden(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, code, detail)
    }

    /// 409: not in this state.
    pub fn conflict(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, code, detail)
    }

    /// 422: readable, but wrong; add the fields with [`Problem::with_error`].
    #[must_use]
    pub fn invalid(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", detail)
    }

    /// 503: something that is needed does not answer; worth another try.
    pub fn unavailable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail)
            .retry_after(Duration::from_secs(1))
    }

    /// 502: what was asked was done, or it was not and never will be; nobody can say
    /// which now.
    #[must_use]
    pub fn outcome_unknown() -> Self {
        Self::new(
            StatusCode::BAD_GATEWAY,
            "outcome-unknown",
            "The database broke off its last answer. Whether what was asked was done is not known; look at the state before you try again. A POST with an Idempotency-Key may be sent again.",
        )
    }

    /// 500: an error of ours. Whoever makes it has logged why.
    #[must_use]
    pub fn internal() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "An error on our side. It has been recorded.",
        )
    }

    /// The problem for a failure of the database, which is logged here and
    /// nowhere else: 503 where the database is away and nothing was done, 502 where
    /// it may have been done, 500 where we are wrong.
    #[must_use]
    pub fn from_sqlx(e: &sqlx::Error) -> Self {
        if crate::db::is_outcome_unknown(e) {
            tracing::warn!(error = %crate::db::described(e), "a transaction may have been committed");
            Self::outcome_unknown()
        } else if crate::db::is_infrastructure(e) {
            tracing::warn!(error = %crate::db::described(e), "the database does not answer");
            Self::unavailable("The service is busy or its database does not answer.")
        } else {
            tracing::error!(error = %crate::db::described(e), "a statement failed");
            Self::internal()
        }
    }

    /// The problem of a validation's report, one error for each field.
    #[must_use]
    pub fn from_garde(report: &garde::Report) -> Self {
        report
            .iter()
            .fold(Self::invalid("The request has wrong fields."), |problem, (path, error)| {
                problem.with_error(&path.to_string(), error.message())
            })
    }

    /// The problem for a failure that has only a status, such as a router's 404.
    #[must_use]
    pub fn from_status(status: StatusCode) -> Self {
        match status {
            StatusCode::NOT_FOUND => Self::not_found(),
            StatusCode::METHOD_NOT_ALLOWED => Self::new(
                status,
                "method-not-allowed",
                "This method is not allowed here; `Allow` lists those that are.",
            ),
            StatusCode::PAYLOAD_TOO_LARGE => Self::too_large(),
            StatusCode::UNSUPPORTED_MEDIA_TYPE => {
                Self::new(status, "unsupported-media-type", "The body must be `application/json`.")
            }
            StatusCode::REQUEST_TIMEOUT => {
                Self::new(status, "timeout", "The request took too long.")
            }
            StatusCode::GATEWAY_TIMEOUT => Self::new(
                status,
                "timeout",
                "The answer was not there in time. Whether what was asked was done is not known; a POST with an Idempotency-Key may be sent again.",
            ),
            StatusCode::SERVICE_UNAVAILABLE => Self::unavailable("The service cannot answer now."),
            StatusCode::INTERNAL_SERVER_ERROR => Self::internal(),
            other if other.is_server_error() => Self::new(other, "failed", "The request failed."),
            other => Self::new(other, "refused", "The request was refused."),
        }
    }

    /// 413: the body is larger than allowed.
    #[must_use]
    pub fn too_large() -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "body-too-large",
            format!("The body may have at most {} bytes.", crate::http::BODY_BYTES_MAX),
        )
    }

    /// The status of the answer.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    /// The code for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.0.code
    }

    /// The detail for people.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.0.detail
    }

    /// What is wrong with which field.
    #[must_use]
    pub fn errors(&self) -> &[FieldError] {
        &self.0.errors
    }

    /// Names the address that the problem was met at.
    #[must_use]
    pub fn at(mut self, instance: &str) -> Self {
        self.0.instance = Some(instance.to_owned());
        self
    }

    fn to_json(&self) -> String {
        let inner = &self.0;
        let mut details = ProblemDetails::new()
            .with_status(inner.status)
            .with_title(inner.status.canonical_reason().unwrap_or("Failed"))
            .with_detail(inner.detail.clone());
        // Relative, and so resolved by whoever reads it against our address.
        if let Ok(uri) = format!("/problems/{}", inner.code).parse::<Uri>() {
            details = details.with_type(ProblemType::from(uri));
        }
        if let Some(Ok(uri)) = inner.instance.as_ref().map(|path| path.parse::<Uri>()) {
            details = details.with_instance(uri);
        }
        let details = details.with_extensions(Extensions {
            code: inner.code,
            errors: &inner.errors,
            more: &inner.more,
        });
        serde_json::to_string(&details).unwrap_or_else(|_| "{}".to_owned())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.to_json()));
        *response.status_mut() = self.0.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        for (name, value) in &self.0.headers {
            headers.insert(name.clone(), value.clone());
        }
        // The server's stack writes it again with the request's address.
        response.extensions_mut().insert(self);
        response
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.0.status.as_u16(), self.0.code)
    }
}

impl std::error::Error for Problem {}

/// The members that every problem has, for the API description.
#[derive(utoipa::ToSchema)]
#[schema(as = Problem)]
#[expect(dead_code, reason = "only its shape is used")]
struct Shape {
    /// An address that names the kind of problem.
    r#type: String,
    /// The status in words.
    title: String,
    /// The status.
    status: u16,
    /// The kind of problem, for programs.
    code: String,
    /// What happened, for people.
    detail: String,
    /// The address that the problem was met at.
    instance: Option<String>,
    /// What is wrong with which field.
    errors: Option<Vec<FieldError>>,
}

impl utoipa::PartialSchema for Problem {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        <Shape as utoipa::PartialSchema>::schema()
    }
}

impl utoipa::ToSchema for Problem {
    fn name() -> std::borrow::Cow<'static, str> {
        "Problem".into()
    }

    fn schemas(
        schemas: &mut Vec<(String, utoipa::openapi::RefOr<utoipa::openapi::schema::Schema>)>,
    ) {
        <Shape as utoipa::ToSchema>::schemas(schemas);
    }
}

#[cfg(test)]
mod tests;
