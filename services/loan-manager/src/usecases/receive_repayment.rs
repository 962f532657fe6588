//! A repayment request comes in.

use ::events::codes::RejectionReason;
use ::events::{AuthCertified, LoanId, LoanStatus};
use common::clock::Clock;
use sqlx::PgConnection;

use super::tell::tell;
use super::{Received, item_of};
use crate::publish::{self, Place};
use crate::store::item::{self, Item};

/// Puts a repayment on the officers' desks, or rejects it; says which. A
/// rejected one is kept as well, so that an officer can tell what was asked,
/// and so that it can't be worked on twice.
///
/// # Errors
/// What the database says.
pub async fn receive_repayment(
    tx: &mut PgConnection,
    clock: &Clock,
    certified: &AuthCertified,
) -> Result<Received, sqlx::Error> {
    match find_loan(tx, certified).await? {
        Ok(loan) => receive_for(tx, clock, certified, &loan).await,
        Err(reason) => reject(tx, clock, certified, reason).await,
    }
}

/// A repayment of a loan that is the caller's, and locked.
async fn receive_for(
    tx: &mut PgConnection,
    clock: &Clock,
    certified: &AuthCertified,
    loan: &Item,
) -> Result<Received, sqlx::Error> {
    // The time is read under the lock, so that a loan's events are in order by
    // their times, too.
    let place = Place { at: clock.now(), loan_version: loan.next_loan_version() };
    let loan_id = LoanId::from(loan.loan_request_id);
    let verdict = loan.as_loan().receive(certified.amount_of_money);
    let mut repayment = item_of(certified, place.at);
    repayment.loan_id = Some(loan_id);
    if let Err(reason) = verdict {
        repayment.status = LoanStatus::Refused;
        repayment.reason = Some(reason);
    }
    if !item::insert(tx, &repayment).await? {
        return Ok(Received::AlreadyThere);
    }
    item::count_event(tx, loan_id, place.loan_version).await?;
    let (event, received) = match verdict {
        Ok(outstanding) => (
            publish::received(&repayment, loan_id, Some(outstanding), place, clock),
            Received::Waiting,
        ),
        Err(reason) => (
            publish::rejected(&repayment, reason, None, place.at, Some(place.loan_version), clock),
            Received::Rejected(reason),
        ),
    };
    tell(tx, &[event]).await?;
    Ok(received)
}

/// A repayment that belongs to no loan. Whether the loan that was named is
/// another's or was never there does not show in what is kept, either.
async fn reject(
    tx: &mut PgConnection,
    clock: &Clock,
    certified: &AuthCertified,
    reason: RejectionReason,
) -> Result<Received, sqlx::Error> {
    let at = clock.now();
    let mut repayment = item_of(certified, at);
    repayment.status = LoanStatus::Refused;
    repayment.reason = Some(reason);
    if !item::insert(tx, &repayment).await? {
        return Ok(Received::AlreadyThere);
    }
    let event = publish::rejected(&repayment, reason, None, at, None, clock);
    tell(tx, &[event]).await?;
    Ok(Received::Rejected(reason))
}

/// Locks the loan that the request means: the one that it names, if it is the
/// caller's, else the caller's only executed one.
async fn find_loan(
    tx: &mut PgConnection,
    certified: &AuthCertified,
) -> Result<Result<Item, RejectionReason>, sqlx::Error> {
    if let Some(loan_id) = certified.loan_id {
        let loan = item::lock_loan_of(tx, certified.customer_id, loan_id).await?;
        return Ok(loan.ok_or(RejectionReason::NoSuchLoan));
    }
    let mut executed = item::lock_executed_loans_of(tx, certified.customer_id).await?;
    Ok(match (executed.pop(), executed.pop()) {
        (None, _) => Err(RejectionReason::NoExecutedLoan),
        (Some(loan), None) => Ok(loan),
        (Some(_), Some(_)) => Err(RejectionReason::SeveralExecutedLoans),
    })
}
