//! The steps that commit together, one verb for each file. Each works in a transaction
//! it is given; those of sending, which speaks to others meanwhile, take an [`Office`]
//! and keep every transaction short.

pub mod change_preference;
pub mod claim_deliveries;
pub mod confirm_address;
pub mod deliver_message;
pub mod forget_recipient;
pub mod keep_recipient;
pub mod remove_webhook;
pub mod request_verification;
pub mod rotate_webhook_secret;
pub mod send_messages;
pub mod send_verification;
pub mod set_webhook;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use ::events::codes::Channel;
use common::clock::Clock;
use common::db::Db;
use common::shutdown::Shutdown;

use crate::clients::Ways;
use crate::clients::circuits::Circuits;
use crate::domain::delivery::{Offered, Retry};

/// The figures and choices of sending.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// Which channels there are here.
    pub offered: Offered,
    /// A message that did not arrive by then is given up.
    pub give_up_after: Duration,
    /// When one is tried again.
    pub retry: Retry,
    /// How long each part of sending one may take …
    pub timeout: Duration,
    /// … and the answer of a mail server to the whole mail.
    pub body: Duration,
    /// How long a code is good.
    pub code_good_for: Duration,
    /// Whether a web-hook may be http, and inside.
    pub allows_any_webhook: bool,
}

impl Rules {
    /// Nobody else sends a message of which sending was begun so long ago: what it may
    /// take, of a mail with its six parts and one connection in vain, and the time to
    /// write down what came of it.
    #[must_use]
    pub fn lease(&self, channel: Channel) -> Duration {
        let sending = match channel {
            Channel::Mail => self.timeout * 8 + self.body,
            _ => self.timeout * 2,
        };
        sending + Duration::from_secs(10)
    }
}

impl Default for Rules {
    /// Nothing is sent.
    fn default() -> Self {
        Self {
            offered: Offered::default(),
            give_up_after: Duration::from_secs(72 * 3_600),
            retry: Retry {
                pause: Duration::from_secs(2),
                pause_max: Duration::from_secs(600),
                wish_max: Duration::from_secs(3_600),
            },
            timeout: Duration::from_secs(10),
            body: Duration::from_secs(120),
            code_good_for: Duration::from_secs(1_800),
            allows_any_webhook: false,
        }
    }
}

/// What sends messages.
#[derive(Clone)]
pub struct Office {
    /// The database.
    pub db: Db,
    /// The time and new ids.
    pub clock: Clock,
    /// The figures.
    pub rules: Rules,
    /// The channels.
    pub ways: Arc<Ways>,
    /// How the targets are.
    pub circuits: Circuits,
    /// The same for codes, which have places of their own: somebody waits for them.
    pub code_circuits: Circuits,
    /// When this ends.
    pub shutdown: Shutdown,
}

/// Any number, for pauses that differ.
fn dice() -> u32 {
    let mut bytes = [0; 4];
    // Without randomness all pauses are the longest, which does no harm.
    match aws_lc_rs::rand::fill(&mut bytes) {
        Ok(()) => u32::from_ne_bytes(bytes),
        Err(_) => u32::MAX,
    }
}
