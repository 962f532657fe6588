//! Domain change → public event; the only place that builds one.

use ::events::codes::RejectionReason;
use ::events::{CustomerId, LoanId, LoanRequestCancelled};
use common::clock::Clock;
use common::event::NewEvent;
use time::OffsetDateTime;

use crate::store::loan_request::LoanRequest;

/// A certified request was compensated. Of one that nobody has proven, nothing
/// is ever published.
#[must_use]
pub fn loan_request_cancelled(
    request: &LoanRequest,
    customer_id: CustomerId,
    loan_id: Option<LoanId>,
    reason: RejectionReason,
    cancelled_at: OffsetDateTime,
    clock: &Clock,
) -> NewEvent {
    let event = LoanRequestCancelled {
        loan_request_id: request.id,
        loan_id,
        request_id: request.kind,
        customer_id,
        reason,
        cancelled_at,
    };
    NewEvent::of(&event, clock)
}
