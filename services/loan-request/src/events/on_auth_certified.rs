//! loan-auth has certified a request.

use ::events::AuthCertified;
use common::consumer::HandlerError;
use sqlx::PgConnection;

use crate::domain::standing::{Step, Verdict};
use crate::store::loan_request;
use crate::usecases::{StepError, settle_certification};

/// Certifies the request, should the answer to the call not have done it: it
/// was lost, or this came first.
pub(super) async fn on_auth_certified(
    tx: &mut PgConnection,
    event: AuthCertified,
) -> Result<(), HandlerError> {
    let id = event.loan_request_id;
    let verdict = Verdict::Certified(event.customer_id);
    // Nearly always there is nothing to do, and then no lock is taken: this
    // transaction works on a whole batch, and would hold them all to its end.
    let request = loan_request::find(&mut *tx, id).await?.ok_or(StepError::NoSuchRequest)?;
    if request.standing.settle(verdict).map_err(StepError::from)? != Step::AlreadyApplied {
        settle_certification(tx, id, verdict, event.certified_at).await?;
    }
    Ok(())
}
