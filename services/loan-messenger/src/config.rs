//! The settings: those that every service has, and nothing of its own.

use common::config::ServiceSettings;

/// loan-messenger: a message to the customer for every change.
#[derive(clap::Parser, Clone, Debug)]
#[command(name = "loan-messenger", version)]
pub struct Config {
    /// What every service has.
    #[command(flatten)]
    pub service: ServiceSettings,
}

impl AsRef<ServiceSettings> for Config {
    fn as_ref(&self) -> &ServiceSettings {
        &self.service
    }
}
