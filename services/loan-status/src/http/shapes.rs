//! What several addresses of this service answer with.

use ::events::codes::RejectionReason;
use ::events::{CustomerId, LoanId, LoanRequestId, LoanRequestRejected, LoanStatus};
use ::events::{RequestKind, RequestStatus};
use common::event::Event as _;
use common::hal::Links;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::{IntoParams, ToSchema};

use crate::domain::feed_id::{Epoch, FeedId};
use crate::store::entry::Entry;

/// One event, as it is shown.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct StatusEntry {
    /// The entry's place in the feed; `Last-Event-ID` of the live stream takes it.
    #[schema(value_type = String, example = "5f0c3b9a7d21-42")]
    pub(super) id: FeedId,
    /// The event's type.
    #[schema(example = "LoanExecuted")]
    pub(super) event_type: String,
    /// The request.
    pub(super) loan_request_id: LoanRequestId,
    /// The loan, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) loan_id: Option<LoanId>,
    /// Whose it is.
    pub(super) customer_id: CustomerId,
    /// `01` a new loan, `02` a repayment.
    pub(super) request_id: RequestKind,
    /// What the customer called it.
    #[schema(example = "Deposit")]
    pub(super) request_name: String,
    /// How much it is about: asked for, lent or booked.
    #[schema(minimum = 1, example = 10_000)]
    pub(super) amount_of_money: i64,
    /// Its currency.
    #[schema(example = "KRW")]
    pub(super) currency: String,
    /// What was owed on the loan after the event, where it says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, example = 10_000)]
    pub(super) outstanding: Option<i64>,
    /// The state's Korean name: of a request that waits or was rejected its own,
    /// else the loan's.
    #[schema(example = "대출실행")]
    pub(super) loan_status: &'static str,
    /// The state's code.
    pub(super) loan_status_code: LoanStatus,
    /// Where the request stands: `요청완료`, or `요청취소` once it was
    /// compensated. Absent while a rejected request is being compensated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) request_status: Option<RequestStatus>,
    /// Why the request was rejected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<RejectionReason>,
    /// What the officer said to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) adm_comment: Option<String>,
    /// The event's number among the loan's.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, example = 4)]
    pub(super) loan_version: Option<i64>,
    /// When it happened.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub(super) occurred_at: OffsetDateTime,
    /// `loan` where it is known; in the list only.
    #[serde(rename = "_links", skip_serializing_if = "Option::is_none")]
    pub(super) links: Option<Links>,
}

impl StatusEntry {
    /// An entry of the feed named by `epoch`.
    #[must_use]
    pub(super) fn of(entry: &Entry, epoch: &Epoch) -> Self {
        Self {
            id: epoch.at(entry.id),
            event_type: entry.event_type.clone(),
            loan_request_id: entry.loan_request_id,
            loan_id: entry.loan_id,
            customer_id: entry.customer_id,
            request_id: entry.request_id,
            request_name: entry.request_name.clone(),
            amount_of_money: entry.amount_of_money,
            currency: entry.currency.clone(),
            outstanding: entry.outstanding,
            loan_status: entry.loan_status.name_ko(),
            loan_status_code: entry.loan_status,
            request_status: request_status(entry),
            reason: entry.reason,
            adm_comment: entry.adm_comment.clone(),
            loan_version: entry.loan_version,
            occurred_at: entry.occurred_at,
            links: None,
        }
    }
}

fn request_status(entry: &Entry) -> Option<RequestStatus> {
    if entry.cancelled_at.is_some() {
        Some(RequestStatus::Cancelled)
    } else if entry.event_type == LoanRequestRejected::TYPE {
        None
    } else {
        Some(RequestStatus::Received)
    }
}

/// Which entries.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(super) struct Filter {
    /// Of this loan.
    pub(super) loan_id: Option<LoanId>,
    /// Of this customer; of use to officers.
    pub(super) customer_id: Option<CustomerId>,
}

impl Filter {
    /// An address of ours, narrowed like this.
    pub(super) fn address(&self, path: &str) -> String {
        let mut query = Vec::new();
        if let Some(id) = self.loan_id {
            query.push(format!("loanId={id}"));
        }
        if let Some(id) = self.customer_id {
            query.push(format!("customerId={id}"));
        }
        let mark = if query.is_empty() { "" } else { "?" };
        format!("{path}{mark}{}", query.join("&"))
    }
}
