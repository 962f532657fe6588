//! `LoanExecuted` → "your loan was executed".

use ::events::LoanExecuted;
use common::consumer::HandlerError;
use common::event::ReceivedEvent;
use sqlx::PgConnection;

use super::Desk;
use crate::domain::notice::{News, Notice};
use crate::usecases::send_messages::{Telling, send_message};

/// Tells the customer that the money is out, and what is owed.
pub(super) async fn on_loan_executed(
    tx: &mut PgConnection,
    desk: &Desk,
    event: &ReceivedEvent,
    executed: LoanExecuted,
) -> Result<(), HandlerError> {
    let telling = Telling {
        event_id: event.id,
        loan_request_id: executed.loan_request_id,
        loan_id: Some(executed.loan_id),
        customer_id: executed.customer_id,
        language: executed.language,
        notice: Notice {
            request_name: executed.request_name,
            amount: executed.amount_of_money,
            currency: executed.currency,
            news: News::Executed { outstanding: executed.outstanding },
        },
    };
    send_message(tx, &desk.clock, &desk.rules, telling).await?;
    Ok(())
}
