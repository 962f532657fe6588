//! The settings: those that every service has, and nothing of its own.

use common::config::ServiceSettings;

/// loan-manager: review, decision, execution and repayment of loans.
#[derive(clap::Parser, Clone)]
#[command(name = "loan-manager", version)]
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
