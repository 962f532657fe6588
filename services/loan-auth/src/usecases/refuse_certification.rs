//! A request whose caller is not who they say is refused.

use sqlx::PgConnection;
use time::OffsetDateTime;

use crate::domain::certification::{Answer, Asked};
use crate::error::Error;
use crate::store::certification::{self, Refused};

/// Refuses a request for good, if nothing was decided before, and says what the
/// stranger is told. Nothing is published: strangers must not be able to write
/// into what belongs to others.
///
/// # Errors
/// The database's.
pub async fn refuse_certification(
    tx: &mut PgConnection,
    asked: &Asked,
    refused: &Refused<'_>,
    now: OffsetDateTime,
) -> Result<Answer, Error> {
    if certification::refuse(tx, asked, refused, now).await? {
        return Ok(Answer::Refused);
    }
    let decision = certification::decision(tx, asked.loan_request_id).await?;
    Ok(decision.ok_or(sqlx::Error::RowNotFound)?.told_to_a_stranger())
}
