//! loan-manager's events, made by hand.

use common::clock::Clock;
use common::event::NewEvent;
use events::{
    Amount, Currency, CustomerId, Language, LoanExecuted, LoanId, LoanJudged, LoanRequestReceived,
    LoanStatus, Outstanding, RequestKind,
};

/// A customer's loan of 1,000 won.
#[derive(Clone, Copy)]
pub(crate) struct Loan {
    pub(crate) id: LoanId,
    customer: CustomerId,
}

impl Loan {
    pub(crate) fn new() -> Self {
        let clock = Clock::system();
        Self { id: clock.new_id().into(), customer: clock.new_id().into() }
    }

    pub(crate) fn received(self) -> NewEvent {
        let clock = Clock::system();
        let event = LoanRequestReceived {
            loan_request_id: self.id.into(),
            loan_id: self.id,
            request_id: RequestKind::Apply,
            request_name: "Deposit".to_owned(),
            customer_id: self.customer,
            amount_of_money: Amount::try_new(1_000).unwrap(),
            currency: Currency::KRW,
            outstanding: None,
            loan_version: 1,
            language: Language::Ko,
            received_at: clock.now(),
        };
        NewEvent::of(&event, &clock)
    }

    pub(crate) fn judged(self, loan_status: LoanStatus, loan_version: i64) -> NewEvent {
        let clock = Clock::system();
        let event = LoanJudged {
            loan_request_id: self.id.into(),
            loan_id: self.id,
            customer_id: self.customer,
            request_name: "Deposit".to_owned(),
            loan_status,
            adm_comment: None,
            amount_of_money: Amount::try_new(1_000).unwrap(),
            currency: Currency::KRW,
            loan_version,
            language: Language::Ko,
            judged_at: clock.now(),
        };
        NewEvent::of(&event, &clock)
    }

    pub(crate) fn executed(self, loan_version: i64) -> NewEvent {
        let clock = Clock::system();
        let event = LoanExecuted {
            loan_request_id: self.id.into(),
            loan_id: self.id,
            customer_id: self.customer,
            request_name: "Deposit".to_owned(),
            amount_of_money: Amount::try_new(1_000).unwrap(),
            currency: Currency::KRW,
            outstanding: Outstanding::try_new(1_000).unwrap(),
            loan_version,
            language: Language::Ko,
            executed_at: clock.now(),
        };
        NewEvent::of(&event, &clock)
    }
}
