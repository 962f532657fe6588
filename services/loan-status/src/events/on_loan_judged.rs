//! `LoanJudged`: an officer took a loan under review, approved or refused it.

use ::events::{LoanJudged, RequestKind};
use common::consumer::HandlerError;
use common::event::{Event, ReceivedEvent};
use sqlx::PgConnection;

use super::record;
use crate::domain::change::{Change, Effect};

/// Shows the judgement, with the officer's comment.
pub(super) async fn on_loan_judged(
    tx: &mut PgConnection,
    event: &ReceivedEvent,
    judged: LoanJudged,
) -> Result<(), HandlerError> {
    let change = Change {
        event_type: LoanJudged::TYPE,
        loan_request_id: judged.loan_request_id,
        loan_id: Some(judged.loan_id),
        customer_id: judged.customer_id,
        request_id: RequestKind::Apply,
        request_name: judged.request_name,
        amount: judged.amount_of_money,
        currency: judged.currency,
        outstanding: None,
        status: judged.loan_status,
        reason: None,
        comment: judged.adm_comment,
        loan_version: Some(judged.loan_version),
        occurred_at: judged.judged_at,
        effect: Effect::OfApplication,
    };
    record(tx, event, &change).await
}
