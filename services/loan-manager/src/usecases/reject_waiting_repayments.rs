//! What waits for a loan that is repaid can't be booked any more.

use ::events::codes::RejectionReason;
use ::events::{LoanId, LoanStatus};
use common::clock::Clock;
use common::event::NewEvent;
use sqlx::PgConnection;

use super::tell::tell;
use crate::publish::{self, Place};
use crate::store::item::{self, Item};

/// How many repayments are rejected by one statement. All of a loan's are
/// rejected; this bounds what is in memory at once.
const CHUNK_ITEMS_MAX: usize = 500;

/// Rejects what still waits for a loan that is repaid, each with its event,
/// and says how many events the loan has had then. Does nothing for a loan
/// that still owes something.
///
/// # Errors
/// What the database says.
pub(super) async fn reject_waiting_repayments(
    tx: &mut PgConnection,
    clock: &Clock,
    loan: &Item,
    place: Place,
) -> Result<i64, sqlx::Error> {
    let mut loan_version = place.loan_version;
    if loan.status != LoanStatus::Repaid {
        return Ok(loan_version);
    }
    let loan_id = LoanId::from(loan.loan_request_id);
    let reason = RejectionReason::LoanRepaid;
    loop {
        let rejected =
            item::reject_waiting(tx, loan_id, reason, place.at, CHUNK_ITEMS_MAX as i64).await?;
        let events: Vec<NewEvent> = rejected
            .iter()
            .zip(loan_version + 1..)
            .map(|(item, number)| {
                publish::rejected(item, reason, None, place.at, Some(number), clock)
            })
            .collect();
        tell(tx, &events).await?;
        loan_version += i64::try_from(events.len()).unwrap_or_default();
        if events.len() < CHUNK_ITEMS_MAX {
            break;
        }
    }
    if loan_version > place.loan_version {
        item::count_event(tx, loan_id, loan_version).await?;
    }
    Ok(loan_version)
}
