//! An officer's step on a loan itself.

use ::events::{LoanId, LoanVersion};
use common::clock::Clock;
use sqlx::PgConnection;

use super::reject_waiting_repayments::reject_waiting_repayments;
use super::tell::tell;
use super::{Check, Order, Taken};
use crate::domain::loan::Fact;
use crate::error::Error;
use crate::publish::{self, Place};
use crate::store::booking::{self, Booking};
use crate::store::item::{self, Item, LoanChange};

/// Takes a step on a loan whose row is locked.
///
/// # Errors
/// [`Error::Stale`], [`Error::Refused`], or what the database says.
pub(super) async fn step_loan(
    tx: &mut PgConnection,
    clock: &Clock,
    order: &Order,
    loan: Item,
    check: Check<'_>,
) -> Result<Taken, Error> {
    check(loan.version)?;
    let moved = loan.as_loan().step(order.to).map_err(Error::Refused)?;
    let place = Place { at: clock.now(), loan_version: loan.next_loan_version() };
    let loan_id = LoanId::from(loan.loan_request_id);
    if let Fact::Booked { booked, .. } = moved.fact {
        let booking = Booking {
            loan_request_id: loan.loan_request_id,
            loan_id,
            amount: booked,
            booked_by: order.officer.id,
            booked_at: place.at,
        };
        booking::insert(tx, &booking).await?;
    }
    let comment = order.comment.as_deref();
    let change = LoanChange {
        loan: moved.loan,
        loan_version: place.loan_version,
        officer: &order.officer,
        comment,
        changed_at: place.at,
    };
    let item = item::change_loan(tx, loan_id, &change).await?;
    let event = match moved.fact {
        Fact::Judged => publish::judged(&item, comment, place, clock),
        Fact::Executed { outstanding } => publish::executed(&item, outstanding, place, clock),
        Fact::Booked { booked, outstanding } => {
            publish::repaid(&item, &item, booked, outstanding, place, clock)
        }
    };
    tell(tx, &[event]).await?;
    let first = place.loan_version;
    let last = reject_waiting_repayments(tx, clock, &item, place).await?;
    Ok(Taken { item, version: LoanVersion::Loan { loan_id, first, last } })
}
