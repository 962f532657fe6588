//! `POST /loanRequests`

mod body;
#[cfg(test)]
mod tests;

use ::events::codes::RequestStatus;
use ::events::{LoanVersion, version};
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use common::config::Secret;
use common::hal::Resource;
use common::http::{BaseUrl, ClientAddress, Json};
use common::idempotency::IdempotencyKey;
use common::problem::Problem;
use common::token::Principal;

use self::body::NewLoanRequest;
use super::loan_request_shapes::{
    LoanRequestBody, PendingBody, address, pending, pending_example, problem_example, resource,
    resource_example,
};
use crate::clients::loan_auth::{Place, Proof};
use crate::domain::submission::Bearer;
use crate::error::Error;
use crate::store::loan_request::LoanRequest;
use crate::usecases::{self, Desk, Order, Submitted};

/// What the status shows as soon as it tells of this request.
const LOAN_VERSION: HeaderName = HeaderName::from_static(version::HEADER);
/// Says that the answer is that of an earlier request.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// Apply for a loan, or ask to repay one
///
/// The caller is certified at once, by login name, name and password or by a
/// bearer token. Nothing is accepted before that. What is accepted is worked on
/// from then on, whatever else may be down.
///
/// With an `Idempotency-Key` the same request sent again is one request: it is
/// answered with what became of the first, after the caller has been certified
/// again.
#[utoipa::path(
    post,
    path = "/loanRequests",
    tag = "loanRequests",
    operation_id = "submit_loan_request",
    request_body = NewLoanRequest,
    params(
        ("Idempotency-Key" = Option<String>, Header,
         description = "1 to 255 visible ASCII characters; kept for 24 h for this caller, with a hash of the body without the password"),
        ("Authorization" = Option<String>, Header, description = "`Bearer` and a customer's token, in place of the credentials in the body"),
    ),
    security((), ("bearer" = [])),
    responses(
        (status = 201, description = "Certified and accepted; or it was before, under the same key",
         body = Resource<LoanRequestBody>, headers(
             ("Location" = String, description = "the request"),
             ("Loan-Version" = String, description = "opaque: `minVersion` of the status addresses takes it, and they wait until \
              the request is shown, taken in or rejected"),
             ("Idempotency-Replayed" = Option<bool>, description = "`true` if it was accepted before"),
         ),
         example = json!(resource_example(RequestStatus::Pending))),
        (status = 202, description = "Not known yet whether the caller is certified. `Location` is this request as soon as that is decided, or 404",
         body = Resource<PendingBody>,
         headers(
             ("Location" = String, description = "the request"),
             ("Loan-Version" = String, description = "as after a 201; of a request that comes to nothing the status never tells"),
         ),
         example = json!(pending_example())),
        (status = 400, description = "`malformed-body`: not JSON, not UTF-8 or nested too deep; `bad-idempotency-key`",
         body = Problem, content_type = "application/problem+json",
         example = json!(problem_example(400, "Bad Request", "malformed-body", "The body is not JSON (line 1, column 1)."))),
        (status = 401, description = "`unauthenticated`: the bearer token is malformed, forged or expired, and so names nobody; nothing is kept",
         body = Problem, content_type = "application/problem+json",
         headers(("WWW-Authenticate" = String, description = "`Bearer error=\"invalid_token\"` (RFC 6750); `Bearer` where it is no bearer token at all")),
         example = json!(problem_example(401, "Unauthorized", "unauthenticated", "The token has expired."))),
        (status = 403, description = "`not-certified`: the credentials are wrong; or the token is good and does not entitle: an officer's, another person's than the credentials, from before a change of the password, or of a customer who has left. Kept for officers and audit",
         body = Problem, content_type = "application/problem+json",
         example = json!(problem_example(403, "Forbidden", "not-certified", "The login name, name and password, or the token, are not those of a customer."))),
        (status = 404, description = "`request-cancelled`: the request under this key was accepted and has been cancelled since",
         body = Problem, content_type = "application/problem+json",
         example = json!(problem_example(404, "Not Found", "request-cancelled", "The request was accepted, and has been cancelled since."))),
        (status = 409, description = "`request-in-flight`: the request under this key is being answered",
         body = Problem, content_type = "application/problem+json",
         headers(("Retry-After" = u32, description = "seconds")),
         example = json!(problem_example(409, "Conflict", "request-in-flight", "The same request is being answered. Ask again for its answer."))),
        (status = 413, description = "`body-too-large`", body = Problem, content_type = "application/problem+json",
         example = json!(problem_example(413, "Payload Too Large", "body-too-large", "The body may have at most 65536 bytes."))),
        (status = 415, description = "`unsupported-media-type`", body = Problem, content_type = "application/problem+json",
         example = json!(problem_example(415, "Unsupported Media Type", "unsupported-media-type", "The body must be `application/json`."))),
        (status = 421, description = "`misdirected-request`: this host name is not served here",
         body = Problem, content_type = "application/problem+json",
         example = json!(problem_example(421, "Misdirected Request", "misdirected-request", "This host name is not served here."))),
        (status = 422, description = "`invalid`: wrong fields, each in `errors`; `idempotency-key-reused`: the key stands for another body",
         body = Problem, content_type = "application/problem+json",
         example = json!({
             "type": "/problems/invalid", "title": "Unprocessable Entity", "status": 422, "code": "invalid",
             "detail": "The request has wrong fields.", "instance": "/loanRequests",
             "errors": [{ "field": "amountOfMoney", "message": "must be between 1 and 1000000000000 won" }]
         })),
        (status = 429, description = "`too-many-failures`: too many proofs were wrong before this one",
         body = Problem, content_type = "application/problem+json",
         headers(("Retry-After" = u32, description = "seconds")),
         example = json!(problem_example(429, "Too Many Requests", "too-many-failures", "Too many attempts have failed. Try again later."))),
        (status = 500, description = "`internal`", body = Problem, content_type = "application/problem+json",
         example = json!(problem_example(500, "Internal Server Error", "internal", "An error on our side. It has been recorded."))),
        (status = 503, description = "`certification-unavailable`, `unavailable`: nothing was accepted, and the key, if any, is free; or it is a replay, of which nothing can be shown now, and the key stands for what it stood for",
         body = Problem, content_type = "application/problem+json",
         headers(("Retry-After" = u32, description = "seconds")),
         example = json!(problem_example(503, "Service Unavailable", "certification-unavailable", "Nobody could be certified now, so nothing was accepted. Try again."))),
        (status = 504, description = "`timeout`: it took too long. Whether it was accepted is not known here; the same request under the same `Idempotency-Key` finds it out",
         body = Problem, content_type = "application/problem+json",
         example = json!(problem_example(504, "Gateway Timeout", "timeout", "The answer was not there in time. Whether what was asked was done is not known; a POST with an Idempotency-Key may be sent again."))),
    )
)]
#[expect(clippy::too_many_arguments, reason = "each is an extractor's")]
pub(super) async fn submit_loan_request(
    State(desk): State<Desk>,
    Admitted(place): Admitted,
    base: BaseUrl,
    ClientAddress(client_address): ClientAddress,
    principal: Option<Principal>,
    key: Option<IdempotencyKey>,
    headers: HeaderMap,
    Json(body): Json<NewLoanRequest>,
) -> Result<Response, Error> {
    let (submission, password) = body.check(principal.is_some())?;
    let token = principal.as_ref().and_then(|_| bearer_token(&headers));
    let order = Order {
        submission,
        bearer: principal.map(|principal| Bearer {
            id: principal.subject.into(),
            user_id: principal.username,
            user_name: principal.name,
        }),
        proof: Proof { password, token },
        client_address,
        key,
    };
    Ok(match usecases::submit_loan_request(&desk, order, place).await? {
        Submitted::Certified { request, replayed } => created(request, replayed, &base),
        Submitted::Pending(request) => accepted(&request, &base),
    })
}

/// A place, before anything is checked or the body read: a refusal is to cost next to nothing.
pub(super) struct Admitted(Place);

impl FromRequestParts<Desk> for Admitted {
    type Rejection = Error;

    async fn from_request_parts(_parts: &mut Parts, desk: &Desk) -> Result<Self, Error> {
        desk.auth.enter().map(Self).map_err(|refused| {
            let refused = refused.into();
            usecases::count_submission(Err(&refused));
            refused
        })
    }
}

/// The token that the extractor has found good, for loan-auth, which also knows
/// whether it was taken back.
fn bearer_token(headers: &HeaderMap) -> Option<Secret> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (_, token) = value.split_once(' ')?;
    Some(Secret::from(token.trim().to_owned()))
}

fn created(request: LoanRequest, replayed: bool, base: &BaseUrl) -> Response {
    let mut headers = HeaderMap::new();
    headers.insert(header::LOCATION, header_value(&address(base, request.id)));
    headers.insert(LOAN_VERSION, loan_version(&request));
    if replayed {
        headers.insert(REPLAYED, HeaderValue::from_static("true"));
    }
    (StatusCode::CREATED, headers, Json(resource(request, base))).into_response()
}

/// Whether it becomes the first event of a new loan or a later one of another,
/// or none of any loan's, is loan-manager's to say: the request is what is known.
fn loan_version(request: &LoanRequest) -> HeaderValue {
    header_value(&LoanVersion::Request(request.id).to_string())
}

fn accepted(request: &LoanRequest, base: &BaseUrl) -> Response {
    let headers = [
        (header::LOCATION, header_value(&address(base, request.id))),
        (LOAN_VERSION, loan_version(request)),
    ];
    (StatusCode::ACCEPTED, headers, Json(pending(request, base))).into_response()
}

fn header_value(text: &str) -> HeaderValue {
    // Addresses and versions are ASCII; should one ever not be, the answer goes without it.
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}
