//! What happened to a loan, as the public event of it; the only place that
//! builds one. Names and numbers of people stay here: no event holds them.

use ::events::codes::RejectionReason;
use ::events::{
    Amount, LoanExecuted, LoanId, LoanJudged, LoanRepaid, LoanRequestReceived, LoanRequestRejected,
    Outstanding,
};
use common::clock::Clock;
use common::event::NewEvent;
use time::OffsetDateTime;

use crate::store::item::Item;

/// When an event happened, and its number among the loan's.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// When.
    pub at: OffsetDateTime,
    /// The number.
    pub loan_version: i64,
}

/// A request was taken in. `outstanding`: what is owed on the loan of a repayment.
#[must_use]
pub fn received(
    item: &Item,
    loan_id: LoanId,
    outstanding: Option<Outstanding>,
    place: Place,
    clock: &Clock,
) -> NewEvent {
    let event = LoanRequestReceived {
        loan_request_id: item.loan_request_id,
        loan_id,
        request_id: item.kind,
        request_name: item.request_name.clone(),
        customer_id: item.customer_id,
        amount_of_money: item.amount,
        currency: item.currency,
        outstanding,
        loan_version: place.loan_version,
        language: item.language,
        received_at: place.at,
    };
    NewEvent::of(&event, clock)
}

/// A repayment was rejected, on receipt or later. Without a loan there is no
/// number among its events.
#[must_use]
pub fn rejected(
    item: &Item,
    reason: RejectionReason,
    comment: Option<&str>,
    at: OffsetDateTime,
    loan_version: Option<i64>,
    clock: &Clock,
) -> NewEvent {
    let event = LoanRequestRejected {
        loan_request_id: item.loan_request_id,
        loan_id: item.loan_id,
        request_id: item.kind,
        request_name: item.request_name.clone(),
        customer_id: item.customer_id,
        amount_of_money: item.amount,
        currency: item.currency,
        reason,
        comment: comment.map(str::to_owned),
        loan_version,
        language: item.language,
        rejected_at: at,
    };
    NewEvent::of(&event, clock)
}

/// A loan was taken under review, approved or refused.
#[must_use]
pub fn judged(loan: &Item, comment: Option<&str>, place: Place, clock: &Clock) -> NewEvent {
    let event = LoanJudged {
        loan_request_id: loan.loan_request_id,
        loan_id: LoanId::from(loan.loan_request_id),
        customer_id: loan.customer_id,
        request_name: loan.request_name.clone(),
        loan_status: loan.status,
        adm_comment: comment.map(str::to_owned),
        amount_of_money: loan.amount,
        currency: loan.currency,
        loan_version: place.loan_version,
        language: loan.language,
        judged_at: place.at,
    };
    NewEvent::of(&event, clock)
}

/// A loan was executed.
#[must_use]
pub fn executed(loan: &Item, outstanding: Outstanding, place: Place, clock: &Clock) -> NewEvent {
    let event = LoanExecuted {
        loan_request_id: loan.loan_request_id,
        loan_id: LoanId::from(loan.loan_request_id),
        customer_id: loan.customer_id,
        request_name: loan.request_name.clone(),
        amount_of_money: loan.amount,
        currency: loan.currency,
        outstanding,
        loan_version: place.loan_version,
        language: loan.language,
        executed_at: place.at,
    };
    NewEvent::of(&event, clock)
}

/// Money came back: `request` is the repayment, or the loan itself when an
/// officer set it to `05`; `loan` is the loan after the booking.
#[must_use]
pub fn repaid(
    request: &Item,
    loan: &Item,
    booked: Amount,
    outstanding: Outstanding,
    place: Place,
    clock: &Clock,
) -> NewEvent {
    let event = LoanRepaid {
        loan_request_id: request.loan_request_id,
        loan_id: LoanId::from(loan.loan_request_id),
        customer_id: loan.customer_id,
        request_name: request.request_name.clone(),
        amount_of_money: booked,
        currency: loan.currency,
        outstanding,
        loan_status: loan.status,
        loan_version: place.loan_version,
        language: request.language,
        repaid_at: place.at,
    };
    NewEvent::of(&event, clock)
}
