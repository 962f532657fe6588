//! `LoanRepaid` → "your repayment was booked".

use ::events::LoanRepaid;
use common::consumer::HandlerError;
use common::event::ReceivedEvent;
use sqlx::PgConnection;

use super::Desk;
use crate::domain::notice::{News, Notice};
use crate::usecases::send_messages::{Telling, send_message};

/// Tells the customer what was booked and what is still owed, if anything.
pub(super) async fn on_loan_repaid(
    tx: &mut PgConnection,
    desk: &Desk,
    event: &ReceivedEvent,
    repaid: LoanRepaid,
) -> Result<(), HandlerError> {
    let telling = Telling {
        event_id: event.id,
        loan_request_id: repaid.loan_request_id,
        loan_id: Some(repaid.loan_id),
        customer_id: repaid.customer_id,
        language: repaid.language,
        notice: Notice {
            request_name: repaid.request_name,
            amount: repaid.amount_of_money,
            currency: repaid.currency,
            news: News::Booked { outstanding: repaid.outstanding },
        },
    };
    send_message(tx, &desk.clock, &desk.rules, telling).await?;
    Ok(())
}
