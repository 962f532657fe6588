//! `LoanRequestReceived` → "your request was received".

use ::events::LoanRequestReceived;
use common::consumer::HandlerError;
use common::event::ReceivedEvent;
use sqlx::PgConnection;

use super::Desk;
use crate::domain::notice::{News, Notice};
use crate::usecases::send_message::{Telling, send_message};

/// Tells the customer that the request was received.
pub(super) async fn on_loan_request_received(
    tx: &mut PgConnection,
    desk: &Desk,
    event: &ReceivedEvent,
    received: LoanRequestReceived,
) -> Result<(), HandlerError> {
    let telling = Telling {
        event_id: event.id,
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
    send_message(tx, &desk.clock, &desk.rules, telling).await?;
    Ok(())
}
