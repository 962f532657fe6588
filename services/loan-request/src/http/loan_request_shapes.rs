//! How a request is shown.

use ::events::codes::{RequestKind, RequestStatus};
use ::events::{Amount, Currency, CustomerId, LoanId, LoanRequestId};
use common::hal::{Links, Resource};
use common::http::BaseUrl;
use serde::Serialize;
use serde_json::{Value, json};
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::COLLECTION;
use crate::store::loan_request::LoanRequest;

/// A request.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct LoanRequestBody {
    /// The request; elsewhere called `loanRequestId`.
    id: LoanRequestId,
    /// `01` a new loan, `02` a repayment.
    request_id: RequestKind,
    /// The loan: of an application its own id; of a repayment the one that the
    /// customer named, or that loan-manager found. Absent where neither is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    loan_id: Option<LoanId>,
    /// What the customer calls it.
    #[schema(example = "Deposit")]
    request_name: String,
    /// Where it stands. `인증대기` also of a certified one that loan-manager has
    /// not taken in yet.
    request_status: RequestStatus,
    /// How much, in won.
    amount_of_money: Amount,
    /// The currency of the amount.
    currency: Currency,
    /// The account to pay to or from.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "1111")]
    account_no: Option<String>,
    /// Where to reach the customer about it, if they said so.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "010-000-0000")]
    user_mobile: Option<String>,
    /// The login name under which it was submitted.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "1@sk.com")]
    user_id: Option<String>,
    /// The name under which it was submitted.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "유은상")]
    user_name: Option<String>,
    /// Whose it is, once that is certified.
    #[serde(skip_serializing_if = "Option::is_none")]
    customer_id: Option<CustomerId>,
    /// Why it was refused (officers only): `wrong-proof`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "wrong-proof")]
    reason: Option<String>,
    /// When it was submitted.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    submitted_at: OffsetDateTime,
    /// When it was certified.
    #[serde(with = "time::serde::rfc3339::option", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    certified_at: Option<OffsetDateTime>,
    /// When loan-manager took it in.
    #[serde(with = "time::serde::rfc3339::option", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    received_at: Option<OffsetDateTime>,
}

/// What the answer 202 says of a request: nothing that its caller, who is not
/// proven, has not sent.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct PendingBody {
    /// The request.
    id: LoanRequestId,
    /// `인증대기`.
    request_status: RequestStatus,
    /// When it was submitted.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    submitted_at: OffsetDateTime,
}

/// The address of a request.
pub(super) fn address(base: &BaseUrl, id: LoanRequestId) -> String {
    base.join(&format!("{COLLECTION}/{id}"))
}

/// A request with its links.
pub(super) fn resource(request: LoanRequest, base: &BaseUrl) -> Resource<LoanRequestBody> {
    let mut links = Links::to_self(address(base, request.id));
    if let (Some(_), Some(loan)) = (request.received_at, request.loan_id) {
        // Shown once there is something to see.
        links = links.with("loanStatus", base.join(&format!("/loanStatus/loans/{loan}")));
    }
    let body = LoanRequestBody {
        id: request.id,
        request_id: request.kind,
        loan_id: request.loan_id,
        currency: request.currency(),
        request_status: request.standing.status(),
        customer_id: request.standing.customer(),
        request_name: request.name,
        amount_of_money: request.amount,
        account_no: request.account_no,
        user_mobile: request.user_mobile,
        user_id: request.user_id,
        user_name: request.user_name,
        reason: request.reason,
        submitted_at: request.submitted_at,
        certified_at: request.certified_at,
        received_at: request.received_at,
    };
    Resource::new(body, links)
}

/// A request that is not decided, with its link.
pub(super) fn pending(request: &LoanRequest, base: &BaseUrl) -> Resource<PendingBody> {
    let body = PendingBody {
        id: request.id,
        request_status: request.standing.status(),
        submitted_at: request.submitted_at,
    };
    Resource::new(body, Links::to_self(address(base, request.id)))
}

/// A problem, for the description of the API.
pub(super) fn problem_example(status: u16, title: &str, code: &str, detail: &str) -> Value {
    json!({
        "type": format!("/problems/{code}"),
        "title": title,
        "status": status,
        "code": code,
        "detail": detail,
        "instance": COLLECTION,
    })
}

/// A request, for the description of the API.
pub(super) fn resource_example(status: RequestStatus) -> Value {
    let id = "019ab5c2-7d10-7c3e-9a51-2f7f6f0d8c11";
    json!({
        "id": id,
        "requestId": "01",
        "loanId": id,
        "requestName": "Deposit",
        "requestStatus": status,
        "amountOfMoney": 10_000,
        "currency": "KRW",
        "accountNo": "1111",
        "userId": "1@sk.com",
        "userName": "유은상",
        "customerId": "019ab5b0-13f2-7a60-8d7e-51d9f3b0a7c4",
        "submittedAt": "2026-11-21T08:00:00.123456Z",
        "certifiedAt": "2026-11-21T08:00:00.131072Z",
        "_links": { "self": { "href": format!("http://localhost:8080{COLLECTION}/{id}") } },
    })
}

/// A request that is not decided, for the description of the API.
pub(super) fn pending_example() -> Value {
    let id = "019ab5c2-7d10-7c3e-9a51-2f7f6f0d8c11";
    json!({
        "id": id,
        "requestStatus": RequestStatus::Pending,
        "submittedAt": "2026-11-21T08:00:00.123456Z",
        "_links": { "self": { "href": format!("http://localhost:8080{COLLECTION}/{id}") } },
    })
}
