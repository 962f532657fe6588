//! `LoanJudged` → "your loan is under review, was approved or was refused".

use ::events::LoanJudged;
use common::consumer::HandlerError;
use common::event::ReceivedEvent;
use sqlx::PgConnection;

use super::Desk;
use crate::domain::notice::{News, Notice};
use crate::usecases::send_messages::{Telling, send_message};

/// Tells the customer what an officer judged, with the officer's comment.
pub(super) async fn on_loan_judged(
    tx: &mut PgConnection,
    desk: &Desk,
    event: &ReceivedEvent,
    judged: LoanJudged,
) -> Result<(), HandlerError> {
    let news = News::judged(judged.loan_status, judged.adm_comment)
        .map_err(|error| HandlerError::Impossible(error.to_string()))?;
    let telling = Telling {
        event_id: event.id,
        loan_request_id: judged.loan_request_id,
        loan_id: Some(judged.loan_id),
        customer_id: judged.customer_id,
        language: judged.language,
        notice: Notice {
            request_name: judged.request_name,
            amount: judged.amount_of_money,
            currency: judged.currency,
            news,
        },
    };
    send_message(tx, &desk.clock, &desk.rules, telling).await?;
    Ok(())
}
