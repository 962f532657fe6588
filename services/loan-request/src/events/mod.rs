//! What we do on an event.
//!
//! Events of two topics speak of one request, and so come in any order; an
//! answer of loan-auth or the task that asks for it may have been faster than
//! all of them. The domain says of each what is still to be done.

mod on_auth_cancelled;
mod on_auth_certified;
mod on_loan_request_received;
mod on_loan_request_rejected;

#[cfg(test)]
mod tests;

use ::events::{AuthCancelled, AuthCertified, LoanRequestReceived, LoanRequestRejected};
use common::clock::Clock;
use common::consumer::{HandlerError, Subscriptions};

use crate::usecases::StepError;
use on_auth_cancelled::on_auth_cancelled;
use on_auth_certified::on_auth_certified;
use on_loan_request_received::on_loan_request_received;
use on_loan_request_rejected::on_loan_request_rejected;

/// What we listen to.
#[must_use]
pub fn subscriptions(clock: Clock) -> Subscriptions {
    Subscriptions::new("loan-request")
        .on_run::<AuthCertified>(|tx, events| Box::pin(on_auth_certified(tx, events)))
        .on::<AuthCancelled>(|tx, _, payload| Box::pin(on_auth_cancelled(tx, payload)))
        .on_run::<LoanRequestReceived>({
            let clock = clock.clone();
            move |tx, events| {
                let clock = clock.clone();
                Box::pin(async move { on_loan_request_received(tx, events, &clock).await })
            }
        })
        .on::<LoanRequestRejected>(move |tx, _, payload| {
            let clock = clock.clone();
            Box::pin(async move { on_loan_request_rejected(tx, payload, &clock).await })
        })
}

impl From<StepError> for HandlerError {
    fn from(error: StepError) -> Self {
        match error {
            StepError::Database(error) => Self::Database(error),
            // A row is committed before anybody hears of its request, so to wait
            // for it would be to wait for ever.
            StepError::NoSuchRequest | StepError::Contradiction(_) => {
                Self::Impossible(error.to_string())
            }
        }
    }
}
