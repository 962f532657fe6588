//! What loan-request publishes (`loan.request`).

use common::event::Event;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::auth::key_of;
use crate::codes::{RejectionReason, RequestKind};
use crate::ids::{CustomerId, LoanId, LoanRequestId};
use crate::topics;

/// Who loan-request is, as a source of events.
pub const SOURCE: &str = "/loan-request";

/// A certified request was compensated: it is gone from the customer's list.
///
/// A request that was never certified is never published: a stranger must not
/// be able to write into a customer's status or mailbox.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LoanRequestCancelled {
    /// The request.
    pub loan_request_id: LoanRequestId,
    /// The loan, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loan_id: Option<LoanId>,
    /// A new loan or a repayment.
    pub request_id: RequestKind,
    /// Whose it was.
    pub customer_id: CustomerId,
    /// Why.
    pub reason: RejectionReason,
    /// When.
    #[serde(with = "time::serde::rfc3339")]
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub cancelled_at: OffsetDateTime,
}

impl Event for LoanRequestCancelled {
    const TYPE: &'static str = "LoanRequestCancelled";
    const TOPIC: &'static str = topics::LOAN_REQUEST;
    const SOURCE: &'static str = SOURCE;

    fn key(&self) -> String {
        key_of(self.loan_request_id, self.loan_id)
    }

    fn subject(&self) -> String {
        self.loan_request_id.to_string()
    }
}
