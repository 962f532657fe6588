//! What becomes of a message that is to leave the mailbox: sent, held, dropped or
//! given up; and when it is tried again.

use std::time::Duration;

use ::events::codes::{Channel, MessageKind};
use time::OffsetDateTime;

/// What a customer can do without. All others say what a loan costs, or what became of
/// it, and are told whatever was chosen.
pub const OPTIONAL_KINDS: &[MessageKind] =
    &[MessageKind::RequestReceived, MessageKind::UnderReview];

/// Which channels there are here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offered {
    /// Mail.
    pub mail: bool,
    /// Short messages.
    pub sms: bool,
    /// Web-hooks.
    pub webhook: bool,
}

impl Offered {
    /// Whether there is this one.
    #[must_use]
    pub const fn has(self, channel: Channel) -> bool {
        match channel {
            Channel::Mailbox => true,
            Channel::Mail => self.mail,
            Channel::Sms => self.sms,
            Channel::Webhook => self.webhook,
        }
    }

    /// Where a customer's messages go who has chosen nothing.
    #[must_use]
    pub const fn default_channel(self, has_mail_address: bool) -> Channel {
        if self.mail && has_mail_address { Channel::Mail } else { Channel::Mailbox }
    }
}

/// How a customer can be reached at this moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reach {
    /// The customer was removed.
    pub is_removed: bool,
    /// What was chosen, or the default.
    pub channel: Channel,
    /// There is an address for it.
    pub has_address: bool,
    /// It was proven to be the customer's.
    pub is_verified: bool,
    /// It has said that it is gone for good.
    pub is_gone: bool,
    /// The customer does not want this kind of message to be sent.
    pub is_unwanted: bool,
}

/// Why something is not sent (yet).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The customer was removed.
    CustomerRemoved,
    /// The customer reads in the mailbox now.
    MailboxOnly,
    /// The customer has opted out of this kind.
    OptedOut,
    /// There is no such channel here.
    NotOffered,
    /// There is no address.
    NoAddress,
    /// The address is not verified.
    NotVerified,
    /// The web-hook says that it is gone for good.
    Gone,
    /// It was tried until its time was over.
    TimeOver,
}

impl Reason {
    /// Its name.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::CustomerRemoved => "customer-removed",
            Self::MailboxOnly => "mailbox-only",
            Self::OptedOut => "opted-out",
            Self::NotOffered => "channel-not-offered",
            Self::NoAddress => "no-address",
            Self::NotVerified => "address-not-verified",
            Self::Gone => "webhook-gone",
            Self::TimeOver => "time-over",
        }
    }
}

/// What to do with a customer's next message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plan {
    /// Send it.
    Send(Channel),
    /// Nothing, until the customer does something or its time is over.
    Hold(Reason),
    /// Never send it.
    Drop(Reason),
    /// Its time is over.
    GiveUp(Reason),
}

/// What to do now.
#[must_use]
pub fn plan(reach: Reach, offered: Offered, is_time_over: bool) -> Plan {
    if reach.is_removed {
        return Plan::Drop(Reason::CustomerRemoved);
    }
    if reach.channel == Channel::Mailbox {
        return Plan::Drop(Reason::MailboxOnly);
    }
    if reach.is_unwanted {
        return Plan::Drop(Reason::OptedOut);
    }
    let hindrance = if !offered.has(reach.channel) {
        Some(Reason::NotOffered)
    } else if !reach.has_address {
        Some(Reason::NoAddress)
    } else if reach.is_gone {
        Some(Reason::Gone)
    } else if !reach.is_verified {
        Some(Reason::NotVerified)
    } else {
        None
    };
    match (hindrance, is_time_over) {
        (reason, true) => Plan::GiveUp(reason.unwrap_or(Reason::TimeOver)),
        (Some(reason), false) => Plan::Hold(reason),
        (None, false) => Plan::Send(reach.channel),
    }
}

/// The figures of trying again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// The bound of the first pause; it doubles with each try …
    pub pause: Duration,
    /// … up to this.
    pub pause_max: Duration,
    /// The longest that a receiver's own wish (`Retry-After`) is heeded.
    pub wish_max: Duration,
}

impl Retry {
    /// How long to wait after a failure: anything from nothing to a bound that doubles
    /// ("full jitter": those who failed together don't come back together; Brooker,
    /// "Exponential Backoff And Jitter", 2015), but not less than the receiver asks for.
    ///
    /// `tries` counts those that failed, from 1; `dice` is any number.
    #[must_use]
    pub fn pause_after(&self, tries: u32, wish: Option<Duration>, dice: u32) -> Duration {
        let doublings = tries.saturating_sub(1).min(31);
        let bound = self.pause.saturating_mul(1 << doublings).min(self.pause_max);
        let share = u128::from(dice) * bound.as_millis() / u128::from(u32::MAX);
        let pause = Duration::from_millis(u64::try_from(share).unwrap_or(u64::MAX));
        pause.max(wish.unwrap_or_default().min(self.wish_max))
    }
}

/// When a message is not tried any more.
#[must_use]
pub fn give_up_at(created_at: OffsetDateTime, give_up_after: Duration) -> OffsetDateTime {
    created_at
        .checked_add(give_up_after.try_into().unwrap_or(time::Duration::MAX))
        .unwrap_or(created_at)
}

#[cfg(test)]
mod tests;
