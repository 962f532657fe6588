//! `LoanRequestReceived` → "your request was received".

use ::events::LoanRequestReceived;
use common::consumer::{Decoded, HandlerError};
use sqlx::PgConnection;
use tracing::Span;

use super::Desk;
use crate::domain::notice::{News, Notice};
use crate::usecases::send_messages::{Telling, send_messages};

/// Tells the customers that their requests were received. This comes with every request,
/// and so all that came together are told together.
pub(super) async fn on_loan_request_received(
    tx: &mut PgConnection,
    desk: &Desk,
    events: Vec<Decoded<'_, LoanRequestReceived>>,
) -> Result<(), HandlerError> {
    let tellings: Vec<_> = events.into_iter().map(telling).collect();
    Ok(send_messages(tx, &desk.clock, &desk.rules, &tellings).await?)
}

fn telling(one: Decoded<'_, LoanRequestReceived>) -> (Telling, Span) {
    let received = one.body;
    let telling = Telling {
        event_id: one.event.id,
        loan_request_id: received.loan_request_id,
        loan_id: Some(received.loan_id),
        customer_id: received.customer_id,
        language: received.language,
        notice: Notice {
            request_name: received.request_name,
            amount: received.amount_of_money,
            currency: received.currency,
            news: News::Received(received.request_id),
        },
    };
    (telling, one.span)
}
