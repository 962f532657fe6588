//! loan-manager has taken requests in.

use ::events::LoanRequestReceived;
use common::clock::Clock;
use common::consumer::{Decoded, HandlerError};
use common::db::column;
use sqlx::PgConnection;

use crate::store::loan_request::NewlyReceived;
use crate::usecases::receive_loan_requests;

/// The requests become `요청완료`. This comes with every request, and so all that came
/// together are marked together.
pub(super) async fn on_loan_request_received(
    tx: &mut PgConnection,
    events: Vec<Decoded<'_, LoanRequestReceived>>,
    clock: &Clock,
) -> Result<(), HandlerError> {
    let received = column(&events, |one| NewlyReceived {
        id: one.body.loan_request_id,
        customer: one.body.customer_id,
        loan: one.body.loan_id,
        at: one.body.received_at,
    });
    Ok(receive_loan_requests(tx, &received, clock).await?)
}
