//! AuthCertified: a request whose caller is proven comes in.
//!
//! Order. Under `loan.auth` a request that names a loan has the loan's id as
//! its key, so it is read after the loan's application. A repayment that names
//! none has its own id as its key and may be read before anything else. Neither
//! can turn an answer round: a repayment is taken in only if its loan is
//! executed, an officer executes it long after its application was worked on
//! here, and the state is looked at in this service's own database. What does
//! come before its application (sent on a `202`, before the application was
//! decided) could only have been rejected anyway; it then reads `no-such-loan`
//! where a moment later it would have read `not-executed`.

use ::events::{AuthCertified, RequestKind};
use common::HandlerError;
use common::clock::Clock;
use sqlx::PgConnection;

use crate::usecases::{Received, receive_application, receive_repayment};

/// Takes the request in.
///
/// # Errors
/// What the database says.
pub(super) async fn on_auth_certified(
    tx: &mut PgConnection,
    clock: &Clock,
    certified: &AuthCertified,
) -> Result<(), HandlerError> {
    let kind = certified.request_id;
    let received = match kind {
        RequestKind::Apply => receive_application(tx, clock, certified).await?,
        RequestKind::Repay => receive_repayment(tx, clock, certified).await?,
    };
    let loan_request_id = certified.loan_request_id;
    let outcome = match received {
        Received::Waiting => "waiting",
        Received::Rejected(reason) => {
            tracing::info!(%loan_request_id, %reason, "request {loan_request_id} rejected");
            "rejected"
        }
        Received::AlreadyThere => "already-there",
    };
    metrics::counter!("loan_manager_requests_total", "kind" => kind.code(), "outcome" => outcome)
        .increment(1);
    Ok(())
}

#[cfg(test)]
mod tests;
