//! `LoanRequestRejected`: a request could not be taken in, or a repayment was refused.

use ::events::{LoanRequestRejected, LoanStatus};
use common::consumer::HandlerError;
use common::event::{Event, ReceivedEvent};
use sqlx::PgConnection;

use super::record;
use crate::domain::change::{Change, Effect};

/// Shows the request as refused, with the reason. The loan that it named
/// stands where it stood.
pub(super) async fn on_loan_request_rejected(
    tx: &mut PgConnection,
    event: &ReceivedEvent,
    rejected: LoanRequestRejected,
) -> Result<(), HandlerError> {
    let change = Change {
        event_type: LoanRequestRejected::TYPE,
        loan_request_id: rejected.loan_request_id,
        loan_id: rejected.loan_id,
        customer_id: rejected.customer_id,
        request_id: rejected.request_id,
        request_name: rejected.request_name,
        amount: rejected.amount_of_money,
        currency: rejected.currency,
        outstanding: None,
        status: LoanStatus::Refused,
        reason: Some(rejected.reason),
        comment: rejected.comment,
        loan_version: rejected.loan_version,
        occurred_at: rejected.rejected_at,
        effect: Effect::None,
    };
    record(tx, event, &change).await
}
