//! loan-request takes a question back.

use ::events::LoanRequestId;
use common::clock::Clock;
use common::outbox;
use sqlx::PgConnection;

use crate::domain::certification::Answer;
use crate::error::Error;
use crate::publish;
use crate::store::certification;

/// Voids a request, if nothing was decided before, and says what is decided. The
/// void is published, so that it is learnt even when the answer is lost.
///
/// # Errors
/// The database's.
pub async fn void_certification(
    tx: &mut PgConnection,
    clock: &Clock,
    id: LoanRequestId,
) -> Result<Answer, Error> {
    let now = clock.now();
    if certification::void(tx, id, now).await? {
        outbox::append(tx, &[publish::voided(id, now, clock)]).await?;
        return Ok(Answer::Voided);
    }
    let decision = certification::decision(tx, id).await?;
    Ok(decision.ok_or(sqlx::Error::RowNotFound)?.told_to_a_void())
}
