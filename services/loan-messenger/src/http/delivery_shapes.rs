//! What the routes of the delivery settings answer with.

use ::events::codes::{Channel, MessageKind};
use common::config::Secret;
use common::hal::Links;
use common::http::BaseUrl;
use secrecy::ExposeSecret as _;
use serde::{Serialize, Serializer};
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::domain::address::masked;
use crate::domain::delivery::{OPTIONAL_KINDS, Offered};
use crate::store::contact::Contact;

/// How messages reach a customer.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Delivery {
    /// How they are sent; `mailbox`: they are not, and wait to be read here.
    pub channel: Channel,
    /// What can be chosen here.
    pub offered: Vec<Channel>,
    /// Kinds of message that are not sent, but can be read here.
    pub opt_out: Vec<MessageKind>,
    /// Kinds that can be opted out of; all others must be told.
    pub optional: Vec<MessageKind>,
    /// The mail address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mail: Option<Address>,
    /// The telephone number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sms: Option<Address>,
    /// The web-hook.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook: Option<Hook>,
    /// What waits to be sent; absent if nothing does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waiting: Option<Waiting>,
    /// `self`.
    #[serde(rename = "_links")]
    pub links: Links,
}

/// Messages that wait to be sent.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Waiting {
    /// How many.
    #[schema(minimum = 1, example = 2)]
    pub count: i64,
    /// Why the first of them has not gone, as `reason` of a message; the others wait for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "address-not-verified")]
    pub reason: Option<String>,
}

/// An address.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Address {
    /// So much of it that one knows it again.
    #[schema(example = "k***@example.com")]
    pub address: String,
    /// It was proven to be read by the customer; before that nothing is sent there.
    pub is_verified: bool,
}

/// A web-hook.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Hook {
    /// Where it is.
    #[schema(example = "https://example.com/hooks/loans")]
    pub url: String,
    /// It was proven to be the customer's; before that nothing is sent there.
    pub is_verified: bool,
    /// It has answered 410; setting it anew or confirming it once more begins anew.
    pub is_gone: bool,
    /// Until when the secret before signs too.
    #[serde(with = "time::serde::rfc3339::option", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub previous_secret_until: Option<OffsetDateTime>,
}

/// A secret, shown once.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct HookSecret {
    /// What requests are signed with from now on (Standard Webhooks, `v1`).
    #[schema(value_type = String, format = Password, example = "whsec_bWFkZSBvZiByYW5kb21uZXNzLCBuZXZlciBvZiB0aGlz")]
    #[serde(serialize_with = "shown")]
    pub secret: Secret,
}

/// The one place that shows it: to whom it belongs.
fn shown<S: Serializer>(secret: &Secret, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(secret.expose_secret())
}

impl Delivery {
    /// The settings with their link.
    pub(super) fn of(
        contact: &Contact,
        waiting: (i64, Option<String>),
        offered: Offered,
        now: OffsetDateTime,
        base: &BaseUrl,
    ) -> Self {
        let address = |channel| {
            let address = contact.address(channel).map(masked)?;
            Some(Address { address, is_verified: contact.verified.contains(&channel) })
        };
        let webhook = contact.webhook_url.clone().map(|url| Hook {
            url,
            is_verified: contact.verified.contains(&Channel::Webhook),
            is_gone: contact.gone_at.is_some(),
            previous_secret_until: contact.previous_until.filter(|until| *until > now),
        });
        Self {
            channel: contact.channel(offered),
            offered: Channel::ALL.iter().copied().filter(|one| offered.has(*one)).collect(),
            opt_out: contact.opted_out.clone(),
            optional: OPTIONAL_KINDS.to_vec(),
            mail: address(Channel::Mail),
            sms: address(Channel::Sms),
            webhook,
            waiting: (waiting.0 > 0).then_some(Waiting { count: waiting.0, reason: waiting.1 }),
            links: Links::to_self(base.join("/loanMessengers/delivery")),
        }
    }
}
