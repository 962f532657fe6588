//! The failures that several routes share, for the API description.

use common::problem::Problem;
use utoipa::IntoResponses;

/// A token is needed.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only their shapes are used")]
pub(super) enum TokenFailures {
    /// No token, a bad one, or one from before a change of the password
    #[response(status = 401, content_type = "application/problem+json", example = json!({
        "type": "/problems/unauthenticated", "title": "Unauthorized", "status": 401,
        "code": "unauthenticated", "detail": "A bearer token is needed.", "instance": "/customers/me"
    }))]
    Unauthenticated(Problem),
}

/// A role is needed.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only their shapes are used")]
pub(super) enum RoleFailures {
    /// The token's role may not do this
    #[response(status = 403, content_type = "application/problem+json", example = json!({
        "type": "/problems/forbidden", "title": "Forbidden", "status": 403, "code": "forbidden",
        "detail": "This is not for your role.", "instance": "/customers/01938e1b-ffff-7000-8000-000000000001"
    }))]
    Forbidden(Problem),
}

/// A service credential is needed.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only their shapes are used")]
pub(super) enum ServiceFailures {
    /// Not the credential of a service that may do this
    #[response(status = 401, content_type = "application/problem+json", example = json!({
        "type": "/problems/unauthenticated", "title": "Unauthorized", "status": 401,
        "code": "unauthenticated", "detail": "A service credential is needed.", "instance": "/loanAuths"
    }))]
    UnknownService(Problem),
}

/// There is nothing to be seen.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only their shapes are used")]
pub(super) enum NotFoundFailures {
    /// There is none, or it is another's: the two look the same
    #[response(status = 404, content_type = "application/problem+json", example = json!({
        "type": "/problems/not-found", "title": "Not Found", "status": 404, "code": "not-found",
        "detail": "There is nothing here.", "instance": "/customers/01938e1b-ffff-7000-8000-000000000001"
    }))]
    NotFound(Problem),
}

/// A body is needed.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only their shapes are used")]
pub(super) enum BodyFailures {
    /// Not JSON, not UTF-8 or nested too deep
    #[response(status = 400, content_type = "application/problem+json", example = json!({
        "type": "/problems/malformed-body", "title": "Bad Request", "status": 400, "code": "malformed-body",
        "detail": "The body is not JSON (line 1, column 2).", "instance": "/customers"
    }))]
    Malformed(Problem),
    /// More than 64 KiB
    #[response(status = 413, content_type = "application/problem+json", example = json!({
        "type": "/problems/body-too-large", "title": "Payload Too Large", "status": 413,
        "code": "body-too-large", "detail": "The body may have at most 65536 bytes.", "instance": "/customers"
    }))]
    TooLarge(Problem),
    /// Not `application/json`
    #[response(status = 415, content_type = "application/problem+json", example = json!({
        "type": "/problems/unsupported-media-type", "title": "Unsupported Media Type", "status": 415,
        "code": "unsupported-media-type", "detail": "The body must be `application/json`.",
        "instance": "/customers"
    }))]
    UnsupportedMediaType(Problem),
    /// Readable, but wrong: `errors` says which field
    #[response(status = 422, content_type = "application/problem+json", example = json!({
        "type": "/problems/invalid", "title": "Unprocessable Entity", "status": 422, "code": "invalid",
        "detail": "The request has wrong fields.", "instance": "/customers",
        "errors": [{"field": "userPassword", "message": "must have at least 8 characters"}]
    }))]
    Invalid(Problem),
}

/// A password is checked.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only their shapes are used")]
pub(super) enum PasswordFailures {
    /// `wrong-credentials`: the password is not right; `forbidden`: the token's role may not do this
    #[response(status = 403, content_type = "application/problem+json", example = json!({
        "type": "/problems/wrong-credentials", "title": "Forbidden", "status": 403,
        "code": "wrong-credentials", "detail": "The credentials are not right.", "instance": "/customers/me"
    }))]
    WrongCredentials(Problem),
    /// Too many wrong passwords; come back after `Retry-After` (1 to 60 seconds, growing)
    #[response(status = 429, content_type = "application/problem+json",
        headers(("Retry-After" = u64, description = "Seconds")),
        example = json!({
        "type": "/problems/too-many-failures", "title": "Too Many Requests", "status": 429,
        "code": "too-many-failures", "detail": "Too many wrong passwords. Come back after `Retry-After`.",
        "instance": "/customers/me"
    }))]
    Throttled(Problem),
}

/// Links are made.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only their shapes are used")]
pub(super) enum LinkFailures {
    /// A `Host` that no link may be made of
    #[response(status = 421, content_type = "application/problem+json", example = json!({
        "type": "/problems/misdirected-request", "title": "Misdirected Request", "status": 421,
        "code": "misdirected-request", "detail": "This host name is not served here.", "instance": "/customers"
    }))]
    Misdirected(Problem),
}

/// What can always happen.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only their shapes are used")]
pub(super) enum ServerFailures {
    /// An error on our side
    #[response(status = 500, content_type = "application/problem+json", example = json!({
        "type": "/problems/internal", "title": "Internal Server Error", "status": 500, "code": "internal",
        "detail": "An error on our side. It has been recorded.", "instance": "/customers"
    }))]
    Internal(Problem),
    /// The database does not answer, or too many passwords are being checked; come back after `Retry-After`
    #[response(status = 503, content_type = "application/problem+json",
        headers(("Retry-After" = u64, description = "Seconds")),
        example = json!({
        "type": "/problems/unavailable", "title": "Service Unavailable", "status": 503, "code": "unavailable",
        "detail": "The service is busy or its database does not answer.", "instance": "/customers"
    }))]
    Unavailable(Problem),
}

/// A version was named.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only their shapes are used")]
pub(super) enum VersionFailures {
    /// It has changed since the version that `If-Match` names
    #[response(status = 412, content_type = "application/problem+json", example = json!({
        "type": "/problems/precondition-failed", "title": "Precondition Failed", "status": 412,
        "code": "precondition-failed", "detail": "It has changed since the version that `If-Match` names.",
        "instance": "/customers/me"
    }))]
    Stale(Problem),
}
