//! loan-auth has certified requests.

use ::events::AuthCertified;
use common::consumer::{Decoded, HandlerError};
use common::db::column;
use sqlx::PgConnection;
use tracing::Instrument as _;

use crate::domain::standing::{Step, Verdict};
use crate::store::loan_request;
use crate::usecases::{StepError, settle_certification};

/// Certifies the requests, should the answers to the calls not have done it: one was lost,
/// or this came first.
pub(super) async fn on_auth_certified(
    tx: &mut PgConnection,
    events: Vec<Decoded<'_, AuthCertified>>,
) -> Result<(), HandlerError> {
    // Nearly always there is nothing to do, and then no lock is taken: this
    // transaction works on a whole batch, and would hold them all to its end.
    let ids = column(&events, |one| one.body.loan_request_id);
    let standings = loan_request::standings(&mut *tx, &ids).await?;
    let mut late = Vec::new();
    for one in &events {
        let id = one.body.loan_request_id;
        let standing = standings.get(&id).ok_or(StepError::NoSuchRequest)?;
        let verdict = Verdict::Certified(one.body.customer_id);
        if standing.settle(verdict).map_err(StepError::from)? != Step::AlreadyApplied {
            late.push((id, verdict, one));
        }
    }
    // In the order of the ids, as everybody locks them: who works on another topic's batch
    // with the same requests waits, and is not waited for.
    late.sort_by_key(|(id, ..)| *id);
    for (id, verdict, one) in late {
        let settling = settle_certification(tx, id, verdict, one.body.certified_at);
        settling.instrument(one.span.clone()).await?;
    }
    Ok(())
}
