//! `LoanRepaid`: a loan that is repaid in full is not open any more.

use ::events::LoanRepaid;
use common::consumer::HandlerError;
use sqlx::PgConnection;

use crate::domain::loan::is_open;
use crate::store::open_loan::LoanState;
use crate::usecases::follow_loan;

/// The loan is open, or not any more.
///
/// # Errors
/// The database's.
pub(super) async fn on_loan_repaid(
    tx: &mut PgConnection,
    event: LoanRepaid,
) -> Result<(), HandlerError> {
    let state = LoanState {
        loan_id: event.loan_id,
        customer_id: event.customer_id,
        is_open: is_open(event.loan_status),
        loan_version: event.loan_version,
    };
    Ok(follow_loan(tx, state, event.repaid_at).await?)
}
