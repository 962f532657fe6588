//! What has happened here, as the others are told. The only place that makes an
//! event.

use ::events::codes::AuthCancelReason;
use ::events::{
    AuthCancelled, AuthCertified, CustomerChanged, CustomerId, CustomerRegistered, CustomerRemoved,
    LoanId, LoanRequestId,
};
use common::clock::Clock;
use common::event::NewEvent;
use time::OffsetDateTime;

use crate::domain::certification::Asked;
use crate::domain::person::Person;

/// A request was certified.
#[must_use]
pub fn certified(asked: &Asked, person: &Person, at: OffsetDateTime, clock: &Clock) -> NewEvent {
    let event = AuthCertified {
        loan_request_id: asked.loan_request_id,
        loan_id: asked.loan_id(),
        request_id: asked.request_id,
        request_name: asked.request_name.clone(),
        customer_id: person.id,
        user_id: person.user_id.clone(),
        user_name: person.user_name.clone(),
        user_mobile: asked.user_mobile.clone().or_else(|| person.user_mobile.clone()),
        account_no: asked.account_no.clone(),
        amount_of_money: asked.amount_of_money,
        currency: asked.currency,
        language: person.language,
        certified_at: at,
    };
    NewEvent::of(&event, clock)
}

/// A request was voided before anyone was certified.
#[must_use]
pub fn voided(id: LoanRequestId, at: OffsetDateTime, clock: &Clock) -> NewEvent {
    let event = AuthCancelled {
        loan_request_id: id,
        loan_id: None,
        customer_id: None,
        reason: AuthCancelReason::Voided,
        cancelled_at: at,
    };
    NewEvent::of(&event, clock)
}

/// A request was cancelled, and its certification with it.
#[must_use]
pub fn cancelled(
    id: LoanRequestId,
    loan_id: Option<LoanId>,
    customer_id: Option<CustomerId>,
    at: OffsetDateTime,
    clock: &Clock,
) -> NewEvent {
    let event = AuthCancelled {
        loan_request_id: id,
        loan_id,
        customer_id,
        reason: AuthCancelReason::RequestCancelled,
        cancelled_at: at,
    };
    NewEvent::of(&event, clock)
}

/// A customer registered.
#[must_use]
pub fn registered(customer: &Person, clock: &Clock) -> NewEvent {
    let event = CustomerRegistered {
        customer_id: customer.id,
        user_id: customer.user_id.clone(),
        user_name: customer.user_name.clone(),
        // The table's constraint says that a customer has one.
        user_mobile: customer.user_mobile.clone().unwrap_or_default(),
        user_email: customer.user_email.clone(),
        language: customer.language,
        registered_at: customer.registered_at,
    };
    NewEvent::of(&event, clock)
}

/// A customer's name, mobile, mail or language changed.
#[must_use]
pub fn changed(customer: &Person, clock: &Clock) -> NewEvent {
    let event = CustomerChanged {
        customer_id: customer.id,
        user_id: customer.user_id.clone(),
        user_name: customer.user_name.clone(),
        user_mobile: customer.user_mobile.clone().unwrap_or_default(),
        user_email: customer.user_email.clone(),
        language: customer.language,
        changed_at: customer.changed_at,
    };
    NewEvent::of(&event, clock)
}

/// A customer was removed; and the tombstone that lets the topic forget them.
#[must_use]
pub fn removed(id: CustomerId, at: OffsetDateTime, clock: &Clock) -> [NewEvent; 2] {
    let event = CustomerRemoved { customer_id: id, removed_at: at };
    [NewEvent::of(&event, clock), NewEvent::tombstone::<CustomerRemoved>(id.to_string(), clock)]
}
