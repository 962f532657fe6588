//! `LoanRequestRejected` → "your request could not be processed".

use ::events::LoanRequestRejected;
use common::consumer::HandlerError;
use common::event::ReceivedEvent;
use sqlx::PgConnection;

use super::Desk;
use crate::domain::notice::{News, Notice};
use crate::usecases::send_messages::{Telling, send_message};

/// Tells the customer that the request was rejected, and why.
pub(super) async fn on_loan_request_rejected(
    tx: &mut PgConnection,
    desk: &Desk,
    event: &ReceivedEvent,
    rejected: LoanRequestRejected,
) -> Result<(), HandlerError> {
    let telling = Telling {
        event_id: event.id,
        loan_request_id: rejected.loan_request_id,
        loan_id: rejected.loan_id,
        customer_id: rejected.customer_id,
        language: rejected.language,
        notice: Notice {
            request_name: rejected.request_name,
            amount: rejected.amount_of_money,
            currency: rejected.currency,
            news: News::Rejected { reason: rejected.reason, comment: rejected.comment },
        },
    };
    send_message(tx, &desk.clock, &desk.rules, telling).await?;
    Ok(())
}
