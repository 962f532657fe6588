//! One decision for each request, and what everyone is told of it afterwards.
//! Whoever writes it first, a certification, a refusal or a void, has decided.

use ::events::codes::RequestKind;
use ::events::{Amount, Currency, CustomerId, LoanId, LoanRequestId};

/// What is to be certified. Not `Debug`: it holds what a customer wrote.
#[derive(Clone, PartialEq, Eq)]
pub struct Asked {
    /// The request.
    pub loan_request_id: LoanRequestId,
    /// A new loan or a repayment.
    pub request_id: RequestKind,
    /// Of a repayment, the loan that the customer named.
    pub named_loan: Option<LoanId>,
    /// What the customer calls it.
    pub request_name: String,
    /// How much.
    pub amount_of_money: Amount,
    /// Its currency.
    pub currency: Currency,
    /// The account to pay to or from.
    pub account_no: Option<String>,
    /// Where to reach the customer about it, if not as registered.
    pub user_mobile: Option<String>,
}

impl Asked {
    /// The loan: the request itself for an application.
    #[must_use]
    pub fn loan_id(&self) -> Option<LoanId> {
        match self.request_id {
            RequestKind::Apply => Some(self.loan_request_id.into()),
            RequestKind::Repay => self.named_loan,
        }
    }
}

/// What a request's row says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The customer was proven.
    Certified(CustomerId),
    /// The customer was proven, and the request was cancelled later.
    Cancelled(CustomerId),
    /// Nobody was proven.
    Refused,
    /// Taken back before anyone was proven.
    Voided,
}

/// What loan-request is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The caller is this customer, and the request was certified.
    Certified(CustomerId),
    /// The caller is not who they say.
    Refused,
    /// The request was taken back.
    Voided,
}

impl Decision {
    /// Told to a caller who is proven to be this customer, now.
    ///
    /// A cancelled request was certified: that its caller is proven again is what
    /// a replay of an `Idempotency-Key` needs to know.
    #[must_use]
    pub fn told_to(self, proven: CustomerId) -> Answer {
        match self {
            Self::Certified(owner) | Self::Cancelled(owner) if owner == proven => {
                Answer::Certified(owner)
            }
            Self::Certified(_) | Self::Cancelled(_) | Self::Refused => Answer::Refused,
            Self::Voided => Answer::Voided,
        }
    }

    /// Told to a caller who could not prove to be anyone: nothing but that the
    /// request was taken back, which is no secret of anybody's.
    #[must_use]
    pub fn told_to_a_stranger(self) -> Answer {
        match self {
            Self::Voided => Answer::Voided,
            Self::Certified(_) | Self::Cancelled(_) | Self::Refused => Answer::Refused,
        }
    }

    /// Told to whoever tried to void it.
    #[must_use]
    pub fn told_to_a_void(self) -> Answer {
        match self {
            Self::Certified(owner) | Self::Cancelled(owner) => Answer::Certified(owner),
            Self::Refused => Answer::Refused,
            Self::Voided => Answer::Voided,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn customer(number: u128) -> CustomerId {
        uuid::Uuid::from_u128(number).into()
    }

    #[test]
    fn only_the_proven_owner_learns_that_it_was_certified() {
        let (owner, other) = (customer(1), customer(2));
        for decision in [Decision::Certified(owner), Decision::Cancelled(owner)] {
            assert_eq!(decision.told_to(owner), Answer::Certified(owner));
            assert_eq!(decision.told_to(other), Answer::Refused);
            assert_eq!(decision.told_to_a_stranger(), Answer::Refused);
            assert_eq!(decision.told_to_a_void(), Answer::Certified(owner));
        }
    }

    #[test]
    fn the_first_decision_stands() {
        let anyone = customer(1);
        assert_eq!(Decision::Refused.told_to(anyone), Answer::Refused);
        assert_eq!(Decision::Refused.told_to_a_void(), Answer::Refused);
        assert_eq!(Decision::Voided.told_to(anyone), Answer::Voided);
        assert_eq!(Decision::Voided.told_to_a_stranger(), Answer::Voided);
        assert_eq!(Decision::Voided.told_to_a_void(), Answer::Voided);
    }
}
