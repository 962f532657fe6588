//! `LoanRepaid`: a repayment was booked.

use ::events::LoanRepaid;
use common::consumer::HandlerError;
use common::event::{Event, ReceivedEvent};
use sqlx::PgConnection;

use super::record;
use crate::domain::change::{Change, Effect, kind_of_booking};

/// Shows the booking, with what is still owed and where the loan stands now.
pub(super) async fn on_loan_repaid(
    tx: &mut PgConnection,
    event: &ReceivedEvent,
    repaid: LoanRepaid,
) -> Result<(), HandlerError> {
    let change = Change {
        event_type: LoanRepaid::TYPE,
        loan_request_id: repaid.loan_request_id,
        loan_id: Some(repaid.loan_id),
        customer_id: repaid.customer_id,
        request_id: kind_of_booking(repaid.loan_request_id, repaid.loan_id),
        request_name: repaid.request_name,
        amount: repaid.amount_of_money,
        currency: repaid.currency,
        outstanding: Some(repaid.outstanding),
        status: repaid.loan_status,
        reason: None,
        comment: None,
        loan_version: Some(repaid.loan_version),
        occurred_at: repaid.repaid_at,
        effect: Effect::OfBooking,
    };
    record(tx, event, &change).await
}
