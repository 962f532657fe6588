//! Settings: flags over environment over file over default, all of them in
//! `--help`, and a wrong one stops the start with one line.

mod health;
mod kafka;
mod load;
mod service;

pub use kafka::{KafkaSaslMechanism, KafkaSecurityProtocol, KafkaSecuritySettings};
pub use load::{ConfigError, Defaults, load, load_with, try_load_from};
pub use service::{ServiceSettings, check_shutdown, trusted_proxies};

/// A setting that must not be seen: it prints as `[REDACTED]`, is wiped from
/// memory, and `--help` does not show its value.
pub type Secret = secrecy::SecretString;
