//! What several addresses of this service answer with.

use ::events::codes::{Channel, DeliveryState, MessageKind};
use ::events::{CustomerId, Language, LoanId, LoanRequestId, MessageId};
use common::hal::Links;
use common::http::BaseUrl;
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::store::message::Message;

/// A message, as its customer reads it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct LoanMessenger {
    /// The message.
    pub id: MessageId,
    /// Its number among the customer's messages, from 1.
    #[schema(minimum = 1, example = 3)]
    pub seq: i64,
    /// The request that it is about.
    pub loan_request_id: LoanRequestId,
    /// The loan that it is about, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loan_id: Option<LoanId>,
    /// To whom.
    pub customer_id: CustomerId,
    /// What it tells.
    pub kind: MessageKind,
    /// In which language.
    pub language: Language,
    /// One line.
    #[schema(example = "대출이 실행되었습니다")]
    pub subject: String,
    /// Plain text.
    #[schema(
        example = "고객님의 'Deposit' 대출(10,000원)이 실행되었습니다. 현재 대출 잔액은 10,000원입니다."
    )]
    pub body: String,
    /// How it goes out; `mailbox`, if it does not. Absent while it waits to be tried first: it
    /// will go by the channel that is chosen then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<Channel>,
    /// When it was written.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: OffsetDateTime,
    /// What became of sending it; absent if it is to be read here only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delivery: Option<DeliveryState>,
    /// Why it was not sent (yet): `address-not-verified`, `no-address`, `webhook-gone`,
    /// `mailbox-only`, `customer-removed`, `time-over`, or the other side's code.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "address-not-verified")]
    pub reason: Option<String>,
    /// When it reached its channel.
    #[serde(with = "time::serde::rfc3339::option", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub sent_at: Option<OffsetDateTime>,
    /// `self`, and `loan` where it is known.
    #[serde(rename = "_links")]
    pub links: Links,
}

impl LoanMessenger {
    /// The message with its links.
    pub(super) fn of(message: Message, base: &BaseUrl) -> Self {
        let links = Links::to_self(base.join(&format!("/loanMessengers/{}", message.id)));
        let links = match message.loan_id {
            Some(loan_id) => links.with("loan", base.join(&format!("/loanStatus/loans/{loan_id}"))),
            None => links,
        };
        Self {
            id: message.id,
            seq: message.seq,
            loan_request_id: message.loan_request_id,
            loan_id: message.loan_id,
            customer_id: message.customer_id,
            kind: message.kind,
            language: message.language,
            subject: message.subject,
            body: message.body,
            channel: message.channel,
            created_at: message.created_at,
            delivery: message.delivery,
            reason: message.reason,
            sent_at: message.sent_at,
            links,
        }
    }
}
