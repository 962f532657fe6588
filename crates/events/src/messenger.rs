//! What loan-messenger publishes (`loan.messenger`).

use common::event::Event;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::auth::key_of;
use crate::codes::{Language, MessageKind};
use crate::ids::{CustomerId, LoanId, LoanRequestId, MessageId};
use crate::topics;

/// Who loan-messenger is, as a source of events.
pub const SOURCE: &str = "/loan-messenger";

/// A message reached its channel. The text itself stays with loan-messenger.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MessageSent {
    /// The message.
    pub message_id: MessageId,
    /// The request that it is about.
    pub loan_request_id: LoanRequestId,
    /// The loan that it is about, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loan_id: Option<LoanId>,
    /// To whom.
    pub customer_id: CustomerId,
    /// What it tells.
    pub kind: MessageKind,
    /// How it went out, for example `mailbox`.
    pub channel: String,
    /// In which language.
    pub language: Language,
    /// When.
    #[serde(with = "time::serde::rfc3339")]
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub sent_at: OffsetDateTime,
}

impl Event for MessageSent {
    const TYPE: &'static str = "MessageSent";
    const TOPIC: &'static str = topics::LOAN_MESSENGER;
    const SOURCE: &'static str = SOURCE;

    fn key(&self) -> String {
        key_of(self.loan_request_id, self.loan_id)
    }

    fn subject(&self) -> String {
        self.message_id.to_string()
    }
}
