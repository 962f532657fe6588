//! `LoanRequestReceived`: a request was taken in and waits.

use ::events::{LoanRequestReceived, LoanStatus};
use common::consumer::{Decoded, HandlerError};
use common::event::Event;
use sqlx::PgConnection;

use super::record_all;
use crate::domain::change::{Change, effect_of_receiving};

/// Shows the requests as waiting; an application is also the loan's beginning. This comes
/// with every request, and so all that came together are shown together.
pub(super) async fn on_loan_request_received(
    tx: &mut PgConnection,
    events: Vec<Decoded<'_, LoanRequestReceived>>,
) -> Result<(), HandlerError> {
    let changes: Vec<_> = events.into_iter().map(|one| (one.event.id, change(one.body))).collect();
    let changes: Vec<_> = changes.iter().map(|(event_id, change)| (*event_id, change)).collect();
    record_all(tx, &changes).await
}

fn change(received: LoanRequestReceived) -> Change {
    Change {
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
    }
}
