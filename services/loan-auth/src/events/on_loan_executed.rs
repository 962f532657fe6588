//! `LoanExecuted`: the loan is open, whatever else is known.

use ::events::{LoanExecuted, LoanStatus};
use common::consumer::HandlerError;
use sqlx::PgConnection;

use crate::domain::loan::is_open;
use crate::store::open_loan::LoanState;
use crate::usecases::follow_loan;

/// The loan is open, or not any more.
///
/// # Errors
/// The database's.
pub(super) async fn on_loan_executed(
    tx: &mut PgConnection,
    event: LoanExecuted,
) -> Result<(), HandlerError> {
    let state = LoanState {
        loan_id: event.loan_id,
        customer_id: event.customer_id,
        is_open: is_open(LoanStatus::Executed),
        loan_version: event.loan_version,
    };
    Ok(follow_loan(tx, state, event.executed_at).await?)
}
