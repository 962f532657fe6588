//! The table `loan_request`.

mod read;
mod write;

pub use read::{Start, Undecided, count, find, list, standings, undecided};
pub use write::{
    Change, NewRequest, NewlyCertified, NewlyReceived, certify_undecided, insert, lease_overdue,
    lock, make_due, purge_refused, purge_withdrawn, receive_pending, remove_undecided, write,
};

use ::events::codes::RequestStatus;
use ::events::{Amount, Currency, CustomerId, LoanId, LoanRequestId, RequestKind};
use sqlx::postgres::PgRow;
use sqlx::{FromRow, Row};
use time::OffsetDateTime;

use crate::domain::standing::Standing;
use crate::domain::viewer::Ownership;

/// What is read of a row. The statements of [`read`] and [`write`] agree on it.
macro_rules! columns {
    () => {
        "loan_request_id, request_id, loan_id, request_name, amount, account_no, user_mobile, user_id, \
         user_name, claimed_customer_id, customer_id, status, reason, comment, submitted_at, \
         certified_at, received_at, version"
    };
}
use columns;

/// A request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoanRequest {
    /// Its id, everywhere.
    pub id: LoanRequestId,
    /// A new loan or a repayment.
    pub kind: RequestKind,
    /// The loan, where it is known or at least named.
    pub loan_id: Option<LoanId>,
    /// What the customer calls it.
    pub name: String,
    /// How much.
    pub amount: Amount,
    /// The account to pay to or from.
    pub account_no: Option<String>,
    /// Where to reach the customer about it.
    pub user_mobile: Option<String>,
    /// The login name that was claimed.
    pub user_id: Option<String>,
    /// The name that was claimed.
    pub user_name: Option<String>,
    /// The customer that the token named.
    pub claimed_customer_id: Option<CustomerId>,
    /// Where it stands, and whose it is.
    pub standing: Standing,
    /// Why it ended early.
    pub reason: Option<String>,
    /// What an officer said to it.
    pub comment: Option<String>,
    /// When it came in.
    pub submitted_at: OffsetDateTime,
    /// When it was known to be certified.
    pub certified_at: Option<OffsetDateTime>,
    /// When loan-manager's receipt was heard of.
    pub received_at: Option<OffsetDateTime>,
    /// Counts the changes.
    pub version: i64,
}

impl LoanRequest {
    /// Whose it is, as far as anybody knows.
    #[must_use]
    pub fn ownership(&self) -> Ownership<'_> {
        Ownership {
            standing: self.standing,
            claimed_customer_id: self.claimed_customer_id,
            claimed_user_id: self.user_id.as_deref(),
        }
    }

    /// Its currency. There is one; the table checks it.
    #[must_use]
    pub const fn currency(&self) -> Currency {
        Currency::KRW
    }
}

impl FromRow<'_, PgRow> for LoanRequest {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        let status: RequestStatus = row.try_get("status")?;
        let standing =
            Standing::of(status, row.try_get("customer_id")?).ok_or_else(contradictory)?;
        Ok(Self {
            id: row.try_get("loan_request_id")?,
            kind: row.try_get("request_id")?,
            loan_id: row.try_get("loan_id")?,
            name: row.try_get("request_name")?,
            amount: row.try_get("amount")?,
            account_no: row.try_get("account_no")?,
            user_mobile: row.try_get("user_mobile")?,
            user_id: row.try_get("user_id")?,
            user_name: row.try_get("user_name")?,
            claimed_customer_id: row.try_get("claimed_customer_id")?,
            standing,
            reason: row.try_get("reason")?,
            comment: row.try_get("comment")?,
            submitted_at: row.try_get("submitted_at")?,
            certified_at: row.try_get("certified_at")?,
            received_at: row.try_get("received_at")?,
            version: row.try_get("version")?,
        })
    }
}

/// The table does not let such a row be.
fn contradictory() -> sqlx::Error {
    sqlx::Error::Decode("status and customer_id contradict each other".into())
}

#[cfg(test)]
mod tests;
