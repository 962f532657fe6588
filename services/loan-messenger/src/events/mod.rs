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

use crate::usecases::Rules;

/// What a handler needs.
#[derive(Clone)]
struct Desk {
    clock: Clock,
    rules: Rules,
}

/// The consumer group.
pub const GROUP: &str = "loan-messenger";

/// What we listen to.
#[must_use]
pub fn subscriptions(clock: &Clock, rules: &Rules) -> Subscriptions {
    let desk = Desk { clock: clock.clone(), rules: *rules };
    Subscriptions::new(GROUP)
        .on::<CustomerRegistered>({
            let desk = desk.clone();
            move |tx, _, payload| {
                let desk = desk.clone();
                Box::pin(async move { on_customer_registered(tx, &desk, payload).await })
            }
        })
        .on::<CustomerChanged>({
            let desk = desk.clone();
            move |tx, _, payload| {
                let desk = desk.clone();
                Box::pin(async move { on_customer_changed(tx, &desk, payload).await })
            }
        })
        .on::<CustomerRemoved>({
            let desk = desk.clone();
            move |tx, _, payload| {
                let desk = desk.clone();
                Box::pin(async move { on_customer_removed(tx, &desk, payload).await })
            }
        })
        .on_tombstone::<CustomerRemoved>({
            let desk = desk.clone();
            move |tx, event| {
                let desk = desk.clone();
                Box::pin(async move { on_customer_tombstone(tx, &desk, event).await })
            }
        })
        .on_run::<LoanRequestReceived>({
            let desk = desk.clone();
            move |tx, events| {
                let desk = desk.clone();
                Box::pin(async move { on_loan_request_received(tx, &desk, events).await })
            }
        })
        .on::<LoanRequestRejected>({
            let desk = desk.clone();
            move |tx, event, payload| {
                let desk = desk.clone();
                Box::pin(async move { on_loan_request_rejected(tx, &desk, event, payload).await })
            }
        })
        .on::<LoanJudged>({
            let desk = desk.clone();
            move |tx, event, payload| {
                let desk = desk.clone();
                Box::pin(async move { on_loan_judged(tx, &desk, event, payload).await })
            }
        })
        .on::<LoanExecuted>({
            let desk = desk.clone();
            move |tx, event, payload| {
                let desk = desk.clone();
                Box::pin(async move { on_loan_executed(tx, &desk, event, payload).await })
            }
        })
        .on::<LoanRepaid>({
            let desk = desk.clone();
            move |tx, event, payload| {
                let desk = desk.clone();
                Box::pin(async move { on_loan_repaid(tx, &desk, event, payload).await })
            }
        })
}
