//! What we do on an event. Everything that is shown comes from here.

mod on_loan_executed;
mod on_loan_judged;
mod on_loan_repaid;
mod on_loan_request_cancelled;
mod on_loan_request_received;
mod on_loan_request_rejected;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use ::events::{
    LoanExecuted, LoanJudged, LoanRepaid, LoanRequestCancelled, LoanRequestReceived,
    LoanRequestRejected,
};
use common::consumer::{HandlerError, Subscriptions};
use common::event::ReceivedEvent;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::domain::change::Change;
use crate::usecases::record_changes::{Recorded, record_changes};
use on_loan_executed::on_loan_executed;
use on_loan_judged::on_loan_judged;
use on_loan_repaid::on_loan_repaid;
use on_loan_request_cancelled::on_loan_request_cancelled;
use on_loan_request_received::on_loan_request_received;
use on_loan_request_rejected::on_loan_request_rejected;

/// What we listen to, as which consumer group.
#[must_use]
pub fn subscriptions(group: &'static str) -> Subscriptions {
    Subscriptions::new(group)
        .on_run::<LoanRequestReceived>(|tx, events| Box::pin(on_loan_request_received(tx, events)))
        .on::<LoanRequestRejected>(|tx, event, payload| {
            Box::pin(on_loan_request_rejected(tx, event, payload))
        })
        .on::<LoanJudged>(|tx, event, payload| Box::pin(on_loan_judged(tx, event, payload)))
        .on::<LoanExecuted>(|tx, event, payload| Box::pin(on_loan_executed(tx, event, payload)))
        .on::<LoanRepaid>(|tx, event, payload| Box::pin(on_loan_repaid(tx, event, payload)))
        .on::<LoanRequestCancelled>(|tx, event, payload| {
            Box::pin(on_loan_request_cancelled(tx, event, payload))
        })
}

/// The group that works a generation of the read model. A rebuild is another
/// group, because a group never goes back to offset 0 by itself.
#[must_use]
pub fn group_of(generation: i32) -> &'static str {
    if generation == 1 {
        return "loan-status";
    }
    // Once in the life of a process.
    String::leak(format!("loan-status-{generation}"))
}

/// Records a change and turns what cannot be into a dead letter.
async fn record(
    tx: &mut PgConnection,
    event: &ReceivedEvent,
    change: &Change,
) -> Result<(), HandlerError> {
    record_all(tx, &[(event.id, change)]).await
}

/// The same with the changes of many events.
async fn record_all(
    tx: &mut PgConnection,
    changes: &[(Uuid, &Change)],
) -> Result<(), HandlerError> {
    match record_changes(tx, changes).await? {
        Recorded::Applied => Ok(()),
        Recorded::AnothersLoan => {
            Err(HandlerError::Impossible("the loan is known to be another customer's".to_owned()))
        }
    }
}
