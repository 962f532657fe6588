//! Every setting of this service, with its default and its reason.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use clap::ValueEnum;
use common::clock::Clock;
use common::config::{Secret, ServiceSettings};
use lettre::message::Mailbox;
use secrecy::ExposeSecret as _;
use time::Duration as Span;
use url::Url;

use crate::clients::circuits::{Circuits, Places};
use crate::clients::mail_drop::MailDrop;
use crate::clients::sms::Sms;
use crate::clients::smtp::{Patience, Smtp};
use crate::clients::webhook::{self, Webhook};
use crate::clients::{Way, Ways, standard_webhooks};
use crate::domain::delivery::Retry;
use crate::tasks::{Deliver, WatchQueue};
use crate::usecases::Rules;

/// loan-messenger: a message to the customer for every change.
#[derive(clap::Parser, Clone, Debug)]
#[command(name = "loan-messenger", version)]
pub struct Config {
    /// What every service has.
    #[command(flatten)]
    pub service: ServiceSettings,
    /// By which channels messages go out.
    #[command(flatten)]
    pub channels: ChannelSettings,
    /// How they are sent.
    #[command(flatten)]
    pub delivery: DeliverySettings,
}

/// Where a customer's web-hook may lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum WebhookTargets {
    /// There are none.
    Off,
    /// https, to addresses on the internet.
    Public,
    /// Anywhere, http too: for trying on one machine, and nowhere else.
    Any,
}

/// By which channels messages go out.
#[derive(clap::Args, Clone, Debug)]
pub struct ChannelSettings {
    /// Where mail goes: a server, `smtps://USER:PASSWORD@HOST` or
    /// `smtp://USER:PASSWORD@HOST:587?tls=required` (`tls=opportunistic` where it may
    /// do without); or a folder, `file:///FOLDER`, in which each mail is a file. Without
    /// it no mail is sent, and messages stay in the mailbox.
    #[arg(long, env = "MAIL_URL", hide_env_values = true)]
    pub mail_url: Option<Secret>,

    /// Who mail is from. Its domain stands in every Message-ID too.
    #[arg(long, env = "MAIL_FROM", default_value = "Online Loan <no-reply@loan.example>")]
    pub mail_from: Mailbox,

    /// A provider of short messages: `{"type": "sms", "data": {"to", "text"}}` is posted
    /// there, signed as Standard Webhooks are. Without it there are no short messages.
    #[arg(long, env = "SMS_URL", requires = "sms_secret")]
    pub sms_url: Option<Url>,

    /// What the provider knows us by: `whsec_` and 24 to 64 bytes in base64.
    #[arg(long, env = "SMS_SECRET", hide_env_values = true, requires = "sms_url")]
    pub sms_secret: Option<Secret>,

    /// Where customers' web-hooks may lead: off, public (https to the internet) or any.
    #[arg(long, env = "WEBHOOK_TARGETS", value_enum, default_value_t = WebhookTargets::Public)]
    pub webhook_targets: WebhookTargets,
}

/// How messages are sent.
#[derive(clap::Args, Clone, Debug)]
pub struct DeliverySettings {
    /// How long sending one may take, in seconds.
    #[arg(long, env = "DELIVERY_TIMEOUT_SECONDS", default_value_t = 10,
          value_parser = clap::value_parser!(u64).range(1..=60))]
    pub delivery_timeout_seconds: u64,

    /// How long a mail server may think about a mail that it has got whole, in seconds.
    /// Whoever gives up before it does sends the mail once more.
    #[arg(long, env = "DELIVERY_BODY_SECONDS", default_value_t = 120,
          value_parser = clap::value_parser!(u64).range(1..=600))]
    pub delivery_body_seconds: u64,

    /// Messages of a channel on their way at once, in one instance.
    #[arg(long, env = "DELIVERY_CONCURRENCY_MAX", default_value_t = 16,
          value_parser = clap::value_parser!(u32).range(1..=256))]
    pub delivery_concurrency_max: u32,

    /// Of those, to one customer's system: a slow one leaves room for the others.
    #[arg(long, env = "DELIVERY_PER_WEBHOOK_MAX", default_value_t = 4,
          value_parser = clap::value_parser!(u32).range(1..=256))]
    pub delivery_per_webhook_max: u32,

    /// How often the queue is looked at while nothing occasions it, in milliseconds.
    #[arg(long, env = "DELIVERY_POLL_MS", default_value_t = 1_000,
          value_parser = clap::value_parser!(u64).range(10..=60_000))]
    pub delivery_poll_ms: u64,

    /// The bound of the first pause after a failure, in milliseconds; it doubles with
    /// each, and the pause is anything up to it.
    #[arg(long, env = "DELIVERY_PAUSE_MS", default_value_t = 2_000,
          value_parser = clap::value_parser!(u64).range(1..=3_600_000))]
    pub delivery_pause_ms: u64,

    /// The longest pause, in seconds: how late a message is after an outage.
    #[arg(long, env = "DELIVERY_PAUSE_MAX_SECONDS", default_value_t = 600,
          value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub delivery_pause_max_seconds: u64,

    /// A target that fails again and again is left alone for a while, at most for so
    /// long, in seconds.
    #[arg(long, env = "DELIVERY_OPEN_MAX_SECONDS", default_value_t = 60,
          value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub delivery_open_max_seconds: u64,

    /// A message that did not arrive for so long is given up, in hours; until then it
    /// holds back the customer's later ones.
    #[arg(long, env = "DELIVERY_GIVE_UP_HOURS", default_value_t = 72,
          value_parser = clap::value_parser!(u64).range(1..=720))]
    pub delivery_give_up_hours: u64,

    /// How long a code that proves an address is good, in minutes.
    #[arg(long, env = "VERIFICATION_MINUTES", default_value_t = 30,
          value_parser = clap::value_parser!(u64).range(1..=1_440))]
    pub verification_minutes: u64,

    /// How long attempts to send are kept, in days.
    #[arg(long, env = "ATTEMPT_KEEP_DAYS", default_value_t = 90,
          value_parser = clap::value_parser!(u32).range(1..=3_650))]
    pub attempt_keep_days: u32,
}

impl DeliverySettings {
    /// A circuit for each target.
    #[must_use]
    pub fn circuits(&self) -> Circuits {
        let places = Places {
            ours: self.delivery_concurrency_max as usize,
            theirs: self.delivery_per_webhook_max as usize,
        };
        Circuits::new(places, Duration::from_secs(self.delivery_open_max_seconds))
    }
}

/// The longest that a receiver's `Retry-After` is heeded.
const WISH_MAX: Duration = Duration::from_secs(3_600);

impl Config {
    /// The channels.
    ///
    /// # Errors
    /// A setting that is none, in words for whoever set it.
    pub fn ways(&self, clock: &Clock) -> anyhow::Result<Ways> {
        let timeout = Duration::from_secs(self.delivery.delivery_timeout_seconds);
        let channels = &self.channels;
        let mail = match &channels.mail_url {
            Some(url) => Some(self.mail(url, timeout, clock)?),
            None => None,
        };
        let mut sms: Option<Box<dyn Way>> = None;
        if let (Some(url), Some(secret)) = (&channels.sms_url, &channels.sms_secret) {
            anyhow::ensure!(
                standard_webhooks::bytes(secret).is_some(),
                "SMS_SECRET must be whsec_ and 24 to 64 bytes in base64"
            );
            let client = webhook::client(timeout, true).context("SMS_URL")?;
            sms = Some(Box::new(Sms::new(client, url.clone(), secret.clone(), clock.clone())));
        }
        let mut hook: Option<Box<dyn Way>> = None;
        if channels.webhook_targets != WebhookTargets::Off {
            let allows_any = self.allows_any_webhook();
            let client = webhook::client(timeout, allows_any).context("WEBHOOK_TARGETS")?;
            hook = Some(Box::new(Webhook::new(client, clock.clone(), allows_any)));
        }
        Ok(Ways { mail, sms, webhook: hook })
    }

    fn mail(&self, url: &Secret, timeout: Duration, clock: &Clock) -> anyhow::Result<Box<dyn Way>> {
        let from = self.channels.mail_from.clone();
        if let Some(folder) = folder(url) {
            let drop = MailDrop::try_new(&folder, from, clock.clone());
            return Ok(Box::new(drop.context("MAIL_URL: the folder can't be made")?));
        }
        let connections = self.delivery.delivery_concurrency_max as usize;
        let body = Duration::from_secs(self.delivery.delivery_body_seconds);
        let patience = Patience { talk: timeout, body };
        let smtp = Smtp::try_new(url, from, connections, patience, clock.clone());
        Ok(Box::new(smtp.map_err(|error| anyhow::anyhow!("MAIL_URL {error}"))?))
    }

    fn allows_any_webhook(&self) -> bool {
        self.channels.webhook_targets == WebhookTargets::Any
    }

    /// The figures of sending by these channels.
    #[must_use]
    pub fn rules(&self, ways: &Ways) -> Rules {
        let delivery = &self.delivery;
        let pause = Duration::from_millis(delivery.delivery_pause_ms);
        Rules {
            offered: ways.offered(),
            give_up_after: Duration::from_secs(delivery.delivery_give_up_hours * 3_600),
            retry: Retry {
                pause,
                pause_max: Duration::from_secs(delivery.delivery_pause_max_seconds).max(pause),
                wish_max: WISH_MAX,
            },
            timeout: Duration::from_secs(delivery.delivery_timeout_seconds),
            body: Duration::from_secs(delivery.delivery_body_seconds),
            code_good_for: Duration::from_secs(delivery.verification_minutes * 60),
            allows_any_webhook: self.allows_any_webhook(),
        }
    }

    /// The figures of the workers.
    #[must_use]
    pub fn deliver(&self) -> Deliver {
        Deliver {
            poll: Duration::from_millis(self.delivery.delivery_poll_ms),
            concurrency_max: self.delivery.delivery_concurrency_max as usize,
        }
    }

    /// The figures of watching.
    #[must_use]
    pub fn watch_queue(&self) -> WatchQueue {
        WatchQueue {
            every: Duration::from_secs(5),
            purge_every: Duration::from_secs(600),
            keep_attempts: Span::days(self.delivery.attempt_keep_days.into()),
            batch_max: 1_000,
        }
    }
}

/// The folder, if it is one.
fn folder(url: &Secret) -> Option<PathBuf> {
    let url = Url::parse(url.expose_secret()).ok().filter(|url| url.scheme() == "file")?;
    url.to_file_path().ok()
}

impl AsRef<ServiceSettings> for Config {
    fn as_ref(&self) -> &ServiceSettings {
        &self.service
    }
}

#[cfg(test)]
mod tests;
