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
use common::consumer::Decoded;
use sqlx::PgConnection;
use tracing::Instrument as _;

use crate::usecases::{Received, receive_applications, receive_repayment};

/// Takes the requests in: applications that came one after the other together, each
/// repayment by itself, because it depends on what is owed then.
///
/// # Errors
/// What the database says.
pub(super) async fn on_auth_certified(
    tx: &mut PgConnection,
    clock: &Clock,
    certified: Vec<Decoded<'_, AuthCertified>>,
) -> Result<(), HandlerError> {
    for run in certified.chunk_by(|one, next| one.body.request_id == next.body.request_id) {
        match run.first().map(|one| one.body.request_id) {
            Some(RequestKind::Apply) => {
                for (one, received) in run.iter().zip(receive_applications(tx, clock, run).await?) {
                    note(one, received);
                }
            }
            Some(RequestKind::Repay) => {
                for one in run {
                    let received = receive_repayment(tx, clock, &one.body);
                    note(one, received.instrument(one.span.clone()).await?);
                }
            }
            None => {}
        }
    }
    Ok(())
}

fn note(one: &Decoded<'_, AuthCertified>, received: Received) {
    let outcome = match received {
        Received::Waiting => "waiting",
        Received::Rejected(reason) => {
            let loan_request_id = one.body.loan_request_id;
            let say =
                || tracing::info!(%loan_request_id, %reason, "request {loan_request_id} rejected");
            one.span.in_scope(say);
            "rejected"
        }
        Received::AlreadyThere => "already-there",
    };
    let kind = one.body.request_id.code();
    metrics::counter!("loan_manager_requests_total", "kind" => kind, "outcome" => outcome)
        .increment(1);
}

#[cfg(test)]
mod tests;
