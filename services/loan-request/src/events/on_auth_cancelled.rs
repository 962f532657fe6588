//! A certification does not hold.

use ::events::AuthCancelled;
use ::events::codes::AuthCancelReason;
use common::consumer::HandlerError;
use sqlx::PgConnection;

use crate::domain::standing::{Verdict, Withdrawal};
use crate::store::loan_request;
use crate::usecases::{StepError, settle_certification};

/// Withdraws a request whose certification was voided, should the answer to the
/// void not have done it. What was cancelled on our own word is checked only.
pub(super) async fn on_auth_cancelled(
    tx: &mut PgConnection,
    event: AuthCancelled,
) -> Result<(), HandlerError> {
    let id = event.loan_request_id;
    let Some(request) = loan_request::find(&mut *tx, id).await? else {
        // It was refused, and purged since: it is as cancelled as it can be.
        return Ok(());
    };
    match event.reason {
        AuthCancelReason::Voided => {
            let verdict = Verdict::Withdrawn(Withdrawal::Voided);
            settle_certification(tx, id, verdict, event.cancelled_at).await?;
        }
        AuthCancelReason::RequestCancelled => {
            request.standing.confirm_cancelled().map_err(StepError::from)?;
        }
    }
    Ok(())
}
