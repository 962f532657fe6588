//! `LoanExecuted`: the money is out, and owed.

use ::events::{LoanExecuted, LoanStatus, RequestKind};
use common::consumer::HandlerError;
use common::event::{Event, ReceivedEvent};
use sqlx::PgConnection;

use super::record;
use crate::domain::change::{Change, Effect};

/// Shows the loan as executed, with what is owed.
pub(super) async fn on_loan_executed(
    tx: &mut PgConnection,
    event: &ReceivedEvent,
    executed: LoanExecuted,
) -> Result<(), HandlerError> {
    let change = Change {
        event_type: LoanExecuted::TYPE,
        loan_request_id: executed.loan_request_id,
        loan_id: Some(executed.loan_id),
        customer_id: executed.customer_id,
        request_id: RequestKind::Apply,
        request_name: executed.request_name,
        amount: executed.amount_of_money,
        currency: executed.currency,
        outstanding: Some(executed.outstanding),
        status: LoanStatus::Executed,
        reason: None,
        comment: None,
        loan_version: Some(executed.loan_version),
        occurred_at: executed.executed_at,
        effect: Effect::OfApplication,
    };
    record(tx, event, &change).await
}
