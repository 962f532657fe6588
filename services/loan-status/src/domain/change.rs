//! What an event means for what is shown.

use ::events::codes::RejectionReason;
use ::events::{
    Amount, Currency, CustomerId, LoanId, LoanRequestId, LoanStatus, Outstanding, RequestKind,
};
use time::OffsetDateTime;

/// One change, as it is shown: an entry, and what it does to its loan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The event's type.
    pub event_type: &'static str,
    /// The request.
    pub loan_request_id: LoanRequestId,
    /// The loan, where it is known.
    pub loan_id: Option<LoanId>,
    /// Whose it is.
    pub customer_id: CustomerId,
    /// A new loan or a repayment.
    pub request_id: RequestKind,
    /// What the customer called it.
    pub request_name: String,
    /// How much it is about.
    pub amount: Amount,
    /// In which currency.
    pub currency: Currency,
    /// What is owed on the loan after it, where that is told.
    pub outstanding: Option<Outstanding>,
    /// The state to show: of a waiting or rejected request its own, else the loan's.
    pub status: LoanStatus,
    /// Why it was rejected.
    pub reason: Option<RejectionReason>,
    /// What the officer said to it.
    pub comment: Option<String>,
    /// Its number among the loan's events.
    pub loan_version: Option<i64>,
    /// When it happened.
    pub occurred_at: OffsetDateTime,
    /// Whether it changes where the loan stands.
    pub effect: Effect,
}

/// What a change does to its loan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It brings the loan into a state; the application's name and amount are
    /// those of the change.
    OfApplication,
    /// It brings the loan into a state; name and amount are those of a booking
    /// and say nothing about the application's.
    OfBooking,
    /// Only the request is concerned: the loan stands where it stood.
    None,
}

/// The state that a change brings its loan into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewState<'a> {
    /// The loan.
    pub loan_id: LoanId,
    /// Whose it is.
    pub customer_id: CustomerId,
    /// What the application was called, where this tells.
    pub request_name: Option<&'a str>,
    /// How much was applied for, where this tells.
    pub amount: Option<Amount>,
    /// In which currency.
    pub currency: Currency,
    /// The state.
    pub status: LoanStatus,
    /// What is owed, where this tells.
    pub outstanding: Option<Outstanding>,
    /// Its number among the loan's events.
    pub loan_version: i64,
    /// Since when.
    pub changed_at: OffsetDateTime,
}

impl Change {
    /// The loan's new state, if this is a change of the loan.
    #[must_use]
    pub fn new_state(&self) -> Option<NewState<'_>> {
        let of_application = match self.effect {
            Effect::OfApplication => true,
            Effect::OfBooking => false,
            Effect::None => return None,
        };
        Some(NewState {
            loan_id: self.loan_id?,
            customer_id: self.customer_id,
            request_name: of_application.then_some(self.request_name.as_str()),
            amount: of_application.then_some(self.amount),
            currency: self.currency,
            status: self.status,
            outstanding: self.outstanding,
            loan_version: self.loan_version?,
            changed_at: self.occurred_at,
        })
    }
}

/// What a request that was received does to its loan: an application is the
/// loan's beginning, a repayment that waits changes nothing.
#[must_use]
pub const fn effect_of_receiving(kind: RequestKind) -> Effect {
    match kind {
        RequestKind::Apply => Effect::OfApplication,
        RequestKind::Repay => Effect::None,
    }
}

/// Which kind of request was booked: an officer who sets the loan itself to
/// `05` books on the application.
#[must_use]
pub fn kind_of_booking(loan_request_id: LoanRequestId, loan_id: LoanId) -> RequestKind {
    if LoanId::from(loan_request_id) == loan_id { RequestKind::Apply } else { RequestKind::Repay }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use uuid::Uuid;

    use super::*;

    fn change(effect: Effect) -> Change {
        Change {
            event_type: "LoanRepaid",
            loan_request_id: Uuid::from_u128(2).into(),
            loan_id: Some(Uuid::from_u128(1).into()),
            customer_id: Uuid::from_u128(3).into(),
            request_id: RequestKind::Repay,
            request_name: "first part".to_owned(),
            amount: Amount::try_new(400).unwrap(),
            currency: Currency::KRW,
            outstanding: Some(Outstanding::try_new(600).unwrap()),
            status: LoanStatus::Executed,
            reason: None,
            comment: None,
            loan_version: Some(6),
            occurred_at: OffsetDateTime::UNIX_EPOCH,
            effect,
        }
    }

    #[test]
    fn a_booking_says_nothing_about_the_application() {
        let change = change(Effect::OfBooking);
        let state = change.new_state().unwrap();
        assert_eq!((state.request_name, state.amount), (None, None));
        assert_eq!(state.outstanding.map(Outstanding::get), Some(600));
        assert_eq!((state.status, state.loan_version), (LoanStatus::Executed, 6));
    }

    #[test]
    fn the_application_names_the_loan() {
        let change = change(Effect::OfApplication);
        let state = change.new_state().unwrap();
        assert_eq!((state.request_name, state.amount), (Some("first part"), Some(change.amount)));
    }

    #[test]
    fn a_request_alone_leaves_the_loan_where_it_stood() {
        assert_eq!(change(Effect::None).new_state(), None);
        assert_eq!(effect_of_receiving(RequestKind::Repay), Effect::None);
        assert_eq!(effect_of_receiving(RequestKind::Apply), Effect::OfApplication);
    }

    #[test]
    fn a_booking_on_the_loan_itself_is_the_applications() {
        let loan = LoanId::from(Uuid::from_u128(1));
        assert_eq!(kind_of_booking(loan.into(), loan), RequestKind::Apply);
        assert_eq!(kind_of_booking(Uuid::from_u128(2).into(), loan), RequestKind::Repay);
    }
}
