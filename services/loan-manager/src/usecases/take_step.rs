//! An officer takes a step, with a loan or with one of its repayments.

use common::clock::Clock;
use sqlx::PgConnection;

use super::step_loan::step_loan;
use super::step_repayment::step_repayment;
use super::{Check, Order, Taken};
use crate::error::Error;
use crate::store::item;

/// Takes the step, if the item is as the officer saw it (`check`, asked with
/// the row's version under the lock) and the rules have it.
///
/// # Errors
/// [`Error::NotFound`], then [`Error::Stale`], then [`Error::Refused`]: nothing
/// is changed; or what the database says.
pub async fn take_step(
    tx: &mut PgConnection,
    clock: &Clock,
    order: &Order,
    check: Check<'_>,
) -> Result<Taken, Error> {
    if let Some(loan) = item::lock_loan_behind(tx, order.id).await? {
        if loan.loan_request_id == order.id {
            return step_loan(tx, clock, order, loan, check).await;
        }
        return step_repayment(tx, clock, order, loan, check).await;
    }
    // What has no loan was rejected on receipt and never changes again.
    let item = item::find(&mut *tx, order.id).await?.ok_or(Error::NotFound)?;
    check(item.version)?;
    Err(Error::Refused(item.as_repayment().not_allowed()))
}
