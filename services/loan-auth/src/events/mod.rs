//! What we do on an event: a cancelled request is not certified any more, and
//! loan-manager's events say which loans are open.

mod on_loan_executed;
mod on_loan_judged;
mod on_loan_repaid;
mod on_loan_request_cancelled;
mod on_loan_request_rejected;

#[cfg(test)]
mod tests;

use ::events::{LoanExecuted, LoanJudged, LoanRepaid, LoanRequestCancelled, LoanRequestRejected};
use common::clock::Clock;
use common::consumer::Subscriptions;
use on_loan_executed::on_loan_executed;
use on_loan_judged::on_loan_judged;
use on_loan_repaid::on_loan_repaid;
use on_loan_request_cancelled::on_loan_request_cancelled;
use on_loan_request_rejected::on_loan_request_rejected;

/// The consumer group.
pub const GROUP: &str = "loan-auth";

/// What we listen to.
#[must_use]
pub fn subscriptions(clock: &Clock) -> Subscriptions {
    Subscriptions::new(GROUP)
        .on::<LoanRequestCancelled>({
            let clock = clock.clone();
            move |tx, _, payload| {
                let clock = clock.clone();
                Box::pin(async move { on_loan_request_cancelled(tx, &clock, &payload).await })
            }
        })
        .on::<LoanJudged>(|tx, _, payload| Box::pin(on_loan_judged(tx, payload)))
        .on::<LoanExecuted>(|tx, _, payload| Box::pin(on_loan_executed(tx, payload)))
        .on::<LoanRepaid>(|tx, _, payload| Box::pin(on_loan_repaid(tx, payload)))
        .on::<LoanRequestRejected>(|tx, _, payload| Box::pin(on_loan_request_rejected(tx, payload)))
}
