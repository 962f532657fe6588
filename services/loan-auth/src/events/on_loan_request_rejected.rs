//! `LoanRequestRejected`: an application that loan-manager could not take in is no
//! loan. A rejected repayment changes nothing about its loan.

use ::events::{LoanRequestRejected, RequestKind};
use common::consumer::HandlerError;
use sqlx::PgConnection;

use crate::usecases::close_application;

/// A rejected application is closed for good.
///
/// # Errors
/// The database's.
pub(super) async fn on_loan_request_rejected(
    tx: &mut PgConnection,
    event: LoanRequestRejected,
) -> Result<(), HandlerError> {
    match event.request_id {
        RequestKind::Apply => {
            let loan_id = event.loan_request_id.into();
            close_application(tx, loan_id, event.customer_id, event.rejected_at).await?;
        }
        RequestKind::Repay => {}
    }
    Ok(())
}
