//! An officer's step on a repayment: booked, or refused.

use ::events::codes::RejectionReason;
use ::events::{LoanId, LoanVersion, Outstanding};
use common::clock::Clock;
use sqlx::PgConnection;

use super::reject_waiting_repayments::reject_waiting_repayments;
use super::tell::tell;
use super::{Check, Order, Taken};
use crate::domain::loan::{Loan, RepaymentMoved};
use crate::error::Error;
use crate::publish::{self, Place};
use crate::store::booking::{self, Booking};
use crate::store::item::{self, Item, LoanChange, RepaymentChange};

/// Takes a step on a repayment; its loan's row is locked, its own is locked here.
///
/// # Errors
/// [`Error::Stale`], [`Error::Refused`], or what the database says.
pub(super) async fn step_repayment(
    tx: &mut PgConnection,
    clock: &Clock,
    order: &Order,
    loan: Item,
    check: Check<'_>,
) -> Result<Taken, Error> {
    let repayment = item::lock_repayment(tx, order.id).await?;
    check(repayment.version)?;
    let moved = loan
        .as_loan()
        .step_repayment(&repayment.as_repayment(), order.to)
        .map_err(Error::Refused)?;
    let place = Place { at: clock.now(), loan_version: loan.next_loan_version() };
    match moved {
        RepaymentMoved::Refused => refuse(tx, clock, order, &loan, place).await,
        RepaymentMoved::Booked { loan: after, outstanding } => {
            book(tx, clock, order, &repayment, after, outstanding, place).await
        }
    }
}

async fn refuse(
    tx: &mut PgConnection,
    clock: &Clock,
    order: &Order,
    loan: &Item,
    place: Place,
) -> Result<Taken, Error> {
    let reason = RejectionReason::RefusedByOfficer;
    let comment = order.comment.as_deref();
    let change = RepaymentChange {
        status: order.to,
        reason: Some(reason),
        officer: &order.officer,
        comment,
        changed_at: place.at,
    };
    let item = item::change_repayment(tx, order.id, &change).await?;
    let (loan_id, number) = (LoanId::from(loan.loan_request_id), place.loan_version);
    item::count_event(tx, loan_id, number).await?;
    let event = publish::rejected(&item, reason, comment, place.at, Some(number), clock);
    tell(tx, &[event]).await?;
    Ok(Taken { item, version: LoanVersion::Loan { loan_id, first: number, last: number } })
}

async fn book(
    tx: &mut PgConnection,
    clock: &Clock,
    order: &Order,
    repayment: &Item,
    after: Loan,
    outstanding: Outstanding,
    place: Place,
) -> Result<Taken, Error> {
    let loan_id = repayment.loan_id.ok_or(sqlx::Error::RowNotFound)?;
    let booking = Booking {
        loan_request_id: repayment.loan_request_id,
        loan_id,
        amount: repayment.amount,
        booked_by: order.officer.id,
        booked_at: place.at,
    };
    booking::insert(tx, &booking).await?;
    // The comment is about the repayment; what was said to the loan stays.
    let change = LoanChange {
        loan: after,
        loan_version: place.loan_version,
        officer: &order.officer,
        comment: None,
        changed_at: place.at,
    };
    let loan = item::change_loan(tx, loan_id, &change).await?;
    let change = RepaymentChange {
        status: order.to,
        reason: None,
        officer: &order.officer,
        comment: order.comment.as_deref(),
        changed_at: place.at,
    };
    let item = item::change_repayment(tx, order.id, &change).await?;
    let event = publish::repaid(&item, &loan, item.amount, outstanding, place, clock);
    tell(tx, &[event]).await?;
    let first = place.loan_version;
    let last = reject_waiting_repayments(tx, clock, &loan, place).await?;
    Ok(Taken { item, version: LoanVersion::Loan { loan_id, first, last } })
}
