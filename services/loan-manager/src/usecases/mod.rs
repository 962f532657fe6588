//! The steps that commit together. Each works in a transaction it is given and
//! holds the lock on the loan's row before it changes anything of the loan.

mod receive_applications;
mod receive_repayment;
mod reject_waiting_repayments;
mod republish_events;
mod step_loan;
mod step_repayment;
mod take_step;
mod tell;

pub use receive_applications::receive_applications;
pub use receive_repayment::receive_repayment;
pub use republish_events::republish_events;
pub use take_step::take_step;

use ::events::codes::RejectionReason;
use ::events::{AuthCertified, LoanRequestId, LoanStatus, LoanVersion};
use time::OffsetDateTime;

use crate::error::Error;
use crate::store::item::{Item, Officer};

/// What became of a request that came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// It waits for an officer.
    Waiting,
    /// It was rejected, and the customer is told why.
    Rejected(RejectionReason),
    /// It had come before; nothing happened.
    AlreadyThere,
}

/// Whether the row's version is the one that the officer saw.
pub type Check<'a> = &'a (dyn Fn(i64) -> Result<(), Error> + Sync);

/// A step that an officer wants to take.
#[derive(Clone, Debug)]
pub struct Order {
    /// Of which item.
    pub id: LoanRequestId,
    /// To where.
    pub to: LoanStatus,
    /// What the officer says to it.
    pub comment: Option<String>,
    /// Who.
    pub officer: Officer,
}

/// A step that was taken.
pub struct Taken {
    /// The item after it.
    pub item: Item,
    /// Which of the loan's events tell of it.
    pub version: LoanVersion,
}

/// The row of a request as it came in, waiting, without a loan.
fn item_of(certified: &AuthCertified, at: OffsetDateTime) -> Item {
    Item {
        loan_request_id: certified.loan_request_id,
        kind: certified.request_id,
        loan_id: None,
        status: LoanStatus::Waiting,
        amount: certified.amount_of_money,
        currency: certified.currency,
        outstanding: None,
        loan_version: None,
        version: 1,
        reason: None,
        customer_id: certified.customer_id,
        user_id: certified.user_id.clone(),
        user_name: certified.user_name.clone(),
        user_mobile: certified.user_mobile.clone(),
        account_no: certified.account_no.clone(),
        request_name: certified.request_name.clone(),
        language: certified.language,
        proc_id: None,
        proc_name: None,
        adm_comment: None,
        received_at: at,
        changed_at: at,
    }
}
