//! `LoanRequestReceived`: a request was taken in and waits.

use ::events::{LoanRequestReceived, LoanStatus};
use common::consumer::HandlerError;
use common::event::{Event, ReceivedEvent};
use sqlx::PgConnection;

use super::record;
use crate::domain::change::{Change, effect_of_receiving};

/// Shows the request as waiting; an application is also the loan's beginning.
pub(super) async fn on_loan_request_received(
    tx: &mut PgConnection,
    event: &ReceivedEvent,
    received: LoanRequestReceived,
) -> Result<(), HandlerError> {
    let change = Change {
        event_type: LoanRequestReceived::TYPE,
        loan_request_id: received.loan_request_id,
        loan_id: Some(received.loan_id),
        customer_id: received.customer_id,
        request_id: received.request_id,
        request_name: received.request_name,
        amount: received.amount_of_money,
        currency: received.currency,
        outstanding: received.outstanding,
        status: LoanStatus::Waiting,
        reason: None,
        comment: None,
        loan_version: Some(received.loan_version),
        occurred_at: received.received_at,
        effect: effect_of_receiving(received.request_id),
    };
    record(tx, event, &change).await
}
