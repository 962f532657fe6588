//! What we do on an event. Every event of loan-manager is one message; the
//! customers' events say whom to write to, and how.

mod on_customer_changed;
mod on_customer_registered;
mod on_customer_removed;
mod on_customer_tombstone;
mod on_loan_executed;
mod on_loan_judged;
mod on_loan_repaid;
mod on_loan_request_received;
mod on_loan_request_rejected;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use ::events::{
    CustomerChanged, CustomerRegistered, CustomerRemoved, LoanExecuted, LoanJudged, LoanRepaid,
    LoanRequestReceived, LoanRequestRejected,
};
use common::clock::Clock;
use common::consumer::Subscriptions;
use on_customer_changed::on_customer_changed;
use on_customer_registered::on_customer_registered;
use on_customer_removed::on_customer_removed;
use on_customer_tombstone::on_customer_tombstone;
use on_loan_executed::on_loan_executed;
use on_loan_judged::on_loan_judged;
use on_loan_repaid::on_loan_repaid;
use on_loan_request_received::on_loan_request_received;
use on_loan_request_rejected::on_loan_request_rejected;

/// The consumer group.
pub const GROUP: &str = "loan-messenger";

/// What we listen to.
#[must_use]
pub fn subscriptions(clock: &Clock) -> Subscriptions {
    Subscriptions::new(GROUP)
        .on::<CustomerRegistered>(|tx, _, payload| Box::pin(on_customer_registered(tx, payload)))
        .on::<CustomerChanged>(|tx, _, payload| Box::pin(on_customer_changed(tx, payload)))
        .on::<CustomerRemoved>(|tx, _, payload| Box::pin(on_customer_removed(tx, payload)))
        .on_tombstone::<CustomerRemoved>(|tx, event| Box::pin(on_customer_tombstone(tx, event)))
        .on::<LoanRequestReceived>({
            let clock = clock.clone();
            move |tx, event, payload| {
                let clock = clock.clone();
                Box::pin(async move { on_loan_request_received(tx, &clock, event, payload).await })
            }
        })
        .on::<LoanRequestRejected>({
            let clock = clock.clone();
            move |tx, event, payload| {
                let clock = clock.clone();
                Box::pin(async move { on_loan_request_rejected(tx, &clock, event, payload).await })
            }
        })
        .on::<LoanJudged>({
            let clock = clock.clone();
            move |tx, event, payload| {
                let clock = clock.clone();
                Box::pin(async move { on_loan_judged(tx, &clock, event, payload).await })
            }
        })
        .on::<LoanExecuted>({
            let clock = clock.clone();
            move |tx, event, payload| {
                let clock = clock.clone();
                Box::pin(async move { on_loan_executed(tx, &clock, event, payload).await })
            }
        })
        .on::<LoanRepaid>({
            let clock = clock.clone();
            move |tx, event, payload| {
                let clock = clock.clone();
                Box::pin(async move { on_loan_repaid(tx, &clock, event, payload).await })
            }
        })
}
