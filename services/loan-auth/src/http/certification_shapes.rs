//! What several addresses answer with.

use ::events::codes::RequestKind;
use ::events::{Amount, CustomerId, LoanId, LoanRequestId};
use common::hal::{Links, Resource};
use common::http::BaseUrl;
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::domain::certification::{Answer, Decision};
use crate::store::certification::Certification;

/// What was decided about a request.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum AuthStatus {
    /// The customer was proven.
    Certified,
    /// Nobody was proven; for officers and audit only.
    Refused,
    /// Taken back before anyone was proven; for officers and audit only.
    Voided,
    /// The customer was proven, and the request was cancelled later.
    Cancelled,
}

/// A certification.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct LoanAuth {
    /// The request.
    pub loan_request_id: LoanRequestId,
    /// The loan, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loan_id: Option<LoanId>,
    /// A new loan (`01`) or a repayment (`02`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<RequestKind>,
    /// What the customer calls it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_name: Option<String>,
    /// How much, in minor units.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amount_of_money: Option<Amount>,
    /// Its currency, ISO 4217.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "KRW")]
    pub currency: Option<String>,
    /// Who was proven.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub customer_id: Option<CustomerId>,
    /// The customer's login name now; of a refused one, the name that was claimed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// What was decided.
    pub auth_status: AuthStatus,
    /// When.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub decided_at: OffsetDateTime,
    /// When the request was cancelled.
    #[serde(with = "time::serde::rfc3339::option", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub cancelled_at: Option<OffsetDateTime>,
}

impl LoanAuth {
    /// The certification with its links.
    pub(super) fn resource(row: Certification, base: &BaseUrl) -> Resource<Self> {
        let links = Links::to_self(base.join(&format!("/loanAuths/{}", row.loan_request_id)));
        let (auth_status, customer_id) = match row.decision {
            Decision::Certified(id) => (AuthStatus::Certified, Some(id)),
            Decision::Cancelled(id) => (AuthStatus::Cancelled, Some(id)),
            Decision::Refused => (AuthStatus::Refused, None),
            Decision::Voided => (AuthStatus::Voided, None),
        };
        let links = match auth_status {
            AuthStatus::Certified => links
                .with("loanRequest", base.join(&format!("/loanRequests/{}", row.loan_request_id))),
            AuthStatus::Refused | AuthStatus::Voided | AuthStatus::Cancelled => links,
        };
        let body = Self {
            loan_request_id: row.loan_request_id,
            loan_id: row.loan_id,
            request_id: row.request_id,
            request_name: row.request_name,
            amount_of_money: row.amount_of_money,
            currency: row.currency,
            customer_id,
            user_id: row.user_id,
            auth_status,
            decided_at: row.decided_at,
            cancelled_at: row.cancelled_at,
        };
        Resource::new(body, links)
    }
}

/// What loan-request is told.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(tag = "outcome", rename_all = "lowercase")]
pub(super) enum Outcome {
    /// The caller is this customer, and the request is certified.
    // Said of each: the description's generator knows no rule for all variants' fields.
    #[serde(rename_all = "camelCase")]
    Certified {
        /// Who.
        customer_id: CustomerId,
    },
    /// The caller is not who they say.
    Refused,
    /// The request was taken back.
    Voided,
    /// Too many wrong passwords before: nothing was looked at, nothing is decided.
    #[serde(rename_all = "camelCase")]
    Throttled {
        /// When it is worth asking again: 1 to 60, growing.
        retry_after_seconds: u64,
    },
    /// More passwords are to be checked than can be: nothing was looked at, nothing
    /// is decided. An answer, and no failure of this service: a client that asks too
    /// much must not make loan-request stop asking for the others.
    #[serde(rename_all = "camelCase")]
    Busy {
        /// When it is worth asking again.
        retry_after_seconds: u64,
    },
}

impl Outcome {
    /// Counts it: `what` was asked for.
    pub(super) fn counted(self, what: &'static str) -> Self {
        let outcome = match self {
            Self::Certified { .. } => "certified",
            Self::Refused => "refused",
            Self::Voided => "voided",
            Self::Throttled { .. } => "throttled",
            Self::Busy { .. } => "busy",
        };
        metrics::counter!("auth_certifications_total", "asked" => what, "outcome" => outcome)
            .increment(1);
        self
    }
}

impl From<Answer> for Outcome {
    fn from(answer: Answer) -> Self {
        match answer {
            Answer::Certified(customer_id) => Self::Certified { customer_id },
            Answer::Refused => Self::Refused,
            Answer::Voided => Self::Voided,
        }
    }
}
