//! Every setting of this service, with its default and its reason.

use std::str::FromStr;
use std::time::Duration;

use common::config::{Secret, ServiceSettings};
use secrecy::ExposeSecret as _;
use time::Duration as Span;

use crate::domain::brute_force::{Bound, Bounds};
use crate::tasks::PurgeExpired;
use crate::usecases::{Lifetimes, PlaceSettings, ProverSettings, SessionSettings, check_keys};

/// A service credential shorter than this could be guessed.
const CREDENTIAL_CHARS_MIN: usize = 16;

/// loan-auth: who is who.
#[derive(clap::Parser, Clone, Debug)]
#[command(name = "loan-auth", version)]
pub struct Config {
    /// What every service has.
    #[command(flatten)]
    pub service: ServiceSettings,
    /// Whom this service is for, and what it signs with.
    #[command(flatten)]
    pub keys: KeySettings,
    /// Passwords and tokens.
    #[command(flatten)]
    pub credentials: CredentialSettings,
    /// How many wrong passwords are borne.
    #[command(flatten)]
    pub failures: FailureSettings,
    /// What is purged, and the demo.
    #[command(flatten)]
    pub background: BackgroundSettings,
}

/// Whom this service is for, and what it signs with.
#[derive(clap::Args, Clone, Debug)]
pub struct KeySettings {
    /// What loan-request is known by, comma separated, so that a new one can be
    /// known before the old one goes; at least 16 characters each. It has no default
    /// because a secret in a default is none.
    #[arg(long, env = "SERVICE_CREDENTIALS", required = true, hide_env_values = true,
          value_parser = check_credentials)]
    pub service_credentials: Secret,

    /// Ed25519 keys as PKCS#8 PEM blocks, one after the other. The first signs
    /// tokens; all are in the JWKS. To change the key: add the new one behind, later
    /// put it first, and drop the old one when its tokens have expired. No default,
    /// because a key in a default is everybody's.
    #[arg(long, env = "TOKEN_SIGNING_KEYS", required = true, hide_env_values = true,
          allow_hyphen_values = true, value_parser = check_keys)]
    pub token_signing_keys: Secret,
}

/// Passwords and tokens.
#[derive(clap::Args, Clone, Debug)]
pub struct CredentialSettings {
    /// How long a customer's access token is good, in minutes: how long reading goes
    /// on after a change of the password or a removal.
    #[arg(long, env = "ACCESS_TOKEN_MINUTES", default_value_t = 10,
          value_parser = clap::value_parser!(u32).range(1..=60))]
    pub access_token_minutes: u32,

    /// How long an officer's access token is good, in seconds: how long one who was
    /// removed, or whose password was reset, can still decide. A client that renews
    /// sooner than it must costs one small transaction for each.
    #[arg(long, env = "OFFICER_ACCESS_TOKEN_SECONDS", default_value_t = 120,
          value_parser = clap::value_parser!(u32).range(10..=3_600))]
    pub officer_access_token_seconds: u32,

    /// How long a login can be renewed by its refresh tokens, in hours: a working
    /// day, then the password is asked for again.
    #[arg(long, env = "REFRESH_TOKEN_HOURS", default_value_t = 12,
          value_parser = clap::value_parser!(u32).range(1..=720))]
    pub refresh_token_hours: u32,

    /// Logins of one person at a time; beyond that the oldest ends.
    #[arg(long, env = "LOGINS_PER_PERSON_MAX", default_value_t = 100,
          value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub logins_per_person_max: u32,

    /// How long a right password is remembered in memory, as a keyed hash, in
    /// seconds: a password hash costs so much that a core does some 50 a second. At
    /// most a minute; 0 remembers nothing.
    #[arg(long, env = "PASSWORD_REMEMBERED_SECONDS", default_value_t = 60,
          value_parser = clap::value_parser!(u64).range(0..=60))]
    pub password_remembered_seconds: u64,

    /// People whose right password is remembered at most; some 200 bytes each.
    #[arg(long, env = "PASSWORD_REMEMBERED_MAX", default_value_t = 100_000,
          value_parser = clap::value_parser!(u64).range(0..=10_000_000))]
    pub password_remembered_max: u64,

    /// Passwords hashed at once for certifications at most, in places that nothing
    /// else takes. 0, the default, is the number of cores: more would only make all of
    /// them slow, and each takes 19 MiB. At least 2 then, because one address has one
    /// fewer than there are.
    #[arg(long, env = "CERTIFY_HASHES_MAX", default_value_t = 0,
          value_parser = clap::value_parser!(u32).range(0..=256))]
    pub certify_hashes_max: u32,

    /// Passwords hashed at once for logins at most. 0, the default, is half the number
    /// of cores and at least 1: a login may wait where a certification may not.
    #[arg(long, env = "LOGIN_HASHES_MAX", default_value_t = 0,
          value_parser = clap::value_parser!(u32).range(0..=256))]
    pub login_hashes_max: u32,

    /// Passwords hashed at once for registrations and changes of a password at most.
    /// 0, the default, is a quarter of the number of cores and at least 1.
    #[arg(long, env = "REGISTER_HASHES_MAX", default_value_t = 0,
          value_parser = clap::value_parser!(u32).range(0..=256))]
    pub register_hashes_max: u32,

    /// Passwords from one address that wait for a place at most, for each of these
    /// purposes; further ones get 503 at once. One place hashes about so many in the
    /// time below, so whoever comes behind them would wait in vain.
    #[arg(long, env = "PASSWORDS_WAITING_PER_ADDRESS_MAX", default_value_t = 16,
          value_parser = clap::value_parser!(u32).range(0..=100_000))]
    pub passwords_waiting_per_address_max: u32,

    /// How long a password waits for its turn at most, in milliseconds; then 503. Less
    /// than the 610 ms that loan-request waits for the whole answer.
    #[arg(long, env = "PASSWORD_WAIT_MS", default_value_t = 500,
          value_parser = clap::value_parser!(u64).range(10..=30_000))]
    pub password_wait_ms: u64,
}

/// How many wrong passwords are borne.
#[derive(clap::Args, Clone, Debug)]
pub struct FailureSettings {
    /// Wrong passwords for one account from one address at most, in the time below:
    /// more than a person mistypes.
    #[arg(long, env = "FAILURES_ACCOUNT_ADDRESS_MAX", default_value_t = 10,
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub failures_account_address_max: u32,

    /// That time, in seconds.
    #[arg(long, env = "FAILURES_ACCOUNT_ADDRESS_SECONDS", default_value_t = 300,
          value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub failures_account_address_seconds: u32,

    /// Wrong passwords for one account from all addresses together at most, in the
    /// time below. Addresses that the owner has used are exempt.
    #[arg(long, env = "FAILURES_ACCOUNT_MAX", default_value_t = 100,
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub failures_account_max: u32,

    /// That time, in seconds.
    #[arg(long, env = "FAILURES_ACCOUNT_SECONDS", default_value_t = 3_600,
          value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub failures_account_seconds: u32,

    /// Wrong passwords from one address for all accounts together at most, in the time
    /// below. An office shares an address, so this is not small.
    #[arg(long, env = "FAILURES_ADDRESS_MAX", default_value_t = 60,
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub failures_address_max: u32,

    /// That time, in seconds.
    #[arg(long, env = "FAILURES_ADDRESS_SECONDS", default_value_t = 60,
          value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub failures_address_seconds: u32,

    /// Registrations from one address at most, in the time below, whatever comes of
    /// them: each costs a hash. An office shares an address, so this is not small.
    #[arg(long, env = "REGISTRATIONS_ADDRESS_MAX", default_value_t = 60,
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub registrations_address_max: u32,

    /// That time, in seconds.
    #[arg(long, env = "REGISTRATIONS_ADDRESS_SECONDS", default_value_t = 600,
          value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub registrations_address_seconds: u32,

    /// How long an address counts as the owner's after a right password, in days.
    #[arg(long, env = "KNOWN_ADDRESS_DAYS", default_value_t = 30,
          value_parser = clap::value_parser!(u32).range(1..=365))]
    pub known_address_days: u32,

    /// The longest `Retry-After` that is told, in seconds. It doubles from 1.
    #[arg(long, env = "FAILURES_RETRY_AFTER_MAX_SECONDS", default_value_t = 60,
          value_parser = clap::value_parser!(u32).range(1..=3_600))]
    pub failures_retry_after_max_seconds: u32,
}

/// What is purged, and the demo.
#[derive(clap::Args, Clone, Debug)]
pub struct BackgroundSettings {
    /// How long refused and voided certifications are kept for officers and audit, in
    /// days.
    #[arg(long, env = "REFUSED_KEEP_DAYS", default_value_t = 30,
          value_parser = clap::value_parser!(u32).range(1..=3_650))]
    pub refused_keep_days: u32,

    /// How often what is not needed any more is looked for, in seconds.
    #[arg(long, env = "PURGE_SECONDS", default_value_t = 600,
          value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub purge_seconds: u64,

    /// Rows that one statement purges at most, so that none takes long.
    #[arg(long, env = "PURGE_BATCH_MAX", default_value_t = 1_000,
          value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub purge_batch_max: u32,

    /// Adds the demo customer and officer, whose passwords are known to everybody.
    /// Never where anything is real, so it has to be asked for.
    #[arg(long, env = "DEMO_DATA", default_value_t = false, num_args = 0..=1, require_equals = false,
          default_missing_value = "true", action = clap::ArgAction::Set)]
    pub demo_data: bool,

    /// Delays every certification by a random time, `400-620` or `500`, in
    /// milliseconds: the experiment with the circuit breaker. None unless asked for.
    #[arg(long, env = "CERTIFY_DELAY_MS")]
    pub certify_delay_ms: Option<Delay>,
}

/// A random time between two bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delay {
    /// At least, in milliseconds.
    pub min_ms: u64,
    /// At most, in milliseconds.
    pub max_ms: u64,
}

/// A request lasts 30 seconds at most.
const DELAY_MAX_MS: u64 = 30_000;

impl FromStr for Delay {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (min, max) = text.split_once('-').unwrap_or((text, text));
        match (min.trim().parse(), max.trim().parse()) {
            (Ok(min_ms), Ok(max_ms)) if min_ms <= max_ms && max_ms <= DELAY_MAX_MS => {
                Ok(Self { min_ms, max_ms })
            }
            _ => Err(format!("must be like `400-620` or `500`, at most {DELAY_MAX_MS}")),
        }
    }
}

impl KeySettings {
    /// The credentials, one by one.
    #[must_use]
    pub fn service_credentials(&self) -> Vec<Secret> {
        listed(self.service_credentials.expose_secret()).map(Secret::from).collect()
    }
}

fn listed(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|one| !one.is_empty())
}

/// Takes the credentials as a setting; what is wrong is said without showing any.
fn check_credentials(text: &str) -> Result<Secret, String> {
    let is_short = |one: &str| one.chars().count() < CREDENTIAL_CHARS_MIN;
    if listed(text).next().is_none() || listed(text).any(is_short) {
        return Err(format!("must have at least {CREDENTIAL_CHARS_MIN} characters each"));
    }
    Ok(Secret::from(text))
}

impl CredentialSettings {
    /// The places for hashing on a computer with so many cores.
    #[must_use]
    pub fn places(&self, cores: usize) -> PlaceSettings {
        let or = |asked: u32, default: usize| if asked == 0 { default } else { asked as usize };
        PlaceSettings {
            certify_max: or(self.certify_hashes_max, cores.max(2)),
            log_in_max: or(self.login_hashes_max, (cores / 2).max(1)),
            register_max: or(self.register_hashes_max, (cores / 4).max(1)),
            waiting_per_address_max: self.passwords_waiting_per_address_max as usize,
            wait: Duration::from_millis(self.password_wait_ms),
        }
    }

    /// The figures of logins.
    #[must_use]
    pub fn sessions(&self) -> SessionSettings {
        SessionSettings {
            lifetime: Span::hours(self.refresh_token_hours.into()),
            per_person_max: self.logins_per_person_max.into(),
        }
    }

    /// How long access tokens are good.
    #[must_use]
    pub fn access_lifetimes(&self) -> Lifetimes {
        Lifetimes {
            customer: Span::minutes(self.access_token_minutes.into()),
            officer: Span::seconds(self.officer_access_token_seconds.into()),
        }
    }
}

impl FailureSettings {
    /// How many failures are borne.
    #[must_use]
    pub fn bounds(&self) -> Bounds {
        let bound = |failures_max: u32, seconds: u32| Bound {
            failures_max: failures_max.into(),
            window: Span::seconds(seconds.into()),
        };
        Bounds {
            account_address: bound(
                self.failures_account_address_max,
                self.failures_account_address_seconds,
            ),
            account: bound(self.failures_account_max, self.failures_account_seconds),
            address: bound(self.failures_address_max, self.failures_address_seconds),
            registrations: bound(
                self.registrations_address_max,
                self.registrations_address_seconds,
            ),
            known_address: Span::days(self.known_address_days.into()),
            retry_after_max: Span::seconds(self.failures_retry_after_max_seconds.into()),
        }
    }
}

impl Config {
    /// The figures of proving who somebody is.
    #[must_use]
    pub fn prover(&self) -> ProverSettings {
        ProverSettings {
            bounds: self.failures.bounds(),
            remembered: Duration::from_secs(self.credentials.password_remembered_seconds),
            remembered_max: self.credentials.password_remembered_max,
        }
    }

    /// The figures of purging.
    #[must_use]
    pub fn purge_expired(&self) -> PurgeExpired {
        let bounds = self.failures.bounds();
        PurgeExpired {
            keep_refused: Span::days(self.background.refused_keep_days.into()),
            keep_failures: bounds
                .account_address
                .window
                .max(bounds.account.window)
                .max(bounds.address.window),
            keep_registrations: bounds.registrations.window,
            keep_addresses: bounds.known_address,
            every: Duration::from_secs(self.background.purge_seconds),
            batch_max: self.background.purge_batch_max,
        }
    }
}

impl AsRef<ServiceSettings> for Config {
    fn as_ref(&self) -> &ServiceSettings {
        &self.service
    }
}

#[cfg(test)]
mod tests;
