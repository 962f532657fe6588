//! Applications come in: all that came together with three statements.

use std::collections::HashSet;

use ::events::{AuthCertified, LoanId, LoanRequestId};
use common::clock::Clock;
use common::consumer::Decoded;
use sqlx::PgConnection;

use super::tell::tell;
use super::{Received, item_of};
use crate::publish::{self, Place};
use crate::store::item::{self, Item};

/// Every loan begins with this event.
const FIRST_VERSION: i64 = 1;

/// Puts applications on the officers' desks and says so; tells what became of each.
///
/// The rows that it inserts are its locks: nobody else can see a loan before the commit.
///
/// # Errors
/// What the database says.
pub async fn receive_applications(
    tx: &mut PgConnection,
    clock: &Clock,
    certified: &[Decoded<'_, AuthCertified>],
) -> Result<Vec<Received>, sqlx::Error> {
    let at = clock.now();
    let applications: Vec<Item> = certified
        .iter()
        .map(|one| Item {
            loan_id: Some(LoanId::from(one.body.loan_request_id)),
            loan_version: Some(FIRST_VERSION),
            ..item_of(&one.body, at)
        })
        .collect();
    let mut new: HashSet<LoanRequestId> =
        item::insert_all(tx, &applications).await?.into_iter().collect();
    let mut told = Vec::with_capacity(new.len());
    let mut outcomes = Vec::with_capacity(certified.len());
    for (application, one) in applications.iter().zip(certified) {
        // Taken out, because one request may be certified in two events.
        if !new.remove(&application.loan_request_id) {
            outcomes.push(Received::AlreadyThere);
            continue;
        }
        let loan_id = LoanId::from(application.loan_request_id);
        let place = Place { at, loan_version: FIRST_VERSION };
        let event = || publish::received(application, loan_id, None, place, clock);
        told.push(one.span.in_scope(event));
        outcomes.push(Received::Waiting);
    }
    tell(tx, &told).await?;
    Ok(outcomes)
}
