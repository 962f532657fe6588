//! What loan-manager publishes (`loan.manager`): the life of a loan.
//!
//! `loan_version` counts the events of one loan: a reader that keeps the
//! highest one it has seen knows what is old.

use common::event::Event;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::auth::key_of;
use crate::codes::{Language, LoanStatus, RejectionReason, RequestKind};
use crate::ids::{CustomerId, LoanId, LoanRequestId};
use crate::money::{Amount, Currency, Outstanding};
use crate::topics;

/// Who loan-manager is, as a source of events.
pub const SOURCE: &str = "/loan-manager";

/// A request was taken in: an application waits for an officer, or a repayment
/// waits to be booked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LoanRequestReceived {
    /// The request.
    pub loan_request_id: LoanRequestId,
    /// The loan.
    pub loan_id: LoanId,
    /// A new loan or a repayment.
    pub request_id: RequestKind,
    /// What the customer called it.
    pub request_name: String,
    /// Whose it is.
    pub customer_id: CustomerId,
    /// How much is asked for, in minor units.
    pub amount_of_money: Amount,
    /// Its currency.
    pub currency: Currency,
    /// What is owed on the loan, for a repayment of an executed one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outstanding: Option<Outstanding>,
    /// The number of this event among the loan's.
    pub loan_version: i64,
    /// The customer's language.
    #[serde(default)]
    pub language: Language,
    /// When.
    #[serde(with = "time::serde::rfc3339")]
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub received_at: OffsetDateTime,
}

/// A request could not be taken in, or an officer refused a repayment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LoanRequestRejected {
    /// The request.
    pub loan_request_id: LoanRequestId,
    /// The loan, where it is known and the customer's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loan_id: Option<LoanId>,
    /// A new loan or a repayment.
    pub request_id: RequestKind,
    /// What the customer called it.
    pub request_name: String,
    /// Whose it is.
    pub customer_id: CustomerId,
    /// How much is asked for, in minor units.
    pub amount_of_money: Amount,
    /// Its currency.
    pub currency: Currency,
    /// Why.
    pub reason: RejectionReason,
    /// What the officer said to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// The number of this event among the loan's, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loan_version: Option<i64>,
    /// The customer's language.
    #[serde(default)]
    pub language: Language,
    /// When.
    #[serde(with = "time::serde::rfc3339")]
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub rejected_at: OffsetDateTime,
}

/// An officer took a loan under review, approved it, or refused it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LoanJudged {
    /// The request.
    pub loan_request_id: LoanRequestId,
    /// The loan.
    pub loan_id: LoanId,
    /// Whose it is.
    pub customer_id: CustomerId,
    /// What the customer called it.
    pub request_name: String,
    /// The step: `01`, `02` or `03`.
    pub loan_status: LoanStatus,
    /// What the officer said to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adm_comment: Option<String>,
    /// How much is asked for, in minor units.
    pub amount_of_money: Amount,
    /// Its currency.
    pub currency: Currency,
    /// The number of this event among the loan's.
    pub loan_version: i64,
    /// The customer's language.
    #[serde(default)]
    pub language: Language,
    /// When.
    #[serde(with = "time::serde::rfc3339")]
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub judged_at: OffsetDateTime,
}

/// A loan was executed: the money is out, and owed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LoanExecuted {
    /// The request.
    pub loan_request_id: LoanRequestId,
    /// The loan.
    pub loan_id: LoanId,
    /// Whose it is.
    pub customer_id: CustomerId,
    /// What the customer called it.
    pub request_name: String,
    /// How much is asked for, in minor units.
    pub amount_of_money: Amount,
    /// Its currency.
    pub currency: Currency,
    /// What is owed on the loan now.
    pub outstanding: Outstanding,
    /// The number of this event among the loan's.
    pub loan_version: i64,
    /// The customer's language.
    #[serde(default)]
    pub language: Language,
    /// When.
    #[serde(with = "time::serde::rfc3339")]
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub executed_at: OffsetDateTime,
}

/// A repayment was booked; published for every booking.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LoanRepaid {
    /// The repayment; the loan's own id when an officer set the loan to `05`.
    pub loan_request_id: LoanRequestId,
    /// The loan.
    pub loan_id: LoanId,
    /// Whose it is.
    pub customer_id: CustomerId,
    /// What the customer called it.
    pub request_name: String,
    /// How much was booked, in minor units.
    pub amount_of_money: Amount,
    /// Its currency.
    pub currency: Currency,
    /// What is owed on the loan now.
    pub outstanding: Outstanding,
    /// The loan's state after the booking: `04`, or `05` when nothing is owed.
    pub loan_status: LoanStatus,
    /// The number of this event among the loan's.
    pub loan_version: i64,
    /// The customer's language.
    #[serde(default)]
    pub language: Language,
    /// When.
    #[serde(with = "time::serde::rfc3339")]
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub repaid_at: OffsetDateTime,
}

macro_rules! manager_event {
    ($name:ident, $type:literal, |$event:ident| $loan:expr) => {
        impl Event for $name {
            const TYPE: &'static str = $type;
            const TOPIC: &'static str = topics::LOAN_MANAGER;
            const SOURCE: &'static str = SOURCE;

            fn key(&self) -> String {
                let $event = self;
                key_of(self.loan_request_id, $loan)
            }

            fn subject(&self) -> String {
                self.loan_request_id.to_string()
            }
        }
    };
}

manager_event!(LoanRequestReceived, "LoanRequestReceived", |event| Some(event.loan_id));
manager_event!(LoanRequestRejected, "LoanRequestRejected", |event| event.loan_id);
manager_event!(LoanJudged, "LoanJudged", |event| Some(event.loan_id));
manager_event!(LoanExecuted, "LoanExecuted", |event| Some(event.loan_id));
manager_event!(LoanRepaid, "LoanRepaid", |event| Some(event.loan_id));
