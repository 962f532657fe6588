//! What the routes of the delivery settings answer with.

use ::events::CustomerId;
use ::events::codes::{Channel, MessageKind};
use common::config::Secret;
use common::hal::Links;
use common::http::BaseUrl;
use secrecy::ExposeSecret as _;
use serde::{Serialize, Serializer};
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::Api;
use crate::domain::address::masked;
use crate::domain::delivery::{OPTIONAL_KINDS, Offered};
use crate::store;
use crate::store::contact::Contact;
use crate::store::verification::Underway;
use crate::usecases::confirm_address::TRIES_MAX;

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
    /// The code that is to prove it; absent if none counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<Code>,
}

/// A code that is to prove an address, and counts.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Code {
    /// How far it is.
    pub state: CodeState,
    /// Until when it counts.
    #[serde(with = "time::serde::rfc3339")]
    pub expires_at: OffsetDateTime,
}

/// How far a code is.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum CodeState {
    /// It is on its way, and is tried again until it is too old.
    Sending,
    /// It was taken by what leads to the address.
    Sent,
    /// The address does not take it, for good: another address is needed.
    Refused,
}

impl From<Underway> for Code {
    fn from(code: Underway) -> Self {
        let state = match (code.sent_at, code.is_due) {
            (Some(_), _) => CodeState::Sent,
            (None, true) => CodeState::Sending,
            (None, false) => CodeState::Refused,
        };
        Self { state, expires_at: code.expires_at }
    }
}

/// What the settings are put together from.
pub(super) struct Known {
    contact: Contact,
    codes: Vec<Underway>,
    waiting: (i64, Option<String>),
    now: OffsetDateTime,
}

impl Known {
    /// What is known of this customer now.
    pub(super) async fn of(api: &Api, customer_id: CustomerId) -> Result<Self, sqlx::Error> {
        let (pool, now) = (api.db.pool(), api.clock.now());
        let contact = store::contact::find(pool, customer_id).await?;
        let codes = store::verification::underway(pool, customer_id, TRIES_MAX, now).await?;
        let waiting = store::queue::waiting(pool, customer_id).await?;
        Ok(Self { contact, codes, waiting, now })
    }

    fn address(&mut self, channel: Channel) -> Option<Address> {
        let address = masked(self.contact.address(channel)?);
        let is_verified = self.contact.verified.contains(&channel);
        Some(Address { address, is_verified, code: self.code(channel) })
    }

    fn hook(&mut self) -> Option<Hook> {
        let code = self.code(Channel::Webhook);
        let (contact, now) = (&self.contact, self.now);
        contact.webhook_url.clone().map(|url| Hook {
            url,
            is_verified: contact.verified.contains(&Channel::Webhook),
            code,
            is_gone: contact.gone_at.is_some(),
            previous_secret_until: contact.previous_until.filter(|until| *until > now),
        })
    }

    /// The code that is to prove the present address of a channel.
    fn code(&mut self, channel: Channel) -> Option<Code> {
        let present = self.contact.address(channel);
        let is_it = |code: &Underway| code.channel == channel && Some(&*code.address) == present;
        let at = self.codes.iter().position(is_it)?;
        Some(self.codes.swap_remove(at).into())
    }
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
    /// The code that is to prove it; absent if none counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<Code>,
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
    pub(super) fn of(mut known: Known, offered: Offered, base: &BaseUrl) -> Self {
        let (mail, sms) = (known.address(Channel::Mail), known.address(Channel::Sms));
        let webhook = known.hook();
        let Known { contact, waiting, .. } = known;
        Self {
            channel: contact.channel(offered),
            offered: Channel::ALL.iter().copied().filter(|one| offered.has(*one)).collect(),
            optional: OPTIONAL_KINDS.to_vec(),
            mail,
            sms,
            webhook,
            waiting: (waiting.0 > 0).then_some(Waiting { count: waiting.0, reason: waiting.1 }),
            links: Links::to_self(base.join("/loanMessengers/delivery")),
            opt_out: contact.opted_out,
        }
    }
}
