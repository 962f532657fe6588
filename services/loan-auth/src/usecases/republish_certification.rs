//! A certification is told of once more, because somebody has lost it.

use ::events::LoanRequestId;
use common::clock::Clock;
use common::outbox;
use sqlx::PgConnection;

use crate::error::Error;
use crate::publish;
use crate::store::{certification, person};

/// Sends `AuthCertified` again under the id that it had the first time; `false` if
/// there is nothing to tell: the request is not certified, or its customer has been
/// removed.
///
/// # Errors
/// The database's.
pub async fn republish_certification(
    tx: &mut PgConnection,
    clock: &Clock,
    id: LoanRequestId,
) -> Result<bool, Error> {
    let Some(told) = certification::told(tx, id).await? else { return Ok(false) };
    let Some(customer) = person::by_id(&mut *tx, told.customer_id).await? else {
        return Ok(false);
    };
    let mut event = publish::certified(&told.asked, &customer, told.certified_at, clock);
    match told.event_id {
        Some(first) => event.id = first,
        // From before ids were kept; from now on it has this one.
        None => certification::keep_event_id(tx, id, event.id).await?,
    }
    outbox::resend(tx, &[event]).await?;
    Ok(true)
}
