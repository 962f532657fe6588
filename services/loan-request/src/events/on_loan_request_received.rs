//! loan-manager has taken a request in.

use ::events::LoanRequestReceived;
use common::clock::Clock;
use common::consumer::HandlerError;
use sqlx::PgConnection;

use crate::usecases::receive_loan_request;

/// The request becomes `요청완료`.
pub(super) async fn on_loan_request_received(
    tx: &mut PgConnection,
    event: LoanRequestReceived,
    clock: &Clock,
) -> Result<(), HandlerError> {
    let LoanRequestReceived { loan_request_id, customer_id, loan_id, received_at, .. } = event;
    receive_loan_request(tx, loan_request_id, customer_id, loan_id, received_at, clock).await?;
    Ok(())
}
