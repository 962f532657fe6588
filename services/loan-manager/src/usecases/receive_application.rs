//! An application comes in. This runs for every one of them: three statements.

use ::events::{AuthCertified, LoanId};
use common::clock::Clock;
use sqlx::PgConnection;

use super::tell::tell;
use super::{Received, item_of};
use crate::publish::{self, Place};
use crate::store::item;

/// Puts an application on the officers' desks and says so.
///
/// The row that it inserts is its lock: nobody else can see the loan before
/// the commit.
///
/// # Errors
/// What the database says.
pub async fn receive_application(
    tx: &mut PgConnection,
    clock: &Clock,
    certified: &AuthCertified,
) -> Result<Received, sqlx::Error> {
    let place = Place { at: clock.now(), loan_version: 1 };
    let loan_id = LoanId::from(certified.loan_request_id);
    let mut application = item_of(certified, place.at);
    application.loan_id = Some(loan_id);
    application.loan_version = Some(place.loan_version);
    if !item::insert(tx, &application).await? {
        return Ok(Received::AlreadyThere);
    }
    let received = publish::received(&application, loan_id, None, place, clock);
    tell(tx, &[received]).await?;
    Ok(Received::Waiting)
}
