//! What each service says of one request.

use events::codes::RejectionReason;
use events::{LoanStatus, RequestKind, RequestStatus};
use serde::Deserialize;
use time::OffsetDateTime;
use uuid::Uuid;

/// Where loan-manager lists its items.
pub(crate) const ITEMS: &str = "/admin/items";

/// Where loan-status lists what it shows.
pub(crate) const ENTRIES: &str = "/admin/entries";

/// What loan-request holds.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Request {
    pub(crate) loan_request_id: Uuid,
    pub(crate) status: RequestStatus,
    #[serde(default)]
    pub(crate) customer_id: Option<Uuid>,
    pub(crate) amount: i64,
    #[serde(default)]
    pub(crate) cancelled_event_id: Option<Uuid>,
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) submitted_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) changed_at: OffsetDateTime,
}

/// What was decided on a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Outcome {
    Certified,
    Refused,
    Voided,
    Cancelled,
}

/// What loan-auth holds.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Certification {
    pub(crate) loan_request_id: Uuid,
    pub(crate) outcome: Outcome,
    #[serde(default)]
    pub(crate) customer_id: Option<Uuid>,
    #[serde(default)]
    pub(crate) amount_of_money: Option<i64>,
    #[serde(default)]
    pub(crate) event_id: Option<Uuid>,
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) decided_at: OffsetDateTime,
}

/// What loan-auth believes of a loan, for who may leave.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OpenLoan {
    /// The id of its application's request.
    pub(crate) loan_id: Uuid,
    pub(crate) customer_id: Uuid,
    pub(crate) is_open: bool,
    /// The highest number of loan-manager's events that it has seen.
    pub(crate) loan_version: i64,
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) changed_at: OffsetDateTime,
}

/// What loan-manager holds.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Item {
    pub(crate) loan_request_id: Uuid,
    pub(crate) kind: RequestKind,
    pub(crate) status: LoanStatus,
    pub(crate) amount: i64,
    #[serde(default)]
    pub(crate) outstanding: Option<i64>,
    pub(crate) booked: i64,
    #[serde(default)]
    pub(crate) reason: Option<RejectionReason>,
    pub(crate) customer_id: Uuid,
    /// The last event that says where the loan stands, and its number.
    #[serde(default)]
    pub(crate) standing_event_id: Option<Uuid>,
    #[serde(default)]
    pub(crate) standing_version: Option<i64>,
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) received_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) changed_at: OffsetDateTime,
    pub(crate) event_ids: Vec<Uuid>,
    pub(crate) event_types: Vec<String>,
    pub(crate) event_times_ms: Vec<i64>,
}

/// What loan-messenger has written.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Messages {
    pub(crate) loan_request_id: Uuid,
    pub(crate) event_ids: Vec<Uuid>,
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) last_at: OffsetDateTime,
}

/// What loan-status shows.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Entries {
    pub(crate) loan_request_id: Uuid,
    pub(crate) event_ids: Vec<Uuid>,
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) last_at: OffsetDateTime,
    pub(crate) is_cancelled: bool,
    #[serde(default)]
    pub(crate) loan_status: Option<LoanStatus>,
    #[serde(default)]
    pub(crate) outstanding: Option<i64>,
}

/// What is known of one request, by all five.
#[derive(Clone, Debug, Default)]
pub(crate) struct Facts {
    pub(crate) request: Option<Request>,
    pub(crate) certification: Option<Certification>,
    pub(crate) open_loan: Option<OpenLoan>,
    pub(crate) item: Option<Item>,
    pub(crate) messages: Option<Messages>,
    pub(crate) entries: Option<Entries>,
}

/// What has a request's id.
pub(crate) trait Keyed {
    /// The id.
    fn key(&self) -> Uuid;
}

macro_rules! keyed {
    ($($name:ident),+) => {
        $(impl Keyed for $name {
            fn key(&self) -> Uuid {
                self.loan_request_id
            }
        })+
    };
}
impl Keyed for OpenLoan {
    fn key(&self) -> Uuid {
        self.loan_id
    }
}

keyed!(Request, Certification, Item, Messages, Entries);
