//! `item`: applications and repayment requests. The row of an application is
//! the loan.
//!
//! The order of locks: the loan's row first, then rows of its repayments in
//! the order of their ids. Nobody locks a repayment without its loan.
//!
//! An officer's step locks one loan. A batch of the consumer locks one for each
//! repayment in it, in the order of the events, until the batch commits: two
//! instances whose batches hold the same two loans (possible where repayments
//! name none, and so are in other partitions) may each wait for the other.
//! PostgreSQL then ends one of them, and the consumer runs that batch again.

mod read;
mod write;

pub use read::{Filter, Start, count, find, list};
pub use write::{
    LoanChange, RepaymentChange, change_loan, change_repayment, count_event, insert, insert_all,
    lock_executed_loans_of, lock_loan_behind, lock_loan_of, lock_repayment, reject_waiting,
};

use ::events::codes::RejectionReason;
use ::events::{
    Amount, Currency, CustomerId, Language, LoanId, LoanRequestId, LoanStatus, Outstanding,
    RequestKind,
};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::domain::loan::{Loan, Repayment};

/// A row. Not `Debug`: it holds a customer's name and number.
#[derive(Clone, sqlx::FromRow)]
pub struct Item {
    /// The request.
    pub loan_request_id: LoanRequestId,
    /// A new loan or a repayment.
    pub kind: RequestKind,
    /// The loan; `None` for a repayment that was rejected before it came to one.
    pub loan_id: Option<LoanId>,
    /// Where it stands.
    pub status: LoanStatus,
    /// How much is asked for, or is to be repaid.
    pub amount: Amount,
    /// In which currency.
    pub currency: Currency,
    /// What is owed: on a loan, from its execution on.
    pub outstanding: Option<Outstanding>,
    /// The number of the loan's last event: on a loan.
    pub loan_version: Option<i64>,
    /// Counts the changes of this row.
    pub version: i64,
    /// Why a repayment was rejected.
    pub reason: Option<RejectionReason>,
    /// Whose it is.
    pub customer_id: CustomerId,
    /// The login name.
    pub user_id: String,
    /// The name.
    pub user_name: String,
    /// Where to reach the customer.
    pub user_mobile: Option<String>,
    /// The account to pay to or from.
    pub account_no: Option<String>,
    /// What the customer called it.
    pub request_name: String,
    /// The customer's language.
    pub language: Language,
    /// The officer who changed it last.
    pub proc_id: Option<Uuid>,
    /// That officer's name.
    pub proc_name: Option<String>,
    /// The last thing that an officer said to it.
    pub adm_comment: Option<String>,
    /// When it came in.
    pub received_at: OffsetDateTime,
    /// When it changed last.
    pub changed_at: OffsetDateTime,
}

impl Item {
    /// The loan that this row is, as the rules look at it.
    #[must_use]
    pub fn as_loan(&self) -> Loan {
        Loan { status: self.status, amount: self.amount, outstanding: self.outstanding }
    }

    /// The number of the loan's next event.
    #[must_use]
    pub fn next_loan_version(&self) -> i64 {
        self.loan_version.unwrap_or(0) + 1
    }

    /// The repayment that this row is, as the rules look at it.
    #[must_use]
    pub fn as_repayment(&self) -> Repayment {
        Repayment { status: self.status, amount: self.amount }
    }
}

/// The officer who acts, as the token says.
#[derive(Clone, Debug)]
pub struct Officer {
    /// Who.
    pub id: Uuid,
    /// The name, if the token has one.
    pub name: Option<String>,
}

/// Every column of [`Item`].
macro_rules! columns {
    () => {
        "loan_request_id, kind, loan_id, status, amount, currency, outstanding, loan_version, version, \
         reason, customer_id, user_id, user_name, user_mobile, account_no, request_name, language, \
         proc_id, proc_name, adm_comment, received_at, changed_at"
    };
}
pub(crate) use columns;
