//! A loan and its repayments: what a step does, and what is then owed.

use ::events::codes::RejectionReason;
use ::events::{Amount, LoanStatus, Outstanding, RequestKind};

use crate::domain::step::{allowed_from, is_allowed};

/// A loan, as far as the rules look at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loan {
    /// Where it stands.
    pub status: LoanStatus,
    /// What was applied for, and lent when it was executed.
    pub amount: Amount,
    /// What is owed: from the execution on.
    pub outstanding: Option<Outstanding>,
}

/// A repayment request, as far as the rules look at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repayment {
    /// Where it stands.
    pub status: LoanStatus,
    /// What is to be repaid.
    pub amount: Amount,
}

/// What an officer's step made of a loan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoanMoved {
    /// The loan after it.
    pub loan: Loan,
    /// What has happened.
    pub fact: Fact,
}

/// What has happened to a loan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fact {
    /// It was taken under review, approved or refused.
    Judged,
    /// The money is out.
    Executed {
        /// What is owed now: all of it.
        outstanding: Outstanding,
    },
    /// Money came back.
    Booked {
        /// How much.
        booked: Amount,
        /// What is owed now.
        outstanding: Outstanding,
    },
}

/// What an officer's step made of a repayment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RepaymentMoved {
    /// It was refused; the loan stands where it stood.
    Refused,
    /// It was booked.
    Booked {
        /// The loan after it.
        loan: Loan,
        /// What is owed now.
        outstanding: Outstanding,
    },
}

/// Why a step is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It is not in the table.
    NotAllowed {
        /// Where the item stands.
        state: LoanStatus,
        /// Where it may go from there.
        allowed: Vec<LoanStatus>,
    },
    /// It would book more than is owed.
    ExceedsOutstanding {
        /// Where the item stands.
        state: LoanStatus,
        /// Where it may still go from there.
        allowed: Vec<LoanStatus>,
        /// What was to be booked.
        amount: Amount,
        /// What is owed.
        outstanding: Outstanding,
    },
}

impl Loan {
    /// What is owed; zero before the execution.
    #[must_use]
    pub fn owed(&self) -> Outstanding {
        self.outstanding.unwrap_or(Outstanding::ZERO)
    }

    /// An officer's step on the loan itself.
    ///
    /// # Errors
    /// [`Refusal::NotAllowed`]: the table does not have it. A repeated step is
    /// not in the table either: the second of two officers must learn that the
    /// first one was there.
    pub fn step(&self, to: LoanStatus) -> Result<LoanMoved, Refusal> {
        if !is_allowed(RequestKind::Apply, self.status, to) {
            return Err(self.not_allowed());
        }
        match to {
            LoanStatus::Executed => {
                let outstanding = Outstanding::from(self.amount);
                let loan = Self { status: to, outstanding: Some(outstanding), ..*self };
                Ok(LoanMoved { loan, fact: Fact::Executed { outstanding } })
            }
            LoanStatus::Repaid => self.settle(),
            LoanStatus::Waiting
            | LoanStatus::UnderReview
            | LoanStatus::Approved
            | LoanStatus::Refused => {
                Ok(LoanMoved { loan: Self { status: to, ..*self }, fact: Fact::Judged })
            }
        }
    }

    /// Books all that is owed.
    fn settle(&self) -> Result<LoanMoved, Refusal> {
        // An executed loan owes something; if it did not, there would be nothing to book.
        let booked = Amount::try_new(self.owed().get()).map_err(|_| self.not_allowed())?;
        let (loan, outstanding) = self.less(booked).ok_or_else(|| self.not_allowed())?;
        Ok(LoanMoved { loan, fact: Fact::Booked { booked, outstanding } })
    }

    /// The loan after a booking; at zero it is repaid. `None`: more than is owed.
    fn less(&self, booked: Amount) -> Option<(Self, Outstanding)> {
        let left = self.owed().minus(booked)?;
        let status = if left.is_zero() { LoanStatus::Repaid } else { self.status };
        Some((Self { status, outstanding: Some(left), ..*self }, left))
    }

    /// Whether a repayment of this amount can be taken in; what is owed, if so.
    ///
    /// # Errors
    /// The reason that its customer is told.
    pub fn receive(&self, amount: Amount) -> Result<Outstanding, RejectionReason> {
        match self.status {
            LoanStatus::Waiting
            | LoanStatus::UnderReview
            | LoanStatus::Approved
            | LoanStatus::Refused => Err(RejectionReason::NotExecuted),
            LoanStatus::Repaid => Err(RejectionReason::LoanRepaid),
            LoanStatus::Executed => match self.owed().minus(amount) {
                Some(_) => Ok(self.owed()),
                None => Err(RejectionReason::ExceedsOutstanding),
            },
        }
    }

    /// An officer's step on one of the loan's repayments.
    ///
    /// # Errors
    /// [`Refusal::NotAllowed`]: the table does not have it, or the loan owes
    /// nothing (any more); [`Refusal::ExceedsOutstanding`]: it owes less, for
    /// another repayment was booked since this one was received.
    pub fn step_repayment(
        &self,
        repayment: &Repayment,
        to: LoanStatus,
    ) -> Result<RepaymentMoved, Refusal> {
        if !is_allowed(RequestKind::Repay, repayment.status, to) {
            return Err(repayment.not_allowed());
        }
        if to != LoanStatus::Repaid {
            return Ok(RepaymentMoved::Refused);
        }
        let state = repayment.status;
        let allowed = || {
            let mut allowed = allowed_from(RequestKind::Repay, state);
            allowed.retain(|status| *status != LoanStatus::Repaid);
            allowed
        };
        if self.status != LoanStatus::Executed {
            return Err(Refusal::NotAllowed { state, allowed: allowed() });
        }
        match self.less(repayment.amount) {
            Some((loan, outstanding)) => Ok(RepaymentMoved::Booked { loan, outstanding }),
            None => Err(Refusal::ExceedsOutstanding {
                state,
                allowed: allowed(),
                amount: repayment.amount,
                outstanding: self.owed(),
            }),
        }
    }

    fn not_allowed(&self) -> Refusal {
        Refusal::NotAllowed {
            state: self.status,
            allowed: allowed_from(RequestKind::Apply, self.status),
        }
    }
}

impl Repayment {
    /// Why nothing (more) can be done with it.
    #[must_use]
    pub fn not_allowed(&self) -> Refusal {
        Refusal::NotAllowed {
            state: self.status,
            allowed: allowed_from(RequestKind::Repay, self.status),
        }
    }
}
