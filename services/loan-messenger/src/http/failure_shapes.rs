//! The failures that the routes of the delivery settings share, for the API description.

use common::problem::Problem;
use utoipa::IntoResponses;

/// What can always happen.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only their shapes are used")]
pub(super) enum AnyFailures {
    /// No token, or a bad one
    #[response(status = 401, content_type = "application/problem+json", example = json!({
        "type": "/problems/unauthenticated", "title": "Unauthorized", "status": 401,
        "code": "unauthenticated", "detail": "A bearer token is needed.",
        "instance": "/loanMessengers/delivery"
    }))]
    Unauthenticated(Problem),
    /// Not a customer
    #[response(status = 403, content_type = "application/problem+json", example = json!({
        "type": "/problems/no-role", "title": "Forbidden", "status": 403, "code": "no-role",
        "detail": "Only customers choose how messages reach them.",
        "instance": "/loanMessengers/delivery"
    }))]
    NotACustomer(Problem),
    /// An error on our side
    #[response(status = 500, content_type = "application/problem+json", example = json!({
        "type": "/problems/internal", "title": "Internal Server Error", "status": 500,
        "code": "internal", "detail": "An error on our side. It has been recorded.",
        "instance": "/loanMessengers/delivery"
    }))]
    Internal(Problem),
    /// The database does not answer; come back after `Retry-After`
    #[response(status = 503, content_type = "application/problem+json",
        headers(("Retry-After" = u64, description = "Seconds")),
        example = json!({
        "type": "/problems/unavailable", "title": "Service Unavailable", "status": 503,
        "code": "unavailable", "detail": "The service is busy or its database does not answer.",
        "instance": "/loanMessengers/delivery"
    }))]
    Unavailable(Problem),
}

/// A body is needed, and can't be read.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only their shapes are used")]
pub(super) enum UnreadableFailures {
    /// Not JSON, not UTF-8 or nested too deep
    #[response(status = 400, content_type = "application/problem+json", example = json!({
        "type": "/problems/malformed-body", "title": "Bad Request", "status": 400, "code": "malformed-body",
        "detail": "The body is not JSON (line 1, column 2).", "instance": "/loanMessengers/delivery"
    }))]
    Malformed(Problem),
    /// More than 64 KiB
    #[response(status = 413, content_type = "application/problem+json", example = json!({
        "type": "/problems/body-too-large", "title": "Payload Too Large", "status": 413,
        "code": "body-too-large", "detail": "The body may have at most 65536 bytes.",
        "instance": "/loanMessengers/delivery"
    }))]
    TooLarge(Problem),
    /// Not `application/json`
    #[response(status = 415, content_type = "application/problem+json", example = json!({
        "type": "/problems/unsupported-media-type", "title": "Unsupported Media Type", "status": 415,
        "code": "unsupported-media-type", "detail": "The body must be `application/json`.",
        "instance": "/loanMessengers/delivery"
    }))]
    UnsupportedMediaType(Problem),
}

/// A body is needed, and is read.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only their shapes are used")]
pub(super) enum BodyFailures {
    /// Readable, but wrong: `errors` says which field
    #[response(status = 422, content_type = "application/problem+json", example = json!({
        "type": "/problems/invalid", "title": "Unprocessable Entity", "status": 422, "code": "invalid",
        "detail": "The request has wrong fields.", "instance": "/loanMessengers/delivery",
        "errors": [{"field": "url", "message": "must begin with https://"}]
    }))]
    Invalid(Problem),
}

/// Links are made.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only their shapes are used")]
pub(super) enum LinkFailures {
    /// A `Host` that no link may be made of
    #[response(status = 421, content_type = "application/problem+json", example = json!({
        "type": "/problems/misdirected-request", "title": "Misdirected Request", "status": 421,
        "code": "misdirected-request", "detail": "This host name is not served here.",
        "instance": "/loanMessengers/delivery"
    }))]
    Misdirected(Problem),
}

/// A channel is named.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only their shapes are used")]
pub(super) enum ChannelFailures {
    /// There is no such channel here (`channel-not-offered`), or nothing to verify (`no-address`)
    #[response(status = 409, content_type = "application/problem+json", example = json!({
        "type": "/problems/channel-not-offered", "title": "Conflict", "status": 409,
        "code": "channel-not-offered",
        "detail": "There is no such channel here. `offered` of `GET /loanMessengers/delivery` lists those that there are.",
        "instance": "/loanMessengers/delivery"
    }))]
    NotOffered(Problem),
}
