//! Events for the tests of this service: one customer, one loan of 10,000 won.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use ::events::codes::RejectionReason;
use ::events::{
    Amount, Currency, CustomerChanged, CustomerId, CustomerRegistered, CustomerRemoved, Language,
    LoanExecuted, LoanId, LoanJudged, LoanRepaid, LoanRequestId, LoanRequestReceived,
    LoanRequestRejected, LoanStatus, Outstanding, RequestKind,
};
use common::clock::Clock;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

/// A customer and their loan.
#[derive(Clone, Copy)]
pub(crate) struct Story {
    pub(crate) customer_id: CustomerId,
    pub(crate) loan_id: LoanId,
}

pub(crate) fn at(second: i64) -> OffsetDateTime {
    OffsetDateTime::UNIX_EPOCH + Duration::days(20_000) + Duration::seconds(second)
}

pub(crate) fn new_id() -> Uuid {
    Clock::system().new_id()
}

fn won(amount: i64) -> Amount {
    Amount::try_new(amount).unwrap()
}

impl Story {
    pub(crate) fn of(customer_id: CustomerId) -> Self {
        Self { customer_id, loan_id: new_id().into() }
    }

    pub(crate) fn new() -> Self {
        Self::of(new_id().into())
    }

    pub(crate) fn registered(self, language: Language) -> CustomerRegistered {
        CustomerRegistered {
            customer_id: self.customer_id,
            user_id: "someone@example.com".to_owned(),
            user_name: "Someone".to_owned(),
            user_mobile: "010-111-1111".to_owned(),
            user_email: Some("someone@example.com".to_owned()),
            language,
            registered_at: at(1),
        }
    }

    pub(crate) fn changed(self, language: Language, second: i64) -> CustomerChanged {
        CustomerChanged {
            customer_id: self.customer_id,
            user_id: "someone@example.com".to_owned(),
            user_name: format!("Someone since {second}"),
            user_mobile: "010-222-2222".to_owned(),
            user_email: None,
            language,
            changed_at: at(second),
        }
    }

    pub(crate) fn removed(self, second: i64) -> CustomerRemoved {
        CustomerRemoved { customer_id: self.customer_id, removed_at: at(second) }
    }

    pub(crate) fn received(self) -> LoanRequestReceived {
        LoanRequestReceived {
            loan_request_id: self.loan_id.into(),
            loan_id: self.loan_id,
            request_id: RequestKind::Apply,
            request_name: "Deposit".to_owned(),
            customer_id: self.customer_id,
            amount_of_money: won(10_000),
            currency: Currency::KRW,
            outstanding: None,
            loan_version: 1,
            language: Language::En,
            received_at: at(1),
        }
    }

    pub(crate) fn judged(self, loan_status: LoanStatus, comment: Option<&str>) -> LoanJudged {
        LoanJudged {
            loan_request_id: self.loan_id.into(),
            loan_id: self.loan_id,
            customer_id: self.customer_id,
            request_name: "Deposit".to_owned(),
            loan_status,
            adm_comment: comment.map(str::to_owned),
            amount_of_money: won(10_000),
            currency: Currency::KRW,
            loan_version: 2,
            language: Language::En,
            judged_at: at(2),
        }
    }

    pub(crate) fn executed(self) -> LoanExecuted {
        LoanExecuted {
            loan_request_id: self.loan_id.into(),
            loan_id: self.loan_id,
            customer_id: self.customer_id,
            request_name: "Deposit".to_owned(),
            amount_of_money: won(10_000),
            currency: Currency::KRW,
            outstanding: Outstanding::try_new(10_000).unwrap(),
            loan_version: 4,
            language: Language::En,
            executed_at: at(4),
        }
    }

    pub(crate) fn repaid(self, owed: i64) -> LoanRepaid {
        let outstanding = Outstanding::try_new(owed).unwrap();
        LoanRepaid {
            loan_request_id: new_id().into(),
            loan_id: self.loan_id,
            customer_id: self.customer_id,
            request_name: "Part".to_owned(),
            amount_of_money: won(4_000),
            currency: Currency::KRW,
            outstanding,
            loan_status: if outstanding.is_zero() {
                LoanStatus::Repaid
            } else {
                LoanStatus::Executed
            },
            loan_version: 5,
            language: Language::En,
            repaid_at: at(5),
        }
    }

    pub(crate) fn rejected(
        self,
        reason: RejectionReason,
        loan_id: Option<LoanId>,
    ) -> LoanRequestRejected {
        let loan_request_id: LoanRequestId = new_id().into();
        LoanRequestRejected {
            loan_request_id,
            loan_id,
            request_id: RequestKind::Repay,
            request_name: "Part".to_owned(),
            customer_id: self.customer_id,
            amount_of_money: won(4_000),
            currency: Currency::KRW,
            reason,
            comment: None,
            loan_version: None,
            language: Language::En,
            rejected_at: at(9),
        }
    }
}
