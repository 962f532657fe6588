//! What loan-auth publishes of certifications (`loan.auth`).

use common::event::Event;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::codes::{AuthCancelReason, Language, RequestKind};
use crate::ids::{CustomerId, LoanId, LoanRequestId};
use crate::money::{Amount, Currency};
use crate::topics;

/// Who loan-auth is, as a source of events.
pub const SOURCE: &str = "/loan-auth";

/// A request was certified: the customer is who they said they are.
///
/// It carries what loan-manager needs to work on the request, so that nobody
/// has to ask loan-request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuthCertified {
    /// The request.
    pub loan_request_id: LoanRequestId,
    /// The loan: the request itself for an application; for a repayment the
    /// one that the customer named, absent if none was named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loan_id: Option<LoanId>,
    /// A new loan or a repayment.
    pub request_id: RequestKind,
    /// What the customer called it.
    pub request_name: String,
    /// Whose it is.
    pub customer_id: CustomerId,
    /// The login name, for the officer who works on it.
    pub user_id: String,
    /// The name, for the officer who works on it.
    pub user_name: String,
    /// Where to reach the customer about this request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_mobile: Option<String>,
    /// The account to pay to or from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account_no: Option<String>,
    /// How much is asked for, or is to be repaid, in minor units.
    pub amount_of_money: Amount,
    /// Its currency.
    pub currency: Currency,
    /// The customer's language.
    #[serde(default)]
    pub language: Language,
    /// When.
    #[serde(with = "time::serde::rfc3339")]
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub certified_at: OffsetDateTime,
}

impl Event for AuthCertified {
    const TYPE: &'static str = "AuthCertified";
    const TOPIC: &'static str = topics::LOAN_AUTH;
    const SOURCE: &'static str = SOURCE;

    fn key(&self) -> String {
        key_of(self.loan_request_id, self.loan_id)
    }

    fn subject(&self) -> String {
        self.loan_request_id.to_string()
    }
}

/// A certification does not hold: it was voided before it was given, or its
/// request was cancelled.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuthCancelled {
    /// The request.
    pub loan_request_id: LoanRequestId,
    /// The loan, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loan_id: Option<LoanId>,
    /// Whose it is; absent when it was voided before anyone was certified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer_id: Option<CustomerId>,
    /// Why.
    pub reason: AuthCancelReason,
    /// When.
    #[serde(with = "time::serde::rfc3339")]
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub cancelled_at: OffsetDateTime,
}

impl Event for AuthCancelled {
    const TYPE: &'static str = "AuthCancelled";
    const TOPIC: &'static str = topics::LOAN_AUTH;
    const SOURCE: &'static str = SOURCE;

    fn key(&self) -> String {
        key_of(self.loan_request_id, self.loan_id)
    }

    fn subject(&self) -> String {
        self.loan_request_id.to_string()
    }
}

/// The Kafka key of what belongs to a request: its loan, so that all of one
/// loan is in one partition, in order; else the request itself.
pub(crate) fn key_of(request: LoanRequestId, loan: Option<LoanId>) -> String {
    loan.map_or_else(|| request.to_string(), |loan| loan.to_string())
}
