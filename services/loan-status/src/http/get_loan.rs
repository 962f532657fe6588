//! `GET /loanStatus/loans/{loanId}`: where a loan stands, and how it came there.

use ::events::{CustomerId, LoanId, LoanStatus};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use common::hal::Links;
use common::http::{BaseUrl, Json, Path};
use common::problem::Problem;
use common::token::Principal;
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::shapes::StatusEntry;
use super::until_shown::{MinVersion, until_shown};
use super::{Api, viewer_of};
use crate::domain::feed_id::Epoch;
use crate::domain::viewer::Viewer;
use crate::error::Error;
use crate::store;
use crate::store::entry::Entry;
use crate::store::loan::Loan;

/// How many entries a timeline has at most: the last ones. All of them are at
/// `_links.entries`.
const TIMELINE_ENTRIES_MAX: i64 = 200;

/// Where a loan stands.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct LoanState {
    /// The loan.
    loan_id: LoanId,
    /// Whose it is.
    customer_id: CustomerId,
    /// What the customer called it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "Deposit")]
    request_name: Option<String>,
    /// How much was applied for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, example = 10_000)]
    amount_of_money: Option<i64>,
    /// Its currency.
    #[schema(example = "KRW")]
    currency: String,
    /// What is owed, from the execution on.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, example = 6_000)]
    outstanding: Option<i64>,
    /// The state's Korean name.
    #[schema(example = "대출실행")]
    loan_status: &'static str,
    /// The state's code.
    loan_status_code: LoanStatus,
    /// The number of the event that brought the loan into this state.
    #[schema(minimum = 1, example = 4)]
    loan_version: i64,
    /// Since when.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    changed_at: OffsetDateTime,
    /// How it came there, oldest first; at most the last 200.
    timeline: Vec<StatusEntry>,
    /// `self`, `entries`, `stream`, and what can be done next.
    #[serde(rename = "_links")]
    links: Links,
}

impl LoanState {
    fn of(loan: Loan, entries: &[Entry], epoch: &Epoch, links: Links) -> Self {
        Self {
            loan_id: loan.loan_id,
            customer_id: loan.customer_id,
            request_name: loan.request_name,
            amount_of_money: loan.amount_of_money,
            currency: loan.currency,
            outstanding: loan.outstanding,
            loan_status: loan.loan_status.name_ko(),
            loan_status_code: loan.loan_status,
            loan_version: loan.loan_version,
            changed_at: loan.changed_at,
            timeline: entries.iter().map(|entry| StatusEntry::of(entry, epoch)).collect(),
            links,
        }
    }
}

/// Whatever happens to a loan adds an entry or marks one as cancelled, and neither is
/// ever undone; an operator may have its state derived anew beside that.
fn entity_tag(loan: &Loan, entries: &[Entry], epoch: &Epoch) -> String {
    let last = entries.iter().map(|entry| entry.id).max().unwrap_or(0);
    let cancelled = entries.iter().filter(|entry| entry.cancelled_at.is_some()).count();
    let version = loan.loan_version;
    let status = loan.loan_status.code();
    let outstanding = loan.outstanding.map_or_else(String::new, |money| money.to_string());
    format!("\"{epoch}-{last}-{cancelled}-{version}-{status}-{outstanding}\"")
}

/// `If-None-Match`: whether the client has this version already (RFC 9110,
/// 13.1.2: a weak tag matches here).
fn has_already(headers: &HeaderMap, tag: &str) -> bool {
    headers
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .any(|named| named == "*" || named.strip_prefix("W/").unwrap_or(named) == tag)
}

fn links(loan: &Loan, viewer: Viewer, base: &BaseUrl) -> Links {
    let id = loan.loan_id;
    let links = Links::to_self(base.join(&format!("/loanStatus/loans/{id}")))
        .with("entries", base.join(&format!("/loanStatus?loanId={id}")))
        .with("stream", base.join(&format!("/loanStatus/stream?loanId={id}")));
    match viewer {
        Viewer::Customer(_) if loan.loan_status == LoanStatus::Executed => {
            links.with("repay", base.join("/loanRequests"))
        }
        Viewer::Customer(_) => links,
        Viewer::Officer => links.with("manage", base.join(&format!("/loanManagers/{id}"))),
    }
}

/// One loan
///
/// Its state, what is outstanding, and its timeline. Another customer's loan
/// looks like one that never was. With `If-None-Match` an unchanged loan is
/// answered 304. `_links.repay` is there when the loan can be repaid: send
/// `requestId` `02` with this `loanId` there. With `minVersion` whoever has
/// written something reads what they have written, or 202.
#[utoipa::path(
    get,
    path = "/loanStatus/loans/{loanId}",
    operation_id = "get_loan",
    tag = "loanStatus",
    security(("bearer" = [])),
    params(
        ("loanId" = LoanId, Path, description = "The loan"),
        ("If-None-Match" = Option<String>, Header, description = "The `ETag` that the client has"),
        ("minVersion" = Option<String>, Query, description = "What a write has answered as `Loan-Version`: answer only when that \
            is shown. Waits up to 2 s for it", example = "AQEBk44cChF7HI9TL29tC3oB"),
        ("Prefer" = Option<String>, Header, description = "`wait=n`: waits up to n seconds instead, 10 at most (RFC 7240); \
            `Preference-Applied` says so", example = "wait=5"),
    ),
    responses(
        (status = 200, description = "The loan", body = LoanState,
            headers(("ETag" = String, description = "Names this version of the answer")), example = json!({
            "loanId": "01938e1c-0a11-7b1c-8f53-2f6f6d0b7a01",
            "customerId": "01938e1b-ffff-7000-8000-000000000001",
            "requestName": "Deposit", "amountOfMoney": 10000, "currency": "KRW", "outstanding": 10000,
            "loanStatus": "대출실행", "loanStatusCode": "04", "loanVersion": 4, "changedAt": "2026-11-21T08:00:00Z",
            "timeline": [{
                "id": "5f0c3b9a7d21-42", "eventType": "LoanExecuted",
                "loanRequestId": "01938e1c-0a11-7b1c-8f53-2f6f6d0b7a01",
                "loanId": "01938e1c-0a11-7b1c-8f53-2f6f6d0b7a01",
                "customerId": "01938e1b-ffff-7000-8000-000000000001",
                "requestId": "01", "requestName": "Deposit", "amountOfMoney": 10000, "currency": "KRW",
                "outstanding": 10000, "loanStatus": "대출실행", "loanStatusCode": "04",
                "requestStatus": "요청완료", "loanVersion": 4, "occurredAt": "2026-11-21T08:00:00Z"
            }],
            "_links": {
                "self": {"href": "http://localhost:8080/loanStatus/loans/01938e1c-0a11-7b1c-8f53-2f6f6d0b7a01"},
                "entries": {"href": "http://localhost:8080/loanStatus?loanId=01938e1c-0a11-7b1c-8f53-2f6f6d0b7a01"},
                "stream": {"href": "http://localhost:8080/loanStatus/stream?loanId=01938e1c-0a11-7b1c-8f53-2f6f6d0b7a01"},
                "repay": {"href": "http://localhost:8080/loanRequests"}
            }
        })),
        (status = 202, description = "What `minVersion` names is not shown yet; ask again after `Retry-After`", body = Problem,
            content_type = "application/problem+json", headers(
                ("Retry-After" = u32, description = "Seconds"),
                ("Preference-Applied" = Option<String>, description = "How long was waited, if `Prefer` said it"),
            ), example = json!({
                "type": "/problems/not-shown-yet", "title": "Accepted", "status": 202, "code": "not-shown-yet",
                "detail": "What `minVersion` names was accepted and is not shown yet. Ask again.",
                "instance": "/loanStatus/loans/01938e1c-0a11-7b1c-8f53-2f6f6d0b7a01"
            })),
        (status = 304, description = "The client has this version already",
            headers(("ETag" = String, description = "The version"))),
        (status = 400, description = "A `minVersion` that no write has answered", body = Problem,
            content_type = "application/problem+json", example = json!({
                "type": "/problems/invalid-query", "title": "Bad Request", "status": 400, "code": "invalid-query",
                "detail": "The query string has a wrong parameter.",
                "instance": "/loanStatus/loans/01938e1c-0a11-7b1c-8f53-2f6f6d0b7a01",
                "errors": [{"field": "minVersion", "message": "must be what a write has answered as `Loan-Version`"}]
            })),
        (status = 401, description = "No token, or a bad one", body = Problem,
            content_type = "application/problem+json", example = json!({
                "type": "/problems/unauthenticated", "title": "Unauthorized", "status": 401,
                "code": "unauthenticated", "detail": "A bearer token is needed.",
                "instance": "/loanStatus/loans/01938e1c-0a11-7b1c-8f53-2f6f6d0b7a01"
            })),
        (status = 403, description = "Neither a customer nor an officer", body = Problem,
            content_type = "application/problem+json", example = json!({
                "type": "/problems/no-role", "title": "Forbidden", "status": 403, "code": "no-role",
                "detail": "Only customers and loan officers have a status to see.",
                "instance": "/loanStatus/loans/01938e1c-0a11-7b1c-8f53-2f6f6d0b7a01"
            })),
        (status = 404, description = "There is none, or it is another customer's", body = Problem,
            content_type = "application/problem+json", example = json!({
                "type": "/problems/not-found", "title": "Not Found", "status": 404, "code": "not-found",
                "detail": "There is nothing here.",
                "instance": "/loanStatus/loans/01938e1c-0a11-7b1c-8f53-2f6f6d0b7a01"
            })),
        (status = 421, description = "A `Host` that no link may be made of", body = Problem,
            content_type = "application/problem+json", example = json!({
                "type": "/problems/misdirected-request", "title": "Misdirected Request", "status": 421,
                "code": "misdirected-request", "detail": "This host name is not served here.",
                "instance": "/loanStatus/loans/01938e1c-0a11-7b1c-8f53-2f6f6d0b7a01"
            })),
        (status = 500, description = "An error on our side", body = Problem,
            content_type = "application/problem+json", example = json!({
                "type": "/problems/internal", "title": "Internal Server Error", "status": 500,
                "code": "internal", "detail": "An error on our side. It has been recorded.",
                "instance": "/loanStatus/loans/01938e1c-0a11-7b1c-8f53-2f6f6d0b7a01"
            })),
        (status = 503, description = "The database does not answer; come back after `Retry-After`",
            body = Problem, content_type = "application/problem+json",
            headers(("Retry-After" = u32, description = "seconds")),
            example = json!({
                "type": "/problems/unavailable", "title": "Service Unavailable", "status": 503,
                "code": "unavailable", "detail": "The service is busy or its database does not answer.",
                "instance": "/loanStatus/loans/01938e1c-0a11-7b1c-8f53-2f6f6d0b7a01"
            })),
    )
)]
pub(super) async fn get_loan(
    State(api): State<Api>,
    principal: Principal,
    base: BaseUrl,
    Path(loan_id): Path<LoanId>,
    headers: HeaderMap,
    asked: MinVersion,
) -> Result<Response, Error> {
    let viewer = viewer_of(&principal)?;
    let applied = until_shown(&api, viewer, asked).await?;
    let pool = api.db.pool();
    let epoch = store::feed_counter::position(pool).await?.epoch;
    // The loan after its timeline: the tag is the timeline's, and must not name
    // something newer than what it is sent with.
    let entries =
        store::entry::timeline(pool, loan_id, viewer.only(), TIMELINE_ENTRIES_MAX).await?;
    let loan = store::loan::find(pool, loan_id).await?.ok_or(Error::NotFound)?;
    if !viewer.may_see(loan.customer_id) {
        return Err(Error::NotFound);
    }
    let tag = entity_tag(&loan, &entries, &epoch);
    let unchanged = has_already(&headers, &tag);
    let tag = HeaderValue::from_str(&tag).map_err(|_| Problem::internal())?;
    let described = [
        (header::ETAG, tag),
        (header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache")),
    ];
    if unchanged {
        return Ok((StatusCode::NOT_MODIFIED, applied, described).into_response());
    }
    let links = links(&loan, viewer, &base);
    let body = LoanState::of(loan, &entries, &epoch, links);
    Ok((applied, described, Json(body)).into_response())
}

#[cfg(test)]
#[path = "get_loan_tests.rs"]
mod tests;
