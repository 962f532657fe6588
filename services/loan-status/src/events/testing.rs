//! Events for the tests of this service: one customer's loan, step by step.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use ::events::codes::RejectionReason;
use ::events::{
    Amount, Currency, CustomerId, Language, LoanExecuted, LoanId, LoanJudged, LoanRepaid,
    LoanRequestCancelled, LoanRequestId, LoanRequestReceived, LoanRequestRejected, LoanStatus,
    Outstanding, RequestKind,
};
use common::clock::Clock;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

/// A customer's loan of 1,000 won.
#[derive(Clone, Copy)]
pub(crate) struct Story {
    pub(crate) customer_id: CustomerId,
    pub(crate) loan_id: LoanId,
}

fn at(second: i64) -> OffsetDateTime {
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

    pub(crate) fn received(self) -> LoanRequestReceived {
        LoanRequestReceived {
            loan_request_id: self.loan_id.into(),
            loan_id: self.loan_id,
            request_id: RequestKind::Apply,
            request_name: "Deposit".to_owned(),
            customer_id: self.customer_id,
            amount_of_money: won(1_000),
            currency: Currency::KRW,
            outstanding: None,
            loan_version: 1,
            language: Language::Ko,
            received_at: at(1),
        }
    }

    pub(crate) fn judged(self, loan_status: LoanStatus, loan_version: i64) -> LoanJudged {
        LoanJudged {
            loan_request_id: self.loan_id.into(),
            loan_id: self.loan_id,
            customer_id: self.customer_id,
            request_name: "Deposit".to_owned(),
            loan_status,
            adm_comment: Some("well".to_owned()),
            amount_of_money: won(1_000),
            currency: Currency::KRW,
            loan_version,
            language: Language::Ko,
            judged_at: at(loan_version),
        }
    }

    pub(crate) fn executed(self) -> LoanExecuted {
        LoanExecuted {
            loan_request_id: self.loan_id.into(),
            loan_id: self.loan_id,
            customer_id: self.customer_id,
            request_name: "Deposit".to_owned(),
            amount_of_money: won(1_000),
            currency: Currency::KRW,
            outstanding: Outstanding::try_new(1_000).unwrap(),
            loan_version: 4,
            language: Language::Ko,
            executed_at: at(4),
        }
    }

    pub(crate) fn repayment_received(
        self,
        repayment: LoanRequestId,
        loan_version: i64,
    ) -> LoanRequestReceived {
        LoanRequestReceived {
            loan_request_id: repayment,
            request_id: RequestKind::Repay,
            request_name: "Part".to_owned(),
            amount_of_money: won(400),
            outstanding: Some(Outstanding::try_new(1_000).unwrap()),
            loan_version,
            received_at: at(loan_version),
            ..self.received()
        }
    }

    pub(crate) fn repaid(
        self,
        repayment: LoanRequestId,
        owed: i64,
        loan_version: i64,
    ) -> LoanRepaid {
        let outstanding = Outstanding::try_new(owed).unwrap();
        LoanRepaid {
            loan_request_id: repayment,
            loan_id: self.loan_id,
            customer_id: self.customer_id,
            request_name: "Part".to_owned(),
            amount_of_money: won(400),
            currency: Currency::KRW,
            outstanding,
            loan_status: if outstanding.is_zero() {
                LoanStatus::Repaid
            } else {
                LoanStatus::Executed
            },
            loan_version,
            language: Language::Ko,
            repaid_at: at(loan_version),
        }
    }

    pub(crate) fn rejected(
        self,
        repayment: LoanRequestId,
        loan_id: Option<LoanId>,
    ) -> LoanRequestRejected {
        LoanRequestRejected {
            loan_request_id: repayment,
            loan_id,
            request_id: RequestKind::Repay,
            request_name: "Part".to_owned(),
            customer_id: self.customer_id,
            amount_of_money: won(400),
            currency: Currency::KRW,
            reason: if loan_id.is_some() {
                RejectionReason::ExceedsOutstanding
            } else {
                RejectionReason::NoSuchLoan
            },
            comment: None,
            loan_version: None,
            language: Language::Ko,
            rejected_at: at(9),
        }
    }

    pub(crate) fn cancelled(self, repayment: LoanRequestId) -> LoanRequestCancelled {
        LoanRequestCancelled {
            loan_request_id: repayment,
            loan_id: None,
            request_id: RequestKind::Repay,
            customer_id: self.customer_id,
            reason: RejectionReason::NoSuchLoan,
            cancelled_at: at(10),
        }
    }
}
