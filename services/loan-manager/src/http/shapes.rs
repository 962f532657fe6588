//! What the addresses of this service answer with.

use ::events::codes::RejectionReason;
use ::events::{
    Amount, Currency, CustomerId, Language, LoanId, LoanRequestId, LoanStatus, Outstanding,
    RequestKind,
};
use common::hal::{Links, PageInfo, Resource};
use common::http::BaseUrl;
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::domain::step::{allowed_from, steps_from};
use crate::store::item::Item;

/// An application or a repayment request on the officers' desk.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct LoanManager {
    /// The request; of an application also the loan's id.
    loan_request_id: LoanRequestId,
    /// The loan; absent on a repayment that was rejected before it came to one.
    #[serde(skip_serializing_if = "Option::is_none")]
    loan_id: Option<LoanId>,
    /// `01` a new loan, `02` a repayment.
    request_id: RequestKind,
    /// What the customer called it.
    #[schema(example = "Deposit")]
    request_name: String,
    /// Whose it is.
    customer_id: CustomerId,
    /// The customer's login name, as certified.
    #[schema(example = "1@sk.com")]
    user_id: String,
    /// The customer's name, as certified.
    #[schema(example = "유은상")]
    user_name: String,
    /// Where to reach the customer about this request.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "010-000-0000")]
    user_mobile: Option<String>,
    /// The account to pay to or from.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "1111")]
    account_no: Option<String>,
    /// How much is asked for, or is to be repaid, in won.
    amount_of_money: Amount,
    /// Its currency.
    currency: Currency,
    /// What is owed on a loan, in won: from its execution on.
    #[serde(skip_serializing_if = "Option::is_none")]
    outstanding: Option<Outstanding>,
    /// `00` 접수, `01` 심사진행, `02` 대출가능, `03` 대출불가, `04` 대출실행, `05` 대출상환.
    loan_status: LoanStatus,
    /// The states that `PATCH` may set next; each has a link as well.
    allowed: Vec<LoanStatus>,
    /// Why a repayment was rejected.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<RejectionReason>,
    /// The officer who changed it last.
    #[serde(skip_serializing_if = "Option::is_none")]
    proc_id: Option<Uuid>,
    /// That officer's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "김대리")]
    proc_name: Option<String>,
    /// The last thing that an officer said to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "소득을 확인했습니다")]
    adm_comment: Option<String>,
    /// The customer's language.
    language: Language,
    /// When it came in.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    received_at: OffsetDateTime,
    /// When it changed last.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    changed_at: OffsetDateTime,
}

/// An item with its links: itself, its loan and the loan's repayments, and each
/// step that may be taken now (`review`, `approve`, `refuse`, `execute`,
/// `repay`, `book`), which is a `PATCH` on the address it leads to.
pub(super) fn resource(item: Item, base: &BaseUrl) -> Resource<LoanManager> {
    let own = base.join(&format!("/loanManagers/{}", item.loan_request_id));
    let mut links = Links::to_self(&own);
    for step in steps_from(item.kind, item.status) {
        links = links.with(step.verb, &own);
    }
    if let Some(loan_id) = item.loan_id {
        links = match item.kind {
            RequestKind::Apply => {
                let repayments =
                    format!("/loanManagers?loanStatus=all&requestId=02&loanId={loan_id}");
                links.with("repayments", base.join(&repayments))
            }
            RequestKind::Repay => {
                links.with("loan", base.join(&format!("/loanManagers/{loan_id}")))
            }
        };
    }
    Resource::new(LoanManager::of(item), links)
}

impl LoanManager {
    fn of(item: Item) -> Self {
        Self {
            loan_request_id: item.loan_request_id,
            loan_id: item.loan_id,
            request_id: item.kind,
            request_name: item.request_name,
            customer_id: item.customer_id,
            user_id: item.user_id,
            user_name: item.user_name,
            user_mobile: item.user_mobile,
            account_no: item.account_no,
            amount_of_money: item.amount,
            currency: item.currency,
            outstanding: item.outstanding,
            loan_status: item.status,
            allowed: allowed_from(item.kind, item.status),
            reason: item.reason,
            proc_id: item.proc_id,
            proc_name: item.proc_name,
            adm_comment: item.adm_comment,
            language: item.language,
            received_at: item.received_at,
            changed_at: item.changed_at,
        }
    }
}

/// A page of the queue, for the API description: the answer itself is a
/// `Collection`, whose own description can't tell one service's items from another's.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its shape is used")]
pub(super) struct LoanManagerPage {
    #[schema(rename = "_embedded")]
    embedded: LoanManagerList,
    /// This page's place in the whole.
    page: PageInfo,
    /// `self`, and `first`, `prev`, `next` where they lead somewhere.
    #[schema(rename = "_links")]
    links: Links,
}

/// The items of a page.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "only its shape is used")]
struct LoanManagerList {
    /// Oldest first, if nothing else was asked for.
    loan_managers: Vec<Resource<LoanManager>>,
}

/// Examples for the API description: one of each answer that has a body.
pub(super) mod examples {
    use serde_json::{Value, json};

    const ID: &str = "0199f000-0000-7000-8000-000000000001";

    /// An application that waits.
    pub(in crate::http) fn item() -> Value {
        let own = format!("http://localhost:8080/loanManagers/{ID}");
        json!({
            "loanRequestId": ID, "loanId": ID, "requestId": "01", "requestName": "Deposit",
            "customerId": "0199f000-0000-7000-8000-00000000000c", "userId": "1@sk.com",
            "userName": "유은상", "userMobile": "010-000-0000", "accountNo": "1111",
            "amountOfMoney": 10_000, "currency": "KRW", "loanStatus": "00", "allowed": ["01"],
            "language": "ko",
            "receivedAt": "2026-11-21T09:00:00.123456Z", "changedAt": "2026-11-21T09:00:00.123456Z",
            "_links": {
                "self": {"href": &own}, "review": {"href": &own},
                "repayments": {"href": format!(
                    "http://localhost:8080/loanManagers?loanStatus=all&requestId=02&loanId={ID}"
                )},
            },
        })
    }

    /// A page of the queue.
    pub(in crate::http) fn page() -> Value {
        let first = "http://localhost:8080/loanManagers?page=0&size=20";
        json!({
            "_embedded": {"loanManagers": [item()]},
            "page": {"size": 20, "totalElements": 1, "totalPages": 1, "number": 0},
            "_links": {"self": {"href": first}, "first": {"href": first}},
        })
    }

    fn problem(status: u16, title: &str, code: &str, detail: &str) -> Value {
        json!({
            "type": format!("/problems/{code}"), "title": title, "status": status, "code": code,
            "detail": detail, "instance": format!("/loanManagers/{ID}"),
        })
    }

    fn with(mut problem: Value, more: Value) -> Value {
        if let (Some(problem), Value::Object(more)) = (problem.as_object_mut(), more) {
            problem.extend(more);
        }
        problem
    }

    pub(in crate::http) fn unauthenticated() -> Value {
        problem(401, "Unauthorized", "unauthenticated", "A bearer token is needed.")
    }

    pub(in crate::http) fn forbidden() -> Value {
        problem(403, "Forbidden", "officers-only", "Only loan officers may do this.")
    }

    pub(in crate::http) fn not_found() -> Value {
        problem(404, "Not Found", "not-found", "There is nothing here.")
    }

    pub(in crate::http) fn wrong_query() -> Value {
        let errors = json!({"errors": [{"field": "size", "message": "must be from 1 to 200"}]});
        let detail = "The query string has a wrong parameter.";
        with(problem(400, "Bad Request", "invalid-query", detail), errors)
    }

    pub(in crate::http) fn malformed() -> Value {
        problem(400, "Bad Request", "malformed-body", "The body is not JSON (line 1, column 2).")
    }

    pub(in crate::http) fn not_allowed() -> Value {
        let detail = "This step may not follow state 02.";
        let more = json!({"state": "02", "allowed": ["04"]});
        with(problem(409, "Conflict", "step-not-allowed", detail), more)
    }

    pub(in crate::http) fn exceeds_outstanding() -> Value {
        let detail = "The repayment is larger than what is still owed on the loan.";
        let more = json!({
            "state": "00", "allowed": ["03"], "amountOfMoney": 6_000, "outstanding": 4_000
        });
        with(problem(409, "Conflict", "exceeds-outstanding", detail), more)
    }

    pub(in crate::http) fn stale() -> Value {
        let detail = "It has changed since the version that `If-Match` names.";
        problem(412, "Precondition Failed", "precondition-failed", detail)
    }

    pub(in crate::http) fn too_large() -> Value {
        let detail = "The body may have at most 65536 bytes.";
        problem(413, "Payload Too Large", "body-too-large", detail)
    }

    pub(in crate::http) fn not_json() -> Value {
        let detail = "The body must be `application/json`.";
        problem(415, "Unsupported Media Type", "unsupported-media-type", detail)
    }

    pub(in crate::http) fn misdirected() -> Value {
        let detail = "This host name is not served here.";
        problem(421, "Misdirected Request", "misdirected-request", detail)
    }

    pub(in crate::http) fn invalid() -> Value {
        let message = "must have at most 1000 characters";
        let errors = json!({"errors": [{"field": "admComment", "message": message}]});
        let detail = "The body has wrong fields.";
        with(problem(422, "Unprocessable Entity", "invalid", detail), errors)
    }

    pub(in crate::http) fn internal() -> Value {
        let detail = "An error on our side. It has been recorded.";
        problem(500, "Internal Server Error", "internal", detail)
    }

    pub(in crate::http) fn outcome_unknown() -> Value {
        let detail = "The database broke off its last answer. Whether what was asked was done is not known; look at the state before \
            you try again. A POST with an Idempotency-Key may be sent again.";
        problem(502, "Bad Gateway", "outcome-unknown", detail)
    }

    pub(in crate::http) fn timeout() -> Value {
        let detail = "The answer was not there in time. Whether what was asked was done is not known; a POST with an Idempotency-Key \
            may be sent again.";
        problem(504, "Gateway Timeout", "timeout", detail)
    }

    pub(in crate::http) fn unavailable() -> Value {
        let detail = "The service is busy or its database does not answer.";
        problem(503, "Service Unavailable", "unavailable", detail)
    }
}
