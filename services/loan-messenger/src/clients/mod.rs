//! What a message goes out by. Each way is a [`Way`]; which there are is the operator's
//! to say.

pub mod circuits;
pub mod mail;
pub mod mail_drop;
pub mod sms;
pub mod smtp;
pub mod standard_webhooks;
pub mod targets;
pub mod webhook;

use std::time::Duration;

use ::events::codes::Channel;
use common::config::Secret;
use futures::future::BoxFuture;

use self::circuits::Target;
use crate::domain::delivery::Offered;
use crate::domain::letter::Letter;

/// Where something goes. Not `Debug`: it is personal data.
#[derive(Clone)]
pub struct Destination {
    /// The mail address, the telephone number, the address of the web-hook.
    pub address: String,
    /// What a web-hook's requests are signed with, the newest first.
    pub secrets: Vec<Secret>,
}

/// What came of sending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The other side has taken it.
    Sent,
    /// It says that this will never do: no such address, for example.
    Refused {
        /// Its code; never its words, which may quote an address.
        detail: String,
    },
    /// It says that it is gone for good and wants nothing more (410).
    Gone,
    /// It did not work out, and may the next time.
    Failed {
        /// A code of theirs or a word of ours.
        detail: String,
        /// When they want it again.
        retry_after: Option<Duration>,
        /// It may have arrived all the same.
        is_unknown: bool,
        /// It says something of the target, and not only of this message.
        is_targets: bool,
    },
}

impl Outcome {
    /// It did not arrive, and may the next time.
    #[must_use]
    pub fn failed(detail: impl Into<String>) -> Self {
        let detail = detail.into();
        Self::Failed { detail, retry_after: None, is_unknown: false, is_targets: true }
    }

    /// The target is well, and does not take this one now.
    #[must_use]
    pub fn put_off(detail: impl Into<String>) -> Self {
        let detail = detail.into();
        Self::Failed { detail, retry_after: None, is_unknown: false, is_targets: false }
    }

    /// It may have arrived or not.
    #[must_use]
    pub fn unknown(detail: impl Into<String>) -> Self {
        let detail = detail.into();
        Self::Failed { detail, retry_after: None, is_unknown: true, is_targets: true }
    }

    /// Whether it says that the other side is in a bad way. Whoever refuses one message
    /// well is well.
    #[must_use]
    pub const fn is_failure(&self) -> bool {
        matches!(self, Self::Failed { is_targets: true, .. })
    }

    /// Its name in figures.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Refused { .. } | Self::Gone => "refused",
            Self::Failed { is_unknown: false, .. } => "failed",
            Self::Failed { is_unknown: true, .. } => "unknown",
        }
    }
}

/// A way by which messages go out.
pub trait Way: Send + Sync {
    /// Whom a destination depends on.
    fn target(&self, destination: &Destination) -> Target;

    /// Sends; ends by itself within the time that sending may take.
    fn send<'a>(
        &'a self,
        letter: &'a Letter,
        destination: &'a Destination,
    ) -> BoxFuture<'a, Outcome>;
}

/// The ways that there are.
#[derive(Default)]
pub struct Ways {
    /// By mail.
    pub mail: Option<Box<dyn Way>>,
    /// By short message.
    pub sms: Option<Box<dyn Way>>,
    /// By web-hook.
    pub webhook: Option<Box<dyn Way>>,
}

impl Ways {
    /// Which there are.
    #[must_use]
    pub fn offered(&self) -> Offered {
        Offered {
            mail: self.mail.is_some(),
            sms: self.sms.is_some(),
            webhook: self.webhook.is_some(),
        }
    }

    /// The way of a channel.
    #[must_use]
    pub fn of(&self, channel: Channel) -> Option<&dyn Way> {
        match channel {
            Channel::Mailbox => None,
            Channel::Mail => self.mail.as_deref(),
            Channel::Sms => self.sms.as_deref(),
            Channel::Webhook => self.webhook.as_deref(),
        }
    }
}
